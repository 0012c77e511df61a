/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints' addresses and their groups in the kernel: the two lookups from an address to its rules, as packets, as nft and as a
 * restarted daemon see them, and while groups change.
 */
#include "kernel_hosts.h"
#include "tests/unit/enforcerd/group_fixture.h"

#define FRONT4 "10.77.1.2"
#define DB4    "10.77.2.2"
#define DB6    "fd77:2::2"

enum { MOVES = 300, SERVED = 3306, CLOSED = 3307 };

static const struct skeleton_config config = {
	.host_action = HOST_RETURN, .marks = {.mask = 0xffff0000, .shift = 16, .last = 0xfffd}};

/* --- a world ----------------------------------------------------------------------------------- */

static void put_served_chain(const char *name, uint8_t family)
{
	struct rule_list rules = {0};
	struct rule *rule = add_rule(&rules, VERDICT_RETURN, "policy database ingress[0]");

	rule->family = family;
	match_protocol(rule, IPPROTO_TCP);
	match_numbers(rule, MATCH_CT_PORT, SERVED, SERVED, false);
	rule = add_rule(&rules, VERDICT_GOTO, "no rule allowed it");
	snprintf(rule->counter, sizeof(rule->counter), "drop_ingress");
	snprintf(rule->target, sizeof(rule->target), "%s", CHAIN_DENIED);
	ruleset_chain(rs, name, "ingress: database", &rules);
}

static void govern(const char *ip, const char *egress, const char *ingress)
{
	const struct ip parsed = address(ip);

	put_groups(rs, &parsed, egress, ingress);
}

/* B serves one port to everybody. A is nobody's. */
static void build_groups(void)
{
	rs = ruleset_new();
	skeleton_build(rs, &config);
	ruleset_counter(rs, "drop_ingress");
	put_served_chain("in_db_4", 4);
	put_served_chain("in_db_6", 6);
	put_open_chain("eg_db");
	govern(DB4, "eg_db", "in_db_4");
	govern(DB6, "eg_db", "in_db_6");
}

static void setup_groups(void)
{
	enter_own_netns();
	kernel = open_writer(TABLE);
	build_groups();
}

static void restart(void)
{
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_groups();
}

static void setup_hosts(void)
{
	setup_groups();
	connect_hosts();
}

/* --- nft --------------------------------------------------------------------------------------- */

/* nft 1.0.6 aborts where a lookup is made in what another one found, unless it takes it for something else. */
static const char *const shown[] = {
	"ct original ip saddr vmap @egress_groups4",
	"ct reply ip saddr vmap @ingress_groups4",
	"ct original ip6 saddr vmap @egress_groups6",
	"ct reply ip6 saddr vmap @ingress_groups6",
	"ct direction original ct original ip saddr vmap @egress_groups4",
	"type ipv4_addr : mark . mark . mark",
	"comment \"isolated endpoint : 1 . group of what it may send . group of what it may receive\"",
	"type mark : verdict",
	"* comment \"no such group any more\" : jump denied",
	"\t\tct protocol tcp ct reply proto-src 3306 return comment \"policy database ingress[0]\"\n",
};

START_TEST(test_nft_shows_groups)
{
	const struct elem_key address_key = key_ip(DB4);
	char line[128];
	uint32_t egress = put_group(rs, MAP_EGRESS4, "eg_db");
	uint32_t ingress = put_group(rs, MAP_INGRESS4, "in_db_4");
	struct elem_key key = address_key;
	char *text;

	key.groups[SIDE_SRC] = egress;
	key.groups[SIDE_DST] = ingress;
	put(MAP_GROUPS4, key, NULL, "database-A");
	commit();
	text = listing();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		expect_in(text, shown[i], true);
	snprintf(line, sizeof(line), DB4 " comment \"database-A\" : 0x00000001 . 0x%08x . 0x%08x",
		egress, ingress);
	expect_in(text, line, true);
	snprintf(line, sizeof(line), "0x%08x : jump in_db_4", ingress);
	expect_in(text, line, true);
	expect_in(text, "invalid type", false);
	free(text);
	sh("nft list ruleset >/dev/null; nft -j list ruleset >/dev/null; nft list tables");
}
END_TEST

