/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/backoff.h"

#include <check.h>

/* The upper limits in ms, by attempt. */
static const unsigned limits[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
enum { LIMITS = sizeof(limits) / sizeof(*limits), ROUNDS = 200 };

START_TEST(test_delays_double_within_their_limits)
{
	for (int round = 0; round < ROUNDS; round++) {
		struct backoff backoff = {0};

		for (size_t i = 0; i < LIMITS; i++) {
			unsigned delay = backoff_next(&backoff);

			ck_assert_uint_ge(delay, limits[i] / 2);
			ck_assert_uint_le(delay, limits[i]);
		}
	}
}
END_TEST

/* Hosts that lost the same server must not come back all at once. 200 draws of 51 values all equal: 1 in 51^199. */
START_TEST(test_delays_differ)
{
	unsigned first = 0, different = 0;

	for (int round = 0; round < ROUNDS; round++) {
		struct backoff backoff = {0};
		unsigned delay = backoff_next(&backoff);

		first = round ? first : delay;
		different += delay != first;
	}
	ck_assert_uint_gt(different, 0);
}
END_TEST

START_TEST(test_it_never_gives_up_nor_starts_over_by_itself)
{
	struct backoff backoff = {0};

	for (size_t i = 0; i < LIMITS; i++)
		backoff_next(&backoff);
	for (int i = 0; i < 100000; i++)
		ck_assert_uint_ge(backoff_next(&backoff), 5000);
}
END_TEST

START_TEST(test_a_success_starts_over)
{
	struct backoff backoff = {0};

	for (int i = 0; i < 20; i++)
		backoff_next(&backoff);
	backoff_reset(&backoff);
	ck_assert_uint_le(backoff_next(&backoff), 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tcase = tcase_create("backoff");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_delays_double_within_their_limits);
	tcase_add_test(tcase, test_delays_differ);
	tcase_add_test(tcase, test_it_never_gives_up_nor_starts_over_by_itself);
	tcase_add_test(tcase, test_a_success_starts_over);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
