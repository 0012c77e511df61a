/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One file "f", read as every command reads it: what became of it, and what was said of it first. */
#ifndef BULKHEAD_TEST_INPUT_FIXTURE_H
#define BULKHEAD_TEST_INPUT_FIXTURE_H

#include "ctl/input.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct input input;
static struct diag diag;

static inline void setup(void)
{
	input = (struct input){0};
	diag = (struct diag){0};
}

static inline void teardown(void)
{
	input_clear(&input);
	diag_clear(&diag);
}

static inline void read_needed(const char *text, enum policy_need need)
{
	teardown();
	input_add_text(&input, text, strlen(text), "f", need, &diag);
}

static inline void read_text(const char *text)
{
	read_needed(text, POLICY_WHOLE);
}

static inline void read_accepted(const char *text)
{
	read_text(text);
	ck_assert_msg(!diag.count, "%.2000s\n%s", text, diag.entries[0]);
}

/* expected: the beginning of the first error, after "f:" */
static inline void expect_error(const char *text, const char *expected)
{
	read_text(text);
	ck_assert_msg(diag.count > 0, "accepted: %.2000s", text);
	ck_assert_msg(!strncmp(diag.entries[0], "f:", 2) &&
			      !strncmp(diag.entries[0] + 2, expected, strlen(expected)),
		"%.2000s\ngave %s\nnot  f:%s", text, diag.entries[0], expected);
}

/* wanted is taken. */
static inline void expect_equal(const json_t *got, json_t *wanted, const char *what)
{
	cleanup_json json_t *owned = wanted;
	cleanup_free char *shown = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	ck_assert_msg(json_equal(got, owned), "%s\ngave %s", what, shown);
}

static inline void expect_quoted(const json_t *got, const char *quoted, const char *what)
{
	expect_equal(got, parse(quoted), what);
}

static inline void expect_json(const json_t *got, const char *text, const char *what)
{
	json_t *wanted = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	ck_assert_msg(wanted != NULL, "%s", text);
	expect_equal(got, wanted, what);
}

#endif
