/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Edits of the policies stream against a real server. */
#include "store_reader_fixture.h"

static int count_up(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	const char *now = store_view_get(view, KIND_POLICY, "counter");
	cleanup_free char *next = xasprintf("%ld", (now ? strtol(now, NULL, 10) : 0) + 1);

	(void)arg;
	(void)err;
	store_changes_add(changes, KIND_POLICY, "counter", next);
	return 0;
}

/* Two writers never lose each other's change. */
START_TEST(test_edits_at_once)
{
	enum { EACH = 100, WRITERS = 3 };
	cleanup_free char *counter = NULL;

	for (int writer = 0; writer < WRITERS; writer++) {
		if (fork())
			continue;
		{
			struct redis_sync *own = redis_server_connect(server);
			struct store_edit_result result;

			for (int i = 0; i < EACH; i++)
				if (store_edit(own, count_up, NULL, &result, NULL) < 0)
					i--; /* twenty tries were not enough: that is for the caller to repeat */
			_exit(0);
		}
	}
	for (int writer = 0; writer < WRITERS; writer++) {
		int status = -1;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	counter = redis_server_hget(admin, HASH, "counter");
	ck_assert_str_eq(counter, "300");
}
END_TEST

static int refuse(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	store_changes_add(changes, KIND_POLICY, "half", "{}");
	(void)view;
	(void)arg;
	return err_set(err, 0, "no");
}

static int nothing(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	(void)view;
	(void)changes;
	(void)arg;
	(void)err;
	return 0;
}

START_TEST(test_edit_writes_nothing)
{
	struct store_edit_result result;
	struct err err = {0};
	struct store_head head;

	ck_assert_int_eq(store_accept(admin, &head, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "no policies"));
	ck_assert_int_eq(store_edit(admin, refuse, NULL, &result, &err), -1);
	ck_assert_str_eq(err.text, "no");
	ck_assert_int_eq(store_edit(admin, nothing, NULL, &result, &err), 0);
	ck_assert(!result.written && !result.created);
	ck_assert_ptr_null(redis_server_get(admin, HEAD));
	ck_assert_ptr_null(redis_server_hget(admin, HASH, "half"));
}
END_TEST

static void add_all(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_edits_at_once);
	tcase_add_test(tcase, test_edit_writes_nothing);
}

int main(void)
{
	Suite *suite = suite_create("store_edit");
	TCase *tcase = tcase_create("real server");
	SRunner *runner;
	int failed;

	add_all(tcase);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