/* --- restarts ---------------------------------------------------------------------------------- */

START_TEST(test_a_restart_adopts_groups)
{
	commit();
	restart();
	/* at most taking over the tables */
	ck_assert_uint_le(commit().messages, 2);
	expect("ct original ip saddr vmap @egress_groups4", true);
}
END_TEST

static const struct {
	const char *what, *foreign;
} changes[] = {
	{"another number", "delete element inet " TABLE " groups4 { " DB4 " }\n"
			   "add element inet " TABLE " groups4 { " DB4 " : 0x1 . 0x7 . 0x8 }\n"},
	{"no group", "delete element inet " TABLE " groups4 { " DB4 " }\n"},
	{"no first part", "delete element inet " TABLE " groups4 { " DB4 " }\n"
			  "add element inet " TABLE " groups4 { " DB4 " : 0x0 . 0x7 . 0x8 }\n"},
	{"open to unknown numbers", "delete element inet " TABLE " ingress_groups4 { * }\n"},
	{"a stray number", "add element inet " TABLE " ingress_groups4 { 0x9 : jump in_db_4 }\n"},
};

START_TEST(test_a_foreign_change_is_put_right)
{
	char *before, *after;

	commit();
	before = listing();
	kernel_close(kernel);
	ruleset_free(rs);
	sh("nft -f - <<'X'\n%sX", changes[_i].foreign);
	kernel = open_writer(TABLE);
	build_groups();
	ck_assert_uint_gt(commit().messages, 0);
	after = listing();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		expect_in(after, shown[i], true);
	expect_in(after, "0x00000009", false);
	expect_in(after, "0x00000007", false);
	ck_assert_uint_eq(strlen(before), strlen(after));
	free(before);
	free(after);
}
END_TEST

/* --- packets ----------------------------------------------------------------------------------- */

START_TEST(test_packets_meet_the_rules_of_their_group)
{
	int servers[] = {serve(host_b, SOCK_STREAM, DB4, SERVED),
		serve(host_b, SOCK_STREAM, DB4, CLOSED), serve(host_b, SOCK_STREAM, DB6, SERVED),
		serve(host_b, SOCK_STREAM, DB6, CLOSED),
		serve(host_a, SOCK_STREAM, FRONT4, CLOSED)};

	must_connect(host_a, DB4, CLOSED);
	must_connect(host_a, DB6, CLOSED);
	commit();
	ck_assert(can_connect(host_a, DB4, SERVED));
	ck_assert(can_connect(host_a, DB6, SERVED));
	ck_assert(!can_connect(host_a, DB4, CLOSED));
	ck_assert(!can_connect(host_a, DB6, CLOSED));
	ck_assert(can_connect(host_b, FRONT4, CLOSED));
	/* a number that leads nowhere is closed, in its direction */
	govern(DB4, NULL, "in_db_4");
	commit();
	ck_assert(!can_connect(host_b, FRONT4, CLOSED));
	ck_assert(can_connect(host_a, DB4, SERVED));
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		close(servers[i]);
}
END_TEST

static void move_to_new_group(int i)
{
	char chain[32], old[32];
	struct elem_key number = {0};

	snprintf(chain, sizeof(chain), "in_db_%d_4", i);
	snprintf(old, sizeof(old), "in_db_%d_4", i - 1);
	put_served_chain(chain, 4);
	govern(DB4, "eg_db", chain);
	if (!i)
		return;
	number.group = put_group(rs, MAP_INGRESS4, old);
	ruleset_del(rs, MAP_INGRESS4, &number);
	ruleset_chain_drop(rs, old);
}

