/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_lease.h"

#include "common/xalloc.h"

#include <check.h>
#include <string.h>

enum { LEASE_MS = STORE_HEARTBEAT_SECONDS * STORE_LEASE_HEARTBEATS * 1000 };

static const long long wall = 1800000000;
static const struct store_identity identity = {"n1", "engine-1", "boot-1", "1.0"};
static struct store_lease *lease;

static void setup(void)
{
	lease = store_lease_new(&identity, wall);
}

static void teardown(void)
{
	store_lease_free(lease);
}

/* At a time on both clocks: ms after the beginning, by our clock. */
static enum store_lease_verdict judge(const char *holder, long long ms)
{
	return store_lease_judge(lease, holder, 5000 + ms, wall + ms / 1000);
}

static enum store_lease_verdict judge_other(const char *engine, long long heartbeat, long long ms)
{
	cleanup_free char *holder =
		xasprintf("{\"v\":1,\"node\":\"n1\",\"engine\":\"%s\",\"boot\":"
			  "\"boot-1\",\"instance\":\"other\",\"heartbeat\":%lld}",
			engine, heartbeat);

	return judge(holder, ms);
}

START_TEST(test_record)
{
	cleanup_free char *text = store_lease_record(lease, wall + 7);
	cleanup_json json_t *record = json_loads(text, 0, NULL);
	struct store_lease *second = store_lease_new(&identity, wall);
	cleanup_free char *other = store_lease_record(second, wall + 7);

	ck_assert_int_eq(json_object_size(record), 8);
	ck_assert_int_eq(json_integer_value(json_object_get(record, "v")), 1);
	ck_assert_str_eq(json_string_value(json_object_get(record, "node")), "n1");
	ck_assert_str_eq(json_string_value(json_object_get(record, "engine")), "engine-1");
	ck_assert_str_eq(json_string_value(json_object_get(record, "boot")), "boot-1");
	ck_assert_str_eq(json_string_value(json_object_get(record, "version")), "1.0");
	ck_assert_int_eq(json_integer_value(json_object_get(record, "started")), wall);
	ck_assert_int_eq(json_integer_value(json_object_get(record, "heartbeat")), wall + 7);
	/* each run is an instance of its own */
	ck_assert_str_ne(text, other);
	ck_assert_int_eq(judge(text, 0), STORE_LEASE_OURS);
	ck_assert_int_eq(judge(other, 0), STORE_LEASE_BUSY);
	/* ours stays ours, however old */
	ck_assert_int_eq(judge(text, 100 * LEASE_MS), STORE_LEASE_OURS);
	store_lease_free(second);
}
END_TEST

static const char *const free_holders[] = {
	NULL,
	"",
	"nonsense",
	"[]",
	"{}",
	"{\"engine\":\"engine-2\",\"instance\":\"x\"}",
	"{\"engine\":\"engine-2\",\"instance\":\"x\",\"heartbeat\":0}",
	"{\"engine\":\"engine-2\",\"instance\":\"x\",\"heartbeat\":-5}",
	"{\"engine\":\"engine-2\",\"instance\":\"x\",\"heartbeat\":\"1800000000\"}",
	"{\"engine\":\"engine-2\",\"engine\":\"x\",\"heartbeat\":1800000000}",
};

START_TEST(test_held_by_nobody)
{
	ck_assert_int_eq(judge(free_holders[_i], 0), STORE_LEASE_FREE);
}
END_TEST

/* A syncd that was killed a moment ago: waited for, then followed. */
START_TEST(test_same_engine_dead)
{
	ck_assert_int_eq(judge_other("engine-1", wall, 0), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-1", wall, LEASE_MS), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-1", wall, LEASE_MS + 1), STORE_LEASE_FREE);
}
END_TEST

START_TEST(test_same_engine_dead_for_long)
{
	ck_assert_int_eq(judge_other("engine-1", wall - 4, 0), STORE_LEASE_FREE);
}
END_TEST

