/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/wait.h"

#include "common/mode.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/follow.h"
#include "ctl/nodes.h"

#include <string.h>
#include <time.h>

/* Status has no channel to listen at. A node follows within milliseconds, so the first looks are close together. */
enum { POLL_FIRST_MS = 5, POLL_MAX_MS = 500, POLL_SHARE = 4 /* waited per time spent looking */ };

struct waited {
	const char *node;
	enum follow_state state;
	char *why;
	char *heartbeat; /* at the first look */
	bool audit;
};

struct waiting {
	struct redis_sync *redis;
	struct store_head head;
	const json_t *written;
	json_t *names; /* owns what items name */
	struct waited *items;
	size_t count;
};

static void waiting_clear(struct waiting *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->items[i].why);
		free(w->items[i].heartbeat);
	}
	free(w->items);
	json_decref(w->names);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* --- looking ----------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *status, const char *name)
{
	const char *text = json_string_value(json_object_get(status, name));

	return text ? text : "";
}

static int look_at(struct waiting *w, struct waited *node, struct err *err)
{
	cleanup_free char *key = store_status_key(node->node);
	cleanup_json json_t *status = json_object();
	struct follow_source source = {.status = status,
		.head = &w->head,
		.written = w->written,
		.now = (long long)time(NULL)};

	if (client_each(w->redis, key, client_take_field, status, err))
		return -1;
	if (!node->heartbeat)
		node->heartbeat = xstrdup(text_of(status, "heartbeat_unix"));
	source.moved = strcmp(node->heartbeat, text_of(status, "heartbeat_unix")) != 0;
	free(node->why);
	node->state = follow_judge(&source, &node->why);
	node->audit = !strcmp(text_of(status, "mode"), mode_name(MODE_AUDIT));
	return 0;
}

static size_t count_state(const struct waiting *w, enum follow_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < w->count; i++)
		count += w->items[i].state == state;
	return count;
}

/* A silent one is looked at as long as others are pending: it may just have had no time to speak. */
static int look(struct waiting *w, struct err *err)
{
	for (size_t i = 0; i < w->count; i++)
		if ((w->items[i].state == FOLLOW_PENDING || w->items[i].state == FOLLOW_SILENT) &&
			look_at(w, &w->items[i], err))
			return -1;
	return 0;
}

static void pause_ms(long long ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

static int look_until(struct waiting *w, long seconds, struct err *err)
{
	long long deadline = now_ms() + seconds * 1000LL, interval = POLL_FIRST_MS;

	for (;;) {
		long long begun = now_ms(), took, left;

		if (look(w, err))
			return -1;
		took = now_ms() - begun;
		left = deadline - now_ms();
		if (!count_state(w, FOLLOW_PENDING) || left <= 0)
			return 0;
		if (interval < took * POLL_SHARE)
			interval = took * POLL_SHARE;
		pause_ms(interval < left ? interval : left);
		interval = interval * 2 < POLL_MAX_MS ? interval * 2 : POLL_MAX_MS;
	}
}

/* --- whom ------------------------------------------------------------------------------------------ */

static int cmp_nodes(const void *a, const void *b)
{
	return strcmp(((const struct waited *)a)->node, ((const struct waited *)b)->node);
}

static int find_nodes(struct waiting *w, const char *only, struct err *err)
{
	const char *name;
	json_t *unused;

	w->names = only ? json_pack("{s:b}", only, true) : nodes_all(w->redis, err);
	if (!w->names)
		return -1;
	w->items = xcalloc(json_object_size(w->names) + 1, sizeof(*w->items));
	json_object_foreach (w->names, name, unused)
		w->items[w->count++] = (struct waited){.node = name};
	qsort(w->items, w->count, sizeof(*w->items), cmp_nodes);
	return 0;
}

static int find_head(
	struct waiting *w, const struct store_edit_result *result, bool *present, struct err *err)
{
	struct store_changes items = {0};
	int rc;

	*present = true;
	w->head = result->head;
	if (result->written)
		return 0;
	rc = store_read(w->redis, STORE_POLICIES_STREAM, &items, &w->head, present, err);
	store_changes_clear(&items);
	return rc;
}

/* --- telling ----------------------------------------------------------------------------------------- */

static void fail_node(const struct waited *node)
{
	struct err err = {0};

	err_set(&err, 0, "node %s has not followed: %s", node->node, node->why);
	(void)client_fail(&err);
}

static int tell(const struct waiting *w, long seconds)
{
	size_t done = count_state(w, FOLLOW_DONE), silent = count_state(w, FOLLOW_SILENT);
	struct err err = {0};

	for (size_t i = 0; i < w->count; i++) {
		const struct waited *node = &w->items[i];

		if (node->state == FOLLOW_SILENT)
			client_warn("node %s is not waited for: %s", node->node, node->why);
		else if (node->state != FOLLOW_DONE)
			fail_node(node);
		else if (node->audit)
			client_warn(
				"node %s is in audit mode: nothing is dropped there", node->node);
	}
	if (silent == w->count)
		err_set(&err, 0, "no node is live: it is stored, and nobody has it in force");
	else if (count_state(w, FOLLOW_PENDING))
		err_set(&err, 0, "in force on %zu of %zu live nodes after %ld s; it is stored",
			done, w->count - silent, seconds);
	else if (done + silent < w->count)
		err_set(&err, 0, "in force on %zu of %zu live nodes; it is stored", done,
			w->count - silent);
	if (*err.text)
		return client_fail(&err);
	printf("In force on %zu node%s\n", done, done == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

int wait_for_nodes(struct redis_sync *redis, const struct options *options,
	const struct store_edit_result *result, const json_t *written)
{
	struct waiting w
		__attribute__((cleanup(waiting_clear))) = {.redis = redis, .written = written};
	struct err err = {0};
	bool present = false;

	if (!options->wait)
		return EXIT_SUCCESS;
	fflush(stdout); /* that it is stored need not wait */
	if (find_head(&w, result, &present, &err) || find_nodes(&w, options->node, &err) ||
		(present && look_until(&w, options->wait_timeout, &err))) {
		err_wrap(&err, "it is stored, but not known to be in force");
		return client_fail(&err);
	}
	if (present)
		return tell(&w, options->wait_timeout);
	err_set(&err, 0, "there is nothing in the store to wait for");
	return client_fail(&err);
}
