/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies to rules (pure). A group chain holds, inlined and in order, the rules of every policy that governs its
 * endpoints in one direction: allow is return, deny and the end are "goto denied" (with counter, and rate limited nflog), which
 * drops, or in audit mode does nothing. Where some of the policies are staged, the chain begins with a jump to a chain of
 * its own that judges as if they were in force, reports what they would deny, and denies nothing.
 *
 * Where policies are of several tiers, "pass" is goto a chain that has what comes after the tier; a tier whose end is all that passes goes
 * on in the same chain. Where network sets have labels that a selector matches, their blocks are looked up beside its set of endpoints:
 * for a positive selector in a rule of their own, for a negated one in the same.
 */
#ifndef BULKHEAD_COMPILE_H
#define BULKHEAD_COMPILE_H

#include "common/netset.h"
#include "common/tier.h"
#include "enforcerd/compile_target.h"
#include "enforcerd/rule.h"

/* A set, or counter, that compiled rules refer to. The owner creates, fills and counts it. */
enum needed_kind { NEED_SELECTOR, NEED_CIDRS, NEED_PORTS, NEED_COUNTER };

struct needed_set {
	enum needed_kind kind;
	uint8_t family;                  /* 4 or 6; 0 for ports and counters */
	char name[NFT_NAME_MAX];         /* sel_<id>_4, sel_<id>h_4, net_<id>_6, port_<id> */
	const struct selector *selector; /* NEED_SELECTOR; borrowed from the policy */
	bool hosts;                      /* this host's addresses count as well, "h" */
	struct cidr *cidrs;              /* NEED_CIDRS: merged and disjoint */
	size_t cidr_count;
	uint16_t *ports; /* NEED_PORTS: single ports, sorted; ranges become rules */
	size_t port_count;
};

struct needed_list {
	struct needed_set *items; /* without duplicates by name */
	size_t count, cap;
};

void needed_list_free(struct needed_list *list);

/*
 * Appends the nft rules of one policy in one direction. A policy rule becomes several where lists hold ranges or where
 * IPv4 and IPv6 need different sets, none where a family's list is empty (F26 filterNets). Fails, naming policy and rule,
 * only where a rule would need more than RULE_MATCHES_MAX matches, or a port list or a policy thousands of kernel rules.
 */
int compile_policy(const struct policy *policy, enum policy_direction dir, struct rule_list *rules,
	struct needed_list *needed, struct err *err) must_check;

/* What a chain is for: to judge by the policies in force, or to tell what would be if the staged ones were, too. */
enum compile_view { VIEW_IN_FORCE, VIEW_STAGED };

/* What a chain is compiled for. */
struct compile_scope {
	enum policy_direction dir;
	uint8_t family; /* 4 or 6: of the addresses that are led to it */
	enum compile_view view;
	const struct netset_list *netsets; /* all there are; NULL: none */
	const char *
		chain; /* a name for what comes after tiers, see compile_tier_chain(); at most COMPILE_CHAIN_MAX long */
	/* NULL: any, which the kernel compares; else towards this destination alone, for clients of the family (compile_target.h). */
	const struct compile_target *target;
};

enum { COMPILE_CHAIN_MAX = NFT_NAME_MAX - 4 };

struct compiled {
	struct rule_list own;
	struct rule_list tiers[TIERS_MAX]; /* chains 1.. that "pass" leads to */
	size_t tier_count;
};

void compiled_free(struct compiled *compiled);

/* "t1_<chain>": of the n-th (from 0) of compiled.tiers. */
void compile_tier_chain(const char *chain, size_t n, char name[NFT_NAME_MAX]);

/* The chain of endpoints governed by these policies, in this order (count may be 0: closed). What it made is the caller's also where it failed. */
int compile_group(const struct policy *const *policies, size_t count,
	const struct compile_scope *scope, struct compiled *compiled, struct needed_list *needed,
	struct err *err) must_check;
/* Whether a group of these policies needs a chain of VIEW_STAGED. */
bool compile_is_staged(const struct policy *const *policies, size_t count);

/*
 * Name of the group: "eg_"/"in_" + a readable part of the first policy's name + 12 hex digits of a hash over the names in order;
 * "eg_none"/"in_none" for no policy. Short enough for its chains to have something before and behind it. The comment lists the
 * names. Returns the group's number in maps: the first 8 of the digits, 1 for no policy. Two groups may come to the same.
 */
uint32_t compile_group_name(const struct policy *const *policies, size_t count,
	enum policy_direction dir, char name[NFT_NAME_MAX]);
char *compile_group_comment(
	const struct policy *const *policies, size_t count, enum policy_direction dir);

#endif
