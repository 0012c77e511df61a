/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What stays pending when the kernel has been found to hold something. */
#include "enforcerd/ruleset_adopt.h"

#include "common/strbuf.h"
#include "enforcerd/skeleton.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct ruleset *rs;

static struct elem_key address(const char *text)
{
	struct elem_key key = {0};

	ck_assert_int_eq(ip_parse(text, &key.ip, NULL), 0);
	return key;
}

static void put(const char *set, const char *ip, const char *chain, const char *comment)
{
	const struct elem_key key = address(ip);

	ruleset_put(rs, set, &key, chain, comment);
}

static void put_chain(const char *name, enum verdict_kind verdict)
{
	struct rule_list rules = {0};

	rule_append(&rules)->verdict = verdict;
	ruleset_chain(rs, name, NULL, &rules);
}

static void setup(void)
{
	rs = ruleset_new();
	ruleset_policy_tables(rs, IN_BOTH);
	ruleset_counter(rs, "n");
	ruleset_set(rs, "map", MAP_IPV4, NULL);
	ruleset_set(rs, "sel", SET_IPV4, NULL);
	put("sel", "10.0.0.1", NULL, "one");
	put("sel", "10.0.0.2", NULL, NULL);
	put("map", "10.0.0.1", "a", NULL);
	put_chain("a", VERDICT_RETURN);
	ruleset_forget(rs);
}

static void teardown(void)
{
	ruleset_free(rs);
}

/* --- what is pending --------------------------------------------------------------------------- */

static const char signs[] = {
	[DIFF_NONE] = '=', [DIFF_ADD] = '+', [DIFF_REMOVE] = '-', [DIFF_REPLACE] = '~'};

static void see_counter(enum ruleset_tables tables, const char *name, enum diff diff, void *arg)
{
	(void)tables;
	strbuf_addf(arg, "%c%s ", signs[diff], name);
}

static void see_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	(void)tables;
	(void)type;
	(void)comment;
	strbuf_addf(arg, "%c%s ", signs[diff], name);
}

static void see_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
	void *arg)
{
	(void)tables;
	(void)set;
	(void)type;
	(void)chain;
	(void)comment;
	strbuf_addf(arg, "%c.%u ", signs[diff], key->ip.bytes[3]);
}

static void see_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	(void)tables;
	(void)comment;
	(void)rules;
	strbuf_addf(arg, "%c%s ", signs[diff], name);
}

static void expect(const char *wanted)
{
	static const struct ruleset_visitor visitor = {see_counter, see_set, see_elem, see_chain};
	cleanup_strbuf struct strbuf seen = {0};

	ruleset_visit(rs, &visitor, &seen);
	ck_assert_str_eq(seen.text ? seen.text : "", wanted);
	ck_assert(ruleset_dirty(rs) == (*wanted != '\0'));
}

/* --- telling ----------------------------------------------------------------------------------- */

/* Elements as the last numbers of their addresses; '!' behind one: it has another value. False when one is not wanted. */
static bool tell(struct set_adoption *adoption, const char *elems)
{
	bool all = true;

	for (; *elems; elems++) {
		const char *chain = "?", *comment = "?";
		char text[16];
		struct elem_key key;

		snprintf(text, sizeof(text), "10.0.0.%c", *elems);
		key = address(text);
		all &= adoption_elem(adoption, &key, &chain, &comment);
		ck_assert_ptr_null(chain);
		if (*elems == '1')
			ck_assert_str_eq(comment, "one");
		else
			ck_assert_ptr_null(comment);
		if (elems[1] == '!') {
			adoption_replace(adoption);
			elems++;
		}
	}
	return all;
}

static bool tell_both(const char *first, const char *second)
{
	struct set_adoption adoption;

	adoption_begin(&adoption, rs, "sel");
	adoption_table(&adoption);
	tell(&adoption, first);
	adoption_table(&adoption);
	tell(&adoption, second);
	return adoption_end(&adoption, true);
}

#define REST "+n +map +.1 "

static const struct {
	const char *first, *second;
	bool adopted;
	const char *pending;
} set_cases[] = {
	{"12", "21", true, REST "+a "},
	{"1", "1", true, REST "=sel +.2 +a "},
	{"", "", true, REST "=sel +.1 +.2 +a "},
	{"129", "912", true, REST "=sel -.9 +a "},
	{"1!2", "12", true, REST "=sel ~.1 +a "},
	{"12", "12!", true, REST "=sel ~.2 +a "},
	/* the same twice while the kernel's table grows */
	{"1121", "1222", true, REST "+a "},
	/* the tables differ: both are written anew */
	{"12", "1", false, REST "+sel +.1 +.2 +a "},
	{"1", "12", false, REST "+sel +.1 +.2 +a "},
	{"12", "19", false, REST "+sel +.1 +.2 +a "},
	{"9!", "", false, REST "+sel +.1 +.2 +a "},
	{"", "9", false, REST "+sel +.1 +.2 +a "},
	{"1!2", "1", false, REST "+sel +.1 +.2 +a "},
};

