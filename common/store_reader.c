/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_reader.h"

#include "common/backoff.h"
#include "common/log.h"
#include "common/store_rules.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>

/* Events, and their bytes, kept while a snapshot is under way; beyond it another snapshot is cheaper than replaying. */
enum { QUEUE_MAX = 1024, QUEUE_BYTES_MAX = 8 << 20 };

struct store_reader {
	char *stream, *channel, *head_key, *accept_key;
	char *history_key; /* NULL for streams without one: a node's syncd rewrites what is not its last write */
	char *hash_keys[KIND_COUNT]; /* NULL for kinds that the stream does not have */
	struct redis *commands, *pubsub;
	struct store_reader_ops ops;
	void *arg;
	bool subscribed, reading, again, force;
	bool asked_ancestor; /* in the read under way */
	bool has_head, took_empty;
	bool complained; /* about a message, since the last good one */
	struct store_head head;
	struct store_event *queue;
	size_t queued, queue_cap, queue_bytes;
	bool overflow;
	enum store_state state;
	char reason[ERR_TEXT_MAX];
	char queue_error[ERR_TEXT_MAX]; /* the first refusal between MULTI and EXEC */
	struct event *retry;
	struct backoff backoff;
};

static void read_snapshot(struct store_reader *reader);

static void set_state(struct store_reader *reader, enum store_state state, const char *reason)
{
	if (reader->state == state && !strcmp(reader->reason, reason))
		return;
	reader->state = state;
	snprintf(reader->reason, sizeof(reader->reason), "%s", reason);
	reader->ops.state(state, reader->reason, reader->arg);
}

/* --- events ------------------------------------------------------------------------------------ */

static void clear_queue(struct store_reader *reader)
{
	for (size_t i = 0; i < reader->queued; i++)
		store_event_clear(&reader->queue[i]);
	free(reader->queue);
	reader->queue = NULL;
	reader->queued = reader->queue_cap = reader->queue_bytes = 0;
	reader->overflow = false;
}

/* Something that is already part of what is held, or of an epoch that is over. */
static bool is_old(const struct store_reader *reader, const struct store_event *event)
{
	int order = store_epoch_cmp(event->head.epoch, reader->head.epoch);

	return order < 0 || store_head_equal(&event->head, &reader->head) ||
	       (!order && event->head.revision < reader->head.revision);
}

/* False when the event does not follow what is held: the stream must be read again. */
static bool apply_event(struct store_reader *reader, const struct store_event *event)
{
	if (!reader->has_head)
		return false;
	/* a whole rewrite, or an acceptance by the operator: only the snapshot can tell */
	if (!event->has_prev)
		return store_head_equal(&event->head, &reader->head);
	if (store_head_equal(&event->prev, &reader->head)) {
		reader->head = event->head;
		reader->ops.changes(event->changes, event->count, &reader->head, reader->arg);
		return true;
	}
	return is_old(reader, event);
}

/* Takes over the event. */
static void queue_event(struct store_reader *reader, struct store_event *event, size_t bytes)
{
	reader->queue_bytes += bytes;
	if (reader->queued == QUEUE_MAX || reader->queue_bytes > QUEUE_BYTES_MAX) {
		reader->overflow = true;
		store_event_clear(event);
		return;
	}
	xgrow(reader->queue, reader->queued, reader->queue_cap);
	reader->queue[reader->queued++] = *event;
}

static void refuse_message(struct store_reader *reader, const char *channel, const struct err *err)
{
	if (!reader->complained)
		log_warn("store", "%s: %s; reading the stream instead", channel, err->text);
	reader->complained = true;
	read_snapshot(reader);
}

static void on_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct store_reader *reader = arg;
	struct store_event event;
	struct err err = {0};
	bool follows;

	if (store_event_decode(data, len, reader->stream, &event, &err) < 0) {
		refuse_message(reader, channel, &err);
		return;
	}
	reader->complained = false;
	if (reader->reading) {
		queue_event(reader, &event, len);
		return;
	}
	/* on a world that may be out of date, or that a rule holds against the store, nothing is put on top */
	follows = reader->state == STORE_SYNCED && apply_event(reader, &event);
	store_event_clear(&event);
	if (!follows)
		read_snapshot(reader);
}

