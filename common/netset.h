/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A network set as a value: named blocks of addresses with labels, which the selectors of rules match beside endpoints, each by its
 * own labels. An address may be an endpoint's and in sets as well, then any of them will do. A policy never governs a set.
 *
 * Record: {"v":1,"name":NAME,"labels":{...}?,"annotations":{...}?,"spec":{"nets":[CIDR...]}}
 */
#ifndef BULKHEAD_NETSET_H
#define BULKHEAD_NETSET_H

#include "common/label.h"
#include "common/policy.h"

struct netset {
	char *name;
	struct labels *labels; /* never NULL */
	struct cidr_list nets;
	json_t *annotations; /* object of strings, or NULL */
};

/* As policy_from_json(). Labels are checked as a user's: none in the reserved key space. */
struct netset *netset_from_json(const json_t *record, struct err *err) must_check;
json_t *netset_to_json(const struct netset *set); /* reads back as an equal one; caller owns it */
void netset_free(struct netset *set);

bool netset_has(const struct netset *set, const struct ip *ip);

/* Some of the sets there are; borrowed. */
struct netset_list {
	const struct netset **items;
	size_t count, cap;
};

void netset_list_add(struct netset_list *list, const struct netset *set);
/* Appends those of all that have the address. */
void netset_list_of(const struct netset_list *all, const struct ip *ip, struct netset_list *list);
/* Whether a set of the list has labels that the selector matches: the first, or NULL. list may be NULL. */
const struct netset *netset_list_match(
	const struct netset_list *list, const struct selector *selector);
void netset_list_clear(struct netset_list *list);

DEFINE_CLEANUP(netset, struct netset *, netset_free)
#define cleanup_netset_list __attribute__((cleanup(netset_list_clear)))

#endif
