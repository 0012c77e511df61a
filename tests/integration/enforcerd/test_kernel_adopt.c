/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A writer that finds its predecessor's content, or what somebody has made of it: it writes the difference. */
#include "kernel_tables.h"

static void restart(void)
{
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	build_everything();
}

static char *both_listings(void)
{
	int status = 0;
	char *text = output_of(&status, "nft -a list ruleset 2>&1");

	ck_assert_int_eq(status, 0);
	return text;
}

/* Messages: each table is taken over, where the kernel has owners. */
enum { TAKE_OVER = 2 };

START_TEST(test_restart_of_the_same_world_only_takes_the_tables_over)
{
	char *before, *after;
	uint32_t generation;

	build_everything();
	commit();
	before = both_listings();
	restart();
	ck_assert_int_eq(kernel_compare(kernel, rs, &err), 0);
	ck_assert(!ruleset_dirty(rs));
	ck_assert_uint_eq(commit().messages, TAKE_OVER);
	after = both_listings();
	if (strcmp(before, after) != 0)
		fprintf(stderr, "before:\n%s\nafter:\n%s\n", before, after);
	ck_assert(strcmp(before, after) == 0);
	/* and what is known by now need not be told again */
	kernel_lost(kernel, rs);
	ck_assert(ruleset_dirty(rs));
	generation = commit().generation;
	ck_assert_uint_eq(commit().generation, 0);
	ck_assert_uint_gt(generation, 0);
	free(before);
	free(after);
}
END_TEST

START_TEST(test_restart_without_owners_sends_nothing)
{
	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	build_everything();
	commit();
	restart();
	ck_assert_uint_eq(commit().messages, 0);
	/* and it is ours even so: a change by somebody else is put right */
	sh("nft flush chain bridge " TABLE " prerouting");
	ck_assert_uint_gt(commit().messages, 0);
	expect_bridge("iifname . ip saddr != @at4 drop", true);
}
END_TEST

struct difference {
	const char *what;
	const char *foreign; /* done while nobody owns the tables, or NULL */
	void (*wanted)(void);
	unsigned messages; /* beyond taking over */
};

static void want_more(void)
{
	put("sel_both", key_ip("10.77.1.9"), NULL, NULL);
}

static void want_less(void)
{
	del("at4", key_port_ip("veth1", "10.77.1.2"));
	del("net_lan_4", key_range("10.0.0.0", "10.0.0.255"));
}

static void want_renamed(void)
{
	put("at4", key_port_ip("veth1", "10.77.1.2"), NULL, "renamed");
}

static void want_elsewhere(void)
{
	put(MAP_INGRESS4, key_ip("10.77.2.2"), "in_front", "database");
}

static void want_no_set(void)
{
	ruleset_set_drop(rs, "sel_both");
}

static void want_rules(void)
{
	struct rule_list rules = {0};

	add_rule(&rules, VERDICT_DROP, "other");
	ruleset_chain_in(rs, IN_BOTH, "pass", NULL, &rules);
}

static void want_policy(void)
{
	put_open_chain("in_front");
}

