/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Group chains and the sets that they look up, kept by reference counts: what nothing uses goes, after what uses it. */
#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- selector sets ----------------------------------------------------------------------------- */

/* What the set's name says, since the selector may be gone: its id, and behind that what compile_match.c says of the host. */
static void selector_key(const struct needed_set *needed, char id[SELECTOR_ID_LEN + 2])
{
	const char *name = needed->name + strlen("sel_");

	snprintf(id, SELECTOR_ID_LEN + 2, "%.*s", (int)strcspn(name, "_"), name);
}

static struct w_selector *find_selector(const struct world *world, const char *id)
{
	struct w_selector *selector = NULL;

	HASH_FIND_STR(world->selectors, id, selector);
	return selector;
}

/* As when a daemon starts: whoever is stale will meet every selector in its turn. */
static bool all_stale(const struct world *world)
{
	return world->stale.count == HASH_COUNT(world->endpoints);
}

/* A new selector meets every endpoint once; from then on endpoints meet it when they change. */
static void match_all(struct world *world, struct w_selector *selector)
{
	struct w_endpoint *endpoint;

	world_remotes_meet(world, selector);
	world_host_meet(world, selector);
	if (all_stale(world))
		return;
	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next) {
		CLEANUP(labels) struct labels *owned = NULL;
		const struct labels *labels;

		if (endpoint->stale)
			continue; /* it will meet all selectors in its turn */
		labels = world_effective_labels(world, endpoint->record, &owned);
		if (selector_match(selector->selector, labels))
			w_list_add(&endpoint->selectors, selector);
	}
}

static void settle_members(struct world *world, const struct w_selector *selector)
{
	struct w_endpoint *endpoint;

	world_remotes_settle_members(world, selector);
	world_host_settle_members(world, selector);
	if (all_stale(world))
		return;
	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next) {
		if (endpoint->stale || !w_list_has(&endpoint->selectors, selector))
			continue;
		world_address_settle(world, &endpoint->record->ipv4);
		world_address_settle(world, &endpoint->record->ipv6);
	}
}

static void ref_selector(struct world *world, const struct needed_set *needed)
{
	char id[SELECTOR_ID_LEN + 2];
	struct w_selector *selector;
	struct err err = {0};

	selector_key(needed, id);
	selector = find_selector(world, id);
	if (!selector) {
		selector = xcalloc(1, sizeof(*selector));
		memcpy(selector->id, id, sizeof(selector->id));
		selector->hosts = needed->hosts;
		/* its own copy: the policy that brought it may go before others that share it */
		selector->selector = selector_parse(selector_canonical(needed->selector), &err);
		if (!selector->selector) {
			log_error("world", "selector %s: %s", selector_canonical(needed->selector),
				err.text);
			abort(); /* a canonical text that its own parser refuses is a bug, and no state to go on from */
		}
		HASH_ADD_STR(world->selectors, id, selector);
		selector_index_add(world->matching, selector->selector, selector);
		match_all(world, selector);
	}
	if (selector->refs[needed->family == 6]++)
		return;
	ruleset_set(world->rs, needed->name, needed->family == 4 ? SET_IPV4 : SET_IPV6,
		selector_canonical(selector->selector));
	settle_members(world, selector);
}

static void forget_selector(struct world *world, struct w_selector *selector)
{
	struct w_endpoint *endpoint;
	struct w_address *address;

	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next)
		w_list_remove(&endpoint->selectors, selector);
	world_remotes_forget_selector(world, selector);
	world_host_forget_selector(world, selector);
	for (address = world->addresses; address; address = address->hh.next)
		w_list_remove(&address->selectors, selector);
	HASH_DEL(world->selectors, selector);
	selector_index_remove(world->matching, selector->selector, selector);
	selector_free(selector->selector);
	free(selector);
}

static void unref_selector(struct world *world, const struct needed_set *needed)
{
	char id[SELECTOR_ID_LEN + 2];
	struct w_selector *selector;

	selector_key(needed, id);
	selector = find_selector(world, id);
	if (!selector || --selector->refs[needed->family == 6])
		return;
	ruleset_set_drop(world->rs, needed->name);
	if (!selector->refs[0] && !selector->refs[1])
		forget_selector(world, selector);
}

/* --- CIDR and port sets, counters -------------------------------------------------------------- */

static void fill_plain(struct world *world, const struct needed_set *needed)
{
	for (size_t i = 0; i < needed->cidr_count; i++) {
		struct elem_key key = {0};

		cidr_range(&needed->cidrs[i], &key.ip, &key.last);
		ruleset_put(world->rs, needed->name, &key, NULL, NULL);
	}
	for (size_t i = 0; i < needed->port_count; i++) {
		const struct elem_key key = {.port = needed->ports[i]};

		ruleset_put(world->rs, needed->name, &key, NULL, NULL);
	}
}

