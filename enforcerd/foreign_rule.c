/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/foreign_rule.h"

#include "enforcerd/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_connmark.h>
#include <string.h>

enum {
	REGISTERS = 16,                      /* of 32 bits */
	META_BROUTE = NFT_META_SDIFNAME + 1, /* since 6.5; not in every header */
	BITWISE_MASK_XOR = 0
};

static const uint32_t all_bits = UINT32_MAX;

/* What a register holds, as far as marks are concerned. */
enum holding { HOLDS_OTHER, HOLDS_CT_MARK };

struct held {
	enum holding holding;
	uint32_t mask, xor; /* of the conntrack mark: (mark & mask) ^ xor */
};

struct reading {
	struct foreign_rule *rule;
	struct held registers[REGISTERS];
	bool loaded_ct_mark;
};

/* --- attributes ------------------------------------------------------------------------------------ */

static const struct nlattr *find(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	for (attr = nest ? attr_first_in(nest) : NULL; attr; attr = attr_next_in(nest, attr))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static bool number(const struct nlattr *nest, uint16_t type, uint32_t *value)
{
	const struct nlattr *attr = find(nest, type);

	if (!attr || mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
		return false;
	*value = ntohl(mnl_attr_get_u32(attr));
	return true;
}

static bool is_number(const struct nlattr *nest, uint16_t type, uint32_t value)
{
	uint32_t found = 0;

	return number(nest, type, &found) && found == value;
}

/* A register's place among those of 32 bits: the old ones are four of them each. -1: not one that holds data. */
static int register_of(const struct nlattr *nest, uint16_t type)
{
	uint32_t value = 0;

	if (!number(nest, type, &value))
		return -1;
	if (value >= NFT_REG_1 && value <= NFT_REG_4)
		return (int)(value - NFT_REG_1) * 4;
	if (value >= NFT_REG32_00 && value < NFT_REG32_00 + REGISTERS)
		return (int)(value - NFT_REG32_00);
	return -1;
}

/* Marks are in the host's order. */
static bool data32(const struct nlattr *nest, uint16_t type, uint32_t *value)
{
	const struct nlattr *attr = find(find(nest, type), NFTA_DATA_VALUE);

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(*value))
		return false;
	memcpy(value, mnl_attr_get_payload(attr), sizeof(*value));
	return true;
}

/* --- native expressions ---------------------------------------------------------------------------- */

static void hold(struct reading *reading, int place, struct held held)
{
	if (place >= 0)
		reading->registers[place] = held;
}

static void read_ct(const struct nlattr *data, struct reading *reading)
{
	int from = register_of(data, NFTA_CT_SREG), to = register_of(data, NFTA_CT_DREG);
	bool mark = is_number(data, NFTA_CT_KEY, NFT_CT_MARK);

	if (to >= 0 && mark) {
		hold(reading, to, (struct held){HOLDS_CT_MARK, all_bits, 0});
		reading->loaded_ct_mark = true;
	} else if (to >= 0) {
		hold(reading, to, (struct held){0});
	}
	if (from < 0 || !mark)
		return;
	/* bits that keep their value are those that come from the mark itself, unturned */
	if (reading->registers[from].holding == HOLDS_CT_MARK)
		reading->rule->written |=
			~reading->registers[from].mask | reading->registers[from].xor
			;
	else
		reading->rule->written = all_bits;
}

static void read_meta(const struct nlattr *data, struct reading *reading)
{
	int from = register_of(data, NFTA_META_SREG);

	hold(reading, register_of(data, NFTA_META_DREG), (struct held){0});
	if (from < 0)
		return;
	if (is_number(data, NFTA_META_KEY, META_BROUTE))
		reading->rule->broutes = true;
	if (!is_number(data, NFTA_META_KEY, NFT_META_MARK))
		return;
	if (reading->registers[from].holding == HOLDS_CT_MARK)
		reading->rule->restored |= reading->registers[from].mask;
	else if (reading->loaded_ct_mark)
		reading->rule->restored = all_bits; /* mixed of it and something else */
}

static void read_bitwise(const struct nlattr *data, struct reading *reading)
{
	int from = register_of(data, NFTA_BITWISE_SREG), to = register_of(data, NFTA_BITWISE_DREG);
	struct held held = {0};
	uint32_t mask = 0, xor = 0, op = BITWISE_MASK_XOR;

	(void)number(data, NFTA_BITWISE_OP, &op);
	if (from >= 0 && op == BITWISE_MASK_XOR && data32(data, NFTA_BITWISE_MASK, &mask) &&
		data32(data, NFTA_BITWISE_XOR, &xor)) {
		held = reading->registers[from];
		held.mask &= mask;
		held.xor = (held.xor &mask) ^ xor;
	}
	hold(reading, to, held);
}

static void read_immediate(const struct nlattr *data, struct reading *reading)
{
	hold(reading, register_of(data, NFTA_IMMEDIATE_DREG), (struct held){0});
}

static void pass_over(const struct nlattr *data, struct reading *reading)
{
	(void)data;
	(void)reading;
}

static void read_offload(const struct nlattr *data, struct reading *reading)
{
	(void)data;
	reading->rule->offloads = true;
}

static void read_notrack(const struct nlattr *data, struct reading *reading)
{
	(void)data;
	reading->rule->untracks = true;
}

static void read_forward(const struct nlattr *data, struct reading *reading)
{
	(void)data;
	reading->rule->forwards = true;
}

/* --- what iptables-nft wraps ----------------------------------------------------------------------- */

/* Shifts move bits to where the kernel's masks do not show them. */
static uint32_t saved_bits(uint32_t ctmask, uint32_t nfmask, bool shifted)
{
	return shifted ? all_bits : ctmask | nfmask;
}

static void read_connmark(const struct nlattr *info, uint32_t revision, struct reading *reading)
{
	struct foreign_rule *rule = reading->rule;
	struct xt_connmark_tginfo1 old = {0};
	struct xt_connmark_tginfo2 new = {0};
	size_t len = info ? mnl_attr_get_payload_len(info) : 0;

	if (revision == 1 && len >= sizeof(old)) {
		memcpy(&old, mnl_attr_get_payload(info), sizeof(old));
		new = (struct xt_connmark_tginfo2){.ctmark = old.ctmark,
			.ctmask = old.ctmask,
			.nfmask = old.nfmask,
			.mode = old.mode};
	} else if (revision == 2 && len >= sizeof(new)) {
		memcpy(&new, mnl_attr_get_payload(info), sizeof(new));
	} else {
		rule->written = rule->restored = all_bits;
		return;
	}
	if (new.mode == XT_CONNMARK_SET)
		rule->written |= saved_bits(new.ctmask, new.ctmark, new.shift_bits > 0);
	else if (new.mode == XT_CONNMARK_SAVE)
		rule->written |= saved_bits(new.ctmask, new.nfmask, new.shift_bits > 0);
	else
		rule->restored |= new.ctmask;
}

static void read_target(const struct nlattr *data, struct reading *reading)
{
	const struct nlattr *name = find(data, NFTA_TARGET_NAME);
	const struct nlattr *info = find(data, NFTA_TARGET_INFO);
	uint32_t revision = 0;
	uint16_t flags = 0;

	if (!name || mnl_attr_validate(name, MNL_TYPE_NUL_STRING) < 0)
		return;
	(void)number(data, NFTA_TARGET_REV, &revision);
	if (info && mnl_attr_get_payload_len(info) >= sizeof(flags))
		memcpy(&flags, mnl_attr_get_payload(info),
			sizeof(flags)); /* xt_ct_target_info's first */
	if (!strcmp(mnl_attr_get_str(name), "CONNMARK"))
		read_connmark(info, revision, reading);
	else if (!strcmp(mnl_attr_get_str(name), "NOTRACK") ||
		 (!strcmp(mnl_attr_get_str(name), "CT") && flags & XT_CT_NOTRACK))
		reading->rule->untracks = true;
}

/* --- the rule -------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*read)(const struct nlattr *data, struct reading *reading);
} expressions_read[] = {
	{"ct", read_ct},
	{"meta", read_meta},
	{"bitwise", read_bitwise},
	{"immediate", read_immediate},
	{"cmp", pass_over},
	{"counter", pass_over},
	{"match", pass_over},
	{"flow_offload", read_offload},
	{"notrack", read_notrack},
	{"fwd", read_forward},
	{"target", read_target},
};

/* Any other expression may have put anything into a register. */
static void read_expression(const struct nlattr *expression, struct reading *reading)
{
	const struct nlattr *name = find(expression, NFTA_EXPR_NAME);

	if (name && mnl_attr_validate(name, MNL_TYPE_NUL_STRING) == 0) {
		for (size_t i = 0; i < sizeof(expressions_read) / sizeof(*expressions_read); i++) {
			if (strcmp(mnl_attr_get_str(name), expressions_read[i].name) != 0)
				continue;
			expressions_read[i].read(find(expression, NFTA_EXPR_DATA), reading);
			return;
		}
	}
	memset(reading->registers, 0, sizeof(reading->registers));
}

void foreign_rule_read(const struct nlattr *expressions, struct foreign_rule *rule)
{
	struct reading reading = {.rule = rule};
	const struct nlattr *attr;

	*rule = (struct foreign_rule){0};
	for (attr = attr_first_in(expressions); attr; attr = attr_next_in(expressions, attr))
		if (mnl_attr_get_type(attr) == NFTA_LIST_ELEM)
			read_expression(attr, &reading);
}
