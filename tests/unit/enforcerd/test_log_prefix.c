/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/log_prefix.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct log_reason reason(
	enum log_what what, enum policy_direction dir, const char *policy, int rule)
{
	struct log_reason r = {.what = what, .direction = dir, .rule = rule};

	snprintf(r.policy, sizeof(r.policy), "%s", policy);
	return r;
}

static void assert_parses(const char *text, const struct log_reason *expected)
{
	struct log_reason parsed;
	struct err err = {0};

	ck_assert_msg(
		log_prefix_parse(text, strlen(text), &parsed, &err) == 0, "%s: %s", text, err.text);
	ck_assert_int_eq(parsed.what, expected->what);
	ck_assert_int_eq(parsed.direction, expected->direction);
	ck_assert_str_eq(parsed.policy, expected->policy);
	ck_assert_int_eq(parsed.rule, expected->rule);
}

START_TEST(test_reads_as_a_sentence_and_back)
{
	static const struct {
		enum log_what what;
		enum policy_direction dir;
		const char *policy;
		int rule;
		const char *text;
	} cases[] = {
		{LOG_END, DIR_INGRESS, "database", LOG_NO_RULE, "bulkhead ingress end database"},
		{LOG_END, DIR_INGRESS, "", LOG_NO_RULE, "bulkhead ingress end"},
		{LOG_DENY, DIR_EGRESS, "frontend", 2, "bulkhead egress deny frontend[2]"},
		{LOG_PASS, DIR_EGRESS, "a/b.c-d_e", 0, "bulkhead egress pass a/b.c-d_e[0]"},
		{LOG_RULE, DIR_INGRESS, "x", 1023, "bulkhead ingress log x[1023]"},
		{LOG_STAGED, DIR_INGRESS, "x", 3, "bulkhead ingress staged x[3]"},
		{LOG_STAGED, DIR_INGRESS, "x", LOG_NO_RULE, "bulkhead ingress staged x"},
		{LOG_STAGED, DIR_EGRESS, "", LOG_NO_RULE, "bulkhead egress staged"},
		{LOG_INVALID, DIR_EGRESS, "", LOG_NO_RULE, "bulkhead egress invalid"},
		{LOG_CONTESTED, DIR_COUNT, "", LOG_NO_RULE, "bulkhead contested"},
		{LOG_CONDEMNED, DIR_COUNT, "", LOG_NO_RULE, "bulkhead condemned"},
		/* policies may be called like our own words */
		{LOG_END, DIR_EGRESS, "end", LOG_NO_RULE, "bulkhead egress end end"},
		{LOG_DENY, DIR_EGRESS, "ingress", 7, "bulkhead egress deny ingress[7]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct log_reason r =
			reason(cases[i].what, cases[i].dir, cases[i].policy, cases[i].rule);
		char text[LOG_PREFIX_SIZE];

		ck_assert_str_eq(log_prefix_format(&r, text), cases[i].text);
		assert_parses(text, &r);
	}
}
END_TEST

START_TEST(test_every_reason_comes_back)
{
	for (int what = 0; what < LOG_WHAT_COUNT; what++)
		for (int dir = DIR_INGRESS; dir < DIR_COUNT; dir++) {
			bool of_policy = what <= LOG_STAGED, of_rule = of_policy && what != LOG_END;
			struct log_reason given =
				reason((enum log_what)what, (enum policy_direction)dir, "web", 5);
			struct log_reason expected =
				reason((enum log_what)what, (enum policy_direction)dir,
					of_policy ? "web" : "", of_rule ? 5 : LOG_NO_RULE);
			char text[LOG_PREFIX_SIZE];
			enum log_what again;

			/* what does not belong to such a reason is left out */
			assert_parses(log_prefix_format(&given, text), &expected);
			ck_assert(log_what_parse(log_what_name((enum log_what)what), &again));
			ck_assert_int_eq(again, what);
			ck_assert_int_eq(log_what_denies((enum log_what)what),
				what != LOG_RULE && what != LOG_STAGED);
		}
}
END_TEST

START_TEST(test_long_names_are_cut_and_stay_distinct)
{
	char a[POLICY_NAME_MAX + 1], b[POLICY_NAME_MAX + 1], text[LOG_PREFIX_SIZE];
	char short_a[POLICY_NAME_MAX + 1], short_b[POLICY_NAME_MAX + 1];

	for (size_t len = 1; len <= POLICY_NAME_MAX; len++) {
		struct log_reason r = reason(LOG_STAGED, DIR_INGRESS, "", 1023), short_form;

		memset(a, 'a', len);
		a[len] = '\0';
		memcpy(b, a, len);
		b[len] = '\0';
		b[len - 1] = 'b';
		strcpy(r.policy, a);
		log_prefix_format(&r, text);
		ck_assert_uint_lt(strlen(text), LOG_PREFIX_SIZE);
		short_form = reason(LOG_STAGED, DIR_INGRESS, log_policy_text(a, short_a), 1023);
		assert_parses(text, &short_form);
		/* the short form is its own short form: a parsed reason can be written again */
		ck_assert_str_eq(log_policy_text(short_a, short_b), short_a);
		ck_assert_str_ne(log_policy_text(b, short_b), short_a);
		ck_assert_int_eq(!strcmp(short_a, a), len <= 96);
	}
}
END_TEST

START_TEST(test_foreign_and_damaged_text_is_refused)
{
	static const char hash[] = "0123456789ab";
	static const char *const bad[] = {"", " ", "bulkhead", "bulkhead ",
		"calico-packet: ", "bulkhead ingress", "bulkhead ingress nonsense",
		"Bulkhead ingress end", "bulkhead  ingress end", "bulkhead ingress end ",
		"bulkhead ingress end  database", "bulkhead ingress end database ",
		"bulkhead end database", "bulkhead deny x[1]", "bulkhead ingress deny",
		"bulkhead ingress deny x", "bulkhead ingress deny [1]", "bulkhead ingress deny x[]",
		"bulkhead ingress deny x[-1]", "bulkhead ingress deny x[1",
		"bulkhead ingress deny x[1]]", "bulkhead ingress deny x[01]",
		"bulkhead ingress deny x[+1]", "bulkhead ingress deny x[ 1]",
		"bulkhead ingress deny x[1024]", "bulkhead ingress deny x[99999999999999999999]",
		"bulkhead ingress end x[1]", "bulkhead ingress staged [1]",
		"bulkhead ingress invalid x", "bulkhead condemned x", "bulkhead ingress egress end",
		"bulkhead ingress end data\nbase", "bulkhead ingress end data\x1b[2J",
		"bulkhead ingress end d\xc3\xa4ta", "bulkhead ingress end x~0123456789ab",
		"bulkhead ingress deny x[1] y"};
	char long_text[400];
	struct log_reason r;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct err err = {0};

		ck_assert_msg(log_prefix_parse(bad[i], strlen(bad[i]), &r, &err) < 0, "%s", bad[i]);
		ck_assert_str_ne(err.text, "");
	}
	/* cut names with the wrong length or hash, and longer ones than fit */
	for (int kept = 82; kept <= 84; kept++) {
		snprintf(long_text, sizeof(long_text), "bulkhead ingress end %.*s~%s", kept,
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
			hash);
		ck_assert_int_eq(
			log_prefix_parse(long_text, strlen(long_text), &r, NULL) == 0, kept == 83);
	}
	long_text[strlen(long_text) - 1] = 'G';
	ck_assert_int_lt(log_prefix_parse(long_text, strlen(long_text), &r, NULL), 0);
	memset(long_text, 'a', sizeof(long_text));
	memcpy(long_text, "bulkhead ingress end ", 21);
	for (size_t len = 21 + 97; len <= sizeof(long_text); len++)
		ck_assert_int_lt(log_prefix_parse(long_text, len, &r, NULL), 0);
}
END_TEST