/* After a snapshot: what came while it was read goes on top, in order. */
static void replay_queue(struct store_reader *reader)
{
	bool follows = !reader->overflow;

	for (size_t i = 0; i < reader->queued && follows; i++)
		follows = apply_event(reader, &reader->queue[i]);
	clear_queue(reader);
	if (!follows)
		reader->again = true;
}

/* --- snapshot ---------------------------------------------------------------------------------- */

struct items {
	struct store_change *items;
	size_t count, cap;
};

static void items_free(struct items *items)
{
	for (size_t i = 0; i < items->count; i++)
		store_change_clear(&items->items[i]);
	free(items->items);
}

/* A NUL would make two fields of one name, or a record end before its end; no writer of ours makes one. */
static void add_item(struct items *items, enum store_kind kind, const char *id, size_t id_len,
	const char *record, size_t record_len)
{
	if (memchr(id, '\0', id_len) || memchr(record, '\0', record_len)) {
		log_warn("store", "%s \"%s\": NUL in the name or the record; passed over",
			store_kind_name(kind), id);
		return;
	}
	xgrow(items->items, items->count, items->cap);
	items->items[items->count++] =
		(struct store_change){kind, xstrndup(id, id_len), xstrndup(record, record_len)};
}

static int add_hash(
	struct items *items, enum store_kind kind, const redis_reply *hash, struct err *err)
{
	if (hash->type != REDIS_REPLY_ARRAY || hash->elements % 2)
		return err_set(err, 0, "HGETALL of kind %s: not a hash", store_kind_name(kind));
	for (size_t i = 0; i < hash->elements; i += 2) {
		size_t id_len = 0, record_len = 0;
		const char *id = redis_reply_text(hash->element[i], &id_len);
		const char *record = redis_reply_text(hash->element[i + 1], &record_len);

		if (!id || !record)
			return err_set(
				err, 0, "HGETALL of kind %s: not strings", store_kind_name(kind));
		add_item(items, kind, id, id_len, record, record_len);
	}
	return 0;
}

/* nil is absent; anything that is not a head is an error. */
static int read_head(
	const redis_reply *reply, struct store_head *head, bool *present, struct err *err)
{
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);

	*present = text != NULL;
	if (!text && reply->type != REDIS_REPLY_NIL)
		return err_set(err, 0, "head is not a string");
	return text ? store_head_parse(text, len, head, err) : 0;
}

struct found {
	struct items items;
	struct store_head head, accepted;
	bool has_head, has_accepted;
	const char *
		ancestor; /* id that the history has for the held revision, or NULL; of the reply */
};

static int parse_exec(
	struct store_reader *reader, const redis_reply *reply, struct found *found, struct err *err)
{
	size_t at = 0;

	if (redis_reply_failed(reply, err))
		return -1;
	if (reply->type != REDIS_REPLY_ARRAY)
		return err_set(err, 0, "EXEC: unexpected reply");
	for (unsigned kind = 0; kind < KIND_COUNT; kind++) {
		if (!reader->hash_keys[kind])
			continue;
		if (at >= reply->elements || add_hash(&found->items, (enum store_kind)kind,
						     reply->element[at++], err) < 0)
			return err->text[0] ? -1 : err_set(err, 0, "EXEC: short reply");
	}
	if (reply->elements != at + 2 + reader->asked_ancestor)
		return err_set(err, 0, "EXEC: unexpected number of replies");
	if (read_head(reply->element[at], &found->head, &found->has_head, err) < 0)
		return -1;
	/* a broken acceptance accepts nothing */
	if (read_head(reply->element[at + 1], &found->accepted, &found->has_accepted, NULL) < 0)
		found->has_accepted = false;
	if (reader->asked_ancestor)
		found->ancestor = redis_reply_text(reply->element[at + 2], NULL);
	return 0;
}

