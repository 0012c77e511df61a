/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create, apply, replace, delete, validate and diff: files of policies, one transaction. */
#include "common/policy.h"
#include "common/record.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/diff.h"
#include "ctl/files.h"
#include "ctl/input.h"
#include "ctl/notes.h"
#include "ctl/output.h"
#include "ctl/resource.h"
#include "ctl/resource_version.h"
#include "ctl/tiers_check.h"
#include "ctl/wait.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

struct verb {
	const char *name, *done;
	bool may_exist, may_be_missing; /* before */
	bool writes;                    /* else: removes */
	bool compares;                  /* the file's resourceVersion with the store's */
};

static const struct verb create = {"create", "created", false, true, true, false};
static const struct verb apply = {"apply", "applied", true, true, true, true};
static const struct verb replace = {"replace", "replaced", true, false, true, true};
static const struct verb delete = {"delete", "deleted", true, false, false, false};

/* The edit callback's view; run afresh on each try. */
struct edit {
	const struct verb *verb;
	const struct options *options;
	const struct input *input;
	struct diag refused;
	size_t done, skipped, unchanged;
};

/* A v1 policy may be called "a/b", and a v3 policy "b" of namespace "a" is stored under that name too. */
static bool same_namespace(const json_t *stored, const struct input_policy *policy)
{
	const char *a = json_string_value(json_object_get(stored, "namespace"));
	const char *b = json_string_value(json_object_get(policy->record, "namespace"));

	/* what cannot be read is replaced */
	return !stored || !strcmp(a ? a : "", b ? b : "");
}

static void refuse(struct edit *edit, const struct input_policy *policy, const char *fmt, ...)
	printf_like(3, 4);

static void refuse(struct edit *edit, const struct input_policy *policy, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = xstrdup(fmt);
	va_end(args);
	diag_add(&edit->refused, policy->file, policy->line, policy->column, "%s", text);
}

/* What the file was made from is not what is there: somebody else's change would be lost, or what was deleted would come back. */
static bool check_version(
	struct edit *edit, const struct input_policy *policy, bool exists, const json_t *stored)
{
	char version[RESOURCE_VERSION_SIZE] = "none";

	if (!edit->verb->compares || !policy->version || !resource_version_is_ours(policy->version))
		return true;
	if (exists && stored)
		resource_version_of(stored, version);
	if (!strcmp(version, policy->version))
		return true;
	refuse(edit, policy,
		"update conflict: %s(name=%s): it was %s since it was read (resourceVersion %s here, "
		"%s in the store): get it again, or take resourceVersion out",
		resource_of(policy->kind)->shown, policy->name, exists ? "changed" : "deleted",
		policy->version, version);
	return false;
}

/* False: it has been refused or skipped. */
static bool may_edit(
	struct edit *edit, const struct input_policy *policy, bool exists, const json_t *stored)
{
	const struct verb *verb = edit->verb;
	bool refused = exists ? !verb->may_exist : !verb->may_be_missing;

	if (verb->writes && exists && !same_namespace(stored, policy)) {
		refuse(edit, policy,
			"policy \"%s\" is there in another form, with the same name by chance: "
			"delete it first",
			policy->name);
		return false;
	}
	if (!refused)
		return check_version(edit, policy, exists, stored);
	if (exists ? edit->options->skip_exists : edit->options->skip_not_exists)
		edit->skipped++;
	else
		refuse(edit, policy, "resource %s: %s(name=%s)",
			exists ? "already exists" : "does not exist",
			resource_of(policy->kind)->shown, policy->name);
	return false;
}

/* text: the record as stored, or NULL. What is the same is written again: that is how a store is asserted that nodes refuse as older. */
static void edit_one(struct edit *edit, const char *text, const struct input_policy *policy,
	struct store_changes *changes)
{
	cleanup_json json_t *stored = text ? record_decode(text, strlen(text), NULL) : NULL;
	cleanup_free char *record = NULL;

