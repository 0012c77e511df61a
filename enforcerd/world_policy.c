/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policies stream: policies, isolation overrides and operator labels. */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- order ------------------------------------------------------------------------------------- */

static int compare_policies(const void *a, const void *b)
{
	const struct w_policy *first = *(struct w_policy *const *)a,
			      *second = *(struct w_policy *const *)b;
	int order = tier_cmp(first->tier, second->tier);

	return order ? order : policy_cmp(first->policy, second->policy);
}

static void sort_policies(struct world *world)
{
	struct w_policy *policy;

	world->order_count = 0;
	world->order = xrealloc(world->order, HASH_COUNT(world->policies), sizeof(*world->order));
	for (policy = world->policies; policy; policy = policy->hh.next)
		world->order[world->order_count++] = policy;
	if (world->order_count)
		qsort(world->order, world->order_count, sizeof(*world->order), compare_policies);
	for (size_t i = 0; i < world->order_count; i++)
		world->order[i]->rank = i;
}

/* --- policies ---------------------------------------------------------------------------------- */

static struct w_policy *find_policy(const struct world *world, const char *name)
{
	struct w_policy *policy = NULL;

	HASH_FIND_STR(world->policies, name, policy);
	return policy;
}

/* That a policy compiles is found out before it is taken, so that a group can rely on it. */
static int check_compiles(const struct policy *policy, struct err *err)
{
	int rc = 0;

	for (int dir = 0; dir < DIR_COUNT && rc == 0; dir++) {
		struct rule_list rules = {0};
		struct needed_list needed = {0};

		rc = compile_policy(policy, (enum policy_direction)dir, &rules, &needed, err);
		rule_list_free(&rules);
		needed_list_free(&needed);
	}
	return rc;
}

static struct policy *decode_policy(
	const struct store_change *change, const json_t *record, struct err *err)
{
	CLEANUP(policy) struct policy *policy = policy_from_json(record, err);

	if (!policy || check_compiles(policy, err) < 0)
		return NULL;
	if (strcmp(policy->name, change->id) != 0) {
		err_set(err, 0, "its name is \"%.64s\"", policy->name);
		return NULL;
	}
	return steal_ptr(policy);
}

/*
 * The policy that a changed record stands for: itself; or, where it is bad, nothing (the last good version stays) or what its
 * selector and types still tell, closed. -1 where nothing can be told and nothing is held.
 */
static int read_policy(const struct world *world, const struct store_change *change,
	struct policy **policy, char **problem, struct err *err)
{
	struct err reason = {0}, ignored = {0};
	cleanup_json json_t *record =
		record_decode(change->record, strlen(change->record), &reason);

	*problem = NULL;
	*policy = record ? decode_policy(change, record, &reason) : NULL;
	if (*policy)
		return 0;
	if (find_policy(world, change->id)) {
		*problem = xasprintf("policy %s: %s; its last good version stays in force",
			change->id, reason.text);
		return 0;
	}
	*policy = record ? policy_closed_from_json(record, &ignored) : NULL;
	if (!*policy || strcmp((*policy)->name, change->id) != 0) {
		policy_free(steal_ptr(*policy));
		return err_set(err, 0, "policy %s: %s, and whom it selects cannot be told",
			change->id, reason.text);
	}
	*problem = xasprintf("policy %s: %s; what it selects is denied", change->id, reason.text);
	return 0;
}

static bool same_place(const struct policy *a, const struct policy *b)
{
	return tier_same(a, b) && !policy_cmp(a, b) &&
	       a->governs[DIR_INGRESS] == b->governs[DIR_INGRESS] &&
	       a->governs[DIR_EGRESS] == b->governs[DIR_EGRESS] &&
	       !strcmp(selector_canonical(a->selector), selector_canonical(b->selector));
}

/* Whom the one or the other selects must be looked at again. NULL selects nobody. */
static void mark_selected(struct world *world, const struct policy *a, const struct policy *b)
{
	struct w_endpoint *endpoint;

	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next) {
		CLEANUP(labels) struct labels *owned = NULL;
		const struct labels *labels;

		if (endpoint->stale)
			continue;
		labels = world_effective_labels(world, endpoint->record, &owned);
		if ((a && selector_match(a->selector, labels)) ||
			(b && selector_match(b->selector, labels)))
			world_mark_stale(world, endpoint);
	}
}

void world_mark_groups(struct world *world, const struct w_policy *policy)
{
	struct w_group *group;

	for (group = world->groups; group; group = group->hh.next)
		for (size_t i = 0; i < group->policy_count; i++)
			group->stale |= group->policies[i] == policy;
	world->groups_stale = true;
}

