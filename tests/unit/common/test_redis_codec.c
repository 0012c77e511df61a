/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_codec.h"

#include "common/xalloc.h"

#include <check.h>
#include <hiredis/hiredis.h>
#include <string.h>

/* Feeds the text in pieces and returns what redis_codec_next() said last. */
static int decode(const char *text, size_t len, size_t piece, redis_reply **reply, struct err *err)
{
	CLEANUP(redis_codec) struct redis_codec *codec = redis_codec_new();
	int rc = 0;

	for (size_t at = 0; at < len && rc == 0; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		if (redis_codec_feed(codec, text + at, n, err) < 0)
			return -1;
		rc = redis_codec_next(codec, reply, err);
	}
	return rc;
}

START_TEST(test_pieces)
{
	static const char text[] = "*3\r\n$5\r\na\r\n\0b\r\n:42\r\n-ERR no\r\n";

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		redis_reply *reply = NULL;
		struct err err = {0};
		size_t len = 0;

		ck_assert_int_eq(decode(text, sizeof(text) - 1, piece, &reply, &err), 1);
		ck_assert_uint_eq(reply->elements, 3);
		ck_assert_mem_eq(redis_reply_text(reply->element[0], &len), "a\r\n\0b", 5);
		ck_assert_uint_eq(len, 5);
		ck_assert_int_eq(reply->element[1]->integer, 42);
		ck_assert_ptr_null(redis_reply_text(reply->element[1], NULL));
		/* an error within, as EXEC answers, is a failure of the whole */
		ck_assert(redis_reply_failed(reply, &err));
		ck_assert_str_eq(err.text, "ERR no");
		freeReplyObject(reply);
	}
}
END_TEST

START_TEST(test_incomplete)
{
	static const char text[] = "*2\r\n$2\r\nab\r\n$2\r\nc";
	redis_reply *reply = NULL;

	ck_assert_int_eq(decode(text, sizeof(text) - 1, 1, &reply, NULL), 0);
	ck_assert_ptr_null(reply);
}
END_TEST

static const struct {
	const char *text, *reason;
} bad[] = {
	{"x\r\n", "read reply: Protocol error"},
	{"*-2\r\n", "read reply: "},
	{"$-2\r\n", "read reply: "},
	{"*99999999999999999999\r\n", "read reply: "},
	{"$99999999999999999999\r\n", "read reply: "},
	{"*1048577\r\n", "read reply: an array is too large"},
	{"*2\r\n*2147483647\r\n", "read reply: an array is too large"},
	{"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "read reply: "},
};

START_TEST(test_bad)
{
	redis_reply *reply = NULL;
	struct err err = {0};

	ck_assert_int_eq(decode(bad[_i].text, strlen(bad[_i].text), 3, &reply, &err), -1);
	ck_assert_msg(strstr(err.text, bad[_i].reason), "%s", err.text);
	ck_assert_ptr_null(reply);
}
END_TEST

/* A string of len bytes with its header, and -1 or 1. */
static int decode_string(size_t len, struct err *err)
{
	cleanup_free char *text = xcalloc(len + 64, 1);
	int header = sprintf(text, "$%zu\r\n", len);
	redis_reply *reply = NULL;
	int rc;

	memset(text + header, 'x', len);
	memcpy(text + header + len, "\r\n", 2);
	rc = decode(text, (size_t)header + len + 2, 1 << 20, &reply, err);
	if (reply)
		freeReplyObject(reply);
	return rc;
}

START_TEST(test_large_strings)
{
	struct err err = {0};

	ck_assert_int_eq(decode_string(REDIS_BULK_MAX, &err), 1);
	ck_assert_int_eq(decode_string(REDIS_BULK_MAX + 1, &err), -1);
	ck_assert_str_eq(err.text, "read reply: a string is too large");
}
END_TEST

/* What never ends is given up, and many replies that end are not added up. */
START_TEST(test_endless)
{
	CLEANUP(redis_codec) struct redis_codec *codec = redis_codec_new();
	cleanup_free char *chunk = xcalloc(REDIS_BULK_MAX / 2, 1);
	redis_reply *reply = NULL;
	size_t fed = 0;
	int rc;

	memset(chunk, 'x', REDIS_BULK_MAX / 2);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(redis_codec_feed(codec, "$8388608\r\n", 10, NULL), 0);
		ck_assert_int_eq(redis_codec_feed(codec, chunk, REDIS_BULK_MAX / 2, NULL), 0);
		ck_assert_int_eq(redis_codec_feed(codec, "\r\n", 2, NULL), 0);
		ck_assert_int_eq(redis_codec_next(codec, &reply, NULL), 1);
		freeReplyObject(reply);
	}
	ck_assert_int_eq(redis_codec_feed(codec, "$2147483647\r\n", 13, NULL), 0);
	do {
		rc = redis_codec_feed(codec, chunk, REDIS_BULK_MAX / 2, NULL);
		fed += REDIS_BULK_MAX / 2;
	} while (rc == 0 && redis_codec_next(codec, &reply, NULL) == 0 &&
		 fed <= 2 * (size_t)REDIS_REPLY_MAX);
	ck_assert_int_eq(rc, -1);
	ck_assert_uint_le(fed, (size_t)REDIS_REPLY_MAX + REDIS_BULK_MAX);
}
END_TEST

START_TEST(test_reply_failed)
{
	redis_reply status = {.type = REDIS_REPLY_STATUS, .str = (char[]){"OK"}, .len = 2};
	redis_reply error = {.type = REDIS_REPLY_ERROR, .str = (char[]){"ERR x"}, .len = 5};
	redis_reply nil = {.type = REDIS_REPLY_NIL};
	struct err err = {0};

	ck_assert(!redis_reply_failed(&status, &err));
	ck_assert(!redis_reply_failed(&nil, &err));
	ck_assert_str_eq(err.text, "");
	ck_assert(redis_reply_failed(&error, &err));
	ck_assert_str_eq(err.text, "ERR x");
	ck_assert(redis_reply_failed(NULL, &err));
	ck_assert_str_eq(err.text, "connection lost");
	ck_assert_str_eq(redis_reply_text(&status, NULL), "OK");
	ck_assert_ptr_null(redis_reply_text(&nil, NULL));
	ck_assert_ptr_null(redis_reply_text(NULL, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redis_codec");
	TCase *tcase = tcase_create("codec");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, test_pieces);
	tcase_add_test(tcase, test_incomplete);
	tcase_add_loop_test(tcase, test_bad, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(tcase, test_large_strings);
	tcase_add_test(tcase, test_endless);
	tcase_add_test(tcase, test_reply_failed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
