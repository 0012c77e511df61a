/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/resource.h"

#include <string.h>
#include <strings.h>

static const struct resource_kind kinds[] = {
	{KIND_POLICY, "policy", "Policy", {"policies", "policy", "pol", "pols", NULL}},
	{KIND_TIER, "tier", "Tier", {"tiers", "tier", NULL}},
	{KIND_NETSET, "globalnetworkset", "GlobalNetworkSet",
		{"globalnetworksets", "globalnetworkset", NULL}},
};

enum { COUNT = sizeof(kinds) / sizeof(*kinds) };

const struct resource_kind *resource_of(enum store_kind kind)
{
	for (size_t i = 0; i < COUNT; i++)
		if (kinds[i].kind == kind)
			return &kinds[i];
	return &kinds[0];
}

const struct resource_kind *resource_called(const char *word)
{
	for (size_t i = 0; i < COUNT; i++)
		for (const char *const *name = kinds[i].names; *name; name++)
			if (!strcasecmp(*name, word))
				return &kinds[i];
	return NULL;
}
