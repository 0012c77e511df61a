/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/enforcerd/world_fixture.h"

/* --- the tutorial ------------------------------------------------------------------------------ */

START_TEST(test_the_tutorial)
{
	static const char *const elements[] = {
		"\tmap groups4 { type ipv4_addr : mark . mark . mark comment \"isolated endpoint : 1 . group of what "
		"it may send . group of what it may receive\"\n\t\t10.1.0.2 comment \"db\" : 0x00000001 . 0x",
		"\n\t\t10.1.0.3 comment \"web\" : 0x00000001 . 0x",
		"\tmap egress_groups4 { type mark : verdict comment \"group of the address, by groups4|6 : what it may send\"\n"
		"\t\t* comment \"no such group any more\" : jump denied\n\t\t0x",
		"\n\t\t0x00000001 : jump in_none_4\n",
		"\tmap egress_groups6 { type mark : verdict comment \"group of the address, by groups4|6 : what it may send\"\n"
		"\t\t* comment \"no such group any more\" : jump denied\n\t}\n",
		"\tset isolated4 { type ipv4_addr comment \"isolated endpoints\"\n\t\t10.1.0.2\n\t\t10.1.0.3\n\t}\n",
	};
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *text = render(world), *chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	cleanup_free char *rules = rules_of(world, chain), *closed = rules_of(world, "in_none_4");
	cleanup_strbuf struct strbuf wanted = {0};
	char web[NFT_NAME_MAX], db[NFT_NAME_MAX];

	for (size_t i = 0; i < COUNT(elements); i++)
		ck_assert_msg(strstr(text, elements[i]) != NULL, "%s in\n%s", elements[i], text);
	selector_set("role == 'web'", "4", web);
	selector_set("role == 'db'", "4", db);
	strbuf_addf(&wanted,
		"\t\tct original protocol 6 ct original ip saddr @%s ct reply proto-src 3306 "
		"counter in_allow_database_3549b0 return comment \"policy database ingress[0]\"\n",
		web);
	ck_assert_ptr_nonnull(strstr(rules, wanted.text));
	ck_assert_ptr_nonnull(
		strstr(rules, "counter drop_ingress goto denied comment \"no rule allowed it\"\n"));
	ck_assert_ptr_nonnull(strstr(closed, "counter drop_ingress goto denied"));
	ck_assert(in_set(world, web, "10.1.0.3") && !in_set(world, web, "10.1.0.2"));
	ck_assert(in_set(world, db, "10.1.0.2") && !in_set(world, db, "10.1.0.4"));
	ck_assert(!is_isolated(world, "10.1.0.4"));
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_database_");
	expect_chain(world, MAP_EGRESS4, "10.1.0.2", "eg_database_");
	expect_chain(world, MAP_INGRESS4, "10.1.0.3", "in_none_4");
	expect_chain(world, MAP_EGRESS4, "10.1.0.3", "eg_web_");
	expect_no_problem(world);
	ck_assert_uint_eq(stats_of(world).endpoints, 3);
	ck_assert_uint_eq(stats_of(world).isolated, 2);
	ck_assert_uint_eq(stats_of(world).policies, 2);
	ck_assert_uint_eq(stats_of(world).networks, 1);
}
END_TEST

/* A world of one family has nothing of the other; an endpoint with an address of it brings its chains and sets, and takes them along. */
START_TEST(test_chains_are_of_the_families_in_use)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *with = NULL, *after = NULL, *chain = NULL,
			  *rules = NULL;
	char web[NFT_NAME_MAX];

	selector_set("role == 'web'", "6", web);
	ck_assert_ptr_null(strstr(before, "chain in_none_6"));
	ck_assert_ptr_null(strstr(before, web));
	change(world, KIND_ENDPOINT, "six",
		endpoint_record(
			"six", "six", 1, "bridge", "null", "'fd00:1::6'", "{'role':'db'}", "{}"));
	with = render(world);
	chain = chain_of(world, MAP_INGRESS6, "fd00:1::6");
	rules = rules_of(world, chain);
	ck_assert_str_eq(chain + strlen(chain) - 2, "_6");
	ck_assert_ptr_nonnull(strstr(rules, web));
	ck_assert_ptr_null(strstr(rules, "ip saddr"));
	ck_assert_ptr_nonnull(strstr(rules, "ip6 saddr"));
	ck_assert_ptr_nonnull(strstr(with, web));
	change(world, KIND_ENDPOINT, "six", NULL);
	after = render(world);
	ck_assert_str_eq(before, after);
}
END_TEST

