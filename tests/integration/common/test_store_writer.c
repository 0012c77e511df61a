/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer of a node's stream against a real redis-server: what is in the store is what it was given, and it alone writes. */
#include "common/store_writer.h"

#include "common/redis_sync.h"
#include "common/store_edit.h"
#include "common/xalloc.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"

#include <check.h>
#include <hiredis/hiredis.h>
#include <string.h>

enum { SOON_MS = 8000 };

#define STREAM    "node:n1"
#define HEAD      STORE_PREFIX "head:" STREAM
#define EVENTS    STORE_PREFIX "events:" STREAM
#define ENDPOINTS STORE_PREFIX "endpoints:n1"
#define NETWORKS  STORE_PREFIX "networks:n1"

/* A syncd in small: its inventory is one endpoint with a number. Each has a loop of its own, so that it can be stopped. */
struct publisher {
	struct event_base *base;
	struct redis *redis;
	struct store_writer *writer;
	int number; /* of the endpoint; 0: there is none */
	int wholes, written, refusals, failures, releases;
	struct store_head head;
	char holder[512], cause[ERR_TEXT_MAX];
	int want;
};

static char *record(int number)
{
	return xasprintf("{\"number\":%d}", number);
}

static void whole(struct store_change **changes, size_t *count, void *arg)
{
	struct publisher *publisher = arg;

	publisher->wholes++;
	*changes = xcalloc(2, sizeof(**changes));
	(*changes)[(*count)++] = (struct store_change){KIND_NETWORK, xstrdup("net"), xstrdup("{}")};
	if (publisher->number)
		(*changes)[(*count)++] = (struct store_change){
			KIND_ENDPOINT, xstrdup("e"), record(publisher->number)};
}

static void written(const struct store_head *head, void *arg)
{
	struct publisher *publisher = arg;

	publisher->written++;
	publisher->head = *head;
}

static void refused(const char *holder, void *arg)
{
	struct publisher *publisher = arg;

	publisher->refusals++;
	snprintf(publisher->holder, sizeof(publisher->holder), "%s", holder);
}

static void failed(const char *cause, void *arg)
{
	struct publisher *publisher = arg;

	publisher->failures++;
	snprintf(publisher->cause, sizeof(publisher->cause), "%s", cause);
}

static void released(void *arg)
{
	((struct publisher *)arg)->releases++;
}

static void on_redis(enum redis_event event, const char *cause, void *arg)
{
	struct publisher *publisher = arg;

	(void)cause;
	if (publisher->writer)
		store_writer_event(publisher->writer, event);
}

static void begin(struct publisher *publisher, const struct redis_server *server,
	const char *engine, int number)
{
	static const struct store_writer_ops ops = {whole, written, refused, failed};
	const struct redis_options options = {.url = redis_server_url(server)};
	const struct store_identity identity = {"n1", engine, "boot", "1.0"};

	*publisher = (struct publisher){.base = event_base_new(), .number = number};
	publisher->redis = redis_new(publisher->base, &options, on_redis, publisher, NULL);
	publisher->writer =
		store_writer_new(publisher->base, &identity, publisher->redis, &ops, publisher);
}

/* As SIGKILL does: nothing is given back. */
static void end(struct publisher *publisher)
{
	store_writer_free(publisher->writer);
	redis_free(publisher->redis);
	event_base_free(publisher->base);
}

static bool is_idle(void *arg)
{
	return store_writer_idle(((struct publisher *)arg)->writer);
}

static bool was_refused(void *arg)
{
	return ((struct publisher *)arg)->refusals > 0;
}

static bool has_failed(void *arg)
{
	return ((struct publisher *)arg)->failures > 0;
}

static bool has_written(void *arg)
{
	const struct publisher *publisher = arg;

	return publisher->written >= publisher->want;
}

static bool is_released(void *arg)
{
	return ((struct publisher *)arg)->releases > 0;
}

static void expect_idle(struct publisher *publisher)
{
	ck_assert_msg(
		wait_until(publisher->base, is_idle, publisher, SOON_MS), "%s", publisher->cause);
}

static void expect_written(struct publisher *publisher, int count)
{
	publisher->want = count;
	ck_assert_msg(wait_until(publisher->base, has_written, publisher, SOON_MS), "%s",
		publisher->cause);
	expect_idle(publisher);
}

