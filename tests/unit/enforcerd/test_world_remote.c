/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints of other nodes: which of them are matched here, and what they must never get. */
#include "tests/unit/enforcerd/world_fixture.h"

#include <check.h>

#define STREAM_B STORE_NODE_STREAM "b"
#define STREAM_C STORE_NODE_STREAM "c"

/* Network N of a node has 10.N.0.0/16; shared: "'dom'" or "null". */
static char *shared_record(int n, const char *driver, const char *shared, const char *isolation)
{
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'net%d0000000','name':'net%d','driver':'%s','bridge':'br-%d',"
		"'subnets':['10.%d.0.0/16','fd00:%d::/64'],'shared':%s,'isolation':%s}",
		n, n, driver, n, n, n, shared, isolation);

	return unquote(quoted);
}

static char *remote_record(
	const char *node, const char *id, int network, const char *ipv4, const char *labels)
{
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'%s','node':'%s','container':{'id':'c-%s','name':'%s','image':''},"
		"'network':{'id':'net%d0000000','name':'net%d','driver':'bridge'},'ipv4':'%s',"
		"'ipv6':null,'mac':null,'labels':%s,'rejected':{},'ports':[],'state':'running'}",
		id, node, id, id, network, network, ipv4, labels);

	return unquote(quoted);
}

static void tell(
	struct world *world, const char *stream, enum store_kind kind, const char *id, char *record)
{
	struct batch batch = {0};

	add(&batch, kind, id, record);
	apply(world, stream, &batch, false);
}

static void own_network(struct world *world, int n, const char *shared, const char *isolation)
{
	cleanup_free char *id = xasprintf("net%d0000000", n);

	tell(world, NODE_STREAM, KIND_NETWORK, id, shared_record(n, "bridge", shared, isolation));
}

static void network_of(struct world *world, const char *stream, int n, const char *shared)
{
	cleanup_free char *id = xasprintf("net%d0000000", n);

	tell(world, stream, KIND_NETWORK, id, shared_record(n, "bridge", shared, "null"));
}

static void endpoint_of(struct world *world, const char *stream, const char *id, int network,
	const char *ipv4, const char *labels)
{
	tell(world, stream, KIND_ENDPOINT, id,
		remote_record(stream + strlen(STORE_NODE_STREAM), id, network, ipv4, labels));
}

/* The tutorial, its network shared, and a web server on node b in network 2. */
static struct world *two_nodes(void)
{
	struct world *world = tutorial();

	own_network(world, 1, "'dom'", "null");
	network_of(world, STREAM_B, 2, "'dom'");
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'web'}");
	return world;
}

static bool is_web(struct world *world, const char *ip)
{
	return matches(world, "role == 'web'", ip);
}

/* Whatever it is, it is not of this node. */
static void expect_only_matched(struct world *world, const char *ip)
{
	ck_assert(!is_isolated(world, ip));
	ck_assert(!in_set(world, SET_OWNED4, ip));
	ck_assert(!in_set(world, SET_UNREADY4, ip));
}

START_TEST(test_a_shared_endpoint_is_matched)
{
	CLEANUP(world) struct world *world = two_nodes();

	ck_assert(is_web(world, "10.2.0.2"));
	ck_assert(!matches(world, "role == 'db'", "10.2.0.2"));
	ck_assert(in_set(world, SET_REMOTE4, "10.2.0.2"));
	ck_assert(!in_set(world, SET_CONTESTED4, "10.2.0.2"));
	expect_only_matched(world, "10.2.0.2");
	expect_no_problem(world);
	ck_assert_uint_eq(stats_of(world).remote, 1);
	ck_assert_uint_eq(stats_of(world).endpoints, 3);
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'db'}");
	ck_assert(!is_web(world, "10.2.0.2"));
	ck_assert(matches(world, "role == 'db'", "10.2.0.2"));
	tell(world, STREAM_B, KIND_ENDPOINT, "web-b", NULL);
	ck_assert(!matches(world, "role == 'db'", "10.2.0.2"));
	ck_assert(!in_set(world, SET_REMOTE4, "10.2.0.2"));
	ck_assert_uint_eq(stats_of(world).remote, 0);
}
END_TEST

/* What b and this node say of their networks' domains, and whether the endpoint counts. */
static const struct {
	const char *own, *theirs;
	bool counts;
} domains[] = {{"'dom'", "'dom'", true}, {"null", "null", false}, {"'dom'", "null", false},
	{"null", "'dom'", false}, {"'dom'", "'other'", false}};