START_TEST(test_deleting_the_policy_closes)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	char web[NFT_NAME_MAX];

	change(world, KIND_POLICY, "database", NULL);
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_none");
	expect_chain(world, MAP_EGRESS4, "10.1.0.2", "eg_none");
	/* nothing refers to them any more */
	ck_assert(!ruleset_chain_exists(world_ruleset(world), chain));
	ck_assert(!in_set(world, selector_set("role == 'web'", "4", web), "10.1.0.3"));
	ck_assert_uint_eq(stats_of(world).selectors, 0);
	ck_assert_uint_eq(stats_of(world).groups, 3);
}
END_TEST

START_TEST(test_an_edited_policy_is_in_force)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *chain = chain_of(world, MAP_INGRESS4, "10.1.0.2"), *rules = NULL,
			  *same = NULL;

	put_policy(world, "database", "role == `db`", BOTH, "[{'action':'allow','protocol':'udp'}]",
		"[]");
	same = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	ck_assert_str_eq(chain, same);
	rules = rules_of(world, chain);
	ck_assert_ptr_nonnull(
		strstr(rules, "ct original protocol 17 counter in_allow_database_3549b0 return"));
	ck_assert_ptr_null(strstr(rules, "3306"));
	ck_assert_uint_eq(stats_of(world).selectors, 0);
}
END_TEST

START_TEST(test_order_makes_the_chain)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *chain = NULL, *rules = NULL, *again = NULL;

	change(world, KIND_POLICY, "first",
		policy_record("first", "'order':1,", "all()", BOTH,
			"[{'action':'deny','protocol':'udp'}]", "[]"));
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_first_");
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	rules = rules_of(world, chain);
	ck_assert(strstr(rules, "policy first") < strstr(rules, "policy database"));
	change(world, KIND_POLICY, "database",
		policy_record("database", "'order':-1,", "role == `db`", BOTH, ALLOW_ALL, "[]"));
	again = chain_of(world, MAP_INGRESS4, "10.1.0.2");
	ck_assert_str_ne(chain, again);
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_database_");
}
END_TEST

/* --- isolation --------------------------------------------------------------------------------- */

static const struct {
	const char *label; /* of the network */
	const char *node_override, *any_override;
	const char *strict; /* glob, or NULL */
	enum isolation fallback;
	bool labelled, bystander; /* isolated? */
} isolations[] = {
	{"null", NULL, NULL, NULL, ISOLATION_LABELLED, true, false},
	{"null", NULL, NULL, NULL, ISOLATION_STRICT, true, true},
	{"null", NULL, NULL, NULL, ISOLATION_OFF, false, false},
	{"'strict'", NULL, NULL, NULL, ISOLATION_LABELLED, true, true},
	{"'off'", NULL, NULL, NULL, ISOLATION_STRICT, false, false},
	{"'labelled'", NULL, NULL, NULL, ISOLATION_OFF, true, false},
	{"'off'", NULL, NULL, "net*", ISOLATION_OFF, true, true},
	{"'off'", NULL, NULL, "other", ISOLATION_LABELLED, false, false},
	{"'strict'", NULL, "off", "*", ISOLATION_STRICT, false, false},
	{"'strict'", "labelled", "off", "*", ISOLATION_STRICT, true, false},
	{"null", "strict", NULL, NULL, ISOLATION_OFF, true, true},
	{"null", NULL, "strict", NULL, ISOLATION_OFF, true, true},
	{"null", "off", "strict", NULL, ISOLATION_STRICT, false, false},
};

static void put_override(struct world *world, const char *key, const char *word)
{
	if (word)
		change(world, KIND_ISOLATION, key, xstrdup(word));
}

