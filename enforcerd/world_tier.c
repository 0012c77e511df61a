/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tiers and network sets of the policies stream, and what they mean for policies. */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- tiers ------------------------------------------------------------------------------------- */

static struct w_tier *find_tier(const struct world *world, const char *name)
{
	struct w_tier *entry = NULL;

	HASH_FIND_STR(world->tiers, name, entry);
	return entry;
}

const struct tier *world_tier_of(const struct world *world, const struct policy *policy)
{
	const char *name = tier_of(policy);
	const struct w_tier *entry;

	if (!strcmp(name, TIER_DEFAULT))
		return tier_default();
	entry = find_tier(world, name);
	return entry ? entry->tier : NULL;
}

static bool same_tier(const struct tier *a, const struct tier *b)
{
	return !tier_cmp(a, b) && a->passes == b->passes;
}

/* Takes over. */
static void put_tier(struct world *world, const char *name, struct tier *tier)
{
	struct w_tier *entry = find_tier(world, name);

	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		HASH_ADD_STR(world->tiers, name, entry);
	}
	entry->seen = true;
	if (entry->tier && same_tier(entry->tier, tier)) {
		tier_free(tier);
		return;
	}
	/* policies point at the old one until they are told, before anybody looks */
	tier_free(entry->tier);
	entry->tier = tier;
	world->tiers_stale = true;
}

static void remove_tier(struct world *world, struct w_tier *entry)
{
	HASH_DEL(world->tiers, entry);
	tier_free(entry->tier);
	free(entry);
	world->tiers_stale = true;
}

static int check_id(const struct store_change *change, const char *name, struct err *err)
{
	return strcmp(name, change->id) == 0 ? 0 : err_set(err, 0, "its name is \"%.64s\"", name);
}

/* A bad record leaves its last good version in force; where there is none the tier is not there, and what is in it is closed. */
static void change_tier(struct world *world, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *record =
		change->record ? record_decode(change->record, strlen(change->record), &err) : NULL;
	CLEANUP(tier) struct tier *tier = record ? tier_from_json(record, &err) : NULL;
	struct w_tier *held = find_tier(world, change->id);
	bool good = tier && check_id(change, tier->name, &err) == 0;

	world_problem(world, change->kind, change->id, change->record && !good ? err.text : NULL);
	if (good)
		put_tier(world, change->id, steal_ptr(tier));
	else if (held && change->record)
		held->seen = true;
	else if (held)
		remove_tier(world, held);
}

/* --- network sets ------------------------------------------------------------------------------ */

static struct w_netset *find_netset(const struct world *world, const char *name)
{
	struct w_netset *entry = NULL;

	HASH_FIND_STR(world->netsets, name, entry);
	return entry;
}

static bool asks_entity(const struct policy_entity *e, const struct labels *labels)
{
	const struct selector *selectors[] = {e->selector, e->not_selector, e->tag, e->not_tag};

	for (size_t i = 0; i < sizeof(selectors) / sizeof(*selectors); i++)
		if (selectors[i] && selector_match(selectors[i], labels))
			return true;
	return false;
}

static bool asks_for(const struct policy *policy, const struct labels *labels)
{
	for (int dir = 0; dir < DIR_COUNT; dir++)
		for (size_t i = 0; i < policy->rule_count[dir]; i++)
			if (asks_entity(&policy->rules[dir][i].source, labels) ||
				asks_entity(&policy->rules[dir][i].destination, labels))
				return true;
	return false;
}

/* Whoever has rules whose selectors match the set must be compiled again. */
static void mark_asking(struct world *world, const struct netset *set)
{
	struct w_policy *policy;

	for (policy = world->policies; policy; policy = policy->hh.next)
		if (asks_for(policy->policy, set->labels))
			world_mark_groups(world, policy);
	world->published_stale |= world->published_count > 0;
}

static bool same_blocks(const struct cidr_list *a, const struct cidr_list *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++)
		if (cidr_cmp(&a->items[i], &b->items[i]) != 0)
			return false;
	return a->count == b->count;
}

static bool same_netset(const struct netset *a, const struct netset *b)
{
	return labels_equal(a->labels, b->labels) && same_blocks(&a->nets, &b->nets);
}

