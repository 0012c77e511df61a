/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The v3 kinds Tier and GlobalNetworkSet: from a doc tree to the records of common/tier.h and common/netset.h, and back. */
#ifndef BULKHEAD_CTL_V3_DEFINE_H
#define BULKHEAD_CTL_V3_DEFINE_H

#include "ctl/policy_schema.h"

/* As policy_from_doc(). */
json_t *v3_tier_from_doc(
	struct walk *walk, const struct doc_node *node, enum policy_need need) must_check;
json_t *v3_netset_from_doc(
	struct walk *walk, const struct doc_node *node, enum policy_need need) must_check;

/* A record as a v3 object, which reads back as the same record. New references. */
json_t *v3_tier_object(const json_t *record);
json_t *v3_netset_object(const json_t *record);

/* The record of the tier that is always there. */
json_t *v3_default_tier(void);

#endif
