/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two streams that a node lives by, its own and the policies, from the store to the world: how far each has come, what of it is
 * in force, and what is wrong with it.
 */
#ifndef BULKHEAD_STREAMS_H
#define BULKHEAD_STREAMS_H

#include "common/redis.h"
#include "common/strbuf.h"
#include "enforcerd/kept.h"
#include "enforcerd/whereabouts.h"
#include "enforcerd/world.h"

#include <event2/event.h>

struct streams;

struct streams_config {
	const char *node;
	struct redis *commands, *pubsub;
	/* all borrowed; whatever is taken goes to these */
	struct world *world;
	struct whereabouts *whereabouts;
	struct kept *kept;
};

struct streams_ops {
	/* The world was told something. */
	void (*taken)(void *arg);
	/* What is wrong with a stream changed, or how far it is. */
	void (*state)(void *arg);
};

/* Connections are shared: their owner forwards READY and LOST, and may free them before. */
struct streams *streams_new(struct event_base *base, const struct streams_config *config,
	const struct streams_ops *ops, void *arg);
void streams_free(struct streams *streams);
void streams_commands_event(struct streams *streams, enum redis_event event);
void streams_pubsub_event(struct streams *streams, enum redis_event event);

/* Compares heads, and reads what differs; with force, reads everything. */
void streams_resync(struct streams *streams, bool force);
/* From time to time: is this node's syncd alive? */
void streams_ask_liveness(struct streams *streams);
/* Whether it was, at the last look. */
bool streams_node_alive(const struct streams *streams);

/* The world began with what was kept on disk. */
bool streams_used_kept(const struct streams *streams);
/* The world has held a snapshot of both. */
bool streams_both_taken(const struct streams *streams);
/* Both are what the store held at the last look. */
bool streams_synced(const struct streams *streams);
/* What the world holds is in the kernel. */
void streams_committed(struct streams *streams);
/* Heads of what is in the kernel, "" before the first. Borrowed. */
const char *streams_node_head(const struct streams *streams);
const char *streams_policies_head(const struct streams *streams);
/* Appends sentences. */
void streams_problems(const struct streams *streams, json_t *list);
void streams_reasons(const struct streams *streams, struct strbuf *reasons);

DEFINE_CLEANUP(streams, struct streams *, streams_free)

#endif
