/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Batches as messages, and their words: kernel_batch.c and kernel_message.c, without a kernel. */
#include "enforcerd/kernel_batch.h"

#include "enforcerd/kernel_message.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

static const struct nft_table inet = {"t", NFPROTO_INET}, bridge = {"t", NFPROTO_BRIDGE};

static void expect_text(const struct batch *batch, const char *wanted)
{
	char *text = batch_text(batch);

	ck_assert_str_eq(text, wanted);
	free(text);
}

static struct elem_key key_ip(const char *text)
{
	struct elem_key key = {0};
	struct err err = {0};

	ck_assert_int_eq(ip_parse(text, &key.ip, &err), 0);
	return key;
}

START_TEST(test_words_of_every_operation)
{
	struct batch *batch = batch_new();
	const struct rule_place place = {.table = &inet, .chain = "eg_x", .nflog_group = 1};
	struct rule rule = {.log = true, .verdict = VERDICT_DROP, .comment = "policy \"x\""};
	struct rule plain = {.verdict = VERDICT_DROP};

	ck_assert_uint_eq(batch_count(batch), 0);
	message_table(batch, &inet, TABLE_OWNED);
	message_counter(batch, &inet, "n");
	message_set(batch, &inet, "s", SET_IPV4, "role == \"x\"", 1);
	message_chain(batch, &inet, "eg_x", "comment");
	message_chain(batch, &inet, "forward", NULL);
	message_rule(batch, &rule, &place);
	message_rule(batch, &plain, &place);
	message_flush_chain(batch, &inet, "eg_x");
	message_flush_set(batch, &inet, "s");
	message_delete_set(batch, &inet, "s");
	message_delete_chain(batch, &inet, "eg_x");
	message_delete_counter(batch, &inet, "n");
	message_delete_table(batch, &inet);
	message_chain(batch, &bridge, "bridge:forward", NULL);
	message_flush_set(batch, &bridge, "s");
	ck_assert_uint_eq(batch_count(batch), 16);
	expect_text(batch, "add table t\n"
			   "add counter n\n"
			   "add set s\n"
			   "add chain eg_x\n"
			   "add chain forward\n"
			   "add rule to chain eg_x (policy 'x')\n"
			   "add rule to chain eg_x (policy 'x')\n"
			   "add rule to chain eg_x\n"
			   "flush chain eg_x\n"
			   "delete all elements from set s\n"
			   "delete set s\n"
			   "delete chain eg_x\n"
			   "delete counter n\n"
			   "delete table t\n"
			   "add chain forward of family bridge\n"
			   "delete all elements from set s of family bridge\n");
	batch_free(batch);
}
END_TEST

static const struct {
	enum set_type type;
	struct elem_key key;
	const char *text; /* of the address, parsed into key */
	const char *wanted;
} key_cases[] = {
	{SET_IPV4, {.port = 0}, "10.1.2.3", "add element 10.1.2.3 to set s\n"},
	{SET_IPV6, {.port = 0}, "fd00::1", "add element fd00::1 to set s\n"},
	{MAP_IPV4, {.port = 0}, "10.1.2.3", "add element 10.1.2.3 to set s\n"},
	{SET_PORT, {.port = 3306}, NULL, "add element 3306 to set s\n"},
	{SET_IFNAME, {.ifname = "br-0123456789ab"}, NULL,
		"add element \"br-0123456789ab\" to set s\n"},
	{MAP_IFNAME, {.ifname = "br0"}, NULL, "add element \"br0\" to set s\n"},
	{SET_MAC, {.mac = {2, 0x42, 0, 0, 0, 9}}, NULL, "add element 02:42:00:00:00:09 to set s\n"},
	{SET_PORT_IPV4, {.ifname = "v1"}, "10.1.2.3", "add element \"v1\" . 10.1.2.3 to set s\n"},
	{SET_PORT_IPV6, {.ifname = "v1"}, "fd00::1", "add element \"v1\" . fd00::1 to set s\n"},
	{SET_PORT_MAC, {.ifname = "v1", .mac = {2, 0x42, 0, 0, 0, 9}}, NULL,
		"add element \"v1\" . 02:42:00:00:00:09 to set s\n"},
};

