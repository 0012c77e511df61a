/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/config.h"

#include "common/xalloc.h"
#include "tests/unit/common/capture.h"

#include <limits.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* One option of each kind. A global, because a table's targets are addresses. */
static struct {
	char *url, *node, *password;
	bool check, images;
	long resync, mask;
	struct config_list networks;
} got;

static int check_node(const char *value, struct err *err)
{
	return strchr(value, ' ') ? err_set(err, 0, "\"%s\" is not a node name", value) : 0;
}

static const struct config_option first_table[] = {
	{"redis", "T_REDIS_URL", "URL", "redis://127.0.0.1:6379", "the store", CONFIG_STRING,
		&got.url},
	{"redis-password", "T_REDIS_PASSWORD", "TEXT", NULL, "its password", CONFIG_STRING,
		&got.password, 0, 0, true},
	{"node", "T_NODE", "NAME", NULL, "this host", CONFIG_CHECKED, &got.node, 0, 0, false,
		check_node},
	{NULL}};

static const struct config_option second_table[] = {
	{"check", NULL, NULL, NULL, "test and exit", CONFIG_FLAG, &got.check},
	{"image-labels", "T_IMAGES", "on|off", "off", "count them", CONFIG_BOOL, &got.images},
	{"resync", "T_RESYNC", "SECONDS", "60", "how often", CONFIG_NUMBER, &got.resync, 1, 3600},
	{"mark-mask", "T_MASK", "MASK", "0xffff0000", "our bits", CONFIG_NUMBER, &got.mask, 0,
		LONG_MAX},
	{"strict-network-with-a-long-name", "T_NETWORKS", "GLOB", NULL, "strict ones", CONFIG_LIST,
		&got.networks},
	{NULL}};

static const struct config_option *const tables[] = {first_table, second_table, NULL};
static const struct config_program program = {
	"bulkhead-test", "[OPTION]...", "Tests the table.", tables};

static const char *const variables[] = {"T_REDIS_URL", "T_REDIS_URL_FILE", "T_REDIS_PASSWORD",
	"T_REDIS_PASSWORD_FILE", "T_NODE", "T_NODE_FILE", "T_IMAGES", "T_RESYNC", "T_MASK",
	"T_NETWORKS"};

static void setup(void)
{
	for (size_t i = 0; i < COUNT(variables); i++)
		unsetenv(variables[i]);
	memset(&got, 0, sizeof(got));
}

static void teardown(void)
{
	config_free(&program);
}

enum { ARGS_MAX = 16 };

/* "--node a" as an argv; the words' texts belong to copy. */
static int split_args(char *copy, char *argv[ARGS_MAX])
{
	static char name[] = "bulkhead-test";
	char *save = NULL;
	int argc = 0;

	argv[argc++] = name;
	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	return argc;
}

static enum config_outcome parse(const char *args, int *rest)
{
	cleanup_free char *copy = xstrdup(args);
	char *argv[ARGS_MAX];
	int argc = split_args(copy, argv);

	return config_parse(&program, argc, argv, rest);
}

static void run(const char *args)
{
	ck_assert_int_eq(parse(args, NULL), CONFIG_RUN);
}

/* Parses what must be refused; returns what was said on stderr. */
static char *complaint(const char *args)
{
	struct capture capture = capture_begin(stderr);
	enum config_outcome outcome = parse(args, NULL);
	char *text = capture_end(&capture);

	ck_assert_msg(outcome == CONFIG_EXIT_USAGE, "\"%s\" was taken", args);
	return text;
}

/* --- where a value comes from ---------------------------------------------------------------------------- */

START_TEST(test_defaults)
{
	run("");
	ck_assert_str_eq(got.url, "redis://127.0.0.1:6379");
	ck_assert_ptr_null(got.node);
	ck_assert_ptr_null(got.password);
	ck_assert(!got.check);
	ck_assert(!got.images);
	ck_assert_int_eq(got.resync, 60);
	ck_assert_int_eq(got.mask, 0xffff0000L);
	ck_assert_uint_eq(got.networks.count, 0);
}
END_TEST

