/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_expr.h"

#include "common/log.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

enum {
	REGISTER = NFT_REG_1, /* of 16 bytes: the longest key fits, and no rule needs two */
	TWIN_SIZE = 12,       /* ", IPv4" and room for what gcc thinks possible */
	TCP_FLAGS_OFFSET = 13,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10
};

/* What is being built, and what of the packet the matches so far have pinned down. */
struct builder {
	struct nftnl_rule *rule;
	uint8_t nfproto, l4proto;
};

/* libnftnl reports nothing but memory here; as everywhere, that does not return (common/xalloc.h). */
static void *must(void *allocated)
{
	if (!allocated) {
		log_error("kernel", "out of memory");
		abort();
	}
	return allocated;
}

static struct nftnl_expr *add_expr(struct builder *b, const char *name)
{
	struct nftnl_expr *expr = must(nftnl_expr_alloc(name));

	nftnl_rule_add_expr(b->rule, expr);
	return expr;
}

/* --- loads ------------------------------------------------------------------------------------- */

enum { NO_DIRECTION = -1 };

static void load_ct(struct builder *b, uint32_t key, int direction)
{
	struct nftnl_expr *expr = add_expr(b, "ct");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_KEY, key);
	if (direction != NO_DIRECTION)
		nftnl_expr_set_u8(expr, NFTNL_EXPR_CT_DIR, (uint8_t)direction);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_CT_DREG, REGISTER);
}

static void load_meta(struct builder *b, uint32_t key)
{
	struct nftnl_expr *expr = add_expr(b, "meta");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, REGISTER);
}

static void load_payload(struct builder *b, uint32_t base, uint32_t offset, uint32_t len)
{
	struct nftnl_expr *expr = add_expr(b, "payload");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, REGISTER);
}

/* The flow's own address: its original source, or where its answers come from. */
static void load_ct_addr(struct builder *b, enum flow_side side, uint8_t family)
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
	struct nftnl_expr *expr = add_expr(b, "cmp");

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
	struct nftnl_expr *expr = add_expr(b, "range");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_RANGE_OP, negate ? NFT_RANGE_NEQ : NFT_RANGE_EQ);
	nftnl_expr_set_data(expr, NFTNL_EXPR_RANGE_FROM_DATA, first, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_RANGE_TO_DATA, last, len);
}

static void mask(struct builder *b, const void *bits, uint32_t len)
{
	static const uint8_t nothing[16];
	struct nftnl_expr *expr = add_expr(b, "bitwise");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, REGISTER);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_MASK, bits, len);
	nftnl_expr_set_data(expr, NFTNL_EXPR_BITWISE_XOR, nothing, len);
}

static void test_set(struct builder *b, const char *set, bool negate)
{
	struct nftnl_expr *expr = add_expr(b, "lookup");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_SREG, REGISTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_LOOKUP_SET, set);
	if (negate)
		nftnl_expr_set_u32(expr, NFTNL_EXPR_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
}

