/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis.h"

#include "common/backoff.h"
#include "common/redis_codec.h"
#include "common/redis_password.h"
#include "common/redis_sentinel.h"
#include "common/redis_transport.h"
#include "common/redis_url.h"
#include "common/xalloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <hiredis/hiredis.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>

/*
 * From the first byte to READY; from one PING to the next, and as long for its answer; words of redis_call(), of which the
 * callers' longest has five.
 */
enum { CONNECT_SECONDS = 5, IDLE_SECONDS = 5, WORDS_MAX = 64 };

/* ASKING: Sentinels, for the master; that question has its own time limit. */
enum state { STATE_WAITING, STATE_ASKING, STATE_CONNECTING, STATE_HANDSHAKE, STATE_READY };

struct pending {
	redis_reply_fn *fn;
	void *arg;
	struct pending *next;
};

struct subscription {
	char *channel;
	redis_message_fn *fn;
	redis_reply_fn *done;
	void *arg;
	struct subscription *next;
};

struct redis {
	unsigned holds; /* the owner's, until redis_free(), and redis_hold()'s */
	struct redis_url url;
	char *password_file, *client_name;
	redis_event_fn *on_event;
	void (*on_failure)(const char *cause, void *arg);
	void *arg;
	enum state state;
	struct redis_transport *transport;
	struct redis_sentinel *sentinel; /* NULL where the URL names the server */
	struct bufferevent *bev;
	struct redis_codec *codec;
	unsigned long
		connection; /* counts connections, so that a callback that ends one is noticed */
	unsigned handshake_left;
	struct pending *first, **last;
	struct subscription *subscriptions;
	bool publish_mode;   /* SUBSCRIBE was sent on this connection */
	struct event *timer; /* reconnect, connect limit, or keepalive, by state */
	bool ping_sent;
	struct backoff backoff;
	char peer[420];
	char cause[ERR_TEXT_MAX];
};

/* --- losing a connection ----------------------------------------------------------------------- */

static void set_timer(struct redis *redis, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(redis->timer, &delay);
}

static struct pending *take_pending(struct redis *redis)
{
	struct pending *pending = redis->first;

	redis->first = pending->next;
	if (!redis->first)
		redis->last = &redis->first;
	return pending;
}

/* One by one, since a callback may redis_drop() what comes after it. Nothing is added: the state is not READY. */
static void answer_all_with_null(struct redis *redis)
{
	while (redis->first) {
		struct pending *pending = take_pending(redis);

		if (pending->fn)
			pending->fn(NULL, pending->arg);
		free(pending);
	}
}

static void free_subscription(struct subscription *sub)
{
	free(sub->channel);
	free(sub);
}

static void drop_subscriptions(struct redis *redis)
{
	while (redis->subscriptions) {
		struct subscription *sub = redis->subscriptions;

		redis->subscriptions = sub->next;
		free_subscription(sub);
	}
}

static void close_connection(struct redis *redis)
{
	if (redis->sentinel)
		redis_sentinel_cancel(redis->sentinel);
	if (redis->bev)
		bufferevent_free(redis->bev);
	redis->bev = NULL;
	redis_codec_free(steal_ptr(redis->codec));
	redis->connection++;
	redis->ping_sent = redis->publish_mode = false;
}

/* Ends the connection and schedules the next; the consumer hears LOST only if it had heard READY. */
static void lose(struct redis *redis, const char *cause)
{
	bool was_ready = redis->state == STATE_READY;

	if (redis->state == STATE_WAITING)
		return;
	redis->state = STATE_WAITING;
	snprintf(redis->cause, sizeof(redis->cause), "%s", cause);
	close_connection(redis);
	drop_subscriptions(redis);
	answer_all_with_null(redis);
	set_timer(redis, backoff_next(&redis->backoff));
	if (was_ready)
		redis->on_event(REDIS_LOST, redis->cause, redis->arg);
	else if (redis->on_failure)
		redis->on_failure(redis->cause, redis->arg);
}

void redis_reset(struct redis *redis, const char *cause)
{
	lose(redis, cause);
}

