/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bad records, events and snapshots, and what the world reports. */
#include "tests/unit/enforcerd/world_fixture.h"

/* --- bad records ------------------------------------------------------------------------------- */

static const struct {
	enum store_kind kind;
	const char *id, *record, *problem;
} bad_records[] = {
	{KIND_ENDPOINT, "db", "not JSON", "endpoint db: "},
	{KIND_ENDPOINT, "db", "{'v':2}", "endpoint db: "},
	{KIND_ENDPOINT, "unseen", "[]", "endpoint unseen: "},
	{KIND_NETWORK, "net10000000", "{}", "network net10000000: "},
	{KIND_NETWORK, "unseen", "{", "network unseen: "},
	{KIND_POLICY, "database", "{'v':1,'name':'database','spec':{'selector':'a =='}}",
		"its last good version stays in force"},
	{KIND_POLICY, "database", "nonsense", "its last good version stays in force"},
	{KIND_POLICY, "database",
		"{'v':1,'name':'web','spec':{'selector':'all()','types':['egress'],'ingress':[],'egress':[]}}",
		"its name is \"web\""},
	{KIND_ISOLATION, "*/net1", "tight", "isolation */net1: "},
	{KIND_LABELS, "*/db", "{'role':5}", "labels */db: "},
	{KIND_LABELS, "*/db", "role", "labels */db: "},
};

START_TEST(test_a_bad_record_changes_nothing_and_is_told)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	change(world, bad_records[_i].kind, bad_records[_i].id, unquote(bad_records[_i].record));
	after = render(world);
	ck_assert_str_eq(before, after);
	expect_problem(world, bad_records[_i].problem);
}
END_TEST

/* What a program asks that waits for its record: those of the policies stream, each by kind and field. */
START_TEST(test_refused_records_are_listed_for_programs)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_json json_t *none = world_refused(world), *some = NULL, *fewer = NULL;
	cleanup_json json_t *all = json_pack("[s,s]", "labels */db", "policy database");
	cleanup_json json_t *one = json_pack("[s]", "labels */db");

	ck_assert_uint_eq(json_array_size(none), 0);
	change(world, KIND_POLICY, "database", xstrdup("nonsense"));
	change(world, KIND_LABELS, "*/db", xstrdup("role"));
	change(world, KIND_ENDPOINT, "db", xstrdup("not JSON"));
	some = world_refused(world);
	ck_assert(json_equal(some, all));
	change(world, KIND_POLICY, "database", NULL);
	fewer = world_refused(world);
	ck_assert(json_equal(fewer, one));
}
END_TEST

START_TEST(test_problems_end_with_their_records)
{
	CLEANUP(world) struct world *world = tutorial();

	if (!strcmp(bad_records[_i].id, "database"))
		return; /* a policy that goes changes more than its problem */
	change(world, bad_records[_i].kind, bad_records[_i].id, unquote(bad_records[_i].record));
	change(world, bad_records[_i].kind, bad_records[_i].id, NULL);
	expect_no_problem(world);
}
END_TEST

START_TEST(test_a_snapshot_with_a_bad_record_keeps_the_good_one)
{
	static const char *const records[] = {"off", "tight"};
	CLEANUP(world) struct world *world = tutorial();

	change(world, KIND_LABELS, "*/other", unquote("{'role':'db'}"));
	for (size_t i = 0; i < COUNT(records); i++) {
		struct batch batch = {0};

		add(&batch, KIND_ISOLATION, "*/net1", xstrdup(records[i]));
		add(&batch, KIND_LABELS, "*/other",
			unquote(i ? "{'role':'no good'}" : "{'role':'db'}"));
		add(&batch, KIND_POLICY, "database",
			i ? xstrdup("{}")
			  : policy_record("database", "", "role == `db`", BOTH, WEB_TO_DB, "[]"));
		apply(world, POLICIES, &batch, true);
	}
	ck_assert(!is_isolated(world, "10.1.0.4"));
	expect_problem(world, "isolation */net1: ");
	expect_problem(world, "labels */other: ");
	expect_problem(world, "policy database: ");
	change(world, KIND_ISOLATION, "*/net1", NULL);
	expect_chain(world, MAP_INGRESS4, "10.1.0.4", "in_database_");
}
END_TEST

