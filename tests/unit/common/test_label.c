/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/label.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* --- the map ---------------------------------------------------------------------------------------- */

START_TEST(test_set_get_unset)
{
	CLEANUP(labels) struct labels *labels = labels_new();

	ck_assert_uint_eq(labels_count(labels), 0);
	ck_assert_ptr_null(labels_get(labels, "role"));
	labels_set(labels, "role", "database");
	labels_set(labels, "backup", "");
	ck_assert_str_eq(labels_get(labels, "role"), "database");
	ck_assert_str_eq(labels_get(labels, "backup"), ""); /* empty is present */
	labels_set(labels, "role", "frontend");
	ck_assert_str_eq(labels_get(labels, "role"), "frontend");
	ck_assert_uint_eq(labels_count(labels), 2);
	ck_assert(labels_unset(labels, "role"));
	ck_assert(!labels_unset(labels, "role"));
	ck_assert_ptr_null(labels_get(labels, "role"));
	ck_assert_uint_eq(labels_count(labels), 1);
}
END_TEST

/* A value may be set from the map's own. */
START_TEST(test_a_label_may_be_set_to_its_own_value)
{
	CLEANUP(labels) struct labels *labels = labels_new();

	labels_set(labels, "role", "database");
	labels_set(labels, "role", labels_get(labels, "role"));
	ck_assert_str_eq(labels_get(labels, "role"), "database");
}
END_TEST

START_TEST(test_pairs_come_in_the_order_of_their_keys)
{
	static const char *const keys[] = {"m", "a", "z", "Z", "docker/x", "a.b", "a-b", "0"};
	static const char *const sorted[] = {"0", "Z", "a", "a-b", "a.b", "docker/x", "m", "z"};
	CLEANUP(labels) struct labels *labels = labels_new();

	for (size_t i = 0; i < COUNT(keys); i++)
		labels_set(labels, keys[i], keys[i]);
	ck_assert_uint_eq(labels_count(labels), COUNT(sorted));
	for (size_t i = 0; i < COUNT(sorted); i++) {
		ck_assert_str_eq(labels_key(labels, i), sorted[i]);
		ck_assert_str_eq(labels_value(labels, i), sorted[i]);
	}
}
END_TEST

/* 7919 is prime: the keys come in an order that is neither theirs nor its reverse. */
START_TEST(test_many_labels)
{
	enum { MANY = 1000, STEP = 7919 };
	CLEANUP(labels) struct labels *labels = labels_new();
	char key[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "k%d", i * STEP % MANY);
		labels_set(labels, key, key + 1);
	}
	ck_assert_uint_eq(labels_count(labels), MANY);
	for (int i = 0; i < MANY; i += 2) {
		snprintf(key, sizeof(key), "k%d", i);
		ck_assert(labels_unset(labels, key));
	}
	for (int i = 0; i < MANY; i++) {
		const char *value;

		snprintf(key, sizeof(key), "k%d", i);
		value = labels_get(labels, key);
		ck_assert_int_eq(value != NULL, i % 2);
		if (value)
			ck_assert_str_eq(value, key + 1);
	}
}
END_TEST

START_TEST(test_copies_are_equal_and_apart)
{
	CLEANUP(labels) struct labels *labels = labels_new();
	CLEANUP(labels) struct labels *copy = NULL;

	labels_set(labels, "b", "2");
	labels_set(labels, "a", "1");
	copy = labels_copy(labels);
	ck_assert(labels_equal(labels, copy));
	labels_set(copy, "b", "3");
	ck_assert(!labels_equal(labels, copy));
	ck_assert_str_eq(labels_get(labels, "b"), "2");
	labels_set(copy, "b", "2");
	ck_assert(labels_equal(labels, copy));
	labels_set(copy, "c", "");
	ck_assert(!labels_equal(labels, copy));
	labels_unset(copy, "b");
	ck_assert(!labels_equal(labels, copy)); /* as many, but another key */
}
END_TEST

START_TEST(test_only_user_labels_make_an_endpoint_labelled)
{
	CLEANUP(labels) struct labels *labels = labels_new();

	ck_assert(!labels_has_user_label(labels));
	labels_set(labels, "docker/image", "nginx");
	ck_assert(!labels_has_user_label(labels));
	labels_set(labels, "zone", "");
	ck_assert(labels_has_user_label(labels));
	labels_unset(labels, "zone");
	labels_set(labels, "docker", "1"); /* the reserved space begins behind the slash */
	ck_assert(labels_has_user_label(labels));
}
END_TEST

START_TEST(test_nothing_may_be_freed)
{
	labels_free(NULL);
}
END_TEST

/* --- what may stand in it ------------------------------------------------------------------------------ */

static char *repeat(char c, size_t n)
{
	char *text = xcalloc(n + 1, 1);

	memset(text, c, n);
	return text;
}

