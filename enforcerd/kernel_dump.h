/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel has: names and shapes of a table's objects, base chains of all tables, and the generation id. */
#ifndef BULKHEAD_KERNEL_DUMP_H
#define BULKHEAD_KERNEL_DUMP_H

#include "enforcerd/kernel_expr.h"
#include "enforcerd/netlink.h"
#include "enforcerd/ruleset.h"

struct inventory;

/* The generation id of nf_tables in this namespace: it changes with every commit of anybody. */
int dump_generation(struct netlink *netlink, uint32_t *generation, struct err *err) must_check;

/* Everything in a table but rules and elements. A table that is not there gives an empty inventory. */
struct inventory *inventory_read(
	struct netlink *netlink, const struct nft_table *table, struct err *err) must_check;
void inventory_free(struct inventory *inventory);

/* One object. Names are the kernel's, of any length. */
struct found {
	enum object_kind kind;
	const char *name;
	/* chains */
	bool base;
	uint32_t hook, policy;
	int32_t priority;
	/* sets and maps */
	uint32_t key_type, key_len, flags;
	uint32_t data_type, data_len; /* 0 in sets */
};

struct found_table {
	bool there;
	uint32_t flags, owner; /* owner: port of the netlink socket that has it to itself, or 0 */
};

const struct found_table *inventory_table(const struct inventory *inventory);
/* NULL when there is none. */
const struct found *inventory_find(
	const struct inventory *inventory, enum object_kind kind, const char *name);
/* Says that an object of this name, should there be one, is wanted. */
void inventory_want(struct inventory *inventory, enum object_kind kind, const char *name);
/* Calls fn for every object of a kind that nobody wants, in the kernel's order. */
void inventory_unwanted(const struct inventory *inventory, enum object_kind kind,
	void (*fn)(const struct found *found, void *arg), void *arg);

/* A base chain of any table and family. Borrowed for the call. */
struct base_chain {
	uint8_t family; /* NFPROTO_* */
	const char *table, *name;
	uint32_t hook, policy; /* NF_INET_*, NF_ACCEPT or NF_DROP */
	int32_t priority;
};

/* Calls base for every base chain and chain for every chain of every table; either may be NULL. */
struct chain_visitor {
	void (*base)(const struct base_chain *chain, void *arg);
	void (*chain)(uint8_t family, const char *table, const char *name, void *arg);
	void (*restart)(void *arg); /* forget what was said: the kernel changed meanwhile */
};

int dump_chains(struct netlink *netlink, const struct chain_visitor *visitor, void *arg,
	struct err *err) must_check;

DEFINE_CLEANUP(inventory, struct inventory *, inventory_free)

#endif
