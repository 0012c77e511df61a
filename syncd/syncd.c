/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/syncd.h"

#include "common/health.h"
#include "common/log.h"
#include "common/record.h"
#include "common/xalloc.h"
#include "syncd/clock.h"
#include "syncd/follower.h"
#include "syncd/publisher.h"
#include "syncd/session.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>

enum { RELEASE_SECONDS = 2, BOOT_ID_SIZE = 64, SIGNAL_COUNT = 3 };

struct syncd {
	const struct options *options;
	struct event_base *base;
	struct engine *engine;
	struct session *session;
	struct inventory *inventory; /* NULL until the Engine has told who it is */
	struct follower *follower;   /* likewise */
	struct publisher *publisher;
	struct health *health;
	struct event *signals[SIGNAL_COUNT];
	struct event *resync_timer;
	char *node, *engine_id;
	bool rewrite_wanted; /* at the end of the next comparison: the first one, SIGHUP */
	unsigned long long events, losses;
	bool stopping;
	bool gave_up;
	struct err reason; /* for giving up */
};

static void give_up(struct syncd *syncd)
{
	syncd->gave_up = true;
	event_base_loopbreak(syncd->base);
}

/* --- inventory to Redis -------------------------------------------------------------------------- */

static void on_changed(double since, void *arg)
{
	struct syncd *syncd = arg;

	publisher_flush(syncd->publisher, since);
}

static void on_synced(void *arg)
{
	struct syncd *syncd = arg;

	publisher_flush(syncd->publisher, 0);
	if (syncd->rewrite_wanted)
		publisher_rewrite(syncd->publisher);
	syncd->rewrite_wanted = false;
}

static void on_overflow(void *arg)
{
	struct syncd *syncd = arg;

	session_restart(syncd->session, "more events than can be followed");
}

static void on_warn(const char *text, void *arg)
{
	(void)arg;
	log_warn("inventory", "%s", text);
}

static void on_refused(const char *holder, void *arg)
{
	struct syncd *syncd = arg;

	err_set(&syncd->reason, 0, "node name %s is held by another syncd: %s", syncd->node,
		holder ? holder : "unknown");
	give_up(syncd);
}

/* --- the Engine ---------------------------------------------------------------------------------- */

static void read_boot_id(char text[BOOT_ID_SIZE])
{
	cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, BOOT_ID_SIZE - 1);

	text[len > 0 ? len : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (!text[0])
		snprintf(text, BOOT_ID_SIZE, "unknown");
}

/* The first contact: from here on it is known for whom to write what. */
static int become(struct syncd *syncd, const struct docker_info *info, struct err *err)
{
	static const struct follower_ops ops = {on_changed, on_synced, on_overflow};
	const char *node = syncd->options->daemon.node ? syncd->options->daemon.node : info->name;
	const struct inventory_options options = {
		.node = node,
		.prefixes = syncd->options->prefixes,
		.image_labels = syncd->options->image_labels,
		.warn = on_warn,
		.arg = syncd,
	};
	char boot[BOOT_ID_SIZE];
	struct store_identity identity = {
		.node = node, .engine = info->id, .boot = boot, .version = BULKHEAD_VERSION};

	if (node_name_check(node, err) < 0)
		return err_wrap(err, "the Engine's name cannot be the node's (use --node)");
	read_boot_id(boot);
	syncd->node = xstrdup(node);
	syncd->engine_id = xstrdup(info->id);
	syncd->inventory = inventory_new(&options);
	syncd->follower = follower_new(syncd->base, syncd->engine, syncd->inventory,
		syncd->options->prefixes, &ops, syncd);
	publisher_identify(syncd->publisher, &identity, syncd->inventory);
	log_info("syncd", "publishing as node %s", node);
	return 0;
}

static void on_up(const struct docker_version *version, const struct docker_info *info, void *arg)
{
	struct syncd *syncd = arg;

	(void)version;
	if (!syncd->engine_id && become(syncd, info, &syncd->reason) < 0) {
		give_up(syncd);
		return;
	}
	if (strcmp(syncd->engine_id, info->id) != 0) {
		/* another identity is another lease: a fresh process takes it as if it came first */
		err_set(&syncd->reason, 0, "the Engine is another one now: it was %s and is %s",
			syncd->engine_id, info->id);
		give_up(syncd);
		return;
	}
	follower_sync(syncd->follower);
}

