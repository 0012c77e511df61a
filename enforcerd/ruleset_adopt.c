/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ruleset_adopt.h"

#include "enforcerd/ruleset_internal.h"

#include <string.h>

void ruleset_adopt_counter(struct ruleset *rs, const char *name)
{
	struct rs_counter *counter = NULL;

	HASH_FIND_STR(rs->counters, name, counter);
	if (counter && counter->want)
		counter->live = true;
}

void ruleset_adopt_chain(struct ruleset *rs, const char *name)
{
	struct rs_chain *chain = NULL;

	HASH_FIND_STR(rs->chains, name, chain);
	if (!chain || !chain->want)
		return;
	chain->live = true;
	chain->dirty = false;
}

void ruleset_adopt_doubt(struct ruleset *rs)
{
	rs->in_doubt = true;
}

/* --- sets -------------------------------------------------------------------------------------- */

void adoption_begin(struct set_adoption *adoption, struct ruleset *rs, const char *set)
{
	*adoption = (struct set_adoption){.rs = rs};
	HASH_FIND_STR(rs->sets, set, adoption->set);
}

static void each_elem(struct rs_set *set, void (*fn)(struct rs_elem *elem))
{
	struct rs_elem *elem = elem_next(&set->elems, set->type, NULL);

	for (; elem; elem = elem_next(&set->elems, set->type, elem))
		fn(elem);
}

static void forget_elem(struct rs_elem *elem)
{
	elem->live = elem->replaced = false;
}

static void unsee_elem(struct rs_elem *elem)
{
	elem->seen = false;
}

void adoption_again(struct set_adoption *adoption)
{
	each_elem(adoption->set, unsee_elem);
	if (adoption->tables > 1) {
		adoption->second = 0;
		adoption->unequal = false;
		return;
	}
	adoption->first = 0;
	each_elem(adoption->set, forget_elem);
}

void adoption_table(struct set_adoption *adoption)
{
	adoption->tables++;
	adoption_again(adoption);
}

/* A dump may tell an element twice while the kernel resizes its table. */
static void count(struct set_adoption *adoption)
{
	struct rs_elem *elem = adoption->elem;

	if (elem->seen)
		return;
	elem->seen = true;
	if (adoption->tables > 1) {
		adoption->second++;
		adoption->unequal |= !elem->live;
	} else {
		adoption->first++;
		elem->live = true;
	}
}

void adoption_replace(struct set_adoption *adoption)
{
	adoption->elem->replaced = true;
}

bool adoption_elem(struct set_adoption *adoption, const struct elem_key *key, const char **chain,
	const char **comment)
{
	struct rs_set *set = adoption->set;
	struct elem_key found;

	adoption->elem = elem_find(&set->elems, set->type, key);
	if (!adoption->elem) {
		adoption->elem = elem_add(&set->elems, set->type, key);
		ruleset_mark_elem(adoption->rs, set, adoption->elem);
	}
	count(adoption);
	found = elem_key_of(set->type, adoption->elem);
	if (memcmp(found.groups, key->groups, sizeof(found.groups)) != 0)
		adoption_replace(adoption);
	*chain = elem_chain(adoption->elem);
	*comment = elem_comment(adoption->elem);
	return adoption->elem->want;
}

/* What is as it should be is no longer to be looked at. */
static void settle(struct rs_set *set)
{
	size_t kept = 0;

	for (size_t i = 0; i < set->dirty_count; i++) {
		struct rs_elem *elem = set->dirty_elems[i];

		if (elem->live && elem->want && !elem->replaced)
			elem->dirty = false;
		else
			set->dirty_elems[kept++] = elem;
	}
	set->dirty_count = kept;
	set->dirty = kept > 0;
}

bool adoption_end(struct set_adoption *adoption, bool usable)
{
	struct rs_set *set = adoption->set;

	usable &=
		!adoption->unequal && (adoption->tables < 2 || adoption->first == adoption->second);
	set->live = usable;
	if (usable)
		settle(set);
	else
		each_elem(set, forget_elem);
	return usable;
}

void ruleset_adopt_end(struct ruleset *rs)
{
	size_t kept = 0;

	for (size_t i = 0; i < rs->dirty_set_count; i++)
		if (rs->dirty_sets[i]->dirty)
			rs->dirty_sets[kept++] = rs->dirty_sets[i];
	rs->dirty_set_count = kept;
	kept = 0;
	for (size_t i = 0; i < rs->dirty_chain_count; i++)
		if (rs->dirty_chains[i]->dirty)
			rs->dirty_chains[kept++] = rs->dirty_chains[i];
	rs->dirty_chain_count = kept;
}
