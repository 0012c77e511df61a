/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation that does not return on failure: a daemon that is out of memory logs and exits, the
 * kernel rules stay, the supervisor restarts it. Half-tested out-of-memory paths would be worse.
 */
#ifndef BULKHEAD_XALLOC_H
#define BULKHEAD_XALLOC_H

#include "common/cleanup.h"

#include <stddef.h>

void *xcalloc(size_t n, size_t size) __attribute__((returns_nonnull, malloc));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((returns_nonnull, malloc));
char *xstrndup(const char *s, size_t n) __attribute__((returns_nonnull, malloc));
char *xasprintf(const char *fmt, ...) printf_like(1, 2) __attribute__((returns_nonnull, malloc));

/* Grows an array to hold at least one more element; cap is doubled as needed. */
#define xgrow(array, len, cap)                                                \
	do {                                                                  \
		if ((len) == (cap)) {                                         \
			(cap) = (cap) ? (cap)*2 : 8;                          \
			(array) = xrealloc((array), (cap), sizeof(*(array))); \
		}                                                             \
	} while (0)

#endif
