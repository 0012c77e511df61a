/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a condition on an event loop, with a bound, instead of sleeping. */
#ifndef BULKHEAD_TESTS_WAIT_H
#define BULKHEAD_TESTS_WAIT_H

#include <event2/event.h>
#include <stdbool.h>

/* Runs the loop until condition(arg) holds; false when that took longer than ms. */
bool wait_until(struct event_base *base, bool (*condition)(void *arg), void *arg, int ms);
/* Runs the loop for ms, for what must not happen. */
void wait_out(struct event_base *base, int ms);
long long monotonic_now_ms(void);

#endif
