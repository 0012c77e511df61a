/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/app.h"

#include "common/health.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/bridges.h"
#include "enforcerd/dataplane.h"
#include "enforcerd/first_look.h"
#include "enforcerd/flow_log.h"
#include "enforcerd/flow_lookup.h"
#include "enforcerd/kept.h"
#include "enforcerd/peers.h"
#include "enforcerd/report.h"
#include "enforcerd/streams.h"
#include "enforcerd/whereabouts.h"
#include "enforcerd/world.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { HEARTBEAT_SECONDS = 5, INSTANCE_SIZE = 17 };

struct app {
	const struct options *options;
	struct event_base *base;
	struct world *world;
	struct skeleton_config skeleton;
	struct dataplane *dataplane;
	struct bridges *bridges;
	struct whereabouts *whereabouts;
	struct streams *streams;
	struct peers *peers; /* other nodes */
	struct flow_log *flow_log;
	struct kept *kept; /* on disk, for the next boot */
	struct first_look *first_look;
	struct redis *commands, *pubsub;
	struct redis *peer_commands, *peer_pubsub; /* what others write cannot cut the own ones */
	struct health *health;
	struct event *signals[3];
	struct event *resync_timer, *heartbeat_timer;
	struct report report;
	char instance[INSTANCE_SIZE];
	char redis_cause[ERR_TEXT_MAX]; /* last said why Redis is away */
	bool reporting;                 /* a status write is under way */
	bool report_wanted;             /* and another is due after it */
};

/* --- status ------------------------------------------------------------------------------------ */

static void report_send(struct app *app);

static void on_reported(redis_reply *reply, void *arg)
{
	struct app *app = arg;
	struct err err = {0};

	app->reporting = false;
	if (reply && redis_reply_failed(reply, &err))
		log_warn("status", "write status: %s", err.text);
	if (app->report_wanted)
		report_send(app);
}

static json_t *not_enforced_json(struct app *app)
{
	json_t *list = world_not_enforced(app->world);

	bridges_blind(app->bridges, list);
	return list;
}

static json_t *problems_json(struct app *app)
{
	json_t *list = world_problems(app->world);

	if (kept_trouble(app->kept)[0])
		json_array_append_new(list, json_sprintf("state: %s", kept_trouble(app->kept)));
	whereabouts_problems(app->whereabouts, list);
	streams_problems(app->streams, list);
	peers_problems(app->peers, list);
	return list;
}

static bool app_in_force(const struct app *app)
{
	return streams_both_taken(app->streams) && !ruleset_dirty(world_ruleset(app->world)) &&
	       app->report.commits > 0;
}

static const char *bridge_word(struct app *app)
{
	if (app->skeleton.bridge_tracked)
		return "bridge";
	return bridge_netfilter_present() ? "inet" : "none";
}

/* Brings the report's live values up to date; its JSON members are the caller's to release. */
static void report_fill(struct app *app)
{
	struct report *r = &app->report;

	world_stats(app->world, &r->stats);
	peers_count(app->peers, &r->peers);
	snprintf(r->endpoints_head, sizeof(r->endpoints_head), "%s",
		streams_node_head(app->streams));
	snprintf(r->policies_head, sizeof(r->policies_head), "%s",
		streams_policies_head(app->streams));
	r->redis_connected = redis_is_ready(app->commands) && redis_is_ready(app->pubsub);
	r->synced = streams_synced(app->streams);
	r->in_force = app_in_force(app);
	r->mode = world_audit(app->world) ? MODE_AUDIT : MODE_ENFORCE;
	r->generation = dataplane_generation(app->dataplane);
	r->repairs = kernel_repairs(dataplane_kernel(app->dataplane), &r->culprit);
	dataplane_revocations(app->dataplane, &r->revocations);
	r->bridge = bridge_word(app);
	r->problems = problems_json(app);
	r->not_enforced = not_enforced_json(app);
	r->refused = world_refused(app->world);
	r->bridges = world_bridges_json(app->world);
}

/* At most one status write is under way: a burst of commits ends in one more write, not in a queue of them. */
static void report_send(struct app *app)
{
	app->report_wanted = app->reporting;
	if (app->reporting || !redis_is_ready(app->commands))
		return;
	report_fill(app);
	app->report.peers_news = peers_news(app->peers);
	if (report_publish(&app->report, app->commands, on_reported, app) == 0)
		app->reporting = true;
	report_release(&app->report);
}

