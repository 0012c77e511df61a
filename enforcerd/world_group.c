/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Group chains and the sets that they look up, kept by reference counts: what nothing uses goes, after what uses it. */
#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- selector sets ----------------------------------------------------------------------------- */

static void selector_key(const struct needed_set *needed, char id[SELECTOR_ID_LEN + 1])
{
	snprintf(id, SELECTOR_ID_LEN + 1, "%s", needed->name + strlen("sel_"));
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
	char id[SELECTOR_ID_LEN + 1];
	struct w_selector *selector;
	struct err err = {0};

	selector_key(needed, id);
	selector = find_selector(world, id);
	if (!selector) {
		selector = xcalloc(1, sizeof(*selector));
		memcpy(selector->id, id, sizeof(selector->id));
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
	for (address = world->addresses; address; address = address->hh.next)
		w_list_remove(&address->selectors, selector);
	HASH_DEL(world->selectors, selector);
	selector_index_remove(world->matching, selector->selector, selector);
	selector_free(selector->selector);
	free(selector);
}

static void unref_selector(struct world *world, const struct needed_set *needed)
{
	char id[SELECTOR_ID_LEN + 1];
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

static void staged_name(const struct w_group *group, char name[NFT_NAME_MAX])
{
	snprintf(name, NFT_NAME_MAX, "st_%.36s", group->name);
}

/* Policies were compiled when they were taken in, so that here it cannot fail; if it does, the chain is closed. */
static void compile_view(struct w_group *group, const struct policy *const *policies,
	enum compile_view view, struct rule_list *rules, struct needed_list *needed)
{
	struct err err = {0};

	if (compile_group(policies, group->policy_count, group->dir, view, rules, needed, &err) ==
		0)
		return;
	log_error("world", "group %s is closed: %s", group->name, err.text);
	rule_list_free(rules);
	rule_append(rules)->verdict = VERDICT_DROP;
}

/* The chain that tells what staged policies would do stands ahead of the group's own rules. */
static void put_staged(struct world *world, struct w_group *group,
	const struct policy *const *policies, const char *comment, struct rule_list *rules)
{
	struct rule_list staged = {0};
	struct rule *jump = rule_append(rules);

	jump->verdict = VERDICT_JUMP;
	staged_name(group, jump->target);
	compile_view(group, policies, VIEW_STAGED, &staged, &group->needed);
	ruleset_chain(world->rs, jump->target, comment, &staged);
}

/* By it the end of a hook's chains knows that a policy was asked (mark.h). */
static void say_pending(const struct world *world, struct rule_list *rules)
{
	struct rule *rule = rule_append(rules);

	rule->mark = mark_pending(&world->config.skeleton.marks);
	rule->mark_mask = world->config.skeleton.marks.mask;
	rule->verdict = VERDICT_CONTINUE;
}

static void compile(struct world *world, struct w_group *group)
{
	cleanup_free const struct policy **policies =
		policies_of(group->policies, group->policy_count);
	cleanup_free char *comment =
		compile_group_comment(policies, group->policy_count, group->dir);
	bool was_staged = group->staged;
	struct needed_list before = group->needed;
	struct rule_list rules = {0}, own = {0};
	char name[NFT_NAME_MAX];

	group->needed = (struct needed_list){0};
	group->staged = compile_is_staged(policies, group->policy_count);
	say_pending(world, &rules);
	if (group->staged)
		put_staged(world, group, policies, comment, &rules);
	compile_view(group, policies, VIEW_IN_FORCE, &own, &group->needed);
	for (size_t i = 0; i < own.count; i++)
		rule_append_copy(&rules, &own.items[i]);
	rule_list_free(&own);
	group->stale = false;
	/* new sets before old ones go: what both use stays as it is */
	world_needed_ref(world, &group->needed);
	ruleset_chain(world->rs, group->name, comment, &rules);
	staged_name(group, name);
	if (was_staged && !group->staged)
		ruleset_chain_drop(world->rs, name);
	world_needed_unref(world, &before);
	if (group->dir == DIR_EGRESS)
		world_published_group(world, group);
	else
		world->published_stale |= world->published_count > 0;
}

struct w_group *world_group_get(
	struct world *world, enum policy_direction dir, struct w_policy **policies, size_t count)
{
	cleanup_free const struct policy **list = policies_of(policies, count);
	struct w_group *group = NULL;
	char name[NFT_NAME_MAX];

	compile_group_name(list, count, dir, name);
	HASH_FIND_STR(world->groups, name, group);
	if (group)
		return group;
	group = xcalloc(1, sizeof(*group));
	memcpy(group->name, name, sizeof(group->name));
	group->dir = dir;
	group->policies = xcalloc(count, sizeof(*group->policies));
	if (count)
		memcpy(group->policies, policies, count * sizeof(*policies));
	group->policy_count = count;
	HASH_ADD_STR(world->groups, name, group);
	compile(world, group);
	return group;
}

void world_group_unref(struct world *world, struct w_group *group)
{
	group->refs--;
	world->groups_idle |= !group->refs;
}

void world_group_recompile(struct world *world, struct w_group *group)
{
	compile(world, group);
}

static void group_free(struct w_group *group)
{
	needed_list_free(&group->needed);
	needed_list_free(&group->published_needed);
	free(group->policies);
	free(group);
}

static void drop_chains(struct world *world, struct w_group *group)
{
	char name[NFT_NAME_MAX];

	staged_name(group, name);
	if (group->staged)
		ruleset_chain_drop(world->rs, name);
	world_published_group_drop(world, group);
	ruleset_chain_drop(world->rs, group->name);
}

void world_groups_collect(struct world *world)
{
	struct w_group *group, *next;

	if (!world->groups_idle)
		return;
	world->groups_idle = false;
	HASH_ITER (hh, world->groups, group, next) {
		if (group->refs)
			continue;
		drop_chains(world, group);
		world_needed_unref(world, &group->needed);
		HASH_DEL(world->groups, group);
		group_free(group);
	}
}

void world_groups_free(struct world *world)
{
	struct w_group *group, *next_group;
	struct w_selector *selector, *next_selector;
	struct w_plain_set *set, *next_set;

	HASH_ITER (hh, world->groups, group, next_group) {
		HASH_DEL(world->groups, group);
		group_free(group);
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
