/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/peers.h"

#include "common/log.h"
#include "common/record.h"
#include "common/store_reader.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

enum {
	LOOK_SECONDS = 5,         /* one HGETALL of a small record per node */
	LOOK_SOON_SECONDS = 1,    /* while somebody's first beat is awaited */
	LOOK_TIMEOUT_SECONDS = 2, /* where silence has consequences */
	SILENT_SECONDS = 15,      /* three looks */
	FIRST_BEAT_SECONDS = 5,   /* a heart beats every second */
	GONE_SECONDS = 10,        /* a store that lost its nodes has them again by then */
	RETURN_SECONDS = 10,      /* the longest that a syncd waits between two tries to connect */
	LOST_MAX = 3,             /* looks in a row that cost the connection: it is their answer */
	HOLD_OFF_SECONDS = 30,    /* for the sake of this node's own streams on it */
	LATE_MS = 1000,           /* an answer that takes longer: the store hangs */
	PROBLEMS_SHOWN = 8
};

struct peer {
	struct peers *owner;
	char *node, *stream;
	struct store_reader *reader; /* NULL while it is not followed */
	char beat[160];    /* what changes with every beat; "": its record cannot be read */
	long long beat_at; /* when it changed last, or was seen first */
	bool beating;      /* it has changed since it was seen first */
	bool silent, left;
	bool answered;        /* its stream was read, or the store said why not */
	bool seen;            /* in the look being taken */
	long long gone_since; /* 0: it is in the hash */
	struct store_head in_world;
	char in_force[STORE_HEAD_MAX];
	bool uncommitted;
	char trouble[ERR_TEXT_MAX];
	UT_hash_handle hh; /* by node */
};

struct peers {
	struct peers_config config;
	struct peers_ops ops;
	void *arg;
	struct event_base *base;
	struct event *timer;
	struct peer *items;
	bool asking, looked; /* looked: the nodes hash has been read once, or cannot be */
	long long asked_at;
	unsigned lost; /* looks in a row during which the connection was lost */
	bool uncommitted, news;
	bool crowded; /* there are more than PEERS_MAX */
	char trouble[ERR_TEXT_MAX];
};

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void news(struct peers *p)
{
	p->news = true;
	p->ops.state(p->arg);
}

/* --- a peer's stream --------------------------------------------------------------------------- */

static void take(struct peer *peer, const struct store_change *changes, size_t count, bool whole,
	const struct store_head *head)
{
	struct peers *p = peer->owner;
	struct err err = {0};

	/* only the policies stream is ever refused */
	if (world_apply(p->config.world, peer->stream, changes, count, whole, &err) < 0)
		log_error("store", "stream %s: %s", peer->stream, err.text);
	peer->in_world = head ? *head : (struct store_head){0};
	peer->answered = peer->uncommitted = p->uncommitted = true;
	if (world_node_incomplete(p->config.world, peer->node))
		store_reader_resync(peer->reader, true);
	p->ops.taken(p->arg);
}

static void on_snapshot(const struct store_snapshot *snapshot, void *arg)
{
	struct peer *peer = arg;

	log_info("store", "stream %s: read %zu records", peer->stream, snapshot->count);
	take(peer, snapshot->items, snapshot->count, true, snapshot->head);
}

static void on_changes(
	const struct store_change *changes, size_t count, const struct store_head *head, void *arg)
{
	take(arg, changes, count, false, head);
}

static void on_state(enum store_state state, const char *reason, void *arg)
{
	struct peer *peer = arg;
	struct peers *p = peer->owner;
	bool first = !peer->answered;

	if (state == STORE_REFUSED && strcmp(peer->trouble, reason) != 0)
		log_warn("store", "stream %s: %s", peer->stream, reason);
	snprintf(peer->trouble, sizeof(peer->trouble), "%s", reason);
	peer->answered |= state != STORE_UNREAD;
	news(p);
	if (first && peer->answered)
		p->ops.taken(p->arg);
}

static void follow(struct peer *peer)
{
	static const struct store_reader_ops ops = {on_snapshot, on_changes, on_state};
	struct peers *p = peer->owner;

	if (peer->reader)
		return;
	peer->reader = store_reader_new(
		p->base, peer->stream, p->config.commands, p->config.pubsub, NULL, &ops, peer);
	if (redis_is_ready(p->config.pubsub))
		store_reader_pubsub_event(peer->reader, REDIS_READY);
	if (redis_is_ready(p->config.commands))
		store_reader_commands_event(peer->reader, REDIS_READY);
	p->news = true;
}

