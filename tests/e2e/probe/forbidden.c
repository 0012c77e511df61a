/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "forbidden.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	FIRST_FRAGMENT = 1232, /* after the IP header: the smallest IPv6 MTU, a multiple of 8 */
	PADDING = FIRST_FRAGMENT + 8,
	ALLOWED_PORT = 8080, /* what the victim may reach */
	OTHER_PORT = 5432,
	FIRST_SOURCE_PORT = 40000,
	/* of each item: its flows are nobody else's, and few, because each one that passes is a conntrack entry */
	SOURCE_PORTS = 16,
	EXPERIMENT = 253, /* option and protocol */
};

enum who { SELF, VICTIM, GATEWAY };
/* UNICAST_FRAME, GROUP_FRAME: an IP destination of one kind in a frame of the other */
enum where {
	TARGET,
	LOCAL,
	BROADCAST,
	SUBNET_BROADCAST,
	MULTICAST,
	ALL_NODES,
	UNICAST_FRAME,
	GROUP_FRAME
};
enum wrap { PLAIN, VLAN, PRIORITY, QINQ, PPPOE };

struct build {
	struct frame *frame;
	const struct item *item;
	const struct cast *cast;
	struct token token;
	int part;
	unsigned first_port;
	size_t l3, l4; /* where they begin in the frame */
	uint8_t proto; /* of what begins at l4 */
};

struct item {
	const char *name;
	void (*build)(struct build *b);
	/* the builder's: TCP flags, port, ICMP type and code, protocol, ethertype */
	unsigned arg;
	int family;
	enum who from; /* network address */
	enum who mac;  /* Ethernet source */
	enum where to;
	enum wrap wrap;
	enum who claims; /* what neighbour discovery says something about */
	uint8_t ext;     /* extension header; IPv4: whether there are options */
	int parts;       /* frames that one packet is sent as, when more than one */
};

static const struct party *party_of(const struct build *b, enum who who)
{
	return who == SELF ? &b->cast->self : who == VICTIM ? &b->cast->victim : &b->cast->gateway;
}

/* --- bytes ----------------------------------------------------------------------------------------- */

static void put(struct build *b, const void *bytes, size_t n)
{
	void *at = b->frame->data + b->frame->len;

	if (b->frame->len + n > sizeof(b->frame->data))
		abort();
	if (bytes)
		memcpy(at, bytes, n);
	else
		memset(at, 0, n);
	b->frame->len += n;
}

static void put16(struct build *b, unsigned value)
{
	uint16_t be = htons((uint16_t)value);

	put(b, &be, sizeof(be));
}

static void put32(struct build *b, uint32_t value)
{
	uint32_t be = htonl(value);

	put(b, &be, sizeof(be));
}

static uint32_t sum(uint32_t so_far, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (; n > 1; n -= 2, p += 2)
		so_far += (uint32_t)p[0] << 8 | p[1];
	return n ? so_far + ((uint32_t)p[0] << 8) : so_far;
}

