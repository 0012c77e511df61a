/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes a stream that this process alone owns (syncd: its node's). Every write is one MULTI/EXEC of data, head and PUBLISH
 * under a WATCH of the head that is taken ahead of time, so that a change costs one round trip. Where the head is not the last one
 * written here (a fresh store, a restored dump, FLUSHALL), the stream is rewritten whole, under an epoch later than any found.
 *
 * The lease (field NODE of the nodes hash, see store_lease.h) keeps a second Engine of the same name out: it is refused, naming the
 * holder. A second instance of the same Engine waits until the holder's heartbeat has stopped for STORE_LEASE_HEARTBEATS: a killed
 * syncd is followed within about three seconds, and two live ones never take turns. It is taken in a transaction under a WATCH, so
 * that one of several wins; one that lost it (a stopped process that goes on) finds the head changed at its next write, and the
 * lease another's at its next heartbeat, and then waits like any other.
 *
 * The connection must be the writer's own: WATCH and MULTI belong to a connection. It may be freed before or after the writer.
 */
#ifndef BULKHEAD_STORE_WRITER_H
#define BULKHEAD_STORE_WRITER_H

#include "common/redis.h"
#include "common/store.h"

struct store_writer;

enum { STORE_HEARTBEAT_SECONDS = 1, STORE_LEASE_HEARTBEATS = 3 };

struct store_identity {
	const char *node;    /* stream owner */
	const char *engine;  /* the Engine's id: another one under the same node name is refused */
	const char *boot;    /* kernel boot id */
	const char *version; /* ours */
};

struct store_writer_ops {
	/* Appends every field of the stream as it should be now; called for a whole rewrite. The writer frees them. */
	void (*whole)(struct store_change **changes, size_t *count, void *arg);
	/* What was handed in is in Redis under this head. */
	void (*written)(const struct store_head *head, void *arg);
	/* Another Engine holds the node name; holder is its record's text. The caller exits 1. */
	void (*refused)(const char *holder, void *arg);
	/* A write failed or the connection went; it is retried by itself. For log and metrics. */
	void (*failed)(const char *cause, void *arg);
};

struct store_writer *store_writer_new(struct event_base *base,
	const struct store_identity *identity, struct redis *redis,
	const struct store_writer_ops *ops, void *arg);
void store_writer_free(struct store_writer *writer);
void store_writer_event(
	struct store_writer *writer, enum redis_event event); /* forward READY and LOST */

/*
 * Queues changes (takes over the strings) and sends them at once unless a write is under way, in which case they go
 * together in the next one: the first change is never delayed. Before the first whole write they are dropped, since
 * whole() will include them.
 */
void store_writer_put(struct store_writer *writer, struct store_change *changes, size_t count);
/* Rewrites the stream whole at the next opportunity (first complete inventory, SIGHUP). Until the first call
 * nothing is written: a half-known inventory must not replace a good record. */
void store_writer_rewrite(struct store_writer *writer);
/* Writes nothing more and gives the lease back, so that a successor need not wait; done is called, perhaps before this returns, when
 * Redis has it or cannot be reached, which a server that hangs can delay until the connection's own time limit (10 s). */
void store_writer_release(struct store_writer *writer, void (*done)(void *arg), void *arg);
bool store_writer_idle(const struct store_writer *writer); /* everything handed in is in Redis */
/* As store_lease_rival() has it: who keeps this writer waiting, and is not about to end. NULL: nobody. Borrowed. */
const char *store_writer_rival(const struct store_writer *writer);

DEFINE_CLEANUP(store_writer, struct store_writer *, store_writer_free)

#endif
