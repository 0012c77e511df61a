/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this node's syncd is alive and of this boot: its heartbeat in the nodes hash. Records that were read while it is not are of
 * a past that nobody vouches for.
 */
#ifndef BULKHEAD_LIVENESS_H
#define BULKHEAD_LIVENESS_H

#include "common/redis.h"

#include <event2/event.h>

enum { LIVENESS_SECONDS = 5 }; /* a heartbeat is sent every second, a lease is three */

struct liveness;

/* changed is called when it became alive, or no longer is. redis is borrowed and must outlive it. */
struct liveness *liveness_new(struct event_base *base, struct redis *redis, const char *node,
	void (*changed)(void *arg), void *arg);
void liveness_free(struct liveness *liveness);
/* Asks the store; call when it is READY, before readers ask, and from time to time. An outstanding question is not repeated. */
void liveness_ask(struct liveness *liveness);
/* The same; where it turns out to be alive, changed is called whatever was thought of it before. */
void liveness_confirm(struct liveness *liveness);
/* Its heartbeat has advanced while we looked, which takes a second after a start, and is not older than LIVENESS_SECONDS. */
bool liveness_alive(const struct liveness *liveness);

DEFINE_CLEANUP(liveness, struct liveness *, liveness_free)

#endif
