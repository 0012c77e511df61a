/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_match.h"

#include "common/log.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum {
	REGISTER = NFT_REG_1, /* of 16 bytes: the longest key of one part fits */
	TCP_FLAGS_OFFSET = 13,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10
};

void *builder_must(void *allocated)
{
	if (!allocated) {
		log_error("kernel", "out of memory");
		abort();
	}
	return allocated;
}

struct nftnl_expr *builder_expr(struct builder *b, const char *name)
{
	struct nftnl_expr *expr = builder_must(nftnl_expr_alloc(name));

	nftnl_rule_add_expr(b->rule, expr);
	return expr;
}

/* --- loads ------------------------------------------------------------------------------------- */

void load_ct(struct builder *b, uint32_t key, int direction)
{
	struct nftnl_expr *expr = builder_expr(b, "ct");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	if (direction != NO_DIRECTION)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, (uint8_t)direction);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, REGISTER);
}

void load_meta(struct builder *b, uint32_t key)
{
	struct nftnl_expr *expr = builder_expr(b, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, REGISTER);
}

static void load_payload_to(
	struct builder *b, uint32_t base, uint32_t offset, uint32_t len, uint32_t reg)
{
	struct nftnl_expr *expr = builder_expr(b, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, reg);
}

static void load_payload(struct builder *b, uint32_t base, uint32_t offset, uint32_t len)
{
	load_payload_to(b, base, offset, len, REGISTER);
}

/* The flow's own address: its original source, or where its answers come from. */
void load_ct_addr(struct builder *b, enum flow_side side, uint8_t family)
{
	load_ct(b, family == 6 ? NFT_CT_SRC_IP6 : NFT_CT_SRC_IP,
		side == SIDE_SRC ? IP_CT_DIR_ORIGINAL : IP_CT_DIR_REPLY);
}

static void load_ct_port(struct builder *b, enum flow_side side)
{
	load_ct(b, NFT_CT_PROTO_SRC, side == SIDE_SRC ? IP_CT_DIR_ORIGINAL : IP_CT_DIR_REPLY);
}

/* --- tests of what was loaded ------------------------------------------------------------------ */

static void test_equal(struct builder *b, const void *data, uint32_t len, bool negate)
{
	struct nftnl_expr *expr = builder_expr(b, "cmp");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, negate ? NFT_CMP_NEQ : NFT_CMP_EQ);
	nftnl_expr_set_data(expr, NFTNL_EXPR_CMP_DATA, data, len);
}

static void test_equal_u8(struct builder *b, uint8_t value, bool negate)
{
	test_equal(b, &value, sizeof(value), negate);
}

static void test_range(
	struct builder *b, const void *first, const void *last, uint32_t len, bool negate)
{
	struct nftnl_expr *expr = builder_expr(b, "range");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_OP, negate ? NFT_RANGE_NEQ : NFT_RANGE_EQ);
	nftnl_expr_set_data(expr, NFTNL_EXPR_RANGE_FROM_DATA, first, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_RANGE_TO_DATA, last, len);
}

void mask_register(struct builder *b, const void *bits, const void *flip, uint32_t len)
{
	struct nftnl_expr *expr = builder_expr(b, "bitwise");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_MASK, bits, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_XOR, flip, len);
}

static void mask(struct builder *b, const void *bits, uint32_t len)
{
	static const uint8_t nothing[16];

	mask_register(b, bits, nothing, len);
}

void store_ct_mark(struct builder *b)
{
	struct nftnl_expr *expr = builder_expr(b, "ct");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, NFT_CT_MARK);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_SREG, REGISTER);
}

static void test_set(struct builder *b, const char *set, bool negate)
{
	struct nftnl_expr *expr = builder_expr(b, "lookup");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, REGISTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
	if (negate)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

/* A miss ends the rule; a hit jumps. */
void jump_by_map(struct builder *b, const char *map)
{
	struct nftnl_expr *expr = builder_expr(b, "lookup");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, map);
}

static void test_cidr(struct builder *b, const struct cidr *cidr, bool negate)
{
	const struct cidr block = cidr_mask(cidr);
	size_t len = ip_len(&block.ip);
	struct cidr ones = {.ip.family = block.ip.family, .bits = block.bits};

	if (block.bits < len * 8) {
		memset(ones.ip.bytes, 0xff, len);
		ones = cidr_mask(&ones);
		mask(b, ones.ip.bytes, (uint32_t)len);
	}
	test_equal(b, block.ip.bytes, (uint32_t)len, negate);
}

