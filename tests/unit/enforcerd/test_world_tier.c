/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tiers and network sets in the ruleset. What they mean for packets is the oracle's to say. */
#include "tests/unit/enforcerd/world_fixture.h"

#define OUTSIDE "{'v':1,'name':'partners','labels':{'role':'partner'},'spec':{'nets':[%s]}}"

static void put_tier(struct world *world, const char *name, const char *spec)
{
	cleanup_free char *record = xasprintf("{'v':1,'name':'%s','spec':{%s}}", name, spec);

	change(world, KIND_TIER, name, unquote(record));
}

/* For who has the role db, ingress. */
static void put_tiered(
	struct world *world, const char *name, const char *tier, bool staged, const char *rules)
{
	cleanup_free char *record = xasprintf(
		"{'v':1,'name':'%s','form':'v3','spec':{'tier':'%s','staged':%s,'selector':'role == `db`',"
		"'types':['ingress'],'ingress':%s,'egress':[]}}",
		name, tier, staged ? "true" : "false", rules);

	change(world, KIND_POLICY, name, unquote(record));
}

static void put_set(struct world *world, const char *nets)
{
	cleanup_free char *record = xasprintf(OUTSIDE, nets);

	change(world, KIND_NETSET, "partners", unquote(record));
}

static char *db_rules(struct world *world)
{
	cleanup_free char *chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");

	return rules_of(world, chain);
}

/* Where the first "goto t1_..." of the rules leads. */
static char *next_tier(struct world *world, const char *rules)
{
	const char *at = strstr(rules, "goto t");
	char *name;

	ck_assert_msg(at != NULL, "%s", rules);
	at += strlen("goto ");
	name = xstrndup(at, strcspn(at, " \n"));
	ck_assert(ruleset_chain_exists(world_ruleset(world), name));
	return name;
}

static void expect(const char *rules, const char *text)
{
	ck_assert_msg(strstr(rules, text) != NULL, "%s not in\n%s", text, rules);
}

static void expect_not(const char *rules, const char *text)
{
	ck_assert_msg(strstr(rules, text) == NULL, "%s in\n%s", text, rules);
}

START_TEST(test_pass_goes_on_to_the_next_tier)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *first = NULL, *name = NULL, *second = NULL, *again = NULL;

	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	put_tiered(world, "guard", "ops", false,
		"[{'action':'pass','protocol':'tcp'},{'action':'allow','protocol':'udp'}]");
	first = db_rules(world);
	name = next_tier(world, first);
	second = rules_of(world, name);
	expect(first, "policy guard ingress[0]");
	expect(first, "\"bulkhead ingress end guard\" counter drop_ingress goto denied");
	expect_not(first, "policy database");
	expect(second, "policy database ingress[0]");
	expect(second, "\"bulkhead ingress end database\" counter drop_ingress goto denied");
	/* what nothing leads to is not there */
	put_tiered(world, "guard", "ops", false, "[{'action':'allow','protocol':'udp'}]");
	ck_assert(!ruleset_chain_exists(world_ruleset(world), name));
	again = db_rules(world);
	expect_not(again, "policy database");
	expect_no_problem(world);
}
END_TEST

START_TEST(test_an_end_that_passes)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *one = NULL, *two = NULL, *name = NULL, *after = NULL;

	put_tier(world, "ops", "'order':10,'defaultAction':'pass'");
	put_tiered(world, "guard", "ops", false, "[{'action':'deny','protocol':'udp'}]");
	one = db_rules(world);
	expect(one, "policy guard ingress[0]");
	expect(one, "policy database ingress[0]");
	expect_not(one, "end guard");
	put_tiered(world, "guard", "ops", false,
		"[{'action':'pass','protocol':'udp'},{'action':'deny','protocol':'tcp'}]");
	two = db_rules(world);
	name = next_tier(world, two);
	ck_assert_ptr_nonnull(strstr(strstr(two, "ingress[1]"), name));
	after = rules_of(world, name);
	expect(after, "policy database ingress[0]");
	/* the tier's own word is enough to compile it again */
	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	free(one);
	one = db_rules(world);
	expect(one, "end guard");
}
END_TEST

