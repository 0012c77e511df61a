/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_expr.h"

#include <check.h>
#include <libnftnl/common.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

static const struct nft_table inet = {"t", NFPROTO_INET}, bridge = {"t", NFPROTO_BRIDGE};
static const struct rule_place in_inet = {.table = &inet, .chain = "c", .nflog_group = 64};
static const struct rule_place in_bridge = {.table = &bridge, .chain = "c", .nflog_group = 64};

/* libnftnl's own words for the expressions of a rule. */
static void expect_rule_at(const struct rule *rule, const struct rule_place *place,
	enum rule_part part, uint8_t family, const char *const *wanted, size_t count)
{
	struct nftnl_rule *built = kernel_rule(rule, part, family, place);
	char text[4096];
	const char *at = text;

	ck_assert_int_gt(
		nftnl_rule_snprintf(text, sizeof(text), built, NFTNL_OUTPUT_DEFAULT, 0), 0);
	for (size_t i = 0; i < count; i++) {
		const char *found = strstr(at, wanted[i]);

		ck_assert_msg(found != NULL, "no \"%s\" (%zu) in order in: %s", wanted[i], i, text);
		at = found + strlen(wanted[i]);
	}
	ck_assert_msg(strstr(at, "[ ") == NULL, "more than wanted: %s", at);
	nftnl_rule_free(built);
}

static void expect_rule(const struct rule *rule, enum rule_part part, uint8_t family,
	const char *const *wanted, size_t count)
{
	expect_rule_at(rule, &in_inet, part, family, wanted, count);
}

static struct cidr block(const char *text)
{
	struct cidr cidr;
	struct err err = {0};

	ck_assert_msg(cidr_parse(text, &cidr, &err) == 0, "%s", err.text);
	return cidr;
}

enum { LINES_MAX = 8 };

struct match_case {
	struct match match;
	const char *cidr;
	const char *lines[LINES_MAX];
};

