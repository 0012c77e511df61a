/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A v1 policy as a v3 one that means the same. */
#ifndef BULKHEAD_CTL_V1_CONVERT_H
#define BULKHEAD_CTL_V1_CONVERT_H

#include "common/err.h"

#include <jansson.h>

/*
 * record is one that policy_from_json() accepts; one that was written as v3 is shown as it was. Returns a new v3 object which
 * apply accepts, or NULL where v3 cannot say it.
 */
json_t *v1_convert(const json_t *record, struct err *err);

/* The name that Calico's upgrade gives a v1 policy in v3. Caller frees. */
char *v1_convert_name(const char *name);

#endif
