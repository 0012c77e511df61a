/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports of real bridges: what is told of links that are made as the Engine makes them, and of others. */
#include "enforcerd/ports.h"

#include "netns.h"

#include <linux/capability.h>
#include <sys/syscall.h>

enum { SETTLE_SECONDS = 10, TEXT_SIZE = 4096 };

static struct event_base *base;
static struct ports *ports;
static struct err err;
static char told[TEXT_SIZE]; /* ports as they were told, since the last look */
static char gateways[TEXT_SIZE];
static char host_addresses[TEXT_SIZE];
static unsigned last_ifindex;
static int bridge_news;
static pid_t box; /* a container's namespace */

static void append(char *text, const char *fmt, ...)
{
	size_t len = strlen(text);
	va_list args;

	va_start(args, fmt);
	vsnprintf(text + len, TEXT_SIZE - len, fmt, args);
	va_end(args);
}

static void on_port(const struct port *port, void *arg)
{
	static const char *const states[] = {"other", "pending", "settled"};
	char ip[IP_TEXT_MAX];

	ck_assert_ptr_eq(arg, told);
	last_ifindex = port->ifindex;
	append(told, "%s@%s %s", port->name, port->bridge, states[port->state]);
	if (port->state == PORT_SETTLED)
		append(told, " %02x:%02x", port->mac[4], port->mac[5]);
	for (size_t i = 0; port->state == PORT_SETTLED && i < port->address_count; i++)
		append(told, " %s", ip_format(&port->addresses[i], ip));
	append(told, "; ");
}

static void on_gone(unsigned ifindex, void *arg)
{
	(void)arg;
	append(told, "%s gone; ", ifindex == last_ifindex ? "last" : "other");
}

static void on_gateways(const char *bridge, const struct cidr *addresses, size_t count, void *arg)
{
	char text[CIDR_TEXT_MAX];

	(void)arg;
	append(gateways, "%s:", bridge);
	for (size_t i = 0; i < count; i++)
		append(gateways, " %s", cidr_format(&addresses[i], text));
	append(gateways, "; ");
}

static void on_address(const struct ip *ip, bool there, void *arg)
{
	char text[IP_TEXT_MAX];

	(void)arg;
	append(host_addresses, "%c%s; ", there ? '+' : '-', ip_format(ip, text));
}

static void on_bridges(void *arg)
{
	(void)arg;
	bridge_news++;
}

static void open_ports(unsigned pending_ms)
{
	const struct ports_ops ops = {
		on_port, on_gone, on_gateways, on_address, on_bridges, pending_ms};

	ports_free(ports);
	ports = ports_new(base, &ops, told, &err);
	ck_assert_msg(ports != NULL, "%s", err.text);
	ck_assert_msg(ports_start(ports, &err) == 0, "%s", err.text);
}

static void setup(void)
{
	enter_own_netns();
	box = new_peer();
	sh("ip link add br0 up type bridge");
	sh("ip addr add 10.9.0.1/24 dev br0");
	base = event_base_new();
	open_ports(0);
	ports_drain(ports);
	told[0] = gateways[0] = host_addresses[0] = '\0';
	bridge_news = 0;
}

static void teardown(void)
{
	ports_free(ports);
	event_base_free(base);
	end_peer(box);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	usleep(1000);
}

static void expect_addresses(const char *what)
{
	for (double end = seconds_now() + SETTLE_SECONDS;
		strcmp(host_addresses, what) != 0 && seconds_now() < end;)
		turn();
	ck_assert_str_eq(host_addresses, what);
	host_addresses[0] = '\0';
}

/* What has been queued by now, and nothing that comes later. */
static void expect_now(const char *what)
{
	ports_drain(ports);
	ck_assert_str_eq(told, what);
	told[0] = '\0';
}

/* Carrier is told by a worker of the kernel's. */
static void expect_soon(const char *what)
{
	for (double end = seconds_now() + SETTLE_SECONDS;
		strcmp(told, what) != 0 && seconds_now() < end;)
		turn();
	ck_assert_str_eq(told, what);
	told[0] = '\0';
}

/* Those of IPv6 are told by a worker as well. */
static void expect_gateways(const char *what)
{
	for (double end = seconds_now() + SETTLE_SECONDS;
		strcmp(gateways, what) != 0 && seconds_now() < end;)
		turn();
	ck_assert_str_eq(gateways, what);
	gateways[0] = '\0';
}

