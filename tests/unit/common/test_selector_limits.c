/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Selectors that are too long or too deep, and how long any may take. */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/unit/common/selector_fixture.h"

#include <check.h>
#include <string.h>
#include <time.h>

/* --- limits ------------------------------------------------------------------------------------------------ */

static char *repeated(const char *before, size_t n, const char *middle, const char *after)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < n; i++)
		strbuf_add(&text, before);
	strbuf_add(&text, middle);
	for (size_t i = 0; i < n; i++)
		strbuf_add(&text, after);
	return strbuf_take(&text);
}

START_TEST(test_depth_is_bounded)
{
	cleanup_free char *deepest = repeated("(", SELECTOR_DEPTH_MAX, "has(a)", ")");
	cleanup_free char *deeper = repeated("(", SELECTOR_DEPTH_MAX + 1, "has(a)", ")");
	cleanup_free char *hostile = repeated("(", 10000, "has(a)", ")");
	cleanup_free char *unclosed = repeated("!(", 10000, "", "");
	const char *too_deep[] = {deeper, hostile, unclosed};
	CLEANUP(selector) struct selector *sel = parsed(deepest);

	ck_assert_str_eq(selector_canonical(sel), "has(a)");
	for (size_t i = 0; i < COUNT(too_deep); i++) {
		struct err err = {0};

		ck_assert_ptr_null(selector_parse(too_deep[i], &err));
		ck_assert_ptr_nonnull(strstr(err.text, ": more than 100 nested parentheses"));
	}
}
END_TEST

/* Depth is what is open at once, not what was opened. */
START_TEST(test_many_brackets_side_by_side)
{
	cleanup_free char *text = repeated("(has(a)) || ", 1000, "has(b)", "");
	CLEANUP(selector) struct selector *sel = parsed(text);
	CLEANUP(labels) struct labels *labels = labels_of("b=1");

	ck_assert(selector_match(sel, labels));
}
END_TEST

START_TEST(test_runs_of_not_count_by_parity)
{
	cleanup_free char *even = repeated("!", 10000, "has(a)", "");
	cleanup_free char *odd = repeated("! ", 10001, "has(a)", "");
	CLEANUP(selector) struct selector *same = parsed(even);
	CLEANUP(selector) struct selector *opposite = parsed(odd);

	ck_assert_str_eq(selector_canonical(same), "has(a)");
	ck_assert_str_eq(selector_canonical(opposite), "!has(a)");
}
END_TEST

START_TEST(test_key_length_is_bounded)
{
	cleanup_free char *longest = repeated("k", LABEL_KEY_MAX, " == 'x'", "");
	cleanup_free char *longer = repeated("k", LABEL_KEY_MAX + 1, " == 'x'", "");
	cleanup_free char *within = xasprintf("has(%.*s)", LABEL_KEY_MAX + 1, longer);
	CLEANUP(selector) struct selector *sel = parsed(longest);
	struct err err = {0};

	ck_assert_ptr_nonnull(sel);
	ck_assert_ptr_null(selector_parse(longer, &err));
	ck_assert_str_eq(err.text, "column 1: label key longer than 512 characters");
	ck_assert_ptr_null(selector_parse(within, &err));
	ck_assert_str_eq(err.text, "column 5: label key longer than 512 characters");
}
END_TEST

START_TEST(test_text_length_is_bounded)
{
	cleanup_free char *longest = repeated(" ", SELECTOR_TEXT_MAX - 6, "has(a)", "");
	cleanup_free char *longer = repeated(" ", SELECTOR_TEXT_MAX - 5, "has(a)", "");
	CLEANUP(selector) struct selector *sel = parsed(longest);
	struct err err = {0};

	ck_assert_ptr_nonnull(sel);
	ck_assert_ptr_null(selector_parse(longer, &err));
	ck_assert_str_eq(err.text, "selector is longer than 65536 characters");
}
END_TEST

/* --- time ---------------------------------------------------------------------------------------------------- */

