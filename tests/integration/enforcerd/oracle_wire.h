/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle's flows as packets through this kernel: one namespace stands for every container and for the outside, with a link for each
 * network, whose end here has the name of the network's bridge. Frames are written and read whole, so that no stack answers or
 * refuses. Everything runs on one processor: what was sent before a fence has arrived, or been dropped, when the fence arrives.
 *
 * Bridged: each network is a bridge with two links into the namespace, and what goes from a network to itself is sent into the one for
 * the other, as between two containers; the rest goes to the bridge's own address, and is routed.
 */
#ifndef BULKHEAD_TESTS_ORACLE_WIRE_H
#define BULKHEAD_TESTS_ORACLE_WIRE_H

#include "netns.h"
#include "tests/unit/enforcerd/oracle_world.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>

enum { LINKS = O_NETWORKS + 1, FRAME_MAX = 256, FENCE = 0xffff, FENCE_MS = 5000 };

static const char *const link_names[LINKS] = {"br-1", "br-2", "br-3", "out0"};
#define FENCE_FROM "198.51.100.1"
#define FENCE_TO   "198.51.100.2"

struct wire {
	pid_t peer;
	bool bridged;
	int fd;             /* of the peer's, sees every frame of its links */
	int indexes[LINKS]; /* of the peer's ends */
};

/* What is put behind the headers, to be found again. */
struct payload {
	char magic[6];
	uint16_t flow;
};

static const char magic[6] = {'O', 'r', 'a', 'c', 'l', 'e'};

/* --- links ------------------------------------------------------------------------------------- */

static inline void make_link(const struct wire *wire, int n)
{
	sh("ip link add %s address 02:00:00:00:00:0%d type veth peer name p%d address "
	   "02:00:00:00:01:0%d netns %d; sysctl -qw net.ipv4.conf.%s.send_redirects=0; ip link set %s up; "
	   "nsenter -t %d -n sh -c 'sysctl -qw net.ipv6.conf.p%d.disable_ipv6=1; ip link set p%d up'",
		link_names[n], n, n, n, (int)wire->peer, link_names[n], link_names[n],
		(int)wire->peer, n, n);
}

/* A bridge and two links; who is behind which is said, so that no frame is flooded. */
static inline void make_bridge(const struct wire *wire, int n)
{
	sh("ip link add %s address 02:00:00:00:00:0%d type bridge; sysctl -qw net.ipv4.conf.%s.send_redirects=0; "
	   "ip link set %s up",
		link_names[n], n, link_names[n], link_names[n]);
	for (int port = 0; port < 2; port++) {
		char name = port ? 'q' : 'p';

		sh("ip link add v%c%d type veth peer name %c%d address 02:00:00:00:0%d:0%d netns %d; "
		   "ip link set v%c%d master %s; ip link set v%c%d up; "
		   "bridge fdb replace 02:00:00:00:0%d:0%d dev v%c%d master static; "
		   "nsenter -t %d -n sh -c 'sysctl -qw net.ipv6.conf.%c%d.disable_ipv6=1; ip link set %c%d up'",
			name, n, name, n, port + 1, n, (int)wire->peer, name, n, link_names[n],
			name, n, port + 1, n, name, n, (int)wire->peer, name, n, name, n);
	}
}

static inline bool is_bridged(const struct wire *wire, int link)
{
	return wire->bridged && link < O_NETWORKS;
}

static inline void add_route(const char *block, int link)
{
	sh("ip %s route add %s dev %s", strchr(block, ':') ? "-6" : "", block, link_names[link]);
}

static inline void add_neighbour(const char *ip, int link)
{
	sh("ip neigh add %s dev %s lladdr 02:00:00:00:01:0%d nud permanent", ip, link_names[link],
		link);
}

static inline void add_network(int n)
{
	char text[64];

	snprintf(text, sizeof(text), "10.%d.0.0/16", n + 1);
	add_route(text, n);
	snprintf(text, sizeof(text), "fd00:%d::/64", n + 1);
	add_route(text, n);
	for (int host = 2; host < 10; host++) {
		snprintf(text, sizeof(text), "10.%d.0.%d", n + 1, host);
		add_neighbour(text, n);
		snprintf(text, sizeof(text), "fd00:%d::%d", n + 1, host);
		add_neighbour(text, n);
	}
}

