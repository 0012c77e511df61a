/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of Docker's labels count, and under which key: a list of "PREFIX" or "PREFIX=KEY". Of a label that begins with
 * PREFIX, the prefix is cut off, or KEY stands in its place: with "com.example.=example/", com.example.tier is example/tier.
 *
 * Where several fit, the longest does it, as with routes: a label never has two keys. Where two labels of a container come to
 * the same key, the prefix that was named first goes before. Pure.
 */
#ifndef BULKHEAD_SYNCD_LABEL_PREFIX_H
#define BULKHEAD_SYNCD_LABEL_PREFIX_H

#include "common/config.h"

enum { LABEL_PREFIXES_MAX = 16, LABEL_PREFIX_NONE = -1 };

struct label_prefixes;

/* At least one word; NULL and err says which word cannot be used. */
struct label_prefixes *label_prefixes_parse(
	const struct config_list *words, struct err *err) must_check;
void label_prefixes_free(struct label_prefixes *prefixes); /* NULL is fine */

size_t label_prefixes_count(const struct label_prefixes *prefixes);
/* The place in the list of the one that docker_key falls under, or LABEL_PREFIX_NONE. */
int label_prefixes_find(const struct label_prefixes *prefixes, const char *docker_key);
/* The key of a label that falls under the prefix at that place; it is not checked. Caller frees. */
char *label_prefixes_key(const struct label_prefixes *prefixes, int place, const char *docker_key);
/* "a.X as X, b.X as x/X", for people. Caller frees. */
char *label_prefixes_text(const struct label_prefixes *prefixes);

DEFINE_CLEANUP(label_prefixes, struct label_prefixes *, label_prefixes_free)

#endif
