/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ruleset.h"

#include "common/xalloc.h"
#include "enforcerd/ruleset_internal.h"

#include <string.h>

enum { DIRTY_KEPT = 64 };

/* --- dirty lists ------------------------------------------------------------------------------- */

static void mark_set(struct ruleset *rs, struct rs_set *set)
{
	if (set->dirty)
		return;
	set->dirty = true;
	xgrow(rs->dirty_sets, rs->dirty_set_count, rs->dirty_set_cap);
	rs->dirty_sets[rs->dirty_set_count++] = set;
}

void ruleset_mark_elem(struct ruleset *rs, struct rs_set *set, struct rs_elem *elem)
{
	mark_set(rs, set);
	if (elem->dirty)
		return;
	elem->dirty = true;
	xgrow(set->dirty_elems, set->dirty_count, set->dirty_cap);
	set->dirty_elems[set->dirty_count++] = elem;
}

static void mark_chain(struct ruleset *rs, struct rs_chain *chain)
{
	if (chain->dirty)
		return;
	chain->dirty = true;
	xgrow(rs->dirty_chains, rs->dirty_chain_count, rs->dirty_chain_cap);
	rs->dirty_chains[rs->dirty_chain_count++] = chain;
}

/* --- life -------------------------------------------------------------------------------------- */

struct ruleset *ruleset_new(void)
{
	struct ruleset *rs = xcalloc(1, sizeof(*rs));

	rs->policy_tables = IN_INET;
	return rs;
}

void ruleset_policy_tables(struct ruleset *rs, enum ruleset_tables tables)
{
	rs->policy_tables = tables;
}

static void set_free(struct ruleset *rs, struct rs_set *set)
{
	HASH_DEL(rs->sets, set);
	elem_table_free(&set->elems);
	free(set->dirty_elems);
	free(set->comment);
	free(set);
}

static void chain_free(struct ruleset *rs, struct rs_chain *chain)
{
	HASH_DEL(rs->chains, chain);
	rule_list_free(&chain->rules);
	rule_list_free(&chain->before);
	free(chain->comment);
	free(chain);
}

void ruleset_free(struct ruleset *rs)
{
	struct rs_set *set, *next_set;
	struct rs_chain *chain, *next_chain;
	struct rs_counter *counter, *next_counter;

	if (!rs)
		return;
	HASH_ITER (hh, rs->sets, set, next_set)
		set_free(rs, set);
	HASH_ITER (hh, rs->chains, chain, next_chain)
		chain_free(rs, chain);
	HASH_ITER (hh, rs->counters, counter, next_counter) {
		HASH_DEL(rs->counters, counter);
		free(counter);
	}
	usage_free(rs);
	free(rs->dirty_sets);
	free(rs->dirty_chains);
	free(rs);
}

/* --- counters ---------------------------------------------------------------------------------- */

void ruleset_counter_in(struct ruleset *rs, enum ruleset_tables tables, const char *name)
{
	struct rs_counter *counter = NULL;

	HASH_FIND_STR(rs->counters, name, counter);
	if (!counter) {
		counter = xcalloc(1, sizeof(*counter));
		snprintf(counter->name, sizeof(counter->name), "%s", name);
		counter->tables = tables;
		HASH_ADD_STR(rs->counters, name, counter);
	}
	rs->counters_dirty |= !counter->live || !counter->want;
	counter->want = true;
}

void ruleset_counter(struct ruleset *rs, const char *name)
{
	ruleset_counter_in(rs, rs->policy_tables, name);
}

void ruleset_counter_drop(struct ruleset *rs, const char *name)
{
	struct rs_counter *counter = NULL;

	HASH_FIND_STR(rs->counters, name, counter);
	if (counter && counter->want) {
		counter->want = false;
		rs->counters_dirty = true;
	}
}

/* --- sets -------------------------------------------------------------------------------------- */

static struct rs_set *find_set(const struct ruleset *rs, const char *name)
{
	struct rs_set *set = NULL;

	HASH_FIND_STR(rs->sets, name, set);
	return set;
}

void ruleset_set_in(struct ruleset *rs, enum ruleset_tables tables, const char *name,
	enum set_type type, const char *comment)
{
	struct rs_set *set = find_set(rs, name);

