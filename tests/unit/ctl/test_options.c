/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/options.h"

#include "ctl/env_file.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

static int never_run(const struct options *options)
{
	(void)options;
	ck_abort_msg("parsing must not run the verb");
}

static const struct command commands[] = {
	{"apply", never_run, "-f FILE...", "store", OPTIONS_STORE | OPTIONS_FILE, 0, 0},
	{"match", never_run, "SELECTOR", "match", OPTIONS_STORE | OPTIONS_LABEL, 1, 1},
	{"get", never_run, "KIND", "show", OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_NODE, 1, 9},
	{"validate", never_run, "-f FILE...", "check", OPTIONS_FILE, 0, 0},
	{NULL, NULL, NULL, NULL, 0, 0, 0},
};

static struct options options;
static const struct command *command;
static char env_path[] = "/tmp/bulkhead-test-options-XXXXXX";

static void setup(void)
{
	unsetenv("BULKHEAD_REDIS_URL");
	unsetenv("BULKHEAD_REDIS_PASSWORD_FILE");
	setenv(ENV_FILE_VARIABLE, "/nonexistent/env", 1);
	options = (struct options){0};
	command = NULL;
}

static void teardown(void)
{
	options_free(&options);
}

/* Words up to NULL; argv as main() gets it. */
static enum config_outcome parse(const char *const *words)
{
	static char *argv[32];
	int argc = 0;

