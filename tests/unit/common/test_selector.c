/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/unit/common/selector_fixture.h"

#include <check.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

/* --- what is accepted, in its canonical form ------------------------------------------------------------ */

static const struct {
	const char *text, *canonical;
} accepted[] = {
	{"", "all()"},
	{" \t ", "all()"},
	{"all()", "all()"},
	{"all( \t)", "all()"},
	{"(all())", "all()"},
	{"has(role)", "has(role)"},
	{"has( role\t)", "has(role)"},
	{"role=='database'", "role == \"database\""},
	{"role == 'database'", "role == \"database\""},
	{"\trole  ==\"database\" ", "role == \"database\""},
	{"a != ''", "a != \"\""},
	{"a == '\"'", "a == '\"'"},
	{"a == \"'\"", "a == \"'\""},
	{"a == 'x\ny'", "a == \"x\ny\""}, /* a string may hold what tokens may not */
	{"a == 'caf\xc3\xa9'", "a == \"caf\xc3\xa9\""},
	{"a in {}", "a in {}"},
	{"a in { }", "a in {}"},
	{"a in {'x'}", "a in {\"x\"}"},
	{"a in {'x',}", "a in {\"x\"}"},
	{"a in{\"c\",'a' , 'b','a'}", "a in {\"a\", \"b\", \"c\"}"},
	{"a not in {'x'}", "a not in {\"x\"}"},
	{"a notin {'x'}", "a not in {\"x\"}"},
	{"a not \t in{'x'}", "a not in {\"x\"}"},
	{"!has(a)", "!has(a)"},
	{"! has(a)", "!has(a)"},
	{"!!has(a)", "has(a)"},
	{"! ! !has(a)", "!has(a)"},
	{"!(!has(a))", "has(a)"},
	{"!(!(!has(a)))", "!has(a)"},
	{"!((!has(a)))", "has(a)"},
	{"!a == 'b'", "!a == \"b\""},
	{"!(a == 'b')", "!a == \"b\""},
	{"!all()", "!all()"},
	{"has(a)&&has(b)", "(has(a) && has(b))"},
	{"has(a) && has(b) && has(c)", "(has(a) && has(b) && has(c))"},
	{"(has(a) && has(b)) && has(c)", "((has(a) && has(b)) && has(c))"},
	{"has(a) || has(b) && has(c)", "(has(a) || (has(b) && has(c)))"},
	{"(has(a) || has(b)) && has(c)", "((has(a) || has(b)) && has(c))"},
	{"!has(a) || !(has(b) && has(c))", "(!has(a) || !(has(b) && has(c)))"},
	{"(((has(a))))", "has(a)"},
	{"docker/compose.service == 'db'", "docker/compose.service == \"db\""},
	/* keywords are keywords only right after a key */
	{"in-use == 'x'", "in-use == \"x\""},
	{"in == 'x'", "in == \"x\""},
	{"in in {'x'}", "in in {\"x\"}"},
	{"in.x != 'y'", "in.x != \"y\""},
	{"not in {'x'}", "not in {\"x\"}"},
	{"not not in {'x'}", "not not in {\"x\"}"},
	{"notin notin {'x'}", "notin not in {\"x\"}"},
	{"notin == 'x'", "notin == \"x\""},
	{"has == 'x' && all == 'y'", "(has == \"x\" && all == \"y\")"},
	{"has(has) || has(in-use)", "(has(has) || has(in-use))"},
	{"global == 'x'", "global == \"x\""},
	{"contains == 'x' || starts != 'y'", "(contains == \"x\" || starts != \"y\")"},
	{"- == 'x'", "- == \"x\""},
	{"a contains 'x'", "a contains \"x\""},
	{"a\tcontains\"x\"", "a contains \"x\""},
	{"a starts with 'x'", "a starts with \"x\""},
	{"a startswith'x'", "a starts with \"x\""},
	{"a starts \t with '\"'", "a starts with '\"'"},
	{"!a ends with ''", "!a ends with \"\""},
	{"a endswith \"'\"", "a ends with \"'\""},
	{"contains contains 'x' && starts starts with 'y'",
		"(contains contains \"x\" && starts starts with \"y\")"},
	{"with ends with 'x'", "with ends with \"x\""},
};

START_TEST(test_canonical_text)
{
	CLEANUP(selector) struct selector *sel = parsed(accepted[_i].text);

	ck_assert_str_eq(selector_canonical(sel), accepted[_i].canonical);
}
END_TEST

