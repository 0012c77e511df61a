/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kept.h"

#include "common/xalloc.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NODE "node-1"

static char dir[64];
static struct event_base *base;

static void setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/bulkhead-kept-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	base = event_base_new();
	ck_assert_ptr_nonnull(base);
}

static void teardown(void)
{
	cleanup_free char *file = xasprintf("%s/" STATE_FILE, dir);

	cleanup_free char *recent = xasprintf("%s/" STATE_FILE_RECENT, dir);

	event_base_free(base);
	unlink(file);
	unlink(recent);
	rmdir(dir);
}

static struct store_change put(enum store_kind kind, const char *id, const char *record)
{
	return (struct store_change){
		.kind = kind, .id = (char *)(uintptr_t)id, .record = (char *)(uintptr_t)record};
}

static void take(struct kept *kept, const char *stream, struct store_change change, bool whole)
{
	struct store_head head;
	struct err err = {0};
	static const char text[] = "1795451993510-12bbacb7:1:3d3df6e63ef1053d";

	ck_assert_msg(store_head_parse(text, strlen(text), &head, &err) == 0, "%s", err.text);
	kept_take(kept, stream, &change, 1, whole, &head);
}

#define POLICY  "{\"v\":1,\"name\":\"p\"}"
#define NETWORK "{\"v\":1,\"id\":\"n\"}"

START_TEST(test_what_is_kept_comes_back)
{
	const struct state_content *content;

	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		ck_assert_ptr_null(kept_content(kept));
		take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", POLICY), true);
		take(kept, STORE_POLICIES_STREAM, put(KIND_ISOLATION, "*/net", "\"strict\""),
			false);
		take(kept, STORE_NODE_STREAM NODE, put(KIND_NETWORK, "n", NETWORK), true);
		/* whose an address is, is true for one boot at most */
		take(kept, STORE_NODE_STREAM NODE, put(KIND_ENDPOINT, "e", "{}"), false);
	}
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		content = kept_content(kept);
		ck_assert_ptr_nonnull(content);
		ck_assert_uint_eq(content->policy_count, 2);
		ck_assert_uint_eq(content->network_count, 1);
		ck_assert_str_eq(content->networks[0].record, NETWORK);
		ck_assert(content->has_head);
		ck_assert(!kept_of_earlier_boot(kept));
		take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", NULL), false);
	}
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		ck_assert_uint_eq(kept_content(kept)->policy_count, 1);
		ck_assert_int_eq(kept_content(kept)->policies[0].kind, KIND_ISOLATION);
	}
}
END_TEST

/* Another process takes the changes, and is killed before they are on disk. */
static void take_and_die(struct store_change change)
{
	pid_t pid = fork();
	int status = 0;

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		take(kept_new(base, dir, NODE), STORE_POLICIES_STREAM, change, false);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void expect_policies(const char *node, size_t count)
{
	const struct state_content *content;
	CLEANUP(kept) struct kept *kept = kept_new(base, dir, node);

	content = kept_content(kept);
	ck_assert_uint_eq(content ? content->policy_count : 0, count);
}

START_TEST(test_a_killed_one_has_kept_the_last_change)
{
	cleanup_free char *recent = xasprintf("%s/" STATE_FILE_RECENT, dir);

	take_and_die(put(KIND_POLICY, "p", POLICY));
	take_and_die(put(KIND_POLICY, "q", POLICY));
	expect_policies(NODE, 2);
	expect_policies("node-2", 0);
	take_and_die(put(KIND_POLICY, "q", NULL));
	expect_policies(NODE, 1);
	/* what is on disk by now takes its place */
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "r", POLICY), false);
	}
	ck_assert_int_eq(access(recent, F_OK), -1);
	expect_policies(NODE, 2);
}
END_TEST

/* It was never said to be on disk: after a crash of the machine there may be anything. */
START_TEST(test_the_last_change_of_an_earlier_boot)
{
	cleanup_free char *recent = xasprintf("%s/" STATE_FILE_RECENT, dir);
	struct state_content content = {.node = xstrdup(NODE)};
	cleanup_file FILE *file = NULL;
	struct err err = {0};

	snprintf(content.boot, sizeof(content.boot), "00000000-0000-0000-0000-000000000000");
	snprintf(content.mode, sizeof(content.mode), "enforce");
	ck_assert_msg(!state_save_recent(dir, &content, &err), "%s", err.text);
	state_clear(&content);
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		ck_assert_ptr_null(kept_content(kept));
	}
	file = fopen(recent, "we");
	ck_assert_ptr_nonnull(file);
	expect_policies(NODE, 0);
}
END_TEST

START_TEST(test_another_node_has_no_use_for_it)
{
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", POLICY), true);
	}
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, "node-2");

		ck_assert_ptr_null(kept_content(kept));
	}
}
END_TEST

START_TEST(test_an_earlier_boot_is_told)
{
	struct state_content content = {.boot = "00000000-0000-0000-0000-000000000000",
		.mode = "enforce",
		.node = xstrdup(NODE)};
	struct err err = {0};

	ck_assert_msg(state_save(dir, &content, &err) == 0, "%s", err.text);
	state_clear(&content);
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		ck_assert(kept_of_earlier_boot(kept));
		/* what is written from now on is of this one, and this run began in it */
		take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", POLICY), true);
		ck_assert(kept_of_earlier_boot(kept));
	}
	{
		CLEANUP(kept) struct kept *kept = kept_new(base, dir, NODE);

		ck_assert(!kept_of_earlier_boot(kept));
	}
}
END_TEST

START_TEST(test_a_place_that_is_none_is_said)
{
	CLEANUP(kept) struct kept *kept = kept_new(base, "/proc/none/here", NODE);
	struct timeval bound = {.tv_sec = 3};

	take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", POLICY), true);
	event_base_loopexit(base, &bound);
	while (!kept_trouble(kept)[0] && !event_base_got_exit(base))
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_ptr_nonnull(strstr(kept_trouble(kept), "/proc/none/here"));
}
END_TEST

START_TEST(test_without_a_directory_nothing_is_kept)
{
	CLEANUP(kept) struct kept *kept = kept_new(base, "", NODE);

	take(kept, STORE_POLICIES_STREAM, put(KIND_POLICY, "p", POLICY), true);
	ck_assert_ptr_null(kept_content(kept));
	ck_assert_str_eq(kept_trouble(kept), "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kept");
	TCase *tcase = tcase_create("kept");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_what_is_kept_comes_back);
	tcase_add_test(tcase, test_a_killed_one_has_kept_the_last_change);
	tcase_add_test(tcase, test_the_last_change_of_an_earlier_boot);
	tcase_add_test(tcase, test_another_node_has_no_use_for_it);
	tcase_add_test(tcase, test_an_earlier_boot_is_told);
	tcase_add_test(tcase, test_a_place_that_is_none_is_said);
	tcase_add_test(tcase, test_without_a_directory_nothing_is_kept);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