static void declare_plain(struct world *world, const struct needed_set *needed)
{
	if (needed->kind == NEED_COUNTER) {
		ruleset_counter(world->rs, needed->name);
		return;
	}
	ruleset_set(world->rs, needed->name,
		needed->kind == NEED_PORTS ? SET_PORT
		: needed->family == 4      ? SET_CIDR4
					   : SET_CIDR6,
		NULL);
	fill_plain(world, needed);
}

static void ref_plain(struct world *world, const struct needed_set *needed)
{
	struct w_plain_set *set = NULL;

	HASH_FIND_STR(world->plain_sets, needed->name, set);
	if (!set) {
		set = xcalloc(1, sizeof(*set));
		memcpy(set->name, needed->name, sizeof(set->name));
		HASH_ADD_STR(world->plain_sets, name, set);
		declare_plain(world, needed);
	}
	set->refs++;
}

static void unref_plain(struct world *world, const struct needed_set *needed)
{
	struct w_plain_set *set = NULL;

	HASH_FIND_STR(world->plain_sets, needed->name, set);
	if (!set || --set->refs)
		return;
	if (needed->kind == NEED_COUNTER)
		ruleset_counter_drop(world->rs, set->name);
	else
		ruleset_set_drop(world->rs, set->name);
	HASH_DEL(world->plain_sets, set);
	free(set);
}

void world_needed_ref(struct world *world, const struct needed_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind == NEED_SELECTOR)
			ref_selector(world, &list->items[i]);
		else
			ref_plain(world, &list->items[i]);
	}
}

void world_needed_unref(struct world *world, struct needed_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].kind == NEED_SELECTOR)
			unref_selector(world, &list->items[i]);
		else
			unref_plain(world, &list->items[i]);
	}
	needed_list_free(list);
}

/* --- groups ------------------------------------------------------------------------------------ */

static const struct policy **policies_of(struct w_policy *const *policies, size_t count)
{
	const struct policy **list = xcalloc(count, sizeof(*list));

	for (size_t i = 0; i < count; i++)
		list[i] = policies[i]->policy;
	return list;
}

const struct policy **world_group_policies(const struct w_group *group)
{
	return policies_of(group->policies, group->policy_count);
}

/* Of a chain of the group for one family: "in_database_b66a511aeb53_4". */
static void chain_name(
	const char *prefix, const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX])
{
	snprintf(name, NFT_NAME_MAX, "%s%.34s_%c", prefix, group->name, family == 6 ? '6' : '4');
}

void world_group_chain(const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX])
{
	chain_name("", group, family, name);
}

static void staged_name(const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX])
{
	chain_name("st_", group, family, name);
}

static const char *map_of(const struct w_group *group, uint8_t family)
{
	static const char *const maps[DIR_COUNT][2] = {[DIR_INGRESS] = {MAP_INGRESS4, MAP_INGRESS6},
		[DIR_EGRESS] = {MAP_EGRESS4, MAP_EGRESS6}};

	return maps[group->dir][family == 6];
}

static struct w_group_chains *chains_of(struct w_group *group, uint8_t family)
{
	return &group->chains[family == 6];
}

/* What is being compiled: a group for one family. */
struct compilation {
	struct w_group *group;
	uint8_t family;
	struct w_group_chains *chains;
	const struct policy **policies;
	const char *comment;
};

void world_group_tiers(
	const char *prefix, const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX])
{
	const char *hash = strrchr(group->name, '_');

	snprintf(name, NFT_NAME_MAX, "%s%.2s%.13s_%c", prefix, group->name, hash ? hash : "",
		family == 6 ? '6' : '4');
}

/* The name for what comes after tiers, in both views. */
static void tiers_name(const struct compilation *c, enum compile_view view, char name[NFT_NAME_MAX])
{
	world_group_tiers(view == VIEW_STAGED ? "st_" : "", c->group, c->family, name);
}

/* Puts what comes after tiers in its chains, and drops those that are no more. Takes the rules over. */
static void put_tiers(struct world *world, const struct compilation *c, enum compile_view view,
	struct compiled *compiled)
{
	char base[NFT_NAME_MAX], name[NFT_NAME_MAX];
	size_t *there = &c->chains->tiers[view];

