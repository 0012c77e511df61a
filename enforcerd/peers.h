/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other nodes of the store: who they are (bulkhead:v1:nodes), whether their syncds' hearts beat, and their streams, from the store to
 * the world. Nothing is asked or held while this node shares no network with anybody.
 *
 * A heart beats when its record changes while we look, by our own monotonic clock: hosts' clocks are not compared.
 */
#ifndef BULKHEAD_PEERS_H
#define BULKHEAD_PEERS_H

#include "common/redis.h"
#include "enforcerd/world.h"

#include <event2/event.h>

enum { PEERS_MAX = 1024, PEERS_TIMEOUT_MIN = 5 };

struct peers;

struct peers_config {
	const char *node;     /* this one */
	long timeout_seconds; /* a node that is silent for longer leaves the world; 0: none does */
	struct redis *commands, *pubsub; /* borrowed, as the world is */
	struct world *world;
};

struct peers_ops {
	/* The world was told something, or what peers_settled() says changed. */
	void (*taken)(void *arg);
	/* Only what is said of them changed. */
	void (*state)(void *arg);
};

struct peers *peers_new(struct event_base *base, const struct peers_config *config,
	const struct peers_ops *ops, void *arg);
void peers_free(struct peers *peers);
void peers_commands_event(struct peers *peers, enum redis_event event);
void peers_pubsub_event(struct peers *peers, enum redis_event event);
/* As for streams_resync(). */
void peers_resync(struct peers *peers, bool force);
/* This node's own networks may have changed: whether it shares any decides what is asked. */
void peers_update(struct peers *peers);

/*
 * The streams of all other nodes that count have been read, or cannot be. Before that a restart would take their addresses out of the
 * kernel and put them back a moment later, and cut their connections.
 */
bool peers_settled(const struct peers *peers);
/* What the world holds is in the kernel. */
void peers_committed(struct peers *peers);

struct peers_counts {
	size_t followed, silent;
};

void peers_count(const struct peers *peers, struct peers_counts *counts);
/* {node: {"head": <in force or "">, "state": "up"|"silent"|"left"|"new"}} if that changed since it was asked for last, else NULL. New
 * reference. */
json_t *peers_news(struct peers *peers);
/* Appends sentences. */
void peers_problems(const struct peers *peers, json_t *list);

DEFINE_CLEANUP(peers, struct peers *, peers_free)

#endif
