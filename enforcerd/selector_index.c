/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/selector_index.h"

#include "common/selector_internal.h"
#include "common/xalloc.h"

#include <string.h>
#include <uthash.h>

/* Selectors that could be met by more labels than these are not worth filing. */
enum { LABELS_MAX = 64, FILE_KEY_MAX = LABEL_KEY_MAX + LABEL_DERIVED_VALUE_MAX + 2 };

struct entry {
	const struct selector *selector;
	void *item;
	bool several; /* filed under several labels: may be met twice */
};

struct entries {
	struct entry *items;
	size_t count, cap;
};

/* What is filed under one label "KEY" or one pair "KEY\0VALUE". */
struct file {
	struct entries entries;
	UT_hash_handle hh;
	size_t key_len;
	char key[];
};

struct selector_index {
	struct file *files;
	struct entries others; /* ask for no label */
};

/* Labels of which at least one must be there for the selector to match. */
struct wanted {
	const char *keys[LABELS_MAX];
	const char *values[LABELS_MAX]; /* NULL: any value */
	size_t count;
	bool unknown; /* may match without any */
};

/* --- what a selector asks for ------------------------------------------------------------------ */

static void want(struct wanted *wanted, const char *key, const char *value)
{
	if (wanted->count == LABELS_MAX) {
		wanted->unknown = true;
		return;
	}
	wanted->keys[wanted->count] = key;
	wanted->values[wanted->count++] = value;
}

static void find_wanted(const struct selector_node *node, struct wanted *wanted);

/* All children must match: the one that is the easiest to look for will do. */
static void want_best(const struct selector_node *node, struct wanted *wanted)
{
	struct wanted best = {.unknown = true};

	for (size_t i = 0; i < node->child_count; i++) {
		struct wanted child = {0};

		find_wanted(node->children[i], &child);
		if (!child.unknown && (best.unknown || child.count < best.count))
			best = child;
	}
	for (size_t i = 0; i < best.count && !best.unknown; i++)
		want(wanted, best.keys[i], best.values[i]);
	wanted->unknown |= best.unknown;
}

static void find_wanted(const struct selector_node *node, struct wanted *wanted)
{
	switch (node->op) {
	case SEL_HAS:
	case SEL_CONTAINS:
	case SEL_STARTS_WITH:
	case SEL_ENDS_WITH:
		want(wanted, node->key, NULL);
		break;
	case SEL_EQ:
	case SEL_IN:
		for (size_t i = 0; i < node->value_count; i++)
			want(wanted, node->key, node->values[i]);
		break;
	case SEL_AND:
		want_best(node, wanted);
		break;
	case SEL_OR:
		for (size_t i = 0; i < node->child_count; i++)
			find_wanted(node->children[i], wanted);
		break;
	case SEL_ALL:
	case SEL_NE:
	case SEL_NOT_IN:
	case SEL_NOT:
		wanted->unknown = true;
		break;
	}
}

/* --- files ------------------------------------------------------------------------------------- */

static size_t file_key(const char *key, const char *value, char text[FILE_KEY_MAX])
{
	size_t len = strlen(key), more = value ? strlen(value) + 1 : 0;

	if (len + more > FILE_KEY_MAX)
		return 0; /* longer than any label: nothing matches it */
	memcpy(text, key, len);
	if (value) {
		text[len] = '\0';
		memcpy(text + len + 1, value, more - 1);
	}
	return len + more;
}

static struct file *find_file(
	const struct selector_index *index, const char *key, const char *value)
{
	char text[FILE_KEY_MAX];
	size_t len = file_key(key, value, text);
	struct file *file = NULL;

	if (len)
		HASH_FIND(hh, index->files, text, len, file);
	return file;
}

static struct file *make_file(struct selector_index *index, const char *key, const char *value)
{
	char text[FILE_KEY_MAX];
	size_t len = file_key(key, value, text);
	struct file *file = find_file(index, key, value);

	if (file || !len)
		return file;
	file = xcalloc(1, sizeof(*file) + len);
	file->key_len = len;
	memcpy(file->key, text, len);
	HASH_ADD_KEYPTR(hh, index->files, file->key, file->key_len, file);
	return file;
}

