/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Published ports where docker-proxy serves them: from the same bridge through the gateway, and from outside by another IP version
 * than the container's. The flow ends in this host's input hook, and what docker-proxy then opens comes from the host, which is
 * never policed: so it is judged on its way in, as the sender's egress and then the container's ingress, with the container's
 * address and port in place of the host's.
 *
 *   published         every published port of every endpoint: jump to its own chain
 *   pub_<port>_<...>  one port: the sender's egress by map pub_egress4|6, then the container's ingress, then accept
 *   pe_<group>        an egress group's rules towards each of the ports
 */
#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/skeleton_internal.h"
#include "enforcerd/world_internal.h"

#include <netinet/in.h>
#include <string.h>

#define CHAIN_ADMITTED "pub_admitted"

struct w_published {
	const struct w_endpoint *endpoint;
	const struct published_port *port;
	uint8_t protocol, family; /* of the client */
	struct ip target;
	char chain[NFT_NAME_MAX];
	size_t tiers; /* chains for what comes after tiers */
};

/* --- which ports ------------------------------------------------------------------------------- */

static uint8_t protocol_number(const char *name)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
		if (!strcmp(protocols[i].name, name))
			return protocols[i].number;
	return 0;
}

/* 127.0.0.1 and ::1: its clients are the host. */
static bool is_loopback(const struct ip *ip)
{
	static const uint8_t six[16] = {[15] = 1};

	return ip->family == 4 ? ip->bytes[0] == 127 : !memcmp(ip->bytes, six, sizeof(six));
}

static bool is_any(const struct ip *ip)
{
	static const uint8_t none[16];

	return !memcmp(ip->bytes, none, ip_len(ip));
}

/* docker-proxy goes to the address of the client's version where the container has one. */
static const struct ip *target_of(const struct endpoint *record, uint8_t family)
{
	const struct ip *same = family == 4 ? &record->ipv4 : &record->ipv6;

	if (same->family)
		return same;
	return family == 4 ? &record->ipv6 : &record->ipv4;
}

static void add_port(
	struct world *world, const struct w_endpoint *endpoint, const struct published_port *port)
{
	uint8_t protocol = protocol_number(port->proto);
	struct w_published *entry;

	if (!protocol || !port->host_port || !port->host_ip.family || is_loopback(&port->host_ip))
		return;
	xgrow(world->published, world->published_count, world->published_cap);
	entry = &world->published[world->published_count++];
	*entry = (struct w_published){.endpoint = endpoint,
		.port = port,
		.protocol = protocol,
		.family = port->host_ip.family,
		.target = *target_of(endpoint->record, port->host_ip.family)};
	snprintf(entry->chain, sizeof(entry->chain), "pub_%s_%u_%u_v%u_%.8s", port->proto,
		port->host_port, port->port, entry->family, endpoint->record->id);
}

static int compare_published(const void *a, const void *b)
{
	const struct w_published *first = a, *second = b;
	int order = strcmp(first->chain, second->chain);

	return order ? order : ip_cmp(&first->port->host_ip, &second->port->host_ip);
}

static void collect(struct world *world)
{
	const struct w_endpoint *endpoint;

	world->published_count = 0;
	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next) {
		const struct w_network *network =
			world_network_find(world, endpoint->record->network_id);

		if (!world_present(endpoint) || !network || !world_network_enforced(network))
			continue;
		for (size_t i = 0; i < endpoint->record->port_count; i++)
			add_port(world, endpoint, &endpoint->record->ports[i]);
	}
	if (world->published_count)
		qsort(world->published, world->published_count, sizeof(*world->published),
			compare_published);
}

/* --- rules ------------------------------------------------------------------------------------- */

