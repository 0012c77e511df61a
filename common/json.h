/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading JSON that is not trusted: objects by table, with the path of whatever is wrong in the error:
 * `spec.ingress[0].source.nets[1]: must be text`. And building JSON without a failure path.
 */
#ifndef BULKHEAD_JSON_H
#define BULKHEAD_JSON_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

/* A value and how one got to it; lives on the stack, points at its parent. */
struct json_at {
	const struct json_at *up; /* NULL: the whole record */
	const char *name;         /* member name, or NULL for an array element */
	size_t index;
	const json_t *value; /* borrowed; NULL when absent */
};

struct json_at json_at_root(const json_t *value);
struct json_at json_at_member(const struct json_at *object, const char *name);
struct json_at json_at_index(const struct json_at *array, size_t index);

/* Sets "path: text", or only the text at the root. Returns -1. */
int json_fail(const struct json_at *at, struct err *err, const char *fmt, ...) printf_like(3, 4);
/* Puts the path before an error that is already set. Returns -1. */
int json_wrap(const struct json_at *at, struct err *err);

/* Stores what it read at target; borrowed strings stay valid as long as the JSON. */
typedef int json_read_fn(const struct json_at *at, void *target, struct err *err);

struct json_field {
	const char *name; /* NULL ends a table */
	json_read_fn *read;
	size_t offset; /* of what read() gets, in the target of json_read_object() */
	bool required;
};

enum json_unknown { JSON_REFUSE_UNKNOWN, JSON_IGNORE_UNKNOWN };

/* Reads the members in the order of the table, whatever the order in the JSON. */
int json_read_object(const struct json_at *at, const struct json_field *fields,
	enum json_unknown unknown, void *target, struct err *err) must_check;

/* An array of at most max elements; *count is its length. */
int json_read_array(
	const struct json_at *at, size_t max, size_t *count, struct err *err) must_check;

/* Text of 1..max bytes without control characters. *text is borrowed. */
int json_read_text(
	const struct json_at *at, size_t max, const char **text, struct err *err) must_check;
int json_read_integer(const struct json_at *at, long long min, long long max, long long *number,
	struct err *err) must_check;

/* Readers for tables. */
int json_read_version_1(const struct json_at *at, void *unused, struct err *err); /* "v":1 */

/* No C0 or C1 control characters, no DEL: safe in a log line and on a terminal. text is UTF-8. */
bool json_text_printable(const char *text);

/*
 * Sets or appends; takes over value. A value of NULL means that jansson had no memory or was given text that
 * is not UTF-8; like out of memory elsewhere, that does not return.
 */
void json_put(json_t *object, const char *key, json_t *value);
void json_put_text(json_t *object, const char *key, const char *text); /* NULL becomes null */
void json_push(json_t *array, json_t *value);

#endif
