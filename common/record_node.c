/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/record_internal.h"
#include "common/xalloc.h"

void node_free(struct node *node)
{
	if (!node)
		return;
	free(node->node);
	free(node->engine);
	free(node->boot);
	free(node->instance);
	free(node->version);
	free(node);
}

#define FIELD(name, read)                                      \
	{                                                      \
#name, read, offsetof(struct node, name), true \
	}

static const struct json_field fields[] = {
	{"v", json_read_version_1, 0, true},
	FIELD(node, record_read_node),
	FIELD(engine, record_read_name),
	FIELD(boot, record_read_name),
	FIELD(instance, record_read_name),
	FIELD(version, record_read_name),
	FIELD(started, record_read_seconds),
	FIELD(heartbeat, record_read_seconds),
	{0},
};

struct node *node_from_json(const json_t *record, const char *key_node, struct err *err)
{
	CLEANUP(node) struct node *node = xcalloc(1, sizeof(*node));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, fields, JSON_IGNORE_UNKNOWN, node, err) ||
		record_key_check(&root, "node", node->node, key_node, err))
		return NULL;
	return steal_ptr(node);
}

json_t *node_to_json(const struct node *node)
{
	json_t *record = json_object();

	json_put(record, "v", json_integer(1));
	json_put_text(record, "node", node->node);
	json_put_text(record, "engine", node->engine);
	json_put_text(record, "boot", node->boot);
	json_put_text(record, "instance", node->instance);
	json_put_text(record, "version", node->version);
	json_put(record, "started", json_integer(node->started));
	json_put(record, "heartbeat", json_integer(node->heartbeat));
	return record;
}
