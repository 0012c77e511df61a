/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables of one name, inet and bridge, written together. */
#include "kernel_fixture.h"

#define GUARD   "bridge:prerouting"
#define BETWEEN "bridge:forward"

static char *bridge_listing(void)
{
	int status = 0;
	char *text = output_of(&status, "nft list table bridge " TABLE " 2>&1");

	ck_assert_msg(status == 0, "nft list: status %d: %s", status, text);
	return text;
}

static void expect_bridge(const char *line, bool there)
{
	char *text = bridge_listing();

	expect_in(text, line, there);
	free(text);
}

static bool bridge_table_exists(void)
{
	int status = 0;

	free(output_of(&status, "nft list table bridge " TABLE " 2>&1"));
	return status == 0;
}

static struct elem_key key_port_ip(const char *port, const char *ip)
{
	struct elem_key key = key_ifname(port);

	key.ip = address(ip);
	return key;
}

static struct elem_key key_port_mac(const char *port, uint8_t last)
{
	struct elem_key key = port ? key_ifname(port) : (struct elem_key){0};

	memcpy(key.mac, (uint8_t[]){2, 0x42, 0xac, 0x11, 0, last}, sizeof(key.mac));
	return key;
}

static struct match *match_field(struct rule *rule, enum match_kind kind, enum header_field field,
	uint8_t family, const char *set)
{
	struct match *match = rule_match(rule, kind);

	match->field = field;
	match->family = family;
	match->negate = true;
	snprintf(match->set, sizeof(match->set), "%s", set);
	return match;
}

/* What a port may send at all: every match that is made for the bridge table. */
static void build_guard(void)
{
	struct rule_list rules = {0};
	struct rule *rule;

	match_field(add_rule(&rules, VERDICT_DROP, "spoofed"), MATCH_PORT_SET, FIELD_IP, 4, "at4");
	match_field(add_rule(&rules, VERDICT_DROP, ""), MATCH_PORT_SET, FIELD_IP, 6, "at6");
	match_field(add_rule(&rules, VERDICT_DROP, ""), MATCH_PORT_SET, FIELD_ARP_SPA, 0, "at4");
	match_field(
		add_rule(&rules, VERDICT_DROP, ""), MATCH_PORT_SET, FIELD_ARP_SHA, 0, "port_macs");
	match_field(add_rule(&rules, VERDICT_DROP, ""), MATCH_PORT_SET, FIELD_ETHER_SADDR, 0,
		"port_macs");
	rule = add_rule(&rules, VERDICT_DROP, "neighbour");
	match_numbers(rule, MATCH_ICMPV6_TYPE, 135, 136, false);
	match_field(rule, MATCH_PORT_SET, FIELD_ND_TARGET, 0, "at6");
	match_field(add_rule(&rules, VERDICT_DROP, ""), MATCH_FIELD_SET, FIELD_ETHER_SADDR, 0,
		"owned_macs");
	match_field(
		add_rule(&rules, VERDICT_DROP, ""), MATCH_FIELD_SET, FIELD_ARP_SPA, 0, "owned4");
	match_field(add_rule(&rules, VERDICT_DROP, ""), MATCH_FIELD_SET, FIELD_IP, 4, "owned4")
		->side = SIDE_DST;
	rule_match(add_rule(&rules, VERDICT_DROP, "tagged"), MATCH_ETHER_TYPE)->value = 0x8100;
	rule = add_rule(&rules, VERDICT_DROP, "odd");
	rule_match(rule, MATCH_ETHER_TYPE)->value = 0x88b5;
	rule->matches[0].negate = true;
	rule_match(add_rule(&rules, VERDICT_RETURN, "group"), MATCH_ETHER_MULTICAST);
	rule = add_rule(&rules, VERDICT_DROP, "dhcp");
	rule_match(rule, MATCH_NFPROTO)->family = 4;
	rule_match(rule, MATCH_L4PROTO)->value = IPPROTO_UDP;
	match_numbers(rule, MATCH_HDR_PORT, 67, 68, false);
	rule = add_rule(&rules, VERDICT_DROP, "");
	rule_match(rule, MATCH_NFPROTO)->family = 6;
	rule->matches[0].negate = true;
	snprintf(rule_match(rule, MATCH_IIF)->set, NFT_NAME_MAX, "veth1");
	match_block(add_rule(&rules, VERDICT_ACCEPT, ""), MATCH_HDR_ADDR, "fe80::/10", false);
	match_named(add_rule(&rules, VERDICT_DROP, ""), MATCH_HDR_ADDR_SET, SIDE_SRC, 6, "owned6");
	rule = add_rule(&rules, VERDICT_MAP_IIF, "");
	snprintf(rule->target, sizeof(rule->target), "by_port");
	rule = add_rule(&rules, VERDICT_DROP, "");
	rule_match(rule, MATCH_TCP_NOT_SYN);
	snprintf(rule->counter, sizeof(rule->counter), "guard");
	ruleset_chain_in(rs, IN_BRIDGE, GUARD, "what a port may send", &rules);
}

