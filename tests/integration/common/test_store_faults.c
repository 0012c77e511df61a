/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens to a store and to the way to it, one fault at a time: afterwards the reader holds what is meant to be in force, and at
 * no moment in between did it hold anything else (tests/lib/witness.h fails the test then).
 */
#include "common/xalloc.h"
#include "edit_fixture.h"
#include "tests/lib/fault_proxy.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"
#include "tests/lib/witness.h"

#include <check.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <string.h>

#define HISTORY STORE_PREFIX "history:policies"

static struct redis_server *server;
static struct redis_sync *admin;
static struct witness *witness;

static void setup(void)
{
	server = redis_server_start(NULL);
	admin = redis_server_connect(server);
	witness = witness_new(STORE_POLICIES_STREAM);
}

static void teardown(void)
{
	witness_free(witness);
	redis_sync_close(admin);
	redis_server_stop(server);
}

static void follow(const char *url)
{
	witness_follow(witness, &(struct redis_options){.url = url});
}

static void follow_server(void)
{
	follow(redis_server_url(server));
	witness_expect_last(witness);
}

/* edit() writes into whatever store there is, which is not yet meant; this is. */
static void set(const char *id, const char *record)
{
	edit(admin, id, record);
	witness_approve(witness, admin);
}

/* What the operator accepts is meant from then on. */
static void accept_store(struct redis_sync *redis)
{
	struct store_head head;
	struct err err = {0};

	ck_assert_msg(!store_accept(redis, &head, &err), "%s", err.text);
	witness_approve(witness, redis);
}

/* --- messages ---------------------------------------------------------------------------------- */

static enum fault always(void *arg)
{
	return *(const enum fault *)arg;
}

static enum fault every_second_late(void *arg)
{
	unsigned *count = arg;

	return ++*count % 2 ? FAULT_LATE : FAULT_NONE;
}

/* A store with one policy, and a reader that holds it and hears of what comes by way of the proxy. */
static struct fault_proxy *follow_proxy(fault_fn *decide, void *arg)
{
	struct fault_proxy *proxy =
		fault_proxy_new(witness_base(witness), redis_server_port(server), decide, arg);

	set("a", "{}");
	follow(fault_proxy_url(proxy));
	witness_expect_last(witness);
	return proxy;
}

static void set_ten(void)
{
	for (int i = 0; i < 10; i++) {
		cleanup_free char *record = xasprintf("{\"n\":%d}", i);

		set("a", i % 3 ? record : NULL);
		set("b", record);
	}
}

START_TEST(test_messages_dropped)
{
	enum fault fault = FAULT_DROP;
	struct fault_proxy *proxy = follow_proxy(always, &fault);

	set_ten();
	wait_out(witness_base(witness), 100);
	ck_assert_uint_eq(witness_snapshots(witness), 1);
	/* the tick of every node tells that something is missing, ... */
	witness_resync(witness);
	witness_expect_last(witness);
	/* ... and so does the next message that comes through */
	set("a", "{\"lost\":1}");
	while (fault_proxy_messages(proxy) < 21)
		event_base_loop(witness_base(witness), EVLOOP_ONCE);
	fault = FAULT_NONE;
	set("c", "{}");
	witness_expect_last(witness);
	ck_assert_uint_eq(witness_snapshots(witness), 3);
	fault_proxy_free(proxy);
}
END_TEST

START_TEST(test_messages_twice)
{
	enum fault fault = FAULT_TWICE;
	struct fault_proxy *proxy = follow_proxy(always, &fault);

	set_ten();
	witness_expect_last(witness);
	/* the second one is told by its head, without reading anything */
	ck_assert_uint_eq(witness_snapshots(witness), 1);
	fault_proxy_free(proxy);
}
END_TEST

START_TEST(test_messages_swapped)
{
	unsigned count = 0;
	struct fault_proxy *proxy = follow_proxy(every_second_late, &count);

	set_ten();
	witness_expect_last(witness);
	ck_assert_uint_eq(fault_proxy_messages(proxy), 20);
	fault_proxy_free(proxy);
}
END_TEST