/* --- sending ----------------------------------------------------------------------------------- */

static int send_words(struct redis *redis, size_t argc, const char *const *argv, const size_t *lens)
{
	char *text = NULL;
	/* the codec's parameter lacks a const that it honours */
	int len = redisFormatCommandArgv(&text, (int)argc, (const char **)(uintptr_t)argv, lens);

	if (len < 0)
		return -1;
	bufferevent_write(redis->bev, text, (size_t)len);
	redisFreeCommand(text);
	return 0;
}

static int push(struct redis *redis, size_t argc, const char *const *argv, const size_t *lens,
	redis_reply_fn *fn, void *arg)
{
	struct pending *pending;

	/* a command without a word has no reply: every later one would be taken for another's */
	if (!argc || argc > INT_MAX || send_words(redis, argc, argv, lens) < 0)
		return -1;
	pending = xcalloc(1, sizeof(*pending));
	pending->fn = fn;
	pending->arg = arg;
	*redis->last = pending;
	redis->last = &pending->next;
	return 0;
}

int redis_command(struct redis *redis, size_t argc, const char *const *argv, const size_t *lens,
	redis_reply_fn *fn, void *arg)
{
	return redis->state == STATE_READY ? push(redis, argc, argv, lens, fn, arg) : -1;
}

int redis_call(struct redis *redis, redis_reply_fn *fn, void *arg, ...)
{
	const char *words[WORDS_MAX + 1];
	size_t count = 0;
	va_list ap;

	va_start(ap, arg);
	while (count <= WORDS_MAX && (words[count] = va_arg(ap, const char *)))
		count++;
	va_end(ap);
	return count <= WORDS_MAX ? redis_command(redis, count, words, NULL, fn, arg) : -1;
}

int redis_subscribe(struct redis *redis, const char *channel, redis_message_fn *fn,
	redis_reply_fn *done, void *arg)
{
	const char *const words[] = {"SUBSCRIBE", channel};
	struct subscription *sub;

	/* its confirmation is told by its form, not by its place among the replies */
	if (redis->state != STATE_READY || send_words(redis, 2, words, NULL) < 0)
		return -1;
	redis->publish_mode = true;
	sub = xcalloc(1, sizeof(*sub));
	sub->channel = xstrdup(channel);
	sub->fn = fn;
	sub->done = done;
	sub->arg = arg;
	sub->next = redis->subscriptions;
	redis->subscriptions = sub;
	return 0;
}

static void forget_replies(struct redis *redis, const void *arg)
{
	for (struct pending *pending = redis->first; pending; pending = pending->next)
		if (pending->arg == arg)
			pending->fn = NULL;
}

static void forget_messages(struct redis *redis, const void *arg)
{
	struct subscription **at = &redis->subscriptions;

	while (*at) {
		struct subscription *sub = *at;
		const char *const words[] = {"UNSUBSCRIBE", sub->channel};

		if (sub->arg != arg) {
			at = &sub->next;
			continue;
		}
		*at = sub->next;
		/* what comes in spite of it belongs to no subscription and is passed over */
		(void)send_words(redis, 2, words, NULL);
		free_subscription(sub);
	}
}

/* --- handshake --------------------------------------------------------------------------------- */

static void become_ready(struct redis *redis)
{
	redis->state = STATE_READY;
	redis->cause[0] = '\0';
	set_timer(redis, IDLE_SECONDS * 1000);
	redis->on_event(REDIS_READY, "", redis->arg);
}

static void take_step(struct redis *redis, const redis_reply *reply, const char *step)
{
	struct err err = {0};

	if (!reply || redis->state != STATE_HANDSHAKE)
		return;
	if (redis_reply_failed(reply, &err)) {
		err_wrap(&err, "%s", step);
		lose(redis, err.text);
	} else if (!--redis->handshake_left) {
		become_ready(redis);
	}
}

static void on_auth(redis_reply *reply, void *arg)
{
	take_step(arg, reply, "AUTH");
}

static void on_select(redis_reply *reply, void *arg)
{
	take_step(arg, reply, "SELECT");
}

