/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selectors and labels from text, for the tests of selectors. */
#ifndef BULKHEAD_SELECTOR_FIXTURE_H
#define BULKHEAD_SELECTOR_FIXTURE_H

#include "common/selector.h"
#include "common/xalloc.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct selector *parsed(const char *text)
{
	struct err err = {0};
	struct selector *sel = selector_parse(text, &err);

	ck_assert_msg(sel != NULL, "%s: %s", text, err.text);
	return sel;
}

/* "role=database zone=": pairs between blanks. */
static struct labels *labels_of(const char *pairs)
{
	struct labels *labels = labels_new();
	cleanup_free char *copy = xstrdup(pairs);
	char *save = NULL;

	for (char *pair = strtok_r(copy, " ", &save); pair; pair = strtok_r(NULL, " ", &save)) {
		char *equals = strchr(pair, '=');

		*equals = '\0';
		labels_set(labels, pair, equals + 1);
	}
	return labels;
}

#endif
