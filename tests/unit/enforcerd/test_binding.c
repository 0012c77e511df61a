/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has which port, one story at a time; test_binding_random.c tells them all. */
#include "enforcerd/binding.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct binding *binding;
static char told[512]; /* what was called for since the last expect() */

static void on_placed(const char *id, enum placement placement, const struct port *port, void *arg)
{
	static const char *const words[] = {
		"withdrawn", "doubtful", "elsewhere", "provisional", "bound"};
	size_t len = strlen(told);

	ck_assert_ptr_eq(arg, told);
	ck_assert_int_eq(placement == PLACE_BOUND, port != NULL);
	snprintf(told + len, sizeof(told) - len, "%s%s %s%s%s", len ? ", " : "", id,
		words[placement], port ? " " : "", port ? port->name : "");
}

static void setup(void)
{
	const struct binding_ops ops = {on_placed};

	told[0] = '\0';
	binding = binding_new(&ops, told);
}

static void teardown(void)
{
	binding_free(binding);
}

static void expect(const char *what)
{
	ck_assert_str_eq(told, what);
	told[0] = '\0';
}

static struct ip ip(const char *text)
{
	struct ip ip = {0};

	if (*text)
		ck_assert_int_eq(ip_parse(text, &ip, NULL), 0);
	return ip;
}

/* Port v<ifindex>; mac is its last byte. */
static void port_at(unsigned ifindex, const char *bridge, enum port_state state, uint8_t mac,
	const char *address, long long ms)
{
	struct ip addresses[] = {ip(address)};
	struct port port = {.ifindex = ifindex,
		.state = state,
		.settled_ms = ms,
		.addresses = *address ? addresses : NULL,
		.address_count = *address ? 1 : 0};

	snprintf(port.name, sizeof(port.name), "v%u", ifindex);
	snprintf(port.bridge, sizeof(port.bridge), "%s", bridge);
	port.mac[5] = mac;
	binding_port(binding, &port);
}

static void pending(unsigned ifindex)
{
	port_at(ifindex, "br0", PORT_PENDING, 0, "", 0);
}

static void settled(unsigned ifindex, uint8_t mac, const char *address)
{
	port_at(ifindex, "br0", PORT_SETTLED, mac, address, 1000);
}

static void endpoint_at(const char *id, const char *bridge, uint8_t mac, const char *ipv4,
	const char *ipv6, unsigned newest, enum binding_trust trust)
{
	const struct binding_endpoint endpoint = {.id = id,
		.bridge = bridge,
		.has_mac = mac != 0,
		.mac = {[5] = mac},
		.ipv4 = ip(ipv4),
		.ipv6 = ip(ipv6),
		.born = {newest, 1000}};

	binding_endpoint(binding, &endpoint, trust);
}

static void news(const char *id, uint8_t mac, const char *ipv4, unsigned newest)
{
	endpoint_at(id, "br0", mac, ipv4, "", newest, TRUST_NEWS);
}

static void on_unplaced(const char *id, const char *why, void *arg)
{
	snprintf(arg, 512, "%s: %s", id, why);
}

/* The one endpoint that is unplaced is so for this reason. */
static void expect_reason(const char *why)
{
	char text[512] = "";

	binding_unplaced(binding, on_unplaced, text);
	ck_assert_msg(strstr(text, why) != NULL, "\"%s\" is not in \"%s\"", why, text);
}

static void expect_placement(const char *id, enum placement placement, const char *ifname)
{
	const struct port *port = NULL;

	ck_assert_int_eq(binding_placement(binding, id, &port), placement);
	ck_assert_str_eq(port ? port->name : "", ifname);
}

/* --- lives of containers ----------------------------------------------------------------------- */

/* macvlan and the like: it counts while its record is vouched for, and no port is its own. */
START_TEST(test_on_no_bridge)
{
	settled(7, 1, "10.0.0.1");
	endpoint_at("e", NULL, 1, "10.0.0.1", "", 7, TRUST_NONE);
	expect("");
	expect_reason("no syncd confirms it");
	binding_confirm(binding, &(struct moment){7, 1000});
	expect("e elsewhere");
	expect_placement("e", PLACE_ELSEWHERE, "");
	/* nor does it keep a port from whose it is */
	news("f", 1, "10.0.0.1", 7);
	expect("f bound v7");
	binding_port_gone(binding, 7);
	expect("f withdrawn");
	endpoint_at("g", NULL, 0, "10.0.0.3", "", 7, TRUST_LISTED);
	expect("g elsewhere");
	binding_endpoint_gone(binding, "e");
	expect("");
}
END_TEST

