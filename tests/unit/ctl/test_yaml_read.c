/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/yaml_read.h"

#include "common/strbuf.h"

#include <check.h>
#include <string.h>

static struct doc_list list;
static struct diag diag;

static void setup(void)
{
	list = (struct doc_list){0};
	diag = (struct diag){0};
}

static void teardown(void)
{
	doc_list_clear(&list);
	diag_clear(&diag);
}

static void read_bytes(const char *text, size_t len)
{
	teardown();
	yaml_read(text, len, "f", &diag, &list);
}

static void read_text(const char *text)
{
	read_bytes(text, strlen(text));
}

static void expect_error(const char *text, const char *expected)
{
	read_text(text);
	ck_assert_msg(diag.count > 0, "accepted: %s", text);
	ck_assert_msg(!strncmp(diag.entries[0], expected, strlen(expected)), "%s\ngave %s\nnot  %s",
		text, diag.entries[0], expected);
}

START_TEST(remembers_places)
{
	const struct doc_node *root, *seq;

	read_text("# comment\na: b\nlist:\n  - x\n  -   'y z'\n");
	ck_assert_uint_eq(diag.count, 0);
	ck_assert_uint_eq(list.count, 1);
	root = list.docs[0];
	ck_assert_int_eq(root->kind, DOC_MAPPING);
	ck_assert_uint_eq(root->line, 2);
	ck_assert_uint_eq(root->count, 2);
	ck_assert_uint_eq(doc_get(root, "a")->column, 4);
	ck_assert_uint_eq(doc_get(root, "a")->text_column, 4);
	seq = doc_get(root, "list");
	ck_assert_int_eq(seq->kind, DOC_SEQUENCE);
	ck_assert_uint_eq(seq->items[1]->line, 5);
	ck_assert_uint_eq(seq->items[1]->column, 7);
	ck_assert_uint_eq(seq->items[1]->text_column, 8);
	ck_assert_str_eq(seq->items[1]->text, "y z");
	ck_assert(seq->items[1]->quoted);
	ck_assert(!seq->items[0]->quoted);
	ck_assert_ptr_null(doc_get(root, "missing"));
	ck_assert_ptr_null(doc_get(seq, "a"));
}
END_TEST

START_TEST(knows_where_columns_cannot_be_told)
{
	read_text("[\"a\\tb\", 'it''s', \"\303\251\", 'x\n  y']");
	ck_assert_uint_eq(diag.count, 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(list.docs[0]->items[i]->text_column, 0);
}
END_TEST

START_TEST(tells_null_from_text)
{
	read_text("[~, null, NULL, , 'null', \"\", !!str null, nil]");
	ck_assert_uint_ge(diag.count, 1); /* ", ," is no YAML */
	read_text("[~, null, Null, NULL]");
	for (size_t i = 0; i < 4; i++)
		ck_assert(doc_is_null(list.docs[0]->items[i]));
	read_text("['null', \"\", !!str null, nil, [], {}]");
	for (size_t i = 0; i < 6; i++)
		ck_assert(!doc_is_null(list.docs[0]->items[i]));
}
END_TEST

START_TEST(splits_documents)
{
	read_text("a\n---\nb\n...\n---\n- c\n");
	ck_assert_uint_eq(list.count, 3);
	ck_assert_uint_eq(list.docs[2]->line, 6);
	read_text("a\n---\n");
	ck_assert_uint_eq(list.count, 1);
	read_text("---\n");
	ck_assert_uint_eq(list.count, 0);
	read_text("---\n---\na\n");
	ck_assert_uint_eq(list.count, 2);
	ck_assert(doc_is_null(list.docs[0]));
}
END_TEST

START_TEST(refuses)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"a: [1, 2\n", "f:2:1: "},
		{"a: b: c\n", "f:1:5: "},
		{"a:\n\t- b\n", "f:2:1: "},
		{"a: \"x\n", "f:2:1: "},
		{"a: &x 1\nb: *x\n", "f:2:4: YAML aliases are not supported"},
		{"&x [*x]\n", "f:1:5: YAML aliases are not supported"},
		{"a: !!binary aGk=\n", "f:1:4: this YAML tag is not supported"},
		{"!mine {a: b}\n", "f:1:1: this YAML tag is not supported"},
		{"a: 1\nb: 2\na: 3\n", "f:3:1: duplicate key \"a\" (first on line 1)"},
		{"? [a]\n: b\n", "f:1:5: a key must be plain text"},
		{"{a: b}: c\n", "f:1:6: a key must be plain text"},
		{"a: \"x\\0y\"\n", "f:1:4: a NUL character inside text"},
		{"a: \033[2J\n", "f:1:"},
		{"a: \377\376\n", "f:1:"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		expect_error(cases[i].text, cases[i].error);
}
END_TEST

START_TEST(refuses_depth_nodes_and_size)
{
	struct strbuf text cleanup_strbuf = {0};

	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		strbuf_add(&text, "[");
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		strbuf_add(&text, "]");
	read_text(text.text);
	ck_assert_uint_eq(diag.count, 0);
	strbuf_reset(&text);
	for (int i = 0; i < 100000; i++)
		strbuf_add(&text, "[");
	expect_error(text.text, "f:1:33: nested too deeply");
	strbuf_reset(&text);
	for (int i = 0; i <= YAML_NODES_MAX; i++)
		strbuf_add(&text, "- a\n");
	expect_error(text.text, "f:400000:3: too many values in one file");
	strbuf_reset(&text);
	while (text.len <= YAML_BYTES_MAX)
		strbuf_add(&text,
			"# a long comment, repeated until the file is too large to be meant\n");
	expect_error(text.text, "f: larger than 4194304 bytes");
}
END_TEST

START_TEST(refuses_other_encodings)
{
	static const char utf16[] = "\377\376a\0:\0b\0";

	read_bytes(utf16, sizeof(utf16) - 1);
	ck_assert_uint_ge(diag.count, 1);
	read_text("\357\273\277a: b\n"); /* a byte order mark of UTF-8 is what some editors write */
	ck_assert_uint_eq(diag.count, 0);
	ck_assert_str_eq(list.docs[0]->keys[0]->text, "a");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("yaml_read");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, remembers_places);
	tcase_add_test(t, knows_where_columns_cannot_be_told);
	tcase_add_test(t, tells_null_from_text);
	tcase_add_test(t, splits_documents);
	tcase_add_test(t, refuses);
	tcase_add_test(t, refuses_depth_nodes_and_size);
	tcase_add_test(t, refuses_other_encodings);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
