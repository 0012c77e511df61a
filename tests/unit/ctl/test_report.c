/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/report.h"

#include <check.h>
#include <string.h>

enum { NOW = 1000000 };

static json_t *good_status(void)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "version", "1",
		"policies_head", "P", "endpoints_head", "E", "heartbeat_unix", "999995",
		"last_error", "", "problems", "[\"policy p selects\\u001b 1\"]", "not_enforced",
		"[\"macvlan x\"]", "bridges", "{\"br0\":\"strict\"}", "in_force", "true");
}

static struct report_source source_of(const json_t *status)
{
	return (struct report_source){.node = "n",
		.status = status,
		.syncd_heartbeat = NOW - 3,
		.policies_head = "P",
		.endpoints_head = "E",
		.now = NOW};
}

static void expect_reason(const struct report_source *source, const char *reason)
{
	cleanup_json json_t *report = report_build(source);
	const json_t *reasons = json_object_get(report, "reasons");

	ck_assert(!report_in_force(report));
	ck_assert_uint_eq(json_array_size(reasons), 1);
	ck_assert_str_eq(json_string_value(json_array_get(reasons, 0)), reason);
}

START_TEST(in_force_when_nothing_speaks_against_it)
{
	cleanup_json json_t *status = good_status();
	struct report_source source = source_of(status);
	cleanup_json json_t *report = report_build(&source);

	ck_assert(report_in_force(report));
	ck_assert_uint_eq(json_array_size(json_object_get(report, "reasons")), 0);
}
END_TEST

START_TEST(each_reason_is_enough)
{
	static const struct {
		const char *field, *value, *reason;
	} cases[] = {
		{"policies_head", "old", "the policies in force are not the store's"},
		{"endpoints_head", "", "the endpoints in force are not the store's"},
		{"heartbeat_unix", "999900", "enforcerd has been silent for 100 s"},
		{"last_error", "EPERM", "last error: EPERM"},
		{"in_force", "false", "enforcerd says that its rules are not in force"},
	};
	cleanup_json json_t *good = good_status(), *none = json_object();
	struct report_source source;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cleanup_json json_t *status = good_status();

		json_object_set_new(status, cases[i].field, json_string(cases[i].value));
		source = source_of(status);
		expect_reason(&source, cases[i].reason);
	}
	source = source_of(none);
	expect_reason(&source, "enforcerd has never reported");
	source = source_of(good);
	source.syncd_heartbeat = 0;
	expect_reason(&source, "syncd has never reported");
	source.syncd_heartbeat = NOW - 36;
	expect_reason(&source, "syncd has been silent for 36 s");
}
END_TEST

START_TEST(a_clock_that_is_ahead_is_not_silence)
{
	cleanup_json json_t *status = good_status();
	struct report_source source = source_of(status);
	cleanup_json json_t *report = NULL;

	source.now = NOW - 3600;
	report = report_build(&source);
	ck_assert(report_in_force(report));
}
END_TEST

/* What the node says, whether the store says audit to it, and what becomes of both. */
static const struct {
	const char *mode; /* NULL: not told */
	bool panic;
	const char *headline, *line, *reason;
} modes[] = {
	{"enforce", false, "n: in force\n", "mode               enforce\n", NULL},
	{"audit", false, "n: in force, AUDIT MODE: NOTHING IS DROPPED\n",
		"mode               audit (its own --mode)\n", NULL},
	{"audit", true, "n: in force, PANIC: NOTHING IS DROPPED\n",
		"mode               audit (panic; \"bulkheadctl panic --end\" ends it)\n", NULL},
	{"enforce", true, "n: NOT IN FORCE, PANIC: NOTHING IS DROPPED\n",
		"mode               enforce (panic;",
		"panic is on, and enforcerd says that it still drops"},
	{NULL, false, "n: in force\n", "mode               unknown\n", NULL},
	{"\033", false, "n: in force\n", "mode               unknown\n", NULL},
};

START_TEST(tells_the_mode)
{
	cleanup_json json_t *status = good_status();
	struct report_source source = source_of(status);
	cleanup_json json_t *report = NULL;
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (modes[_i].mode)
		json_object_set_new(status, "mode", json_string(modes[_i].mode));
	source.panic = modes[_i].panic;
	report = report_build(&source);
	ck_assert_int_eq(report_in_force(report), !modes[_i].reason);
	ck_assert_int_eq(json_is_true(json_object_get(report, "panic")), modes[_i].panic);
	report_print(report, NOW, out);
	fclose(out);
	ck_assert_msg(!strncmp(text, modes[_i].headline, strlen(modes[_i].headline)), "%s", text);
	ck_assert_msg(strstr(text, modes[_i].line) != NULL, "%s", text);
	if (modes[_i].reason)
		expect_reason(&source, modes[_i].reason);
}
END_TEST

START_TEST(prints_what_is_there)
{
	static const char *const lines[] = {"n: in force\n", "P (the store's)\n", "5 s ago\n",
		"version", "br0=strict\n", "policy p selects\\x1b 1\n",
		"NOT ENFORCED       macvlan x\n", "3 s ago\n"};
	cleanup_json json_t *status = good_status();
	struct report_source source = source_of(status);
	cleanup_json json_t *report = report_build(&source);
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	report_print(report, NOW, out);
	fclose(out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		ck_assert_msg(strstr(text, lines[i]) != NULL, "no \"%s\" in\n%s", lines[i], text);
	ck_assert_ptr_null(strchr(text, '\033'));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("report");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(t, in_force_when_nothing_speaks_against_it);
	tcase_add_test(t, each_reason_is_enough);
	tcase_add_test(t, a_clock_that_is_ahead_is_not_silence);
	tcase_add_loop_test(t, tells_the_mode, 0, (int)(sizeof(modes) / sizeof(*modes)));
	tcase_add_test(t, prints_what_is_there);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
