/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/denied.h"

#include "common/xalloc.h"
#include "enforcerd/log_prefix.h"

/* before the kernel's own headers, which then leave out what it has defined */
#include <netinet/in.h>

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <string.h>

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	EXTENSIONS_MAX =
		16, /* a chain of headers is as long as the sender likes; 128 bytes hold 11 */
	ARP_ETHERNET_IPV4 = 28,
	TCP_FLAGS = 13, /* where they are in the header */
	MAC_LEN = 6
};

static unsigned be16_at(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static struct ip ip_at(const uint8_t *p, uint8_t family)
{
	struct ip ip = {.family = family};

	memcpy(ip.bytes, p, family == 4 ? 4 : 16);
	return ip;
}

/* --- the packet ------------------------------------------------------------------------------------ */

static bool has_ports(int protocol)
{
	static const int protocols[] = {
		IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP};

	for (size_t i = 0; i < sizeof(protocols) / sizeof(*protocols); i++)
		if (protocols[i] == protocol)
			return true;
	return false;
}

static void decode_transport(const uint8_t *p, size_t len, int protocol, struct flow_record *record)
{
	record->protocol = protocol;
	if (has_ports(protocol)) {
		if (len < 4) {
			record->truncated = true;
			return;
		}
		record->source.port = (int)be16_at(p);
		record->destination.port = (int)be16_at(p + 2);
		if (protocol == IPPROTO_TCP && len > TCP_FLAGS)
			record->tcp_flags = p[TCP_FLAGS];
	} else if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		if (len < 2) {
			record->truncated = true;
			return;
		}
		record->icmp_type = p[0];
		record->icmp_code = p[1];
	}
}

static void decode_ipv4(const uint8_t *p, size_t len, struct flow_record *record)
{
	size_t header = len ? (size_t)(p[0] & 0x0f) * 4 : 0;
	unsigned fragment;

	if (len < IPV4_HEADER || p[0] >> 4 != 4 || header < IPV4_HEADER) {
		record->truncated = true;
		return;
	}
	record->source.ip = ip_at(p + 12, 4);
	record->destination.ip = ip_at(p + 16, 4);
	fragment = be16_at(p + 6) & 0x3fff; /* more fragments, and the offset */
	record->fragment = fragment != 0;
	record->protocol = p[9];
	if (fragment & 0x1fff)
		return;
	if (header > len)
		record->truncated = true;
	else
		decode_transport(p + header, len - header, p[9], record);
}

/* Bytes of an extension header; 0: not one that has another behind it. */
static size_t extension_size(int type, const uint8_t *p)
{
	switch (type) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
		return ((size_t)p[1] + 1) * 8;
	case IPPROTO_AH:
		return ((size_t)p[1] + 2) * 4;
	case IPPROTO_FRAGMENT:
		return 8;
	default:
		return 0;
	}
}

/* True when what follows is in another fragment. */
static bool note_fragment(const uint8_t *p, struct flow_record *record)
{
	record->fragment = true;
	return be16_at(p + 2) >> 3 != 0;
}

static void decode_ipv6(const uint8_t *p, size_t len, struct flow_record *record)
{
	size_t at = IPV6_HEADER;
	int type;

	if (len < IPV6_HEADER || p[0] >> 4 != 6) {
		record->truncated = true;
		return;
	}
	record->source.ip = ip_at(p + 8, 6);
	record->destination.ip = ip_at(p + 24, 6);
	type = p[6];
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		static const uint8_t nothing[2];
		size_t size = extension_size(type, len - at >= 2 ? p + at : nothing);
		bool elsewhere;

		if (!size) {
			decode_transport(p + at, len - at, type, record);
			return;
		}
		if (size > len - at)
			break;
		elsewhere = type == IPPROTO_FRAGMENT && note_fragment(p + at, record);
		type = p[at];
		at += size;
		if (elsewhere) {
			record->protocol = type;
			return;
		}
	}
	record->protocol = type;
	record->truncated = true;
}

static void decode_arp(const uint8_t *p, size_t len, struct flow_record *record)
{
	static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};

	if (len < ARP_ETHERNET_IPV4 || memcmp(p, ethernet_ipv4, sizeof(ethernet_ipv4)) != 0) {
		record->truncated = len < ARP_ETHERNET_IPV4;
		return;
	}
	record->source.ip = ip_at(p + 14, 4);
	record->destination.ip = ip_at(p + 24, 4);
}

/* Where the frame's type is not told, the family of the hook says what it is. */
static int ethertype_of(const struct nflog_packet *packet)
{
	if (packet->ethertype)
		return packet->ethertype;
	if (packet->family == NFPROTO_IPV4)
		return ETH_P_IP;
	return packet->family == NFPROTO_IPV6 ? ETH_P_IPV6 : FLOW_NONE;
}

static void decode_payload(const struct nflog_packet *packet, struct flow_record *record)
{
	static const uint8_t nothing[1];
	const uint8_t *p = packet->payload ? packet->payload : nothing;
	size_t len = packet->payload ? packet->payload_len : 0;

	record->ethertype = ethertype_of(packet);
	switch (record->ethertype) {
	case ETH_P_IP:
		decode_ipv4(p, len, record);
		break;
	case ETH_P_IPV6:
		decode_ipv6(p, len, record);
		break;
	case ETH_P_ARP:
		decode_arp(p, len, record);
		break;
	default:
		break;
	}
}