START_TEST(test_canonical_text_is_its_own)
{
	CLEANUP(selector) struct selector *sel = parsed(accepted[_i].text);
	CLEANUP(selector) struct selector *again = parsed(selector_canonical(sel));

	ck_assert_str_eq(selector_canonical(again), selector_canonical(sel));
	ck_assert_str_eq(selector_id(again), selector_id(sel));
}
END_TEST

/* The names of kernel sets outlive a restart and an upgrade, so they are part of the contract. */
START_TEST(test_ids_are_the_hash_of_the_canonical_text)
{
	for (size_t i = 0; i < COUNT(accepted); i++) {
		CLEANUP(selector) struct selector *sel = parsed(accepted[i].text);
		const char *text = selector_canonical(sel);
		unsigned char digest[EVP_MAX_MD_SIZE];
		char hex[2 * EVP_MAX_MD_SIZE + 1];

		ck_assert_int_eq(
			EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL), 1);
		for (size_t b = 0; b < 32; b++)
			snprintf(hex + 2 * b, 3, "%02x", digest[b]);
		hex[SELECTOR_ID_LEN] = '\0';
		ck_assert_str_eq(selector_id(sel), hex);
	}
}
END_TEST

/* printf %s 'all()' | sha256sum */
START_TEST(test_a_known_id)
{
	CLEANUP(selector) struct selector *all = parsed(" ");
	CLEANUP(selector) struct selector *role = parsed("role == 'database'");

	ck_assert_str_eq(selector_id(all), "25a8314c55fe");
	ck_assert_str_eq(selector_id(role), "2b556a1f195b");
}
END_TEST

/* --- what is refused, and where ------------------------------------------------------------------------- */

#define OPERATOR "==, !=, in, not in, contains, starts with or ends with after the label key"
#define OPERAND  "a label key, has(KEY), all() or \"(\""

static const struct {
	const char *text, *error;
} refused[] = {
	{"role", "column 5: expected " OPERATOR},
	{"role = 'x'", "column 6: expected " OPERATOR},
	{"role like 'x'", "column 6: expected " OPERATOR},
	{"role not 'x'", "column 6: expected " OPERATOR},
	{"role inside {'x'}", "column 6: expected " OPERATOR},
	{"role in-use {'x'}", "column 6: expected " OPERATOR},
	{"role not in-x {'x'}", "column 6: expected " OPERATOR},
	{"role == database", "column 9: expected a quoted string"},
	{"role ==", "column 8: expected a quoted string"},
	{"role == 'x", "column 9: expected the end of this string"},
	{"role == \"x'", "column 9: expected the end of this string"},
	{"role in 'x'", "column 9: expected \"{\""},
	{"role in {'x'", "column 13: expected \",\" or \"}\""},
	{"role in {'x' 'y'}", "column 14: expected \",\" or \"}\""},
	{"role in {,}", "column 10: expected a quoted string"},
	{"role in {'x',,}", "column 14: expected a quoted string"},
	{"role in {", "column 10: expected a quoted string"},
	{"'x' == role", "column 1: expected " OPERAND},
	{"== 'x'", "column 1: expected " OPERAND},
	{"!", "column 2: expected " OPERAND},
	{"()", "column 2: expected " OPERAND},
	{"(", "column 2: expected " OPERAND},
	{")", "column 1: expected " OPERAND},
	{"(has(a)", "column 8: expected \")\", && or ||"},
	{"has(a))", "column 7: expected &&, || or the end of the selector"},
	{"has(a) has(b)", "column 8: expected &&, || or the end of the selector"},
	{"has(a) & has(b)", "column 8: expected &&, || or the end of the selector"},
	{"has(a) | has(b)", "column 8: expected &&, || or the end of the selector"},
	{"has(a) and has(b)", "column 8: expected &&, || or the end of the selector"},
	{"has(a) &&", "column 10: expected " OPERAND},
	{"has(a) || || has(b)", "column 11: expected " OPERAND},
	{"&& has(a)", "column 1: expected " OPERAND},
	{"has()", "column 5: expected a label key"},
	{"has(a", "column 6: expected \")\" after has(KEY"},
	{"has(a b)", "column 7: expected \")\" after has(KEY"},
	{"has (a)", "column 5: expected " OPERATOR},
	{"all", "column 4: expected " OPERATOR},
	{"all ()", "column 5: expected " OPERATOR},
	{"all(x)", "column 5: expected \")\" after all("},
	{"caf\xc3\xa9 == 'x'", "column 4: expected " OPERATOR},
	/* only blank and tab stand between tokens: a YAML block scalar ends with a line break */
	{"has(a)\n", "column 7: expected &&, || or the end of the selector, found a line break"},
	{"has(a) ||\nhas(b)", "column 10: expected " OPERAND ", found a line break"},
	{"\nhas(a)", "column 1: expected " OPERAND ", found a line break"},
	{"\n", "column 1: expected " OPERAND ", found a line break"},
	{"a == 'x'\r\n",
		"column 9: expected &&, || or the end of the selector, found a line break"},
	{"has(a)\v", "column 7: expected &&, || or the end of the selector"},
	{"a starts 'x'", "column 3: expected " OPERATOR},
	{"a ends on 'x'", "column 3: expected " OPERATOR},
	{"a containsx 'x'", "column 3: expected " OPERATOR},
	{"a starts within 'x'", "column 3: expected " OPERATOR},
	{"a contains {'x'}", "column 12: expected a quoted string"},
	{"a starts with x", "column 15: expected a quoted string"},
	{"a ends with", "column 12: expected a quoted string"},
	/* means "no namespace", which is no question to a label */
	{"has(a) && global()",
		"column 11: global() stands alone, as a whole namespaceSelector; expected " OPERAND},
};

