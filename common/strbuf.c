/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"

#include "common/xalloc.h"

#include <stdarg.h>
#include <string.h>

static void reserve(struct strbuf *b, size_t extra)
{
	if (b->cap - b->len > extra)
		return;
	b->cap = (b->len + extra + 1) * 2;
	b->text = xrealloc(b->text, b->cap, 1);
}

void strbuf_addn(struct strbuf *b, const void *data, size_t n)
{
	reserve(b, n);
	memcpy(b->text + b->len, data, n);
	b->len += n;
	b->text[b->len] = '\0';
}

void strbuf_add(struct strbuf *b, const char *s)
{
	strbuf_addn(b, s, strlen(s));
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0) {
		reserve(b, (size_t)n);
		vsnprintf(b->text + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void strbuf_reset(struct strbuf *b)
{
	b->len = 0;
	if (b->text)
		b->text[0] = '\0';
}

void strbuf_free(struct strbuf *b)
{
	free(b->text);
	*b = (struct strbuf){0};
}

char *strbuf_take(struct strbuf *b)
{
	char *text = b->text ? b->text : xstrdup("");

	*b = (struct strbuf){0};
	return text;
}