/* What is in force of what was read: itself, or where its tier is not there, what denies. */
static void resolve(struct world *world, struct w_policy *entry)
{
	if (entry->policy != entry->read)
		policy_free(entry->policy);
	entry->tier = world_tier_of(world, entry->read);
	entry->policy = entry->tier ? entry->read : policy_closed(entry->read);
	entry->policy->tier_passes = entry->tier && entry->tier->passes;
}

static void policy_free_both(struct w_policy *entry)
{
	if (entry->policy != entry->read)
		policy_free(entry->policy);
	policy_free(entry->read);
}

/* Takes the policy over. */
static void put_policy(struct world *world, const char *name, struct policy *policy)
{
	struct w_policy *entry = find_policy(world, name);

	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		HASH_ADD_STR(world->policies, name, entry);
		mark_selected(world, NULL, policy);
	} else {
		world_mark_groups(world, entry);
		if (!same_place(entry->read, policy))
			mark_selected(world, entry->read, policy);
		selector_index_remove(world->selecting, entry->read->selector, entry);
		policy_free_both(entry);
	}
	selector_index_add(world->selecting, policy->selector, entry);
	entry->read = entry->policy = policy;
	resolve(world, entry);
	entry->seen = true;
}

static void remove_policy(struct world *world, struct w_policy *policy)
{
	mark_selected(world, policy->read, NULL);
	HASH_DEL(world->policies, policy);
	selector_index_remove(world->selecting, policy->read->selector, policy);
	/* groups still point at it until their endpoints have been settled */
	policy->next_dead = world->dead;
	world->dead = policy;
}

static void note_no_tier(struct world *world, const struct w_policy *entry)
{
	cleanup_free char *text =
		xasprintf("policy %s: its tier \"%s\" is not there; what it selects is denied",
			entry->name, tier_of(entry->read));

	world_problem(world, KIND_POLICY, entry->name, text);
}

/* Tiers came, went or changed, and with them the places of what is in them. */
static void settle_tiers(struct world *world)
{
	struct w_policy *entry;

	for (entry = world->policies; entry && world->tiers_stale; entry = entry->hh.next) {
		bool was_there = entry->tier != NULL;

		world_mark_groups(world, entry);
		mark_selected(world, entry->read, NULL);
		resolve(world, entry);
		if (!was_there && entry->tier)
			world_problem(world, KIND_POLICY, entry->name, NULL);
	}
	world->tiers_stale = false;
	for (entry = world->policies; entry; entry = entry->hh.next)
		if (!entry->tier)
			note_no_tier(world, entry);
}

/* --- isolation and operator labels ------------------------------------------------------------- */

static void settle_networks(struct world *world)
{
	struct w_network *network, *next;

	HASH_ITER (hh, world->networks, network, next)
		world_network_settle(world, network);
}

/* A bad record is still a record: what is held for it is not swept away. */
static void keep(struct w_text *table, const char *key)
{
	struct w_text *entry = w_text_find(table, key);

	if (entry)
		entry->seen = true;
}

static void put_isolation(struct world *world, const struct store_change *change)
{
	enum isolation isolation;
	cleanup_json json_t *quoted = json_loads(change->record, JSON_DECODE_ANY, NULL);
	const char *word = json_is_string(quoted) ? json_string_value(quoted) : change->record;

	if (!isolation_parse(word, &isolation)) {
		world_problem(world, change->kind, change->id,
			"isolation is not labelled, strict or off; the last good one stays in force");
		keep(world->isolation, change->id);
		return;
	}
	world_problem(world, change->kind, change->id, NULL);
	w_text_put(&world->isolation, change->id, word);
}

static void put_mode(struct world *world, const struct store_change *change)
{
	enum mode mode;

	if (!mode_parse(change->record, &mode)) {
		world_problem(world, change->kind, change->id,
			"mode is not audit or enforce; the last good one stays in force");
		keep(world->modes, change->id);
		return;
	}
	world_problem(world, change->kind, change->id, NULL);
	w_text_put(&world->modes, change->id, change->record);
}

/* Audit wins over enforce, whether --mode or the store says it: panic is to work everywhere. */
static void settle_mode(struct world *world)
{
	const struct w_text *own = w_text_find(world->modes, world->node);
	const struct w_text *any = w_text_find(world->modes, MODE_ANY_NODE);

	world->audit = world->config.audit ||
		       mode_of_store(own ? own->text : NULL, any ? any->text : NULL) == MODE_AUDIT;
	skeleton_audit(world->rs, world->audit);
}

/* key is NODE/CONTAINER; whoever bears the container's name is to be looked at again. */
static void mark_container(struct world *world, const char *key)
{
	const char *name = strchr(key, '/');
	struct w_endpoint *endpoint;

	if (!name)
		return;
	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next)
		if (!strcmp(endpoint->record->container_name, name + 1))
			world_mark_stale(world, endpoint);
	world_remotes_mark_container(world, name + 1);
}