/* Not from within the reader's own callbacks. */
static void unfollow(struct peer *peer)
{
	struct peers *p = peer->owner;

	if (!peer->reader)
		return;
	store_reader_free(peer->reader);
	peer->reader = NULL;
	peer->trouble[0] = peer->in_force[0] = '\0';
	peer->in_world = (struct store_head){0};
	peer->uncommitted = false;
	world_forget_node(p->config.world, peer->node);
	p->news = true;
	p->ops.taken(p->arg);
}

/* --- who is there ------------------------------------------------------------------------------ */

static struct peer *add_peer(struct peers *p, const char *node, long long now)
{
	struct peer *peer = xcalloc(1, sizeof(*peer));

	peer->owner = p;
	peer->node = xstrdup(node);
	peer->stream = xasprintf(STORE_NODE_STREAM "%s", node);
	peer->beat_at = now;
	HASH_ADD_KEYPTR(hh, p->items, peer->node, strlen(peer->node), peer);
	log_info("nodes", "node %s is there", node);
	return peer;
}

static void remove_peer(struct peers *p, struct peer *peer)
{
	unfollow(peer);
	HASH_DEL(p->items, peer);
	p->news = true;
	free(peer->stream);
	free(peer->node);
	free(peer);
}

/* A record that cannot be read does not beat. */
static void read_beat(struct peer *peer, const char *text, size_t len, long long now)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(text, len, &err);
	CLEANUP(node) struct node *record = json ? node_from_json(json, peer->node, &err) : NULL;
	char beat[sizeof(peer->beat)];

	if (!record)
		return;
	snprintf(beat, sizeof(beat), "%lld %.100s", record->heartbeat, record->instance);
	if (!strcmp(beat, peer->beat))
		return;
	if (peer->beat[0]) {
		peer->beating = true;
		peer->beat_at = now;
	}
	snprintf(peer->beat, sizeof(peer->beat), "%s", beat);
}

/* A NUL would make two fields of one name, each of which keeps the other's heart beating. */
static const char *name_of(const redis_reply *field)
{
	size_t len = 0;
	const char *name = redis_reply_text(field, &len);

	return name && !memchr(name, '\0', len) ? name : NULL;
}

static void look_at(struct peers *p, const char *node, const redis_reply *record, long long now)
{
	struct peer *peer = NULL;
	struct err err = {0};
	size_t len = 0;
	const char *text = redis_reply_text(record, &len);

	if (!text || node_name_check(node, &err) < 0)
		return;
	HASH_FIND_STR(p->items, node, peer);
	if (!peer && HASH_COUNT(p->items) >= PEERS_MAX) {
		p->crowded = true;
		return;
	}
	if (!peer)
		peer = add_peer(p, node, now);
	peer->seen = true;
	read_beat(peer, text, len, now);
}

/*
 * Where silence counts, nobody counts before his heart was seen to beat: else a restart would give a dead node's addresses another
 * lease of life.
 */
static bool wanted(const struct peers *p, const struct peer *peer)
{
	return !peer->left && (!p->config.timeout_seconds || peer->beating);
}

static void judge(struct peers *p, struct peer *peer, long long now)
{
	long long quiet = now - peer->beat_at, timeout = p->config.timeout_seconds * 1000;
	bool silent = quiet > SILENT_SECONDS * 1000LL || (timeout && quiet > timeout);
	bool left = timeout && quiet > timeout;

	if (silent != peer->silent || left != peer->left)
		p->news = true;
	if (silent != peer->silent)
		log_warn("nodes", "node %s %s", peer->node,
			silent ? "is silent: its syncd's heart does not beat"
			       : "is heard of again");
	if (left != peer->left)
		log_warn("nodes", "node %s: its endpoints %s", peer->node,
			left ? "leave the selector sets" : "count again");
	peer->silent = silent;
	peer->left = left;
	if (wanted(p, peer))
		follow(peer);
	else
		unfollow(peer);
}

/*
 * A store that has lost this node's record as well does not say that the others are gone. One that was emptied gets them back from those
 * who live, each in its time.
 */
static bool is_gone(struct peer *peer, bool own_seen, long long now)
{
	if (peer->seen || !own_seen)
		peer->gone_since = 0;
	else if (!peer->gone_since)
		peer->gone_since = now;
	return peer->gone_since && now - peer->gone_since > GONE_SECONDS * 1000LL;
}

