/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/cleanup.h"
#include "syncd/text.h"

#include <check.h>

static const struct {
	const char *text;
	size_t max;
	const char *clean;
} cases[] = {
	{"", 10, ""}, {"plain", 10, "plain"}, {"plain", 3, "pla"},
	{"a\nb\x1b[1m\x7f", 20, "a?b?[1m?"}, {"gr\xc3\xbc\xc3\x9f", 20, "gr\xc3\xbc\xc3\x9f"},
	{"gr\xc3\xbc\xc3\x9f", 5, "gr\xc3\xbc"}, /* not half a character */
	{"x\xe2\x82\xac", 3, "x"},               /* nor two thirds */
	{"c1 \xc2\x9b"
	 "2J",
		20, "c1 ??2J"}, /* a terminal's CSI */
};

START_TEST(test_clean)
{
	cleanup_free char *clean = text_clean(cases[_i].text, cases[_i].max);

	ck_assert_str_eq(clean, cases[_i].clean);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/text");
	TCase *tcase = tcase_create("text");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_clean, 0, sizeof(cases) / sizeof(*cases));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