static inline int peer_index(const struct wire *wire, int n)
{
	int status = 0;
	char *text = output_of(&status, "nsenter -t %d -n ip -o link show p%d", (int)wire->peer, n);
	int index = atoi(text);

	free(text);
	ck_assert_int_gt(index, 0);
	return index;
}

static inline void wire_open(struct wire *wire, bool bridged)
{
	cpu_set_t one;
	int outside = O_NETWORKS;

	CPU_ZERO(&one);
	CPU_SET((unsigned)sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	enter_own_netns();
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	write_file("/proc/sys/net/ipv4/conf/all/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
	write_file("/proc/sys/net/ipv4/conf/all/send_redirects", "0");
	write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
	wire->bridged = bridged;
	wire->peer = new_peer();
	for (int n = 0; n < LINKS; n++) {
		if (is_bridged(wire, n))
			make_bridge(wire, n);
		else
			make_link(wire, n);
		if (n < O_NETWORKS)
			add_network(n);
		wire->indexes[n] = peer_index(wire, n);
	}
	add_route("192.0.2.0/24", outside);
	add_route("198.51.100.0/24", outside);
	add_route("2001:db8::/32", outside);
	add_neighbour("192.0.2.7", outside);
	add_neighbour("2001:db8::7", outside);
	add_neighbour(FENCE_TO, outside);
	wire->fd = socket_in(wire->peer, AF_PACKET, SOCK_RAW);
	/* a socket of protocol 0 sees nothing until it is bound */
	ck_assert_int_eq(bind(wire->fd,
				 (struct sockaddr *)&(struct sockaddr_ll){
					 .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)},
				 sizeof(struct sockaddr_ll)),
		0);
}

static inline void wire_close(struct wire *wire)
{
	close(wire->fd);
	end_peer(wire->peer);
}

/* --- frames ------------------------------------------------------------------------------------ */

static inline void put16(uint8_t *at, unsigned value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t sum(const uint8_t *data, size_t len, uint32_t total)
{
	for (size_t i = 0; i < len; i++)
		total += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	return total;
}

static inline unsigned folded(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return ~total & 0xffff;
}

/* The header of the protocol, without its checksum; and where that is to be put, or 0. */
static inline size_t put_transport(
	uint8_t *at, const struct o_flow *flow, bool v6, size_t *checksum)
{
	*checksum = 0;
	if (flow->protocol == IPPROTO_TCP || flow->protocol == IPPROTO_UDP) {
		put16(at, (unsigned)flow->ports[0]);
		put16(at + 2, (unsigned)flow->ports[1]);
	}
	if (flow->protocol == IPPROTO_TCP) {
		put16(at + 12, 0x5002); /* five words, SYN */
		put16(at + 14, 1024);
		*checksum = 16;
		return 20;
	}
	if (flow->protocol == IPPROTO_UDP) {
		put16(at + 4, 8 + sizeof(struct payload));
		*checksum = 6;
		return 8;
	}
	if (flow->protocol == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		at[0] = (uint8_t)flow->icmp_type;
		at[1] = (uint8_t)flow->icmp_code;
		put16(at + 4, 7);
		*checksum = 2;
		return 8;
	}
	return 4;
}

static inline size_t put_ip(uint8_t *at, const struct o_flow *flow, bool v6, size_t rest)
{
	size_t len = v6 ? 40 : 20;

	at[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		put16(at + 4, (unsigned)rest);
		at[6] = (uint8_t)flow->protocol;
		at[7] = 64;
	} else {
		put16(at + 2, (unsigned)(len + rest));
		at[8] = 64;
		at[9] = (uint8_t)flow->protocol;
	}
	for (int end = 0; end < 2; end++)
		ck_assert_int_eq(inet_pton(v6 ? AF_INET6 : AF_INET, flow->ips[end],
					 at + (v6 ? 8 + 16 * end : 12 + 4 * end)),
			1);
	if (!v6)
		put16(at + 10, folded(sum(at, len, 0)));
	return len;
}

/* The checksum of what follows an IP header: over addresses, protocol and length as well, but for ICMP in IPv4. */
static inline unsigned checksum_of(
	const uint8_t *ip, const uint8_t *data, size_t len, const struct o_flow *flow, bool v6)
{
	uint32_t total = 0;

	if (v6 || flow->protocol != IPPROTO_ICMP)
		total = sum(v6 ? ip + 8 : ip + 12, v6 ? 32 : 8,
			(uint32_t)flow->protocol + (uint32_t)len);
	return folded(sum(data, len, total));
}

static inline int link_of(const char *ip)
{
	int n = 0;

	if (sscanf(ip, "10.%d.", &n) == 1 || sscanf(ip, "fd00:%d:", &n) == 1)
		return n - 1;
	return O_NETWORKS;
}

static inline void wire_send(const struct wire *wire, const struct o_flow *flow, uint16_t index)
{
	bool v6 = strchr(flow->ips[0], ':') != NULL;
	int link = link_of(flow->ips[0]);
	bool across = is_bridged(wire, link) && link_of(flow->ips[1]) == link;
	/* to the other link of the bridge, or to whoever routes */
	uint8_t frame[FRAME_MAX] = {
		2, 0, 0, 0, across ? 2 : 0, (uint8_t)link, 2, 0, 0, 0, 1, (uint8_t)link};
	struct payload payload = {.flow = index};
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_ifindex = wire->indexes[link], .sll_halen = 6};
	uint8_t *ip = frame + 14, *data = ip + (v6 ? 40 : 20);
	size_t checksum = 0, len = put_transport(data, flow, v6, &checksum);
	size_t whole;

	memcpy(payload.magic, magic, sizeof(magic));
	memcpy(data + len, &payload, sizeof(payload));
	len += sizeof(payload);
	put16(frame + 12, v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	whole = 14 + put_ip(ip, flow, v6, len) + len;
	if (checksum)
		put16(data + checksum, checksum_of(ip, data, len, flow, v6));
	ck_assert_int_eq(sendto(wire->fd, frame, whole, 0, (struct sockaddr *)&to, sizeof(to)),
		(ssize_t)whole);
}

static const struct o_flow fence = {
	.ips = {FENCE_FROM, FENCE_TO}, .protocol = IPPROTO_UDP, .ports = {9, 9}};

static inline void wire_fence(const struct wire *wire)
{
	wire_send(wire, &fence, FENCE);
}

/* Not what quotes the packet: the kernel sends a redirect where a router would, before it asks whether the packet may pass. */
static inline bool is_of(const uint8_t *ip, const struct o_flow *flow)
{
	bool v6 = strchr(flow->ips[0], ':') != NULL;
	uint8_t from[16];

	ck_assert_int_eq(inet_pton(v6 ? AF_INET6 : AF_INET, flow->ips[0], from), 1);
	return ip[0] >> 4 == (v6 ? 6 : 4) && !memcmp(from, ip + (v6 ? 8 : 12), v6 ? 16 : 4);
}

/* Which of the flows came through next, FENCE at last. */
static inline uint16_t wire_next(const struct wire *wire, const struct o_flow *flows, size_t count)
{
	for (;;) {
		struct pollfd wait = {.fd = wire->fd, .events = POLLIN};
		struct sockaddr_ll from = {0};
		socklen_t size = sizeof(from);
		struct payload payload;
		uint8_t frame[FRAME_MAX];
		ssize_t len;

		ck_assert_msg(poll(&wait, 1, FENCE_MS) == 1, "the fence does not arrive");
		len = recvfrom(wire->fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size);
		if (from.sll_pkttype == PACKET_OUTGOING ||
			len < (ssize_t)(14 + 20 + sizeof(payload)))
			continue;
		memcpy(&payload, frame + len - sizeof(payload), sizeof(payload));
		if (memcmp(payload.magic, magic, sizeof(magic)) != 0)
			continue;
		ck_assert(payload.flow == FENCE || payload.flow < count);
		if (is_of(frame + 14, payload.flow == FENCE ? &fence : &flows[payload.flow]))
			return payload.flow;
	}
}

#endif
