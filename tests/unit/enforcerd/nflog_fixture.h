/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nflog messages as the kernel makes them, for tests. */
#ifndef BULKHEAD_TESTS_NFLOG_FIXTURE_H
#define BULKHEAD_TESTS_NFLOG_FIXTURE_H

#include "enforcerd/nflog.h"

#include <arpa/inet.h>
#include <check.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <stdalign.h>
#include <string.h>

static alignas(struct nlmsghdr) char message_buffer[8192];
static struct nlmsghdr *message;

static inline void begin_message(uint8_t family)
{
	struct nfgenmsg *header;

	memset(message_buffer, 0, sizeof(message_buffer));
	message = mnl_nlmsg_put_header(message_buffer);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->res_id = htons(64);
}

static inline void add_ethertype(uint16_t type)
{
	const struct nfulnl_msg_packet_hdr header = {.hw_protocol = htons(type), .hook = 2};

	mnl_attr_put(message, NFULA_PACKET_HDR, sizeof(header), &header);
}

static inline void add_text(uint16_t type, const char *text)
{
	mnl_attr_put(message, type, strlen(text) + 1, text);
}

static inline void add_index(uint16_t type, uint32_t index)
{
	mnl_attr_put_u32(message, type, htonl(index));
}

static inline void add_ethernet(const char *destination, const char *source, uint16_t type)
{
	const uint8_t low[] = {(uint8_t)(type >> 8), (uint8_t)type};
	uint8_t header[14];

	memcpy(header, destination, 6);
	memcpy(header + 6, source, 6);
	memcpy(header + 12, low, 2);
	mnl_attr_put_u16(message, NFULA_HWTYPE, htons(1));
	mnl_attr_put_u16(message, NFULA_HWLEN, htons(sizeof(header)));
	mnl_attr_put(message, NFULA_HWHEADER, sizeof(header), header);
}

/* Bytes written as hex digits with blanks anywhere. Returns how many. */
static inline size_t from_hex(const char *hex, uint8_t *to)
{
	size_t n = 0;
	unsigned byte;
	int used;

	while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
		to[n++] = (uint8_t)byte;
		hex += used;
	}
	return n;
}

static inline void add_payload(const char *hex)
{
	uint8_t bytes[512];
	size_t len = from_hex(hex, bytes);

	mnl_attr_put(message, NFULA_PAYLOAD, len, bytes);
}

/* One direction of a flow over IPv4. */
static inline void add_tuple(uint16_t type, const char *source, const char *destination,
	uint8_t protocol, uint16_t source_port, uint16_t destination_port)
{
	struct nlattr *tuple = mnl_attr_nest_start(message, type);
	struct nlattr *part = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	struct in_addr address;

	ck_assert_int_eq(inet_pton(AF_INET, source, &address), 1);
	mnl_attr_put_u32(message, CTA_IP_V4_SRC, address.s_addr);
	ck_assert_int_eq(inet_pton(AF_INET, destination, &address), 1);
	mnl_attr_put_u32(message, CTA_IP_V4_DST, address.s_addr);
	mnl_attr_nest_end(message, part);
	part = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(source_port));
	mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(destination_port));
	mnl_attr_nest_end(message, part);
	mnl_attr_nest_end(message, tuple);
}

#endif
