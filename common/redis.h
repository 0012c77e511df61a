/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One Redis connection on a libevent loop: a bufferevent (TCP, unix socket or TLS with the peer's name
 * verified) with hiredis as codec only. Reconnects for ever with back-off and jitter. Commands are
 * pipelined, replies come in order. Nothing is queued while disconnected: a command then fails at once,
 * because what a caller wants after a reconnect is a fresh snapshot, never an old command.
 */
#ifndef BULKHEAD_REDIS_H
#define BULKHEAD_REDIS_H

#include "common/err.h"

#include <event2/event.h>
#include <hiredis/read.h>
#include <stdbool.h>
#include <stddef.h>

struct redis;
typedef struct redisReply redis_reply; /* hiredis' reply tree */

/* What was asked for on the command line. Strings are borrowed for the life of the connection. */
struct redis_options {
	const char *
		url; /* redis://[user[:password]@]host[:port][/db], rediss://..., unix:///path[?db=N],
		      * redis+sentinel://[user[:password]@]host[:port],.../master[/db][?sentinel-user=...&sentinel-password=...]
		      * (rediss+sentinel://: TLS to all of them);
		      * Sentinels are asked anew for each connection */
	const char *
		password_file; /* NULL or a file whose first line overrides the URL's password; re-read at each connect */
	const char *sentinel_password_file; /* the same for the login at the Sentinels */
	const char *ca, *cert, *key;        /* TLS files, or NULL (ca: the system's store) */
	const char *client_name;            /* CLIENT SETNAME, for redis-cli CLIENT LIST */
	/* A try to connect failed before READY, and will be repeated; NULL if that is of no interest. arg is on_event's. */
	void (*on_failure)(const char *cause, void *arg);
};

enum redis_event { REDIS_READY, REDIS_LOST };

/*
 * READY: connected, authenticated, database selected; commands may be sent. LOST: every outstanding
 * command has been answered with NULL; cause says why (borrowed). Commands may not be sent until READY.
 */
typedef void redis_event_fn(enum redis_event event, const char *cause, void *arg);
/* reply is borrowed for the call, NULL when the connection was lost before it came. Error replies are
 * passed as they are (type REDIS_REPLY_ERROR). */
typedef void redis_reply_fn(redis_reply *reply, void *arg);
/* A pub/sub message; both texts borrowed for the call. */
typedef void redis_message_fn(const char *channel, const char *data, size_t len, void *arg);

/* Checks the URL and options without connecting: for --check and for exit 64 at start-up. */
int redis_url_check(const char *url, struct err *err) must_check;

/* Fails only on bad options. Connecting begins when the loop runs. */
struct redis *redis_new(struct event_base *base, const struct redis_options *options,
	redis_event_fn *on_event, void *arg, struct err *err) must_check;
/* Answers outstanding commands with NULL first. Not from within a callback of this connection. */
void redis_free(struct redis *redis);
/*
 * For modules that are handed a connection and may end before or after it: between hold and drop the object stays valid, though
 * after redis_free() it only refuses commands. redis_drop() also forgets whatever was asked with this arg: neither replies nor
 * messages reach it any more.
 */
struct redis *redis_hold(struct redis *redis); /* returns redis */
void redis_drop(struct redis *redis, const void *arg);
bool redis_is_ready(const struct redis *redis);
const char *redis_peer(
	const struct redis *redis); /* "127.0.0.1:6379", without secrets; for messages */
const char *redis_last_error(const struct redis *redis); /* "" when there was none */

/* Sends one command (binary safe). fn may be NULL. -1 when not ready, or without a word. */
int redis_command(struct redis *redis, size_t argc, const char *const *argv, const size_t *lens,
	redis_reply_fn *fn, void *arg) must_check;
/* The same with at most 64 NUL-terminated words, then NULL: redis_call(r, fn, arg, "GET", key, NULL). */
int redis_call(struct redis *redis, redis_reply_fn *fn, void *arg, ...)
	__attribute__((sentinel)) must_check;
/* Subscribes on this connection, which may then only (un)subscribe and ping. Calls fn for every message;
 * done for the confirmation. Re-subscribe yourself at READY. One subscription per channel and connection. A server that
 * refuses it (ACL) ends the connection, with its words as the cause. */
int redis_subscribe(struct redis *redis, const char *channel, redis_message_fn *fn,
	redis_reply_fn *done, void *arg) must_check;
/* Drops the connection and starts anew (a reply made no sense, a time limit passed). */
void redis_reset(struct redis *redis, const char *cause);

/* The text of a status, string or error reply, or NULL. *len may be NULL. */
const char *redis_reply_text(const redis_reply *reply, size_t *len);
/* True for REDIS_REPLY_ERROR, for NULL, and for an EXEC whose reply array holds an error. */
bool redis_reply_failed(const redis_reply *reply, struct err *err);

DEFINE_CLEANUP(redis, struct redis *, redis_free)

#endif