	tiers_name(c, view, base);
	for (size_t i = 0; i < compiled->tier_count; i++) {
		compile_tier_chain(base, i, name);
		ruleset_chain(world->rs, name, c->comment, &compiled->tiers[i]);
	}
	for (size_t i = compiled->tier_count; i < *there; i++) {
		compile_tier_chain(base, i, name);
		ruleset_chain_drop(world->rs, name);
	}
	*there = compiled->tier_count;
}

/*
 * Policies were compiled when they were taken in; network sets and tiers, which came since, may make too much of them together: then the
 * chain is closed.
 */
static void compile_view(struct world *world, const struct compilation *c, enum compile_view view,
	struct rule_list *rules)
{
	char base[NFT_NAME_MAX];
	const struct compile_scope scope = {.dir = c->group->dir,
		.family = c->family,
		.view = view,
		.netsets = &world->netset_list,
		.chain = base};
	struct compiled compiled = {0};
	struct err err = {0};

	tiers_name(c, view, base);
	if (compile_group(c->policies, c->group->policy_count, &scope, &compiled,
		    &c->chains->needed, &err) < 0) {
		log_error("world", "group %s is closed: %s", c->group->name, err.text);
		compiled_free(&compiled);
		rule_append(&compiled.own)->verdict =
			view == VIEW_STAGED ? VERDICT_RETURN : VERDICT_DROP;
	}
	put_tiers(world, c, view, &compiled);
	*rules = compiled.own;
}

/* The chain that tells what staged policies would do stands ahead of the group's own rules. */
static void put_staged(struct world *world, const struct compilation *c, struct rule_list *rules)
{
	struct rule_list staged = {0};
	struct rule *jump = rule_append(rules);

	jump->verdict = VERDICT_JUMP;
	staged_name(c->group, c->family, jump->target);
	compile_view(world, c, VIEW_STAGED, &staged);
	ruleset_chain(world->rs, jump->target, c->comment, &staged);
}

/* By it the end of a hook's chains knows that a policy was asked (mark.h). */
static void say_pending(const struct world *world, struct rule_list *rules)
{
	struct rule *rule = rule_append(rules);

	rule->mark = mark_pending(&world->config.skeleton.marks);
	rule->mark_mask = world->config.skeleton.marks.mask;
	rule->verdict = VERDICT_CONTINUE;
}

static void put_chain(struct world *world, const struct compilation *c, struct rule_list *rules)
{
	const struct elem_key number = {.group = c->group->number};
	char name[NFT_NAME_MAX];

	world_group_chain(c->group, c->family, name);
	ruleset_chain(world->rs, name, c->comment, rules);
	ruleset_put(world->rs, map_of(c->group, c->family), &number, name, NULL);
}

static void compile_chains(struct world *world, const struct compilation *c)
{
	struct needed_list before = c->chains->needed;
	bool was_staged = c->chains->staged;
	struct rule_list rules = {0}, own = {0};
	char name[NFT_NAME_MAX];

	c->chains->needed = (struct needed_list){0};
	c->chains->staged = compile_is_staged(c->policies, c->group->policy_count);
	say_pending(world, &rules);
	world_close_contested(
		world, c->group->dir == DIR_INGRESS ? SIDE_SRC : SIDE_DST, c->family, &rules);
	if (c->chains->staged)
		put_staged(world, c, &rules);
	compile_view(world, c, VIEW_IN_FORCE, &own);
	for (size_t i = 0; i < own.count; i++)
		rule_append_copy(&rules, &own.items[i]);
	rule_list_free(&own);
	/* new sets before old ones go: what both use stays as it is */
	world_needed_ref(world, &c->chains->needed);
	put_chain(world, c, &rules);
	staged_name(c->group, c->family, name);
	if (was_staged && !c->chains->staged) {
		ruleset_chain_drop(world->rs, name);
		put_tiers(world, c, VIEW_STAGED, &(struct compiled){0});
	}
	world_needed_unref(world, &before);
	if (c->group->dir == DIR_EGRESS)
		world_published_group(world, c->group, c->family);
	else
		world->published_stale |= world->published_count > 0;
}

static void compile(struct world *world, struct w_group *group, uint8_t family)
{
	cleanup_free const struct policy **policies =
		policies_of(group->policies, group->policy_count);
	cleanup_free char *comment =
		compile_group_comment(policies, group->policy_count, group->dir);

	compile_chains(world,
		&(struct compilation){group, family, chains_of(group, family), policies, comment});
}

/* Numbers are parts of hashes: should two groups of a direction come to the same, the later one takes the next that is free. */
static void take_number(struct world *world, struct w_group *group, uint32_t number)
{
	const struct w_group *other = NULL;

	for (;; number = number + 1 ? number + 1 : 1) {
		HASH_FIND(by_number, world->numbers[group->dir], &number, sizeof(number), other);
		if (!other)
			break;
	}
	group->number = number;
	HASH_ADD(by_number, world->numbers[group->dir], number, sizeof(group->number), group);
}

