/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/conntrack_message.h"

#include <arpa/inet.h>
#include <check.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum { PROTO_OSPF = 89 };

static alignas(struct nlmsghdr) char buffer[1024];
static struct err err;

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip, &err), 0);
	return ip;
}

static struct flow tcp_flow(void)
{
	return (struct flow){.protocol = IPPROTO_TCP,
		.original = {address("172.18.0.2"), address("203.0.113.9"), 40000, 8080},
		.reply = {address("172.18.0.3"), address("172.18.0.2"), 80, 40000},
		.mark = 0x12345678,
		.status = 0x18e,
		.zone = 3};
}

/* --- an entry as the kernel writes it ---------------------------------------------------------- */

static void put_tuple(
	struct nlmsghdr *message, uint16_t type, uint8_t protocol, const struct flow_tuple *tuple)
{
	bool v6 = tuple->src.family == 6, icmp = protocol == IPPROTO_ICMPV6;
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put(message, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, v6 ? 16 : 4, tuple->src.bytes);
	mnl_attr_put(message, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, v6 ? 16 : 4, tuple->dst.bytes);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	if (protocol == IPPROTO_TCP) {
		mnl_attr_put_u16(message, CTA_PROTO_SRC_PORT, htons(tuple->src_port));
		mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->dst_port));
	}
	if (icmp) {
		mnl_attr_put_u16(message, CTA_PROTO_ICMPV6_ID, htons(tuple->src_port));
		mnl_attr_put_u8(message, CTA_PROTO_ICMPV6_TYPE, (uint8_t)(tuple->dst_port >> 8));
		mnl_attr_put_u8(message, CTA_PROTO_ICMPV6_CODE, (uint8_t)tuple->dst_port);
	}
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static void put_tcp(struct nlmsghdr *message, uint8_t original, uint8_t reply)
{
	const struct nf_ct_tcp_flags flags[] = {{.flags = original}, {.flags = reply}};
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, 3);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(*flags), &flags[0]);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(*flags), &flags[1]);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static struct nlmsghdr *header(uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *fixed;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	fixed = mnl_nlmsg_put_extra_header(message, sizeof(*fixed));
	fixed->nfgen_family = family;
	return message;
}

static struct nlmsghdr *entry(const struct flow *flow)
{
	struct nlmsghdr *message = header(flow->original.src.family == 6 ? AF_INET6 : AF_INET);

	put_tuple(message, CTA_TUPLE_ORIG, flow->protocol, &flow->original);
	put_tuple(message, CTA_TUPLE_REPLY, flow->protocol, &flow->reply);
	mnl_attr_put_u16(message, CTA_ZONE, htons(flow->zone));
	mnl_attr_put_u32(message, CTA_STATUS, htonl(flow->status));
	mnl_attr_put_u32(message, CTA_MARK, htonl(flow->mark));
	return message;
}

static void expect_tuple(const struct flow_tuple *got, const struct flow_tuple *wanted)
{
	ck_assert(ip_equal(&got->src, &wanted->src) && ip_equal(&got->dst, &wanted->dst));
	ck_assert_uint_eq(got->src_port, wanted->src_port);
	ck_assert_uint_eq(got->dst_port, wanted->dst_port);
}

static void expect_flow(const struct nlmsghdr *message, const struct flow *wanted)
{
	struct flow got;

	ck_assert_msg(conntrack_message_read(message, &got, &err) == 0, "%s", err.text);
	expect_tuple(&got.original, &wanted->original);
	expect_tuple(&got.reply, &wanted->reply);
	ck_assert_uint_eq(got.protocol, wanted->protocol);
	ck_assert_uint_eq(got.zone, wanted->zone);
	ck_assert_uint_eq(got.mark, wanted->mark);
	ck_assert_uint_eq(got.status, wanted->status);
	ck_assert(got.midstream == wanted->midstream);
	ck_assert_uint_eq(got.seconds, wanted->seconds);
	ck_assert_uint_eq(got.tcp_state, wanted->tcp_state);
}

static void expect_refused(const struct nlmsghdr *message)
{
	struct flow got;

	ck_assert_int_eq(conntrack_message_read(message, &got, &err), -1);
	ck_assert_msg(strstr(err.text, "read conntrack entry") != NULL, "%s", err.text);
}

