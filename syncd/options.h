/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bulkhead-syncd was told: flags over environment over defaults (design 3.1). */
#ifndef BULKHEAD_SYNCD_OPTIONS_H
#define BULKHEAD_SYNCD_OPTIONS_H

#include "common/config.h"
#include "common/redis.h"
#include "syncd/engine_url.h"

struct options {
	char *redis_url, *redis_password_file, *redis_ca, *redis_cert, *redis_key;
	char *node; /* NULL: the Engine's name */
	char *listen_on, *docker_host, *label_prefix, *log_level, *log_format;
	bool image_labels;
	long resync_seconds;
	bool check, healthcheck;
	/* derived by options_parse() */
	struct engine_url engine;
	const char *api_version; /* DOCKER_API_VERSION, or NULL; borrowed from the environment */
};

/* Parses and validates; prints what is wrong itself. On anything but CONFIG_RUN the caller exits. */
enum config_outcome options_parse(struct options *options, int argc, char **argv) must_check;
void options_free(struct options *options);
/* The Redis part, borrowed from options. */
struct redis_options options_redis(const struct options *options);

#endif
