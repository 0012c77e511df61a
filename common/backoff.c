/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/backoff.h"

#include <sys/random.h>

enum { FIRST_MS = 100, LAST_MS = 10000, DOUBLINGS_MAX = 7 };

unsigned backoff_next(struct backoff *backoff)
{
	unsigned limit = FIRST_MS << backoff->attempt, random = 0;

	if (limit > LAST_MS)
		limit = LAST_MS;
	/* retrying never ends, so the count must: it stays where the limit has been reached */
	if (backoff->attempt < DOUBLINGS_MAX)
		backoff->attempt++;
	/* only spreads retries of many hosts over time: a failure to get random bytes costs just that */
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return limit / 2 + random % (limit / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
	backoff->attempt = 0;
}
