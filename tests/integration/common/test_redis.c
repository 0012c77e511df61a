/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection against a real redis-server, and against servers that do not behave. */
#include "common/redis.h"

#include "common/redis_sync.h"
#include "common/xalloc.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"

#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/un.h>

enum { SOON_MS = 8000 };

/* What happened to one connection. */
struct seen {
	struct event_base *base;
	struct redis *redis;
	int ready, lost, failures;
	char cause[ERR_TEXT_MAX];
	int replies, nulls, errors;
	char text[256];
	long long type;
	int messages, confirmations;
	char message[256];
};

static void on_event(enum redis_event event, const char *cause, void *arg)
{
	struct seen *seen = arg;

	seen->ready += event == REDIS_READY;
	seen->lost += event == REDIS_LOST;
	if (event == REDIS_LOST)
		snprintf(seen->cause, sizeof(seen->cause), "%s", cause);
}

static void on_failure(const char *cause, void *arg)
{
	struct seen *seen = arg;

	seen->failures++;
	snprintf(seen->cause, sizeof(seen->cause), "%s", cause);
}

static void on_reply(redis_reply *reply, void *arg)
{
	struct seen *seen = arg;
	const char *text = redis_reply_text(reply, NULL);

	seen->replies++;
	seen->nulls += reply == NULL;
	seen->errors += reply && reply->type == REDIS_REPLY_ERROR;
	seen->type = reply ? reply->type : -1;
	snprintf(seen->text, sizeof(seen->text), "%s", text ? text : "");
}

static void on_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct seen *seen = arg;

	seen->messages++;
	snprintf(seen->message, sizeof(seen->message), "%s=%.*s", channel, (int)len, data);
}

static void on_confirmed(redis_reply *reply, void *arg)
{
	struct seen *seen = arg;

	(void)reply;
	seen->confirmations++;
}

static bool is_ready(void *arg)
{
	return redis_is_ready(((struct seen *)arg)->redis);
}

static bool has_failed(void *arg)
{
	return ((struct seen *)arg)->failures > 0;
}

static bool was_lost(void *arg)
{
	return ((struct seen *)arg)->lost > 0;
}

static bool was_answered(void *arg)
{
	return ((struct seen *)arg)->replies > 0;
}

static bool got_message(void *arg)
{
	return ((struct seen *)arg)->messages > 0;
}

static bool got_confirmation(void *arg)
{
	return ((struct seen *)arg)->confirmations > 0;
}

static void open_with(struct seen *seen, struct redis_options options)
{
	struct err err = {0};

	*seen = (struct seen){.base = event_base_new()};
	options.on_failure = on_failure;
	seen->redis = redis_new(seen->base, &options, on_event, seen, &err);
	ck_assert_msg(seen->redis != NULL, "%s", err.text);
}

static void open_url(struct seen *seen, const char *url)
{
	open_with(seen, (struct redis_options){.url = url});
}

static void close_seen(struct seen *seen)
{
	redis_free(seen->redis);
	event_base_free(seen->base);
}

static void expect_ready(struct seen *seen)
{
	ck_assert_msg(
		wait_until(seen->base, is_ready, seen, SOON_MS), "not ready: %s", seen->cause);
}

/* One command, one reply, its text in seen->text. */
static void ask(struct seen *seen, const char *a, const char *b, const char *c)
{
	seen->replies = 0;
	ck_assert_int_eq(redis_call(seen->redis, on_reply, seen, a, b, c, NULL), 0);
	ck_assert(wait_until(seen->base, was_answered, seen, SOON_MS));
}

static void expect_refused(struct redis_options options, const char *cause)
{
	struct seen seen;

	open_with(&seen, options);
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_msg(strstr(seen.cause, cause), "\"%s\" is not in \"%s\"", cause, seen.cause);
	ck_assert_str_eq(redis_last_error(seen.redis), seen.cause);
	ck_assert_int_eq(seen.ready, 0);
	ck_assert_int_eq(seen.lost, 0);
	close_seen(&seen);
}

/* --- ways to connect --------------------------------------------------------------------------- */

static void set_and_get(struct redis_options options)
{
	struct seen seen;

	open_with(&seen, options);
	ck_assert_int_eq(redis_call(seen.redis, NULL, NULL, "PING", NULL), -1);
	expect_ready(&seen);
	ask(&seen, "SET", "key", "value");
	ck_assert_str_eq(seen.text, "OK");
	ask(&seen, "GET", "key", NULL);
	ck_assert_str_eq(seen.text, "value");
	close_seen(&seen);
}

START_TEST(test_tcp_and_unix)
{
	struct redis_server *server = redis_server_start(NULL);

	set_and_get((struct redis_options){.url = redis_server_url(server)});
	set_and_get((struct redis_options){.url = redis_server_unix_url(server)});
	redis_server_stop(server);
}
END_TEST

