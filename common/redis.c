/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis.h"

#include "common/backoff.h"
#include "common/redis_tls.h"
#include "common/redis_url.h"
#include "common/xalloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * A reply that grows beyond REPLY_MAX without being complete is not one of ours (a snapshot of 10,000 endpoints is about 10 MB);
 * WORDS_MAX bounds redis_call().
 */
enum { CONNECT_SECONDS = 5, IDLE_SECONDS = 5, REPLY_MAX = 256 << 20, WORDS_MAX = 64 };

enum state { STATE_WAITING, STATE_CONNECTING, STATE_HANDSHAKE, STATE_READY };

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
	struct event_base *base;
	struct evdns_base *dns;
	struct redis_url url;
	char *password_file, *client_name;
	SSL_CTX *tls;
	redis_event_fn *on_event;
	void *arg;
	enum state state;
	struct bufferevent *bev;
	redisReader *reader;
	size_t fed; /* bytes since the last complete reply */
	unsigned long
		connection; /* counts connections, so that a callback that ends one is noticed */
	unsigned handshake_left;
	struct pending *first, **last;
	struct subscription *subscriptions;
	struct event *timer; /* reconnect, connect limit, or keepalive, by state */
	bool ping_sent;
	struct backoff backoff;
	char peer[300];
	char cause[ERR_TEXT_MAX];
};

static void connect_now(struct redis *redis);

/* --- losing a connection ----------------------------------------------------------------------- */

static void set_timer(struct redis *redis, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(redis->timer, &delay);
}

static void answer_all_with_null(struct redis *redis)
{
	struct pending *pending = redis->first;

	redis->first = NULL;
	redis->last = &redis->first;
	while (pending) {
		struct pending *next = pending->next;

		if (pending->fn)
			pending->fn(NULL, pending->arg);
		free(pending);
		pending = next;
	}
}

static void drop_subscriptions(struct redis *redis)
{
	while (redis->subscriptions) {
		struct subscription *next = redis->subscriptions->next;

		free(redis->subscriptions->channel);
		free(redis->subscriptions);
		redis->subscriptions = next;
	}
}

static void close_connection(struct redis *redis)
{
	if (redis->bev)
		bufferevent_free(redis->bev);
	redis->bev = NULL;
	if (redis->reader)
		redisReaderFree(redis->reader);
	redis->reader = NULL;
	redis->connection++;
	redis->fed = 0;
	redis->ping_sent = false;
}

/* Ends the connection and schedules the next; the consumer hears of it only if it had heard READY. */
static void lose(struct redis *redis, const char *cause)
{
	bool was_ready = redis->state == STATE_READY;

	if (redis->state == STATE_WAITING)
		return;
	redis->state = STATE_WAITING;
	if (cause != redis->cause)
		snprintf(redis->cause, sizeof(redis->cause), "%s", cause);
	close_connection(redis);
	drop_subscriptions(redis);
	answer_all_with_null(redis);
	set_timer(redis, backoff_next(&redis->backoff));
	if (was_ready)
		redis->on_event(REDIS_LOST, redis->cause, redis->arg);
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

	if (send_words(redis, argc, argv, lens) < 0)
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
	const char *words[WORDS_MAX];
	size_t count = 0;
	va_list ap;

	va_start(ap, arg);
	while (count < WORDS_MAX && (words[count] = va_arg(ap, const char *)))
		count++;
	va_end(ap);
	return redis_command(redis, count, words, NULL, fn, arg);
}

int redis_subscribe(struct redis *redis, const char *channel, redis_message_fn *fn,
	redis_reply_fn *done, void *arg)
{
	const char *const words[] = {"SUBSCRIBE", channel};
	struct subscription *sub;

	/* its confirmation is told by its form, not by its place among the replies */
	if (redis->state != STATE_READY || send_words(redis, 2, words, NULL) < 0)
		return -1;
	sub = xcalloc(1, sizeof(*sub));
	sub->channel = xstrdup(channel);
	sub->fn = fn;
	sub->done = done;
	sub->arg = arg;
	sub->next = redis->subscriptions;
	redis->subscriptions = sub;
	return 0;
}

/* --- handshake --------------------------------------------------------------------------------- */

static void become_ready(struct redis *redis)
{
	redis->state = STATE_READY;
	redis->cause[0] = '\0';
	backoff_reset(&redis->backoff);
	set_timer(redis, IDLE_SECONDS * 1000);
	redis->on_event(REDIS_READY, "", redis->arg);
}

static void on_handshake(redis_reply *reply, void *arg)
{
	struct redis *redis = arg;
	struct err err = {0};

	if (!reply || redis->state != STATE_HANDSHAKE)
		return;
	if (redis_reply_failed(reply, &err)) {
		lose(redis, err.text);
		return;
	}
	if (!--redis->handshake_left)
		become_ready(redis);
}

