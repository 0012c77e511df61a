/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policies to rules (pure). A group chain holds, inlined and in order, the rules of every policy that governs its
 * endpoints in one direction: allow is return, deny and the end are drop (with counter, and rate limited nflog at the end).
 */
#ifndef BULKHEAD_COMPILE_H
#define BULKHEAD_COMPILE_H

#include "common/policy.h"
#include "enforcerd/rule.h"

/* A set that compiled rules refer to. The owner creates, fills and counts it. */
enum needed_kind { NEED_SELECTOR, NEED_CIDRS, NEED_PORTS };

struct needed_set {
	enum needed_kind kind;
	uint8_t family;                  /* 4 or 6; 0 for ports */
	char name[NFT_NAME_MAX];         /* sel_<id>_4, net_<id>_6, port_<id> */
	const struct selector *selector; /* NEED_SELECTOR; borrowed from the policy */
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

/* The chain of endpoints governed by these policies, in this order (count may be 0: closed). */
int compile_group(const struct policy *const *policies, size_t count, enum policy_direction dir,
	struct rule_list *rules, struct needed_list *needed, struct err *err) must_check;

/* Name of the group's chain: "eg_"/"in_" + a readable part of the first policy's name + 12 hex digits of a hash over the
 * names in order; "eg_none"/"in_none" for no policy. The comment lists the names. */
void compile_group_name(const struct policy *const *policies, size_t count,
	enum policy_direction dir, char name[NFT_NAME_MAX]);
char *compile_group_comment(
	const struct policy *const *policies, size_t count, enum policy_direction dir);

#endif
