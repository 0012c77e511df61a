/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule as the kernel takes it: struct rule to libnftnl expressions (pure, no netlink). */
#ifndef BULKHEAD_KERNEL_EXPR_H
#define BULKHEAD_KERNEL_EXPR_H

#include "enforcerd/rule.h"

#include <libnftnl/rule.h>

enum {
	/* the kernel's own bounds of one rule (nf_tables_api.c) */
	KERNEL_RULE_EXPRS_MAX = 128,
	/* of denied packets, in nflog: headers and the begin of the payload */
	LOG_SNAPLEN = 128,
	LOG_RATE_PER_SECOND = 10,
	LOG_BURST = 20
};

struct rule_place {
	const char *table, *chain;
	uint16_t nflog_group;
};

/*
 * A rule that logs is two rules in the kernel with the same matches: a limit that is used up ends the evaluation of its
 * rule, so counter and verdict must not stand behind it.
 */
enum rule_part { RULE_LOG, RULE_VERDICT };

/* Never fails; the caller frees it with nftnl_rule_free(). */
struct nftnl_rule *kernel_rule(
	const struct rule *rule, enum rule_part part, const struct rule_place *place);

/* Text as nft can print it within double quotes and read it back: no quotes, no control characters, at most size - 1 bytes,
 * cut between characters. Returns out. */
char *kernel_text(char *out, size_t size, const char *text);

#endif
