/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_plan.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/kernel_message.h"

#include <linux/netfilter.h>
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

/* One object of one table. Borrows from the ruleset. */
struct change {
	enum object_kind kind;
	enum fate fate;
	enum set_type type;
	const char *name, *comment;
	const struct rule_list *rules;
};

/* What is to be done in one table. */
struct work {
	const struct plan_table *to;
	enum ruleset_tables bit;
	struct change *changes; /* owned */
	size_t count, cap;
	bool live;    /* packets may be passing through it */
	bool needed;  /* something is to be in it */
	bool created; /* something comes into it */
};

struct plan {
	const struct plan_input *input;
	struct work works[PLAN_TABLES];
	struct batch *batch; /* the one being built */
	bool split;          /* new chains go ahead, in a batch of their own */
	bool preparing;      /* batch is that one */
	uint32_t set_id;
	/* while elements are visited */
	const struct work *work;
	enum fate set_fate;
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

bool plan_same_set(const struct found *found, enum set_type type)
{
	const struct set_form *form = set_form(type);

	return found->flags == form->flags && found->key_type == form->key_type &&
	       found->key_len == form->key_len && found->data_type == form->data_type &&
	       (!form->data_len || found->data_len == form->data_len);
}

/* Then it can stay. */
static bool same_hook(const struct found *found, const char *name, uint8_t family)
{
	const struct base_form *base = base_form(name, family);

	if (!base || !found->base)
		return !base && !found->base;
	return found->hook == base->hook && found->priority == base->priority;
}

bool plan_same_chain(const struct found *found, const char *name, uint8_t family)
{
	return same_hook(found, name, family) && (!found->base || found->policy == NF_ACCEPT);
}

static enum fate set_fate(
	const struct work *work, const char *name, enum set_type type, enum diff diff)
{
	const struct found *found;

	if (!work->to->inventory || diff != DIFF_ADD)
		return fate_of_diff(diff);
	found = inventory_find(work->to->inventory, OBJECT_SET, name);
	if (!found)
		return FATE_CREATE;
	return plan_same_set(found, type) ? FATE_REFILL : FATE_RECREATE;
}

static enum fate chain_fate(const struct work *work, const char *name, enum diff diff)
{
	const struct found *found;

