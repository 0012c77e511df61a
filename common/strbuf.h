/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growing string. Zero-initialise ({0}); release with strbuf_free() or take the text. */
#ifndef BULKHEAD_STRBUF_H
#define BULKHEAD_STRBUF_H

#include "common/cleanup.h"

#include <stddef.h>

struct strbuf {
	char *text; /* NUL-terminated once anything was added; NULL before */
	size_t len;
	size_t cap;
};

void strbuf_add(struct strbuf *b, const char *s);
void strbuf_addn(struct strbuf *b, const void *data, size_t n);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) printf_like(2, 3);
void strbuf_reset(struct strbuf *b);
void strbuf_free(struct strbuf *b);

/* The text ("" if nothing was added), owned by the caller; the buffer is empty afterwards. */
char *strbuf_take(struct strbuf *b);

#define cleanup_strbuf __attribute__((cleanup(strbuf_free)))

#endif
