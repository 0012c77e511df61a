/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/flow_filter.h"

#include "common/xalloc.h"

#include <check.h>
#include <string.h>

static struct flow_record *record;

static void setup(void)
{
	record = flow_record_new();
	record->node = xstrdup("n1");
	record->denied = true;
	record->source.container = xstrdup("web");
	record->source.labels = labels_new();
	labels_set(record->source.labels, "role", "frontend");
	ck_assert_int_eq(ip_parse("172.18.0.3", &record->source.ip, NULL), 0);
	ck_assert_int_eq(ip_parse("fd00::2", &record->destination.ip, NULL), 0);
}

static void teardown(void)
{
	flow_record_free(record);
}

static bool matches(const char *from, const char *to)
{
	struct flow_filter filter = {0};
	struct err err = {0};
	bool match;

	ck_assert_msg(flow_who_parse(from, &filter.from, &err) == 0, "%s", err.text);
	ck_assert_msg(flow_who_parse(to, &filter.to, &err) == 0, "%s", err.text);
	match = flow_filter_match(&filter, record);
	flow_filter_clear(&filter);
	return match;
}

START_TEST(test_who)
{
	static const struct {
		const char *from, *to;
		bool match;
	} cases[] = {
		{NULL, NULL, true},
		{"web", NULL, true},
		{"we", NULL, false},
		{"Web", NULL, false},
		{NULL, "web", false},
		{"172.18.0.3", NULL, true},
		{"172.18.0.3/16", NULL, true},
		{"172.19.0.0/16", NULL, false},
		{"::/0", NULL, false},
		{NULL, "fd00::/8", true},
		{"172.18.0.3", "fd00::2", true},
		{"172.18.0.3", "fd00::3", false},
		{"role == 'frontend'", NULL, true},
		{"role == 'backend'", NULL, false},
		{"all()", NULL, true},
		/* strangers have no labels: not even a negative one matches them */
		{NULL, "all()", false},
		{NULL, "role != 'frontend'", false},
		{NULL, "!has(role)", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(matches(cases[i].from, cases[i].to) == cases[i].match, "%s %s",
			cases[i].from ? cases[i].from : "-", cases[i].to ? cases[i].to : "-");
}
END_TEST

START_TEST(test_no_address_is_in_no_block)
{
	record->source.ip.family = 0;
	ck_assert(!matches("0.0.0.0/0", NULL));
	ck_assert(!matches("::/0", NULL));
}
END_TEST

START_TEST(test_denied_is_what_was_dropped)
{
	const struct flow_filter filter = {.denied = true};

	ck_assert(flow_filter_match(&filter, record));
	record->mode = MODE_AUDIT;
	ck_assert(!flow_filter_match(&filter, record));
	record->mode = MODE_ENFORCE;
	record->denied = false;
	ck_assert(!flow_filter_match(&filter, record));
}
END_TEST

START_TEST(test_node)
{
	ck_assert(flow_filter_match(&(struct flow_filter){.node = "n1"}, record));
	ck_assert(!flow_filter_match(&(struct flow_filter){.node = "n"}, record));
}
END_TEST

START_TEST(test_neither_of_them)
{
	static const char *const bad[] = {
		"a b", "a =", "=", "role == ", "-web", "300.1.2.3/8", "/web"};
	struct flow_who who;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = {0};

		ck_assert_msg(flow_who_parse(bad[i], &who, &err) < 0, "%s", bad[i]);
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_filter");
	TCase *tcase = tcase_create("flow_filter");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_who);
	tcase_add_test(tcase, test_no_address_is_in_no_block);
	tcase_add_test(tcase, test_denied_is_what_was_dropped);
	tcase_add_test(tcase, test_node);
	tcase_add_test(tcase, test_neither_of_them);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