/* A miss ends the rule; a hit jumps. */
static void jump_by_map(struct builder *b, const char *map)
{
	struct nftnl_expr *expr = add_expr(b, "lookup");

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

static void need_nfproto(struct builder *b, uint8_t family)
{
	uint8_t nfproto = family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4;

	if (b->nfproto == nfproto)
		return;
	load_meta(b, NFT_META_NFPROTO);
	test_equal_u8(b, nfproto, false);
	b->nfproto = nfproto;
}

static void need_l4proto(struct builder *b, uint8_t protocol)
{
	if (b->l4proto == protocol)
		return;
	load_meta(b, NFT_META_L4PROTO);
	test_equal_u8(b, protocol, false);
	b->l4proto = protocol;
}

static void load_header_addr(struct builder *b, enum flow_side side, uint8_t family)
{
	static const uint8_t offset[2][2] = {{12, 16}, {8, 24}}; /* IPv4, IPv6: source, target */
	bool v6 = family == 6;

	need_nfproto(b, family);
	load_payload(b, NFT_PAYLOAD_NETWORK_HEADER, offset[v6][side == SIDE_DST], v6 ? 16 : 4);
}

static void match_ct_state(struct builder *b, const struct match *m)
{
	const uint32_t none = 0;

	load_ct(b, NFT_CT_STATE, NO_DIRECTION);
	mask(b, &m->value, sizeof(m->value));
	test_equal(b, &none, sizeof(none), !m->negate);
}

static void match_ct_original(struct builder *b, const struct match *m)
{
	load_ct(b, NFT_CT_DIRECTION, NO_DIRECTION);
	test_equal_u8(b, IP_CT_DIR_ORIGINAL, m->negate);
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

static void match_ct_port(struct builder *b, const struct match *m)
{
	const uint16_t first = htons(m->first), last = htons(m->last);

	load_ct_port(b, m->side);
	if (m->first == m->last)
		test_equal(b, &first, sizeof(first), m->negate);
	else
		test_range(b, &first, &last, sizeof(first), m->negate);
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
	if (!m->negate) {
		need_nfproto(b, m->family);
		return;
	}
	load_meta(b, NFT_META_NFPROTO);
	test_equal_u8(b, m->family == 6 ? NFPROTO_IPV6 : NFPROTO_IPV4, true);
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

static void match_oif_set(struct builder *b, const struct match *m)
{
	load_meta(b, NFT_META_OIFNAME);
	test_set(b, m->set, m->negate);
}

static void match_oif(struct builder *b, const struct match *m)
{
	char name[IFNAMSIZ] = {0};

	memcpy(name, m->set, strnlen(m->set, sizeof(name) - 1));
	load_meta(b, NFT_META_OIFNAME);
	test_equal(b, name, sizeof(name), m->negate);
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

static void add_match(struct builder *b, const struct match *match)
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
		[MATCH_OIF] = match_oif,
		[MATCH_ICMPV6_TYPE] = match_icmpv6_type,
		[MATCH_TCP_NOT_SYN] = match_tcp_not_syn,
	};

	builders[match->kind](b, match);
}

/* --- statements -------------------------------------------------------------------------------- */

char *kernel_text(char *out, size_t size, const char *text)
{
	size_t len = strnlen(text, size - 1);

	/* not within a multi-byte character */
	while (len && text[len] && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		out[i] = c == '"' ? '\'' : text[i];
		if (c < 0x20 || c == 0x7f)
			out[i] = '?';
	}
	out[len] = '\0';
	return out;
}

static void add_limited_log(struct builder *b, const struct rule *rule, uint16_t group)
{
	struct nftnl_expr *limit = add_expr(b, "limit");
	struct nftnl_expr *log = add_expr(b, "log");
	char prefix[LOG_PREFIX_MAX];

	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_RATE, LOG_RATE_PER_SECOND);
	nftnl_expr_set_u64(limit, NFTNL_EXPR_LIMIT_UNIT, 1);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_BURST, LOG_BURST);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u16(log, NFTNL_EXPR_LOG_GROUP, group);
	nftnl_expr_set_u32(log, NFTNL_EXPR_LOG_SNAPLEN, LOG_SNAPLEN);
	if (rule->log_prefix[0])
		nftnl_expr_set_str(log, NFTNL_EXPR_LOG_PREFIX,
			kernel_text(prefix, sizeof(prefix), rule->log_prefix));
}

static void add_counter(struct builder *b, const char *name)
{
	struct nftnl_expr *expr = add_expr(b, "objref");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

static void add_immediate(struct builder *b, int verdict, const char *chain)
{
	struct nftnl_expr *expr = add_expr(b, "immediate");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain)
		nftnl_expr_set_str(expr, NFTNL_EXPR_IMM_CHAIN, chain);
}