/* --- reading ----------------------------------------------------------------------------------- */

START_TEST(test_tcp)
{
	struct flow flow = tcp_flow();
	struct nlmsghdr *message = entry(&flow);

	put_tcp(message, 0x0b, 0x03);
	flow.tcp_state = 3;
	expect_flow(message, &flow);
}
END_TEST

START_TEST(test_tcp_picked_up_midway)
{
	struct flow flow = tcp_flow();
	struct nlmsghdr *message = entry(&flow);

	put_tcp(message, IP_CT_TCP_FLAG_BE_LIBERAL | 2, IP_CT_TCP_FLAG_BE_LIBERAL | 2);
	flow.midstream = true;
	flow.tcp_state = 3;
	expect_flow(message, &flow);
}
END_TEST

START_TEST(test_icmpv6)
{
	struct flow flow = {.protocol = IPPROTO_ICMPV6,
		.original = {address("fd00::2"), address("fd00::3"), 77, 128 << 8},
		.reply = {address("fd00::3"), address("fd00::2"), 77, 129 << 8}};

	expect_flow(entry(&flow), &flow);
}
END_TEST

/* Nothing but addresses, and neither mark nor status nor zone. */
START_TEST(test_the_least_there_is)
{
	struct flow flow = {.protocol = PROTO_OSPF,
		.original = {address("10.0.0.1"), address("10.0.0.2"), 0, 0},
		.reply = {address("10.0.0.2"), address("10.0.0.1"), 0, 0}};
	struct nlmsghdr *message = header(AF_INET);

	put_tuple(message, CTA_TUPLE_ORIG, PROTO_OSPF, &flow.original);
	put_tuple(message, CTA_TUPLE_REPLY, PROTO_OSPF, &flow.reply);
	expect_flow(message, &flow);
}
END_TEST

/* --- refusing ---------------------------------------------------------------------------------- */

/* Cut at every length, in memory of just that size: refused, or whole in what was asked for; never read behind the end. */
START_TEST(test_cut_short)
{
	struct flow flow = tcp_flow();
	struct nlmsghdr *message = entry(&flow);
	uint32_t whole, both_tuples;

	put_tcp(message, 8, 8);
	whole = message->nlmsg_len;
	both_tuples = (uint32_t)(MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg) + 2 * 52);
	for (uint32_t len = MNL_NLMSG_HDRLEN; len < whole; len++) {
		struct nlmsghdr *cut = malloc(len);
		struct flow got;
		int rc;

		memcpy(cut, message, len);
		cut->nlmsg_len = len;
		rc = conntrack_message_read(cut, &got, &err);
		ck_assert_msg(rc == (len < both_tuples ? -1 : 0), "at %u of %u", len, whole);
		free(cut);
	}
}
END_TEST

/* Every attribute's length wrong, one at a time: never read behind the end. */
START_TEST(test_wrong_lengths)
{
	static const uint16_t lengths[] = {0, 1, 3, 4, 5, 7, 9, 200, 0xffff};
	struct flow flow = tcp_flow();
	struct nlmsghdr *message = entry(&flow);
	uint32_t whole = message->nlmsg_len;
	size_t first = MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg);

	for (size_t at = first; at < whole; at += 4)
		for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
			char *copy = malloc(whole);
			struct flow got;

			memcpy(copy, message, whole);
			memcpy(copy + at, &lengths[i], sizeof(lengths[i]));
			(void)!conntrack_message_read((struct nlmsghdr *)copy, &got, &err);
			free(copy);
		}
}
END_TEST

START_TEST(test_what_is_no_entry)
{
	struct flow flow = tcp_flow();
	struct nlmsghdr *message = entry(&flow);

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	expect_refused(message);
	message = header(AF_BRIDGE);
	put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP, &flow.original);
	put_tuple(message, CTA_TUPLE_REPLY, IPPROTO_TCP, &flow.reply);
	expect_refused(message);
}
END_TEST

