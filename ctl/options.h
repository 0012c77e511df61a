/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: options before or after the verb, the verb's own table, and the table of verbs that drives dispatch and help. */
#ifndef BULKHEAD_CTL_OPTIONS_H
#define BULKHEAD_CTL_OPTIONS_H

#include "common/config.h"
#include "common/redis.h"

#include <stdbool.h>
#include <stddef.h>

/* Groups of options that a verb understands. */
enum option_group {
	OPTIONS_STORE = 1 << 0, /* --redis and its kin, --timeout */
	OPTIONS_FILE = 1 << 1,  /* -f */
	OPTIONS_OUTPUT = 1 << 2,
	OPTIONS_LABEL = 1 << 3,
	OPTIONS_NODE = 1 << 4,
	OPTIONS_SKIP_EXISTS = 1 << 5,
	OPTIONS_SKIP_NOT_EXISTS = 1 << 6,
	OPTIONS_STAGED = 1 << 7,
	OPTIONS_END = 1 << 8,
	OPTIONS_WATCH = 1 << 9,
	OPTIONS_ENDS = 1 << 10,
	OPTIONS_FLOW = 1 << 11,
	OPTIONS_WAIT = 1 << 12,
	OPTIONS_EXPORT = 1 << 13,
	OPTIONS_DOT = 1 << 14 /* no option: one more word for --output */
};

struct options {
	char *redis_url, *redis_password_file, *redis_sentinel_password_file;
	char *redis_ca, *redis_cert, *redis_key;
	char *timeout_text;
	long timeout;      /* seconds; bounds every conversation with Redis */
	long wait_timeout; /* seconds; bounds --wait */
	struct config_list files, labels;
	char *output, *node, *from, *to, *protocol, *icmp_type;
	long port, source_port;
	bool skip_exists, skip_not_exists, staged, end, denied, wait, export, recursive;
	char **operands; /* after the verb; the strings are argv's */
	size_t operand_count;
};

/* A handler returns the program's exit status. */
typedef int command_fn(const struct options *options);

struct command {
	const char *name; /* NULL ends the table */
	command_fn *run;
	const char *usage; /* what follows the name */
	const char *purpose;
	unsigned groups; /* of enum option_group */
	size_t min_operands, max_operands;
};

/*
 * Parses argv, the environment and, for verbs that need the store, bulkheadctl.env. CONFIG_RUN: *command is to be run; else
 * everything that was to be said has been said. Release with options_free() in every case.
 */
enum config_outcome options_parse(struct options *options, const struct command *commands, int argc,
	char **argv, const struct command **command) must_check;
void options_free(struct options *options);

/* The connection part, borrowed from options. */
struct redis_options options_redis(const struct options *options);

/* "bulkheadctl VERB: ..." and how to use the verb, on stderr. Returns EXIT_USAGE. */
int options_usage_error(const struct command *command, const char *fmt, ...) printf_like(2, 3);
void options_print_help(const struct command *commands, FILE *out);
void options_print_version(FILE *out);
void options_print_verb_help(const struct command *command, FILE *out);

#endif
