/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is heard of other people's changes around large batches, of which nobody hears the events. */
#include "enforcerd/kernel_watch.h"

#include "kernel_fixture.h"

enum { MANY = 5000, OWN_PORT = 0x7fffffff };

static void put_many(const char *set, bool there)
{
	for (unsigned i = 0; i < MANY; i++) {
		const struct elem_key key = {.ip = {4, {10, 99, (uint8_t)(i >> 8), (uint8_t)i}}};

		if (there)
			ruleset_put(rs, set, &key, NULL, NULL);
		else
			ruleset_del(rs, set, &key);
	}
}

/* Made without an owner, as on kernels that have none: others may change it. */
static void unowned(void)
{
	sh("nft add table inet " TABLE);
}

START_TEST(test_own_large_batches_are_no_news)
{
	commit();
	for (int i = 0; i < 4; i++) {
		put_many("sel_front_4", i % 2 == 0);
		ck_assert_uint_gt(commit().messages, 0);
		/* nothing to be put right, and nothing to be read again */
		ck_assert_uint_eq(commit().messages, 0);
	}
	ck_assert_uint_eq(kernel_repairs(kernel, NULL), 0);
}
END_TEST

START_TEST(test_changes_behind_a_large_batch_are_heard)
{
	unowned();
	commit();
	put_many("sel_front_4", true);
	commit();
	sh("nft add chain inet " TABLE " stray");
	ck_assert_uint_gt(commit().messages, 0);
	expect("chain stray", false);
}
END_TEST

/* While the writer is at large batches somebody keeps changing the table: none of it stays. */
START_TEST(test_changes_during_large_batches_do_not_stay)
{
	pid_t foe;

	unowned();
	commit();
	foe = fork();
	ck_assert_int_ge(foe, 0);
	if (foe == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execlp("sh", "sh", "-c",
			"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do nft add chain inet " TABLE
			" stray$i 2>/dev/null; done",
			NULL);
		_exit(127);
	}
	for (int i = 0; waitpid(foe, NULL, WNOHANG) == 0; i++) {
		struct kernel_commit done;
		struct err why = {0};

		put_many("sel_front_4", i % 2 == 0);
		(void)!kernel_commit(kernel, rs, &done, &why);
	}
	(void)commit();
	(void)commit();
	expect("chain stray", false);
}
END_TEST

START_TEST(test_what_a_pause_missed_is_said)
{
	struct kernel_watch *watch;
	const char *who = NULL;

	unowned();
	commit();
	watch = kernel_watch_new(TABLE, OWN_PORT, &err);
	ck_assert_msg(watch != NULL, "%s", err.text);
	kernel_watch_pause(watch);
	sh("nft add chain inet " TABLE " stray");
	kernel_watch_resume(watch);
	ck_assert(!kernel_watch_touched(watch, &who));
	kernel_watch_lost(watch);
	ck_assert(kernel_watch_touched(watch, &who));
	ck_assert_str_eq(who, "unknown: events were lost");
	ck_assert(!kernel_watch_touched(watch, &who));
	sh("nft delete chain inet " TABLE " stray");
	ck_assert(kernel_watch_touched(watch, &who));
	ck_assert_ptr_nonnull(strstr(who, "nft"));
	kernel_watch_free(watch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_watch");
	TCase *watch = tcase_create("watch");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(watch, setup, teardown);
	tcase_set_timeout(watch, 60);
	tcase_add_test(watch, test_own_large_batches_are_no_news);
	tcase_add_test(watch, test_changes_behind_a_large_batch_are_heard);
	tcase_add_test(watch, test_changes_during_large_batches_do_not_stay);
	tcase_add_test(watch, test_what_a_pause_missed_is_said);
	suite_add_tcase(suite, watch);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
