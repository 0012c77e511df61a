/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the records have in common: decoding, names, ids and their keys. */
#include "common/record.h"

#include "common/record_internal.h"
#include "common/xalloc.h"

#include <limits.h>
#include <string.h>

json_t *record_decode(const char *text, size_t len, struct err *err)
{
	cleanup_json json_t *record = NULL;
	json_error_t cause;

	if (len > RECORD_BYTES_MAX) {
		err_set(err, 0, "decode record: %zu bytes, at most %d are allowed", len,
			RECORD_BYTES_MAX);
		return NULL;
	}
	record = json_loadb(text, len, JSON_REJECT_DUPLICATES, &cause);
	if (!record) {
		err_set(err, 0, "decode record: byte %d: %s", cause.position,
			json_text_printable(cause.text) ? cause.text : "bad JSON");
		return NULL;
	}
	if (!json_is_object(record)) {
		err_set(err, 0, "decode record: must be an object");
		return NULL;
	}
	return steal_ptr(record);
}

static bool only(const char *text, const char *extra)
{
	for (const char *p = text; *p; p++)
		if (!(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'z') &&
			!(*p >= 'A' && *p <= 'Z') && !strchr(extra, *p))
			return false;
	return true;
}

int node_name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (!len || len > RECORD_NAME_MAX)
		return err_set(err, 0, "node name of %zu characters: 1 to %d are allowed", len,
			RECORD_NAME_MAX);
	if (!only(name, "_.-"))
		return err_set(err, 0, "bad node name: only letters, digits and _ . - are allowed");
	return 0;
}

static int read_text(const struct json_at *at, size_t max, char **target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, max, &text, err))
		return -1;
	free(*target);
	*target = xstrdup(text);
	return 0;
}

int record_read_id(const struct json_at *at, void *target, struct err *err)
{
	if (read_text(at, RECORD_ID_MAX, target, err))
		return -1;
	if (!only(*(char **)target, "_.:-"))
		return json_fail(at, err, "bad id: only letters, digits and _ . : - are allowed");
	return 0;
}

int record_read_node(const struct json_at *at, void *target, struct err *err)
{
	if (read_text(at, RECORD_NAME_MAX, target, err))
		return -1;
	return node_name_check(*(char **)target, err) ? json_wrap(at, err) : 0;
}

int record_read_name(const struct json_at *at, void *target, struct err *err)
{
	return read_text(at, RECORD_NAME_MAX, target, err);
}

/* The image is for people only and may not be known yet. */
int record_read_image(const struct json_at *at, void *target, struct err *err)
{
	if (json_is_null(at->value) ||
		(json_is_string(at->value) && !json_string_length(at->value)))
		return 0;
	return read_text(at, RECORD_IMAGE_MAX, target, err);
}

int record_read_optional_name(const struct json_at *at, void *target, struct err *err)
{
	return json_is_null(at->value) ? 0 : record_read_name(at, target, err);
}

int record_read_seconds(const struct json_at *at, void *target, struct err *err)
{
	return json_read_integer(at, 0, LLONG_MAX, target, err);
}

int record_key_check(const struct json_at *root, const char *name, const char *text,
	const char *key, struct err *err)
{
	struct json_at member = json_at_member(root, name);

	if (strcmp(text, key) != 0)
		return json_fail(
			&member, err, "is \"%s\", but the record stands under \"%s\"", text, key);
	return 0;
}

bool record_text_equal(const char *a, const char *b)
{
	if (!a || !b)
		return a == b;
	return !strcmp(a, b);
}
