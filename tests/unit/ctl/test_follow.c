/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/follow.h"

#include <check.h>
#include <string.h>

enum { NOW = 1000000 };

#define EPOCH "1700000000000-00000000"

static struct store_head head(const char *text)
{
	struct store_head parsed;
	struct err err = {0};

	ck_assert_msg(!store_head_parse(text, strlen(text), &parsed, &err), "%s", err.text);
	return parsed;
}

static json_t *good_status(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "policies_head",
		EPOCH ":5:0123456789abcdef", "heartbeat_unix", "999995", "last_error", "",
		"problems", "[]", "refused", "[]", "in_force", "true");
}

/* Of a status that differs from a good one in one or two fields (value NULL: it is not there). */
static void expect(enum follow_state state, const char *why, const char *field, const char *value,
	const char *field2, const char *value2)
{
	cleanup_json json_t *status = good_status();
	cleanup_json json_t *written = json_pack("[s,s]", "policy a", "policy b");
	struct store_head wanted = head(EPOCH ":5:0123456789abcdef");
	struct follow_source source = {
		.status = status, .head = &wanted, .written = written, .now = NOW};
	cleanup_free char *told = NULL;

	if (value)
		json_object_set_new(status, field, json_string(value));
	else
		json_object_del(status, field);
	if (field2)
		json_object_set_new(status, field2, json_string(value2));
	ck_assert_int_eq(follow_judge(&source, &told), state);
	ck_assert_str_eq(told, why);
}

START_TEST(the_written_head_or_a_later_one_is_enough)
{
	expect(FOLLOW_DONE, "", "in_force", "true", NULL, NULL);
	expect(FOLLOW_DONE, "", "policies_head", EPOCH ":6:fedcba9876543210", NULL, NULL);
	/* an enforcerd that does not tell these yet */
	expect(FOLLOW_DONE, "", "refused", NULL, NULL, NULL);
	expect(FOLLOW_DONE, "", "in_force", NULL, NULL, NULL);
	/* trouble that is not the policies' */
	expect(FOLLOW_DONE, "", "problems", "[\"stream node:n: not in sync\"]", NULL, NULL);
}
END_TEST

START_TEST(one_that_is_behind_says_what_it_has)
{
	expect(FOLLOW_PENDING, "it has revision 4 in force, and 5 is written", "policies_head",
		EPOCH ":4:0123456789abcdef", NULL, NULL);
	expect(FOLLOW_PENDING, "it has another revision 5 in force", "policies_head",
		EPOCH ":5:fedcba9876543210", NULL, NULL);
	expect(FOLLOW_PENDING,
		"it has another epoch in force (1800000000000-00000000, and " EPOCH " is written)",
		"policies_head", "1800000000000-00000000:9:0123456789abcdef", NULL, NULL);
	expect(FOLLOW_PENDING, "it has no policies in force yet", "policies_head", "", NULL, NULL);
	expect(FOLLOW_PENDING, "it has no policies in force yet", "policies_head", NULL, NULL,
		NULL);
	expect(FOLLOW_PENDING, "its head \"5\" cannot be read", "policies_head", "5", NULL, NULL);
	expect(FOLLOW_PENDING, "its rules are not in force", "in_force", "false", NULL, NULL);
}
END_TEST

START_TEST(one_that_is_behind_says_why)
{
	expect(FOLLOW_PENDING,
		"it has revision 4 in force, and 5 is written; stream policies: the store is older",
		"policies_head", EPOCH ":4:0123456789abcdef", "problems",
		"[\"policy x: bad\",5,\"stream policies: the store is older\"]");
	expect(FOLLOW_PENDING, "it has revision 4 in force, and 5 is written; last error: EPERM",
		"policies_head", EPOCH ":4:0123456789abcdef", "last_error", "EPERM");
	expect(FOLLOW_PENDING, "it has revision 4 in force, and 5 is written", "policies_head",
		EPOCH ":4:0123456789abcdef", "problems", "not JSON");
}
END_TEST

START_TEST(a_record_that_it_cannot_use_is_not_in_force)
{
	expect(FOLLOW_REFUSED, "it cannot use policy b", "refused", "[\"policy b\",\"policy c\"]",
		NULL, NULL);
	expect(FOLLOW_REFUSED, "it cannot use policy a, policy b", "refused",
		"[\"policy b\",5,\"policy a\"]", NULL, NULL);
	expect(FOLLOW_DONE, "", "refused", "[\"policy c\"]", NULL, NULL);
	expect(FOLLOW_DONE, "", "refused", "nonsense", NULL, NULL);
}
END_TEST

START_TEST(a_silent_one_is_nobody)
{
	struct store_head wanted = head(EPOCH ":5:0123456789abcdef");
	cleanup_json json_t *none = json_object(), *old = good_status();
	struct follow_source source = {.status = none, .head = &wanted, .now = NOW};
	char *why = NULL;

	expect(FOLLOW_SILENT, "its enforcerd has been silent for 36 s", "heartbeat_unix", "999964",
		NULL, NULL);
	expect(FOLLOW_DONE, "", "heartbeat_unix", "999965", NULL, NULL);
	expect(FOLLOW_DONE, "", "heartbeat_unix", "2000000", NULL, NULL);
	expect(FOLLOW_SILENT, "its enforcerd has been silent for 1000000 s", "heartbeat_unix", NULL,
		NULL, NULL);
	ck_assert_int_eq(follow_judge(&source, &why), FOLLOW_SILENT);
	ck_assert_str_eq(why, "its enforcerd has never reported");
	free(why);
	/* its clock is behind ours, but it lives */
	json_object_set_new(old, "heartbeat_unix", json_string("5"));
	source.status = old;
	source.moved = true;
	ck_assert_int_eq(follow_judge(&source, &why), FOLLOW_DONE);
	free(why);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("follow");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(t, the_written_head_or_a_later_one_is_enough);
	tcase_add_test(t, one_that_is_behind_says_what_it_has);
	tcase_add_test(t, one_that_is_behind_says_why);
	tcase_add_test(t, a_record_that_it_cannot_use_is_not_in_force);
	tcase_add_test(t, a_silent_one_is_nobody);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
