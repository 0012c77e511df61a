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

/* Converters that both forms use. */
json_t *policy_only_false(struct walk *walk, const struct doc_node *node, const void *arg);

/* Fills in what a written spec may leave out: rule lists, types, selector. */
void policy_fill_spec(json_t *spec);
/* 0, or -1 with an error where what is there would refuse the record; node is the document that it came from. */
int policy_check_record(
	struct walk *walk, const struct doc_node *node, const json_t *record) must_check;

/* The name under which a policy of either form is stored: a staged one stands beside that in force. Caller frees. */
char *policy_stored_name(const char *namespace, const char *name, bool staged);
/* Makes a staged policy of its own out of one that is not: for `apply --staged`. */
void policy_stage(json_t *record);

#endif