static void take_nodes(struct peers *p, const redis_reply *reply)
{
	long long now = now_ms();
	bool own_seen = false;
	struct peer *peer, *next;

	p->crowded = false;
	for (peer = p->items; peer; peer = peer->hh.next)
		peer->seen = false;
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		const char *node = name_of(reply->element[i]);

		if (node && !strcmp(node, p->config.node))
			own_seen = true;
		else if (node)
			look_at(p, node, reply->element[i + 1], now);
	}
	HASH_ITER (hh, p->items, peer, next) {
		if (is_gone(peer, own_seen, now)) {
			log_warn("nodes", "node %s is gone from the store", peer->node);
			remove_peer(p, peer);
		} else {
			/* whose record is missing is silent as well */
			judge(p, peer, now);
		}
	}
}

/* --- looking ----------------------------------------------------------------------------------- */

static bool first_beat_awaited(const struct peers *p, const struct peer *peer)
{
	return p->config.timeout_seconds && !peer->beating &&
	       now_ms() - peer->beat_at <= FIRST_BEAT_SECONDS * 1000LL;
}

static void look_later(struct peers *p)
{
	struct timeval delay = {
		.tv_sec = p->config.timeout_seconds ? LOOK_TIMEOUT_SECONDS : LOOK_SECONDS};
	const struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next)
		if (first_beat_awaited(p, peer))
			delay.tv_sec = LOOK_SOON_SECONDS;
	evtimer_add(p->timer, &delay);
}

/* A silence that was not theirs, for nobody could be heard. Who was silent before stays so. */
static void excuse(struct peers *p, long long ms)
{
	struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next)
		if (!peer->silent && !peer->left)
			peer->beat_at += ms;
}

static void set_trouble(struct peers *p, const char *text)
{
	if (!strcmp(p->trouble, text))
		return;
	snprintf(p->trouble, sizeof(p->trouble), "%s", text);
	if (*text)
		log_warn("nodes", "%s: %s; what is known of other nodes stays", STORE_NODES, text);
	p->news = true;
}

/*
 * An answer beyond the bounds of a reply ends the connection, which this node's own streams need as well, and a restart waits for the
 * others' to be looked at.
 */
static void look_lost(struct peers *p)
{
	bool first = !p->looked;

	if (p->lost < LOST_MAX)
		return;
	set_trouble(p, "the connection is lost whenever it is read; looking seldom");
	p->looked = true;
	if (first)
		p->ops.taken(p->arg);
}

static void on_nodes(redis_reply *reply, void *arg)
{
	struct peers *p = arg;
	bool first = !p->looked, crowded = p->crowded;
	long long late = now_ms() - p->asked_at;
	struct err err = {0};

	p->asking = false;
	if (!reply) {
		p->lost++;
		return; /* asked again when the store is there */
	}
	p->lost = 0;
	/* it answers in the order of asking: us before those whose hearts beat meanwhile */
	if (late > LATE_MS)
		excuse(p, late);
	if (reply->type == REDIS_REPLY_ARRAY)
		take_nodes(p, reply);
	else if (!redis_reply_failed(reply, &err))
		err_set(&err, 0, "not a hash");
	set_trouble(p, err.text);
	p->news |= p->crowded != crowded;
	p->looked = true;
	look_later(p);
	if (p->news)
		p->ops.state(p->arg);
	/* waiting may end by time alone */
	if (first || p->config.timeout_seconds)
		p->ops.taken(p->arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct peers *p = arg;

	(void)fd;
	(void)what;
	if (!world_shares(p->config.world)) {
		while (p->items)
			remove_peer(p, p->items);
		p->looked = false;
		return;
	}
	if (p->asking || !redis_is_ready(p->config.commands))
		return;
	p->asked_at = now_ms();
	p->asking = redis_call(p->config.commands, on_nodes, p, "HGETALL", STORE_NODES, NULL) == 0;
}

static void look_now(struct peers *p)
{
	event_active(p->timer, EV_TIMEOUT, 0);
}

void peers_update(struct peers *p)
{
	bool any = p->looked || p->asking;

	if (world_shares(p->config.world) != any)
		look_now(p);
}

/* --- connections ------------------------------------------------------------------------------- */

/* Nobody was looking: a silence meanwhile was ours. If it was the store that was away, the others' syncds come back each in its time. */
static void heard_anew(struct peers *p)
{
	long long now = now_ms();
	struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next) {
		peer->gone_since = 0;
		if (!peer->silent && !peer->left)
			peer->beat_at = now + (peer->beating ? RETURN_SECONDS * 1000LL : 0);
	}
}

