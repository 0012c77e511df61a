/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/policies.h"

#include "common/record.h"
#include "common/xalloc.h"

#include <string.h>

int policies_add(
	struct policies *policies, const char *name, const char *text, size_t len, struct err *err)
{
	struct err ignored = {0};
	cleanup_json json_t *record = record_decode(text, len, err);
	CLEANUP(policy) struct policy *policy = record ? policy_from_json(record, err) : NULL;

	if (!record)
		return -1;
	if (!policy)
		policy = policy_closed_from_json(record, &ignored);
	if (!policy)
		return -1;
	if (strcmp(policy->name, name) != 0)
		return err_set(err, 0, "its name is \"%.64s\"", policy->name);
	xgrow(policies->items, policies->count, policies->cap);
	policies->items[policies->count++] = steal_ptr(policy);
	return 0;
}

void policies_put(struct policies *policies, struct policy *policy)
{
	for (size_t i = 0; i < policies->count; i++)
		if (!strcmp(policies->items[i]->name, policy->name)) {
			policy_free(policies->items[i]);
			policies->items[i] = policy;
			return;
		}
	xgrow(policies->items, policies->count, policies->cap);
	policies->items[policies->count++] = policy;
}

void policies_clear(struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		policy_free(policies->items[i]);
	free(policies->items);
	*policies = (struct policies){0};
}