	if (!set) {
		set = xcalloc(1, sizeof(*set));
		snprintf(set->name, sizeof(set->name), "%s", name);
		set->tables = tables;
		set->type = type;
		set->comment = comment ? xstrdup(comment) : NULL;
		HASH_ADD_STR(rs->sets, name, set);
	}
	if (!set->want)
		mark_set(rs, set);
	set->want = true;
}

void ruleset_set(struct ruleset *rs, const char *name, enum set_type type, const char *comment)
{
	ruleset_set_in(rs, rs->policy_tables, name, type, comment);
}

static struct rs_elem *next_elem(const struct rs_set *set, const struct rs_elem *elem)
{
	return elem_next(&set->elems, set->type, elem);
}

void ruleset_set_drop(struct ruleset *rs, const char *name)
{
	struct rs_set *set = find_set(rs, name);
	struct rs_elem *elem;

	if (!set || !set->want)
		return;
	set->want = false;
	set->size = 0;
	mark_set(rs, set);
	for (elem = next_elem(set, NULL); elem; elem = next_elem(set, elem)) {
		elem->want = false;
		ruleset_mark_elem(rs, set, elem);
	}
}

void ruleset_put(struct ruleset *rs, const char *name, const struct elem_key *key,
	const char *chain, const char *comment)
{
	struct rs_set *set = find_set(rs, name);
	struct rs_elem *elem;
	bool changed;

	if (!set || !set->want)
		return;
	elem = elem_find(&set->elems, set->type, key);
	if (!elem)
		elem = elem_add(&set->elems, set->type, key);
	set->size += !elem->want;
	elem->want = true;
	changed = elem_set_groups(set->type, elem, key->groups);
	changed |= elem_set_value(elem, chain, comment);
	if (changed)
		elem->replaced = elem->live;
	if (!elem->live || elem->replaced)
		ruleset_mark_elem(rs, set, elem);
}

void ruleset_del(struct ruleset *rs, const char *name, const struct elem_key *key)
{
	struct rs_set *set = find_set(rs, name);
	struct rs_elem *elem = set ? elem_find(&set->elems, set->type, key) : NULL;

	if (!elem || !elem->want)
		return;
	elem->want = false;
	set->size--;
	ruleset_mark_elem(rs, set, elem);
}

bool ruleset_has(const struct ruleset *rs, const char *name, const struct elem_key *key)
{
	const struct rs_set *set = find_set(rs, name);
	const struct rs_elem *elem = set ? elem_find(&set->elems, set->type, key) : NULL;

	return elem && elem->want;
}

size_t ruleset_set_size(const struct ruleset *rs, const char *name)
{
	const struct rs_set *set = find_set(rs, name);

	return set ? set->size : 0;
}

/* --- chains ------------------------------------------------------------------------------------ */

static struct rs_chain *find_chain(const struct ruleset *rs, const char *name)
{
	struct rs_chain *chain = NULL;

	HASH_FIND_STR(rs->chains, name, chain);
	return chain;
}

static void forget_before(struct rs_chain *chain)
{
	rule_list_free(&chain->before);
	chain->has_before = false;
}

/* Takes over the rules. What the kernel has is kept until the commit, to be compared with. */
static void replace_rules(struct ruleset *rs, struct rs_chain *chain, struct rule_list *rules)
{
	usage_count(rs, &chain->rules, -1);
	if (chain->live && !chain->has_before) {
		chain->before = chain->rules;
		chain->has_before = true;
	} else {
		rule_list_free(&chain->rules);
	}
	chain->rules = *rules;
	*rules = (struct rule_list){0};
	usage_count(rs, &chain->rules, 1);
	mark_chain(rs, chain);
}

void ruleset_chain_in(struct ruleset *rs, enum ruleset_tables tables, const char *name,
	const char *comment, struct rule_list *rules)
{
	struct rs_chain *chain = find_chain(rs, name);

	if (!chain) {
		chain = xcalloc(1, sizeof(*chain));
		snprintf(chain->name, sizeof(chain->name), "%s", name);
		chain->tables = tables;
		chain->comment = comment ? xstrdup(comment) : NULL;
		HASH_ADD_STR(rs->chains, name, chain);
	} else if (chain->want && rule_list_equal(&chain->rules, rules)) {
		rule_list_free(rules);
		return;
	}
	chain->want = true;
	replace_rules(rs, chain, rules);
}

