/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_password.h"

#include "common/xalloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *redis_password_read(const char *path, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");
	char line[4096];
	char *password = NULL;

	if (!file) {
		err_set(err, errno, "open password file %s", path);
	} else if (!fgets(line, sizeof(line), file)) {
		err_set(err, ferror(file) ? errno : 0, "read password file %s: no first line",
			path);
	} else if (strlen(line) == sizeof(line) - 1) {
		err_set(err, 0, "read password file %s: first line is longer than %zu bytes", path,
			sizeof(line) - 2);
	} else {
		line[strcspn(line, "\r\n")] = '\0';
		password = xstrdup(line);
	}
	explicit_bzero(line, sizeof(line));
	return password;
}
