/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options that both daemons have (design 3.1), with one spelling and one check each. */
#ifndef BULKHEAD_DAEMON_OPTIONS_H
#define BULKHEAD_DAEMON_OPTIONS_H

#include "common/config.h"
#include "common/redis.h"

/* Entries that daemon_options_table() writes, the closing one included. */
enum { DAEMON_OPTION_COUNT = 14 };

struct daemon_options {
	char *redis_url, *redis_password_file, *redis_sentinel_password_file;
	char *redis_ca, *redis_cert, *redis_key;
	char *node; /* NULL where it was not said */
	char *listen_on, *log_level, *log_format;
	long resync_seconds;
	bool check, healthcheck;
};

struct daemon_defaults {
	const char *listen_on;
	const char *node_help;
	const char *resync_help;
	const char *check_help;
};

/* A table for config_parse() whose targets are options'; built per call for that reason. */
void daemon_options_table(struct daemon_options *options, const struct daemon_defaults *defaults,
	struct config_option table[DAEMON_OPTION_COUNT]);
/* Sets the log up as the options say. */
void daemon_options_log(const struct daemon_options *options);
/* The Redis part; borrows from options and client_name. */
struct redis_options daemon_options_redis(
	const struct daemon_options *options, const char *client_name);
/* What a container's HEALTHCHECK runs: exit status 0 when the daemon that listens there is ready. */
int daemon_options_healthcheck(const struct daemon_options *options);

#endif
