/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of design 3.2 as a pure function: what a reader does with the head that it finds. */
#ifndef BULKHEAD_STORE_RULES_H
#define BULKHEAD_STORE_RULES_H

#include "common/store.h"

enum store_verdict {
	STORE_TAKE,       /* replace the world by the snapshot */
	STORE_TAKE_EMPTY, /* nothing held and nothing there: an empty world */
	STORE_KEEP,       /* keep the world; reason says why */
	STORE_SAME        /* the head held: nothing to do */
};

/*
 * held and found may be NULL (nothing held; stream absent). accepted is the head that the operator accepted with
 * `bulkheadctl store accept`, or NULL. An acceptance begins a new epoch, and what is held is older than that by itself. Only where
 * held's epoch is ahead of this host's clock (ahead) a found head equal to accepted is taken although a rule would keep the world: an
 * acceptance is part of the store, so a dump of it has it still, and what was closed since must not open by putting that back.
 * ancestor is the id that the found stream remembers for held's revision, or NULL where it remembers none: another one than held's
 * means that the store did not go on from what is in force.
 * *reason is set to a constant text for STORE_KEEP, else to "".
 */
enum store_verdict store_judge(const char *stream, const struct store_head *held,
	const struct store_head *found, const struct store_head *accepted, bool ahead,
	const char *ancestor, const char **reason);

#endif