/* Engines up to 27: the record comes while the other end still is on the host. */
START_TEST(test_record_before_carrier)
{
	pending(7);
	news("e", 1, "10.0.0.1", 7);
	expect("e provisional");
	settled(7, 1, "10.0.0.1");
	expect("e bound v7");
	expect_placement("e", PLACE_BOUND, "v7");
	binding_port_gone(binding, 7);
	expect("e withdrawn");
	expect_reason("link is gone");
}
END_TEST

/* Engine 28, and network connect to a running container: the interface is up first. */
START_TEST(test_record_after_carrier)
{
	settled(7, 1, "10.0.0.1");
	expect("");
	news("e", 1, "10.0.0.1", 7);
	expect("e bound v7");
	binding_endpoint_gone(binding, "e");
	expect("");
	expect_placement("e", PLACE_WITHDRAWN, "");
}
END_TEST

/* What the issue asks: no syncd, the endpoint goes, a stranger gets its address and with it its MAC. */
START_TEST(test_new_owner_does_not_inherit)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	binding_port_gone(binding, 7);
	expect("e bound v7, e withdrawn");
	pending(9);
	settled(9, 1, "10.0.0.1");
	expect("");
	binding_port_gone(binding, 9);
	expect("");
}
END_TEST

/* The same where the endpoint never came up: its start failed. */
START_TEST(test_newer_link_does_not_inherit)
{
	pending(7);
	news("e", 1, "10.0.0.1", 8);
	expect("e provisional");
	binding_port_gone(binding, 7);
	expect("e withdrawn");
	pending(9);
	expect("");
	settled(9, 1, "10.0.0.1");
	expect("");
	expect_reason("newer than its record");
}
END_TEST

START_TEST(test_newer_link_ends_what_is_provisional)
{
	pending(7);
	news("e", 1, "10.0.0.1", 8);
	expect("e provisional");
	settled(9, 1, "10.0.0.1");
	expect("e withdrawn");
}
END_TEST

START_TEST(test_last_candidate_goes)
{
	pending(7);
	pending(8);
	news("e", 1, "10.0.0.1", 8);
	news("f", 2, "10.0.0.2", 8);
	expect("e provisional, f provisional");
	settled(7, 2, "10.0.0.2");
	expect("f bound v7");
	port_at(8, "br0", PORT_OTHER, 0, "", 0);
	expect("e withdrawn");
	expect_reason("no port has its MAC");
}
END_TEST

/* A container that hung for longer than a port is taken for a starting one's. */
START_TEST(test_late_carrier)
{
	pending(7);
	news("e", 1, "10.0.0.1", 7);
	port_at(7, "br0", PORT_OTHER, 0, "", 0);
	expect("e provisional, e withdrawn");
	settled(7, 1, "10.0.0.1");
	expect("e bound v7");
}
END_TEST

START_TEST(test_restart_has_a_new_id)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	binding_port_gone(binding, 7);
	pending(9);
	news("f", 1, "10.0.0.1", 9);
	settled(9, 1, "10.0.0.1");
	expect("e bound v7, e withdrawn, f provisional, f bound v9");
	binding_endpoint_gone(binding, "e");
	expect("");
	expect_placement("f", PLACE_BOUND, "v9");
}
END_TEST

/* A record that is taken away and comes again, as after a lost store: its port is still its own. */
START_TEST(test_record_comes_again)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	binding_endpoint_gone(binding, "e");
	news("e", 1, "10.0.0.1", 9);
	expect("e bound v7, e bound v7");
	binding_port_gone(binding, 7);
	expect("e withdrawn");
}
END_TEST

/* The store was away while one left and another got its address: the first one's record comes when only the second one's link is there. */
START_TEST(test_late_record_gives_way)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	news("f", 1, "10.0.0.1", 7);
	expect("e bound v7, f doubtful");
	expect_reason("another endpoint's");
	binding_endpoint_gone(binding, "e");
	expect("f bound v7");
	news("e", 1, "10.0.0.1", 7);
	expect("e doubtful");
	binding_port_gone(binding, 7);
	expect("f withdrawn, e withdrawn");
}
END_TEST

/* The same in the usual order, and not while its own link may still come up. */
START_TEST(test_late_record_gives_way_to_who_is_there)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	binding_endpoint_gone(binding, "e");
	pending(8);
	news("f", 1, "10.0.0.1", 8);
	expect("e bound v7, f doubtful");
	expect_reason("may yet have");
	settled(8, 2, "10.0.0.2");
	expect("f bound v7");
}
END_TEST

