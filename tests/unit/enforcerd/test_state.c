/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state file: whole and true, or refused. */
#include "enforcerd/state.h"
#include "enforcerd/state_text.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define HEAD "1764000000000-0123abcd:7:0123456789abcdef"

static struct err err;
static char root[64], dir[80], file[96];

static void setup(void)
{
	snprintf(root, sizeof(root), "/tmp/bulkhead-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/state", root);
	snprintf(file, sizeof(file), "%s/%s", dir, STATE_FILE);
	err = (struct err){0};
}

static void teardown(void)
{
	char command[256];

	(void)umount2(dir, MNT_DETACH);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_ne(system(command), -1);
}

#define CHANGE(kind, id, record)                     \
	{                                            \
		kind, (char *)(id), (char *)(record) \
	}

static struct store_change policies[] = {
	CHANGE(KIND_POLICY, "db", "{\"name\":\"db\"}"), CHANGE(KIND_ISOLATION, "*/front", "strict"),
	CHANGE(KIND_LABELS, "n/one", "{\"a\":\"\xc3\xa9\"}"),
	CHANGE(KIND_POLICY, "bad \xff\xfe", "not JSON \xc3"), /* as it was found in the store */
};
static struct store_change networks[] = {CHANGE(KIND_NETWORK, "0123", "{\"v\":1}")};
static char node[] = "host-1";

static struct state_content example(void)
{
	struct state_content content = {.boot = "0f9d4a4e-2a8c-4c55-9b52-0d7a1a1c2b3d",
		.mode = "enforce",
		.node = node,
		.has_head = true,
		.policies = policies,
		.policy_count = sizeof(policies) / sizeof(*policies),
		.networks = networks,
		.network_count = 1};

	ck_assert_int_eq(store_head_parse(HEAD, strlen(HEAD), &content.head, NULL), 0);
	return content;
}

static void expect_records(const struct store_change *a, const struct store_change *b, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(a[i].kind, b[i].kind);
		ck_assert_str_eq(a[i].id, b[i].id);
		ck_assert_str_eq(a[i].record, b[i].record);
	}
}

static void expect_equal(const struct state_content *a, const struct state_content *b)
{
	ck_assert_str_eq(a->boot, b->boot);
	ck_assert_str_eq(a->mode, b->mode);
	ck_assert_str_eq(a->node, b->node);
	ck_assert_int_eq(a->has_head, b->has_head);
	if (a->has_head)
		ck_assert(store_head_equal(&a->head, &b->head));
	ck_assert_uint_eq(a->policy_count, b->policy_count);
	ck_assert_uint_eq(a->network_count, b->network_count);
	expect_records(a->policies, b->policies, a->policy_count);
	expect_records(a->networks, b->networks, a->network_count);
}

static void save(const struct state_content *content)
{
	ck_assert_msg(state_save(dir, content, &err) == 0, "%s", err.text);
}

static void expect_loaded(const struct state_content *wanted)
{
	struct state_content loaded;

	ck_assert_msg(state_load(dir, &loaded, &err) == 0, "%s", err.text);
	expect_equal(wanted, &loaded);
	state_clear(&loaded);
}

static void expect_empty(const struct state_content *content)
{
	ck_assert_ptr_null(content->node);
	ck_assert_ptr_null(content->policies);
	ck_assert_uint_eq(content->policy_count + content->network_count, 0);
}

static void expect_refused(const char *why)
{
	struct state_content loaded;

	err = (struct err){0};
	ck_assert_int_eq(state_load(dir, &loaded, &err), -1);
	ck_assert_msg(strstr(err.text, why) != NULL, "\"%s\" is not in \"%s\"", why, err.text);
	expect_empty(&loaded);
}

static void write_text(const char *text, size_t len)
{
	FILE *out = fopen(file, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(file, 0600), 0);
}

/* --- saving and loading ------------------------------------------------------------------------ */