START_TEST(test_refusals_say_where_and_what)
{
	struct err err = {0};
	CLEANUP(selector) struct selector *sel = selector_parse(refused[_i].text, &err);

	ck_assert_msg(sel == NULL, "%s", refused[_i].text);
	ck_assert_str_eq(err.text, refused[_i].error);
}
END_TEST

START_TEST(test_nobody_need_hear_why)
{
	CLEANUP(selector) struct selector *sel = selector_parse("role", NULL);

	ck_assert_ptr_null(sel);
}
END_TEST

/* --- other keys ----------------------------------------------------------------------------------------- */

static const char *rename_a(const char *key, void *arg)
{
	const char *forbidden = arg;

	if (forbidden && !strcmp(key, forbidden))
		return NULL;
	return strcmp(key, "a") != 0 ? key : "docker/a";
}

START_TEST(test_keys_are_mapped)
{
	CLEANUP(selector)
	struct selector *sel = parsed("has(a) && !(a == 'a' || b in {'a'}) || all()");
	CLEANUP(selector) struct selector *same = NULL;
	char forbidden[] = "b";

	ck_assert_int_eq(selector_map_keys(sel, rename_a, NULL), 0);
	ck_assert_str_eq(selector_canonical(sel),
		"((has(docker/a) && !(docker/a == \"a\" || b in {\"a\"})) || all())");
	same = parsed(selector_canonical(sel));
	ck_assert_str_eq(selector_id(sel), selector_id(same));
	ck_assert_int_eq(selector_map_keys(sel, rename_a, forbidden), -1);
}
END_TEST

/* --- evaluation ---------------------------------------------------------------------------------------------- */