static const struct match_case match_cases[] = {
	{{.kind = MATCH_CT_STATE, .value = CT_ESTABLISHED | CT_RELATED}, NULL,
		{"[ ct load state => reg 1 ]",
			"[ bitwise reg 1 = ( reg 1 & 0x00000006 ) ^ 0x00000000 ]",
			"[ cmp neq reg 1 0x00000000 ]"}},
	{{.kind = MATCH_CT_STATE, .value = CT_INVALID, .negate = true}, NULL,
		{"[ ct load state => reg 1 ]", "[ bitwise", "[ cmp eq reg 1 0x00000000 ]"}},
	{{.kind = MATCH_CT_ORIGINAL}, NULL,
		{"[ ct load direction => reg 1 ]", "[ cmp eq reg 1 0x00000000 ]"}},
	{{.kind = MATCH_CT_PROTOCOL, .value = 6, .negate = true}, NULL,
		{"[ ct load protocol => reg 1 , dir original ]", "[ cmp neq reg 1 0x00000006 ]"}},
	{{.kind = MATCH_CT_ADDR, .side = SIDE_SRC}, "10.1.2.3",
		{"[ ct load src_ip => reg 1 , dir original ]", "[ cmp eq reg 1 0x0302010a ]"}},
	{{.kind = MATCH_CT_ADDR, .side = SIDE_DST}, "10.1.2.3/17",
		{"[ ct load src_ip => reg 1 , dir reply ]",
			"[ bitwise reg 1 = ( reg 1 & 0x0080ffff ) ^ 0x00000000 ]",
			"[ cmp eq reg 1 0x0000010a ]"}},
	{{.kind = MATCH_CT_ADDR, .negate = true}, "0.0.0.0/0",
		{"[ ct load src_ip => reg 1 , dir original ]",
			"[ bitwise reg 1 = ( reg 1 & 0x00000000 ) ^ 0x00000000 ]",
			"[ cmp neq reg 1 0x00000000 ]"}},
	{{.kind = MATCH_CT_ADDR}, "fd00::1",
		{"[ ct load src_ip6 => reg 1 , dir original ]",
			"[ cmp eq reg 1 0x000000fd 0x00000000 0x00000000 0x01000000 ]"}},
	{{.kind = MATCH_CT_ADDR_SET, .side = SIDE_DST, .family = 6, .set = "s6", .negate = true},
		NULL, {"[ ct load src_ip6 => reg 1 , dir reply ]", "[ lookup reg 1 set s6 0x1 ]"}},
	{{.kind = MATCH_CT_PORT, .side = SIDE_DST, .first = 80, .last = 80}, NULL,
		{"[ ct load proto_src => reg 1 , dir reply ]", "[ cmp eq reg 1 0x00005000 ]"}},
	{{.kind = MATCH_CT_PORT, .side = SIDE_SRC, .first = 0, .last = 65535, .negate = true}, NULL,
		{"[ ct load proto_src => reg 1 , dir original ]",
			"[ range neq reg 1 0x00000000 0x0000ffff ]"}},
	{{.kind = MATCH_CT_PORT_SET, .side = SIDE_DST, .set = "p"}, NULL,
		{"[ ct load proto_src => reg 1 , dir reply ]", "[ lookup reg 1 set p ]"}},
	{{.kind = MATCH_CT_ICMP, .first = 8, .last = ICMP_ANY_CODE}, NULL,
		{"[ ct load proto_dst => reg 1 , dir original ]",
			"[ bitwise reg 1 = ( reg 1 & 0x000000ff ) ^ 0x00000000 ]",
			"[ cmp eq reg 1 0x00000008 ]"}},
	{{.kind = MATCH_CT_ICMP, .first = 3, .last = 4}, NULL,
		{"[ ct load proto_dst => reg 1 , dir original ]", "[ cmp eq reg 1 0x00000403 ]"}},
	{{.kind = MATCH_NFPROTO, .family = 6}, NULL,
		{"[ meta load nfproto => reg 1 ]", "[ cmp eq reg 1 0x0000000a ]"}},
	{{.kind = MATCH_NFPROTO, .family = 4, .negate = true}, NULL,
		{"[ meta load nfproto => reg 1 ]", "[ cmp neq reg 1 0x00000002 ]"}},
	{{.kind = MATCH_HDR_ADDR, .side = SIDE_DST}, "10.0.0.0/8",
		{"[ meta load nfproto => reg 1 ]", "[ cmp eq reg 1 0x00000002 ]",
			"[ payload load 4b @ network header + 16 => reg 1 ]",
			"[ bitwise reg 1 = ( reg 1 & 0x000000ff ) ^ 0x00000000 ]",
			"[ cmp eq reg 1 0x0000000a ]"}},
	{{.kind = MATCH_HDR_ADDR_SET, .side = SIDE_SRC, .family = 6, .set = "s"}, NULL,
		{"[ meta load nfproto => reg 1 ]", "[ cmp eq reg 1 0x0000000a ]",
			"[ payload load 16b @ network header + 8 => reg 1 ]",
			"[ lookup reg 1 set s ]"}},
	{{.kind = MATCH_IIF_SET, .set = "i"}, NULL,
		{"[ meta load iifname => reg 1 ]", "[ lookup reg 1 set i ]"}},
	{{.kind = MATCH_OIF_SET, .set = "o", .negate = true}, NULL,
		{"[ meta load oifname => reg 1 ]", "[ lookup reg 1 set o 0x1 ]"}},
	{{.kind = MATCH_OIF, .set = "br0"}, NULL,
		{"[ meta load oifname => reg 1 ]",
			"[ cmp eq reg 1 0x00307262 0x00000000 0x00000000 0x00000000 ]"}},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 130, .last = 136}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp eq reg 1 0x0000003a ]",
			"[ payload load 1b @ transport header + 0 => reg 1 ]",
			"[ range eq reg 1 0x00000082 0x00000088 ]"}},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 143, .last = 143}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp eq reg 1 0x0000003a ]",
			"[ payload load 1b @ transport header + 0 => reg 1 ]",
			"[ cmp eq reg 1 0x0000008f ]"}},
	{{.kind = MATCH_TCP_NOT_SYN}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp eq reg 1 0x00000006 ]",
			"[ payload load 1b @ transport header + 13 => reg 1 ]",
			"[ bitwise reg 1 = ( reg 1 & 0x00000017 ) ^ 0x00000000 ]",
			"[ cmp neq reg 1 0x00000002 ]"}},
	{{.kind = MATCH_CT_MARK, .value = 0xabcd0001, .mask = 0xffff0000}, NULL,
		{"[ ct load mark => reg 1 ]",
			"[ bitwise reg 1 = ( reg 1 & 0xffff0000 ) ^ 0x00000000 ]",
			"[ cmp eq reg 1 0xabcd0000 ]"}},
	{{.kind = MATCH_CT_MARK, .mask = 0xf, .negate = true}, NULL,
		{"[ ct load mark => reg 1 ]", "[ bitwise", "[ cmp neq reg 1 0x00000000 ]"}},
	{{.kind = MATCH_IIF, .set = "br0", .negate = true}, NULL,
		{"[ meta load iifname => reg 1 ]", "[ cmp neq reg 1 0x00307262"}},
	{{.kind = MATCH_IBR_SET, .set = "i"}, NULL,
		{"[ meta load bri_iifname => reg 1 ]", "[ lookup reg 1 set i ]"}},
	{{.kind = MATCH_IIF_KIND, .set = "bridge"}, NULL,
		{"[ meta load iifkind => reg 1 ]", "[ cmp eq reg 1 0x64697262 0x00006567"}},
	{{.kind = MATCH_L4PROTO, .value = 17}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp eq reg 1 0x00000011 ]"}},
	{{.kind = MATCH_L4PROTO, .value = 17, .negate = true}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp neq reg 1 0x00000011 ]"}},
	{{.kind = MATCH_HDR_PORT, .first = 67, .last = 67}, NULL,
		{"[ payload load 2b @ transport header + 0 => reg 1 ]",
			"[ cmp eq reg 1 0x00004300 ]"}},
	{{.kind = MATCH_HDR_PORT, .side = SIDE_DST, .first = 67, .last = 68, .negate = true}, NULL,
		{"[ payload load 2b @ transport header + 2 => reg 1 ]",
			"[ range neq reg 1 0x00004300 0x00004400 ]"}},
	{{.kind = MATCH_PORT_SET, .family = 4, .set = "at"}, NULL,
		{"[ meta load nfproto => reg 1 ]", "[ cmp eq reg 1 0x00000002 ]",
			"[ meta load iifname => reg 1 ]",
			"[ payload load 4b @ network header + 12 => reg 2 ]",
			"[ lookup reg 1 set at ]"}},
};

