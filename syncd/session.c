/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/session.h"

#include "common/backoff.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "syncd/api_version.h"
#include "syncd/clock.h"
#include "syncd/engine_events.h"
#include "syncd/event_lag.h"

#include <string.h>

enum { HTTP_OK = 200 };

/* Percent-encoded {"type":["container","network","daemon"]}; finer filters would hide network connect events. */
#define EVENTS_PATH                                                                         \
	"/events?filters=%7B%22type%22%3A%5B%22container%22%2C%22network%22%2C%22daemon%22" \
	"%5D%7D"

struct session {
	struct engine *engine;
	const struct label_prefixes *prefixes;
	char *api_version;
	struct session_ops ops;
	void *arg;
	struct event *timer; /* begin; while up: next ping, or the limit of one under way */
	struct backoff backoff;
	bool up, pinging;
	bool told;                 /* this outage has been logged */
	double opened;             /* when the stream was, in monotonic seconds */
	unsigned long long losses; /* of an open stream, ever */
	unsigned long long recent; /* of those, since one stood for long */
	char trouble[ERR_TEXT_MAX];
	struct docker_version version;
	struct docker_info info;
	struct event_lines lines;
	struct event_lag lag;
	double late_told; /* in monotonic seconds, or 0 */
};

static void set_timer(struct session *session, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(session->timer, &delay);
}

/* The first loss is an outage, a second one soon after begins a series of them, of which no more is said. */
static void lost(struct session *session, const char *cause)
{
	double stood = monotonic_seconds() - session->opened;

	session->losses++;
	session->recent++;
	if (stood * 1e3 >= SESSION_WORKS_MS)
		backoff_reset(&session->backoff);
	if (session->recent == 1) {
		log_warn("engine",
			"lost the Engine: %s; what is published stays, retrying without another "
			"word",
			cause);
		session->told = true;
	} else if (session->recent == 2) {
		log_warn("engine",
			"lost the Engine again, %.1f s after the connection: %s; not a word more "
			"of such until one has stood for %d s",
			stood, cause, SESSION_STANDS_SECONDS);
	}
}

static void not_reached(struct session *session, const char *cause)
{
	if (!session->told)
		log_warn("engine",
			"cannot reach the Engine: %s; what is published stays, retrying without "
			"another word",
			cause);
	session->told = true;
}

void session_restart(struct session *session, const char *cause)
{
	bool was_up = session->up;

	session->up = session->pinging = false;
	snprintf(session->trouble, sizeof(session->trouble), "%s", cause);
	engine_cancel(session->engine);
	event_lines_clear(&session->lines);
	if (was_up)
		lost(session, cause);
	else
		not_reached(session, cause);
	set_timer(session, backoff_next(&session->backoff));
	if (was_up)
		session->ops.down(session->arg);
}

/* What is wrong with an answer that should have had status 200; NULL: nothing. Caller frees. */
static char *complaint(struct engine_answer *answer, const char *what)
{
	cleanup_free char *message = NULL;

	if (answer->status == HTTP_OK)
		return NULL;
	if (!answer->status)
		return xasprintf("%s: %s", what, answer->cause);
	message = docker_parse_message(answer->body, answer->len);
	return xasprintf("%s: HTTP status %ld: %s", what, answer->status,
		message ? message : "no reason given");
}

static bool failed(struct session *session, struct engine_answer *answer, const char *what)
{
	cleanup_free char *cause = complaint(answer, what);

	if (cause)
		session_restart(session, cause);
	return cause != NULL;
}

/* --- up ------------------------------------------------------------------------------------------ */

/* A series of losses is over. */
static void stands(struct session *session)
{
	if (session->recent > 1)
		log_info("engine", "connected to Engine %s, which stands after %llu losses",
			session->info.name, session->recent);
	session->recent = 0;
	session->told = false;
}

static void on_pong(struct engine_answer *answer, void *arg)
{
	struct session *session = arg;

	session->pinging = false;
	if (failed(session, answer, "ping"))
		return;
	if (session->recent && monotonic_seconds() - session->opened >= SESSION_STANDS_SECONDS)
		stands(session);
	set_timer(session, SESSION_PING_SECONDS * 1000);
}

static void ping(struct session *session)
{
	session->pinging = true;
	set_timer(session, SESSION_PING_LIMIT_SECONDS * 1000);
	engine_get(session->engine, "/_ping", on_pong, session);
}

/* Asked for everything each time, as there may be more each time, but not told as often. */
static void events_lost(struct session *session)
{
	double now = monotonic_seconds();

	if (!session->late_told || now - session->late_told >= SESSION_LATE_TOLD_SECONDS) {
		log_warn("engine", "event stream: events come late and some may be missing; "
				   "reading everything again");
		session->late_told = now;
	}
	session->ops.event_lost(session->arg);
}