static const struct {
	const char *selector, *labels;
	bool matches;
} matches[] = {
	{"", "", true},
	{"all()", "a=1", true},
	{"!all()", "a=1", false},
	{"has(a)", "a=", true}, /* present though empty */
	{"has(a)", "b=1", false},
	{"!has(a)", "", true},
	{"a == 'x'", "a=x", true},
	{"a == 'x'", "a=y", false},
	{"a == 'x'", "a=X", false},
	{"a == 'x'", "", false},
	{"a == ''", "a=", true},
	{"a == ''", "", false}, /* absent is not empty */
	{"a != 'x'", "a=x", false},
	{"a != 'x'", "a=y", true},
	{"a != 'x'", "", true},
	{"a in {'x', 'y', 'z'}", "a=y", true},
	{"a in {'z', 'y', 'x'}", "a=x", true},
	{"a in {'x', 'y'}", "a=z", false},
	{"a in {'x', 'y'}", "", false},
	{"a in {''}", "a=", true},
	{"a in {}", "a=x", false},
	{"a contains 'bc'", "a=abcd", true},
	{"a contains 'bd'", "a=abcd", false},
	{"a contains ''", "a=", true},
	{"a contains ''", "", false},
	{"a starts with 'ab'", "a=abc", true},
	{"a starts with 'bc'", "a=abc", false},
	{"a starts with 'abcd'", "a=abc", false},
	{"a starts with ''", "b=1", false},
	{"a ends with 'bc'", "a=abc", true},
	{"a ends with 'ab'", "a=abc", false},
	{"a ends with 'xabc'", "a=abc", false},
	{"a ends with ''", "a=", true},
	{"!a ends with 'c'", "", true}, /* absent: false, and its negation true */
	{"a not in {'x', 'y'}", "a=x", false},
	{"a not in {'x', 'y'}", "a=z", true},
	{"a not in {'x', 'y'}", "", true},
	{"a not in {}", "a=x", true},
	{"!a == 'b'", "a=b", false}, /* "!" applies to the whole comparison */
	{"!a == 'b'", "a=c", true},
	{"!a == 'b'", "", true},
	{"!a != 'b'", "a=b", true},
	{"!a in {'b'}", "a=b", false},
	{"has(a) && has(b)", "a=1 b=2", true},
	{"has(a) && has(b)", "a=1", false},
	{"has(a) || has(b)", "b=1", true},
	{"has(a) || has(b)", "c=1", false},
	{"has(a) || has(b) && has(c)", "a=1", true}, /* "&&" binds tighter */
	{"(has(a) || has(b)) && has(c)", "a=1", false},
	{"has(a) && has(b) || has(c)", "c=1", true},
	{"!has(a) && has(b)", "b=1", true},
	{"!(has(a) && has(b))", "b=1", true},
	{"in-use == 'yes' && in in {'1'}", "in-use=yes in=1", true},
	{"docker/image == 'nginx:1.25'", "docker/image=nginx:1.25", true},
	{"role == 'database' && backup == 'true'", "backup=true role=database", true},
};

START_TEST(test_matches)
{
	CLEANUP(selector) struct selector *sel = parsed(matches[_i].selector);
	CLEANUP(labels) struct labels *labels = labels_of(matches[_i].labels);

	ck_assert_msg(selector_match(sel, labels) == matches[_i].matches, "%s with %s",
		matches[_i].selector, matches[_i].labels);
}
END_TEST

/*
 * Random selectors: the text and the right answer come out of the same draw, so the parser and the evaluator
 * are held against something that knows neither. One generator state per test: what fails can be run again.
 */
enum { RANDOM_ROUNDS = 5000, RANDOM_DEPTH = 5 };

static unsigned draw(unsigned *state, unsigned n)
{
	*state = *state * 1103515245u + 12345u;
	return (*state >> 16) % n;
}

static const char *const keys[] = {"a", "b", "in", "not"};
static const char *const values[] = {"", "x", "y", "z"};

static bool draw_comparison(unsigned *state, struct strbuf *text, const struct labels *labels)
{
	const char *key = keys[draw(state, COUNT(keys))], *value = labels_get(labels, key);
	const char *wanted = values[draw(state, COUNT(values))];
	const char *other = values[draw(state, COUNT(values))];
	bool equal = value && !strcmp(value, wanted);
	bool either = equal || (value && !strcmp(value, other));

	switch (draw(state, 6)) {
	case 0:
		strbuf_addf(text, "has(%s)", key);
		return value != NULL;
	case 1:
		strbuf_addf(text, "%s=='%s'", key, wanted);
		return equal;
	case 2:
		strbuf_addf(text, "%s != \"%s\"", key, wanted);
		return !equal;
	case 3:
		strbuf_addf(text, "%s in { '%s','%s', }", key, wanted, other);
		return either;
	case 4:
		strbuf_addf(text, "%s not in {'%s', '%s'}", key, wanted, other);
		return !either;
	default:
		strbuf_add(text, "all()");
		return true;
	}
}

static bool draw_selector(
	unsigned *state, struct strbuf *text, const struct labels *labels, int depth)
{
	unsigned kind = depth ? draw(state, 5) : 4;
	unsigned count = 2 + draw(state, 3);
	bool all = true, any = false, one;

	if (kind >= 3)
		return draw_comparison(state, text, labels);
	if (kind == 0) {
		strbuf_add(text, draw(state, 2) ? "!(" : "!!! (");
		one = draw_selector(state, text, labels, depth - 1);
		strbuf_add(text, ")");
		return !one;
	}
	for (unsigned i = 0; i < count; i++) {
		strbuf_add(text, !i ? "(" : kind == 1 ? ") && (" : ")||(");
		one = draw_selector(state, text, labels, depth - 1);
		all = all && one;
		any = any || one;
	}
	strbuf_add(text, ")");
	return kind == 1 ? all : any;
}

