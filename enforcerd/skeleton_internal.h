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
/* skeleton.c: what both forward chains do first, and last. */
void skeleton_begin(struct rule_list *rules, const struct skeleton_config *config);
void skeleton_dispatch(struct rule_list *rules, enum flow_side side, bool original_only);
void skeleton_end(struct rule_list *rules, bool original_only);

#endif
