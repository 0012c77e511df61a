/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Retry delays: doubling from 100 ms to 10 s with full jitter on the upper half; never gives up. */
#ifndef BULKHEAD_BACKOFF_H
#define BULKHEAD_BACKOFF_H

struct backoff {
	unsigned attempt; /* zero-initialised; backoff_reset() after a success */
};

/* Milliseconds to wait before the next attempt: within 50..100 % of min(100 << attempt, 10000). */
unsigned backoff_next(struct backoff *backoff);
void backoff_reset(struct backoff *backoff);

#endif