/* Sentinels may be behind: a master that was demoted still answers, and would take neither a write nor news. */
static void on_role(redis_reply *reply, void *arg)
{
	struct redis *redis = arg;
	const char *role = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements
				   ? redis_reply_text(reply->element[0], NULL)
				   : NULL;

	if (role && strcmp(role, "master") != 0 && redis->state == STATE_HANDSHAKE)
		lose(redis, "Sentinel named it, but it is no master (any more)");
	else
		take_step(redis, reply, "ROLE");
}

static int push_auth(struct redis *redis, const char *password)
{
	const char *words[3] = {"AUTH"};
	size_t count = 1;

	if (redis->url.user)
		words[count++] = redis->url.user;
	words[count++] = password;
	redis->handshake_left++;
	return push(redis, count, words, NULL, on_auth, redis);
}

static int send_auth(struct redis *redis, struct err *err)
{
	char *from_file;
	int rc;

	if (!redis->password_file && !redis->url.password)
		return 0;
	if (!redis->password_file) {
		rc = push_auth(redis, redis->url.password);
	} else {
		from_file = redis_password_read(redis->password_file, err);
		if (!from_file)
			return -1;
		rc = push_auth(redis, from_file);
		explicit_bzero(from_file, strlen(from_file));
		free(from_file);
	}
	return rc < 0 ? err_set(err, ENOMEM, "send AUTH") : 0;
}

static int push_role(struct redis *redis)
{
	const char *const role[] = {"ROLE"};

	if (!redis->sentinel)
		return 0;
	redis->handshake_left++;
	return push(redis, 1, role, NULL, on_role, redis);
}

static void begin_handshake(struct redis *redis)
{
	const char *const setname[] = {"CLIENT", "SETNAME", redis->client_name};
	struct err err = {0};
	char db[12];
	/* database 0 as well: a server that wants a password which we have not says so here */
	const char *const select[] = {"SELECT", db};

	redis->state = STATE_HANDSHAKE;
	redis->handshake_left = 0;
	snprintf(db, sizeof(db), "%u", redis->url.db);
	if (send_auth(redis, &err) < 0) {
		lose(redis, err.text);
		return;
	}
	redis->handshake_left++;
	/* the name is a courtesy: an ACL that does not grant it is no reason to stay away */
	if (push(redis, 3, setname, NULL, NULL, NULL) < 0 ||
		push(redis, 2, select, NULL, on_select, redis) < 0 || push_role(redis) < 0)
		lose(redis, "send SELECT: out of memory");
}

/* --- receiving --------------------------------------------------------------------------------- */

static bool word_is(const redis_reply *reply, const char *word)
{
	const char *text = redis_reply_text(reply, NULL);

	return text && !strcmp(text, word);
}

static struct subscription *find_subscription(struct redis *redis, const redis_reply *channel)
{
	struct subscription *sub = redis->subscriptions;

	while (sub && !word_is(channel, sub->channel))
		sub = sub->next;
	return sub;
}

/* The subscription may be gone after either call. */
static void deliver(struct subscription *sub, redis_reply *reply)
{
	size_t len = 0;
	const char *data = redis_reply_text(reply->element[2], &len);

	if (word_is(reply->element[0], "message") && data)
		sub->fn(reply->element[1]->str, data, len, sub->arg);
	else if (word_is(reply->element[0], "subscribe") && sub->done)
		sub->done(reply, sub->arg);
}

/* True when the reply was a pub/sub push and has been dealt with. */
static bool route_push(struct redis *redis, redis_reply *reply)
{
	struct subscription *sub;

	if (!redis->publish_mode)
		return false;
	if (reply->type == REDIS_REPLY_ERROR) {
		struct err err = {0};

		err_set(&err, 0, "SUBSCRIBE: %s", reply->str);
		lose(redis, err.text);
		return true;
	}
	if (reply->type != REDIS_REPLY_ARRAY || !reply->elements ||
		word_is(reply->element[0], "pong"))
		return false; /* answers our PING in its place */
	sub = reply->elements == 3 ? find_subscription(redis, reply->element[1]) : NULL;
	if (sub)
		deliver(sub, reply);
	return true;
}

