/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/app.h"

#include "common/health.h"
#include "common/log.h"
#include "common/store_reader.h"
#include "common/xalloc.h"
#include "enforcerd/bridges.h"
#include "enforcerd/dataplane.h"
#include "enforcerd/first_look.h"
#include "enforcerd/flow_log.h"
#include "enforcerd/flow_lookup.h"
#include "enforcerd/kept.h"
#include "enforcerd/liveness.h"
#include "enforcerd/report.h"
#include "enforcerd/whereabouts.h"
#include "enforcerd/world.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { HEARTBEAT_SECONDS = 5, INSTANCE_SIZE = 17 };
enum { STREAM_NODE, STREAM_POLICIES, STREAM_COUNT };

/* One stream of the store and how far it has come. */
struct stream {
	struct app *app;
	char *name;
	struct store_reader *reader;
	struct store_head in_world; /* head of what the world holds */
	char in_force[STORE_HEAD_MAX];
	bool taken;   /* the world has held a snapshot of it */
	bool refused; /* the last change was refused by the world: only a whole read can follow */
	char trouble[ERR_TEXT_MAX];
};

struct app {
	const struct options *options;
	struct event_base *base;
	struct world *world;
	struct skeleton_config skeleton;
	struct dataplane *dataplane;
	struct bridges *bridges;
	struct whereabouts *whereabouts;
	struct liveness *liveness; /* of this node's syncd */
	struct flow_log *flow_log;
	struct kept *kept; /* on disk, for the next boot */
	struct first_look *first_look;
	struct redis *commands, *pubsub;
	struct stream streams[STREAM_COUNT];
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
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (app->streams[i].trouble[0])
			json_array_append_new(
				list, json_sprintf("stream %s: %s", app->streams[i].name,
					      app->streams[i].trouble));
	return list;
}

static bool app_synced(const struct app *app)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (store_reader_state(app->streams[i].reader) != STORE_SYNCED ||
			app->streams[i].refused)
			return false;
	return true;
}

static bool both_taken(const struct app *app)
{
	return app->streams[STREAM_NODE].taken && app->streams[STREAM_POLICIES].taken;
}

static bool app_in_force(const struct app *app)
{
	return both_taken(app) && !ruleset_dirty(world_ruleset(app->world)) &&
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
	snprintf(r->endpoints_head, sizeof(r->endpoints_head), "%s",
		app->streams[STREAM_NODE].in_force);
	snprintf(r->policies_head, sizeof(r->policies_head), "%s",
		app->streams[STREAM_POLICIES].in_force);
	r->redis_connected = redis_is_ready(app->commands) && redis_is_ready(app->pubsub);
	r->synced = app_synced(app);
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
	if (report_publish(&app->report, app->commands, on_reported, app) == 0)
		app->reporting = true;
	report_release(&app->report);
}