static void match_published(struct rule *rule, const struct w_published *entry)
{
	struct match *match;

	rule_match(rule, MATCH_NFPROTO)->family = entry->family;
	skeleton_match_value(rule, MATCH_L4PROTO, entry->protocol);
	match = rule_match(rule, MATCH_HDR_PORT);
	match->side = SIDE_DST;
	match->first = match->last = entry->port->host_port;
	if (is_any(&entry->port->host_ip))
		return;
	match = rule_match(rule, MATCH_HDR_ADDR);
	match->side = SIDE_DST;
	match->family = entry->family;
	match->cidr = (struct cidr){entry->port->host_ip, entry->family == 4 ? 32 : 128};
}

static struct compile_target target(
	const struct world *world, const struct w_published *entry, struct labels **owned)
{
	return (struct compile_target){
		.labels = world_effective_labels(world, entry->endpoint->record, owned),
		.ip = entry->target,
		.protocol = entry->protocol,
		.port = entry->port->port,
	};
}

/*
 * Rules of a group towards the port; chain is the name for what comes after tiers. Where they cannot be made, nothing is admitted.
 */
static void towards(struct world *world, const struct w_group *group, const char *chain,
	const struct w_published *entry, struct compiled *compiled, struct needed_list *needed)
{
	CLEANUP(labels) struct labels *owned = NULL;
	struct netset_list netsets cleanup_netset_list = {0};
	struct compile_target to = target(world, entry, &owned);
	const struct compile_scope scope = {.dir = group->dir,
		.family = entry->family,
		.netsets = &world->netset_list,
		.chain = chain,
		.target = &to};
	cleanup_free const struct policy **policies = world_group_policies(group);
	struct err err = {0};

	netset_list_of(&world->netset_list, &to.ip, &netsets);
	to.netsets = &netsets;
	if (compile_group(policies, group->policy_count, &scope, compiled, needed, &err) == 0)
		return;
	log_error("world", "published port %s: %s; it is closed", entry->chain, err.text);
	compiled_free(compiled);
	skeleton_deny(rule_append(&compiled->own), LOG_PUBLISHED, false);
}

static void goto_admitted(struct rule *rule)
{
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_ADMITTED);
}

/* What both ends allow is let in for good. */
static void append_own(struct rule_list *rules, const struct rule_list *own)
{
	for (size_t i = 0; i < own->count; i++) {
		struct rule *rule = rule_append_copy(rules, &own->items[i]);

		if (rule->verdict == VERDICT_RETURN)
			goto_admitted(rule);
	}
}

static void append_ingress(struct world *world, struct w_published *entry, struct rule_list *rules,
	struct needed_list *needed)
{
	const struct w_group *group = entry->endpoint->groups[DIR_INGRESS];
	struct compiled compiled = {0};
	char name[NFT_NAME_MAX];

	if (!group) {
		/* a bystander's port: only an isolated sender has been judged */
		struct rule *rule = rule_append(rules);

		skeleton_match_set(rule, MATCH_CT_ADDR_SET, SIDE_SRC, entry->family,
			by_family(entry->family, SET_ISOLATED4, SET_ISOLATED6));
		goto_admitted(rule);
		return;
	}
	world_close_contested(world, SIDE_SRC, entry->family, rules);
	towards(world, group, entry->chain, entry, &compiled, needed);
	append_own(rules, &compiled.own);
	for (size_t i = 0; i < compiled.tier_count; i++) {
		struct rule_list tier = {0};

		append_own(&tier, &compiled.tiers[i]);
		compile_tier_chain(entry->chain, i, name);
		ruleset_chain_in(world->rs, IN_INET, name, "after a tier", &tier);
	}
	entry->tiers = compiled.tier_count;
	compiled_free(&compiled);
}

static void build_port(struct world *world, struct w_published *entry)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	rule->verdict = VERDICT_MAP_CT;
	rule->map_side = SIDE_SRC;
	rule->map_family = entry->family;
	skeleton_name(rule->target,
		by_family(entry->family, MAP_PUBLISHED_EGRESS4, MAP_PUBLISHED_EGRESS6));
	append_ingress(world, entry, &rules, &world->published_needed);
	ruleset_chain_in(
		world->rs, IN_INET, entry->chain, entry->endpoint->record->container_name, &rules);
}

