/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policies as they are in force once enforcers have the store's: a record that is bad closes what it selects. */
#ifndef BULKHEAD_CTL_POLICIES_H
#define BULKHEAD_CTL_POLICIES_H

#include "common/policy.h"

struct policies {
	struct policy **items; /* owned */
	size_t count, cap;
};

/* One field of the policies hash. -1: it says nothing that could be used; 0 with err->text set: it is taken as closed. */
int policies_add(struct policies *policies, const char *name, const char *text, size_t len,
	struct err *err) must_check;
/* Takes the policy over, in the place of the one of its name. */
void policies_put(struct policies *policies, struct policy *policy);
void policies_clear(struct policies *policies);

#define cleanup_policies __attribute__((cleanup(policies_clear)))

#endif