START_TEST(test_keys)
{
	static const char *const good[] = {
		"a", "role", "in-use", "a/b/c.d_e", "/", "-", "..", "AZaz09_./-", "docker/image"};
	static const char *const bad[] = {
		"", "a b", "a\n", "a=b", "caf\xc3\xa9", "a\x80", "a:b", "a*", "\"", "a\\"};
	cleanup_free char *longest = repeat('k', LABEL_KEY_MAX);
	cleanup_free char *longer = repeat('k', LABEL_KEY_MAX + 1);
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(!label_key_check(good[i], &err), "%s: %s", good[i], err.text);
	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_int_eq(label_key_check(bad[i], &err), -1);
		ck_assert_ptr_nonnull(strstr(err.text, "label key"));
	}
	ck_assert_int_eq(label_key_check(longest, NULL), 0);
	ck_assert_int_eq(label_key_check(longer, &err), -1);
	ck_assert_str_eq(err.text, "label key of 513 characters: 1 to 512 are allowed");
}
END_TEST

START_TEST(test_values)
{
	/* as Calico v2.6's validator has it: a leading - or . passes, a trailing one does not */
	static const char *const good[] = {
		"", "a", "database", "1.2-3_4", "-a", ".a", "_9", "A", "true"};
	static const char *const bad[] = {"a-", "a.", "_", "-", "a b", "a/b", "a\n", "\n",
		"\xc3\xa9", "a:b", "nginx:1.25", " "};
	cleanup_free char *longest = repeat('v', LABEL_VALUE_MAX);
	cleanup_free char *longer = repeat('v', LABEL_VALUE_MAX + 1);
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(!label_value_check(good[i], &err), "%s: %s", good[i], err.text);
	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_int_eq(label_value_check(bad[i], &err), -1);
		ck_assert_ptr_nonnull(strstr(err.text, "label value"));
	}
	ck_assert_int_eq(label_value_check(longest, NULL), 0);
	ck_assert_int_eq(label_value_check(longer, &err), -1);
	ck_assert_str_eq(err.text, "label value of 64 characters: at most 63 are allowed");
}
END_TEST

START_TEST(test_derived_values)
{
	static const char *const good[] = {"", "nginx:1.25", "registry:5000/a/b@sha256:0",
		"two words", "\xc3\xa9\xe4\xb8\xad", "'\""};
	static const char *const bad[] = {"a\n", "\x1b[31m", "a\x7f", "\t",
		"\xc2\x9b", /* CSI as one character */
		"\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf"};
	cleanup_free char *longest = repeat('v', LABEL_DERIVED_VALUE_MAX);
	cleanup_free char *longer = repeat('v', LABEL_DERIVED_VALUE_MAX + 1);
	struct err err = {0};

	for (size_t i = 0; i < COUNT(good); i++)
		ck_assert_msg(
			!label_derived_value_check(good[i], &err), "%s: %s", good[i], err.text);
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(label_derived_value_check(bad[i], &err) == -1, "bad[%zu]", i);
	ck_assert_int_eq(label_derived_value_check(longest, NULL), 0);
	ck_assert_int_eq(label_derived_value_check(longer, &err), -1);
}
END_TEST

START_TEST(test_the_reserved_key_space)
{
	ck_assert(label_key_reserved("docker/image"));
	ck_assert(label_key_reserved("docker/"));
	ck_assert(!label_key_reserved("docker"));
	ck_assert(!label_key_reserved("dockerx/image"));
	ck_assert(!label_key_reserved("Docker/image"));
	ck_assert(!label_key_reserved("my/docker/image"));
	ck_assert(!label_key_reserved(""));
}
END_TEST

/* --- JSON ------------------------------------------------------------------------------------------------ */

START_TEST(test_json_round_trip)
{
	static const char text[] =
		"{\"a\":\"\",\"docker/image\":\"nginx:1.25 \\u00e9\",\"role\":\"database\"}";
	cleanup_json json_t *json = json_loads(text, 0, NULL), *written = NULL;
	struct err err = {0};
	CLEANUP(labels) struct labels *labels = labels_from_json(json, &err);

	ck_assert_msg(labels != NULL, "%s", err.text);
	ck_assert_uint_eq(labels_count(labels), 3);
	ck_assert_str_eq(labels_get(labels, "docker/image"), "nginx:1.25 \xc3\xa9");
	written = labels_to_json(labels);
	ck_assert(json_equal(json, written));
}
END_TEST

START_TEST(test_json_keys_in_any_order)
{
	cleanup_json json_t *json = json_loads("{\"z\":\"1\",\"a\":\"2\",\"m\":\"3\"}", 0, NULL);
	CLEANUP(labels) struct labels *labels = labels_from_json(json, NULL);

	ck_assert_ptr_nonnull(labels);
	ck_assert_str_eq(labels_key(labels, 0), "a");
	ck_assert_str_eq(labels_key(labels, 1), "m");
	ck_assert_str_eq(labels_key(labels, 2), "z");
	ck_assert_str_eq(labels_get(labels, "z"), "1");
	labels_set(labels, "b", "4");
	ck_assert_str_eq(labels_key(labels, 1), "b");
}
END_TEST

