/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policies as they are in force once enforcers have the store's: a record that is bad closes what it selects. */
#ifndef BULKHEAD_CTL_POLICIES_H
#define BULKHEAD_CTL_POLICIES_H

#include "common/netset.h"
#include "common/store.h"
#include "common/tier.h"

struct policies {
	struct policy **items; /* owned, as all of it is */
	size_t count, cap;
	/* what they speak of */
	struct tier **tiers;
	size_t tier_count, tier_cap;
	struct netset **netsets;
	size_t netset_count, netset_cap;
};

/* One field of the policies hash. -1: it says nothing that could be used; 0 with err->text set: it is taken as closed. */
int policies_add(struct policies *policies, const char *name, const char *text, size_t len,
	struct err *err) must_check;
/* The same for the hashes of tiers and network sets. */
int policies_define(struct policies *policies, enum store_kind kind, const char *name,
	const char *text, size_t len, struct err *err) must_check;
/* A record of any of the kinds, in the place of the one of its name. */
int policies_put_record(struct policies *policies, enum store_kind kind, const json_t *record,
	struct err *err) must_check;
/* The record of the one of this name, a new reference, or NULL. */
json_t *policies_record(const struct policies *policies, enum store_kind kind, const char *name);
int policies_copy(struct policies *to, const struct policies *from, struct err *err) must_check;
/* Takes the policy over, in the place of the one of its name. */
void policies_put(struct policies *policies, struct policy *policy);
void policies_clear(struct policies *policies);

#define cleanup_policies __attribute__((cleanup(policies_clear)))

#endif
