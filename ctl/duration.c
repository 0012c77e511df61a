/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/duration.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *unit;
	long seconds;
} units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};

static long unit_seconds(const char *unit)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(units[i].unit, unit))
			return units[i].seconds;
	return 0;
}

int duration_parse(const char *text, long *seconds, struct err *err)
{
	const char *p = text;
	long count = 0, unit;

	for (; *p >= '0' && *p <= '9' && count <= DURATION_MAX; p++)
		count = count * 10 + (*p - '0');
	unit = p == text ? 0 : unit_seconds(p);
	if (!unit || !count || count > DURATION_MAX / unit)
		return err_set(err, 0,
			"\"%.32s\" is not a time of 1 second to 1 hour, like 90, 90s or 5m", text);
	*seconds = count * unit;
	return 0;
}

int duration_check(const char *text, struct err *err)
{
	long seconds = 0;

	return duration_parse(text, &seconds, err);
}
