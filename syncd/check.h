/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --check: tests what the daemon needs, then exits. */
#ifndef BULKHEAD_SYNCD_CHECK_H
#define BULKHEAD_SYNCD_CHECK_H

#include "syncd/options.h"

/* Prints "ok" or "FAIL", a line each, for labels, Engine, node name and Redis; returns the exit status. */
int check_run(const struct options *options);

#endif