static const struct difference differences[] = {
	{"an element more", NULL, want_more, 2},
	{"elements less", NULL, want_less, 2},
	{"a comment", NULL, want_renamed, 2},
	{"a jump", NULL, want_elsewhere, 2},
	{"a set less", NULL, want_no_set, 2},
	{"rules in both", NULL, want_rules, 4},
	{"one chain", NULL, want_policy, 2},
	{"a stray chain", "nft add chain inet " TABLE " stray", NULL, 2},
	{"a stray set", "nft add set bridge " TABLE " stray '{ type mark; }'", NULL, 1},
	{"a stray counter", "nft add counter inet " TABLE " stray", NULL, 1},
	{"a stray element", "nft add element inet " TABLE " sel_both '{ 1.2.3.4 }'", NULL, 4},
	{"a missing element", "nft delete element bridge " TABLE " at6 '{ veth1 . fd77:1::2 }'",
		NULL, 1},
	{"a stray rule", "nft insert rule bridge " TABLE " forward accept", NULL, 3},
	{"a missing rule", "nft flush chain bridge " TABLE " pass", NULL, 4},
	{"an element of another comment",
		"nft -f - <<'X'\ndelete element inet " TABLE " ingress_groups4 { 10.77.2.2 }\n"
		"add element inet " TABLE " ingress_groups4 { 10.77.2.2 : jump in_db }\nX",
		NULL, 2},
	{"an element that goes",
		"nft -f - <<'X'\ndelete element inet " TABLE " ingress_groups4 { 10.77.2.2 }\n"
		"add element inet " TABLE
		" ingress_groups4 { 10.77.2.2 comment \"database\" : goto in_db "
		"}\nX",
		NULL, 2},
	{"a policy", "nft chain inet " TABLE " forward '{ policy drop; }'", NULL, 30},
	{"a range cut",
		"nft -f - <<'X'\ndelete element inet " TABLE " net_lan_4 { 10.0.0.0/24 }\n"
		"add element inet " TABLE " net_lan_4 { 10.0.0.0/25 }\nX",
		NULL, 2},

};

enum { DIFFERENCES = sizeof(differences) / sizeof(*differences) };

/* Sorted, since objects are listed in the order in which they were made, and without what counts. */
static char *sorted_content(void)
{
	int status = 0;
	char *text = output_of(&status, "nft -s list ruleset 2>&1 | grep -v progname | sort");

	ck_assert_int_eq(status, 0);
	return text;
}

/* The difference is written; nft then shows the same as of a world that was written from nothing. */
static void expect_difference(const struct difference *difference, unsigned take_over)
{
	char *adopted, *anew;
	unsigned messages;

	restart();
	if (difference->wanted)
		difference->wanted();
	messages = commit().messages;
	ck_assert_msg(messages > 0 && messages <= difference->messages + take_over,
		"%s: %u messages", difference->what, messages);
	ck_assert_uint_eq(commit().messages, 0);
	adopted = sorted_content();
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	if (!take_over)
		sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	commit();
	anew = sorted_content();
	if (strcmp(adopted, anew) != 0)
		fprintf(stderr, "%s: adopted:\n%s\nanew:\n%s\n", difference->what, adopted, anew);
	ck_assert(strcmp(adopted, anew) == 0);
	free(adopted);
	free(anew);
}

START_TEST(test_only_the_difference_is_written)
{
	const struct difference *difference = &differences[_i];

	build_everything();
	commit();
	/* nobody owns them now, and so anybody may change them */
	kernel_close(kernel);
	if (difference->foreign)
		sh("%s", difference->foreign);
	kernel = open_writer(TABLE);
	expect_difference(difference, TAKE_OVER);
}
END_TEST

/* The same, while the daemon runs. */
START_TEST(test_only_the_difference_is_repaired)
{
	const struct difference *difference = &differences[_i];
	unsigned messages;

	if (!difference->foreign)
		return;
	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	build_everything();
	commit();
	sh("%s", difference->foreign);
	messages = commit().messages;
	ck_assert_msg(messages > 0 && messages <= difference->messages, "%s: %u messages",
		difference->what, messages);
	expect_difference(&(struct difference){difference->what, NULL, want_more, 2}, 0);
}
END_TEST

/* What is known to differ is compared once more when somebody commits in between. */
START_TEST(test_compare_then_change_then_commit)
{
	build_everything();
	commit();
	restart();
	want_more();
	ck_assert_int_eq(kernel_compare(kernel, rs, &err), 0);
	ck_assert(ruleset_dirty(rs));
	want_rules();
	sh("nft add table inet other; nft flush chain bridge " TABLE " forward; nft add counter "
	   "inet " TABLE " stray");
	ruleset_chain_drop(rs, "eg_all");
	commit();
	expect_bridge("ip daddr @owned4 drop comment \"between\"", true);
	expect_bridge("drop comment \"other\"", true);
	expect("10.77.1.9", true);
	expect("stray", false);
	expect("eg_all", false);
}
END_TEST

