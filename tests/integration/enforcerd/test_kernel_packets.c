/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel writer's rules let through, with real hosts on both sides, also while they are being replaced. */
#include "kernel_fixture.h"

static pid_t host_a, host_b;

static void connect_host(pid_t peer, const char *name, int net)
{
	sh("ip link add %s0 type veth peer name eth0 netns %d", name, (int)peer);
	sh("ip addr add 10.77.%d.1/24 dev %s0; ip -6 addr add fd77:%d::1/64 dev %s0 nodad; ip link "
	   "set %s0 up",
		net, name, net, name, name);
	sh("nsenter -t %d -n sh -c 'ip link set lo up; ip addr add 10.77.%d.2/24 dev eth0; ip -6 "
	   "addr add fd77:%d::2/64 dev eth0 nodad; ip link set eth0 up; ip route add default via "
	   "10.77.%d.1; ip -6 route add default via fd77:%d::1'",
		(int)peer, net, net, net, net);
}

static void setup_hosts(void)
{
	setup();
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	host_a = new_peer();
	host_b = new_peer();
	connect_host(host_a, "a", 1);
	connect_host(host_b, "b", 2);
}

static void teardown_hosts(void)
{
	end_peer(host_a);
	end_peer(host_b);
	teardown();
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

enum { REPLACEMENTS = 200, BURST = 32 };

/* Sends forbidden datagrams from host A without pause. */
static pid_t start_flood(void)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, "10.77.2.2", 9);
	int fd = socket_in(host_a, AF_INET, SOCK_DGRAM);
	pid_t pid;

	ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, len), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct iovec iov = {(char[]){"x"}, 1};
		struct mmsghdr burst[BURST] = {0};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, 3);
		close_range(4, ~0U, 0);
		for (int i = 0; i < BURST; i++)
			burst[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
		for (;;)
			(void)!sendmmsg(3, burst, BURST, 0);
	}
	close(fd);
	return pid;
}

static unsigned long long dropped(void)
{
	int status = 0;
	unsigned long long packets = 0;
	char *text = output_of(
		&status, "nft list counter inet " TABLE " drop_ingress | grep -o 'packets [0-9]*'");

	ck_assert_int_eq(sscanf(text, "packets %llu", &packets), 1);
	free(text);
	return packets;
}

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
	struct pollfd wait = {.fd = udp, .events = POLLIN};
	unsigned long long sent;
	pid_t flood;

	commit();
	flood = start_flood();
	for (double end = seconds_now() + 10; dropped() < 1000;)
		ck_assert_msg(seconds_now() < end, "the flood does not come");
	for (int i = 0; i < REPLACEMENTS; i++) {
		replacements[_i](i);
		commit();
		if (i % 20 == 0)
			ck_assert(can_connect(host_a, "10.77.2.2", 3306));
	}
	sent = dropped();
	ck_assert_uint_eq(drain(udp), 0);
	ck_assert_uint_gt(sent, 1000);
	/* and it would have been seen */
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	ck_assert_int_eq(poll(&wait, 1, 5000), 1);
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
