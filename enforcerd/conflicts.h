/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What other programs have on this host that could undo the rules or be undone by them, for --check. Reads only: nf_tables of
 * this namespace, policy routing, and a few files below /proc.
 */
#ifndef BULKHEAD_CONFLICTS_H
#define BULKHEAD_CONFLICTS_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conflict_options {
	const char *table;  /* ours, of families inet and bridge */
	uint32_t mark_mask; /* our bits of the conntrack mark */
	const char *proc;   /* NULL: /proc */
};

struct conflict {
	bool fatal; /* policy would not hold; otherwise something to know */
	char *text; /* what, where, and what to do; one line */
};

struct conflicts {
	struct conflict *items;
	size_t count, cap;
};

/* Adds to found, which the caller clears in any case. */
int conflicts_find(const struct conflict_options *options, struct conflicts *found,
	struct err *err) must_check;
void conflicts_clear(struct conflicts *found);

#define cleanup_conflicts __attribute__((cleanup(conflicts_clear)))

#endif
