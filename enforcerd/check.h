/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --check and --clear: one thing each, then exit. */
#ifndef BULKHEAD_CHECK_H
#define BULKHEAD_CHECK_H

#include "enforcerd/options.h"

/* Prints a line for each thing tested on stdout ("ok ..." or "FAIL ..."); returns the exit status, 0 or 1. */
int check_run(const struct options *options);
int clear_run(const struct options *options);

#endif