static bool on_ready(struct strbuf *reasons, void *arg)
{
	struct app *app = arg;
	struct world_stats stats;
	cleanup_json json_t *blind = json_array();

	streams_reasons(app->streams, reasons);
	if (!app_in_force(app))
		strbuf_addf(reasons, "kernel: %s\n",
			app->report.last_error[0] ? app->report.last_error
						  : "rules not written yet");
	world_stats(app->world, &stats);
	bridges_look_again(app->bridges);
	if (!streams_node_alive(app->streams) && stats.withdrawn)
		strbuf_addf(reasons, "syncd is not heard of, and %zu endpoints are at no port\n",
			stats.withdrawn);
	if (bridges_blind(app->bridges, blind))
		strbuf_addf(reasons, "bridges: %s\n", json_string_value(json_array_get(blind, 0)));
	return reasons->len == 0;
}

static void on_metrics(struct strbuf *out, void *arg)
{
	struct app *app = arg;

	report_fill(app);
	report_metrics(&app->report, out);
	flow_log_metrics(app->flow_log, out);
	report_release(&app->report);
}

/* --- world to kernel --------------------------------------------------------------------------- */

static void on_commit_failed(const struct err *err, void *arg)
{
	struct app *app = arg;

	app->report.commit_failures++;
	if (strcmp(app->report.last_error, err->text) != 0)
		log_error("kernel", "%s; what was in force stays; will retry", err->text);
	snprintf(app->report.last_error, sizeof(app->report.last_error), "%s", err->text);
	report_send(app);
}

static void on_committed(const struct kernel_commit *commit, void *arg)
{
	struct app *app = arg;

	app->report.last_error[0] = '\0';
	streams_committed(app->streams);
	peers_committed(app->peers);
	if (commit->messages) {
		app->report.commits++;
		app->report.last_commit_seconds = commit->seconds;
		app->report.last_commit_unix = (long long)time(NULL);
		log_debug("kernel", "committed %u messages in %.3f ms, generation %u",
			commit->messages, commit->seconds * 1e3, commit->generation);
	}
	first_look_committed(app->first_look,
		streams_both_taken(app->streams) && whereabouts_confirmed(app->whereabouts));
	report_send(app);
}

/* From the first commit on conntrack may see flows that it has not seen before, however long the store was away: all within bridges, or
 * those of an IP version that nobody's rules had asked about. */
static void start(struct app *app)
{
	if (dataplane_fresh(app->dataplane))
		bridges_all_visible(app->bridges);
	dataplane_start(app->dataplane);
}

/*
 * Nothing is written before both streams have been read once: half a world would take the isolation of a restart's
 * predecessor out of the kernel. Nor, where there was a predecessor, before other nodes' streams were: it would take out their addresses.
 * Links are looked at before there is any stream.
 */
static void commit_later(void *arg)
{
	struct app *app = arg;

	if (dataplane_started(app->dataplane))
		dataplane_commit_later(app->dataplane);
	else if (app->streams && streams_both_taken(app->streams) &&
		 (dataplane_fresh(app->dataplane) || peers_settled(app->peers)))
		start(app);
}

static void on_visible(void *arg)
{
	first_look_due(((const struct app *)arg)->first_look);
}

static void on_links_changed(void *arg)
{
	struct app *app = arg;

	bridges_update(app->bridges);
	whereabouts_update(app->whereabouts);
	commit_later(app);
}

/* --- store to world ---------------------------------------------------------------------------- */

static void on_taken(void *arg)
{
	struct app *app = arg;

	bridges_update(app->bridges);
	whereabouts_update(app->whereabouts);
	flow_log_mode(app->flow_log, world_audit(app->world) ? MODE_AUDIT : MODE_ENFORCE);
	peers_update(app->peers);
	commit_later(app);
}

static void on_stream_state(void *arg)
{
	report_send(arg);
}

/* --- Redis connections and timers -------------------------------------------------------------- */

static void log_redis(const struct redis *redis, enum redis_event event, const char *cause)
{
	if (event == REDIS_READY)
		log_info("redis", "connected to %s", redis_peer(redis));
	else
		log_warn("redis", "%s: %s; rules stay, reconnecting", redis_peer(redis), cause);
}

static void on_commands(enum redis_event event, const char *cause, void *arg)
{
	struct app *app = arg;

	log_redis(app->commands, event, cause);
	snprintf(app->redis_cause, sizeof(app->redis_cause), "%s", cause);
	app->reporting &= event != REDIS_LOST;
	flow_log_redis_event(app->flow_log, event);
	streams_commands_event(app->streams, event);
	if (event == REDIS_READY)
		report_send(app);
}

/* A store that cannot be reached is said once per cause, not once per try. */
static void on_connect_failure(const char *cause, void *arg)
{
	struct app *app = arg;

	if (!strcmp(app->redis_cause, cause))
		return;
	log_warn("redis", "%s: %s; still trying", redis_peer(app->commands), cause);
	snprintf(app->redis_cause, sizeof(app->redis_cause), "%s", cause);
}

static void on_pubsub(enum redis_event event, const char *cause, void *arg)
{
	struct app *app = arg;

	(void)cause; /* the command connection, to the same server, has said it */
	streams_pubsub_event(app->streams, event);
}

