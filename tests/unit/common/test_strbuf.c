/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"

#include <check.h>
#include <string.h>

START_TEST(test_text_grows)
{
	cleanup_strbuf struct strbuf b = {0};

	strbuf_add(&b, "one");
	strbuf_addn(&b, ", two!", 5);
	strbuf_addf(&b, ", %s %d", "three", 3);
	ck_assert_str_eq(b.text, "one, two, three 3");
	ck_assert_uint_eq(b.len, strlen("one, two, three 3"));
}
END_TEST

/* Every length passes a moment at which the buffer is just full. */
START_TEST(test_many_additions_of_every_length)
{
	cleanup_strbuf struct strbuf b = {0};
	size_t expected = 0;

	for (int i = 0; i < 500; i++) {
		strbuf_addf(&b, "%0*d", i + 1, 0);
		expected += (size_t)i + 1;
		ck_assert_uint_eq(b.len, expected);
		ck_assert_uint_eq(strlen(b.text), expected);
	}
	for (int i = 0; i < 500; i++)
		strbuf_add(&b, "x");
	ck_assert_uint_eq(strlen(b.text), expected + 500);
}
END_TEST

START_TEST(test_data_may_hold_nul)
{
	cleanup_strbuf struct strbuf b = {0};

	strbuf_addn(&b, "a\0b", 3);
	strbuf_add(&b, "c");
	ck_assert_uint_eq(b.len, 4);
	ck_assert_mem_eq(b.text, "a\0bc", 5);
}
END_TEST

START_TEST(test_nothing_added)
{
	cleanup_strbuf struct strbuf b = {0};
	cleanup_free char *taken = strbuf_take(&b);

	ck_assert_str_eq(taken, "");
	strbuf_add(&b, "");
	ck_assert_str_eq(b.text, "");
	ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(test_reset_keeps_the_buffer_and_forgets_the_text)
{
	cleanup_strbuf struct strbuf b = {0};

	strbuf_reset(&b);
	ck_assert_uint_eq(b.len, 0);
	strbuf_add(&b, "before");
	strbuf_reset(&b);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_str_eq(b.text, "");
	strbuf_add(&b, "after");
	ck_assert_str_eq(b.text, "after");
}
END_TEST

START_TEST(test_what_is_taken_is_the_callers)
{
	cleanup_strbuf struct strbuf b = {0};
	cleanup_free char *taken = NULL;

	strbuf_add(&b, "first");
	taken = strbuf_take(&b);
	ck_assert_ptr_null(b.text);
	ck_assert_uint_eq(b.len, 0);
	strbuf_add(&b, "second");
	ck_assert_str_eq(taken, "first");
	ck_assert_str_eq(b.text, "second");
}
END_TEST

START_TEST(test_free_leaves_an_empty_buffer)
{
	struct strbuf b = {0};

	strbuf_add(&b, "text");
	strbuf_free(&b);
	ck_assert_ptr_null(b.text);
	ck_assert_uint_eq(b.cap, 0);
	strbuf_free(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("strbuf");
	TCase *tcase = tcase_create("strbuf");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_text_grows);
	tcase_add_test(tcase, test_many_additions_of_every_length);
	tcase_add_test(tcase, test_data_may_hold_nul);
	tcase_add_test(tcase, test_nothing_added);
	tcase_add_test(tcase, test_reset_keeps_the_buffer_and_forgets_the_text);
	tcase_add_test(tcase, test_what_is_taken_is_the_callers);
	tcase_add_test(tcase, test_free_leaves_an_empty_buffer);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
