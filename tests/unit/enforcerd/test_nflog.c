/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/nflog.h"

#include "tests/unit/enforcerd/nflog_fixture.h"

#include <linux/netfilter.h>

static struct nflog_packet packet;

static void parse(void)
{
	ck_assert(nflog_parse(message, &packet));
}

START_TEST(test_everything_that_the_kernel_tells)
{
	const struct nfulnl_msg_packet_timestamp stamp = {htobe64(1795448979), htobe64(42)};
	const struct nfulnl_msg_packet_hw hardware = {
		.hw_addrlen = htons(6), .hw_addr = {2, 0, 0, 0, 0, 9}};
	struct nlattr *nest;
	char text[IP_TEXT_MAX];

	begin_message(NFPROTO_BRIDGE);
	add_ethertype(0x0800);
	add_text(NFULA_PREFIX, "bulkhead condemned");
	add_index(NFULA_IFINDEX_INDEV, 2);
	add_index(NFULA_IFINDEX_OUTDEV, 3);
	add_index(NFULA_IFINDEX_PHYSINDEV, 4);
	add_index(NFULA_IFINDEX_PHYSOUTDEV, 5);
	mnl_attr_put(message, NFULA_HWADDR, sizeof(hardware), &hardware);
	mnl_attr_put(message, NFULA_TIMESTAMP, sizeof(stamp), &stamp);
	add_ethernet("\x02\0\0\0\0\x01", "\x02\0\0\0\0\x02", 0x0800);
	nest = mnl_attr_nest_start(message, NFULA_VLAN);
	mnl_attr_put_u16(message, NFULA_VLAN_PROTO, htons(0x8100));
	mnl_attr_put_u16(message, NFULA_VLAN_TCI, htons(0x6007));
	mnl_attr_nest_end(message, nest);
	nest = mnl_attr_nest_start(message, NFULA_CT);
	add_tuple(CTA_TUPLE_ORIG, "198.51.100.1", "192.0.2.1", 6, 5000, 8080);
	add_tuple(CTA_TUPLE_REPLY, "172.18.0.2", "198.51.100.1", 6, 80, 5000);
	mnl_attr_nest_end(message, nest);
	add_payload("45 00 00 14");
	parse();
	ck_assert_uint_eq(packet.family, NFPROTO_BRIDGE);
	ck_assert_uint_eq(packet.ethertype, 0x0800);
	ck_assert_uint_eq(packet.prefix_len, sizeof("bulkhead condemned"));
	ck_assert_str_eq(packet.prefix, "bulkhead condemned");
	ck_assert_uint_eq(packet.in, 2);
	ck_assert_uint_eq(packet.out, 3);
	ck_assert_uint_eq(packet.in_port, 4);
	ck_assert_uint_eq(packet.out_port, 5);
	ck_assert_uint_eq(packet.source_mac[5], 9);
	ck_assert_int_eq(packet.time_us, 1795448979000042LL);
	ck_assert_uint_eq(packet.link_header_len, 14);
	ck_assert_uint_eq(packet.link_header[11], 2);
	ck_assert_int_eq(packet.vlan, 7);
	ck_assert_uint_eq(packet.payload_len, 4);
	ck_assert_uint_eq(packet.payload[0], 0x45);
	ck_assert(packet.has_original && packet.has_reply);
	ck_assert_str_eq(ip_format(&packet.original.destination, text), "192.0.2.1");
	ck_assert_int_eq(packet.original.destination_port, 8080);
	ck_assert_str_eq(ip_format(&packet.reply.source, text), "172.18.0.2");
	ck_assert_int_eq(packet.reply.source_port, 80);
	ck_assert_int_eq(packet.original.protocol, 6);
	ck_assert_int_eq(packet.original.icmp_type, -1);
}
END_TEST

START_TEST(test_nothing_is_told)
{
	begin_message(NFPROTO_IPV4);
	parse();
	ck_assert_uint_eq(packet.prefix_len, 0);
	ck_assert_ptr_nonnull(packet.prefix);
	ck_assert_ptr_null(packet.payload);
	ck_assert_ptr_null(packet.link_header);
	ck_assert_ptr_null(packet.source_mac);
	ck_assert_int_eq(packet.vlan, -1);
	ck_assert_int_eq(packet.time_us, 0);
	ck_assert(!packet.has_original && !packet.has_reply);
}
END_TEST

START_TEST(test_other_messages_are_refused)
{
	begin_message(NFPROTO_IPV4);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	ck_assert(!nflog_parse(message, &packet));
	message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFULNL_MSG_PACKET;
	ck_assert(!nflog_parse(message, &packet));
	message->nlmsg_type = NLMSG_ERROR;
	ck_assert(!nflog_parse(message, &packet));
	begin_message(NFPROTO_IPV4);
	message->nlmsg_len = NLMSG_HDRLEN + 2;
	ck_assert(!nflog_parse(message, &packet));
}
END_TEST

