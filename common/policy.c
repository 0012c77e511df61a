/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifecycle and order of policies. */
#include "common/policy.h"

#include <string.h>

static void entity_clear(struct policy_entity *entity)
{
	selector_free(entity->selector);
	selector_free(entity->not_selector);
	selector_free(entity->tag);
	selector_free(entity->not_tag);
	free(entity->nets.items);
	free(entity->not_nets.items);
	free(entity->ports.items);
	free(entity->not_ports.items);
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		for (size_t i = 0; i < policy->rule_count[dir]; i++) {
			entity_clear(&policy->rules[dir][i].source);
			entity_clear(&policy->rules[dir][i].destination);
			json_decref(policy->rules[dir][i].annotations);
		}
		free(policy->rules[dir]);
	}
	selector_free(policy->selector);
	json_decref(policy->annotations);
	json_decref(policy->labels);
	free(policy->tier);
	free(policy->namespace);
	free(policy->name);
	free(policy);
}

const char *policy_name_without_mark(const char *name, bool staged)
{
	static const char mark[] = POLICY_STAGED_PREFIX;

	return staged && !strncmp(name, mark, sizeof(mark) - 1) ? name + sizeof(mark) - 1 : name;
}

const char *policy_bare_name(const struct policy *policy)
{
	const char *name = policy_name_without_mark(policy->name, policy->v3 || policy->staged);

	if (policy->namespace)
		name += strlen(policy->namespace) + 1;
	return name;
}

static int name_cmp(const struct policy *a, const struct policy *b)
{
	int order = strcmp(policy_bare_name(a), policy_bare_name(b));

	if (!order)
		order = strcmp(a->namespace ? a->namespace : "", b->namespace ? b->namespace : "");
	/* the one that may take the other's place, first */
	if (!order && a->staged != b->staged)
		return a->staged ? -1 : 1;
	return order ? order : strcmp(a->name, b->name);
}

bool policy_replaces(const struct policy *staged, const struct policy *other)
{
	return staged->staged && !other->staged &&
	       !strcmp(policy_bare_name(staged), policy_bare_name(other)) &&
	       !strcmp(staged->namespace ? staged->namespace : "",
		       other->namespace ? other->namespace : "");
}

int policy_cmp(const struct policy *a, const struct policy *b)
{
	if (a->has_order != b->has_order)
		return a->has_order ? -1 : 1;
	if (a->has_order && a->order < b->order)
		return -1;
	if (a->has_order && a->order > b->order)
		return 1;
	return name_cmp(a, b);
}
