/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ruleset_fixture.h"

struct rendered_match {
	struct match match;
	const char *text;
};

static const struct rendered_match matches[] = {
	{{.kind = MATCH_CT_STATE, .value = CT_INVALID}, "ct state invalid"},
	{{.kind = MATCH_CT_STATE, .value = CT_NEW | CT_RELATED | CT_ESTABLISHED | CT_UNTRACKED},
		"ct state established,related,new,untracked"},
	{{.kind = MATCH_CT_STATE, .value = CT_INVALID, .negate = true}, "ct state != invalid"},
	{{.kind = MATCH_CT_ORIGINAL}, "ct direction original"},
	{{.kind = MATCH_CT_PROTOCOL, .value = 6}, "ct original protocol 6"},
	{{.kind = MATCH_CT_PROTOCOL, .value = 17, .negate = true}, "ct original protocol != 17"},
	{{.kind = MATCH_CT_ADDR, .cidr = {{4, {10}}, 8}}, "ct original ip saddr 10.0.0.0/8"},
	{{.kind = MATCH_CT_ADDR, .side = SIDE_DST, .negate = true, .cidr = {{6, {0xfd}}, 8}},
		"ct reply ip6 saddr != fd00::/8"},
	{{.kind = MATCH_CT_ADDR_SET, .family = 4, .set = "sel_4"}, "ct original ip saddr @sel_4"},
	{{.kind = MATCH_CT_ADDR_SET, .family = 6, .side = SIDE_DST, .negate = true, .set = "s"},
		"ct reply ip6 saddr != @s"},
	{{.kind = MATCH_CT_PORT, .first = 80, .last = 80}, "ct original proto-src 80"},
	{{.kind = MATCH_CT_PORT, .side = SIDE_DST, .negate = true, .first = 1, .last = 65535},
		"ct reply proto-src != 1-65535"},
	{{.kind = MATCH_CT_PORT_SET, .side = SIDE_DST, .set = "p"}, "ct reply proto-src @p"},
	{{.kind = MATCH_CT_PORT_SET, .negate = true, .set = "p"}, "ct original proto-src != @p"},
	{{.kind = MATCH_CT_ICMP, .first = 8, .last = ICMP_ANY_CODE}, "icmp type 8"},
	{{.kind = MATCH_CT_ICMP, .first = 3, .last = 4, .negate = true}, "icmp != type 3 code 4"},
	{{.kind = MATCH_NFPROTO, .family = 6}, "meta nfproto ipv6"},
	{{.kind = MATCH_HDR_ADDR, .cidr = {{4, {10}}, 8}}, "ip saddr 10.0.0.0/8"},
	{{.kind = MATCH_HDR_ADDR, .side = SIDE_DST, .cidr = {{6, {0xfd}}, 8}},
		"ip6 daddr fd00::/8"},
	{{.kind = MATCH_HDR_ADDR_SET, .family = 4, .negate = true, .set = "k"}, "ip saddr != @k"},
	{{.kind = MATCH_HDR_ADDR_SET, .family = 6, .side = SIDE_DST, .set = "k"}, "ip6 daddr @k"},
	{{.kind = MATCH_IIF_SET, .set = "m"}, "iifname @m"},
	{{.kind = MATCH_OIF_SET, .set = "m", .negate = true}, "oifname != @m"},
	{{.kind = MATCH_OIF, .set = "br0"}, "oifname \"br0\""},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 130, .last = 136}, "icmpv6 type 130-136"},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 143, .last = 143}, "icmpv6 type 143"},
	{{.kind = MATCH_TCP_NOT_SYN}, "tcp flags & (fin | syn | rst | ack) != syn"},
	{{.kind = MATCH_CT_ORIGINAL, .negate = true}, "ct direction != original"},
	{{.kind = MATCH_CT_MARK, .value = 0x10000, .mask = 0xffff0000},
		"ct mark & 0xffff0000 == 0x00010000"},
	{{.kind = MATCH_CT_MARK, .mask = 0xffff0000, .negate = true},
		"ct mark & 0xffff0000 != 0x00000000"},
	{{.kind = MATCH_IIF, .set = "br0"}, "iifname \"br0\""},
	{{.kind = MATCH_IIF, .set = "br0", .negate = true}, "iifname != \"br0\""},
	{{.kind = MATCH_IBR_SET, .set = "m"}, "meta ibrname @m"},
	{{.kind = MATCH_IIF_KIND, .set = "bridge"}, "meta iifkind \"bridge\""},
	{{.kind = MATCH_L4PROTO, .value = 17}, "meta l4proto 17"},
	{{.kind = MATCH_L4PROTO, .value = 17, .negate = true}, "meta l4proto != 17"},
	{{.kind = MATCH_HDR_PORT, .first = 67, .last = 67}, "th sport 67"},
	{{.kind = MATCH_HDR_PORT, .side = SIDE_DST, .first = 67, .last = 68, .negate = true},
		"th dport != 67-68"},
	{{.kind = MATCH_ETHER_TYPE, .value = 0x86dd}, "ether type 0x86dd"},
	{{.kind = MATCH_ETHER_TYPE, .value = 0x806, .negate = true}, "ether type != 0x0806"},
	{{.kind = MATCH_ETHER_MULTICAST}, "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00"},
	{{.kind = MATCH_ETHER_MULTICAST, .negate = true},
		"ether daddr & 01:00:00:00:00:00 != 01:00:00:00:00:00"},
	{{.kind = MATCH_FIELD_SET, .family = 4, .set = "k"}, "ip saddr @k"},
	{{.kind = MATCH_FIELD_SET, .family = 6, .side = SIDE_DST, .set = "k"}, "ip6 daddr @k"},
	{{.kind = MATCH_FIELD_SET, .field = FIELD_ETHER_SADDR, .set = "k", .negate = true},
		"ether saddr != @k"},
	{{.kind = MATCH_FIELD_SET, .field = FIELD_ND_TARGET, .set = "k"}, "icmpv6 taddr @k"},
	{{.kind = MATCH_PORT_SET, .family = 4, .set = "k", .negate = true},
		"iifname . ip saddr != @k"},
	{{.kind = MATCH_PORT_SET, .family = 6, .side = SIDE_DST, .set = "k"},
		"oifname . ip6 daddr @k"},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SHA, .set = "k"},
		"iifname . arp saddr ether @k"},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SPA, .set = "k"}, "iifname . arp saddr ip @k"},
};

