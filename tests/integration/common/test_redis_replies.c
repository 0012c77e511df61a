/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies, messages and blocking calls, of servers that behave and of those that do not. */
#include "redis_fixture.h"

/* --- replies ----------------------------------------------------------------------------------- */

START_TEST(test_pipeline_and_binary)
{
	static const char value[] = "a\0b\r\nc";
	const char *const set[] = {"SET", "key", value};
	const size_t lens[] = {3, 3, sizeof(value) - 1};
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen, length = {0}, error = {0};

	open_ready(&seen, server);
	ck_assert_int_eq(redis_command(seen.redis, 3, set, lens, NULL, NULL), 0);
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &error, "NOSUCH", NULL), 0);
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &length, "STRLEN", "key", NULL), 0);
	ck_assert_int_eq(redis_command(seen.redis, 0, set, NULL, on_reply, &seen), -1);
	ask(&seen, "ECHO", "last", NULL);
	ck_assert_str_eq(seen.text, "last");
	ck_assert_int_eq(length.type, REDIS_REPLY_INTEGER);
	ck_assert_int_eq(error.errors, 1);
	ck_assert_int_eq(seen.lost, 0);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

/* A server that says whatever the test wants, a byte per turn of the loop. */
struct liar {
	struct evconnlistener *listener;
	struct bufferevent *client;
	struct event *drip;
	const char *script;
	size_t at, len;
	char dir[64], *url, *path;
};

