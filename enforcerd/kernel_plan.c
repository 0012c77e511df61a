/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_plan.h"

#include "common/log.h"
#include "enforcerd/kernel_message.h"

#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* What becomes of an object. */
enum fate {
	FATE_KEEP,     /* only elements change */
	FATE_CREATE,   /* the kernel has none */
	FATE_REFILL,   /* stays; its rules or elements are replaced */
	FATE_RECREATE, /* the kernel has one of another shape: removed, then created */
	FATE_DELETE
};

struct plan {
	const struct plan_input *input;
	struct batch *batch; /* the one being built */
	bool split;          /* new chains go ahead, in a batch of their own */
	bool preparing;      /* batch is that one */
	size_t new_chains, recreated;
	uint32_t set_id;
	enum fate set_fate; /* of the set whose elements are visited */
	struct elems elems;
};

/* --- fates ------------------------------------------------------------------------------------- */

static enum fate fate_of_diff(enum diff diff)
{
	static const enum fate fates[] = {
		[DIFF_NONE] = FATE_KEEP,
		[DIFF_ADD] = FATE_CREATE,
		[DIFF_REMOVE] = FATE_DELETE,
		[DIFF_REPLACE] = FATE_REFILL,
	};

	return fates[diff];
}

static bool same_set(const struct found *found, enum set_type type)
{
	const struct set_form *form = set_form(type);

	return found->flags == form->flags && found->key_type == form->key_type &&
	       found->key_len == form->key_len && found->to_verdict == set_is_map(type);
}

static bool same_chain(const struct found *found, const char *name)
{
	const struct base_form *base = base_form(name);

	if (!base || !found->base)
		return !base && !found->base;
	return found->hook == base->hook && found->priority == base->priority;
}

static enum fate set_fate(
	const struct plan *plan, const char *name, enum set_type type, enum diff diff)
{
	const struct found *found;

	if (!plan->input->inventory)
		return fate_of_diff(diff);
	found = inventory_find(plan->input->inventory, OBJECT_SET, name);
	if (!found)
		return FATE_CREATE;
	return same_set(found, type) ? FATE_REFILL : FATE_RECREATE;
}

static enum fate chain_fate(const struct plan *plan, const char *name, enum diff diff)
{
	const struct found *found;

	if (!plan->input->inventory)
		return fate_of_diff(diff);
	found = inventory_find(plan->input->inventory, OBJECT_CHAIN, name);
	if (!found)
		return FATE_CREATE;
	return same_chain(found, name) ? FATE_REFILL : FATE_RECREATE;
}

static bool counter_exists(const struct plan *plan, const char *name)
{
	return plan->input->inventory &&
	       inventory_find(plan->input->inventory, OBJECT_COUNTER, name);
}

/* A hook is never put up ahead of the rules that it is to run. */
static bool goes_ahead(const char *chain, enum fate fate)
{
	return fate == FATE_CREATE && !base_form(chain);
}

/* Objects that the batch being built creates. */
static bool creates(const struct plan *plan, enum fate fate)
{
	if (fate == FATE_CREATE)
		return plan->preparing || !plan->split;
	return fate == FATE_RECREATE && !plan->preparing;
}

static bool removes(enum fate fate)
{
	return fate == FATE_DELETE || fate == FATE_RECREATE;
}

/* --- removal ----------------------------------------------------------------------------------- */

static void on_flush_chain(const char *name, const char *comment, const struct rule_list *rules,
	enum diff diff, void *arg)
{
	struct plan *plan = arg;
	enum fate fate = chain_fate(plan, name, diff);

	(void)comment;
	(void)rules;
	if (fate == FATE_REFILL || removes(fate))
		message_flush_chain(plan->batch, plan->input->table, name);
}

static void on_delete_chain(const char *name, const char *comment, const struct rule_list *rules,
	enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	(void)rules;
	if (removes(chain_fate(plan, name, diff)))
		message_delete_chain(plan->batch, plan->input->table, name);
}

static void on_flush_set(
	const char *name, enum set_type type, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	if (set_fate(plan, name, type, diff) == FATE_REFILL)
		message_flush_set(plan->batch, plan->input->table, name);
}

