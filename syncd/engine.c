/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/engine.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <curl/curl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <utlist.h>

enum {
	HTTP_OK = 200,
	KEEPALIVE_SECONDS = 20,
	KEEPALIVE_INTERVAL_SECONDS = 5,
	KEEPALIVE_PROBES = 2,
	CONNECTIONS_MAX = 64,
	CONNECTIONS_KEPT = 16
};

struct request {
	struct engine *engine;
	CURL *easy;
	struct strbuf body; /* of a stream: what has come since it was last handed on */
	engine_answer_fn *fn;
	const struct engine_stream_ops *ops; /* NULL: not a stream */
	void *arg;
	bool opened, told_opened, too_large;
	char cause[CURL_ERROR_SIZE + sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct request *prev, *next;
};

/* A socket of libcurl's, as libevent watches it. */
struct watch {
	struct event *event;
	struct watch *prev, *next;
};

struct engine {
	struct event_base *base;
	struct engine_url url;
	char *prefix; /* "/v1.41" or "" */
	CURLM *multi;
	struct event *timer;
	struct request *requests;
	struct watch *watches;
	unsigned long epoch; /* counts engine_cancel(): requests seen before it are gone */
};

/* --- requests ------------------------------------------------------------------------------------ */

static void request_free(struct request *request)
{
	DL_DELETE(request->engine->requests, request);
	if (request->easy) {
		curl_multi_remove_handle(request->engine->multi, request->easy);
		curl_easy_cleanup(request->easy);
	}
	strbuf_free(&request->body);
	free(request);
}

/* Only takes in: libcurl does not allow new requests from here, so all callbacks come after it has returned. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct request *request = arg;

	if (request->body.len + size * count > ENGINE_BODY_MAX) {
		request->too_large = true;
		return 0;
	}
	strbuf_addn(&request->body, data, size * count);
	return size * count;
}

/* The empty line ends the headers: a stream is open then, though no event may come for hours. */
static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct request *request = arg;
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (size * count == 2 && data[0] == '\r' && status == HTTP_OK)
		request->opened = true;
	return size * count;
}

/* libcurl speaks of "localhost port 80" where it was a socket's path that could not be connected to. */
static void name_socket(struct request *request)
{
	long number = 0;

	curl_easy_getinfo(request->easy, CURLINFO_OS_ERRNO, &number);
	snprintf(request->cause, sizeof(request->cause), "connect to %s: %s",
		request->engine->url.unix_path, number ? strerror((int)number) : "failed");
}

static const char *cause_of(const struct request *request, CURLcode code)
{
	if (request->too_large)
		return "the answer is too large";
	return request->cause[0] ? request->cause : curl_easy_strerror(code);
}

static void finish_stream(struct request *request, CURLcode code, long status)
{
	cleanup_free char *refused = xasprintf("HTTP status %ld", status);
	const char *cause = code != CURLE_OK    ? cause_of(request, code)
			    : status != HTTP_OK ? refused
						: "the Engine ended it";

	request->ops->closed(cause, request->arg);
}

static void finish_request(struct request *request, CURLcode code, long status)
{
	struct engine_answer answer = {
		.status = code == CURLE_OK ? status : 0,
		.len = request->body.len,
		.cause = code == CURLE_OK ? "" : cause_of(request, code),
	};
	cleanup_free char *body = strbuf_take(&request->body);

	answer.body = body;
	request->fn(&answer, request->arg);
}

/* Takes the request off before its callback, which may cancel everything else. */
static void finish(struct engine *engine, struct request *request, CURLcode code)
{
	long status = 0;

	curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_COULDNT_CONNECT && engine->url.unix_path)
		name_socket(request);
	curl_multi_remove_handle(engine->multi, request->easy);
	curl_easy_cleanup(request->easy);
	request->easy = NULL;
	DL_DELETE(engine->requests, request);
	if (request->ops)
		finish_stream(request, code, status);
	else
		finish_request(request, code, status);
	strbuf_free(&request->body);
	free(request);
}

static void hand_on_data(struct request *request, unsigned long epoch)
{
	struct engine *engine = request->engine;
	size_t len = request->body.len;
	cleanup_free char *data = NULL;

	if (!request->opened)
		return;
	data = strbuf_take(&request->body);
	if (!request->told_opened) {
		request->told_opened = true;
		request->ops->opened(request->arg);
	}
	if (len && engine->epoch == epoch)
		request->ops->data(data, len, request->arg);
}

static void hand_on_streams(struct engine *engine)
{
	unsigned long epoch = engine->epoch;
	struct request *request = engine->requests;

	while (request && engine->epoch == epoch) {
		struct request *next = request->next;

		if (request->ops)
			hand_on_data(request, epoch);
		request = next;
	}
}

/* After each turn of libcurl: stream data first, then what is complete. */
static void hand_on(struct engine *engine)
{
	CURLMsg *message;
	int left;

	hand_on_streams(engine);
	while ((message = curl_multi_info_read(engine->multi, &left))) {
		struct request *request = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&request);
		finish(engine, request, code);
	}
}

