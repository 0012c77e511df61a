/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The v1 policy form (apiVersion: v1, kind: policy) from a doc tree to the record of common/policy.h. */
#ifndef BULKHEAD_CTL_POLICY_SCHEMA_H
#define BULKHEAD_CTL_POLICY_SCHEMA_H

#include "ctl/schema.h"

enum policy_need {
	POLICY_WHOLE, /* everything that a stored policy needs */
	POLICY_NAME   /* at least its name: what is to be deleted */
};

/*
 * Returns a new record that policy_from_json() accepts, types filled in; or NULL with at least one error in the walk's
 * diag. node is the object with metadata and spec; its kind and apiVersion have been looked at.
 */
json_t *policy_from_doc(
	struct walk *walk, const struct doc_node *node, enum policy_need need) must_check;

#endif
