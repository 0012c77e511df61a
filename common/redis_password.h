/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The password file of a Redis connection. */
#ifndef BULKHEAD_REDIS_PASSWORD_H
#define BULKHEAD_REDIS_PASSWORD_H

#include "common/err.h"

/* Its first line, or NULL with *err. The caller wipes and frees it. */
char *redis_password_read(const char *path, struct err *err) must_check;

#endif