/* The clock was set back since the other died: its heartbeat lies in the future, but does not move. */
START_TEST(test_clock_went_back)
{
	ck_assert_int_eq(judge_other("engine-1", wall + 3600, 0), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-1", wall + 3600, LEASE_MS + 1), STORE_LEASE_FREE);
}
END_TEST

START_TEST(test_same_engine_alive)
{
	for (int second = 0; second < 60; second++)
		ck_assert_int_eq(
			judge_other("engine-1", wall + second, second * 1000LL), STORE_LEASE_BUSY);
}
END_TEST

/* One that goes on for longer than two leases is not about to end. */
START_TEST(test_rival)
{
	static const struct store_identity here = {"n1", "engine-1", "boot-2", "1.0"};
	struct store_lease *elsewhere = store_lease_new(&here, wall);
	cleanup_free char *same_host = NULL;

	for (int second = 0; second <= 7; second++) {
		cleanup_free char *early = store_lease_rival(lease);
		cleanup_free char *theirs = store_lease_record(elsewhere, wall + second);

		ck_assert_ptr_null(early);
		judge(theirs, second * 1000LL);
	}
	same_host = store_lease_rival(lease);
	ck_assert_msg(strstr(same_host, "node n1 is held by another syncd of the same Engine ID"),
		"%s", same_host);
	ck_assert(strstr(same_host, "cloned Engine identity?"));
	store_lease_free(elsewhere);
}
END_TEST

static const struct {
	const char *engine;
	long long step;
	const char *part; /* NULL: no rival */
} rivals[] = {
	{"engine-1", 1, "(instance unknown) on this host"},
	{"engine-1", 0, NULL},
	{"engine-2", 1, NULL},
};

/* Whose record stands still is dead, and another Engine is refused. What is no instance of ours is not shown. */
START_TEST(test_who_is_a_rival)
{
	cleanup_free char *rival = NULL;

	for (int second = 0; second <= 9; second++)
		judge_other(rivals[_i].engine, wall + second * rivals[_i].step, second * 1000LL);
	rival = store_lease_rival(lease);
	ck_assert_int_eq(rival != NULL, rivals[_i].part != NULL);
	ck_assert(!rival || strstr(rival, rivals[_i].part));
}
END_TEST

/* Given back and taken by the next one: that one's time counts anew. */
START_TEST(test_rivals_one_after_the_other)
{
	for (int second = 0; second <= 5; second++)
		judge_other("engine-1", wall + second, second * 1000LL);
	ck_assert_int_eq(judge_other("engine-1", 0, 5500), STORE_LEASE_FREE);
	for (int second = 6; second <= 11; second++)
		judge_other("engine-1", wall + second, second * 1000LL);
	ck_assert_ptr_null(store_lease_rival(lease));
}
END_TEST

/* Another host's clock says nothing: whether it moves does. */
START_TEST(test_other_engine_alive)
{
	long long theirs = wall + _i;

	ck_assert_int_eq(judge_other("engine-2", theirs, 0), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-2", theirs, 900), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-2", theirs + 1, 1000), STORE_LEASE_FOREIGN);
	ck_assert_int_eq(judge_other("engine-2", theirs + 1, 1250), STORE_LEASE_FOREIGN);
}
END_TEST

START_TEST(test_other_engine_dead)
{
	long long theirs = wall + _i;

	ck_assert_int_eq(judge_other("engine-2", theirs, 0), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-2", theirs, LEASE_MS), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-2", theirs, LEASE_MS + 1), STORE_LEASE_FREE);
}
END_TEST

/* What was seen of one holder does not count for the next one. */
START_TEST(test_memory_ends)
{
	ck_assert_int_eq(judge_other("engine-2", wall, 0), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge(NULL, 100), STORE_LEASE_FREE);
	ck_assert_int_eq(judge_other("engine-2", wall + 1, 200), STORE_LEASE_BUSY);
	ck_assert_int_eq(judge_other("engine-2", wall + 1, 200 + LEASE_MS), STORE_LEASE_BUSY);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_lease");
	TCase *tcase = tcase_create("judge");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_record);
	tcase_add_loop_test(
		tcase, test_held_by_nobody, 0, sizeof(free_holders) / sizeof(*free_holders));
	tcase_add_test(tcase, test_same_engine_dead);
	tcase_add_test(tcase, test_same_engine_dead_for_long);
	tcase_add_test(tcase, test_clock_went_back);
	tcase_add_test(tcase, test_same_engine_alive);
	/* clocks that agree, and that are an hour apart either way */
	for (int apart = -3600; apart <= 3600; apart += 3600) {
		tcase_add_loop_test(tcase, test_other_engine_alive, apart, apart + 1);
		tcase_add_loop_test(tcase, test_other_engine_dead, apart, apart + 1);
	}
	tcase_add_test(tcase, test_rival);
	tcase_add_loop_test(tcase, test_who_is_a_rival, 0, (int)(sizeof(rivals) / sizeof(*rivals)));
	tcase_add_test(tcase, test_rivals_one_after_the_other);
	tcase_add_test(tcase, test_memory_ends);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
