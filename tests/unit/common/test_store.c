/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store.h"

#include "common/xalloc.h"

#include <check.h>
#include <string.h>
#include <time.h>

#define EPOCH "1700000000000-0123abcd"
#define HEAD  EPOCH ":7:00ff"

/* --- heads ------------------------------------------------------------------------------------- */

static const char *const bad_heads[] = {
	"",
	":",
	"::",
	"::::",
	"nonsense",
	EPOCH,
	EPOCH ":7",
	EPOCH ":7:",
	EPOCH "::00ff",
	EPOCH ":7:00ff:",
	EPOCH ":7:00ff:1",
	EPOCH ":7:00FF",
	EPOCH ":7:00ff ",
	" " HEAD,
	EPOCH ":-7:00ff",
	EPOCH ":+7:00ff",
	EPOCH ":0x7:00ff",
	EPOCH ":10000000000000000000:00ff",
	EPOCH ":7:000000000000000000000000",
	/* epochs are of one width, or their order would not be that of time */
	":7:00ff",
	"170000000000-0123abcd:7:00ff",
	"17000000000000-0123abcd:7:00ff",
	"1700000000000-0123abc:7:00ff",
	"1700000000000-0123abcd0:7:00ff",
	"17000000000000123abcdef:7:00ff",
	"1700000000000-0123-bcd:7:00ff",
	"170000000000a-0123abcd:7:00ff",
	/* after the last there could be no later one */
	"9999999999999-0123abcd:7:00ff",
};

START_TEST(test_bad_heads)
{
	struct store_head head = {.epoch = "untouched"};
	struct err err = {0};

	ck_assert_int_eq(store_head_parse(bad_heads[_i], strlen(bad_heads[_i]), &head, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "is not epoch:revision:id"));
	ck_assert_str_eq(head.epoch, "untouched");
}
END_TEST

START_TEST(test_head_round_trip)
{
	char text[STORE_HEAD_MAX];
	struct store_head head, other;
	struct err err = {0};

	ck_assert_int_eq(store_head_parse(HEAD, strlen(HEAD), &head, &err), 0);
	ck_assert_str_eq(head.epoch, EPOCH);
	ck_assert_uint_eq(head.revision, 7);
	ck_assert_str_eq(head.id, "00ff");
	ck_assert_str_eq(store_head_format(&head, text), HEAD);
	/* the length counts, not a terminator that may not be there */
	ck_assert_int_eq(store_head_parse(HEAD "ff", strlen(HEAD), &other, &err), 0);
	ck_assert(store_head_equal(&head, &other));
	ck_assert_int_eq(store_head_parse("a\0b", 3, &other, &err), -1);
	ck_assert_int_eq(store_head_parse(EPOCH ":7:0\0ff", strlen(HEAD), &other, &err), -1);
}
END_TEST

START_TEST(test_head_next)
{
	struct store_head head = {.epoch = EPOCH, .revision = 7, .id = "00ff"};
	struct store_head next = store_head_next(&head), other = store_head_next(&head), parsed;
	char text[STORE_HEAD_MAX];

	ck_assert_uint_eq(next.revision, 8);
	ck_assert_str_eq(next.epoch, EPOCH);
	/* two that write on top of the same head are told apart */
	ck_assert_uint_eq(other.revision, 8);
	ck_assert(!store_head_equal(&next, &other));
	ck_assert(!store_head_equal(&next, &head));
	store_head_format(&next, text);
	ck_assert_int_eq(store_head_parse(text, strlen(text), &parsed, NULL), 0);
	ck_assert(store_head_equal(&parsed, &next));
}
END_TEST

static bool sound(const char *epoch)
{
	cleanup_free char *text = xasprintf("%s:1:0", epoch);
	struct store_head head;

	return store_head_parse(text, strlen(text), &head, NULL) == 0;
}

