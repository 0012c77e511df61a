/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_writer.h"

#include "common/backoff.h"
#include "common/log.h"
#include "common/store_lease.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <time.h>

/* How often a waiting writer looks whether the lease has become free. */
enum { LOOK_MS = 250 };

enum state {
	WRITER_AWAY,    /* no connection */
	WRITER_PRIMING, /* WATCH sent, lease and head asked for */
	WRITER_TAKING,  /* the lease was free; EXEC of ours is on its way */
	WRITER_WAITING, /* another holds the lease, or a try failed: the timer goes on */
	WRITER_PRIMED,  /* lease ours, head verified and watched: a write may be sent */
	WRITER_WRITING, /* EXEC is on its way */
	WRITER_RELEASED /* no more writes */
};

struct store_writer {
	struct store_writer_ops ops;
	void *arg;
	struct redis *redis;
	char *node, *stream, *head_key, *channel, *hash_keys[KIND_COUNT];
	struct store_lease *lease;
	bool lease_held;        /* as far as we know */
	bool wait_told;         /* that we wait was logged */
	char *rival;            /* who keeps us waiting, as was logged, or NULL */
	char *lease_text;       /* our record as last sent */
	long long lease_beaten; /* when, on the monotonic clock, ms */
	enum state state;
	bool enabled; /* a whole write was asked for once */
	bool whole_wanted;
	bool has_last;          /* a write of this process is in the store */
	struct store_head last; /* the last head written, or only its epoch before the first */
	struct store_head next; /* being written */
	struct store_change *pending, *sending;
	size_t pending_count, pending_cap, sending_count;
	struct err queue_error; /* the first refusal between MULTI and EXEC */
	char *holder;           /* lease record found while priming */
	struct event *timer, *heartbeat;
	struct backoff backoff;
	void (*released)(void *arg);
	void *released_arg;
};

static void prime(struct store_writer *writer);
static void kick(struct store_writer *writer);

/* --- changes ----------------------------------------------------------------------------------- */

static void free_changes(struct store_change **changes, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		store_change_clear(&(*changes)[i]);
	free(*changes);
	*changes = NULL;
	*count = 0;
}

static void drop_pending(struct store_writer *writer)
{
	free_changes(&writer->pending, &writer->pending_count);
	writer->pending_cap = 0;
}

/* A write that did not come through leaves unknown what is there: the next one is whole. */
static void write_failed(struct store_writer *writer, const char *cause)
{
	free_changes(&writer->sending, &writer->sending_count);
	writer->whole_wanted = true;
	writer->ops.failed(cause, writer->arg);
}

static long long monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_and_prime(struct store_writer *writer, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	writer->state = WRITER_WAITING;
	evtimer_add(writer->timer, &delay);
}

/* --- transactions ------------------------------------------------------------------------------ */

/* EXEC says only that something before it was refused; this is what, and why. */
static void on_queued(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err err = {0};

	if (reply && redis_reply_failed(reply, &err) && !writer->queue_error.text[0])
		writer->queue_error = err;
}

static int begin(struct store_writer *writer)
{
	writer->queue_error.text[0] = '\0';
	return redis_call(writer->redis, on_queued, writer, "MULTI", NULL);
}

/* 1: done; 0: what was watched has changed; -1: refused, *cause says why. */
static int judge_exec(
	const struct store_writer *writer, const redis_reply *reply, struct err *cause)
{
	if (reply->type == REDIS_REPLY_NIL)
		return 0;
	if (!redis_reply_failed(reply, cause))
		return 1;
	if (writer->queue_error.text[0])
		*cause = writer->queue_error;
	return -1;
}

/*
 * A master that became a replica keeps its connections, and so does one whose replicas follow another by now: connecting anew may
 * find the new master.
 */
static void retry_after(struct store_writer *writer, const struct err *cause)
{
	static const char *const elsewhere[] = {"READONLY", "NOREPLICAS"};

	wait_and_prime(writer, backoff_next(&writer->backoff));
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(*elsewhere); i++)
		if (!strncmp(cause->text, elsewhere[i], strlen(elsewhere[i])))
			redis_reset(writer->redis, cause->text);
}

/* --- writing ----------------------------------------------------------------------------------- */

static void on_exec(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err cause = {0};
	int rc;

	if (!reply)
		return; /* the LOST that follows deals with it */
	rc = judge_exec(writer, reply, &cause);
	if (rc > 0) {
		free_changes(&writer->sending, &writer->sending_count);
		backoff_reset(&writer->backoff);
		writer->has_last = true;
		writer->last = writer->next;
		writer->ops.written(&writer->last, writer->arg);
	} else {
		write_failed(
			writer, rc < 0 ? cause.text
				       : "the stream was changed by another hand; rewriting it");
	}
	if (writer->state != WRITER_WRITING)
		return;
	if (rc < 0)
		retry_after(writer, &cause);
	else
		prime(writer);
}

