/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON as C strings hold it best: with ' for ", and with ` for ', which is rarer. */
#ifndef BULKHEAD_TEST_QUOTED_H
#define BULKHEAD_TEST_QUOTED_H

#include "common/xalloc.h"

#include <check.h>
#include <jansson.h>

/* Caller frees. */
static inline char *unquote(const char *quoted)
{
	char *text = xstrdup(quoted);

	for (char *p = text; *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p == '`' ? '\'' : *p);
	return text;
}

static inline json_t *parse(const char *quoted)
{
	cleanup_free char *text = unquote(quoted);
	json_error_t cause;
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &cause);

	ck_assert_msg(json != NULL, "%s: %s", text, cause.text);
	return json;
}

#endif
