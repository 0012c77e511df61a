/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader's table of design 3.2, line by line. */
#include "common/store_rules.h"

#include <check.h>
#include <string.h>

#define OLD "1700000000000-00000000"
#define NOW "1800000000000-00000000"
#define NEW "1900000000000-00000000"

#define NONE              \
	{                 \
		{0}, 0,   \
		{         \
			0 \
		}         \
	}

/* Heads by value; an empty epoch stands for "there is none". */
static const struct {
	const char *what, *stream;
	struct store_head held, found, accepted;
	const char *ancestor;
	enum store_verdict verdict;
	const char *reason;
	bool ahead; /* held's epoch, of the clock */
} rows[] = {
	{"first install", "policies", NONE, NONE, NONE, NULL, STORE_TAKE_EMPTY, ""},
	{"first policies", "policies", NONE, {NOW, 1, "a"}, NONE, NULL, STORE_TAKE, ""},
	{"nothing new", "policies", {NOW, 5, "a"}, {NOW, 5, "a"}, NONE, NULL, STORE_SAME, ""},
	{"next", "policies", {NOW, 5, "a"}, {NOW, 6, "b"}, NONE, NULL, STORE_TAKE, ""},
	{"some were missed", "policies", {NOW, 5, "a"}, {NOW, 90, "b"}, NONE, NULL, STORE_TAKE, ""},
	{"later epoch", "policies", {NOW, 5, "a"}, {NEW, 1, "b"}, NONE, NULL, STORE_TAKE, ""},
	{"absent", "policies", {NOW, 5, "a"}, NONE, NONE, NULL, STORE_KEEP, "gone from the store"},
	{"absent, accepted once", "policies", {NOW, 5, "a"}, NONE, {NOW, 5, "a"}, NULL, STORE_KEEP,
		"gone from the store"},
	{"lower revision", "policies", {NOW, 5, "a"}, {NOW, 4, "b"}, NONE, NULL, STORE_KEEP,
		"stale replica"},
	{"same revision, other history", "policies", {NOW, 5, "a"}, {NOW, 5, "b"}, NONE, NULL,
		STORE_KEEP, "stale replica"},
	{"earlier epoch", "policies", {NOW, 5, "a"}, {OLD, 900, "b"}, NONE, NULL, STORE_KEEP,
		"earlier epoch"},
	{"was accepted, and went on since", "policies", {NOW, 5, "a"}, {NOW, 1, "b"}, {NOW, 1, "b"},
		NULL, STORE_KEEP, "stale replica"},
	{"the same, ahead", "policies", {NOW, 5, "a"}, {NOW, 1, "b"}, {NOW, 1, "b"}, NULL,
		STORE_KEEP, "stale replica", true},
	{"was accepted before this one", "policies", {NOW, 5, "a"}, {OLD, 1, "b"}, {OLD, 1, "b"},
		NULL, STORE_KEEP, "earlier epoch"},
	{"accepted, by a clock behind", "policies", {NOW, 5, "a"}, {OLD, 1, "b"}, {OLD, 1, "b"},
		NULL, STORE_TAKE, "", true},
	{"later, accepted", "policies", {NOW, 5, "a"}, {NEW, 1, "b"}, {NEW, 1, "b"}, NULL,
		STORE_TAKE, ""},
	{"another was accepted", "policies", {NOW, 5, "a"}, {OLD, 9, "b"}, {OLD, 9, "c"}, NULL,
		STORE_KEEP, "earlier epoch", true},
	{"held was accepted", "policies", {NOW, 5, "a"}, {NOW, 5, "a"}, {NOW, 5, "a"}, NULL,
		STORE_SAME, ""},
	{"node not published", "node:n", NONE, NONE, NONE, NULL, STORE_KEEP, "not published"},
	{"node's first", "node:n", NONE, {NOW, 1, "a"}, NONE, NULL, STORE_TAKE, ""},
	{"node absent", "node:n", {NOW, 5, "a"}, NONE, NONE, NULL, STORE_KEEP,
		"gone from the store"},
	{"node restarted", "node:n", {NOW, 5, "a"}, {NEW, 1, "b"}, NONE, NULL, STORE_TAKE, ""},
	{"node's late epoch", "node:n", {NOW, 5, "a"}, {OLD, 9, "b"}, NONE, NULL, STORE_KEEP,
		"earlier epoch"},
	{"node same", "node:n", {NOW, 5, "a"}, {NOW, 5, "a"}, NONE, NULL, STORE_SAME, ""},
	{"went on from it", "policies", {NOW, 5, "a"}, {NOW, 9, "b"}, NONE, "a", STORE_TAKE, ""},
	{"went on from another", "policies", {NOW, 5, "a"}, {NOW, 9, "b"}, NONE, "c", STORE_KEEP,
		"went on from something older"},
	{"another epoch's history", "policies", {NOW, 5, "a"}, {NEW, 9, "b"}, NONE, "c", STORE_TAKE,
		""},
};

static const struct store_head *present(const struct store_head *head)
{
	return head->epoch[0] ? head : NULL;
}

START_TEST(test_row)
{
	const char *reason = NULL;
	enum store_verdict verdict =
		store_judge(rows[_i].stream, present(&rows[_i].held), present(&rows[_i].found),
			present(&rows[_i].accepted), rows[_i].ahead, rows[_i].ancestor, &reason);

	ck_assert_msg(verdict == rows[_i].verdict, "%s: %d", rows[_i].what, verdict);
	ck_assert_ptr_nonnull(reason);
	/* a reason exactly where something is kept against the store */
	ck_assert_int_eq(*reason != '\0', verdict == STORE_KEEP);
	ck_assert_msg(strstr(reason, rows[_i].reason), "%s: %s", rows[_i].what, reason);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_rules");
	TCase *tcase = tcase_create("table");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_row, 0, sizeof(rows) / sizeof(*rows));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
