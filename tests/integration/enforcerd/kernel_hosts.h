/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two hosts that this one routes between, and a flood of what may not pass: for what rules do to packets while they change. */
#ifndef BULKHEAD_TESTS_KERNEL_HOSTS_H
#define BULKHEAD_TESTS_KERNEL_HOSTS_H

#include "kernel_fixture.h"

/* A: 10.77.1.2 and fd77:1::2; B: 10.77.2.2 and fd77:2::2. */
static pid_t host_a, host_b;

static inline void connect_host(pid_t peer, const char *name, int net)
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

/* In the namespace that the fixture entered. */
static inline void connect_hosts(void)
{
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	host_a = new_peer();
	host_b = new_peer();
	connect_host(host_a, "a", 1);
	connect_host(host_b, "b", 2);
}

static inline void teardown_hosts(void)
{
	end_peer(host_a);
	end_peer(host_b);
	teardown();
}

static inline unsigned long long dropped(void)
{
	int status = 0;
	unsigned long long packets = 0;
	char *text = output_of(
		&status, "nft list counter inet " TABLE " drop_ingress | grep -o 'packets [0-9]*'");

	ck_assert_int_eq(sscanf(text, "packets %llu", &packets), 1);
	free(text);
	return packets;
}

/* Sends forbidden datagrams from host A without pause, and returns when the rules see them. */
static inline pid_t start_flood(const char *ip, uint16_t port)
{
	enum { BURST = 32 };
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, ip, port);
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
	for (double end = seconds_now() + 10; dropped() < 1000;)
		ck_assert_msg(seconds_now() < end, "the flood does not come");
	return pid;
}

/* None of the flood reached this socket; and it would have been seen there. */
static inline void expect_no_leak(int udp)
{
	struct pollfd wait = {.fd = udp, .events = POLLIN};

	ck_assert_uint_eq(drain(udp), 0);
	ck_assert_int_eq(kernel_clear(kernel, &err), 0);
	ck_assert_int_eq(poll(&wait, 1, 5000), 1);
}

#endif