	if (!may_edit(edit, policy, text != NULL, stored))
		return;
	if (edit->verb->writes) {
		record = json_dumps(policy->record, JSON_COMPACT | JSON_SORT_KEYS);
		edit->unchanged += stored && json_equal(stored, policy->record);
	}
	store_changes_add(changes, policy->kind, policy->name, record);
	edit->done++;
}

/* "<kind>/<name>". Caller frees. */
static char *key_of(enum store_kind kind, const char *name)
{
	return xasprintf("%s/%s", store_kind_name(kind), name);
}

/* "<kind>/<name>" -> place in the view: a lookup in the view itself is linear. */
static json_t *index_view(const struct store_view *view)
{
	json_t *names = json_object();

	for (size_t i = 0; i < view->count; i++) {
		cleanup_free char *key = key_of(view->items[i].kind, view->items[i].id);

		json_object_set_new_nocheck(names, key, json_integer((json_int_t)i));
	}
	return names;
}

static int edit_all(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	struct edit *edit = arg;
	cleanup_json json_t *index = index_view(view);

	edit->done = edit->skipped = edit->unchanged = 0;
	diag_clear(&edit->refused);
	for (size_t i = 0; i < edit->input->count; i++) {
		const struct input_policy *policy = &edit->input->items[i];
		cleanup_free char *key = key_of(policy->kind, policy->name);
		const json_t *place = json_object_get(index, key);

		edit_one(edit, place ? view->items[json_integer_value(place)].record : NULL, policy,
			changes);
	}
	tiers_check(view, changes, edit->input, &edit->refused);
	if (edit->refused.count)
		return err_set(err, 0, "%s: nothing was changed", edit->verb->name);
	return 0;
}

/* "'policy' " where all are policies, "" where there are several kinds. Caller frees. */
static char *kind_words(const struct input *input)
{
	for (size_t i = 1; i < input->count; i++)
		if (input->items[i].kind != input->items[0].kind)
			return xstrdup("");
	return xasprintf(
		"'%s' ", resource_of(input->count ? input->items[0].kind : KIND_POLICY)->word);
}

/* Files of calicoctl's say which content of Calico's store they were made from. */
static void note_foreign_versions(const struct verb *verb, const struct input *input)
{
	size_t count = 0;

	for (size_t i = 0; i < input->count; i++)
		count += input->items[i].version &&
			 !resource_version_is_ours(input->items[i].version);
	if (count && verb->compares)
		fprintf(stderr,
			"note: resourceVersion of %zu object%s is another store's and not looked at\n",
			count, count == 1 ? "" : "s");
}

/* As enforcers name records that they cannot use. */
static json_t *written_words(const struct input *input)
{
	json_t *words = json_array();

	for (size_t i = 0; i < input->count; i++)
		json_array_append_new(
			words, json_sprintf("%s %s", store_kind_name(input->items[i].kind),
				       input->items[i].name));
	return words;
}

static int write_input(
	const struct verb *verb, const struct options *options, const struct input *input)
{
	struct edit edit = {.verb = verb, .options = options, .input = input};
	struct store_edit_result result;
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, &err);
	cleanup_free char *words = kind_words(input);
	cleanup_json json_t *written = written_words(input);
	int rc;

	if (!redis)
		return client_fail(&err);
	rc = store_edit(redis, edit_all, &edit, &result, &err);
	diag_print(&edit.refused, stderr);
	diag_clear(&edit.refused);
	if (rc)
		return client_fail(&err);
	client_warn_created(&result);
	printf("Successfully %s %zu %sresource(s)%s\n", verb->done, edit.done, words,
		options->staged ? ", staged" : "");
	if (edit.skipped)
		printf("Skipped %zu\n", edit.skipped);
	if (edit.unchanged)
		printf("Unchanged %zu\n", edit.unchanged);
	note_foreign_versions(verb, input);
	if (verb->writes)
		notes_after_write(redis, input);
	return wait_for_nodes(redis, options, &result, written);
}

