/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_sentinel.h"

#include "common/redis_codec.h"
#include "common/redis_password.h"
#include "common/xalloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <hiredis/hiredis.h>
#include <string.h>

/* For one Sentinel, from the first byte to its answer; an address is never longer than its bytes. */
enum { SENTINEL_MS = 2000, ANSWER_MAX = 4096 };

struct redis_sentinel {
	const struct redis_url *url;
	struct redis_transport *transport;
	char *password_file;
	redis_sentinel_fn *fn;
	void *arg;
	size_t first, asked; /* the one to begin with; how many were asked for this question */
	struct bufferevent *bev;
	struct redis_codec *codec;
	bool login;          /* its answer comes before the one to the question */
	size_t taken;        /* bytes of the answer so far */
	struct event *timer; /* the next one's turn, or the limit of the one being asked */
	bool begin;          /* which of the two */
	char cause[ERR_TEXT_MAX];
};

static void ask_next(struct redis_sentinel *sentinel);

static void hang_up(struct redis_sentinel *sentinel)
{
	if (sentinel->bev)
		bufferevent_free(sentinel->bev);
	sentinel->bev = NULL;
	redis_codec_free(steal_ptr(sentinel->codec));
	evtimer_del(sentinel->timer);
}

static const struct redis_address *current(const struct redis_sentinel *sentinel)
{
	size_t at = (sentinel->first + sentinel->asked) % sentinel->url->sentinel_count;

	return &sentinel->url->sentinels[at];
}

/* From the loop: a callback of the bufferevent that failed is not to find another in its place. */
static void try_from_loop(struct redis_sentinel *sentinel)
{
	static const struct timeval now = {0};

	sentinel->begin = true;
	evtimer_add(sentinel->timer, &now);
}

static void give_up_on(struct redis_sentinel *sentinel, const char *cause)
{
	const struct redis_address *one = current(sentinel);

	hang_up(sentinel);
	snprintf(sentinel->cause, sizeof(sentinel->cause), "Sentinel %s port %u: %s", one->host,
		one->port, cause);
	sentinel->asked++;
	try_from_loop(sentinel);
}

/* --- answer ------------------------------------------------------------------------------------ */

static int read_port(const char *text, uint16_t *port)
{
	char *end = NULL;
	unsigned long value = text ? strtoul(text, &end, 10) : 0;

	if (!value || value > UINT16_MAX || *end)
		return -1;
	*port = (uint16_t)value;
	return 0;
}

static void take_answer(struct redis_sentinel *sentinel, const redis_reply *reply)
{
	struct redis_address master = {0};
	struct err err = {0};
	const char *host;

	if (reply->type == REDIS_REPLY_NIL) {
		err_set(&err, 0, "knows no master called %s", sentinel->url->master);
		give_up_on(sentinel, err.text);
		return;
	}
	if (redis_reply_failed(reply, &err)) {
		give_up_on(sentinel, err.text);
		return;
	}
	host = reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
		       ? redis_reply_text(reply->element[0], NULL)
		       : NULL;
	if (!host || !redis_host_ok(host) ||
		read_port(redis_reply_text(reply->element[1], NULL), &master.port) < 0) {
		give_up_on(sentinel, "the answer is no address");
		return;
	}
	sentinel->first = (sentinel->first + sentinel->asked) % sentinel->url->sentinel_count;
	sentinel->asked = 0;
	master.host = xstrdup(host);
	hang_up(sentinel);
	sentinel->fn(&master, "", sentinel->arg);
	free(master.host);
}

/* True while there may be more to take. */
static bool take_next(struct redis_sentinel *sentinel)
{
	redis_reply *reply = NULL;
	struct err err = {0};
	bool more = false;

	if (redis_codec_next(sentinel->codec, &reply, &err) < 0) {
		give_up_on(sentinel, err.text);
		return false;
	}
	if (!reply)
		return false;
	if (!sentinel->login) {
		take_answer(sentinel, reply);
	} else if (redis_reply_failed(reply, &err)) {
		err_wrap(&err, "login");
		give_up_on(sentinel, err.text);
	} else {
		sentinel->login = false;
		more = true;
	}
	freeReplyObject(reply);
	return more;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct redis_sentinel *sentinel = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	struct err err = {0};
	int rc = (sentinel->taken += len) <= ANSWER_MAX
			 ? redis_codec_feed(sentinel->codec, evbuffer_pullup(in, -1), len, &err)
			 : err_set(&err, 0, "the answer is longer than %d bytes", ANSWER_MAX);

	evbuffer_drain(in, len);
	if (rc < 0)
		give_up_on(sentinel, err.text);
	else
		while (take_next(sentinel))
			;
}