START_TEST(test_round_trip)
{
	struct state_content content = example(), none = {.node = node};
	struct stat info;

	umask(0);
	save(&content);
	expect_loaded(&content);
	ck_assert_int_eq(stat(file, &info), 0);
	ck_assert_int_eq(info.st_mode & 07777, 0600);
	ck_assert_int_eq(stat(dir, &info), 0);
	ck_assert_int_eq(info.st_mode & 07777, 0700);
	save(&none);
	expect_loaded(&none);
}
END_TEST

START_TEST(test_nothing_there)
{
	struct state_content loaded;

	ck_assert_int_eq(state_load(dir, &loaded, &err), -1);
	ck_assert_int_eq(err.code, ENOENT);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	err = (struct err){0};
	ck_assert_int_eq(state_load(dir, &loaded, &err), -1);
	ck_assert_int_eq(err.code, ENOENT);
	expect_empty(&loaded);
}
END_TEST

START_TEST(test_boot)
{
	char boot[STATE_BOOT_SIZE], again[STATE_BOOT_SIZE];

	ck_assert_int_eq(state_boot(boot, &err), 0);
	ck_assert_int_eq(state_boot(again, &err), 0);
	ck_assert_str_eq(boot, again);
	ck_assert_uint_eq(strlen(boot), STATE_BOOT_SIZE - 1);
}
END_TEST

/* What a writer left that was killed between writing and renaming. */
START_TEST(test_killed_writer)
{
	struct state_content content = example();
	char left[128];
	int fd;

	save(&content);
	snprintf(left, sizeof(left), "%s.new", file);
	fd = open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0400);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq((int)write(fd, "half", 4), 4);
	close(fd);
	expect_loaded(&content);
	content.has_head = false;
	save(&content);
	expect_loaded(&content);
	ck_assert_int_eq(access(left, F_OK), -1);
}
END_TEST

START_TEST(test_what_is_no_state)
{
	struct state_content content = example();
	struct store_change endpoint = CHANGE(KIND_ENDPOINT, "e", "{}");
	struct store_change deletion = CHANGE(KIND_POLICY, "p", NULL);
	struct store_change *const wrong[] = {&endpoint, &deletion, &networks[0]};

	content.policies = wrong[_i];
	content.policy_count = 1;
	ck_assert_int_eq(state_save(dir, &content, &err), -1);
	ck_assert_int_eq(err.code, EINVAL);
	content = example();
	content.networks = &endpoint;
	ck_assert_int_eq(state_save(dir, &content, &err), -1);
	content = example();
	content.node = NULL;
	ck_assert_int_eq(state_save(dir, &content, &err), -1);
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------ */

START_TEST(test_every_truncation)
{
	struct state_content content = example(), loaded;
	size_t len = 0;
	cleanup_free char *text = state_encode(&content, &len, &err);

	for (size_t cut = 0; cut < len; cut++) {
		/* a copy of its own, so that the sanitizers see reading beyond it */
		cleanup_free char *part = malloc(cut + 1);

		memcpy(part, text, cut);
		err = (struct err){0};
		ck_assert_int_eq(state_decode(part, cut, &loaded, &err), -1);
		ck_assert(err.text[0] != '\0');
		expect_empty(&loaded);
	}
	ck_assert_int_eq(state_decode(text, len, &loaded, &err), 0);
	expect_equal(&content, &loaded);
	state_clear(&loaded);
}
END_TEST

START_TEST(test_every_bit)
{
	struct state_content content = example(), loaded;
	size_t len = 0;
	cleanup_free char *text = state_encode(&content, &len, &err);

	for (size_t bit = 0; bit < 8 * len; bit++) {
		text[bit / 8] ^= (char)(1 << bit % 8);
		if (state_decode(text, len, &loaded, NULL) == 0)
			ck_abort_msg("bit %zu of byte %zu is not missed", bit % 8, bit / 8);
		text[bit / 8] ^= (char)(1 << bit % 8);
	}
	ck_assert_int_eq(state_decode(text, len, &loaded, &err), 0);
	state_clear(&loaded);
}
END_TEST

START_TEST(test_appended)
{
	struct state_content content = example(), loaded;
	size_t len = 0;
	cleanup_free char *text = state_encode(&content, &len, &err);
	cleanup_free char *more = malloc(len + 1);

	memcpy(more, text, len);
	more[len] = ' ';
	ck_assert_int_eq(state_decode(more, len + 1, &loaded, &err), -1);
}
END_TEST

START_TEST(test_other_files)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"", "not a state file"},
		{"{}\n", "not a state file"},
		{"bulkhead-state\n", "not a state file"},
		{"bulkhead-state 2 anything at all\nmore", "of version 2"},
		{"bulkhead-state 1 00 2\n{}", "damaged"},
		{"bulkhead-state  1 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
		 " 2\n{}",
			"damaged: its first line"},
		{"bulkhead-state 1 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
		 " 2\n{}",
			"node"},
		{"bulkhead-state 1 4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
		 " 2\n[]",
			"not a JSON object"},
	};

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	write_text(cases[_i].text, strlen(cases[_i].text));
	expect_refused(cases[_i].why);
}
END_TEST

