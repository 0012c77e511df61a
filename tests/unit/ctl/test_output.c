/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people and programs are shown: tables, YAML, JSON, and nothing that a terminal obeys. */
#include "ctl/output.h"

#include "common/strbuf.h"
#include "ctl/diag.h"
#include "ctl/printable.h"
#include "ctl/table.h"
#include "ctl/yaml_read.h"

#include <check.h>
#include <string.h>

static char *yaml_of(const json_t *value)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct err err = {0};

	ck_assert_msg(!output_yaml(value, out, &err), "%s", err.text);
	fclose(out);
	return text;
}

START_TEST(printable_escapes_what_a_terminal_obeys)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"plain text", "plain text"},
		{"\303\251\344\270\255\360\237\220\263", "\303\251\344\270\255\360\237\220\263"},
		{"a\033[2Jb", "a\\x1b[2Jb"},
		{"a\r\n\tb", "a\\x0d\\x0a\\x09b"},
		{"\177", "\\x7f"},
		{"\302\233", "\\u009b"},             /* C1 control sequence introducer */
		{"\342\200\256x", "\\u202ex"},       /* right-to-left override */
		{"\357\273\277", "\\ufeff"},         /* byte order mark */
		{"\377x", "\\xffx"},                 /* no UTF-8 */
		{"\300\200", "\\xc0\\x80"},          /* overlong NUL */
		{"\355\240\200", "\\xed\\xa0\\x80"}, /* surrogate */
		{"\303", "\\xc3"},                   /* cut off */
		{"\364\220\200\200", "\\xf4\\x90\\x80\\x80"},
		{"", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup_free char *shown = printable(cases[i].text);

		ck_assert_str_eq(shown, cases[i].shown);
	}
	ck_assert_uint_eq(printable_width("a\303\251"), 2);
}
END_TEST

START_TEST(tables_align_and_escape)
{
	static const char *const headings[] = {"A", "LONGER", "C", NULL};
	CLEANUP(table) struct table *table = table_new(headings);
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	table_add(table, "wide\303\251");
	table_add(table, NULL);
	table_add(table, "\033x");
	table_add(table, "");
	table_add(table, "v");
	table_add(table, "end");
	table_print(table, out);
	fclose(out);
	ck_assert_str_eq(text, "A       LONGER   C\n"
			       "wide\303\251   -        \\x1bx\n"
			       "-       v        end\n");
}
END_TEST

START_TEST(yaml_is_sorted_and_quotes_what_would_change)
{
	cleanup_json json_t *value =
		json_pack("{s:[s,s,s,s,s,s,s,s], s:i, s:f, s:b, s:n, s:{}, s:[]}", "texts",
			"plain text", "true", "5", "", "No", "~", "a: b", "a\033b", "int", 7,
			"real", 0.1, "bool", 1, "none", "object", "array");
	cleanup_free char *text = yaml_of(value);

	ck_assert_str_eq(text, "array: []\n"
			       "bool: true\n"
			       "int: 7\n"
			       "none: null\n"
			       "object: {}\n"
			       "real: 0.1\n"
			       "texts:\n"
			       "- plain text\n"
			       "- 'true'\n"
			       "- '5'\n"
			       "- ''\n"
			       "- 'No'\n"
			       "- '~'\n"
			       "- 'a: b'\n"
			       "- \"a\\eb\"\n");
}
END_TEST

START_TEST(yaml_texts_read_back_the_same)
{
	static const char *const texts[] = {"role == 'database'", "!has(a) && b != \"c\"",
		"# no comment", "- item", "a\nb\n", " lead", "trail ", "{a}", "&anchor", "*alias",
		"!tag", "%dir", "@at", "`tick", "1:2", "1e3", "0x10", ".5", "-", "---", "...",
		"? a", "a #b", "\303\251\342\200\256", "null", "y", "'", "\"", "\\", "a\tb", "\001",
		"=", "<<"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		cleanup_json json_t *value = json_pack("[{s:s}]", texts[i], texts[i]);
		cleanup_free char *text = yaml_of(value);
		struct doc_list list cleanup_doc_list = {0};
		struct diag diag cleanup_diag = {0};

		yaml_read(text, strlen(text), "f", &diag, &list);
		ck_assert_msg(!diag.count, "%s: %s", text, diag.entries[0]);
		ck_assert_str_eq(list.docs[0]->items[0]->keys[0]->text, texts[i]);
		ck_assert_str_eq(list.docs[0]->items[0]->items[0]->text, texts[i]);
		ck_assert(!doc_is_null(list.docs[0]->items[0]->items[0]));
		for (const char *p = text; *p; p++)
			ck_assert_msg(
				*p == '\n' || ((unsigned char)*p >= ' ' && *p != 0x7f), "%s", text);
	}
}
END_TEST

START_TEST(json_is_sorted_and_ascii)
{
	cleanup_json json_t *value =
		json_pack("{s:s, s:i}", "b", "\302\233\342\200\256\033", "a", 1);
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	struct err err = {0};

	ck_assert_int_eq(output_json(value, out, &err), 0);
	fclose(out);
	ck_assert_str_eq(text, "{\n  \"a\": 1,\n  \"b\": \"\\u009B\\u202E\\u001B\"\n}\n");
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
	cleanup_json json_t *value = json_pack("[s]", "x");
	cleanup_file FILE *full = fopen("/dev/full", "we");
	struct err err = {0};

	ck_assert_ptr_nonnull(full);
	setvbuf(full, NULL, _IONBF, 0);
	ck_assert_int_eq(output_yaml(value, full, &err), -1);
	ck_assert_int_eq(output_json(value, full, &err), -1);
	ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(formats_have_names)
{
	struct err err = {0};

	ck_assert_int_eq(output_format_parse("wide"), OUTPUT_WIDE);
	ck_assert_int_eq(output_format_parse("json"), OUTPUT_JSON);
	ck_assert_int_eq(output_format_check("yaml", &err), 0);
	ck_assert_int_eq(output_format_check("YAML", &err), -1);
	ck_assert_int_eq(output_format_check("", &err), -1);
}
END_TEST

START_TEST(diag_keeps_20_and_counts_all)
{
	struct diag diag cleanup_diag = {0};
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	diag_add(&diag, "f\033", 3, 4, "bad %s", "x\n");
	diag_add(&diag, "f", 0, 0, "whole");
	diag_add(&diag, NULL, 0, 0, "nowhere");
	for (int i = 0; i < 20; i++)
		diag_add(&diag, "f", 1, 1, "more");
	diag_print(&diag, out);
	fclose(out);
	ck_assert_int_eq(
		strncmp(text, "f\\x1b:3:4: bad x\\x0a\nf: whole\nnowhere\nf:1:1: more\n", 47), 0);
	ck_assert_ptr_nonnull(strstr(text, "\nand 3 more errors\n"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("output");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(t, printable_escapes_what_a_terminal_obeys);
	tcase_add_test(t, tables_align_and_escape);
	tcase_add_test(t, yaml_is_sorted_and_quotes_what_would_change);
	tcase_add_test(t, yaml_texts_read_back_the_same);
	tcase_add_test(t, json_is_sorted_and_ascii);
	tcase_add_test(t, a_full_disk_is_an_error);
	tcase_add_test(t, formats_have_names);
	tcase_add_test(t, diag_keeps_20_and_counts_all);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
