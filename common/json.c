/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json.h"

#include "common/strbuf.h"

#include <stdarg.h>
#include <string.h>

enum { NAME_SHOWN_MAX = 64 };

struct json_at json_at_root(const json_t *value)
{
	return (struct json_at){.value = value};
}

struct json_at json_at_member(const struct json_at *object, const char *name)
{
	return (struct json_at){
		.up = object, .name = name, .value = json_object_get(object->value, name)};
}

struct json_at json_at_index(const struct json_at *array, size_t index)
{
	return (struct json_at){
		.up = array, .index = index, .value = json_array_get(array->value, index)};
}

/* Names come from outside when they are unknown members: shortened, and nothing that moves a cursor. */
static void add_name(struct strbuf *path, const char *name)
{
	size_t n = strlen(name);
	bool printable = json_text_printable(name);

	if (!printable)
		strbuf_add(path, "(unprintable)");
	else
		strbuf_addf(path, "%.*s%s", NAME_SHOWN_MAX, name, n > NAME_SHOWN_MAX ? "..." : "");
}

static void add_path(struct strbuf *path, const struct json_at *at)
{
	if (!at->up)
		return;
	add_path(path, at->up);
	if (!at->name) {
		strbuf_addf(path, "[%zu]", at->index);
		return;
	}
	if (path->len)
		strbuf_add(path, ".");
	add_name(path, at->name);
}

int json_wrap(const struct json_at *at, struct err *err)
{
	cleanup_strbuf struct strbuf path = {0};

	if (!err || !at->up)
		return -1;
	add_path(&path, at);
	return err_wrap(err, "%s", path.text);
}

int json_fail(const struct json_at *at, struct err *err, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	err_set(err, 0, "%s", text ? text : "?");
	return json_wrap(at, err);
}

static bool is_known(const struct json_field *fields, const char *name)
{
	for (const struct json_field *f = fields; f->name; f++)
		if (!strcmp(f->name, name))
			return true;
	return false;
}

static int refuse_unknown(
	const struct json_at *at, const struct json_field *fields, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)at->value, name, value) {
		if (!is_known(fields, name)) {
			struct json_at member = json_at_member(at, name);

			return json_fail(&member, err, "unknown member");
		}
	}
	return 0;
}

int json_read_object(const struct json_at *at, const struct json_field *fields,
	enum json_unknown unknown, void *target, struct err *err)
{
	if (!json_is_object(at->value))
		return json_fail(at, err, "must be an object");
	if (unknown == JSON_REFUSE_UNKNOWN && refuse_unknown(at, fields, err))
		return -1;
	for (const struct json_field *f = fields; f->name; f++) {
		struct json_at member = json_at_member(at, f->name);

		if (!member.value && f->required)
			return json_fail(&member, err, "required");
		if (member.value && f->read(&member, (char *)target + f->offset, err))
			return -1;
	}
	return 0;
}

int json_read_array(const struct json_at *at, size_t max, size_t *count, struct err *err)
{
	if (!json_is_array(at->value))
		return json_fail(at, err, "must be a list");
	if (json_array_size(at->value) > max)
		return json_fail(at, err, "has %zu elements, at most %zu are allowed",
			json_array_size(at->value), max);
	*count = json_array_size(at->value);
	return 0;
}

bool json_text_printable(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return false;
		/* U+0080..U+009F: 8-bit control sequences for some terminals */
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
			return false;
	}
	return true;
}

int json_read_text(const struct json_at *at, size_t max, const char **text, struct err *err)
{
	const char *s = json_string_value(at->value);
	size_t len = json_string_length(at->value);

	if (!s)
		return json_fail(at, err, "must be text");
	if (!len)
		return json_fail(at, err, "must not be empty");
	if (len > max)
		return json_fail(at, err, "has %zu bytes, at most %zu are allowed", len, max);
	if (strlen(s) != len || !json_text_printable(s))
		return json_fail(at, err, "must not hold control characters");
	*text = s;
	return 0;
}

int json_read_integer(
	const struct json_at *at, long long min, long long max, long long *number, struct err *err)
{
	long long n = json_integer_value(at->value);

	if (!json_is_integer(at->value) || n < min || n > max)
		return json_fail(at, err, "must be a whole number, %lld..%lld", min, max);
	*number = n;
	return 0;
}

int json_read_version_1(const struct json_at *at, void *unused, struct err *err)
{
	(void)unused;
	if (!json_is_integer(at->value) || json_integer_value(at->value) != 1)
		return json_fail(
			at, err, "must be 1: another version of the record is not understood");
	return 0;
}

static void cannot_build(void) __attribute__((noreturn));

static void cannot_build(void)
{
	static const char text[] = "cannot build JSON: out of memory, or text that is not UTF-8\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(70);
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (json_object_set_new(object, key, value))
		cannot_build();
}

void json_put_text(json_t *object, const char *key, const char *text)
{
	json_put(object, key, text ? json_string(text) : json_null());
}

void json_push(json_t *array, json_t *value)
{
	if (json_array_append_new(array, value))
		cannot_build();
}