	if (!work->to->inventory || diff != DIFF_ADD)
		return fate_of_diff(diff);
	found = inventory_find(work->to->inventory, OBJECT_CHAIN, chain_in_table(name));
	if (!found)
		return FATE_CREATE;
	if (same_hook(found, name, work->to->table.family))
		return FATE_REFILL;
	log_warn("kernel",
		"chain %s of table %s has another hook or priority than it should: making it anew",
		name, work->to->table.name);
	return FATE_RECREATE;
}

static enum fate counter_fate(const struct work *work, const char *name, enum diff diff)
{
	if (work->to->inventory && inventory_find(work->to->inventory, OBJECT_COUNTER, name))
		return FATE_KEEP;
	return fate_of_diff(diff);
}

/* A hook is never put up ahead of the rules that it is to run. */
static bool goes_ahead(const struct work *work, const struct change *change)
{
	return change->fate == FATE_CREATE && !base_form(change->name, work->to->table.family);
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

/* --- gathering --------------------------------------------------------------------------------- */

static void add_change(struct work *work, const struct change *change)
{
	xgrow(work->changes, work->count, work->cap);
	work->changes[work->count++] = *change;
	work->created |= change->fate == FATE_CREATE;
	if (work->to->inventory)
		inventory_want(work->to->inventory, change->kind,
			change->kind == OBJECT_CHAIN ? chain_in_table(change->name) : change->name);
}

static void on_counter(enum ruleset_tables tables, const char *name, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	for (struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		if (tables & work->bit)
			add_change(work, &(struct change){.kind = OBJECT_COUNTER,
						 .name = name,
						 .fate = counter_fate(work, name, diff)});
}

static void on_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	for (struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		if (tables & work->bit)
			add_change(work, &(struct change){.kind = OBJECT_SET,
						 .name = name,
						 .comment = comment,
						 .type = type,
						 .fate = set_fate(work, name, type, diff)});
}

static void on_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	for (struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		if (tables & work->bit)
			add_change(work, &(struct change){.kind = OBJECT_CHAIN,
						 .name = name,
						 .comment = comment,
						 .rules = rules,
						 .fate = chain_fate(work, name, diff)});
}

static void gather(struct plan *plan)
{
	static const struct ruleset_visitor visitor = {
		.counter = on_counter, .set = on_set, .chain = on_chain};
	enum ruleset_tables wanted = ruleset_wanted_tables(plan->input->ruleset);

	for (int i = 0; i < PLAN_TABLES; i++) {
		const struct plan_table *to = &plan->input->tables[i];

		plan->works[i] = (struct work){.to = to,
			.bit = i ? IN_BRIDGE : IN_INET,
			.live = to->inventory ? inventory_table(to->inventory)->there : to->there};
		plan->works[i].needed = wanted & plan->works[i].bit;
	}
	ruleset_visit(plan->input->ruleset, &visitor, plan);
}

/* Whether chains go into a table that packets may be passing through. */
static bool wants_split(const struct plan *plan)
{
	bool ahead = false;

	for (const struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		for (size_t i = 0; i < work->count; i++) {
			const struct change *change = &work->changes[i];

			/* rules of new chains may use a set whose old form would then still be there */
			if (change->fate == FATE_RECREATE)
				return false;
			ahead |= work->live && change->kind == OBJECT_CHAIN &&
				 goes_ahead(work, change);
		}
	return ahead;
}

/* --- elements ---------------------------------------------------------------------------------- */

static void on_enter_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	struct plan *plan = arg;

	(void)comment;
	if (tables & plan->work->bit)
		plan->set_fate = set_fate(plan->work, name, type, diff);
}

static void on_delete_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
	void *arg)
{
	struct plan *plan = arg;

	(void)chain;
	(void)comment;
	if ((tables & plan->work->bit) && plan->set_fate == FATE_KEEP &&
		(diff == DIFF_REMOVE || diff == DIFF_REPLACE))
		elems_add(&plan->elems, set, type, key, NULL, NULL);
}

/* Elements of maps wait for the second batch: they are what makes a chain reachable. */
static void on_create_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
	void *arg)
{
	struct plan *plan = arg;
	bool ahead = plan->split && plan->set_fate == FATE_CREATE && !set_is_map(type);

	if ((tables & plan->work->bit) && (diff == DIFF_ADD || diff == DIFF_REPLACE) &&
		ahead == plan->preparing)
		elems_add(&plan->elems, set, type, key, chain, comment);
}

static void visit_elements(struct plan *plan, const struct work *work, bool remove)
{
	const struct ruleset_visitor visitor = {
		.set = on_enter_set, .elem = remove ? on_delete_elem : on_create_elem};

	plan->work = work;
	plan->elems =
		(struct elems){.batch = plan->batch, .table = &work->to->table, .remove = remove};
	ruleset_visit(plan->input->ruleset, &visitor, plan);
	elems_finish(&plan->elems);
}

/* A table of ours that nothing is to be in any more. */
static bool is_left_over(const struct work *work)
{
	return work->to->inventory && work->live && !work->needed;
}

/* --- removal ----------------------------------------------------------------------------------- */

struct removal {
	struct batch *batch;
	const struct nft_table *table;
};

static void flush_found_chain(const struct found *found, void *arg)
{
	const struct removal *removal = arg;

	message_flush_chain(removal->batch, removal->table, found->name);
}

static void delete_found_chain(const struct found *found, void *arg)
{
	const struct removal *removal = arg;

	message_delete_chain(removal->batch, removal->table, found->name);
}

static void delete_found_set(const struct found *found, void *arg)
{
	const struct removal *removal = arg;

	message_delete_set(removal->batch, removal->table, found->name);
}

static void delete_found_counter(const struct found *found, void *arg)
{
	const struct removal *removal = arg;

	message_delete_counter(removal->batch, removal->table, found->name);
}

static void flush_objects(struct plan *plan, const struct work *work)
{
	for (size_t i = 0; i < work->count; i++) {
		const struct change *change = &work->changes[i];

		if (change->kind == OBJECT_SET && change->fate == FATE_REFILL)
			message_flush_set(plan->batch, &work->to->table, change->name);
		if (change->kind == OBJECT_CHAIN &&
			(change->fate == FATE_REFILL || removes(change->fate)))
			message_flush_chain(
				plan->batch, &work->to->table, chain_in_table(change->name));
	}
}

static void delete_objects(struct plan *plan, const struct work *work, enum object_kind kind)
{
	static void (*const messages[])(
		struct batch * batch, const struct nft_table *table, const char *name) = {
		[OBJECT_SET] = message_delete_set,
		[OBJECT_CHAIN] = message_delete_chain,
		[OBJECT_COUNTER] = message_delete_counter,
	};

	for (size_t i = 0; i < work->count; i++) {
		const struct change *change = &work->changes[i];

		if (change->kind == kind && removes(change->fate))
			messages[kind](plan->batch, &work->to->table,
				kind == OBJECT_CHAIN ? chain_in_table(change->name) : change->name);
	}
}

/* Users before what they use: rules, then elements that jump, then sets, chains, counters. */
static void remove_objects(struct plan *plan, const struct work *work)
{
	struct removal removal = {plan->batch, &work->to->table};
	const struct inventory *inventory = work->to->inventory;

	flush_objects(plan, work);
	if (inventory)
		inventory_unwanted(inventory, OBJECT_CHAIN, flush_found_chain, &removal);
	visit_elements(plan, work, true);
	delete_objects(plan, work, OBJECT_SET);
	delete_objects(plan, work, OBJECT_COUNTER);
	delete_objects(plan, work, OBJECT_CHAIN);
}

/*
 * What was found and nobody wants. By then no rule leads there; in the batch that changed the rules, a packet that had begun with the
 * old ones would have found the old maps without their elements, and passed.
 */
static struct batch *tidy_batch(const struct plan *plan)
{
	struct batch *batch = batch_new();