/* What the kernel's table said waits for its record until a syncd has stood for all. */
START_TEST(test_adopted_gives_way_when_confirmed)
{
	const struct moment now = {7, 1000};

	settled(7, 1, "10.0.0.1");
	binding_adopt(binding, "e", "v7");
	news("f", 1, "10.0.0.1", 7);
	expect("f doubtful");
	binding_confirm(binding, &now);
	expect("f bound v7");
}
END_TEST

START_TEST(test_detached_and_attached)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	port_at(7, "", PORT_SETTLED, 1, "10.0.0.1", 0);
	expect("e bound v7, e doubtful");
	expect_reason("not on its bridge any more");
	port_at(7, "br1", PORT_SETTLED, 1, "10.0.0.1", 0);
	expect("");
	settled(7, 1, "10.0.0.1");
	expect("e bound v7");
}
END_TEST

START_TEST(test_renamed_port)
{
	struct port port = {.ifindex = 7,
		.name = "new",
		.bridge = "br0",
		.state = PORT_SETTLED,
		.mac = {[5] = 1}};

	settled(7, 1, "");
	news("e", 1, "10.0.0.1", 7);
	expect("e bound v7");
	binding_port(binding, &port);
	expect("e bound new");
	binding_port(binding, &port);
	expect("");
}
END_TEST

/* --- what fits --------------------------------------------------------------------------------- */

START_TEST(test_what_fits)
{
	static const struct {
		const char *bridge, *ipv4, *ipv6, *address;
		uint8_t mac;
		bool fits;
	} cases[] = {
		{"br0", "10.0.0.1", "", "10.0.0.1", 1, true},
		{"br0", "10.0.0.1", "", "", 1, true}, /* not known */
		{"br0", "10.0.0.1", "fd00::1", "10.0.0.1", 1, true},
		{"br0", "10.0.0.1", "fd00::1", "fd00::1", 1, true},
		{"br0", "10.0.0.1", "", "fd00::1", 1, true},
		{"br0", "10.0.0.1", "", "10.0.0.2", 1, false},
		{"br0", "10.0.0.1", "fd00::1", "fd00::2", 1, false},
		{"br0", "10.0.0.1", "", "10.0.0.1", 2, false},
		{"br0", "10.0.0.1", "", "10.0.0.1", 0, false}, /* no MAC */
		{"br1", "10.0.0.1", "", "10.0.0.1", 1, false},
	};

	settled(7, 1, cases[_i].address);
	endpoint_at("e", cases[_i].bridge, cases[_i].mac, cases[_i].ipv4, cases[_i].ipv6, 7,
		TRUST_NEWS);
	expect(cases[_i].fits ? "e bound v7" : "");
}
END_TEST

START_TEST(test_no_mac_is_never_placed)
{
	pending(7);
	news("e", 0, "10.0.0.1", 7);
	expect("");
	expect_reason("no MAC");
	news("e", 1, "10.0.0.1", 7);
	expect("e provisional");
}
END_TEST

START_TEST(test_changed_record)
{
	settled(7, 1, "");
	news("e", 1, "10.0.0.1", 7);
	news("e", 1, "10.0.0.1", 7);
	expect("e bound v7");
	news("e", 2, "10.0.0.1", 9);
	expect("e doubtful");
	settled(8, 2, "");
	expect(""); /* v7 is what was given to it */
	news("e", 1, "10.0.0.1", 9);
	expect("e bound v7");
}
END_TEST

/* --- doubt ------------------------------------------------------------------------------------- */

START_TEST(test_two_ports_fit)
{
	settled(7, 1, "10.0.0.1");
	settled(8, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 8);
	expect("e doubtful");
	expect_reason("more than one port");
	binding_port_gone(binding, 7);
	expect("e bound v8");
}
END_TEST

/* Neither can be its own: that it never came up is nothing to the later owner, nor to whoever takes after that one. */
START_TEST(test_two_newer_ports_fit)
{
	news("e", 1, "10.0.0.1", 6);
	settled(7, 1, "10.0.0.1");
	settled(8, 1, "10.0.0.1");
	expect("");
	expect_reason("newer than its record");
	/* and one of which may be its own is enough */
	settled(5, 1, "10.0.0.1");
	expect("e doubtful");
	binding_port_gone(binding, 5);
	expect("e withdrawn");
}
END_TEST

/* The first has its link still, and no record any more; the second one's may be any. */
START_TEST(test_one_of_two_ports_is_taken)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	binding_endpoint_gone(binding, "e");
	settled(9, 1, "10.0.0.1");
	news("f", 1, "10.0.0.1", 8);
	expect("e bound v7, f doubtful");
	expect_reason("more than one port");
	binding_port_gone(binding, 7);
	expect("f withdrawn");
	expect_reason("newer than its record");
}
END_TEST