START_TEST(test_the_environment_goes_before_defaults)
{
	setenv("T_REDIS_URL", "unix:///run/redis", 1);
	setenv("T_NODE", "alpha", 1);
	setenv("T_IMAGES", "on", 1);
	setenv("T_RESYNC", "5", 1);
	setenv("T_MASK", "0xFF", 1);
	setenv("T_NETWORKS", "front, back-*,,\tlast ,", 1);
	run("");
	ck_assert_str_eq(got.url, "unix:///run/redis");
	ck_assert_str_eq(got.node, "alpha");
	ck_assert(got.images);
	ck_assert_int_eq(got.resync, 5);
	ck_assert_int_eq(got.mask, 255);
	ck_assert_uint_eq(got.networks.count, 3);
	ck_assert_str_eq(got.networks.items[0], "front");
	ck_assert_str_eq(got.networks.items[1], "back-*");
	ck_assert_str_eq(got.networks.items[2], "last");
}
END_TEST

START_TEST(test_flags_go_before_the_environment)
{
	setenv("T_REDIS_URL", "unix:///run/redis", 1);
	setenv("T_RESYNC", "not even a number", 1); /* never looked at */
	setenv("T_IMAGES", "on", 1);
	setenv("T_NETWORKS", "front", 1);
	run("--redis rediss://r --resync=7 --image-labels off --check "
	    "--strict-network-with-a-long-name a --strict-network-with-a-long-name b,c");
	ck_assert_str_eq(got.url, "rediss://r");
	ck_assert_int_eq(got.resync, 7);
	ck_assert(!got.images);
	ck_assert(got.check);
	ck_assert_uint_eq(got.networks.count, 3);
	ck_assert_str_eq(got.networks.items[0], "a");
	ck_assert_str_eq(got.networks.items[2], "c");
}
END_TEST

START_TEST(test_the_last_of_a_flag_counts)
{
	run("--node a --node=b");
	ck_assert_str_eq(got.node, "b");
}
END_TEST

START_TEST(test_an_empty_variable_is_not_set)
{
	for (size_t i = 0; i < COUNT(variables); i++)
		setenv(variables[i], "", 1);
	run("");
	ck_assert_str_eq(got.url, "redis://127.0.0.1:6379");
	ck_assert_ptr_null(got.node);
	ck_assert_ptr_null(got.password);
	ck_assert_int_eq(got.resync, 60);
}
END_TEST

START_TEST(test_an_empty_flag_is_a_value)
{
	setenv("T_NODE", "alpha", 1);
	run("--node=");
	ck_assert_str_eq(got.node, "");
}
END_TEST

START_TEST(test_parsing_twice)
{
	run("--node a --check");
	config_free(&program);
	ck_assert_ptr_null(got.node);
	config_free(&program);
	run("--node b");
	ck_assert_str_eq(got.node, "b");
}
END_TEST

/* --- secrets ------------------------------------------------------------------------------------------------ */

/* A file with these bytes; its name is valid until the test ends. */
static const char *file_with(const void *data, size_t n)
{
	static char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s", "/tmp/bulkhead-test-config-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, data, n), (ssize_t)n);
	close(fd);
	return path;
}

static void secret_file(const char *text)
{
	setenv("T_REDIS_PASSWORD_FILE", file_with(text, strlen(text)), 1);
}

static void remove_secret_file(void)
{
	unlink(getenv("T_REDIS_PASSWORD_FILE"));
}

START_TEST(test_a_secret_is_the_first_line_of_its_file)
{
	static const char *const contents[] = {
		"s3cret word\n", "s3cret word", "s3cret word\r\n", "s3cret word\nsecond line\n"};

	for (size_t i = 0; i < COUNT(contents); i++) {
		secret_file(contents[i]);
		run("");
		remove_secret_file();
		ck_assert_str_eq(got.password, "s3cret word");
	}
}
END_TEST

START_TEST(test_the_variable_itself_goes_before_its_file)
{
	setenv("T_REDIS_PASSWORD", "direct", 1);
	setenv("T_REDIS_PASSWORD_FILE", "/nowhere", 1);
	run("");
	ck_assert_str_eq(got.password, "direct");
}
END_TEST

START_TEST(test_the_flag_goes_before_a_secrets_file)
{
	setenv("T_REDIS_PASSWORD_FILE", "/nowhere", 1);
	run("--redis-password given");
	ck_assert_str_eq(got.password, "given");
}
END_TEST

