/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text from outside (labels, names, files) made safe for a terminal: control characters, C1 controls, characters
 * that reorder or hide text, and bytes that are not UTF-8 become \xNN or \uNNNN escapes.
 */
#ifndef BULKHEAD_CTL_PRINTABLE_H
#define BULKHEAD_CTL_PRINTABLE_H

#include "common/strbuf.h"

void printable_add(struct strbuf *out, const char *text);
char *printable(const char *text); /* caller frees */

/* Columns that a printable text takes, counting a character as one. */
size_t printable_width(const char *text);

#endif
