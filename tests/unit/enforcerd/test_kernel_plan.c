/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which operations go into which batch, and in what order. */
#include "enforcerd/kernel_plan.h"

#include "enforcerd/skeleton.h"

#include <check.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

static struct ruleset *rs;
static struct plan_batches batches;
static bool bridge_there;

static struct elem_key key_ip(const char *text)
{
	struct elem_key key = {0};
	struct err err = {0};

	ck_assert_int_eq(ip_parse(text, &key.ip, &err), 0);
	return key;
}

static void put(const char *set, const char *address, const char *chain)
{
	const struct elem_key key = key_ip(address);

	ruleset_put(rs, set, &key, chain, NULL);
}

static void del(const char *set, const char *address)
{
	const struct elem_key key = key_ip(address);

	ruleset_del(rs, set, &key);
}

static void put_chain(const char *name, const char *comment)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	rule->verdict = VERDICT_RETURN;
	snprintf(rule->comment, sizeof(rule->comment), "%s", comment);
	ruleset_chain(rs, name, NULL, &rules);
}

static void setup(void)
{
	rs = ruleset_new();
	ruleset_counter(rs, "n1");
	ruleset_set(rs, "sel1", SET_IPV4, NULL);
	ruleset_set(rs, MAP_INGRESS4, MAP_IPV4, NULL);
	put("sel1", "10.0.0.1", NULL);
	put(MAP_INGRESS4, "10.0.0.1", "in_a");
	put_chain(CHAIN_FORWARD, "base");
	put_chain("in_a", "a");
	ruleset_committed(rs);
}

static void teardown(void)
{
	plan_batches_clear(&batches);
	ruleset_free(rs);
}

static void plan(void)
{
	const struct plan_input input = {
		.tables = {{.table = {"t", NFPROTO_INET}, .there = true},
			{.table = {"t", NFPROTO_BRIDGE}, .there = bridge_there}},
		.nflog_group = 1,
		.ruleset = rs};

	plan_batches_clear(&batches);
	plan_batches(&input, &batches);
}

static void expect(const struct batch *batch, const char *wanted)
{
	char *text = batch_text(batch);

	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(test_nothing)
{
	plan();
	ck_assert_ptr_null(batches.prepare);
	ck_assert_uint_eq(batch_count(batches.apply), 0);
}
END_TEST

START_TEST(test_elements_only)
{
	put("sel1", "10.0.0.2", NULL);
	del("sel1", "10.0.0.1");
	plan();
	ck_assert_ptr_null(batches.prepare);
	expect(batches.apply, "delete element 10.0.0.1 from set sel1\n"
			      "add element 10.0.0.2 to set sel1\n");
}
END_TEST

START_TEST(test_chain_replaced_in_place)
{
	put_chain("in_a", "other");
	plan();
	ck_assert_ptr_null(batches.prepare);
	expect(batches.apply, "flush chain in_a\nadd rule to chain in_a (other)\n");
}
END_TEST

/* The chain, with all it needs, is there before the map leads to it; what the map led to goes with the second batch. */
START_TEST(test_new_chain_goes_ahead)
{
	ruleset_counter(rs, "n2");
	ruleset_counter_drop(rs, "n1");
	ruleset_set(rs, "sel2", SET_IPV4, NULL);
	ruleset_set_drop(rs, "sel1");
	put("sel2", "10.0.0.7", NULL);
	put_chain("in_b", "b");
	put(MAP_INGRESS4, "10.0.0.1", "in_b");
	put(MAP_INGRESS4, "10.0.0.2", "in_b");
	ruleset_chain_drop(rs, "in_a");
	put_chain(CHAIN_FORWARD, "changed");
	plan();
	expect(batches.prepare, "add counter n2\n"
				"add set sel2\n"
				"add chain in_b\n"
				"add element 10.0.0.7 to set sel2\n"
				"add rule to chain in_b (b)\n");
	expect(batches.apply, "flush chain forward\n"
			      "flush chain in_a\n"
			      "delete element 10.0.0.1 from set ingress_groups4\n"
			      "delete set sel1\n"
			      "delete counter n1\n"
			      "delete chain in_a\n"
			      "add elements to set ingress_groups4\n"
			      "add rule to chain forward (changed)\n");
}
END_TEST

/* A set that only a changed chain uses needs no batch of its own; a hook is never put up ahead of its rules. */
START_TEST(test_without_new_chains_one_batch)
{
	ruleset_set(rs, "sel2", SET_IPV4, NULL);
	put("sel2", "10.0.0.7", NULL);
	put_chain("in_a", "other");
	put_chain(CHAIN_INPUT, "hook");
	plan();
	ck_assert_ptr_null(batches.prepare);
	expect(batches.apply, "flush chain in_a\n"
			      "add set sel2\n"
			      "add chain input\n"
			      "add element 10.0.0.7 to set sel2\n"
			      "add rule to chain in_a (other)\n"
			      "add rule to chain input (hook)\n");
}
END_TEST

START_TEST(test_hook_waits_for_the_second_batch)
{
	put_chain("in_b", "b");
	put_chain(CHAIN_INPUT, "hook");
	plan();
	expect(batches.prepare, "add chain in_b\nadd rule to chain in_b (b)\n");
	expect(batches.apply, "add chain input\nadd rule to chain input (hook)\n");
}
END_TEST

/* The batch's elements that are deleted all come before those that are added, whichever set they are of. */
START_TEST(test_deletions_first)
{
	ruleset_set(rs, "sel0", SET_IPV4, NULL);
	put("sel0", "10.0.0.1", NULL);
	ruleset_committed(rs);
	put("sel0", "10.0.0.2", NULL);
	del("sel1", "10.0.0.1");
	put_chain("in_c", "c");
	ruleset_committed(rs);
	put("sel0", "10.0.0.3", NULL);
	put(MAP_INGRESS4, "10.0.0.1", "in_c");
	plan();
	expect(batches.apply, "delete element 10.0.0.1 from set ingress_groups4\n"
			      "add element 10.0.0.1 to set ingress_groups4\n"
			      "add element 10.0.0.3 to set sel0\n");
}
END_TEST

static void put_chain_in(enum ruleset_tables tables, const char *name, const char *comment)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	rule->verdict = VERDICT_RETURN;
	snprintf(rule->comment, sizeof(rule->comment), "%s", comment);
	ruleset_chain_in(rs, tables, name, NULL, &rules);
}

