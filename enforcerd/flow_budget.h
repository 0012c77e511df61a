/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many packets may be told of: so many a second for each reason, and for all reasons together. The kernel limits what a
 * rule logs; a world has thousands of rules, and whoever is denied chooses how many of them speak. Pure: the caller has the clock.
 */
#ifndef BULKHEAD_FLOW_BUDGET_H
#define BULKHEAD_FLOW_BUDGET_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	FLOW_REASON_RATE = 10, /* a second */
	FLOW_REASON_BURST = 20,
	FLOW_TOTAL_RATE = 100,
	FLOW_TOTAL_BURST = 200,
	FLOW_REASONS_MAX = 512 /* told apart; beyond it, those that come later share one */
};

struct flow_budget;

struct flow_budget *flow_budget_new(void);
void flow_budget_free(struct flow_budget *budget);

/*
 * Whether a packet with this reason (any bytes) may be told of now; now_ms never goes back. If so, *suppressed is how many of
 * the same reason were not, since the last that was.
 */
bool flow_budget_take(struct flow_budget *budget, const char *reason, size_t len, long long now_ms,
	long long *suppressed);
/* How many were not told of so far. */
unsigned long long flow_budget_suppressed(const struct flow_budget *budget);

DEFINE_CLEANUP(flow_budget, struct flow_budget *, flow_budget_free)

#endif
