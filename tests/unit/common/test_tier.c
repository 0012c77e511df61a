/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/tier.h"
#include "tests/unit/common/policy_fixture.h"

#include <check.h>

static struct tier *read_tier(const char *quoted, struct err *err)
{
	cleanup_json json_t *json = parse(quoted);

	return tier_from_json(json, err);
}

START_TEST(test_fields)
{
	CLEANUP(tier)
	struct tier *tier =
		read_tier("{'v':1,'name':'ops','labels':{'a':'b'},'annotations':{'c':'d'},"
			  "'spec':{'order':-2.5,'defaultAction':'pass'}}",
			NULL);

	ck_assert_ptr_nonnull(tier);
	ck_assert_str_eq(tier->name, "ops");
	ck_assert(tier->has_order && tier->order < -2 && tier->passes);
	ck_assert_uint_eq(json_object_size(tier->labels), 1);
	ck_assert_uint_eq(json_object_size(tier->annotations), 1);
}
END_TEST

static const struct {
	const char *record, *error;
} bad[] = {
	{"{'v':2,'name':'a','spec':{'defaultAction':'deny'}}", "v: "},
	{"{'v':1,'spec':{'defaultAction':'deny'}}", "name"},
	{"{'v':1,'name':'a b','spec':{'defaultAction':'deny'}}", "name: bad name"},
	{"{'v':1,'name':'a','spec':{}}", "defaultAction"},
	{"{'v':1,'name':'a','spec':{'defaultAction':'allow'}}",
		"spec.defaultAction: unknown action \"allow\": must be deny or pass"},
	{"{'v':1,'name':'a','spec':{'defaultAction':'deny','order':'1'}}",
		"spec.order: must be a finite number"},
	{"{'v':1,'name':'a','spec':{'defaultAction':'deny'},'more':1}", "more"},
	{"{'v':1,'name':'a','labels':{'a':1},'spec':{'defaultAction':'deny'}}",
		"labels.a: must be text"},
	{"{'v':1,'name':'default','spec':{'defaultAction':'deny'}}",
		"spec.order: that of the tier default is 1000000"},
	{"{'v':1,'name':'default','spec':{'defaultAction':'deny','order':5}}",
		"spec.order: that of the tier default is 1000000"},
	{"{'v':1,'name':'default','spec':{'defaultAction':'pass','order':1000000}}",
		"spec.defaultAction: that of the tier default is deny"},
};

START_TEST(test_refusals)
{
	struct err err = {0};

	ck_assert_ptr_null(read_tier(bad[_i].record, &err));
	ck_assert_msg(strstr(err.text, bad[_i].error) != NULL, "%s: %s", bad[_i].record, err.text);
}
END_TEST

START_TEST(test_the_default_one_may_be_said)
{
	CLEANUP(tier)
	struct tier *tier = read_tier(
		"{'v':1,'name':'default','spec':{'defaultAction':'deny','order':1000000}}", NULL);

	ck_assert_ptr_nonnull(tier);
	ck_assert_int_eq(tier_cmp(tier, tier_default()), 0);
}
END_TEST

/* In evaluation order; the first is one that is not there. */
static const char *const in_order[] = {NULL, "{'order':-1,", "{'order':0.5,", "{'order':10,",
	"{'order':999999,", "{'order':1000000,", "{'order':1000001,", "{"};

START_TEST(test_order)
{
	struct tier *tiers[COUNT(in_order)] = {NULL};

	for (size_t i = 1; i < COUNT(in_order); i++) {
		cleanup_free char *record = xasprintf(
			"{'v':1,'name':'t','spec':%s'defaultAction':'deny'}}", in_order[i]);

		tiers[i] = read_tier(record, NULL);
		ck_assert_ptr_nonnull(tiers[i]);
	}
	for (size_t i = 0; i < COUNT(in_order); i++)
		for (size_t j = 0; j < COUNT(in_order); j++) {
			int order = tier_cmp(tiers[i], tiers[j]);

			ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
		}
	for (size_t i = 1; i < COUNT(in_order); i++)
		tier_free(tiers[i]);
}
END_TEST

START_TEST(test_names_decide_between_equal_orders)
{
	CLEANUP(tier)
	struct tier *before = read_tier(
		"{'v':1,'name':'a','spec':{'defaultAction':'deny','order':1000000}}", NULL);
	CLEANUP(tier)
	struct tier *after = read_tier(
		"{'v':1,'name':'z','spec':{'defaultAction':'deny','order':1000000}}", NULL);

	ck_assert_int_lt(tier_cmp(before, tier_default()), 0);
	ck_assert_int_gt(tier_cmp(after, tier_default()), 0);
}
END_TEST

START_TEST(test_a_closed_policy_denies_in_its_types)
{
	CLEANUP(policy)
	struct policy *policy = read_policy(
		"{'v':1,'name':'p','form':'v3','spec':{'order':5,'tier':'ops','selector':'a == \\\"b\\\"',"
		"'types':['egress'],'ingress':[],'egress':[{'action':'allow'},{'action':'pass'}]}}",
		NULL);
	CLEANUP(policy) struct policy *closed = policy ? policy_closed(policy) : NULL;

	ck_assert_ptr_nonnull(closed);
	ck_assert_str_eq(tier_of(closed), "ops");
	ck_assert_int_eq(policy_cmp(policy, closed), 0);
	ck_assert_str_eq(selector_canonical(closed->selector), "a == \"b\"");
	ck_assert(closed->governs[DIR_EGRESS] && !closed->governs[DIR_INGRESS]);
	ck_assert_uint_eq(closed->rule_count[DIR_EGRESS], 1);
	ck_assert_int_eq(closed->rules[DIR_EGRESS][0].action, ACTION_DENY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tier");
	TCase *tcase = tcase_create("tier");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_fields);
	tcase_add_loop_test(tcase, test_refusals, 0, COUNT(bad));
	tcase_add_test(tcase, test_the_default_one_may_be_said);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_names_decide_between_equal_orders);
	tcase_add_test(tcase, test_a_closed_policy_denies_in_its_types);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
