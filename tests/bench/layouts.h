/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the host has in its packet path: Docker's own tables, always there and the baseline; ours, produced by the daemon's own
 * code from records; and the two that others use, which let the same pairs through on the same port.
 */
#ifndef BULKHEAD_BENCH_LAYOUTS_H
#define BULKHEAD_BENCH_LAYOUTS_H

#include "tests/bench/lab.h"

#include <stdbool.h>

enum layout {
	LAYOUT_NONE,
	LAYOUT_NONE_AGAIN,   /* the same once more: how far two equal hosts differ in this run */
	LAYOUT_OURS,         /* anti-spoof off */
	LAYOUT_OURS_GUARDED, /* anti-spoof on */
	LAYOUT_CHAINS, /* a chain per endpoint and direction, a chain per policy, a packet mark for "allowed" */
	LAYOUT_LINEAR, /* a rule per allowed pair */
	LAYOUT_COUNT
};

const char *layout_name(enum layout layout);

/* Makes of the host that the process is in, world->host, what the layout says, over what Docker Engine 26 has with its iptables
 * back end for one network. Returns the seconds that loading the layout took. */
double layout_load(const struct bench_world *world, enum layout layout);

#endif
