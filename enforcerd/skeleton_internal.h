/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small words for rules, shared by the two halves of the skeleton and by the strict and published chains of the world. */
#ifndef BULKHEAD_SKELETON_INTERNAL_H
#define BULKHEAD_SKELETON_INTERNAL_H

#include "enforcerd/log_prefix.h"
#include "enforcerd/skeleton.h"

static inline const char *by_family(uint8_t family, const char *four, const char *six)
{
	return family == 4 ? four : six;
}

void skeleton_name(char name[NFT_NAME_MAX], const char *text);
void skeleton_comment(struct rule *rule, const char *text);
/* A match of an address, a field or an interface in a set. */
struct match *skeleton_match_set(struct rule *rule, enum match_kind kind, enum flow_side side,
	uint8_t family, const char *set);
/* MATCH_FIELD_SET or MATCH_PORT_SET. */
struct match *skeleton_match_field(struct rule *rule, enum match_kind kind, enum header_field field,
	enum flow_side side, uint8_t family, const char *set);
void skeleton_match_value(struct rule *rule, enum match_kind kind, uint32_t value);
/* Counts under the reason's name, logs, and ends in CHAIN_DENIED. In a base chain audit mode goes on behind it: jump; in a
 * chain that is jumped to it has said its verdict: goto. */
void skeleton_deny(struct rule *rule, enum log_what what, bool base_chain);
void skeleton_jump(struct rule *rule, const char *chain);

/* skeleton_bridge.c: the port guard, and the bridge table's own judging of flows. */
void skeleton_build_bridge(struct ruleset *rs, const struct skeleton_config *config);
/* skeleton.c: a base chain that judges flows, and its chains for IPv4 and IPv6. */
struct skeleton_hook {
	enum ruleset_tables tables;
	const char *chain, *comment;
	const char *families[2]; /* chains of their own: no packet meets the other's rules */
	const char *strict;      /* chain that is empty while no network is strict */
	bool original_only;      /* flows to this host: what answers it is not judged */
};

/* rules: what comes before; taken over. More may be added to the families' chains by extra, before the mark is looked at. */
void skeleton_judge(struct ruleset *rs, const struct skeleton_config *config,
	const struct skeleton_hook *hook, struct rule_list *rules,
	void (*extra)(struct rule_list *rules, uint8_t family));

#endif