static void on_event(const struct docker_event *event, void *arg)
{
	struct syncd *syncd = arg;

	syncd->events++;
	log_debug("engine", "event %s of %s, %.3f ms old", docker_action_name(event->action),
		event->id, ((double)wall_nanoseconds() - (double)event->time_ns) / 1e6);
	if (syncd->follower)
		follower_event(syncd->follower, event);
}

static void on_events_end(void *arg)
{
	struct syncd *syncd = arg;

	if (syncd->follower)
		follower_events_end(syncd->follower);
}

static void on_event_lost(void *arg)
{
	struct syncd *syncd = arg;

	syncd->losses++;
	if (syncd->follower)
		follower_sync(syncd->follower);
}

static void on_down(void *arg)
{
	struct syncd *syncd = arg;

	if (syncd->follower)
		follower_stop(syncd->follower);
}

/* --- health and metrics -------------------------------------------------------------------------- */

static bool on_ready(struct strbuf *reasons, void *arg)
{
	struct syncd *syncd = arg;
	bool ready = session_is_up(syncd->session);

	if (!ready)
		strbuf_addf(reasons, "engine: %s\n", session_trouble(syncd->session));
	else if (!syncd->follower || !follower_is_synced(syncd->follower)) {
		ready = false;
		strbuf_addf(reasons, "engine: %s\n",
			syncd->follower && *follower_trouble(syncd->follower)
				? follower_trouble(syncd->follower)
				: "not compared yet");
	}
	return publisher_ready(syncd->publisher, reasons) && ready;
}

struct metric {
	const char *name, *type, *help;
	double value;
};

static void on_metrics(struct strbuf *out, void *arg)
{
	struct syncd *syncd = arg;
	const struct publisher_stats *written = publisher_stats(syncd->publisher);
	bool followed = syncd->follower != NULL;
	struct inventory_stats have = {0};

	if (syncd->inventory)
		inventory_stats(syncd->inventory, &have);
	const struct metric metrics[] = {
		{"endpoints", "gauge", "Endpoint records published.", (double)have.endpoints},
		{"networks", "gauge", "Network records published.", (double)have.networks},
		{"endpoints_held", "gauge", "Endpoints whose labels are not certain yet.",
			(double)have.held},
		{"rejected_labels", "gauge", "Labels that do not count, over all endpoints.",
			(double)have.rejected},
		{"engine_connected", "gauge", "1 while the event stream is open.",
			session_is_up(syncd->session)},
		{"engine_losses_total", "counter", "Times an open event stream was lost.",
			(double)session_losses(syncd->session)},
		{"engine_in_sync", "gauge", "1 while a full comparison holds.",
			followed && follower_is_synced(syncd->follower)},
		{"redis_connected", "gauge", "1 while connected to Redis.",
			publisher_connected(syncd->publisher)},
		{"events_total", "counter", "Events of the Engine taken in.",
			(double)syncd->events},
		{"event_losses_total", "counter", "Times that events were, or may have been, lost.",
			(double)syncd->losses},
		{"resyncs_total", "counter", "Full comparisons completed.",
			followed ? (double)follower_syncs(syncd->follower) : 0},
		{"writes_total", "counter", "Transactions written to Redis.",
			(double)written->writes},
		{"write_failures_total", "counter", "Transactions that failed.",
			(double)written->failures},
		{"publish_latency_last_seconds", "gauge",
			"From an event read to its record in Redis, the last.",
			written->latency_last},
		{"publish_latency_max_seconds", "gauge",
			"From an event read to its record in Redis, the longest.",
			written->latency_max},
	};

	metric_write(out, "bulkhead_build_info", "gauge", "What this is.",
		"program=\"syncd\",version=\"" BULKHEAD_VERSION "\"", 1);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++) {
		cleanup_free char *name = xasprintf("bulkhead_syncd_%s", metrics[i].name);

		metric_write(out, name, metrics[i].type, metrics[i].help, NULL, metrics[i].value);
	}
}

/* --- signals and timers -------------------------------------------------------------------------- */

static void on_released(void *arg)
{
	struct syncd *syncd = arg;

	event_base_loopbreak(syncd->base);
}

