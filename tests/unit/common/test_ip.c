/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ip.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct ip ip_of(const char *text)
{
	struct err err = {0};
	struct ip ip = {0};

	ck_assert_msg(!ip_parse(text, &ip, &err), "%s", err.text);
	return ip;
}

static struct cidr cidr_of(const char *text)
{
	struct err err = {0};
	struct cidr cidr = {0};

	ck_assert_msg(!cidr_parse(text, &cidr, &err), "%s", err.text);
	return cidr;
}

START_TEST(test_addresses_round_trip)
{
	static const struct {
		const char *text, *printed;
		int family;
	} cases[] = {
		{"0.0.0.0", "0.0.0.0", 4}, {"172.18.0.2", "172.18.0.2", 4},
		{"255.255.255.255", "255.255.255.255", 4}, {"::", "::", 6},
		{"fd00:0:0:0:0:0:0:A", "fd00::a", 6}, {"2001:db8::1", "2001:db8::1", 6},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1", 6}, /* mapped stays IPv6 */
	};
	char text[IP_TEXT_MAX];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip = ip_of(cases[i].text);

		ck_assert_int_eq(ip.family, cases[i].family);
		ck_assert_uint_eq(ip_len(&ip), cases[i].family == 4 ? 4 : 16);
		ck_assert_str_eq(ip_format(&ip, text), cases[i].printed);
	}
}
END_TEST

START_TEST(test_the_unused_bytes_of_ipv4_are_zero)
{
	static const uint8_t zeros[12] = {0};
	struct ip ip = {0};

	memset(&ip, 0xff, sizeof(ip));
	ck_assert_int_eq(ip_parse("10.1.2.3", &ip, NULL), 0);
	ck_assert_mem_eq(ip.bytes + 4, zeros, sizeof(zeros));
}
END_TEST

static const char *const bad_addresses[] = {"", " ", "10.0.0", "10.0.0.1.2", "10.0.0.256",
	"010.0.0.1", "10.0.0.1 ", " 10.0.0.1", "10.0.0.1\n", "0x0a000001", "167772161", "localhost",
	"fe80::1%eth0", "::1::", "12345::", "[::1]", "1:2:3:4:5:6:7:8:9", "10.0.0.1/32"};

START_TEST(test_bad_addresses_are_refused)
{
	struct ip ip = {.family = 9};
	struct err err = {0};

	ck_assert_int_eq(ip_parse(bad_addresses[_i], &ip, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "is not an IP address"));
	ck_assert_ptr_nonnull(strstr(err.text, bad_addresses[_i]));
	ck_assert_int_eq(ip.family, 9); /* untouched */
}
END_TEST

START_TEST(test_no_address_prints_as_nothing)
{
	const struct ip none = {0};
	char text[IP_TEXT_MAX] = "before";

	ck_assert_str_eq(ip_format(&none, text), "");
}
END_TEST

START_TEST(test_addresses_are_ordered)
{
	static const char *const sorted[] = {"0.0.0.1", "10.0.0.1", "10.0.0.2", "200.0.0.0",
		"::", "::1", "::ffff:10.0.0.1", "fd00::"};

	for (size_t i = 0; i < COUNT(sorted); i++)
		for (size_t j = 0; j < COUNT(sorted); j++) {
			struct ip a = ip_of(sorted[i]), b = ip_of(sorted[j]);
			int order = ip_cmp(&a, &b);

			ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
			ck_assert_int_eq(ip_equal(&a, &b), i == j);
		}
}
END_TEST

