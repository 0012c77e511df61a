/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_budget.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct flow_budget *budget;
static long long suppressed;

static void setup(void)
{
	budget = flow_budget_new();
	suppressed = -1;
}

static void teardown(void)
{
	flow_budget_free(budget);
}

static bool take(const char *reason, long long now_ms)
{
	return flow_budget_take(budget, reason, strlen(reason), now_ms, &suppressed);
}

static unsigned take_many(const char *reason, long long now_ms, unsigned tries)
{
	unsigned taken = 0;

	while (tries--)
		taken += take(reason, now_ms);
	return taken;
}

START_TEST(test_a_reason_has_a_burst_and_a_rate)
{
	ck_assert_uint_eq(take_many("a", 1000, 100), FLOW_REASON_BURST);
	ck_assert_uint_eq(flow_budget_suppressed(budget), 100 - FLOW_REASON_BURST);
	/* a tenth of a second is one */
	ck_assert(!take("a", 1099));
	ck_assert(take("a", 1100));
	ck_assert_int_eq(suppressed, 100 - FLOW_REASON_BURST + 1);
	ck_assert(!take("a", 1100));
	ck_assert_uint_eq(take_many("a", 2100, 100), FLOW_REASON_RATE);
	/* however long it was silent, the burst is the most */
	ck_assert_uint_eq(take_many("a", 1LL << 60, 100), FLOW_REASON_BURST);
}
END_TEST

START_TEST(test_reasons_do_not_starve_each_other)
{
	ck_assert_uint_eq(take_many("a", 1000, 1000), FLOW_REASON_BURST);
	ck_assert(take("b", 1000));
	ck_assert_int_eq(suppressed, 0);
	/* nor is one that begins like another the same */
	ck_assert(take("aa", 1000));
}
END_TEST

START_TEST(test_all_together_are_bounded)
{
	unsigned taken = 0;
	char name[24];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "reason %d", i);
		taken += take_many(name, 1000, 10);
	}
	ck_assert_uint_eq(taken, FLOW_TOTAL_BURST);
	taken = 0;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "reason %d", i);
		taken += take_many(name, 2000, 10);
	}
	ck_assert_uint_eq(taken, FLOW_TOTAL_RATE);
}
END_TEST

START_TEST(test_a_clock_that_stands_still_gives_nothing)
{
	ck_assert_uint_eq(take_many("a", 5000, 100), FLOW_REASON_BURST);
	ck_assert_uint_eq(take_many("a", 5000, 100), 0);
	ck_assert_uint_eq(take_many("a", 4000, 100), 0);
}
END_TEST

START_TEST(test_more_reasons_than_are_told_apart)
{
	char name[24];
	unsigned taken = 0;

	/* slowly, so that the total does not bind; each is used up, so that none is forgotten */
	for (int i = 0; i < FLOW_REASONS_MAX; i++) {
		snprintf(name, sizeof(name), "reason %d", i);
		ck_assert(take(name, 1000 + 10 * i));
	}
	/* those of the first seconds are full again and make place */
	ck_assert(take("one more", 1000 + 10 * FLOW_REASONS_MAX));
	/* a flood of names of one moment is bounded by the total and by memory, not by the number of names */
	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "flood %d", i);
		taken += take(name, 1000000);
	}
	ck_assert_uint_le(taken, FLOW_TOTAL_BURST);
	ck_assert_uint_gt(taken, 0);
	ck_assert_uint_eq(flow_budget_suppressed(budget), 5000 - taken);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_budget");
	TCase *tcase = tcase_create("flow_budget");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_a_reason_has_a_burst_and_a_rate);
	tcase_add_test(tcase, test_reasons_do_not_starve_each_other);
	tcase_add_test(tcase, test_all_together_are_bounded);
	tcase_add_test(tcase, test_a_clock_that_stands_still_gives_nothing);
	tcase_add_test(tcase, test_more_reasons_than_are_told_apart);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