static void start(struct publisher *publisher, const struct redis_server *server, int number)
{
	begin(publisher, server, "engine-1", number);
	store_writer_rewrite(publisher->writer);
	expect_idle(publisher);
}

static void change(struct publisher *publisher, int number)
{
	struct store_change one = {KIND_ENDPOINT, xstrdup("e"), number ? record(number) : NULL};

	publisher->number = number;
	store_writer_put(publisher->writer, &one, 1);
}

static struct redis_server *server;
static struct redis_sync *admin;
static struct publisher a, b;

static void setup(void)
{
	server = redis_server_start(NULL);
	admin = redis_server_connect(server);
}

static void teardown(void)
{
	redis_sync_close(admin);
	redis_server_stop(server);
}

/* Data and head are of this writer. */
static void expect_stored(const struct publisher *publisher)
{
	cleanup_free char *found = redis_server_hget(admin, ENDPOINTS, "e");
	cleanup_free char *network = redis_server_hget(admin, NETWORKS, "net");
	cleanup_free char *head = redis_server_get(admin, HEAD);
	cleanup_free char *expected = publisher->number ? record(publisher->number) : NULL;
	char text[STORE_HEAD_MAX];

	ck_assert_pstr_eq(found, expected);
	ck_assert_pstr_eq(network, "{}");
	ck_assert_pstr_eq(head, store_head_format(&publisher->head, text));
}

static json_t *node_record(void)
{
	cleanup_free char *text = redis_server_hget(admin, STORE_NODES, "n1");
	json_t *node = text ? json_loads(text, 0, NULL) : NULL;

	ck_assert_ptr_nonnull(node);
	return node;
}

static long long heartbeat(void)
{
	cleanup_json json_t *node = node_record();

	return json_integer_value(json_object_get(node, "heartbeat"));
}

/* --- writing ----------------------------------------------------------------------------------- */

START_TEST(test_nothing_before_the_first_inventory)
{
	cleanup_json json_t *node = NULL;
	struct store_change one = {KIND_ENDPOINT, xstrdup("e"), xstrdup("{}")};

	redis_server_run(admin, "HSET", ENDPOINTS, "old", "{}", NULL);
	begin(&a, server, "engine-1", 1);
	store_writer_put(a.writer, &one, 1);
	wait_out(a.base, 500);
	ck_assert_int_eq(a.written + a.wholes, 0);
	ck_assert(!store_writer_idle(a.writer));
	ck_assert_ptr_null(redis_server_get(admin, HEAD));
	/* the lease is there, though: the node is known */
	node = node_record();
	ck_assert_str_eq(json_string_value(json_object_get(node, "engine")), "engine-1");
	ck_assert_str_eq(json_string_value(json_object_get(node, "node")), "n1");
	store_writer_rewrite(a.writer);
	expect_written(&a, 1);
	ck_assert_uint_eq(a.head.revision, 1);
	expect_stored(&a);
	/* what was there before is gone: whole means whole */
	ck_assert_ptr_null(redis_server_hget(admin, ENDPOINTS, "old"));
	end(&a);
}
END_TEST

static void remember_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct store_event *event = arg;
	struct err err = {0};

	(void)channel;
	store_event_clear(event);
	ck_assert_msg(!store_event_decode(data, len, STREAM, event, &err), "%s", err.text);
}

static void mark_confirmed(redis_reply *reply, void *arg)
{
	(void)reply;
	store_epoch_new(((struct store_event *)arg)->head.epoch);
}

static bool is_confirmed(void *arg)
{
	return ((struct store_event *)arg)->head.epoch[0];
}

static struct redis *listener;

static void listen_when_ready(enum redis_event event, const char *cause, void *arg)
{
	(void)cause;
	if (event == REDIS_READY)
		ck_assert_int_eq(
			redis_subscribe(listener, EVENTS, remember_message, mark_confirmed, arg),
			0);
}

struct awaited {
	const struct store_event *event;
	const struct store_head *head;
};

static bool has_come(void *arg)
{
	const struct awaited *awaited = arg;

	return store_head_equal(&awaited->event->head, awaited->head);
}

static void expect_event(struct store_event *event)
{
	struct awaited awaited = {event, &a.head};

	ck_assert(wait_until(a.base, has_come, &awaited, SOON_MS));
}