/* In a table of the bridge family. */
static const struct match_case bridge_cases[] = {
	{{.kind = MATCH_NFPROTO, .family = 6}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x0000dd86 ]"}},
	{{.kind = MATCH_NFPROTO, .family = 4, .negate = true}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp neq reg 1 0x00000008 ]"}},
	{{.kind = MATCH_HDR_ADDR}, "10.0.0.1",
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x00000008 ]",
			"[ payload load 4b @ network header + 12 => reg 1 ]", "[ cmp eq reg 1"}},
	{{.kind = MATCH_ETHER_TYPE, .value = 0x8100, .negate = true}, NULL,
		{"[ payload load 2b @ link header + 12 => reg 1 ]",
			"[ cmp neq reg 1 0x00000081 ]"}},
	{{.kind = MATCH_ETHER_MULTICAST}, NULL,
		{"[ payload load 6b @ link header + 0 => reg 1 ]",
			"[ bitwise reg 1 = ( reg 1 & 0x00000001 0x00000000 ) ^ 0x00000000 "
			"0x00000000 ]",
			"[ cmp eq reg 1 0x00000001 0x00000000 ]"}},
	{{.kind = MATCH_FIELD_SET, .family = 6, .side = SIDE_DST, .set = "s"}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x0000dd86 ]",
			"[ payload load 16b @ network header + 24 => reg 1 ]",
			"[ lookup reg 1 set s ]"}},
	{{.kind = MATCH_FIELD_SET, .field = FIELD_ETHER_SADDR, .set = "s", .negate = true}, NULL,
		{"[ payload load 6b @ link header + 6 => reg 1 ]", "[ lookup reg 1 set s 0x1 ]"}},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ETHER_SADDR, .set = "s"}, NULL,
		{"[ meta load iifname => reg 1 ]", "[ payload load 6b @ link header + 6 => reg 2 ]",
			"[ lookup reg 1 set s ]"}},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SHA, .set = "s"}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x00000608 ]",
			"[ meta load iifname => reg 1 ]",
			"[ payload load 6b @ network header + 8 => reg 2 ]",
			"[ lookup reg 1 set s ]"}},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SPA, .set = "s", .negate = true}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x00000608 ]",
			"[ meta load iifname => reg 1 ]",
			"[ payload load 4b @ network header + 14 => reg 2 ]",
			"[ lookup reg 1 set s 0x1 ]"}},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ND_TARGET, .set = "s"}, NULL,
		{"[ meta load l4proto => reg 1 ]", "[ cmp eq reg 1 0x0000003a ]",
			"[ meta load iifname => reg 1 ]",
			"[ payload load 16b @ transport header + 8 => reg 2 ]",
			"[ lookup reg 1 set s ]"}},
	{{.kind = MATCH_PORT_SET, .family = 6, .side = SIDE_DST, .set = "s"}, NULL,
		{"[ meta load protocol => reg 1 ]", "[ cmp eq reg 1 0x0000dd86 ]",
			"[ meta load oifname => reg 1 ]",
			"[ payload load 16b @ network header + 24 => reg 2 ]",
			"[ lookup reg 1 set s ]"}},
};