START_TEST(test_epochs)
{
	char epoch[STORE_EPOCH_MAX], second[STORE_EPOCH_MAX], after[STORE_EPOCH_MAX];
	long long ms;

	store_epoch_new(epoch);
	store_epoch_new(second);
	ck_assert(sound(epoch));
	ck_assert_str_ne(epoch, second);
	ms = strtoll(epoch, NULL, 10);
	ck_assert_int_le(llabs(ms / 1000 - (long long)time(NULL)), 2);
	ck_assert_int_eq(store_epoch_cmp(epoch, epoch), 0);
	ck_assert_int_lt(store_epoch_cmp(EPOCH, epoch), 0);
	ck_assert_int_gt(store_epoch_cmp(epoch, EPOCH), 0);
	/* now, or where the clock went back, just after */
	store_epoch_after(after, EPOCH);
	ck_assert_int_ge(strtoll(after, NULL, 10), ms);
	store_epoch_after(after, "9000000000000-ffffffff");
	ck_assert_int_eq(strtoll(after, NULL, 10), 9000000000001);
	ck_assert(sound(after));
}
END_TEST

START_TEST(test_epoch_after_anything)
{
	static const char *const others[] = {"", "x", "9999999999998-ffffffff", "9999999999999-0",
		"99999999999999999999999999", "-1"};
	char after[STORE_EPOCH_MAX];

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
		store_epoch_after(after, others[i]);
		ck_assert_uint_eq(strlen(after), 22);
		ck_assert_uint_eq(strspn(after, "0123456789"), 13);
	}
}
END_TEST

/* --- names ------------------------------------------------------------------------------------- */

static void expect_text(char *text, const char *expected)
{
	ck_assert_str_eq(text, expected);
	free(text);
}

START_TEST(test_keys)
{
	expect_text(store_head_key("policies"), "bulkhead:v1:head:policies");
	expect_text(store_head_key("node:n1"), "bulkhead:v1:head:node:n1");
	expect_text(store_channel("node:n1"), "bulkhead:v1:events:node:n1");
	expect_text(store_hash_key("node:n1", KIND_ENDPOINT), "bulkhead:v1:endpoints:n1");
	expect_text(store_hash_key("node:n1", KIND_NETWORK), "bulkhead:v1:networks:n1");
	expect_text(store_hash_key("policies", KIND_POLICY), "bulkhead:v1:policies");
	expect_text(store_hash_key("policies", KIND_ISOLATION), "bulkhead:v1:isolation");
	expect_text(store_hash_key("policies", KIND_LABELS), "bulkhead:v1:labels");
	expect_text(store_hash_key("policies", KIND_MODE), "bulkhead:v1:mode");
	expect_text(store_status_key("n1"), "bulkhead:v1:status:n1");
	expect_text(store_accept_key("policies"), "bulkhead:v1:accept:policies");
	expect_text(store_history_key("policies"), "bulkhead:v1:history:policies");
}
END_TEST

START_TEST(test_kinds)
{
	enum store_kind kind;

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		ck_assert(store_kind_parse(store_kind_name((enum store_kind)i), &kind));
		ck_assert_uint_eq(kind, i);
		/* each belongs to exactly one sort of stream */
		ck_assert_int_ne(
			store_stream_has("policies", kind), store_stream_has("node:n1", kind));
	}
	ck_assert(store_stream_has("node:n1", KIND_ENDPOINT));
	ck_assert(store_stream_has("policies", KIND_LABELS));
	ck_assert(!store_kind_parse("", &kind));
	ck_assert(!store_kind_parse("policies", &kind));
}
END_TEST

/* --- events ------------------------------------------------------------------------------------ */

static const struct store_head prev = {EPOCH, 6, "00fe"}, head = {EPOCH, 7, "00ff"};

START_TEST(test_event_round_trip)
{
	struct store_change changes[] = {
		{KIND_POLICY, (char[]){"a \"quoted\" name"},
			(char[]){"{\"order\":1,\"x\":[true]}"}},
		{KIND_POLICY, (char[]){"gone"}, NULL},
		{KIND_ISOLATION, (char[]){"*/net"}, (char[]){"strict"}},
		{KIND_ISOLATION, (char[]){"n/quoted"}, (char[]){"\"text\""}},
		{KIND_LABELS, (char[]){"*/\xc3\xa9"}, (char[]){"{}"}},
		{KIND_MODE, (char[]){"*"}, (char[]){"audit"}},
		{KIND_MODE, (char[]){"web-1"}, NULL},
		/* a put must not arrive as a deletion, however odd its record */
		{KIND_POLICY, (char[]){"number"}, (char[]){"104857"}},
		{KIND_POLICY, (char[]){"null"}, (char[]){"null"}},
		{KIND_POLICY, (char[]){"empty"}, (char[]){""}},
	};
	size_t count = sizeof(changes) / sizeof(*changes);
	cleanup_free char *text = store_event_encode("policies", &prev, &head, changes, count);
	struct store_event event;
	struct err err = {0};

	ck_assert_msg(
		!store_event_decode(text, strlen(text), "policies", &event, &err), "%s", err.text);
	ck_assert(event.has_prev);
	ck_assert(store_head_equal(&event.prev, &prev));
	ck_assert(store_head_equal(&event.head, &head));
	ck_assert_uint_eq(event.count, count);
	for (size_t i = 0; i < count; i++) {
		ck_assert_uint_eq(event.changes[i].kind, changes[i].kind);
		ck_assert_str_eq(event.changes[i].id, changes[i].id);
		ck_assert_pstr_eq(event.changes[i].record, changes[i].record);
	}
	store_event_clear(&event);
	ck_assert_uint_eq(event.count, 0);
}
END_TEST

