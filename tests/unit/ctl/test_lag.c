/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/lag.h"
#include "ctl/report.h"
#include "tests/unit/quoted.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH "1700000000000-0000000a"
#define LATER "1700000000001-0000000b"

static json_t *loaded(const char *quoted)
{
	cleanup_free char *text = unquote(quoted);
	json_t *json = json_loads(text, 0, NULL);

	ck_assert_ptr_nonnull(json);
	return json;
}

static json_t *the_heads(void)
{
	return loaded("{'policies':'" EPOCH ":7:aa','node:a':'" EPOCH ":9:bb','node:b':'" LATER
		      ":2:cc','node:c':'" EPOCH ":5:dd'}");
}

/* peers stands in the hash as text: ` for its quotes */
static json_t *the_status(const char *peers)
{
	json_t *status =
		loaded("{'policies_head':'" EPOCH ":7:aa','endpoints_head':'" EPOCH ":6:b0'}");
	cleanup_free char *text = unquote(peers);

	json_object_set_new(status, "peers", json_string(text));
	return status;
}

static void expect_lag(const json_t *lag, const char *member, const char *wanted)
{
	cleanup_free char *text = lag_text(lag, member);

	ck_assert_str_eq(text, wanted);
}

START_TEST(test_each_stream_is_held_against_the_store)
{
	cleanup_json json_t *heads = the_heads();
	cleanup_json json_t *status = the_status("{'c':{'head':'" EPOCH ":3:d0','state':'up'}}");
	cleanup_json json_t *lag = lag_build(status, "a", heads);

	expect_lag(lag, "policies", "0");
	expect_lag(lag, "endpoints", "3");
	expect_lag(lag, "others", "2");
	expect_lag(json_object_get(lag, "peers"), "c", "2");
}
END_TEST

/* Of another epoch, or a head that another writer's history has: how far cannot be told. */
START_TEST(test_what_cannot_be_told)
{
	cleanup_json json_t *heads = the_heads();
	cleanup_json json_t *status = the_status("{'b':{'head':'" EPOCH ":9:c0','state':'up'},"
						 "'c':{'head':'" EPOCH ":5:00','state':'up'}}");
	cleanup_json json_t *lag = lag_build(status, "a", heads);
	cleanup_json json_t *nothing = json_object(), *none = lag_build(nothing, "a", heads);

	expect_lag(json_object_get(lag, "peers"), "b", "?");
	expect_lag(json_object_get(lag, "peers"), "c", "?");
	expect_lag(lag, "others", "?");
	expect_lag(none, "policies", "?");
	expect_lag(none, "endpoints", "?");
	expect_lag(none, "others", "0");
}
END_TEST

static void expect_printed(const json_t *status, const json_t *heads, const char *line)
{
	cleanup_json json_t *report = report_build(&(struct report_source){.node = "a",
		.status = status,
		.policies_head = "",
		.endpoints_head = "",
		.heads = heads});
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	report_print(report, 0, out);
	fclose(out);
	ck_assert_msg(strstr(text, line) != NULL, "%s", text);
	free(text);
}

START_TEST(test_status_shows_them)
{
	cleanup_json json_t *heads = the_heads();
	cleanup_json json_t *status = the_status("{'b':{'head':'" LATER ":2:cc','state':'up'},"
						 "'c':{'head':'" EPOCH ":3:d0','state':'silent'}}");

	expect_printed(status, heads, "c: silent, 2 changes behind");
	expect_printed(status, heads, "1 followed and current");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lag");
	TCase *tcase = tcase_create("lag");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_each_stream_is_held_against_the_store);
	tcase_add_test(tcase, test_what_cannot_be_told);
	tcase_add_test(tcase, test_status_shows_them);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