static struct labels *draw_labels(unsigned *state)
{
	struct labels *labels = labels_new();

	for (size_t i = 0; i < COUNT(keys); i++)
		if (draw(state, 2))
			labels_set(labels, keys[i], values[draw(state, COUNT(values))]);
	return labels;
}

START_TEST(test_random_selectors)
{
	unsigned state = 20171, right[2] = {0};

	for (int i = 0; i < RANDOM_ROUNDS; i++) {
		cleanup_strbuf struct strbuf text = {0};
		CLEANUP(labels) struct labels *labels = draw_labels(&state);
		bool expected = draw_selector(&state, &text, labels, RANDOM_DEPTH);
		CLEANUP(selector) struct selector *sel = parsed(text.text);
		CLEANUP(selector) struct selector *again = parsed(selector_canonical(sel));

		ck_assert_msg(selector_match(sel, labels) == expected, "%s", text.text);
		ck_assert_msg(selector_match(again, labels) == expected, "%s", text.text);
		ck_assert_str_eq(selector_canonical(again), selector_canonical(sel));
		right[expected]++;
	}
	/* both answers are common, or the test says little */
	ck_assert_uint_gt(right[false], RANDOM_ROUNDS / 5);
	ck_assert_uint_gt(right[true], RANDOM_ROUNDS / 5);
}
END_TEST

START_TEST(test_nothing_may_be_freed)
{
	selector_free(NULL);
}
END_TEST

static TCase *parser_tests(void)
{
	TCase *tcase = tcase_create("parser");

	tcase_add_loop_test(tcase, test_canonical_text, 0, COUNT(accepted));
	tcase_add_loop_test(tcase, test_canonical_text_is_its_own, 0, COUNT(accepted));
	tcase_add_test(tcase, test_ids_are_the_hash_of_the_canonical_text);
	tcase_add_test(tcase, test_a_known_id);
	tcase_add_loop_test(tcase, test_refusals_say_where_and_what, 0, COUNT(refused));
	tcase_add_test(tcase, test_nobody_need_hear_why);
	tcase_add_test(tcase, test_keys_are_mapped);
	return tcase;
}

static const struct {
	const char *text;
	bool names;
} hosts[] = {
	{"", false},
	{"all()", false},
	{"!has(x)", false},
	{"role != 'a'", false},
	{"role not in {'a'}", false},
	/* the key, not the word */
	{"role == 'docker/host'", false},
	{"has(docker/hosts)", false},
	{"has(docker/hos)", false},
	{"has(my/docker/host)", false},
	{"has(docker/host)", true},
	{"docker/host == 'n'", true},
	{"docker/host != 'n'", true},
	{"docker/host in {}", true},
	{"docker/host not in {'a', 'b'}", true},
	{"docker/host starts with 'n'", true},
	{"!(has(a) && (has(b) || !docker/host contains 'n'))", true},
	{"all() || has(docker/host)", true},
};

START_TEST(test_the_host_is_named)
{
	CLEANUP(selector) struct selector *sel = parsed(hosts[_i].text);

	ck_assert_msg(selector_names_host(sel) == hosts[_i].names, "%s", hosts[_i].text);
}
END_TEST

static const char *to_host(const char *key, void *arg)
{
	(void)arg;
	return strcmp(key, "a") != 0 ? key : LABEL_HOST;
}

START_TEST(test_the_host_is_named_by_new_keys)
{
	CLEANUP(selector) struct selector *sel = parsed("has(b) && has(a)");

	ck_assert(!selector_names_host(sel));
	ck_assert_int_eq(selector_map_keys(sel, to_host, NULL), 0);
	ck_assert(selector_names_host(sel));
}
END_TEST

static TCase *match_tests(void)
{
	TCase *tcase = tcase_create("match");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_matches, 0, COUNT(matches));
	tcase_add_test(tcase, test_random_selectors);
	tcase_add_test(tcase, test_nothing_may_be_freed);
	tcase_add_loop_test(tcase, test_the_host_is_named, 0, COUNT(hosts));
	tcase_add_test(tcase, test_the_host_is_named_by_new_keys);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("selector");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, parser_tests());
	suite_add_tcase(suite, match_tests());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