static int send_change(struct store_writer *writer, const struct store_change *change)
{
	const char *key = writer->hash_keys[change->kind];

	return change->record ? redis_call(writer->redis, on_queued, writer, "HSET", key,
					change->id, change->record, NULL)
			      : redis_call(writer->redis, on_queued, writer, "HDEL", key,
					change->id, NULL);
}

static int send_whole_delete(struct store_writer *writer)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (writer->hash_keys[kind] && redis_call(writer->redis, on_queued, writer, "DEL",
						       writer->hash_keys[kind], NULL) < 0)
			return -1;
	return 0;
}

static int send_transaction(struct store_writer *writer, bool whole)
{
	cleanup_free char *event = NULL;
	char head[STORE_HEAD_MAX];

	/* a whole rewrite is announced without its content: readers take the snapshot */
	event = store_event_encode(writer->stream, whole ? NULL : &writer->last, &writer->next,
		whole ? NULL : writer->sending, whole ? 0 : writer->sending_count);
	if (begin(writer) < 0 || (whole && send_whole_delete(writer) < 0))
		return -1;
	for (size_t i = 0; i < writer->sending_count; i++)
		if (send_change(writer, &writer->sending[i]) < 0)
			return -1;
	store_head_format(&writer->next, head);
	if (redis_call(writer->redis, on_queued, writer, "SET", writer->head_key, head, NULL) < 0 ||
		redis_call(writer->redis, on_queued, writer, "PUBLISH", writer->channel, event,
			NULL) < 0)
		return -1;
	return redis_call(writer->redis, on_exec, writer, "EXEC", NULL);
}

/* Sends what there is, if a write may be sent. */
static void kick(struct store_writer *writer)
{
	bool whole = writer->whole_wanted;

	if (writer->state != WRITER_PRIMED || !writer->enabled ||
		(!whole && !writer->pending_count))
		return;
	if (whole) {
		drop_pending(writer);
		writer->ops.whole(&writer->sending, &writer->sending_count, writer->arg);
	} else {
		writer->sending = steal_ptr(writer->pending);
		writer->sending_count = writer->pending_count;
		writer->pending_count = writer->pending_cap = 0;
	}
	writer->whole_wanted = false;
	writer->next = store_head_next(&writer->last);
	writer->state = WRITER_WRITING;
	if (send_transaction(writer, whole) < 0)
		redis_reset(writer->redis, "send write");
}

/* --- priming ----------------------------------------------------------------------------------- */

/* What is in the store is ours and the last we wrote, or everything is written anew. */
static void verify_head(struct store_writer *writer, const redis_reply *reply)
{
	struct store_head found;
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);

	if (text && store_head_parse(text, len, &found, NULL) == 0) {
		if (writer->has_last && store_head_equal(&found, &writer->last))
			return;
		/* readers keep what they hold against an earlier epoch, so ours must be later than any they saw */
		if (store_epoch_cmp(found.epoch, writer->last.epoch) > 0)
			writer->last = (struct store_head){0};
		if (!writer->last.epoch[0])
			store_epoch_after(writer->last.epoch, found.epoch);
		else if (found.revision > writer->last.revision &&
			 !strcmp(found.epoch, writer->last.epoch))
			writer->last.revision = found.revision;
	}
	writer->whole_wanted = true;
}

static int send_lease(struct store_writer *writer, long long heartbeat, redis_reply_fn *fn)
{
	free(writer->lease_text);
	writer->lease_text = store_lease_record(writer->lease, heartbeat);
	writer->lease_beaten = monotonic_ms();
	return redis_call(writer->redis, fn, writer, "HSET", STORE_NODES, writer->node,
		writer->lease_text, NULL);
}

static void on_taken(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err cause = {0};
	int rc;

	if (!reply || writer->state != WRITER_TAKING)
		return;
	rc = judge_exec(writer, reply, &cause);
	if (rc < 0) {
		writer->ops.failed(cause.text, writer->arg);
		retry_after(writer, &cause);
		return;
	}
	/* not taken: the hash has changed, perhaps by another node's heartbeat only */
	writer->lease_held = rc > 0;
	writer->wait_told &= !writer->lease_held;
	if (writer->lease_held)
		free(steal_ptr(writer->rival));
	prime(writer);
}