/* Every attribute one byte long: too short for all that hold more. */
START_TEST(test_short_attributes_count_as_absent)
{
	begin_message(NFPROTO_IPV4);
	for (uint16_t type = 0; type < NFULA_MAX + 20; type++)
		mnl_attr_put_u8(message, type, 0xff);
	parse();
	ck_assert_uint_eq(packet.ethertype, 0);
	ck_assert_uint_eq(packet.in, 0);
	ck_assert_int_eq(packet.time_us, 0);
	ck_assert_ptr_null(packet.link_header);
	ck_assert_ptr_null(packet.source_mac);
	ck_assert_int_eq(packet.vlan, -1);
	ck_assert(!packet.has_original);
	ck_assert_uint_eq(packet.payload_len, 1);
}
END_TEST

/* On a link that is no Ethernet the header means something else. */
START_TEST(test_link_headers_of_other_links_are_left_alone)
{
	uint8_t header[14] = {0};

	begin_message(NFPROTO_IPV4);
	mnl_attr_put_u16(message, NFULA_HWTYPE, htons(65534)); /* none: a tunnel */
	mnl_attr_put(message, NFULA_HWHEADER, sizeof(header), header);
	parse();
	ck_assert_ptr_null(packet.link_header);
	begin_message(NFPROTO_IPV4);
	mnl_attr_put_u16(message, NFULA_HWTYPE, htons(1));
	mnl_attr_put(message, NFULA_HWHEADER, 13, header);
	parse();
	ck_assert_ptr_null(packet.link_header);
}
END_TEST

START_TEST(test_a_time_that_cannot_be)
{
	struct nfulnl_msg_packet_timestamp stamp = {UINT64_MAX, 0};

	begin_message(NFPROTO_IPV4);
	mnl_attr_put(message, NFULA_TIMESTAMP, sizeof(stamp), &stamp);
	parse();
	ck_assert_int_eq(packet.time_us, 0);
}
END_TEST

START_TEST(test_a_flow_without_both_addresses_is_none)
{
	struct nlattr *nest, *tuple, *part;

	begin_message(NFPROTO_IPV4);
	nest = mnl_attr_nest_start(message, NFULA_CT);
	tuple = mnl_attr_nest_start(message, CTA_TUPLE_ORIG);
	part = mnl_attr_nest_start(message, CTA_TUPLE_IP);
	mnl_attr_put_u32(message, CTA_IP_V4_SRC, 1);
	mnl_attr_nest_end(message, part);
	mnl_attr_nest_end(message, tuple);
	mnl_attr_nest_end(message, nest);
	parse();
	ck_assert(!packet.has_original);
}
END_TEST

/* Cut anywhere, nothing is read beyond the end: the sanitizers watch. */
START_TEST(test_cut_anywhere)
{
	struct nlattr *nest;

	begin_message(NFPROTO_BRIDGE);
	add_ethertype(0x0800);
	add_text(NFULA_PREFIX, "bulkhead condemned");
	add_ethernet("\x02\0\0\0\0\x01", "\x02\0\0\0\0\x02", 0x0800);
	nest = mnl_attr_nest_start(message, NFULA_CT);
	add_tuple(CTA_TUPLE_ORIG, "198.51.100.1", "192.0.2.1", 6, 5000, 8080);
	mnl_attr_nest_end(message, nest);
	for (uint32_t len = NLMSG_HDRLEN; len <= message->nlmsg_len; len++) {
		cleanup_free struct nlmsghdr *cut = malloc(len);

		ck_assert_ptr_nonnull(cut);
		memcpy(cut, message, len);
		cut->nlmsg_len = len;
		ck_assert_int_eq(
			nflog_parse(cut, &packet), len >= NLMSG_HDRLEN + sizeof(struct nfgenmsg));
		if (packet.prefix_len)
			ck_assert(packet.prefix + packet.prefix_len <= (char *)cut + len);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nflog");
	TCase *tcase = tcase_create("nflog");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_everything_that_the_kernel_tells);
	tcase_add_test(tcase, test_nothing_is_told);
	tcase_add_test(tcase, test_other_messages_are_refused);
	tcase_add_test(tcase, test_short_attributes_count_as_absent);
	tcase_add_test(tcase, test_link_headers_of_other_links_are_left_alone);
	tcase_add_test(tcase, test_a_time_that_cannot_be);
	tcase_add_test(tcase, test_a_flow_without_both_addresses_is_none);
	tcase_add_test(tcase, test_cut_anywhere);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