/* The same between two calls, without anybody else. */
START_TEST(test_change_after_compare)
{
	build_everything();
	commit();
	restart();
	want_rules();
	ck_assert_int_eq(kernel_compare(kernel, rs, &err), 0);
	ruleset_chain_drop(rs, "eg_all");
	ruleset_set_drop(rs, "net_lan_4");
	ruleset_set_drop(rs, "net_lan_6");
	put_open_chain("new");
	commit();
	expect("eg_all", false);
	expect("net_lan", false);
	expect("chain new", true);
	expect_bridge("drop comment \"other\"", true);
	ck_assert_uint_eq(commit().messages, 0);
}
END_TEST

/* --- what a predecessor left ------------------------------------------------------------------- */

static void put_live(enum ruleset_tables tables, const char *comment)
{
	struct rule_list rules = {0};

	add_rule(&rules, VERDICT_RETURN, "something else");
	add_rule(&rules, VERDICT_ACCEPT, comment);
	ruleset_chain_in(rs, tables, CHAIN_LIVE, NULL, &rules);
}

static void tell(const char *set, enum set_type type, const struct elem_key *key,
	const char *comment, void *arg)
{
	char *text = arg, ip[IP_TEXT_MAX];
	size_t len = strlen(text);

	snprintf(text + len, 512 - len, "%s %d %s %s (%s)\n", set, (int)type, key->ifname,
		ip_format(&key->ip, ip), comment);
}

static uint32_t left(char text[512])
{
	static const char *const sets[] = {"at4", "missing", "at6", "sel_both", NULL};
	const struct kernel_adopter ops = {sets, tell};
	uint32_t generation = 99;

	*text = '\0';
	ck_assert_int_eq(kernel_adopt(kernel, &ops, text, &generation, &err), 0);
	return generation;
}

static const struct {
	enum ruleset_tables tables;
	const char *comment;
	uint32_t generation;
} generations[] = {
	{IN_INET, "generation 7", 7},
	{IN_BOTH, "generation 65533", 65533},
	{IN_BOTH, "generation 0", 0},
	{IN_BOTH, "generation ", 0},
	{IN_BOTH, "generation 7x", 0},
	{IN_BOTH, "generation -7", 0},
	{IN_BOTH, "generation 99999999999", 0},
	{IN_BOTH, "degeneration 7", 0},
};

START_TEST(test_left_generation)
{
	char text[512];

	ck_assert_uint_eq(left(text), 0);
	ck_assert_str_eq(text, "");
	put_live(generations[_i].tables, generations[_i].comment);
	commit();
	ck_assert_uint_eq(left(text), generations[_i].generation);
}
END_TEST

START_TEST(test_left_generation_differs)
{
	char text[512];

	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	put_live(IN_BOTH, "generation 7");
	commit();
	sh("nft flush chain bridge " TABLE " live");
	ck_assert_uint_eq(left(text), 0);
	sh("nft add rule bridge " TABLE " live accept comment '\"generation 8\"'");
	ck_assert_uint_eq(left(text), 0);
}
END_TEST

START_TEST(test_left_elements)
{
	char text[512];

	build_everything();
	put("at4", key_port_ip("veth2", "10.77.2.2"), NULL, NULL);
	del("sel_both", key_ip("10.77.1.3"));
	commit();
	kernel_close(kernel);
	kernel = open_writer(TABLE);
	ck_assert_uint_eq(left(text), 0);
	expect_in(text, "at4 7 veth1 10.77.1.2 (frontend)\n", true);
	expect_in(text, "at4 7 veth2 10.77.2.2 ()\n", true);
	expect_in(
		text, "at6 8 veth1 fd77:1::2 ()\nsel_both 0  10.77.1.2 (a 'quoted' name)\n", true);
}
END_TEST

/* A table that somebody has put to sleep filters nothing. */
START_TEST(test_table_asleep)
{
	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	build_everything();
	commit();
	sh("nft add table inet " TABLE " '{ flags dormant; }'");
	expect("flags dormant", true);
	if (_i)
		restart();
	ck_assert_uint_eq(commit().messages, 1);
	expect("flags dormant", false);
}
END_TEST

/* --- flows in the bridge table ----------------------------------------------------------------- */

