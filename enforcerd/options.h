/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bulkhead-enforcerd was told: flags over environment over defaults (design 3.1). */
#ifndef BULKHEAD_ENFORCERD_OPTIONS_H
#define BULKHEAD_ENFORCERD_OPTIONS_H

#include "common/config.h"
#include "common/isolation.h"
#include "common/redis.h"
#include "enforcerd/skeleton.h"

struct options {
	char *redis_url, *redis_password_file, *redis_ca, *redis_cert, *redis_key;
	char *node, *listen_on, *log_level, *log_format;
	char *isolation_word, *host_action_word, *table;
	struct config_list strict_networks;
	long resync_seconds, nflog_group;
	bool clear, check, healthcheck;
	/* derived from the words above by options_parse() */
	enum isolation isolation;
	enum host_action host_action;
};

/* Parses and validates; prints what is wrong itself. On anything but CONFIG_RUN the caller exits. */
enum config_outcome options_parse(struct options *options, int argc, char **argv) must_check;
void options_free(struct options *options);
/* The Redis part, borrowed from options. */
struct redis_options options_redis(const struct options *options);

#endif