START_TEST(test_who_says_what_isolation_is)
{
	char glob[16];
	char *const globs[] = {glob};
	const struct world_config config = {.node = NODE,
		.isolation = isolations[_i].fallback,
		.strict_networks = globs,
		.strict_network_count = isolations[_i].strict ? 1 : 0};
	CLEANUP(world) struct world *world = NULL;

	snprintf(glob, sizeof(glob), "%s", isolations[_i].strict ? isolations[_i].strict : "");
	world = world_new(&config);
	put_network(world, 1, isolations[_i].label);
	put_endpoint(world, "labelled", "10.1.0.2", "{'role':'db'}");
	put_endpoint(world, "bystander", "10.1.0.3", "{'docker/image':'x'}");
	/* what the operator says holds at once, before and after */
	put_override(world, NODE "/net1", isolations[_i].node_override);
	put_override(world, "*/net1", isolations[_i].any_override);
	put_override(world, "other-node/net1", "strict");
	put_override(world, NODE "/net2", "strict");
	ck_assert(is_isolated(world, "10.1.0.2") == isolations[_i].labelled);
	ck_assert(is_isolated(world, "10.1.0.3") == isolations[_i].bystander);
}
END_TEST

START_TEST(test_taking_the_override_back)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch none = {0};

	change(world, KIND_ISOLATION, "*/net1", xstrdup("off"));
	ck_assert(!is_isolated(world, "10.1.0.2"));
	change(world, KIND_ISOLATION, "*/net1", NULL);
	ck_assert(is_isolated(world, "10.1.0.2"));
	change(world, KIND_ISOLATION, "*/net1", xstrdup("strict"));
	ck_assert(is_isolated(world, "10.1.0.4"));
	/* and by a snapshot without it */
	apply(world, POLICIES, &none, true);
	ck_assert(!is_isolated(world, "10.1.0.4"));
	ck_assert_uint_eq(stats_of(world).policies, 0);
}
END_TEST

