/* SPDX-License-Identifier: GPL-2.0-or-later */
/* network, label and store: what the operator says beside policies, in the same transactions. */
#include "common/json.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/wait.h"

#include <string.h>

/* A name becomes part of a hash field "<node>/<name>": it must not hold the separator, and be readable. */
static int check_name(const char *what, const char *name, struct err *err)
{
	size_t len = strlen(name);
	cleanup_json json_t *text = json_string(name); /* NULL: not UTF-8 */

	if (!len || len > RECORD_NAME_MAX)
		return err_set(err, 0, "a %s's name has 1 to %d characters", what, RECORD_NAME_MAX);
	if (!text || !json_text_printable(name) || strchr(name, '/'))
		return err_set(err, 0, "\"%s\" is not the name of a %s", name, what);
	return 0;
}

static int check_names(
	const char *what, const struct options *options, const char *name, struct err *err)
{
	if (options->node && check_name("node", options->node, err))
		return -1;
	return check_name(what, name, err);
}

static char *field_of(const struct options *options, const char *name)
{
	return xasprintf("%s/%s", options->node ? options->node : "*", name);
}

/* " on node web-1" or " on every node". */
static char *where(const struct options *options)
{
	return options->node ? xasprintf(" on node %s", options->node) : xstrdup(" on every node");
}

static int run_edit(
	struct redis_sync *redis, store_edit_fn *fn, void *arg, struct store_edit_result *result)
{
	struct err err = {0};

	if (store_edit(redis, fn, arg, result, &err))
		return client_fail(&err);
	client_warn_created(result);
	return EXIT_SUCCESS;
}

/* --- network ----------------------------------------------------------------------------------------- */

struct isolating {
	const struct options *options;
	const char *word; /* NULL: leave it to the network's label and the enforcer's flags */
};

static int edit_isolation(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	const struct isolating *isolating = arg;

	(void)err;
	for (size_t i = 1; i < isolating->options->operand_count; i++) {
		cleanup_free char *field =
			field_of(isolating->options, isolating->options->operands[i]);

		if (isolating->word || store_view_get(view, KIND_ISOLATION, field))
			store_changes_add(changes, KIND_ISOLATION, field, isolating->word);
	}
	return 0;
}

static void warn_unknown_network(
	const struct world *world, const struct options *options, const char *name)
{
	size_t count;
	const struct world_network *networks = world_networks(world, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(networks[i].record->name, name) &&
			(!options->node || !strcmp(options->node, networks[i].node)))
			return;
	client_warn("no network \"%s\" is known now; the setting waits for it", name);
}

static int set_isolation(struct isolating *isolating)
{
	const struct options *options = isolating->options;
	cleanup_free char *place = where(options);
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, &err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, &err) : NULL;
	struct store_edit_result result;
	int status;

	if (!world)
		return client_fail(&err);
	status = run_edit(redis, edit_isolation, isolating, &result);
	for (size_t i = 1; !status && i < options->operand_count; i++) {
		printf("Network %s is %s%s\n", options->operands[i],
			isolating->word ? isolating->word : "back to its default", place);
		if (isolating->word)
			warn_unknown_network(world, options, options->operands[i]);
	}
	return status ? status : wait_for_nodes(redis, options, &result, NULL);
}

int cmd_network(const struct options *options)
{
	const struct command *self = commands_find("network");
	struct isolating isolating = {options, options->operands[0]};
	enum isolation isolation;
	struct err err = {0};

	if (!strcmp(isolating.word, "default"))
		isolating.word = NULL;
	else if (!isolation_parse(isolating.word, &isolation))
		return options_usage_error(
			self, "\"%s\" is not strict, labelled, off or default", isolating.word);
	for (size_t i = 1; i < options->operand_count; i++)
		if (check_names("network", options, options->operands[i], &err))
			return options_usage_error(self, "%s", err.text);
	return set_isolation(&isolating);
}

/* --- label ------------------------------------------------------------------------------------------- */

enum { LABEL_WORDS_FROM = 2 }; /* after "container" and the name */

struct labelling {
	const struct options *options;
	const char *container;
	struct strbuf missing; /* keys to take back that were not there, of the last try */
};

/* Splits KEY=VALUE or KEY-. *value is NULL for the latter. */
static int split_label(const char *word, char **key, const char **value, struct err *err)
{
	const char *equals = strchr(word, '=');
	size_t len = strlen(word);

	if (!equals && (len < 2 || word[len - 1] != '-'))
		return err_set(err, 0, "\"%s\" is neither KEY=VALUE nor KEY-", word);
	*key = xstrndup(word, equals ? (size_t)(equals - word) : len - 1);
	*value = equals ? equals + 1 : NULL;
	return 0;
}