enum { BRIDGE_CASES = sizeof(bridge_cases) / sizeof(*bridge_cases) };

enum { MATCH_CASES = sizeof(match_cases) / sizeof(*match_cases) };

static void expect_match(const struct match_case *c, const struct rule_place *place)
{
	struct match match = c->match;
	struct rule rule = {.matches = &match, .match_count = 1, .verdict = VERDICT_CONTINUE};
	size_t count = 0;

	if (c->cidr)
		match.cidr = block(c->cidr);
	while (count < LINES_MAX && c->lines[count])
		count++;
	expect_rule_at(&rule, place, RULE_VERDICT, 0, c->lines, count);
}

START_TEST(test_match)
{
	expect_match(&match_cases[_i], &in_inet);
}
END_TEST

START_TEST(test_match_in_bridge)
{
	expect_match(&bridge_cases[_i], &in_bridge);
}
END_TEST

/* What one match has said of the packet, the next does not say again. */
START_TEST(test_dependencies_once)
{
	static const char *const lines[] = {"[ meta load nfproto => reg 1 ]", "[ cmp eq",
		"[ payload load 4b @ network header + 12 => reg 1 ]", "[ lookup reg 1 set a ]",
		"[ payload load 4b @ network header + 16 => reg 1 ]", "[ lookup reg 1 set b ]",
		"[ immediate reg 0 drop ]"};
	struct match matches[] = {
		{.kind = MATCH_HDR_ADDR_SET, .family = 4, .side = SIDE_SRC, .set = "a"},
		{.kind = MATCH_HDR_ADDR_SET, .family = 4, .side = SIDE_DST, .set = "b"}};
	struct rule rule = {.matches = matches, .match_count = 2, .verdict = VERDICT_DROP};

	expect_rule(&rule, RULE_VERDICT, 0, lines, 7);
}
END_TEST

static const struct {
	enum verdict_kind kind;
	enum flow_side side;
	uint8_t family;
	const char *lines[2];
} verdict_cases[] = {
	{VERDICT_ACCEPT, SIDE_SRC, 0, {"[ immediate reg 0 accept ]"}},
	{VERDICT_DROP, SIDE_SRC, 0, {"[ immediate reg 0 drop ]"}},
	{VERDICT_RETURN, SIDE_SRC, 0, {"[ immediate reg 0 return ]"}},
	{VERDICT_JUMP, SIDE_SRC, 0, {"[ immediate reg 0 jump -> x ]"}},
	{VERDICT_GOTO, SIDE_SRC, 0, {"[ immediate reg 0 goto -> x ]"}},
	{VERDICT_MAP_CT, SIDE_SRC, 4,
		{"[ ct load src_ip => reg 1 , dir original ]", "[ lookup reg 1 set x dreg 0 ]"}},
	{VERDICT_MAP_CT, SIDE_DST, 6,
		{"[ ct load src_ip6 => reg 1 , dir reply ]", "[ lookup reg 1 set x dreg 0 ]"}},
	{VERDICT_MAP_IIF, SIDE_SRC, 0,
		{"[ meta load iifname => reg 1 ]", "[ lookup reg 1 set x dreg 0 ]"}},
	{VERDICT_MAP_OIF, SIDE_SRC, 0,
		{"[ meta load oifname => reg 1 ]", "[ lookup reg 1 set x dreg 0 ]"}},
	{VERDICT_MAP_IBR, SIDE_SRC, 0,
		{"[ meta load bri_iifname => reg 1 ]", "[ lookup reg 1 set x dreg 0 ]"}},
	{VERDICT_MAP_OBR, SIDE_SRC, 0,
		{"[ meta load bri_oifname => reg 1 ]", "[ lookup reg 1 set x dreg 0 ]"}},
};