START_TEST(test_words_of_elements)
{
	struct batch *batch = batch_new();
	struct elems elems = {.batch = batch, .table = &inet};
	struct elem_key key = key_cases[_i].key;

	if (key_cases[_i].text)
		key.ip = key_ip(key_cases[_i].text).ip;
	elems_add(&elems, "s", key_cases[_i].type, &key,
		set_is_map(key_cases[_i].type) ? "c" : NULL, "comment");
	elems_finish(&elems);
	expect_text(batch, key_cases[_i].wanted);
	batch_free(batch);
}
END_TEST

/* Counts the elements of the last message, and the bytes of their list. */
static size_t count_elems(const struct nlmsghdr *message)
{
	size_t count = 0;

	for (const struct nlattr *attr = attr_first(message, sizeof(struct nfgenmsg)); attr;
		attr = attr_next(message, attr)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		for (const struct nlattr *elem = attr_first_in(attr); elem;
			elem = attr_next_in(attr, elem))
			count++;
	}
	return count;
}

START_TEST(test_elements_are_gathered_by_set)
{
	struct batch *batch = batch_new();
	struct elems elems = {.batch = batch, .table = &inet, .remove = true};
	struct elem_key key = key_ip("10.0.0.1");

	for (int i = 0; i < 3; i++)
		elems_add(&elems, "a", SET_IPV4, &key, NULL, NULL);
	elems_add(&elems, "b", SET_IPV4, &key, NULL, NULL);
	elems_finish(&elems);
	expect_text(batch, "delete elements from set a\ndelete element 10.0.0.1 from set b\n");
	batch_free(batch);
}
END_TEST

enum { MANY = 100000 };

/* A list is an attribute, and an attribute ends at 64 KiB: a hundred thousand elements are several messages. */
START_TEST(test_many_elements_are_several_messages)
{
	struct batch *batch = batch_new();
	struct elems elems = {.batch = batch, .table = &inet};
	struct elems before = elems;
	size_t total = 0;

	for (unsigned i = 0; i < MANY; i++) {
		struct elem_key key = {.ip = {4, {10, i >> 16, (i >> 8) & 0xff, i & 0xff}}};
		size_t held = 0;

		if (elems.message) {
			mnl_attr_nest_end(elems.message, elems.list);
			ck_assert_uint_lt(elems.message->nlmsg_len, BATCH_ELEMS_MAX);
			held = elems.message->nlmsg_len > BATCH_ELEMS_MAX - 600
				       ? count_elems(elems.message)
				       : 0;
		}
		before = elems;
		elems_add(&elems, "s", SET_IPV4, &key, NULL, "comment");
		if (before.message && before.message != elems.message)
			total += held;
	}
	mnl_attr_nest_end(elems.message, elems.list);
	total += count_elems(elems.message);
	elems_finish(&elems);
	ck_assert_uint_eq(total, MANY);
	ck_assert_uint_gt(batch_count(batch), 10);
	ck_assert_uint_gt(batch_size(batch), MANY * 8);
	batch_free(batch);
}
END_TEST

static const struct {
	const char *first, *last;
	enum set_type type;
	size_t elements;
} range_cases[] = {
	{"10.0.0.0", "10.0.0.255", SET_CIDR4, 2},
	{"10.0.0.7", "10.0.0.7", SET_CIDR4, 2},
	/* nothing is behind the last address */
	{"192.0.0.0", "255.255.255.255", SET_CIDR4, 1},
	{"0.0.0.0", "255.255.255.255", SET_CIDR4, 1},
	{"fd00::", "fd00::ffff", SET_CIDR6, 2},
	{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SET_CIDR6, 1},
};

