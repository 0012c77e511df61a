/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A blocking client for programs that do one thing and end (bulkheadctl, --check): the same connection code on a loop of its
 * own, with a limit on every wait.
 */
#ifndef BULKHEAD_REDIS_SYNC_H
#define BULKHEAD_REDIS_SYNC_H

#include "common/redis.h"

struct redis_sync;

/* Connects and authenticates within timeout_ms, in one try; *err says why not, naming the peer. timeout_ms bounds every later
 * wait as well. */
struct redis_sync *redis_sync_open(
	const struct redis_options *options, unsigned timeout_ms, struct err *err) must_check;
void redis_sync_close(struct redis_sync *sync);

/* One command, one reply; the caller frees it with redis_sync_reply_free(). NULL on time-out, lost connection or an error
 * reply, with *err set. redis_sync_call() takes NUL-terminated words, the last one NULL. */
redis_reply *redis_sync_command(
	struct redis_sync *sync, size_t argc, const char *const *argv, struct err *err) must_check;
redis_reply *redis_sync_call(struct redis_sync *sync, struct err *err, ...)
	__attribute__((sentinel)) must_check;
void redis_sync_reply_free(redis_reply *reply);
/* Sends without waiting, for the commands between MULTI and EXEC; what the server has against one of them is in the error of the
 * next redis_sync_command() that fails. */
int redis_sync_queue(struct redis_sync *sync, struct err *err, ...)
	__attribute__((sentinel)) must_check;

DEFINE_CLEANUP(redis_sync, struct redis_sync *, redis_sync_close)
DEFINE_CLEANUP(redis_reply, redis_reply *, redis_sync_reply_free)

#endif
