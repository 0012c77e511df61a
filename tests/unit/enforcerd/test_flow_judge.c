/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_judge.h"

#include "enforcerd/skeleton.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct ruleset *rs;
static struct err err;

/* --- a small world ----------------------------------------------------------------------------- */

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_msg(ip_parse(text, &ip, &err) == 0, "%s", err.text);
	return ip;
}

static void put(const char *set, const char *ip, const char *chain)
{
	const struct elem_key key = {.ip = address(ip)};

	ruleset_put(rs, set, &key, chain, NULL);
}

static struct rule *add(struct rule_list *rules, enum verdict_kind verdict)
{
	struct rule *rule = rule_append(rules);

	rule->verdict = verdict;
	if (verdict == VERDICT_GOTO)
		strcpy(rule->target, CHAIN_DENIED);
	return rule;
}

static struct match *match(struct rule *rule, enum match_kind kind, enum flow_side side)
{
	struct match *added = rule_match(rule, kind);

	added->side = side;
	return added;
}

static void match_set(struct rule *rule, enum flow_side side, uint8_t family, const char *set)
{
	struct match *added = match(rule, MATCH_CT_ADDR_SET, side);

	added->family = family;
	strcpy(added->set, set);
}

static void match_protocol(struct rule *rule, uint8_t protocol)
{
	rule_match(rule, MATCH_CT_PROTOCOL)->value = protocol;
}

static void match_ports(struct rule *rule, uint16_t first, uint16_t last)
{
	struct match *added = match(rule, MATCH_CT_PORT, SIDE_DST);

	added->first = first;
	added->last = last;
}

static void match_icmp(struct rule *rule, uint16_t type, uint16_t code)
{
	struct match *added = rule_match(rule, MATCH_CT_ICMP);

	added->first = type;
	added->last = code;
}

/* tcp 3306 and 8000-8010 from the frontends, in a denied range of which is 8005; echo requests; udp to the named ports from a
 * block; from the frontends' IPv6 anything but tcp 22. */
static void build_database(void)
{
	struct rule_list rules = {0};
	struct rule *rule = add(&rules, VERDICT_CONTINUE);

	rule->log = true;
	rule = add(&rules, VERDICT_GOTO);
	match_protocol(rule, IPPROTO_TCP);
	match_ports(rule, 8005, 8005);
	rule = add(&rules, VERDICT_RETURN);
	match_protocol(rule, IPPROTO_TCP);
	match_set(rule, SIDE_SRC, 4, "sel_front_4");
	match_ports(rule, 3306, 3306);
	rule = add(&rules, VERDICT_RETURN);
	match_protocol(rule, IPPROTO_TCP);
	match_set(rule, SIDE_SRC, 4, "sel_front_4");
	match_ports(rule, 8000, 8010);
	rule = add(&rules, VERDICT_RETURN);
	match_protocol(rule, IPPROTO_ICMP);
	match_icmp(rule, 8, ICMP_ANY_CODE);
	rule = add(&rules, VERDICT_RETURN);
	match_protocol(rule, IPPROTO_UDP);
	match_set(rule, SIDE_SRC, 4, "net_1_4");
	strcpy(match(rule, MATCH_CT_PORT_SET, SIDE_DST)->set, "port_dns");
	rule = add(&rules, VERDICT_RETURN);
	rule_match(rule, MATCH_NFPROTO)->family = 6;
	match_set(rule, SIDE_SRC, 6, "sel_front_6");
	match_ports(rule, 22, 22);
	rule->matches[rule->match_count - 1].negate = true;
	add(&rules, VERDICT_GOTO);
	ruleset_chain(rs, "in_db", NULL, &rules);
}

/* Everything but the shared bookkeeping host. */
static void build_front(void)
{
	struct rule_list rules = {0};
	struct rule *rule = add(&rules, VERDICT_RETURN);
	struct match *block = match(rule, MATCH_CT_ADDR, SIDE_DST);

	ck_assert_int_eq(cidr_parse("172.18.9.0/24", &block->cidr, &err), 0);
	block->negate = true;
	rule = add(&rules, VERDICT_RETURN);
	rule_match(rule, MATCH_NFPROTO)->family = 6;
	add(&rules, VERDICT_GOTO);
	ruleset_chain(rs, "eg_front", NULL, &rules);
}

static void build_closed(const char *name)
{
	struct rule_list rules = {0};

	add(&rules, VERDICT_GOTO);
	ruleset_chain(rs, name, NULL, &rules);
}

static void set_denied(bool drop)
{
	struct rule_list rules = {0};

	if (drop)
		add(&rules, VERDICT_DROP);
	ruleset_chain(rs, CHAIN_DENIED, NULL, &rules);
}

