/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of a table and elements of a set, as the kernel has them. */
#ifndef BULKHEAD_KERNEL_READ_H
#define BULKHEAD_KERNEL_READ_H

#include "enforcerd/kernel_expr.h"
#include "enforcerd/netlink.h"
#include "enforcerd/ruleset.h"

/* What is told of a set. Both get the caller's arg. */
struct elem_reader {
	/* chain: of a map, where it jumps; NULL for sets. comment: "" for none. */
	void (*elem)(const struct elem_key *key, const char *chain, const char *comment, void *arg);
	/* Forget what was told: the kernel changed meanwhile. */
	void (*restart)(void *arg);
};

/* *whole: false where the set has something in it that is none of ours (an odd key or verdict, an open range). */
int read_elements(struct netlink *netlink, const struct nft_table *table, const char *set,
	enum set_type type, const struct elem_reader *reader, void *arg, bool *whole,
	struct err *err) must_check;

struct rule_reader {
	/* chain: its name in the table; rules come chain by chain, in their order. rule is NULL where it is none that libnftnl
	 * can read. Borrowed for the call. */
	void (*rule)(const char *chain, const struct nftnl_rule *rule, void *arg);
	void (*restart)(void *arg);
};

/* chain: of this one only, or NULL. */
int read_rules(struct netlink *netlink, const struct nft_table *table, const char *chain,
	const struct rule_reader *reader, void *arg, struct err *err) must_check;

/* A comment in user data, of type 0 and first, as in ours; "" when there is none. */
const char *comment_of(const void *notes, size_t len);

#endif
