/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two tables of one name, inet and bridge, written together. */
#include "kernel_tables.h"

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