START_TEST(test_contradictions)
{
	struct flow flow = tcp_flow(), v6 = tcp_flow();
	struct nlmsghdr *message = header(AF_INET);

	/* another protocol in the other direction */
	put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP, &flow.original);
	put_tuple(message, CTA_TUPLE_REPLY, PROTO_OSPF, &flow.reply);
	expect_refused(message);
	/* another family */
	v6.reply.src = address("fd00::3");
	v6.reply.dst = address("fd00::2");
	message = entry(&v6);
	expect_refused(message);
	/* one direction only */
	message = header(AF_INET);
	put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP, &flow.original);
	expect_refused(message);
	/* a mark of two bytes */
	message = header(AF_INET);
	put_tuple(message, CTA_TUPLE_ORIG, IPPROTO_TCP, &flow.original);
	put_tuple(message, CTA_TUPLE_REPLY, IPPROTO_TCP, &flow.reply);
	mnl_attr_put_u16(message, CTA_MARK, 1);
	expect_refused(message);
}
END_TEST

/* --- requests ---------------------------------------------------------------------------------- */

/* What is asked names the entry by what an entry is read by. */
START_TEST(test_marking_names_the_entry)
{
	struct flow flow = tcp_flow();
	struct nlmsghdr *message;
	struct flow got = {0};

	message = conntrack_message_mark(buffer, &flow, 0xabcd1234, 0xffff0000);
	ck_assert_uint_le(message->nlmsg_len, CONNTRACK_MESSAGE_MAX);
	/* the kernel keeps one direction only: to be read here, the other is added */
	put_tuple(message, CTA_TUPLE_REPLY, flow.protocol, &flow.reply);
	flow.status = 0;
	flow.mark = 0xabcd0000;
	ck_assert_int_eq(conntrack_message_read(message, &got, &err), 0);
	expect_flow(message, &flow);
	ck_assert_uint_eq(message->nlmsg_flags, NLM_F_REQUEST);
}
END_TEST

START_TEST(test_the_longest_request_fits)
{
	struct flow flow = {.protocol = IPPROTO_ICMPV6,
		.zone = 9,
		.original = {address("fd00::2"), address("fd00::3"), 77, 128 << 8},
		.reply = {address("fd00::3"), address("fd00::2"), 77, 129 << 8}};

	ck_assert_uint_le(
		conntrack_message_mark(buffer, &flow, 1, 1)->nlmsg_len, CONNTRACK_MESSAGE_MAX);
	ck_assert_uint_le(
		conntrack_message_create(buffer, &flow)->nlmsg_len, CONNTRACK_MESSAGE_MAX);
	flow.protocol = IPPROTO_TCP;
	ck_assert_uint_le(
		conntrack_message_create(buffer, &flow)->nlmsg_len, CONNTRACK_MESSAGE_MAX);
}
END_TEST

/* What is made reads as what it was made of, but for being one that was picked up. */
START_TEST(test_creating)
{
	struct flow flow = tcp_flow();

	flow.reply.src = flow.original.dst;
	flow.reply.src_port = flow.original.dst_port;
	flow.status = 0x0e;
	flow.midstream = true;
	flow.seconds = 77;
	flow.tcp_state = 3;
	expect_flow(conntrack_message_create(buffer, &flow), &flow);
}
END_TEST

START_TEST(test_listing_filters_only_where_asked)
{
	struct nlmsghdr *all = conntrack_message_list(buffer, 7, 0);

	ck_assert_uint_eq(all->nlmsg_len, MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg));
	ck_assert_uint_eq(all->nlmsg_flags, NLM_F_REQUEST | NLM_F_DUMP);
	ck_assert_uint_gt(conntrack_message_list(buffer, 7, 7)->nlmsg_len,
		MNL_NLMSG_HDRLEN + sizeof(struct nfgenmsg));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conntrack_message");
	TCase *tests = tcase_create("messages");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tests, test_tcp);
	tcase_add_test(tests, test_tcp_picked_up_midway);
	tcase_add_test(tests, test_icmpv6);
	tcase_add_test(tests, test_the_least_there_is);
	tcase_add_test(tests, test_cut_short);
	tcase_add_test(tests, test_wrong_lengths);
	tcase_add_test(tests, test_what_is_no_entry);
	tcase_add_test(tests, test_contradictions);
	tcase_add_test(tests, test_marking_names_the_entry);
	tcase_add_test(tests, test_the_longest_request_fits);
	tcase_add_test(tests, test_creating);
	tcase_add_test(tests, test_listing_filters_only_where_asked);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
