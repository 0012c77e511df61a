/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The v3 policy forms (apiVersion: projectcalico.org/v3) from a doc tree to the record of common/policy.h. A namespace is
 * a compose project; a staged kind is a record of its own beside that of the policy in force.
 */
#ifndef BULKHEAD_CTL_V3_SCHEMA_H
#define BULKHEAD_CTL_V3_SCHEMA_H

#include "common/store.h"
#include "ctl/policy_schema.h"

#define V3_API_VERSION "projectcalico.org/v3"

struct v3_kind {
	const char *name;
	bool namespaced, staged;
	const char *refusal;  /* NULL, or why there is none of its kind here */
	enum store_kind kind; /* what it is stored as */
};

/* NULL where Calico has no such kind, or none that concerns traffic. */
const struct v3_kind *v3_kind_find(const char *name);
/* That of a policy with these properties. */
const struct v3_kind *v3_kind_of(bool namespaced, bool staged);

/* Of every kind. */
extern const struct schema v3_metadata_schema;

/* As policy_from_doc(). kind is one of policies, without a refusal. */
json_t *v3_policy_from_doc(struct walk *walk, const struct doc_node *node,
	const struct v3_kind *kind, enum policy_need need) must_check;

#endif
