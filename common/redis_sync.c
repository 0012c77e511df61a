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
	bool ready, lost, timed_out, done;
	redis_reply *reply;
	char cause[ERR_TEXT_MAX];
};

static void on_event(enum redis_event event, const char *cause, void *arg)
{
	struct redis_sync *sync = arg;

	sync->ready = event == REDIS_READY;
	sync->lost = event == REDIS_LOST;
	snprintf(sync->cause, sizeof(sync->cause), "%s", cause);
	event_base_loopbreak(sync->base);
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
	}
	event_base_loopbreak(sync->base);
}

static void run(struct redis_sync *sync)
{
	sync->timed_out = sync->lost = false;
	evtimer_add(sync->limit, &sync->timeout);
	event_base_dispatch(sync->base);
	evtimer_del(sync->limit);
}

struct redis_sync *redis_sync_open(
	const struct redis_options *options, unsigned timeout_ms, struct err *err)
{
	CLEANUP(redis_sync) struct redis_sync *sync = xcalloc(1, sizeof(*sync));

	sync->timeout = (struct timeval){
		.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	sync->base = event_base_new();
	sync->limit = sync->base ? evtimer_new(sync->base, on_limit, sync) : NULL;
	if (!sync->limit) {
		err_set(err, 0, "create event loop");
		return NULL;
	}
	sync->redis = redis_new(sync->base, options, on_event, sync, err);
	if (!sync->redis)
		return NULL;
	run(sync);
	if (!sync->ready) {
		const char *cause = redis_last_error(sync->redis);

		err_set(err, 0, "connect to Redis at %s: %s", redis_peer(sync->redis),
			*cause ? cause : "timed out");
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

redis_reply *redis_sync_command(
	struct redis_sync *sync, size_t argc, const char *const *argv, struct err *err)
{
	struct err cause = {0};

	sync->done = false;
	if (!argc || redis_command(sync->redis, argc, argv, NULL, on_reply, sync) < 0) {
		err_set(err, 0, "Redis at %s: not connected", redis_peer(sync->redis));
		return NULL;
	}
	run(sync);
	if (sync->timed_out || !sync->done) {
		/* a late answer must not be taken for the next command's */
		redis_reset(sync->redis, "timed out");
		err_set(err, 0, "Redis at %s: %s timed out", redis_peer(sync->redis), argv[0]);
		return NULL;
	}
	if (redis_reply_failed(sync->reply, &cause)) {
		redis_sync_reply_free(steal_ptr(sync->reply));
		err_set(err, 0, "Redis at %s: %s: %s", redis_peer(sync->redis), argv[0],
			cause.text);
		return NULL;
	}
	return steal_ptr(sync->reply);
}

redis_reply *redis_sync_call(struct redis_sync *sync, struct err *err, ...)
{
	const char *words[WORDS_MAX];
	size_t count = 0;
	va_list ap;

	va_start(ap, err);
	while (count < WORDS_MAX && (words[count] = va_arg(ap, const char *)))
		count++;
	va_end(ap);
	return redis_sync_command(sync, count, words, err);
}

void redis_sync_reply_free(redis_reply *reply)
{
	if (reply)
		freeReplyObject(reply);
}
