/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/rule.h"

#include "common/xalloc.h"

#include <string.h>

struct rule *rule_append(struct rule_list *list)
{
	xgrow(list->items, list->count, list->cap);
	list->items[list->count] = (struct rule){0};
	return &list->items[list->count++];
}

struct match *rule_match(struct rule *rule, enum match_kind kind)
{
	if (rule->match_count == rule->match_cap) {
		rule->match_cap += 4;
		rule->matches = xrealloc(rule->matches, rule->match_cap, sizeof(*rule->matches));
	}
	/* memset, not assignment: rules are compared bytewise, padding included */
	memset(&rule->matches[rule->match_count], 0, sizeof(*rule->matches));
	rule->matches[rule->match_count].kind = kind;
	return &rule->matches[rule->match_count++];
}

struct rule *rule_append_copy(struct rule_list *list, const struct rule *rule)
{
	struct rule *copy = rule_append(list);

	*copy = *rule;
	copy->match_cap = rule->match_count;
	copy->matches = NULL;
	if (rule->match_count) {
		copy->matches = xrealloc(NULL, rule->match_count, sizeof(*copy->matches));
		memcpy(copy->matches, rule->matches, rule->match_count * sizeof(*copy->matches));
	}
	return copy;
}

void rule_list_free(struct rule_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].matches);
	free(list->items);
	*list = (struct rule_list){0};
}

bool rule_same_meaning(const struct rule *a, const struct rule *b)
{
	return a->match_count == b->match_count && a->verdict == b->verdict &&
	       a->map_side == b->map_side && a->map_family == b->map_family &&
	       a->family == b->family && a->mark == b->mark && a->mark_mask == b->mark_mask &&
	       !strcmp(a->target, b->target) &&
	       (!a->match_count ||
		       !memcmp(a->matches, b->matches, a->match_count * sizeof(*a->matches)));
}

static bool rule_equal(const struct rule *a, const struct rule *b)
{
	return rule_same_meaning(a, b) && a->log == b->log && a->log_original == b->log_original &&
	       !strcmp(a->counter, b->counter) && !strcmp(a->log_prefix, b->log_prefix) &&
	       !strcmp(a->comment, b->comment);
}

bool rule_list_equal(const struct rule_list *a, const struct rule_list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (!rule_equal(&a->items[i], &b->items[i]))
			return false;
	return true;
}
