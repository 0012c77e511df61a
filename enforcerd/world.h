/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model: endpoints and networks of this node, those of other nodes that share a domain with it, policies, isolation and operator
 * labels, and from them the wanted ruleset, kept up to date incrementally. Pure: records in, ruleset differences and reports out; no I/O, no clock.
 *
 * Fail-closed rules kept here: a record that cannot be decoded leaves its last good version in force; where there is none,
 * what a bad policy's selector selects is denied in its types; where not even that parses, the whole batch of policy changes
 * is refused (world_apply returns -1 and nothing changed). An address that two endpoints claim, or of which it is in doubt whose
 * it is, belongs to nobody: it is isolated, closed in both directions and in no selector set.
 */
#ifndef BULKHEAD_WORLD_H
#define BULKHEAD_WORLD_H

#include "common/isolation.h"
#include "common/record.h"
#include "common/store.h"
#include "enforcerd/binding.h"
#include "enforcerd/ruleset.h"
#include "enforcerd/skeleton.h"

struct world;

/*
 * Where an endpoint is. Its addresses count (in sets, maps and networks' known addresses) unless it is withdrawn or in doubt; they are
 * bound to a port, and to no other, while that is known. In doubt, an isolated endpoint's addresses are closed to everybody unless
 * another endpoint is bound with them.
 */
struct whereabout {
	enum placement placement;
	char port[PORT_IFNAME_SIZE]; /* "" unless bound */
	uint8_t mac[PORT_MAC_SIZE];
};

/* Asked to place endpoints, by world_place(), which may be called from within. */
struct world_ops {
	/* The record is new or changed. bridge: its network's interface, or NULL: not known yet, or not a bridge. */
	void (*endpoint)(const struct endpoint *record, const char *bridge, void *arg);
	void (*endpoint_gone)(const char *id, void *arg);
};

struct world_config {
	const char *node;
	enum isolation isolation;     /* of networks that say nothing themselves */
	char *const *strict_networks; /* fnmatch globs on network names; borrowed */
	size_t strict_network_count;
	struct skeleton_config skeleton; /* marks of mask 0: the default */
	bool audit;                      /* --mode audit; the store can say so as well */
	/* NULL: every endpoint counts, and none is bound to a port */
	const struct world_ops *ops;
	void *ops_arg;
};

struct world *world_new(const struct world_config *config);
void world_free(struct world *world);
struct ruleset *world_ruleset(struct world *world);

/*
 * Applies changes of one stream ("policies" or "node:<node>", of this node or another). whole: the changes are all there is (a snapshot): what
 * is not among them goes. The ruleset holds the resulting difference afterwards.
 * Returns -1 with err and the world unchanged only for the policy stream rule above; other bad records become problems.
 */
int world_apply(struct world *world, const char *stream, const struct store_change *changes,
	size_t count, bool whole, struct err *err) must_check;

/* Whether a network of this node is shared: else no other node's stream is of any use. */
bool world_shares(const struct world *world);
/* Another node's records go: it is gone, or taken for dead. */
void world_forget_node(struct world *world, const char *node);
/* Records of another node that were passed over are wanted now: its whole stream is to be applied once more. */
bool world_node_incomplete(const struct world *world, const char *node);

/* Unknown ids are ignored: the endpoint may have gone meanwhile. To be followed by world_refresh(). */
void world_place(struct world *world, const char *endpoint_id, const struct whereabout *where);
/* Brings the ruleset up to date with placements. */
void world_refresh(struct world *world);

/*
 * One of this host's links has the address, or has it no more; as many times as there are such links. Loopback and link-local ones are not
 * to be told. Brings the ruleset up to date.
 */
void world_host_address(struct world *world, const struct ip *ip, bool there);

/* What is said of an address that an endpoint has, of this node or another. Borrowed until the next change. */
struct world_owner {
	const struct endpoint *record;
	const struct labels *labels; /* operator labels included */
};

/* False when it is nobody's, claimed by two or in doubt. */
bool world_owner(const struct world *world, const struct ip *ip, struct world_owner *owner);
/* The same for whoever is bound to a port. */
bool world_owner_of_port(const struct world *world, const char *port, struct world_owner *owner);
/* Calls fn for every policy's name in evaluation order, until it returns true; then true. */
bool world_find_policy(
	const struct world *world, bool (*fn)(const char *name, void *arg), void *arg);
bool world_audit(const struct world *world);

/* Managed bridges (driver bridge, isolation not off), sorted by name. Borrowed until the next world_apply(). */
struct world_bridge {
	const char *name; /* host interface */
	const char *network;
	enum isolation isolation;
};

const struct world_bridge *world_bridges(struct world *world, size_t *count);

struct world_stats {
	size_t endpoints, isolated, networks, policies, selectors, groups, conflicts;
	size_t bound, withdrawn; /* endpoints */
	size_t rejected;         /* labels that do not count, of all endpoints */
	size_t remote;           /* addresses of other nodes' endpoints that count here */
	size_t contested;        /* of these, claimed by two */
};

void world_stats(const struct world *world, struct world_stats *stats);

/* Sentences for status and log: bad records, policies that select endpoints that are not isolated, address conflicts,
 * networks that cannot be enforced (macvlan, ...). Two JSON arrays of strings; caller owns. */
json_t *world_problems(const struct world *world);
json_t *world_not_enforced(const struct world *world);
/* "KIND ID" of each record of the policies stream that could not be used as it is, sorted, for programs; caller owns. */
json_t *world_refused(const struct world *world);
/* Managed bridge -> isolation, for status; caller owns. */
json_t *world_bridges_json(struct world *world);

DEFINE_CLEANUP(world, struct world *, world_free)

#endif
