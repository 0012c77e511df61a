/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ruleset's body, shared with the renderer. */
#ifndef BULKHEAD_RULESET_INTERNAL_H
#define BULKHEAD_RULESET_INTERNAL_H

#include "enforcerd/ruleset_elem.h"

#include <uthash.h>

/* want: should be there; live: the kernel has it. */
struct rs_set {
	char name[NFT_NAME_MAX];
	enum ruleset_tables tables;
	enum set_type type;
	char *comment;
	bool want, live, dirty;
	struct elem_table elems;
	size_t size; /* wanted elements */
	struct rs_elem **dirty_elems;
	size_t dirty_count, dirty_cap;
	UT_hash_handle hh;
};

struct rs_chain {
	char name[NFT_NAME_MAX];
	enum ruleset_tables tables;
	char *comment;
	struct rule_list rules;
	struct rule_list
		before; /* what the kernel has, where has_before: then rules have changed */
	bool want, live, dirty, has_before;
	UT_hash_handle hh;
};

/* What the wanted rules use a set for: in how many of their matches an element that comes, or goes, may forbid something. */
struct rs_usage {
	char name[NFT_NAME_MAX];
	int rules, addition_forbids, removal_forbids;
	UT_hash_handle hh;
};

struct rs_counter {
	char name[NFT_NAME_MAX];
	enum ruleset_tables tables;
	bool want, live;
	UT_hash_handle hh;
};

struct ruleset {
	enum ruleset_tables policy_tables;
	struct rs_set *sets;
	struct rs_chain *chains;
	struct rs_counter *counters;
	struct rs_usage *usages;
	struct rs_set **dirty_sets;
	size_t dirty_set_count, dirty_set_cap;
	struct rs_chain **dirty_chains;
	size_t dirty_chain_count, dirty_chain_cap;
	bool counters_dirty;
	bool in_doubt; /* the kernel has other content by the name of something that is pending */
};

/* ruleset_revoke.c: rules come (1) or go (-1). */
void usage_count(struct ruleset *rs, const struct rule_list *rules, int by);
void usage_free(struct ruleset *rs);

/* ruleset.c: to be looked at by the next visit. */
void ruleset_mark_elem(struct ruleset *rs, struct rs_set *set, struct rs_elem *elem);

#endif
