/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three words of network isolation, and who speaks first (design section 4). */
#ifndef BULKHEAD_ISOLATION_H
#define BULKHEAD_ISOLATION_H

#include <stdbool.h>

enum isolation { ISOLATION_OFF, ISOLATION_LABELLED, ISOLATION_STRICT };

bool isolation_parse(const char *word, enum isolation *isolation);
const char *isolation_name(enum isolation isolation);

#endif
