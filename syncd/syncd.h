/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon: wires Engine to inventory, inventory to Redis, and both to signals, timers, health and metrics. */
#ifndef BULKHEAD_SYNCD_SYNCD_H
#define BULKHEAD_SYNCD_SYNCD_H

#include "syncd/options.h"

struct syncd;

/* options are borrowed. Fails on what cannot get better by waiting: bad files, a taken port. */
struct syncd *syncd_new(const struct options *options, struct err *err) must_check;
/* Until SIGTERM or SIGINT (0; the lease is given back, the records stay), or a reason to give up (-1). */
int syncd_run(struct syncd *syncd, struct err *err) must_check;
void syncd_free(struct syncd *syncd);

DEFINE_CLEANUP(syncd, struct syncd *, syncd_free)

#endif
