/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whom words mean: a container's name or id, an address, "host" or "host:ADDRESS" (pure). */
#ifndef BULKHEAD_CTL_ENDS_H
#define BULKHEAD_CTL_ENDS_H

#include "ctl/judge.h"

struct end {
	const struct world_endpoint
		*endpoint; /* NULL: an address that is no container's, or the host */
	struct ip ip;
	bool host;    /* the other end's own; a sender has no address then: none is asked for */
	bool guessed; /* the host's address is where Docker puts the gateway unless told otherwise */
};

struct ends {
	struct end end[DIR_COUNT]; /* the sender is DIR_EGRESS's, the receiver DIR_INGRESS's */
	const char *nodes[DIR_COUNT];
};

/*
 * "host" is the host that the other end is on, or node. A container with several networks is taken at the one that it
 * shares with the other. node: the node to look at first, or NULL.
 */
int ends_resolve(const struct world *world, const char *from, const char *to, const char *node,
	struct ends *ends, struct err *err) must_check;

/* "web (172.18.0.3, net1 on node-1)"; caller frees. */
char *end_describe(const struct end *end);

#endif