/* As design 3.2 writes it, for other programs. */
START_TEST(test_event_text)
{
	struct store_change changes[] = {{KIND_ENDPOINT, (char[]){"e"}, (char[]){"{\"v\": 1}"}},
		{KIND_NETWORK, (char[]){"n"}, NULL}};

	expect_text(store_event_encode("node:n1", &prev, &head, changes, 2),
		"{\"v\":1,\"stream\":\"node:n1\",\"prev\":\"" EPOCH ":6:00fe\",\"head\":\"" HEAD
		"\",\"changes\":[{\"op\":\"put\",\"kind\":\"endpoint\",\"id\":\"e\",\"record\":"
		"{\"v\":1}},{\"op\":\"del\",\"kind\":\"network\",\"id\":\"n\"}]}");
	expect_text(store_event_encode("node:n1", NULL, &head, NULL, 0),
		"{\"v\":1,\"stream\":\"node:n1\",\"prev\":null,\"head\":\"" HEAD
		"\",\"changes\":[]}");
}
END_TEST

#define EVENT(rest) "{\"v\":1,\"stream\":\"policies\",\"prev\":null,\"head\":\"" HEAD "\"" rest "}"
#define CHANGE(one) EVENT(",\"changes\":[" one "]")

/* As other programs may write it. */
START_TEST(test_event_odd_records)
{
	static const char *const records[] = {"7", "null", "true", "1.5", "[]"};
	struct store_event event;

	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++) {
		cleanup_free char *text = xasprintf(
			CHANGE("{\"op\":\"put\",\"kind\":\"policy\",\"id\":\"a\",\"record\":%s}"),
			records[i]);

		ck_assert_int_eq(
			store_event_decode(text, strlen(text), "policies", &event, NULL), 0);
		ck_assert_pstr_eq(event.changes[0].record, records[i]);
		store_event_clear(&event);
	}
}
END_TEST

/* What does not go into an event is not cut short: readers are sent to the snapshot. */
static void expect_without_changes(const struct store_change *changes)
{
	cleanup_free char *text = store_event_encode("policies", &prev, &head, changes, 1);
	struct store_event event;

	ck_assert_uint_lt(strlen(text), 300);
	ck_assert_int_eq(store_event_decode(text, strlen(text), "policies", &event, NULL), 0);
	ck_assert(!event.has_prev);
	ck_assert(store_head_equal(&event.head, &head));
	ck_assert_uint_eq(event.count, 0);
	store_event_clear(&event);
}

START_TEST(test_event_too_large)
{
	cleanup_free char *large = xcalloc(STORE_EVENT_MAX + 1, 1);
	struct store_change change = {KIND_POLICY, (char[]){"a"}, large};

	memset(large, 'x', STORE_EVENT_MAX);
	expect_without_changes(&change);
}
END_TEST

START_TEST(test_event_not_utf8)
{
	struct store_change record = {KIND_POLICY, (char[]){"a"}, (char[]){"\xff\xfe"}};
	struct store_change id = {KIND_POLICY, (char[]){"\xff"}, (char[]){"{}"}};

	expect_without_changes(&record);
	expect_without_changes(&id);
}
END_TEST