/* A command in the container. */
__attribute__((format(printf, 1, 2))) static void inside(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	sh("nsenter -t %d -n %s", (int)box, command);
}

/* What engines up to 27 do: the pair on the host, attached, up; then the move, MAC and addresses, and up as the last. */
static void start_as_27(const char *name, int host)
{
	sh("ip link add %s type veth peer name %sc; ip link set %s master br0; ip link set %s up",
		name, name, name, name);
	sh("ip link set %sc netns %d", name, (int)box);
	inside("sh -c 'ip link set %sc address 02:42:00:00:00:%02x; ip addr add 10.9.0.%d/24 dev "
	       "%sc; ip -6 addr add fd09::%d/64 dev %sc nodad'",
		name, host, host, name, host, name);
}

static void up(const char *name)
{
	inside("ip link set %sc up", name);
}

/* --- tests ------------------------------------------------------------------------------------- */

START_TEST(test_start_as_27)
{
	start_as_27("v1", 7);
	expect_now("v1@br0 pending; ");
	up("v1");
	expect_soon("v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link del v1");
	expect_now("last gone; ");
}
END_TEST

/* What Engine 28 does: the other end is made in the container's namespace. */
START_TEST(test_start_as_28)
{
	sh("ip link add v1 type veth peer name eth0 netns %d; ip link set v1 master br0", (int)box);
	inside("sh -c 'ip link set eth0 address 02:42:00:00:00:07; ip addr add 10.9.0.7/24 dev "
	       "eth0'");
	sh("ip link set v1 up");
	expect_now("v1@br0 pending; ");
	inside("ip link set eth0 up");
	expect_soon("v1@br0 settled 00:07 10.9.0.7; ");
	end_peer(box);
	expect_soon("last gone; ");
	box = new_peer();
}
END_TEST

