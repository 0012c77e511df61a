/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options from one table: flag > environment > default. The same table prints --help, so that what is
 * printed is what is read. Flags are --flag VALUE or --flag=VALUE, in full: abbreviations are refused. A
 * variable that is "" counts as not set. What is refused names the flag or the variable, never a secret's value.
 */
#ifndef BULKHEAD_CONFIG_H
#define BULKHEAD_CONFIG_H

#include "common/err.h"

#include <stdbool.h>

enum { EXIT_USAGE = 64 };

enum config_kind {
	CONFIG_STRING, /* char ** : replaced by an allocated copy */
	CONFIG_FLAG,   /* bool *  : present or not; no argument, no environment */
	CONFIG_BOOL,   /* bool *  : on|off */
	CONFIG_NUMBER, /* long *  : decimal or 0x, within min..max */
	CONFIG_LIST,   /* struct config_list * : flag repeats; a comma list in both */
	CONFIG_CHECKED /* char ** : as STRING, accepted by check() */
};

struct config_list {
	char **items;
	size_t count;
};

struct config_option {
	const char *flag;     /* "redis" for --redis */
	const char *env;      /* "BULKHEAD_REDIS_URL", or NULL */
	const char *value;    /* "URL" in the help; NULL for a CONFIG_FLAG */
	const char *fallback; /* default as text, or NULL */
	const char *help;
	enum config_kind kind;
	void *target;
	long min, max; /* CONFIG_NUMBER */
	bool secret; /* where env is not set, env_FILE names a file whose first line is the value */
	int (*check)(const char *value, struct err *err); /* CONFIG_CHECKED */
};

struct config_program {
	const char *name;     /* "bulkhead-syncd" */
	const char *synopsis; /* one line after the name in the usage */
	const char *purpose;  /* one sentence */
	const struct config_option *const
		*tables; /* NULL-terminated; each ends with .flag == NULL */
};

enum config_outcome { CONFIG_RUN, CONFIG_EXIT_OK, CONFIG_EXIT_USAGE };

/*
 * Parses argv and the environment into the targets. --help and --version print on stdout and give
 * CONFIG_EXIT_OK; anything unknown or bad prints what and the usage on stderr and gives
 * CONFIG_EXIT_USAGE. *rest is the index of the first operand in argv (parsing stops there: subcommands), or pass
 * NULL to refuse operands.
 */
enum config_outcome config_parse(
	const struct config_program *program, int argc, char **argv, int *rest) must_check;

/* Frees what the targets own. */
void config_free(const struct config_program *program);

/* Prints the table as the README has it (used by a test that keeps the README true). */
void config_print_help(const struct config_program *program, FILE *out);

#endif
