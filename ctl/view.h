/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints, networks, nodes and policies as rows of a table or as JSON values: what get and match print. */
#ifndef BULKHEAD_CTL_VIEW_H
#define BULKHEAD_CTL_VIEW_H

#include "common/netset.h"
#include "common/tier.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/world.h"

/*
 * Things of one kind, collected for one form of output. Exactly one of table and list is set; add what belongs into it
 * with the functions below and print it at the end.
 */
struct view {
	enum output_format format;
	struct table *table;
	json_t *list;
	bool export; /* for another store or another day: without what says of which content it was made */
};

enum view_kind {
	VIEW_POLICIES,
	VIEW_ENDPOINTS,
	VIEW_NETWORKS,
	VIEW_NODES,
	VIEW_TIERS,
	VIEW_NETSETS
};

void view_init(struct view *view, enum view_kind kind, enum output_format format);
void view_clear(struct view *view);

void view_endpoint(struct view *view, const struct world_endpoint *endpoint);
void view_network(struct view *view, const struct world_network *network);
/* now: unix seconds, for the heartbeat's age; lag: as lag_build(). */
void view_node(struct view *view, const struct node *node, const json_t *lag, long long now);
/* record is what is stored and policy the same, parsed. */
void view_policy(struct view *view, const json_t *record, const struct policy *policy,
	const struct world *world);

/* policies: of all of them, how many are in it. stored: not only built in. */
void view_tier(struct view *view, const json_t *record, const struct tier *tier, size_t policies,
	bool stored);
void view_netset(struct view *view, const json_t *record, const struct netset *set);

int view_print(const struct view *view, FILE *out, struct err *err) must_check;

#define cleanup_view __attribute__((cleanup(view_clear)))

#endif
