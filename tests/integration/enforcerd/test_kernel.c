/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel writer against a real kernel, looked at with nft's eyes. */
#include "kernel_fixture.h"

#include <jansson.h>

/* --- what nft shows ---------------------------------------------------------------------------- */

static void add_every_match(void)
{
	struct rule_list rules = {0};
	struct rule *rule = add_rule(&rules, VERDICT_RETURN, "dns");

	match_protocol(rule, IPPROTO_UDP);
	match_numbers(rule, MATCH_CT_PORT, 53, 53, false);
	rule = add_rule(&rules, VERDICT_RETURN, "ranges");
	match_protocol(rule, IPPROTO_TCP);
	match_numbers(rule, MATCH_CT_PORT, 8000, 8999, false);
	match_numbers(rule, MATCH_CT_PORT, 8080, 8090, true);
	rule = add_rule(&rules, VERDICT_RETURN, "ping");
	match_protocol(rule, IPPROTO_ICMP);
	match_numbers(rule, MATCH_CT_ICMP, 8, ICMP_ANY_CODE, false);
	rule = add_rule(&rules, VERDICT_RETURN, "unreachable");
	match_protocol(rule, IPPROTO_ICMP);
	match_numbers(rule, MATCH_CT_ICMP, 3, 1, false);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_block(rule, MATCH_CT_ADDR, "10.1.0.9/24", false);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_block(rule, MATCH_CT_ADDR, "10.1.0.3", true);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_block(rule, MATCH_CT_ADDR, "::/0", false);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_block(rule, MATCH_HDR_ADDR, "10.1.16.0/20", false);
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_named(rule, MATCH_CT_ADDR_SET, SIDE_DST, 4, "net_lan_4");
	rule->matches[0].negate = true;
	rule = add_rule(&rules, VERDICT_RETURN, "");
	match_named(rule, MATCH_OIF, SIDE_SRC, 0, "br-0123456789ab");
	rule = add_rule(&rules, VERDICT_CONTINUE, "count only");
	rule_match(rule, MATCH_CT_STATE)->value = CT_NEW | CT_UNTRACKED;
	rule->matches[0].negate = true;
	snprintf(rule->counter, sizeof(rule->counter), "host");
	rule = add_rule(&rules, VERDICT_GOTO, "");
	rule_match(rule, MATCH_NFPROTO)->family = 6;
	snprintf(rule->target, sizeof(rule->target), "eg_db");
	ruleset_chain(rs, "eg_all", "every \"match\"", &rules);
	ruleset_set(rs, "net_lan_4", SET_CIDR4, "nets");
	put("net_lan_4", key_range("10.0.0.0", "10.0.0.255"), NULL, NULL);
	put("net_lan_4", key_range("10.0.1.0", "10.0.1.7"), NULL, NULL);
	put("net_lan_4", key_range("0.0.0.0", "1.2.3.4"), NULL, NULL);
	put("net_lan_4", key_range("192.168.0.0", "255.255.255.255"), NULL, NULL);
	ruleset_set(rs, "net_lan_6", SET_CIDR6, "nets");
	put("net_lan_6", key_range("fd00::", "fd00::ffff"), NULL, NULL);
	put(MAP_STRICT_IN, key_ifname("br-0123456789ab"), "eg_all", NULL);
	put(SET_MIDSTREAM, key_ifname("br-0"), NULL, NULL);
}