/* --- egress groups ----------------------------------------------------------------------------- */

static void group_chain_name(const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX])
{
	char chain[NFT_NAME_MAX];

	world_group_chain(group, family, chain);
	snprintf(name, NFT_NAME_MAX, "p%.38s", chain);
}

/* A port's rules, for packets to that port only. */
static void append_for_port(
	struct rule_list *rules, const struct w_published *entry, const struct rule_list *own)
{
	for (size_t i = 0; i < own->count; i++) {
		struct rule *rule = rule_append(rules);
		const struct rule *from = &own->items[i];
		struct rule head;

		match_published(rule, entry);
		head = *rule;
		*rule = *from;
		rule->matches = head.matches;
		rule->match_count = head.match_count;
		rule->match_cap = head.match_cap;
		for (size_t m = 0; m < from->match_count; m++)
			*rule_match(rule, from->matches[m].kind) = from->matches[m];
	}
}

/* Of every port of the family: the group's own chain first, then those for what comes after tiers. */
struct towards_all {
	struct rule_list own, tiers[TIERS_MAX];
	size_t tier_count;
};

static void append_port(struct world *world, const struct w_group *group, const char *chain,
	const struct w_published *entry, struct towards_all *all, struct needed_list *needed)
{
	struct compiled compiled = {0};

	towards(world, group, chain, entry, &compiled, needed);
	append_for_port(&all->own, entry, &compiled.own);
	for (size_t i = 0; i < compiled.tier_count; i++)
		append_for_port(&all->tiers[i], entry, &compiled.tiers[i]);
	if (compiled.tier_count > all->tier_count)
		all->tier_count = compiled.tier_count;
	compiled_free(&compiled);
}

static void put_published_tiers(struct world *world, struct w_group_chains *chains,
	const char *base, struct towards_all *all)
{
	char name[NFT_NAME_MAX];

	for (size_t i = 0; i < all->tier_count; i++) {
		compile_tier_chain(base, i, name);
		ruleset_chain_in(
			world->rs, IN_INET, name, "towards published ports", &all->tiers[i]);
	}
	for (size_t i = all->tier_count; i < chains->published_tiers; i++) {
		compile_tier_chain(base, i, name);
		ruleset_chain_drop(world->rs, name);
	}
	chains->published_tiers = all->tier_count;
}

void world_published_group(struct world *world, struct w_group *group, uint8_t family)
{
	struct w_group_chains *chains = &group->chains[family == 6];
	struct needed_list before = chains->published_needed;
	struct towards_all all = {0};
	char name[NFT_NAME_MAX], base[NFT_NAME_MAX];

	/* stale: of records that may be gone; all of it is made anew at the end of the settling */
	if (group->dir != DIR_EGRESS || !chains->there || !world->published_count ||
		world->published_stale)
		return;
	chains->published_needed = (struct needed_list){0};
	world_group_tiers("p", group, family, base);
	for (size_t i = 0; i < world->published_count; i++)
		if (world->published[i].family == family)
			append_port(world, group, base, &world->published[i], &all,
				&chains->published_needed);
	group_chain_name(group, family, name);
	world_needed_ref(world, &chains->published_needed);
	ruleset_chain_in(world->rs, IN_INET, name, "towards published ports", &all.own);
	put_published_tiers(world, chains, base, &all);
	world_needed_unref(world, &before);
	chains->published = true;
}

void world_published_group_drop(struct world *world, struct w_group *group, uint8_t family)
{
	struct w_group_chains *chains = &group->chains[family == 6];
	char name[NFT_NAME_MAX], base[NFT_NAME_MAX];

	if (!chains->published)
		return;
	group_chain_name(group, family, name);
	ruleset_chain_drop(world->rs, name);
	world_group_tiers("p", group, family, base);
	put_published_tiers(world, chains, base, &(struct towards_all){0});
	world_needed_unref(world, &chains->published_needed);
	chains->published = false;
}