/* A later owner that is bound is another's, but none that could be meant. */
START_TEST(test_later_owner_is_bound)
{
	news("e", 1, "10.0.0.1", 6);
	settled(7, 1, "10.0.0.1");
	news("f", 1, "10.0.0.1", 7);
	expect("f bound v7");
	expect_reason("newer than its record");
}
END_TEST

START_TEST(test_bound_one_keeps_its_port)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 7);
	settled(8, 1, "10.0.0.1");
	pending(9);
	expect("e bound v7");
	binding_port_gone(binding, 7);
	expect("e withdrawn");
}
END_TEST

START_TEST(test_two_endpoints_fit)
{
	pending(7);
	news("e", 1, "10.0.0.1", 7);
	news("f", 1, "10.0.0.1", 7);
	expect("e provisional, f provisional");
	settled(7, 1, "10.0.0.1");
	expect("e doubtful, f doubtful");
	expect_reason("another endpoint has the same");
	binding_endpoint_gone(binding, "e");
	expect("f bound v7");
}
END_TEST

/* A record that is written again while there is doubt decides nothing. */
START_TEST(test_doubt_stays_while_records_change)
{
	settled(7, 1, "10.0.0.1");
	news("e", 1, "10.0.0.1", 6);
	news("f", 1, "10.0.0.1", 7);
	expect("f bound v7"); /* e is older than the port */
	binding_endpoint_gone(binding, "f");
	binding_port_gone(binding, 7);
	settled(5, 1, "10.0.0.1");
	expect("e bound v5");
}
END_TEST

/* An impostor settled while nobody looked; then its victim starts. */
START_TEST(test_impostor_was_there_first)
{
	settled(7, 1, "10.0.0.1");
	pending(9);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_NEWS);
	expect("e bound v7"); /* just settled: as likely its own */
	binding_endpoint_gone(binding, "e");
	port_at(5, "br0", PORT_SETTLED, 2, "10.0.0.2", 1000 - BINDING_EARLY_MS);
	news("f", 2, "10.0.0.2", 9);
	expect("f doubtful");
	expect_reason("another port may yet");
	settled(9, 2, "10.0.0.2");
	expect("");
	expect_reason("more than one port");
	binding_port_gone(binding, 5);
	expect("f bound v9");
}
END_TEST

START_TEST(test_early_port_was_its_own)
{
	port_at(5, "br0", PORT_SETTLED, 2, "10.0.0.2", 1000 - BINDING_EARLY_MS);
	pending(9);
	news("f", 2, "10.0.0.2", 9);
	expect("f doubtful");
	settled(9, 3, "10.0.0.3");
	expect("f bound v5");
}
END_TEST

/* --- start of the program ---------------------------------------------------------------------- */

START_TEST(test_untrusted_record)
{
	settled(7, 1, "10.0.0.1");
	pending(8);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_NONE);
	expect("");
	expect_reason("no syncd confirms");
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_LISTED);
	expect("e bound v7");
}
END_TEST

/* All at once: none gets a port because it was asked for first. */
START_TEST(test_confirmed)
{
	const struct moment now = {8, 2000};

	settled(7, 1, "10.0.0.1");
	settled(8, 2, "10.0.0.2");
	settled(9, 3, "10.0.0.3");
	endpoint_at("d", "br0", 3, "10.0.0.3", "", 2, TRUST_NONE);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 3, TRUST_NONE);
	endpoint_at("f", "br0", 1, "10.0.0.1", "", 3, TRUST_NONE);
	endpoint_at("g", "br0", 2, "10.0.0.2", "", 9, TRUST_NONE);
	expect("");
	binding_confirm(binding, &now);
	expect("e doubtful, f doubtful, g bound v8");
	binding_endpoint_gone(binding, "e");
	expect("f bound v7");
	expect_reason("newer than its record");
	binding_confirm(binding, &(struct moment){9, 3000});
	expect("");
}
END_TEST

START_TEST(test_trust_counts_from_when_it_came)
{
	settled(7, 1, "10.0.0.1");
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 3, TRUST_NONE);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 5, TRUST_LISTED);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_NONE);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_NEWS);
	expect("");
	expect_reason("newer than its record");
}
END_TEST

