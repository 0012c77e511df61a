/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Label maps and what may stand in them.
 *
 * Keys are [A-Za-z0-9_./-]{1,512}. User values are at most 63 of [A-Za-z0-9_.-], may be empty, else end with a letter
 * or digit (Calico v2.6's rule: they may begin with any of these). Derived values, under the reserved key space
 * "docker/", may be any printable UTF-8 text of at most 512 bytes.
 */
#ifndef BULKHEAD_LABEL_H
#define BULKHEAD_LABEL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define LABEL_RESERVED_PREFIX "docker/"
/* Of a host's own addresses, and of nothing else: the node's name. */
#define LABEL_HOST "docker/host"
enum { LABEL_KEY_MAX = 512, LABEL_VALUE_MAX = 63, LABEL_DERIVED_VALUE_MAX = 512 };

struct labels; /* an ordered map, sorted by key, without duplicates */

struct labels *labels_new(void);
void labels_free(struct labels *labels); /* NULL is fine */
struct labels *labels_copy(const struct labels *labels);
void labels_set(struct labels *labels, const char *key, const char *value); /* copies; replaces */
bool labels_unset(struct labels *labels, const char *key); /* false if it was not there */
const char *labels_get(const struct labels *labels, const char *key); /* NULL if absent; borrowed */
size_t labels_count(const struct labels *labels);
/* The i-th pair in key order; borrowed until the map changes. */
const char *labels_key(const struct labels *labels, size_t i);
const char *labels_value(const struct labels *labels, size_t i);
bool labels_equal(const struct labels *a, const struct labels *b);
/* At least one label outside the reserved key space: what makes an endpoint "labelled". */
bool labels_has_user_label(const struct labels *labels);

int label_key_check(const char *key, struct err *err) must_check;
int label_value_check(const char *value, struct err *err) must_check;
int label_derived_value_check(const char *value, struct err *err) must_check;
bool label_key_reserved(const char *key);

/* A JSON object of strings, owned by the caller. Keys and values must be UTF-8. */
json_t *labels_to_json(const struct labels *labels);
/* Every pair is checked, its value as a user's or a derived one by its key; the first bad one refuses the map. */
struct labels *labels_from_json(const json_t *json, struct err *err) must_check;

DEFINE_CLEANUP(labels, struct labels *, labels_free)

#endif
