/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps an inventory true to the Engine: fetches what it wishes for and hands in the answers. For each thing at most one
 * question is under way; a wish that comes meanwhile is asked again after it, because the answer may be older. What a starting
 * container waits for goes before the rest. A full comparison is the two lists and an inspect of each network; where a question
 * fails, one follows after a back-off.
 */
#ifndef BULKHEAD_SYNCD_FOLLOWER_H
#define BULKHEAD_SYNCD_FOLLOWER_H

#include "syncd/engine.h"
#include "syncd/inventory.h"

enum { FOLLOWER_QUEUE_MAX = 100000, FOLLOWER_IN_FLIGHT_MAX = 32 };

struct follower;

struct follower_ops {
	/* An answer or events were taken in. since: when what caused it was read, in monotonic seconds, or 0. */
	void (*changed)(double since, void *arg);
	/* A full comparison is complete. */
	void (*synced)(void *arg);
	/* More is wished for than can be fetched: the stream has to be dropped. */
	void (*overflow)(void *arg);
};

/* All three are borrowed. */
struct follower *follower_new(struct event_base *base, struct engine *engine,
	struct inventory *inventory, const struct label_prefixes *prefixes,
	const struct follower_ops *ops, void *arg);
void follower_free(struct follower *follower);

void follower_sync(struct follower *follower); /* the Engine is there; again if one is under way */
void follower_event(struct follower *follower, const struct docker_event *event);
void follower_events_end(struct follower *follower);
void follower_stop(struct follower *follower); /* the Engine is away: nothing will be answered */

/* A full comparison was completed since the last follower_stop(), and nothing has failed since. */
bool follower_is_synced(const struct follower *follower);
const char *follower_trouble(const struct follower *follower); /* "" when there is none */
unsigned long long follower_syncs(const struct follower *follower);

DEFINE_CLEANUP(follower, struct follower *, follower_free)

#endif