/* nft 1.0.6 shows each of these; none aborts it. */
static const char *const shown[] = {
	"comment \"container policy, written by bulkhead-enforcerd\"",
	"type filter hook forward priority filter - 1; policy accept;",
	"type filter hook input priority filter - 1; policy accept;",
	"ct original ip saddr vmap @egress_groups4",
	"ct reply ip6 saddr vmap @ingress_groups6",
	"iifname vmap @strict_in",
	"oifname vmap @strict_out",
	"icmpv6 type 130-136 accept",
	"ct state invalid ip daddr @isolated4 counter name \"invalid\" drop",
	"ct state new tcp flags != syn / fin,syn,rst,ack ct original ip saddr @isolated4 "
	"iifname != @midstream oifname != @midstream counter name \"midstream\" drop",
	"ct direction original ct original ip saddr vmap @egress_groups4",
	"ct protocol tcp ct original ip saddr @sel_front_4 ct reply proto-src @port_db return "
	"comment \"policy 'database' ingress[0]\"",
	"limit rate 10/second burst 20 packets log prefix \"deny/in/database\" group 64 snaplen "
	"128\n",
	"counter name \"drop_ingress\" drop\n",
	"10.77.2.2 comment \"database\" : jump in_db",
	"type ipv4_addr : verdict",
	"comment \"role == 'frontend'\"",
	"type inet_service\n\t\telements = { 3306 }",
	"comment \"policies: database\"",
	"comment \"every 'match'\"",
	"ct protocol udp ct reply proto-src 53 return comment \"dns, IPv4\"",
	"ct protocol udp ct reply proto-src 53 return comment \"dns, IPv6\"",
	"ct protocol tcp ct reply proto-src 8000-8999 ct reply proto-src != 8080-8090 return "
	"comment \"ranges, IPv6\"",
	"ct protocol icmp ct original proto-dst & 65280 == 2048 return comment \"ping\"",
	"ct protocol icmp ct original proto-dst 769 return comment \"unreachable\"",
	"ct reply ip saddr 10.1.0.0/24 return",
	"ct reply ip saddr != 10.1.0.3 return",
	"ct reply ip6 saddr ::/0 return",
	"ip daddr 10.1.16.0/20 return",
	"ct reply ip saddr != @net_lan_4 return",
	"oifname \"br-0123456789ab\" return",
	"ct state ! new,untracked counter name \"host\" comment \"count only\"",
	"meta nfproto ipv6 goto eg_db",
	"elements = { 0.0.0.0-1.2.3.4, 10.0.0.0/24,\n\t\t\t     10.0.1.0/29, "
	"192.168.0.0-255.255.255.255 }",
	"elements = { fd00::/112 }",
	"elements = { \"br-0123456789ab\" : jump eg_all }",
};

START_TEST(test_nft_shows_everything)
{
	char *text;

	add_every_match();
	ck_assert_uint_gt(commit().messages, 50);
	text = listing();
	for (size_t i = 0; i < sizeof(shown) / sizeof(*shown); i++)
		expect_in(text, shown[i], true);
	expect_in(text, "invalid type", false);
	free(text);
}
END_TEST

START_TEST(test_nft_json_and_handles)
{
	int status = 0;
	json_error_t error;
	json_t *json;
	char *text;

	add_every_match();
	commit();
	text = output_of(&status, "nft -j list ruleset 2>&1");
	ck_assert_int_eq(status, 0);
	json = json_loads(text, 0, &error);
	ck_assert_msg(json != NULL, "%s", error.text);
	ck_assert_uint_gt(json_array_size(json_object_get(json, "nftables")), 50);
	json_decref(json);
	free(text);
	sh("nft -a list table inet " TABLE " | grep -q 'chain in_db .* handle'");
	sh("nft list ruleset >/dev/null; nft list tables; nft list map inet " TABLE
	   " ingress_groups4");
}
END_TEST

/* --- differences ------------------------------------------------------------------------------- */

START_TEST(test_unchanged_sends_nothing)
{
	struct kernel_commit first = commit();
	struct kernel_commit again = commit();

	ck_assert_uint_gt(first.generation, 0);
	ck_assert_uint_eq(again.messages, 0);
	put("sel_front_4", key_ip("10.9.9.9"), NULL, NULL);
	del("sel_front_4", key_ip("10.9.9.9"));
	ck_assert_uint_eq(commit().messages, 0);
}
END_TEST

START_TEST(test_one_element_is_one_message)
{
	struct kernel_commit done;
	uint32_t before = commit().generation;

	put("sel_front_4", key_ip("10.9.9.9"), NULL, "new");
	done = commit();
	ck_assert_uint_eq(done.messages, 1);
	ck_assert_uint_eq(done.generation, before + 1);
	expect("10.9.9.9 comment \"new\"", true);
	del("sel_front_4", key_ip("10.9.9.9"));
	ck_assert_uint_eq(commit().messages, 1);
	expect("10.9.9.9", false);
}
END_TEST

