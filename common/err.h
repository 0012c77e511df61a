/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors as values: operation + object + cause, built where the failure is seen, wrapped on the way
 * up, printed once by whoever decides what happens next.
 *
 * Convention for every fallible function: 0 (or a non-NULL pointer) on success with *err untouched,
 * -1 (or NULL) on failure with *err set. A caller that does not care passes NULL.
 */
#ifndef BULKHEAD_ERR_H
#define BULKHEAD_ERR_H

#include "common/cleanup.h"

enum { ERR_TEXT_MAX = 1024 };

struct err {
	int code;                /* errno value of the cause, or 0 where there is none */
	char text[ERR_TEXT_MAX]; /* "operation object: cause", truncated if need be, never NULL */
};

/*
 * Sets *err to the formatted text, with ": strerror(code)" appended when code is not 0.
 * Returns -1 always, so that "return err_set(...)" reads well.
 */
int err_set(struct err *err, int code, const char *fmt, ...) printf_like(3, 4);

/* Puts "context: " before the text of an error that is already set. Returns -1. */
int err_wrap(struct err *err, const char *fmt, ...) printf_like(2, 3);

#endif
