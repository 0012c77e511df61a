/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the store says about all nodes, put together as the enforcers do it: endpoints with their effective labels and
 * whether they are isolated. Pure: hash fields in, answers out.
 */
#ifndef BULKHEAD_CTL_WORLD_H
#define BULKHEAD_CTL_WORLD_H

#include "common/isolation.h"
#include "common/record.h"
#include "common/selector.h"
#include "common/shared.h"
#include "common/store.h"

struct world;

struct world_endpoint {
	struct endpoint *record;
	struct labels *labels;         /* the record's, under the operator's of the same key */
	const struct network *network; /* as its node has it; NULL: not there */
	enum isolation isolation;      /* of its network */
	bool isolated;                 /* policy governs it */
};

struct world_network {
	char *node;
	struct network *record;
	enum isolation isolation;
	const char *source; /* who decided: "bulkheadctl", "enforcerd", "label", "default" */
};

struct world *world_new(void);
void world_free(struct world *world);

/*
 * One hash field. kind is ENDPOINT or NETWORK of node, or ISOLATION or LABELS (node NULL). What cannot be decoded is
 * left out, with -1 and the reason: endpoints of other nodes are still told.
 */
int world_add(struct world *world, enum store_kind kind, const char *node, const char *field,
	const char *text, size_t len, struct err *err) must_check;

/* The "bridges" field of a node's status: what its enforcerd has resolved, its own flags included. */
void world_add_bridges(struct world *world, const char *node, const json_t *bridges);

/* Resolves labels and isolation and sorts by node, container and network. To be called once, after the last add. */
void world_finish(struct world *world);

/* What an address of another node's endpoint is to a node. */
struct claim world_claim(const struct world *world, const struct world_endpoint *endpoint,
	const struct ip *ip, const char *node);

const struct world_endpoint *world_endpoints(const struct world *world, size_t *count);
const struct world_network *world_networks(const struct world *world, size_t *count);

/* How many endpoints the selector matches, and how many of those no policy governs. */
size_t world_count(
	const struct world *world, const struct selector *selector, size_t *not_isolated);

DEFINE_CLEANUP(world, struct world *, world_free)

#endif