START_TEST(test_one_nul_at_the_end_and_none_within)
{
	struct log_reason r;

	ck_assert_int_eq(log_prefix_parse("bulkhead condemned\0", 19, &r, NULL), 0);
	ck_assert_int_lt(log_prefix_parse("bulkhead condemned\0\0", 20, &r, NULL), 0);
	ck_assert_int_lt(log_prefix_parse("bulkhead\0condemned", 18, &r, NULL), 0);
	/* not terminated: only len bytes count */
	ck_assert_int_eq(log_prefix_parse("bulkhead condemnedXXXX", 18, &r, NULL), 0);
}
END_TEST

START_TEST(test_damage_never_passes_for_something_else)
{
	static const char text[] = "bulkhead egress deny frontend[21]";
	char copy[sizeof(text)];

	for (size_t at = 0; at < sizeof(text) - 1; at++)
		for (int byte = 0; byte < 256; byte++) {
			struct log_reason r;
			char again[LOG_PREFIX_SIZE];

			memcpy(copy, text, sizeof(text));
			copy[at] = (char)byte;
			if (log_prefix_parse(copy, sizeof(text) - 1, &r, NULL) == 0)
				ck_assert(!memcmp(
					log_prefix_format(&r, again), copy, sizeof(text) - 1));
		}
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct log_reason r;

		ck_assert_int_lt(log_prefix_parse(text, len, &r, NULL), 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log_prefix");
	TCase *tcase = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tcase, test_reads_as_a_sentence_and_back);
	tcase_add_test(tcase, test_every_reason_comes_back);
	tcase_add_test(tcase, test_long_names_are_cut_and_stay_distinct);
	tcase_add_test(tcase, test_foreign_and_damaged_text_is_refused);
	tcase_add_test(tcase, test_one_nul_at_the_end_and_none_within);
	tcase_add_test(tcase, test_damage_never_passes_for_something_else);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