void world_published_address(struct world *world, const struct ip *ip, const struct w_group *egress)
{
	const char *map = by_family(ip->family, MAP_PUBLISHED_EGRESS4, MAP_PUBLISHED_EGRESS6);
	const struct elem_key key = {.ip = *ip};
	char name[NFT_NAME_MAX];

	if (!egress || !world->published_count) {
		ruleset_del(world->rs, map, &key);
		return;
	}
	group_chain_name(egress, ip->family, name);
	ruleset_put(world->rs, map, &key, name, NULL);
}

/* --- all of it --------------------------------------------------------------------------------- */

static void build_dispatch(struct world *world)
{
	struct rule_list rules = {0};

	for (size_t i = 0; i < world->published_count; i++) {
		struct rule *rule = rule_append(&rules);

		match_published(rule, &world->published[i]);
		skeleton_jump(rule, world->published[i].chain);
		snprintf(rule->comment, sizeof(rule->comment), "%.100s",
			world->published[i].endpoint->record->container_name);
		w_plain_text(rule->comment);
	}
	ruleset_chain_in(world->rs, IN_INET, CHAIN_PUBLISHED,
		"published ports that docker-proxy serves", &rules);
}

static void build_admitted(struct world *world)
{
	struct rule_list rules = {0};

	skeleton_jump(rule_append(&rules), CHAIN_JUDGED);
	rule_append(&rules)->verdict = VERDICT_ACCEPT;
	ruleset_chain_in(world->rs, IN_INET, CHAIN_ADMITTED, "egress and ingress allow it", &rules);
}

static const struct w_published *still_published(const struct world *world, const char *chain)
{
	for (size_t i = 0; i < world->published_count; i++)
		if (!strcmp(world->published[i].chain, chain))
			return &world->published[i];
	return NULL;
}

static void drop_former(struct world *world, const struct w_published *former, size_t count)
{
	char name[NFT_NAME_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct w_published *now = still_published(world, former[i].chain);

		for (size_t n = now ? now->tiers : 0; n < former[i].tiers; n++) {
			compile_tier_chain(former[i].chain, n, name);
			ruleset_chain_drop(world->rs, name);
		}
		if (!now)
			ruleset_chain_drop(world->rs, former[i].chain);
	}
	if (!world->published_count && count)
		ruleset_chain_drop(world->rs, CHAIN_ADMITTED);
}

/*
 * A change of the published ports concerns every egress group: its cost is groups times ports, paid when a container that
 * publishes ports comes, goes or changes, and not otherwise.
 */
void world_published_settle(struct world *world)
{
	cleanup_free struct w_published *former = steal_ptr(world->published);
	struct needed_list before = world->published_needed;
	size_t former_count = world->published_count;
	struct w_address *address;
	struct w_group *group;

	world->published_stale = false;
	world->published_cap = 0;
	world->published_needed = (struct needed_list){0};
	collect(world);
	if (!former_count && !world->published_count)
		return;
	for (size_t i = 0; i < world->published_count; i++)
		build_port(world, &world->published[i]);
	if (world->published_count)
		build_admitted(world);
	world_needed_ref(world, &world->published_needed);
	for (group = world->groups; group; group = group->hh.next)
		for (uint8_t family = 4; family <= 6; family += 2) {
			if (world->published_count)
				world_published_group(world, group, family);
			else
				world_published_group_drop(world, group, family);
		}
	for (address = world->addresses; address; address = address->hh.next)
		world_published_address(world, &address->ip, address->groups[DIR_EGRESS]);
	build_dispatch(world);
	drop_former(world, former, former_count);
	world_needed_unref(world, &before);
}

void world_published_free(struct world *world)
{
	needed_list_free(&world->published_needed);
	free(world->published);
}
