/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/mode.h"

#include <string.h>

static const char *const names[] = {[MODE_ENFORCE] = "enforce", [MODE_AUDIT] = "audit"};

bool mode_parse(const char *word, enum mode *mode)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(word, names[i])) {
			*mode = (enum mode)i;
			return true;
		}
	}
	return false;
}

const char *mode_name(enum mode mode)
{
	return names[mode];
}

enum mode mode_of_store(const char *own, const char *any)
{
	enum mode mode = MODE_ENFORCE;

	if ((!own || !mode_parse(own, &mode)) && any)
		(void)mode_parse(any, &mode);
	return mode;
}
