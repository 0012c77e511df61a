/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Matches as libnftnl expressions, and the small steps that they are made of. Part of kernel_expr.c. */
#ifndef BULKHEAD_KERNEL_MATCH_H
#define BULKHEAD_KERNEL_MATCH_H

#include "enforcerd/rule.h"

#include <libnftnl/rule.h>

/* What is being built, and what of the packet the matches so far have pinned down. */
struct builder {
	struct nftnl_rule *rule;
	bool bridge;        /* for a table of the bridge family */
	uint16_t ethertype; /* the protocol that the frame carries */
	uint8_t l4proto;
};

/* libnftnl reports nothing but memory; as everywhere, that does not return (common/xalloc.h). */
void *builder_must(void *allocated);
/* An expression at the rule's end, owned by it. */
struct nftnl_expr *builder_expr(struct builder *b, const char *name);

/* Loads into the first register. */
enum { NO_DIRECTION = -1 };
void load_ct(struct builder *b, uint32_t key, int direction);
void load_ct_addr(struct builder *b, enum flow_side side, uint8_t family);
void load_meta(struct builder *b, uint32_t key);
/* register = (register & bits) ^ flip */
void mask_register(struct builder *b, const void *bits, const void *flip, uint32_t len);
void store_ct_mark(struct builder *b);
/* Jumps where the groups of the flow's address say. */
void jump_by_group(struct builder *b, enum flow_side side, uint8_t family, const char *map);
/* Jumps where the first register says; a miss ends the rule. */
void jump_by_map(struct builder *b, const char *map);

/* Makes sure that the rule goes on for packets of IP version `family` (4, 6) alone. */
void need_ip_version(struct builder *b, uint8_t family);
void need_original_direction(struct builder *b);
void add_match(struct builder *b, const struct match *match);

#endif