START_TEST(test_operator_labels)
{
	CLEANUP(world) struct world *world = tutorial();

	/* the retrofit: what had no label gets one */
	change(world, KIND_LABELS, "*/other", unquote("{'role':'db'}"));
	ck_assert(is_isolated(world, "10.1.0.4"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.4"));
	expect_chain(world, MAP_INGRESS4, "10.1.0.4", "in_database_");
	/* the node's own word is the last */
	change(world, KIND_LABELS, NODE "/other", unquote("{'role':'web'}"));
	ck_assert(matches(world, "role == 'web'", "10.1.0.4"));
	ck_assert(!matches(world, "role == 'db'", "10.1.0.4"));
	change(world, KIND_LABELS, "node-2/other", unquote("{'role':'db'}"));
	ck_assert(!matches(world, "role == 'db'", "10.1.0.4"));
	change(world, KIND_LABELS, NODE "/other", NULL);
	ck_assert(matches(world, "role == 'db'", "10.1.0.4"));
	change(world, KIND_LABELS, "*/other", NULL);
	ck_assert(!is_isolated(world, "10.1.0.4"));
	ck_assert(!matches(world, "role == 'db'", "10.1.0.4"));
	/* and over the container's own */
	change(world, KIND_LABELS, "*/web", unquote("{'role':'db'}"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.3"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.3"));
}
END_TEST

START_TEST(test_a_refused_label_isolates)
{
	CLEANUP(world) struct world *world = tutorial();

	change(world, KIND_ENDPOINT, "typo",
		endpoint_record("typo", "typo", 1, "bridge", "'10.1.0.9'", "null", "{}",
			"{'ro le':'bad key'}"));
	ck_assert(is_isolated(world, "10.1.0.9"));
	expect_chain(world, MAP_INGRESS4, "10.1.0.9", "in_none");
}
END_TEST

START_TEST(test_an_unknown_network_is_taken_as_labelled)
{
	CLEANUP(world) struct world *world = world_with(ISOLATION_OFF);

	put_endpoint(world, "db", "10.1.0.2", "{'role':'db'}");
	put_endpoint(world, "other", "10.1.0.3", "{}");
	ck_assert(is_isolated(world, "10.1.0.2") && !is_isolated(world, "10.1.0.3"));
	put_network(world, 1, "null");
	ck_assert(!is_isolated(world, "10.1.0.2"));
	change(world, KIND_NETWORK, "net10000000", NULL);
	ck_assert(is_isolated(world, "10.1.0.2"));
}
END_TEST

START_TEST(test_other_drivers_are_matched_but_not_enforced)
{
	CLEANUP(world) struct world *world = world_with(ISOLATION_STRICT);
	cleanup_free char *listed = NULL;
	size_t count = 0;

	change(world, KIND_NETWORK, "net10000000", network_record(1, "macvlan", "'strict'"));
	change(world, KIND_ENDPOINT, "far",
		endpoint_record("far", "far", 1, "macvlan", "'10.1.0.2'", "'fd00:1::2'",
			"{'role':'web'}", "{}"));
	put_network(world, 2, "null");
	change(world, KIND_ENDPOINT, "db",
		endpoint_record("db", "db", 2, "bridge", "'10.2.0.2'", "'fd00:2::2'",
			"{'role':'db'}", "{}"));
	put_policy(world, "database", "role == `db`", BOTH, WEB_TO_DB, "[]");
	ck_assert(!is_isolated(world, "10.1.0.2"));
	ck_assert(matches(world, "role == 'web'", "10.1.0.2"));
	ck_assert(matches(world, "role == 'web'", "fd00:1::2"));
	listed = sentences(world_not_enforced(world));
	ck_assert_str_eq(
		listed, "network net1 (macvlan): its traffic does not pass this host's bridges\n");
	ck_assert_str_eq(world_bridges(world, &count)[0].name, "br-2");
	ck_assert_uint_eq(count, 1);
}
END_TEST

START_TEST(test_bridges)
{
	CLEANUP(world) struct world *world = world_with(ISOLATION_LABELLED);
	const struct world_bridge *bridges;
	size_t count = 7;

	world_bridges(world, &count);
	ck_assert_uint_eq(count, 0);
	put_network(world, 3, "'strict'");
	put_network(world, 1, "null");
	put_network(world, 2, "'off'");
	bridges = world_bridges(world, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(bridges[0].name, "br-1");
	ck_assert_str_eq(bridges[0].network, "net1");
	ck_assert_int_eq(bridges[0].isolation, ISOLATION_LABELLED);
	ck_assert_str_eq(bridges[1].name, "br-3");
	ck_assert_int_eq(bridges[1].isolation, ISOLATION_STRICT);
	change(world, KIND_ISOLATION, "*/net3", xstrdup("off"));
	change(world, KIND_NETWORK, "net10000000", NULL);
	world_bridges(world, &count);
	ck_assert_uint_eq(count, 0);
}
END_TEST

/* --- strict ------------------------------------------------------------------------------------ */

static const char strict_in[] =
	"\t\tip saddr 10.1.0.0/16 ip saddr != @known4_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\tip6 saddr fd00:1::/64 ip6 saddr != @known6_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\toifname \"br-1\" ip saddr != @known4_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\toifname \"br-1\" ip6 saddr != @known6_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\toifname \"br-1\" ip daddr != @known4_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\toifname \"br-1\" ip6 daddr != @known6_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n";

static const char strict_out[] =
	"\t\tip daddr 10.1.0.0/16 ip daddr != @known4_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n"
	"\t\tip6 daddr fd00:1::/64 ip6 daddr != @known6_net1_net10000 log \"bulkhead strict\" counter strict goto denied\n";

START_TEST(test_a_strict_network_knows_its_endpoints)
{
	static const char *const ips[] = {"10.1.0.2", "10.1.0.3", "10.1.0.4"};
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *in = NULL, *out = NULL, *text = NULL;

	change(world, KIND_ISOLATION, "*/net1", xstrdup("strict"));
	in = rules_of(world, "st_in_net1_net10000");
	out = rules_of(world, "st_out_net1_net10000");
	ck_assert_str_eq(in, strict_in);
	ck_assert_str_eq(out, strict_out);
	text = render(world);
	ck_assert_ptr_nonnull(strstr(text, "\n\t\t\"br-1\" : jump st_in_net1_net10000\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n\t\t\"br-1\" : jump st_out_net1_net10000\n"));
	for (size_t i = 0; i < COUNT(ips); i++) {
		ck_assert(in_set(world, "known4_net1_net10000", ips[i]));
		ck_assert(is_isolated(world, ips[i]));
	}
	expect_chain(world, MAP_EGRESS4, "10.1.0.4", "eg_none");
	change(world, KIND_ENDPOINT, "other", NULL);
	ck_assert(!in_set(world, "known4_net1_net10000", "10.1.0.4"));
	change(world, KIND_ENDPOINT, "new",
		endpoint_record(
			"new", "new", 1, "bridge", "'10.1.0.4'", "'fd00:1::4'", "{}", "{}"));
	ck_assert(in_set(world, "known4_net1_net10000", "10.1.0.4"));
	ck_assert(in_set(world, "known6_net1_net10000", "fd00:1::4"));
	ck_assert(is_isolated(world, "fd00:1::4"));
}
END_TEST

START_TEST(test_leaving_strict_leaves_nothing)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	change(world, KIND_ISOLATION, "*/net1", xstrdup("strict"));
	ruleset_committed(world_ruleset(world));
	change(world, KIND_ISOLATION, "*/net1", NULL);
	after = render(world);
	ck_assert_str_eq(before, after);
	ck_assert_ptr_null(strstr(after, "st_in_"));
}
END_TEST

START_TEST(test_a_strict_network_changes_its_bridge_and_subnets)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *in = NULL, *text = NULL;

	put_network(world, 1, "'strict'");
	ruleset_committed(world_ruleset(world));
	change(world, KIND_NETWORK, "net10000000",
		unquote("{'v':1,'id':'net10000000','name':'net1','driver':'bridge','bridge':'br-new',"
			"'subnets':['10.0.0.0/8'],'shared':null,'isolation':'strict'}"));
	in = rules_of(world, "st_in_net1_net10000");
	text = render(world);
	ck_assert_ptr_nonnull(strstr(in, "ip saddr 10.0.0.0/8 "));
	ck_assert_ptr_nonnull(strstr(in, "oifname \"br-new\""));
	ck_assert_ptr_null(strstr(text, "br-1\""));
	ck_assert(in_set(world, "known4_net1_net10000", "10.1.0.2"));
}
END_TEST

/* --- addresses --------------------------------------------------------------------------------- */

START_TEST(test_a_claimed_address_belongs_to_nobody)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	put_endpoint(world, "thief", "10.1.0.2", "{'role':'web'}");
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_none");
	expect_chain(world, MAP_EGRESS4, "10.1.0.2", "eg_none");
	ck_assert(!matches(world, "role == 'db'", "10.1.0.2"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.2"));
	ck_assert_uint_eq(stats_of(world).conflicts, 1);
	expect_problem(world, "address 10.1.0.2 is claimed by 2 endpoints: closed\n");
	/* a bystander that claims it is closed as well */
	put_endpoint(world, "thief", "10.1.0.4", "{}");
	ck_assert(is_isolated(world, "10.1.0.4"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.2"));
	change(world, KIND_ENDPOINT, "thief", NULL);
	after = render(world);
	ck_assert_str_eq(before, after);
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
	expect_no_problem(world);
}
END_TEST

START_TEST(test_three_claims_are_one_conflict)
{
	CLEANUP(world) struct world *world = tutorial();

	put_endpoint(world, "a", "10.1.0.2", "{}");
	put_endpoint(world, "b", "10.1.0.2", "{}");
	ck_assert_uint_eq(stats_of(world).conflicts, 1);
	change(world, KIND_ENDPOINT, "a", NULL);
	ck_assert_uint_eq(stats_of(world).conflicts, 1);
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_none");
	change(world, KIND_ENDPOINT, "db", NULL);
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
	ck_assert(!is_isolated(world, "10.1.0.2"));
}
END_TEST

START_TEST(test_an_address_in_new_hands_has_nothing_of_the_old)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};

	put_endpoint(world, "db-2", "10.1.0.50", "{'role':'db'}");
	/* the new owner may be told before the old one goes */
	add(&batch, KIND_ENDPOINT, "next", record("next", "10.1.0.2", "{'role':'web'}"));
	add(&batch, KIND_ENDPOINT, "db", NULL);
	apply(world, NODE_STREAM, &batch, false);
	ck_assert(matches(world, "role == 'web'", "10.1.0.2"));
	ck_assert(!matches(world, "role == 'db'", "10.1.0.2"));
	expect_chain(world, MAP_EGRESS4, "10.1.0.2", "eg_web_");
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_none");
	/* and then a bystander */
	put_endpoint(world, "next", "10.1.0.2", "{}");
	ck_assert(!is_isolated(world, "10.1.0.2"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.2"));
	expect_no_problem(world);
}
END_TEST

START_TEST(test_an_endpoint_that_moves_leaves_its_address)
{
	CLEANUP(world) struct world *world = tutorial();

	put_endpoint(world, "db", "10.1.0.77", "{'role':'db'}");
	ck_assert(!is_isolated(world, "10.1.0.2"));
	ck_assert(!matches(world, "role == 'db'", "10.1.0.2"));
	ck_assert(is_isolated(world, "10.1.0.77"));
	ck_assert(matches(world, "role == 'db'", "10.1.0.77"));
}
END_TEST

START_TEST(test_an_endpoint_without_addresses)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	change(world, KIND_ENDPOINT, "bare",
		endpoint_record(
			"bare", "bare", 1, "bridge", "null", "null", "{'role':'db'}", "{}"));
	after = render(world);
	ck_assert_str_eq(before, after);
	ck_assert_uint_eq(stats_of(world).endpoints, 4);
}
END_TEST

START_TEST(test_an_address_outside_of_the_subnets_is_refused)
{
	CLEANUP(world) struct world *world = tutorial();

	put_endpoint(world, "far", "10.2.0.2", "{'role':'web'}");
	ck_assert(!matches(world, "role == 'web'", "10.2.0.2"));
	expect_problem(world, "endpoint far: ");
	/* the last good record stays */
	put_endpoint(world, "web", "10.2.0.3", "{'role':'web'}");
	ck_assert(matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert(!matches(world, "role == 'web'", "10.2.0.3"));
	expect_problem(world, "endpoint web: ");
	put_endpoint(world, "web", "10.1.0.3", "{'role':'web'}");
	change(world, KIND_ENDPOINT, "far", NULL);
	expect_no_problem(world);
}
END_TEST

static void add_tests(TCase *tcase)
{
	tcase_add_test(tcase, test_the_tutorial);
	tcase_add_test(tcase, test_chains_are_of_the_families_in_use);
	tcase_add_test(tcase, test_deleting_the_policy_closes);
	tcase_add_test(tcase, test_an_edited_policy_is_in_force);
	tcase_add_test(tcase, test_order_makes_the_chain);
	tcase_add_loop_test(tcase, test_who_says_what_isolation_is, 0, (int)COUNT(isolations));
	tcase_add_test(tcase, test_taking_the_override_back);
	tcase_add_test(tcase, test_operator_labels);
	tcase_add_test(tcase, test_a_refused_label_isolates);
	tcase_add_test(tcase, test_an_unknown_network_is_taken_as_labelled);
	tcase_add_test(tcase, test_other_drivers_are_matched_but_not_enforced);
	tcase_add_test(tcase, test_bridges);
	tcase_add_test(tcase, test_a_strict_network_knows_its_endpoints);
	tcase_add_test(tcase, test_leaving_strict_leaves_nothing);
	tcase_add_test(tcase, test_a_strict_network_changes_its_bridge_and_subnets);
	tcase_add_test(tcase, test_a_claimed_address_belongs_to_nobody);
	tcase_add_test(tcase, test_three_claims_are_one_conflict);
	tcase_add_test(tcase, test_an_address_in_new_hands_has_nothing_of_the_old);
	tcase_add_test(tcase, test_an_endpoint_that_moves_leaves_its_address);
	tcase_add_test(tcase, test_an_endpoint_without_addresses);
	tcase_add_test(tcase, test_an_address_outside_of_the_subnets_is_refused);
}

int main(void)
{
	Suite *suite = suite_create("world");
	TCase *tcase = tcase_create("world");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
