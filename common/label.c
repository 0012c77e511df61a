/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/label.h"

#include "common/json.h"
#include "common/xalloc.h"

#include <string.h>

/* One text, owned by key: key, NUL, value, NUL. Endpoints have half a dozen each. */
struct pair {
	char *key, *value;
};

struct labels {
	struct pair *items; /* sorted by key */
	size_t count, cap;
};

static struct pair make_pair(const char *key, const char *value)
{
	size_t key_size = strlen(key) + 1, value_size = strlen(value) + 1;
	struct pair pair = {.key = xcalloc(1, key_size + value_size)};

	pair.value = pair.key + key_size;
	memcpy(pair.key, key, key_size);
	memcpy(pair.value, value, value_size);
	return pair;
}

struct labels *labels_new(void)
{
	return xcalloc(1, sizeof(struct labels));
}

void labels_free(struct labels *labels)
{
	if (!labels)
		return;
	for (size_t i = 0; i < labels->count; i++)
		free(labels->items[i].key);
	free(labels->items);
	free(labels);
}

/* Index of key, or of where it would stand. */
static size_t find(const struct labels *labels, const char *key, bool *found)
{
	size_t low = 0, high = labels->count;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(labels->items[mid].key, key);

		if (!order) {
			*found = true;
			return mid;
		}
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void labels_set(struct labels *labels, const char *key, const char *value)
{
	bool found;
	size_t at = find(labels, key, &found);

	if (found) {
		struct pair pair = make_pair(key, value);

		free(labels->items[at].key);
		labels->items[at] = pair;
		return;
	}
	xgrow(labels->items, labels->count, labels->cap);
	memmove(labels->items + at + 1, labels->items + at,
		(labels->count - at) * sizeof(*labels->items));
	labels->items[at] = make_pair(key, value);
	labels->count++;
}

bool labels_unset(struct labels *labels, const char *key)
{
	bool found;
	size_t at = find(labels, key, &found);

	if (!found)
		return false;
	free(labels->items[at].key);
	labels->count--;
	memmove(labels->items + at, labels->items + at + 1,
		(labels->count - at) * sizeof(*labels->items));
	return true;
}

const char *labels_get(const struct labels *labels, const char *key)
{
	bool found;
	size_t at = find(labels, key, &found);

	return found ? labels->items[at].value : NULL;
}

size_t labels_count(const struct labels *labels)
{
	return labels->count;
}

const char *labels_key(const struct labels *labels, size_t i)
{
	return labels->items[i].key;
}

const char *labels_value(const struct labels *labels, size_t i)
{
	return labels->items[i].value;
}

/* Behind the last one, whatever the order. */
static void append(struct labels *labels, const char *key, const char *value)
{
	xgrow(labels->items, labels->count, labels->cap);
	labels->items[labels->count++] = make_pair(key, value);
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

struct labels *labels_copy(const struct labels *labels)
{
	struct labels *copy = labels_new();

	/* copies are what is kept, of each container: no room for more */
	if (labels->count)
		copy->items = xcalloc(labels->count, sizeof(*copy->items));
	copy->cap = labels->count;
	for (size_t i = 0; i < labels->count; i++)
		append(copy, labels->items[i].key, labels->items[i].value);
	return copy;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->items[i].key, b->items[i].key) != 0 ||
			strcmp(a->items[i].value, b->items[i].value) != 0)
			return false;
	return true;
}

bool label_key_reserved(const char *key)
{
	return !strncmp(key, LABEL_RESERVED_PREFIX, strlen(LABEL_RESERVED_PREFIX));
}

bool labels_has_user_label(const struct labels *labels)
{
	for (size_t i = 0; i < labels->count; i++)
		if (!label_key_reserved(labels->items[i].key))
			return true;
	return false;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool all_of(const char *text, const char *extra)
{
	for (; *text; text++)
		if (!is_alnum(*text) && !strchr(extra, *text))
			return false;
	return true;
}

int label_key_check(const char *key, struct err *err)
{
	size_t len = strlen(key);

	if (!len || len > LABEL_KEY_MAX)
		return err_set(err, 0, "label key of %zu characters: 1 to %d are allowed", len,
			LABEL_KEY_MAX);
	if (!all_of(key, "_./-"))
		return err_set(err, 0,
			"label key \"%.64s\": only letters, digits, _ . / - are allowed", key);
	return 0;
}

int label_value_check(const char *value, struct err *err)
{
	size_t len = strlen(value);

	if (len > LABEL_VALUE_MAX)
		return err_set(err, 0, "label value of %zu characters: at most %d are allowed", len,
			LABEL_VALUE_MAX);
	if (!all_of(value, "_.-"))
		return err_set(err, 0,
			"label value \"%s\": only letters, digits, _ . - are allowed", value);
	if (len && !is_alnum(value[len - 1]))
		return err_set(
			err, 0, "label value \"%s\": must end with a letter or digit", value);
	return 0;
}

int label_derived_value_check(const char *value, struct err *err)
{
	size_t len = strlen(value);
	cleanup_json json_t *utf8 = NULL;

	if (len > LABEL_DERIVED_VALUE_MAX)
		return err_set(err, 0, "derived label value of %zu bytes: at most %d are allowed",
			len, LABEL_DERIVED_VALUE_MAX);
	utf8 = json_string(value);
	if (!utf8)
		return err_set(err, 0, "derived label value: not UTF-8");
	if (!json_text_printable(value))
		return err_set(err, 0, "derived label value: control character");
	return 0;
}

json_t *labels_to_json(const struct labels *labels)
{
	json_t *object = json_object();

	for (size_t i = 0; i < labels->count; i++)
		json_put_text(object, labels->items[i].key, labels->items[i].value);
	return object;
}

static int add_from_json(
	struct labels *labels, const char *key, const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);

	if (label_key_check(key, err) < 0)
		return -1;
	if (!text || strlen(text) != json_string_length(value))
		return err_set(err, 0, "label \"%.64s\": must be text", key);
	if ((label_key_reserved(key) ? label_derived_value_check(text, err)
				     : label_value_check(text, err)) < 0)
		return err_wrap(err, "label \"%.64s\"", key);
	append(labels, key, text);
	return 0;
}

struct labels *labels_from_json(const json_t *json, struct err *err)
{
	CLEANUP(labels) struct labels *labels = labels_new();
	const char *key;
	json_t *value;

	if (!json_is_object(json)) {
		err_set(err, 0, "labels: must be an object");
		return NULL;
	}
	json_object_foreach ((json_t *)json, key, value)
		if (add_from_json(labels, key, value, err) < 0)
			return NULL;
	if (labels->count < labels->cap) {
		labels->cap = labels->count;
		labels->items = xrealloc(labels->items, labels->cap, sizeof(*labels->items));
	}
	/* sorted once: setting one by one is quadratic where a hostile record has them in the worst order */
	if (labels->count)
		qsort(labels->items, labels->count, sizeof(*labels->items), compare_pairs);
	return steal_ptr(labels);
}
