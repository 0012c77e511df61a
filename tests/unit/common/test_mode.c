/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mode.h"

#include <check.h>

START_TEST(test_words)
{
	static const char *const bad[] = {
		"", "Audit", "ENFORCE", "audit ", " audit", "audit\n", "off", "none", "*"};
	enum mode mode = MODE_ENFORCE;

	ck_assert(mode_parse("audit", &mode));
	ck_assert_int_eq(mode, MODE_AUDIT);
	ck_assert_str_eq(mode_name(mode), "audit");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!mode_parse(bad[i], &mode), "%s", bad[i]);
	ck_assert_int_eq(mode, MODE_AUDIT); /* untouched */
	ck_assert(mode_parse("enforce", &mode));
	ck_assert_int_eq(mode, MODE_ENFORCE);
	ck_assert_str_eq(mode_name(mode), "enforce");
}
END_TEST

static const struct {
	const char *own, *any;
	enum mode mode;
} says[] = {
	{NULL, NULL, MODE_ENFORCE},
	{NULL, "audit", MODE_AUDIT},
	{NULL, "enforce", MODE_ENFORCE},
	{"audit", NULL, MODE_AUDIT},
	{"audit", "enforce", MODE_AUDIT},
	{"enforce", "audit", MODE_ENFORCE},
	/* nothing but the word ends enforcement, and damage does not begin it for one node */
	{"AUDIT", NULL, MODE_ENFORCE},
	{NULL, "", MODE_ENFORCE},
	{"x", "audit", MODE_AUDIT},
	{"x", "y", MODE_ENFORCE},
};

START_TEST(test_the_nodes_own_word_comes_first)
{
	ck_assert_int_eq(mode_of_store(says[_i].own, says[_i].any), says[_i].mode);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mode");
	TCase *tcase = tcase_create("mode");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_words);
	tcase_add_loop_test(
		tcase, test_the_nodes_own_word_comes_first, 0, (int)(sizeof(says) / sizeof(*says)));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