START_TEST(test_problems_end_with_a_snapshot_without_them)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};

	change(world, KIND_ENDPOINT, "bad", xstrdup("{}"));
	change(world, KIND_NETWORK, "bad", xstrdup("{}"));
	change(world, KIND_ISOLATION, "*/x", xstrdup("?"));
	apply(world, POLICIES, &batch, true);
	expect_problem(world, "endpoint bad: ");
	apply(world, NODE_STREAM, &batch, true);
	expect_no_problem(world);
	ck_assert_uint_eq(stats_of(world).endpoints, 0);
	ck_assert_uint_eq(stats_of(world).networks, 0);
}
END_TEST

START_TEST(test_a_new_bad_policy_denies_what_it_selects)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *chain = NULL, *rules = NULL;

	put_policy(world, "zz-open", "all()", BOTH, ALLOW_ALL, ALLOW_ALL);
	change(world, KIND_POLICY, "backup",
		policy_record("backup", "'order':1,", "role == `web`", BOTH,
			"[{'action':'perhaps'}]", "[]"));
	expect_problem(world, "policy backup: ");
	expect_problem(world, "what it selects is denied");
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.3");
	rules = rules_of(world, chain);
	ck_assert(!strncmp(rules, "\t\tlog original \"bulkhead ingress deny backup[0]\"",
		strlen("\t\tlog original \"bulkhead ingress deny backup[0]\"")));
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_database_");
	/* mended */
	change(world, KIND_POLICY, "backup",
		policy_record("backup", "'order':1,", "role == `web`", BOTH, ALLOW_ALL, ALLOW_ALL));
	expect_problem(world, "policy zz-open selects 1 endpoints that are not isolated\n");
	free(rules);
	rules = rules_of(world, chain);
	ck_assert(!strncmp(rules,
		"\t\tcounter in_allow_backup_54d00d return comment \"policy backup ingress[0]\"\n",
		20));
}
END_TEST

START_TEST(test_a_policy_that_tells_nothing_refuses_the_batch)
{
	static const char *const hopeless[] = {"nonsense", "{}",
		"{'v':1,'name':'x','spec':{'selector':'a =='}}",
		"{'v':1,'name':'y','spec':{'selector':'all()','types':['ingress']}}"};
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world);

	for (size_t i = 0; i < COUNT(hopeless); i++)
		for (int whole = 0; whole < 2; whole++) {
			struct batch batch = {0};
			struct err err = {0};
			cleanup_free char *after = NULL;

			add(&batch, KIND_POLICY, "web", NULL);
			add(&batch, KIND_POLICY, "x", unquote(hopeless[i]));
			add(&batch, KIND_ISOLATION, "*/net1", xstrdup("off"));
			ck_assert_int_eq(try_apply(world, POLICIES, &batch, whole, &err), -1);
			ck_assert_msg(!strncmp(err.text, "policy x: ", 10), "%s", err.text);
			after = render(world);
			ck_assert_str_eq(before, after);
		}
	expect_no_problem(world);
}
END_TEST

START_TEST(test_a_policy_that_does_not_compile)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_strbuf struct strbuf rules = {0};

	strbuf_add(&rules, "[{'action':'allow','protocol':'tcp','destination':{'notPorts':[");
	for (int i = 1; i <= 100; i++)
		strbuf_addf(&rules, "%s'%d:%d'", i > 1 ? "," : "", 10 * i, 10 * i + 5);
	strbuf_add(&rules, "]}}]");
	put_policy(world, "database", "role == `db`", BOTH, rules.text, "[]");
	expect_problem(world, "more than 28 conditions in one rule");
	expect_problem(world, "its last good version stays in force");
}
END_TEST

/* --- events ------------------------------------------------------------------------------------ */

