/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/text.h"

#include "common/xalloc.h"

#include <stdbool.h>
#include <string.h>

/* C1 control characters are two bytes in UTF-8: 0xc2 0x80 to 0xc2 0x9f. */
static bool is_c1(const unsigned char *p)
{
	return p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
}

static bool is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

char *text_clean(const char *text, size_t max)
{
	size_t len = strlen(text);
	char *clean;

	if (len > max) {
		len = max;
		while (len && is_continuation((unsigned char)text[len]))
			len--;
	}
	clean = xstrndup(text, len);
	for (unsigned char *p = (unsigned char *)clean; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (is_c1(p))
			p[0] = p[1] = '?';
	}
	return clean;
}
