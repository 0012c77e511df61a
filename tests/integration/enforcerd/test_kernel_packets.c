/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel writer's rules let through, with real hosts on both sides, also while they are being replaced. */
#include "kernel_hosts.h"

static void setup_hosts(void)
{
	setup();
	connect_hosts();
}

START_TEST(test_only_the_allowed_direction_and_port)
{
	int udp = serve(host_b, SOCK_DGRAM, "10.77.2.2", 3306);
	int servers[] = {serve(host_b, SOCK_STREAM, "10.77.2.2", 3306),
		serve(host_b, SOCK_STREAM, "10.77.2.2", 3307),
		serve(host_b, SOCK_STREAM, "fd77:2::2", 3306),
		serve(host_b, SOCK_STREAM, "fd77:2::2", 3307),
		serve(host_a, SOCK_STREAM, "10.77.1.2", 3306),
		serve(host_a, SOCK_STREAM, "fd77:1::2", 3306)};

	/* all of it arrives without us */
	must_connect(host_a, "10.77.2.2", 3306);
	must_connect(host_a, "10.77.2.2", 3307);
	must_connect(host_a, "fd77:2::2", 3306);
	must_connect(host_a, "fd77:2::2", 3307);
	must_connect(host_b, "10.77.1.2", 3306);
	must_connect(host_b, "fd77:1::2", 3306);
	ck_assert(can_send(host_a, "10.77.2.2", 3306, udp));
	commit();
	ck_assert(can_connect(host_a, "10.77.2.2", 3306));
	ck_assert(can_connect(host_a, "fd77:2::2", 3306));
	ck_assert(!can_connect(host_a, "10.77.2.2", 3307));
	ck_assert(!can_connect(host_a, "fd77:2::2", 3307));
	ck_assert(!can_connect(host_b, "10.77.1.2", 3306));
	ck_assert(!can_connect(host_b, "fd77:1::2", 3306));
	ck_assert(!can_send(host_a, "10.77.2.2", 3306, udp));
	del("sel_front_4", key_ip("10.77.1.2"));
	commit();
	ck_assert(!can_connect(host_a, "10.77.2.2", 3306));
	ck_assert(can_connect(host_a, "fd77:2::2", 3306));
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	ck_assert(can_connect(host_a, "10.77.2.2", 3307));
	for (size_t i = 0; i < sizeof(servers) / sizeof(*servers); i++)
		close(servers[i]);
	close(udp);
}
END_TEST

START_TEST(test_counters_survive_a_restart)
{
	int udp = serve(host_b, SOCK_DGRAM, "10.77.2.2", 9);

	commit();
	ck_assert(!can_send(host_a, "10.77.2.2", 9, udp));
	expect("counter drop_ingress {\n\t\tpackets 1 ", true);
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
	commit();
	expect("counter drop_ingress {\n\t\tpackets 1 ", true);
	close(udp);
}
END_TEST

enum { REPLACEMENTS = 200 };

/* Everything is written anew. */
static void replace_whole(int i)
{
	(void)i;
	kernel_lost(kernel, rs);
}

/* The receiver's map element points at a chain that has just been made; the old one goes. */
static void replace_chain(int i)
{
	char chain[32], old[32];

	snprintf(chain, sizeof(chain), "in_db_%d", i);
	snprintf(old, sizeof(old), "in_db_%d", i - 1);
	put_database_chain(chain);
	put(MAP_INGRESS4, key_ip("10.77.2.2"), chain, NULL);
	ruleset_chain_drop(rs, old);
}

/* A daemon that is killed and started again. */
static void replace_daemon(int i)
{
	(void)i;
	kernel_close(kernel);
	ruleset_free(rs);
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
}

static void (*const replacements[])(int i) = {replace_whole, replace_chain, replace_daemon};

START_TEST(test_nothing_leaks_while_content_is_replaced)
{
	int udp = serve(host_b, SOCK_DGRAM, "10.77.2.2", 9);
	int tcp = serve(host_b, SOCK_STREAM, "10.77.2.2", 3306);
	pid_t flood;

	commit();
	flood = start_flood("10.77.2.2", 9);
	for (int i = 0; i < REPLACEMENTS; i++) {
		replacements[_i](i);
		commit();
		if (i % 20 == 0)
			ck_assert(can_connect(host_a, "10.77.2.2", 3306));
	}
	ck_assert_uint_gt(dropped(), 1000);
	expect_no_leak(udp);
	end_peer(flood);
	close(udp);
	close(tcp);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_packets");
	TCase *packets = tcase_create("packets");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(packets, setup_hosts, teardown_hosts);
	tcase_set_timeout(packets, 120);
	tcase_add_test(packets, test_only_the_allowed_direction_and_port);
	tcase_add_test(packets, test_counters_survive_a_restart);
	tcase_add_loop_test(packets, test_nothing_leaks_while_content_is_replaced, 0,
		sizeof(replacements) / sizeof(*replacements));
	suite_add_tcase(suite, packets);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
