/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a ruleset's difference, and what the kernel holds, to the batches that make the one the other (no I/O).
 *
 * A packet takes the rules of one generation from beginning to end, but looks sets and maps up as they are at that instant,
 * and a chain that was created in this generation is empty in the one before. So a packet that is under way while a map
 * begins to point at a new chain would find that chain empty, and pass. Hence two batches where chains are new: first,
 * unreachable, the chains with all that they need; then everything else. For the same reason maps and base chains that stay
 * are emptied and filled in place, never removed and made anew; and what a former version or somebody else left goes last, in a
 * batch of its own, when no packet can be on its way to it.
 */
#ifndef BULKHEAD_KERNEL_PLAN_H
#define BULKHEAD_KERNEL_PLAN_H

#include "enforcerd/kernel_batch.h"
#include "enforcerd/kernel_dump.h"

/* Our two tables: IN_INET and IN_BRIDGE, in this order. */
enum { PLAN_TABLES = 2 };

struct plan_table {
	struct nft_table table;
	uint32_t flags; /* of message_table() */
	uint32_t owner; /* port of the socket that is to own it, where the flags say so */
	bool there;     /* the kernel has it */
	/* What it holds, where that is not what was committed last: then what is wanted is in it as it should be, or pending in
	 * the ruleset; what is neither, and what the inventory has not been told is wanted, is removed. For both tables or for
	 * neither. */
	struct inventory *inventory;
};

struct plan_input {
	struct plan_table tables[PLAN_TABLES];
	uint16_t nflog_group;
	const struct ruleset *ruleset;
};

struct plan_batches {
	struct batch *prepare;   /* to be sent first, or NULL */
	struct batch *apply;     /* may be without messages */
	struct batch *tidy;      /* to be sent last, or NULL */
	bool there[PLAN_TABLES]; /* the tables that the kernel has afterwards */
};

void plan_batches(const struct plan_input *input, struct plan_batches *batches);
/* Whether what was found has the shape that it should have. */
bool plan_same_set(const struct found *found, enum set_type type);
bool plan_same_chain(const struct found *found, const char *name, uint8_t family);
void plan_batches_clear(struct plan_batches *batches);

#endif
