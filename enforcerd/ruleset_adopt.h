/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking over what the kernel holds already: told after ruleset_forget(), object by object, so that only the difference stays
 * pending. What is not told, or is not as it should be, stays pending as a whole. Pure. Ends with ruleset_adopt_end(); nothing
 * else may change the ruleset in between.
 */
#ifndef BULKHEAD_RULESET_ADOPT_H
#define BULKHEAD_RULESET_ADOPT_H

#include "enforcerd/ruleset.h"

/* The kernel has it, in all its tables, as it should be. */
void ruleset_adopt_counter(struct ruleset *rs, const char *name);
void ruleset_adopt_chain(struct ruleset *rs, const char *name);

/* The kernel has something else by the name of what stays pending: what that let through is not known, so that writing it counts
 * as a revocation. */
void ruleset_adopt_doubt(struct ruleset *rs);

/* The elements of one set, read from one of its tables after the other. */
struct set_adoption {
	struct ruleset *rs;
	struct rs_set *set;
	struct rs_elem *elem; /* the last one told */
	size_t first, second; /* elements of either table */
	unsigned tables;      /* begun so far */
	bool unequal;
};

/* A wanted set. */
void adoption_begin(struct set_adoption *adoption, struct ruleset *rs, const char *set);
/* The elements of the next table follow. */
void adoption_table(struct set_adoption *adoption);
/* The elements of this table follow once more: those told of it so far do not count. */
void adoption_again(struct set_adoption *adoption);
/*
 * The kernel has this element. True when it is wanted: then *chain and *comment are what it should have (NULL: none), and
 * adoption_replace() says that it has another. One that is not wanted is to be removed.
 */
bool adoption_elem(struct set_adoption *adoption, const struct elem_key *key, const char **chain,
	const char **comment);
void adoption_replace(struct set_adoption *adoption);
/* usable: all was told. False when the set stays pending as a whole, which is also so when its tables differ. */
bool adoption_end(struct set_adoption *adoption, bool usable);

void ruleset_adopt_end(struct ruleset *rs);

#endif