/* 0, or the exit status after having said why. */
static int read_files(
	const char *verb, const struct options *options, enum policy_need need, struct input *input)
{
	struct diag diag cleanup_diag = {0};

	if (!options->files.count)
		return options_usage_error(commands_find(verb), "no file: say -f FILE");
	files_read(input, &options->files, options->recursive, need, &diag);
	if (options->staged && !diag.count)
		input_stage(input, &diag);
	diag_print(&diag, stderr);
	return diag.count ? EXIT_FAILURE : 0;
}

static int write_files(
	const struct verb *verb, const struct options *options, enum policy_need need)
{
	struct input input cleanup_input = {0};
	int status = read_files(verb->name, options, need, &input);

	return status ? status : write_input(verb, options, &input);
}

int cmd_create(const struct options *options)
{
	return write_files(&create, options, POLICY_WHOLE);
}

int cmd_apply(const struct options *options)
{
	return write_files(&apply, options, POLICY_WHOLE);
}

int cmd_replace(const struct options *options)
{
	return write_files(&replace, options, POLICY_WHOLE);
}

/* With --staged, names may be given as they are written and as they are stored. */
static void add_name(struct input *input, enum store_kind kind, const char *name, bool staged)
{
	cleanup_free char *stored =
		policy_stored_name(NULL, policy_name_without_mark(name, staged), staged);

	input_add_name(input, kind, kind == KIND_POLICY ? stored : name);
}

static int delete_names(const struct options *options)
{
	struct input input cleanup_input = {0};
	const struct resource_kind *kind = resource_called(options->operands[0]);

	if (!kind)
		return options_usage_error(commands_find("delete"),
			"\"%s\" is not policy, tier or globalnetworkset", options->operands[0]);
	if (options->operand_count < 2)
		return options_usage_error(commands_find("delete"), "no name");
	for (size_t i = 1; i < options->operand_count; i++)
		add_name(&input, kind->kind, options->operands[i], options->staged);
	return write_input(&delete, options, &input);
}

int cmd_delete(const struct options *options)
{
	if (!options->operand_count)
		return write_files(&delete, options, POLICY_NAME);
	if (options->files.count)
		return options_usage_error(commands_find("delete"), "either files or names");
	return delete_names(options);
}

int cmd_validate(const struct options *options)
{
	struct input input cleanup_input = {0};
	int status = read_files("validate", options, POLICY_WHOLE, &input);
	cleanup_free char *words = kind_words(&input);

	if (!status)
		printf("Successfully validated %zu %sresource(s)\n", input.count, words);
	return status;
}

/* --- diff ------------------------------------------------------------------------------------------ */

static json_t *records_of(const struct input *input)
{
	json_t *records = json_array();

	for (size_t i = 0; i < input->count; i++)
		json_array_append_new(records,
			json_pack("{s:s,s:O}", "kind", store_kind_name(input->items[i].kind),
				"record", input->items[i].record));
	return records;
}

static int print_diff(const struct options *options, const json_t *document, struct err *err)
{
	switch (output_format_parse(options->output)) {
	case OUTPUT_JSON:
		return output_json(document, stdout, err);
	case OUTPUT_YAML:
		return output_yaml(document, stdout, err);
	default:
		return diff_text(document, stdout, err);
	}
}

static int diff(const struct options *options, const struct input *input, struct err *err)
{
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, err) : NULL;
	struct policies before cleanup_policies = {0};
	cleanup_json json_t *records = records_of(input), *document = NULL;

	if (!world || client_policies(redis, &before, err))
		return -1;
	document = diff_document(world, &before, records, options->node, err);
	return document ? print_diff(options, document, err) : -1;
}

int cmd_diff(const struct options *options)
{
	struct input input cleanup_input = {0};
	struct err err = {0};
	int status = read_files("diff", options, POLICY_WHOLE, &input);

	if (status)
		return status;
	return diff(options, &input, &err) ? client_fail(&err) : EXIT_SUCCESS;
}