static void take_snapshot(struct store_reader *reader, const struct found *found)
{
	/* without a head there is no stream, whatever lies in its hashes */
	const struct store_snapshot snapshot = {
		.items = found->has_head ? found->items.items : NULL,
		.count = found->has_head ? found->items.count : 0,
		.head = found->has_head ? &reader->head : NULL,
	};

	reader->has_head = found->has_head;
	if (found->has_head)
		reader->head = found->head;
	reader->took_empty = !found->has_head;
	reader->ops.snapshot(&snapshot, reader->arg);
}

static void settle(struct store_reader *reader, const struct found *found)
{
	const char *reason = "";
	enum store_verdict verdict = store_judge(reader->stream,
		reader->has_head ? &reader->head : NULL, found->has_head ? &found->head : NULL,
		found->has_accepted ? &found->accepted : NULL,
		reader->has_head && store_epoch_is_ahead(reader->head.epoch), found->ancestor,
		&reason);
	bool force = reader->force;

	reader->force = false;
	if (verdict == STORE_KEEP) {
		set_state(reader, STORE_REFUSED, reason);
		/* what was announced meanwhile may be the remedy */
		reader->again |= reader->queued > 0;
		clear_queue(reader);
		return;
	}
	if (verdict == STORE_TAKE || (verdict == STORE_SAME && force) ||
		(verdict == STORE_TAKE_EMPTY && (force || !reader->took_empty)))
		take_snapshot(reader, found);
	replay_queue(reader);
	/* without the channel this is the past already; its return reads again */
	if (reader->subscribed)
		set_state(reader, STORE_SYNCED, "");
}

static void retry_later(struct store_reader *reader)
{
	unsigned ms = backoff_next(&reader->backoff);
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(reader->retry, &delay);
}

static void on_exec(redis_reply *reply, void *arg)
{
	struct store_reader *reader = arg;
	struct found found = {0};
	struct err err = {0};

	reader->reading = false;
	if (!reply) {
		clear_queue(reader);
		return; /* the connection's LOST says the rest */
	}
	if (parse_exec(reader, reply, &found, &err) < 0) {
		err_wrap(&err, "read stream %s", reader->stream);
		set_state(reader, STORE_STALE,
			reader->queue_error[0] ? reader->queue_error : err.text);
		clear_queue(reader);
		reader->again = false;
		retry_later(reader);
	} else {
		backoff_reset(&reader->backoff);
		settle(reader, &found);
	}
	items_free(&found.items);
	if (reader->again) {
		reader->again = false;
		read_snapshot(reader);
	}
}

/* EXEC says only that something before it was refused; this is what, and why. */
static void on_queued(redis_reply *reply, void *arg)
{
	struct store_reader *reader = arg;

	if (reply && reply->type == REDIS_REPLY_ERROR && !reader->queue_error[0])
		snprintf(reader->queue_error, sizeof(reader->queue_error), "read stream %s: %s",
			reader->stream, reply->str);
}

static int queue_read(struct store_reader *reader, const char *command, const char *key)
{
	return redis_call(reader->commands, on_queued, reader, command, key, NULL);
}

/* Events are put aside while a read is under way, so that the head is still the held one when the answer comes. */
static int ask_ancestor(struct store_reader *reader)
{
	char revision[24];

	reader->asked_ancestor = reader->history_key && reader->has_head;
	if (!reader->asked_ancestor)
		return 0;
	snprintf(revision, sizeof(revision), "%llu", reader->head.revision);
	return redis_call(
		reader->commands, on_queued, reader, "HGET", reader->history_key, revision, NULL);
}

static int send_reads(struct store_reader *reader)
{
	reader->queue_error[0] = '\0';
	if (queue_read(reader, "MULTI", NULL) < 0)
		return -1;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (reader->hash_keys[kind] &&
			queue_read(reader, "HGETALL", reader->hash_keys[kind]) < 0)
			return -1;
	if (queue_read(reader, "GET", reader->head_key) < 0 ||
		queue_read(reader, "GET", reader->accept_key) < 0 || ask_ancestor(reader) < 0)
		return -1;
	return redis_call(reader->commands, on_exec, reader, "EXEC", NULL);
}