static const struct {
	struct rule rule;
	const char *text;
} verdicts[] = {
	{{.verdict = VERDICT_CONTINUE}, "continue"},
	{{.verdict = VERDICT_ACCEPT, .comment = "why"}, "accept comment \"why\""},
	{{.verdict = VERDICT_DROP, .counter = "host", .log = true, .log_prefix = "p"},
		"log \"p\" counter host drop"},
	{{.verdict = VERDICT_RETURN}, "return"},
	{{.verdict = VERDICT_JUMP, .target = "t"}, "jump t"},
	{{.verdict = VERDICT_GOTO, .target = "t"}, "goto t"},
	{{.verdict = VERDICT_MAP_CT, .map_family = 4, .target = "m"},
		"ct original ip saddr vmap @m"},
	{{.verdict = VERDICT_MAP_CT, .map_family = 6, .map_side = SIDE_DST, .target = "m"},
		"ct reply ip6 saddr vmap @m"},
	{{.verdict = VERDICT_MAP_GROUP, .map_family = 4, .map_side = SIDE_DST, .target = "m"},
		"ct reply ip saddr map @groups4 vmap @m"},
	{{.verdict = VERDICT_MAP_GROUP, .map_family = 6, .target = "m"},
		"ct original ip6 saddr map @groups6 vmap @m"},
	{{.verdict = VERDICT_MAP_IIF, .target = "m"}, "iifname vmap @m"},
	{{.verdict = VERDICT_MAP_OIF, .target = "m"}, "oifname vmap @m"},
	{{.verdict = VERDICT_MAP_IBR, .target = "m"}, "meta ibrname vmap @m"},
	{{.verdict = VERDICT_MAP_OBR, .target = "m"}, "meta obrname vmap @m"},
	{{.verdict = VERDICT_DROP, .log = true, .log_original = true, .log_prefix = "p"},
		"log original \"p\" drop"},
	{{.mark = 0x20000, .mark_mask = 0xffff0000, .counter = "n"},
		"counter n ct mark set ct mark & 0x0000ffff | 0x00020000 continue"},
};

