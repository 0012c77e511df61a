/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/wait.h"

#include <time.h>

enum { TICK_MS = 5 };

long long monotonic_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wakes the loop, so that conditions which no event of the loop makes true are looked at too. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

bool wait_until(struct event_base *base, bool (*condition)(void *arg), void *arg, int ms)
{
	const struct timeval every = {.tv_usec = TICK_MS * 1000};
	struct event *tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	long long end = monotonic_now_ms() + ms;
	bool met;

	evtimer_add(tick, &every);
	while (!(met = condition(arg)) && monotonic_now_ms() < end)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(tick);
	return met;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

void wait_out(struct event_base *base, int ms)
{
	(void)wait_until(base, never, NULL, ms);
}
