/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy file as a tree that remembers where everything stood: what YAML and JSON are read into before any
 * meaning is given to it. Lines and columns are 1-based; columns count characters.
 */
#ifndef BULKHEAD_CTL_DOC_H
#define BULKHEAD_CTL_DOC_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stddef.h>

enum doc_kind { DOC_SCALAR, DOC_SEQUENCE, DOC_MAPPING };

struct doc_node {
	enum doc_kind kind;
	unsigned line, column;
	/* scalars */
	char *text;           /* without NUL characters inside */
	bool quoted;          /* quoted, block or tagged !!str: a string whatever it looks like */
	unsigned text_column; /* column of text[0] where byte and column advance together, else 0 */
	/* sequences: items; mappings: items are the values, keys stands beside */
	struct doc_node **items;
	struct doc_node **keys;
	size_t count, cap;
};

struct doc_node *doc_node_new(enum doc_kind kind, unsigned line, unsigned column);
void doc_node_free(struct doc_node *node);
/* Takes over key (NULL in a sequence) and item. */
void doc_node_append(struct doc_node *node, struct doc_node *key, struct doc_node *item);

/* A plain scalar that YAML reads as null ("", "~", "null"). */
bool doc_is_null(const struct doc_node *node);
/* The mapping's value under exactly this key, or NULL. */
const struct doc_node *doc_get(const struct doc_node *mapping, const char *key);
/* "a mapping", "a list", "text": for messages. */
const char *doc_kind_name(const struct doc_node *node);
/* A scalar's text, or the kind of what is there instead: for messages. Borrowed. */
const char *doc_shown(const struct doc_node *node);

DEFINE_CLEANUP(doc, struct doc_node *, doc_node_free)

#endif
