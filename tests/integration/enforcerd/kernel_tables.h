/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A world in both tables: what the fixture has, a port guard in table bridge, and every match that there is. */
#ifndef BULKHEAD_TESTS_KERNEL_TABLES_H
#define BULKHEAD_TESTS_KERNEL_TABLES_H

#include "kernel_fixture.h"

#define GUARD   "bridge:prerouting"
#define BETWEEN "bridge:forward"

static inline char *bridge_listing(void)
{
	int status = 0;
	char *text = output_of(&status, "nft list table bridge " TABLE " 2>&1");

	ck_assert_msg(status == 0, "nft list: status %d: %s", status, text);
	return text;
}

static inline void expect_bridge(const char *line, bool there)
{
	char *text = bridge_listing();

	expect_in(text, line, there);
	free(text);
}

static inline bool bridge_table_exists(void)
{
	int status = 0;

	free(output_of(&status, "nft list table bridge " TABLE " 2>&1"));
	return status == 0;
}

static inline struct elem_key key_port_ip(const char *port, const char *ip)
{
	struct elem_key key = key_ifname(port);

	key.ip = address(ip);
	return key;
}

static inline struct elem_key key_port_mac(const char *port, uint8_t last)
{
	struct elem_key key = port ? key_ifname(port) : (struct elem_key){0};

	memcpy(key.mac, (uint8_t[]){2, 0x42, 0xac, 0x11, 0, last}, sizeof(key.mac));
	return key;
}

static inline struct match *match_field(struct rule *rule, enum match_kind kind,
	enum header_field field, uint8_t family, const char *set)
{
	struct match *match = rule_match(rule, kind);

	match->field = field;
	match->family = family;
	match->negate = true;
	snprintf(match->set, sizeof(match->set), "%s", set);
	return match;
}

/* What a port may send at all: every match that is made for the bridge table. */
static inline void build_guard(void)
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

static inline void build_bridge(void)
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

/* Every kind of match, verdict, statement and set that the kernel here takes, in either table. */
static inline void build_everything(void)
{
	struct rule_list rules = {0};
	struct rule *rule;

	build_bridge();
	rule = add_rule(&rules, VERDICT_RETURN, "ports");
	match_protocol(rule, IPPROTO_TCP);
	match_numbers(rule, MATCH_CT_PORT, 8000, 8999, false);
	match_numbers(rule, MATCH_CT_PORT, 8080, 8080, true);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_protocol(rule, IPPROTO_ICMP);
	match_numbers(rule, MATCH_CT_ICMP, 8, ICMP_ANY_CODE, false);
	rule = add_rule(&rules, VERDICT_GOTO, "");
	match_block(rule, MATCH_CT_ADDR, "10.1.0.9/23", false);
	match_block(rule, MATCH_CT_ADDR, "10.1.0.3", true);
	snprintf(rule->target, sizeof(rule->target), "eg_db");
	match_block(add_rule(&rules, VERDICT_RETURN, ""), MATCH_CT_ADDR, "::/0", false);
	match_named(
		add_rule(&rules, VERDICT_RETURN, ""), MATCH_CT_ADDR_SET, SIDE_DST, 4, "net_lan_4");
	match_named(
		add_rule(&rules, VERDICT_RETURN, ""), MATCH_CT_ADDR_SET, SIDE_DST, 6, "net_lan_6");
	rule = add_rule(&rules, VERDICT_DROP, "logged \"so\"");
	rule->log = rule->log_original = true;
	snprintf(rule->log_prefix, sizeof(rule->log_prefix), "deny \"x\"");
	ruleset_chain_in(rs, IN_INET, "eg_all", NULL, &rules);
	ruleset_set_in(rs, IN_INET, "net_lan_4", SET_CIDR4, NULL);
	put("net_lan_4", key_range("0.0.0.0", "1.2.3.4"), NULL, NULL);
	put("net_lan_4", key_range("10.0.0.0", "10.0.0.255"), NULL, NULL);
	put("net_lan_4", key_range("10.0.1.0", "10.0.1.7"), NULL, "adjacent");
	put("net_lan_4", key_range("192.168.0.0", "255.255.255.255"), NULL, NULL);
	ruleset_set_in(rs, IN_INET, "net_lan_6", SET_CIDR6, NULL);
	put("net_lan_6", key_range("fd00::", "fd00::ffff"), NULL, NULL);
	ruleset_set_in(rs, IN_BOTH, "sel_both", SET_IPV4, NULL);
	put("sel_both", key_ip("10.77.1.2"), NULL, "a \"quoted\" name");
	put("sel_both", key_ip("10.77.1.3"), NULL, NULL);
}

#endif
