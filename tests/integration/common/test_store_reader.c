/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader against a real redis-server: what it holds is what the store held, or it says that it is not. */
#include "store_reader_fixture.h"

/* --- tests ------------------------------------------------------------------------------------- */

START_TEST(test_empty_then_changes)
{
	struct store_edit_result result;

	follow_policies();
	ck_assert_int_eq(follower.snapshots, 1);
	ck_assert(follower.empty);
	ck_assert_ptr_null(store_reader_head(follower.reader));
	result = set(admin, "a", "{\"n\":1}");
	ck_assert(result.created);
	expect_record(&follower, "a", "{\"n\":1}");
	ck_assert(store_head_equal(&result.head, store_reader_head(follower.reader)));
	/* from here on the events are enough */
	follower.snapshots = 0;
	result = set(admin, "a", "{\"n\":2}");
	ck_assert(!result.created);
	expect_record(&follower, "a", "{\"n\":2}");
	set(admin, "b", "{}");
	set(admin, "a", NULL);
	expect_record(&follower, "a", NULL);
	expect_record(&follower, "b", "{}");
	ck_assert_int_eq(follower.snapshots, 0);
	ck_assert_int_eq(follower.changes, 3);
	unfollow(&follower);
}
END_TEST

/* No writer of ours makes a field with a NUL in it: cut off there, it would be the other field. */
START_TEST(test_snapshot_first)
{
	const char *const words[] = {"HSET", HASH, "a\0x", "{\"evil\":1}"};
	const size_t lens[] = {4, strlen(HASH), 3, 10};

	set(admin, "a", "{}");
	follow_policies();
	ck_assert_int_eq(redis_command(follower.commands, 4, words, lens, NULL, NULL), 0);
	store_reader_resync(follower.reader, true);
	expect_snapshots(&follower, 2);
	ck_assert_str_eq(held_record(&follower, "a"), "{}");
	ck_assert_uint_eq(follower.world.count, 1);
	unfollow(&follower);
}
END_TEST

START_TEST(test_held_from_disk)
{
	struct store_edit_result result = set(admin, "a", "{}");

	/* what is on disk is what is there: nothing is handed over again, unless it is asked for */
	follow(&follower, server, STORE_POLICIES_STREAM, &result.head);
	expect_state(&follower, STORE_SYNCED);
	ck_assert_int_eq(follower.snapshots, 0);
	store_reader_resync(follower.reader, true);
	expect_snapshots(&follower, 1);
	ck_assert_str_eq(held_record(&follower, "a"), "{}");
	unfollow(&follower);
}
END_TEST

static void publish(const struct store_head *prev, const struct store_head *head, const char *id,
	const char *record)
{
	struct store_changes changes = {0};
	char *event;

	store_changes_add(&changes, KIND_POLICY, id, record);
	event = store_event_encode(STORE_POLICIES_STREAM, prev, head, changes.items, changes.count);
	redis_server_run(admin, "PUBLISH", EVENTS, event, NULL);
	free(event);
	store_changes_clear(&changes);
}

/* Messages are hints: lost, doubled, late and forged ones change nothing that the store does not hold. */
START_TEST(test_lost_and_old_messages)
{
	struct store_edit_result first = set(admin, "a", "{\"n\":1}"), second;
	struct store_head unknown = store_head_next(&first.head), lost;
	char text[STORE_HEAD_MAX];

	follow_policies();
	second = set(admin, "a", "{\"n\":2}");
	expect_record(&follower, "a", "{\"n\":2}");
	follower.changes = follower.snapshots = 0;
	/* again, and the one before: passed over without reading */
	publish(&first.head, &second.head, "a", "{\"n\":7}");
	publish(NULL, &second.head, "a", "{\"n\":7}");
	set(admin, "b", "{}");
	expect_record(&follower, "b", "{}");
	ck_assert_int_eq(follower.changes, 1);
	ck_assert_int_eq(follower.snapshots, 0);
	/* a change whose message was lost, told by the next one */
	lost = store_head_next(store_reader_head(follower.reader));
	redis_server_run(admin, "HSET", HASH, "lost", "{\"n\":3}", NULL);
	redis_server_run(admin, "SET", HEAD, store_head_format(&lost, text), NULL);
	set(admin, "c", "{}");
	expect_record(&follower, "lost", "{\"n\":3}");
	ck_assert_int_eq(follower.snapshots, 1);
	/* a message that no write belongs to: what it says does not count */
	unknown.revision += 100;
	publish(&lost, &unknown, "forged", "{}");
	set(admin, "d", "{}");
	expect_record(&follower, "d", "{}");
	ck_assert_ptr_null(held_record(&follower, "forged"));
	unfollow(&follower);
}
END_TEST