START_TEST(test_empty_json)
{
	cleanup_json json_t *json = json_object(), *written = NULL;
	CLEANUP(labels) struct labels *labels = labels_from_json(json, NULL);

	ck_assert_ptr_nonnull(labels);
	ck_assert_uint_eq(labels_count(labels), 0);
	written = labels_to_json(labels);
	ck_assert(json_equal(json, written));
}
END_TEST

static const struct {
	const char *json, *error;
} bad_json[] = {
	{"[]", "labels: must be an object"},
	{"[\"a\"]", "labels: must be an object"},
	{"{\"a\":1}", "label \"a\": must be text"},
	{"{\"a\":null}", "label \"a\": must be text"},
	{"{\"a\":true}", "label \"a\": must be text"},
	{"{\"a\":{\"b\":\"c\"}}", "label \"a\": must be text"},
	{"{\"a\":\"b\\u0000c\"}", "label \"a\": must be text"},
	{"{\"\":\"a\"}", "label key of 0 characters"},
	{"{\"a b\":\"c\"}", "label key \"a b\": only"},
	{"{\"ok\":\"x\",\"role\":\"two words\"}",
		"label \"role\": label value \"two words\": only"},
	{"{\"role\":\"nginx:1.25\"}", "label \"role\": label value"},
	{"{\"docker/image\":\"a\\u001b\"}", "label \"docker/image\": derived label value"},
};

START_TEST(test_bad_json_is_refused)
{
	cleanup_json json_t *json = json_loads(bad_json[_i].json, JSON_ALLOW_NUL, NULL);
	struct err err = {0};
	CLEANUP(labels) struct labels *labels = NULL;

	ck_assert_ptr_nonnull(json);
	labels = labels_from_json(json, &err);
	ck_assert_ptr_null(labels);
	ck_assert_msg(strstr(err.text, bad_json[_i].error) == err.text, "%s", err.text);
}
END_TEST

START_TEST(test_absent_json_is_refused)
{
	struct err err = {0};
	CLEANUP(labels) struct labels *labels = labels_from_json(NULL, &err);

	ck_assert_ptr_null(labels);
	ck_assert_str_eq(err.text, "labels: must be an object");
}
END_TEST

/* As many as a record has room for, each key before all earlier ones: Check's time limit is the assertion. */
START_TEST(test_a_hostile_order_costs_no_quadratic_time)
{
	enum { MANY = 200000 };
	cleanup_json json_t *json = json_object();
	CLEANUP(labels) struct labels *labels = NULL;
	char key[16];

	for (int i = MANY; i > 0; i--) {
		snprintf(key, sizeof(key), "%06d", i);
		json_object_set_new(json, key, json_string(""));
	}
	labels = labels_from_json(json, NULL);
	ck_assert_ptr_nonnull(labels);
	ck_assert_uint_eq(labels_count(labels), MANY);
	ck_assert_str_eq(labels_key(labels, 0), "000001");
}
END_TEST

static TCase *map_tests(void)
{
	TCase *tcase = tcase_create("map");

	tcase_add_test(tcase, test_set_get_unset);
	tcase_add_test(tcase, test_a_label_may_be_set_to_its_own_value);
	tcase_add_test(tcase, test_pairs_come_in_the_order_of_their_keys);
	tcase_add_test(tcase, test_many_labels);
	tcase_add_test(tcase, test_copies_are_equal_and_apart);
	tcase_add_test(tcase, test_only_user_labels_make_an_endpoint_labelled);
	tcase_add_test(tcase, test_nothing_may_be_freed);
	return tcase;
}

static TCase *check_tests(void)
{
	TCase *tcase = tcase_create("checks");

	tcase_add_test(tcase, test_keys);
	tcase_add_test(tcase, test_values);
	tcase_add_test(tcase, test_derived_values);
	tcase_add_test(tcase, test_the_reserved_key_space);
	return tcase;
}

static TCase *json_tests(void)
{
	TCase *tcase = tcase_create("json");

	tcase_add_test(tcase, test_json_round_trip);
	tcase_add_test(tcase, test_json_keys_in_any_order);
	tcase_add_test(tcase, test_empty_json);
	tcase_add_loop_test(tcase, test_bad_json_is_refused, 0, COUNT(bad_json));
	tcase_add_test(tcase, test_absent_json_is_refused);
	tcase_add_test(tcase, test_a_hostile_order_costs_no_quadratic_time);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("label");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, map_tests());
	suite_add_tcase(suite, check_tests());
	suite_add_tcase(suite, json_tests());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
