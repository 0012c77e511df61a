/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bulkhead-syncd was told: flags over environment over defaults (design 3.1). */
#ifndef BULKHEAD_SYNCD_OPTIONS_H
#define BULKHEAD_SYNCD_OPTIONS_H

#include "common/daemon_options.h"
#include "syncd/engine_url.h"
#include "syncd/label_prefix.h"

struct options {
	struct daemon_options daemon; /* node NULL: the Engine's name */
	char *docker_host;
	struct config_list label_prefixes;
	bool image_labels;
	/* derived by options_parse() */
	struct label_prefixes *prefixes;
	struct engine_url engine;
	const char *api_version; /* DOCKER_API_VERSION, or NULL; borrowed from the environment */
};

/* Parses and validates; prints what is wrong itself. On anything but CONFIG_RUN the caller exits. */
enum config_outcome options_parse(struct options *options, int argc, char **argv) must_check;
void options_free(struct options *options);

#endif