/* First line of the password file, or NULL with *err. */
static char *read_password(const char *path, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");
	char line[4096];
	char *password = NULL;

	if (!file) {
		err_set(err, errno, "open password file %s", path);
	} else if (!fgets(line, sizeof(line), file)) {
		err_set(err, 0, "password file %s is empty", path);
	} else {
		line[strcspn(line, "\r\n")] = '\0';
		password = xstrdup(line);
		explicit_bzero(line, sizeof(line));
	}
	return password;
}

static int send_auth(struct redis *redis, struct err *err)
{
	cleanup_free char *from_file = NULL;
	const char *password = redis->url.password;
	const char *words[3] = {"AUTH"};
	size_t count = 1;
	int rc;

	if (redis->password_file) {
		from_file = read_password(redis->password_file, err);
		if (!from_file)
			return -1;
		password = from_file;
	}
	if (!password)
		return 0;
	if (redis->url.user)
		words[count++] = redis->url.user;
	words[count++] = password;
	redis->handshake_left++;
	rc = push(redis, count, words, NULL, on_handshake, redis);
	if (from_file)
		explicit_bzero(from_file, strlen(from_file));
	return rc < 0 ? err_set(err, 0, "send AUTH") : 0;
}

static void begin_handshake(struct redis *redis)
{
	const char *const setname[] = {"CLIENT", "SETNAME", redis->client_name};
	struct err err = {0};
	char db[12];
	const char *const select[] = {"SELECT", db};

	redis->state = STATE_HANDSHAKE;
	redis->handshake_left = 0;
	snprintf(db, sizeof(db), "%u", redis->url.db);
	if (send_auth(redis, &err) < 0) {
		lose(redis, err.text);
		return;
	}
	redis->handshake_left += 2;
	if (push(redis, 2, select, NULL, on_handshake, redis) < 0 ||
		push(redis, 3, setname, NULL, on_handshake, redis) < 0)
		lose(redis, "send handshake: out of memory");
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

/* True when the reply was a pub/sub push and has been dealt with. */
static bool route_push(struct redis *redis, redis_reply *reply)
{
	struct subscription *sub;

	if (!redis->subscriptions || reply->type != REDIS_REPLY_ARRAY || reply->elements < 2)
		return false;
	if (word_is(reply->element[0], "pong"))
		return false; /* answers our PING in its place */
	if (reply->elements < 3 || !(sub = find_subscription(redis, reply->element[1])))
		return true;
	if (word_is(reply->element[0], "message")) {
		size_t len = 0;
		const char *data = redis_reply_text(reply->element[2], &len);

		if (data)
			sub->fn(sub->channel, data, len, sub->arg);
	} else if (word_is(reply->element[0], "subscribe") && sub->done) {
		sub->done(reply, sub->arg);
	}
	return true;
}

static void answer(struct redis *redis, redis_reply *reply)
{
	struct pending *pending = redis->first;

	if (route_push(redis, reply))
		return;
	if (!pending) {
		lose(redis, "unexpected reply");
		return;
	}
	redis->first = pending->next;
	if (!redis->first)
		redis->last = &redis->first;
	if (pending->fn)
		pending->fn(reply, pending->arg);
	free(pending);
}

/* Feeds what came into the codec and answers every complete reply. */
static void on_read(struct bufferevent *bev, void *arg)
{
	struct redis *redis = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	unsigned long connection = redis->connection;
	size_t len = evbuffer_get_length(in);
	void *reply = NULL;

	redis->ping_sent = false;
	redis->fed += len;
	if (redis->fed > REPLY_MAX ||
		redisReaderFeed(redis->reader, (const char *)evbuffer_pullup(in, -1), len) !=
			REDIS_OK) {
		lose(redis, "reply is too large");
		return;
	}
	evbuffer_drain(in, len);
	while (redis->connection == connection) {
		if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
			cleanup_free char *cause =
				xasprintf("protocol error: %s", redis->reader->errstr);

			lose(redis, cause);
			return;
		}
		if (!reply)
			return;
		redis->fed = 0;
		answer(redis, reply);
		freeReplyObject(reply);
	}
}

static void on_bev_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis *redis = arg;
	char cause[256];

	if (what & BEV_EVENT_CONNECTED) {
		begin_handshake(redis);
		return;
	}
	if (redis->tls && redis->state == STATE_CONNECTING && bufferevent_openssl_get_ssl(bev) &&
		!(EVUTIL_SOCKET_ERROR() == ECONNREFUSED))
		redis_tls_cause(bufferevent_openssl_get_ssl(bev),
			bufferevent_get_openssl_error(bev), cause, sizeof(cause));
	else if (what & BEV_EVENT_EOF)
		snprintf(cause, sizeof(cause), "connection closed by the server");
	else if (bufferevent_socket_get_dns_error(bev))
		snprintf(cause, sizeof(cause), "resolve: %s",
			evutil_gai_strerror(bufferevent_socket_get_dns_error(bev)));
	else
		snprintf(cause, sizeof(cause), "%s",
			evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	lose(redis, cause);
}

