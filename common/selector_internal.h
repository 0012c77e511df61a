/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The selector tree, shared by the parser and the evaluator. */
#ifndef BULKHEAD_SELECTOR_INTERNAL_H
#define BULKHEAD_SELECTOR_INTERNAL_H

#include "common/selector.h"

enum selector_op {
	SEL_ALL,
	SEL_HAS,
	SEL_EQ,
	SEL_NE,
	SEL_IN,
	SEL_NOT_IN,
	SEL_CONTAINS,
	SEL_STARTS_WITH,
	SEL_ENDS_WITH,
	SEL_NOT,
	SEL_AND,
	SEL_OR
};

struct selector_node {
	enum selector_op op;
	char *key;     /* all but ALL, NOT, AND, OR */
	char **values; /* IN, NOT_IN: sorted, without duplicates; the other comparisons: one */
	size_t value_count, value_cap;
	struct selector_node **children; /* NOT: one; AND, OR: two or more */
	size_t child_count, child_cap;
};

void selector_node_free(struct selector_node *node);
struct selector_node *selector_parse_tree(const char *text, struct err *err) must_check;

DEFINE_CLEANUP(selector_node, struct selector_node *, selector_node_free)

#endif