START_TEST(test_blocks_round_trip)
{
	static const struct {
		const char *text, *printed, *masked, *first, *last;
	} cases[] = {
		{"10.0.0.1", "10.0.0.1/32", "10.0.0.1/32", "10.0.0.1", "10.0.0.1"},
		{"10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8", "10.0.0.0", "10.255.255.255"},
		{"172.18.131.7/17", "172.18.131.7/17", "172.18.128.0/17", "172.18.128.0",
			"172.18.255.255"},
		{"192.168.1.77/31", "192.168.1.77/31", "192.168.1.76/31", "192.168.1.76",
			"192.168.1.77"},
		{"1.2.3.4/0", "1.2.3.4/0", "0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"::1", "::1/128", "::1/128", "::1", "::1"},
		{"fd00::1/64", "fd00::1/64", "fd00::/64", "fd00::", "fd00::ffff:ffff:ffff:ffff"},
		{"fe80::ffff/123", "fe80::ffff/123", "fe80::ffe0/123", "fe80::ffe0", "fe80::ffff"},
		{"::/0", "::/0", "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char text[CIDR_TEXT_MAX], address[IP_TEXT_MAX];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr cidr = cidr_of(cases[i].text), masked = cidr_mask(&cidr);
		struct ip first, last;

		ck_assert_str_eq(cidr_format(&cidr, text), cases[i].printed);
		ck_assert_str_eq(cidr_format(&masked, text), cases[i].masked);
		cidr_range(&cidr, &first, &last);
		ck_assert_str_eq(ip_format(&first, address), cases[i].first);
		ck_assert_str_eq(ip_format(&last, address), cases[i].last);
	}
}
END_TEST

START_TEST(test_the_longest_block_fits)
{
	struct cidr cidr = cidr_of("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255/128");
	char text[CIDR_TEXT_MAX];

	cidr_format(&cidr, text);
	ck_assert_str_eq(text, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}
END_TEST

static const char *const bad_blocks[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
	"10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/ 8", "10.0.0.0/8 ", "10.0.0.0/256",
	"10.0.0.0/264", "10.0.0.0/4294967304", "10.0.0.0/255.0.0.0", "10.0/16", "::/129",
	"fd00::/0x40", "fe80::1%eth0/64",
	"1111:1111:1111:1111:1111:1111:111.111.111.1111111111111111111111111111/8"};

START_TEST(test_bad_blocks_are_refused)
{
	struct cidr cidr = {.bits = 77};
	struct err err = {0};

	ck_assert_int_eq(cidr_parse(bad_blocks[_i], &cidr, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "is not a CIDR block"));
	ck_assert_int_eq(cidr.bits, 77);
}
END_TEST

START_TEST(test_containment)
{
	static const struct {
		const char *block, *address;
		bool inside;
	} cases[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.9.9.9/8", "10.0.0.1", true}, /* host bits do not count */
		{"0.0.0.0/0", "255.1.2.3", true},
		{"10.0.0.1/32", "10.0.0.1", true},
		{"10.0.0.1/32", "10.0.0.0", false},
		{"192.168.0.0/23", "192.168.1.255", true},
		{"192.168.0.0/23", "192.168.2.0", false},
		{"fd00::/64", "fd00::1:0:0:1", true},
		{"fd00::/64", "fd00:0:0:1::", false},
		{"::/0", "10.0.0.1", false}, /* never across families */
		{"0.0.0.0/0", "::", false},
		{"::ffff:0:0/96", "10.0.0.1", false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr block = cidr_of(cases[i].block);
		struct ip ip = ip_of(cases[i].address);

		ck_assert_msg(cidr_contains(&block, &ip) == cases[i].inside, "%s %s",
			cases[i].block, cases[i].address);
	}
}
END_TEST

START_TEST(test_no_address_is_in_no_block)
{
	struct cidr everything4 = cidr_of("0.0.0.0/0"), everything6 = cidr_of("::/0");
	const struct ip none = {0};

	ck_assert(!cidr_contains(&everything4, &none));
	ck_assert(!cidr_contains(&everything6, &none));
}
END_TEST

START_TEST(test_covering)
{
	static const struct {
		const char *outer, *inner;
		bool covers;
	} cases[] = {
		{"10.0.0.0/8", "10.1.0.0/16", true},
		{"10.1.0.0/16", "10.0.0.0/8", false},
		{"10.0.0.0/16", "10.0.0.0/8", false}, /* the larger one's first address is inside */
		{"10.0.0.0/8", "10.0.0.0/8", true},
		{"10.0.0.0/8", "11.0.0.0/16", false},
		{"0.0.0.0/0", "::/0", false},
		{"fd00::/8", "fd12::/48", true},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cidr outer = cidr_of(cases[i].outer), inner = cidr_of(cases[i].inner);

		ck_assert_msg(cidr_covers(&outer, &inner) == cases[i].covers, "%s %s",
			cases[i].outer, cases[i].inner);
	}
}
END_TEST

START_TEST(test_blocks_are_ordered)
{
	static const char *const sorted[] = {"0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.1/8",
		"255.0.0.0/8", "::/0", "::/128", "fd00::/8"};

	for (size_t i = 0; i < COUNT(sorted); i++)
		for (size_t j = 0; j < COUNT(sorted); j++) {
			struct cidr a = cidr_of(sorted[i]), b = cidr_of(sorted[j]);
			int order = cidr_cmp(&a, &b);

			ck_assert_int_eq((order > 0) - (order < 0), (i > j) - (i < j));
		}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ip");
	TCase *tcase = tcase_create("ip");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_addresses_round_trip);
	tcase_add_test(tcase, test_the_unused_bytes_of_ipv4_are_zero);
	tcase_add_loop_test(tcase, test_bad_addresses_are_refused, 0, COUNT(bad_addresses));
	tcase_add_test(tcase, test_no_address_prints_as_nothing);
	tcase_add_test(tcase, test_addresses_are_ordered);
	tcase_add_test(tcase, test_blocks_round_trip);
	tcase_add_test(tcase, test_the_longest_block_fits);
	tcase_add_loop_test(tcase, test_bad_blocks_are_refused, 0, COUNT(bad_blocks));
	tcase_add_test(tcase, test_containment);
	tcase_add_test(tcase, test_no_address_is_in_no_block);
	tcase_add_test(tcase, test_covering);
	tcase_add_test(tcase, test_blocks_are_ordered);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
