/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tier as a value: policies are asked tier by tier. Where a policy of a tier governs an endpoint and none of the tier's decides about a
 * flow, the tier's default action does; "pass", as a rule's action or as that, goes on to the next tier. The tier "default" is
 * always there, and everything that names no tier is in it.
 *
 * Record: {"v":1,"name":NAME,"labels":{...}?,"annotations":{...}?,"spec":{"order":NUMBER?,"defaultAction":"deny"|"pass"}}
 */
#ifndef BULKHEAD_TIER_H
#define BULKHEAD_TIER_H

#include "common/policy.h"

#define TIER_DEFAULT "default"

/* TIERS_MAX: of a store, the default one among them. A kernel follows 16 jumps at most, and each tier behind another is one. */
enum { TIER_DEFAULT_ORDER = 1000000, TIERS_MAX = 8 };

struct tier {
	char *name;
	bool has_order; /* absent order sorts after every number */
	double order;
	bool passes;                  /* its default action is pass */
	json_t *labels, *annotations; /* objects of strings, or NULL: without meaning here */
};

/* As policy_from_json(). One of the name "default" must say what the built-in one is. */
struct tier *tier_from_json(const json_t *record, struct err *err) must_check;
json_t *tier_to_json(const struct tier *tier); /* reads back as an equal one; caller owns it */
void tier_free(struct tier *tier);

const struct tier *tier_default(void);

/* Order of evaluation: ascending order, absent last, ties byte-wise by name. NULL, a tier that is not there, comes before every other:
 * what is in it is closed. */
int tier_cmp(const struct tier *a, const struct tier *b);

/* Whether both policies are of one tier. */
bool tier_same(const struct policy *a, const struct policy *b);

/* Of a policy: its name. Borrowed. */
const char *tier_of(const struct policy *policy);

DEFINE_CLEANUP(tier, struct tier *, tier_free)

#endif