START_TEST(test_replaced_element_jumps_elsewhere)
{
	commit();
	put(MAP_INGRESS4, key_ip("10.77.2.2"), "in_front", "database");
	ck_assert_uint_eq(commit().messages, 2);
	expect("10.77.2.2 comment \"database\" : jump in_front", true);
	put_open_chain("in_new");
	put(MAP_INGRESS4, key_ip("10.77.2.2"), "in_new", NULL);
	commit();
	expect("10.77.2.2 : jump in_new", true);
	expect("jump in_front }", false);
}
END_TEST

START_TEST(test_interval_elements_come_and_go)
{
	add_every_match();
	commit();
	del("net_lan_4", key_range("10.0.0.0", "10.0.0.255"));
	del("net_lan_4", key_range("192.168.0.0", "255.255.255.255"));
	put("net_lan_4", key_range("172.16.0.0", "172.31.255.255"), NULL, NULL);
	commit();
	expect("elements = { 0.0.0.0-1.2.3.4, 10.0.1.0/29,\n\t\t\t     172.16.0.0/12 }", true);
}
END_TEST

START_TEST(test_chain_is_replaced_in_place)
{
	struct rule_list rules = {0};

	commit();
	match_protocol(add_rule(&rules, VERDICT_RETURN, "only sctp"), IPPROTO_SCTP);
	ruleset_chain(rs, "in_db", "policies: database", &rules);
	ck_assert_uint_eq(commit().messages, 2);
	expect("ct protocol sctp return comment \"only sctp\"", true);
	expect("deny/in/database", false);
}
END_TEST

START_TEST(test_objects_go)
{
	commit();
	put(MAP_INGRESS4, key_ip("10.77.2.2"), "in_front", NULL);
	put(MAP_INGRESS6, key_ip("fd77:2::2"), "in_front", NULL);
	ruleset_chain_drop(rs, "in_db");
	ruleset_set_drop(rs, "sel_front_4");
	ruleset_set_drop(rs, "sel_front_6");
	ruleset_set_drop(rs, "port_db");
	ruleset_counter_drop(rs, "midstream");
	{
		struct rule_list none = {0};

		ruleset_chain(rs, CHAIN_FORWARD, NULL, &none);
	}
	commit();
	expect("in_db", false);
	expect("sel_front", false);
	expect("port_db", false);
	expect("counter midstream", false);
}
END_TEST

/* --- the kernel holds something else ----------------------------------------------------------- */

START_TEST(test_foreign_content_is_replaced)
{
	sh("nft -f - <<'X'\n"
	   "table inet " TABLE " {\n"
	   "  counter stray { }\n"
	   "  set sel_front_4 { type inet_service; elements = { 80 } }\n"
	   "  set stray { type ipv4_addr; }\n"
	   "  map stray_map { type ipv4_addr : verdict; elements = { 1.2.3.4 : jump stray_a } }\n"
	   "  chain stray_a { ip saddr @stray drop; counter name stray; jump stray_b; }\n"
	   "  chain stray_b { ip saddr { 1.1.1.1, 2.2.2.2 } drop; }\n"
	   "  chain in_db { jump stray_a; tcp dport @sel_front_4 accept; }\n"
	   "  chain forward { type filter hook forward priority 10; policy drop; ip saddr vmap "
	   "@stray_map; }\n"
	   "  chain extra { type filter hook output priority 0; policy accept; drop; }\n"
	   "}\nX");
	commit();
	expect("stray", false);
	expect("extra", false);
	expect("priority 10", false);
	expect("policy drop", false);
	expect("10.77.1.2 comment \"frontend\"", true);
	expect("type filter hook forward priority filter - 1; policy accept;", true);
	ck_assert_uint_eq(commit().messages, 0);
}
END_TEST

static char *handles(void)
{
	int status = 0;

	return output_of(&status,
		"nft -a list table inet " TABLE
		" | grep -E '^[[:space:]]*(chain|map|counter) [a-z0-9_]+ [{] # handle'");
}