static bool on_ready(struct strbuf *reasons, void *arg)
{
	struct app *app = arg;
	struct world_stats stats;
	cleanup_json json_t *blind = json_array();

	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (store_reader_state(app->streams[i].reader) != STORE_SYNCED ||
			app->streams[i].refused)
			strbuf_addf(reasons, "stream %s: %s\n", app->streams[i].name,
				app->streams[i].trouble[0] ? app->streams[i].trouble
							   : "not in sync");
	if (!app_in_force(app))
		strbuf_addf(reasons, "kernel: %s\n",
			app->report.last_error[0] ? app->report.last_error
						  : "rules not written yet");
	world_stats(app->world, &stats);
	bridges_look_again(app->bridges);
	if (!liveness_alive(app->liveness) && stats.withdrawn)
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
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (app->streams[i].in_world.epoch[0])
			store_head_format(&app->streams[i].in_world, app->streams[i].in_force);
	if (commit->messages) {
		app->report.commits++;
		app->report.last_commit_seconds = commit->seconds;
		app->report.last_commit_unix = (long long)time(NULL);
		log_debug("kernel", "committed %u messages in %.3f ms, generation %u",
			commit->messages, commit->seconds * 1e3, commit->generation);
	}
	first_look_committed(
		app->first_look, both_taken(app) && whereabouts_confirmed(app->whereabouts));
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
 * predecessor out of the kernel.
 */
static void commit_later(void *arg)
{
	struct app *app = arg;

	if (dataplane_started(app->dataplane))
		dataplane_commit_later(app->dataplane);
	else if (both_taken(app))
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

/*
 * A change of the node stream that is told by a message was just made by a living syncd; a whole stream says no more of the present
 * than its keeper is alive, and the policies nothing at all of where endpoints are.
 */
static enum binding_trust trust_of(const struct stream *stream, bool whole)
{
	if (stream != &stream->app->streams[STREAM_NODE])
		return TRUST_NONE;
	if (!whole)
		return TRUST_NEWS;
	return liveness_alive(stream->app->liveness) ? TRUST_LISTED : TRUST_NONE;
}

/*
 * The whole node stream was read. If its keeper is alive, what it says is so now, also of records that were there before. If
 * it was not when it was asked last, it may have begun just now: then all is read once more.
 */
static void confirm(struct app *app)
{
	if (liveness_alive(app->liveness))
		whereabouts_confirm(app->whereabouts);
	else
		liveness_confirm(app->liveness);
}

static void take(struct stream *stream, const struct store_change *changes, size_t count,
	bool whole, const struct store_head *head)
{
	struct app *app = stream->app;
	struct err err = {0};

	whereabouts_trust(app->whereabouts, trust_of(stream, whole));
	if (world_apply(app->world, stream->name, changes, count, whole, &err) < 0) {
		stream->refused = true;
		snprintf(stream->trouble, sizeof(stream->trouble), "%s", err.text);
		log_error("store", "stream %s: %s; the last good version stays in force",
			stream->name, err.text);
		report_send(app);
		return;
	}
	stream->refused = false;
	stream->trouble[0] = '\0';
	stream->taken = true;
	stream->in_world = head ? *head : (struct store_head){0};
	kept_take(app->kept, stream->name, changes, count, whole, head);
	if (whole && stream == &app->streams[STREAM_NODE])
		confirm(app);
	bridges_update(app->bridges);
	whereabouts_update(app->whereabouts);
	flow_log_mode(app->flow_log, world_audit(app->world) ? MODE_AUDIT : MODE_ENFORCE);
	commit_later(app);
}

static void on_snapshot(const struct store_snapshot *snapshot, void *arg)
{
	struct stream *stream = arg;

	log_info("store", "stream %s: read %zu records", stream->name, snapshot->count);
	take(stream, snapshot->items, snapshot->count, true, snapshot->head);
}

/* After a refusal the world lacks what was refused, so a difference on top of it would not mean what it says. */
static void on_changes(
	const struct store_change *changes, size_t count, const struct store_head *head, void *arg)
{
	struct stream *stream = arg;

	if (stream->refused)
		store_reader_resync(stream->reader, true);
	else
		take(stream, changes, count, false, head);
}

static void on_stream_state(enum store_state state, const char *reason, void *arg)
{
	struct stream *stream = arg;

	if (state == STORE_REFUSED && strcmp(stream->trouble, reason) != 0)
		log_error("store", "stream %s: %s; what is in force stays", stream->name, reason);
	if (!stream->refused)
		snprintf(stream->trouble, sizeof(stream->trouble), "%s", reason);
	report_send(stream->app);
}

static const struct store_reader_ops reader_ops = {on_snapshot, on_changes, on_stream_state};

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
	/* its answer comes before those to the readers */
	liveness_ask(app->liveness);
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_commands_event(app->streams[i].reader, event);
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
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_pubsub_event(app->streams[i].reader, event);
}

static void resync(struct app *app, bool force)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_resync(app->streams[i].reader, force || app->streams[i].refused);
	bridges_update(app->bridges);
	commit_later(app);
}

static void on_resync(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	resync(arg, false);
}

/* Its records were read before it was known to be alive, or it has come back. */
static void on_liveness(void *arg)
{
	const struct app *app = arg;

	if (liveness_alive(app->liveness))
		store_reader_resync(app->streams[STREAM_NODE].reader, true);
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct app *app = arg;

	(void)fd;
	(void)what;
	liveness_ask(app->liveness);
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

/*
 * After a reboot, what was kept closes strict networks and knows the policies before Redis or Docker can be asked. A restart
 * within a boot leaves to the kernel what it has until the streams are read, but holds on to the head: a store that lost
 * its policies is not a store without policies.
 */
static void use_kept(struct app *app)
{
	const struct state_content *content = kept_content(app->kept);
	struct stream *policies = &app->streams[STREAM_POLICIES];
	struct err err = {0};

	if (!content)
		return;
	if (world_apply(app->world, policies->name, content->policies, content->policy_count, true,
		    &err) < 0 ||
		world_apply(app->world, app->streams[STREAM_NODE].name, content->networks,
			content->network_count, true, &err) < 0) {
		log_error("state", "%s: what was kept is not used", err.text);
		return;
	}
	policies->taken = content->has_head;
	policies->in_world = content->head;
	log_info("state", "%zu records of the policies stream and %zu networks were kept%s",
		content->policy_count, content->network_count,
		kept_of_earlier_boot(app->kept) ? ", of an earlier boot: in force now" : "");
	if (kept_of_earlier_boot(app->kept))
		start(app);
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
	open_flow_log(app);
	app->liveness =
		liveness_new(app->base, app->commands, app->options->daemon.node, on_liveness, app);
	app->streams[STREAM_NODE].name =
		xasprintf(STORE_NODE_STREAM "%s", app->options->daemon.node);
	app->streams[STREAM_POLICIES].name = xstrdup(STORE_POLICIES_STREAM);
	use_kept(app);
	for (size_t i = 0; i < STREAM_COUNT; i++) {
		struct stream *stream = &app->streams[i];

		stream->app = app;
		stream->reader = store_reader_new(app->base, stream->name, app->commands,
			app->pubsub, stream->taken ? &stream->in_world : NULL, &reader_ops, stream);
	}
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
	for (size_t i = 0; i < STREAM_COUNT; i++) {
		store_reader_free(app->streams[i].reader);
		free(app->streams[i].name);
	}
	kept_free(app->kept);
	liveness_free(app->liveness);
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
