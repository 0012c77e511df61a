/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What bulkhead-enforcerd was told: flags over environment over defaults (design 3.1). */
#ifndef BULKHEAD_ENFORCERD_OPTIONS_H
#define BULKHEAD_ENFORCERD_OPTIONS_H

#include "common/daemon_options.h"
#include "common/isolation.h"
#include "common/mode.h"
#include "enforcerd/skeleton.h"

struct options {
	struct daemon_options daemon; /* node never NULL after options_parse() */
	char *isolation_word, *host_action_word, *mode_word, *mark_word, *table, *state_dir,
		*node_timeout_word;
	bool anti_spoof;
	struct config_list strict_networks;
	long nflog_group;
	bool clear;
	/* derived from the words above by options_parse() */
	enum isolation isolation;
	enum host_action host_action;
	enum mode mode;
	struct mark_layout marks;
	long node_timeout; /* seconds; 0: never */
};

/* Parses and validates; prints what is wrong itself. On anything but CONFIG_RUN the caller exits. */
enum config_outcome options_parse(struct options *options, int argc, char **argv) must_check;
void options_free(struct options *options);

#endif
