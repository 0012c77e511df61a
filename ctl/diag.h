/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors in files, collected so that one run names them all: "file:line:column: what". */
#ifndef BULKHEAD_CTL_DIAG_H
#define BULKHEAD_CTL_DIAG_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { DIAG_MAX = 20 }; /* kept; further ones are counted */

struct diag {
	char *entries[DIAG_MAX];
	size_t count; /* all that were added, kept or not */
};

/* line 0: the file as a whole. file NULL: no place at all. Control characters in the text are shown as escapes. */
void diag_add(struct diag *diag, const char *file, unsigned line, unsigned column, const char *fmt,
	...) printf_like(5, 6);
void diag_print(const struct diag *diag, FILE *out);
void diag_clear(struct diag *diag);

#define cleanup_diag __attribute__((cleanup(diag_clear)))

#endif
