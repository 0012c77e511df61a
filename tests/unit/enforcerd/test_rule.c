/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/rule.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void fill(struct rule_list *list)
{
	struct rule *rule = rule_append(list);
	struct match *match = rule_match(rule, MATCH_CT_ADDR_SET);

	match->side = SIDE_DST;
	match->family = 4;
	strcpy(match->set, "sel_0123456789ab_4");
	match = rule_match(rule, MATCH_CT_PORT);
	match->first = 3306;
	match->last = 3310;
	rule->verdict = VERDICT_RETURN;
	strcpy(rule->comment, "policy database ingress[0]");
	rule = rule_append(list);
	rule->verdict = VERDICT_DROP;
	strcpy(rule->counter, "drop_ingress");
}

static bool all_zero(const void *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((const char *)data)[i])
			return false;
	return true;
}

START_TEST(test_appended_rules_and_matches_are_zeroed)
{
	struct rule_list list = {0};
	static const struct match zero;

	for (unsigned i = 0; i < 100; i++) {
		struct rule *rule = rule_append(&list);

		ck_assert_uint_eq(rule->match_count, 0);
		ck_assert_int_eq(rule->verdict, VERDICT_CONTINUE);
		ck_assert(!rule->log && !rule->counter[0] && !rule->target[0] && !rule->comment[0]);
		for (unsigned m = 0; m < 40; m++) {
			struct match *match = rule_match(rule, MATCH_CT_STATE);
			struct match same = zero;

			same.kind = MATCH_CT_STATE;
			/* padding as well: rules are compared as bytes */
			ck_assert(!memcmp(match, &same, offsetof(struct match, side)));
			ck_assert(all_zero(
				&match->side, sizeof(*match) - offsetof(struct match, side)));
			memset(match->set, 'x', sizeof(match->set) - 1);
			match->value = i;
		}
		ck_assert_uint_eq(rule->match_count, 40);
	}
	ck_assert_uint_eq(list.count, 100);
	rule_list_free(&list);
	ck_assert_ptr_null(list.items);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(test_a_copy_stands_alone)
{
	struct rule_list list = {0}, other = {0};
	struct rule *copy;

	fill(&list);
	copy = rule_append_copy(&other, &list.items[0]);
	rule_append_copy(&other, &list.items[1]);
	ck_assert(rule_list_equal(&list, &other));
	ck_assert_ptr_ne(other.items[0].matches, list.items[0].matches);
	copy = &other.items[0];
	rule_match(copy, MATCH_CT_ORIGINAL);
	copy->matches[0].family = 6;
	ck_assert_uint_eq(list.items[0].match_count, 2);
	ck_assert_uint_eq(list.items[0].matches[0].family, 4);
	ck_assert(!rule_list_equal(&list, &other));
	rule_list_free(&list);
	ck_assert_uint_eq(other.items[0].matches[1].last, 3310);
	rule_list_free(&other);
}
END_TEST

START_TEST(test_a_copy_without_matches)
{
	struct rule_list list = {0}, other = {0};

	fill(&list);
	rule_match(rule_append_copy(&other, &list.items[1]), MATCH_NFPROTO)->family = 6;
	ck_assert_uint_eq(other.items[0].match_count, 1);
	ck_assert_uint_eq(list.items[1].match_count, 0);
	rule_list_free(&list);
	rule_list_free(&other);
}
END_TEST

static void change_log(struct rule *r)
{
	r->log = true;
}
static void change_prefix(struct rule *r)
{
	strcpy(r->log_prefix, "x");
}
static void change_counter(struct rule *r)
{
	strcpy(r->counter, "x");
}
static void change_verdict(struct rule *r)
{
	r->verdict = VERDICT_ACCEPT;
}
static void change_side(struct rule *r)
{
	r->map_side = SIDE_DST;
}
static void change_family(struct rule *r)
{
	r->map_family = 6;
}
static void change_target(struct rule *r)
{
	strcpy(r->target, "x");
}
static void change_comment(struct rule *r)
{
	strcpy(r->comment, "x");
}
static void change_matches(struct rule *r)
{
	rule_match(r, MATCH_CT_ORIGINAL);
}
static void change_kind(struct rule *r)
{
	r->matches[0].kind = MATCH_HDR_ADDR_SET;
}
static void change_negate(struct rule *r)
{
	r->matches[0].negate = true;
}
static void change_match_side(struct rule *r)
{
	r->matches[0].side = SIDE_SRC;
}
static void change_match_family(struct rule *r)
{
	r->matches[0].family = 6;
}
static void change_value(struct rule *r)
{
	r->matches[1].value = 1;
}
static void change_first(struct rule *r)
{
	r->matches[1].first = 1;
}
static void change_last(struct rule *r)
{
	r->matches[1].last = 1;
}
static void change_bits(struct rule *r)
{
	r->matches[1].cidr.bits = 1;
}
static void change_address(struct rule *r)
{
	r->matches[1].cidr.ip.bytes[15] = 1;
}
static void change_set(struct rule *r)
{
	strcpy(r->matches[0].set, "x");
}

static void change_log_original(struct rule *r)
{
	r->log_original = true;
}
static void change_mark(struct rule *r)
{
	r->mark = 0x10000;
}
static void change_mark_mask(struct rule *r)
{
	r->mark_mask = 0xffff0000;
}
static void change_field(struct rule *r)
{
	r->matches[0].field = FIELD_ARP_SPA;
}
static void change_mask(struct rule *r)
{
	r->matches[1].mask = 1;
}

static void (*const changes[])(struct rule *) = {change_log_original, change_mark, change_mark_mask,
	change_field, change_mask, change_log, change_prefix, change_counter, change_verdict,
	change_side, change_family, change_target, change_comment, change_matches, change_kind,
	change_negate, change_match_side, change_match_family, change_value, change_first,
	change_last, change_bits, change_address, change_set};

START_TEST(test_every_field_counts_in_a_comparison)
{
	struct rule_list a = {0}, b = {0};

	fill(&a);
	fill(&b);
	ck_assert(rule_list_equal(&a, &b));
	changes[_i](&b.items[0]);
	ck_assert(!rule_list_equal(&a, &b));
	ck_assert(!rule_list_equal(&b, &a));
	rule_list_free(&a);
	rule_list_free(&b);
}
END_TEST

/* What decides over packets, and what only tells about them. */
START_TEST(test_meaning)
{
	static void (*const telling[])(struct rule *) = {
		change_log, change_log_original, change_prefix, change_counter, change_comment};
	struct rule_list a = {0}, b = {0};
	bool tells = false;

	fill(&a);
	fill(&b);
	ck_assert(rule_same_meaning(&a.items[0], &b.items[0]));
	ck_assert(!rule_same_meaning(&a.items[0], &b.items[1]));
	changes[_i](&b.items[0]);
	for (size_t i = 0; i < COUNT(telling); i++)
		tells |= telling[i] == changes[_i];
	ck_assert(rule_same_meaning(&a.items[0], &b.items[0]) == tells);
	rule_list_free(&a);
	rule_list_free(&b);
}
END_TEST

START_TEST(test_length_and_order_count)
{
	struct rule_list a = {0}, b = {0}, none = {0}, empty = {0};
	struct rule swapped;

	fill(&a);
	fill(&b);
	rule_append(&b);
	ck_assert(!rule_list_equal(&a, &b));
	ck_assert(!rule_list_equal(&a, &none));
	ck_assert(rule_list_equal(&none, &empty));
	b.count--;
	ck_assert(rule_list_equal(&a, &b));
	swapped = b.items[0];
	b.items[0] = b.items[1];
	b.items[1] = swapped;
	ck_assert(!rule_list_equal(&a, &b));
	rule_list_free(&a);
	rule_list_free(&b);
	rule_list_free(&none);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rule");
	TCase *tcase = tcase_create("rule");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_appended_rules_and_matches_are_zeroed);
	tcase_add_test(tcase, test_a_copy_stands_alone);
	tcase_add_test(tcase, test_a_copy_without_matches);
	tcase_add_loop_test(tcase, test_every_field_counts_in_a_comparison, 0, (int)COUNT(changes));
	tcase_add_loop_test(tcase, test_meaning, 0, (int)COUNT(changes));
	tcase_add_test(tcase, test_length_and_order_count);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
