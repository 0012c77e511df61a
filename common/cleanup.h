/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scope-bound ownership: a local that owns something is declared with one of these attributes and
 * initialised at its declaration; ownership leaves the scope with steal_ptr() or steal_fd().
 */
#ifndef BULKHEAD_CLEANUP_H
#define BULKHEAD_CLEANUP_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void cleanup_fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void cleanup_jsonp(json_t **j)
{
	json_decref(*j);
}

#define cleanup_free  __attribute__((cleanup(cleanup_freep)))
#define cleanup_close __attribute__((cleanup(cleanup_closep)))
#define cleanup_file  __attribute__((cleanup(cleanup_fclosep)))
#define cleanup_json  __attribute__((cleanup(cleanup_jsonp)))

/* NOLINTBEGIN(bugprone-macro-parentheses): type and name are not expressions */
/* A type's own attribute: DEFINE_CLEANUP(selector, struct selector *, selector_free) makes cleanup_selector. */
#define DEFINE_CLEANUP(name, type, fn)                \
	static inline void cleanup_##name##p(type *p) \
	{                                             \
		if (*p)                               \
			fn(*p);                       \
	}
/* unused: some locals are there only for what happens at the end of their scope */
#define CLEANUP(name) __attribute__((cleanup(cleanup_##name##p), unused))
/* NOLINTEND(bugprone-macro-parentheses) */

/* Takes the value out of an owning local, which then owns nothing. */
#define steal_ptr(p)                         \
	({                                   \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL;                  \
		stolen_;                     \
	})

/* The same for a descriptor. */
static inline int steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

#endif