static int check_label(const char *word, struct err *err)
{
	cleanup_free char *key = NULL;
	const char *value = NULL;

	if (split_label(word, &key, &value, err) || label_key_check(key, err))
		return -1;
	if (label_key_reserved(key))
		return err_set(err, 0, "\"%s\": keys that begin with %s are derived, not given",
			key, LABEL_RESERVED_PREFIX);
	if (value && label_value_check(value, err))
		return err_wrap(err, "label %s", key);
	return 0;
}

static int read_labels(
	const struct store_view *view, const char *field, struct labels **labels, struct err *err)
{
	const char *stored = store_view_get(view, KIND_LABELS, field);
	cleanup_json json_t *json = NULL;

	*labels = NULL;
	if (!stored) {
		*labels = labels_new();
		return 0;
	}
	json = record_decode(stored, strlen(stored), err);
	*labels = json ? labels_from_json(json, err) : NULL;
	return *labels ? 0 : err_wrap(err, "labels of %s as stored", field);
}

static void apply_word(struct labelling *labelling, const char *word, struct labels *labels)
{
	cleanup_free char *key = NULL;
	const char *value = NULL;

	if (split_label(word, &key, &value, NULL))
		return;
	if (value)
		labels_set(labels, key, value);
	else if (!labels_unset(labels, key))
		strbuf_addf(&labelling->missing, "%s%s", labelling->missing.len ? ", " : "", key);
}

static int edit_labels(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	struct labelling *labelling = arg;
	const struct options *options = labelling->options;
	cleanup_free char *field = field_of(options, labelling->container);
	cleanup_free char *record = NULL;
	cleanup_json json_t *json = NULL;
	CLEANUP(labels) struct labels *labels = NULL;

	strbuf_reset(&labelling->missing);
	if (read_labels(view, field, &labels, err))
		return -1;
	for (size_t i = LABEL_WORDS_FROM; i < options->operand_count; i++)
		apply_word(labelling, options->operands[i], labels);
	json = labels_to_json(labels);
	record = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	if (labels_count(labels))
		store_changes_add(changes, KIND_LABELS, field, record);
	else if (store_view_get(view, KIND_LABELS, field))
		store_changes_add(changes, KIND_LABELS, field, NULL);
	return 0;
}

static void warn_unknown_container(
	const struct world *world, const struct options *options, const char *name)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(endpoints[i].record->container_name, name) &&
			(!options->node || !strcmp(options->node, endpoints[i].record->node)))
			return;
	client_warn("no container \"%s\" is known now; its labels wait for it", name);
}

static int set_labels(struct labelling *labelling)
{
	const struct options *options = labelling->options;
	cleanup_free char *place = where(options);
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, &err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, &err) : NULL;
	struct store_edit_result result;
	int status;

	if (!world)
		return client_fail(&err);
	status = run_edit(redis, edit_labels, labelling, &result);
	if (status)
		return status;
	if (labelling->missing.len)
		client_warn("not among the labels given here: %s", labelling->missing.text);
	warn_unknown_container(world, options, labelling->container);
	printf("Container %s is labelled%s\n", labelling->container, place);
	return wait_for_nodes(redis, options, &result, NULL);
}

int cmd_label(const struct options *options)
{
	const struct command *self = commands_find("label");
	struct labelling labelling = {.options = options, .container = options->operands[1]};
	struct err err = {0};
	int status;

	if (strcmp(options->operands[0], "container") != 0)
		return options_usage_error(self, "\"%s\" is not container", options->operands[0]);
	if (*labelling.container == '/') /* as the Engine's API writes it */
		labelling.container++;
	if (check_names("container", options, labelling.container, &err))
		return options_usage_error(self, "%s", err.text);
	for (size_t i = LABEL_WORDS_FROM; i < options->operand_count; i++)
		if (check_label(options->operands[i], &err))
			return client_fail(&err);
	status = set_labels(&labelling);
	strbuf_free(&labelling.missing);
	return status;
}

/* --- store ------------------------------------------------------------------------------------------- */

int cmd_store(const struct options *options)
{
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = NULL;
	struct store_edit_result result = {.written = true};
	char text[STORE_HEAD_MAX];

	if (strcmp(options->operands[0], "accept") != 0)
		return options_usage_error(
			commands_find("store"), "\"%s\" is not accept", options->operands[0]);
	redis = client_open(options, &err);
	if (!redis || store_accept(redis, &result.head, &err))
		return client_fail(&err);
	printf("Accepted the policies of %s\n", store_head_format(&result.head, text));
	return wait_for_nodes(redis, options, &result, NULL);
}