START_TEST(test_ranges)
{
	struct batch *batch = batch_new();
	struct elems elems = {.batch = batch, .table = &inet};
	struct elem_key key = key_ip(range_cases[_i].first);

	key.last = key_ip(range_cases[_i].last).ip;
	elems_add(&elems, "s", range_cases[_i].type, &key, NULL, NULL);
	mnl_attr_nest_end(elems.message, elems.list);
	ck_assert_uint_eq(count_elems(elems.message), range_cases[_i].elements);
	elems_finish(&elems);
	batch_free(batch);
}
END_TEST

/* --- words of messages that are not what they should be ---------------------------------------- */

static struct nlmsghdr *message(char *buffer, uint16_t type)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);

	header->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	mnl_nlmsg_put_extra_header(header, sizeof(struct nfgenmsg));
	return header;
}

static void expect_words(const struct nlmsghdr *header, uint32_t offset, const char *wanted)
{
	const enum set_type type = SET_IPV4;
	char *text = batch_describe(header, &type, offset);

	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(test_words_of_odd_messages)
{
	alignas(struct nlmsghdr) char buffer[512];
	struct nlmsghdr *header;
	struct nlattr *list;

	expect_words(message(buffer, 200), 0, "nf_tables message 200");
	expect_words(message(buffer, NFT_MSG_NEWCHAIN), 0, "add chain (all)");
	header = message(buffer, NFT_MSG_NEWSETELEM);
	mnl_attr_put_strz(header, NFTA_SET_ELEM_LIST_SET, "s");
	list = mnl_attr_nest_start(header, NFTA_SET_ELEM_LIST_ELEMENTS);
	mnl_attr_nest_end(header, list);
	expect_words(header, 0, "add elements to set s");
	expect_words(header, 4000, "add elements to set s");
	header = message(buffer, NFT_MSG_NEWRULE);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, "c");
	/* a comment that claims to be longer than it is, and one without its end */
	mnl_attr_put(header, NFTA_RULE_USERDATA, 4, "\0\x09xy");
	expect_words(header, 0, "add rule to chain c");
	header = message(buffer, NFT_MSG_NEWRULE);
	mnl_attr_put_strz(header, NFTA_RULE_CHAIN, "c");
	mnl_attr_put(header, NFTA_RULE_USERDATA, 4, "\0\x02xy");
	expect_words(header, 0, "add rule to chain c");
}
END_TEST

/* The kernel points into the list at the element that it did not like. */
START_TEST(test_blamed_element)
{
	struct batch *batch = batch_new();
	struct elems elems = {.batch = batch, .table = &inet};
	const struct nlattr *attr, *elem;
	static const char *const texts[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
	uint32_t offset;

	for (int i = 0; i < 3; i++) {
		struct elem_key key = key_ip(texts[i]);

		elems_add(&elems, "s", SET_IPV4, &key, NULL, "c");
	}
	mnl_attr_nest_end(elems.message, elems.list);
	attr = elems.list;
	elem = attr_next_in(attr, attr_first_in(attr));
	offset = (uint32_t)((const char *)elem - (const char *)elems.message);
	expect_words(elems.message, offset, "add element 10.0.0.2 to set s");
	expect_words(elems.message, offset + 8, "add element 10.0.0.2 to set s");
	expect_words(elems.message, 0, "add elements to set s");
	elems_finish(&elems);
	batch_free(batch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_batch");
	TCase *tests = tcase_create("kernel_batch");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, test_words_of_every_operation);
	tcase_add_loop_test(
		tests, test_words_of_elements, 0, sizeof(key_cases) / sizeof(*key_cases));
	tcase_add_test(tests, test_elements_are_gathered_by_set);
	tcase_add_test(tests, test_many_elements_are_several_messages);
	tcase_add_loop_test(tests, test_ranges, 0, sizeof(range_cases) / sizeof(*range_cases));
	tcase_add_test(tests, test_words_of_odd_messages);
	tcase_add_test(tests, test_blamed_element);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
