/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies towards one known destination, for published ports that docker-proxy serves: to the kernel the flow goes to the host, so
 * what a rule says of its destination is decided here, and only what it says of the source is left for the kernel.
 */
#ifndef BULKHEAD_COMPILE_TARGET_H
#define BULKHEAD_COMPILE_TARGET_H

#include "common/netset.h"

struct compile_target {
	const struct labels *labels;       /* of the endpoint behind the published port */
	struct ip ip;                      /* its address */
	const struct netset_list *netsets; /* those that have it; NULL: none */
	uint8_t protocol;
	uint16_t port; /* in the container */
};

/*
 * Whether the rule's protocol and destination admit the target, for a client of this family. IP versions differ where docker-proxy
 * translates between them: what allows must be about both, what denies about either.
 */
bool compile_target_admits(
	const struct compile_target *target, const struct policy_rule *rule, uint8_t family);

#endif