static uint16_t folded(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

/* --- Ethernet and IP ------------------------------------------------------------------------------- */

static const uint8_t *destination_mac(const struct build *b)
{
	static const uint8_t all[ETH_ALEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t group4[ETH_ALEN] = {0x01, 0x00, 0x5e, 0x42, 0x48, 0x01};
	static const uint8_t nodes6[ETH_ALEN] = {0x33, 0x33, 0, 0, 0, 1};

	switch (b->item->to) {
	case BROADCAST:
	case SUBNET_BROADCAST:
	case GROUP_FRAME:
		return all;
	case MULTICAST:
		return group4;
	case ALL_NODES:
		return nodes6;
	default:
		return b->cast->next;
	}
}

static void begin_link(struct build *b, unsigned ethertype)
{
	put(b, destination_mac(b), ETH_ALEN);
	put(b, party_of(b, b->item->mac)->mac, ETH_ALEN);
	if (b->item->wrap == QINQ)
		put32(b, 0x88a80042);
	if (b->item->wrap == QINQ || b->item->wrap == VLAN)
		put32(b, 0x81000042);
	if (b->item->wrap == PRIORITY)
		put32(b, 0x81000000);
	put16(b, b->item->wrap == PPPOE ? ETH_P_PPP_SES : ethertype);
}

static struct in_addr destination4(const struct build *b)
{
	switch (b->item->to) {
	case BROADCAST:
	case UNICAST_FRAME:
		return (struct in_addr){INADDR_BROADCAST};
	case SUBNET_BROADCAST:
		return b->cast->broadcast;
	case MULTICAST:
		return (struct in_addr){htonl(0xef424801)}; /* 239.66.72.1 */
	default:
		return b->cast->target.ip;
	}
}

static struct in6_addr source6(const struct build *b)
{
	const struct party *from = party_of(b, b->item->from);

	return b->item->to == LOCAL || b->item->to == ALL_NODES ? from->local : from->ip6;
}

static struct in6_addr destination6(const struct build *b)
{
	static const struct in6_addr nodes = {.s6_addr = {0xff, 2, [15] = 1}};

	return b->item->to == ALL_NODES ? nodes
	       : b->item->to == LOCAL   ? b->cast->target.local
					: b->cast->target.ip6;
}

static void begin_ip4(struct build *b, uint8_t proto)
{
	struct iphdr ip = {.version = 4,
		.ihl = b->item->ext ? 6 : 5,
		.ttl = 64,
		.protocol = proto,
		.saddr = party_of(b, b->item->from)->ip.s_addr,
		.daddr = destination4(b).s_addr};

	begin_link(b, ETH_P_IP);
	if (b->item->wrap == PPPOE) {
		put32(b, 0x11000042);
		put16(b, 0); /* its length is set by end() */
		put16(b, 0x0021);
	}
	b->l3 = b->frame->len;
	put(b, &ip, sizeof(ip));
	if (b->item->ext)
		put32(b, 0x94040000); /* router alert */
	b->l4 = b->frame->len;
	b->proto = proto;
}

static void begin_ip6(struct build *b, uint8_t proto)
{
	uint8_t ext = b->item->ext;
	static const uint8_t padding[6] = {1, 4};
	struct ip6_hdr ip = {.ip6_flow = htonl(6u << 28),
		.ip6_nxt = ext ? ext : proto,
		.ip6_hops = 64,
		.ip6_src = source6(b),
		.ip6_dst = destination6(b)};

	/* neighbour discovery is believed only when no router can have passed it on */
	if (proto == IPPROTO_ICMPV6)
		ip.ip6_hops = 255;
	begin_link(b, ETH_P_IPV6);
	b->l3 = b->frame->len;
	put(b, &ip, sizeof(ip));
	if (ext) {
		put(b, (uint8_t[]){proto, 0}, 2);
		/* options want padding; a routing header without segments and a fragment header of a whole are zeros */
		put(b, ext == IPPROTO_HOPOPTS || ext == IPPROTO_DSTOPTS ? padding : NULL,
			sizeof(padding));
	}
	b->l4 = b->frame->len;
	b->proto = proto;
}

static void begin_ip(struct build *b, uint8_t proto)
{
	if (b->item->family == AF_INET)
		begin_ip4(b, proto);
	else
		begin_ip6(b, proto);
}

static uint8_t *network(const struct build *b)
{
	return b->frame->data + b->l3;
}

static uint32_t pseudo_header(const struct build *b, bool six)
{
	uint32_t s = (uint32_t)(b->frame->len - b->l4) + b->proto;

	if (six)
		return sum(s, network(b) + offsetof(struct ip6_hdr, ip6_src),
			2 * sizeof(struct in6_addr));
	return sum(s, network(b) + offsetof(struct iphdr, saddr), 2 * sizeof(struct in_addr));
}

static void set_checksum(struct build *b, bool six)
{
	static const struct {
		uint8_t proto, offset;
		bool pseudo;
	} places[] = {{IPPROTO_TCP, offsetof(struct tcphdr, th_sum), true},
		{IPPROTO_UDP, offsetof(struct udphdr, check), true},
		{IPPROTO_ICMP, offsetof(struct icmphdr, checksum), false},
		{IPPROTO_ICMPV6, offsetof(struct icmp6_hdr, icmp6_cksum), true}};
	uint8_t *carried = b->frame->data + b->l4;
	uint16_t check;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (places[i].proto != b->proto)
			continue;
		check = folded(sum(places[i].pseudo ? pseudo_header(b, six) : 0, carried,
			b->frame->len - b->l4));
		memcpy(carried + places[i].offset, &check, sizeof(check));
	}
}

/* Lengths and checksums, once everything is there; can be called again when something has changed. */
static void end(struct build *b)
{
	bool six = b->item->family == AF_INET6;
	size_t length = b->frame->len - b->l3;
	uint16_t be = htons((uint16_t)(six ? length - sizeof(struct ip6_hdr) : length));

	set_checksum(b, six);
	if (six) {
		memcpy(network(b) + offsetof(struct ip6_hdr, ip6_plen), &be, sizeof(be));
		return;
	}
	memcpy(network(b) + offsetof(struct iphdr, tot_len), &be, sizeof(be));
	memset(network(b) + offsetof(struct iphdr, check), 0, sizeof(be));
	be = folded(sum(0, network(b), b->l4 - b->l3));
	memcpy(network(b) + offsetof(struct iphdr, check), &be, sizeof(be));
	if (b->item->wrap != PPPOE)
		return;
	be = htons((uint16_t)(length + 2));
	memcpy(network(b) - 4, &be, sizeof(be));
}

/* --- what is carried ------------------------------------------------------------------------------- */

static uint16_t source_port(const struct build *b)
{
	return htons((uint16_t)(b->first_port + be16toh(b->token.serial) % SOURCE_PORTS));
}

static uint16_t destination_port(const struct build *b)
{
	return htons(b->item->from == SELF && b->item->mac == SELF ? OTHER_PORT : ALLOWED_PORT);
}

static void tcp(struct build *b)
{
	struct tcphdr header = {.th_sport = source_port(b),
		.th_dport = destination_port(b),
		.th_seq = htonl(1000),
		.th_ack = b->item->arg & TH_ACK ? htonl(2000) : 0,
		.th_off = sizeof(header) / 4,
		.th_flags = (uint8_t)b->item->arg,
		.th_win = htons(1024)};

	begin_ip(b, IPPROTO_TCP);
	put(b, &header, sizeof(header));
	put(b, &b->token, sizeof(b->token));
	end(b);
}

/* To the port arg, from the one before it as DHCP does; 0 is the port that fits the item. */
static void put_udp(struct build *b, size_t filler, unsigned arg)
{
	struct udphdr header = {
		.source = arg ? htons((uint16_t)(arg == 68 ? 67 : 547)) : source_port(b),
		.dest = arg ? htons((uint16_t)arg) : destination_port(b),
		.len = htons((uint16_t)(sizeof(header) + filler + sizeof(b->token)))};

	put(b, &header, sizeof(header));
	put(b, NULL, filler);
	put(b, &b->token, sizeof(b->token));
}

static void udp(struct build *b)
{
	begin_ip(b, IPPROTO_UDP);
	put_udp(b, 0, b->item->arg);
	end(b);
}

/* arg: a protocol without a header of its own */
static void naked(struct build *b)
{
	begin_ip(b, (uint8_t)b->item->arg);
	put(b, &b->token, sizeof(b->token));
	end(b);
}

/*
 * The datagram is built whole, for its checksum, with the token at the end of either part; then one part is cut out.
 */
static void fragment(struct build *b)
{
	bool six = b->item->family == AF_INET6;
	uint16_t place = htons(six ? (b->part ? FIRST_FRAGMENT : 1 /* more follow */)
				   : (b->part ? FIRST_FRAGMENT / 8 : IP_MF));
	uint8_t *carried;

	if (six)
		begin_ip6(b, IPPROTO_UDP);
	else
		begin_ip4(b, IPPROTO_UDP);
	put_udp(b, FIRST_FRAGMENT - sizeof(struct udphdr), 0);
	carried = b->frame->data + b->l4;
	memcpy(carried + FIRST_FRAGMENT - sizeof(b->token), &b->token, sizeof(b->token));
	end(b);
	if (b->part)
		memmove(carried, carried + FIRST_FRAGMENT, sizeof(b->token));
	b->frame->len = b->l4 + (b->part ? sizeof(b->token) : FIRST_FRAGMENT);
	b->proto = 0; /* its checksum is right already */
	if (six) {
		memcpy(carried - 6, &place, sizeof(place));
		memcpy(carried - 2, &b->token.serial, 2);
	} else {
		memcpy(network(b) + offsetof(struct iphdr, frag_off), &place, sizeof(place));
		memcpy(network(b) + offsetof(struct iphdr, id), &b->token.serial, 2);
	}
	end(b);
}

/* arg: type and code. Echo request and reply. */
static void echo(struct build *b)
{
	begin_ip(b, b->item->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	put16(b, b->item->arg);
	put16(b, 0);
	put16(b, 0x4248);
	put(b, &b->token.serial, 2);
	put(b, &b->token, sizeof(b->token));
	end(b);
}

/* arg: type and code. An error or a redirect about a datagram that the target never sent. */
static void icmp_about(struct build *b)
{
	struct iphdr four = {.version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(64),
		.saddr = b->cast->target.ip.s_addr,
		.daddr = b->cast->self.ip.s_addr};
	struct ip6_hdr six = {.ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(44),
		.ip6_nxt = IPPROTO_UDP,
		.ip6_hops = 64,
		.ip6_src = b->cast->target.ip6,
		.ip6_dst = b->cast->self.ip6};
	bool redirect = b->item->family == AF_INET && b->item->arg >> 8 == ICMP_REDIRECT;

	if (redirect)
		four.daddr = b->cast->victim.ip.s_addr;
	begin_ip(b, b->item->family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	put16(b, b->item->arg);
	put16(b, 0);
	put(b, redirect ? &b->cast->self.ip : NULL, 4);
	four.check = folded(sum(0, &four, sizeof(four)));
	if (b->item->family == AF_INET)
		put(b, &four, sizeof(four));
	else
		put(b, &six, sizeof(six));
	put_udp(b, 0, 0);
	end(b);
}

/* --- neighbours ------------------------------------------------------------------------------------ */

/* arg: the operation. What is claimed: the network address of `from` is at the Ethernet address of `mac`. */
static void arp(struct build *b)
{
	begin_link(b, ETH_P_ARP);
	put16(b, ARPHRD_ETHER);
	put16(b, ETH_P_IP);
	put16(b, ETH_ALEN << 8 | 4);
	put16(b, b->item->arg);
	put(b, party_of(b, b->item->mac)->mac, ETH_ALEN);
	put(b, &party_of(b, b->item->from)->ip, 4);
	put(b, b->item->to == BROADCAST ? NULL : b->cast->target.mac, ETH_ALEN);
	put(b, b->item->to == BROADCAST ? &party_of(b, b->item->from)->ip : &b->cast->target.ip, 4);
	put(b, NULL, 2);
	put(b, &b->token, sizeof(b->token));
}

static void put_option_mac(struct build *b, uint8_t type)
{
	put(b, (uint8_t[]){type, 1}, 2);
	put(b, b->cast->self.mac, ETH_ALEN);
}

static void put_option_token(struct build *b)
{
	put(b, (uint8_t[]){EXPERIMENT, 3, 0, 0, 0, 0, 0, 0}, 8);
	put(b, &b->token, sizeof(b->token));
}

/* arg: type. The address of `claims` is claimed to be at our own Ethernet address. */
static void put_neighbour(struct build *b)
{
	bool advert = b->item->arg == ND_NEIGHBOR_ADVERT;

	put16(b, b->item->arg << 8);
	put16(b, 0);
	put32(b, advert ? 0x60000000 : 0); /* solicited, override */
	put(b, advert ? &party_of(b, b->item->claims)->ip6 : &b->cast->target.ip6,
		sizeof(struct in6_addr));
	put_option_mac(b, advert ? ND_OPT_TARGET_LINKADDR : ND_OPT_SOURCE_LINKADDR);
	put_option_token(b);
}

/* A lifetime of 0: whoever believes it learns nothing that would break what comes after. */
static void put_router(struct build *b)
{
	put16(b, ND_ROUTER_ADVERT << 8);
	put(b, NULL, sizeof(struct nd_router_advert) - 2);
	put_option_mac(b, ND_OPT_SOURCE_LINKADDR);
	put_option_token(b);
}

static void put_discovery(struct build *b)
{
	if (b->item->arg == ND_ROUTER_ADVERT)
		put_router(b);
	else
		put_neighbour(b);
}

static void discovery(struct build *b)
{
	begin_ip6(b, IPPROTO_ICMPV6);
	put_discovery(b);
	end(b);
}

/* Options that say nothing and fill the first fragment, so that who looks at single fragments never sees a type. */
static void put_padding(struct build *b, uint8_t next)
{
	enum { CHUNK = 248 };
	size_t left = PADDING - 2;

	put(b, (uint8_t[]){next, PADDING / 8 - 1}, 2);
	for (size_t n; left; left -= n) {
		n = left < CHUNK ? left : CHUNK;
		put(b, (uint8_t[]){1 /* PadN */, (uint8_t)(n - 2)}, 2);
		put(b, NULL, n - 2);
	}
}

/* The same in two fragments: large ones, which can be put together and taken apart again. */
static void nd_fragment(struct build *b)
{
	uint16_t place = htons(b->part ? FIRST_FRAGMENT : 1 /* more follow */);
	uint8_t *carried;

	begin_ip6(b, IPPROTO_ICMPV6);
	carried = b->frame->data + b->l4;
	put_padding(b, IPPROTO_ICMPV6);
	b->l4 = b->frame->len;
	put_discovery(b);
	end(b);
	b->l4 = (size_t)(carried - b->frame->data);
	b->proto = 0; /* its checksum is right already */
	if (b->part) {
		b->frame->len -= FIRST_FRAGMENT;
		memmove(carried, carried + FIRST_FRAGMENT, b->frame->len - b->l4);
	} else {
		b->frame->len = b->l4 + FIRST_FRAGMENT;
	}
	carried[-8] = IPPROTO_DSTOPTS;
	memcpy(carried - 6, &place, sizeof(place));
	memcpy(carried - 2, &b->token.serial, 2);
	end(b);
}

static void redirect6(struct build *b)
{
	begin_ip6(b, IPPROTO_ICMPV6);
	put16(b, ND_REDIRECT << 8);
	put(b, NULL, 6);
	put(b, &b->cast->self.local, sizeof(struct in6_addr));
	put(b, &b->cast->victim.ip6, sizeof(struct in6_addr));
	put_option_token(b);
	end(b);
}

/* --- not IP ---------------------------------------------------------------------------------------- */

/* arg: the ethertype; 0 is an 802.3 frame with a length instead */
static void other_link(struct build *b)
{
	enum { FILLER = 30 };

	begin_link(b, b->item->arg ? b->item->arg : FILLER + 8 + sizeof(b->token));
	if (!b->item->arg)
		put(b, (uint8_t[]){0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xb5}, 8);
	put(b, NULL, FILLER);
	put(b, &b->token, sizeof(b->token));
}

enum {
	XMAS = TH_FIN | TH_PUSH | TH_URG,
	ECHO4 = ICMP_ECHO << 8,
	REPLY4 = ICMP_ECHOREPLY << 8,
	ECHO6 = ICMP6_ECHO_REQUEST << 8,
	REPLY6 = ICMP6_ECHO_REPLY << 8,
	ERROR4 = ICMP_DEST_UNREACH << 8 | ICMP_PORT_UNREACH,
	ERROR6 = ICMP6_DST_UNREACH << 8 | ICMP6_DST_UNREACH_NOPORT,
	TOO_BIG6 = ICMP6_PACKET_TOO_BIG << 8,
	REDIRECT4 = ICMP_REDIRECT << 8 | ICMP_REDIR_HOST,
};

#define FOUR       .family = AF_INET
#define SIX        .family = AF_INET6
#define FRAGMENTS6 .ext = IPPROTO_FRAGMENT, .parts = 2

static const struct item items[] = {
	{"tcp4-syn", tcp, TH_SYN, FOUR},
	{"tcp4-synack", tcp, TH_SYN | TH_ACK, FOUR},
	{"tcp4-null", tcp, 0, FOUR},
	{"tcp4-xmas", tcp, XMAS, FOUR},
	{"tcp4-rst", tcp, TH_RST, FOUR},
	{"tcp4-ack", tcp, TH_ACK, FOUR},
	{"udp4", udp, 0, FOUR},
	{"udp4-broadcast", udp, 0, FOUR, .to = BROADCAST},
	{"udp4-subnet-broadcast", udp, 0, FOUR, .to = SUBNET_BROADCAST},
	{"udp4-multicast", udp, 0, FOUR, .to = MULTICAST},
	{"udp4-broadcast-to-one", udp, 0, FOUR, .to = UNICAST_FRAME},
	{"udp4-in-broadcast", udp, 0, FOUR, .to = GROUP_FRAME},
	{"udp6-in-broadcast", udp, 0, SIX, .to = GROUP_FRAME},
	{"dhcp4-server", udp, 68, FOUR, .to = BROADCAST},
	{"icmp4-echo", echo, ECHO4, FOUR},
	{"icmp4-reply", echo, REPLY4, FOUR},
	{"icmp4-error", icmp_about, ERROR4, FOUR},
	{"icmp4-redirect", icmp_about, REDIRECT4, FOUR},
	{"ip4-options", udp, 0, FOUR, .ext = 1},
	{"ip4-protocol-253", naked, EXPERIMENT, FOUR},
	{"ip4-fragments", fragment, 0, FOUR, .parts = 2},
	{"tcp6-syn", tcp, TH_SYN, SIX},
	{"tcp6-synack", tcp, TH_SYN | TH_ACK, SIX},
	{"tcp6-null", tcp, 0, SIX},
	{"tcp6-xmas", tcp, XMAS, SIX},
	{"tcp6-rst", tcp, TH_RST, SIX},
	{"udp6", udp, 0, SIX},
	{"udp6-link-local", udp, 0, SIX, .to = LOCAL},
	{"tcp6-link-local", tcp, TH_SYN, SIX, .to = LOCAL},
	{"icmp6-link-local", echo, ECHO6, SIX, .to = LOCAL},
	{"udp6-all-nodes", udp, 0, SIX, .to = ALL_NODES},
	{"icmp6-all-nodes", echo, ECHO6, SIX, .to = ALL_NODES},
	{"dhcp6-server", udp, 546, SIX, .to = LOCAL},
	{"icmp6-echo", echo, ECHO6, SIX},
	{"icmp6-reply", echo, REPLY6, SIX},
	{"icmp6-error", icmp_about, ERROR6, SIX},
	{"icmp6-too-big", icmp_about, TOO_BIG6, SIX},
	{"ip6-hop-by-hop", udp, 0, SIX, .ext = IPPROTO_HOPOPTS},
	{"ip6-destination-options", udp, 0, SIX, .ext = IPPROTO_DSTOPTS},
	{"ip6-routing", udp, 0, SIX, .ext = IPPROTO_ROUTING},
	{"ip6-atomic-fragment", udp, 0, SIX, .ext = IPPROTO_FRAGMENT},
	{"ip6-no-next-header", naked, IPPROTO_NONE, SIX},
	{"ip6-protocol-253", naked, EXPERIMENT, SIX},
	{"ip6-fragments", fragment, 0, SIX, FRAGMENTS6},
	{"vlan", udp, 0, FOUR, .wrap = VLAN},
	{"vlan-priority-tag", udp, 0, FOUR, .wrap = PRIORITY},
	{"vlan-6", udp, 0, SIX, .wrap = VLAN},
	{"vlan-in-vlan", udp, 0, FOUR, .wrap = QINQ},
	{"vlan-dhcp4-server", udp, 68, FOUR, .to = BROADCAST, .wrap = VLAN},
	{"vlan-arp", arp, ARPOP_REPLY, .wrap = VLAN},
	{"vlan-ra", discovery, ND_ROUTER_ADVERT, SIX, .to = ALL_NODES, .wrap = VLAN},
	{"pppoe", udp, 0, FOUR, .wrap = PPPOE},
	{"ethertype-88b5", other_link, 0x88b5},
	{"ethernet-802.3", other_link, 0},
	{"spoofed-ip4", udp, 0, FOUR, .from = VICTIM},
	{"spoofed-ip4-syn", tcp, TH_SYN, FOUR, .from = VICTIM},
	{"spoofed-ip6", udp, 0, SIX, .from = VICTIM},
	{"spoofed-ip6-syn", tcp, TH_SYN, SIX, .from = VICTIM},
	{"spoofed-gateway4", udp, 0, FOUR, .from = GATEWAY},
	{"spoofed-gateway6", udp, 0, SIX, .from = GATEWAY},
	{"spoofed-mac4", udp, 0, FOUR, .mac = VICTIM},
	{"spoofed-mac-ip4", udp, 0, FOUR, .from = VICTIM, .mac = VICTIM},
	{"spoofed-mac-ip4-syn", tcp, TH_SYN, FOUR, .from = VICTIM, .mac = VICTIM},
	{"spoofed-mac-ip6", udp, 0, SIX, .from = VICTIM, .mac = VICTIM},
	{"spoofed-arp-reply", arp, ARPOP_REPLY, .from = VICTIM},
	{"spoofed-arp-gratuitous", arp, ARPOP_REQUEST, .from = VICTIM, .to = BROADCAST},
	{"spoofed-arp-mac", arp, ARPOP_REPLY, .from = VICTIM, .mac = VICTIM},
	{"spoofed-arp-gateway", arp, ARPOP_REPLY, .from = GATEWAY},
	{"spoofed-na", discovery, ND_NEIGHBOR_ADVERT, SIX, .from = VICTIM, .claims = VICTIM},
	{"spoofed-na-own-source", discovery, ND_NEIGHBOR_ADVERT, SIX, .claims = VICTIM},
	{"spoofed-na-options", discovery, ND_NEIGHBOR_ADVERT, SIX, .claims = VICTIM,
		.ext = IPPROTO_DSTOPTS},
	{"spoofed-na-fragments", nd_fragment, ND_NEIGHBOR_ADVERT, SIX, .claims = VICTIM,
		FRAGMENTS6},
	{"spoofed-na-gateway", discovery, ND_NEIGHBOR_ADVERT, SIX, .from = GATEWAY,
		.claims = GATEWAY},
	{"spoofed-na-gw-own-source", discovery, ND_NEIGHBOR_ADVERT, SIX, .claims = GATEWAY},
	{"spoofed-ns", discovery, ND_NEIGHBOR_SOLICIT, SIX, .from = VICTIM},
	{"ra", discovery, ND_ROUTER_ADVERT, SIX, .to = ALL_NODES},
	{"ra-to-one", discovery, ND_ROUTER_ADVERT, SIX, .to = LOCAL},
	{"ra-of-gateway", discovery, ND_ROUTER_ADVERT, SIX, .from = GATEWAY, .to = ALL_NODES},
	{"ra-options", discovery, ND_ROUTER_ADVERT, SIX, .to = ALL_NODES, .ext = IPPROTO_HOPOPTS},
	{"ra-fragments", nd_fragment, ND_ROUTER_ADVERT, SIX, .to = ALL_NODES, FRAGMENTS6},
	{"ra-fragments-to-one", nd_fragment, ND_ROUTER_ADVERT, SIX, .to = LOCAL, FRAGMENTS6},
	{"nd-redirect", redirect6, 0, SIX, .to = LOCAL},
};

enum { ITEMS = sizeof(items) / sizeof(*items) };

const struct item *forbidden_item(size_t i)
{
	return i < ITEMS ? &items[i] : NULL;
}

const char *forbidden_name(const struct item *item)
{
	return item->name;
}

int forbidden_parts(const struct item *item)
{
	return item->parts ? item->parts : 1;
}

void forbidden_build(struct frame *f, const struct item *item, const struct cast *cast,
	struct token token, int part)
{
	struct build b = {.frame = f,
		.item = item,
		.cast = cast,
		.token = token,
		.part = part,
		.first_port = FIRST_SOURCE_PORT + (unsigned)(item - items) * SOURCE_PORTS};

	f->len = 0;
	item->build(&b);
}
