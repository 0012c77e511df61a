/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tier.h"

#include "common/json.h"
#include "common/policy_internal.h"
#include "common/xalloc.h"

#include <string.h>

enum { WORD_MAX = 16 };

const struct tier *tier_default(void)
{
	static char name[] = TIER_DEFAULT;
	static const struct tier built_in = {
		.name = name, .has_order = true, .order = TIER_DEFAULT_ORDER};

	return &built_in;
}

void tier_free(struct tier *tier)
{
	if (!tier)
		return;
	json_decref(tier->labels);
	json_decref(tier->annotations);
	free(tier->name);
	free(tier);
}

/* --- order ------------------------------------------------------------------------------------- */

int tier_cmp(const struct tier *a, const struct tier *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	if (a->has_order != b->has_order)
		return a->has_order ? -1 : 1;
	if (a->has_order && a->order < b->order)
		return -1;
	if (a->has_order && a->order > b->order)
		return 1;
	return strcmp(a->name, b->name);
}

const char *tier_of(const struct policy *policy)
{
	return policy->tier ? policy->tier : TIER_DEFAULT;
}

bool tier_same(const struct policy *a, const struct policy *b)
{
	return !strcmp(tier_of(a), tier_of(b));
}

/* --- reading ----------------------------------------------------------------------------------- */

static int read_order(const struct json_at *at, void *target, struct err *err)
{
	struct tier *tier = target;

	tier->has_order = true;
	return policy_read_number(at, &tier->order, err);
}

static int read_default_action(const struct json_at *at, void *target, struct err *err)
{
	const char *word = NULL;

	if (json_read_text(at, WORD_MAX, &word, err))
		return -1;
	if (strcmp(word, "deny") != 0 && strcmp(word, "pass") != 0)
		return json_fail(at, err, "unknown action \"%s\": must be deny or pass", word);
	*(bool *)target = !strcmp(word, "pass");
	return 0;
}

static const struct json_field spec_fields[] = {
	{"order", read_order, 0, false},
	{"defaultAction", read_default_action, offsetof(struct tier, passes), true},
	{0},
};

static int read_spec(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, spec_fields, JSON_REFUSE_UNKNOWN, target, err);
}

static const struct json_field tier_fields[] = {
	{"v", json_read_version_1, 0, true},
	{"name", policy_read_name, offsetof(struct tier, name), true},
	{"labels", policy_read_text_map, offsetof(struct tier, labels), false},
	{"annotations", policy_read_text_map, offsetof(struct tier, annotations), false},
	{"spec", read_spec, 0, true},
	{0},
};

/* What everything relies on that names no tier. */
static int check_default(const struct tier *tier, struct err *err)
{
	if (strcmp(tier->name, TIER_DEFAULT) != 0)
		return 0;
	if (!tier->has_order || tier_cmp(tier, tier_default()) != 0)
		return err_set(err, 0, "spec.order: that of the tier " TIER_DEFAULT " is %d",
			TIER_DEFAULT_ORDER);
	if (tier->passes)
		return err_set(
			err, 0, "spec.defaultAction: that of the tier " TIER_DEFAULT " is deny");
	return 0;
}

struct tier *tier_from_json(const json_t *record, struct err *err)
{
	CLEANUP(tier) struct tier *tier = xcalloc(1, sizeof(*tier));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, tier_fields, JSON_REFUSE_UNKNOWN, tier, err) ||
		check_default(tier, err))
		return NULL;
	return steal_ptr(tier);
}

/* --- writing ----------------------------------------------------------------------------------- */

json_t *tier_to_json(const struct tier *tier)
{
	json_t *record = json_object(), *spec = json_object();

	json_put(record, "v", json_integer(1));
	json_put_text(record, "name", tier->name);
	policy_put_text_map(record, "labels", tier->labels);
	policy_put_text_map(record, "annotations", tier->annotations);
	if (tier->has_order)
		json_put(spec, "order", policy_number_to_json(tier->order));
	json_put_text(spec, "defaultAction", tier->passes ? "pass" : "deny");
	json_put(record, "spec", spec);
	return record;
}
