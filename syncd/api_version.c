/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/api_version.h"

#include <stdlib.h>
#include <string.h>

struct number {
	unsigned long major, minor;
};

static int parse(const char *text, struct number *number, struct err *err)
{
	size_t len = strlen(text), first = strspn(text, "0123456789");
	size_t second = text[first] == '.' ? strspn(text + first + 1, "0123456789") : 0;

	*number = (struct number){0};
	if (!first || !second || first + 1 + second != len || len >= API_VERSION_SIZE)
		return err_set(err, 0, "\"%.32s\" is not an API version such as 1.41", text);
	/* at most API_VERSION_SIZE digits: fits */
	number->major = strtoul(text, NULL, 10);
	number->minor = strtoul(text + first + 1, NULL, 10);
	return 0;
}

static int compare(const struct number *a, const struct number *b)
{
	return a->major != b->major ? (a->major > b->major) - (a->major < b->major)
				    : (a->minor > b->minor) - (a->minor < b->minor);
}

int api_version_negotiate(const char *engine_min, const char *engine_max,
	char version[API_VERSION_SIZE], struct err *err)
{
	struct number low = {0}, high = {0}, ours_low = {0}, ours_high = {0}, speak = {0};

	if (parse(engine_max, &high, err) < 0 ||
		(*engine_min && parse(engine_min, &low, err) < 0) ||
		parse(API_VERSION_MIN, &ours_low, err) < 0 ||
		parse(API_VERSION_MAX, &ours_high, err) < 0)
		return -1;
	if (compare(&high, &ours_low) < 0 || compare(&low, &ours_high) > 0)
		return err_set(err, 0,
			"the Engine speaks API versions %s to %s, this program " API_VERSION_MIN
			" to " API_VERSION_MAX " (DOCKER_API_VERSION overrides)",
			*engine_min ? engine_min : "?", engine_max);
	speak = compare(&high, &ours_high) < 0 ? high : ours_high;
	snprintf(version, API_VERSION_SIZE, "%lu.%lu", speak.major, speak.minor);
	return 0;
}

int api_version_check(const char *version, struct err *err)
{
	struct number number = {0};

	return parse(version, &number, err);
}