/* Every match that is about flows, in chains of both tables. */
static void build_flows(void)
{
	struct rule_list rules = {0};
	struct rule *rule;

	ruleset_policy_tables(rs, IN_BOTH);
	ruleset_counter(rs, "deny");
	ruleset_set(rs, "flow4", SET_IPV4, NULL);
	ruleset_set(rs, "flow6", SET_IPV6, NULL);
	ruleset_set(rs, "flow_nets", SET_CIDR4, NULL);
	ruleset_set(rs, "flow_ports", SET_PORT, NULL);
	ruleset_set(rs, "flow_map", MAP_IPV4, NULL);
	ruleset_set_in(rs, IN_BRIDGE, "bridges", MAP_IFNAME, NULL);
	put("flow4", key_ip("10.77.1.2"), NULL, "frontend");
	put("flow_nets", key_range("10.0.0.0", "10.0.0.255"), NULL, NULL);
	put("flow_ports", key_port(3306), NULL, NULL);
	put("flow_map", key_ip("10.77.1.2"), "flows", NULL);
	for (uint8_t family = 4; family <= 6; family += 2) {
		rule = add_rule(&rules, VERDICT_RETURN, "policy \"database\" ingress[0]");
		match_protocol(rule, IPPROTO_TCP);
		match_named(
			rule, MATCH_CT_ADDR_SET, SIDE_SRC, family, family == 4 ? "flow4" : "flow6");
		match_named(rule, MATCH_CT_PORT_SET, SIDE_DST, 0, "flow_ports");
	}
	rule = add_rule(&rules, VERDICT_RETURN, "dns");
	match_protocol(rule, IPPROTO_UDP);
	match_numbers(rule, MATCH_CT_PORT, 53, 53, false);
	rule = add_rule(&rules, VERDICT_RETURN, "ping");
	match_protocol(rule, IPPROTO_ICMP);
	match_numbers(rule, MATCH_CT_ICMP, 8, ICMP_ANY_CODE, false);
	match_block(add_rule(&rules, VERDICT_RETURN, ""), MATCH_CT_ADDR, "10.1.0.0/24", false);
	rule = add_rule(&rules, VERDICT_RETURN, "nets");
	match_named(rule, MATCH_CT_ADDR_SET, SIDE_DST, 4, "flow_nets");
	rule_match(rule, MATCH_CT_ORIGINAL);
	rule = add_rule(&rules, VERDICT_DROP, "invalid");
	rule_match(rule, MATCH_CT_STATE)->value = CT_INVALID | CT_UNTRACKED;
	end_group(&rules, "deny/in/database", "deny");
	rules.items[rules.count - 1].log_original = true;
	ruleset_chain(rs, "flows", "policies: database", &rules);
	rule = add_rule(&rules, VERDICT_ACCEPT, "generation 7");
	rule_match(rule, MATCH_CT_MARK)->value = 0x70000;
	rule->matches[0].mask = 0xffff0000;
	ruleset_chain(rs, CHAIN_LIVE, NULL, &rules);
	rule = add_rule(&rules, VERDICT_CONTINUE, "");
	rule->mark = 0x70000;
	rule->mark_mask = 0xffff0000;
	rule = add_rule(&rules, VERDICT_MAP_CT, "");
	rule->map_family = 4;
	snprintf(rule->target, sizeof(rule->target), "flow_map");
	ruleset_chain(rs, CHAIN_JUDGED, NULL, &rules);
	snprintf(add_rule(&rules, VERDICT_MAP_IBR, "")->target, NFT_NAME_MAX, "bridges");
	snprintf(add_rule(&rules, VERDICT_MAP_OBR, "")->target, NFT_NAME_MAX, "bridges");
	ruleset_chain_in(rs, IN_BRIDGE, "by_bridge", NULL, &rules);
}