START_TEST(test_verdict)
{
	struct rule rule = {.verdict = verdict_cases[_i].kind,
		.map_side = verdict_cases[_i].side,
		.map_family = verdict_cases[_i].family,
		.target = "x"};

	expect_rule(&rule, RULE_VERDICT, 0, verdict_cases[_i].lines,
		verdict_cases[_i].lines[1] ? 2 : 1);
}
END_TEST

/* The limit stands before the log, and neither before counter and verdict. */
START_TEST(test_log_is_a_rule_of_its_own)
{
	static const char *const log[] = {"[ ct load direction => reg 1 ]", "[ cmp eq",
		"[ limit rate 10/second burst 20 type packets flags 0x0 ]",
		"[ log prefix deny 'x' group 64 snaplen 128 qthreshold 0 ]"};
	static const char *const verdict[] = {"[ ct load direction => reg 1 ]", "[ cmp eq",
		"[ objref type 1 name n ]", "[ immediate reg 0 drop ]"};
	struct match match = {.kind = MATCH_CT_ORIGINAL};
	struct rule rule = {.matches = &match,
		.match_count = 1,
		.log = true,
		.log_prefix = "deny \"x\"",
		.counter = "n",
		.verdict = VERDICT_DROP};

	expect_rule(&rule, RULE_LOG, 0, log, 4);
	expect_rule(&rule, RULE_VERDICT, 0, verdict, 4);
}
END_TEST

/* Only what goes the flow's own way is logged, the answers are dropped without. */
START_TEST(test_log_of_original_direction)
{
	static const char *const log[] = {"[ ct load direction => reg 1 ]",
		"[ cmp eq reg 1 0x00000000 ]", "[ limit rate", "[ log prefix p group"};
	static const char *const verdict[] = {"[ immediate reg 0 drop ]"};
	struct rule rule = {
		.log = true, .log_original = true, .log_prefix = "p", .verdict = VERDICT_DROP};

	expect_rule(&rule, RULE_LOG, 0, log, 4);
	expect_rule(&rule, RULE_VERDICT, 0, verdict, 1);
}
END_TEST

START_TEST(test_mark)
{
	static const char *const lines[] = {"[ objref type 1 name n ]", "[ ct load mark => reg 1 ]",
		"[ bitwise reg 1 = ( reg 1 & 0x0000ffff ) ^ 0xabcd0000 ]",
		"[ ct set mark with reg 1 ]", "[ immediate reg 0 accept ]"};
	struct rule rule = {.mark = 0xabcd1234,
		.mark_mask = 0xffff0000,
		.counter = "n",
		.verdict = VERDICT_ACCEPT};

	expect_rule(&rule, RULE_VERDICT, 0, lines, 5);
}
END_TEST

static const struct {
	struct match matches[2];
	size_t count;
	uint8_t families[2];
} family_cases[] = {
	{{{.kind = MATCH_CT_PORT}}, 2, {4, 6}},
	{{{.kind = MATCH_CT_PROTOCOL, .value = 17}, {.kind = MATCH_CT_PORT}}, 2, {4, 6}},
	{{{.kind = MATCH_CT_PORT}, {.kind = MATCH_CT_ADDR_SET, .family = 6}}, 1, {6}},
	{{{.kind = MATCH_NFPROTO, .family = 4}, {.kind = MATCH_CT_PORT}}, 1, {4}},
	{{{.kind = MATCH_NFPROTO, .family = 4, .negate = true}, {.kind = MATCH_CT_PORT}}, 2,
		{4, 6}},
	{{{.kind = MATCH_CT_PROTOCOL, .value = 1}, {.kind = MATCH_CT_ICMP}}, 1, {4}},
	{{{.kind = MATCH_CT_PROTOCOL, .value = 58}, {.kind = MATCH_CT_ICMP}}, 1, {6}},
	{{{.kind = MATCH_CT_PROTOCOL, .value = 1, .negate = true}, {.kind = MATCH_CT_ICMP}}, 2,
		{4, 6}},
	/* nothing that nft would show as a number */
	{{{.kind = MATCH_CT_PORT_SET}, {.kind = MATCH_CT_ADDR_SET, .family = 6}}, 1, {0}},
	{{{.kind = MATCH_CT_PROTOCOL, .value = 1}}, 1, {0}},
};

