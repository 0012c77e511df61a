/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "enforcerd/skeleton_internal.h"
#include "enforcerd/world_internal.h"

#include <fnmatch.h>
#include <string.h>

enum { NAME_PART = 16, ID_PART = 8 };

struct w_network *world_network_find(const struct world *world, const char *id)
{
	struct w_network *network = NULL;

	HASH_FIND(hh, world->networks, id, strlen(id), network);
	return network;
}

bool world_network_enforced(const struct w_network *network)
{
	return isolation_enforced(network->record);
}

/* --- isolation --------------------------------------------------------------------------------- */

static bool override(
	const struct world *world, const char *node, const char *name, enum isolation *isolation)
{
	cleanup_free char *key = xasprintf("%s/%s", node, name);
	const struct w_text *found = w_text_find(world->isolation, key);

	return found && isolation_parse(found->text, isolation);
}

static bool strict_by_flag(const struct world *world, const char *name)
{
	for (size_t i = 0; i < world->config.strict_network_count; i++)
		if (!fnmatch(world->config.strict_networks[i], name, 0))
			return true;
	return false;
}

/* The first that speaks: operator, flag, the network's label, the default. */
static enum isolation resolve(const struct world *world, const struct network *record)
{
	enum isolation isolation = world->config.isolation;

	if (override(world, world->node, record->name, &isolation) ||
		override(world, "*", record->name, &isolation))
		return isolation;
	if (strict_by_flag(world, record->name))
		return ISOLATION_STRICT;
	if (record->isolation && isolation_parse(record->isolation, &isolation))
		return isolation;
	return world->config.isolation;
}

/* --- strict chains ----------------------------------------------------------------------------- */

static void make_name(const struct w_network *network, const char *prefix, char name[NFT_NAME_MAX])
{
	char part[NAME_PART + 1];
	size_t n = 0;

	for (const char *c = network->record->name; *c && n < NAME_PART; c++)
		part[n++] = (char)((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
						   (*c >= '0' && *c <= '9')
					   ? *c
					   : '_');
	part[n] = '\0';
	snprintf(name, NFT_NAME_MAX, "%s_%s_%.8s", prefix, part, network->record->id);
}

static void make_names(struct w_network *network)
{
	make_name(network, "st_in", network->strict_in);
	make_name(network, "st_out", network->strict_out);
	make_name(network, "st_br", network->strict_bridged);
	make_name(network, "known4", network->known[0]);
	make_name(network, "known6", network->known[1]);
}

static void deny_unknown(struct rule *rule, enum flow_side side, uint8_t family, const char *set)
{
	skeleton_match_set(rule, MATCH_HDR_ADDR_SET, side, family, set)->negate = true;
	skeleton_deny(rule, LOG_STRICT, false);
}

/* An address of the container subnets that is nobody's gets nothing. */
static void subnet_rules(
	struct rule_list *rules, const struct w_network *network, enum flow_side side)
{
	for (size_t i = 0; i < network->record->subnet_count; i++) {
		const struct cidr *subnet = &network->record->subnets[i];
		struct rule *rule = rule_append(rules);
		struct match *match = rule_match(rule, MATCH_HDR_ADDR);

		match->side = side;
		match->family = subnet->ip.family;
		match->cidr = cidr_mask(subnet);
		deny_unknown(rule, side, subnet->ip.family, network->known[subnet->ip.family == 6]);
	}
}

/*
 * Within the bridge also what is outside of the subnets: link-local, multicast, broadcast, and invented sources. What the skeleton
 * lets pass before (neighbour discovery, MLD) does not come here. bridge: only what goes out by it, or NULL.
 */
static void bridge_rules(struct rule_list *rules, const struct w_network *network,
	enum flow_side side, const char *bridge)
{
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rule *rule = rule_append(rules);

		if (bridge)
			skeleton_name(rule_match(rule, MATCH_OIF)->set, bridge);
		deny_unknown(rule, side, family, network->known[family == 6]);
	}
}

static void strict_comment(const struct w_network *network, char comment[RULE_COMMENT_MAX])
{
	snprintf(comment, RULE_COMMENT_MAX, "strict network %.80s", network->record->name);
	w_plain_text(comment);
}

static void build_strict(struct world *world, struct w_network *network)
{
	struct rule_list in = {0}, out = {0}, bridged = {0};
	char comment[RULE_COMMENT_MAX];

	strict_comment(network, comment);
	ruleset_set(world->rs, network->known[0], SET_IPV4, comment);
	ruleset_set(world->rs, network->known[1], SET_IPV6, comment);
	subnet_rules(&in, network, SIDE_SRC);
	bridge_rules(&in, network, SIDE_SRC, network->record->bridge);
	bridge_rules(&in, network, SIDE_DST, network->record->bridge);
	subnet_rules(&out, network, SIDE_DST);
	ruleset_chain_in(world->rs, IN_INET, network->strict_in, comment, &in);
	ruleset_chain_in(world->rs, IN_INET, network->strict_out, comment, &out);
	if (!world->config.skeleton.bridge_tracked)
		return;
	bridge_rules(&bridged, network, SIDE_SRC, NULL);
	bridge_rules(&bridged, network, SIDE_DST, NULL);
	ruleset_chain_in(world->rs, IN_BRIDGE, network->strict_bridged, comment, &bridged);
}