START_TEST(test_the_last_word_of_an_event_counts)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};
	cleanup_free char *chain = NULL, *rules = NULL;

	add(&batch, KIND_POLICY, "database", NULL);
	add(&batch, KIND_POLICY, "database",
		policy_record("database", "", "role == `db`", BOTH, "[{'action':'deny'}]", "[]"));
	apply(world, POLICIES, &batch, false);
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	rules = rules_of(world, chain);
	ck_assert(!strncmp(rules, "\t\tlog original \"bulkhead ingress deny database", 38));
	/* a good version, then a bad one: the one before both stays */
	add(&batch, KIND_POLICY, "database", NULL);
	add(&batch, KIND_POLICY, "database", xstrdup("{}"));
	apply(world, POLICIES, &batch, false);
	expect_problem(world, "its last good version stays in force");
	add(&batch, KIND_ENDPOINT, "brief", record("brief", "10.1.0.9", "{'role':'db'}"));
	add(&batch, KIND_ENDPOINT, "brief", NULL);
	apply(world, NODE_STREAM, &batch, false);
	ck_assert(!is_isolated(world, "10.1.0.9"));
	ck_assert_uint_eq(stats_of(world).endpoints, 3);
}
END_TEST

START_TEST(test_a_snapshot_replaces_the_stream)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};

	add(&batch, KIND_ENDPOINT, "web", record("web", "10.1.0.3", "{'role':'web'}"));
	add(&batch, KIND_NETWORK, "net10000000", network_record(1, "bridge", "null"));
	apply(world, NODE_STREAM, &batch, true);
	ck_assert_uint_eq(stats_of(world).endpoints, 1);
	ck_assert(!is_isolated(world, "10.1.0.2") && is_isolated(world, "10.1.0.3"));
	/* the other stream is as it was */
	ck_assert_uint_eq(stats_of(world).policies, 2);
	add(&batch, KIND_POLICY, "web",
		policy_record("web", "", "role == `web`", "['ingress']", ALLOW_ALL, "[]"));
	apply(world, POLICIES, &batch, true);
	ck_assert_uint_eq(stats_of(world).policies, 1);
	expect_chain(world, MAP_INGRESS4, "10.1.0.3", "in_web_");
	expect_chain(world, MAP_EGRESS4, "10.1.0.3", "eg_none");
}
END_TEST

START_TEST(test_the_same_snapshot_changes_nothing)
{
	CLEANUP(world) struct world *world = world_with(ISOLATION_STRICT);

	for (int i = 0; i < 2; i++) {
		struct batch batch = {0};

		add(&batch, KIND_ENDPOINT, "web", record("web", "10.1.0.3", "{'role':'web'}"));
		add(&batch, KIND_NETWORK, "net10000000", network_record(1, "bridge", "null"));
		apply(world, NODE_STREAM, &batch, true);
		add(&batch, KIND_POLICY, "database",
			policy_record("database", "", "all()", BOTH, WEB_TO_DB, "[]"));
		apply(world, POLICIES, &batch, true);
		ck_assert(ruleset_dirty(world_ruleset(world)) == !i);
		ruleset_committed(world_ruleset(world));
	}
}
END_TEST

static void count_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
	void *arg)
{
	(void)tables;
	(void)set;
	(void)type;
	(void)key;
	(void)comment;
	(void)diff;
	ck_assert_ptr_null(chain);
	++*(size_t *)arg;
}

static void no_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	(void)tables;
	(void)comment;
	(void)rules;
	(void)diff;
	(void)arg;
	ck_abort_msg("%s", name);
}

START_TEST(test_one_endpoint_more_is_its_own_elements)
{
	static const struct ruleset_visitor counting = {.elem = count_elem, .chain = no_chain};
	CLEANUP(world) struct world *world = tutorial();
	size_t elements = 0;

	ruleset_committed(world_ruleset(world));
	put_endpoint(world, "db-2", "10.1.0.20", "{'role':'db'}");
	ruleset_visit(world_ruleset(world), &counting, &elements);
	/* isolated, groups, role == "db"; none that jumps, for which the kernel looks through all that do */
	ck_assert_uint_eq(elements, 3);
	change(world, KIND_ENDPOINT, "db-2", NULL);
	ck_assert(!ruleset_dirty(world_ruleset(world)));
}
END_TEST

