/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lengths of time as people write them: "90", "90s", "5m", "1h". */
#ifndef BULKHEAD_CTL_DURATION_H
#define BULKHEAD_CTL_DURATION_H

#include "common/err.h"

enum { DURATION_MAX = 3600 }; /* seconds */

/* Whole seconds, 1 to DURATION_MAX. */
int duration_parse(const char *text, long *seconds, struct err *err) must_check;
/* The same for a table of options. */
int duration_check(const char *text, struct err *err) must_check;

#endif