static void expect_rule(struct rule_list *rules, const char *text)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};
	cleanup_free char *wanted = xasprintf("\tchain c {\n\t\t%s\n\t}\n", text);

	ruleset_chain(rs, "c", NULL, rules);
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text, wanted);
}

START_TEST(test_each_match_is_rendered)
{
	cleanup_free char *text = xasprintf("%s return", matches[_i].text);
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	*rule_match(rule, matches[_i].match.kind) = matches[_i].match;
	rule->verdict = VERDICT_RETURN;
	expect_rule(&rules, text);
}
END_TEST

START_TEST(test_each_verdict_is_rendered)
{
	struct rule_list rules = {0};

	*rule_append(&rules) = verdicts[_i].rule;
	expect_rule(&rules, verdicts[_i].text);
}
END_TEST

START_TEST(test_each_set_type_is_rendered)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};
	const struct elem_key port = {.port = 443}, ip4 = address("10.0.0.1"),
			      ip6 = address("fd00::1"), net4 = block("10.1.0.0/16"),
			      net6 = block("fd00::/64"), br = interface("br0");
	struct elem_key at4 = ip4, at6 = ip6,
			at_mac = {.ifname = "veth1", .mac = {2, 0x42, 0xac, 0x11, 0, 2}};

	const struct elem_key any = {.group = 0}, group = {.group = 7};
	struct elem_key grouped4 = ip4, grouped6 = ip6;

	grouped4.groups[SIDE_SRC] = grouped6.groups[SIDE_SRC] = 7;
	grouped4.groups[SIDE_DST] = grouped6.groups[SIDE_DST] = 8;
	memcpy(at4.ifname, "veth1", sizeof("veth1"));
	memcpy(at6.ifname, "veth1", sizeof("veth1"));
	ruleset_set(rs, "a", SET_IPV4, NULL);
	ruleset_set(rs, "b", SET_IPV6, "why");
	ruleset_set(rs, "c", SET_CIDR4, NULL);
	ruleset_set(rs, "d", SET_CIDR6, NULL);
	ruleset_set(rs, "e", SET_PORT, NULL);
	ruleset_set(rs, "f", SET_IFNAME, NULL);
	ruleset_set(rs, "g", MAP_IPV4, NULL);
	ruleset_set(rs, "h", MAP_IPV6, NULL);
	ruleset_set(rs, "i", MAP_IFNAME, NULL);
	ruleset_set(rs, "j", SET_MAC, NULL);
	ruleset_set(rs, "k", SET_PORT_IPV4, NULL);
	ruleset_set(rs, "l", SET_PORT_IPV6, NULL);
	ruleset_set(rs, "m", SET_PORT_MAC, NULL);
	ruleset_set(rs, "n", MAP_GROUP, NULL);
	ruleset_set(rs, "o", GROUPS_IPV4, NULL);
	ruleset_set(rs, "p", GROUPS_IPV6, NULL);
	ruleset_put(rs, "a", &ip4, NULL, NULL);
	ruleset_put(rs, "b", &ip6, NULL, "six");
	ruleset_put(rs, "c", &net4, NULL, NULL);
	ruleset_put(rs, "d", &net6, NULL, NULL);
	ruleset_put(rs, "e", &port, NULL, NULL);
	ruleset_put(rs, "f", &br, NULL, NULL);
	ruleset_put(rs, "g", &ip4, "eg_a", "web-1");
	ruleset_put(rs, "h", &ip6, "eg_a", NULL);
	ruleset_put(rs, "i", &br, "st_in", NULL);
	ruleset_put(rs, "j", &at_mac, NULL, NULL);
	ruleset_put(rs, "k", &at4, NULL, "web-1");
	ruleset_put(rs, "l", &at6, NULL, NULL);
	ruleset_put(rs, "m", &at_mac, NULL, NULL);
	ruleset_put(rs, "n", &any, "denied", NULL);
	ruleset_put(rs, "n", &group, "eg_a", NULL);
	ruleset_put(rs, "o", &grouped4, NULL, "web-1");
	ruleset_put(rs, "p", &grouped6, NULL, "web-1");
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text,
		"\tset a { type ipv4_addr\n\t\t10.0.0.1\n\t}\n"
		"\tset b { type ipv6_addr comment \"why\"\n\t\tfd00::1 comment \"six\"\n\t}\n"
		"\tset c { type ipv4_addr; flags interval\n\t\t10.1.0.0-10.1.255.255\n\t}\n"
		"\tset d { type ipv6_addr; flags interval\n\t\tfd00::-fd00::ffff:ffff:ffff:ffff\n\t}\n"
		"\tset e { type inet_service\n\t\t443\n\t}\n"
		"\tset f { type ifname\n\t\t\"br0\"\n\t}\n"
		"\tmap g { type ipv4_addr : verdict\n\t\t10.0.0.1 comment \"web-1\" : jump eg_a\n\t}\n"
		"\tmap h { type ipv6_addr : verdict\n\t\tfd00::1 : jump eg_a\n\t}\n"
		"\tmap i { type ifname : verdict\n\t\t\"br0\" : jump st_in\n\t}\n"
		"\tset j { type ether_addr\n\t\t02:42:ac:11:00:02\n\t}\n"
		"\tset k { type ifname . ipv4_addr\n\t\t\"veth1\" . 10.0.0.1 comment \"web-1\"\n\t}\n"
		"\tset l { type ifname . ipv6_addr\n\t\t\"veth1\" . fd00::1\n\t}\n"
		"\tset m { type ifname . ether_addr\n\t\t\"veth1\" . 02:42:ac:11:00:02\n\t}\n"
		"\tmap n { type mark : verdict\n\t\t* : jump denied\n\t\t0x00000007 : jump eg_a\n\t}\n"
		"\tmap o { type ipv4_addr : mark . mark . mark\n\t\t10.0.0.1 comment \"web-1\" : 0x00000001 . "
		"0x00000007 . 0x00000008\n\t}\n"
		"\tmap p { type ipv6_addr : mark . mark . mark\n\t\tfd00::1 comment \"web-1\" : 0x00000001 . "
		"0x00000007 . 0x00000008\n\t}\n");
}
END_TEST

