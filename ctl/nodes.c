/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/nodes.h"

#include "common/store.h"
#include "common/xalloc.h"
#include "ctl/client.h"

#include <hiredis/hiredis.h>
#include <string.h>

/* Adds the nodes of one SCAN reply to the set; the key's prefix goes. Returns the next cursor, NULL on failure. */
static char *scan_step(struct redis_sync *redis, const char *cursor, json_t *set, struct err *err)
{
	cleanup_free char *prefix = store_status_key("");
	cleanup_free char *pattern = xasprintf("%s*", prefix);
	CLEANUP(redis_reply)
	redis_reply *reply = redis_sync_call(
		redis, err, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
	const redis_reply *keys;

	if (!reply)
		return NULL;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
		!redis_reply_text(reply->element[0], NULL)) {
		err_set(err, 0, "SCAN: the reply makes no sense");
		return NULL;
	}
	keys = reply->element[1];
	for (size_t i = 0; keys->type == REDIS_REPLY_ARRAY && i < keys->elements; i++) {
		const char *key = redis_reply_text(keys->element[i], NULL);

		if (key && strlen(key) > strlen(prefix))
			json_object_set_new(set, key + strlen(prefix), json_true());
	}
	return xstrdup(redis_reply_text(reply->element[0], NULL));
}

json_t *nodes_all(struct redis_sync *redis, struct err *err)
{
	enum { SCAN_STEPS_MAX = 100000 };
	cleanup_json json_t *named = client_nodes(redis, err);
	cleanup_json json_t *set = json_object();
	char *cursor = xstrdup("0");

	if (!named) {
		free(cursor);
		return NULL;
	}
	for (size_t i = 0; i < json_array_size(named); i++)
		json_object_set_new(set, json_string_value(json_array_get(named, i)), json_true());
	for (int steps = 0; cursor && steps < SCAN_STEPS_MAX; steps++) {
		char *next = scan_step(redis, cursor, set, err);
		bool last = next && !strcmp(next, "0");

		free(cursor);
		cursor = next;
		if (last)
			break;
	}
	if (!cursor)
		return NULL;
	free(cursor);
	return steal_ptr(set);
}