START_TEST(test_tiers_have_an_order)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *rules = NULL;

	put_tier(world, "late", "'order':1000001,'defaultAction':'deny'");
	put_tiered(world, "guard", "late", false, ALLOW_ALL);
	rules = db_rules(world);
	expect(rules, "policy database ingress[0]");
	expect_not(rules, "policy guard");
	put_tier(world, "late", "'order':5,'defaultAction':'deny'");
	free(rules);
	rules = db_rules(world);
	expect(rules, "policy guard ingress[0]");
	expect_not(rules, "policy database");
}
END_TEST

START_TEST(test_the_same_tier_again_changes_nothing)
{
	CLEANUP(world) struct world *world = tutorial();

	put_tier(world, "ops", "'order':10,'defaultAction':'pass'");
	put_tiered(world, "guard", "ops", false, "[{'action':'pass'}]");
	put_set(world, "'192.0.2.0/24'");
	ruleset_committed(world_ruleset(world));
	put_tier(world, "ops", "'order':10,'defaultAction':'pass'");
	put_set(world, "'192.0.2.0/24'");
	ck_assert(!ruleset_dirty(world_ruleset(world)));
}
END_TEST

START_TEST(test_a_tier_that_is_not_there_closes)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *closed = NULL, *open = NULL, *again = NULL;

	put_tiered(world, "guard", "ops", false, ALLOW_ALL);
	closed = db_rules(world);
	expect(closed, "bulkhead ingress deny guard[0]");
	expect_not(closed, "return comment \"policy guard");
	expect_problem(
		world, "policy guard: its tier \"ops\" is not there; what it selects is denied");
	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	open = db_rules(world);
	expect(open, "return comment \"policy guard ingress[0]\"");
	expect_no_problem(world);
	change(world, KIND_TIER, "ops", NULL);
	again = db_rules(world);
	ck_assert_str_eq(again, closed);
}
END_TEST

START_TEST(test_a_bad_tier)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = NULL, *after = NULL;

	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	put_tiered(world, "guard", "ops", false, ALLOW_ALL);
	before = db_rules(world);
	put_tier(world, "ops", "'order':10,'defaultAction':'allow'");
	after = db_rules(world);
	ck_assert_str_eq(before, after);
	expect_problem(world, "tier ops: ");
	change(world, KIND_TIER, "new", xstrdup("{}"));
	put_tiered(world, "guard", "new", false, ALLOW_ALL);
	free(after);
	after = db_rules(world);
	expect(after, "bulkhead ingress deny guard[0]");
}
END_TEST

/* It has no end of its own: nothing of it is in force. */
START_TEST(test_a_tier_of_staged_policies)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *chain = NULL, *name = NULL, *rules = NULL, *staged = NULL, *left = NULL;

	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	put_tiered(world, "guard", "ops", true, "[{'action':'pass','protocol':'tcp'}]");
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	name = xasprintf("st_%s", chain);
	rules = rules_of(world, chain);
	staged = rules_of(world, name);
	expect(rules, "policy database ingress[0]");
	expect_not(rules, "policy guard");
	expect(staged, "staged guard");
	expect_not(staged, "denied");
	left = next_tier(world, staged);
	change(world, KIND_POLICY, "guard", NULL);
	ck_assert(!ruleset_chain_exists(world_ruleset(world), name));
	ck_assert(!ruleset_chain_exists(world_ruleset(world), left));
}
END_TEST

START_TEST(test_a_network_set_beside_a_selector)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = NULL, *with = NULL, *more = NULL, *after = NULL;

	put_policy(world, "guard", "role == `db`", "['ingress']",
		"[{'action':'allow','source':{'selector':'role == `partner`'}},"
		"{'action':'deny','source':{'notSelector':'has(role)'}}]",
		"[]");
	before = db_rules(world);
	put_set(world, "'192.0.2.0/24'");
	with = db_rules(world);
	expect_not(before, "192.0.2.0");
	expect(with, "ct original ip saddr 192.0.2.0/24 counter in_allow_guard");
	expect(with, "ct original ip saddr != 192.0.2.0/24 log");
	put_set(world, "'192.0.2.0/24','198.51.100.0/24','2001:db8::/32'");
	more = db_rules(world);
	expect(more, "ct original ip saddr @net_");
	expect(more, "ct original ip saddr != @net_");
	put_set(world, "'192.0.2.0/24','2001:db8::/32'");
	free(more);
	more = db_rules(world);
	ck_assert_str_eq(more, with);
	change(world, KIND_NETSET, "partners", NULL);
	after = db_rules(world);
	ck_assert_str_eq(after, before);
	expect_no_problem(world);
}
END_TEST