static void build_bridge(void)
{
	static const struct {
		const char *name;
		enum set_type type;
	} sets[] = {{"at4", SET_PORT_IPV4}, {"at6", SET_PORT_IPV6}, {"port_macs", SET_PORT_MAC},
		{"owned_macs", SET_MAC}, {"owned4", SET_IPV4}, {"owned6", SET_IPV6},
		{"by_port", MAP_IFNAME}};
	struct rule_list rules = {0}, raw = {0}, home = {0};
	struct rule *rule;

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		ruleset_set_in(rs, IN_BRIDGE, sets[i].name, sets[i].type, sets[i].name);
	ruleset_set_in(rs, IN_INET, "home4", SET_PORT_IPV4, NULL);
	ruleset_counter_in(rs, IN_BRIDGE, "guard");
	put("at4", key_port_ip("veth1", "10.77.1.2"), NULL, "frontend");
	put("at6", key_port_ip("veth1", "fd77:1::2"), NULL, NULL);
	put("port_macs", key_port_mac("veth1", 9), NULL, NULL);
	put("owned_macs", key_port_mac(NULL, 9), NULL, NULL);
	put("home4", key_port_ip("br-0123456789ab", "10.77.1.2"), NULL, NULL);
	put("by_port", key_ifname("veth1"), "pass", NULL);
	match_named(add_rule(&rules, VERDICT_DROP, "between"), MATCH_HDR_ADDR_SET, SIDE_DST, 4,
		"owned4");
	ruleset_chain_in(rs, IN_BRIDGE, BETWEEN, "from port to port", &rules);
	add_rule(&home, VERDICT_RETURN, "all");
	ruleset_chain_in(rs, IN_BOTH, "pass", NULL, &home);
	match_field(
		add_rule(&raw, VERDICT_DROP, "elsewhere"), MATCH_PORT_SET, FIELD_IP, 4, "home4");
	rule = add_rule(&raw, VERDICT_ACCEPT, "");
	rule_match(rule, MATCH_CT_MARK)->value = 0x10000;
	rule->matches[0].mask = 0xffff0000;
	rule = add_rule(&raw, VERDICT_CONTINUE, "");
	rule->mark = 0x20000;
	rule->mark_mask = 0xffff0000;
	ruleset_chain_in(rs, IN_INET, "prerouting", "addresses at home", &raw);
	build_guard();
}

