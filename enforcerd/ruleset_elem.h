/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The elements of one set, small: ten thousand endpoints are in a dozen sets each. An element holds of its key what its set's
 * type uses, and a chain and comment only where it has them: 32 bytes for an IPv4 address in a plain set.
 */
#ifndef BULKHEAD_RULESET_ELEM_H
#define BULKHEAD_RULESET_ELEM_H

#include "common/err.h"
#include "enforcerd/ruleset.h"

/* What the key of a type is made of, in this order. */
struct key_layout {
	bool ifname;
	uint8_t family; /* of an address, or 0 */
	bool range;     /* two of them */
	bool port, mac;
	bool group;
	bool groups; /* behind the key, as its value */
};

const struct key_layout *key_layout(enum set_type type);
/* A key in nft's words, e.g. "\"br0\" . 10.0.0.1"; caller frees. */
char *elem_key_text(enum set_type type, const struct elem_key *key) must_check;

struct rs_value {
	bool has_chain, has_comment;
	char text[]; /* chain, NUL, comment, NUL */
};

/* want: should be there; live: the kernel has it; replaced: the kernel has it with another value; seen: told by an adoption. */
struct rs_elem {
	struct rs_elem *next;
	struct rs_value *value; /* NULL: neither chain nor comment */
	bool want : 1, live : 1, replaced : 1, dirty : 1, seen : 1;
	uint8_t key[];
};

struct elem_table {
	struct rs_elem **buckets; /* a power of two of them, or NULL */
	size_t bucket_count, count;
};

void elem_table_free(struct elem_table *table);
struct rs_elem *elem_find(
	const struct elem_table *table, enum set_type type, const struct elem_key *key);
/* A zeroed element; the key must not be there yet. */
struct rs_elem *elem_add(struct elem_table *table, enum set_type type, const struct elem_key *key);
void elem_remove(struct elem_table *table, enum set_type type, struct rs_elem *elem);

/* Walks all, in no order that means anything: start with NULL, ends with NULL. The table must not change meanwhile. */
struct rs_elem *elem_next(
	const struct elem_table *table, enum set_type type, const struct rs_elem *elem);

struct elem_key elem_key_of(enum set_type type, const struct rs_elem *elem);
const char *elem_chain(const struct rs_elem *elem);   /* or NULL */
const char *elem_comment(const struct rs_elem *elem); /* or NULL */
/* False when it has these already, or its type has none. */
bool elem_set_groups(enum set_type type, struct rs_elem *elem, const uint32_t groups[2]);
/* False when it has just these already. */
bool elem_set_value(struct rs_elem *elem, const char *chain, const char *comment);

#endif
