/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include "tests/unit/common/capture.h"

#include <errno.h>
#include <string.h>

static char *logged(enum log_level level, const char *text)
{
	struct capture capture = capture_begin(stderr);

	log_write(level, "module", "%s", text);
	return capture_end(&capture);
}

/* "2026-11-23T12:34:56.789012Z" */
static void check_time(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";

	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		ck_assert_msg(
			shape[i] == 'd' ? text[i] >= '0' && text[i] <= '9' : text[i] == shape[i],
			"%s", text);
}

START_TEST(test_text_lines)
{
	cleanup_free char *line = NULL;

	log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	line = logged(LOG_LEVEL_WARN, "stream policies: lost");
	check_time(line);
	ck_assert_str_eq(line + strlen("2026-11-23T12:34:56.789012Z"),
		" warn  module: stream policies: lost\n");
}
END_TEST

START_TEST(test_json_lines)
{
	cleanup_free char *line = NULL;
	cleanup_json json_t *json = NULL;

	log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	line = logged(LOG_LEVEL_ERROR, "label \"a\\b\": \xc3\xa9");
	ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
	json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_uint_eq(json_object_size(json), 4);
	check_time(json_string_value(json_object_get(json, "time")));
	ck_assert_str_eq(json_string_value(json_object_get(json, "level")), "error");
	ck_assert_str_eq(json_string_value(json_object_get(json, "module")), "module");
	ck_assert_str_eq(
		json_string_value(json_object_get(json, "msg")), "label \"a\\b\": \xc3\xa9");
}
END_TEST

START_TEST(test_the_threshold)
{
	for (int threshold = LOG_LEVEL_DEBUG; threshold <= LOG_LEVEL_ERROR; threshold++)
		for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
			cleanup_free char *line = NULL;

			log_init((enum log_level)threshold, LOG_FORMAT_TEXT);
			line = logged((enum log_level)level, "x");
			ck_assert_int_eq(*line != '\0', level >= threshold);
		}
}
END_TEST

START_TEST(test_hostile_text_stays_one_line)
{
	static const enum log_format formats[] = {LOG_FORMAT_TEXT, LOG_FORMAT_JSON};

	for (size_t i = 0; i < 2; i++) {
		cleanup_free char *line = NULL;

		log_init(LOG_LEVEL_INFO, formats[i]);
		line = logged(LOG_LEVEL_INFO, "a\nforged line\r\x1b[31m\x7f\t end");
		ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
		ck_assert_ptr_nonnull(strstr(line, "a?forged line??[31m?? end"));
		ck_assert_ptr_null(strchr(line, '\x1b'));
	}
}
END_TEST

START_TEST(test_json_that_is_not_utf8_still_says_something)
{
	cleanup_free char *line = NULL;
	cleanup_json json_t *json = NULL;

	log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	line = logged(LOG_LEVEL_INFO, "bad \xff byte");
	json = json_loads(line, 0, NULL);
	ck_assert_ptr_nonnull(json);
	ck_assert_ptr_nonnull(json_string_value(json_object_get(json, "msg")));
}
END_TEST

START_TEST(test_long_messages_are_cut)
{
	cleanup_free char *line = NULL;
	char longer[8192];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	log_init(LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
	line = logged(LOG_LEVEL_INFO, longer);
	ck_assert_uint_lt(strlen(line), 3000);
	ck_assert_uint_gt(strlen(line), 1000);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

START_TEST(test_errno_is_preserved)
{
	struct capture capture = capture_begin(stderr);
	cleanup_free char *line = NULL;

	log_init(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	errno = EPROTO;
	log_info("module", "written");
	ck_assert_int_eq(errno, EPROTO);
	log_debug("module", "not written");
	ck_assert_int_eq(errno, EPROTO);
	line = capture_end(&capture);
	ck_assert_ptr_null(strstr(line, "not written"));
}
END_TEST

START_TEST(test_words)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	static const char *const bad[] = {
		"", "Info", "warning", "info ", "json ", "JSON", "text\n"};
	enum log_level level = LOG_LEVEL_ERROR;
	enum log_format format = LOG_FORMAT_TEXT;

	for (int i = 0; i < 4; i++) {
		ck_assert(log_level_parse(levels[i], &level));
		ck_assert_int_eq(level, i);
	}
	ck_assert(log_format_parse("json", &format));
	ck_assert_int_eq(format, LOG_FORMAT_JSON);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(!log_level_parse(bad[i], &level), "%s", bad[i]);
		ck_assert_msg(!log_format_parse(bad[i], &format), "%s", bad[i]);
	}
	ck_assert_int_eq(level, LOG_LEVEL_ERROR);
	ck_assert_int_eq(format, LOG_FORMAT_JSON);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_text_lines);
	tcase_add_test(tcase, test_json_lines);
	tcase_add_test(tcase, test_the_threshold);
	tcase_add_test(tcase, test_hostile_text_stays_one_line);
	tcase_add_test(tcase, test_json_that_is_not_utf8_still_says_something);
	tcase_add_test(tcase, test_long_messages_are_cut);
	tcase_add_test(tcase, test_errno_is_preserved);
	tcase_add_test(tcase, test_words);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