static void strict_elements(struct world *world, const struct w_network *network, bool present)
{
	const struct {
		const char *map, *chain;
	} elements[] = {{MAP_STRICT_IN, network->strict_in}, {MAP_STRICT_OUT, network->strict_out},
		{MAP_STRICT_BRIDGED, network->strict_bridged}};
	size_t count = sizeof(elements) / sizeof(*elements);
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", network->record->bridge);
	for (size_t i = 0; i < count - !world->config.skeleton.bridge_tracked; i++) {
		if (present)
			ruleset_put(world->rs, elements[i].map, &key, elements[i].chain, NULL);
		else
			ruleset_del(world->rs, elements[i].map, &key);
	}
}

/* On a managed bridge bystanders' flows are marked as well, so that each of them is looked at once. */
static void set_managed(struct world *world, struct w_network *network, bool managed)
{
	struct elem_key key = {0};

	if (managed == network->managed)
		return;
	network->managed = managed;
	snprintf(key.ifname, sizeof(key.ifname), "%s", network->record->bridge);
	if (managed)
		ruleset_put(world->rs, SET_MANAGED, &key, NULL, NULL);
	else
		ruleset_del(world->rs, SET_MANAGED, &key);
}

static void drop_strict(struct world *world, struct w_network *network)
{
	struct w_address *address;

	if (!network->strict)
		return;
	network->strict = false;
	world->strict_count--;
	skeleton_strict(world->rs, &world->config.skeleton, world->strict_count > 0);
	strict_elements(world, network, false);
	ruleset_chain_drop(world->rs, network->strict_in);
	ruleset_chain_drop(world->rs, network->strict_out);
	if (world->config.skeleton.bridge_tracked)
		ruleset_chain_drop(world->rs, network->strict_bridged);
	for (address = world->addresses; address; address = address->hh.next)
		if (address->known_in == network)
			address->known_in = NULL;
	ruleset_set_drop(world->rs, network->known[0]);
	ruleset_set_drop(world->rs, network->known[1]);
}

/* --- changes ----------------------------------------------------------------------------------- */

/*
 * rebound: the network's record is another, and so may its bridge be: who places endpoints is told again. Not for a change of isolation,
 * which an operator makes: it says nothing about whether the endpoints' records are still true.
 */
static void mark_endpoints(struct world *world, const char *network_id, bool rebound)
{
	struct w_endpoint *endpoint;

	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next)
		if (!strcmp(endpoint->record->network_id, network_id)) {
			endpoint->announced &= !rebound;
			world_mark_stale(world, endpoint);
		}
}

void world_network_settle(struct world *world, struct w_network *network)
{
	enum isolation isolation = resolve(world, network->record);
	bool enforced = world_network_enforced(network);
	bool strict = isolation == ISOLATION_STRICT && enforced;

	if (isolation != network->isolation || strict != network->strict) {
		mark_endpoints(world, network->record->id, false);
		world_remotes_network(world, network->record);
	}
	network->isolation = isolation;
	world->bridges_stale = true;
	set_managed(world, network, enforced && isolation != ISOLATION_OFF);
	if (!strict) {
		drop_strict(world, network);
		return;
	}
	world->strict_count += !network->strict;
	network->strict = true;
	build_strict(world, network);
	strict_elements(world, network, true);
	skeleton_strict(world->rs, &world->config.skeleton, true);
}

bool world_shares(const struct world *world)
{
	return world->sharing_count > 0;
}

/* Only where this node shares a network do other nodes' addresses count, and only there does anybody pay for the question. */
static void share(struct world *world, const struct network *record, int by)
{
	size_t before = world->sharing_count;
	struct w_group *group;

	if (!record->shared)
		return;
	world->sharing_count += (size_t)by;
	if (!before == !world->sharing_count)
		return;
	skeleton_remote(world->rs, &world->config.skeleton, world->sharing_count > 0);
	for (group = world->groups; group; group = group->hh.next)
		group->stale = true;
	world->groups_stale = true;
	world->published_stale |= world->published_count > 0;
}

void world_network_put(struct world *world, struct network *record)
{
	struct w_network *network = world_network_find(world, record->id);

	if (network && network_equal(network->record, record)) {
		network_free(record);
		return;
	}
	if (network) {
		world_remotes_network(world, network->record);
		share(world, network->record, -1);
		/* names and bridge may change: begin anew under the same endpoints */
		drop_strict(world, network);
		set_managed(world, network, false);
		HASH_DEL(world->networks, network);
		network_free(network->record);
	} else {
		network = xcalloc(1, sizeof(*network));
		network->isolation = ISOLATION_OFF;
	}
	network->record = record;
	make_names(network);
	HASH_ADD_KEYPTR(hh, world->networks, record->id, strlen(record->id), network);
	mark_endpoints(world, record->id, true);
	share(world, record, 1);
	world_remotes_network(world, record);
	world_network_settle(world, network);
}

void world_network_remove(struct world *world, struct w_network *network)
{
	drop_strict(world, network);
	set_managed(world, network, false);
	mark_endpoints(world, network->record->id, true);
	share(world, network->record, -1);
	world_remotes_network(world, network->record);
	HASH_DEL(world->networks, network);
	network_free(network->record);
	free(network);
	world->bridges_stale = true;
}
