/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_budget.h"

#include "common/xalloc.h"

#include <string.h>
#include <uthash.h>

/* In thousandths, so that a millisecond at one a second is one. */
enum { UNIT = 1000 };

struct bucket {
	long long tokens; /* UNITs */
	long long at_ms;  /* when they were counted */
};

struct reason {
	struct bucket bucket;
	long long suppressed;
	char *key;
	UT_hash_handle hh;
};

struct flow_budget {
	struct bucket total;
	struct reason *reasons, others;
	unsigned long long suppressed;
};

struct flow_budget *flow_budget_new(void)
{
	struct flow_budget *budget = xcalloc(1, sizeof(*budget));

	budget->total.tokens = (long long)FLOW_TOTAL_BURST * UNIT;
	budget->others.bucket.tokens = (long long)FLOW_REASON_BURST * UNIT;
	return budget;
}

static void forget(struct flow_budget *budget, struct reason *reason)
{
	HASH_DEL(budget->reasons, reason);
	free(reason->key);
	free(reason);
}

void flow_budget_free(struct flow_budget *budget)
{
	struct reason *reason, *next;

	if (!budget)
		return;
	HASH_ITER (hh, budget->reasons, reason, next)
		forget(budget, reason);
	free(budget);
}

static void fill(struct bucket *bucket, long long rate, long long burst, long long now_ms)
{
	long long passed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;

	/* a long silence must not overflow */
	if (passed > burst * UNIT)
		passed = burst * UNIT;
	bucket->tokens += passed * rate;
	if (bucket->tokens > burst * UNIT)
		bucket->tokens = burst * UNIT;
	bucket->at_ms = now_ms;
}

/* Full buckets with nothing to tell are as good as none. */
static void forget_idle(struct flow_budget *budget, long long now_ms)
{
	struct reason *reason, *next;

	HASH_ITER (hh, budget->reasons, reason, next) {
		fill(&reason->bucket, FLOW_REASON_RATE, FLOW_REASON_BURST, now_ms);
		if (reason->bucket.tokens == (long long)FLOW_REASON_BURST * UNIT &&
			!reason->suppressed)
			forget(budget, reason);
	}
}

static struct reason *find(
	struct flow_budget *budget, const char *key, size_t len, long long now_ms)
{
	struct reason *reason;

	HASH_FIND(hh, budget->reasons, key, len, reason);
	if (reason)
		return reason;
	if (HASH_COUNT(budget->reasons) >= FLOW_REASONS_MAX)
		forget_idle(budget, now_ms);
	if (HASH_COUNT(budget->reasons) >= FLOW_REASONS_MAX)
		return &budget->others;
	reason = xcalloc(1, sizeof(*reason));
	reason->key = xcalloc(1, len + 1);
	memcpy(reason->key, key, len);
	reason->bucket =
		(struct bucket){.tokens = (long long)FLOW_REASON_BURST * UNIT, .at_ms = now_ms};
	HASH_ADD_KEYPTR(hh, budget->reasons, reason->key, len, reason);
	return reason;
}

bool flow_budget_take(struct flow_budget *budget, const char *reason, size_t len, long long now_ms,
	long long *suppressed)
{
	struct reason *found = find(budget, reason, len, now_ms);

	fill(&found->bucket, FLOW_REASON_RATE, FLOW_REASON_BURST, now_ms);
	fill(&budget->total, FLOW_TOTAL_RATE, FLOW_TOTAL_BURST, now_ms);
	if (found->bucket.tokens < UNIT || budget->total.tokens < UNIT) {
		found->suppressed++;
		budget->suppressed++;
		return false;
	}
	found->bucket.tokens -= UNIT;
	budget->total.tokens -= UNIT;
	*suppressed = found->suppressed;
	found->suppressed = 0;
	return true;
}

unsigned long long flow_budget_suppressed(const struct flow_budget *budget)
{
	return budget->suppressed;
}
