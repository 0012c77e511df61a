/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/event_lag.h"

#include <check.h>
#include <stdlib.h>

enum { CHANNEL = 1024 };

#define SECOND 1000000000LL
#define NOW    (1700000000 * SECOND)

/* How often it says so, of count events that are read at the same moment, each so old. */
static unsigned read_all(struct event_lag *lag, unsigned count, long long age_ns)
{
	unsigned said = 0;

	for (unsigned i = 0; i < count; i++)
		said += event_lag_add(lag, NOW - age_ns, NOW);
	return said;
}

START_TEST(test_prompt_events_are_believed)
{
	struct event_lag lag;

	event_lag_reset(&lag, NOW, NOW);
	ck_assert_uint_eq(read_all(&lag, 100000, EVENT_LAG_NS - 1), 0);
}
END_TEST

START_TEST(test_a_few_late_ones_too)
{
	struct event_lag lag;

	event_lag_reset(&lag, NOW, NOW);
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(read_all(&lag, EVENT_LAG_ROW - 1, SECOND), 0);
		ck_assert_uint_eq(read_all(&lag, 1, 0), 0);
	}
}
END_TEST

START_TEST(test_a_full_channel_is_not)
{
	struct event_lag lag;

	event_lag_reset(&lag, NOW, NOW);
	ck_assert_uint_eq(read_all(&lag, CHANNEL, EVENT_LAG_NS), CHANNEL / EVENT_LAG_ROW);
}
END_TEST

/* Wherever the row begins, it is said after the last event that was dropped, which a whole channel follows. */
START_TEST(test_said_after_the_last_loss)
{
	for (unsigned before = 0; before < 2 * EVENT_LAG_ROW; before++) {
		struct event_lag lag;

		event_lag_reset(&lag, NOW, NOW);
		read_all(&lag, before, SECOND);
		ck_assert_uint_ge(read_all(&lag, CHANNEL, EVENT_LAG_NS), 1);
	}
}
END_TEST

/* An Engine on another host, whose clock is off. */
START_TEST(test_clocks_apart)
{
	static const long long apart[] = {-3600 * SECOND, -SECOND, SECOND, 3600 * SECOND};

	for (size_t i = 0; i < sizeof(apart) / sizeof(*apart); i++) {
		struct event_lag lag;

		event_lag_reset(&lag, NOW - apart[i], NOW);
		ck_assert_uint_eq(read_all(&lag, CHANNEL, apart[i] + EVENT_LAG_NS / 2), 0);
		ck_assert_uint_eq(read_all(&lag, CHANNEL, apart[i] + EVENT_LAG_NS), 4);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/event_lag");
	TCase *tcase = tcase_create("event_lag");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_prompt_events_are_believed);
	tcase_add_test(tcase, test_a_few_late_ones_too);
	tcase_add_test(tcase, test_a_full_channel_is_not);
	tcase_add_test(tcase, test_said_after_the_last_loss);
	tcase_add_test(tcase, test_clocks_apart);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