	for (const struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++) {
		struct removal removal = {batch, &work->to->table};
		const struct inventory *inventory = work->to->inventory;

		if (!inventory || is_left_over(work))
			continue;
		inventory_unwanted(inventory, OBJECT_SET, delete_found_set, &removal);
		inventory_unwanted(inventory, OBJECT_CHAIN, delete_found_chain, &removal);
		inventory_unwanted(inventory, OBJECT_COUNTER, delete_found_counter, &removal);
	}
	if (batch_count(batch))
		return batch;
	batch_free(batch);
	return NULL;
}

/* --- creation ---------------------------------------------------------------------------------- */

/* Whether the batch being built gives the chain its rules. */
static bool writes_chain(
	const struct plan *plan, const struct work *work, const struct change *change)
{
	bool ahead = plan->split && goes_ahead(work, change);

	return change->fate != FATE_DELETE && ahead == plan->preparing;
}

static void create_object(struct plan *plan, const struct work *work, const struct change *change)
{
	/* sets the policy of a base chain right should somebody have changed it */
	bool confirm = work->to->inventory && base_form(change->name, work->to->table.family);

	switch (change->kind) {
	case OBJECT_COUNTER:
		if (creates(plan, change->fate))
			message_counter(plan->batch, &work->to->table, change->name);
		break;
	case OBJECT_SET:
		if (creates(plan, change->fate))
			message_set(plan->batch, &work->to->table, change->name, change->type,
				change->comment, ++plan->set_id);
		break;
	case OBJECT_CHAIN:
		if (writes_chain(plan, work, change) && (change->fate != FATE_REFILL || confirm))
			message_chain(plan->batch, &work->to->table, change->name, change->comment);
		break;
	}
}

static void fill_chain(struct plan *plan, const struct work *work, const struct change *change)
{
	const struct rule_place place = {.table = &work->to->table,
		.chain = chain_in_table(change->name),
		.nflog_group = plan->input->nflog_group};

	if (change->kind != OBJECT_CHAIN || !writes_chain(plan, work, change))
		return;
	for (size_t i = 0; i < change->rules->count; i++)
		message_rule(plan->batch, &change->rules->items[i], &place);
}

static void create_objects(struct plan *plan, const struct work *work)
{
	for (size_t i = 0; i < work->count; i++)
		create_object(plan, work, &work->changes[i]);
	visit_elements(plan, work, false);
	for (size_t i = 0; i < work->count; i++)
		fill_chain(plan, work, &work->changes[i]);
}

/* --- the whole --------------------------------------------------------------------------------- */

/* An owned table that is another's now, or nobody's, is to be taken over; one that was put to sleep, woken. */
static bool is_declared(const struct plan_table *to)
{
	const struct found_table *found = inventory_table(to->inventory);

	return found->there && found->flags == to->flags &&
	       (!(to->flags & TABLE_OWNED) || found->owner == to->owner);
}

static bool needs_message(const struct work *work)
{
	if (work->to->inventory)
		return work->needed && !is_declared(work->to);
	return work->created && !work->live;
}

static void begin_batch(struct plan *plan, bool preparing)
{
	plan->batch = batch_new();
	plan->preparing = preparing;
	for (const struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		if (needs_message(work))
			message_table(plan->batch, &work->to->table, work->to->flags);
}

static struct batch *prepare_batch(struct plan *plan)
{
	begin_batch(plan, true);
	for (const struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++)
		create_objects(plan, work);
	return plan->batch;
}

static struct batch *apply_batch(struct plan *plan)
{
	begin_batch(plan, false);
	for (const struct work *work = plan->works; work < plan->works + PLAN_TABLES; work++) {
		if (is_left_over(work)) {
			message_delete_table(plan->batch, &work->to->table);
			continue;
		}
		remove_objects(plan, work);
		create_objects(plan, work);
	}
	return plan->batch;
}

void plan_batches(const struct plan_input *input, struct plan_batches *batches)
{
	struct plan plan = {.input = input};

	*batches = (struct plan_batches){0};
	gather(&plan);
	plan.split = wants_split(&plan);
	if (plan.split)
		batches->prepare = prepare_batch(&plan);
	batches->apply = apply_batch(&plan);
	batches->tidy = tidy_batch(&plan);
	for (int i = 0; i < PLAN_TABLES; i++) {
		const struct work *work = &plan.works[i];

		batches->there[i] = (work->live && !is_left_over(work)) || work->created;
		free(work->changes);
	}
}

void plan_batches_clear(struct plan_batches *batches)
{
	batch_free(batches->prepare);
	batch_free(batches->apply);
	batch_free(batches->tidy);
	*batches = (struct plan_batches){0};
}