/* Rightly signed, and yet wrong: another program's, or ours with a fault. */
START_TEST(test_wrong_content)
{
	static const char *const bodies[] = {
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':7,'policies':[],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':'x','policies':[],'networks':[]}",
		"{'boot':'b','mode':'sixteen-or-more-bytes','node':'n','head':null,'policies':[],"
		"'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':{},'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[7],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'endpoint',"
		"'id':'e','record':'{}'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id':'e'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id_hex':'6','record':'{}'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id_hex':'00','record':'{}'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id_hex':'6g','record':'{}'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id':'e','id_hex':'65','record':'{}'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[{'kind':'policy',"
		"'id':'e','record':'a\\u0000b'}],'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[],'networks':["
		"{'kind':'policy','id':'e','record':'{}'}]}",
		"{'boot':'b','boot':'b','mode':'enforce','node':'n','head':null,'policies':[],"
		"'networks':[]}",
		"{'boot':'b','mode':'enforce','node':'n','head':null,'policies':[],'networks':[]}",
	};
	char body[512], sum[128] = "", command[256];
	FILE *pipe;

	snprintf(body, sizeof(body), "%s", bodies[_i]);
	for (char *c = body; *c; c++)
		if (*c == '\'')
			*c = '"';
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	write_text(body, strlen(body));
	/* the checksum as another program makes it */
	snprintf(command, sizeof(command), "sha256sum < %s", file);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(fgets(sum, sizeof(sum), pipe));
	pclose(pipe);
	sum[64] = '\0';
	{
		char text[1024];

		snprintf(
			text, sizeof(text), "bulkhead-state 1 %s %zu\n%s", sum, strlen(body), body);
		write_text(text, strlen(text));
	}
	if (_i < (int)(sizeof(bodies) / sizeof(*bodies)) - 1) {
		expect_refused("is not used");
	} else {
		struct state_content loaded;

		ck_assert_msg(state_load(dir, &loaded, &err) == 0, "%s", err.text);
		ck_assert_str_eq(loaded.boot, "b");
		state_clear(&loaded);
	}
}
END_TEST

START_TEST(test_too_large)
{
	struct state_content content = example();
	cleanup_free char *record = malloc(STATE_BYTES_MAX + 1);
	struct store_change large = {KIND_POLICY, node, record};

	save(&content);
	memset(record, 'x', STATE_BYTES_MAX);
	record[STATE_BYTES_MAX] = '\0';
	content.policies = &large;
	content.policy_count = 1;
	ck_assert_int_eq(state_save(dir, &content, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "more than"));
	content = example();
	expect_loaded(&content);
	ck_assert_int_eq(truncate(file, STATE_BYTES_MAX + 1), 0);
	expect_refused("more than");
}
END_TEST

