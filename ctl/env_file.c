/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/env_file.h"

#include <errno.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* "x" and 'x' are x, as docker compose reads them. */
static char *unquote(char *value)
{
	size_t len = strlen(value);

	if (len < 2 || (*value != '"' && *value != '\'') || value[len - 1] != *value)
		return value;
	value[len - 1] = '\0';
	return value + 1;
}

static int take_line(char *line, bool store, struct err *err)
{
	char *text = strip(line);
	char *equals = strchr(text, '=');
	const char *name;

	if (!*text || *text == '#')
		return 0;
	if (!equals || equals == text)
		return err_set(err, 0, "not KEY=VALUE");
	*equals = '\0';
	name = strip(text);
	if (strncmp(name, "BULKHEAD_", 9) != 0)
		return 0;
	if (!store && !strncmp(name, "BULKHEAD_REDIS_", 15))
		return 0;
	/* compose sets a variable that nobody filled in to "": that is the same as not set */
	if (getenv(name) && *getenv(name))
		return 0;
	if (setenv(name, unquote(strip(equals + 1)), 1))
		return err_set(err, errno, "set %s", name);
	return 0;
}

int env_file_load(const char *path, bool store, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");
	char line[LINE_SIZE];
	unsigned number = 0;

	if (!file)
		return errno == ENOENT || errno == ENOTDIR ? 0
							   : err_set(err, errno, "open %s", path);
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (!strchr(line, '\n') && !feof(file))
			return err_set(err, 0, "%s:%u: line too long", path, number);
		if (take_line(line, store, err))
			return err_wrap(err, "%s:%u", path, number);
	}
	return ferror(file) ? err_set(err, errno, "read %s", path) : 0;
}