START_TEST(test_garbage_messages)
{
	static const char *const garbage[] = {"", "{", "[]", "{\"v\":2}", "{\"v\":1}", "\xff\xfe"};
	char *large = xcalloc(STORE_EVENT_MAX + 2, 1);

	memset(large, ' ', STORE_EVENT_MAX + 1);
	set(admin, "a", "{}");
	follow_policies();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++)
		redis_server_run(admin, "PUBLISH", EVENTS, garbage[i], NULL);
	redis_server_run(admin, "PUBLISH", EVENTS, large, NULL);
	set(admin, "b", "{}");
	expect_record(&follower, "b", "{}");
	expect_state(&follower, STORE_SYNCED);
	ck_assert_uint_eq(follower.world.count, 2);
	free(large);
	unfollow(&follower);
}
END_TEST

/* A change without any message is found by comparing heads. */
START_TEST(test_resync)
{
	struct store_edit_result result = set(admin, "a", "{}");
	struct store_head silent = store_head_next(&result.head);
	char text[STORE_HEAD_MAX];

	follow_policies();
	store_reader_resync(follower.reader, false);
	wait_out(follower.base, 100);
	ck_assert_int_eq(follower.snapshots, 1);
	redis_server_run(admin, "HSET", HASH, "b", "{}", NULL);
	redis_server_run(admin, "SET", HEAD, store_head_format(&silent, text), NULL);
	store_reader_resync(follower.reader, false);
	expect_record(&follower, "b", "{}");
	unfollow(&follower);
}
END_TEST

START_TEST(test_flushed)
{
	struct store_edit_result result;

	set(admin, "a", "{}");
	follow_policies();
	redis_server_run(admin, "FLUSHALL", NULL);
	store_reader_resync(follower.reader, false);
	expect_state(&follower, STORE_REFUSED);
	ck_assert_ptr_nonnull(strstr(store_reader_reason(follower.reader), "gone from the store"));
	ck_assert_str_eq(held_record(&follower, "a"), "{}");
	/* the operator writes again: a new store replaces the old one whole, at once */
	result = set(admin, "b", "{}");
	ck_assert(result.created);
	expect_state(&follower, STORE_SYNCED);
	expect_record(&follower, "b", "{}");
	ck_assert_ptr_null(held_record(&follower, "a"));
	unfollow(&follower);
}
END_TEST

/* An old dump is put back: a revoked permission does not re-open, until the operator says so. */
START_TEST(test_old_dump)
{
	struct store_edit_result old = set(admin, "a", "{\"old\":1}"), now;
	struct store_head accepted;
	struct err err = {0};
	char text[STORE_HEAD_MAX];
	struct follower late;

	follow_policies();
	now = set(admin, "a", NULL);
	expect_record(&follower, "a", NULL);
	redis_server_run(admin, "HSET", HASH, "a", "{\"old\":1}", NULL);
	redis_server_run(admin, "SET", HEAD, store_head_format(&old.head, text), NULL);
	store_reader_resync(follower.reader, false);
	expect_state(&follower, STORE_REFUSED);
	ck_assert_ptr_null(held_record(&follower, "a"));
	/* nor does a write into the old store make it new */
	set(admin, "b", "{}");
	wait_out(follower.base, 200);
	expect_state(&follower, STORE_REFUSED);
	ck_assert_ptr_null(held_record(&follower, "b"));
	ck_assert_msg(!store_accept(admin, &accepted, &err), "%s", err.text);
	expect_state(&follower, STORE_SYNCED);
	expect_record(&follower, "a", "{\"old\":1}");
	ck_assert(store_head_equal(&accepted, store_reader_head(follower.reader)));
	set(admin, "c", "{}");
	expect_record(&follower, "c", "{}");
	/* a reader that was away meanwhile takes it too */
	follow(&late, server, STORE_POLICIES_STREAM, &now.head);
	expect_state(&late, STORE_SYNCED);
	ck_assert_str_eq(held_record(&late, "c"), "{}");
	unfollow(&late);
	unfollow(&follower);
}
END_TEST