/* --- reports ----------------------------------------------------------------------------------- */

START_TEST(test_policies_that_select_in_vain_are_told)
{
	CLEANUP(world) struct world *world = tutorial();

	put_policy(world, "everyone", "all()", "['ingress']", "[]", "[]");
	expect_problem(world, "policy everyone selects 1 endpoints that are not isolated\n");
	put_endpoint(world, "more", "10.1.0.30", "{}");
	expect_problem(world, "policy everyone selects 2 endpoints that are not isolated\n");
	put_endpoint(world, "more", "10.1.0.30", "{'x':'y'}");
	change(world, KIND_LABELS, "*/other", unquote("{'x':'y'}"));
	expect_no_problem(world);
}
END_TEST

START_TEST(test_rejected_labels_are_counted)
{
	CLEANUP(world) struct world *world = tutorial();
	const char *two = "{'a b':'bad key','c.role':'another goes before'}";

	ck_assert_uint_eq(stats_of(world).rejected, 0);
	change(world, KIND_ENDPOINT, "odd",
		endpoint_record("odd", "odd", 1, "bridge", "'10.1.0.9'", "null", "{}", two));
	ck_assert_uint_eq(stats_of(world).rejected, 2);
	ck_assert_uint_eq(stats_of(world).isolated, 3); /* it asked for policy */
	change(world, KIND_ENDPOINT, "odd", NULL);
	ck_assert_uint_eq(stats_of(world).rejected, 0);
}
END_TEST

START_TEST(test_very_many_problems_are_counted)
{
	CLEANUP(world) struct world *world = world_with(ISOLATION_LABELLED);

	for (int i = 0; i < 150; i++) {
		cleanup_free char *id = xasprintf("bad-%03d", i);

		change(world, KIND_ENDPOINT, id, xstrdup("{}"));
	}
	expect_problem(world, "endpoint bad-000: ");
	expect_problem(world, "and 50 more\n");
}
END_TEST

START_TEST(test_names_that_nft_could_not_read_back)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *text = NULL;

	change(world, KIND_NETWORK, "net20000000",
		unquote("{'v':1,'id':'net20000000','name':'a b\\'c\\\\é','driver':'bridge','bridge':'br-2',"
			"'subnets':['10.2.0.0/16'],'shared':null,'isolation':'strict'}"));
	text = render(world);
	ck_assert_ptr_nonnull(
		strstr(text, "\tchain st_in_a_b_c____net20000 { # strict network a b?c???\n"));
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_loop_test(
		tcase, test_a_bad_record_changes_nothing_and_is_told, 0, (int)COUNT(bad_records));
	tcase_add_test(tcase, test_refused_records_are_listed_for_programs);
	tcase_add_loop_test(
		tcase, test_problems_end_with_their_records, 0, (int)COUNT(bad_records));
	tcase_add_test(tcase, test_a_snapshot_with_a_bad_record_keeps_the_good_one);
	tcase_add_test(tcase, test_problems_end_with_a_snapshot_without_them);
	tcase_add_test(tcase, test_a_new_bad_policy_denies_what_it_selects);
	tcase_add_test(tcase, test_a_policy_that_tells_nothing_refuses_the_batch);
	tcase_add_test(tcase, test_a_policy_that_does_not_compile);
	tcase_add_test(tcase, test_the_last_word_of_an_event_counts);
	tcase_add_test(tcase, test_a_snapshot_replaces_the_stream);
	tcase_add_test(tcase, test_the_same_snapshot_changes_nothing);
	tcase_add_test(tcase, test_one_endpoint_more_is_its_own_elements);
	tcase_add_test(tcase, test_policies_that_select_in_vain_are_told);
	tcase_add_test(tcase, test_rejected_labels_are_counted);
	tcase_add_test(tcase, test_very_many_problems_are_counted);
	tcase_add_test(tcase, test_names_that_nft_could_not_read_back);
}

int main(void)
{
	Suite *suite = suite_create("world_records");
	TCase *tcase = tcase_create("world_records");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