enum { SET_CASES = sizeof(set_cases) / sizeof(*set_cases) };

START_TEST(test_set)
{
	ck_assert(tell_both(set_cases[_i].first, set_cases[_i].second) == set_cases[_i].adopted);
	ruleset_adopt_end(rs);
	expect(set_cases[_i].pending);
	ruleset_committed(rs);
	expect("");
	ck_assert_uint_eq(ruleset_set_size(rs, "sel"), 2);
	/* from then on it is as if it had been written */
	put("sel", "10.0.0.1", NULL, "one");
	expect("");
	put("sel", "10.0.0.9", NULL, NULL);
	expect("=sel +.9 ");
	ruleset_committed(rs);
	ruleset_set_drop(rs, "sel");
	expect("-sel ");
}
END_TEST

START_TEST(test_wanted_or_not)
{
	struct set_adoption adoption;

	adoption_begin(&adoption, rs, "sel");
	adoption_table(&adoption);
	ck_assert(tell(&adoption, "12"));
	ck_assert(!tell(&adoption, "9"));
	ck_assert(adoption_end(&adoption, true));
}
END_TEST

/* A dump that was interrupted, in the first table or in the second, counts from its new beginning. */
START_TEST(test_told_again)
{
	struct set_adoption adoption;

	adoption_begin(&adoption, rs, "sel");
	adoption_table(&adoption);
	tell(&adoption, "1!9");
	adoption_again(&adoption);
	tell(&adoption, "12");
	adoption_table(&adoption);
	tell(&adoption, "18");
	adoption_again(&adoption);
	tell(&adoption, "12");
	ck_assert(adoption_end(&adoption, true));
	ruleset_adopt_end(rs);
	expect(REST "+a ");
	ruleset_committed(rs);
	expect("");
}
END_TEST

START_TEST(test_not_usable)
{
	struct set_adoption adoption;

	adoption_begin(&adoption, rs, "sel");
	adoption_table(&adoption);
	tell(&adoption, "129");
	ck_assert(!adoption_end(&adoption, false));
	ruleset_adopt_end(rs);
	expect(REST "+sel +.1 +.2 +a ");
	ruleset_committed(rs);
	expect("");
}
END_TEST

START_TEST(test_everything)
{
	struct set_adoption adoption;
	const struct elem_key key = address("10.0.0.1");
	const char *chain = NULL, *comment = "?";

	ck_assert(tell_both("12", "12"));
	adoption_begin(&adoption, rs, "map");
	for (int i = 0; i < 2; i++) {
		adoption_table(&adoption);
		ck_assert(adoption_elem(&adoption, &key, &chain, &comment));
		ck_assert_str_eq(chain, "a");
		ck_assert_ptr_null(comment);
	}
	ck_assert(adoption_end(&adoption, true));
	ruleset_adopt_counter(rs, "n");
	ruleset_adopt_counter(rs, "missing");
	ruleset_adopt_chain(rs, "a");
	ruleset_adopt_chain(rs, "missing");
	ruleset_adopt_end(rs);
	expect("");
	put_chain("a", VERDICT_RETURN);
	expect("");
	put_chain("a", VERDICT_DROP);
	expect("~a ");
	ruleset_committed(rs);
	ruleset_counter_drop(rs, "n");
	ruleset_chain_drop(rs, "a");
	expect("-n -a ");
}
END_TEST

/* What is not as it should be may have let through what is not allowed. */
START_TEST(test_revokes)
{
	struct set_adoption adoption;

	put_chain(CHAIN_LIVE, VERDICT_RETURN);
	ck_assert(tell_both("12", "12"));
	adoption_begin(&adoption, rs, "map");
	adoption_table(&adoption);
	ck_assert(adoption_end(&adoption, true));
	ruleset_adopt_chain(rs, CHAIN_LIVE);
	ruleset_adopt_end(rs);
	ruleset_del(rs, "map", &(struct elem_key){.ip = address("10.0.0.1").ip});
	/* counter and chain are new, and nothing leads to the chain */
	expect("+n +a ");
	ck_assert(!ruleset_revokes(rs));
	ruleset_adopt_doubt(rs);
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	put("sel", "10.0.0.9", NULL, NULL);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_forgotten_again)
{
	tell_both("12", "12");
	ruleset_adopt_chain(rs, "a");
	ruleset_adopt_end(rs);
	ruleset_forget(rs);
	expect(REST "+sel +.1 +.2 +a ");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset_adopt");
	TCase *tests = tcase_create("ruleset_adopt");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, test_set, 0, SET_CASES);
	tcase_add_test(tests, test_wanted_or_not);
	tcase_add_test(tests, test_told_again);
	tcase_add_test(tests, test_not_usable);
	tcase_add_test(tests, test_everything);
	tcase_add_test(tests, test_revokes);
	tcase_add_test(tests, test_forgotten_again);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
