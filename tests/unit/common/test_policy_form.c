/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a record says of the form in which a policy was written. */
#include "policy_fixture.h"

#define V3(top) \
	"{'v':1," top ",'spec':{'selector':'all()','types':['ingress'],'ingress':[],'egress':[]}}"

START_TEST(test_what_v3_adds)
{
	static const struct {
		const char *record, *bare;
	} cases[] = {
		{V3("'name':'a/b'"), "a/b"},
		{V3("'name':'_staged/b'"), "_staged/b"},
		{"{'v':1,'name':'_staged/b','spec':{'staged':true,'selector':'all()','types':['ingress'],"
		 "'ingress':[],'egress':[]}}",
			"b"},
		{V3("'name':'b','form':'v3'"), "b"},
		{V3("'name':'_staged/b','form':'v3'"), "b"},
		{V3("'name':'a/b','form':'v3','namespace':'a','labels':{'l':'m'}"), "b"},
		{V3("'name':'_staged/a/b','form':'v3','namespace':'a'"), "b"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		CLEANUP(policy) struct policy *policy = read_policy(cases[i].record, &err);
		cleanup_json json_t *wanted = parse(cases[i].record), *got = NULL;

		ck_assert_msg(policy != NULL, "%s: %s", cases[i].record, err.text);
		ck_assert_str_eq(policy_bare_name(policy), cases[i].bare);
		got = policy_to_json(policy);
		ck_assert_msg(json_equal(wanted, got), "%s", cases[i].record);
	}
}
END_TEST

START_TEST(test_what_v3_adds_is_checked)
{
	static const struct {
		const char *record, *error;
	} cases[] = {
		{V3("'name':'b','form':'v2'"), "form: unknown form \"v2\""},
		{V3("'name':'b','form':''"), "form: must not be empty"},
		{V3("'name':'a/b','namespace':'a'"), "namespace: only form v3 has one"},
		{V3("'name':'b','form':'v3','namespace':'a'"),
			"name: \"b\" is not a name in namespace \"a\""},
		{V3("'name':'a/','form':'v3','namespace':'a'"), "name: \"a/\" is not a name"},
		{V3("'name':'ab/c','form':'v3','namespace':'a'"), "name: \"ab/c\" is not a name"},
		{V3("'name':'a/b','form':'v3','namespace':7"), "namespace: must be text"},
		{V3("'name':'a','labels':{'x':1}"), "labels.x: must be text"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		CLEANUP(policy) struct policy *policy = read_policy(cases[i].record, &err);
		cleanup_json json_t *json = parse(cases[i].record);
		CLEANUP(policy) struct policy *closed = NULL;

		ck_assert_msg(!policy, "%s", cases[i].record);
		ck_assert_msg(
			!strncmp(err.text, cases[i].error, strlen(cases[i].error)), "%s", err.text);
		closed = policy_closed_from_json(json, &err);
		ck_assert_msg(closed != NULL, "%s", cases[i].record);
		ck_assert_str_eq(policy_bare_name(closed), closed->name);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("policy form");
	TCase *tcase = tcase_create("all");

	tcase_add_test(tcase, test_what_v3_adds);
	tcase_add_test(tcase, test_what_v3_adds_is_checked);
	suite_add_tcase(s, tcase);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
