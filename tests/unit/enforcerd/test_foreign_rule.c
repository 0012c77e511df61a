/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/foreign_rule.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_connmark.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

static alignas(struct nlmsghdr) char buffer[8192];
static struct nlmsghdr *message;
static struct nlattr *list, *element, *data;

static void setup(void)
{
	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	list = mnl_attr_nest_start(message, NFTA_RULE_EXPRESSIONS);
}

static void open_expression(const char *name)
{
	element = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	mnl_attr_put_strz(message, NFTA_EXPR_NAME, name);
	data = mnl_attr_nest_start(message, NFTA_EXPR_DATA);
}

static void close_expression(void)
{
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, element);
}

static void put(uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(message, type, htonl(value));
}

static void put_data(uint16_t type, uint32_t value)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(value), &value);
	mnl_attr_nest_end(message, nest);
}

static void ct(uint16_t reg_type, uint32_t reg, uint32_t key)
{
	open_expression("ct");
	put(reg_type, reg);
	put(NFTA_CT_KEY, key);
	close_expression();
}

static void load_ct_mark(uint32_t reg)
{
	ct(NFTA_CT_DREG, reg, NFT_CT_MARK);
}

static void set_ct_mark(uint32_t reg)
{
	ct(NFTA_CT_SREG, reg, NFT_CT_MARK);
}

static void meta(uint16_t reg_type, uint32_t reg, uint32_t key)
{
	open_expression("meta");
	put(reg_type, reg);
	put(NFTA_META_KEY, key);
	close_expression();
}

static void bitwise(uint32_t from, uint32_t to, uint32_t mask, uint32_t xor)
{
	open_expression("bitwise");
	put(NFTA_BITWISE_SREG, from);
	put(NFTA_BITWISE_DREG, to);
	put(NFTA_BITWISE_LEN, 4);
	put_data(NFTA_BITWISE_MASK, mask);
	put_data(NFTA_BITWISE_XOR, xor);
	close_expression();
}

static void target(const char *name, uint32_t revision, const void *info, size_t len)
{
	open_expression("target");
	mnl_attr_put_strz(message, NFTA_TARGET_NAME, name);
	put(NFTA_TARGET_REV, revision);
	mnl_attr_put(message, NFTA_TARGET_INFO, len, info);
	close_expression();
}

static struct foreign_rule read_rule(void)
{
	struct foreign_rule rule;

	mnl_attr_nest_end(message, list);
	foreign_rule_read(list, &rule);
	return rule;
}

/* ct mark set ct mark & mask ^ xor */
START_TEST(test_bits_that_are_kept)
{
	struct foreign_rule rule;

	load_ct_mark(NFT_REG_1);
	bitwise(NFT_REG_1, NFT_REG_1, 0xffff00ff, 0x00000100);
	bitwise(NFT_REG_1, NFT_REG_2, 0xffffffff, 0x00000001);
	set_ct_mark(NFT_REG_2);
	rule = read_rule();
	ck_assert_uint_eq(rule.written, 0x0000ff01);
	ck_assert_uint_eq(rule.restored, 0);
}
END_TEST

/* The same register has two names. */
START_TEST(test_registers_of_both_sizes)
{
	struct foreign_rule rule;

	load_ct_mark(NFT_REG32_00);
	bitwise(NFT_REG_1, NFT_REG_2, 0xffffff00, 0);
	set_ct_mark(NFT_REG32_04);
	rule = read_rule();
	ck_assert_uint_eq(rule.written, 0xff);
}
END_TEST

START_TEST(test_a_mark_from_elsewhere_writes_all)
{
	open_expression("immediate");
	put(NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_data(NFTA_IMMEDIATE_DATA, 1);
	close_expression();
	set_ct_mark(NFT_REG_1);
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);

	setup();
	load_ct_mark(NFT_REG_1);
	meta(NFTA_META_DREG, NFT_REG_1, NFT_META_MARK);
	set_ct_mark(NFT_REG_1);
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);

	/* an expression that we do not know may have changed the register */
	setup();
	load_ct_mark(NFT_REG_1);
	open_expression("lookup");
	close_expression();
	set_ct_mark(NFT_REG_1);
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);

	/* a shift moves bits about */
	setup();
	load_ct_mark(NFT_REG_1);
	open_expression("bitwise");
	put(NFTA_BITWISE_SREG, NFT_REG_1);
	put(NFTA_BITWISE_DREG, NFT_REG_1);
	put(NFTA_BITWISE_OP, NFT_BITWISE_LSHIFT);
	put_data(NFTA_BITWISE_DATA, 8);
	close_expression();
	set_ct_mark(NFT_REG_1);
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);
}
END_TEST

START_TEST(test_other_keys_are_no_marks)
{
	struct foreign_rule rule;

	load_ct_mark(NFT_REG_1);
	ct(NFTA_CT_SREG, NFT_REG_1, NFT_CT_ZONE);
	meta(NFTA_META_SREG, NFT_REG_1, NFT_META_PRIORITY);
	rule = read_rule();
	ck_assert_uint_eq(rule.written | rule.restored, 0);
	ck_assert(!rule.broutes && !rule.untracks && !rule.offloads && !rule.forwards);
}
END_TEST