static void answer(struct redis *redis, redis_reply *reply)
{
	struct pending *pending;

	if (route_push(redis, reply))
		return;
	if (!redis->first) {
		const char *text =
			reply->type == REDIS_REPLY_ERROR ? reply->str : "reply without a command";
		cleanup_free char *cause = xstrdup(text);

		lose(redis, cause);
		return;
	}
	pending = take_pending(redis);
	if (pending->fn)
		pending->fn(reply, pending->arg);
	free(pending);
}

static int feed(struct redis_codec *codec, struct evbuffer *in, struct err *err)
{
	size_t len = evbuffer_get_length(in);

	if (len && redis_codec_feed(codec, evbuffer_pullup(in, -1), len, err) < 0)
		return -1;
	evbuffer_drain(in, len);
	return 0;
}

/* Feeds what came into the codec and answers every complete reply; an answer may end the connection. */
static void on_read(struct bufferevent *bev, void *arg)
{
	struct redis *redis = arg;
	unsigned long connection = redis->connection;
	struct err err = {0};
	int rc = feed(redis->codec, bufferevent_get_input(bev), &err);

	redis->ping_sent = false;
	while (rc >= 0 && redis->connection == connection) {
		redis_reply *reply = NULL;

		rc = redis_codec_next(redis->codec, &reply, &err);
		if (rc == 0)
			return;
		if (rc > 0) {
			answer(redis, reply);
			freeReplyObject(reply);
		}
	}
	if (rc < 0)
		lose(redis, err.text);
}

static void on_bev_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis *redis = arg;
	char cause[256];

	if (what & BEV_EVENT_CONNECTED) {
		redis_transport_tune(redis->transport, bev);
		begin_handshake(redis);
		return;
	}
	redis_transport_cause(redis->transport, bev, what, cause, sizeof(cause));
	lose(redis, cause);
}

/* --- connecting -------------------------------------------------------------------------------- */

/* host NULL: the unix socket. */
static void connect_to(struct redis *redis, const char *host, uint16_t port)
{
	struct err err = {0};
	unsigned long connection = redis->connection;

	redis->state = STATE_CONNECTING;
	set_timer(redis, CONNECT_SECONDS * 1000);
	redis->codec = redis_codec_new();
	redis->bev = redis_transport_open(redis->transport, host, &err);
	if (!redis->bev) {
		lose(redis, err.text);
		return;
	}
	bufferevent_setcb(redis->bev, on_read, NULL, on_bev_event, redis);
	bufferevent_enable(redis->bev, EV_READ | EV_WRITE);
	if (redis_transport_connect(redis->transport, redis->bev, port) < 0 &&
		redis->connection == connection)
		lose(redis, strerror(errno));
}

static void name_server(struct redis *redis, const char *host, uint16_t port)
{
	const char *form = strchr(host, ':') ? "[%.250s]:%u" : "%.250s:%u";
	size_t used;

	snprintf(redis->peer, sizeof(redis->peer), form, host, port);
	used = strlen(redis->peer);
	if (redis->sentinel)
		snprintf(redis->peer + used, sizeof(redis->peer) - used, " (master %s)",
			redis->url.master);
}

static void on_master(const struct redis_address *master, const char *cause, void *arg)
{
	struct redis *redis = arg;

	if (!master) {
		lose(redis, cause);
		return;
	}
	name_server(redis, master->host, master->port);
	connect_to(redis, master->host, master->port);
}

static void connect_now(struct redis *redis)
{
	if (!redis->sentinel) {
		connect_to(redis, redis->url.host, redis->url.port);
		return;
	}
	redis->state = STATE_ASKING;
	redis_sentinel_ask(redis->sentinel);
}

/*
 * Half-open connections show by a PING that nothing follows. Only a connection that has stood for a while ends the back-off: one
 * that is refused something right after READY would otherwise be tried ten times a second for ever.
 */
