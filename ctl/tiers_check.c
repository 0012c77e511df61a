/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/tiers_check.h"

#include "common/record.h"
#include "common/tier.h"
#include "common/xalloc.h"

#include <string.h>

/* The store after the edit, as far as it matters here. */
struct after {
	json_t *tiers;    /* name -> true */
	json_t *policies; /* name -> its tier */
	json_t *touched;  /* "<kind>/<name>" -> whether it is written, else it goes */
};

static const char *tier_in(const json_t *record)
{
	const char *tier =
		json_string_value(json_object_get(json_object_get(record, "spec"), "tier"));

	return tier ? tier : TIER_DEFAULT;
}

/* record NULL: it goes. What cannot be read is in no tier. */
static void take(struct after *after, const struct store_change *change)
{
	cleanup_json json_t *record =
		change->record ? record_decode(change->record, strlen(change->record), NULL) : NULL;
	json_t *to = change->kind == KIND_TIER ? after->tiers : after->policies;

	if (change->kind != KIND_TIER && change->kind != KIND_POLICY)
		return;
	if (!record)
		json_object_del(to, change->id);
	else if (change->kind == KIND_TIER)
		json_object_set_new_nocheck(to, change->id, json_true());
	else
		json_object_set_new_nocheck(to, change->id, json_string(tier_in(record)));
}

static char *key_of(enum store_kind kind, const char *name)
{
	return xasprintf("%s/%s", store_kind_name(kind), name);
}

static struct after after_of(const struct store_view *view, const struct store_changes *changes)
{
	struct after after = {json_object(), json_object(), json_object()};

	json_object_set_new(after.tiers, TIER_DEFAULT, json_true());
	for (size_t i = 0; i < view->count; i++)
		take(&after, &view->items[i]);
	for (size_t i = 0; i < changes->count; i++) {
		cleanup_free char *key = key_of(changes->items[i].kind, changes->items[i].id);

		take(&after, &changes->items[i]);
		json_object_set_new_nocheck(
			after.touched, key, json_boolean(changes->items[i].record != NULL));
	}
	return after;
}

static void refuse(const struct input_policy *item, struct diag *diag, const char *text)
{
	diag_add(diag, item->file, item->line, item->column, "%s", text);
}

static void check_policy(
	const struct after *after, const struct input_policy *item, struct diag *diag)
{
	const char *tier = json_string_value(json_object_get(after->policies, item->name));
	cleanup_free char *text = NULL;

	if (!tier || json_object_get(after->tiers, tier))
		return;
	text = xasprintf(
		"policy \"%s\": there is no tier \"%s\": write it first, or in the same file",
		item->name, tier);
	refuse(item, diag, text);
}

static void check_gone(
	const struct after *after, const struct input_policy *item, struct diag *diag)
{
	cleanup_free char *text = NULL;
	const char *name;
	json_t *tier;

	if (!strcmp(item->name, TIER_DEFAULT)) {
		refuse(item, diag,
			"tier \"" TIER_DEFAULT "\" cannot be deleted: it is always there");
		return;
	}
	json_object_foreach (after->policies, name, tier) {
		if (strcmp(json_string_value(tier), item->name) != 0)
			continue;
		text = xasprintf(
			"tier \"%s\" cannot be deleted: policy \"%s\" is in it", item->name, name);
		refuse(item, diag, text);
		return;
	}
}

static void check_count(
	const struct after *after, const struct input_policy *item, struct diag *diag)
{
	cleanup_free char *text = NULL;

	if (json_object_size(after->tiers) <= TIERS_MAX)
		return;
	text = xasprintf("tier \"%s\": there would be %zu tiers, " TIER_DEFAULT
			 " among them: at most %d are possible",
		item->name, json_object_size(after->tiers), TIERS_MAX);
	refuse(item, diag, text);
}

void tiers_check(const struct store_view *view, const struct store_changes *changes,
	const struct input *input, struct diag *diag)
{
	struct after after = after_of(view, changes);

	for (size_t i = 0; i < input->count; i++) {
		const struct input_policy *item = &input->items[i];
		cleanup_free char *key = key_of(item->kind, item->name);
		const json_t *written = json_object_get(after.touched, key);

		if (!written)
			continue;
		if (item->kind == KIND_POLICY && json_is_true(written))
			check_policy(&after, item, diag);
		else if (item->kind == KIND_TIER && json_is_true(written))
			check_count(&after, item, diag);
		else if (item->kind == KIND_TIER)
			check_gone(&after, item, diag);
	}
	json_decref(after.tiers);
	json_decref(after.policies);
	json_decref(after.touched);
}
