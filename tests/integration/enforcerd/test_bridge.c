/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bridge switches against a real kernel: rtnetlink, sysctls, and whether nftables sees bridged packets. */
#include "enforcerd/bridge.h"

#include "netns.h"

#include <sys/mount.h>

#define SYSCTL4 "/proc/sys/net/bridge/bridge-nf-call-iptables"
#define SYSCTL6 "/proc/sys/net/bridge/bridge-nf-call-ip6tables"

static struct event_base *base;
static struct bridge_watch *watch;
static struct err err;
static int calls;

static void on_links(void *arg)
{
	(void)arg;
	calls++;
}

static void setup(void)
{
	enter_own_netns();
	/* the switches of this namespace, off: what a host with a hardened sysctl.conf has */
	write_file(SYSCTL4, "0");
	write_file(SYSCTL6, "0");
	base = event_base_new();
	watch = bridge_watch_new(base, on_links, NULL, &err);
	ck_assert_msg(watch != NULL, "%s", err.text);
}

static void teardown(void)
{
	bridge_watch_free(watch);
	event_base_free(base);
}

/* The bridge's own switches, as iproute2 shows them. */
static void expect_switches(const char *v4, const char *v6)
{
	sh("ip -d link show br0 | grep -q 'nf_call_iptables %s nf_call_ip6tables %s "
	   "nf_call_arptables 0'",
		v4, v6);
}

/* Runs the loop until there has been no news for a while; what the kernel tells later (carrier) belongs to the cause. */
static void settle(void)
{
	double end = seconds_now() + 5;

	for (double quiet = seconds_now() + 0.3; seconds_now() < quiet;) {
		int before = calls;

		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		if (calls != before)
			quiet = seconds_now() + 0.3;
		ck_assert_msg(seconds_now() < end, "the news do not end");
		usleep(1000);
	}
}

static void expect_news(void)
{
	for (double end = seconds_now() + 5; !calls && seconds_now() < end; usleep(1000))
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	ck_assert_int_ge(calls, 1);
	settle();
	calls = 0;
}

static void expect_silence(void)
{
	settle();
	ck_assert_int_eq(calls, 0);
}

START_TEST(test_switched_once)
{
	sh("ip link add br0 type bridge");
	expect_switches("0", "0");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_SWITCHED);
	expect_switches("1", "1");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_VISIBLE);
	sh("ip link set br0 type bridge nf_call_ip6tables 0");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_SWITCHED);
	expect_switches("1", "1");
}
END_TEST

START_TEST(test_namespace_switch_is_enough)
{
	sh("ip link add br0 type bridge");
	write_file(SYSCTL4, "1");
	write_file(SYSCTL6, "1");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_VISIBLE);
	expect_switches("0", "0");
	write_file(SYSCTL6, "0");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_SWITCHED);
}
END_TEST

START_TEST(test_not_there)
{
	ck_assert(bridge_netfilter_present());
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_MISSING);
	sh("ip link add br0 type bridge; ip link del br0");
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_MISSING);
}
END_TEST

START_TEST(test_not_a_bridge)
{
	static const char *const names[] = {"", "0123456789abcdef", "lo", "v0"};
	static const char *const why[] = {"Invalid", "Invalid", "not a bridge", "not a bridge"};

	sh("ip link add v0 type veth peer name v1");
	ck_assert_int_eq(bridge_ensure(watch, names[_i], &err), BRIDGE_BLIND);
	ck_assert_msg(strstr(err.text, why[_i]) != NULL, "%s", err.text);
}
END_TEST

/* br_netfilter cannot be unloaded for a test, but what it shows can be taken away in a mount namespace. */
START_TEST(test_without_br_netfilter)
{
	sh("ip link add br0 type bridge");
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mount("none", "/proc/sys/net", "tmpfs", 0, NULL), 0);
	ck_assert(!bridge_netfilter_present());
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_BLIND);
	ck_assert_msg(strstr(err.text, "modprobe br_netfilter") != NULL, "%s", err.text);
	ck_assert_int_eq(bridge_ensure(watch, "br1", &err), BRIDGE_MISSING);
}
END_TEST

START_TEST(test_without_privilege)
{
	sh("ip link add br0 type bridge");
	ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_BLIND);
	ck_assert_int_eq(err.code, EPERM);
	ck_assert_msg(strstr(err.text, "bridge br0") != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_watch_tells_of_bridges_only)
{
	expect_silence();
	sh("ip link add br0 up type bridge");
	expect_news();
	sh("ip link add v0 type veth peer name v1; ip link set v1 up; ip link set v0 up");
	expect_silence();
	sh("ip link set br0 type bridge nf_call_iptables 1");
	expect_news();
	sh("ip link del br0");
	expect_news();
}
END_TEST

START_TEST(test_watch_tells_once_per_turn)
{
	sh("for i in 0 1 2 3 4 5 6 7 8 9; do ip link add br$i type bridge; done");
	event_base_loop(base, EVLOOP_ONCE);
	ck_assert_int_eq(calls, 1);
	calls = 0;
	expect_silence();
}
END_TEST

/* Ensuring makes news of its own; the next look finds nothing to do, so that it does not go on. */
START_TEST(test_ensuring_settles)
{
	sh("ip link add br0 up type bridge");
	expect_news();
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_SWITCHED);
	expect_news();
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_VISIBLE);
	expect_silence();
}
END_TEST

static void plug(pid_t peer, const char *name, int host)
{
	sh("ip link add %s type veth peer name eth0 netns %d; ip link set %s master br0 up", name,
		(int)peer, name);
	sh("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add 10.78.0.%d/24 dev eth0; ip -6 "
	   "addr add fd78::%d/64 dev eth0 nodad'",
		(int)peer, host, host);
}

/* Two hosts on one bridge, a table that drops what it sees: the switch decides whether it does. */
START_TEST(test_bridged_packets_become_visible)
{
	pid_t one = new_peer(), two = new_peer();
	int servers[2];

	sh("ip link add br0 type bridge; ip link set br0 up");
	plug(one, "p1", 1);
	plug(two, "p2", 2);
	servers[0] = serve(two, SOCK_STREAM, "10.78.0.2", 80);
	servers[1] = serve(two, SOCK_STREAM, "fd78::2", 80);
	sh("nft -f - <<'X'\n"
	   "add table inet t\n"
	   "add chain inet t f { type filter hook forward priority 0; policy accept; }\n"
	   "add rule inet t f tcp dport 80 drop\n"
	   "X");
	must_connect(one, "10.78.0.2", 80);
	must_connect(one, "fd78::2", 80);
	ck_assert_int_eq(bridge_ensure(watch, "br0", &err), BRIDGE_SWITCHED);
	ck_assert(!can_connect(one, "10.78.0.2", 80));
	ck_assert(!can_connect(one, "fd78::2", 80));
	close(servers[0]);
	close(servers[1]);
	end_peer(one);
	end_peer(two);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bridge");
	TCase *tests = tcase_create("bridge");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_switched_once);
	tcase_add_test(tests, test_namespace_switch_is_enough);
	tcase_add_test(tests, test_not_there);
	tcase_add_loop_test(tests, test_not_a_bridge, 0, 4);
	tcase_add_test(tests, test_without_br_netfilter);
	tcase_add_test(tests, test_without_privilege);
	tcase_add_test(tests, test_watch_tells_of_bridges_only);
	tcase_add_test(tests, test_watch_tells_once_per_turn);
	tcase_add_test(tests, test_ensuring_settles);
	tcase_add_test(tests, test_bridged_packets_become_visible);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
