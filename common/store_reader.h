/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Follows one stream: subscribes, then reads hashes and head in one MULTI; applies an event only if its prev
 * is the head it holds; on anything else, on reconnect, on store_reader_resync() and when a head comparison
 * differs, reads the whole stream again. Applies the reader's rules of design 3.2 (absent, new epoch, lower
 * revision, earlier epoch) before anything reaches the callbacks.
 *
 * Two connections: pub/sub cannot share one with commands (RESP2).
 */
#ifndef BULKHEAD_STORE_READER_H
#define BULKHEAD_STORE_READER_H

#include "common/redis.h"
#include "common/store.h"

struct store_reader;

enum store_state {
	STORE_UNREAD, /* nothing read yet */
	STORE_SYNCED, /* what the consumer holds is what the store held at the last look */
	STORE_STALE, /* connection lost, or a read is under way; the consumer's world stays in force */
	STORE_REFUSED /* the store was readable but a rule refused it (see reason): world stays, alarm */
};

struct store_snapshot {
	const struct store_change
		*items; /* every field of every hash of the stream, record never NULL */
	size_t count;
	const struct store_head
		*head; /* NULL: stream absent and accepted as empty (first install) */
};

struct store_reader_ops {
	/* Replaces the whole world of this stream. Borrowed for the call. Records are as they were found: of any content, though without
	 * NUL, and the consumer judges them one by one. */
	void (*snapshot)(const struct store_snapshot *snapshot, void *arg);
	/* Applies changes on top; one call per event, to be taken as one update. */
	void (*changes)(const struct store_change *changes, size_t count,
		const struct store_head *head, void *arg);
	/* Every change of state; reason is borrowed, "" when there is nothing to say. */
	void (*state)(enum store_state state, const char *reason, void *arg);
};

/*
 * held: the head of the world that the consumer already has (from disk), or NULL for none.
 * commands and pubsub are shared: several readers may use one pair; whoever owns the pair forwards its READY and LOST with
 * store_reader_commands_event() and store_reader_pubsub_event(), also for a reader that is made when they are READY already,
 * and may free it before or after the reader. A reader must not be freed from within its own callbacks.
 */
struct store_reader *store_reader_new(struct event_base *base, const char *stream,
	struct redis *commands, struct redis *pubsub, const struct store_head *held,
	const struct store_reader_ops *ops, void *arg);
void store_reader_free(struct store_reader *reader);
void store_reader_commands_event(struct store_reader *reader, enum redis_event event);
void store_reader_pubsub_event(struct store_reader *reader, enum redis_event event);

/* Reads the head and, if it is not the one held, the whole stream. With force, always the whole stream. */
void store_reader_resync(struct store_reader *reader, bool force);

enum store_state store_reader_state(const struct store_reader *reader);
const char *store_reader_reason(const struct store_reader *reader);
/* The head of the world held, or NULL. */
const struct store_head *store_reader_head(const struct store_reader *reader);
const char *store_reader_stream(const struct store_reader *reader);

DEFINE_CLEANUP(store_reader, struct store_reader *, store_reader_free)

#endif
