/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: endpoints and networks of this node, policies, isolation and operator labels, and from them the wanted
 * ruleset, kept up to date incrementally. Pure: records in, ruleset differences and reports out; no I/O, no clock.
 *
 * Fail-closed rules kept here: a record that cannot be decoded leaves its last good version in force; where there is none,
 * what a bad policy's selector selects is denied in its types; where not even that parses, the whole batch of policy changes
 * is refused (world_apply returns -1 and nothing changed). An address that two endpoints claim belongs to neither: it is
 * isolated, closed in both directions and in no selector set.
 */
#ifndef BULKHEAD_WORLD_H
#define BULKHEAD_WORLD_H

#include "common/isolation.h"
#include "common/store.h"
#include "enforcerd/ruleset.h"
#include "enforcerd/skeleton.h"

struct world;

struct world_config {
	const char *node;
	enum isolation isolation;     /* of networks that say nothing themselves */
	char *const *strict_networks; /* fnmatch globs on network names; borrowed */
	size_t strict_network_count;
	enum host_action host_action;
};

struct world *world_new(const struct world_config *config);
void world_free(struct world *world);
struct ruleset *world_ruleset(struct world *world);

/*
 * Applies changes of one stream ("policies" or "node:<own node>"). whole: the changes are all there is (a snapshot): what
 * is not among them goes. The ruleset holds the resulting difference afterwards.
 * Returns -1 with err and the world unchanged only for the policy stream rule above; other bad records become problems.
 */
int world_apply(struct world *world, const char *stream, const struct store_change *changes,
	size_t count, bool whole, struct err *err) must_check;

/* Managed bridges (driver bridge, isolation not off), sorted by name. Borrowed until the next world_apply(). */
struct world_bridge {
	const char *name; /* host interface */
	const char *network;
	enum isolation isolation;
};

const struct world_bridge *world_bridges(struct world *world, size_t *count);

struct world_stats {
	size_t endpoints, isolated, networks, policies, selectors, groups, conflicts;
};

void world_stats(const struct world *world, struct world_stats *stats);

/* Sentences for status and log: bad records, policies that select endpoints that are not isolated, address conflicts,
 * networks that cannot be enforced (macvlan, ...). Two JSON arrays of strings; caller owns. */
json_t *world_problems(const struct world *world);
json_t *world_not_enforced(const struct world *world);

DEFINE_CLEANUP(world, struct world *, world_free)

#endif
