/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The compiler's body, shared by its files:
 *   compile.c       one rule: protocol, ports, verdict
 *   compile_match.c addresses, and the sets that rules look up
 *   compile_group.c several policies, tier after tier
 */
#ifndef BULKHEAD_COMPILE_INTERNAL_H
#define BULKHEAD_COMPILE_INTERNAL_H

#include "enforcerd/compile.h"

enum { NAME_PART = 20, HASH_DIGITS = 12 };

/* What one policy rule is being turned into, for one family (0: both at once). */
struct unit {
	const struct policy *policy;
	const struct policy_rule *in;
	enum policy_direction dir;
	enum compile_view view;
	size_t index;
	uint8_t family;
	uint8_t only;                        /* the chain's, or 0 for one of both families */
	const struct compile_target *target; /* NULL: any, the kernel compares */
	const struct netset_list *netsets;
	char pass_to[NFT_NAME_MAX]; /* "": nothing comes after the tier */
	bool passed;                /* a rule leads there */
	struct rule_list *out;
	size_t before; /* rules of other policies in out */
	struct needed_list *needed;
	struct err *err;
};

void compile_hash(const char *text, char *hex, size_t digits);
/* The beginning of a name as an identifier of nft. */
void compile_identifier(const char *name, char part[NAME_PART + 1]);

/* The entry of that name, and whether it is new. */
struct needed_set *compile_need(struct needed_list *list, const char *name, enum needed_kind kind,
	uint8_t family, bool *fresh);
/* Single ports of a list, sorted and without duplicates. */
uint16_t *compile_single_ports(const struct port_list *list, size_t *count);
/* Takes over ports where the set is new. */
void compile_need_ports(struct unit *u, uint16_t *ports, size_t count, char name[NFT_NAME_MAX]);
/* *rules becomes the alternatives. False: none of them can match. */
bool compile_match_entity(struct unit *u, struct rule_list *rules, enum flow_side side,
	const struct policy_entity *entity);

/* Every rule of the unit's policy. */
int compile_rules(struct unit *u) must_check;
/* What no rule has decided is denied; first: of the policies that were asked, NULL for none. */
void compile_end(struct rule_list *rules, const struct policy *first, enum policy_direction dir,
	enum compile_view view, struct needed_list *needed);
void compile_go_on(struct rule *rule, const char *chain);
const char *compile_dir_prefix(enum policy_direction dir);

#endif
