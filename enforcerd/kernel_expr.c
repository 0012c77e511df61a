/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_expr.h"

#include "enforcerd/kernel_match.h"

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum { TWIN_SIZE = 12 /* ", IPv4" and room for what gcc thinks possible */ };

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
	struct nftnl_expr *limit = builder_expr(b, "limit");
	struct nftnl_expr *log = builder_expr(b, "log");
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

/* ct mark = (ct mark & ~mask) | mark */
static void add_mark(struct builder *b, const struct rule *rule)
{
	const uint32_t kept = ~rule->mark_mask, mark = rule->mark & rule->mark_mask;

	load_ct(b, NFT_CT_MARK, NO_DIRECTION);
	mask_register(b, &kept, &mark, sizeof(kept));
	store_ct_mark(b);
}

static void add_counter(struct builder *b, const char *name)
{
	struct nftnl_expr *expr = builder_expr(b, "objref");

	nftnl_expr_set_u32(expr, NFTNL_EXPR_OBJREF_IMM_TYPE, NFT_OBJECT_COUNTER);
	nftnl_expr_set_str(expr, NFTNL_EXPR_OBJREF_IMM_NAME, name);
}

static void add_immediate(struct builder *b, int verdict, const char *chain)
{
	struct nftnl_expr *expr = builder_expr(b, "immediate");

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
	case VERDICT_MAP_GROUP:
		jump_by_group(b, rule->map_side, rule->map_family, rule->target);
		break;
	case VERDICT_MAP_IIF:
		load_meta(b, NFT_META_IIFNAME);
		jump_by_map(b, rule->target);
		break;
	case VERDICT_MAP_OIF:
		load_meta(b, NFT_META_OIFNAME);
		jump_by_map(b, rule->target);
		break;
	case VERDICT_MAP_IBR:
		load_meta(b, NFT_META_BRI_IIFNAME);
		jump_by_map(b, rule->target);
		break;
	case VERDICT_MAP_OBR:
		load_meta(b, NFT_META_BRI_OIFNAME);
		jump_by_map(b, rule->target);
		break;
	}
}

/* twin: the IP version of a rule of two that nft would show alike, or 0. */
static void add_comment(struct builder *b, const char *comment, uint8_t twin)
{
	struct nftnl_udata_buf *notes = builder_must(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
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
	uint8_t family = rule->family;

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

size_t kernel_rule_forms(const struct rule *rule, struct rule_form forms[RULE_FORMS_MAX])
{
	/* a log action is its log and nothing else */
	bool acts = !rule->log || rule->counter[0] || rule->mark_mask ||
		    rule->verdict != VERDICT_CONTINUE;
	uint8_t families[2];
	size_t family_count = kernel_rule_families(rule, families), count = 0;

	for (size_t i = 0; i < family_count; i++) {
		if (rule->log)
			forms[count++] = (struct rule_form){RULE_LOG, families[i]};
		if (acts)
			forms[count++] = (struct rule_form){RULE_VERDICT, families[i]};
	}
	return count;
}

struct nftnl_rule *kernel_rule(const struct rule *rule, enum rule_part part, uint8_t family,
	const struct rule_place *place)
{
	struct builder b = {.rule = builder_must(nftnl_rule_alloc()),
		.bridge = place->table->family == NFPROTO_BRIDGE};
	uint8_t twin;

	nftnl_rule_set_u32(b.rule, NFTNL_RULE_FAMILY, place->table->family);
	nftnl_rule_set_str(b.rule, NFTNL_RULE_TABLE, place->table->name);
	nftnl_rule_set_str(b.rule, NFTNL_RULE_CHAIN, place->chain);
	if (family)
		need_ip_version(&b, family);
	for (size_t i = 0; i < rule->match_count; i++)
		add_match(&b, &rule->matches[i]);
	if (part == RULE_LOG) {
		if (rule->log_original)
			need_original_direction(&b);
		add_limited_log(&b, rule, place->nflog_group);
	} else {
		if (rule->counter[0])
			add_counter(&b, rule->counter);
		if (rule->mark_mask)
			add_mark(&b, rule);
		add_verdict(&b, rule);
	}
	twin = family && !family_of_rule(rule) ? family : 0;
	if (rule->comment[0] || twin)
		add_comment(&b, rule->comment, twin);
	return b.rule;
}
