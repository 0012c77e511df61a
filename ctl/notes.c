/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/notes.h"

void notes_policy(const struct world *world, const char *name, const struct selector *selector)
{
	size_t not_isolated = 0;

	world_count(world, selector, &not_isolated);
	if (not_isolated)
		fprintf(stderr, "note: policy %s selects %zu endpoint%s not isolated\n", name,
			not_isolated, not_isolated == 1 ? " that is" : "s that are");
}

void notes_after_write(struct redis_sync *redis, const struct input *input)
{
	struct err err = {0};
	CLEANUP(world) struct world *world = client_world(redis, &err);

	if (!world) {
		client_warn("cannot tell which endpoints are selected: %s", err.text);
		return;
	}
	for (size_t i = 0; i < input->count; i++) {
		const json_t *spec = json_object_get(input->items[i].record, "spec");
		const char *text = json_string_value(json_object_get(spec, "selector"));
		CLEANUP(selector)
		struct selector *selector = text ? selector_parse(text, NULL) : NULL;

		if (selector)
			notes_policy(world, input->items[i].name, selector);
	}
}