/* --- question ---------------------------------------------------------------------------------- */

static int send_words(
	struct redis_sentinel *sentinel, size_t count, const char **words, struct err *err)
{
	char *text = NULL;
	int len = redisFormatCommandArgv(&text, (int)count, words, NULL);

	if (len < 0)
		return err_set(err, 0, "out of memory");
	bufferevent_write(sentinel->bev, text, (size_t)len);
	explicit_bzero(text, (size_t)len);
	redisFreeCommand(text);
	return 0;
}

static int push_login(struct redis_sentinel *sentinel, const char *password, struct err *err)
{
	const char *words[3] = {"AUTH"};
	size_t count = 1;

	if (sentinel->url->sentinel_user)
		words[count++] = sentinel->url->sentinel_user;
	words[count++] = password;
	sentinel->login = true;
	return send_words(sentinel, count, words, err);
}

/* Where there is a password for them; one that wants another login says so. */
static int send_login(struct redis_sentinel *sentinel, struct err *err)
{
	char *from_file;
	int rc;

	sentinel->login = false;
	if (!sentinel->password_file)
		return sentinel->url->sentinel_password
			       ? push_login(sentinel, sentinel->url->sentinel_password, err)
			       : 0;
	from_file = redis_password_read(sentinel->password_file, err);
	if (!from_file)
		return -1;
	rc = push_login(sentinel, from_file, err);
	explicit_bzero(from_file, strlen(from_file));
	free(from_file);
	return rc;
}

static void send_question(struct redis_sentinel *sentinel)
{
	const char *words[] = {"SENTINEL", "get-master-addr-by-name", sentinel->url->master};
	struct err err = {0};

	if (send_login(sentinel, &err) < 0 || send_words(sentinel, 3, words, &err) < 0)
		give_up_on(sentinel, err.text);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct redis_sentinel *sentinel = arg;
	char cause[256];

	if (what & BEV_EVENT_CONNECTED) {
		send_question(sentinel);
		return;
	}
	redis_transport_cause(sentinel->transport, bev, what, cause, sizeof(cause));
	give_up_on(sentinel, cause);
}

static void ask_next(struct redis_sentinel *sentinel)
{
	static const struct timeval limit = {.tv_sec = SENTINEL_MS / 1000};
	const struct redis_address *one = current(sentinel);
	struct bufferevent *bev;
	struct err err = {0};

	if (sentinel->asked == sentinel->url->sentinel_count) {
		sentinel->fn(NULL, sentinel->cause, sentinel->arg);
		return;
	}
	sentinel->codec = redis_codec_new();
	sentinel->taken = 0;
	sentinel->bev = bev = redis_transport_open(sentinel->transport, one->host, &err);
	if (!bev) {
		give_up_on(sentinel, err.text);
		return;
	}
	sentinel->begin = false;
	evtimer_add(sentinel->timer, &limit);
	bufferevent_setcb(bev, on_read, NULL, on_event, sentinel);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	if (redis_transport_connect(sentinel->transport, bev, one->port) < 0 &&
		sentinel->bev == bev)
		give_up_on(sentinel, strerror(errno));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct redis_sentinel *sentinel = arg;

	(void)fd;
	(void)what;
	if (sentinel->begin)
		ask_next(sentinel);
	else
		give_up_on(sentinel, "does not answer");
}

void redis_sentinel_ask(struct redis_sentinel *sentinel)
{
	redis_sentinel_cancel(sentinel);
	try_from_loop(sentinel);
}

void redis_sentinel_cancel(struct redis_sentinel *sentinel)
{
	hang_up(sentinel);
	sentinel->asked = 0;
}

/* --- life -------------------------------------------------------------------------------------- */

struct redis_sentinel *redis_sentinel_new(struct event_base *base, const struct redis_url *url,
	struct redis_transport *transport, const char *password_file, redis_sentinel_fn *fn,
	void *arg)
{
	struct redis_sentinel *sentinel = xcalloc(1, sizeof(*sentinel));

	sentinel->url = url;
	sentinel->transport = transport;
	sentinel->password_file = password_file ? xstrdup(password_file) : NULL;
	sentinel->fn = fn;
	sentinel->arg = arg;
	sentinel->timer = evtimer_new(base, on_timer, sentinel);
	if (!sentinel->timer) {
		free(sentinel->password_file);
		free(sentinel);
		return NULL;
	}
	return sentinel;
}

void redis_sentinel_free(struct redis_sentinel *sentinel)
{
	if (!sentinel)
		return;
	hang_up(sentinel);
	event_free(sentinel->timer);
	free(sentinel->password_file);
	free(sentinel);
}
