/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The policies stream's keys, and one change at a time made to it. */
#ifndef BULKHEAD_TEST_EDIT_FIXTURE_H
#define BULKHEAD_TEST_EDIT_FIXTURE_H

#include "common/store_edit.h"

#include <check.h>

#define HEAD   STORE_PREFIX "head:policies"
#define EVENTS STORE_PREFIX "events:policies"
#define HASH   STORE_PREFIX "policies"

struct edit {
	const char *id, *record;
};

static inline int write_one(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	const struct edit *edit = arg;

	(void)view;
	(void)err;
	store_changes_add(changes, KIND_POLICY, edit->id, edit->record);
	return 0;
}

/* record NULL: the policy goes. */
static inline struct store_edit_result edit(
	struct redis_sync *redis, const char *id, const char *record)
{
	struct edit one = {id, record};
	struct store_edit_result result;
	struct err err = {0};

	ck_assert_msg(!store_edit(redis, write_one, &one, &result, &err), "%s", err.text);
	return result;
}

#endif