static void append(struct entries *entries, struct entry entry)
{
	xgrow(entries->items, entries->count, entries->cap);
	entries->items[entries->count++] = entry;
}

static void take_out(struct entries *entries, const void *item)
{
	for (size_t i = 0; i < entries->count; i++)
		if (entries->items[i].item == item) {
			entries->items[i] = entries->items[--entries->count];
			return;
		}
}

static void drop_if_empty(struct selector_index *index, struct file *file)
{
	if (file->entries.count)
		return;
	HASH_DEL(index->files, file);
	free(file->entries.items);
	free(file);
}

/* --- the index --------------------------------------------------------------------------------- */

struct selector_index *selector_index_new(void)
{
	return xcalloc(1, sizeof(struct selector_index));
}

void selector_index_free(struct selector_index *index)
{
	struct file *file, *next;

	if (!index)
		return;
	HASH_ITER (hh, index->files, file, next) {
		file->entries.count = 0;
		drop_if_empty(index, file);
	}
	free(index->others.items);
	free(index);
}

/* The tree of a selector is its module's own; its canonical text gives the same one again. */
static struct selector_node *tree_of(const struct selector *selector, struct wanted *wanted)
{
	struct selector_node *tree = selector_parse_tree(selector_canonical(selector), NULL);

	wanted->count = 0;
	wanted->unknown = !tree;
	if (tree)
		find_wanted(tree, wanted);
	return tree;
}

void selector_index_add(struct selector_index *index, const struct selector *selector, void *item)
{
	struct wanted wanted;
	CLEANUP(selector_node) struct selector_node *tree = tree_of(selector, &wanted);
	const struct entry entry = {selector, item, wanted.count > 1};

	if (wanted.unknown) {
		append(&index->others, entry);
		return;
	}
	for (size_t i = 0; i < wanted.count; i++) {
		struct file *file = make_file(index, wanted.keys[i], wanted.values[i]);

		if (file)
			append(&file->entries, entry);
	}
}

void selector_index_remove(
	struct selector_index *index, const struct selector *selector, const void *item)
{
	struct wanted wanted;
	CLEANUP(selector_node) struct selector_node *tree = tree_of(selector, &wanted);

	if (wanted.unknown) {
		take_out(&index->others, item);
		return;
	}
	for (size_t i = 0; i < wanted.count; i++) {
		struct file *file = find_file(index, wanted.keys[i], wanted.values[i]);

		if (!file)
			continue;
		take_out(&file->entries, item);
		drop_if_empty(index, file);
	}
}

/* --- matching ---------------------------------------------------------------------------------- */

struct meeting {
	const struct labels *labels;
	void (*fn)(void *item, void *arg);
	void *arg;
	struct entries met; /* those that might be met again */
};

static bool met_before(struct meeting *meeting, const struct entry *entry)
{
	if (!entry->several)
		return false;
	for (size_t i = 0; i < meeting->met.count; i++)
		if (meeting->met.items[i].item == entry->item)
			return true;
	append(&meeting->met, *entry);
	return false;
}

static void meet(struct meeting *meeting, const struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++) {
		const struct entry *entry = &entries->items[i];

		if (!met_before(meeting, entry) && selector_match(entry->selector, meeting->labels))
			meeting->fn(entry->item, meeting->arg);
	}
}

void selector_index_match(const struct selector_index *index, const struct labels *labels,
	void (*fn)(void *item, void *arg), void *arg)
{
	struct meeting meeting = {.labels = labels, .fn = fn, .arg = arg};

	for (size_t i = 0; index->files && i < labels_count(labels); i++) {
		const char *key = labels_key(labels, i);
		const struct file *any = find_file(index, key, NULL);
		const struct file *exact = find_file(index, key, labels_value(labels, i));

		if (any)
			meet(&meeting, &any->entries);
		if (exact)
			meet(&meeting, &exact->entries);
	}
	for (size_t i = 0; i < index->others.count; i++)
		if (selector_match(index->others.items[i].selector, labels))
			fn(index->others.items[i].item, arg);
	free(meeting.met.items);
}
