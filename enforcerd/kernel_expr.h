/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule as the kernel takes it: struct rule to libnftnl expressions (pure, no netlink). */
#ifndef BULKHEAD_KERNEL_EXPR_H
#define BULKHEAD_KERNEL_EXPR_H

#include "enforcerd/rule.h"

#include <libnftnl/rule.h>

/* One of our two tables, or one of a check. */
struct nft_table {
	const char *name;
	uint8_t family; /* NFPROTO_INET, NFPROTO_BRIDGE */
};

enum {
	/* of denied packets, in nflog: headers and the begin of the payload */
	LOG_SNAPLEN = 128,
	LOG_RATE_PER_SECOND = 10,
	LOG_BURST = 20
};

struct rule_place {
	const struct nft_table *table;
	const char *chain; /* its name in the table */
	uint16_t nflog_group;
};

/*
 * A rule that logs is two rules in the kernel with the same matches: a limit that is used up ends the evaluation of its
 * rule, so counter and verdict must not stand behind it.
 */
enum rule_part { RULE_LOG, RULE_VERDICT };

/*
 * nft (1.0.6) shows a flow's port or ICMP type as a number only in a rule that has said which IP version it is about, else
 * as "0x35 [invalid type]". So such rules say it first: families[] gets 4, 6 or both, or a single 0 where it does not
 * matter. Returns how many there are: a rule of the kernel for each.
 */
size_t kernel_rule_families(const struct rule *rule, uint8_t families[2]);

/* One of the rules of the kernel that a rule becomes. */
struct rule_form {
	enum rule_part part;
	uint8_t family; /* as told by kernel_rule_families() */
};

enum { RULE_FORMS_MAX = 4 };

/* All of them, in their order. */
size_t kernel_rule_forms(const struct rule *rule, struct rule_form forms[RULE_FORMS_MAX]);

/* Never fails; the caller frees it with nftnl_rule_free(). */
struct nftnl_rule *kernel_rule(const struct rule *rule, enum rule_part part, uint8_t family,
	const struct rule_place *place);

/* Whether a rule as the kernel dumps it is this one, expression by expression, comment included. */
bool kernel_rule_same(const struct nftnl_rule *wanted, const struct nftnl_rule *found);

/* Text as nft can print it within double quotes and read it back: no quotes, no control characters, at most size - 1 bytes,
 * cut between characters. Returns out. */
char *kernel_text(char *out, size_t size, const char *text);

#endif