/* --- connecting -------------------------------------------------------------------------------- */

static struct bufferevent *new_bufferevent(struct redis *redis, struct err *err)
{
	SSL *ssl;

	if (!redis->tls)
		return bufferevent_socket_new(redis->base, -1, BEV_OPT_CLOSE_ON_FREE);
	ssl = redis_tls_session(redis->tls, redis->url.host, err);
	if (!ssl)
		return NULL;
	return bufferevent_openssl_socket_new(
		redis->base, -1, ssl, BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
}

static int start_connect(struct redis *redis)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (!redis->url.path)
		return bufferevent_socket_connect_hostname(
			redis->bev, redis->dns, AF_UNSPEC, redis->url.host, redis->url.port);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", redis->url.path);
	return bufferevent_socket_connect(redis->bev, (struct sockaddr *)&sun, sizeof(sun));
}

static void connect_now(struct redis *redis)
{
	struct err err = {.text = "out of memory"};
	unsigned long connection;

	redis->state = STATE_CONNECTING;
	set_timer(redis, CONNECT_SECONDS * 1000);
	redis->reader = redisReaderCreate();
	redis->bev = new_bufferevent(redis, &err);
	if (!redis->bev || !redis->reader) {
		lose(redis, err.text);
		return;
	}
	connection = redis->connection;
	bufferevent_setcb(redis->bev, on_read, NULL, on_bev_event, redis);
	bufferevent_enable(redis->bev, EV_READ | EV_WRITE);
	if (start_connect(redis) < 0 && redis->connection == connection)
		lose(redis, strerror(errno));
}

/* Half-open connections show by a PING that nothing follows. */
static void keep_alive(struct redis *redis)
{
	const char *const ping[] = {"PING"};

	if (redis->ping_sent) {
		lose(redis, "no answer to PING");
		return;
	}
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
	case STATE_CONNECTING:
	case STATE_HANDSHAKE:
		lose(redis, "connect: timed out");
		break;
	case STATE_READY:
		keep_alive(redis);
		break;
	}
}

/* --- life -------------------------------------------------------------------------------------- */

static void name_peer(struct redis *redis)
{
	if (redis->url.path)
		snprintf(redis->peer, sizeof(redis->peer), "%.290s", redis->url.path);
	else
		snprintf(redis->peer, sizeof(redis->peer), "%.280s:%u", redis->url.host,
			redis->url.port);
}

static int open_parts(struct redis *redis, const struct redis_options *options, struct err *err)
{
	if (redis_url_parse(options->url, &redis->url, err) < 0)
		return -1;
	name_peer(redis);
	if (redis->url.tls) {
		redis->tls = redis_tls_context(options->ca, options->cert, options->key, err);
		if (!redis->tls)
			return -1;
	}
	redis->timer = evtimer_new(redis->base, on_timer, redis);
	/* needed for names only, but a resolver that is never asked costs one small allocation */
	redis->dns = redis->url.host
			     ? evdns_base_new(redis->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
								   EVDNS_BASE_DISABLE_WHEN_INACTIVE)
			     : NULL;
	return redis->timer ? 0 : err_set(err, ENOMEM, "create timer");
}

struct redis *redis_new(struct event_base *base, const struct redis_options *options,
	redis_event_fn *on_event, void *arg, struct err *err)
{
	CLEANUP(redis) struct redis *redis = xcalloc(1, sizeof(*redis));

	redis->base = base;
	redis->on_event = on_event;
	redis->arg = arg;
	redis->last = &redis->first;
	redis->password_file = options->password_file ? xstrdup(options->password_file) : NULL;
	redis->client_name = xstrdup(options->client_name ? options->client_name : "bulkhead");
	if (open_parts(redis, options, err) < 0)
		return NULL;
	set_timer(redis, 0);
	return steal_ptr(redis);
}

void redis_free(struct redis *redis)
{
	if (!redis)
		return;
	redis->state = STATE_WAITING;
	close_connection(redis);
	drop_subscriptions(redis);
	answer_all_with_null(redis);
	if (redis->timer)
		event_free(redis->timer);
	if (redis->dns)
		evdns_base_free(redis->dns, 0);
	SSL_CTX_free(redis->tls);
	redis_url_clear(&redis->url);
	free(redis->password_file);
	free(redis->client_name);
	free(redis);
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

/* --- replies ----------------------------------------------------------------------------------- */

const char *redis_reply_text(const redis_reply *reply, size_t *len)
{
	if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
			      reply->type != REDIS_REPLY_ERROR))
		return NULL;
	if (len)
		*len = (size_t)reply->len;
	return reply->str;
}

bool redis_reply_failed(const redis_reply *reply, struct err *err)
{
	if (!reply) {
		err_set(err, 0, "connection lost");
		return true;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		err_set(err, 0, "%s", reply->str);
		return true;
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR) {
			err_set(err, 0, "%s", reply->element[i]->str);
			return true;
		}
	return false;
}