static void put_labels(struct world *world, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *record = record_decode(change->record, strlen(change->record), &err);
	struct labels *labels = record ? labels_from_json(record, &err) : NULL;
	struct w_text *entry;

	if (!labels) {
		world_problem(world, change->kind, change->id, err.text);
		keep(world->labels, change->id);
		return;
	}
	world_problem(world, change->kind, change->id, NULL);
	w_text_put(&world->labels, change->id, "");
	entry = w_text_find(world->labels, change->id);
	labels_free(entry->labels);
	entry->labels = labels;
	mark_container(world, change->id);
}

/* --- applying the policies stream -------------------------------------------------------------- */

struct read_policies {
	struct policy **items; /* by index of the change; NULL: keep what is held */
	char **problems;       /* or NULL */
	size_t count;
};

static void read_policies_free(struct read_policies *read)
{
	for (size_t i = 0; i < read->count; i++) {
		policy_free(read->items[i]);
		free(read->problems[i]);
	}
	free(read->items);
	free(read->problems);
}

/* Everything is read before anything is applied: a batch counts whole or not at all. */
static int read_policies(const struct world *world, const struct store_change *changes,
	size_t count, struct read_policies *read, struct err *err)
{
	*read = (struct read_policies){.count = count};
	read->items = xcalloc(count, sizeof(*read->items));
	read->problems = xcalloc(count, sizeof(*read->problems));
	for (size_t i = 0; i < count; i++)
		if ((changes[i].kind == KIND_POLICY && changes[i].record &&
			    read_policy(world, &changes[i], &read->items[i], &read->problems[i],
				    err) < 0) ||
			world_tier_check(world, &changes[i], err) < 0)
			return -1;
	return 0;
}

static void apply_policy_change(struct world *world, const struct store_change *change,
	struct policy **policy, const char *problem)
{
	struct w_policy *held = find_policy(world, change->id);

	world_problem(world, KIND_POLICY, change->id, problem);
	if (*policy)
		put_policy(world, change->id, steal_ptr(*policy));
	else if (held && change->record)
		held->seen = true;
	else if (held)
		remove_policy(world, held);
}

static void apply_other_change(struct world *world, const struct store_change *change)
{
	if (change->kind == KIND_TIER || change->kind == KIND_NETSET) {
		world_tier_change(world, change);
		return;
	}
	if (!change->record)
		world_problem(world, change->kind, change->id, NULL);
	if (change->kind == KIND_ISOLATION) {
		if (change->record)
			put_isolation(world, change);
		else
			w_text_remove(&world->isolation, change->id);
	} else if (change->kind == KIND_MODE) {
		if (change->record)
			put_mode(world, change);
		else
			w_text_remove(&world->modes, change->id);
	} else if (change->kind == KIND_LABELS) {
		if (change->record) {
			put_labels(world, change);
		} else {
			mark_container(world, change->id);
			w_text_remove(&world->labels, change->id);
		}
	}
}

static void clear_seen_policies(struct world *world)
{
	struct w_text **const tables[] = {&world->isolation, &world->labels, &world->modes};
	struct w_policy *policy;
	struct w_text *entry;

	for (policy = world->policies; policy; policy = policy->hh.next)
		policy->seen = false;
	world_tiers_unsee(world);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		for (entry = *tables[i]; entry; entry = entry->hh.next)
			entry->seen = false;
}

static void sweep_table(struct world *world, struct w_text **table, bool labels)
{
	struct w_text *entry, *next;

	HASH_ITER (hh, *table, entry, next) {
		if (entry->seen)
			continue;
		if (labels)
			mark_container(world, entry->key);
		w_text_remove(table, entry->key);
	}
}

static void sweep_policies(struct world *world)
{
	struct w_policy *policy, *next;

	HASH_ITER (hh, world->policies, policy, next)
		if (!policy->seen)
			remove_policy(world, policy);
	world_tiers_sweep(world);
	sweep_table(world, &world->isolation, false);
	sweep_table(world, &world->modes, false);
	sweep_table(world, &world->labels, true);
}

int world_policies_apply(struct world *world, const struct store_change *changes, size_t count,
	bool whole, struct err *err)
{
	struct read_policies read;
	int rc = read_policies(world, changes, count, &read, err);

	if (rc == 0) {
		if (whole) {
			clear_seen_policies(world);
			world_problems_forget(world, STORE_POLICIES_STREAM);
			world_mark_all(world);
		}
		for (size_t i = 0; i < count; i++) {
			if (changes[i].kind == KIND_POLICY)
				apply_policy_change(
					world, &changes[i], &read.items[i], read.problems[i]);
			else
				apply_other_change(world, &changes[i]);
		}
		if (whole)
			sweep_policies(world);
		settle_tiers(world);
		world_netsets_settle(world);
		sort_policies(world);
		settle_mode(world);
		settle_networks(world);
		world_settle(world);
	}
	read_policies_free(&read);
	return rc;
}
