/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects of our table as messages of a batch: what each becomes in netlink, and nothing about when. */
#ifndef BULKHEAD_KERNEL_MESSAGE_H
#define BULKHEAD_KERNEL_MESSAGE_H

#include "enforcerd/kernel_batch.h"
#include "enforcerd/kernel_expr.h"
#include "enforcerd/kernel_key.h"

/*
 * Flags of our table where the kernel has them (6.9): nobody but the socket that owns it changes it, and it stays when that
 * socket goes. linux-libc-dev of Debian 12 does not name the second.
 */
enum { TABLE_OWNED = 0x2, TABLE_PERSIST = 0x4 };

/* Room for a comment of anything but a rule; longer ones are cut, as by kernel_text(). */
enum { COMMENT_SIZE = 128 };

/* The base chains: which hook a chain of this name belongs to. */
struct base_form {
	const char *chain; /* its name in the ruleset */
	uint8_t family;    /* of the only table that has it */
	uint32_t hook;
	int32_t priority;
};

/* NULL: a chain that is only jumped to, in a table of this family. */
const struct base_form *base_form(const char *chain, uint8_t family);
/* A chain's name in its table: the ruleset tells the bridge table's base chains from those of inet by a prefix. */
const char *chain_in_table(const char *chain);

void message_table(struct batch *batch, const struct nft_table *table, uint32_t flags);
void message_delete_table(struct batch *batch, const struct nft_table *table);
void message_chain(
	struct batch *batch, const struct nft_table *table, const char *name, const char *comment);
void message_delete_chain(struct batch *batch, const struct nft_table *table, const char *name);
void message_flush_chain(struct batch *batch, const struct nft_table *table, const char *name);
/* One message, or more: see enum rule_part and kernel_rule_families(). */
void message_rule(struct batch *batch, const struct rule *rule, const struct rule_place *place);
/* id: any number that no other set of the same batch has. */
void message_set(struct batch *batch, const struct nft_table *table, const char *name,
	enum set_type type, const char *comment, uint32_t id);
void message_delete_set(struct batch *batch, const struct nft_table *table, const char *name);
void message_flush_set(struct batch *batch, const struct nft_table *table, const char *name);
void message_counter(struct batch *batch, const struct nft_table *table, const char *name);
void message_delete_counter(struct batch *batch, const struct nft_table *table, const char *name);

/* Elements, gathered: one message holds as many of one set as its attributes can. Zero-initialise the rest. */
struct elems {
	struct batch *batch;
	const struct nft_table *table;
	bool remove;
	char set[NFT_NAME_MAX];
	struct nlmsghdr *message; /* open, or NULL */
	struct nlattr *list;
};

/* chain NULL for sets; ignored, like the comment, when removing. */
void elems_add(struct elems *elems, const char *set, enum set_type type, const struct elem_key *key,
	const char *chain, const char *comment);
/* Before any other message is begun, and at the end. */
void elems_finish(struct elems *elems);

#endif
