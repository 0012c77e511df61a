/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/err.h"

#include <check.h>
#include <errno.h>
#include <string.h>

START_TEST(test_the_cause_follows_the_text)
{
	struct err err = {0};

	ck_assert_int_eq(err_set(&err, ENOENT, "open %s", "/nowhere"), -1);
	ck_assert_str_eq(err.text, "open /nowhere: No such file or directory");
	ck_assert_int_eq(err.code, ENOENT);
}
END_TEST

START_TEST(test_without_a_cause_there_is_only_the_text)
{
	struct err err = {.code = EIO};

	ck_assert_int_eq(err_set(&err, 0, "port %d: not in 1..65535", 70000), -1);
	ck_assert_str_eq(err.text, "port 70000: not in 1..65535");
	ck_assert_int_eq(err.code, 0);
}
END_TEST

START_TEST(test_contexts_stand_before)
{
	struct err err = {0};

	err_set(&err, EACCES, "connect %s", "redis");
	ck_assert_int_eq(err_wrap(&err, "read stream %s", "policies"), -1);
	ck_assert_int_eq(err_wrap(&err, "start"), -1);
	ck_assert_str_eq(err.text, "start: read stream policies: connect redis: Permission denied");
	ck_assert_int_eq(err.code, EACCES);
}
END_TEST

/* An error may say what another error said. */
START_TEST(test_the_old_text_may_be_an_argument)
{
	struct err err = {0};

	err_set(&err, 0, "inner");
	err_wrap(&err, "outer (%s)", err.text);
	ck_assert_str_eq(err.text, "outer (inner): inner");
}
END_TEST

START_TEST(test_long_texts_are_cut)
{
	char longer[2 * ERR_TEXT_MAX];
	struct err err = {0};

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, ENOENT, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_MAX - 1);
	ck_assert_int_eq(err.code, ENOENT);
	err_wrap(&err, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_MAX - 1);
	err_set(&err, 0, "short");
	err_wrap(&err, "%s", longer);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_MAX - 1);
}
END_TEST

/* The cause is appended as far as there is room. */
START_TEST(test_a_text_that_just_fits)
{
	char text[ERR_TEXT_MAX];
	struct err err = {0};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ENOENT, "%s", text);
	ck_assert_str_eq(err.text, text);
	text[sizeof(text) - 5] = '\0';
	err_set(&err, ENOENT, "%s", text);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_MAX - 1);
	ck_assert_str_eq(err.text + sizeof(text) - 5, ": No");
}
END_TEST

START_TEST(test_nobody_need_listen)
{
	ck_assert_int_eq(err_set(NULL, ENOENT, "open %s", "x"), -1);
	ck_assert_int_eq(err_wrap(NULL, "start"), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");
	TCase *tcase = tcase_create("err");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_the_cause_follows_the_text);
	tcase_add_test(tcase, test_without_a_cause_there_is_only_the_text);
	tcase_add_test(tcase, test_contexts_stand_before);
	tcase_add_test(tcase, test_the_old_text_may_be_an_argument);
	tcase_add_test(tcase, test_long_texts_are_cut);
	tcase_add_test(tcase, test_a_text_that_just_fits);
	tcase_add_test(tcase, test_nobody_need_listen);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
