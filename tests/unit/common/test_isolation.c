/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/isolation.h"

#include <check.h>

START_TEST(test_words_round_trip)
{
	static const char *const words[] = {[ISOLATION_OFF] = "off",
		[ISOLATION_LABELLED] = "labelled",
		[ISOLATION_STRICT] = "strict"};
	enum isolation isolation;

	for (unsigned i = ISOLATION_OFF; i <= ISOLATION_STRICT; i++) {
		isolation = (enum isolation)((i + 1) % 3);
		ck_assert(isolation_parse(words[i], &isolation));
		ck_assert_uint_eq(isolation, i);
		ck_assert_str_eq(isolation_name(isolation), words[i]);
	}
}
END_TEST

START_TEST(test_other_words_are_refused)
{
	static const char *const bad[] = {
		"", "Off", "STRICT", "labeled", "labelled ", " off", "on", "strict\n", "default"};
	enum isolation isolation = ISOLATION_STRICT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_msg(!isolation_parse(bad[i], &isolation), "%s", bad[i]);
	ck_assert_int_eq(isolation, ISOLATION_STRICT); /* untouched */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("isolation");
	TCase *tcase = tcase_create("isolation");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_words_round_trip);
	tcase_add_test(tcase, test_other_words_are_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