/* --- the file system --------------------------------------------------------------------------- */

START_TEST(test_no_room)
{
	struct state_content content = example();
	char *record = malloc(1 << 20);
	struct store_change large = {KIND_POLICY, node, record};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0) {
		printf("SKIP: a full file system needs root\n");
		ck_assert_msg(!getenv("CI"), "skipped");
		free(record);
		return;
	}
	ck_assert_int_eq(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(mount("none", dir, "tmpfs", 0, "size=64k,mode=0700"), 0);
	save(&content);
	memset(record, 'x', (1 << 20) - 1);
	record[(1 << 20) - 1] = '\0';
	content.policies = &large;
	content.policy_count = 1;
	ck_assert_int_eq(state_save(dir, &content, &err), -1);
	ck_assert_int_eq(err.code, ENOSPC);
	content = example();
	expect_loaded(&content);
	/* and what was begun is gone, so that there is room for a small one */
	content.has_head = false;
	save(&content);
	expect_loaded(&content);
	free(record);
}
END_TEST

START_TEST(test_unwritable)
{
	struct state_content content = example();
	pid_t pid;
	int status = -1;

	if (geteuid() != 0) {
		printf("SKIP: another user needs root\n");
		ck_assert_msg(!getenv("CI"), "skipped");
		return;
	}
	save(&content);
	ck_assert_int_eq(chmod(root, 0755), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		_exit(!(state_save(dir, &content, &err) == -1 && err.code == EACCES &&
			strstr(err.text, file)));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	expect_loaded(&content);
}
END_TEST

START_TEST(test_no_parent)
{
	struct state_content content = example();

	ck_assert_int_eq(state_save("/nonexistent/bulkhead/state", &content, &err), -1);
	ck_assert_int_eq(err.code, ENOENT);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/bulkhead/state"));
}
END_TEST

START_TEST(test_written_by_others)
{
	struct state_content content = example();

	save(&content);
	ck_assert_int_eq(chmod(file, 0620), 0);
	expect_refused("may be written by others");
	ck_assert_int_eq(chmod(file, 0600), 0);
	ck_assert_int_eq(chmod(dir, 01777), 0);
	expect_refused("its directory may be written by others");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	expect_loaded(&content);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(file, 12345, 0), 0);
		expect_refused("belongs to user 12345");
	}
}
END_TEST

START_TEST(test_no_file)
{
	char other[128];

	ck_assert_int_eq(mkdir(dir, 0700), 0);
	ck_assert_int_eq(mkdir(file, 0700), 0);
	expect_refused("not a regular file");
	ck_assert_int_eq(rmdir(file), 0);
	ck_assert_int_eq(mkfifo(file, 0600), 0);
	expect_refused("not a regular file"); /* and it does not wait for a writer */
	ck_assert_int_eq(unlink(file), 0);
	snprintf(other, sizeof(other), "%s/other", root);
	ck_assert_int_eq(symlink(other, file), 0);
	expect_refused("open ");
}
END_TEST

static void add_tests(TCase *tests)
{
	tcase_add_test(tests, test_round_trip);
	tcase_add_test(tests, test_nothing_there);
	tcase_add_test(tests, test_boot);
	tcase_add_test(tests, test_killed_writer);
	tcase_add_loop_test(tests, test_what_is_no_state, 0, 3);
	tcase_add_test(tests, test_every_truncation);
	tcase_add_test(tests, test_every_bit);
	tcase_add_test(tests, test_appended);
	tcase_add_loop_test(tests, test_other_files, 0, 8);
	tcase_add_loop_test(tests, test_wrong_content, 0, 16);
	tcase_add_test(tests, test_too_large);
	tcase_add_test(tests, test_no_room);
	tcase_add_test(tests, test_unwritable);
	tcase_add_test(tests, test_no_parent);
	tcase_add_test(tests, test_written_by_others);
	tcase_add_test(tests, test_no_file);
}

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tests = tcase_create("state");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	add_tests(tests);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
