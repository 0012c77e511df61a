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

static int put_tier(struct policies *policies, const json_t *record, struct err *err)
{
	struct tier *tier = tier_from_json(record, err);

	if (!tier)
		return -1;
	for (size_t i = 0; i < policies->tier_count; i++)
		if (!strcmp(policies->tiers[i]->name, tier->name)) {
			tier_free(policies->tiers[i]);
			policies->tiers[i] = tier;
			return 0;
		}
	xgrow(policies->tiers, policies->tier_count, policies->tier_cap);
	policies->tiers[policies->tier_count++] = tier;
	return 0;
}

static int put_netset(struct policies *policies, const json_t *record, struct err *err)
{
	struct netset *set = netset_from_json(record, err);

	if (!set)
		return -1;
	for (size_t i = 0; i < policies->netset_count; i++)
		if (!strcmp(policies->netsets[i]->name, set->name)) {
			netset_free(policies->netsets[i]);
			policies->netsets[i] = set;
			return 0;
		}
	xgrow(policies->netsets, policies->netset_count, policies->netset_cap);
	policies->netsets[policies->netset_count++] = set;
	return 0;
}

int policies_put_record(
	struct policies *policies, enum store_kind kind, const json_t *record, struct err *err)
{
	struct policy *policy;

	if (kind == KIND_TIER)
		return put_tier(policies, record, err);
	if (kind == KIND_NETSET)
		return put_netset(policies, record, err);
	policy = policy_from_json(record, err);
	if (!policy)
		return -1;
	policies_put(policies, policy);
	return 0;
}

int policies_define(struct policies *policies, enum store_kind kind, const char *name,
	const char *text, size_t len, struct err *err)
{
	cleanup_json json_t *record = record_decode(text, len, err);
	const char *own = json_string_value(json_object_get(record, "name"));

	if (!record)
		return -1;
	if (own && strcmp(own, name) != 0)
		return err_set(err, 0, "its name is \"%.64s\"", own);
	return policies_put_record(policies, kind, record, err);
}

json_t *policies_record(const struct policies *policies, enum store_kind kind, const char *name)
{
	for (size_t i = 0; kind == KIND_POLICY && i < policies->count; i++)
		if (!strcmp(policies->items[i]->name, name))
			return policy_to_json(policies->items[i]);
	for (size_t i = 0; kind == KIND_TIER && i < policies->tier_count; i++)
		if (!strcmp(policies->tiers[i]->name, name))
			return tier_to_json(policies->tiers[i]);
	for (size_t i = 0; kind == KIND_NETSET && i < policies->netset_count; i++)
		if (!strcmp(policies->netsets[i]->name, name))
			return netset_to_json(policies->netsets[i]);
	return NULL;
}

/* Takes the record over. */
static int copy_record(struct policies *to, enum store_kind kind, json_t *owned, struct err *err)
{
	cleanup_json json_t *record = owned;

	return policies_put_record(to, kind, record, err);
}

int policies_copy(struct policies *to, const struct policies *from, struct err *err)
{
	for (size_t i = 0; i < from->count; i++)
		if (copy_record(to, KIND_POLICY, policy_to_json(from->items[i]), err))
			return -1;
	for (size_t i = 0; i < from->tier_count; i++)
		if (copy_record(to, KIND_TIER, tier_to_json(from->tiers[i]), err))
			return -1;
	for (size_t i = 0; i < from->netset_count; i++)
		if (copy_record(to, KIND_NETSET, netset_to_json(from->netsets[i]), err))
			return -1;
	return 0;
}

void policies_clear(struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		policy_free(policies->items[i]);
	for (size_t i = 0; i < policies->tier_count; i++)
		tier_free(policies->tiers[i]);
	for (size_t i = 0; i < policies->netset_count; i++)
		netset_free(policies->netsets[i]);
	free(policies->tiers);
	free(policies->netsets);
	free(policies->items);
	*policies = (struct policies){0};
}
