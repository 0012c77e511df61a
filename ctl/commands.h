/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The verbs. Each returns the exit status: 0 done, 1 refused or failed, 64 wrong use. */
#ifndef BULKHEAD_CTL_COMMANDS_H
#define BULKHEAD_CTL_COMMANDS_H

#include "ctl/options.h"

int cmd_create(const struct options *options);
int cmd_apply(const struct options *options);
int cmd_replace(const struct options *options);
int cmd_delete(const struct options *options);
int cmd_validate(const struct options *options);
int cmd_convert(const struct options *options);
int cmd_diff(const struct options *options);
int cmd_get(const struct options *options);
int cmd_match(const struct options *options);
int cmd_explain(const struct options *options);
int cmd_reach(const struct options *options);
int cmd_status(const struct options *options);
int cmd_watch(const struct options *options);
int cmd_network(const struct options *options);
int cmd_label(const struct options *options);
int cmd_panic(const struct options *options);
int cmd_store(const struct options *options);
int cmd_version(const struct options *options);
int cmd_help(const struct options *options);

/* All verbs; the last one has no name. */
const struct command *commands_all(void);
const struct command *commands_find(const char *name); /* NULL if there is none */

#endif
