/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who can reach whom on one port: the matrix as JSON, and that as a table or a DOT graph (pure). */
#ifndef BULKHEAD_CTL_REACH_H
#define BULKHEAD_CTL_REACH_H

#include "ctl/judge.h"
#include "ctl/policies.h"

enum { REACH_ENDPOINTS_MAX = 1000 }; /* the matrix has as many cells as its square */

/* Addresses that are no container's: the outside, and for each network set one that stands for all of it. */
struct outsider {
	char *name;
	struct ip ips[2]; /* IPv4 and IPv6, or none */
};

struct outsiders {
	struct outsider *items;
	size_t count, cap;
};

/* The outside, and what these have: where a set of the name is there already, and begins elsewhere, both are. */
void outsiders_add(struct outsiders *outsiders, const struct policies *policies);
void outsiders_clear(struct outsiders *outsiders);

#define cleanup_outsiders __attribute__((cleanup(outsiders_clear)))

/*
 * Endpoints of one node, or of all where node is NULL, to endpoints of the same node and network, and where it is NULL of other nodes in
 * the same domain; and the outsiders to and from each. judge: over the same world. Fails where there are more than REACH_ENDPOINTS_MAX.
 */
json_t *reach_document(const struct world *world, const struct judge *judge, const char *node,
	const struct outsiders *outsiders, const struct policy_flow *flow,
	struct err *err) must_check;
void reach_table(const json_t *document, FILE *out);
void reach_dot(const json_t *document, FILE *out);

#endif
