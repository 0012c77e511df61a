/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_adopt.h"

#include "common/xalloc.h"
#include "enforcerd/kernel_message.h"
#include "enforcerd/kernel_read.h"
#include "enforcerd/ruleset_adopt.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>
#include <uthash.h>

/* Something that is wanted. Borrows from the ruleset. */
struct wanted {
	enum object_kind kind;
	enum ruleset_tables tables;
	enum set_type type;
	const char *name;
	const struct rule_list *rules;
};

/* How far the rules of a chain, in one table, are those that are wanted. */
struct chain_state {
	const struct wanted *wanted;
	const char *name;   /* in the table */
	size_t rule;        /* the next to come */
	size_t form, forms; /* of it */
	struct rule_form list[RULE_FORMS_MAX];
	bool differs;
	UT_hash_handle hh;
};

struct adoption {
	struct netlink *netlink;
	const struct plan_input *input;
	struct ruleset *rs;
	struct wanted *items;
	size_t count, cap;
	/* while the rules of one table are read */
	const struct plan_table *table;
	struct chain_state *chains; /* by name */
	struct chain_state *last;   /* rules come chain by chain */
};

static bool in_table(enum ruleset_tables tables, int i)
{
	return tables & (i ? IN_BRIDGE : IN_INET);
}

/* --- what is wanted ---------------------------------------------------------------------------- */

static void add_wanted(struct adoption *adoption, const struct wanted *wanted)
{
	xgrow(adoption->items, adoption->count, adoption->cap);
	adoption->items[adoption->count++] = *wanted;
}

static void want_counter(enum ruleset_tables tables, const char *name, enum diff diff, void *arg)
{
	(void)diff;
	add_wanted(arg, &(struct wanted){.kind = OBJECT_COUNTER, .tables = tables, .name = name});
}

static void want_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	(void)comment;
	(void)diff;
	add_wanted(arg,
		&(struct wanted){.kind = OBJECT_SET, .tables = tables, .name = name, .type = type});
}

static void want_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	(void)comment;
	(void)diff;
	add_wanted(
		arg, &(struct wanted){
			     .kind = OBJECT_CHAIN, .tables = tables, .name = name, .rules = rules});
}

static const char *name_in_table(const struct wanted *wanted)
{
	return wanted->kind == OBJECT_CHAIN ? chain_in_table(wanted->name) : wanted->name;
}

/* Whether all its tables have it, in its shape. */
static bool is_there(const struct adoption *adoption, const struct wanted *wanted)
{
	for (int i = 0; i < PLAN_TABLES; i++) {
		const struct found *found;

		if (!in_table(wanted->tables, i))
			continue;
		found = inventory_find(
			adoption->input->tables[i].inventory, wanted->kind, name_in_table(wanted));
		if (!found || (wanted->kind == OBJECT_SET && !plan_same_set(found, wanted->type)) ||
			(wanted->kind == OBJECT_CHAIN &&
				!plan_same_chain(found, wanted->name,
					adoption->input->tables[i].table.family)))
			return false;
	}
	return true;
}

/* Left pending. */
static void doubt(const struct adoption *adoption, const struct wanted *wanted)
{
	for (int i = 0; i < PLAN_TABLES; i++)
		if (in_table(wanted->tables, i) &&
			inventory_find(adoption->input->tables[i].inventory, wanted->kind,
				name_in_table(wanted)))
			ruleset_adopt_doubt(adoption->rs);
}

static void keep(const struct adoption *adoption, const struct wanted *wanted)
{
	for (int i = 0; i < PLAN_TABLES; i++)
		if (in_table(wanted->tables, i))
			inventory_want(adoption->input->tables[i].inventory, wanted->kind,
				name_in_table(wanted));
}

/* --- sets -------------------------------------------------------------------------------------- */

static bool same_text(const char *wanted, const char *found)
{
	char text[COMMENT_SIZE];

	return !strcmp(kernel_text(text, sizeof(text), wanted ? wanted : ""), found);
}

static void on_elem(const struct elem_key *key, const char *chain, const char *comment, void *arg)
{
	struct set_adoption *adoption = arg;
	const char *wanted_chain = NULL, *wanted_comment = NULL;

	if (!adoption_elem(adoption, key, &wanted_chain, &wanted_comment))
		return;
	if (strcmp(chain ? chain : "", wanted_chain ? wanted_chain : "") != 0 ||
		!same_text(wanted_comment, comment))
		adoption_replace(adoption);
}

static void on_restart_elems(void *arg)
{
	adoption_again(arg);
}

static int adopt_set(const struct adoption *adoption, const struct wanted *wanted, struct err *err)
{
	static const struct elem_reader reader = {on_elem, on_restart_elems};
	struct set_adoption state;
	bool usable = true;

	adoption_begin(&state, adoption->rs, wanted->name);
	for (int i = 0; i < PLAN_TABLES; i++) {
		bool whole = false;

		if (!in_table(wanted->tables, i))
			continue;
		adoption_table(&state);
		if (read_elements(adoption->netlink, &adoption->input->tables[i].table,
			    wanted->name, wanted->type, &reader, &state, &whole, err) < 0) {
			(void)!adoption_end(&state, false);
			return -1;
		}
		usable &= whole;
	}
	if (adoption_end(&state, usable))
		keep(adoption, wanted);
	else
		doubt(adoption, wanted);
	return 0;
}

