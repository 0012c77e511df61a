/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One nf_tables transaction: messages with real sequence numbers in one buffer, sent in one datagram, applied whole or not
 * at all. A refusal is told in words that name operation and object; they are read back from the refused message itself,
 * so that building costs nothing for it.
 */
#ifndef BULKHEAD_KERNEL_BATCH_H
#define BULKHEAD_KERNEL_BATCH_H

#include "enforcerd/netlink.h"
#include "enforcerd/ruleset.h"

struct batch;

enum {
	BATCH_ROOM = 1 << 16,       /* bytes that a message may use without asking */
	BATCH_ELEMS_MAX = 60 * 1024 /* an attribute's length has 16 bits */
};

struct batch *batch_new(void);
void batch_free(struct batch *batch);

/*
 * Begins a message; NLM_F_REQUEST is set here. Payload is then added by libmnl or libnftnl, at most BATCH_ROOM bytes.
 * Pointers into earlier messages are invalid afterwards. The message ends where the next begins.
 */
struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint16_t flags, uint8_t family);
/* Says what the keys of the last message's elements are, for the words of a refusal. */
void batch_message_keys(struct batch *batch, enum set_type type);
unsigned batch_count(const struct batch *batch); /* messages, without begin and end */
size_t batch_size(const struct batch *batch);    /* bytes */

enum batch_outcome {
	BATCH_APPLIED,
	BATCH_STALE, /* the generation is another by now: nothing was applied */
	BATCH_REFUSED, /* nothing was applied; err names the first refused object, code is its errno */
	BATCH_UNKNOWN /* no answer: whether it was applied is not known */
};

struct batch_result {
	enum batch_outcome outcome;
	unsigned refused; /* messages refused */
	uint16_t type;    /* NFT_MSG_* of the first of them */
	uint8_t family;   /* of its table */
	unsigned index;   /* its place in the batch, from 0 */
};

/*
 * Ends the batch and sends it. generation: the id that must still be true when the kernel takes it, or 0 for any.
 * 0 when applied, else -1 with err; a batch that was stale may be sent again with another generation.
 */
int batch_send(struct batch *batch, struct netlink *netlink, uint32_t generation,
	struct batch_result *result, struct err *err) must_check;

/* What an NFT_MSG_* message does to what, e.g. "add element 172.18.0.2 to set sel_ab12_4". offset: see netlink_refusal. */
char *batch_describe(
	const struct nlmsghdr *message, const enum set_type *keys, uint32_t offset) must_check;

/* Every operation of a batch in such words, a line each: for tests and debugging. */
char *batch_text(const struct batch *batch) must_check;

DEFINE_CLEANUP(batch, struct batch *, batch_free)

#endif
