/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A consumer of store_reader that remembers every state of the stream that the operator (or syncd) meant to be there, in order, and
 * fails the test as soon as the reader hands it anything else, or goes back to one that it had left: what was revoked has re-opened
 * then, be it for a moment.
 */
#ifndef BULKHEAD_TESTS_WITNESS_H
#define BULKHEAD_TESTS_WITNESS_H

#include "common/redis_sync.h"
#include "common/store_reader.h"

struct witness;

/* A loop of its own, and one state that is meant: the stream absent. */
struct witness *witness_new(const char *stream);
void witness_free(struct witness *witness);
struct event_base *witness_base(const struct witness *witness);

/* What is in the store now is meant to be there. */
void witness_approve(struct witness *witness, struct redis_sync *admin);
/* Is what is in the store now the last state that was meant? */
bool witness_is_last(const struct witness *witness, struct redis_sync *admin);

/* Begins to follow, with what is held (as from disk) if there is anything; ends what it followed by before. */
void witness_follow(struct witness *witness, const struct redis_options *options);
void witness_resync(struct witness *witness);
const struct store_reader *witness_reader(const struct witness *witness);

/* Runs the loop until it is so, or fails the test. */
void witness_expect_state(struct witness *witness, enum store_state state, const char *reason);
/* Synced, and what is held is the last state that was meant. */
void witness_expect_last(struct witness *witness);
/* Refused, or held by a rule; what is held is still the last state that was meant, and stays so for a while. */
void witness_expect_kept(struct witness *witness, const char *reason);
/* Why a connection is not there, as last told; "" */
const char *witness_failure(const struct witness *witness);
unsigned witness_snapshots(const struct witness *witness);
unsigned witness_losses(const struct witness *witness); /* of connections that were ready */

#endif