static void declare(void)
{
	static const struct {
		const char *name;
		enum set_type type;
	} sets[] = {{MAP_EGRESS4, MAP_IPV4}, {MAP_EGRESS6, MAP_IPV6}, {MAP_INGRESS4, MAP_IPV4},
		{MAP_INGRESS6, MAP_IPV6}, {MAP_STRICT_IN, MAP_IFNAME}, {MAP_STRICT_OUT, MAP_IFNAME},
		{"sel_front_4", SET_IPV4}, {"sel_front_6", SET_IPV6}, {"net_1_4", SET_CIDR4},
		{"port_dns", SET_PORT}, {"known4", SET_IPV4}, {"known6", SET_IPV6}};

	for (size_t i = 0; i < COUNT(sets); i++)
		ruleset_set(rs, sets[i].name, sets[i].type, NULL);
}

/* .2 frontend, .3 database, both isolated, .9 a bystander. */
static void setup(void)
{
	const struct elem_key block = {
		.ip = address("198.51.100.16"), .last = address("198.51.100.31")};
	const struct elem_key dns = {.port = 53};

	rs = ruleset_new();
	declare();
	set_denied(true);
	build_database();
	build_front();
	build_closed("in_front");
	build_closed("eg_db");
	put("sel_front_4", "172.18.0.2", NULL);
	put("sel_front_6", "fd18::2", NULL);
	ruleset_put(rs, "net_1_4", &block, NULL, NULL);
	ruleset_put(rs, "port_dns", &dns, NULL, NULL);
	put(MAP_EGRESS4, "172.18.0.2", "eg_front");
	put(MAP_INGRESS4, "172.18.0.2", "in_front");
	put(MAP_EGRESS4, "172.18.0.3", "eg_db");
	put(MAP_INGRESS4, "172.18.0.3", "in_db");
	put(MAP_EGRESS6, "fd18::2", "eg_front");
	put(MAP_INGRESS6, "fd18::2", "in_front");
	put(MAP_EGRESS6, "fd18::3", "eg_db");
	put(MAP_INGRESS6, "fd18::3", "in_db");
}

static void teardown(void)
{
	ruleset_free(rs);
}

static struct flow flow(
	uint8_t protocol, const char *from, uint16_t from_port, const char *to, uint16_t to_port)
{
	return (struct flow){.protocol = protocol,
		.original = {address(from), address(to), from_port, to_port},
		.reply = {address(to), address(from), to_port, from_port}};
}

/* --- by the table ------------------------------------------------------------------------------ */

static const struct {
	const char *what;
	uint8_t protocol;
	const char *from;
	uint16_t from_port;
	const char *to;
	uint16_t to_port;
	enum flow_verdict as_recorded, reversed;
} cases[] = {
	{"allowed", IPPROTO_TCP, "172.18.0.2", 40000, "172.18.0.3", 3306, FLOW_ALLOWED,
		FLOW_DENIED},
	{"picked up from the answering side", IPPROTO_TCP, "172.18.0.3", 3306, "172.18.0.2", 40000,
		FLOW_DENIED, FLOW_ALLOWED},
	{"another port", IPPROTO_TCP, "172.18.0.2", 40000, "172.18.0.3", 3307, FLOW_DENIED,
		FLOW_DENIED},
	{"another protocol", IPPROTO_UDP, "172.18.0.2", 40000, "172.18.0.3", 3306, FLOW_DENIED,
		FLOW_DENIED},
	{"first of a range", IPPROTO_TCP, "172.18.0.2", 1, "172.18.0.3", 8000, FLOW_ALLOWED,
		FLOW_DENIED},
	{"last of a range", IPPROTO_TCP, "172.18.0.2", 1, "172.18.0.3", 8010, FLOW_ALLOWED,
		FLOW_DENIED},
	{"behind a range", IPPROTO_TCP, "172.18.0.2", 1, "172.18.0.3", 8011, FLOW_DENIED,
		FLOW_DENIED},
	{"an earlier denial within a range", IPPROTO_TCP, "172.18.0.2", 1, "172.18.0.3", 8005,
		FLOW_DENIED, FLOW_DENIED},
	{"not selected", IPPROTO_TCP, "172.18.0.9", 1, "172.18.0.3", 3306, FLOW_DENIED,
		FLOW_DENIED},
	{"egress denies", IPPROTO_TCP, "172.18.0.2", 1, "172.18.9.3", 80, FLOW_DENIED, FLOW_DENIED},
	{"egress allows, target not isolated", IPPROTO_TCP, "172.18.0.2", 1, "172.18.0.9", 80,
		FLOW_ALLOWED, FLOW_DENIED},
	{"neither is isolated", IPPROTO_TCP, "172.18.0.9", 1, "203.0.113.1", 80, FLOW_UNJUDGED,
		FLOW_UNJUDGED},
	{"an echo request", IPPROTO_ICMP, "172.18.0.9", 77, "172.18.0.3", 8 << 8, FLOW_ALLOWED,
		FLOW_DENIED},
	{"another ICMP type", IPPROTO_ICMP, "172.18.0.9", 77, "172.18.0.3", 13 << 8, FLOW_DENIED,
		FLOW_DENIED},
	{"first of a block, port of a set", IPPROTO_UDP, "198.51.100.16", 5, "172.18.0.3", 53,
		FLOW_ALLOWED, FLOW_DENIED},
	{"last of a block", IPPROTO_UDP, "198.51.100.31", 5, "172.18.0.3", 53, FLOW_ALLOWED,
		FLOW_DENIED},
	{"before a block", IPPROTO_UDP, "198.51.100.15", 5, "172.18.0.3", 53, FLOW_DENIED,
		FLOW_DENIED},
	{"behind a block", IPPROTO_UDP, "198.51.100.32", 5, "172.18.0.3", 53, FLOW_DENIED,
		FLOW_DENIED},
	{"a block, but not a port of the set", IPPROTO_UDP, "198.51.100.16", 5, "172.18.0.3", 54,
		FLOW_DENIED, FLOW_DENIED},
	{"IPv6", IPPROTO_TCP, "fd18::2", 1, "fd18::3", 80, FLOW_ALLOWED, FLOW_DENIED},
	{"IPv6, the excluded port", IPPROTO_TCP, "fd18::2", 1, "fd18::3", 22, FLOW_DENIED,
		FLOW_DENIED},
	{"IPv6, not selected", IPPROTO_TCP, "fd18::9", 1, "fd18::3", 80, FLOW_DENIED, FLOW_DENIED},
};

