/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows under headings, columns aligned, every cell made safe for a terminal. */
#ifndef BULKHEAD_CTL_TABLE_H
#define BULKHEAD_CTL_TABLE_H

#include "common/cleanup.h"

#include <stddef.h>
#include <stdio.h>

struct table;

/* headings: NULL-terminated, borrowed. */
struct table *table_new(const char *const *headings);
void table_free(struct table *table);
/* Adds the next cell, row by row; copies. NULL and "" are shown as "-". */
void table_add(struct table *table, const char *cell);
void table_print(const struct table *table, FILE *out);

DEFINE_CLEANUP(table, struct table *, table_free)

#endif
