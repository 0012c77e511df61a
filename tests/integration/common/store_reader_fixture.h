/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store reader against a real server, and one who writes. */
#ifndef BULKHEAD_TEST_STORE_READER_FIXTURE_H
#define BULKHEAD_TEST_STORE_READER_FIXTURE_H

#include "common/store_reader.h"

#include "common/redis_sync.h"
#include "common/xalloc.h"
#include "edit_fixture.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"

#include <check.h>
#include <string.h>
#include <sys/wait.h>

#define UNUSED_HELPER __attribute__((unused)) static

enum { SOON_MS = 8000 };

/* A consumer that keeps the world as a plain list, and counts. */
struct follower {
	struct event_base *base;
	struct redis *commands, *pubsub;
	struct store_reader *reader;
	struct store_changes world;
	int snapshots, changes, states;
	bool empty; /* the last snapshot had no head */
	int want_snapshots, want_changes;
	enum store_state want_state;
	const char *want_id, *want_record;
};

UNUSED_HELPER void remove_item(struct store_changes *world, enum store_kind kind, const char *id)
{
	for (size_t i = 0; i < world->count; i++) {
		if (world->items[i].kind != kind || strcmp(world->items[i].id, id) != 0)
			continue;
		store_change_clear(&world->items[i]);
		world->items[i] = world->items[--world->count];
		return;
	}
}

UNUSED_HELPER void put(struct store_changes *world, const struct store_change *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		remove_item(world, items[i].kind, items[i].id);
		if (items[i].record)
			store_changes_add(world, items[i].kind, items[i].id, items[i].record);
	}
}

UNUSED_HELPER void on_snapshot(const struct store_snapshot *snapshot, void *arg)
{
	struct follower *follower = arg;

	follower->snapshots++;
	follower->empty = !snapshot->head;
	ck_assert(snapshot->head || !snapshot->count);
	store_changes_clear(&follower->world);
	put(&follower->world, snapshot->items, snapshot->count);
}

UNUSED_HELPER void on_changes(
	const struct store_change *changes, size_t count, const struct store_head *head, void *arg)
{
	struct follower *follower = arg;

	follower->changes++;
	ck_assert(store_head_equal(head, store_reader_head(follower->reader)));
	put(&follower->world, changes, count);
}

UNUSED_HELPER void on_state(enum store_state state, const char *reason, void *arg)
{
	struct follower *follower = arg;

	follower->states++;
	ck_assert(state != STORE_REFUSED || *reason);
}

UNUSED_HELPER void on_commands(enum redis_event event, const char *cause, void *arg)
{
	struct follower *follower = arg;

	(void)cause;
	if (follower->reader)
		store_reader_commands_event(follower->reader, event);
}

UNUSED_HELPER void on_pubsub(enum redis_event event, const char *cause, void *arg)
{
	struct follower *follower = arg;

	(void)cause;
	if (follower->reader)
		store_reader_pubsub_event(follower->reader, event);
}

static const struct store_reader_ops ops = {on_snapshot, on_changes, on_state};

UNUSED_HELPER void follow(struct follower *follower, const struct redis_server *server,
	const char *stream, const struct store_head *held)
{
	const struct redis_options options = {.url = redis_server_url(server)};

	*follower = (struct follower){.base = event_base_new()};
	follower->commands = redis_new(follower->base, &options, on_commands, follower, NULL);
	follower->pubsub = redis_new(follower->base, &options, on_pubsub, follower, NULL);
	follower->reader = store_reader_new(
		follower->base, stream, follower->commands, follower->pubsub, held, &ops, follower);
	ck_assert_int_eq(store_reader_state(follower->reader), STORE_UNREAD);
	ck_assert_str_eq(store_reader_stream(follower->reader), stream);
}

UNUSED_HELPER void unfollow(struct follower *follower)
{
	store_reader_free(follower->reader);
	redis_free(follower->commands);
	redis_free(follower->pubsub);
	event_base_free(follower->base);
	store_changes_clear(&follower->world);
}

/* --- waiting ----------------------------------------------------------------------------------- */

UNUSED_HELPER bool in_state(void *arg)
{
	const struct follower *follower = arg;

	return store_reader_state(follower->reader) == follower->want_state;
}

UNUSED_HELPER void expect_state(struct follower *follower, enum store_state state)
{
	follower->want_state = state;
	ck_assert_msg(wait_until(follower->base, in_state, follower, SOON_MS),
		"state is %d, not %d: %s", store_reader_state(follower->reader), state,
		store_reader_reason(follower->reader));
}

UNUSED_HELPER const char *held_record(const struct follower *follower, const char *id)
{
	const struct store_view view = {follower->world.items, follower->world.count, NULL};

	return store_view_get(&view, KIND_POLICY, id);
}

UNUSED_HELPER bool holds(void *arg)
{
	const struct follower *follower = arg;
	const char *record = held_record(follower, follower->want_id);

	return follower->want_record ? record && !strcmp(record, follower->want_record) : !record;
}

UNUSED_HELPER void expect_record(struct follower *follower, const char *id, const char *record)
{
	const char *held;

	follower->want_id = id;
	follower->want_record = record;
	if (wait_until(follower->base, holds, follower, SOON_MS))
		return;
	held = held_record(follower, id);
	ck_abort_msg("%s is %s, not %s", id, held ? held : "absent", record ? record : "absent");
}

UNUSED_HELPER bool has_snapshots(void *arg)
{
	const struct follower *follower = arg;

	return follower->snapshots >= follower->want_snapshots;
}

UNUSED_HELPER void expect_snapshots(struct follower *follower, int count)
{
	follower->want_snapshots = count;
	ck_assert(wait_until(follower->base, has_snapshots, follower, SOON_MS));
}

/* --- writing ----------------------------------------------------------------------------------- */

UNUSED_HELPER struct store_edit_result set(
	struct redis_sync *admin, const char *id, const char *record)
{
	struct store_edit_result result = edit(admin, id, record);

	ck_assert(result.written);
	return result;
}

static struct redis_server *server;
static struct redis_sync *admin;
static struct follower follower;

UNUSED_HELPER void setup(void)
{
	server = redis_server_start(NULL);
	admin = redis_server_connect(server);
}

UNUSED_HELPER void teardown(void)
{
	redis_sync_close(admin);
	redis_server_stop(server);
}

UNUSED_HELPER void follow_policies(void)
{
	follow(&follower, server, STORE_POLICIES_STREAM, NULL);
	expect_state(&follower, STORE_SYNCED);
}

#endif