/* A rule that denies what is in it would let it through. */
START_TEST(test_a_bad_network_set)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;
	struct batch batch = {0};
	struct err err = {0};

	add(&batch, KIND_NETSET, "partners", xstrdup("{}"));
	add(&batch, KIND_POLICY, "web", NULL);
	ck_assert_int_eq(try_apply(world, POLICIES, &batch, false, &err), -1);
	expect(err.text, "network set partners: ");
	after = render(world);
	ck_assert_str_eq(before, after);
	put_set(world, "'192.0.2.0/24'");
	expect_no_problem(world);
	change(world, KIND_NETSET, "partners", xstrdup("{}"));
	expect_problem(world, "networkset partners: ");
	put_policy(world, "guard", "role == `db`", "['ingress']",
		"[{'action':'allow','source':{'selector':'role == `partner`'}}]", "[]");
	free(after);
	after = db_rules(world);
	expect(after, "ct original ip saddr 192.0.2.0/24 counter in_allow_guard");
}
END_TEST

/* What a set allowed may not be allowed any more: flows are to be judged anew. */
START_TEST(test_a_smaller_network_set_revokes)
{
	CLEANUP(world) struct world *world = tutorial();
	struct ruleset *rs = world_ruleset(world);

	put_policy(world, "guard", "role == `db`", "['ingress']",
		"[{'action':'allow','source':{'selector':'role == `partner`'}}]", "[]");
	put_set(world, "'192.0.2.0/24','198.51.100.0/24'");
	ruleset_committed(rs);
	put_set(world, "'192.0.2.0/24'");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	/* of other labels: nothing changes */
	change(world, KIND_NETSET, "other",
		unquote("{'v':1,'name':'other','spec':{'nets':['10.0.0.0/8']}}"));
	ck_assert(!ruleset_dirty(rs));
}
END_TEST

START_TEST(test_a_tier_comes_before_what_was_allowed)
{
	CLEANUP(world) struct world *world = tutorial();
	struct ruleset *rs = world_ruleset(world);

	put_tier(world, "ops", "'order':10,'defaultAction':'pass'");
	put_tiered(world, "guard", "ops", false, "[{'action':'pass'}]");
	ruleset_committed(rs);
	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	put_tiered(world, "guard", "ops", false, "[{'action':'deny'}]");
	ck_assert(ruleset_revokes(rs));
}
END_TEST

START_TEST(test_a_snapshot_without_them)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};
	cleanup_free char *closed = NULL;

	put_tier(world, "ops", "'order':10,'defaultAction':'deny'");
	put_set(world, "'192.0.2.0/24'");
	add(&batch, KIND_POLICY, "guard",
		unquote("{'v':1,'name':'guard','form':'v3','spec':{'tier':'ops','selector':'role == `db`',"
			"'types':['ingress'],'ingress':[{'action':'allow','source':{'selector':'role == "
			"`partner`'}}],'egress':[]}}"));
	apply(world, POLICIES, &batch, true);
	closed = db_rules(world);
	expect(closed, "bulkhead ingress deny guard[0]");
	expect_not(closed, "192.0.2.0");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("world_tier");
	TCase *tcase = tcase_create("world_tier");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_pass_goes_on_to_the_next_tier);
	tcase_add_test(tcase, test_an_end_that_passes);
	tcase_add_test(tcase, test_tiers_have_an_order);
	tcase_add_test(tcase, test_the_same_tier_again_changes_nothing);
	tcase_add_test(tcase, test_a_tier_that_is_not_there_closes);
	tcase_add_test(tcase, test_a_bad_tier);
	tcase_add_test(tcase, test_a_tier_of_staged_policies);
	tcase_add_test(tcase, test_a_network_set_beside_a_selector);
	tcase_add_test(tcase, test_a_bad_network_set);
	tcase_add_test(tcase, test_a_smaller_network_set_revokes);
	tcase_add_test(tcase, test_a_tier_comes_before_what_was_allowed);
	tcase_add_test(tcase, test_a_snapshot_without_them);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
