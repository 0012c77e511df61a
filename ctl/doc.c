/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/doc.h"

#include "common/xalloc.h"

#include <string.h>

struct doc_node *doc_node_new(enum doc_kind kind, unsigned line, unsigned column)
{
	struct doc_node *node = xcalloc(1, sizeof(*node));

	node->kind = kind;
	node->line = line;
	node->column = column;
	return node;
}

/* Recursion is bounded by the reader's depth limit. */
void doc_node_free(struct doc_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->count; i++) {
		doc_node_free(node->items[i]);
		if (node->keys)
			doc_node_free(node->keys[i]);
	}
	free(node->items);
	free(node->keys);
	free(node->text);
	free(node);
}

void doc_node_append(struct doc_node *node, struct doc_node *key, struct doc_node *item)
{
	if (node->count == node->cap) {
		node->cap = node->cap ? node->cap * 2 : 8;
		node->items = xrealloc(node->items, node->cap, sizeof(struct doc_node *));
		if (node->kind == DOC_MAPPING)
			node->keys = xrealloc(node->keys, node->cap, sizeof(struct doc_node *));
	}
	if (node->kind == DOC_MAPPING)
		node->keys[node->count] = key;
	node->items[node->count++] = item;
}

bool doc_is_null(const struct doc_node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};

	if (node->kind != DOC_SCALAR || node->quoted)
		return false;
	for (size_t i = 0; i < sizeof(nulls) / sizeof(*nulls); i++)
		if (!strcmp(node->text, nulls[i]))
			return true;
	return false;
}

const struct doc_node *doc_get(const struct doc_node *mapping, const char *key)
{
	if (mapping->kind != DOC_MAPPING)
		return NULL;
	for (size_t i = 0; i < mapping->count; i++)
		if (!strcmp(mapping->keys[i]->text, key))
			return mapping->items[i];
	return NULL;
}

const char *doc_kind_name(const struct doc_node *node)
{
	static const char *const names[] = {
		[DOC_SCALAR] = "text", [DOC_SEQUENCE] = "a list", [DOC_MAPPING] = "a mapping"};

	return names[node->kind];
}

const char *doc_shown(const struct doc_node *node)
{
	return node->kind == DOC_SCALAR ? node->text : doc_kind_name(node);
}
