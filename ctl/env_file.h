/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /etc/bulkhead/bulkheadctl.env: KEY=VALUE lines that stand in for environment variables that are not set. */
#ifndef BULKHEAD_CTL_ENV_FILE_H
#define BULKHEAD_CTL_ENV_FILE_H

#include "common/err.h"

#include <stdbool.h>

#define ENV_FILE_PATH     "/etc/bulkhead/bulkheadctl.env"
#define ENV_FILE_VARIABLE "BULKHEAD_CTL_ENV" /* names another file */

/*
 * Puts the file's BULKHEAD_ variables into the environment where they are not set; others are ignored. A file that is not
 * there is no error. Without `store`, the BULKHEAD_REDIS_ variables are left out: a password goes only to the
 * server beside which it was written.
 */
int env_file_load(const char *path, bool store, struct err *err) must_check;

#endif