/* Each message ends its connection: the reader lives on its snapshots. */
START_TEST(test_messages_cut)
{
	enum fault fault = FAULT_CUT;
	struct fault_proxy *proxy = follow_proxy(always, &fault);

	for (int i = 0; i < 3; i++) {
		witness_expect_last(witness);
		set("a", i % 2 ? "{}" : NULL);
		witness_expect_state(witness, STORE_STALE, "");
	}
	witness_expect_last(witness);
	fault_proxy_free(proxy);
}
END_TEST

/* --- older stores ------------------------------------------------------------------------------ */

/* Database 1 stands for the file: COPY brings keys there and back. */
static void copy_stream(const char *from, const char *to)
{
	static const char *const keys[] = {HASH, HEAD, HISTORY, STORE_PREFIX "accept:policies"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		redis_server_run(admin, "SELECT", to, NULL);
		redis_server_run(admin, "DEL", keys[i], NULL);
		redis_server_run(admin, "SELECT", from, NULL);
		redis_server_run(admin, "COPY", keys[i], keys[i], "DB", to, NULL);
	}
	redis_server_run(admin, "SELECT", "0", NULL);
}

static void take_dump(void)
{
	copy_stream("0", "1");
}

static void put_dump_back(void)
{
	copy_stream("1", "0");
}

/* The reader as it goes on, or the next one with what was on disk. */
static void go_on(bool anew)
{
	if (anew)
		follow(redis_server_url(server));
	else
		witness_resync(witness);
}

/*
 * A permission is revoked, an older dump is put back, and then others write into it: at once it has the revision that is held, then a
 * higher one, and still it is not what is in force that it went on from.
 */
START_TEST(test_old_dump_is_written_to)
{
	bool anew = _i;

	set("a", "{\"open\":1}");
	take_dump();
	set("a", NULL);
	set("b", "{}");
	follow_server();
	put_dump_back();
	go_on(anew);
	witness_expect_kept(witness, "older than what is in force");
	for (int i = 0; i < 4; i++) {
		edit(admin, "c", i % 2 ? NULL : "{}");
		go_on(anew);
		witness_expect_kept(witness, "than what is in force");
	}
	accept_store(admin);
	witness_expect_last(witness);
	/* and from here on by events */
	set("d", "{}");
	witness_expect_last(witness);
}
END_TEST

/* The dump of a store that was begun before this one. */
START_TEST(test_dump_of_an_earlier_epoch)
{
	bool anew = _i;

	set("a", "{\"open\":1}");
	take_dump();
	redis_server_run(admin, "FLUSHDB", NULL);
	wait_out(witness_base(witness), 2); /* epochs are told apart by the millisecond */
	set("b", "{}");
	follow_server();
	put_dump_back();
	go_on(anew);
	witness_expect_kept(witness, "earlier epoch");
	for (int i = 0; i < 3; i++)
		edit(admin, "c", i % 2 ? NULL : "{}");
	go_on(anew);
	witness_expect_kept(witness, "earlier epoch");
	accept_store(admin);
	witness_expect_last(witness);
}
END_TEST

/* A dump that was made when an older store had just been accepted: that was once, and is not meant again. */
START_TEST(test_dump_of_an_acceptance)
{
	bool anew = _i;

	set("a", "{\"open\":1}");
	accept_store(admin);
	take_dump();
	set("a", NULL);
	follow_server();
	put_dump_back();
	go_on(anew);
	witness_expect_kept(witness, "older than what is in force");
	accept_store(admin);
	witness_expect_last(witness);
	/* nor where another store has been begun since */
	take_dump();
	redis_server_run(admin, "FLUSHDB", NULL);
	wait_out(witness_base(witness), 2);
	set("b", "{}");
	witness_expect_last(witness);
	put_dump_back();
	go_on(anew);
	witness_expect_kept(witness, "earlier epoch");
}
END_TEST