/* Of this process, in seconds: whoever else runs on the machine does not count. */
static double cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum { SHORT_TEXT = 1024, LONG_TEXT = 32 * SHORT_TEXT, TIMES = 16, TRIES = 5, SLACK = 8 };

/* The best of a few tries of parsing so often; accepted or not. */
static double time_of(const char *text, int times)
{
	double best = 1e9;

	for (int i = 0; i < TRIES; i++) {
		double start = cpu_seconds(), took;

		for (int n = 0; n < times; n++)
			selector_free(selector_parse(text, NULL));
		took = cpu_seconds() - start;
		best = took < best ? took : best;
	}
	return best;
}

/* shape[0], as often as it fits into so many characters beside the others. Caller frees. */
static char *filled(const char *const shape[3], size_t size)
{
	size_t rest = strlen(shape[1]) + strlen(shape[2]);

	return repeated(shape[0], (size - rest) / strlen(shape[0]), "", "");
}

static const char *const shapes[][3] = {
	{"has(a) && ", "has(a)", ""},
	{"a == 'b' || ", "has(a)", ""},
	{"(has(a) && !has(b)) || ", "has(a)", ""},
	{"(a == 'b' || b != 'c') && ", "has(a)", ""},
	{"! ", "has(a)", ""},
	{"!a contains 'x' && ", "has(a)", ""},
	{"a starts  with 'x' || ", "has(a)", ""},
	{"a not   in {'x','y'} && ", "has(a)", ""},
	{"'x',", "", "}"},
	{"(", "", ""},
	{"!(", "", ""},
	{" ", "has(a)", ""},
	{"k", " == 'x'", ""},
	{"has(a) ", "", ""},
	{"'", "", ""},
};

/* 32 times as long a text takes 32 times as long, not a thousand times. */
START_TEST(test_time_is_linear)
{
	const char *const *shape = shapes[_i];
	const char *head = strchr(shape[2], '}') ? "a in {" : "";
	cleanup_free char *short_body = filled(shape, SHORT_TEXT - strlen(head));
	cleanup_free char *long_body = filled(shape, LONG_TEXT - strlen(head));
	cleanup_free char *brief = xasprintf("%s%s%s%s", head, short_body, shape[1], shape[2]);
	cleanup_free char *lengthy = xasprintf("%s%s%s%s", head, long_body, shape[1], shape[2]);
	double one = time_of(brief, LONG_TEXT / SHORT_TEXT * TIMES),
	       other = time_of(lengthy, TIMES);

	ck_assert_msg(other < SLACK * one,
		"%s: %g s for many short ones, %g s for as much in long ones", shape[0], one,
		other);
}
END_TEST

/* A million of them take no longer than it takes to see that they are too many. */
START_TEST(test_hostile_texts_are_refused_quickly)
{
	static const char *const before[] = {
		"(", "!(", "a", "has(a) && ", "'", "a in {'", " ", "((a == 'b') || "};

	for (size_t i = 0; i < COUNT(before); i++) {
		cleanup_free char *text =
			repeated(before[i], (1 << 20) / strlen(before[i]), "", "");
		struct err err = {0};

		ck_assert_ptr_null(selector_parse(text, &err));
		ck_assert_str_eq(err.text, "selector is longer than 65536 characters");
		ck_assert_msg(time_of(text, 1) < 0.01, "%s", before[i]);
	}
}
END_TEST

static TCase *limit_tests(void)
{
	TCase *tcase = tcase_create("limits");

	tcase_add_test(tcase, test_depth_is_bounded);
	tcase_add_test(tcase, test_many_brackets_side_by_side);
	tcase_add_test(tcase, test_runs_of_not_count_by_parity);
	tcase_add_test(tcase, test_key_length_is_bounded);
	tcase_add_test(tcase, test_text_length_is_bounded);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_time_is_linear, 0, COUNT(shapes));
	tcase_add_test(tcase, test_hostile_texts_are_refused_quickly);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("selector limits");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, limit_tests());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
