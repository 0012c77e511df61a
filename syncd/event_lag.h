/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the Engine may have dropped events for us. It does so without a word: a reader that has 1024 unread events in its
 * channel for 100 ms loses those that follow, and the stream goes on. But then each of those 1024 is read when it is older than
 * 100 ms. So no event can have been dropped unless as many in a row come late; the bound here is lower, for Engines with
 * shorter channels. Pure.
 */
#ifndef BULKHEAD_SYNCD_EVENT_LAG_H
#define BULKHEAD_SYNCD_EVENT_LAG_H

#include <stdbool.h>

enum { EVENT_LAG_ROW = 256 };

#define EVENT_LAG_NS 100000000LL

struct event_lag {
	long long ahead_ns; /* our clock less the Engine's */
	unsigned late;      /* in a row */
};

/* A new stream, whose clock showed engine_ns when ours showed now_ns. */
void event_lag_reset(struct event_lag *lag, long long engine_ns, long long now_ns);
/* An event of the Engine's time event_ns was read: true if some before it may be missing, once in EVENT_LAG_ROW late ones. */
bool event_lag_add(struct event_lag *lag, long long event_ns, long long now_ns);

#endif