void ruleset_chain(
	struct ruleset *rs, const char *name, const char *comment, struct rule_list *rules)
{
	ruleset_chain_in(rs, rs->policy_tables, name, comment, rules);
}

void ruleset_chain_drop(struct ruleset *rs, const char *name)
{
	struct rs_chain *chain = find_chain(rs, name);
	struct rule_list none = {0};

	if (!chain || !chain->want)
		return;
	chain->want = false;
	replace_rules(rs, chain, &none);
}

bool ruleset_chain_exists(const struct ruleset *rs, const char *name)
{
	const struct rs_chain *chain = find_chain(rs, name);

	return chain && chain->want;
}

enum ruleset_tables ruleset_wanted_tables(const struct ruleset *rs)
{
	unsigned tables = 0;

	for (const struct rs_counter *c = rs->counters; c && tables != IN_BOTH; c = c->hh.next)
		tables |= c->want ? c->tables : 0;
	for (const struct rs_set *s = rs->sets; s && tables != IN_BOTH; s = s->hh.next)
		tables |= s->want ? s->tables : 0;
	for (const struct rs_chain *c = rs->chains; c && tables != IN_BOTH; c = c->hh.next)
		tables |= c->want ? c->tables : 0;
	return (enum ruleset_tables)tables;
}

/* --- difference -------------------------------------------------------------------------------- */

static enum diff presence(bool live, bool want, bool replaced)
{
	if (live && want)
		return replaced ? DIFF_REPLACE : DIFF_NONE;
	if (live == want)
		return DIFF_NONE;
	return want ? DIFF_ADD : DIFF_REMOVE;
}

static bool set_dirty(const struct rs_set *set)
{
	if (set->live != set->want)
		return true;
	for (size_t i = 0; i < set->dirty_count; i++) {
		const struct rs_elem *elem = set->dirty_elems[i];

		if (presence(elem->live, elem->want, elem->replaced) != DIFF_NONE)
			return true;
	}
	return false;
}

static bool counters_differ(const struct ruleset *rs)
{
	const struct rs_counter *counter;

	if (!rs->counters_dirty)
		return false;
	for (counter = rs->counters; counter; counter = counter->hh.next)
		if (counter->live != counter->want)
			return true;
	return false;
}

bool ruleset_dirty(const struct ruleset *rs)
{
	for (size_t i = 0; i < rs->dirty_set_count; i++)
		if (set_dirty(rs->dirty_sets[i]))
			return true;
	for (size_t i = 0; i < rs->dirty_chain_count; i++)
		if (rs->dirty_chains[i]->live || rs->dirty_chains[i]->want)
			return true;
	return counters_differ(rs);
}

static void commit_set(struct ruleset *rs, struct rs_set *set)
{
	set->dirty = false;
	set->live = set->want;
	for (size_t i = 0; i < set->dirty_count; i++) {
		struct rs_elem *elem = set->dirty_elems[i];

		elem->dirty = elem->replaced = false;
		elem->live = elem->want && set->want;
		if (!elem->live)
			elem_remove(&set->elems, set->type, elem);
	}
	set->dirty_count = 0;
	if (set->dirty_cap > DIRTY_KEPT) {
		/* what a start or a large change needed is not needed again soon */
		free(set->dirty_elems);
		set->dirty_elems = NULL;
		set->dirty_cap = 0;
	}
	if (!set->live)
		set_free(rs, set);
}

static void commit_chain(struct ruleset *rs, struct rs_chain *chain)
{
	chain->dirty = false;
	forget_before(chain);
	chain->live = chain->want;
	if (!chain->live)
		chain_free(rs, chain);
}

static void commit_counters(struct ruleset *rs)
{
	struct rs_counter *counter, *next;

	HASH_ITER (hh, rs->counters, counter, next) {
		counter->live = counter->want;
		if (!counter->live) {
			HASH_DEL(rs->counters, counter);
			free(counter);
		}
	}
	rs->counters_dirty = false;
}