/* A restart finds its predecessor's content: hooks, maps and counters stay the same objects. */
START_TEST(test_restart_keeps_hooks_and_maps)
{
	char *before, *after;

	commit();
	before = handles();
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	put("sel_front_4", key_ip("10.9.9.9"), NULL, NULL);
	commit();
	after = handles();
	if (strcmp(before, after) != 0)
		fprintf(stderr, "before:\n%s\nafter:\n%s\n", before, after);
	ck_assert(strcmp(before, after) == 0);
	expect("10.9.9.9", true);
	free(before);
	free(after);
}
END_TEST

START_TEST(test_restart_removes_what_is_no_longer_wanted)
{
	commit();
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	rs = ruleset_new();
	build_hooks(rs);
	commit();
	expect("in_db", false);
	expect("sel_front", false);
	expect("10.77", false);
	expect("ct original ip saddr vmap @egress_groups4", true);
}
END_TEST

START_TEST(test_owned_table_cannot_be_changed)
{
	int status = 0;

	commit();
	expect("flags owner", true);
	free(output_of(&status, "nft flush table inet " TABLE " 2>&1"));
	ck_assert_int_ne(status, 0);
	free(output_of(&status, "nft delete table inet " TABLE " 2>&1"));
	ck_assert_int_ne(status, 0);
	sh("nft flush ruleset");
	expect("10.77.1.2 comment \"frontend\"", true);
}
END_TEST

/* A second daemon is told why, and changes nothing. */
START_TEST(test_second_writer_is_refused)
{
	struct kernel *second;
	struct kernel_commit done;
	struct ruleset *other = ruleset_new();

	commit();
	second = open_writer(TABLE);
	build_hooks(other);
	ck_assert_int_eq(kernel_commit(second, other, &done, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "held by another"));
	ck_assert_int_eq(kernel_clear(second, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "stop bulkhead-enforcerd first"));
	expect("10.77.1.2 comment \"frontend\"", true);
	kernel_close(second);
	ruleset_free(other);
}
END_TEST

/* Where the kernel has no owners (here: a table made without), a change by somebody else is seen and undone. */
static void foreign_change(const char *command)
{
	struct pollfd news = {.events = POLLIN};

	sh("nft add table inet " TABLE);
	commit();
	expect("owner", false);
	ck_assert_uint_eq(commit().messages, 0);
	news.fd = kernel_events_fd(kernel);
	ck_assert_int_eq(poll(&news, 1, 0), 0);
	sh("nft add table inet other; nft add chain inet other x");
	ck_assert_int_eq(poll(&news, 1, 1000), 1);
	ck_assert_uint_eq(commit().messages, 0);
	ck_assert_int_eq(poll(&news, 1, 0), 0);
	sh("%s", command);
	ck_assert_int_eq(poll(&news, 1, 1000), 1);
	ck_assert_uint_gt(commit().messages, 0);
	expect("10.77.1.2 comment \"frontend\"", true);
	expect("10.77.2.2 comment \"database\" : jump in_db", true);
	expect("stray", false);
	ck_assert_uint_eq(commit().messages, 0);
}

START_TEST(test_foreign_changes_are_repaired)
{
	static const char *const commands[] = {
		"nft flush ruleset",
		"nft delete table inet " TABLE,
		"nft flush set inet " TABLE " sel_front_4",
		"nft flush map inet " TABLE " ingress_groups4",
		"nft insert rule inet " TABLE " forward accept comment stray",
		"nft add chain inet " TABLE " stray",
	};

	foreign_change(commands[_i]);
}
END_TEST

/* --- refusals ---------------------------------------------------------------------------------- */

static void expect_refusal(const char *text)
{
	char *before = listing();
	struct kernel_commit done;
	char *after;

	ck_assert_int_eq(kernel_commit(kernel, rs, &done, &err), -1);
	ck_assert_msg(strstr(err.text, text) != NULL, "\"%s\" not in \"%s\"", text, err.text);
	ck_assert(ruleset_dirty(rs));
	after = listing();
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
}

START_TEST(test_refused_element_is_named)
{
	commit();
	for (int i = 1; i < 200; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.88.0.%d", i);
		put(MAP_INGRESS4, key_ip(text), i == 77 ? "in_nowhere" : "in_db", NULL);
	}
	expect_refusal("add element 10.88.0.77 to set ingress_groups4: No such file or directory");
	put(MAP_INGRESS4, key_ip("10.88.0.77"), "in_db", NULL);
	commit();
	expect("10.88.0.77 : jump in_db", true);
}
END_TEST

