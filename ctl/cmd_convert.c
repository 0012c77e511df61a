/* SPDX-License-Identifier: GPL-2.0-or-later */
/* convert: files of v1 policies in the v3 form, on stdout. */
#include "common/tier.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/files.h"
#include "ctl/input.h"
#include "ctl/output.h"
#include "ctl/v1_convert.h"
#include "ctl/v3_define.h"

#include <string.h>

/* As they stand in the order of v1, with their names in v3. */
struct place {
	struct policy *policy;
	char *name;
};

static int cmp_places(const void *a, const void *b)
{
	const struct policy *first = ((const struct place *)a)->policy;
	const struct policy *second = ((const struct place *)b)->policy;
	int tiers = strcmp(tier_of(first), tier_of(second));

	return tiers ? tiers : policy_cmp(first, second);
}

/*
 * Names decide between equal orders, and these change. Sorted neighbours are enough to tell: where each pair of them
 * keeps its order, all do.
 */
static void note_changed_places(const struct place *places, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		const struct place *a = &places[i - 1], *b = &places[i];
		bool equal = a->policy->has_order == b->policy->has_order &&
			     (!a->policy->has_order || !(a->policy->order < b->policy->order)) &&
			     tier_same(a->policy, b->policy);

		if (equal && strcmp(a->name, b->name) > 0)
			fprintf(stderr,
				"note: policies %s and %s are of one order and change places, since "
				"their names decide: give them orders\n",
				a->policy->name, b->policy->name);
	}
}

static void check_places(const struct input *input)
{
	cleanup_free struct place *places = xcalloc(input->count, sizeof(*places));
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++) {
		const json_t *record = input->items[i].record;
		struct policy *policy =
			input->items[i].kind == KIND_POLICY ? policy_from_json(record, NULL) : NULL;

		if (!policy)
			continue;
		places[count++] =
			(struct place){policy, json_object_get(record, "form")
						       ? xstrdup(policy_bare_name(policy))
						       : v1_convert_name(policy_bare_name(policy))};
	}
	if (count)
		qsort(places, count, sizeof(*places), cmp_places);
	note_changed_places(places, count);
	for (size_t i = 0; i < count; i++) {
		policy_free(places[i].policy);
		free(places[i].name);
	}
}

static json_t *convert_one(const struct input_policy *policy, struct err *err)
{
	if (policy->kind == KIND_TIER)
		return v3_tier_object(policy->record);
	return policy->kind == KIND_NETSET ? v3_netset_object(policy->record)
					   : v1_convert(policy->record, err);
}

static json_t *convert_all(const struct input *input, struct diag *diag)
{
	json_t *list = json_array();

	for (size_t i = 0; i < input->count; i++) {
		const struct input_policy *policy = &input->items[i];
		struct err err = {0};
		json_t *object = convert_one(policy, &err);

		if (object)
			json_array_append_new(list, object);
		else
			diag_add(diag, policy->file, policy->line, policy->column,
				"policy \"%s\": %s", policy->name, err.text);
	}
	return list;
}

int cmd_convert(const struct options *options)
{
	struct input input cleanup_input = {0};
	struct diag diag cleanup_diag = {0};
	cleanup_json json_t *list = NULL;
	bool json = output_format_parse(options->output) == OUTPUT_JSON;
	struct err err = {0};

	if (!options->files.count)
		return options_usage_error(commands_find("convert"), "no file: say -f FILE");
	files_read(&input, &options->files, options->recursive, POLICY_WHOLE, &diag);
	if (!diag.count)
		list = convert_all(&input, &diag);
	diag_print(&diag, stderr);
	if (diag.count)
		return EXIT_FAILURE;
	check_places(&input);
	if (json ? output_json(list, stdout, &err) : output_yaml(list, stdout, &err))
		return client_fail(&err);
	return EXIT_SUCCESS;
}