/* --- matches ----------------------------------------------------------------------------------- */

static void test_nfproto(struct builder *b, uint8_t family, bool negate)
{
	load_meta(b, NFT_META_NFPROTO);
	test_equal_u8(b, family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4, negate);
}

static void test_ethertype(struct builder *b, uint16_t type, bool negate)
{
	const uint16_t wire = htons(type);

	load_meta(b, NFT_META_PROTOCOL);
	test_equal(b, &wire, sizeof(wire), negate);
}

static uint16_t ethertype_of(uint8_t family)
{
	return family == 6 ? ETH_P_IPV6 : ETH_P_IP;
}

/* In the bridge family every packet's nfproto is the bridge's. */
static void test_ip_version(struct builder *b, uint8_t family, bool negate)
{
	if (b->bridge)
		test_ethertype(b, ethertype_of(family), negate);
	else
		test_nfproto(b, family, negate);
}

void need_ip_version(struct builder *b, uint8_t family)
{
	if (b->ethertype == ethertype_of(family))
		return;
	test_ip_version(b, family, false);
	b->ethertype = ethertype_of(family);
}

static void need_arp(struct builder *b)
{
	if (b->ethertype == ETH_P_ARP)
		return;
	test_ethertype(b, ETH_P_ARP, false);
	b->ethertype = ETH_P_ARP;
}

static void need_l4proto(struct builder *b, uint8_t protocol)
{
	if (b->l4proto == protocol)
		return;
	load_meta(b, NFT_META_L4PROTO);
	test_equal_u8(b, protocol, false);
	b->l4proto = protocol;
}

/* Where a header field stands. */
struct field_place {
	uint32_t base, offset, len;
};

static struct field_place place_of_addr(enum flow_side side, uint8_t family)
{
	static const uint8_t offset[2][2] = {{12, 16}, {8, 24}}; /* IPv4, IPv6: source, target */
	bool v6 = family == 6;

	return (struct field_place){
		NFT_PAYLOAD_NETWORK_HEADER, offset[v6][side == SIDE_DST], v6 ? 16 : 4};
}

static void load_header_addr(struct builder *b, enum flow_side side, uint8_t family)
{
	struct field_place place = place_of_addr(side, family);

	need_ip_version(b, family);
	load_payload(b, place.base, place.offset, place.len);
}

static void match_ct_state(struct builder *b, const struct match *m)
{
	const uint32_t none = 0;

	load_ct(b, NFT_CT_STATE, NO_DIRECTION);
	mask(b, &m->value, sizeof(m->value));
	test_equal(b, &none, sizeof(none), !m->negate);
}

static void test_original(struct builder *b, bool negate)
{
	load_ct(b, NFT_CT_DIRECTION, NO_DIRECTION);
	test_equal_u8(b, IP_CT_DIR_ORIGINAL, negate);
}

void need_original_direction(struct builder *b)
{
	test_original(b, false);
}

static void match_ct_original(struct builder *b, const struct match *m)
{
	test_original(b, m->negate);
}

static void match_ct_protocol(struct builder *b, const struct match *m)
{
	load_ct(b, NFT_CT_PROTOCOL, IP_CT_DIR_ORIGINAL);
	test_equal_u8(b, (uint8_t)m->value, m->negate);
}

static void match_ct_addr(struct builder *b, const struct match *m)
{
	load_ct_addr(b, m->side, m->cidr.ip.family);
	test_cidr(b, &m->cidr, m->negate);
}

static void match_ct_addr_set(struct builder *b, const struct match *m)
{
	load_ct_addr(b, m->side, m->family);
	test_set(b, m->set, m->negate);
}

static void test_ports(struct builder *b, const struct match *m)
{
	const uint16_t first = htons(m->first), last = htons(m->last);

	if (m->first == m->last)
		test_equal(b, &first, sizeof(first), m->negate);
	else
		test_range(b, &first, &last, sizeof(first), m->negate);
}

static void match_ct_port(struct builder *b, const struct match *m)
{
	load_ct_port(b, m->side);
	test_ports(b, m);
}

static void match_ct_port_set(struct builder *b, const struct match *m)
{
	load_ct_port(b, m->side);
	test_set(b, m->set, m->negate);
}