static const char *const shown_flows[] = {
	"ct protocol tcp ct original ip saddr @flow4 ct reply proto-src @flow_ports return "
	"comment \"policy 'database' ingress[0]\"",
	"ct protocol tcp ct original ip6 saddr @flow6 ct reply proto-src @flow_ports return",
	"ct protocol udp ct reply proto-src 53 return comment \"dns, IPv4\"",
	"ct protocol udp ct reply proto-src 53 return comment \"dns, IPv6\"",
	"ct protocol icmp ct original proto-dst & 65280 == 2048 return comment \"ping\"",
	"ct reply ip saddr 10.1.0.0/24 return",
	"ct reply ip saddr @flow_nets ct direction original return comment \"nets\"",
	"ct state invalid,untracked drop comment \"invalid\"",
	"ct direction original limit rate 10/second burst 20 packets log prefix "
	"\"deny/in/database\" group 64 snaplen 128",
	"counter name \"deny\" drop",
	"ct mark 0x00070000/16 accept comment \"generation 7\"",
	"ct mark set ct mark & 0x0007ffff | 0x00070000",
	"ct original ip saddr vmap @flow_map",
	"meta ibrname vmap @bridges",
	"meta obrname vmap @bridges",
};

/* Where the kernel tracks bridged flows, their rules are shown and taken over as those of table inet are; where it does not, it
 * takes none of them. */
START_TEST(test_flows_in_bridge)
{
	struct kernel_commit done;
	char text[512], *shown;

	build_flows();
	if (!kernel_bridge_tracked(kernel)) {
		ck_assert_int_eq(kernel_commit(kernel, rs, &done, &err), -1);
		ck_assert_ptr_nonnull(strstr(err.text, "of family bridge"));
		ck_assert(!table_exists());
		return;
	}
	commit();
	shown = bridge_listing();
	for (size_t i = 0; i < sizeof(shown_flows) / sizeof(*shown_flows); i++)
		expect_in(shown, shown_flows[i], true);
	expect_in(shown, "invalid type", false);
	free(shown);
	sh("nft -j list ruleset >/dev/null");
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	ck_assert_uint_eq(left(text), 7);
	build_world(ruleset_new());
	build_flows();
	/* an older kernel has no owners */
	ck_assert_uint_le(commit().messages, TAKE_OVER);
	printf("flows in the bridge table: shown and taken over\n");
}
END_TEST

/* --- large worlds ------------------------------------------------------------------------------ */

enum { ENDPOINTS = 10000, LARGE_SETS = 8, LARGE_CHAINS = 1000 };

static void large_name(char name[NFT_NAME_MAX], const char *what, unsigned i)
{
	snprintf(name, NFT_NAME_MAX, "%s_%u", what, i);
}

static void build_large_set(unsigned s)
{
	static const enum set_type types[LARGE_SETS] = {MAP_IPV4, SET_IPV4, MAP_IPV4, SET_IPV4,
		SET_IPV6, SET_PORT_IPV4, SET_PORT_IPV6, SET_PORT_MAC};
	char set[NFT_NAME_MAX], chain[NFT_NAME_MAX], comment[32];

	large_name(set, "large", s);
	ruleset_set_in(rs, s % 2 ? IN_BOTH : IN_INET, set, types[s], "a set");
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		const uint8_t high = (uint8_t)(i >> 8), low = (uint8_t)i;
		struct elem_key key = {
			.ip = {4, {10, 9, high, low}}, .mac = {2, 0, 0, 0, high, low}};

		if (types[s] == SET_IPV6 || types[s] == SET_PORT_IPV6)
			key.ip.family = 6;
		snprintf(key.ifname, sizeof(key.ifname), "veth%07x", i);
		large_name(chain, "large", i % LARGE_CHAINS);
		snprintf(comment, sizeof(comment), "endpoint-%u", i);
		ruleset_put(
			rs, set, &key, types[s] == MAP_IPV4 ? chain : NULL, s % 3 ? NULL : comment);
	}
}