struct w_group *world_group_get(
	struct world *world, enum policy_direction dir, struct w_policy **policies, size_t count)
{
	cleanup_free const struct policy **list = policies_of(policies, count);
	struct w_group *group = NULL;
	char name[NFT_NAME_MAX];
	uint32_t number = compile_group_name(list, count, dir, name);

	HASH_FIND_STR(world->groups, name, group);
	if (group)
		return group;
	group = xcalloc(1, sizeof(*group));
	memcpy(group->name, name, sizeof(group->name));
	group->dir = dir;
	take_number(world, group, number);
	group->policies = xcalloc(count, sizeof(*group->policies));
	if (count)
		memcpy(group->policies, policies, count * sizeof(*policies));
	group->policy_count = count;
	HASH_ADD_STR(world->groups, name, group);
	world->groups_idle = true; /* until somebody refers to it */
	return group;
}

static bool has_family(unsigned families, uint8_t family)
{
	return families & (family == 6 ? FAMILY_IPV6 : FAMILY_IPV4);
}

void world_group_ref(struct world *world, struct w_group *group, unsigned families)
{
	group->refs++;
	for (uint8_t family = 4; family <= 6; family += 2) {
		if (!has_family(families, family))
			continue;
		chains_of(group, family)->refs++;
		if (chains_of(group, family)->there)
			continue;
		/* said ahead: a new selector's members may come here before it is done */
		chains_of(group, family)->there = true;
		compile(world, group, family);
	}
}

void world_group_unref(struct world *world, struct w_group *group, unsigned families)
{
	world->groups_idle |= !--group->refs;
	for (uint8_t family = 4; family <= 6; family += 2)
		if (has_family(families, family))
			world->groups_idle |= !--chains_of(group, family)->refs;
}

void world_group_recompile(struct world *world, struct w_group *group)
{
	for (uint8_t family = 4; family <= 6; family += 2)
		if (chains_of(group, family)->there)
			compile(world, group, family);
	group->stale = false;
}

static void group_free(struct w_group *group)
{
	for (int i = 0; i < 2; i++) {
		needed_list_free(&group->chains[i].needed);
		needed_list_free(&group->chains[i].published_needed);
	}
	free(group->policies);
	free(group);
}

static void forget_group(struct world *world, struct w_group *group)
{
	HASH_DEL(world->groups, group);
	HASH_DELETE(by_number, world->numbers[group->dir], group);
	group_free(group);
}

static void drop_tiers(struct world *world, struct w_group *group, uint8_t family)
{
	const struct compilation c = {
		.group = group, .family = family, .chains = chains_of(group, family)};

	put_tiers(world, &c, VIEW_IN_FORCE, &(struct compiled){0});
	put_tiers(world, &c, VIEW_STAGED, &(struct compiled){0});
}

static void drop_chains(struct world *world, struct w_group *group, uint8_t family)
{
	struct w_group_chains *chains = chains_of(group, family);
	const struct elem_key number = {.group = group->number};
	char name[NFT_NAME_MAX];

	if (chains->refs || !chains->there)
		return;
	ruleset_del(world->rs, map_of(group, family), &number);
	staged_name(group, family, name);
	if (chains->staged)
		ruleset_chain_drop(world->rs, name);
	drop_tiers(world, group, family);
	world_published_group_drop(world, group, family);
	world_group_chain(group, family, name);
	ruleset_chain_drop(world->rs, name);
	world_needed_unref(world, &chains->needed);
	chains->there = chains->staged = false;
}

void world_groups_collect(struct world *world)
{
	struct w_group *group, *next;

	if (!world->groups_idle)
		return;
	world->groups_idle = false;
	HASH_ITER (hh, world->groups, group, next) {
		drop_chains(world, group, 4);
		drop_chains(world, group, 6);
		if (group->refs)
			continue;
		forget_group(world, group);
	}
}

void world_groups_free(struct world *world)
{
	struct w_group *group, *next_group;
	struct w_selector *selector, *next_selector;
	struct w_plain_set *set, *next_set;

	HASH_ITER (hh, world->groups, group, next_group) {
		forget_group(world, group);
	}
	HASH_ITER (hh, world->selectors, selector, next_selector) {
		HASH_DEL(world->selectors, selector);
		selector_free(selector->selector);
		free(selector);
	}
	HASH_ITER (hh, world->plain_sets, set, next_set) {
		HASH_DEL(world->plain_sets, set);
		free(set);
	}
}
