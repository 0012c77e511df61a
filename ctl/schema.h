/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From doc trees to JSON by tables: which fields an object may have, how each value is read, where it is stored. Every
 * error is added to the walk's diag with its place and the walk goes on; a result is only good if nothing was added.
 */
#ifndef BULKHEAD_CTL_SCHEMA_H
#define BULKHEAD_CTL_SCHEMA_H

#include "ctl/diag.h"
#include "ctl/doc.h"

struct walk {
	const char *file;
	struct diag *diag;
};

/* For converters and checks that need not all of their arguments. */
#define schema_unused __attribute__((unused))

/* Returns a new reference, or NULL with the reason in diag. arg is the field's or list's. */
typedef json_t *schema_convert_fn(struct walk *walk, const struct doc_node *node, const void *arg);

struct schema_field {
	const char *name; /* matched exactly, or else without regard to case; NULL ends the table */
	const char *store; /* key in the result, or NULL: checked only */
	schema_convert_fn *convert;
	const void *arg;
	bool required;
};

struct schema {
	const char *what; /* "a rule": for messages */
	const struct schema_field *fields;
	/* Rules across fields; NULL if there are none. */
	void (*check)(struct walk *walk, const struct doc_node *node, json_t *object);
};

struct schema_list {
	const char *what;           /* "rules" */
	schema_convert_fn *convert; /* of an item */
	const void *arg;
	size_t max;
};

/* Adds "what" at the node's place. Returns NULL always. */
json_t *walk_refuse(struct walk *walk, const struct doc_node *node, const char *fmt, ...)
	printf_like(3, 4);

/* The value of a field as the walk finds it: exact spelling first, then any case; null counts as absent. */
const struct doc_node *schema_lookup(const struct doc_node *mapping, const char *name);

/* Converters. Null values of fields never reach them. arg of an object is its schema, of an array its schema_list. */
json_t *schema_object(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *schema_array(struct walk *walk, const struct doc_node *node, const void *arg);
/* Any scalar as the text that stands in the file: 5 is "5", true is "true". */
json_t *schema_text(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *schema_text_map(struct walk *walk, const struct doc_node *node, const void *arg);
/* A finite decimal number, unquoted; whole ones become JSON integers. */
json_t *schema_number(struct walk *walk, const struct doc_node *node, const void *arg);

/* What servers keep in an object: without meaning in what is stored. */
json_t *schema_ignore(struct walk *walk, const struct doc_node *node, const void *arg);

struct schema_range {
	const char *what; /* "an ICMP type" */
	long min, max;
};

/* An unquoted decimal integer within arg's schema_range. */
json_t *schema_integer(struct walk *walk, const struct doc_node *node, const void *arg);

/* Decimal digits without a sign or leading zero, as a number of at most max; -1 if it is not that. */
long schema_digits(const char *text, long max);

#endif