START_TEST(test_refused_rule_is_named)
{
	struct rule_list rules = {0};

	commit();
	match_named(add_rule(&rules, VERDICT_RETURN, "policy \"x\" egress[3]"), MATCH_CT_PORT_SET,
		SIDE_DST, 0, "port_missing");
	ruleset_chain(rs, "eg_front", NULL, &rules);
	expect_refusal("add rule to chain eg_front (policy 'x' egress[3])");
}
END_TEST

START_TEST(test_refused_loop)
{
	struct rule_list rules = {0};

	commit();
	snprintf(add_rule(&rules, VERDICT_JUMP, "")->target, NFT_NAME_MAX, "%s", "eg_front");
	ruleset_chain(rs, "eg_front", NULL, &rules);
	expect_refusal("Too many l");
}
END_TEST

/* Chains that went ahead of a refused batch are cleaned up by the next one. */
START_TEST(test_refusal_after_new_chains)
{
	struct kernel_commit done;

	commit();
	put_open_chain("in_ahead");
	put(MAP_INGRESS4, key_ip("10.88.0.1"), "in_ahead", NULL);
	put(MAP_INGRESS4, key_ip("10.88.0.2"), "in_nowhere", NULL);
	ck_assert_int_eq(kernel_commit(kernel, rs, &done, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "add element 10.88.0.2 to set ingress_groups4"));
	expect("10.88.0.1", false);
	del(MAP_INGRESS4, key_ip("10.88.0.1"));
	del(MAP_INGRESS4, key_ip("10.88.0.2"));
	ruleset_chain_drop(rs, "in_ahead");
	commit();
	expect("in_ahead", false);
	expect("10.77.2.2 comment \"database\" : jump in_db", true);
}
END_TEST

/* --- size and company -------------------------------------------------------------------------- */

enum { MANY = 100000 };

START_TEST(test_hundred_thousand_elements_in_one_batch)
{
	struct kernel_commit done;
	int status = 0;
	char *count;

	commit();
	for (unsigned i = 0; i < MANY; i++) {
		struct elem_key key = {.ip = {4, {11, i >> 16, (i >> 8) & 0xff, i & 0xff}}};

		ruleset_put(rs, "sel_front_4", &key, NULL, NULL);
	}
	done = commit();
	ck_assert_uint_lt(done.messages, 100);
	ck_assert_uint_gt(done.messages, 1);
	count = output_of(
		&status, "nft list set inet " TABLE " sel_front_4 | grep -o '11\\.' | wc -l");
	ck_assert_int_ge(atoi(count), MANY);
	free(count);
	kernel_lost(kernel, rs);
	commit();
	put("sel_front_4", key_ip("10.9.9.9"), NULL, NULL);
	ck_assert_uint_eq(commit().messages, 1);
}
END_TEST

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
	(void)signal;
	stop = 1;
}

/* Commits to a table of its own without pause, as Docker's iptables does in bursts. */
static void disturb(unsigned pause_us)
{
	struct kernel *writer = open_writer("disturber");
	struct ruleset *own = ruleset_new();
	struct elem_key key = key_ip("10.0.0.1");
	struct kernel_commit done;

	signal(SIGTERM, on_stop);
	ruleset_set(own, "set", SET_IPV4, NULL);
	for (; !stop; usleep(pause_us)) {
		ruleset_put(own, "set", &key, NULL, NULL);
		(void)!kernel_commit(writer, own, &done, &err);
		ruleset_del(own, "set", &key);
		(void)!kernel_commit(writer, own, &done, &err);
	}
	_exit(0);
}

/* An owned table does not wait for the others; one that is not waits for a moment between them. */
START_TEST(test_others_commit_all_the_time)
{
	static const unsigned pauses_us[] = {0, 500};
	pid_t other;

	if (_i == 1)
		sh("nft add table inet " TABLE);
	commit();
	expect("flags owner", _i == 0);
	other = fork();
	ck_assert_int_ge(other, 0);
	if (other == 0)
		disturb(pauses_us[_i]);
	for (int i = 0; i < 1000; i++) {
		char chain[32];

		snprintf(chain, sizeof(chain), "in_%d", i);
		put_open_chain(chain);
		put(MAP_INGRESS4, key_ip("10.88.0.1"), chain, NULL);
		commit();
		ruleset_chain_drop(rs, chain);
	}
	ck_assert_int_eq(kill(other, SIGTERM), 0);
	waitpid(other, NULL, 0);
	expect("10.88.0.1 : jump in_999", true);
	expect("chain in_998", false);
}
END_TEST