START_TEST(test_flows)
{
	struct flow f = flow(cases[_i].protocol, cases[_i].from, cases[_i].from_port, cases[_i].to,
		cases[_i].to_port);

	ck_assert_msg(flow_judge(rs, &f, false) == cases[_i].as_recorded, "%s", cases[_i].what);
	ck_assert_msg(
		flow_judge(rs, &f, true) == cases[_i].reversed, "%s, reversed", cases[_i].what);
}
END_TEST

/* A published port: judged by the container's own address and port, and the real client. */
START_TEST(test_translated)
{
	struct flow f = flow(IPPROTO_TCP, "172.18.0.2", 40000, "203.0.113.9", 13306);

	f.reply.src = address("172.18.0.3");
	f.reply.src_port = 3306;
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_ALLOWED);
	f.reply.src_port = 3307;
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_DENIED);
	/* masquerading of the source does not matter */
	f.reply.src_port = 3306;
	f.reply.dst = address("203.0.113.9");
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_ALLOWED);
}
END_TEST

START_TEST(test_audit_denies_nothing)
{
	struct flow f = flow(IPPROTO_TCP, "172.18.0.9", 1, "172.18.0.3", 3306);

	set_denied(false);
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_ALLOWED);
	f = flow(IPPROTO_TCP, "172.18.0.9", 1, "203.0.113.1", 80);
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_UNJUDGED);
}
END_TEST

/* --- what cannot be told ----------------------------------------------------------------------- */

static void open_database(enum match_kind kind)
{
	struct rule_list rules = {0};

	rule_match(add(&rules, VERDICT_RETURN), kind);
	add(&rules, VERDICT_RETURN);
	ruleset_chain(rs, "in_db", NULL, &rules);
}

START_TEST(test_unknown_is_denied)
{
	static const enum match_kind unknown[] = {MATCH_IIF, MATCH_OIF, MATCH_IIF_KIND,
		MATCH_TCP_NOT_SYN, MATCH_ETHER_TYPE, MATCH_PORT_SET, MATCH_FIELD_SET,
		MATCH_ETHER_MULTICAST, MATCH_CT_PORT_SET, MATCH_ICMPV6_TYPE, (enum match_kind)1000};
	struct flow f = flow(IPPROTO_TCP, "172.18.0.9", 1, "172.18.0.3", 3306);

	open_database(MATCH_CT_ORIGINAL);
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_ALLOWED);
	open_database(unknown[_i]);
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_DENIED);
}
END_TEST

/* A rule that certainly does not match needs no answer to what else it asks. */
START_TEST(test_what_does_not_match_is_not_asked)
{
	struct flow f = flow(IPPROTO_TCP, "172.18.0.9", 1, "172.18.0.3", 3306);
	struct rule_list rules = {0};
	struct rule *rule = add(&rules, VERDICT_DROP);

	rule_match(rule, MATCH_IIF);
	match_protocol(rule, IPPROTO_UDP);
	add(&rules, VERDICT_RETURN);
	ruleset_chain(rs, "in_db", NULL, &rules);
	ck_assert_int_eq(flow_judge(rs, &f, false), FLOW_ALLOWED);
}
END_TEST

