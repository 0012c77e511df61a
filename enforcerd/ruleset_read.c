/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ruleset_internal.h"

#include <string.h>

static const struct rs_set *wanted_set(const struct ruleset *rs, const char *name)
{
	struct rs_set *set = NULL;

	HASH_FIND_STR(rs->sets, name, set);
	return set && set->want ? set : NULL;
}

static const struct rs_elem *wanted_elem(const struct rs_set *set, const struct elem_key *key)
{
	const struct rs_elem *elem = elem_find(&set->elems, set->type, key);

	return elem && elem->want ? elem : NULL;
}

const struct rule_list *ruleset_rules(const struct ruleset *rs, const char *chain)
{
	struct rs_chain *found = NULL;

	HASH_FIND_STR(rs->chains, chain, found);
	return found && found->want ? &found->rules : NULL;
}

const char *ruleset_target(const struct ruleset *rs, const char *map, const struct elem_key *key)
{
	const struct rs_set *set = wanted_set(rs, map);
	const struct rs_elem *elem = set ? wanted_elem(set, key) : NULL;

	return elem ? elem_chain(elem) : NULL;
}

const char *ruleset_group_target(
	const struct ruleset *rs, const char *map, enum flow_side side, const struct ip *ip)
{
	const struct rs_set *groups = wanted_set(rs, ip->family == 6 ? MAP_GROUPS6 : MAP_GROUPS4);
	const struct elem_key address = {.ip = *ip};
	const struct rs_elem *elem = groups ? wanted_elem(groups, &address) : NULL;
	struct elem_key group = {0};

	if (!elem)
		return NULL;
	group.group = elem_key_of(groups->type, elem).groups[side];
	return ruleset_target(rs, map, &group);
}

struct range_search {
	const struct ip *ip;
	bool found;
};

static bool look_in_range(const struct elem_key *key, const char *chain, void *arg)
{
	struct range_search *search = arg;

	(void)chain;
	search->found = ip_cmp(&key->ip, search->ip) <= 0 && ip_cmp(search->ip, &key->last) <= 0;
	return !search->found;
}

/* Linear: sets of ranges are small (design, section 5). */
static bool has_range(const struct ruleset *rs, const char *set, const struct ip *ip)
{
	struct range_search search = {.ip = ip};

	ruleset_each(rs, set, look_in_range, &search);
	return search.found;
}

enum ruleset_answer ruleset_has_ip(const struct ruleset *rs, const char *name, const struct ip *ip)
{
	const struct rs_set *set = wanted_set(rs, name);
	const struct elem_key key = {.ip = *ip};

	switch (set ? set->type : SET_PORT) {
	case SET_IPV4:
	case SET_IPV6:
		return ip->family == (set->type == SET_IPV6 ? 6 : 4) && wanted_elem(set, &key)
			       ? RULESET_YES
			       : RULESET_NO;
	case SET_CIDR4:
	case SET_CIDR6:
		return has_range(rs, name, ip) ? RULESET_YES : RULESET_NO;
	default:
		return RULESET_UNKNOWN;
	}
}

static enum ruleset_answer has_key(
	const struct ruleset *rs, const char *name, enum set_type type, const struct elem_key *key)
{
	const struct rs_set *set = wanted_set(rs, name);

	if (!set || set->type != type)
		return RULESET_UNKNOWN;
	return wanted_elem(set, key) ? RULESET_YES : RULESET_NO;
}

enum ruleset_answer ruleset_has_port(const struct ruleset *rs, const char *set, uint16_t port)
{
	const struct elem_key key = {.port = port};

	return has_key(rs, set, SET_PORT, &key);
}

enum ruleset_answer ruleset_has_ifname(
	const struct ruleset *rs, const char *set, const char *ifname)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", ifname);
	return has_key(rs, set, SET_IFNAME, &key);
}

void ruleset_each(const struct ruleset *rs, const char *name,
	bool (*fn)(const struct elem_key *key, const char *chain, void *arg), void *arg)
{
	const struct rs_set *set = wanted_set(rs, name);
	const struct rs_elem *elem = set ? elem_next(&set->elems, set->type, NULL) : NULL;

	for (; elem; elem = elem_next(&set->elems, set->type, elem)) {
		const struct elem_key key = elem_key_of(set->type, elem);

		if (elem->want && !fn(&key, elem_chain(elem), arg))
			return;
	}
}