void ruleset_committed(struct ruleset *rs)
{
	for (size_t i = 0; i < rs->dirty_set_count; i++)
		commit_set(rs, rs->dirty_sets[i]);
	for (size_t i = 0; i < rs->dirty_chain_count; i++)
		commit_chain(rs, rs->dirty_chains[i]);
	rs->dirty_set_count = rs->dirty_chain_count = 0;
	rs->in_doubt = false;
	if (rs->counters_dirty)
		commit_counters(rs);
}

void ruleset_forget(struct ruleset *rs)
{
	struct rs_counter *counter;
	struct rs_chain *chain;
	struct rs_set *set;
	struct rs_elem *elem;

	for (counter = rs->counters; counter; counter = counter->hh.next)
		counter->live = false;
	rs->counters_dirty = true;
	rs->in_doubt = false;
	for (set = rs->sets; set; set = set->hh.next) {
		set->live = false;
		mark_set(rs, set);
		for (elem = next_elem(set, NULL); elem; elem = next_elem(set, elem)) {
			elem->live = elem->replaced = false;
			ruleset_mark_elem(rs, set, elem);
		}
	}
	for (chain = rs->chains; chain; chain = chain->hh.next) {
		chain->live = false;
		forget_before(chain);
		mark_chain(rs, chain);
	}
}

/* --- visiting ---------------------------------------------------------------------------------- */

static int compare_sets(const void *a, const void *b)
{
	return strcmp((*(struct rs_set *const *)a)->name, (*(struct rs_set *const *)b)->name);
}

static int compare_chains(const void *a, const void *b)
{
	return strcmp((*(struct rs_chain *const *)a)->name, (*(struct rs_chain *const *)b)->name);
}

static void visit_set(const struct rs_set *set, const struct ruleset_visitor *visitor, void *arg)
{
	enum diff diff = presence(set->live, set->want, false);

	if (!set_dirty(set))
		return;
	if (visitor->set)
		visitor->set(set->tables, set->name, set->type, set->comment, diff, arg);
	if (!visitor->elem || diff == DIFF_REMOVE)
		return;
	for (size_t i = 0; i < set->dirty_count; i++) {
		const struct rs_elem *elem = set->dirty_elems[i];
		enum diff change = presence(elem->live, elem->want, elem->replaced);

		const struct elem_key key = elem_key_of(set->type, elem);

		if (change != DIFF_NONE)
			visitor->elem(set->tables, set->name, set->type, &key, elem_chain(elem),
				elem_comment(elem), change, arg);
	}
}

static void visit_chain(
	const struct rs_chain *chain, const struct ruleset_visitor *visitor, void *arg)
{
	enum diff diff = presence(chain->live, chain->want, true);

	if (diff != DIFF_NONE && visitor->chain)
		visitor->chain(
			chain->tables, chain->name, chain->comment, &chain->rules, diff, arg);
}

static void visit_counters(
	const struct ruleset *rs, const struct ruleset_visitor *visitor, void *arg)
{
	const struct rs_counter *counter;

	for (counter = rs->counters; counter && rs->counters_dirty && visitor->counter;
		counter = counter->hh.next)
		if (counter->live != counter->want)
			visitor->counter(counter->tables, counter->name,
				presence(counter->live, counter->want, false), arg);
}

void ruleset_visit(const struct ruleset *rs, const struct ruleset_visitor *visitor, void *arg)
{
	/* sorted where they stand: the order of the dirty lists means nothing else */
	if (rs->dirty_set_count)
		qsort(rs->dirty_sets, rs->dirty_set_count, sizeof(*rs->dirty_sets), compare_sets);
	if (rs->dirty_chain_count)
		qsort(rs->dirty_chains, rs->dirty_chain_count, sizeof(*rs->dirty_chains),
			compare_chains);
	visit_counters(rs, visitor, arg);
	for (size_t i = 0; i < rs->dirty_set_count; i++)
		visit_set(rs->dirty_sets[i], visitor, arg);
	for (size_t i = 0; i < rs->dirty_chain_count; i++)
		visit_chain(rs->dirty_chains[i], visitor, arg);
}
