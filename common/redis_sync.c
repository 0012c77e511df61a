/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_sync.h"

#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <string.h>

enum { WORDS_MAX = 64 };

struct redis_sync {
	struct event_base *base;
	struct redis *redis;
	struct event *limit;
	struct timeval timeout;
	bool ready, timed_out, done;
	redis_reply *reply;
	char cause[ERR_TEXT_MAX];  /* why the connection is not there */
	char queued[ERR_TEXT_MAX]; /* the first error among replies that nobody waited for */
};

static void on_event(enum redis_event event, const char *cause, void *arg)
{
	struct redis_sync *sync = arg;

	sync->ready = event == REDIS_READY;
	snprintf(sync->cause, sizeof(sync->cause), "%s", cause);
	event_base_loopbreak(sync->base);
}

static void on_failure(const char *cause, void *arg)
{
	on_event(REDIS_LOST, cause, arg);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct redis_sync *sync = arg;

	(void)fd;
	(void)what;
	sync->timed_out = true;
	event_base_loopbreak(sync->base);
}

/* Replies are borrowed for the callback: take the contents and leave an empty one to be freed. */
static void on_reply(redis_reply *reply, void *arg)
{
	struct redis_sync *sync = arg;

	sync->done = true;
	if (reply) {
		sync->reply = xcalloc(1, sizeof(*sync->reply));
		*sync->reply = *reply;
		*reply = (redis_reply){.type = REDIS_REPLY_NIL};
		event_base_loopbreak(sync->base);
	} /* else LOST follows, with the cause */
}

static void on_queued(redis_reply *reply, void *arg)
{
	struct redis_sync *sync = arg;

	if (reply && reply->type == REDIS_REPLY_ERROR && !sync->queued[0])
		snprintf(sync->queued, sizeof(sync->queued), "%s", reply->str);
}

static void run(struct redis_sync *sync)
{
	sync->timed_out = false;
	evtimer_add(sync->limit, &sync->timeout);
	event_base_dispatch(sync->base);
	evtimer_del(sync->limit);
}

static int open_parts(struct redis_sync *sync, const struct redis_options *options, struct err *err)
{
	struct redis_options ours = *options;

	ours.on_failure = on_failure;
	sync->base = event_base_new();
	sync->limit = sync->base ? evtimer_new(sync->base, on_limit, sync) : NULL;
	if (!sync->limit)
		return err_set(err, 0, "create event loop");
	sync->redis = redis_new(sync->base, &ours, on_event, sync, err);
	return sync->redis ? 0 : -1;
}

struct redis_sync *redis_sync_open(
	const struct redis_options *options, unsigned timeout_ms, struct err *err)
{
	CLEANUP(redis_sync) struct redis_sync *sync = xcalloc(1, sizeof(*sync));

	sync->timeout = (struct timeval){
		.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	if (open_parts(sync, options, err) < 0)
		return NULL;
	run(sync);
	if (!sync->ready) {
		err_set(err, 0, "connect to Redis at %s: %s", redis_peer(sync->redis),
			sync->timed_out ? "timed out" : sync->cause);
		return NULL;
	}
	return steal_ptr(sync);
}

void redis_sync_close(struct redis_sync *sync)
{
	if (!sync)
		return;
	redis_free(sync->redis);
	if (sync->limit)
		event_free(sync->limit);
	if (sync->base)
		event_base_free(sync->base);
	redis_sync_reply_free(sync->reply);
	free(sync);
}

/* NULL, with *err; what a queued command was refused for tells more than "EXECABORT". */
static redis_reply *fail(
	struct redis_sync *sync, const char *command, const char *cause, struct err *err)
{
	err_set(err, 0, "Redis at %s: %s: %s", redis_peer(sync->redis), command,
		sync->queued[0] ? sync->queued : cause);
	sync->queued[0] = '\0';
	return NULL;
}

redis_reply *redis_sync_command(
	struct redis_sync *sync, size_t argc, const char *const *argv, struct err *err)
{
	CLEANUP(redis_reply) redis_reply *reply = NULL;
	struct err cause = {0};

	sync->done = false;
	if (redis_command(sync->redis, argc, argv, NULL, on_reply, sync) < 0)
		return fail(sync, argc ? argv[0] : "(nothing)",
			sync->cause[0] ? sync->cause : "not connected", err);
	run(sync);
	reply = steal_ptr(sync->reply);
	if (sync->timed_out && !sync->done) {
		/* a late answer must not be taken for the next command's */
		redis_reset(sync->redis, "timed out");
		return fail(sync, argv[0], "timed out", err);
	}
	if (!reply)
		return fail(sync, argv[0], sync->cause, err);
	if (redis_reply_failed(reply, &cause))
		return fail(sync, argv[0], cause.text, err);
	sync->queued[0] = '\0';
	return steal_ptr(reply);
}

/* 0 words where there are too many of them, which no command takes. */
static size_t collect(const char *words[WORDS_MAX + 1], va_list ap)
{
	size_t count = 0;

	while (count <= WORDS_MAX && (words[count] = va_arg(ap, const char *)))
		count++;
	return count <= WORDS_MAX ? count : 0;
}

redis_reply *redis_sync_call(struct redis_sync *sync, struct err *err, ...)
{
	const char *words[WORDS_MAX + 1];
	size_t count;
	va_list ap;

	va_start(ap, err);
	count = collect(words, ap);
	va_end(ap);
	return redis_sync_command(sync, count, words, err);
}

int redis_sync_queue(struct redis_sync *sync, struct err *err, ...)
{
	const char *words[WORDS_MAX + 1];
	size_t count;
	va_list ap;

	va_start(ap, err);
	count = collect(words, ap);
	va_end(ap);
	if (redis_command(sync->redis, count, words, NULL, on_queued, sync) == 0)
		return 0;
	(void)fail(sync, count ? words[0] : "(nothing)",
		sync->cause[0] ? sync->cause : "not connected", err);
	return -1;
}

void redis_sync_reply_free(redis_reply *reply)
{
	if (reply)
		freeReplyObject(reply);
}
