/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Label prefixes from a comma list, as a user gives them. */
#ifndef BULKHEAD_TEST_PREFIXES_H
#define BULKHEAD_TEST_PREFIXES_H

#include "common/xalloc.h"
#include "syncd/label_prefix.h"

#include <check.h>
#include <string.h>

/* NULL and err where they are refused. Caller frees. */
static inline struct label_prefixes *parse_prefixes(const char *list, struct err *err)
{
	char *items[LABEL_PREFIXES_MAX + 2] = {0}, *rest = NULL;
	struct config_list words = {items, 0};
	cleanup_free char *copy = xstrdup(list);

	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		ck_assert_uint_lt(words.count, sizeof(items) / sizeof(*items));
		items[words.count++] = word;
	}
	return label_prefixes_parse(&words, err);
}

static inline struct label_prefixes *prefixes_of(const char *list)
{
	struct err err = {0};
	struct label_prefixes *prefixes = parse_prefixes(list, &err);

	ck_assert_msg(prefixes != NULL, "%s", err.text);
	return prefixes;
}

#endif
