/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Optimistic read-modify-write of the policies stream, for bulkheadctl: WATCH head, read, let the caller compute changes, then
 * one MULTI/EXEC of data, head and PUBLISH. Where another writer came in between, it starts over with fresh data, so that two
 * writers never lose each other's change.
 */
#ifndef BULKHEAD_STORE_EDIT_H
#define BULKHEAD_STORE_EDIT_H

#include "common/redis_sync.h"
#include "common/store.h"

enum { STORE_EDIT_TRIES = 20 };

/* What the stream held when it was read. Borrowed for the callback. */
struct store_view {
	const struct store_change *items; /* every field of every hash; record never NULL */
	size_t count;
	const struct store_head *head; /* NULL: the stream is absent */
};

/* The record of one field, or NULL; borrowed from the view. */
const char *store_view_get(const struct store_view *view, enum store_kind kind, const char *id);

struct store_changes {
	struct store_change *items;
	size_t count, cap;
};

/* Copies id and record (NULL: delete). */
void store_changes_add(
	struct store_changes *changes, enum store_kind kind, const char *id, const char *record);
void store_changes_clear(struct store_changes *changes);

/* Pure; may be called several times, each time with fresh data. -1 with *err gives up: nothing is written. */
typedef int store_edit_fn(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err);

struct store_edit_result {
	bool written; /* false: fn appended no change */
	bool created; /* the stream was absent: a new store was begun */
	struct store_head head;
};

int store_edit(struct redis_sync *redis, store_edit_fn *fn, void *arg,
	struct store_edit_result *result, struct err *err) must_check;

/* Reads the policies stream, or a node's, as one consistent view. *head is valid if *present. */
int store_read(struct redis_sync *redis, const char *stream, struct store_changes *items,
	struct store_head *head, bool *present, struct err *err) must_check;

/*
 * Accepts what the policies stream holds for readers whose rules refuse it (an old dump, a stale replica that became the master):
 * begins a new epoch over the same content, so that it is later than what any reader holds, those that are away now included, and
 * names that head as accepted for readers that saw an epoch of a clock ahead of ours. *head is the new head.
 */
int store_accept(struct redis_sync *redis, struct store_head *head, struct err *err) must_check;

#endif