/* Takes over. */
static void put_netset(struct world *world, const char *name, struct netset *owned)
{
	CLEANUP(netset) struct netset *set = owned;
	struct w_netset *entry = find_netset(world, name);

	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		HASH_ADD_STR(world->netsets, name, entry);
	}
	entry->seen = true;
	if (entry->set && same_netset(entry->set, set))
		return;
	if (entry->set)
		mark_asking(world, entry->set);
	netset_free(entry->set);
	entry->set = steal_ptr(set);
	mark_asking(world, entry->set);
	world->netsets_stale = true;
}

static void remove_netset(struct world *world, struct w_netset *entry)
{
	mark_asking(world, entry->set);
	HASH_DEL(world->netsets, entry);
	netset_free(entry->set);
	free(entry);
	world->netsets_stale = true;
}

static struct netset *read_netset(const struct store_change *change, struct err *err)
{
	cleanup_json json_t *record = record_decode(change->record, strlen(change->record), err);
	CLEANUP(netset) struct netset *set = record ? netset_from_json(record, err) : NULL;

	return set && check_id(change, set->name, err) == 0 ? steal_ptr(set) : NULL;
}

/* A rule that denies what is in it would let it through: without a last good version what was meant cannot be told. */
int world_tier_check(const struct world *world, const struct store_change *change, struct err *err)
{
	struct err reason = {0};
	CLEANUP(netset) struct netset *set = NULL;

	if (change->kind != KIND_NETSET || !change->record || find_netset(world, change->id))
		return 0;
	set = read_netset(change, &reason);
	return set ? 0 : err_set(err, 0, "network set %s: %s", change->id, reason.text);
}

/* A bad record leaves its last good version in force. */
static void change_netset(struct world *world, const struct store_change *change)
{
	struct err err = {0};
	struct netset *set = change->record ? read_netset(change, &err) : NULL;
	struct w_netset *held = find_netset(world, change->id);

	world_problem(world, change->kind, change->id, change->record && !set ? err.text : NULL);
	if (set)
		put_netset(world, change->id, set);
	else if (held && change->record)
		held->seen = true;
	else if (held)
		remove_netset(world, held);
}

/* --- both -------------------------------------------------------------------------------------- */

void world_tier_change(struct world *world, const struct store_change *change)
{
	if (change->kind == KIND_TIER)
		change_tier(world, change);
	else
		change_netset(world, change);
}

void world_tiers_unsee(struct world *world)
{
	struct w_tier *tier;
	struct w_netset *set;

	for (tier = world->tiers; tier; tier = tier->hh.next)
		tier->seen = false;
	for (set = world->netsets; set; set = set->hh.next)
		set->seen = false;
}

void world_tiers_sweep(struct world *world)
{
	struct w_tier *tier, *next_tier;
	struct w_netset *set, *next_set;

	HASH_ITER (hh, world->tiers, tier, next_tier)
		if (!tier->seen)
			remove_tier(world, tier);
	HASH_ITER (hh, world->netsets, set, next_set)
		if (!set->seen)
			remove_netset(world, set);
}

static int compare_sets(const void *a, const void *b)
{
	return strcmp(
		(*(const struct netset *const *)a)->name, (*(const struct netset *const *)b)->name);
}

/* Sorted, so that the same world is compiled to the same. */
void world_netsets_settle(struct world *world)
{
	struct netset_list *list = &world->netset_list;
	const struct w_netset *entry;

	if (!world->netsets_stale)
		return;
	world->netsets_stale = false;
	list->count = 0;
	for (entry = world->netsets; entry; entry = entry->hh.next)
		netset_list_add(list, entry->set);
	if (list->count)
		qsort(list->items, list->count, sizeof(*list->items), compare_sets);
}

void world_tiers_free(struct world *world)
{
	struct w_tier *tier, *next_tier;
	struct w_netset *set, *next_set;

	HASH_ITER (hh, world->tiers, tier, next_tier) {
		HASH_DEL(world->tiers, tier);
		tier_free(tier->tier);
		free(tier);
	}
	HASH_ITER (hh, world->netsets, set, next_set) {
		HASH_DEL(world->netsets, set);
		netset_free(set->set);
		free(set);
	}
	netset_list_clear(&world->netset_list);
}