/* When Redis is away the command connection says so. What cuts this one alone is another node's answer. */
static void on_peer_commands(enum redis_event event, const char *cause, void *arg)
{
	struct app *app = arg;

	if (event == REDIS_LOST && redis_is_ready(app->commands))
		log_warn("redis", "%s: other nodes' records: %s", redis_peer(app->peer_commands),
			cause);
	peers_commands_event(app->peers, event);
}

static void on_peer_pubsub(enum redis_event event, const char *cause, void *arg)
{
	struct app *app = arg;

	(void)cause;
	peers_pubsub_event(app->peers, event);
}

static void resync(struct app *app, bool force)
{
	streams_resync(app->streams, force);
	peers_resync(app->peers, force);
	bridges_update(app->bridges);
	commit_later(app);
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resync(arg, false);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;

	(void)fd;
	(void)what;
	streams_ask_liveness(app->streams);
	bridges_look_again(app->bridges);
	report_send(app);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;

	(void)fd;
	(void)what;
	log_info("app", "SIGHUP: reading the store and writing the table whole");
	dataplane_lost(app->dataplane);
	resync(app, true);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;

	(void)what;
	log_info("app", "%s: stopping; rules stay in the kernel", strsignal((int)fd));
	event_base_loopbreak(app->base);
}

/* --- construction ------------------------------------------------------------------------------ */

static void make_instance(char instance[INSTANCE_SIZE])
{
	unsigned char random[(INSTANCE_SIZE - 1) / 2];

	/* never blocks after boot, and never fails for this size (getrandom(2)) */
	(void)!getrandom(random, sizeof(random), 0);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(instance + 2 * i, 3, "%02x", random[i]);
}

static void open_world(struct app *app)
{
	const struct options *o = app->options;
	const struct world_config world = {
		.node = o->daemon.node,
		.isolation = o->isolation,
		.strict_networks = o->strict_networks.items,
		.strict_network_count = o->strict_networks.count,
		.skeleton = app->skeleton,
		.audit = o->mode == MODE_AUDIT,
		.ops = whereabouts_world_ops(),
		.ops_arg = app->whereabouts,
	};

	app->world = world_new(&world);
}

/* Whose a port is was decided when its container started; an enforcerd that starts later may not be able to tell any more. */
static void adopt_element(const char *set, enum set_type type, const struct elem_key *key,
	const char *comment, void *arg)
{
	(void)set;
	(void)type;
	whereabouts_adopt(arg, key, comment);
}

static int open_kernel(struct app *app, struct err *err)
{
	static const struct dataplane_ops ops = {on_committed, on_commit_failed};
	static const struct bridges_ops bridges_ops = {commit_later, on_visible};
	static const struct whereabouts_ops whereabouts_ops = {commit_later, on_links_changed};
	const struct options *o = app->options;
	const struct kernel_options kernel = {
		.table = o->table, .nflog_group = (uint16_t)o->nflog_group};

	app->dataplane = dataplane_new(app->base, &kernel, &ops, app, err);
	if (!app->dataplane)
		return -1;
	app->skeleton = (struct skeleton_config){
		.host_action = o->host_action,
		.anti_spoof = o->anti_spoof,
		.bridge_tracked = kernel_bridge_tracked(dataplane_kernel(app->dataplane)),
		.marks = o->marks,
	};
	app->whereabouts = whereabouts_new(app->base, &whereabouts_ops, app, err);
	if (!app->whereabouts)
		return -1;
	open_world(app);
	app->bridges = bridges_new(
		app->base, app->world, app->skeleton.bridge_tracked, &bridges_ops, app, err);
	if (!app->bridges || whereabouts_start(app->whereabouts, app->world, err) < 0)
		return -1;
	if (dataplane_attach(app->dataplane, world_ruleset(app->world), &app->skeleton,
		    adopt_element, app->whereabouts, err) < 0)
		return -1;
	app->first_look = first_look_new(app->base, world_ruleset(app->world), &app->skeleton.marks,
		dataplane_fresh(app->dataplane), err);
	return app->first_look ? 0 : -1;
}

static void open_flow_log(struct app *app)
{
	const struct flow_log_options options = {.node = app->options->daemon.node,
		.group = (uint16_t)app->options->nflog_group,
		.mode = app->options->mode,
		.lookup = flow_lookup(app->world),
		.seen = first_look_denied,
		.arg = app->first_look};

	app->flow_log = flow_log_new(app->base, &options, app->commands);
}

static void open_streams(struct app *app)
{
	static const struct streams_ops ops = {on_taken, on_stream_state};
	const struct streams_config config = {.node = app->options->daemon.node,
		.commands = app->commands,
		.pubsub = app->pubsub,
		.world = app->world,
		.whereabouts = app->whereabouts,
		.kept = app->kept};

	app->streams = streams_new(app->base, &config, &ops, app);
}