static char *tls_url(const struct redis_server *server, const char *host)
{
	return xasprintf("rediss://%s:%u", host, redis_server_tls_port(server));
}

START_TEST(test_tls)
{
	const struct redis_server_options options = {.tls_name = "IP:127.0.0.1,DNS:localhost"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *by_address = tls_url(server, "127.0.0.1");
	cleanup_free char *by_name = tls_url(server, "localhost");

	set_and_get((struct redis_options){.url = by_address, .ca = redis_server_ca(server)});
	set_and_get((struct redis_options){.url = by_name, .ca = redis_server_ca(server)});
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_wrong_name)
{
	const struct redis_server_options options = {.tls_name = "DNS:other.example,IP:127.0.0.9"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *by_address = tls_url(server, "127.0.0.1");
	cleanup_free char *by_name = tls_url(server, "localhost");

	expect_refused((struct redis_options){.url = by_address, .ca = redis_server_ca(server)},
		"IP address mismatch");
	expect_refused((struct redis_options){.url = by_name, .ca = redis_server_ca(server)},
		"hostname mismatch");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_unknown_ca)
{
	const struct redis_server_options options = {.tls_name = "IP:127.0.0.1"};
	struct redis_server *server = redis_server_start(&options);
	struct redis_server *stranger = redis_server_start(&options);
	cleanup_free char *url = tls_url(server, "127.0.0.1");

	expect_refused((struct redis_options){.url = url, .ca = redis_server_ca(stranger)},
		"TLS: self-signed certificate in certificate chain");
	expect_refused((struct redis_options){.url = url}, "TLS: ");
	redis_server_stop(stranger);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_to_a_plain_port)
{
	struct redis_server *server = redis_server_start(NULL);
	cleanup_free char *url = xasprintf("rediss://%s", redis_server_url(server) + 8);

	/* it takes our greeting for the beginning of a line */
	expect_refused((struct redis_options){.url = url}, "connect: timed out");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_bad_options)
{
	static const struct redis_options bad[] = {
		{.url = "http://127.0.0.1"},
		{.url = "rediss://127.0.0.1", .ca = "/nonexistent"},
		{.url = "rediss://127.0.0.1", .cert = "/nonexistent"},
		{.url = "rediss://127.0.0.1", .key = "/nonexistent"},
	};
	struct event_base *base = event_base_new();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = {0};

		ck_assert_ptr_null(redis_new(base, &bad[i], on_event, NULL, &err));
		ck_assert_str_ne(err.text, "");
	}
	event_base_free(base);
}
END_TEST

/* --- logging in -------------------------------------------------------------------------------- */

static char *login_url(const struct redis_server *server, const char *login)
{
	return xasprintf("redis://%s@%s", login, redis_server_url(server) + 8);
}

static void write_file(const char *path, const char *text)
{
	cleanup_file FILE *file = fopen(path, "we");

	ck_assert(file && fputs(text, file) >= 0);
}

START_TEST(test_passwords)
{
	const struct redis_server_options options = {
		.password = "s3cret", .acl = "user ann on >p@ss ~* &* +@all"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *good = login_url(server, ":s3cret");
	cleanup_free char *wrong = login_url(server, ":other");
	cleanup_free char *ann = login_url(server, "ann:p%40ss");
	cleanup_free char *not_ann = login_url(server, "ann:s3cret");

	set_and_get((struct redis_options){.url = good});
	set_and_get((struct redis_options){.url = ann});
	expect_refused((struct redis_options){.url = wrong}, "AUTH: WRONGPASS");
	expect_refused((struct redis_options){.url = not_ann}, "AUTH: WRONGPASS");
	expect_refused((struct redis_options){.url = redis_server_url(server)}, "SELECT: NOAUTH");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_password_file_is_read_again)
{
	const struct redis_server_options options = {.password = "s3cret"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *path = xasprintf("%s/password", redis_server_dir(server));
	cleanup_free char *wrong = login_url(server, ":other");
	struct seen seen;

	open_with(&seen, (struct redis_options){.url = wrong, .password_file = path});
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_ptr_nonnull(strstr(seen.cause, "open password file"));
	seen.failures = 0;
	write_file(path, "");
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_ptr_nonnull(strstr(seen.cause, "no first line"));
	write_file(path, "s3cret\r\nsecond line\n");
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_database)
{
	struct redis_server *server = redis_server_start(NULL);
	cleanup_free char *third = xasprintf("%s/3", redis_server_url(server));
	cleanup_free char *far = xasprintf("%s/9000", redis_server_url(server));
	struct seen seen;

	set_and_get((struct redis_options){.url = third});
	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
	ask(&seen, "GET", "key", NULL);
	ck_assert_int_eq(seen.type, REDIS_REPLY_NIL);
	close_seen(&seen);
	expect_refused((struct redis_options){.url = far}, "SELECT: ERR DB index");
	redis_server_stop(server);
}
END_TEST

/* A name is a courtesy: no right to set it, no reason to stay away. */
START_TEST(test_client_name)
{
	const struct redis_server_options options = {
		.acl = "user mute on >p ~* &* +@all -client|setname"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *mute = login_url(server, "mute:p");
	struct seen seen;

	open_with(&seen, (struct redis_options){
				 .url = redis_server_url(server), .client_name = "bulkhead-test"});
	expect_ready(&seen);
	ask(&seen, "CLIENT", "GETNAME", NULL);
	ck_assert_str_eq(seen.text, "bulkhead-test");
	close_seen(&seen);
	set_and_get((struct redis_options){.url = mute});
	redis_server_stop(server);
}
END_TEST

/* --- losing it --------------------------------------------------------------------------------- */

START_TEST(test_server_comes_later)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	redis_server_kill(server);
	open_url(&seen, redis_server_url(server));
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_str_eq(seen.cause, "Connection refused");
	redis_server_restart(server, true);
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

static void kill_and_restart(bool keep_data)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
	ask(&seen, "SET", "key", "value");
	seen.replies = 0;
	/* a command whose answer never comes */
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "BLPOP", "nothing", "0", NULL), 0);
	redis_server_kill(server);
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_int_eq(seen.nulls, 1);
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), -1);
	redis_server_restart(server, keep_data);
	expect_ready(&seen);
	ck_assert_int_eq(seen.ready, 2);
	ask(&seen, "GET", "key", NULL);
	ck_assert_int_eq(seen.type, keep_data ? REDIS_REPLY_STRING : REDIS_REPLY_NIL);
	close_seen(&seen);
	redis_server_stop(server);
}

