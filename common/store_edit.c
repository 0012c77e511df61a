/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_edit.h"

#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>

const char *store_view_get(const struct store_view *view, enum store_kind kind, const char *id)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->items[i].kind == kind && !strcmp(view->items[i].id, id))
			return view->items[i].record;
	return NULL;
}

void store_changes_add(
	struct store_changes *changes, enum store_kind kind, const char *id, const char *record)
{
	xgrow(changes->items, changes->count, changes->cap);
	changes->items[changes->count++] =
		(struct store_change){kind, xstrdup(id), record ? xstrdup(record) : NULL};
}

void store_changes_clear(struct store_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		store_change_clear(&changes->items[i]);
	free(changes->items);
	*changes = (struct store_changes){0};
}

/* --- reading ----------------------------------------------------------------------------------- */

static int read_hash(struct redis_sync *redis, const char *stream, enum store_kind kind,
	struct store_changes *items, struct err *err)
{
	cleanup_free char *key = store_hash_key(stream, kind);
	CLEANUP(redis_reply) redis_reply *reply = redis_sync_call(redis, err, "HGETALL", key, NULL);

	if (!reply)
		return -1;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2)
		return err_set(err, 0, "read %s: not a hash", key);
	for (size_t i = 0; i < reply->elements; i += 2) {
		const char *id = redis_reply_text(reply->element[i], NULL);
		const char *record = redis_reply_text(reply->element[i + 1], NULL);

		if (!id || !record)
			return err_set(err, 0, "read %s: not strings", key);
		store_changes_add(items, kind, id, record);
	}
	return 0;
}

static int read_hashes(
	struct redis_sync *redis, const char *stream, struct store_changes *items, struct err *err)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (store_stream_has(stream, (enum store_kind)kind) &&
			read_hash(redis, stream, (enum store_kind)kind, items, err) < 0)
			return -1;
	return 0;
}

static int read_head(struct redis_sync *redis, const char *stream, struct store_head *head,
	bool *present, struct err *err)
{
	cleanup_free char *key = store_head_key(stream);
	CLEANUP(redis_reply) redis_reply *reply = redis_sync_call(redis, err, "GET", key, NULL);
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);

	if (!reply)
		return -1;
	*present = text != NULL;
	if (text && store_head_parse(text, len, head, err) < 0)
		return err_wrap(err, "read %s", key);
	return 0;
}

static int expect_ok(redis_reply *reply)
{
	redis_sync_reply_free(reply);
	return reply ? 0 : -1;
}

int store_read(struct redis_sync *redis, const char *stream, struct store_changes *items,
	struct store_head *head, bool *present, struct err *err)
{
	/* the head before and after tell whether the hashes in between belong together */
	for (int i = 0; i < STORE_EDIT_TRIES; i++) {
		struct store_head after;
		bool still = false;

		store_changes_clear(items);
		if (read_head(redis, stream, head, present, err) < 0 ||
			read_hashes(redis, stream, items, err) < 0 ||
			read_head(redis, stream, &after, &still, err) < 0)
			return -1;
		if (still == *present && (!still || store_head_equal(head, &after)))
			return 0;
	}
	return err_set(err, 0, "read stream %s: it changes faster than it can be read", stream);
}

/* --- writing ----------------------------------------------------------------------------------- */

static int queue_change(
	struct redis_sync *redis, const struct store_change *change, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, change->kind);

	return change->record
		       ? redis_sync_queue(redis, err, "HSET", key, change->id, change->record, NULL)
		       : redis_sync_queue(redis, err, "HDEL", key, change->id, NULL);
}

/* What this revision's id was, for readers that hold an earlier one; an epoch begins without a past. */
static int queue_history(struct redis_sync *redis, const struct store_head *prev,
	const struct store_head *head, struct err *err)
{
	cleanup_free char *key = store_history_key(STORE_POLICIES_STREAM);
	cleanup_free char *revision = xasprintf("%llu", head->revision);
	cleanup_free char *oldest = xasprintf("%llu", head->revision - STORE_HISTORY_MAX);
	bool full = head->revision > STORE_HISTORY_MAX;

	if (!prev && redis_sync_queue(redis, err, "DEL", key, NULL) < 0)
		return -1;
	if (full && redis_sync_queue(redis, err, "HDEL", key, oldest, NULL) < 0)
		return -1;
	return redis_sync_queue(redis, err, "HSET", key, revision, head->id, NULL);
}

