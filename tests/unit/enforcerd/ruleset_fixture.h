/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short words for building rulesets, and a small one. */
#ifndef BULKHEAD_TESTS_RULESET_FIXTURE_H
#define BULKHEAD_TESTS_RULESET_FIXTURE_H

#include "common/xalloc.h"
#include "enforcerd/ruleset.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static inline struct elem_key address(const char *text)
{
	struct elem_key key = {0};

	ck_assert_int_eq(ip_parse(text, &key.ip, NULL), 0);
	return key;
}

static inline struct elem_key block(const char *text)
{
	struct elem_key key = {0};
	struct cidr cidr;

	ck_assert_int_eq(cidr_parse(text, &cidr, NULL), 0);
	cidr_range(&cidr, &key.ip, &key.last);
	return key;
}

static inline struct elem_key interface(const char *name)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", name);
	return key;
}

static inline void put(
	struct ruleset *rs, const char *set, const char *ip, const char *chain, const char *comment)
{
	const struct elem_key key = address(ip);

	ruleset_put(rs, set, &key, chain, comment);
}

static inline void del(struct ruleset *rs, const char *set, const char *ip)
{
	const struct elem_key key = address(ip);

	ruleset_del(rs, set, &key);
}

static inline void chain(struct ruleset *rs, const char *name, enum verdict_kind verdict)
{
	struct rule_list rules = {0};

	rule_append(&rules)->verdict = verdict;
	ruleset_chain(rs, name, "why", &rules);
	ck_assert_ptr_null(rules.items);
	ck_assert_uint_eq(rules.count, 0);
}

static inline struct ruleset *committed(void)
{
	struct ruleset *rs = ruleset_new();

	ruleset_counter(rs, "drop");
	ruleset_set(rs, "web", SET_IPV4, "role == \"web\"");
	ruleset_set(rs, "egress", MAP_IPV4, NULL);
	put(rs, "web", "10.0.0.1", NULL, NULL);
	put(rs, "egress", "10.0.0.1", "eg_a", "one");
	chain(rs, "eg_a", VERDICT_DROP);
	ruleset_committed(rs);
	return rs;
}

#endif