START_TEST(test_the_rendering_is_of_what_is_wanted_and_sorted)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();
	cleanup_strbuf struct strbuf out = {0};

	put(rs, "web", "10.0.0.3", NULL, NULL);
	put(rs, "web", "10.0.0.2", NULL, NULL);
	del(rs, "web", "10.0.0.1");
	ruleset_set_drop(rs, "egress");
	chain(rs, "aa", VERDICT_ACCEPT);
	ruleset_chain_drop(rs, "eg_a");
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text,
		"\tset web { type ipv4_addr comment \"role == \"web\"\"\n\t\t10.0.0.2\n\t\t10.0.0.3\n\t}\n"
		"\tchain aa { # why\n\t\taccept\n\t}\n");
}
END_TEST

START_TEST(test_tables_are_rendered_apart)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};

	ruleset_set_in(rs, IN_BRIDGE, "at4", SET_IPV4, NULL);
	ruleset_set_in(rs, IN_BOTH, "web", SET_IPV4, NULL);
	chain(rs, "zz", VERDICT_ACCEPT);
	ruleset_policy_tables(rs, IN_BOTH);
	chain(rs, "eg_a", VERDICT_DROP);
	ruleset_policy_tables(rs, IN_BRIDGE);
	chain(rs, "bridge:forward", VERDICT_ACCEPT);
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text, "\tchain zz { # why\n\t\taccept\n\t}\n"
				   "both tables:\n"
				   "\tset web { type ipv4_addr\n\t}\n"
				   "\tchain eg_a { # why\n\t\tdrop\n\t}\n"
				   "table bridge:\n"
				   "\tset at4 { type ipv4_addr\n\t}\n"
				   "\tchain bridge:forward { # why\n\t\taccept\n\t}\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset_render");
	TCase *tcase = tcase_create("rendering");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_tables_are_rendered_apart);
	tcase_add_loop_test(tcase, test_each_match_is_rendered, 0, (int)COUNT(matches));
	tcase_add_loop_test(tcase, test_each_verdict_is_rendered, 0, (int)COUNT(verdicts));
	tcase_add_test(tcase, test_each_set_type_is_rendered);
	tcase_add_test(tcase, test_the_rendering_is_of_what_is_wanted_and_sorted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
