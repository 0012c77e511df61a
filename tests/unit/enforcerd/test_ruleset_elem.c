/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ruleset_elem.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { KEYS = 3000 };

static const enum set_type types[] = {SET_IPV4, SET_IPV6, SET_CIDR4, SET_CIDR6, SET_PORT,
	SET_IFNAME, MAP_IPV4, MAP_IPV6, MAP_IFNAME};

/* The n-th of many different keys, with everything in place that its type uses. */
static struct elem_key key_of(enum set_type type, unsigned n)
{
	struct elem_key key = {0};

	switch (type) {
	case SET_PORT:
		key.port = (uint16_t)n;
		break;
	case SET_IFNAME:
	case MAP_IFNAME:
		snprintf(key.ifname, sizeof(key.ifname), "br-%u", n);
		break;
	case SET_CIDR4:
	case SET_CIDR6:
		key.last.family = type == SET_CIDR4 ? 4 : 6;
		key.last.bytes[type == SET_CIDR4 ? 3 : 15] = 0xff;
		/* fall through */
	default:
		key.ip.family = type == SET_IPV4 || type == MAP_IPV4 || type == SET_CIDR4 ? 4 : 6;
		key.ip.bytes[1] = (uint8_t)(n >> 8);
		key.ip.bytes[key.ip.family == 4 ? 3 : 15] = (uint8_t)n;
	}
	return key;
}

static bool key_equal(const struct elem_key *a, const struct elem_key *b)
{
	return ip_equal(&a->ip, &b->ip) && ip_equal(&a->last, &b->last) && a->port == b->port &&
	       !strcmp(a->ifname, b->ifname);
}

/* Every element is walked once, and is one of those with present[n]. */
static void expect_present(
	const struct elem_table *table, enum set_type type, const bool present[KEYS])
{
	size_t walked = 0, wanted = 0;

	for (struct rs_elem *elem = elem_next(table, type, NULL); elem;
		elem = elem_next(table, type, elem))
		walked++;
	for (unsigned n = 0; n < KEYS; n++) {
		const struct elem_key key = key_of(type, n);
		const struct rs_elem *elem = elem_find(table, type, &key);

		ck_assert_msg(!!elem == present[n], "%u", n);
		wanted += present[n];
		if (elem) {
			const struct elem_key back = elem_key_of(type, elem);

			ck_assert_msg(key_equal(&key, &back), "%u", n);
		}
	}
	ck_assert_uint_eq(walked, wanted);
	ck_assert_uint_eq(table->count, wanted);
}

START_TEST(test_elements_of_every_type_come_and_go)
{
	enum set_type type = types[_i];
	struct elem_table table = {0};
	bool present[KEYS] = {0};

	expect_present(&table, type, present);
	for (unsigned n = 0; n < KEYS; n++) {
		const struct elem_key key = key_of(type, n);
		struct rs_elem *elem = elem_add(&table, type, &key);

		ck_assert(!elem->want && !elem->live && !elem->replaced && !elem->dirty);
		ck_assert(!elem_chain(elem) && !elem_comment(elem));
		present[n] = true;
		if (n < 40)
			expect_present(&table, type, present);
	}
	expect_present(&table, type, present);
	for (unsigned n = 0; n < KEYS; n += 3) {
		const struct elem_key key = key_of(type, n);

		elem_remove(&table, type, elem_find(&table, type, &key));
		present[n] = false;
	}
	expect_present(&table, type, present);
	elem_table_free(&table);
	memset(present, 0, sizeof(present));
	expect_present(&table, type, present);
}
END_TEST

START_TEST(test_what_stands_behind_a_name_is_not_part_of_it)
{
	struct elem_table table = {0};
	struct elem_key key = {.ifname = "br-1"}, same = {.ifname = "br-1\0garbage"};
	struct elem_key longest = {.ifname = "fifteen-letters"},
			other = {.ifname = "fifteen-letterz"};

	elem_add(&table, SET_IFNAME, &key);
	elem_add(&table, SET_IFNAME, &longest);
	ck_assert_ptr_nonnull(elem_find(&table, SET_IFNAME, &same));
	ck_assert_ptr_nonnull(elem_find(&table, SET_IFNAME, &longest));
	ck_assert_ptr_null(elem_find(&table, SET_IFNAME, &other));
	elem_table_free(&table);
}
END_TEST

static const struct {
	const char *chain, *comment;
} values[] = {{NULL, NULL}, {"eg_a", NULL}, {NULL, "web"}, {"eg_a", "web"}, {"eg_b", "web"},
	{"", ""}, {"eg_a", ""}};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

START_TEST(test_values)
{
	struct elem_table table = {0};
	const struct elem_key key = key_of(MAP_IPV4, 1);
	struct rs_elem *elem = elem_add(&table, MAP_IPV4, &key);

	for (size_t i = 0; i < COUNT(values); i++)
		for (size_t j = 0; j < COUNT(values); j++) {
			elem_set_value(elem, values[i].chain, values[i].comment);
			ck_assert(elem_set_value(elem, values[j].chain, values[j].comment) ==
				  (i != j));
			ck_assert(same_text(elem_chain(elem), values[j].chain));
			ck_assert(same_text(elem_comment(elem), values[j].comment));
		}
	elem_table_free(&table);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset_elem");
	TCase *tcase = tcase_create("ruleset_elem");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 30);
	tcase_add_loop_test(tcase, test_elements_of_every_type_come_and_go, 0, (int)COUNT(types));
	tcase_add_test(tcase, test_what_stands_behind_a_name_is_not_part_of_it);
	tcase_add_test(tcase, test_values);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