/* More edits than are remembered while a reader was away: it cannot be told from a fork any more, and is taken. */
START_TEST(test_history_is_bounded)
{
	cleanup_free char *text = NULL, *first = NULL, *last = NULL;
	char changed[STORE_HEAD_MAX], revision[24];
	struct store_head head;

	set("a", "{}");
	set("a", "{\"n\":2}");
	follow_server();
	/* as if so many had been made */
	text = redis_server_get(admin, HEAD);
	ck_assert(!store_head_parse(text, strlen(text), &head, NULL));
	head.revision += STORE_HISTORY_MAX;
	snprintf(revision, sizeof(revision), "%llu", head.revision + 1);
	redis_server_run(admin, "SET", HEAD, store_head_format(&head, changed), NULL);
	set("b", "{}");
	witness_expect_last(witness);
	/* the fourth is forgotten when the one that is STORE_HISTORY_MAX later is written */
	redis_server_run(admin, "HSET", HISTORY, "4", "00", NULL);
	set("b", "{\"n\":2}");
	first = redis_server_hget(admin, HISTORY, "4");
	last = redis_server_hget(admin, HISTORY, revision);
	ck_assert_pstr_eq(first, NULL);
	ck_assert_ptr_nonnull(last);
}
END_TEST

START_TEST(test_flushed_and_begun_anew)
{
	bool anew = _i;

	set("a", "{\"open\":1}");
	set("a", NULL);
	set("b", "{}");
	follow_server();
	redis_server_run(admin, "FLUSHALL", NULL);
	go_on(anew);
	witness_expect_kept(witness, "gone from the store");
	wait_out(witness_base(witness), 2);
	set("c", "{}");
	witness_expect_last(witness);
}
END_TEST

START_TEST(test_restarted_empty)
{
	set("a", "{\"open\":1}");
	set("a", NULL);
	follow_server();
	redis_server_kill(server);
	witness_expect_state(witness, STORE_STALE, "away");
	redis_sync_close(admin);
	redis_server_restart(server, false);
	admin = redis_server_connect(server);
	witness_expect_kept(witness, "gone from the store");
	set("b", "{}");
	witness_expect_last(witness);
}
END_TEST

/* --- failover ---------------------------------------------------------------------------------- */

static bool replicated(void *arg)
{
	redis_reply *reply = redis_server_do(arg, "INFO", "replication", NULL);
	bool up = strstr(reply->str, "master_link_status:up") != NULL;

	redis_sync_reply_free(reply);
	return up;
}

static bool replica_is_current(void *arg)
{
	return witness_is_last(witness, arg);
}

/*
 * The replica stops following the master (0: not at all), the master revokes and dies, the replica is made the master. What it lacks
 * is not taken back, whatever is written there afterwards.
 */
START_TEST(test_failover)
{
	bool lagging = _i;
	enum fault fault = FAULT_NONE;
	struct redis_server *second = redis_server_start(NULL);
	struct redis_sync *second_admin = redis_server_connect(second);
	struct event_base *base = witness_base(witness);
	struct fault_proxy *proxy =
		fault_proxy_new(base, redis_server_port(server), always, &fault);
	cleanup_free char *port = xasprintf("%u", redis_server_port(server));

	set("a", "{\"open\":1}");
	set("b", "{}");
	redis_server_run(second_admin, "REPLICAOF", "127.0.0.1", port, NULL);
	ck_assert(wait_until(base, replicated, second_admin, 20000));
	if (lagging)
		redis_server_run(second_admin, "REPLICAOF", "NO", "ONE", NULL);
	set("a", NULL);
	follow(fault_proxy_url(proxy));
	witness_expect_last(witness);
	if (!lagging)
		ck_assert(wait_until(base, replica_is_current, second_admin, 20000));
	redis_server_kill(server);
	witness_expect_state(witness, STORE_STALE, "away");
	redis_server_run(second_admin, "REPLICAOF", "NO", "ONE", NULL);
	fault_proxy_aim(proxy, redis_server_port(second));
	if (lagging) {
		witness_expect_kept(witness, "stale replica");
		for (int i = 0; i < 3; i++)
			edit(second_admin, "c", i % 2 ? NULL : "{}");
		fault_proxy_cut(proxy);
		witness_expect_kept(witness, "stale replica");
		accept_store(second_admin);
	}
	witness_expect_last(witness);
	edit(second_admin, "d", "{}");
	witness_approve(witness, second_admin);
	witness_expect_last(witness);
	fault_proxy_free(proxy);
	redis_sync_close(second_admin);
	redis_server_stop(second);
}
END_TEST

/* --- doors that close -------------------------------------------------------------------------- */

static bool failed_for_login(void *arg)
{
	(void)arg;
	return strstr(witness_failure(witness), "WRONGPASS") != NULL;
}