static void keep_alive(struct redis *redis)
{
	const char *const ping[] = {"PING"};

	if (redis->ping_sent) {
		lose(redis, "no answer to PING");
		return;
	}
	backoff_reset(&redis->backoff);
	redis->ping_sent = true;
	set_timer(redis, IDLE_SECONDS * 1000);
	if (push(redis, 1, ping, NULL, NULL, NULL) < 0)
		lose(redis, "send PING: out of memory");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct redis *redis = arg;

	(void)fd;
	(void)what;
	switch (redis->state) {
	case STATE_WAITING:
		connect_now(redis);
		break;
	case STATE_ASKING:
		break;
	case STATE_CONNECTING:
		lose(redis, "connect: timed out");
		break;
	case STATE_HANDSHAKE:
		lose(redis, "connected, but the server does not answer");
		break;
	case STATE_READY:
		keep_alive(redis);
		break;
	}
}

/* --- life -------------------------------------------------------------------------------------- */

static void name_peer(struct redis *redis)
{
	const struct redis_url *url = &redis->url;

	if (url->path)
		snprintf(redis->peer, sizeof(redis->peer), "%.290s", url->path);
	else if (url->host)
		name_server(redis, url->host, url->port);
	else
		snprintf(redis->peer, sizeof(redis->peer), "master %s of Sentinel %.100s",
			url->master, url->sentinels[0].host);
}

static int open_sentinel(struct redis *redis, struct event_base *base,
	const struct redis_options *options, struct err *err)
{
	if (!redis->url.master)
		return 0;
	redis->sentinel = redis_sentinel_new(base, &redis->url, redis->transport,
		options->sentinel_password_file, on_master, redis);
	return redis->sentinel ? 0 : err_set(err, ENOMEM, "create timer");
}

struct redis *redis_new(struct event_base *base, const struct redis_options *options,
	redis_event_fn *on_event, void *arg, struct err *err)
{
	CLEANUP(redis) struct redis *redis = xcalloc(1, sizeof(*redis));

	redis->holds = 1;
	redis->on_event = on_event;
	redis->on_failure = options->on_failure;
	redis->arg = arg;
	redis->last = &redis->first;
	redis->password_file = options->password_file ? xstrdup(options->password_file) : NULL;
	redis->client_name = xstrdup(options->client_name ? options->client_name : "bulkhead");
	if (redis_url_parse(options->url, &redis->url, err) < 0)
		return NULL;
	name_peer(redis);
	redis->transport = redis_transport_new(base, &redis->url, options, err);
	if (!redis->transport || open_sentinel(redis, base, options, err) < 0)
		return NULL;
	redis->timer = evtimer_new(base, on_timer, redis);
	if (!redis->timer) {
		err_set(err, ENOMEM, "create timer");
		return NULL;
	}
	set_timer(redis, 0);
	return steal_ptr(redis);
}

static void release(struct redis *redis)
{
	if (--redis->holds)
		return;
	redis_url_clear(&redis->url);
	free(redis->password_file);
	free(redis->client_name);
	free(redis);
}

void redis_free(struct redis *redis)
{
	if (!redis)
		return;
	redis->state = STATE_WAITING;
	close_connection(redis);
	drop_subscriptions(redis);
	answer_all_with_null(redis);
	/* the loop may end before the last hold is dropped: nothing of it is kept */
	if (redis->timer)
		event_free(redis->timer);
	redis_sentinel_free(steal_ptr(redis->sentinel));
	redis_transport_free(steal_ptr(redis->transport));
	redis->timer = NULL;
	release(redis);
}

struct redis *redis_hold(struct redis *redis)
{
	redis->holds++;
	return redis;
}

void redis_drop(struct redis *redis, const void *arg)
{
	forget_replies(redis, arg);
	forget_messages(redis, arg);
	release(redis);
}

bool redis_is_ready(const struct redis *redis)
{
	return redis->state == STATE_READY;
}

const char *redis_peer(const struct redis *redis)
{
	return redis->peer;
}

const char *redis_last_error(const struct redis *redis)
{
	return redis->cause;
}