static void set_mac(struct flow_end *end, const uint8_t *mac)
{
	memcpy(end->mac, mac, MAC_LEN);
	end->has_mac = true;
}

static void decode_link(const struct nflog_packet *packet, struct flow_record *record)
{
	if (packet->link_header) {
		set_mac(&record->destination, packet->link_header);
		set_mac(&record->source, packet->link_header + MAC_LEN);
	} else if (packet->source_mac) {
		set_mac(&record->source, packet->source_mac);
	}
	record->vlan = packet->vlan >= 0 ? packet->vlan : FLOW_NONE;
}

/*
 * Policies judge flows: the client, and behind a published port the container's own address and port, whichever way this packet
 * goes. Guards judge packets, so theirs is left as it is.
 */
static void take_flow(const struct nflog_packet *packet, struct flow_record *record)
{
	const struct nflog_tuple *original = &packet->original, *reply = &packet->reply;
	bool same_port = original->destination_port == reply->source_port;

	if (!packet->has_original || !packet->has_reply)
		return;
	/* the frame's way may be the other one; its MACs then are not the flow's ends' */
	if (!ip_equal(&record->source.ip, &original->source))
		record->source.has_mac = record->destination.has_mac = false;
	record->source.ip = original->source;
	record->source.port = original->source_port;
	record->destination.ip = reply->source;
	record->destination.port = reply->source_port;
	record->protocol = original->protocol;
	if (original->icmp_type >= 0) {
		record->icmp_type = original->icmp_type;
		record->icmp_code = original->icmp_code < 0 ? 0 : original->icmp_code;
	}
	record->fragment = false;
	if (!ip_equal(&original->destination, &reply->source) || !same_port) {
		record->published_ip = original->destination;
		record->published_port = original->destination_port;
	}
}

/* --- names ----------------------------------------------------------------------------------------- */

static void name_interface(
	uint32_t index, char name[FLOW_IFNAME_MAX + 1], const struct denied_lookup *lookup)
{
	if (index && !lookup->interface(index, name, lookup->arg))
		name[0] = '\0';
}

static void name_end(
	struct flow_end *end, bool believe, const char *port, const struct denied_lookup *lookup)
{
	struct denied_party party = {.mac = end->has_mac ? end->mac : NULL, .port = port};
	struct denied_endpoint found = {0};

	if (believe)
		party.ip = end->ip;
	if (!lookup->endpoint(&party, &found, lookup->arg))
		return;
	end->container = found.container ? xstrdup(found.container) : NULL;
	end->network = found.network ? xstrdup(found.network) : NULL;
	end->labels = found.labels ? labels_copy(found.labels) : NULL;
}

/* A spoofer's address is its victim's: only its port tells who it is. */
static void name_ends(
	struct flow_record *record, bool spoofed, bool turned, const struct denied_lookup *lookup)
{
	const char *from = turned ? record->out_port : record->in_port;
	const char *to = turned ? record->in_port : record->out_port;

	name_end(&record->source, !spoofed, from, lookup);
	name_end(&record->destination, true, to, lookup);
}

static void take_reason(const struct log_reason *reason, enum mode mode,
	const struct denied_lookup *lookup, struct flow_record *record)
{
	const char *whole = NULL;

	snprintf(record->what, sizeof(record->what), "%s", log_what_name(reason->what));
	record->mode = reason->what == LOG_STAGED ? MODE_AUDIT : mode;
	record->denied = reason->what == LOG_STAGED || log_what_denies(reason->what);
	record->direction = reason->direction;
	record->rule = reason->rule == LOG_NO_RULE ? FLOW_NONE : reason->rule;
	if (!reason->policy[0])
		return;
	if (strchr(reason->policy, '~'))
		whole = lookup->policy(reason->policy, lookup->arg);
	record->policy = xstrdup(whole ? whole : reason->policy);
}

struct flow_record *denied_decode(const struct nflog_packet *packet, const char *node,
	enum mode mode, long long now_us, const struct denied_lookup *lookup, struct err *err)
{
	CLEANUP(flow_record) struct flow_record *record = NULL;
	struct log_reason reason;
	struct ip sender;

	if (log_prefix_parse(packet->prefix, packet->prefix_len, &reason, err) < 0)
		return NULL;
	record = flow_record_new();
	record->node = xstrdup(node);
	record->time_us = packet->time_us ? packet->time_us : now_us;
	take_reason(&reason, mode, lookup, record);
	decode_payload(packet, record);
	decode_link(packet, record);
	sender = record->source.ip;
	if (reason.what <= LOG_STAGED)
		take_flow(packet, record);
	name_interface(packet->in, record->in, lookup);
	name_interface(packet->out, record->out, lookup);
	name_interface(packet->in_port, record->in_port, lookup);
	name_interface(packet->out_port, record->out_port, lookup);
	name_ends(
		record, reason.what == LOG_SPOOFED, !ip_equal(&sender, &record->source.ip), lookup);
	return steal_ptr(record);
}