START_TEST(test_restart_with_data)
{
	kill_and_restart(true);
}
END_TEST

START_TEST(test_restart_without_data)
{
	kill_and_restart(false);
}
END_TEST

START_TEST(test_client_kill)
{
	struct redis_server *server = redis_server_start(NULL);
	struct redis_sync *admin = redis_server_connect(server);
	struct seen seen;

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
	redis_server_run(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_str_eq(seen.cause, "connection closed by the server");
	expect_ready(&seen);
	redis_sync_close(admin);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

/* The peer is there, but does not answer any more: seen by the PING, on either kind of connection. */
START_TEST(test_half_open)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
	if (_i)
		ck_assert_int_eq(
			redis_subscribe(seen.redis, "channel", on_message, on_confirmed, &seen), 0);
	/* a PING and its answer first, so that it is not the PING itself that fails */
	wait_out(seen.base, 6000);
	ck_assert_int_eq(seen.lost, 0);
	redis_server_pause(server);
	ck_assert(wait_until(seen.base, was_lost, &seen, 11000));
	ck_assert_str_eq(seen.cause, "no answer to PING");
	redis_server_resume(server);
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_free_answers)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), 0);
	redis_hold(seen.redis);
	redis_free(seen.redis);
	ck_assert_int_eq(seen.nulls, 3);
	/* held still: valid, and without use */
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), -1);
	redis_drop(seen.redis, &seen);
	event_base_free(seen.base);
	redis_server_stop(server);
}
END_TEST

/* --- replies ----------------------------------------------------------------------------------- */

START_TEST(test_pipeline_and_binary)
{
	static const char value[] = "a\0b\r\nc";
	const char *const set[] = {"SET", "key", value};
	const size_t lens[] = {3, 3, sizeof(value) - 1};
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen, length = {0}, error = {0};

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
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

	open_url(&seen, redis_server_url(server));
	expect_ready(&seen);
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

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
}

int main(void)
{
	static const TTest *tests[32];
	Suite *suite = suite_create("redis");
	TCase *loops = tcase_create("misbehaviour");
	SRunner *runner;
	size_t count = 0;
	int failed;

	tests[count++] = test_tcp_and_unix;
	tests[count++] = test_tls;
	tests[count++] = test_tls_wrong_name;
	tests[count++] = test_tls_unknown_ca;
	tests[count++] = test_tls_to_a_plain_port;
	tests[count++] = test_bad_options;
	tests[count++] = test_passwords;
	tests[count++] = test_password_file_is_read_again;
	tests[count++] = test_database;
	tests[count++] = test_client_name;
	tests[count++] = test_server_comes_later;
	tests[count++] = test_restart_with_data;
	tests[count++] = test_restart_without_data;
	tests[count++] = test_client_kill;
	tests[count++] = test_free_answers;
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
	tcase_add_loop_test(loops, test_half_open, 0, 2);
	suite_add_tcase(suite, loops);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
