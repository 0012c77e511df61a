/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Label selectors: Calico v2.6's language with v3's text operators, and the newest release's keyword rule (a keyword
 * is one only right after a key, so that keys such as "in-use" work).
 *
 *   selector = [ or ]                        empty means all()
 *   or       = and { "||" and }
 *   and      = op { "&&" op }
 *   op       = { "!" } ( "(" or ")" | "all()" | "has(" KEY ")" | KEY cmp )
 *   cmp      = ("==" | "!=" | "contains" | "starts with" | "ends with") STR
 *            | ("in" | "not in") "{" [ STR { "," STR } [","] ] "}"
 *
 * Absent label: != and not in are true, the other comparisons false. Parsing is linear in the text; nesting is
 * bounded by SELECTOR_DEPTH_MAX; text by SELECTOR_TEXT_MAX.
 */
#ifndef BULKHEAD_SELECTOR_H
#define BULKHEAD_SELECTOR_H

#include "common/label.h"

enum { SELECTOR_TEXT_MAX = 65536, SELECTOR_DEPTH_MAX = 100, SELECTOR_ID_LEN = 12 };

struct selector;

/* Returns NULL and says what was expected at which column (1-based) of the text. */
struct selector *selector_parse(const char *text, struct err *err) must_check;
void selector_free(struct selector *sel);

/*
 * "role == \"database\"": one spelling for all selectors that mean the same tree, and its own canonical text. It has
 * blanks and brackets that the text may do without, so where the text just met a limit it may be refused. Borrowed.
 */
const char *selector_canonical(const struct selector *sel);

/* SELECTOR_ID_LEN hex digits of SHA-256 over the canonical text: names kernel sets. Borrowed. */
const char *selector_id(const struct selector *sel);

/*
 * What fn makes of every key in the selector, in place; it returns a borrowed key, its argument for no change, or NULL
 * to stop: then the result is -1 and the selector is to be freed.
 */
int selector_map_keys(
	struct selector *sel, const char *(*fn)(const char *key, void *arg), void *arg) must_check;

/*
 * Whether it asks for LABEL_HOST anywhere in its text. Only then may it match a host's own addresses: what is said of everybody ("all()",
 * "role != 'a'") is said of containers, and never opens the host.
 */
bool selector_names_host(const struct selector *sel);

/* Allocates nothing. */
bool selector_match(const struct selector *sel, const struct labels *labels);

/* Calls fn for each label that the selector asks for by name; value is NULL where any will do. Borrowed. */
void selector_each_label(const struct selector *sel,
	void (*fn)(const char *key, const char *value, void *arg), void *arg);

DEFINE_CLEANUP(selector, struct selector *, selector_free)

#endif