static void open_peers(struct app *app)
{
	static const struct peers_ops ops = {commit_later, on_stream_state};
	const struct peers_config config = {.node = app->options->daemon.node,
		.timeout_seconds = app->options->node_timeout,
		.commands = app->peer_commands,
		.pubsub = app->peer_pubsub,
		.world = app->world};

	app->peers = peers_new(app->base, &config, &ops, app);
}

static int open_redis(struct app *app, struct err *err)
{
	struct redis_options options =
		daemon_options_redis(&app->options->daemon, "bulkhead-enforcerd");

	options.on_failure = on_connect_failure;
	app->commands = redis_new(app->base, &options, on_commands, app, err);
	if (!app->commands)
		return -1;
	options.on_failure = NULL; /* the same server: once is enough */
	app->pubsub = redis_new(app->base, &options, on_pubsub, app, err);
	if (!app->pubsub)
		return -1;
	app->peer_commands = redis_new(app->base, &options, on_peer_commands, app, err);
	if (!app->peer_commands)
		return -1;
	app->peer_pubsub = redis_new(app->base, &options, on_peer_pubsub, app, err);
	if (!app->peer_pubsub)
		return -1;
	open_flow_log(app);
	open_peers(app);
	open_streams(app);
	if (streams_used_kept(app->streams) && kept_of_earlier_boot(app->kept))
		start(app);
	return 0;
}

static void open_timers(struct app *app)
{
	const struct timeval resync_every = {.tv_sec = app->options->daemon.resync_seconds};
	const struct timeval heartbeat_every = {.tv_sec = HEARTBEAT_SECONDS};

	app->resync_timer = event_new(app->base, -1, EV_PERSIST, on_resync, app);
	app->heartbeat_timer = event_new(app->base, -1, EV_PERSIST, on_heartbeat, app);
	app->signals[0] = evsignal_new(app->base, SIGTERM, on_stop, app);
	app->signals[1] = evsignal_new(app->base, SIGINT, on_stop, app);
	app->signals[2] = evsignal_new(app->base, SIGHUP, on_hangup, app);
	event_add(app->resync_timer, &resync_every);
	event_add(app->heartbeat_timer, &heartbeat_every);
	for (size_t i = 0; i < sizeof(app->signals) / sizeof(*app->signals); i++)
		event_add(app->signals[i], NULL);
}

static int open_health(struct app *app, struct err *err)
{
	static const struct health_ops ops = {on_ready, on_metrics};
	struct err reason = {0};

	app->health = health_new(app->base, app->options->daemon.listen_on, &ops, app, &reason);
	if (!app->health && reason.text[0]) {
		*err = reason;
		return -1;
	}
	return 0;
}

struct app *app_new(const struct options *options, struct err *err)
{
	CLEANUP(app) struct app *app = xcalloc(1, sizeof(*app));

	app->options = options;
	app->base = event_base_new();
	if (!app->base) {
		err_set(err, 0, "create event loop");
		return NULL;
	}
	make_instance(app->instance);
	app->report.node = options->daemon.node;
	app->report.host_action = options->host_action_word;
	app->report.instance = app->instance;
	open_timers(app);
	app->kept = kept_new(app->base, options->state_dir, options->daemon.node);
	if (open_kernel(app, err) < 0 || open_redis(app, err) < 0 || open_health(app, err) < 0)
		return NULL;
	return steal_ptr(app);
}

int app_run(struct app *app, struct err *err)
{
	log_info("app", "bulkhead-enforcerd %s: node %s, table inet %s", BULKHEAD_VERSION,
		app->options->daemon.node, app->options->table);
	return event_base_dispatch(app->base) < 0 ? err_set(err, 0, "run event loop") : 0;
}

static void event_freep(struct event *event)
{
	if (event)
		event_free(event);
}

void app_free(struct app *app)
{
	if (!app)
		return;
	health_free(app->health);
	/* connections first: they answer what is outstanding, and readers are among those who asked */
	redis_free(app->commands);
	redis_free(app->pubsub);
	redis_free(app->peer_commands);
	redis_free(app->peer_pubsub);
	streams_free(app->streams);
	peers_free(app->peers);
	kept_free(app->kept);
	flow_log_free(app->flow_log);
	bridges_free(app->bridges);
	first_look_free(app->first_look);
	dataplane_free(app->dataplane);
	world_free(app->world);
	whereabouts_free(app->whereabouts);
	event_freep(app->resync_timer);
	event_freep(app->heartbeat_timer);
	for (size_t i = 0; i < sizeof(app->signals) / sizeof(*app->signals); i++)
		event_freep(app->signals[i]);
	if (app->base)
		event_base_free(app->base);
	free(app);
}
