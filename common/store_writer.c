/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_writer.h"

#include "common/backoff.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { INSTANCE_SIZE = 17 };

enum state {
	WRITER_AWAY,    /* no connection */
	WRITER_PRIMING, /* WATCH sent, lease and head asked for */
	WRITER_WAITING, /* another instance of this Engine holds the lease, or a try failed: the timer goes on */
	WRITER_PRIMED, /* lease ours, head verified and watched: a write may be sent */
	WRITER_WRITING /* EXEC is on its way */
};

struct store_writer {
	struct store_writer_ops ops;
	void *arg;
	struct redis *redis;
	char *stream, *head_key, *channel, *hash_keys[KIND_COUNT];
	char *node, *engine, *boot, *version;
	char instance[INSTANCE_SIZE];
	long long started;
	enum state state;
	bool enabled; /* a whole write was asked for once */
	bool whole_wanted;
	bool has_last;          /* a write of this process is in the store */
	struct store_head last; /* the last head written, or only its epoch before the first */
	struct store_head next; /* being written */
	struct store_change *pending, *sending;
	size_t pending_count, pending_cap, sending_count;
	char *holder; /* lease record found while priming */
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

/* --- lease ------------------------------------------------------------------------------------- */

static char *lease_record(const struct store_writer *writer, long long heartbeat)
{
	cleanup_json json_t *record = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "v", 1,
		"node", writer->node, "engine", writer->engine, "boot", writer->boot, "instance",
		writer->instance, "version", writer->version, "started",
		(json_int_t)writer->started, "heartbeat", (json_int_t)heartbeat);
	char *text = record ? json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	return text ? text : xstrdup("{}");
}

static const char *member(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));

	return text ? text : "";
}

enum lease { LEASE_OURS, LEASE_FREE, LEASE_BUSY, LEASE_FOREIGN };