START_TEST(test_changes_and_events)
{
	const struct redis_options options = {.url = redis_server_url(server)};
	struct store_event event = {0};
	struct store_head first;

	begin(&a, server, "engine-1", 1);
	listener = redis_new(a.base, &options, listen_when_ready, &event, NULL);
	ck_assert(wait_until(a.base, is_confirmed, &event, SOON_MS));
	store_writer_rewrite(a.writer);
	expect_written(&a, 1);
	expect_event(&event);
	ck_assert(!event.has_prev);
	ck_assert_uint_eq(event.count, 0);
	first = a.head;
	change(&a, 2);
	expect_written(&a, 2);
	expect_stored(&a);
	expect_event(&event);
	ck_assert(event.has_prev && store_head_equal(&event.prev, &first));
	ck_assert_uint_eq(event.count, 1);
	ck_assert_str_eq(event.changes[0].record, "{\"number\":2}");
	ck_assert_str_eq(a.head.epoch, first.epoch);
	ck_assert_uint_eq(a.head.revision, 2);
	change(&a, 0);
	expect_written(&a, 3);
	expect_stored(&a);
	expect_event(&event);
	ck_assert_ptr_null(event.changes[0].record);
	ck_assert_int_eq(a.wholes, 1);
	ck_assert_int_eq(a.failures, 0);
	store_event_clear(&event);
	redis_free(listener);
	end(&a);
}
END_TEST

/* The first is sent at once, what comes while it is under way goes together. */
START_TEST(test_burst)
{
	start(&a, server, 1);
	for (int i = 2; i <= 101; i++)
		change(&a, i);
	ck_assert(!store_writer_idle(a.writer));
	expect_idle(&a);
	ck_assert_int_le(a.written, 3);
	expect_stored(&a);
	end(&a);
}
END_TEST

/* --- what others do to the store --------------------------------------------------------------- */

START_TEST(test_flushed)
{
	start(&a, server, 1);
	redis_server_run(admin, "FLUSHALL", NULL);
	expect_written(&a, 2);
	expect_stored(&a);
	cleanup_json json_t *node = node_record();
	ck_assert_str_eq(json_string_value(json_object_get(node, "engine")), "engine-1");
	end(&a);
}
END_TEST

/* Between two heartbeats: the write itself finds out. */
START_TEST(test_another_hand)
{
	struct store_head foreign, before;
	char text[STORE_HEAD_MAX];

	start(&a, server, 1);
	before = foreign = a.head;
	/* of an epoch to come: readers hold it against us unless ours is later still */
	snprintf(foreign.epoch, sizeof(foreign.epoch), "9000000000000-00000000");
	redis_server_run(admin, "SET", HEAD, store_head_format(&foreign, text), NULL);
	redis_server_run(admin, "HSET", ENDPOINTS, "foreign", "{}", NULL);
	change(&a, 2);
	expect_written(&a, 2);
	expect_stored(&a);
	ck_assert_int_gt(store_epoch_cmp(a.head.epoch, foreign.epoch), 0);
	ck_assert_int_gt(store_epoch_cmp(a.head.epoch, before.epoch), 0);
	ck_assert_ptr_null(redis_server_hget(admin, ENDPOINTS, "foreign"));
	end(&a);
}
END_TEST

START_TEST(test_server_restarts)
{
	bool keep_data = _i;
	struct store_head before;

	start(&a, server, 1);
	before = a.head;
	redis_server_kill(server);
	/* what changes while Redis is away is there afterwards */
	a.number = 2;
	ck_assert(!wait_until(a.base, has_failed, &a, 300));
	change(&a, 2);
	redis_sync_close(admin);
	redis_server_restart(server, keep_data);
	admin = redis_server_connect(server);
	expect_written(&a, 2);
	expect_stored(&a);
	ck_assert_str_eq(a.head.epoch, before.epoch);
	ck_assert_uint_gt(a.head.revision, before.revision);
	end(&a);
}
END_TEST