static const struct {
	const char *text, *reason;
} bad_events[] = {
	{"", "decode event"},
	{"{", "decode event"},
	{"null", "decode event"},
	{"[]", "version is not 1"},
	{"{}", "version is not 1"},
	{"{\"v\":2}", "version is not 1"},
	{"{\"v\":\"1\"}", "version is not 1"},
	{"{\"v\":1,\"v\":1}", "duplicate object key"},
	{"{\"v\":1}", "of another stream"},
	{"{\"v\":1,\"stream\":\"node:n1\"}", "of another stream"},
	{"{\"v\":1,\"stream\":7}", "of another stream"},
	{"{\"v\":1,\"stream\":\"policies\"}", "head is not a string"},
	{"{\"v\":1,\"stream\":\"policies\",\"head\":7}", "head is not a string"},
	{"{\"v\":1,\"stream\":\"policies\",\"head\":\"x\"}", "is not epoch:revision:id"},
	{"{\"v\":1,\"stream\":\"policies\",\"head\":\"" HEAD "\",\"prev\":\"x\"}",
		"is not epoch:revision:id"},
	{"{\"v\":1,\"stream\":\"policies\",\"head\":\"" HEAD "\",\"prev\":7}",
		"head is not a string"},
	{EVENT(""), "changes is not an array"},
	{EVENT(",\"changes\":{}"), "changes is not an array"},
	{CHANGE("7"), "changes[0]: op is not put or del"},
	{CHANGE("{}"), "changes[0]: op is not put or del"},
	{CHANGE("{\"op\":\"set\"}"), "op is not put or del"},
	{CHANGE("{\"op\":\"del\"}"), "unknown kind"},
	{CHANGE("{\"op\":\"del\",\"kind\":\"x\"}"), "unknown kind"},
	{CHANGE("{\"op\":\"del\",\"kind\":\"policy\"}"), "id is missing"},
	{CHANGE("{\"op\":\"del\",\"kind\":\"policy\",\"id\":\"\"}"), "id is missing"},
	{CHANGE("{\"op\":\"del\",\"kind\":\"policy\",\"id\":\"a\\u0000b\"}"), "decode event"},
	{CHANGE("{\"op\":\"put\",\"kind\":\"policy\",\"id\":\"a\"}"), "record of a is missing"},
	{CHANGE("{\"op\":\"del\",\"kind\":\"endpoint\",\"id\":\"a\"}"),
		"kind endpoint is not of this stream"},
	/* a good one before a bad one is no good either */
	{CHANGE("{\"op\":\"del\",\"kind\":\"policy\",\"id\":\"a\"},{\"op\":\"x\"}"), "changes[1]"},
};

START_TEST(test_bad_events)
{
	struct store_event event;
	struct err err = {0};
	const char *text = bad_events[_i].text;

	ck_assert_int_eq(store_event_decode(text, strlen(text), "policies", &event, &err), -1);
	ck_assert_msg(strstr(err.text, bad_events[_i].reason), "%s: %s", text, err.text);
	ck_assert(!event.changes && !event.count);
}
END_TEST

START_TEST(test_event_size_is_bounded)
{
	cleanup_free char *text = xcalloc(STORE_EVENT_MAX + 2, 1);
	static const char good[] = CHANGE("");
	struct store_event event;
	struct err err = {0};

	memset(text, ' ', STORE_EVENT_MAX + 1);
	memcpy(text, good, sizeof(good) - 1);
	ck_assert_int_eq(store_event_decode(text, STORE_EVENT_MAX, "policies", &event, &err), 0);
	store_event_clear(&event);
	ck_assert_int_eq(
		store_event_decode(text, STORE_EVENT_MAX + 1, "policies", &event, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "more than"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *heads = tcase_create("heads"), *events = tcase_create("events");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(heads, test_bad_heads, 0, sizeof(bad_heads) / sizeof(*bad_heads));
	tcase_add_test(heads, test_head_round_trip);
	tcase_add_test(heads, test_head_next);
	tcase_add_test(heads, test_epochs);
	tcase_add_test(heads, test_epoch_after_anything);
	tcase_add_test(heads, test_keys);
	tcase_add_test(heads, test_kinds);
	suite_add_tcase(suite, heads);
	tcase_add_test(events, test_event_round_trip);
	tcase_add_test(events, test_event_text);
	tcase_add_test(events, test_event_odd_records);
	tcase_add_test(events, test_event_too_large);
	tcase_add_test(events, test_event_not_utf8);
	tcase_add_loop_test(events, test_bad_events, 0, sizeof(bad_events) / sizeof(*bad_events));
	tcase_add_test(events, test_event_size_is_bounded);
	suite_add_tcase(suite, events);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
