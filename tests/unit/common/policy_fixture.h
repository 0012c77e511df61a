/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies read from records that are written with ' for ". */
#ifndef BULKHEAD_TEST_POLICY_FIXTURE_H
#define BULKHEAD_TEST_POLICY_FIXTURE_H

#include "common/policy.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static inline struct policy *read_policy(const char *quoted, struct err *err)
{
	cleanup_json json_t *json = parse(quoted);

	return policy_from_json(json, err);
}

#endif
