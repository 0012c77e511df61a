/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two base chains with what rules are made of, so that tests of the kernel writer do not change with the real ones. */
#ifndef BULKHEAD_TESTS_KERNEL_HOOKS_H
#define BULKHEAD_TESTS_KERNEL_HOOKS_H

#include "enforcerd/skeleton.h"

#include <stdio.h>

static inline void set_name(char name[NFT_NAME_MAX], const char *text)
{
	snprintf(name, NFT_NAME_MAX, "%s", text);
}

static inline void set_comment(struct rule *rule, const char *text)
{
	snprintf(rule->comment, sizeof(rule->comment), "%s", text);
}

static inline void match_set(struct rule *rule, enum match_kind kind, enum flow_side side,
	uint8_t family, const char *set)
{
	struct match *match = rule_match(rule, kind);

	match->side = side;
	match->family = family;
	set_name(match->set, set);
}

static inline void drop_counted(struct rule *rule, const char *counter)
{
	set_name(rule->counter, counter);
	rule->verdict = VERDICT_DROP;
}

static inline const char *isolated(uint8_t family)
{
	return family == 4 ? SET_ISOLATED4 : SET_ISOLATED6;
}

/* Neighbour discovery and MLD are untracked and no flow of anybody: without them IPv6 does not work at all. */
static inline void allow_discovery(struct rule_list *rules)
{
	static const struct {
		uint16_t first, last;
	} types[] = {{130, 136}, {143, 143}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct rule *rule = rule_append(rules);
		struct match *match = rule_match(rule, MATCH_ICMPV6_TYPE);

		match->first = types[i].first;
		match->last = types[i].last;
		rule->verdict = VERDICT_ACCEPT;
		set_comment(rule, "neighbour discovery and MLD");
	}
}

/* One drop per family and side for packets in a conntrack state that no policy can judge. */
static inline void drop_state(
	struct rule_list *rules, enum ct_state state, const char *counter, bool destination_too)
{
	for (uint8_t family = 4; family <= 6; family += 2)
		for (int side = SIDE_SRC; side <= (destination_too ? SIDE_DST : SIDE_SRC); side++) {
			struct rule *rule = rule_append(rules);

			rule_match(rule, MATCH_CT_STATE)->value = state;
			match_set(rule, MATCH_HDR_ADDR_SET, (enum flow_side)side, family,
				isolated(family));
			drop_counted(rule, counter);
		}
}

/*
 * TCP that is new to conntrack without SYN is a flow picked up midway, perhaps in reverse: judged by its first packet it could
 * pass as an answer. Dropped, except on bridges whose live flows conntrack could not have seen before.
 */
static inline void drop_midstream(struct rule_list *rules)
{
	for (uint8_t family = 4; family <= 6; family += 2)
		for (int side = SIDE_SRC; side <= SIDE_DST; side++) {
			struct rule *rule = rule_append(rules);

			rule_match(rule, MATCH_CT_STATE)->value = CT_NEW;
			rule_match(rule, MATCH_TCP_NOT_SYN);
			match_set(rule, MATCH_CT_ADDR_SET, (enum flow_side)side, family,
				isolated(family));
			match_set(rule, MATCH_IIF_SET, SIDE_SRC, 0, SET_MIDSTREAM);
			rule->matches[rule->match_count - 1].negate = true;
			match_set(rule, MATCH_OIF_SET, SIDE_SRC, 0, SET_MIDSTREAM);
			rule->matches[rule->match_count - 1].negate = true;
			drop_counted(rule, "midstream");
		}
}

static inline void dispatch(struct rule_list *rules, enum flow_side side, uint8_t family,
	const char *map, bool original_only)
{
	struct rule *rule = rule_append(rules);

	if (original_only)
		rule_match(rule, MATCH_CT_ORIGINAL);
	rule->verdict = VERDICT_MAP_CT;
	rule->map_side = side;
	rule->map_family = family;
	set_name(rule->target, map);
}

static inline void dispatch_bridge(
	struct rule_list *rules, enum verdict_kind verdict, const char *map, bool original_only)
{
	struct rule *rule = rule_append(rules);

	if (original_only)
		rule_match(rule, MATCH_CT_ORIGINAL);
	rule->verdict = verdict;
	set_name(rule->target, map);
}

/*
 * Every packet is judged, by conntrack's keys: that is the safe base. The generation shortcut (a flow judged in the present
 * generation is accepted before the dispatch, and marked after it) has its place around the four dispatch rules.
 */
static inline void build_forward(struct ruleset *rs)
{
	struct rule_list rules = {0};

	allow_discovery(&rules);
	drop_state(&rules, CT_INVALID, "invalid", true);
	drop_state(&rules, CT_UNTRACKED, "untracked", true);
	drop_midstream(&rules);
	dispatch(&rules, SIDE_SRC, 4, MAP_EGRESS4, false);
	dispatch(&rules, SIDE_SRC, 6, MAP_EGRESS6, false);
	dispatch(&rules, SIDE_DST, 4, MAP_INGRESS4, false);
	dispatch(&rules, SIDE_DST, 6, MAP_INGRESS6, false);
	dispatch_bridge(&rules, VERDICT_MAP_IIF, MAP_STRICT_IN, false);
	dispatch_bridge(&rules, VERDICT_MAP_OIF, MAP_STRICT_OUT, false);
	ruleset_chain(rs, CHAIN_FORWARD, "between containers, and to and from outside", &rules);
}

/* Container to this host. What the host sends, and the answers to it, are never policed. */
static inline void build_input(struct ruleset *rs)
{
	struct rule_list rules = {0};

	allow_discovery(&rules);
	drop_state(&rules, CT_INVALID, "invalid", false);
	drop_state(&rules, CT_UNTRACKED, "untracked", false);
	dispatch(&rules, SIDE_SRC, 4, MAP_EGRESS4, true);
	dispatch(&rules, SIDE_SRC, 6, MAP_EGRESS6, true);
	dispatch_bridge(&rules, VERDICT_MAP_IIF, MAP_STRICT_IN, true);
	ruleset_chain(rs, CHAIN_INPUT, "from containers to this host", &rules);
}

static inline void build_hooks(struct ruleset *rs)
{
	static const char *const counters[] = {"drop_egress", "drop_ingress", "host", "invalid",
		"midstream", "strict", "untracked"};
	static const struct {
		const char *name;
		enum set_type type;
		const char *comment;
	} sets[] = {
		{MAP_EGRESS4, MAP_IPV4, "isolated endpoint : what it may send"},
		{MAP_EGRESS6, MAP_IPV6, "isolated endpoint : what it may send"},
		{MAP_INGRESS4, MAP_IPV4, "isolated endpoint : what it may receive"},
		{MAP_INGRESS6, MAP_IPV6, "isolated endpoint : what it may receive"},
		{SET_ISOLATED4, SET_IPV4, "isolated endpoints"},
		{SET_ISOLATED6, SET_IPV6, "isolated endpoints"},
		{MAP_STRICT_IN, MAP_IFNAME, "strict network : its known senders"},
		{MAP_STRICT_OUT, MAP_IFNAME, "strict network : its known receivers"},
		{SET_MIDSTREAM, SET_IFNAME, "bridges just made visible"},
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		ruleset_counter(rs, counters[i]);
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		ruleset_set(rs, sets[i].name, sets[i].type, sets[i].comment);
	build_forward(rs);
	build_input(rs);
}

#endif