/* A record that cannot be read holds nothing. A heartbeat in the future (clocks) counts as fresh. */
static enum lease judge_lease(const struct store_writer *writer, const char *holder)
{
	cleanup_json json_t *record =
		holder ? json_loads(holder, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_int_t heartbeat = json_integer_value(json_object_get(record, "heartbeat"));
	bool fresh = heartbeat > 0 && (long long)time(NULL) - heartbeat <=
					      STORE_HEARTBEAT_SECONDS * STORE_LEASE_HEARTBEATS;

	if (!record)
		return LEASE_FREE;
	if (!strcmp(member(record, "instance"), writer->instance))
		return LEASE_OURS;
	if (!fresh)
		return LEASE_FREE;
	return strcmp(member(record, "engine"), writer->engine) ? LEASE_FOREIGN : LEASE_BUSY;
}

/* --- writing ----------------------------------------------------------------------------------- */

static void wait_and_prime(struct store_writer *writer, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	writer->state = WRITER_WAITING;
	evtimer_add(writer->timer, &delay);
}

static void on_exec(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err err = {0};

	if (!reply)
		return; /* the LOST that follows deals with it */
	if (reply->type == REDIS_REPLY_NIL) {
		write_failed(writer, "the stream was changed by another hand; rewriting it");
	} else if (redis_reply_failed(reply, &err)) {
		write_failed(writer, err.text);
		wait_and_prime(writer, backoff_next(&writer->backoff));
		return;
	} else {
		free_changes(&writer->sending, &writer->sending_count);
		backoff_reset(&writer->backoff);
		writer->has_last = true;
		writer->last = writer->next;
		writer->ops.written(&writer->last, writer->arg);
	}
	prime(writer);
}

static int send_change(struct store_writer *writer, const struct store_change *change)
{
	const char *key = writer->hash_keys[change->kind];

	return change->record
		       ? redis_call(writer->redis, NULL, NULL, "HSET", key, change->id,
				 change->record, NULL)
		       : redis_call(writer->redis, NULL, NULL, "HDEL", key, change->id, NULL);
}

static int send_whole_delete(struct store_writer *writer)
{
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (writer->hash_keys[kind] && redis_call(writer->redis, NULL, NULL, "DEL",
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
	if (redis_call(writer->redis, NULL, NULL, "MULTI", NULL) < 0 ||
		(whole && send_whole_delete(writer) < 0))
		return -1;
	for (size_t i = 0; i < writer->sending_count; i++)
		if (send_change(writer, &writer->sending[i]) < 0)
			return -1;
	store_head_format(&writer->next, head);
	if (redis_call(writer->redis, NULL, NULL, "SET", writer->head_key, head, NULL) < 0 ||
		redis_call(writer->redis, NULL, NULL, "PUBLISH", writer->channel, event, NULL) < 0)
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

static void on_lease_taken(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	struct err err = {0};

	if (!reply || !redis_reply_failed(reply, &err))
		return;
	writer->ops.failed(err.text, writer->arg);
}

static int send_lease(struct store_writer *writer, long long heartbeat, redis_reply_fn *fn)
{
	cleanup_free char *record = lease_record(writer, heartbeat);

	return redis_call(
		writer->redis, fn, writer, "HSET", STORE_NODES, writer->node, record, NULL);
}

static void on_primed(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	cleanup_free char *holder = steal_ptr(writer->holder);
	struct err err = {0};

	if (!reply || writer->state != WRITER_PRIMING)
		return;
	if (redis_reply_failed(reply, &err)) {
		writer->ops.failed(err.text, writer->arg);
		wait_and_prime(writer, backoff_next(&writer->backoff));
		return;
	}
	switch (judge_lease(writer, holder)) {
	case LEASE_FOREIGN:
		writer->ops.refused(holder, writer->arg);
		wait_and_prime(writer, STORE_HEARTBEAT_SECONDS * 1000);
		return;
	case LEASE_BUSY:
		wait_and_prime(writer, STORE_HEARTBEAT_SECONDS * 1000 / 2);
		return;
	case LEASE_FREE:
		if (send_lease(writer, (long long)time(NULL), on_lease_taken) < 0)
			return;
		break;
	case LEASE_OURS:
		break;
	}
	verify_head(writer, reply);
	writer->state = WRITER_PRIMED;
	kick(writer);
}

static void on_holder(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	const char *text = reply && reply->type == REDIS_REPLY_STRING ? reply->str : NULL;

	free(writer->holder);
	writer->holder = text ? xstrdup(text) : NULL;
}

static void prime(struct store_writer *writer)
{
	writer->state = WRITER_PRIMING;
	if (redis_call(writer->redis, NULL, NULL, "WATCH", writer->head_key, NULL) < 0 ||
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

static void on_heartbeat_holder(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;
	const char *holder = reply && reply->type == REDIS_REPLY_STRING ? reply->str : NULL;
	enum lease lease;

	if (!reply || writer->state == WRITER_AWAY || writer->state == WRITER_WAITING)
		return;
	lease = judge_lease(writer, holder);
	if (lease == LEASE_BUSY || lease == LEASE_FOREIGN)
		writer->ops.refused(holder, writer->arg);
	else if (send_lease(writer, (long long)time(NULL), on_lease_taken) < 0)
		redis_reset(writer->redis, "send heartbeat");
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct store_writer *writer = arg;

	(void)fd;
	(void)what;
	/* while a transaction is being sent nothing may come between MULTI and EXEC: sends are whole, so this is after it */
	if (writer->state != WRITER_PRIMED && writer->state != WRITER_WRITING)
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
	if (event == REDIS_READY) {
		prime(writer);
		return;
	}
	if (writer->state == WRITER_WRITING)
		write_failed(writer, "connection lost while writing");
	writer->state = WRITER_AWAY;
	evtimer_del(writer->timer);
	free(steal_ptr(writer->holder));
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
	return writer->state == WRITER_PRIMED && writer->has_last && !writer->whole_wanted &&
	       !writer->pending_count;
}

static void on_released(redis_reply *reply, void *arg)
{
	struct store_writer *writer = arg;

	(void)reply;
	writer->released(writer->released_arg);
}

void store_writer_release(struct store_writer *writer, void (*done)(void *arg), void *arg)
{
	bool holding = writer->state == WRITER_PRIMED || writer->state == WRITER_WRITING;

	writer->released = done;
	writer->released_arg = arg;
	if (!holding || send_lease(writer, 0, on_released) < 0)
		done(arg);
}

static void make_instance(char instance[INSTANCE_SIZE])
{
	unsigned char random[(INSTANCE_SIZE - 1) / 2] = {0};

	(void)!getrandom(random, sizeof(random), 0);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(instance + 2 * i, 3, "%02x", random[i]);
}

struct store_writer *store_writer_new(struct event_base *base,
	const struct store_identity *identity, struct redis *redis,
	const struct store_writer_ops *ops, void *arg)
{
	const struct timeval every = {.tv_sec = STORE_HEARTBEAT_SECONDS};
	struct store_writer *writer = xcalloc(1, sizeof(*writer));

	writer->ops = *ops;
	writer->arg = arg;
	writer->redis = redis;
	writer->stream = xasprintf(STORE_NODE_STREAM "%s", identity->node);
	writer->head_key = store_head_key(writer->stream);
	writer->channel = store_channel(writer->stream);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (store_stream_has(writer->stream, (enum store_kind)kind))
			writer->hash_keys[kind] =
				store_hash_key(writer->stream, (enum store_kind)kind);
	writer->node = xstrdup(identity->node);
	writer->engine = xstrdup(identity->engine);
	writer->boot = xstrdup(identity->boot);
	writer->version = xstrdup(identity->version);
	writer->started = (long long)time(NULL);
	make_instance(writer->instance);
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
	event_free(writer->timer);
	event_free(writer->heartbeat);
	free_changes(&writer->sending, &writer->sending_count);
	drop_pending(writer);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		free(writer->hash_keys[kind]);
	free(writer->holder);
	free(writer->stream);
	free(writer->head_key);
	free(writer->channel);
	free(writer->node);
	free(writer->engine);
	free(writer->boot);
	free(writer->version);
	free(writer);
}
