/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/policy.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

START_TEST(test_actions_and_directions_have_one_spelling)
{
	static const char *const words[] = {"allow", "deny", "log", "pass"};
	static const char *const not_actions[] = {
		"", "Allow", "ALLOW", "allow ", "next-tier", "drop"};
	static const char *const not_directions[] = {"", "Ingress", "EGRESS", "both", "in"};
	enum policy_action action = ACTION_LOG;
	enum policy_direction dir = DIR_EGRESS;

	for (size_t i = 0; i < COUNT(words); i++) {
		ck_assert(policy_action_parse(words[i], &action));
		ck_assert_int_eq(action, (int)i);
		ck_assert_str_eq(policy_action_name(action), words[i]);
	}
	for (size_t i = 0; i < COUNT(not_actions); i++)
		ck_assert_msg(!policy_action_parse(not_actions[i], &action), "%s", not_actions[i]);
	ck_assert_int_eq(action, ACTION_PASS); /* untouched by a refusal */

	ck_assert(policy_direction_parse("ingress", &dir));
	ck_assert_int_eq(dir, DIR_INGRESS);
	ck_assert(policy_direction_parse("egress", &dir));
	ck_assert_int_eq(dir, DIR_EGRESS);
	ck_assert_str_eq(policy_direction_name(DIR_INGRESS), "ingress");
	ck_assert_str_eq(policy_direction_name(DIR_EGRESS), "egress");
	for (size_t i = 0; i < COUNT(not_directions); i++)
		ck_assert_msg(
			!policy_direction_parse(not_directions[i], &dir), "%s", not_directions[i]);
}
END_TEST

START_TEST(test_names)
{
	static const char *const good[] = {"a", "database", "A-Z_a.z/09", "..", "-"};
	static const struct {
		const char *name, *error;
	} bad[] = {
		{"", "bad name: must not be empty"},
		{"two words", "bad name at character 4"},
		{"caf\xc3\xa9", "bad name at character 4"},
		{"a\n", "bad name at character 2"},
		{"a:b", "bad name at character 2"},
		{"50%", "bad name at character 3"},
	};
	char longest[POLICY_NAME_MAX + 2];
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(!policy_name_check(good[i], &err), "%s: %s", good[i], err.text);
	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_int_eq(policy_name_check(bad[i].name, &err), -1);
		ck_assert_msg(strstr(err.text, bad[i].error), "%s: %s", bad[i].name, err.text);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[POLICY_NAME_MAX + 1] = '\0';
	ck_assert_int_eq(policy_name_check(longest, &err), -1);
	ck_assert_msg(strstr(err.text, "129 characters, at most 128"), "%s", err.text);
	longest[POLICY_NAME_MAX] = '\0';
	ck_assert_int_eq(policy_name_check(longest, &err), 0);
}
END_TEST

START_TEST(test_protocols)
{
	static const struct {
		const char *text;
		int protocol, ip_version;
	} good[] = {
		{"tcp", 6, 0},
		{"udp", 17, 0},
		{"icmp", 1, 4},
		{"icmpv6", 58, 6},
		{"sctp", 132, 0},
		{"udplite", 136, 0},
		{"1", 1, 0}, /* by number, no family is implied */
		{"6", 6, 0},
		{"58", 58, 0},
		{"255", 255, 0},
	};
	static const char *const bad[] = {"", "TCP", "tcp ", "0", "256", "-1", "+6", "06", "6.0",
		"0x6", "99999999999999999999"};
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++) {
		int protocol = 0, ip_version = 0;

		ck_assert_msg(!protocol_parse(good[i].text, &protocol, &ip_version, &err), "%s: %s",
			good[i].text, err.text);
		ck_assert_int_eq(protocol, good[i].protocol);
		ck_assert_int_eq(ip_version, good[i].ip_version);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		int protocol = 7, ip_version = 7;

		ck_assert_msg(
			protocol_parse(bad[i], &protocol, &ip_version, &err) == -1, "%s", bad[i]);
		ck_assert_msg(strstr(err.text, "bad protocol \"") != NULL, "%s", err.text);
		ck_assert_int_eq(protocol, 7);
		ck_assert_int_eq(ip_version, 7);
	}
	ck_assert_str_eq(protocol_name(6), "tcp");
	ck_assert_str_eq(protocol_name(58), "icmpv6");
	ck_assert_ptr_null(protocol_name(47));
}
END_TEST

START_TEST(test_port_ranges)
{
	static const struct {
		const char *text;
		uint16_t first, last;
	} good[] = {
		{"1", 1, 1},
		{"3306", 3306, 3306},
		{"65535", 65535, 65535},
		{"1:65535", 1, 65535},
		{"80:80", 80, 80},
	};
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"", "bad port \"\""},
		{"0", "bad port \"0\""},
		{"70000", "bad port \"70000\": must be 1..65535"},
		{"65536", "bad port"},
		{"-1", "bad port"},
		{"+1", "bad port"},
		{"080", "bad port"},
		{" 80", "bad port"},
		{"80 ", "bad port"},
		{"http", "bad port \"http\""},
		{"80-90", "bad port"},
		{":", "bad port"},
		{"80:", "bad port"},
		{":80", "bad port"},
		{"80:90:100", "bad port"},
		{"0:80", "bad port"},
		{"80:70000", "bad port"},
		{"90:80", "bad port range \"90:80\": 90 is above 80"},
		{"999999999999999999999", "bad port"},
	};
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++) {
		struct port_range range = {0};

		ck_assert_msg(!port_range_parse(good[i].text, &range, &err), "%s: %s", good[i].text,
			err.text);
		ck_assert_uint_eq(range.first, good[i].first);
		ck_assert_uint_eq(range.last, good[i].last);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct port_range range = {7, 8};

		ck_assert_msg(
			port_range_parse(bad[i].text, &range, &err) == -1, "\"%s\"", bad[i].text);
		ck_assert_msg(
			strstr(err.text, bad[i].error) != NULL, "%s: %s", bad[i].text, err.text);
		ck_assert_uint_eq(range.first, 7);
		ck_assert_uint_eq(range.last, 8);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy_fields");
	TCase *tcase = tcase_create("policy_fields");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_actions_and_directions_have_one_spelling);
	tcase_add_test(tcase, test_names);
	tcase_add_test(tcase, test_protocols);
	tcase_add_test(tcase, test_port_ranges);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