static void write_password(const char *path, const char *password)
{
	cleanup_file FILE *file = fopen(path, "we");

	ck_assert_msg(file && fputs(password, file) >= 0, "write %s: %s", path, strerror(errno));
}

/* The password is changed before every node has the new one. */
START_TEST(test_wrong_password)
{
	cleanup_free char *path = xasprintf("%s/password", redis_server_dir(server));

	write_password(path, "old");
	redis_server_run(admin, "ACL", "SETUSER", "node", "on", ">old", "~*", "&*", "+@all", NULL);
	set("a", "{\"open\":1}");
	{
		cleanup_free char *url =
			xasprintf("redis://node@127.0.0.1:%u", redis_server_port(server));
		const struct redis_options options = {.url = url, .password_file = path};

		witness_follow(witness, &options);
		witness_expect_last(witness);
		redis_server_run(admin, "ACL", "SETUSER", "node", "resetpass", ">new", NULL);
		redis_server_run(admin, "CLIENT", "KILL", "USER", "node", NULL);
		witness_expect_state(witness, STORE_STALE, "away");
		ck_assert(wait_until(witness_base(witness), failed_for_login, NULL, 20000));
		set("a", NULL);
		write_password(path, "new");
		witness_expect_last(witness);
	}
}
END_TEST

/* A key that the user may not read (any more), or a channel: said, and nothing of it is taken for empty. */
START_TEST(test_acl_forbids)
{
	static const struct {
		const char *forbids, *keys, *channels, *reason;
	} rows[] = {
		{"the hash", "~" HEAD, "&*", "NOPERM"},
		{"the head", "~" HASH, "&*", "NOPERM"},
		{"every key", "resetkeys", "&*", "NOPERM"},
		{"the channel", "~*", "resetchannels", "away"},
	};
	cleanup_free char *url =
		xasprintf("redis://node:x@127.0.0.1:%u", redis_server_port(server));

	redis_server_run(admin, "ACL", "SETUSER", "node", "on", ">x", "~*", "&*", "+@all", NULL);
	set("a", "{\"open\":1}");
	follow(url);
	witness_expect_last(witness);
	redis_server_run(admin, "ACL", "SETUSER", "node", "resetkeys", rows[_i].keys,
		"resetchannels", rows[_i].channels, NULL);
	redis_server_run(admin, "CLIENT", "KILL", "USER", "node", NULL);
	witness_expect_state(witness, STORE_STALE, "away");
	if (strcmp(rows[_i].reason, "away") != 0)
		witness_expect_state(witness, STORE_STALE, rows[_i].reason);
	set("a", NULL);
	wait_out(witness_base(witness), 300);
	witness_expect_state(witness, STORE_STALE, rows[_i].reason);
	redis_server_run(admin, "ACL", "SETUSER", "node", "~*", "&*", NULL);
	witness_expect_last(witness);
}
END_TEST

/* --- slowness ---------------------------------------------------------------------------------- */

static bool subscribers(void)
{
	redis_reply *reply = redis_server_do(admin, "CLIENT", "LIST", "TYPE", "pubsub", NULL);
	bool some = reply->len > 0;

	redis_sync_reply_free(reply);
	return some;
}

static bool was_lost(void *arg)
{
	(void)arg;
	return witness_losses(witness) > 0;
}

/* A reader that does not come to read (its host swaps, it is stopped) is cut off by Redis, and what it missed is read. */
START_TEST(test_output_buffer_kill)
{
	enum { CHUNK = 400 << 10, MOST = 200 };
	char *chunk = xcalloc(CHUNK + 1, 1);
	int sent = 0;

	memset(chunk, ' ', CHUNK);
	redis_server_run(
		admin, "CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0", NULL);
	set("a", "{\"open\":1}");
	follow_server();
	ck_assert(subscribers());
	/* the loop does not run: what the sockets do not hold, Redis has to */
	while (subscribers() && sent++ < MOST)
		redis_server_run(admin, "PUBLISH", EVENTS, chunk, NULL);
	ck_assert_int_lt(sent, MOST);
	set("a", NULL);
	ck_assert(wait_until(witness_base(witness), was_lost, NULL, 20000));
	witness_expect_last(witness);
	free(chunk);
}
END_TEST