static void take_lease(struct store_writer *writer)
{
	writer->state = WRITER_TAKING;
	if (begin(writer) < 0 || send_lease(writer, (long long)time(NULL), on_queued) < 0 ||
		redis_call(writer->redis, on_taken, writer, "EXEC", NULL) < 0)
		redis_reset(writer->redis, "send lease");
}

/* A killed one's successor waits for seconds; whoever waits on is told why, once for each that it waits for. */
static void look_for_rival(struct store_writer *writer)
{
	cleanup_free char *rival = store_lease_rival(writer->lease);

	if (!rival || (writer->rival && !strcmp(rival, writer->rival)))
		return;
	log_warn("store", "%s", rival);
	free(writer->rival);
	writer->rival = steal_ptr(rival);
}

static void wait_for_lease(struct store_writer *writer, const char *holder)
{
	if (!writer->wait_told)
		log_info("store", "node %s is held by %s; waiting for its lease", writer->node,
			holder);
	writer->wait_told = true;
	writer->lease_held = false;
	look_for_rival(writer);
	wait_and_prime(writer, LOOK_MS);
}

static void on_primed(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	cleanup_free char *holder = steal_ptr(writer->holder);
	struct err err = {0};
	enum store_lease_verdict verdict;

	if (!reply || writer->state != WRITER_PRIMING)
		return;
	if (redis_reply_failed(reply, &err)) {
		writer->ops.failed(err.text, writer->arg);
		wait_and_prime(writer, backoff_next(&writer->backoff));
		return;
	}
	verdict = store_lease_judge(writer->lease, holder, monotonic_ms(), (long long)time(NULL));
	if (verdict == STORE_LEASE_OURS && writer->lease_held) {
		verify_head(writer, reply);
		writer->state = WRITER_PRIMED;
		kick(writer);
	} else if (verdict == STORE_LEASE_OURS || verdict == STORE_LEASE_FREE) {
		/* if ever it was held, then it was lost: what to watch depends on it */
		if (writer->lease_held) {
			writer->lease_held = false;
			prime(writer);
		} else {
			take_lease(writer);
		}
	} else {
		wait_for_lease(writer, holder);
		if (verdict == STORE_LEASE_FOREIGN)
			writer->ops.refused(holder, writer->arg);
	}
}

static void on_holder(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	const char *text = reply && reply->type == REDIS_REPLY_STRING ? reply->str : NULL;

	free(writer->holder);
	writer->holder = text ? xstrdup(text) : NULL;
}

/* The hash of all nodes changes with each one's heartbeat, so it is watched only while the lease is to be taken. */
static void prime(struct store_writer *writer)
{
	writer->state = WRITER_PRIMING;
	if (redis_call(writer->redis, NULL, NULL, "UNWATCH", NULL) < 0 ||
		redis_call(writer->redis, NULL, NULL, "WATCH", writer->head_key,
			writer->lease_held ? NULL : STORE_NODES, NULL) < 0 ||
		redis_call(writer->redis, on_holder, writer, "HGET", STORE_NODES, writer->node,
			NULL) < 0 ||
		redis_call(writer->redis, on_primed, writer, "GET", writer->head_key, NULL) < 0)
		redis_reset(writer->redis, "send WATCH");
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct store_writer *writer = arg;

	(void)fd;
	(void)what;
	if (writer->state == WRITER_WAITING)
		prime(writer);
}

/* --- heartbeat --------------------------------------------------------------------------------- */

static void on_heartbeat_head(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);
	struct store_head found;

	if (!reply || writer->state != WRITER_PRIMED || !writer->has_last)
		return;
	if (!text || store_head_parse(text, len, &found, NULL) < 0 ||
		!store_head_equal(&found, &writer->last))
		prime(writer); /* FLUSHALL, or a restored dump: it will be rewritten */
}

static void on_beaten(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err err = {0};

	if (reply && redis_reply_failed(reply, &err))
		writer->ops.failed(err.text, writer->arg);
}

/* Ours as we left it, and young enough that nobody can be about to take it: renewed. Else it is to be taken anew. */
static void on_heartbeat_holder(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	const char *holder = redis_reply_text(reply, NULL);
	bool ours = holder && !strcmp(holder, writer->lease_text);
	bool young = monotonic_ms() - writer->lease_beaten <
		     STORE_HEARTBEAT_SECONDS * (STORE_LEASE_HEARTBEATS - 1) * 1000LL;

	if (!reply || !writer->lease_held)
		return;
	if (ours && young) {
		if (send_lease(writer, (long long)time(NULL), on_beaten) < 0)
			redis_reset(writer->redis, "send heartbeat");
	} else if (writer->state == WRITER_PRIMED) {
		writer->lease_held = false;
		prime(writer);
	}
}