/* --- libcurl on libevent ------------------------------------------------------------------------- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	int running, flags = (what & EV_READ ? CURL_CSELECT_IN : 0) |
			     (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	curl_multi_socket_action(engine->multi, fd, flags, &running);
	hand_on(engine);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct engine *engine = arg;
	int running;

	(void)fd;
	(void)what;
	curl_multi_socket_action(engine->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	hand_on(engine);
}

static void watch_free(struct engine *engine, struct watch *watch)
{
	if (!watch)
		return;
	DL_DELETE(engine->watches, watch);
	event_free(watch->event);
	free(watch);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *old)
{
	struct engine *engine = arg;
	struct watch *watch = old;
	short events = EV_PERSIST;

	(void)easy;
	watch_free(engine, watch);
	watch = NULL;
	if (what != CURL_POLL_REMOVE) {
		events |= what & CURL_POLL_IN ? EV_READ : 0;
		events |= what & CURL_POLL_OUT ? EV_WRITE : 0;
		watch = xcalloc(1, sizeof(*watch));
		watch->event = event_new(engine->base, fd, events, on_ready, engine);
		event_add(watch->event, NULL);
		DL_APPEND(engine->watches, watch);
	}
	curl_multi_assign(engine->multi, fd, watch);
	return 0;
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	struct engine *engine = arg;
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	(void)multi;
	if (ms < 0)
		evtimer_del(engine->timer);
	else
		evtimer_add(engine->timer, &delay);
	return 0;
}

/* --- sending ------------------------------------------------------------------------------------- */

/* The kernel's default are nine probes. There is an option of libcurl for it, but Debian 12's is older. */
static int on_socket_made(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const int probes = KEEPALIVE_PROBES;

	(void)arg;
	(void)purpose;
	/* fails on a unix socket, which has no need of it */
	(void)!setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
	return CURL_SOCKOPT_OK;
}

static void set_limits(CURL *easy, bool stream)
{
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)ENGINE_CONNECT_SECONDS);
	if (!stream)
		curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)ENGINE_ANSWER_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_INTERVAL_SECONDS);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket_made);
}

static void set_peer(CURL *easy, const struct engine_url *url)
{
	/* http_proxy in the environment is not meant for the Engine */
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, url->unix_path);
	if (!url->ca)
		return;
	curl_easy_setopt(easy, CURLOPT_CAINFO, url->ca);
	curl_easy_setopt(easy, CURLOPT_SSLCERT, url->cert);
	curl_easy_setopt(easy, CURLOPT_SSLKEY, url->key);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

static void send_request(struct engine *engine, struct request *request, const char *path)
{
	cleanup_free char *address = xasprintf("%s%s%s", engine->url.base, engine->prefix, path);
	CURL *easy = request->easy = curl_easy_init();

	if (!easy)
		abort(); /* like out of memory elsewhere */
	DL_APPEND(engine->requests, request);
	curl_easy_setopt(easy, CURLOPT_URL, address);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "bulkhead-syncd/" BULKHEAD_VERSION);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->cause);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
	set_limits(easy, request->ops != NULL);
	set_peer(easy, &engine->url);
	curl_multi_add_handle(engine->multi, easy);
}

void engine_get(struct engine *engine, const char *path, engine_answer_fn *fn, void *arg)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->engine = engine;
	request->fn = fn;
	request->arg = arg;
	send_request(engine, request, path);
}

void engine_stream(
	struct engine *engine, const char *path, const struct engine_stream_ops *ops, void *arg)
{
	struct request *request = xcalloc(1, sizeof(*request));

	request->engine = engine;
	request->ops = ops;
	request->arg = arg;
	send_request(engine, request, path);
}

void engine_set_api(struct engine *engine, const char *version)
{
	free(engine->prefix);
	engine->prefix = version ? xasprintf("/v%s", version) : xstrdup("");
}

/* --- life ---------------------------------------------------------------------------------------- */

static void open_multi(struct engine *engine)
{
	engine->multi = curl_multi_init();
	if (!engine->multi)
		abort(); /* like out of memory elsewhere */
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(engine->multi, CURLMOPT_SOCKETDATA, engine);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(engine->multi, CURLMOPT_TIMERDATA, engine);
	curl_multi_setopt(engine->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
	curl_multi_setopt(engine->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
}

static void close_multi(struct engine *engine)
{
	while (engine->requests)
		request_free(engine->requests);
	curl_multi_cleanup(engine->multi);
	while (engine->watches)
		watch_free(engine, engine->watches);
	evtimer_del(engine->timer);
}

void engine_cancel(struct engine *engine)
{
	engine->epoch++;
	close_multi(engine);
	open_multi(engine);
}

struct engine *engine_new(struct event_base *base, const struct engine_url *url, struct err *err)
{
	struct engine *engine;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		err_set(err, 0, "initialise libcurl");
		return NULL;
	}
	engine = xcalloc(1, sizeof(*engine));
	engine->base = base;
	engine->url = (struct engine_url){
		.base = xstrdup(url->base),
		.unix_path = url->unix_path ? xstrdup(url->unix_path) : NULL,
		.ca = url->ca ? xstrdup(url->ca) : NULL,
		.cert = url->cert ? xstrdup(url->cert) : NULL,
		.key = url->key ? xstrdup(url->key) : NULL,
	};
	engine->prefix = xstrdup("");
	engine->timer = evtimer_new(base, on_timer, engine);
	open_multi(engine);
	return engine;
}

void engine_free(struct engine *engine)
{
	if (!engine)
		return;
	close_multi(engine);
	event_free(engine->timer);
	engine_url_clear(&engine->url);
	free(engine->prefix);
	free(engine);
	curl_global_cleanup();
}
