/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text from Docker made fit for a record: names may hold anything, readers refuse what is not printable. */
#ifndef BULKHEAD_SYNCD_TEXT_H
#define BULKHEAD_SYNCD_TEXT_H

#include <stddef.h>

/*
 * A copy of at most max bytes, cut between characters, with every control character (C0, DEL, C1) made "?".
 * text is UTF-8. Caller frees.
 */
char *text_clean(const char *text, size_t max);

#endif
