/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/isolation.h"

#include <string.h>

static const char *const names[] = {
	[ISOLATION_OFF] = "off", [ISOLATION_LABELLED] = "labelled", [ISOLATION_STRICT] = "strict"};

bool isolation_parse(const char *word, enum isolation *isolation)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(word, names[i])) {
			*isolation = (enum isolation)i;
			return true;
		}
	}
	return false;
}

const char *isolation_name(enum isolation isolation)
{
	return names[isolation];
}