/* Subscribed first, read second: what changes in between is in the queue. */
static void read_snapshot(struct store_reader *reader)
{
	if (!reader->subscribed || !redis_is_ready(reader->commands))
		return;
	if (reader->reading) {
		reader->again = true;
		return;
	}
	reader->reading = true;
	if (send_reads(reader) < 0)
		redis_reset(reader->commands, "send snapshot read");
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	read_snapshot(arg);
}

/* --- connections ------------------------------------------------------------------------------- */

static void on_subscribed(redis_reply *reply, void *arg)
{
	struct store_reader *reader = arg;

	(void)reply;
	reader->subscribed = true;
	read_snapshot(reader);
}

void store_reader_commands_event(struct store_reader *reader, enum redis_event event)
{
	if (event == REDIS_READY) {
		read_snapshot(reader);
		return;
	}
	reader->reading = reader->again = false;
	clear_queue(reader);
	if (reader->state != STORE_UNREAD)
		set_state(reader, STORE_STALE, "Redis is away");
}

void store_reader_pubsub_event(struct store_reader *reader, enum redis_event event)
{
	reader->subscribed = false;
	if (event == REDIS_READY) {
		if (redis_subscribe(
			    reader->pubsub, reader->channel, on_message, on_subscribed, reader) < 0)
			redis_reset(reader->pubsub, "send SUBSCRIBE");
		return;
	}
	if (reader->state != STORE_UNREAD)
		set_state(reader, STORE_STALE, "Redis is away");
}

static void on_head(redis_reply *reply, void *arg)
{
	struct store_reader *reader = arg;
	struct store_head head;
	bool present = false;

	if (!reply)
		return;
	if (read_head(reply, &head, &present, NULL) == 0 && reader->state == STORE_SYNCED) {
		if (present && reader->has_head && store_head_equal(&head, &reader->head))
			return;
		if (!present && reader->took_empty)
			return;
	}
	read_snapshot(reader);
}

void store_reader_resync(struct store_reader *reader, bool force)
{
	if (!reader->subscribed || !redis_is_ready(reader->commands))
		return; /* the reconnect reads everything anyway */
	if (force) {
		reader->force = true;
		read_snapshot(reader);
	} else if (redis_call(reader->commands, on_head, reader, "GET", reader->head_key, NULL) <
		   0) {
		redis_reset(reader->commands, "send GET of head");
	}
}

/* --- life -------------------------------------------------------------------------------------- */

struct store_reader *store_reader_new(struct event_base *base, const char *stream,
	struct redis *commands, struct redis *pubsub, const struct store_head *held,
	const struct store_reader_ops *ops, void *arg)
{
	struct store_reader *reader = xcalloc(1, sizeof(*reader));

	reader->stream = xstrdup(stream);
	reader->channel = store_channel(stream);
	reader->head_key = store_head_key(stream);
	reader->accept_key = store_accept_key(stream);
	if (!strcmp(stream, STORE_POLICIES_STREAM))
		reader->history_key = store_history_key(stream);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		if (store_stream_has(stream, (enum store_kind)kind))
			reader->hash_keys[kind] = store_hash_key(stream, (enum store_kind)kind);
	reader->commands = redis_hold(commands);
	reader->pubsub = redis_hold(pubsub);
	reader->ops = *ops;
	reader->arg = arg;
	reader->retry = evtimer_new(base, on_retry, reader);
	if (held) {
		reader->has_head = true;
		reader->head = *held;
	}
	return reader;
}

void store_reader_free(struct store_reader *reader)
{
	if (!reader)
		return;
	redis_drop(reader->commands, reader);
	redis_drop(reader->pubsub, reader);
	clear_queue(reader);
	event_free(reader->retry);
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		free(reader->hash_keys[kind]);
	free(reader->accept_key);
	free(reader->history_key);
	free(reader->head_key);
	free(reader->channel);
	free(reader->stream);
	free(reader);
}

enum store_state store_reader_state(const struct store_reader *reader)
{
	return reader->state;
}

const char *store_reader_reason(const struct store_reader *reader)
{
	return reader->reason;
}

const struct store_head *store_reader_head(const struct store_reader *reader)
{
	return reader->has_head ? &reader->head : NULL;
}

const char *store_reader_stream(const struct store_reader *reader)
{
	return reader->stream;
}