/* The bridge table comes with the first object that is to be in it, in the batch that creates that. */
START_TEST(test_bridge_table_when_needed)
{
	bridge_there = false;
	ruleset_set_in(rs, IN_BRIDGE, "at4", SET_PORT_IPV4, NULL);
	put_chain_in(IN_BRIDGE, "bridge:prerouting", "guard");
	put_chain("in_a", "other");
	plan();
	ck_assert_ptr_null(batches.prepare);
	expect(batches.apply, "add table t of family bridge\n"
			      "flush chain in_a\n"
			      "add rule to chain in_a (other)\n"
			      "add set at4 of family bridge\n"
			      "add chain prerouting of family bridge\n"
			      "add rule to chain prerouting of family bridge (guard)\n");
	ck_assert(batches.there[0]);
	ck_assert(batches.there[1]);
}
END_TEST

/* What is in both tables is written to both, in one and the same batch. */
START_TEST(test_both_tables_in_one_batch)
{
	bridge_there = true;
	ruleset_counter_in(rs, IN_BOTH, "n3");
	ruleset_set_in(rs, IN_BOTH, "sel3", SET_IPV4, NULL);
	put("sel3", "10.0.0.7", NULL);
	put_chain_in(IN_BOTH, "eg_x", "x");
	plan();
	expect(batches.prepare, "add counter n3\n"
				"add set sel3\n"
				"add chain eg_x\n"
				"add element 10.0.0.7 to set sel3\n"
				"add rule to chain eg_x (x)\n"
				"add counter n3 of family bridge\n"
				"add set sel3 of family bridge\n"
				"add chain eg_x of family bridge\n"
				"add element 10.0.0.7 to set sel3 of family bridge\n"
				"add rule to chain eg_x of family bridge (x)\n");
	ck_assert_uint_eq(batch_count(batches.apply), 0);
	ruleset_committed(rs);
	put("sel3", "10.0.0.8", NULL);
	del("sel3", "10.0.0.7");
	put_chain_in(IN_BOTH, "eg_x", "y");
	plan();
	ck_assert_ptr_null(batches.prepare);
	expect(batches.apply, "flush chain eg_x\n"
			      "delete element 10.0.0.7 from set sel3\n"
			      "add element 10.0.0.8 to set sel3\n"
			      "add rule to chain eg_x (y)\n"
			      "flush chain eg_x of family bridge\n"
			      "delete element 10.0.0.7 from set sel3 of family bridge\n"
			      "add element 10.0.0.8 to set sel3 of family bridge\n"
			      "add rule to chain eg_x of family bridge (y)\n");
	ruleset_committed(rs);
	ruleset_chain_drop(rs, "eg_x");
	ruleset_set_drop(rs, "sel3");
	ruleset_counter_drop(rs, "n3");
	plan();
	expect(batches.apply, "flush chain eg_x\n"
			      "delete set sel3\n"
			      "delete counter n3\n"
			      "delete chain eg_x\n"
			      "flush chain eg_x of family bridge\n"
			      "delete set sel3 of family bridge\n"
			      "delete counter n3 of family bridge\n"
			      "delete chain eg_x of family bridge\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_plan");
	TCase *tests = tcase_create("kernel_plan");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, test_nothing);
	tcase_add_test(tests, test_elements_only);
	tcase_add_test(tests, test_chain_replaced_in_place);
	tcase_add_test(tests, test_new_chain_goes_ahead);
	tcase_add_test(tests, test_without_new_chains_one_batch);
	tcase_add_test(tests, test_hook_waits_for_the_second_batch);
	tcase_add_test(tests, test_deletions_first);
	tcase_add_test(tests, test_bridge_table_when_needed);
	tcase_add_test(tests, test_both_tables_in_one_batch);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