void peers_commands_event(struct peers *p, enum redis_event event)
{
	struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next)
		if (peer->reader)
			store_reader_commands_event(peer->reader, event);
	if (event != REDIS_READY) {
		evtimer_del(p->timer);
		p->asking = false;
		look_lost(p);
		return;
	}
	heard_anew(p);
	p->news = true;
	if (p->lost < LOST_MAX)
		look_now(p);
	else
		evtimer_add(p->timer, &(struct timeval){.tv_sec = HOLD_OFF_SECONDS});
}

void peers_pubsub_event(struct peers *p, enum redis_event event)
{
	struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next)
		if (peer->reader)
			store_reader_pubsub_event(peer->reader, event);
}

void peers_resync(struct peers *p, bool force)
{
	struct peer *peer;

	for (peer = p->items; peer; peer = peer->hh.next)
		if (peer->reader)
			store_reader_resync(peer->reader, force);
}

/* --- answers ----------------------------------------------------------------------------------- */

bool peers_settled(const struct peers *p)
{
	const struct peer *peer;

	if (!world_shares(p->config.world))
		return true;
	if (!p->looked)
		return false;
	for (peer = p->items; peer; peer = peer->hh.next)
		if (peer->reader ? !peer->answered : first_beat_awaited(p, peer))
			return false;
	return true;
}

void peers_committed(struct peers *p)
{
	struct peer *peer;

	for (peer = p->uncommitted ? p->items : NULL; peer; peer = peer->hh.next) {
		if (!peer->uncommitted)
			continue;
		peer->uncommitted = false;
		peer->in_force[0] = '\0';
		if (peer->in_world.epoch[0])
			store_head_format(&peer->in_world, peer->in_force);
		p->news = true;
	}
	p->uncommitted = false;
}

void peers_count(const struct peers *p, struct peers_counts *counts)
{
	const struct peer *peer;

	*counts = (struct peers_counts){0};
	for (peer = p->items; peer; peer = peer->hh.next) {
		counts->followed += peer->reader != NULL;
		counts->silent += peer->silent;
	}
}

static const char *state_of(const struct peer *peer)
{
	return peer->left ? "left" : peer->silent ? "silent" : peer->reader ? "up" : "new";
}

json_t *peers_news(struct peers *p)
{
	const struct peer *peer;
	json_t *all;

	if (!p->news)
		return NULL;
	p->news = false;
	all = json_object();
	for (peer = p->items; peer; peer = peer->hh.next)
		json_object_set_new(all, peer->node,
			json_pack("{s:s, s:s}", "head", peer->in_force, "state", state_of(peer)));
	return all;
}

/* Few of very many: what is said of one node must not crowd out the rest. */
void peers_problems(const struct peers *p, json_t *list)
{
	const struct peer *peer;
	size_t silent = 0, told = 0, more = 0;

	if (p->trouble[0])
		json_array_append_new(list, json_sprintf("%s: %s", STORE_NODES, p->trouble));
	if (p->crowded)
		json_array_append_new(list,
			json_sprintf("%s: more than %d other nodes; the rest are not followed",
				STORE_NODES, PEERS_MAX));
	for (peer = p->items; peer; peer = peer->hh.next) {
		bool worth = peer->silent || peer->trouble[0];

		silent += peer->silent;
		if (!worth || told++ >= PROBLEMS_SHOWN) {
			more += worth;
			continue;
		}
		json_array_append_new(list,
			peer->silent ? json_sprintf("node %s is silent: its endpoints %s",
					       peer->node, peer->left ? "have left" : "are kept")
				     : json_sprintf("stream %s: %s", peer->stream, peer->trouble));
	}
	if (more)
		json_array_append_new(
			list, json_sprintf("%zu more nodes are in trouble, %zu silent in all", more,
				      silent));
}

/* --- life -------------------------------------------------------------------------------------- */

struct peers *peers_new(struct event_base *base, const struct peers_config *config,
	const struct peers_ops *ops, void *arg)
{
	struct peers *p = xcalloc(1, sizeof(*p));

	p->config = *config;
	p->ops = *ops;
	p->arg = arg;
	p->base = base;
	p->news = true;
	p->timer = evtimer_new(base, on_timer, p);
	redis_hold(config->commands);
	return p;
}

void peers_free(struct peers *p)
{
	struct peer *peer, *next;

	if (!p)
		return;
	redis_drop(p->config.commands, p);
	HASH_ITER (hh, p->items, peer, next) {
		store_reader_free(peer->reader);
		HASH_DEL(p->items, peer);
		free(peer->stream);
		free(peer->node);
		free(peer);
	}
	event_free(p->timer);
	free(p);
}