static bool on_line(char *line, size_t len, void *arg)
{
	struct session *session = arg;
	struct docker_event event = {0};
	struct err err = {0};

	if (docker_parse_event(line, len, session->prefixes, &event, &err) < 0) {
		log_warn("engine", "event stream: %s; reading everything again", err.text);
		session->ops.event_lost(session->arg);
	} else {
		if (event_lag_add(&session->lag, event.time_ns, wall_nanoseconds()))
			events_lost(session);
		if (event.action != ACTION_OTHER)
			session->ops.event(&event, session->arg);
	}
	docker_event_clear(&event);
	return session->up;
}

static void on_data(const char *data, size_t len, void *arg)
{
	struct session *session = arg;
	size_t too_long = event_lines_feed(&session->lines, data, len, on_line, session);

	if (too_long && session->up) {
		log_warn("engine",
			"event stream: %zu event(s) of more than %d bytes left out; reading "
			"everything again",
			too_long, EVENT_LINE_MAX);
		session->ops.event_lost(session->arg);
	}
	if (session->up)
		session->ops.events_end(session->arg);
}

static void on_opened(void *arg)
{
	struct session *session = arg;

	session->up = true;
	session->opened = monotonic_seconds();
	session->trouble[0] = '\0';
	set_timer(session, SESSION_PING_SECONDS * 1000);
	if (session->recent < 2) {
		session->told = false;
		log_info("engine", "connected to Engine %s (%s), version %s", session->info.name,
			session->info.id, session->version.version);
	}
	session->ops.up(&session->version, &session->info, session->arg);
}

static void on_closed(const char *cause, void *arg)
{
	cleanup_free char *text = xasprintf("event stream: %s", cause);

	session_restart(arg, text);
}

/* --- connecting ---------------------------------------------------------------------------------- */

/*
 * The Engine sends the headers before it subscribes us. Events since its clock at the info answer are replayed, so that none
 * can fall into that gap; those that come twice do no harm.
 */
static void open_stream(struct session *session)
{
	static const struct engine_stream_ops ops = {on_opened, on_data, on_closed};
	const char *since = session->info.since;
	cleanup_free char *path =
		xasprintf("%s%s%s", EVENTS_PATH, since ? "&since=" : "", since ? since : "");

	engine_stream(session->engine, path, &ops, session);
}

static void on_info(struct engine_answer *answer, void *arg)
{
	struct session *session = arg;
	long long now = wall_nanoseconds();
	struct docker_info info;
	struct err err = {0};

	if (failed(session, answer, "info"))
		return;
	if (docker_parse_info(answer->body, answer->len, &info, &err) < 0) {
		session_restart(session, err.text);
		return;
	}
	docker_info_clear(&session->info);
	session->info = info;
	event_lag_reset(&session->lag, info.clock_ns ? info.clock_ns : now, now);
	open_stream(session);
}

static int choose_api(struct session *session, struct err *err)
{
	char version[API_VERSION_SIZE];

	if (session->api_version) {
		engine_set_api(session->engine, session->api_version);
		return 0;
	}
	if (api_version_negotiate(session->version.min_api, session->version.api, version, err) < 0)
		return -1;
	engine_set_api(session->engine, version);
	return 0;
}

static void on_version(struct engine_answer *answer, void *arg)
{
	struct session *session = arg;
	struct docker_version version;
	struct err err = {0};

	if (failed(session, answer, "version"))
		return;
	if (docker_parse_version(answer->body, answer->len, &version, &err) < 0) {
		session_restart(session, err.text);
		return;
	}
	docker_version_clear(&session->version);
	session->version = version;
	if (choose_api(session, &err) < 0) {
		session_restart(session, err.text);
		return;
	}
	engine_get(session->engine, "/info", on_info, session);
}

/* The Engine may have been upgraded meanwhile: the version is asked for each time. */
static void begin(struct session *session)
{
	engine_set_api(session->engine, NULL);
	engine_get(session->engine, "/version", on_version, session);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	if (!session->up)
		begin(session);
	else if (session->pinging)
		session_restart(session, "ping: no answer");
	else
		ping(session);
}

/* --- interface ----------------------------------------------------------------------------------- */

bool session_is_up(const struct session *session)
{
	return session->up;
}

const char *session_trouble(const struct session *session)
{
	return session->trouble;
}

unsigned long long session_losses(const struct session *session)
{
	return session->losses;
}

struct session *session_new(struct event_base *base, struct engine *engine,
	const struct session_options *options, const struct session_ops *ops, void *arg)
{
	struct session *session = xcalloc(1, sizeof(*session));

	session->engine = engine;
	session->prefixes = options->prefixes;
	session->api_version = options->api_version ? xstrdup(options->api_version) : NULL;
	session->ops = *ops;
	session->arg = arg;
	snprintf(session->trouble, sizeof(session->trouble), "not connected yet");
	session->timer = evtimer_new(base, on_timer, session);
	set_timer(session, 0);
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	engine_cancel(session->engine);
	event_free(session->timer);
	event_lines_clear(&session->lines);
	docker_version_clear(&session->version);
	docker_info_clear(&session->info);
	free(session->api_version);
	free(session);
}