START_TEST(test_domains)
{
	CLEANUP(world) struct world *world = tutorial();

	own_network(world, 1, domains[_i].own, "null");
	network_of(world, STREAM_B, 2, domains[_i].theirs);
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'web'}");
	ck_assert(is_web(world, "10.2.0.2") == domains[_i].counts);
	ck_assert(in_set(world, SET_REMOTE4, "10.2.0.2") == domains[_i].counts);
}
END_TEST

START_TEST(test_this_nodes_network_comes_and_goes)
{
	CLEANUP(world) struct world *world = two_nodes();

	own_network(world, 1, "null", "null");
	ck_assert(!is_web(world, "10.2.0.2"));
	own_network(world, 3, "'dom'", "null");
	ck_assert(is_web(world, "10.2.0.2"));
	tell(world, NODE_STREAM, KIND_NETWORK, "net30000000", NULL);
	ck_assert(!is_web(world, "10.2.0.2"));
	own_network(world, 1, "'dom'", "null");
	ck_assert(is_web(world, "10.2.0.2"));
	/* a private network of this node with the same addresses: there they are other people's */
	own_network(world, 2, "null", "null");
	ck_assert(!is_web(world, "10.2.0.2"));
	tell(world, NODE_STREAM, KIND_NETWORK, "net20000000", NULL);
	ck_assert(is_web(world, "10.2.0.2"));
}
END_TEST

START_TEST(test_the_other_nodes_network_comes_late_and_goes)
{
	CLEANUP(world) struct world *world = tutorial();

	own_network(world, 1, "'dom'", "null");
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'web'}");
	ck_assert(!is_web(world, "10.2.0.2"));
	network_of(world, STREAM_B, 2, "'dom'");
	ck_assert(is_web(world, "10.2.0.2"));
	tell(world, STREAM_B, KIND_NETWORK, "net20000000", NULL);
	ck_assert(!is_web(world, "10.2.0.2"));
}
END_TEST

/* Endpoints of private networks are not even held; should one become shared, the stream is asked for again. */
START_TEST(test_what_was_passed_over_is_asked_for)
{
	CLEANUP(world) struct world *world = tutorial();

	own_network(world, 1, "'dom'", "null");
	network_of(world, STREAM_B, 2, "null");
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'web'}");
	ck_assert(!world_node_incomplete(world, "b"));
	network_of(world, STREAM_B, 2, "'dom'");
	ck_assert(world_node_incomplete(world, "b"));
	ck_assert(!world_node_incomplete(world, "c"));
	{
		struct batch batch = {0};

		add(&batch, KIND_ENDPOINT, "web-b",
			remote_record("b", "web-b", 2, "10.2.0.2", "{'role':'web'}"));
		add(&batch, KIND_NETWORK, "net20000000",
			shared_record(2, "bridge", "'dom'", "null"));
		apply(world, STREAM_B, &batch, true);
	}
	ck_assert(!world_node_incomplete(world, "b"));
	ck_assert(is_web(world, "10.2.0.2"));
}
END_TEST