/* Slow for less than the time limit: no connection is given up. For longer: both are, and what is held stays. */
START_TEST(test_slow_redis)
{
	bool too_slow = _i;

	set("a", "{\"open\":1}");
	follow_server();
	redis_server_pause(server);
	witness_resync(witness);
	if (too_slow)
		witness_expect_state(witness, STORE_STALE, "away");
	else
		wait_out(witness_base(witness), 2000);
	ck_assert_int_eq(witness_losses(witness) > 0, too_slow);
	redis_server_resume(server);
	set("a", NULL);
	witness_expect_last(witness);
}
END_TEST

/* --- a node's stream --------------------------------------------------------------------------- */

#define NODE_HASH STORE_PREFIX "endpoints:n1"
#define NODE_HEAD STORE_PREFIX "head:node:n1"

/* As one syncd, whose epoch and revision these are, has its endpoint there. */
static void publish_node(struct store_head *head, const struct store_head *prev, const char *id)
{
	struct store_change change = {KIND_ENDPOINT, xstrdup(id), xstrdup("{}")};
	cleanup_free char *event = NULL;
	char text[STORE_HEAD_MAX];

	*head = store_head_next(head);
	event = store_event_encode("node:n1", prev, head, &change, 1);
	redis_server_run(admin, "MULTI", NULL);
	if (!prev)
		redis_server_run(admin, "DEL", NODE_HASH, NULL);
	redis_server_run(admin, "HSET", NODE_HASH, id, "{}", NULL);
	redis_server_run(admin, "SET", NODE_HEAD, store_head_format(head, text), NULL);
	redis_server_run(admin, "PUBLISH", STORE_PREFIX "events:node:n1", event, NULL);
	redis_server_run(admin, "EXEC", NULL);
	store_change_clear(&change);
	witness_approve(witness, admin);
}

/* A new syncd's records replace the old one's whole, and what the old one announced comes too late. */
START_TEST(test_new_epoch_of_a_node)
{
	struct store_head old = {0}, new = {0}, late;
	struct store_change change = {KIND_ENDPOINT, xstrdup("late"), xstrdup("{}")};
	cleanup_free char *event = NULL;

	witness_free(witness);
	witness = witness_new("node:n1");
	store_epoch_new(old.epoch);
	store_epoch_after(new.epoch, old.epoch);
	publish_node(&old, NULL, "e1");
	follow_server();
	publish_node(&new, NULL, "e2");
	witness_expect_last(witness);
	late = store_head_next(&old);
	event = store_event_encode("node:n1", &old, &late, &change, 1);
	redis_server_run(admin, "PUBLISH", STORE_PREFIX "events:node:n1", event, NULL);
	late = new;
	publish_node(&new, &late, "e3");
	witness_expect_last(witness);
	/* neither cost another read: the first of the old epoch, the rewrite */
	ck_assert_uint_eq(witness_snapshots(witness), 2);
	store_change_clear(&change);
}
END_TEST

/* --- suite ------------------------------------------------------------------------------------- */

static void add_all(TCase *tcase)
{
	tcase_add_test(tcase, test_messages_dropped);
	tcase_add_test(tcase, test_messages_twice);
	tcase_add_test(tcase, test_messages_swapped);
	tcase_add_test(tcase, test_messages_cut);
	tcase_add_loop_test(tcase, test_old_dump_is_written_to, 0, 2);
	tcase_add_loop_test(tcase, test_dump_of_an_earlier_epoch, 0, 2);
	tcase_add_loop_test(tcase, test_dump_of_an_acceptance, 0, 2);
	tcase_add_test(tcase, test_history_is_bounded);
	tcase_add_loop_test(tcase, test_flushed_and_begun_anew, 0, 2);
	tcase_add_test(tcase, test_restarted_empty);
	tcase_add_loop_test(tcase, test_failover, 0, 2);
	tcase_add_test(tcase, test_wrong_password);
	tcase_add_loop_test(tcase, test_acl_forbids, 0, 4);
	tcase_add_test(tcase, test_output_buffer_kill);
	tcase_add_loop_test(tcase, test_slow_redis, 0, 2);
	tcase_add_test(tcase, test_new_epoch_of_a_node);
}

int main(void)
{
	Suite *suite = suite_create("store_faults");
	TCase *tcase = tcase_create("one at a time");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 90);
	add_all(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