/* --- the other operations ---------------------------------------------------------------------- */

START_TEST(test_clear)
{
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	commit();
	ck_assert(table_exists());
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	ck_assert(!table_exists());
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	commit();
	expect("10.77.1.2 comment \"frontend\"", true);
}
END_TEST

START_TEST(test_check_leaves_nothing)
{
	int status = 0;
	char *tables;

	ck_assert_msg(kernel_check(kernel, &err) == 0, "%s", err.text);
	tables = output_of(&status, "nft list tables");
	ck_assert_str_eq(tables, "");
	free(tables);
}
END_TEST

START_TEST(test_conflicts)
{
	char *text = kernel_conflicts(kernel, &err);

	ck_assert_str_eq(text, "");
	free(text);
	commit();
	sh("nft -f - <<'X'\n"
	   "add table ip filter\n"
	   "add chain ip filter DOCKER\n"
	   "add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }\n"
	   "add table inet ok\n"
	   "add chain inet ok f { type filter hook forward priority 0; policy accept; }\n"
	   "add chain inet ok i { type filter hook input priority 0; policy drop; }\n"
	   "add table inet firewall\n"
	   "add chain inet firewall f { type filter hook forward priority 5; policy drop; }\n"
	   "add table ip6 filter\n"
	   "add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }\n"
	   "X");
	text = kernel_conflicts(kernel, &err);
	ck_assert_str_eq(text,
		"table inet firewall, chain f: hook forward, priority 5, policy drop\n"
		"table ip6 filter, chain FORWARD: hook forward, priority 0, policy drop");
	free(text);
}
END_TEST

START_TEST(test_without_privilege)
{
	const struct kernel_options options = {.table = TABLE, .nflog_group = 64};
	struct kernel *unprivileged;
	struct kernel_commit done;

	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	unprivileged = kernel_open(&options, &err);
	if (unprivileged) {
		ck_assert_int_eq(kernel_commit(unprivileged, rs, &done, &err), -1);
		kernel_close(unprivileged);
	}
	ck_assert_int_eq(err.code, EPERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel");
	TCase *content = tcase_create("content");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(content, setup, teardown);
	tcase_set_timeout(content, 60);
	tcase_add_test(content, test_nft_shows_everything);
	tcase_add_test(content, test_nft_json_and_handles);
	tcase_add_test(content, test_unchanged_sends_nothing);
	tcase_add_test(content, test_one_element_is_one_message);
	tcase_add_test(content, test_replaced_element_jumps_elsewhere);
	tcase_add_test(content, test_interval_elements_come_and_go);
	tcase_add_test(content, test_chain_is_replaced_in_place);
	tcase_add_test(content, test_objects_go);
	tcase_add_test(content, test_foreign_content_is_replaced);
	tcase_add_test(content, test_restart_keeps_hooks_and_maps);
	tcase_add_test(content, test_restart_removes_what_is_no_longer_wanted);
	tcase_add_test(content, test_owned_table_cannot_be_changed);
	tcase_add_test(content, test_second_writer_is_refused);
	tcase_add_loop_test(content, test_foreign_changes_are_repaired, 0, 6);
	tcase_add_test(content, test_refused_element_is_named);
	tcase_add_test(content, test_refused_rule_is_named);
	tcase_add_test(content, test_refused_loop);
	tcase_add_test(content, test_refusal_after_new_chains);
	tcase_add_test(content, test_hundred_thousand_elements_in_one_batch);
	tcase_add_loop_test(content, test_others_commit_all_the_time, 0, 2);
	tcase_add_test(content, test_clear);
	tcase_add_test(content, test_check_leaves_nothing);
	tcase_add_test(content, test_conflicts);
	tcase_add_test(content, test_without_privilege);
	suite_add_tcase(suite, content);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
