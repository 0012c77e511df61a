/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/client.h"

#include "common/xalloc.h"
#include "ctl/printable.h"
#include "ctl/resource.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>

int client_fail(const struct err *err)
{
	cleanup_free char *text = printable(err->text);

	fflush(stdout);
	fprintf(stderr, "bulkheadctl: %s\n", text);
	return EXIT_FAILURE;
}

void client_warn(const char *fmt, ...)
{
	cleanup_free char *text = NULL, *shown = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = xstrdup(fmt);
	va_end(args);
	shown = printable(text);
	fprintf(stderr, "bulkheadctl: warning: %s\n", shown);
}

void client_warn_created(const struct store_edit_result *result)
{
	if (result->created)
		client_warn("created a new policy store");
}

int client_finish(void)
{
	struct err err = {0};

	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_SUCCESS;
	err_set(&err, errno, "write to stdout");
	return client_fail(&err);
}

struct redis_sync *client_open(const struct options *options, struct err *err)
{
	struct redis_options redis = options_redis(options);

	return redis_sync_open(&redis, (unsigned)options->timeout * 1000, err);
}

/* --- hashes ------------------------------------------------------------------------------------------ */

struct field {
	const char *name, *value;
	size_t len;
};

static int cmp_fields(const void *a, const void *b)
{
	return strcmp(((const struct field *)a)->name, ((const struct field *)b)->name);
}

int client_each(
	struct redis_sync *redis, const char *key, client_field_fn *fn, void *arg, struct err *err)
{
	CLEANUP(redis_reply) redis_reply *reply = redis_sync_call(redis, err, "HGETALL", key, NULL);
	cleanup_free struct field *fields = NULL;
	size_t count = 0;

	if (!reply)
		return err_wrap(err, "read %s", key);
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
		return err_set(err, 0, "read %s: not a hash", key);
	fields = xcalloc(reply->elements / 2, sizeof(*fields));
	for (size_t i = 0; i < reply->elements; i += 2) {
		struct field *field = &fields[count++];

		field->name = redis_reply_text(reply->element[i], NULL);
		field->value = redis_reply_text(reply->element[i + 1], &field->len);
		if (!field->name || !field->value)
			return err_set(err, 0, "read %s: not strings", key);
	}
	qsort(fields, count, sizeof(*fields), cmp_fields);
	for (size_t i = 0; i < count; i++)
		fn(fields[i].name, fields[i].value, fields[i].len, arg);
	return 0;
}

void client_take_field(const char *name, const char *value, size_t len, void *arg)
{
	json_t *text = json_stringn(value, len);

	json_object_set_new(arg, name, text ? text : json_string("(not UTF-8)"));
}

static void add_name(const char *field, const char *value, size_t len, void *arg)
{
	json_t *name = json_string(field);

	(void)value;
	(void)len;
	if (name)
		json_array_append_new(arg, name);
	else
		client_warn("%s: node \"%s\" is not UTF-8", STORE_NODES, field);
}

json_t *client_nodes(struct redis_sync *redis, struct err *err)
{
	cleanup_json json_t *nodes = json_array();

	if (client_each(redis, STORE_NODES, add_name, nodes, err))
		return NULL;
	return steal_ptr(nodes);
}

/* --- the world --------------------------------------------------------------------------------------- */

struct filling {
	struct world *world;
	enum store_kind kind;
	const char *node;
	const char *key;
};

static void fill(const char *field, const char *value, size_t len, void *arg)
{
	const struct filling *filling = arg;
	struct err err = {0};

	if (world_add(filling->world, filling->kind, filling->node, field, value, len, &err))
		client_warn("%s %s: %s", filling->key, field, err.text);
}

static int fill_kind(struct redis_sync *redis, struct world *world, const char *stream,
	enum store_kind kind, const char *node, struct err *err)
{
	cleanup_free char *key = store_hash_key(stream, kind);
	struct filling filling = {world, kind, node, key};

	return client_each(redis, key, fill, &filling, err);
}

