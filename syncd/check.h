/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --check and --healthcheck: one thing, then exit. Both return the exit status. */
#ifndef BULKHEAD_SYNCD_CHECK_H
#define BULKHEAD_SYNCD_CHECK_H

#include "syncd/options.h"

/* Prints "ok" or "FAIL", a line each, for Engine, node name and Redis. */
int check_run(const struct options *options);
/* Asks the running program whether it is ready, where --listen says. */
int healthcheck_run(const struct options *options);

#endif