static void add_verdict(struct builder *b, const struct rule *rule)
{
	switch (rule->verdict) {
	case VERDICT_CONTINUE:
		break;
	case VERDICT_ACCEPT:
		add_immediate(b, NF_ACCEPT, NULL);
		break;
	case VERDICT_DROP:
		add_immediate(b, NF_DROP, NULL);
		break;
	case VERDICT_RETURN:
		add_immediate(b, NFT_RETURN, NULL);
		break;
	case VERDICT_JUMP:
		add_immediate(b, NFT_JUMP, rule->target);
		break;
	case VERDICT_GOTO:
		add_immediate(b, NFT_GOTO, rule->target);
		break;
	case VERDICT_MAP_CT:
		load_ct_addr(b, rule->map_side, rule->map_family);
		jump_by_map(b, rule->target);
		break;
	case VERDICT_MAP_IIF:
		load_meta(b, NFT_META_IIFNAME);
		jump_by_map(b, rule->target);
		break;
	case VERDICT_MAP_OIF:
		load_meta(b, NFT_META_OIFNAME);
		jump_by_map(b, rule->target);
		break;
	}
}

/* twin: the IP version of a rule of two that nft would show alike, or 0. */
static void add_comment(struct builder *b, const char *comment, uint8_t twin)
{
	struct nftnl_udata_buf *notes = must(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
	char text[RULE_COMMENT_MAX + TWIN_SIZE];

	kernel_text(text, RULE_COMMENT_MAX, comment);
	if (twin)
		snprintf(text + strlen(text), TWIN_SIZE, "%sIPv%u", *text ? ", " : "", twin);
	nftnl_udata_put_strz(notes, NFTNL_UDATA_RULE_COMMENT, text);
	nftnl_rule_set_data(b->rule, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(notes),
		nftnl_udata_buf_len(notes));
	nftnl_udata_buf_free(notes);
}

/* The only IP version that a match can hold for, or 0. */
static uint8_t family_of_match(const struct match *match)
{
	switch (match->kind) {
	case MATCH_NFPROTO:
		return match->negate ? 0 : match->family;
	case MATCH_CT_ADDR:
	case MATCH_HDR_ADDR:
		return match->cidr.ip.family;
	case MATCH_CT_ADDR_SET:
	case MATCH_HDR_ADDR_SET:
		return match->family;
	case MATCH_CT_PROTOCOL:
		if (match->negate)
			return 0;
		return match->value == IPPROTO_ICMP ? 4 : match->value == IPPROTO_ICMPV6 ? 6 : 0;
	default:
		return 0;
	}
}

static uint8_t family_of_rule(const struct rule *rule)
{
	uint8_t family = 0;

	for (size_t i = 0; i < rule->match_count && !family; i++)
		family = family_of_match(&rule->matches[i]);
	return family;
}

static bool shows_number(const struct rule *rule)
{
	for (size_t i = 0; i < rule->match_count; i++)
		if (rule->matches[i].kind == MATCH_CT_PORT ||
			rule->matches[i].kind == MATCH_CT_ICMP)
			return true;
	return false;
}

size_t kernel_rule_families(const struct rule *rule, uint8_t families[2])
{
	families[0] = shows_number(rule) ? family_of_rule(rule) : 0;
	families[1] = 6;
	if (families[0] || !shows_number(rule))
		return 1;
	families[0] = 4;
	return 2;
}

struct nftnl_rule *kernel_rule(const struct rule *rule, enum rule_part part, uint8_t family,
	const struct rule_place *place)
{
	struct builder b = {.rule = must(nftnl_rule_alloc())};
	uint8_t twin;

	nftnl_rule_set_u32(b.rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
	nftnl_rule_set_str(b.rule, NFTNL_RULE_TABLE, place->table);
	nftnl_rule_set_str(b.rule, NFTNL_RULE_CHAIN, place->chain);
	if (family)
		need_nfproto(&b, family);
	for (size_t i = 0; i < rule->match_count; i++)
		add_match(&b, &rule->matches[i]);
	if (part == RULE_LOG) {
		add_limited_log(&b, rule, place->nflog_group);
	} else {
		if (rule->counter[0])
			add_counter(&b, rule->counter);
		add_verdict(&b, rule);
	}
	twin = family && !family_of_rule(rule) ? family : 0;
	if (rule->comment[0] || twin)
		add_comment(&b, rule->comment, twin);
	return b.rule;
}