static void redirect(enum verdict_kind verdict, const char *target)
{
	struct rule_list rules = {0};
	struct rule *rule = add(&rules, verdict);

	strcpy(rule->target, target);
	rule->map_family = 4;
	add(&rules, VERDICT_RETURN);
	ruleset_chain(rs, "in_db", NULL, &rules);
}

START_TEST(test_other_chains)
{
	static const struct {
		enum verdict_kind verdict;
		const char *target;
		enum flow_verdict expected;
	} jumps[] = {
		{VERDICT_JUMP, "nowhere", FLOW_DENIED},
		{VERDICT_GOTO, "nowhere", FLOW_DENIED},
		{VERDICT_JUMP, "in_db", FLOW_DENIED}, /* without end */
		{VERDICT_JUMP, "empty", FLOW_ALLOWED},
		{VERDICT_JUMP, CHAIN_DENIED, FLOW_DENIED},
		{VERDICT_MAP_CT, MAP_EGRESS4, FLOW_ALLOWED}, /* misses */
		{VERDICT_MAP_IIF, MAP_STRICT_IN, FLOW_DENIED},
		{VERDICT_ACCEPT, "", FLOW_ALLOWED},
	};
	struct flow f = flow(IPPROTO_TCP, "172.18.0.9", 1, "172.18.0.3", 3306);
	struct rule_list none = {0};

	ruleset_chain(rs, "empty", NULL, &none);
	redirect(jumps[_i].verdict, jumps[_i].target);
	ck_assert_int_eq(flow_judge(rs, &f, false), jumps[_i].expected);
}
END_TEST

/* --- strict networks --------------------------------------------------------------------------- */

static void deny_unknown(struct rule *rule, enum flow_side side)
{
	struct match *known = match(rule, MATCH_HDR_ADDR_SET, side);

	known->family = 4;
	known->negate = true;
	strcpy(known->set, "known4");
}

static void strict_chain(const char *name, enum flow_side side, bool within)
{
	struct rule_list rules = {0};
	struct rule *rule = add(&rules, VERDICT_GOTO);

	ck_assert_int_eq(
		cidr_parse("172.20.0.0/16", &match(rule, MATCH_HDR_ADDR, side)->cidr, &err), 0);
	deny_unknown(rule, side);
	for (int end = SIDE_SRC; within && end <= SIDE_DST; end++) {
		rule = add(&rules, VERDICT_GOTO);
		strcpy(rule_match(rule, MATCH_OIF)->set, "br-s");
		deny_unknown(rule, (enum flow_side)end);
	}
	ruleset_chain(rs, name, NULL, &rules);
}

static const struct {
	const char *from, *to;
	enum flow_verdict expected;
} strict_cases[] = {
	{"172.20.0.2", "172.20.0.3", FLOW_ALLOWED},
	{"172.20.0.2", "172.20.0.9", FLOW_DENIED},
	{"172.20.0.9", "172.20.0.3", FLOW_DENIED},
	{"172.20.0.2", "203.0.113.1", FLOW_ALLOWED},
	{"172.20.0.9", "203.0.113.1", FLOW_DENIED},
	{"203.0.113.1", "172.20.0.3", FLOW_ALLOWED},
	{"203.0.113.1", "172.20.0.9", FLOW_DENIED},
	{"203.0.113.1", "203.0.113.2", FLOW_UNJUDGED},
	/* to another network's closed endpoint */
	{"172.20.0.2", "172.18.0.2", FLOW_DENIED},
};

START_TEST(test_strict)
{
	struct elem_key bridge = {.ifname = "br-s"};
	struct flow f = flow(IPPROTO_TCP, strict_cases[_i].from, 1, strict_cases[_i].to, 80);

	strict_chain("st_in_s", SIDE_SRC, true);
	strict_chain("st_out_s", SIDE_DST, false);
	ruleset_put(rs, MAP_STRICT_IN, &bridge, "st_in_s", NULL);
	ruleset_put(rs, MAP_STRICT_OUT, &bridge, "st_out_s", NULL);
	put("known4", "172.20.0.2", NULL);
	put("known4", "172.20.0.3", NULL);
	ck_assert_int_eq(flow_judge(rs, &f, false), strict_cases[_i].expected);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_judge");
	TCase *tests = tcase_create("flows");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_flows, 0, COUNT(cases));
	tcase_add_test(tests, test_translated);
	tcase_add_test(tests, test_audit_denies_nothing);
	tcase_add_loop_test(tests, test_unknown_is_denied, 0, 11);
	tcase_add_test(tests, test_what_does_not_match_is_not_asked);
	tcase_add_loop_test(tests, test_other_chains, 0, 8);
	tcase_add_loop_test(tests, test_strict, 0, COUNT(strict_cases));
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
