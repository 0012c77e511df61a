/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "syncd/engine_events.h"

#include <check.h>
#include <string.h>

static struct strbuf got; /* lines, each in brackets */
static int stop_after;

static void setup(void)
{
	stop_after = -1;
}

static void teardown(void)
{
	strbuf_free(&got);
}

static bool collect(char *line, size_t len, void *arg)
{
	(void)arg;
	ck_assert_uint_eq(strlen(line), len);
	strbuf_addf(&got, "[%s]", line);
	return stop_after < 0 || --stop_after > 0;
}

static const char *text(void)
{
	return got.text ? got.text : "";
}

START_TEST(test_lines_in_any_pieces)
{
	static const char stream[] = "{\"a\":1}\n\r\n{\"b\":2}\n  \n{\"c\"";

	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		struct event_lines lines = {0};

		strbuf_reset(&got);
		for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
			size_t left = sizeof(stream) - 1 - at;

			ck_assert_uint_eq(event_lines_feed(&lines, stream + at,
						  left < piece ? left : piece, collect, NULL),
				0);
		}
		ck_assert_str_eq(text(), "[{\"a\":1}][{\"b\":2}]");
		event_lines_clear(&lines);
	}
}
END_TEST

START_TEST(test_too_long_is_left_out_once)
{
	struct event_lines lines = {0};
	cleanup_free char *much = xcalloc(1, EVENT_LINE_MAX + 1);
	size_t too_long = 0;

	memset(much, 'x', EVENT_LINE_MAX);
	too_long += event_lines_feed(&lines, "first\n", 6, collect, NULL);
	for (int i = 0; i < 5; i++)
		too_long += event_lines_feed(&lines, much, EVENT_LINE_MAX, collect, NULL);
	too_long += event_lines_feed(&lines, "end\nsecond\n", 11, collect, NULL);
	ck_assert_uint_eq(too_long, 1);
	ck_assert_str_eq(text(), "[first][second]");
	ck_assert_uint_le(lines.partial.cap, 2 * EVENT_LINE_MAX + 2);
	event_lines_clear(&lines);
}
END_TEST

START_TEST(test_longest_line_passes)
{
	struct event_lines lines = {0};
	cleanup_free char *much = xcalloc(1, EVENT_LINE_MAX + 1);

	memset(much, 'x', EVENT_LINE_MAX);
	ck_assert_uint_eq(event_lines_feed(&lines, much, EVENT_LINE_MAX, collect, NULL), 0);
	ck_assert_uint_eq(event_lines_feed(&lines, "\n", 1, collect, NULL), 0);
	ck_assert_uint_eq(got.len, EVENT_LINE_MAX + 2);
	event_lines_clear(&lines);
}
END_TEST

START_TEST(test_consumer_can_stop)
{
	struct event_lines lines = {0};

	stop_after = 1;
	event_lines_feed(&lines, "a\nb\nc\n", 6, collect, NULL);
	ck_assert_str_eq(text(), "[a]");
	event_lines_clear(&lines);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/engine_events");
	TCase *tcase = tcase_create("engine_events");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_lines_in_any_pieces);
	tcase_add_test(tcase, test_too_long_is_left_out_once);
	tcase_add_test(tcase, test_longest_line_passes);
	tcase_add_test(tcase, test_consumer_can_stop);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
