/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/notes.h"

#include "ctl/judge.h"

#include <string.h>

void notes_policy(const struct world *world, const char *name, const struct selector *selector)
{
	size_t not_isolated = 0;

	world_count(world, selector, &not_isolated);
	if (not_isolated)
		fprintf(stderr, "note: policy %s selects %zu endpoint%s not isolated\n", name,
			not_isolated, not_isolated == 1 ? " that is" : "s that are");
}

/* Whom the policy selects, and nobody lets ask a name server outside. */
static size_t count_names_lost(
	const struct world *world, const struct judge *judge, const struct selector *selector)
{
	size_t count, lost = 0;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		lost += selector_match(selector, endpoints[i].labels) &&
			judge_names_lost(judge, &endpoints[i]);
	return lost;
}

static bool governs_egress(const json_t *spec)
{
	const json_t *types = json_object_get(spec, "types"), *type;
	size_t i;

	json_array_foreach (types, i, type)
		if (!strcmp(json_string_value(type), policy_direction_name(DIR_EGRESS)))
			return true;
	return false;
}

/* Isolation alone closes an egress that no policy governs: then it is not this policy's doing, and names are lost all the same. */
static void note_names(const struct world *world, const struct judge *judge, const char *name,
	const struct selector *selector, bool closes)
{
	size_t lost = count_names_lost(world, judge, selector);

	if (lost)
		fprintf(stderr,
			"note: policy %s %s %zu endpoint%s that no policy allows port 53: names outside "
			"are lost to %s; see deploy/examples/allow-dns.yaml\n",
			name, closes ? "closes the egress of" : "selects", lost,
			lost == 1 ? "" : "s", lost == 1 ? "it" : "them");
}

void notes_after_write(struct redis_sync *redis, const struct input *input)
{
	struct err err = {0};
	CLEANUP(world) struct world *world = client_world(redis, &err);
	struct policies policies cleanup_policies = {0};
	CLEANUP(judge) struct judge *judge = NULL;

	if (!world || client_policies(redis, &policies, &err)) {
		client_warn("cannot tell which endpoints are selected: %s", err.text);
		return;
	}
	judge = judge_new(world, &policies);
	for (size_t i = 0; i < input->count; i++) {
		const json_t *spec = json_object_get(input->items[i].record, "spec");
		const char *text = json_string_value(json_object_get(spec, "selector"));
		CLEANUP(selector)
		struct selector *selector = text ? selector_parse(text, NULL) : NULL;

		if (!selector)
			continue;
		notes_policy(world, input->items[i].name, selector);
		if (!json_is_true(json_object_get(spec, "staged")))
			note_names(
				world, judge, input->items[i].name, selector, governs_egress(spec));
	}
}