static void on_delete_set(
	const char *name, enum set_type type, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	if (removes(set_fate(plan, name, type, diff)))
		message_delete_set(plan->batch, plan->input->table, name);
}

static void on_delete_counter(const char *name, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	if (diff == DIFF_REMOVE)
		message_delete_counter(plan->batch, plan->input->table, name);
}

static void on_enter_set(
	const char *name, enum set_type type, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	plan->set_fate = set_fate(plan, name, type, diff);
}

static void on_delete_elem(const char *set, enum set_type type, const struct elem_key *key,
	const char *chain, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)chain;
	(void)comment;
	if (plan->set_fate == FATE_KEEP && (diff == DIFF_REMOVE || diff == DIFF_REPLACE))
		elems_add(&plan->elems, set, type, key, NULL, NULL);
}

static void flush_found_chain(const struct found *found, void *arg)
{
	struct plan *plan = arg;

	message_flush_chain(plan->batch, plan->input->table, found->name);
}

static void delete_found_chain(const struct found *found, void *arg)
{
	struct plan *plan = arg;

	message_delete_chain(plan->batch, plan->input->table, found->name);
}

static void delete_found_set(const struct found *found, void *arg)
{
	struct plan *plan = arg;

	message_delete_set(plan->batch, plan->input->table, found->name);
}

static void delete_found_counter(const struct found *found, void *arg)
{
	struct plan *plan = arg;

	message_delete_counter(plan->batch, plan->input->table, found->name);
}

static void visit(struct plan *plan, const struct ruleset_visitor *visitor)
{
	ruleset_visit(plan->input->ruleset, visitor, plan);
}

static void delete_elements(struct plan *plan)
{
	const struct ruleset_visitor visitor = {.set = on_enter_set, .elem = on_delete_elem};

	plan->elems =
		(struct elems){.batch = plan->batch, .table = plan->input->table, .remove = true};
	visit(plan, &visitor);
	elems_finish(&plan->elems);
}

/* Users before what they use: rules, then elements that jump, then sets, chains, counters. */
static void remove_objects(struct plan *plan)
{
	static const struct ruleset_visitor flush = {.set = on_flush_set, .chain = on_flush_chain};
	static const struct ruleset_visitor delete_sets = {.set = on_delete_set};
	static const struct ruleset_visitor delete_rest = {
		.chain = on_delete_chain, .counter = on_delete_counter};
	const struct inventory *inventory = plan->input->inventory;

	visit(plan, &flush);
	if (inventory)
		inventory_unwanted(inventory, OBJECT_CHAIN, flush_found_chain, plan);
	delete_elements(plan);
	visit(plan, &delete_sets);
	if (inventory) {
		inventory_unwanted(inventory, OBJECT_SET, delete_found_set, plan);
		inventory_unwanted(inventory, OBJECT_CHAIN, delete_found_chain, plan);
		inventory_unwanted(inventory, OBJECT_COUNTER, delete_found_counter, plan);
	}
	visit(plan, &delete_rest);
}

/* --- creation ---------------------------------------------------------------------------------- */

static void on_create_counter(const char *name, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	if (diff == DIFF_ADD && creates(plan, FATE_CREATE) && !counter_exists(plan, name))
		message_counter(plan->batch, plan->input->table, name);
}

static void on_create_set(
	const char *name, enum set_type type, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	if (creates(plan, set_fate(plan, name, type, diff)))
		message_set(plan->batch, plan->input->table, name, type, comment, ++plan->set_id);
}

/* Whether the batch being built gives the chain its rules. */
static bool writes_chain(const struct plan *plan, const char *name, enum fate fate)
{
	bool ahead = plan->split && goes_ahead(name, fate);

	return fate != FATE_DELETE && ahead == plan->preparing;
}

static void on_create_chain(const char *name, const char *comment, const struct rule_list *rules,
	enum diff diff, void *arg)
{
	struct plan *plan = arg;
	enum fate fate = chain_fate(plan, name, diff);
	/* sets the policy of a base chain right should somebody have changed it */
	bool confirm = plan->input->inventory && base_form(name);

