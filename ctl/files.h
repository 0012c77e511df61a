/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -f names: files, directories of files, standard input. */
#ifndef BULKHEAD_CTL_FILES_H
#define BULKHEAD_CTL_FILES_H

#include "common/config.h"
#include "ctl/input.h"

enum { FILES_MAX = 10000, FILES_DEPTH_MAX = 32 };

/*
 * Reads each path. A directory stands for its files named *.yaml, *.yml and *.json, in the order of their names and without hidden ones;
 * with recursive also those of its directories, links to directories left out. Good only if nothing was added to diag.
 */
void files_read(struct input *input, const struct config_list *paths, bool recursive,
	enum policy_need need, struct diag *diag);

#endif
