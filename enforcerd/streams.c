/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/streams.h"

#include "common/log.h"
#include "common/store_reader.h"
#include "common/xalloc.h"
#include "enforcerd/liveness.h"

#include <string.h>

enum { STREAM_NODE, STREAM_POLICIES, STREAM_COUNT };

/* One stream of the store and how far it has come. */
struct stream {
	struct streams *owner;
	char *name;
	struct store_reader *reader;
	struct store_head in_world; /* head of what the world holds */
	char in_force[STORE_HEAD_MAX];
	bool taken;   /* the world has held a snapshot of it */
	bool refused; /* the last change was refused by the world: only a whole read can follow */
	char trouble[ERR_TEXT_MAX];
};

struct streams {
	struct streams_config config;
	struct streams_ops ops;
	void *arg;
	struct liveness *liveness; /* of this node's syncd */
	struct stream items[STREAM_COUNT];
	bool used_kept;
};

/* --- store to world ---------------------------------------------------------------------------- */

static bool is_node(const struct stream *stream)
{
	return stream == &stream->owner->items[STREAM_NODE];
}

/*
 * A change of the node stream that is told by a message was just made by a living syncd; a whole stream says no more of the present
 * than its keeper is alive, and the policies nothing at all of where endpoints are.
 */
static enum binding_trust trust_of(const struct stream *stream, bool whole)
{
	if (!is_node(stream))
		return TRUST_NONE;
	if (!whole)
		return TRUST_NEWS;
	return liveness_alive(stream->owner->liveness) ? TRUST_LISTED : TRUST_NONE;
}

/*
 * The whole node stream was read. If its keeper is alive, what it says is so now, also of records that were there before. If
 * it was not when it was asked last, it may have begun just now: then all is read once more.
 */
static void confirm(struct streams *s)
{
	if (liveness_alive(s->liveness))
		whereabouts_confirm(s->config.whereabouts);
	else
		liveness_confirm(s->liveness);
}

static void take(struct stream *stream, const struct store_change *changes, size_t count,
	bool whole, const struct store_head *head)
{
	struct streams *s = stream->owner;
	struct err err = {0};

	whereabouts_trust(s->config.whereabouts, trust_of(stream, whole));
	if (world_apply(s->config.world, stream->name, changes, count, whole, &err) < 0) {
		stream->refused = true;
		snprintf(stream->trouble, sizeof(stream->trouble), "%s", err.text);
		log_error("store", "stream %s: %s; the last good version stays in force",
			stream->name, err.text);
		s->ops.state(s->arg);
		return;
	}
	stream->refused = false;
	stream->trouble[0] = '\0';
	stream->taken = true;
	stream->in_world = head ? *head : (struct store_head){0};
	kept_take(s->config.kept, stream->name, changes, count, whole, head);
	if (whole && is_node(stream))
		confirm(s);
	s->ops.taken(s->arg);
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

static void on_state(enum store_state state, const char *reason, void *arg)
{
	struct stream *stream = arg;

	if (state == STORE_REFUSED && strcmp(stream->trouble, reason) != 0)
		log_error("store", "stream %s: %s; what is in force stays", stream->name, reason);
	if (!stream->refused)
		snprintf(stream->trouble, sizeof(stream->trouble), "%s", reason);
	stream->owner->ops.state(stream->owner->arg);
}

/* --- connections ------------------------------------------------------------------------------- */

void streams_commands_event(struct streams *s, enum redis_event event)
{
	/* its answer comes before those to the readers */
	liveness_ask(s->liveness);
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_commands_event(s->items[i].reader, event);
}

void streams_pubsub_event(struct streams *s, enum redis_event event)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_pubsub_event(s->items[i].reader, event);
}

void streams_resync(struct streams *s, bool force)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		store_reader_resync(s->items[i].reader, force || s->items[i].refused);
}

/* Its records were read before it was known to be alive, or it has come back. */
static void on_liveness(void *arg)
{
	const struct streams *s = arg;

	if (liveness_alive(s->liveness))
		store_reader_resync(s->items[STREAM_NODE].reader, true);
}

void streams_ask_liveness(struct streams *s)
{
	liveness_ask(s->liveness);
}

