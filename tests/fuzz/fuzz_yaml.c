/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy files from any bytes. What is accepted must be a record that the enforcer takes, and what `get -o yaml` prints
 * of it must be accepted again as the same record; what is refused must say why. v1 becomes v3, or is told why not.
 */
#include "common/policy.h"
#include "common/strbuf.h"
#include "ctl/input.h"
#include "ctl/output.h"
#include "ctl/v1_convert.h"
#include "ctl/view.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The policies as a YAML list, the way get prints them. */
static void view_one(struct view *view, const struct input_policy *item)
{
	if (item->kind == KIND_TIER)
		view_tier(view, item->record, NULL, 0, true);
	else if (item->kind == KIND_NETSET)
		view_netset(view, item->record, NULL);
	else
		view_policy(view, item->record, NULL, NULL);
}

/* What enforcers make of it. */
static void check_read(const struct input_policy *item)
{
	CLEANUP(policy)
	struct policy *policy =
		item->kind == KIND_POLICY ? policy_from_json(item->record, NULL) : NULL;
	CLEANUP(tier)
	struct tier *tier = item->kind == KIND_TIER ? tier_from_json(item->record, NULL) : NULL;
	CLEANUP(netset)
	struct netset *set =
		item->kind == KIND_NETSET ? netset_from_json(item->record, NULL) : NULL;
	struct err err = {0};
	cleanup_json json_t *converted = policy ? v1_convert(item->record, &err) : NULL;

	must(policy || tier || set);
	must(!strcmp(policy ? policy->name : tier ? tier->name : set->name, item->name));
	must(!policy || converted || *err.text);
}

static char *print_all(const struct input *input)
{
	struct view view cleanup_view = {0};
	struct err err = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	must(out);
	view_init(&view, VIEW_POLICIES, OUTPUT_YAML);
	for (size_t i = 0; i < input->count; i++)
		view_one(&view, &input->items[i]);
	must(!view_print(&view, out, &err));
	fclose(out);
	return text;
}

static void check_accepted(const struct input *input)
{
	cleanup_free char *text = print_all(input);
	struct input again cleanup_input = {0};
	struct diag diag cleanup_diag = {0};

	for (size_t i = 0; i < input->count; i++)
		check_read(&input->items[i]);
	input_add_text(&again, text, strlen(text), "again", POLICY_WHOLE, &diag);
	must(!diag.count && again.count == input->count);
	for (size_t i = 0; i < input->count; i++)
		must(json_equal(again.items[i].record, input->items[i].record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input cleanup_input = {0};
	struct diag diag cleanup_diag = {0};

	input_add_text(&input, (const char *)data, size, "f", POLICY_WHOLE, &diag);
	if (!diag.count)
		check_accepted(&input);
	else
		must(diag.entries[0] && *diag.entries[0]);
	return 0;
}