START_TEST(test_bits_that_are_copied)
{
	load_ct_mark(NFT_REG_1);
	bitwise(NFT_REG_1, NFT_REG_1, 0xff, 0x100);
	meta(NFTA_META_SREG, NFT_REG_1, NFT_META_MARK);
	ck_assert_uint_eq(read_rule().restored, 0xff);

	/* mixed with something else it may be any */
	setup();
	load_ct_mark(NFT_REG_1);
	open_expression("something new");
	close_expression();
	meta(NFTA_META_SREG, NFT_REG_1, NFT_META_MARK);
	ck_assert_uint_eq(read_rule().restored, UINT32_MAX);

	/* a packet's own mark is its own affair */
	setup();
	meta(NFTA_META_DREG, NFT_REG_1, NFT_META_MARK);
	meta(NFTA_META_SREG, NFT_REG_1, NFT_META_MARK);
	ck_assert_uint_eq(read_rule().restored, 0);
}
END_TEST

START_TEST(test_expressions_that_go_past_us)
{
	struct foreign_rule rule;

	open_expression("flow_offload");
	close_expression();
	open_expression("notrack");
	close_expression();
	open_expression("fwd");
	close_expression();
	meta(NFTA_META_SREG, NFT_REG_1, NFT_META_SDIFNAME + 1);
	rule = read_rule();
	ck_assert(rule.offloads && rule.untracks && rule.forwards && rule.broutes);
}
END_TEST

START_TEST(test_connmark_targets)
{
	static const struct {
		struct xt_connmark_tginfo1 info;
		uint32_t written, restored;
	} cases[] = {
		{{0x1, 0xff, 0, XT_CONNMARK_SET}, 0xff, 0},
		{{0x100, 0xff, 0, XT_CONNMARK_SET}, 0x1ff, 0},
		{{0, 0xffffffff, 0xffffffff, XT_CONNMARK_SAVE}, 0xffffffff, 0},
		{{0, 0x0f, 0xf0, XT_CONNMARK_SAVE}, 0xff, 0},
		{{0, 0x0f, 0xf0, XT_CONNMARK_RESTORE}, 0, 0x0f},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct xt_connmark_tginfo1 *info = &cases[i].info;
		struct xt_connmark_tginfo2 with_shift = {
			info->ctmark, info->ctmask, info->nfmask, D_SHIFT_LEFT, 0, info->mode};
		struct foreign_rule rule;

		setup();
		target("CONNMARK", 1, info, sizeof(*info));
		rule = read_rule();
		ck_assert_uint_eq(rule.written, cases[i].written);
		ck_assert_uint_eq(rule.restored, cases[i].restored);
		setup();
		target("CONNMARK", 2, &with_shift, sizeof(with_shift));
		rule = read_rule();
		ck_assert_uint_eq(rule.written, cases[i].written);
		ck_assert_uint_eq(rule.restored, cases[i].restored);
	}
}
END_TEST

/* A revision to come, or information that is too short: it may do anything. */
START_TEST(test_connmark_that_cannot_be_told)
{
	const struct xt_connmark_tginfo2 info = {.ctmask = 0xff, .shift_bits = 8};
	struct foreign_rule rule;

	target("CONNMARK", 3, &info, sizeof(info));
	rule = read_rule();
	ck_assert_uint_eq(rule.written & rule.restored, UINT32_MAX);
	setup();
	target("CONNMARK", 2, &info, 4);
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);
	setup();
	target("CONNMARK", 2, &info, sizeof(info));
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);
}
END_TEST

START_TEST(test_notrack_targets)
{
	const uint16_t notrack = XT_CT_NOTRACK, helper = 0;

	target("CT", 2, &notrack, sizeof(notrack));
	ck_assert(read_rule().untracks);
	setup();
	target("CT", 2, &helper, sizeof(helper));
	ck_assert(!read_rule().untracks);
	setup();
	target("NOTRACK", 0, &helper, 0);
	ck_assert(read_rule().untracks);
	setup();
	target("MARK", 2, &notrack, sizeof(notrack));
	ck_assert(!read_rule().untracks);
}
END_TEST

/* Cut anywhere, nothing is read beyond the end: the sanitizers watch. */
START_TEST(test_cut_anywhere)
{
	const struct xt_connmark_tginfo1 info = {0x1, 0xff, 0, XT_CONNMARK_SET};
	size_t whole;

	load_ct_mark(NFT_REG_1);
	bitwise(NFT_REG_1, NFT_REG_1, 0xff, 0x100);
	set_ct_mark(NFT_REG_1);
	target("CONNMARK", 1, &info, sizeof(info));
	mnl_attr_nest_end(message, list);
	whole = list->nla_len;
	for (size_t len = sizeof(*list); len <= whole; len++) {
		struct nlattr *cut = malloc(len);
		struct foreign_rule rule;

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, list, len);
		cut->nla_len = (uint16_t)len;
		foreign_rule_read(cut, &rule);
		free(cut);
	}
	list->nla_len = (uint16_t)whole;
	ck_assert_uint_eq(read_rule().written, UINT32_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("foreign_rule");
	TCase *tcase = tcase_create("foreign_rule");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_bits_that_are_kept);
	tcase_add_test(tcase, test_registers_of_both_sizes);
	tcase_add_test(tcase, test_a_mark_from_elsewhere_writes_all);
	tcase_add_test(tcase, test_other_keys_are_no_marks);
	tcase_add_test(tcase, test_bits_that_are_copied);
	tcase_add_test(tcase, test_expressions_that_go_past_us);
	tcase_add_test(tcase, test_connmark_targets);
	tcase_add_test(tcase, test_connmark_that_cannot_be_told);
	tcase_add_test(tcase, test_notrack_targets);
	tcase_add_test(tcase, test_cut_anywhere);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