START_TEST(test_only_secrets_have_files)
{
	setenv("T_NODE_FILE", "/nowhere", 1);
	run("");
	ck_assert_ptr_null(got.node);
}
END_TEST

START_TEST(test_a_secret_file_that_cannot_be_read_is_refused)
{
	cleanup_free char *missing = NULL, *folder = NULL;

	setenv("T_REDIS_PASSWORD_FILE", "/nowhere/file", 1);
	missing = complaint("");
	ck_assert_ptr_nonnull(strstr(
		missing, "T_REDIS_PASSWORD_FILE: open /nowhere/file: No such file or directory"));
	setenv("T_REDIS_PASSWORD_FILE", "/tmp", 1);
	folder = complaint("");
	ck_assert_ptr_nonnull(strstr(folder, "T_REDIS_PASSWORD_FILE: read /tmp: Is a directory"));
}
END_TEST

START_TEST(test_an_empty_secret_file_is_refused)
{
	static const char *const contents[] = {"", "\n", "\r\n", "\nsecond line"};

	for (size_t i = 0; i < COUNT(contents); i++) {
		cleanup_free char *text = NULL;

		secret_file(contents[i]);
		text = complaint("");
		remove_secret_file();
		ck_assert_ptr_nonnull(strstr(text, "T_REDIS_PASSWORD_FILE: read /tmp/"));
		ck_assert_ptr_nonnull(strstr(text, ": first line is empty"));
	}
}
END_TEST

/* Half of a secret must not be tried as the whole. */
START_TEST(test_an_overlong_secret_is_refused)
{
	enum { LONGEST = 4094 };
	char line[LONGEST + 3];
	cleanup_free char *text = NULL;

	memset(line, 'x', sizeof(line));
	line[LONGEST] = '\n';
	line[LONGEST + 1] = '\0';
	secret_file(line);
	run("");
	remove_secret_file();
	ck_assert_uint_eq(strlen(got.password), LONGEST);

	line[LONGEST] = 'x';
	line[LONGEST + 1] = '\n';
	line[LONGEST + 2] = '\0';
	secret_file(line);
	text = complaint("");
	remove_secret_file();
	ck_assert_ptr_nonnull(strstr(text, "first line is longer than 4094 characters"));
	ck_assert_ptr_null(strstr(text, "xxxx"));
}
END_TEST

/* --- values --------------------------------------------------------------------------------------------------- */

START_TEST(test_numbers)
{
	static const struct {
		const char *text;
		long number;
	} good[] = {
		{"1", 1}, {"3600", 3600}, {"0x10", 16}, {"0XfF", 255}, {"010", 10}, {"0x001", 1}};
	static const char *const bad[] = {"0", "3601", "-1", "", " 5", "5 ", "+5", "5s", "0x",
		"0xg", "x10", "1e3", "5.0", "99999999999999999999", "0xffffffffffffffffff", "-",
		"--5"};

	for (size_t i = 0; i < COUNT(good); i++) {
		setenv("T_RESYNC", good[i].text, 1);
		run("");
		ck_assert_int_eq(got.resync, good[i].number);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		cleanup_free char *argument = xasprintf("--resync=%s", bad[i]);
		char name[] = "bulkhead-test", *argv[] = {name, argument, NULL};
		cleanup_free char *text = NULL, *expected = NULL;
		struct capture capture = capture_begin(stderr);
		enum config_outcome outcome = config_parse(&program, 2, argv, NULL);

		text = capture_end(&capture);
		expected = xasprintf(
			"bulkhead-test: --resync: \"%s\" is not a number in 1..3600\n", bad[i]);
		ck_assert_int_eq(outcome, CONFIG_EXIT_USAGE);
		ck_assert_msg(strstr(text, expected) == text, "%s", text);
	}
}
END_TEST

/* Where the range ends with the type, too large must not become the largest. */
START_TEST(test_a_number_beyond_the_type_is_refused)
{
	cleanup_free char *text = NULL;

	setenv("T_MASK", "0x7fffffffffffffff", 1);
	run("");
	ck_assert_int_eq(got.mask, LONG_MAX);
	setenv("T_MASK", "0x8000000000000000", 1);
	text = complaint("");
	ck_assert_ptr_nonnull(strstr(text, "T_MASK: \"0x8000000000000000\" is not a number in"));
}
END_TEST