/* nft 1.0.6 shows each of these; none aborts it. */
static const char *const shown[] = {
	"comment \"container policy, written by bulkhead-enforcerd\"",
	"type ifname . ipv4_addr\n\t\tcomment \"at4\"\n"
	"\t\telements = { \"veth1\" . 10.77.1.2 comment \"frontend\" }",
	"type ifname . ipv6_addr\n\t\tcomment \"at6\"\n"
	"\t\telements = { \"veth1\" . fd77:1::2 }",
	"type ifname . ether_addr\n\t\tcomment \"port_macs\"\n"
	"\t\telements = { \"veth1\" . 02:42:ac:11:00:09 }",
	"type ether_addr\n\t\tcomment \"owned_macs\"\n\t\telements = { 02:42:ac:11:00:09 }",
	"elements = { \"veth1\" : jump pass }",
	"type filter hook forward priority filter; policy accept;",
	"ip daddr @owned4 drop comment \"between\"",
	"type filter hook prerouting priority dstnat; policy accept;",
	"iifname . ip saddr != @at4 drop comment \"spoofed\"",
	"iifname . ip6 saddr != @at6 drop\n",
	"iifname . arp saddr ip != @at4 drop\n",
	"iifname . arp saddr ether != @port_macs drop\n",
	"iifname . ether saddr != @port_macs drop\n",
	"icmpv6 type 135-136 iifname . @th,64,128 != @at6 drop comment \"neighbour\"",
	"ether saddr != @owned_macs drop\n",
	"arp saddr ip != @owned4 drop\n",
	"ip daddr != @owned4 drop\n",
	"ether type 8021q drop comment \"tagged\"",
	"ether type != 0x88b5 drop comment \"odd\"",
	"ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 return comment \"group\"",
	"meta protocol ip udp dport 67-68 drop comment \"dhcp\"",
	"meta protocol != ip6 iifname \"veth1\" drop\n",
	"ip6 daddr fe80::/10 accept\n",
	"ip6 saddr @owned6 drop\n",
	"iifname vmap @by_port\n",
	"tcp flags != syn / fin,syn,rst,ack counter name \"guard\" drop\n",
	"chain pass {\n\t\treturn comment \"all\"",
};

static const char *const shown_inet[] = {
	"type filter hook prerouting priority raw; policy accept;",
	"iifname . ip saddr != @home4 drop comment \"elsewhere\"",
	"ct mark 0x00010000/16 accept",
	"ct mark set ct mark & 0x0002ffff | 0x00020000",
	"chain pass {\n\t\treturn comment \"all\"",
};

START_TEST(test_nft_shows_both)
{
	char *text, *inet;

	build_bridge();
	commit();
	text = bridge_listing();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		expect_in(text, shown[i], true);
	expect_in(text, "sel_front", false);
	inet = listing();
	for (size_t i = 0; i < sizeof(shown_inet) / sizeof(*shown_inet); i++)
		expect_in(inet, shown_inet[i], true);
	expect_in(inet, "at4", false);
	sh("nft -j list ruleset >/dev/null && nft -a list ruleset >/dev/null");
	free(text);
	free(inet);
}
END_TEST

START_TEST(test_bridge_table_only_when_needed)
{
	commit();
	ck_assert(!bridge_table_exists());
	build_bridge();
	commit();
	ck_assert(bridge_table_exists());
	ck_assert_uint_eq(commit().messages, 0);
}
END_TEST

START_TEST(test_one_change_in_both_is_one_batch)
{
	struct rule_list rules = {0};
	struct kernel_commit done;
	uint32_t before;

	build_bridge();
	before = commit().generation;
	put("at4", key_port_ip("veth2", "10.77.2.2"), NULL, NULL);
	put("sel_front_4", key_ip("10.9.9.9"), NULL, NULL);
	add_rule(&rules, VERDICT_DROP, "none");
	ruleset_chain_in(rs, IN_BOTH, "pass", NULL, &rules);
	done = commit();
	ck_assert_uint_eq(done.generation, before + 1);
	ck_assert_uint_eq(done.messages, 6);
	expect_bridge("\"veth2\" . 10.77.2.2", true);
	expect_bridge("chain pass {\n\t\tdrop comment \"none\"", true);
	expect("chain pass {\n\t\tdrop comment \"none\"", true);
}
END_TEST

/* What one table refuses, the other does not get either. */
START_TEST(test_refusal_names_the_family)
{
	struct kernel_commit done;
	struct elem_key key = key_ifname("veth7");

	build_bridge();
	commit();
	put("sel_front_4", key_ip("10.9.9.9"), NULL, NULL);
	ruleset_put(rs, "by_port", &key, "nowhere", NULL);
	ck_assert_int_eq(kernel_commit(kernel, rs, &done, &err), -1);
	ck_assert_ptr_nonnull(
		strstr(err.text, "add element \"veth7\" to set by_port of family bridge"));
	expect("10.9.9.9", false);
}
END_TEST