/* 10,000 endpoints in 8 sets, of which 4 are in both tables, and 3,000 rules. */
static void build_large(void)
{
	for (unsigned i = 0; i < LARGE_CHAINS; i++) {
		struct rule_list rules = {0};
		char chain[NFT_NAME_MAX];

		large_name(chain, "large", i);
		match_protocol(add_rule(&rules, VERDICT_RETURN, "a rule"), IPPROTO_TCP);
		match_named(add_rule(&rules, VERDICT_RETURN, ""), MATCH_HDR_ADDR_SET, SIDE_SRC, 4,
			"large_3");
		end_group(&rules, "deny/in/some policy", "drop_ingress");
		/* flows are judged in table inet only, here */
		ruleset_chain_in(rs, IN_INET, chain, NULL, &rules);
	}
	for (unsigned i = 0; i < LARGE_SETS; i++)
		build_large_set(i);
}

START_TEST(test_large_world_restarts)
{
	struct kernel_commit done;
	double cold, compared;

	build_large();
	done = commit();
	ck_assert_uint_gt(done.messages, 4000);
	cold = done.seconds;
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	build_large();
	compared = seconds_now();
	done = commit();
	compared = seconds_now() - compared;
	ck_assert_uint_eq(done.messages, TAKE_OVER);
	printf("120,000 elements, 3,000 rules: written in %.3f s, compared in %.3f s\n", cold,
		compared);
	/* and what is one element away is written as one element */
	kernel_lost(kernel, rs);
	put("large_3", key_ip("11.0.0.1"), NULL, NULL);
	ck_assert_uint_eq(commit().messages, 2);
}
END_TEST

static void flood_events(void)
{
	sh("( echo 'add table inet other'; echo 'add set inet other s { type ipv4_addr; }';"
	   "  for i in $(seq 0 9); do echo \"add element inet other s { $(seq -s, -f 10.$i.%%.0f.1 0 "
	   "249) }\"; done ) | nft -f -");
}

/* More events than the queue to us holds: what was lost may have been about our tables, so they are compared. */
START_TEST(test_events_are_lost)
{
	const char *who = NULL;
	const int small = 1;

	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	build_everything();
	commit();
	ck_assert_int_eq(
		setsockopt(kernel_events_fd(kernel), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)),
		0);
	flood_events();
	ck_assert_uint_eq(commit().messages, 0);
	ck_assert_uint_eq(kernel_repairs(kernel, &who), 0);
	flood_events();
	sh("nft flush set bridge " TABLE " at4; nft flush chain inet " TABLE " prerouting");
	ck_assert_uint_gt(commit().messages, 0);
	ck_assert_uint_eq(kernel_repairs(kernel, &who), 1);
	ck_assert_str_eq(who, "unknown: events were lost");
	expect_bridge("\"veth1\" . 10.77.1.2 comment \"frontend\"", true);
	expect("iifname . ip saddr != @home4 drop", true);
	ck_assert_uint_eq(commit().messages, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_adopt");
	TCase *adopt = tcase_create("adopt");
	TCase *flows = tcase_create("flows");
	TCase *large = tcase_create("large");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(adopt, setup, teardown);
	tcase_set_timeout(adopt, 60);
	tcase_add_test(adopt, test_restart_of_the_same_world_only_takes_the_tables_over);
	tcase_add_test(adopt, test_restart_without_owners_sends_nothing);
	tcase_add_loop_test(adopt, test_only_the_difference_is_written, 0, DIFFERENCES);
	tcase_add_loop_test(adopt, test_only_the_difference_is_repaired, 0, DIFFERENCES);
	tcase_add_test(adopt, test_compare_then_change_then_commit);
	tcase_add_test(adopt, test_change_after_compare);
	tcase_add_loop_test(
		adopt, test_left_generation, 0, sizeof(generations) / sizeof(*generations));
	tcase_add_test(adopt, test_left_generation_differs);
	tcase_add_test(adopt, test_left_elements);
	tcase_add_loop_test(adopt, test_table_asleep, 0, 2);
	tcase_add_checked_fixture(flows, setup, teardown);
	tcase_add_test(flows, test_flows_in_bridge);
	tcase_add_checked_fixture(large, setup, teardown);
	tcase_set_timeout(large, 60);
	tcase_add_test(large, test_large_world_restarts);
	tcase_add_test(adopt, test_events_are_lost);
	suite_add_tcase(suite, adopt);
	suite_add_tcase(suite, flows);
	suite_add_tcase(suite, large);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