/* Transactions are sent in one go, so that this is never between a MULTI and its EXEC. */
static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct store_writer *writer = arg;

	(void)fd;
	(void)what;
	if (!writer->lease_held)
		return;
	if (redis_call(writer->redis, on_heartbeat_holder, writer, "HGET", STORE_NODES,
		    writer->node, NULL) < 0 ||
		redis_call(writer->redis, on_heartbeat_head, writer, "GET", writer->head_key,
			NULL) < 0)
		redis_reset(writer->redis, "send heartbeat");
}

/* --- interface --------------------------------------------------------------------------------- */

void store_writer_event(struct store_writer *writer, enum redis_event event)
{
	bool writing = writer->state == WRITER_WRITING;

	if (writer->state == WRITER_RELEASED)
		return;
	/* while we were away anybody may have taken it */
	writer->lease_held = false;
	if (event == REDIS_READY) {
		prime(writer);
		return;
	}
	writer->state = WRITER_AWAY;
	evtimer_del(writer->timer);
	free(steal_ptr(writer->holder));
	if (writing)
		write_failed(writer, "connection lost while writing");
}

void store_writer_put(struct store_writer *writer, struct store_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!writer->enabled || writer->whole_wanted) {
			store_change_clear(&changes[i]);
			continue;
		}
		xgrow(writer->pending, writer->pending_count, writer->pending_cap);
		writer->pending[writer->pending_count++] = changes[i];
		changes[i] = (struct store_change){0};
	}
	kick(writer);
}

void store_writer_rewrite(struct store_writer *writer)
{
	writer->enabled = true;
	writer->whole_wanted = true;
	kick(writer);
}

bool store_writer_idle(const struct store_writer *writer)
{
	/* watching the head anew after a write changes nothing about what is in the store */
	bool settled = writer->state == WRITER_PRIMED ||
		       (writer->state == WRITER_PRIMING && writer->lease_held);

	return settled && writer->has_last && !writer->whole_wanted && !writer->pending_count;
}

const char *store_writer_rival(const struct store_writer *writer)
{
	return writer->rival;
}

static void on_released(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;

	(void)reply;
	writer->released(writer->released_arg);
}

void store_writer_release(struct store_writer *writer, void (*done)(void *arg), void *arg)
{
	bool held = writer->lease_held;

	writer->state = WRITER_RELEASED;
	writer->lease_held = false;
	writer->released = done;
	writer->released_arg = arg;
	evtimer_del(writer->timer);
	evtimer_del(writer->heartbeat);
	if (!held || send_lease(writer, 0, on_released) < 0)
		done(arg);
}

struct store_writer *store_writer_new(struct event_base *base,
	const struct store_identity *identity, struct redis *redis,
	const struct store_writer_ops *ops, void *arg)
{
	const struct timeval every = {.tv_sec = STORE_HEARTBEAT_SECONDS};
	struct store_writer *writer = xcalloc(1, sizeof(*writer));

	writer->ops = *ops;
	writer->arg = arg;
	writer->redis = redis_hold(redis);
	writer->stream = xasprintf(STORE_NODE_STREAM "%s", identity->node);
	writer->head_key = store_head_key(writer->stream);
	writer->channel = store_channel(writer->stream);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (store_stream_has(writer->stream, (enum store_kind)kind))
			writer->hash_keys[kind] =
				store_hash_key(writer->stream, (enum store_kind)kind);
	writer->node = xstrdup(identity->node);
	writer->lease = store_lease_new(identity, (long long)time(NULL));
	store_epoch_new(writer->last.epoch);
	writer->timer = evtimer_new(base, on_timer, writer);
	writer->heartbeat = event_new(base, -1, EV_PERSIST, on_heartbeat, writer);
	evtimer_add(writer->heartbeat, &every);
	return writer;
}

void store_writer_free(struct store_writer *writer)
{
	if (!writer)
		return;
	redis_drop(writer->redis, writer);
	event_free(writer->timer);
	event_free(writer->heartbeat);
	store_lease_free(writer->lease);
	free_changes(&writer->sending, &writer->sending_count);
	drop_pending(writer);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		free(writer->hash_keys[kind]);
	free(writer->holder);
	free(writer->rival);
	free(writer->stream);
	free(writer->head_key);
	free(writer->channel);
	free(writer->node);
	free(writer->lease_text);
	free(writer);
}