	options_free(&options);
	argv[argc++] = (char *)"bulkheadctl";
	while (words[argc - 1]) {
		argv[argc] = (char *)words[argc - 1];
		argc++;
	}
	argv[argc] = NULL;
	return options_parse(&options, commands, argc, argv, &command);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

START_TEST(options_stand_anywhere)
{
	ck_assert_int_eq(
		PARSE("--redis", "unix:///s", "-f", "a,b.yaml", "apply", "--timeout=9", "-f", "-"),
		CONFIG_RUN);
	ck_assert_str_eq(command->name, "apply");
	ck_assert_str_eq(options.redis_url, "unix:///s");
	ck_assert_int_eq(options.timeout, 9);
	ck_assert_int_eq(options.wait_timeout, 9);
	ck_assert_uint_eq(options.files.count, 2);
	ck_assert_str_eq(options.files.items[0], "a,b.yaml");
	ck_assert_str_eq(options.files.items[1], "-");
	ck_assert_uint_eq(options.operand_count, 0);
	ck_assert_int_eq(
		PARSE("get", "policies", "-o", "yaml", "p", "--node", "n", "q"), CONFIG_RUN);
	ck_assert_uint_eq(options.operand_count, 3);
	ck_assert_str_eq(options.operands[0], "policies");
	ck_assert_str_eq(options.operands[2], "q");
	ck_assert_str_eq(options.output, "yaml");
	ck_assert_str_eq(options.node, "n");
}
END_TEST

START_TEST(defaults)
{
	ck_assert_int_eq(PARSE("get", "nodes"), CONFIG_RUN);
	ck_assert_str_eq(options.redis_url, "redis://127.0.0.1:6379");
	ck_assert_str_eq(options.output, "table");
	ck_assert_int_eq(options.timeout, 5);
	ck_assert_int_eq(options.wait_timeout, 60);
	ck_assert_ptr_null(options.node);
	ck_assert(!options.wait);
	ck_assert_str_eq(options_redis(&options).url, "redis://127.0.0.1:6379");
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
	ck_assert_int_eq(PARSE("match", "--label", "a=b,c", "--", "--label"), CONFIG_RUN);
	ck_assert_str_eq(options.operands[0], "--label");
	ck_assert_uint_eq(options.labels.count, 1);
	ck_assert_str_eq(options.labels.items[0], "a=b,c");
}
END_TEST

START_TEST(wrong_use_is_refused)
{
	static const char *const cases[][5] = {
		{NULL},
		{"frobnicate"},
		{"explain"},
		{"--frob", "apply"},
		{"apply", "-f"},
		{"apply", "-x"},
		{"apply", "operand"},
		{"apply", "--output", "yaml"},
		{"match"},
		{"match", "a", "b"},
		{"get", "policies", "-o", "xml"},
		{"get", "policies", "--redis", "http://x"},
		{"get", "policies", "--timeout", "0"},
		{"get", "policies", "--timeout", "x"},
		{"get", "policies", "--timeout", "61m"},
		{"get", "policies", "--timeout", "1 s"},
		{"get", "policies", "--timeout", "-1"},
		{"get", "policies", "--timeout", "99999999999999999999"},
		{"get", "policies", "--wait"},
		{"validate", "--node", "n"},
		{"--version", "frobnicate"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(parse(cases[i]) == CONFIG_EXIT_USAGE, "case %zu", i);
}
END_TEST

START_TEST(help_and_version_go_first)
{
	ck_assert_int_eq(PARSE("--help"), CONFIG_EXIT_OK);
	ck_assert_int_eq(PARSE("-h"), CONFIG_EXIT_OK);
	ck_assert_int_eq(PARSE("apply", "--help"), CONFIG_EXIT_OK);
	ck_assert_int_eq(PARSE("--version"), CONFIG_EXIT_OK);
	ck_assert_int_eq(PARSE("get", "--version"), CONFIG_EXIT_OK);
}
END_TEST

START_TEST(every_verb_may_be_told_where_the_store_is)
{
	ck_assert_int_eq(PARSE("--redis", "unix:///s", "validate", "-f", "x"), CONFIG_RUN);
}
END_TEST

/* --- the environment file ---------------------------------------------------------------------------- */

static void write_env(const char *text)
{
	static const char template[] = "/tmp/bulkhead-test-options-XXXXXX";
	int fd;

	memcpy(env_path, template, sizeof(template));
	fd = mkstemp(env_path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	setenv(ENV_FILE_VARIABLE, env_path, 1);
}

static const char env_text[] = "# compose\n\n  BULKHEAD_REDIS_URL = \"unix:///from/file\"\n"
			       "BULKHEAD_REDIS_PASSWORD_FILE='/secret'\nPATH=/evil\n";

START_TEST(file_stands_above_the_default)
{
	write_env(env_text);
	ck_assert_int_eq(PARSE("get", "nodes"), CONFIG_RUN);
	unlink(env_path);
	ck_assert_str_eq(options.redis_url, "unix:///from/file");
	ck_assert_str_eq(options.redis_password_file, "/secret");
	ck_assert_str_ne(getenv("PATH"), "/evil");
}
END_TEST

START_TEST(environment_stands_above_the_file)
{
	write_env(env_text);
	setenv("BULKHEAD_REDIS_URL", "unix:///from/env", 1);
	ck_assert_int_eq(PARSE("get", "nodes"), CONFIG_RUN);
	unlink(env_path);
	ck_assert_str_eq(options.redis_url, "unix:///from/env");
	/* the file's password belongs to the file's server */
	ck_assert_ptr_null(options.redis_password_file);
}
END_TEST

START_TEST(an_empty_variable_is_none)
{
	write_env(env_text);
	setenv("BULKHEAD_REDIS_URL", "", 1);
	ck_assert_int_eq(PARSE("get", "nodes"), CONFIG_RUN);
	unlink(env_path);
	ck_assert_str_eq(options.redis_url, "unix:///from/file");
}
END_TEST

START_TEST(flags_stand_above_everything)
{
	write_env(env_text);
	setenv("BULKHEAD_REDIS_URL", "unix:///from/env", 1);
	ck_assert_int_eq(PARSE("get", "nodes", "--redis", "unix:///from/flag"), CONFIG_RUN);
	unlink(env_path);
	ck_assert_str_eq(options.redis_url, "unix:///from/flag");
	ck_assert_ptr_null(options.redis_password_file);
}
END_TEST

START_TEST(bad_files_are_named)
{
	struct err err = {0};

	write_env("BULKHEAD_NODE=x\nnonsense\n");
	ck_assert_int_eq(env_file_load(env_path, true, &err), -1);
	unlink(env_path);
	ck_assert_ptr_nonnull(strstr(err.text, ":2: not KEY=VALUE"));
	ck_assert_int_eq(env_file_load("/nonexistent/x", true, &err), 0);
	ck_assert_int_eq(env_file_load("/", true, &err), -1);
	unsetenv("BULKHEAD_NODE");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("options");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, options_stand_anywhere);
	tcase_add_test(t, defaults);
	tcase_add_test(t, two_dashes_end_the_options);
	tcase_add_test(t, wrong_use_is_refused);
	tcase_add_test(t, help_and_version_go_first);
	tcase_add_test(t, every_verb_may_be_told_where_the_store_is);
	tcase_add_test(t, file_stands_above_the_default);
	tcase_add_test(t, environment_stands_above_the_file);
	tcase_add_test(t, an_empty_variable_is_none);
	tcase_add_test(t, flags_stand_above_everything);
	tcase_add_test(t, bad_files_are_named);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