/* --- answers ----------------------------------------------------------------------------------- */

bool streams_node_alive(const struct streams *s)
{
	return liveness_alive(s->liveness);
}

bool streams_used_kept(const struct streams *s)
{
	return s->used_kept;
}

bool streams_both_taken(const struct streams *s)
{
	return s->items[STREAM_NODE].taken && s->items[STREAM_POLICIES].taken;
}

static bool in_sync(const struct stream *stream)
{
	return store_reader_state(stream->reader) == STORE_SYNCED && !stream->refused;
}

bool streams_synced(const struct streams *s)
{
	return in_sync(&s->items[STREAM_NODE]) && in_sync(&s->items[STREAM_POLICIES]);
}

void streams_committed(struct streams *s)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (s->items[i].in_world.epoch[0])
			store_head_format(&s->items[i].in_world, s->items[i].in_force);
}

const char *streams_node_head(const struct streams *s)
{
	return s->items[STREAM_NODE].in_force;
}

const char *streams_policies_head(const struct streams *s)
{
	return s->items[STREAM_POLICIES].in_force;
}

void streams_problems(const struct streams *s, json_t *list)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (s->items[i].trouble[0])
			json_array_append_new(list, json_sprintf("stream %s: %s", s->items[i].name,
							    s->items[i].trouble));
}

void streams_reasons(const struct streams *s, struct strbuf *reasons)
{
	for (size_t i = 0; i < STREAM_COUNT; i++)
		if (!in_sync(&s->items[i]))
			strbuf_addf(reasons, "stream %s: %s\n", s->items[i].name,
				s->items[i].trouble[0] ? s->items[i].trouble : "not in sync");
}

/* --- life -------------------------------------------------------------------------------------- */

/*
 * After a reboot, what was kept closes strict networks and knows the policies before Redis or Docker can be asked. A restart
 * within a boot leaves to the kernel what it has until the streams are read, but holds on to the head: a store that lost
 * its policies is not a store without policies.
 */
static void use_kept(struct streams *s)
{
	const struct state_content *content = kept_content(s->config.kept);
	struct stream *policies = &s->items[STREAM_POLICIES];
	struct world *world = s->config.world;
	struct err err = {0};

	if (!content)
		return;
	if (world_apply(world, policies->name, content->policies, content->policy_count, true,
		    &err) < 0 ||
		world_apply(world, s->items[STREAM_NODE].name, content->networks,
			content->network_count, true, &err) < 0) {
		log_error("state", "%s: what was kept is not used", err.text);
		return;
	}
	s->used_kept = true;
	policies->taken = content->has_head;
	policies->in_world = content->head;
	log_info("state", "%zu records of the policies stream and %zu networks were kept%s",
		content->policy_count, content->network_count,
		kept_of_earlier_boot(s->config.kept) ? ", of an earlier boot: in force now" : "");
}

static void open_stream(struct streams *s, struct event_base *base, struct stream *stream)
{
	static const struct store_reader_ops ops = {on_snapshot, on_changes, on_state};

	stream->reader = store_reader_new(base, stream->name, s->config.commands, s->config.pubsub,
		stream->taken ? &stream->in_world : NULL, &ops, stream);
}

struct streams *streams_new(struct event_base *base, const struct streams_config *config,
	const struct streams_ops *ops, void *arg)
{
	struct streams *s = xcalloc(1, sizeof(*s));

	s->config = *config;
	s->ops = *ops;
	s->arg = arg;
	s->liveness = liveness_new(base, config->commands, config->node, on_liveness, s);
	s->items[STREAM_NODE].name = xasprintf(STORE_NODE_STREAM "%s", config->node);
	s->items[STREAM_POLICIES].name = xstrdup(STORE_POLICIES_STREAM);
	for (size_t i = 0; i < STREAM_COUNT; i++)
		s->items[i].owner = s;
	use_kept(s);
	for (size_t i = 0; i < STREAM_COUNT; i++)
		open_stream(s, base, &s->items[i]);
	return s;
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < STREAM_COUNT; i++) {
		store_reader_free(s->items[i].reader);
		free(s->items[i].name);
	}
	liveness_free(s->liveness);
	free(s);
}
