/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/duration.h"

#include <check.h>
#include <stddef.h>

START_TEST(what_people_write)
{
	static const struct {
		const char *text;
		long seconds;
	} cases[] = {{"1", 1}, {"90", 90}, {"90s", 90}, {"5m", 300}, {"1h", 3600}, {"3600", 3600},
		{"60m", 3600}, {"007", 7}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = {0};
		long seconds = 0;

		ck_assert_msg(!duration_parse(cases[i].text, &seconds, &err), "%s: %s",
			cases[i].text, err.text);
		ck_assert_int_eq(seconds, cases[i].seconds);
	}
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const cases[] = {"", "0", "0s", "s", "-1", "+1", " 1", "1 ", "1.5", "1d",
		"1ms", "1ss", "61m", "2h", "3601", "99999999999999999999", "1h30m", "0x10"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = {0};
		long seconds = 7;

		ck_assert_msg(duration_parse(cases[i], &seconds, &err) == -1, "%s", cases[i]);
		ck_assert_int_eq(seconds, 7);
		ck_assert_msg(*err.text, "%s", cases[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("duration");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(t, what_people_write);
	tcase_add_test(t, anything_else_is_refused);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