START_TEST(test_bad_values_name_where_they_came_from)
{
	static const struct {
		const char *variable, *value, *said;
	} cases[] = {
		{"T_RESYNC", "70000", "T_RESYNC: \"70000\" is not a number in 1..3600"},
		{"T_IMAGES", "yes", "T_IMAGES: \"yes\" is not on or off"},
		{"T_NODE", "two words", "T_NODE: \"two words\" is not a node name"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		cleanup_free char *text = NULL;

		setenv(cases[i].variable, cases[i].value, 1);
		text = complaint("");
		unsetenv(cases[i].variable);
		ck_assert_msg(strstr(text, cases[i].said) != NULL, "%s", text);
	}
}
END_TEST

/* --- what is refused -------------------------------------------------------------------------------------------- */

static const struct {
	const char *args, *said;
} refused[] = {
	{"--nonsense", "--nonsense is not a known flag"},
	{"--nonsense=5", "--nonsense is not a known flag"},
	{"--check --nonsense", "--nonsense is not a known flag"},
	{"--node a --nonsense", "--nonsense is not a known flag"},
	{"-x", "-x is not a known flag"},
	{"-xy", "-xy is not a known flag"},
	{"--node a -c", "-c is not a known flag"},
	{"--red x", "--red is not a known flag"}, /* ambiguous */
	{"--nod x", "--nod is not a known flag"}, /* an abbreviation */
	{"--nod", "--nod is not a known flag"},
	{"--hel", "--hel is not a known flag"},
	{"--che=1", "--che is not a known flag"},
	{"--node", "--node needs a value"},
	{"--check=yes", "--check takes no value"},
	{"--help=yes", "--help takes no value"},
	{"--image-labels true", "--image-labels: \"true\" is not on or off"},
	{"--image-labels ON", "--image-labels: \"ON\" is not on or off"},
	{"operand", "unexpected operand \"operand\""},
	{"--check operand --node a", "unexpected operand \"operand\""},
	{"-- --check", "unexpected operand \"--check\""},
	{"-", "unexpected operand \"-\""},
};

START_TEST(test_wrong_use_says_what_and_how)
{
	cleanup_free char *text = complaint(refused[_i].args);
	cleanup_free char *expected = xasprintf("bulkhead-test: %s\n"
						"Usage: bulkhead-test [OPTION]...\n"
						"Try 'bulkhead-test --help'.\n",
		refused[_i].said);

	ck_assert_str_eq(text, expected);
}
END_TEST

/* A mistyped flag is no reason to write a password to the journal. */
START_TEST(test_what_follows_a_bad_flag_is_not_repeated)
{
	static const char *const args[] = {
		"--redis-pasword=hunter2", "--redis-pas=hunter2", "--check=hunter2"};

	for (size_t i = 0; i < COUNT(args); i++) {
		cleanup_free char *text = complaint(args[i]);

		ck_assert_msg(!strstr(text, "hunter2"), "%s", text);
	}
}
END_TEST

START_TEST(test_operands_where_they_are_wanted)
{
	int rest = 0;

	ck_assert_int_eq(parse("--node a get --node b", &rest), CONFIG_RUN);
	ck_assert_int_eq(rest, 3);
	ck_assert_str_eq(got.node, "a"); /* parsing stops at the first operand */
	ck_assert_int_eq(parse("--check", &rest), CONFIG_RUN);
	ck_assert_int_eq(rest, 2);
	ck_assert_int_eq(parse("-- --node", &rest), CONFIG_RUN);
	ck_assert_int_eq(rest, 2);
}
END_TEST

/* --- help ---------------------------------------------------------------------------------------------------------- */

static const char help[] =
	"Usage: bulkhead-test [OPTION]...\n"
	"Tests the table.\n"
	"\n"
	"  --redis URL                       the store\n"
	"                                    [T_REDIS_URL; default: redis://127.0.0.1:6379]\n"
	"  --redis-password TEXT             its password\n"
	"                                    [T_REDIS_PASSWORD or ..._FILE]\n"
	"  --node NAME                       this host\n"
	"                                    [T_NODE]\n"
	"  --check                           test and exit\n"
	"  --image-labels on|off             count them\n"
	"                                    [T_IMAGES; default: off]\n"
	"  --resync SECONDS                  how often\n"
	"                                    [T_RESYNC; default: 60]\n"
	"  --mark-mask MASK                  our bits\n"
	"                                    [T_MASK; default: 0xffff0000]\n"
	"  --strict-network-with-a-long-name GLOB\n"
	"                                    strict ones\n"
	"                                    [T_NETWORKS]\n"
	"  --help                            print this and exit\n"
	"  --version                         print the version and exit\n"
	"\n"
	"A flag goes before its environment variable, that before the default.\n";

START_TEST(test_help)
{
	struct capture capture = capture_begin(stdout);
	enum config_outcome outcome = parse("--help --nonsense", NULL);
	cleanup_free char *text = capture_end(&capture);

	ck_assert_int_eq(outcome, CONFIG_EXIT_OK);
	ck_assert_str_eq(text, help);
}
END_TEST

START_TEST(test_help_does_not_show_what_is_set)
{
	struct capture capture;
	cleanup_free char *text = NULL;

	setenv("T_REDIS_PASSWORD", "hunter2", 1);
	capture = capture_begin(stdout);
	ck_assert_int_eq(parse("--redis-password hunter2 --help", NULL), CONFIG_EXIT_OK);
	text = capture_end(&capture);
	ck_assert_str_eq(text, help);
}
END_TEST

/* Objects of an incremental build may be of different commits: the release is what they share. */
START_TEST(test_version)
{
	static const char version[] = "bulkhead-test " BULKHEAD_VERSION;
	struct capture capture = capture_begin(stdout);
	enum config_outcome outcome = parse("--version", NULL);
	cleanup_free char *text = capture_end(&capture);

	ck_assert_int_eq(outcome, CONFIG_EXIT_OK);
	ck_assert_mem_eq(text, version, strcspn(version, "+"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
}
END_TEST

static TCase *tests(const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, setup, teardown);
	return tcase;
}

static TCase *source_tests(void)
{
	TCase *tcase = tests("sources");

	tcase_add_test(tcase, test_defaults);
	tcase_add_test(tcase, test_the_environment_goes_before_defaults);
	tcase_add_test(tcase, test_flags_go_before_the_environment);
	tcase_add_test(tcase, test_the_last_of_a_flag_counts);
	tcase_add_test(tcase, test_an_empty_variable_is_not_set);
	tcase_add_test(tcase, test_an_empty_flag_is_a_value);
	tcase_add_test(tcase, test_parsing_twice);
	return tcase;
}

static TCase *secret_tests(void)
{
	TCase *tcase = tests("secrets");

	tcase_add_test(tcase, test_a_secret_is_the_first_line_of_its_file);
	tcase_add_test(tcase, test_the_variable_itself_goes_before_its_file);
	tcase_add_test(tcase, test_the_flag_goes_before_a_secrets_file);
	tcase_add_test(tcase, test_only_secrets_have_files);
	tcase_add_test(tcase, test_a_secret_file_that_cannot_be_read_is_refused);
	tcase_add_test(tcase, test_an_empty_secret_file_is_refused);
	tcase_add_test(tcase, test_an_overlong_secret_is_refused);
	return tcase;
}

static TCase *value_tests(void)
{
	TCase *tcase = tests("values");

	tcase_add_test(tcase, test_numbers);
	tcase_add_test(tcase, test_a_number_beyond_the_type_is_refused);
	tcase_add_test(tcase, test_bad_values_name_where_they_came_from);
	tcase_add_loop_test(tcase, test_wrong_use_says_what_and_how, 0, COUNT(refused));
	tcase_add_test(tcase, test_what_follows_a_bad_flag_is_not_repeated);
	tcase_add_test(tcase, test_operands_where_they_are_wanted);
	return tcase;
}

static TCase *help_tests(void)
{
	TCase *tcase = tests("help");

	tcase_add_test(tcase, test_help);
	tcase_add_test(tcase, test_help_does_not_show_what_is_set);
	tcase_add_test(tcase, test_version);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("config");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, source_tests());
	suite_add_tcase(suite, secret_tests());
	suite_add_tcase(suite, value_tests());
	suite_add_tcase(suite, help_tests());
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
