/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/selector_index.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* Every form, and combinations in which the best label is not the first. */
static const char *const texts[] = {"", "all()", "a == 'x'", "a == 'y'", "a != 'x'", "has(a)",
	"!has(a)", "a in {}", "a in {'x'}", "a in {'x','y','z'}", "a not in {'x'}",
	"a == 'x' && b == 'x'", "b == 'x' && a in {'x','y'}", "all() && a == 'x'",
	"!has(b) && c == 'z'", "a == 'x' || b == 'x'", "a == 'x' || has(b) || c in {'x','y'}",
	"a == 'x' || !has(b)", "a == 'x' || all()",
	"(a == 'x' || b == 'y') && (c == 'x' || c == 'z')", "!(a == 'x')", "!!(a == 'x')",
	"a == 'x' && !(b == 'x')", "has(a) && has(b) && has(c)", "a == ''",
	"a == 'no such value may be that long but a selector can say it'", "ab == 'x'",
	"a.b == 'x'", "a contains 'x'", "a starts with 'x' && has(b)", "!a ends with 'x'",
	"a ends with ''"};

enum { ITEMS = COUNT(texts) };

struct item {
	struct selector *selector;
	unsigned met;
};

static void parse(struct item *item, const char *text)
{
	struct err err = {0};

	item->selector = selector_parse(text, &err);
	ck_assert_msg(item->selector != NULL, "%s: %s", text, err.text);
}

static void count(void *item, void *arg)
{
	(void)arg;
	((struct item *)item)->met++;
}

/* Every item that is filed is met once if its selector matches, else never. */
static void expect_same(const struct selector_index *index, struct item *items, const bool *filed,
	const struct labels *labels)
{
	for (size_t i = 0; i < ITEMS; i++)
		items[i].met = 0;
	selector_index_match(index, labels, count, NULL);
	for (size_t i = 0; i < ITEMS; i++)
		ck_assert_msg(
			items[i].met == (filed[i] && selector_match(items[i].selector, labels)),
			"%s: %u", texts[i], items[i].met);
}

static struct labels *random_labels(unsigned *seed)
{
	static const char *const keys[] = {"a", "b", "c", "ab", "a.b", "d"};
	static const char *const values[] = {"x", "y", "z", "", "w"};
	struct labels *labels = labels_new();

	for (size_t i = 0; i < COUNT(keys); i++)
		if (rand_r(seed) % 2)
			labels_set(labels, keys[i], values[(size_t)rand_r(seed) % COUNT(values)]);
	return labels;
}

START_TEST(test_the_index_finds_what_matching_all_would)
{
	CLEANUP(selector_index) struct selector_index *index = selector_index_new();
	struct item items[ITEMS] = {0};
	bool filed[ITEMS] = {0};
	struct timespec now;
	unsigned seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = getenv("BULKHEAD_SEED") ? (unsigned)strtoul(getenv("BULKHEAD_SEED"), NULL, 10)
				       : (unsigned)now.tv_nsec;
	printf("selector_index: BULKHEAD_SEED=%u\n", seed);
	for (size_t i = 0; i < ITEMS; i++)
		parse(&items[i], texts[i]);
	for (int step = 0; step < 20000; step++) {
		CLEANUP(labels) struct labels *labels = random_labels(&seed);
		size_t i = (size_t)rand_r(&seed) % ITEMS;

		if (filed[i])
			selector_index_remove(index, items[i].selector, &items[i]);
		else
			selector_index_add(index, items[i].selector, &items[i]);
		filed[i] = !filed[i];
		expect_same(index, items, filed, labels);
	}
	for (size_t i = 0; i < ITEMS; i++)
		selector_free(items[i].selector);
}
END_TEST

START_TEST(test_items_of_one_selector_are_items_each)
{
	CLEANUP(selector_index) struct selector_index *index = selector_index_new();
	CLEANUP(labels) struct labels *labels = labels_new();
	struct item first = {0}, second = {0};

	labels_set(labels, "a", "x");
	parse(&first, "a in {'x','y'}");
	parse(&second, "a in {'x','y'}");
	selector_index_add(index, first.selector, &first);
	selector_index_add(index, second.selector, &second);
	selector_index_match(index, labels, count, NULL);
	ck_assert_uint_eq(first.met, 1);
	ck_assert_uint_eq(second.met, 1);
	selector_index_remove(index, second.selector, &second);
	selector_index_remove(index, second.selector, &second);
	selector_index_match(index, labels, count, NULL);
	ck_assert_uint_eq(first.met, 2);
	ck_assert_uint_eq(second.met, 1);
	selector_free(first.selector);
	selector_free(second.selector);
}
END_TEST

/* count values "v0", "v1", ... as a set, the last of which is "x". */
static char *set_of(int values)
{
	struct strbuf text = {0};

	strbuf_add(&text, "a in {");
	for (int i = 0; i < values - 1; i++)
		strbuf_addf(&text, "'v%d',", i);
	strbuf_add(&text, "'x'}");
	return strbuf_take(&text);
}

START_TEST(test_selectors_with_very_many_values)
{
	CLEANUP(labels) struct labels *labels = labels_new();

	labels_set(labels, "a", "x");
	for (int values = 60; values < 70; values++) {
		CLEANUP(selector_index) struct selector_index *index = selector_index_new();
		cleanup_free char *text = set_of(values);
		struct item item = {0};

		parse(&item, text);
		selector_index_add(index, item.selector, &item);
		selector_index_match(index, labels, count, NULL);
		ck_assert_uint_eq(item.met, 1);
		selector_index_remove(index, item.selector, &item);
		selector_index_match(index, labels, count, NULL);
		ck_assert_uint_eq(item.met, 1);
		selector_free(item.selector);
	}
}
END_TEST

START_TEST(test_long_labels)
{
	CLEANUP(selector_index) struct selector_index *index = selector_index_new();
	CLEANUP(labels) struct labels *labels = labels_new();
	char key[LABEL_KEY_MAX + 1], value[4 * LABEL_DERIVED_VALUE_MAX];
	cleanup_free char *longest = NULL, *longer = NULL;
	struct item fits = {0}, never = {0};

	memset(key, 'k', LABEL_KEY_MAX);
	key[LABEL_KEY_MAX] = '\0';
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	longer = xasprintf("%s == '%s'", key, value);
	value[LABEL_DERIVED_VALUE_MAX] = '\0';
	longest = xasprintf("%s == '%s'", key, value);
	labels_set(labels, key, value);
	parse(&fits, longest);
	parse(&never, longer);
	selector_index_add(index, fits.selector, &fits);
	selector_index_add(index, never.selector, &never);
	selector_index_match(index, labels, count, NULL);
	ck_assert_uint_eq(fits.met, 1);
	ck_assert_uint_eq(never.met, 0);
	selector_index_remove(index, never.selector, &never);
	selector_free(fits.selector);
	selector_free(never.selector);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("selector_index");
	TCase *tcase = tcase_create("selector_index");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_the_index_finds_what_matching_all_would);
	tcase_add_test(tcase, test_items_of_one_selector_are_items_each);
	tcase_add_test(tcase, test_selectors_with_very_many_values);
	tcase_add_test(tcase, test_long_labels);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