/* In the tuple of an ICMP flow, type and code stand where the target port of others is. */
static void match_ct_icmp(struct builder *b, const struct match *m)
{
	static const uint8_t type_only[2] = {0xff, 0};
	uint8_t tuple[2] = {(uint8_t)m->first, 0};

	load_ct(b, NFT_CT_PROTO_DST, IP_CT_DIR_ORIGINAL);
	if (m->last == ICMP_ANY_CODE)
		mask(b, type_only, sizeof(type_only));
	else
		tuple[1] = (uint8_t)m->last;
	test_equal(b, tuple, sizeof(tuple), m->negate);
}

static void match_nfproto(struct builder *b, const struct match *m)
{
	if (m->negate)
		test_ip_version(b, m->family, true);
	else
		need_ip_version(b, m->family);
}

static void match_hdr_addr(struct builder *b, const struct match *m)
{
	load_header_addr(b, m->side, m->cidr.ip.family);
	test_cidr(b, &m->cidr, m->negate);
}

static void match_hdr_addr_set(struct builder *b, const struct match *m)
{
	load_header_addr(b, m->side, m->family);
	test_set(b, m->set, m->negate);
}

static void match_iif_set(struct builder *b, const struct match *m)
{
	load_meta(b, NFT_META_IIFNAME);
	test_set(b, m->set, m->negate);
}

static void match_ibr_set(struct builder *b, const struct match *m)
{
	load_meta(b, NFT_META_BRI_IIFNAME);
	test_set(b, m->set, m->negate);
}

static void match_oif_set(struct builder *b, const struct match *m)
{
	load_meta(b, NFT_META_OIFNAME);
	test_set(b, m->set, m->negate);
}

/* A name that the kernel compares as a whole, padded with zeros. */
static void test_ifname(struct builder *b, uint32_t key, const struct match *m)
{
	char name[IFNAMSIZ] = {0};

	memcpy(name, m->set, strnlen(m->set, sizeof(name) - 1));
	load_meta(b, key);
	test_equal(b, name, sizeof(name), m->negate);
}

static void match_iif(struct builder *b, const struct match *m)
{
	test_ifname(b, NFT_META_IIFNAME, m);
}

static void match_iif_kind(struct builder *b, const struct match *m)
{
	test_ifname(b, NFT_META_IIFKIND, m);
}

static void match_oif(struct builder *b, const struct match *m)
{
	test_ifname(b, NFT_META_OIFNAME, m);
}

static void match_icmpv6_type(struct builder *b, const struct match *m)
{
	const uint8_t first = (uint8_t)m->first, last = (uint8_t)m->last;

	need_l4proto(b, IPPROTO_ICMPV6);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, 0, sizeof(first));
	if (first == last)
		test_equal(b, &first, sizeof(first), m->negate);
	else
		test_range(b, &first, &last, sizeof(first), m->negate);
}

static void match_tcp_not_syn(struct builder *b, const struct match *m)
{
	const uint8_t flags = TCP_FIN | TCP_SYN | TCP_RST | TCP_ACK;

	need_l4proto(b, IPPROTO_TCP);
	load_payload(b, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(flags));
	mask(b, &flags, sizeof(flags));
	test_equal_u8(b, TCP_SYN, !m->negate);
}

static void match_ct_mark(struct builder *b, const struct match *m)
{
	const uint32_t wanted = m->value & m->mask;

	load_ct(b, NFT_CT_MARK, NO_DIRECTION);
	mask(b, &m->mask, sizeof(m->mask));
	test_equal(b, &wanted, sizeof(wanted), m->negate);
}

static void match_l4proto(struct builder *b, const struct match *m)
{
	if (!m->negate) {
		need_l4proto(b, (uint8_t)m->value);
		return;
	}
	load_meta(b, NFT_META_L4PROTO);
	test_equal_u8(b, (uint8_t)m->value, true);
}

static void match_hdr_port(struct builder *b, const struct match *m)
{
	load_payload(
		b, NFT_PAYLOAD_TRANSPORT_HEADER, m->side == SIDE_DST ? 2 : 0, sizeof(m->first));
	test_ports(b, m);
}