START_TEST(test_what_was_there_before)
{
	struct ports_stats stats;

	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	gateways[0] = '\0';
	open_ports(0);
	expect_now("v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	ck_assert_msg(!strncmp(gateways, "br0: 10.9.0.1/24; ", 18), "%s", gateways);
	ports_stats(ports, &stats);
	ck_assert_uint_eq(stats.ports, 1);
	ck_assert_uint_eq(stats.settled, 1);
	ck_assert_uint_eq(stats.pending, 0);
	ck_assert_uint_eq(stats.lists, 1);
}
END_TEST

/* NET_ADMIN in a container: what it makes of its interface later is not asked for. */
START_TEST(test_first_answer_counts)
{
	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	inside("ip link set v1c down");
	inside("ip link set v1c address 02:42:00:00:00:08");
	inside("ip addr replace 10.9.0.8/24 dev v1c");
	inside("ip link set v1c up");
	for (double end = seconds_now() + 1; seconds_now() < end;)
		turn();
	expect_now("");
	sh("ip link set v1 nomaster");
	expect_now("v1@ settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link set v1 master br0");
	expect_now("v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
}
END_TEST

START_TEST(test_other_end_changes_hands)
{
	pid_t other = new_peer();

	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	inside("ip link set v1c netns %d", _i ? (int)other : (int)getpid());
	sh("nsenter -t %d -n ip link set v1c up", _i ? (int)other : (int)getpid());
	/* told by the next event of this end */
	expect_soon("v1@br0 other; ");
	end_peer(other);
}
END_TEST

START_TEST(test_no_containers)
{
	sh("ip link add d0 type vxlan id 5 dstport 4789; ip link set d0 master br0");
	expect_now("d0@br0 other; ");
	sh("ip link add v1 up type veth peer name v2; ip link set v2 up; ip link set v1 master br0");
	expect_now("v1@br0 other; ");
	sh("ip link add v3 type veth peer name v4");
	expect_now("");
}
END_TEST

START_TEST(test_nobody_comes)
{
	struct ports_stats stats;

	open_ports(100);
	told[0] = '\0';
	start_as_27("v1", 7);
	expect_now("v1@br0 pending; ");
	expect_soon("v1@br0 other; ");
	ports_stats(ports, &stats);
	ck_assert_uint_eq(stats.pending, 0);
	up("v1");
	expect_soon("v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
}
END_TEST

START_TEST(test_names_and_bridges)
{
	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link set v1 name v9");
	expect_now("v9@br0 settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link set br0 name br7");
	expect_now("v9@br7 settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link del br7");
	expect_now("v9@ settled 00:07 10.9.0.7 fd09::7; ");
	sh("ip link add br8 type bridge; ip link set v9 master br8");
	expect_now("v9@br8 settled 00:07 10.9.0.7 fd09::7; ");
}
END_TEST

START_TEST(test_gateways)
{
	sh("ip link set br0 down");
	ports_drain(ports);
	gateways[0] = '\0';
	sh("ip addr add 10.9.1.1/24 dev br0; ip addr del 10.9.0.1/24 dev br0");
	expect_gateways("br0: 10.9.0.1/24 10.9.1.1/24; br0: 10.9.1.1/24; ");
	sh("ip -6 addr add fd09::1/64 dev br0 nodad");
	expect_gateways("br0: 10.9.1.1/24 fd09::1/64; ");
	sh("ip link set br0 name br7");
	expect_gateways("br0:; br7: 10.9.1.1/24 fd09::1/64; ");
	sh("ip addr add 10.9.2.1/24 dev lo");
	ports_drain(ports);
	expect_gateways("");
	sh("ip link del br7");
	expect_gateways("br7: fd09::1/64; br7:; ");
}
END_TEST

START_TEST(test_bridge_news)
{
	for (double end = seconds_now() + 0.5; seconds_now() < end;) /* br0 comes up, later */
		turn();
	bridge_news = 0;
	sh("ip link add b1 type bridge; ip link add b2 type bridge");
	ports_drain(ports);
	ck_assert_int_eq(bridge_news, 1);
	sh("ip link add v1 type veth peer name v2; ip link set v1 up");
	ports_drain(ports);
	ck_assert_int_eq(bridge_news, 1);
	sh("ip link set br0 type bridge nf_call_iptables 1");
	ports_drain(ports);
	ck_assert_int_eq(bridge_news, 2);
	sh("ip link del b1");
	ports_drain(ports);
	ck_assert_int_eq(bridge_news, 3);
}
END_TEST

START_TEST(test_moments)
{
	struct moment before, after;

	sh("ip link add v1 type veth peer name v2");
	ports_drain(ports);
	before = ports_moment(ports);
	sh("ip link add v3 type veth peer name v4; ip link del v3");
	ports_drain(ports);
	after = ports_moment(ports);
	ck_assert_uint_gt(after.newest, before.newest);
	ck_assert_int_ge(after.ms, before.ms);
	sh("ip link add v5 type veth peer name v6");
	ports_drain(ports);
	ck_assert_uint_gt(ports_moment(ports).newest, after.newest);
}
END_TEST

START_TEST(test_two_networks)
{
	sh("ip link add br1 up type bridge");
	start_as_27("v1", 7);
	start_as_27("v2", 8);
	sh("ip link set v2 master br1");
	up("v1");
	expect_soon("v1@br0 pending; v2@br0 pending; v2@ other; v2@br1 pending; "
		    "v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	up("v2");
	expect_soon("v2@br1 settled 00:08 10.9.0.8 fd09::8; ");
}
END_TEST

START_TEST(test_many_addresses)
{
	start_as_27("v1", 7);
	inside("sh -c 'for i in $(seq 1 200); do echo addr add 10.9.1.$i/24 dev v1c; done | ip -batch "
	       "-'");
	up("v1");
	for (double end = seconds_now() + SETTLE_SECONDS;
		!strstr(told, "settled") && seconds_now() < end;)
		turn();
	ck_assert_msg(strstr(told, "settled 00:07 10.9.0.7 ") != NULL, "%s", told);
	ck_assert_ptr_nonnull(strstr(told, " 10.9.1.63"));
	ck_assert_ptr_null(strstr(told, " 10.9.1.64"));
}
END_TEST

/* More events than the socket holds: everything is read again, and is right. */
START_TEST(test_lost_events)
{
	struct ports_stats stats;

	start_as_27("v1", 7);
	sh("ip link add d0 up type bridge");
	sh("for i in $(seq 1 30000); do echo link set d0 alias a$i; done | ip -batch -");
	up("v1");
	sh("ip addr add 10.9.5.1/24 dev br0; ip addr del 10.9.0.1/24 dev br0; ip link del d0");
	for (double end = seconds_now() + SETTLE_SECONDS;
		!strstr(told, "settled") && seconds_now() < end;)
		turn();
	ports_drain(ports);
	ports_stats(ports, &stats);
	ck_assert_uint_gt(stats.lists, 1);
	ck_assert_uint_eq(stats.links, 3); /* lo, br0, v1 */
	ck_assert_str_eq(told, "v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	ck_assert_msg(strstr(gateways, " 10.9.5.1/24; ") != NULL, "%s", gateways);
	ck_assert_msg(strstr(host_addresses, "+10.9.5.1; ") != NULL, "%s", host_addresses);
	ck_assert_msg(strstr(host_addresses, "-10.9.0.1; ") != NULL, "%s", host_addresses);
}
END_TEST

/* Of every link, each for itself; what means nothing beyond its link is not told, nor is a container's. */
START_TEST(test_addresses)
{
	sh("ip link set lo up");
	sh("ip link add d1 up type veth peer name d2; ip link set d2 up; ip addr add 192.0.2.1/24 dev d1; ip addr add 192.0.2.1/32 dev d1");
	expect_addresses("+192.0.2.1; +192.0.2.1; ");
	sh("ip -6 addr add 2001:db8::1/64 dev d1 nodad; ip -6 addr add fe80::77/64 dev d1 nodad");
	sh("ip addr add 169.254.1.1/16 dev d1; ip addr add 127.0.0.2/8 dev lo; ip addr add 198.51.100.1/32 dev lo");
	expect_addresses("+2001:db8::1; +198.51.100.1; ");
	sh("ip addr add 198.51.100.1/32 dev br0");
	expect_addresses("+198.51.100.1; ");
	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	expect_addresses("");
	sh("ip addr del 198.51.100.1/32 dev lo");
	expect_addresses("-198.51.100.1; ");
	/* at the far end of the link is somebody else */
	sh("ip addr add 203.0.113.1 peer 203.0.113.2/32 dev d1");
	expect_addresses("+203.0.113.1; ");
	sh("ip link del br0");
	expect_soon("v1@ settled 00:07 10.9.0.7 fd09::7; ");
	expect_addresses("-10.9.0.1; -198.51.100.1; ");
	/* whoever starts later is told the same */
	open_ports(0);
	ck_assert_msg(strstr(host_addresses, "+192.0.2.1; ") != NULL, "%s", host_addresses);
	ck_assert_msg(strstr(host_addresses, "+2001:db8::1; ") != NULL, "%s", host_addresses);
	ck_assert_msg(strstr(host_addresses, "+203.0.113.1; ") != NULL, "%s", host_addresses);
	ck_assert_msg(!strstr(host_addresses, "127.0.0"), "%s", host_addresses);
}
END_TEST

/* What a process of uid nobody with these capabilities is told. */
static void expect_as_nobody(unsigned capabilities, const char *what)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.permitted = capabilities, .effective = capabilities}};
	pid_t pid = fork();
	int status = -1;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (event_reinit(base) < 0 || prctl(PR_SET_KEEPCAPS, 1) < 0 ||
			setresuid(65534, 65534, 65534) < 0 ||
			syscall(SYS_capset, &header, data) < 0)
			_exit(2);
		open_ports(0);
		ports_drain(ports);
		_exit(strcmp(told, what) != 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/* Without CAP_NET_ADMIN nothing is known of the other end: such a port stays unsettled. */
START_TEST(test_net_admin_is_enough)
{
	start_as_27("v1", 7);
	up("v1");
	expect_soon("v1@br0 pending; v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	expect_as_nobody(1U << CAP_NET_ADMIN, "v1@br0 settled 00:07 10.9.0.7 fd09::7; ");
	expect_as_nobody(0, "v1@br0 pending; ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ports");
	TCase *tests = tcase_create("ports");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_start_as_27);
	tcase_add_test(tests, test_start_as_28);
	tcase_add_test(tests, test_what_was_there_before);
	tcase_add_test(tests, test_first_answer_counts);
	tcase_add_loop_test(tests, test_other_end_changes_hands, 0, 2);
	tcase_add_test(tests, test_no_containers);
	tcase_add_test(tests, test_nobody_comes);
	tcase_add_test(tests, test_names_and_bridges);
	tcase_add_test(tests, test_gateways);
	tcase_add_test(tests, test_addresses);
	tcase_add_test(tests, test_bridge_news);
	tcase_add_test(tests, test_moments);
	tcase_add_test(tests, test_two_networks);
	tcase_add_test(tests, test_many_addresses);
	tcase_add_test(tests, test_lost_events);
	tcase_add_test(tests, test_net_admin_is_enough);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