static void on_drip(evutil_socket_t fd, short what, void *arg)
{
	struct liar *liar = arg;

	(void)fd;
	(void)what;
	if (liar->at < liar->len && liar->client)
		bufferevent_write(liar->client, liar->script + liar->at++, 1);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
	int len, void *arg)
{
	struct liar *liar = arg;

	(void)from;
	(void)len;
	if (liar->client)
		bufferevent_free(liar->client);
	liar->client = bufferevent_socket_new(
		evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_enable(liar->client, EV_WRITE);
	liar->at = 0;
}

static void start_liar(struct liar *liar, struct seen *seen, const char *script, size_t len)
{
	const struct timeval every = {.tv_usec = 200};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	*liar = (struct liar){.script = script, .len = len, .dir = "/tmp/bulkhead-liar-XXXXXX"};
	ck_assert_ptr_nonnull(mkdtemp(liar->dir));
	liar->path = xasprintf("%s/socket", liar->dir);
	liar->url = xasprintf("unix://%s", liar->path);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", liar->path);
	open_url(seen, liar->url);
	liar->listener = evconnlistener_new_bind(seen->base, on_accept, liar,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 4, (struct sockaddr *)&sun,
		sizeof(sun));
	ck_assert_ptr_nonnull(liar->listener);
	liar->drip = event_new(seen->base, -1, EV_PERSIST, on_drip, liar);
	evtimer_add(liar->drip, &every);
}

static void stop_liar(struct liar *liar, struct seen *seen)
{
	event_free(liar->drip);
	if (liar->client)
		bufferevent_free(liar->client);
	evconnlistener_free(liar->listener);
	unlink(liar->path);
	rmdir(liar->dir);
	free(liar->path);
	free(liar->url);
	close_seen(seen);
}

#define HELLO "+OK\r\n+OK\r\n" /* to CLIENT SETNAME and SELECT */

START_TEST(test_reply_in_pieces)
{
	static const char script[] = HELLO "$5\r\nhe\r\nl\r\n";
	struct liar liar;
	struct seen seen;

	start_liar(&liar, &seen, script, sizeof(script) - 1);
	expect_ready(&seen);
	ask(&seen, "GET", "key", NULL);
	ck_assert_str_eq(seen.text, "he\r\nl");
	stop_liar(&liar, &seen);
}
END_TEST

static const struct {
	const char *script, *cause;
} lies[] = {
	{HELLO "*1048577\r\n", "read reply: an array is too large"},
	{HELLO "*2147483647\r\n", "read reply: an array is too large"},
	{HELLO "*-7\r\n", "read reply: "},
	{HELLO "$x\r\n", "read reply: "},
	{HELLO "HTTP/1.1 400 Bad Request\r\n", "read reply: Protocol error"},
	{HELLO "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+x\r\n",
		"read reply: No support for nested"},
	{HELLO "+unasked\r\n", "reply without a command"},
	{HELLO "-ERR go away\r\n", "ERR go away"},
};

START_TEST(test_lies)
{
	struct liar liar;
	struct seen seen;

	start_liar(&liar, &seen, lies[_i].script, strlen(lies[_i].script));
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_msg(strstr(seen.cause, lies[_i].cause), "\"%s\" is not in \"%s\"", lies[_i].cause,
		seen.cause);
	stop_liar(&liar, &seen);
}
END_TEST

START_TEST(test_silent_server)
{
	struct liar liar;
	struct seen seen;

	start_liar(&liar, &seen, "", 0);
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_str_eq(seen.cause, "connected, but the server does not answer");
	stop_liar(&liar, &seen);
}
END_TEST

/* Refused right after READY, for ever: that must not become a busy loop. */
START_TEST(test_back_off_after_ready)
{
	static const char script[] = HELLO "-ERR go away\r\n";
	struct liar liar;
	struct seen seen;

	start_liar(&liar, &seen, script, sizeof(script) - 1);
	wait_out(seen.base, 3000);
	ck_assert_int_ge(seen.ready, 2);
	/* delays of at least 50, 100, 200, 400, 800 and 1600 ms */
	ck_assert_int_le(seen.ready, 7);
	stop_liar(&liar, &seen);
}
END_TEST

/* --- pub/sub ----------------------------------------------------------------------------------- */

START_TEST(test_messages)
{
	struct redis_server *server = redis_server_start(NULL);
	struct redis_sync *admin = redis_server_connect(server);
	struct seen seen, other = {0};

	open_ready(&seen, server);
	redis_hold(seen.redis);
	ck_assert_int_eq(redis_subscribe(seen.redis, "one", on_message, on_confirmed, &other), 0);
	ck_assert_int_eq(redis_subscribe(seen.redis, "two", on_message, on_confirmed, &seen), 0);
	ck_assert(wait_until(seen.base, got_confirmation, &seen, SOON_MS));
	ck_assert_int_eq(other.confirmations, 1);
	redis_server_run(admin, "PUBLISH", "one", "x", NULL);
	redis_server_run(admin, "PUBLISH", "two", "y", NULL);
	ck_assert(wait_until(seen.base, got_message, &seen, SOON_MS));
	ck_assert_str_eq(seen.message, "two=y");
	ck_assert_str_eq(other.message, "one=x");
	/* whoever dropped the connection hears nothing more, the others do */
	redis_drop(seen.redis, &other);
	seen.messages = 0;
	redis_server_run(admin, "PUBLISH", "one", "z", NULL);
	redis_server_run(admin, "PUBLISH", "two", "z", NULL);
	ck_assert(wait_until(seen.base, got_message, &seen, SOON_MS));
	ck_assert_int_eq(other.messages, 1);
	ck_assert_int_eq(seen.lost, 0);
	redis_sync_close(admin);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_subscribe_refused)
{
	const struct redis_server_options options = {
		.acl = "user deaf on >p ~* resetchannels +@all"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *url = login_url(server, "deaf:p");
	struct seen seen;

	open_url(&seen, url);
	expect_ready(&seen);
	ck_assert_int_eq(redis_subscribe(seen.redis, "one", on_message, on_confirmed, &seen), 0);
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_ptr_nonnull(strstr(seen.cause, "SUBSCRIBE: NOPERM"));
	ck_assert_int_eq(seen.confirmations, 0);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

/* --- blocking ---------------------------------------------------------------------------------- */

START_TEST(test_sync)
{
	struct redis_server *server = redis_server_start(NULL);
	const struct redis_options options = {.url = redis_server_url(server)};
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *sync = redis_sync_open(&options, 500, &err);
	CLEANUP(redis_reply) redis_reply *reply = NULL;

	ck_assert_msg(sync != NULL, "%s", err.text);
	reply = redis_sync_call(sync, &err, "SET", "key", "value", NULL);
	ck_assert_str_eq(redis_reply_text(reply, NULL), "OK");
	/* what EXEC was refused for, not only that it was */
	ck_assert_int_eq(redis_sync_queue(sync, &err, "MULTI", NULL), 0);
	ck_assert_int_eq(redis_sync_queue(sync, &err, "NOSUCH", NULL), 0);
	ck_assert_ptr_null(redis_sync_call(sync, &err, "EXEC", NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "EXEC: ERR unknown command"));
	ck_assert_ptr_null(redis_sync_call(sync, &err, "LPUSH", "key", "x", NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "LPUSH: WRONGTYPE"));
	redis_server_pause(server);
	ck_assert_ptr_null(redis_sync_call(sync, &err, "PING", NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "PING: timed out"));
	redis_server_resume(server);
	/* the late answer is nobody's */
	ck_assert_ptr_null(redis_sync_call(sync, &err, "GET", "key", NULL));
	redis_server_stop(server);
}
END_TEST

START_TEST(test_sync_refused)
{
	struct redis_server *server = redis_server_start(NULL);
	const struct redis_options options = {.url = redis_server_url(server)};
	cleanup_free char *expected = xasprintf(
		"connect to Redis at %s: Connection refused", redis_server_url(server) + 8);
	long long start = monotonic_now_ms();
	struct err err = {0};

	redis_server_kill(server);
	ck_assert_ptr_null(redis_sync_open(&options, SOON_MS, &err));
	ck_assert_str_eq(err.text, expected);
	/* a person waits for it: said at once, not when the time is up */
	ck_assert_int_lt(monotonic_now_ms() - start, SOON_MS / 2);
	redis_server_stop(server);
}
END_TEST

int main(void)
{
	static const TTest *tests[32];
	Suite *suite = suite_create("redis_replies");
	TCase *loops = tcase_create("misbehaviour");
	SRunner *runner;
	size_t count = 0;
	int failed;

	tests[count++] = test_pipeline_and_binary;
	tests[count++] = test_reply_in_pieces;
	tests[count++] = test_silent_server;
	tests[count++] = test_back_off_after_ready;
	tests[count++] = test_messages;
	tests[count++] = test_subscribe_refused;
	tests[count++] = test_sync;
	tests[count++] = test_sync_refused;
	add(suite, "connection", tests, count);
	tcase_set_timeout(loops, 60);
	tcase_add_loop_test(loops, test_lies, 0, sizeof(lies) / sizeof(*lies));
	suite_add_tcase(suite, loops);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