START_TEST(test_client_kill)
{
	start(&a, server, 1);
	for (int i = 2; i < 22; i++) {
		change(&a, i);
		redis_server_run(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
		wait_out(a.base, i);
	}
	change(&a, 100);
	ck_assert(wait_until(a.base, is_idle, &a, 30000));
	expect_stored(&a);
	end(&a);
}
END_TEST

/* Redis refuses writes: said in its words, tried again. */
START_TEST(test_refused_writes)
{
	start(&a, server, 1);
	redis_server_run(admin, "CONFIG", "SET", "maxmemory", "1", NULL);
	change(&a, 2);
	ck_assert(wait_until(a.base, has_failed, &a, SOON_MS));
	ck_assert_msg(strstr(a.cause, "OOM "), "%s", a.cause);
	redis_server_run(admin, "CONFIG", "SET", "maxmemory", "0", NULL);
	expect_written(&a, 2);
	expect_stored(&a);
	end(&a);
}
END_TEST

/* A master that has become a replica. */
START_TEST(test_read_only)
{
	start(&a, server, 1);
	redis_server_run(admin, "REPLICAOF", "127.0.0.1", "1", NULL);
	change(&a, 2);
	ck_assert(wait_until(a.base, has_failed, &a, SOON_MS));
	ck_assert_msg(strstr(a.cause, "READONLY"), "%s", a.cause);
	redis_server_run(admin, "REPLICAOF", "NO", "ONE", NULL);
	expect_written(&a, 2);
	expect_stored(&a);
	end(&a);
}
END_TEST

/* --- the lease --------------------------------------------------------------------------------- */

struct beat {
	long long first;
};

static bool has_beaten(void *arg)
{
	return heartbeat() > ((struct beat *)arg)->first;
}

START_TEST(test_heartbeat)
{
	struct beat beat;

	start(&a, server, 1);
	for (int i = 0; i < 2; i++) {
		beat.first = heartbeat();
		ck_assert(wait_until(a.base, has_beaten, &beat, 3000));
	}
	end(&a);
}
END_TEST

/* Runs both loops, as two processes would. */
static bool run_both(bool (*condition)(void *arg), struct publisher *one, int ms)
{
	long long limit = monotonic_now_ms() + ms;

	while (monotonic_now_ms() < limit) {
		if (condition(one))
			return true;
		wait_out(a.base, 5);
		wait_out(b.base, 5);
	}
	return false;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

START_TEST(test_other_engine_is_refused)
{
	start(&a, server, 1);
	begin(&b, server, "engine-2", 2);
	store_writer_rewrite(b.writer);
	ck_assert(run_both(was_refused, &b, 4000));
	ck_assert_ptr_nonnull(strstr(b.holder, "\"engine-1\""));
	ck_assert_int_eq(b.written, 0);
	ck_assert_int_eq(a.refusals, 0);
	expect_stored(&a);
	/* the holder is not disturbed */
	change(&a, 3);
	expect_written(&a, 2);
	expect_stored(&a);
	end(&b);
	end(&a);
}
END_TEST

/* A holder whose host's clock is an hour behind is alive nevertheless. */
START_TEST(test_other_engine_with_another_clock)
{
	cleanup_free char *late = NULL;

	begin(&b, server, "engine-2", 2);
	store_writer_rewrite(b.writer);
	for (int i = 0; i < 400 && !b.refusals; i++) {
		free(late);
		late = xasprintf("{\"v\":1,\"node\":\"n1\",\"engine\":\"engine-1\",\"boot\":\"x\","
				 "\"instance\":\"y\",\"heartbeat\":%lld}",
			(long long)time(NULL) - 3600);
		redis_server_run(admin, "HSET", STORE_NODES, "n1", late, NULL);
		wait_out(b.base, 10);
	}
	ck_assert_int_gt(b.refusals, 0);
	ck_assert_int_eq(b.written, 0);
	end(&b);
}
END_TEST

/* A syncd that was killed is followed by the next of its Engine in about three seconds. */
START_TEST(test_killed_and_started_again)
{
	struct store_head before;
	long long from;

	start(&a, server, 1);
	before = a.head;
	end(&a);
	from = monotonic_now_ms();
	begin(&a, server, "engine-1", 2);
	store_writer_rewrite(a.writer);
	expect_idle(&a);
	ck_assert_int_lt(monotonic_now_ms() - from, 4500);
	expect_stored(&a);
	ck_assert_int_gt(store_epoch_cmp(a.head.epoch, before.epoch), 0);
	ck_assert_uint_eq(a.head.revision, 1);
	ck_assert_int_eq(a.refusals, 0);
	end(&a);
}
END_TEST

START_TEST(test_released)
{
	long long from;

	start(&a, server, 1);
	store_writer_release(a.writer, released, &a);
	ck_assert(wait_until(a.base, is_released, &a, SOON_MS));
	/* and it stays so, although the process has not ended yet */
	wait_out(a.base, 1500);
	ck_assert_int_eq(heartbeat(), 0);
	ck_assert_int_eq(a.releases, 1);
	from = monotonic_now_ms();
	/* even another Engine may have it now */
	begin(&b, server, "engine-2", 2);
	store_writer_rewrite(b.writer);
	expect_idle(&b);
	ck_assert_int_lt(monotonic_now_ms() - from, 1000);
	expect_stored(&b);
	end(&b);
	end(&a);
}
END_TEST

START_TEST(test_released_without_redis)
{
	begin(&a, server, "engine-1", 1);
	store_writer_release(a.writer, released, &a);
	ck_assert_int_eq(a.releases, 1);
	end(&a);
	/* asked for when it is lost: said to be done, since nothing more can be */
	start(&a, server, 1);
	redis_server_pause(server);
	store_writer_release(a.writer, released, &a);
	redis_free(a.redis);
	ck_assert_int_eq(a.releases, 1);
	store_writer_free(a.writer);
	event_base_free(a.base);
	redis_server_resume(server);
}
END_TEST

/* Two of one Engine: the second waits for as long as the first lives. */
START_TEST(test_second_instance_waits)
{
	start(&a, server, 1);
	begin(&b, server, "engine-1", 2);
	store_writer_rewrite(b.writer);
	ck_assert(!run_both(never, NULL, 6000));
	ck_assert_int_eq(b.written + b.refusals, 0);
	ck_assert_int_eq(a.written, 1);
	expect_stored(&a);
	end(&b);
	end(&a);
}
END_TEST

/* One is stopped (a paused machine), another follows, the first goes on: it must not write again, and they must not take turns. */
START_TEST(test_stopped_and_followed)
{
	const char *engine = _i ? "engine-2" : "engine-1";

	start(&a, server, 1);
	begin(&b, server, engine, 2);
	store_writer_rewrite(b.writer);
	expect_idle(&b);
	expect_stored(&b);
	change(&a, 3);
	ck_assert(!run_both(never, NULL, 4500));
	ck_assert_int_eq(a.written, 1);
	ck_assert_int_eq(b.written, 1);
	ck_assert_int_eq(a.refusals > 0, _i);
	ck_assert_int_eq(b.refusals, 0);
	expect_stored(&b);
	end(&b);
	end(&a);
}
END_TEST

/* Both find the lease free at the same moment: one gets it. */
START_TEST(test_race_for_the_lease)
{
	begin(&a, server, "engine-1", 1);
	begin(&b, server, "engine-2", 2);
	store_writer_rewrite(a.writer);
	store_writer_rewrite(b.writer);
	ck_assert(!run_both(never, NULL, 3500));
	ck_assert_int_eq(a.written + b.written, 1);
	ck_assert_int_eq((a.refusals > 0) + (b.refusals > 0), 1);
	ck_assert_int_ne(a.written > 0, a.refusals > 0);
	expect_stored(a.written ? &a : &b);
	end(&b);
	end(&a);
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_nothing_before_the_first_inventory);
	tcase_add_test(tcase, test_changes_and_events);
	tcase_add_test(tcase, test_burst);
	tcase_add_test(tcase, test_flushed);
	tcase_add_test(tcase, test_another_hand);
	tcase_add_loop_test(tcase, test_server_restarts, 0, 2);
	tcase_add_test(tcase, test_client_kill);
	tcase_add_test(tcase, test_refused_writes);
	tcase_add_test(tcase, test_read_only);
	tcase_add_test(tcase, test_heartbeat);
	tcase_add_test(tcase, test_other_engine_is_refused);
	tcase_add_test(tcase, test_other_engine_with_another_clock);
	tcase_add_test(tcase, test_killed_and_started_again);
	tcase_add_test(tcase, test_released);
	tcase_add_test(tcase, test_released_without_redis);
	tcase_add_test(tcase, test_second_instance_waits);
	tcase_add_loop_test(tcase, test_stopped_and_followed, 0, 2);
	tcase_add_test(tcase, test_race_for_the_lease);
}

int main(void)
{
	Suite *suite = suite_create("store_writer");
	TCase *tcase = tcase_create("real server");
	SRunner *runner;
	int failures;

	add_all(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failures = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
