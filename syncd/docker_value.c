/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/docker_value.h"

#include "common/xalloc.h"
#include "syncd/docker_json.h"

#include <string.h>

/*
 * A label may hold an escaped NUL; jansson refuses it in keys, and C ends there. The replacement has the same length.
 * Only an escape that is not itself escaped counts.
 */
static void replace_escaped_nul(char *text, size_t len)
{
	static const char nul[] = "\\u0000";
	char *end = text + len;

	for (char *p = text; (p = memchr(p, '\\', (size_t)(end - p))); p += 2) {
		if ((size_t)(end - p) < sizeof(nul) - 1)
			return;
		if (!memcmp(p, nul, sizeof(nul) - 1))
			memcpy(p, "\\ufffd", sizeof(nul) - 1);
	}
}

int document_open(struct document *doc, char *text, size_t len, const char *what, struct err *err)
{
	json_error_t cause;

	*doc = (struct document){0};
	if (len)
		replace_escaped_nul(text, len);
	doc->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &cause);
	if (!doc->root)
		return err_set(err, 0, "parse %s: %s at byte %d", what, cause.text, cause.position);
	return 0;
}

int document_check(const struct document *doc, const char *what, struct err *err)
{
	if (doc->wrong)
		return err_set(err, 0, "parse %s: %s has the wrong type", what, doc->wrong);
	return 0;
}

void document_close(struct document *doc)
{
	json_decref(doc->root);
	*doc = (struct document){0};
}

void document_expect(struct document *doc, bool ok, const char *name)
{
	if (!ok && !doc->wrong)
		doc->wrong = name;
}

/* The member if it is of the wanted type; null reads as absent. */
static json_t *member(struct document *doc, const json_t *object, const char *name, json_type type)
{
	json_t *value = json_object_get(object, name);

	if (!value || json_is_null(value))
		return NULL;
	document_expect(doc, json_typeof(value) == type, name);
	return json_typeof(value) == type ? value : NULL;
}

const char *document_text(struct document *doc, const json_t *object, const char *name)
{
	const char *text = json_string_value(member(doc, object, name, JSON_STRING));

	return text ? text : "";
}

json_int_t document_integer(struct document *doc, const json_t *object, const char *name)
{
	return json_integer_value(member(doc, object, name, JSON_INTEGER));
}

bool document_bool(struct document *doc, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	document_expect(doc, !value || json_is_null(value) || json_is_boolean(value), name);
	return json_is_true(value);
}

json_t *document_object(struct document *doc, const json_t *object, const char *name)
{
	return member(doc, object, name, JSON_OBJECT);
}

json_t *document_array(struct document *doc, const json_t *object, const char *name)
{
	return member(doc, object, name, JSON_ARRAY);
}

static bool label_matters(const char *key, const struct label_prefixes *prefixes)
{
	return label_prefixes_find(prefixes, key) != LABEL_PREFIX_NONE ||
	       !strcmp(key, COMPOSE_PROJECT) || !strcmp(key, COMPOSE_SERVICE) ||
	       !strcmp(key, COMPOSE_CONFIG_HASH);
}

struct labels *document_labels(struct document *doc, const json_t *object, const char *name,
	const struct label_prefixes *prefixes)
{
	struct labels *labels = labels_new();
	json_t *map = document_object(doc, object, name), *value;
	const char *key;

	json_object_foreach (map, key, value) {
		document_expect(doc, json_is_string(value), name);
		if (label_matters(key, prefixes) && json_is_string(value) &&
			labels_count(labels) < DOCKER_LABELS_MAX)
			labels_set(labels, key, json_string_value(value));
	}
	return labels;
}
