/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/first_load.h"

#include "enforcerd/skeleton.h"

#include <check.h>
#include <netinet/in.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct ruleset *rs;
static struct err err;

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip, &err), 0);
	return ip;
}

static void put(const char *map, const char *ip, const char *chain)
{
	const struct elem_key key = {.ip = address(ip)};

	ruleset_put(rs, map, &key, chain, NULL);
}

/* Everything in the chain's favour, or to one port, or nothing. */
static void put_chain(const char *name, uint16_t first, uint16_t last)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);
	struct match *match = rule_match(rule, MATCH_CT_PORT);

	match->side = SIDE_DST;
	match->first = first;
	match->last = last;
	rule->verdict = VERDICT_RETURN;
	rule_append(&rules)->verdict = VERDICT_DROP;
	ruleset_chain(rs, name, NULL, &rules);
}

/* .3 serves port 80 and .4 port 40000 to everybody; .3 may send nothing, .4 anything. */
static void setup(void)
{
	rs = ruleset_new();
	ruleset_set(rs, MAP_EGRESS4, MAP_IPV4, NULL);
	ruleset_set(rs, MAP_INGRESS4, MAP_IPV4, NULL);
	put_chain("in_80", 80, 80);
	put_chain("in_40000", 40000, 40000);
	put_chain("closed", 0, 0);
	put_chain("open", 0, 65535);
	put(MAP_INGRESS4, "172.18.0.3", "in_80");
	put(MAP_EGRESS4, "172.18.0.3", "closed");
	put(MAP_INGRESS4, "172.18.0.4", "in_40000");
	put(MAP_EGRESS4, "172.18.0.4", "open");
}

static void teardown(void)
{
	ruleset_free(rs);
}

static const struct {
	const char *what;
	uint8_t protocol;
	bool midstream;
	const char *from;
	uint16_t from_port;
	const char *to;
	uint16_t to_port;
	enum first_load_action expected;
} cases[] = {
	{"seen from its beginning, denied", IPPROTO_TCP, false, "172.18.0.2", 50000, "172.18.0.3",
		81, FIRST_LOAD_LEAVE},
	{"opened by a client, allowed", IPPROTO_TCP, true, "172.18.0.2", 50000, "172.18.0.3", 80,
		FIRST_LOAD_LEAVE},
	{"opened by a client, denied by the rules", IPPROTO_TCP, true, "172.18.0.2", 50000,
		"172.18.0.3", 81, FIRST_LOAD_LEAVE},
	{"the server spoke first, allowed", IPPROTO_TCP, true, "172.18.0.3", 80, "172.18.0.2",
		50000, FIRST_LOAD_TURN},
	{"the server spoke first, denied either way", IPPROTO_TCP, true, "172.18.0.3", 81,
		"172.18.0.2", 50000, FIRST_LOAD_CONDEMN},
	{"the server spoke first, might itself open it, but did not", IPPROTO_TCP, true,
		"172.18.0.4", 81, "172.18.0.2", 50000, FIRST_LOAD_TURN},
	{"who opened it is not known, allowed as it stands", IPPROTO_TCP, true, "172.18.0.2", 50000,
		"172.18.0.4", 40000, FIRST_LOAD_LEAVE},
	{"not known, allowed either way", IPPROTO_TCP, true, "172.18.0.4", 40000, "172.18.0.2",
		50000, FIRST_LOAD_LEAVE},
	{"not known, allowed the other way only", IPPROTO_TCP, true, "172.18.0.3", 80, "172.18.0.2",
		1023, FIRST_LOAD_TURN},
	{"not known, denied either way", IPPROTO_TCP, true, "172.18.0.3", 81, "172.18.0.2", 1023,
		FIRST_LOAD_CONDEMN},
	{"nobody's concern", IPPROTO_TCP, true, "172.18.0.9", 50000, "172.18.0.8", 81,
		FIRST_LOAD_LEAVE},
	{"nobody's concern yet, the server spoke first", IPPROTO_TCP, true, "172.18.0.8", 81,
		"172.18.0.9", 50000, FIRST_LOAD_TURN},
	{"nobody's concern, who opened it is not known", IPPROTO_TCP, true, "172.18.0.8", 50001,
		"172.18.0.9", 50000, FIRST_LOAD_LEAVE},
	{"UDP of nobody's concern", IPPROTO_UDP, false, "172.18.0.8", 81, "172.18.0.9", 50000,
		FIRST_LOAD_LEAVE},
	{"UDP, the server spoke first, allowed", IPPROTO_UDP, false, "172.18.0.3", 80, "172.18.0.2",
		50000, FIRST_LOAD_REMOVE},
	{"UDP, denied either way", IPPROTO_UDP, false, "172.18.0.3", 81, "172.18.0.2", 50000,
		FIRST_LOAD_LEAVE},
	{"UDP, allowed as it stands", IPPROTO_UDP, false, "172.18.0.4", 53, "172.18.0.2", 50000,
		FIRST_LOAD_LEAVE},
	{"UDP of a client, denied", IPPROTO_UDP, false, "172.18.0.2", 50000, "172.18.0.3", 81,
		FIRST_LOAD_LEAVE},
	{"ICMP is always as it stands", IPPROTO_ICMP, false, "172.18.0.3", 7, "172.18.0.2", 8 << 8,
		FIRST_LOAD_LEAVE},
};

static struct flow flow_of(size_t i)
{
	struct flow flow = {.protocol = cases[i].protocol,
		.midstream = cases[i].midstream,
		.original = {address(cases[i].from), address(cases[i].to), cases[i].from_port,
			cases[i].to_port}};

	flow.reply = (struct flow_tuple){flow.original.dst, flow.original.src,
		flow.original.dst_port, flow.original.src_port};
	return flow;
}

START_TEST(test_flows)
{
	struct flow flow = flow_of((size_t)_i);

	ck_assert_msg(
		first_load_decide(rs, &flow, false) == cases[_i].expected, "%s", cases[_i].what);
}
END_TEST

/* Conntrack has seen where a translation began. */
START_TEST(test_translated)
{
	struct flow flow = flow_of(4);

	ck_assert_int_eq(first_load_decide(rs, &flow, false), FIRST_LOAD_CONDEMN);
	flow.reply.dst = address("203.0.113.9");
	ck_assert_int_eq(first_load_decide(rs, &flow, false), FIRST_LOAD_LEAVE);
	flow = flow_of(4);
	flow.original.dst = address("203.0.113.9");
	ck_assert_int_eq(first_load_decide(rs, &flow, false), FIRST_LOAD_LEAVE);
}
END_TEST

/* The host may open what it likes: only its being taken for the answering side is put right. */
START_TEST(test_host)
{
	struct flow flow = flow_of(4);

	ck_assert_int_eq(first_load_decide(rs, &flow, true), FIRST_LOAD_TURN);
	flow.midstream = false;
	ck_assert_int_eq(first_load_decide(rs, &flow, true), FIRST_LOAD_LEAVE);
	flow.protocol = IPPROTO_UDP;
	ck_assert_int_eq(first_load_decide(rs, &flow, true), FIRST_LOAD_REMOVE);
	flow = flow_of(11); /* nobody's concern: what the host opened to others is left alone */
	ck_assert_int_eq(first_load_decide(rs, &flow, true), FIRST_LOAD_LEAVE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("first_load");
	TCase *tests = tcase_create("decisions");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_flows, 0, COUNT(cases));
	tcase_add_test(tests, test_translated);
	tcase_add_test(tests, test_host);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