START_TEST(test_a_local_owner_wins)
{
	CLEANUP(world) struct world *world = tutorial();

	own_network(world, 1, "'dom'", "null");
	network_of(world, STREAM_B, 1, "'dom'");
	/* db and the bystander have these here */
	endpoint_of(world, STREAM_B, "web-b", 1, "10.1.0.2", "{'role':'web'}");
	endpoint_of(world, STREAM_B, "web-c", 1, "10.1.0.4", "{'role':'web'}");
	ck_assert(!is_web(world, "10.1.0.2"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.2"));
	ck_assert(is_isolated(world, "10.1.0.2"));
	ck_assert(!is_web(world, "10.1.0.4"));
	ck_assert(!in_set(world, SET_REMOTE4, "10.1.0.4"));
	/* and when they go, it is the other's; and theirs again when they come back */
	change(world, KIND_ENDPOINT, "other", NULL);
	ck_assert(is_web(world, "10.1.0.4"));
	expect_only_matched(world, "10.1.0.4");
	put_endpoint(world, "other", "10.1.0.4", "{'docker/container':'other'}");
	ck_assert(!is_web(world, "10.1.0.4"));
	expect_no_problem(world);
}
END_TEST

START_TEST(test_two_claims_are_none)
{
	CLEANUP(world) struct world *world = two_nodes();
	cleanup_free char *chain = NULL, *rules = NULL;

	network_of(world, STREAM_C, 2, "'dom'");
	endpoint_of(world, STREAM_C, "any-c", 2, "10.2.0.2", "{'role':'db'}");
	ck_assert(!is_web(world, "10.2.0.2"));
	ck_assert(!matches(world, "role == 'db'", "10.2.0.2"));
	ck_assert(in_set(world, SET_REMOTE4, "10.2.0.2"));
	ck_assert(in_set(world, SET_CONTESTED4, "10.2.0.2"));
	expect_problem(world, "address 10.2.0.2 is claimed by 2 endpoints of other nodes (b, c)");
	ck_assert_uint_eq(stats_of(world).contested, 1);
	/* whom a selector does not match is let through by nothing either */
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	rules = rules_of(world, chain);
	ck_assert_msg(strstr(rules, "@contested4") &&
			      strstr(rules, "@contested4") < strstr(rules, "@sel_"),
		"%s", rules);
	world_forget_node(world, "b");
	ck_assert(matches(world, "role == 'db'", "10.2.0.2"));
	ck_assert(!in_set(world, SET_CONTESTED4, "10.2.0.2"));
	expect_no_problem(world);
}
END_TEST

/* Nobody pays for the question where nothing is shared. */
START_TEST(test_without_a_shared_network_there_is_no_rule)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	ck_assert_ptr_null(strstr(before, "@contested4"));
	ck_assert_ptr_null(strstr(before, "@remote4"));
	own_network(world, 1, "'dom'", "null");
	after = render(world);
	ck_assert_ptr_nonnull(strstr(after, "ct original ip saddr @contested4"));
	ck_assert_ptr_nonnull(strstr(after, "ct reply ip saddr @contested4"));
	ck_assert_ptr_nonnull(strstr(after, "ip saddr @remote4 log \"bulkhead spoofed\""));
	free(steal_ptr(after));
	own_network(world, 1, "null", "null");
	after = render(world);
	ck_assert_str_eq(after, before);
}
END_TEST

START_TEST(test_an_address_outside_its_subnets_is_refused)
{
	CLEANUP(world) struct world *world = two_nodes();

	endpoint_of(world, STREAM_B, "far", 2, "192.0.2.1", "{'role':'web'}");
	ck_assert(!is_web(world, "192.0.2.1"));
	expect_problem(
		world, "node b, endpoint far: its address is outside of its network's subnets");
	/* the last good one stays */
	endpoint_of(world, STREAM_B, "web-b", 2, "192.0.2.2", "{'role':'web'}");
	ck_assert(is_web(world, "10.2.0.2"));
	ck_assert(!is_web(world, "192.0.2.2"));
	endpoint_of(world, STREAM_B, "web-b", 2, "10.2.0.2", "{'role':'web'}");
	tell(world, STREAM_B, KIND_ENDPOINT, "far", NULL);
	expect_no_problem(world);
}
END_TEST

/* One node cannot crowd out what is said of another, nor of this one. */
START_TEST(test_many_bad_records_are_counted)
{
	CLEANUP(world) struct world *world = two_nodes();
	cleanup_free char *problems = NULL;
	struct batch batch = {0};

	for (int i = 0; i < 3000; i++) {
		cleanup_free char *id = xasprintf("bad-%d", i);

		add(&batch, KIND_ENDPOINT, id, xstrdup("{}"));
	}
	apply(world, STREAM_B, &batch, false);
	tell(world, STREAM_C, KIND_ENDPOINT, "x", remote_record("b", "x", 2, "10.2.0.9", "{}"));
	problems = sentences(world_problems(world));
	ck_assert_ptr_nonnull(strstr(problems, "node b: 1020 more of its records are refused"));
	ck_assert_ptr_nonnull(strstr(problems, "node c, endpoint x: "));
	ck_assert(is_web(world, "10.2.0.2"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.2"));
}
END_TEST

START_TEST(test_operator_labels_reach_other_nodes)
{
	CLEANUP(world) struct world *world = two_nodes();

	change(world, KIND_LABELS, "b/web-b", unquote("{'role':'db'}"));
	ck_assert(matches(world, "role == 'db'", "10.2.0.2"));
	ck_assert(!is_web(world, "10.2.0.2"));
	change(world, KIND_LABELS, "b/web-b", NULL);
	ck_assert(is_web(world, "10.2.0.2"));
	change(world, KIND_LABELS, "*/web-b", unquote("{'role':'db'}"));
	ck_assert(matches(world, "role == 'db'", "10.2.0.2"));
	change(world, KIND_LABELS, "*/web-b", NULL);
	/* this node's container of that name is another */
	change(world, KIND_LABELS, NODE "/web-b", unquote("{'role':'db'}"));
	ck_assert(is_web(world, "10.2.0.2"));
}
END_TEST

START_TEST(test_new_selectors_meet_them)
{
	CLEANUP(world) struct world *world = two_nodes();

	endpoint_of(world, STREAM_B, "ops-b", 2, "10.2.0.3", "{'team':'ops'}");
	put_policy(world, "ops", "role == `db`", "['ingress']",
		"[{'action':'allow','source':{'selector':'team == `ops`'}}]", "[]");
	ck_assert(matches(world, "team == 'ops'", "10.2.0.3"));
	ck_assert(!matches(world, "team == 'ops'", "10.2.0.2"));
	change(world, KIND_POLICY, "ops", NULL);
	put_policy(world, "ops", "role == `db`", "['ingress']",
		"[{'action':'allow','source':{'notSelector':'team == `ops`'}}]", "[]");
	ck_assert(matches(world, "team == 'ops'", "10.2.0.3"));
}
END_TEST

START_TEST(test_a_node_is_forgotten)
{
	CLEANUP(world) struct world *world = two_nodes();
	cleanup_free char *with = NULL, *without = NULL, *fresh_text = NULL;
	CLEANUP(world) struct world *fresh = tutorial();

	own_network(fresh, 1, "'dom'", "null");
	fresh_text = render(fresh);
	with = render(world);
	ck_assert_str_ne(with, fresh_text);
	world_forget_node(world, "b");
	world_forget_node(world, "never-heard-of");
	without = render(world);
	ck_assert_str_eq(without, fresh_text);
}
END_TEST

/* A routed one comes by no bridge of ours; one of a bridge that reaches over several hosts does, and is known to it. */
START_TEST(test_strict_networks_know_those_in_their_subnets)
{
	CLEANUP(world) struct world *world = two_nodes();

	own_network(world, 1, "'dom'", "'strict'");
	network_of(world, STREAM_C, 1, "'dom'");
	endpoint_of(world, STREAM_C, "near", 1, "10.1.0.9", "{'role':'web'}");
	ck_assert(in_set(world, "known4_net1_net10000", "10.1.0.9"));
	ck_assert(!in_set(world, "known4_net1_net10000", "10.2.0.2"));
	expect_only_matched(world, "10.1.0.9");
	/* claimed twice: nobody's */
	network_of(world, STREAM_B, 1, "'dom'");
	endpoint_of(world, STREAM_B, "rival", 1, "10.1.0.9", "{'role':'web'}");
	ck_assert(!in_set(world, "known4_net1_net10000", "10.1.0.9"));
	tell(world, STREAM_B, KIND_ENDPOINT, "rival", NULL);
	ck_assert(in_set(world, "known4_net1_net10000", "10.1.0.9"));
	own_network(world, 1, "'dom'", "null");
	own_network(world, 1, "'dom'", "'strict'");
	ck_assert(in_set(world, "known4_net1_net10000", "10.1.0.9"));
}
END_TEST

START_TEST(test_flows_are_named_after_them)
{
	CLEANUP(world) struct world *world = two_nodes();
	struct world_owner owner;
	struct ip ip;

	ck_assert_int_eq(ip_parse("10.2.0.2", &ip, NULL), 0);
	ck_assert(world_owner(world, &ip, &owner));
	ck_assert_str_eq(owner.record->node, "b");
	network_of(world, STREAM_C, 2, "'dom'");
	endpoint_of(world, STREAM_C, "any-c", 2, "10.2.0.2", "{}");
	ck_assert(!world_owner(world, &ip, &owner));
}
END_TEST

/* Live flows are judged anew when an address leaves a set that lets it through, not when it comes into one. */
START_TEST(test_revocation)
{
	CLEANUP(world) struct world *world = two_nodes();
	struct ruleset *rs = world_ruleset(world);

	ruleset_committed(rs);
	endpoint_of(world, STREAM_B, "web-2", 2, "10.2.0.3", "{'role':'web'}");
	ck_assert(ruleset_dirty(rs));
	ck_assert(!ruleset_revokes(rs));
	ruleset_committed(rs);
	network_of(world, STREAM_C, 2, "'dom'");
	endpoint_of(world, STREAM_C, "rival", 2, "10.2.0.3", "{}");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	world_forget_node(world, "b");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	/* what changes nothing writes nothing */
	endpoint_of(world, STREAM_C, "rival", 2, "10.2.0.3", "{}");
	ck_assert(!ruleset_dirty(rs));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_a_shared_endpoint_is_matched,
		test_this_nodes_network_comes_and_goes,
		test_the_other_nodes_network_comes_late_and_goes,
		test_what_was_passed_over_is_asked_for, test_a_local_owner_wins,
		test_two_claims_are_none, test_without_a_shared_network_there_is_no_rule,
		test_an_address_outside_its_subnets_is_refused, test_many_bad_records_are_counted,
		test_operator_labels_reach_other_nodes, test_new_selectors_meet_them,
		test_a_node_is_forgotten, test_strict_networks_know_those_in_their_subnets,
		test_flows_are_named_after_them, test_revocation};
	Suite *suite = suite_create("world_remote");
	TCase *tcase = tcase_create("world_remote");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, test_domains, 0, COUNT(domains));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
