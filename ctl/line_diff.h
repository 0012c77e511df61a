/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two texts line by line: what is only in the one begins with "-", what is only in the other with "+", the rest with a blank. */
#ifndef BULKHEAD_CTL_LINE_DIFF_H
#define BULKHEAD_CTL_LINE_DIFF_H

#include "common/strbuf.h"

void line_diff(const char *before, const char *after, struct strbuf *out);

#endif