START_TEST(test_server_restarts)
{
	bool keep_data = _i;

	set(admin, "a", "{}");
	follow_policies();
	redis_server_kill(server);
	expect_state(&follower, STORE_STALE);
	ck_assert_str_eq(held_record(&follower, "a"), "{}");
	redis_sync_close(admin);
	redis_server_restart(server, keep_data);
	admin = redis_server_connect(server);
	/* written while the reader is away */
	set(admin, "b", "{}");
	expect_state(&follower, STORE_SYNCED);
	expect_record(&follower, "b", "{}");
	ck_assert_int_eq(held_record(&follower, "a") != NULL, keep_data);
	unfollow(&follower);
}
END_TEST

/* One of the two connections is cut: nothing that is written meanwhile is missed. */
START_TEST(test_client_kill)
{
	const char *type = _i ? "pubsub" : "normal";

	set(admin, "a", "{}");
	follow_policies();
	redis_server_run(admin, "CLIENT", "KILL", "TYPE", type, "SKIPME", "yes", NULL);
	set(admin, "b", "{}");
	expect_state(&follower, STORE_STALE);
	expect_state(&follower, STORE_SYNCED);
	expect_record(&follower, "b", "{}");
	set(admin, "c", "{}");
	expect_record(&follower, "c", "{}");
	unfollow(&follower);
}
END_TEST

START_TEST(test_node_stream)
{
	static const char head[] = STORE_PREFIX "head:node:n1";
	char text[STORE_HEAD_MAX];
	struct store_head first = {.id = "00"};

	store_epoch_new(first.epoch);
	follow(&follower, server, "node:n1", NULL);
	expect_state(&follower, STORE_REFUSED);
	ck_assert_int_eq(follower.snapshots, 0);
	ck_assert_ptr_nonnull(strstr(store_reader_reason(follower.reader), "not published"));
	redis_server_run(admin, "HSET", STORE_PREFIX "endpoints:n1", "e1", "{}", NULL);
	redis_server_run(admin, "SET", head, store_head_format(&first, text), NULL);
	store_reader_resync(follower.reader, false);
	expect_state(&follower, STORE_SYNCED);
	ck_assert_uint_eq(follower.world.count, 1);
	/* gone: not "no endpoints" */
	redis_server_run(admin, "FLUSHALL", NULL);
	store_reader_resync(follower.reader, false);
	expect_state(&follower, STORE_REFUSED);
	ck_assert_uint_eq(follower.world.count, 1);
	unfollow(&follower);
}
END_TEST

/* What the store cannot be read for is said, and tried again. */
START_TEST(test_unreadable_store)
{
	static const struct {
		const char *command, *key, *value, *reason;
	} broken[] = {
		{"LPUSH", HASH, "x", "WRONGTYPE"},
		{"SET", HEAD, "nonsense", "is not epoch:revision:id"},
		{"LPUSH", HEAD, "x", "WRONGTYPE"},
	};

	redis_server_run(admin, broken[_i].command, broken[_i].key, broken[_i].value, NULL);
	follow(&follower, server, STORE_POLICIES_STREAM, NULL);
	expect_state(&follower, STORE_STALE);
	ck_assert_msg(strstr(store_reader_reason(follower.reader), broken[_i].reason), "%s",
		store_reader_reason(follower.reader));
	ck_assert_int_eq(follower.snapshots, 0);
	redis_server_run(admin, "DEL", broken[_i].key, NULL);
	expect_state(&follower, STORE_SYNCED);
	unfollow(&follower);
}
END_TEST

