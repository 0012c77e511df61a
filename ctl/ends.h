/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom words mean: a container's name or id, an address, "host" (pure). */
#ifndef BULKHEAD_CTL_ENDS_H
#define BULKHEAD_CTL_ENDS_H

#include "ctl/judge.h"

struct end {
	const struct world_endpoint
		*endpoint; /* NULL: an address that is no container's, or the host */
	struct ip ip;
	bool host; /* the sender's own; it has no address then */
};

struct ends {
	struct end end[DIR_COUNT]; /* the sender is DIR_EGRESS's, the receiver DIR_INGRESS's */
	const char *nodes[DIR_COUNT];
};

/*
 * A container with several networks is taken at the one that it shares with the other. node: the node to look at first, or NULL.
 */
int ends_resolve(const struct world *world, const char *from, const char *to, const char *node,
	struct ends *ends, struct err *err) must_check;

/* "web (172.18.0.3, net1 on node-1)"; caller frees. */
char *end_describe(const struct end *end);

#endif
