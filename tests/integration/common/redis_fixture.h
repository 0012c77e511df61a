/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of a real server, and what it has seen. */
#ifndef BULKHEAD_TEST_REDIS_FIXTURE_H
#define BULKHEAD_TEST_REDIS_FIXTURE_H

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

#define UNUSED_HELPER __attribute__((unused)) static

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

UNUSED_HELPER void on_event(enum redis_event event, const char *cause, void *arg)
{
	struct seen *seen = arg;

	seen->ready += event == REDIS_READY;
	seen->lost += event == REDIS_LOST;
	if (event == REDIS_LOST)
		snprintf(seen->cause, sizeof(seen->cause), "%s", cause);
}

UNUSED_HELPER void on_failure(const char *cause, void *arg)
{
	struct seen *seen = arg;

	seen->failures++;
	snprintf(seen->cause, sizeof(seen->cause), "%s", cause);
}

UNUSED_HELPER void on_reply(redis_reply *reply, void *arg)
{
	struct seen *seen = arg;
	const char *text = redis_reply_text(reply, NULL);

	seen->replies++;
	seen->nulls += reply == NULL;
	seen->errors += reply && reply->type == REDIS_REPLY_ERROR;
	seen->type = reply ? reply->type : -1;
	snprintf(seen->text, sizeof(seen->text), "%s", text ? text : "");
}

UNUSED_HELPER void on_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct seen *seen = arg;

	seen->messages++;
	snprintf(seen->message, sizeof(seen->message), "%s=%.*s", channel, (int)len, data);
}

UNUSED_HELPER void on_confirmed(redis_reply *reply, void *arg)
{
	struct seen *seen = arg;

	(void)reply;
	seen->confirmations++;
}

UNUSED_HELPER bool is_ready(void *arg)
{
	return redis_is_ready(((struct seen *)arg)->redis);
}

UNUSED_HELPER bool has_failed(void *arg)
{
	return ((struct seen *)arg)->failures > 0;
}

UNUSED_HELPER bool was_lost(void *arg)
{
	return ((struct seen *)arg)->lost > 0;
}

UNUSED_HELPER bool was_answered(void *arg)
{
	return ((struct seen *)arg)->replies > 0;
}

UNUSED_HELPER bool got_message(void *arg)
{
	return ((struct seen *)arg)->messages > 0;
}

UNUSED_HELPER bool got_confirmation(void *arg)
{
	return ((struct seen *)arg)->confirmations > 0;
}

UNUSED_HELPER void open_with(struct seen *seen, struct redis_options options)
{
	struct err err = {0};

	*seen = (struct seen){.base = event_base_new()};
	options.on_failure = on_failure;
	seen->redis = redis_new(seen->base, &options, on_event, seen, &err);
	ck_assert_msg(seen->redis != NULL, "%s", err.text);
}

UNUSED_HELPER void open_url(struct seen *seen, const char *url)
{
	open_with(seen, (struct redis_options){.url = url});
}

UNUSED_HELPER void close_seen(struct seen *seen)
{
	redis_free(seen->redis);
	event_base_free(seen->base);
}

UNUSED_HELPER void expect_ready(struct seen *seen)
{
	ck_assert_msg(
		wait_until(seen->base, is_ready, seen, SOON_MS), "not ready: %s", seen->cause);
}

UNUSED_HELPER void open_ready(struct seen *seen, const struct redis_server *server)
{
	open_url(seen, redis_server_url(server));
	expect_ready(seen);
}

/* One command, one reply, its text in seen->text. */
UNUSED_HELPER void ask(struct seen *seen, const char *a, const char *b, const char *c)
{
	seen->replies = 0;
	ck_assert_int_eq(redis_call(seen->redis, on_reply, seen, a, b, c, NULL), 0);
	ck_assert(wait_until(seen->base, was_answered, seen, SOON_MS));
}

UNUSED_HELPER void expect_refused(struct redis_options options, const char *cause)
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

UNUSED_HELPER char *login_url(const struct redis_server *server, const char *login)
{
	return xasprintf("redis://%s@%s", login, redis_server_url(server) + 8);
}

UNUSED_HELPER void add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
}

#endif