/* --- chains ------------------------------------------------------------------------------------ */

/* Puts the state at the next rule of the kernel that is to come; there may be none. */
static void next_rule(struct chain_state *state)
{
	while (state->form == state->forms && state->rule < state->wanted->rules->count) {
		state->forms =
			kernel_rule_forms(&state->wanted->rules->items[state->rule++], state->list);
		state->form = 0;
	}
}

static void begin_chain(struct chain_state *state)
{
	state->rule = state->form = state->forms = 0;
	state->differs = false;
	next_rule(state);
}

static bool at_end(const struct chain_state *state)
{
	return state->form == state->forms;
}

static void compare_rule(
	const struct adoption *adoption, struct chain_state *state, const struct nftnl_rule *found)
{
	const struct rule_place place = {.table = &adoption->table->table,
		.chain = state->name,
		.nflog_group = adoption->input->nflog_group};
	const struct rule_form *form = &state->list[state->form];
	struct nftnl_rule *wanted;

	if (at_end(state) || !found) {
		state->differs = true;
		return;
	}
	wanted = kernel_rule(
		&state->wanted->rules->items[state->rule - 1], form->part, form->family, &place);
	state->differs = !kernel_rule_same(wanted, found);
	nftnl_rule_free(wanted);
	state->form++;
	next_rule(state);
}

static void on_rule(const char *chain, const struct nftnl_rule *rule, void *arg)
{
	struct adoption *adoption = arg;

	if (!adoption->last || strcmp(adoption->last->name, chain) != 0)
		HASH_FIND_STR(adoption->chains, chain, adoption->last);
	if (adoption->last && !adoption->last->differs)
		compare_rule(adoption, adoption->last, rule);
}

static void on_restart_rules(void *arg)
{
	struct adoption *adoption = arg;

	for (struct chain_state *state = adoption->chains; state; state = state->hh.next)
		begin_chain(state);
	adoption->last = NULL;
}

/* differs[] of those chains of one table that are not as they should be. */
static int compare_chains(struct adoption *adoption, int table, bool differs[], struct err *err)
{
	static const struct rule_reader reader = {on_rule, on_restart_rules};
	struct chain_state *states = xcalloc(adoption->count, sizeof(*states));
	int rc;

	adoption->table = &adoption->input->tables[table];
	adoption->chains = adoption->last = NULL;
	for (size_t i = 0; i < adoption->count; i++) {
		struct chain_state *state = &states[i];

		state->wanted = &adoption->items[i];
		if (state->wanted->kind != OBJECT_CHAIN || !in_table(state->wanted->tables, table))
			continue;
		state->name = chain_in_table(state->wanted->name);
		begin_chain(state);
		HASH_ADD_KEYPTR(hh, adoption->chains, state->name, strlen(state->name), state);
	}
	rc = read_rules(adoption->netlink, &adoption->table->table, NULL, &reader, adoption, err);
	for (struct chain_state *state = adoption->chains; state; state = state->hh.next)
		differs[state - states] |= state->differs || !at_end(state);
	HASH_CLEAR(hh, adoption->chains);
	free(states);
	return rc;
}

static int adopt_chains(struct adoption *adoption, struct err *err)
{
	bool *differs = xcalloc(adoption->count, sizeof(*differs));
	int rc = 0;

	for (int i = 0; i < PLAN_TABLES && rc == 0; i++)
		if (inventory_table(adoption->input->tables[i].inventory)->there)
			rc = compare_chains(adoption, i, differs, err);
	for (size_t i = 0; i < adoption->count && rc == 0; i++) {
		const struct wanted *wanted = &adoption->items[i];

		if (wanted->kind != OBJECT_CHAIN)
			continue;
		if (differs[i] || !is_there(adoption, wanted)) {
			doubt(adoption, wanted);
			continue;
		}
		ruleset_adopt_chain(adoption->rs, wanted->name);
		keep(adoption, wanted);
	}
	free(differs);
	return rc;
}

/* --- all of it --------------------------------------------------------------------------------- */

static int adopt_sets_and_counters(const struct adoption *adoption, struct err *err)
{
	for (size_t i = 0; i < adoption->count; i++) {
		const struct wanted *wanted = &adoption->items[i];

		if (wanted->kind == OBJECT_CHAIN)
			continue;
		if (!is_there(adoption, wanted)) {
			doubt(adoption, wanted);
			continue;
		}
		if (wanted->kind == OBJECT_SET) {
			if (adopt_set(adoption, wanted, err) < 0)
				return -1;
			continue;
		}
		ruleset_adopt_counter(adoption->rs, wanted->name);
		keep(adoption, wanted);
	}
	return 0;
}

int adopt_content(struct netlink *netlink, const struct plan_input *input, struct ruleset *rs,
	struct err *err)
{
	static const struct ruleset_visitor visitor = {
		.counter = want_counter, .set = want_set, .chain = want_chain};
	struct adoption adoption = {.netlink = netlink, .input = input, .rs = rs};
	int rc;

	ruleset_visit(rs, &visitor, &adoption);
	rc = adopt_sets_and_counters(&adoption, err);
	if (rc == 0)
		rc = adopt_chains(&adoption, err);
	ruleset_adopt_end(rs);
	free(adoption.items);
	return rc;
}