static void on_stop(evutil_socket_t signal, short what, void *arg)
{
	const struct timeval limit = {.tv_sec = RELEASE_SECONDS};
	struct syncd *syncd = arg;

	(void)what;
	if (syncd->stopping)
		return;
	log_info("syncd", "signal %d: ending; what is published stays", (int)signal);
	syncd->stopping = true;
	event_base_loopexit(syncd->base, &limit);
	publisher_release(syncd->publisher, on_released, syncd);
}

static void on_hangup(evutil_socket_t signal, short what, void *arg)
{
	struct syncd *syncd = arg;

	(void)signal;
	(void)what;
	log_info("syncd", "SIGHUP: reading everything again");
	syncd->rewrite_wanted = true;
	if (syncd->follower && session_is_up(syncd->session))
		follower_sync(syncd->follower);
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	struct syncd *syncd = arg;

	(void)fd;
	(void)what;
	if (syncd->follower && session_is_up(syncd->session))
		follower_sync(syncd->follower);
}

static void add_signals(struct syncd *syncd)
{
	static const struct {
		int number;
		event_callback_fn fn;
	} handlers[SIGNAL_COUNT] = {
		{SIGTERM, on_stop},
		{SIGINT, on_stop},
		{SIGHUP, on_hangup},
	};

	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		syncd->signals[i] =
			evsignal_new(syncd->base, handlers[i].number, handlers[i].fn, syncd);
		event_add(syncd->signals[i], NULL);
	}
	/* a peer that closes while we write is an error of that write */
	signal(SIGPIPE, SIG_IGN);
}

/* --- life ---------------------------------------------------------------------------------------- */

static int open_parts(struct syncd *syncd, struct err *err)
{
	static const struct session_ops session_ops = {
		on_up, on_event, on_events_end, on_event_lost, on_down};
	static const struct health_ops health_ops = {on_ready, on_metrics};
	const struct options *options = syncd->options;
	const struct redis_options redis = daemon_options_redis(&options->daemon, "bulkhead-syncd");
	const struct session_options session = {
		.prefixes = options->prefixes, .api_version = options->api_version};

	syncd->publisher = publisher_new(syncd->base, &redis, on_refused, syncd, err);
	if (!syncd->publisher)
		return -1;
	syncd->engine = engine_new(syncd->base, &options->engine, err);
	if (!syncd->engine)
		return -1;
	syncd->session = session_new(syncd->base, syncd->engine, &session, &session_ops, syncd);
	if (!strcmp(options->daemon.listen_on, "none"))
		return 0;
	syncd->health = health_new(syncd->base, options->daemon.listen_on, &health_ops, syncd, err);
	return syncd->health ? 0 : -1;
}

struct syncd *syncd_new(const struct options *options, struct err *err)
{
	const struct timeval resync = {.tv_sec = options->daemon.resync_seconds};
	CLEANUP(syncd) struct syncd *syncd = xcalloc(1, sizeof(*syncd));

	syncd->options = options;
	syncd->rewrite_wanted = true;
	syncd->base = event_base_new();
	if (!syncd->base) {
		err_set(err, 0, "create event loop");
		return NULL;
	}
	if (open_parts(syncd, err) < 0)
		return NULL;
	add_signals(syncd);
	syncd->resync_timer = event_new(syncd->base, -1, EV_PERSIST, on_resync, syncd);
	event_add(syncd->resync_timer, &resync);
	return steal_ptr(syncd);
}

int syncd_run(struct syncd *syncd, struct err *err)
{
	event_base_dispatch(syncd->base);
	if (!syncd->gave_up)
		return 0;
	*err = syncd->reason;
	return -1;
}

void syncd_free(struct syncd *syncd)
{
	if (!syncd)
		return;
	health_free(syncd->health);
	session_free(syncd->session);
	follower_free(syncd->follower);
	engine_free(syncd->engine);
	publisher_free(syncd->publisher);
	inventory_free(syncd->inventory);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (syncd->signals[i])
			event_free(syncd->signals[i]);
	if (syncd->resync_timer)
		event_free(syncd->resync_timer);
	if (syncd->base)
		event_base_free(syncd->base);
	free(syncd->node);
	free(syncd->engine_id);
	free(syncd);
}
