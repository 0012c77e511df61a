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

bool isolation_enforced(const struct network *network)
{
	return !strcmp(network->driver, "bridge") && network->bridge;
}

bool isolation_applies(const struct endpoint *record, const struct labels *labels,
	const struct network *network, enum isolation isolation)
{
	if (strcmp(record->driver, "bridge") != 0 || (network && !isolation_enforced(network)))
		return false;
	if (!network || isolation == ISOLATION_LABELLED)
		return labels_has_user_label(labels) || labels_count(record->rejected) > 0;
	return isolation == ISOLATION_STRICT;
}