START_TEST(test_adopted)
{
	settled(7, 1, "");
	settled(8, 1, "");
	binding_adopt(binding, "e", "v7");
	binding_adopt(binding, "e", "v8");
	binding_adopt(binding, "f", "v7");
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_NONE);
	expect("e bound v7");
	endpoint_at("f", "br0", 1, "10.0.0.2", "", 9, TRUST_NONE);
	expect("");
}
END_TEST

START_TEST(test_adopted_needs_its_mac_and_bridge)
{
	settled(7, 1, "");
	binding_adopt(binding, "e", "v7");
	endpoint_at("e", "br0", 2, "10.0.0.1", "", 9, TRUST_LISTED);
	expect("e doubtful");
	endpoint_at("e", "br1", 1, "10.0.0.1", "", 9, TRUST_LISTED);
	expect("");
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_LISTED);
	expect("e bound v7");
}
END_TEST

START_TEST(test_adopted_link_is_gone)
{
	settled(7, 1, "10.0.0.1");
	settled(8, 2, "10.0.0.2");
	binding_adopt(binding, "e", "gone");
	binding_adopt(binding, "f", "v8");
	binding_port_gone(binding, 8);
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_LISTED);
	settled(9, 2, "10.0.0.2");
	endpoint_at("f", "br0", 2, "10.0.0.2", "", 9, TRUST_LISTED);
	expect("");
	expect_reason("link is gone");
	binding_endpoint_gone(binding, "e");
	endpoint_at("e", "br0", 1, "10.0.0.1", "", 9, TRUST_LISTED);
	expect("e bound v7");
}
END_TEST

START_TEST(test_stats)
{
	struct binding_stats stats;

	settled(7, 1, "");
	pending(8);
	news("e", 1, "10.0.0.1", 8);
	news("f", 2, "10.0.0.2", 8);
	news("g", 2, "10.0.0.3", 3);
	binding_stats(binding, &stats);
	ck_assert_uint_eq(stats.ports, 2);
	ck_assert_uint_eq(stats.endpoints, 3);
	ck_assert_uint_eq(stats.bound, 1);
	ck_assert_uint_eq(stats.provisional, 1);
	binding_endpoint_gone(binding, "none");
	binding_port_gone(binding, 99);
	ck_assert_int_eq(binding_placement(binding, "none", NULL), PLACE_WITHDRAWN);
}
END_TEST

static void add_lives(TCase *tests)
{
	tcase_add_test(tests, test_on_no_bridge);
	tcase_add_test(tests, test_record_before_carrier);
	tcase_add_test(tests, test_record_after_carrier);
	tcase_add_test(tests, test_new_owner_does_not_inherit);
	tcase_add_test(tests, test_newer_link_does_not_inherit);
	tcase_add_test(tests, test_newer_link_ends_what_is_provisional);
	tcase_add_test(tests, test_last_candidate_goes);
	tcase_add_test(tests, test_late_carrier);
	tcase_add_test(tests, test_restart_has_a_new_id);
	tcase_add_test(tests, test_record_comes_again);
	tcase_add_test(tests, test_late_record_gives_way);
	tcase_add_test(tests, test_late_record_gives_way_to_who_is_there);
	tcase_add_test(tests, test_adopted_gives_way_when_confirmed);
	tcase_add_test(tests, test_detached_and_attached);
	tcase_add_test(tests, test_renamed_port);
}

static void add_rules(TCase *tests)
{
	tcase_add_loop_test(tests, test_what_fits, 0, 10);
	tcase_add_test(tests, test_no_mac_is_never_placed);
	tcase_add_test(tests, test_changed_record);
	tcase_add_test(tests, test_two_ports_fit);
	tcase_add_test(tests, test_two_newer_ports_fit);
	tcase_add_test(tests, test_one_of_two_ports_is_taken);
	tcase_add_test(tests, test_later_owner_is_bound);
	tcase_add_test(tests, test_bound_one_keeps_its_port);
	tcase_add_test(tests, test_two_endpoints_fit);
	tcase_add_test(tests, test_doubt_stays_while_records_change);
	tcase_add_test(tests, test_impostor_was_there_first);
	tcase_add_test(tests, test_early_port_was_its_own);
	tcase_add_test(tests, test_untrusted_record);
	tcase_add_test(tests, test_confirmed);
	tcase_add_test(tests, test_trust_counts_from_when_it_came);
	tcase_add_test(tests, test_adopted);
	tcase_add_test(tests, test_adopted_needs_its_mac_and_bridge);
	tcase_add_test(tests, test_adopted_link_is_gone);
	tcase_add_test(tests, test_stats);
}

int main(void)
{
	Suite *suite = suite_create("binding");
	TCase *tests = tcase_create("binding");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	add_lives(tests);
	add_rules(tests);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