	(void)rules;
	if (writes_chain(plan, name, fate) && (fate != FATE_REFILL || confirm))
		message_chain(plan->batch, plan->input->table, name, comment);
}

/* Elements of maps wait for the second batch: they are what makes a chain reachable. */
static void on_create_elem(const char *set, enum set_type type, const struct elem_key *key,
	const char *chain, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;
	bool ahead = plan->split && plan->set_fate == FATE_CREATE && !set_is_map(type);

	if ((diff == DIFF_ADD || diff == DIFF_REPLACE) && ahead == plan->preparing)
		elems_add(&plan->elems, set, type, key, chain, comment);
}

static void on_fill_chain(const char *name, const char *comment, const struct rule_list *rules,
	enum diff diff, void *arg)
{
	struct plan *plan = arg;
	const struct rule_place place = {.table = plan->input->table,
		.chain = name,
		.nflog_group = plan->input->nflog_group};

	(void)comment;
	if (!writes_chain(plan, name, chain_fate(plan, name, diff)))
		return;
	for (size_t i = 0; i < rules->count; i++)
		message_rule(plan->batch, &rules->items[i], &place);
}

static void create_objects(struct plan *plan)
{
	static const struct ruleset_visitor create = {
		.counter = on_create_counter, .set = on_create_set, .chain = on_create_chain};
	static const struct ruleset_visitor elements = {
		.set = on_enter_set, .elem = on_create_elem};
	static const struct ruleset_visitor fill = {.chain = on_fill_chain};

	visit(plan, &create);
	plan->elems = (struct elems){.batch = plan->batch, .table = plan->input->table};
	visit(plan, &elements);
	elems_finish(&plan->elems);
	visit(plan, &fill);
}

/* --- the whole --------------------------------------------------------------------------------- */

static void on_weigh_counter(const char *name, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)diff;
	if (plan->input->inventory)
		inventory_want(plan->input->inventory, OBJECT_COUNTER, name);
}

static void on_weigh_set(
	const char *name, enum set_type type, const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	plan->recreated += set_fate(plan, name, type, diff) == FATE_RECREATE;
	if (plan->input->inventory)
		inventory_want(plan->input->inventory, OBJECT_SET, name);
}

static void on_weigh_chain(const char *name, const char *comment, const struct rule_list *rules,
	enum diff diff, void *arg)
{
	struct plan *plan = arg;
	enum fate fate = chain_fate(plan, name, diff);

	(void)comment;
	(void)rules;
	plan->new_chains += goes_ahead(name, fate);
	plan->recreated += fate == FATE_RECREATE;
	if (fate == FATE_RECREATE)
		log_warn("kernel",
			"chain %s of table inet %s has another hook or priority than it should: "
			"making it anew",
			name, plan->input->table);
	if (plan->input->inventory)
		inventory_want(plan->input->inventory, OBJECT_CHAIN, name);
}

static struct batch *begin_batch(struct plan *plan, bool preparing)
{
	plan->batch = batch_new();
	plan->preparing = preparing;
	if (plan->input->inventory)
		message_table(plan->batch, plan->input->table, plan->input->table_flags);
	return plan->batch;
}

void plan_batches(const struct plan_input *input, struct plan_batches *batches)
{
	static const struct ruleset_visitor weigh = {
		.counter = on_weigh_counter, .set = on_weigh_set, .chain = on_weigh_chain};
	struct plan plan = {.input = input};
	bool live = !input->inventory || inventory_has_table(input->inventory);

	*batches = (struct plan_batches){0};
	visit(&plan, &weigh);
	/* rules of new chains may use a set whose old form would then still be there, so not with a re-creation */
	plan.split = live && plan.new_chains && !plan.recreated;
	if (plan.split) {
		batches->prepare = begin_batch(&plan, true);
		create_objects(&plan);
	}
	batches->apply = begin_batch(&plan, false);
	remove_objects(&plan);
	create_objects(&plan);
}

void plan_batches_clear(struct plan_batches *batches)
{
	batch_free(batches->prepare);
	batch_free(batches->apply);
	*batches = (struct plan_batches){0};
}
