/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one policy rule says of one flow (pure). The kernel's rules are compiled from the same fields; that both mean the same is
 * tested with random worlds.
 */
#ifndef BULKHEAD_RULE_MATCH_H
#define BULKHEAD_RULE_MATCH_H

#include "common/netset.h"

/* One end of a flow, the container's own address and port where Docker translates them. */
struct flow_end {
	struct ip ip;
	uint16_t port; /* 0 where the protocol has none */
	/* of the endpoint that owns the address, the operator's included; NULL: nobody's that is known, so in a selector's set by network sets only */
	const struct labels *labels;
	const struct netset_list *netsets; /* those that have the address; NULL: none */
	/* Where the flow goes to its sender's host: what that has for a label, for selectors that name it; else NULL. */
	const struct labels *host;
};

struct policy_flow {
	struct flow_end source, destination; /* of one family */
	int protocol;
	int icmp_type, icmp_code; /* where the protocol is the family's ICMP */
};

bool rule_protocol_admits(const struct policy_rule *rule, int protocol);
bool rule_entity_admits(const struct policy_entity *entity, const struct flow_end *end);
bool rule_admits(const struct policy_rule *rule, const struct policy_flow *flow);

#endif