static void move_between_groups(int i)
{
	if (!i)
		put_served_chain("in_other_4", 4);
	govern(DB4, "eg_db", i % 2 ? "in_db_4" : "in_other_4");
}

static void start_again(int i)
{
	(void)i;
	restart();
}

static void write_again(int i)
{
	(void)i;
	kernel_lost(kernel, rs);
}

static void dispatch_by_address(
	struct rule_list *rules, enum flow_side side, uint8_t family, const char *map)
{
	struct rule *rule = add_rule(rules, VERDICT_MAP_CT, "");

	rule->map_side = side;
	rule->map_family = family;
	snprintf(rule->target, sizeof(rule->target), "%s", map);
}

/* The maps as a former version had them: addresses that jump. */
static void build_former_version(void)
{
	static const char *const gone[] = {
		MAP_GROUPS4, MAP_GROUPS6, MAP_EGRESS4, MAP_EGRESS6, MAP_INGRESS4, MAP_INGRESS6};
	struct rule_list forward4 = {0}, forward6 = {0};

	rs = ruleset_new();
	skeleton_build(rs, &config);
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		ruleset_set_drop(rs, gone[i]);
	ruleset_set(rs, "egress4", MAP_IPV4, "isolated endpoint : what it may send");
	ruleset_set(rs, "egress6", MAP_IPV6, "isolated endpoint : what it may send");
	ruleset_set(rs, "ingress4", MAP_IPV4, "isolated endpoint : what it may receive");
	ruleset_set(rs, "ingress6", MAP_IPV6, "isolated endpoint : what it may receive");
	ruleset_counter(rs, "drop_ingress");
	put_served_chain("in_db", 0);
	put_open_chain("eg_db");
	dispatch_by_address(&forward4, SIDE_SRC, 4, "egress4");
	dispatch_by_address(&forward4, SIDE_DST, 4, "ingress4");
	dispatch_by_address(&forward6, SIDE_SRC, 6, "egress6");
	dispatch_by_address(&forward6, SIDE_DST, 6, "ingress6");
	ruleset_chain(rs, "forward4", NULL, &forward4);
	ruleset_chain(rs, "forward6", NULL, &forward6);
	ruleset_chain(rs, "input4", NULL, &(struct rule_list){0});
	ruleset_chain(rs, "input6", NULL, &(struct rule_list){0});
	put("egress4", key_ip(DB4), "eg_db", "database-A");
	put("ingress4", key_ip(DB4), "in_db", "database-A");
}

/* An upgrade, and a way back. */
static void replace_former_version(int i)
{
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	if (i % 2)
		build_groups();
	else
		build_former_version();
}

static void (*const moves[])(int i) = {
	move_to_new_group, move_between_groups, start_again, write_again, replace_former_version};

START_TEST(test_nothing_leaks_while_groups_change)
{
	int udp = serve(host_b, SOCK_DGRAM, DB4, 9);
	pid_t flood;

	commit();
	flood = start_flood(DB4, 9);
	for (int i = 0; i < MOVES; i++) {
		moves[_i](i);
		commit();
	}
	expect_no_leak(udp);
	end_peer(flood);
	close(udp);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_groups");
	TCase *content = tcase_create("content"), *packets = tcase_create("packets");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(content, setup_groups, teardown);
	tcase_add_test(content, test_nft_shows_groups);
	tcase_add_test(content, test_a_restart_adopts_groups);
	tcase_add_loop_test(
		content, test_a_foreign_change_is_put_right, 0, sizeof(changes) / sizeof(*changes));
	suite_add_tcase(suite, content);
	tcase_add_checked_fixture(packets, setup_hosts, teardown_hosts);
	tcase_set_timeout(packets, 120);
	tcase_add_test(packets, test_packets_meet_the_rules_of_their_group);
	tcase_add_loop_test(
		packets, test_nothing_leaks_while_groups_change, 0, sizeof(moves) / sizeof(*moves));
	suite_add_tcase(suite, packets);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