/* The kernel puts a tag that the card or the bridge has taken off back into the link header for this. */
static void match_ether_type(struct builder *b, const struct match *m)
{
	const uint16_t wire = htons((uint16_t)m->value);

	load_payload(b, NFT_PAYLOAD_LL_HEADER, offsetof(struct ethhdr, h_proto), sizeof(wire));
	test_equal(b, &wire, sizeof(wire), m->negate);
}

static void match_ether_multicast(struct builder *b, const struct match *m)
{
	static const uint8_t group[ETH_ALEN] = {1};

	load_payload(b, NFT_PAYLOAD_LL_HEADER, offsetof(struct ethhdr, h_dest), sizeof(group));
	mask(b, group, sizeof(group));
	test_equal(b, group, sizeof(group), m->negate);
}

static struct field_place place_of(const struct match *m)
{
	static const struct field_place places[] = {
		[FIELD_ETHER_SADDR] = {NFT_PAYLOAD_LL_HEADER, offsetof(struct ethhdr, h_source),
			ETH_ALEN},
		[FIELD_ARP_SHA] = {NFT_PAYLOAD_NETWORK_HEADER, 8, ETH_ALEN},
		[FIELD_ARP_SPA] = {NFT_PAYLOAD_NETWORK_HEADER, 14, 4},
		[FIELD_ND_TARGET] = {NFT_PAYLOAD_TRANSPORT_HEADER, 8, 16},
	};

	return m->field == FIELD_IP ? place_of_addr(m->side, m->family) : places[m->field];
}

/* What must be true of the packet for the field to be there. */
static void need_field(struct builder *b, const struct match *m)
{
	switch (m->field) {
	case FIELD_IP:
		need_ip_version(b, m->family);
		break;
	case FIELD_ARP_SHA:
	case FIELD_ARP_SPA:
		need_arp(b);
		break;
	case FIELD_ND_TARGET:
		need_l4proto(b, IPPROTO_ICMPV6);
		break;
	case FIELD_ETHER_SADDR:
		break;
	}
}

static void match_field_set(struct builder *b, const struct match *m)
{
	struct field_place place = place_of(m);

	need_field(b, m);
	load_payload(b, place.base, place.offset, place.len);
	test_set(b, m->set, m->negate);
}

/* The name fills the first register of 16 bytes, the field begins the second: together one key. */
static void match_port_set(struct builder *b, const struct match *m)
{
	struct field_place place = place_of(m);

	need_field(b, m);
	load_meta(b, m->side == SIDE_DST ? NFT_META_OIFNAME : NFT_META_IIFNAME);
	load_payload_to(b, place.base, place.offset, place.len, NFT_REG_2);
	test_set(b, m->set, m->negate);
}

void add_match(struct builder *b, const struct match *match)
{
	static void (*const builders[])(struct builder * b, const struct match *m) = {
		[MATCH_CT_STATE] = match_ct_state,
		[MATCH_CT_ORIGINAL] = match_ct_original,
		[MATCH_CT_PROTOCOL] = match_ct_protocol,
		[MATCH_CT_ADDR] = match_ct_addr,
		[MATCH_CT_ADDR_SET] = match_ct_addr_set,
		[MATCH_CT_PORT] = match_ct_port,
		[MATCH_CT_PORT_SET] = match_ct_port_set,
		[MATCH_CT_ICMP] = match_ct_icmp,
		[MATCH_NFPROTO] = match_nfproto,
		[MATCH_HDR_ADDR] = match_hdr_addr,
		[MATCH_HDR_ADDR_SET] = match_hdr_addr_set,
		[MATCH_IIF_SET] = match_iif_set,
		[MATCH_OIF_SET] = match_oif_set,
		[MATCH_IBR_SET] = match_ibr_set,
		[MATCH_OIF] = match_oif,
		[MATCH_ICMPV6_TYPE] = match_icmpv6_type,
		[MATCH_TCP_NOT_SYN] = match_tcp_not_syn,
		[MATCH_CT_MARK] = match_ct_mark,
		[MATCH_IIF] = match_iif,
		[MATCH_IIF_KIND] = match_iif_kind,
		[MATCH_L4PROTO] = match_l4proto,
		[MATCH_HDR_PORT] = match_hdr_port,
		[MATCH_ETHER_TYPE] = match_ether_type,
		[MATCH_ETHER_MULTICAST] = match_ether_multicast,
		[MATCH_FIELD_SET] = match_field_set,
		[MATCH_PORT_SET] = match_port_set,
	};

	builders[match->kind](b, match);
}