START_TEST(test_left_over_bridge_table_goes)
{
	build_bridge();
	commit();
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	commit();
	ck_assert(!bridge_table_exists());
	expect("10.77.1.2 comment \"frontend\"", true);
}
END_TEST

START_TEST(test_restart_keeps_both)
{
	build_bridge();
	commit();
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	build_bridge();
	del("at4", key_port_ip("veth1", "10.77.1.2"));
	commit();
	expect_bridge("10.77.1.2", false);
	expect_bridge("\"veth1\" . fd77:1::2", true);
	expect("10.77.1.2 comment \"frontend\"", true);
}
END_TEST

/* Where the kernel has no owners (here: tables made without), whichever of the two was changed, both are put right. */
START_TEST(test_foreign_changes_are_repaired)
{
	static const char *const commands[] = {
		"nft flush ruleset",
		"nft delete table bridge " TABLE,
		"nft flush set bridge " TABLE " at4",
		"nft insert rule bridge " TABLE " prerouting accept comment stray",
		"nft flush chain inet " TABLE " prerouting",
	};
	struct pollfd news = {.events = POLLIN};
	const char *who = "nobody";

	sh("nft add table inet " TABLE "; nft add table bridge " TABLE);
	build_bridge();
	commit();
	ck_assert_uint_eq(kernel_repairs(kernel, &who), 0);
	ck_assert_ptr_null(who);
	news.fd = kernel_events_fd(kernel);
	sh("%s", commands[_i]);
	ck_assert_int_eq(poll(&news, 1, 1000), 1);
	ck_assert_uint_gt(commit().messages, 0);
	expect_bridge("\"veth1\" . 10.77.1.2 comment \"frontend\"", true);
	expect_bridge("iifname . ip saddr != @at4 drop", true);
	expect_bridge("stray", false);
	expect("iifname . ip saddr != @home4 drop", true);
	ck_assert_uint_eq(commit().messages, 0);
	ck_assert_uint_eq(kernel_repairs(kernel, &who), 1);
	ck_assert_msg(!strncmp(who, "nft (pid ", 9), "%s", who);
}
END_TEST

START_TEST(test_clear_takes_both)
{
	build_bridge();
	commit();
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	ck_assert(!table_exists());
	ck_assert(!bridge_table_exists());
	commit();
	expect_bridge("\"veth1\" . 10.77.1.2 comment \"frontend\"", true);
}
END_TEST

/* What kernel_open() found out must be what the kernel does with such a rule. */
START_TEST(test_bridge_tracked)
{
	struct rule_list rules = {0};
	struct kernel_commit done;
	int rc;

	rule_match(add_rule(&rules, VERDICT_DROP, "flow"), MATCH_CT_STATE)->value = CT_INVALID;
	snprintf(add_rule(&rules, VERDICT_MAP_IBR, "")->target, NFT_NAME_MAX, "by_port");
	build_bridge();
	ruleset_chain_in(rs, IN_BRIDGE, "flow", NULL, &rules);
	rc = kernel_commit(kernel, rs, &done, &err);
	ck_assert_msg((rc == 0) == kernel_bridge_tracked(kernel), "%s", err.text);
	if (rc == 0) {
		expect_bridge("ct state invalid drop comment \"flow\"", true);
		expect_bridge("meta ibrname vmap @by_port", true);
	} else {
		ck_assert_ptr_nonnull(strstr(err.text, "chain flow of family bridge (flow)"));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_tables");
	TCase *tables = tcase_create("tables");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tables, setup, teardown);
	tcase_set_timeout(tables, 60);
	tcase_add_test(tables, test_nft_shows_both);
	tcase_add_test(tables, test_bridge_table_only_when_needed);
	tcase_add_test(tables, test_one_change_in_both_is_one_batch);
	tcase_add_test(tables, test_refusal_names_the_family);
	tcase_add_test(tables, test_left_over_bridge_table_goes);
	tcase_add_test(tables, test_restart_keeps_both);
	tcase_add_loop_test(tables, test_foreign_changes_are_repaired, 0, 5);
	tcase_add_test(tables, test_clear_takes_both);
	tcase_add_test(tables, test_bridge_tracked);
	suite_add_tcase(suite, tables);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
