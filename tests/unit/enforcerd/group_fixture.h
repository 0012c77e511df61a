/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Isolated addresses and their groups, as the world puts them: for tests and benchmarks of what lies below it. */
#ifndef BULKHEAD_TESTS_GROUP_FIXTURE_H
#define BULKHEAD_TESTS_GROUP_FIXTURE_H

#include "enforcerd/skeleton.h"

/* A group's chain by a number that is made of its name; 0 for none. */
static inline uint32_t put_group(struct ruleset *target, const char *map, const char *chain)
{
	struct elem_key key = {.group = 0x811c9dc5};

	if (!chain)
		return 0;
	for (const char *c = chain; *c; c++)
		key.group = (key.group ^ (uint8_t)*c) * 0x01000193;
	ruleset_put(target, map, &key, chain, NULL);
	return key.group;
}

/* NULL: what the maps have for numbers that they do not know. */
static inline void put_groups(
	struct ruleset *target, const struct ip *ip, const char *egress, const char *ingress)
{
	bool six = ip->family == 6;
	struct elem_key key = {.ip = *ip};

	key.groups[SIDE_SRC] = put_group(target, six ? MAP_EGRESS6 : MAP_EGRESS4, egress);
	key.groups[SIDE_DST] = put_group(target, six ? MAP_INGRESS6 : MAP_INGRESS4, ingress);
	ruleset_put(target, six ? MAP_GROUPS6 : MAP_GROUPS4, &key, NULL, NULL);
}

static inline void declare_groups(struct ruleset *target)
{
	static const char *const by_number[] = {
		MAP_EGRESS4, MAP_EGRESS6, MAP_INGRESS4, MAP_INGRESS6};

	ruleset_set(target, MAP_GROUPS4, GROUPS_IPV4, NULL);
	ruleset_set(target, MAP_GROUPS6, GROUPS_IPV6, NULL);
	for (size_t i = 0; i < sizeof(by_number) / sizeof(*by_number); i++)
		ruleset_set(target, by_number[i], MAP_GROUP, NULL);
}

#endif