/* Several hundred edits by another process while the reader reads the whole again and again. */
START_TEST(test_writes_while_reading)
{
	enum { EDITS = 300 };
	struct store_changes items = {0};
	struct store_head head;
	struct err err = {0};
	bool present = false;
	int status = -1;
	pid_t pid;

	set(admin, "k0", "{}");
	follow_policies();
	pid = fork();
	if (!pid) {
		struct redis_sync *own = redis_server_connect(server);

		for (int i = 0; i < EDITS; i++) {
			cleanup_free char *id = xasprintf("k%d", i % 7);
			cleanup_free char *record = xasprintf("{\"n\":%d}", i);

			set(own, id, i % 5 ? record : NULL);
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		store_reader_resync(follower.reader, true);
		wait_out(follower.base, 1);
	}
	ck_assert_int_eq(status, 0);
	set(admin, "last", "{}");
	expect_record(&follower, "last", "{}");
	ck_assert_int_gt(follower.snapshots, 2);
	ck_assert_int_eq(
		store_read(admin, STORE_POLICIES_STREAM, &items, &head, &present, &err), 0);
	ck_assert(store_head_equal(&head, store_reader_head(follower.reader)));
	ck_assert_uint_eq(items.count, follower.world.count);
	for (size_t i = 0; i < items.count; i++)
		ck_assert_str_eq(held_record(&follower, items.items[i].id), items.items[i].record);
	store_changes_clear(&items);
	unfollow(&follower);
}
END_TEST

/* Two readers on one pair of connections; each may end while something of it is outstanding. */
START_TEST(test_shared_connections)
{
	struct follower other = {0};

	set(admin, "a", "{}");
	follow_policies();
	other.reader = store_reader_new(
		follower.base, "node:n1", follower.commands, follower.pubsub, NULL, &ops, &other);
	store_reader_commands_event(other.reader, REDIS_READY);
	store_reader_pubsub_event(other.reader, REDIS_READY);
	other.want_state = STORE_REFUSED;
	ck_assert(wait_until(follower.base, in_state, &other, SOON_MS));
	store_reader_resync(other.reader, true);
	store_reader_resync(other.reader, false);
	store_reader_free(other.reader);
	redis_server_run(admin, "PUBLISH", STORE_PREFIX "events:node:n1", "{}", NULL);
	set(admin, "b", "{}");
	expect_record(&follower, "b", "{}");
	/* and the other way round: connections first */
	store_reader_resync(follower.reader, true);
	redis_free(follower.commands);
	redis_free(follower.pubsub);
	store_reader_free(follower.reader);
	event_base_free(follower.base);
	store_changes_clear(&follower.world);
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_empty_then_changes);
	tcase_add_test(tcase, test_snapshot_first);
	tcase_add_test(tcase, test_held_from_disk);
	tcase_add_test(tcase, test_lost_and_old_messages);
	tcase_add_test(tcase, test_garbage_messages);
	tcase_add_test(tcase, test_resync);
	tcase_add_test(tcase, test_flushed);
	tcase_add_test(tcase, test_old_dump);
	tcase_add_loop_test(tcase, test_server_restarts, 0, 2);
	tcase_add_loop_test(tcase, test_client_kill, 0, 2);
	tcase_add_test(tcase, test_node_stream);
	tcase_add_loop_test(tcase, test_unreadable_store, 0, 3);
	tcase_add_test(tcase, test_writes_while_reading);
	tcase_add_test(tcase, test_shared_connections);
}

int main(void)
{
	Suite *suite = suite_create("store_reader");
	TCase *tcase = tcase_create("real server");
	SRunner *runner;
	int failed;

	add_all(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