static int fill_bridges(
	struct redis_sync *redis, struct world *world, const char *node, struct err *err)
{
	cleanup_free char *key = store_status_key(node);
	CLEANUP(redis_reply)
	redis_reply *reply = redis_sync_call(redis, err, "HGET", key, "bridges", NULL);
	const char *text = redis_reply_text(reply, NULL);
	cleanup_json json_t *bridges = NULL;

	if (!reply)
		return err_wrap(err, "read %s", key);
	bridges = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	world_add_bridges(world, node, bridges);
	return 0;
}

static int fill_node(
	struct redis_sync *redis, struct world *world, const char *node, struct err *err)
{
	cleanup_free char *stream = xasprintf("%s%s", STORE_NODE_STREAM, node);

	if (fill_kind(redis, world, stream, KIND_ENDPOINT, node, err) ||
		fill_kind(redis, world, stream, KIND_NETWORK, node, err))
		return -1;
	return fill_bridges(redis, world, node, err);
}

struct world *client_world(struct redis_sync *redis, struct err *err)
{
	CLEANUP(world) struct world *world = world_new();
	cleanup_json json_t *nodes = client_nodes(redis, err);

	if (!nodes)
		return NULL;
	for (size_t i = 0; i < json_array_size(nodes); i++)
		if (fill_node(redis, world, json_string_value(json_array_get(nodes, i)), err))
			return NULL;
	if (fill_kind(redis, world, STORE_POLICIES_STREAM, KIND_ISOLATION, NULL, err) ||
		fill_kind(redis, world, STORE_POLICIES_STREAM, KIND_LABELS, NULL, err))
		return NULL;
	world_finish(world);
	return steal_ptr(world);
}

/* --- policies ---------------------------------------------------------------------------------------- */

static void take_policy(const char *field, const char *value, size_t len, void *arg)
{
	struct err err = {0};

	if (policies_add(arg, field, value, len, &err))
		client_warn("policy %s cannot be read and is left out: %s", field, err.text);
	else if (*err.text)
		client_warn("policy %s: %s; what it selects is taken as denied", field, err.text);
}

struct defining {
	struct policies *policies;
	enum store_kind kind;
};

static void take_definition(const char *field, const char *value, size_t len, void *arg)
{
	const struct defining *defining = arg;
	struct err err = {0};

	if (policies_define(defining->policies, defining->kind, field, value, len, &err))
		client_warn("%s %s cannot be read and is left out: %s",
			resource_of(defining->kind)->word, field, err.text);
}

static int fill_definitions(
	struct redis_sync *redis, struct policies *policies, enum store_kind kind, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, kind);
	struct defining defining = {policies, kind};

	return client_each(redis, key, take_definition, &defining, err);
}

int client_definitions(struct redis_sync *redis, struct policies *policies, struct err *err)
{
	return fill_definitions(redis, policies, KIND_TIER, err) ||
			       fill_definitions(redis, policies, KIND_NETSET, err)
		       ? -1
		       : 0;
}

int client_policies(struct redis_sync *redis, struct policies *policies, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, KIND_POLICY);

	return client_each(redis, key, take_policy, policies, err) ||
			       client_definitions(redis, policies, err)
		       ? -1
		       : 0;
}

char *client_head(struct redis_sync *redis, const char *stream, struct err *err)
{
	cleanup_free char *key = store_head_key(stream);
	CLEANUP(redis_reply) redis_reply *reply = redis_sync_call(redis, err, "GET", key, NULL);
	const char *text = redis_reply_text(reply, NULL);

	if (!reply)
		return NULL;
	return xstrdup(text ? text : "");
}

json_t *client_heads(struct redis_sync *redis, struct err *err)
{
	cleanup_json json_t *nodes = client_nodes(redis, err);
	cleanup_json json_t *heads = json_object();
	size_t i, count = json_array_size(nodes);

	for (i = 0; nodes && i <= count; i++) {
		const char *node = json_string_value(json_array_get(nodes, i));
		cleanup_free char *stream = node ? xasprintf(STORE_NODE_STREAM "%s", node)
						 : xstrdup(STORE_POLICIES_STREAM);
		cleanup_free char *head = client_head(redis, stream, err);

		if (!head)
			return NULL;
		json_object_set_new(heads, stream, json_string(head));
	}
	return nodes ? steal_ptr(heads) : NULL;
}
