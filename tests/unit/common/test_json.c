/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/json.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

struct target {
	long long first, second;
};

static int read_small(const struct json_at *at, void *target, struct err *err)
{
	return json_read_integer(at, 0, 9, target, err);
}

/* Reads {"first": N} of an inner object into the same target, as nested tables do. */
static const struct json_field inner_fields[] = {
	{"second", read_small, offsetof(struct target, second), true},
	{0},
};

static int read_inner(const struct json_at *at, void *target, struct err *err)
{
	size_t count = 0;

	if (json_read_array(at, 2, &count, err))
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);

		if (json_read_object(&item, inner_fields, JSON_REFUSE_UNKNOWN, target, err))
			return -1;
	}
	return 0;
}

static const struct json_field fields[] = {
	{"first", read_small, offsetof(struct target, first), true},
	{"inner", read_inner, 0, false},
	{0},
};

static int read_text(
	const char *text, enum json_unknown unknown, struct target *target, struct err *err)
{
	cleanup_json json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
	struct json_at root = json_at_root(json);

	ck_assert_msg(json != NULL, "%s", text);
	return json_read_object(&root, fields, unknown, target, err);
}

START_TEST(test_objects_are_read_by_table)
{
	struct target target = {0};
	struct err err = {0};

	ck_assert_msg(!read_text("{\"inner\":[{\"second\":7}],\"first\":3}", JSON_REFUSE_UNKNOWN,
			      &target, &err),
		"%s", err.text);
	ck_assert_int_eq(target.first, 3);
	ck_assert_int_eq(target.second, 7);
	ck_assert_int_eq(
		read_text("{\"first\":1,\"more\":2}", JSON_IGNORE_UNKNOWN, &target, &err), 0);
	ck_assert_int_eq(target.first, 1);
}
END_TEST

START_TEST(test_refusals_say_where)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"[]", "must be an object"},
		{"null", "must be an object"},
		{"{}", "first: required"},
		{"{\"first\":10}", "first: must be a whole number, 0..9"},
		{"{\"first\":1.0}", "first: must be a whole number, 0..9"},
		{"{\"first\":\"1\"}", "first: must be a whole number, 0..9"},
		{"{\"first\":null}", "first: must be a whole number, 0..9"},
		{"{\"first\":1,\"more\":2}", "more: unknown member"},
		{"{\"first\":1,\"inner\":{}}", "inner: must be a list"},
		{"{\"first\":1,\"inner\":[1,2,3]}", "inner: has 3 elements, at most 2 are allowed"},
		{"{\"first\":1,\"inner\":[{\"second\":1},4]}", "inner[1]: must be an object"},
		{"{\"first\":1,\"inner\":[{}]}", "inner[0].second: required"},
		{"{\"first\":1,\"inner\":[{\"second\":-1}]}",
			"inner[0].second: must be a whole number, 0..9"},
		{"{\"first\":1,\"inner\":[{\"x\":1}]}", "inner[0].x: unknown member"},
		{"{\"first\":1,\"a\\u001b[2J\":1}", "(unprintable): unknown member"},
		{"{\"first\":1,\"0123456789012345678901234567890123456789012345678901234567890123456789\":1}",
			"0123456789012345678901234567890123456789012345678901234567890123...: unknown member"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct target target = {0};
		struct err err = {0};

		ck_assert_int_eq(read_text(cases[i].text, JSON_REFUSE_UNKNOWN, &target, &err), -1);
		ck_assert_str_eq(err.text, cases[i].error);
		/* whoever does not ask for the reason gets the same answer */
		ck_assert_int_eq(read_text(cases[i].text, JSON_REFUSE_UNKNOWN, &target, NULL), -1);
	}
}
END_TEST

START_TEST(test_text_is_bounded_and_printable)
{
	static const struct {
		const char *json, *error;
	} cases[] = {
		{"\"ok\"", NULL},
		{"\"12345678\"", NULL},
		{"\"\xc3\xa9t\xc3\xa9\"", NULL},
		{"\"123456789\"", "x: has 9 bytes, at most 8 are allowed"},
		{"\"\"", "x: must not be empty"},
		{"5", "x: must be text"},
		{"null", "x: must be text"},
		{"\"a\\nb\"", "x: must not hold control characters"},
		{"\"a\\u0000b\"", "x: must not hold control characters"},
		{"\"\\u007f\"", "x: must not hold control characters"},
		{"\"\\u009b\"", "x: must not hold control characters"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		cleanup_json json_t *value =
			json_loads(cases[i].json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		cleanup_json json_t *object = json_pack("{s:O}", "x", value);
		struct json_at root = json_at_root(object);
		struct json_at at = json_at_member(&root, "x");
		const char *text = NULL;
		struct err err = {0};
		int rc = json_read_text(&at, 8, &text, &err);

		ck_assert_int_eq(rc, cases[i].error ? -1 : 0);
		if (cases[i].error)
			ck_assert_str_eq(err.text, cases[i].error);
		else
			ck_assert_str_eq(text, json_string_value(value));
	}
}
END_TEST

START_TEST(test_building)
{
	cleanup_json json_t *object = json_object();
	cleanup_free char *text = NULL;
	json_t *list = json_array();

	json_push(list, json_integer(1));
	json_put(object, "list", list);
	json_put_text(object, "none", NULL);
	json_put_text(object, "some", "text");
	text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
	ck_assert_str_eq(text, "{\"list\":[1],\"none\":null,\"some\":\"text\"}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tcase = tcase_create("json");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_objects_are_read_by_table);
	tcase_add_test(tcase, test_refusals_say_where);
	tcase_add_test(tcase, test_text_is_bounded_and_printable);
	tcase_add_test(tcase, test_building);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