START_TEST(test_families)
{
	struct match matches[2];
	struct rule rule = {.matches = matches, .match_count = 2};
	uint8_t families[2] = {9, 9};

	memcpy(matches, family_cases[_i].matches, sizeof(matches));
	/* a zeroed match is MATCH_CT_STATE */
	ck_assert_uint_eq(kernel_rule_families(&rule, families), family_cases[_i].count);
	ck_assert_uint_eq(families[0], family_cases[_i].families[0]);
	if (family_cases[_i].count == 2)
		ck_assert_uint_eq(families[1], family_cases[_i].families[1]);
}
END_TEST

static void expect_comment(const struct rule *rule, uint8_t family, const char *wanted)
{
	struct nftnl_rule *built = kernel_rule(rule, RULE_VERDICT, family, &in_inet);
	uint32_t len = 0;
	const uint8_t *notes = nftnl_rule_get_data(built, NFTNL_RULE_USERDATA, &len);

	if (!wanted) {
		ck_assert_ptr_null(notes);
	} else {
		ck_assert_ptr_nonnull(notes);
		ck_assert_uint_eq(notes[0], NFTNL_UDATA_RULE_COMMENT);
		ck_assert_uint_eq(notes[1], strlen(wanted) + 1);
		ck_assert_str_eq((const char *)notes + 2, wanted);
	}
	nftnl_rule_free(built);
}

START_TEST(test_comments)
{
	struct match match = {.kind = MATCH_CT_PORT, .first = 1, .last = 2};
	struct rule rule = {.matches = &match, .match_count = 1};
	char longest[RULE_COMMENT_MAX + 8] = {0};

	expect_comment(&rule, 0, NULL);
	expect_comment(&rule, 4, "IPv4");
	snprintf(rule.comment, sizeof(rule.comment), "policy \"a\" egress[0]");
	expect_comment(&rule, 0, "policy 'a' egress[0]");
	expect_comment(&rule, 6, "policy 'a' egress[0], IPv6");
	memset(rule.comment, 'x', sizeof(rule.comment) - 1);
	memset(longest, 'x', sizeof(rule.comment) - 1);
	expect_comment(&rule, 0, longest);
	memcpy(longest + sizeof(rule.comment) - 1, ", IPv6", sizeof(", IPv6"));
	expect_comment(&rule, 6, longest);
	ck_assert_uint_le(strlen(longest), NFTNL_UDATA_COMMENT_MAXLEN);
}
END_TEST

static const struct {
	const char *in;
	size_t size;
	const char *out;
} text_cases[] = {
	{"", 8, ""},
	{"role == \"db\"", 32, "role == 'db'"},
	{"a\nb\tc\x7f", 8, "a?b?c?"},
	{"abcdef", 4, "abc"},
	{"ab\xc3\xa4", 5, "ab\xc3\xa4"},
	{"ab\xc3\xa4", 4, "ab"},
	{"a\xe2\x82\xac\x62", 4, "a"},
	{"x", 1, ""},
};

START_TEST(test_text)
{
	char out[64];

	ck_assert_str_eq(
		kernel_text(out, text_cases[_i].size, text_cases[_i].in), text_cases[_i].out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_expr");
	TCase *tests = tcase_create("kernel_expr");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tests, test_match, 0, MATCH_CASES);
	tcase_add_loop_test(tests, test_match_in_bridge, 0, BRIDGE_CASES);
	tcase_add_test(tests, test_log_of_original_direction);
	tcase_add_test(tests, test_mark);
	tcase_add_test(tests, test_dependencies_once);
	tcase_add_loop_test(tests, test_verdict, 0, sizeof(verdict_cases) / sizeof(*verdict_cases));
	tcase_add_test(tests, test_log_is_a_rule_of_its_own);
	tcase_add_loop_test(tests, test_families, 0, sizeof(family_cases) / sizeof(*family_cases));
	tcase_add_test(tests, test_comments);
	tcase_add_loop_test(tests, test_text, 0, sizeof(text_cases) / sizeof(*text_cases));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