/* prev NULL: a new epoch. */
static int queue_head(struct redis_sync *redis, const struct store_changes *changes,
	const struct store_head *prev, const struct store_head *head, struct err *err)
{
	cleanup_free char *key = store_head_key(STORE_POLICIES_STREAM);
	cleanup_free char *channel = store_channel(STORE_POLICIES_STREAM);
	cleanup_free char *event = store_event_encode(
		STORE_POLICIES_STREAM, prev, head, changes->items, changes->count);
	char text[STORE_HEAD_MAX];

	if (queue_history(redis, prev, head, err) < 0 ||
		redis_sync_queue(redis, err, "SET", key, store_head_format(head, text), NULL) < 0)
		return -1;
	return redis_sync_queue(redis, err, "PUBLISH", channel, event, NULL);
}

/* 1: written; 0: another writer came in between; -1: failed. */
static int exec(struct redis_sync *redis, struct err *err)
{
	CLEANUP(redis_reply) redis_reply *reply = redis_sync_call(redis, err, "EXEC", NULL);

	if (!reply)
		return -1;
	return reply->type != REDIS_REPLY_NIL;
}

/* As exec(). All in one go: a thousand policies cost one round trip. */
static int commit(struct redis_sync *redis, const struct store_changes *changes,
	const struct store_head *prev, const struct store_head *head, struct err *err)
{
	if (redis_sync_queue(redis, err, "MULTI", NULL) < 0)
		return -1;
	for (size_t i = 0; i < changes->count; i++)
		if (queue_change(redis, &changes->items[i], err) < 0)
			return -1;
	if (queue_head(redis, changes, prev, head, err) < 0)
		return -1;
	return exec(redis, err);
}

static int watch(struct redis_sync *redis, struct err *err)
{
	cleanup_free char *key = store_head_key(STORE_POLICIES_STREAM);

	return expect_ok(redis_sync_call(redis, err, "WATCH", key, NULL));
}

static int try_once(struct redis_sync *redis, store_edit_fn *fn, void *arg,
	struct store_changes *items, struct store_changes *changes,
	struct store_edit_result *result, struct err *err)
{
	struct store_head prev = {0};
	bool present = false;
	struct store_view view = {0};

	if (watch(redis, err) < 0 ||
		read_head(redis, STORE_POLICIES_STREAM, &prev, &present, err) < 0 ||
		read_hashes(redis, STORE_POLICIES_STREAM, items, err) < 0)
		return -1;
	view = (struct store_view){items->items, items->count, present ? &prev : NULL};
	if (fn(&view, changes, arg, err) < 0)
		return -1;
	result->written = changes->count > 0;
	if (!result->written)
		return expect_ok(redis_sync_call(redis, err, "UNWATCH", NULL)) < 0 ? -1 : 1;
	if (!present)
		store_epoch_new(prev.epoch);
	result->created = !present;
	result->head = store_head_next(&prev);
	return commit(redis, changes, present ? &prev : NULL, &result->head, err);
}

int store_edit(struct redis_sync *redis, store_edit_fn *fn, void *arg,
	struct store_edit_result *result, struct err *err)
{
	for (int i = 0; i < STORE_EDIT_TRIES; i++) {
		struct store_changes items = {0}, changes = {0};
		int rc;

		*result = (struct store_edit_result){0};
		rc = try_once(redis, fn, arg, &items, &changes, result, err);
		store_changes_clear(&items);
		store_changes_clear(&changes);
		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return err_set(err, 0, "write policies: other writers came first %d times; try again",
		STORE_EDIT_TRIES);
}

/* As exec(). */
static int accept_once(struct redis_sync *redis, struct store_head *head, struct err *err)
{
	cleanup_free char *key = store_accept_key(STORE_POLICIES_STREAM);
	struct store_changes none = {0};
	struct store_head found = {0};
	char text[STORE_HEAD_MAX];
	bool present = false;

	if (watch(redis, err) < 0 ||
		read_head(redis, STORE_POLICIES_STREAM, &found, &present, err) < 0)
		return -1;
	if (!present)
		return err_set(
			err, 0, "accept store: there are no policies in it; apply them instead");
	*head = (struct store_head){0};
	store_epoch_after(head->epoch, found.epoch);
	*head = store_head_next(head);
	if (redis_sync_queue(redis, err, "MULTI", NULL) < 0 ||
		redis_sync_queue(redis, err, "SET", key, store_head_format(head, text), NULL) < 0 ||
		queue_head(redis, &none, NULL, head, err) < 0)
		return -1;
	return exec(redis, err);
}

int store_accept(struct redis_sync *redis, struct store_head *head, struct err *err)
{
	for (int i = 0; i < STORE_EDIT_TRIES; i++) {
		int rc = accept_once(redis, head, err);

		if (rc)
			return rc < 0 ? -1 : 0;
	}
	return err_set(err, 0, "accept store: other writers came first %d times; try again",
		STORE_EDIT_TRIES);
}
