/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The evaluators of all nodes over one world and one list of policies (pure). A flow between two nodes is judged by both, each by what it
 * knows of the other's endpoint (common/shared.h).
 */
#ifndef BULKHEAD_CTL_JUDGE_H
#define BULKHEAD_CTL_JUDGE_H

#include "common/evaluate.h"
#include "ctl/policies.h"
#include "ctl/world.h"

struct judge;

/* All of it is borrowed. */
struct judge *judge_new(const struct world *world, const struct policies *policies);
void judge_free(struct judge *judge);

/* What to ask, and at which nodes: of the sender's end and of the receiver's. */
struct trial {
	struct question question;
	const char *nodes[DIR_COUNT];
};

struct judgement {
	struct verdict verdicts
		[DIR_COUNT]; /* of each end's node; walks[DIR_X] of verdicts[DIR_X] counts */
	bool allowed;
};

void judge_try(const struct judge *judge, const struct trial *trial, struct judgement *judgement);
void judgement_clear(struct judgement *judgement);
const struct end_walk *judgement_walk(
	const struct judgement *judgement, enum policy_direction direction);
/* The strict network in which an end is unknown, and which end; NULL: none. */
const struct network *judgement_strict(
	const struct judgement *judgement, enum policy_direction *end);

/*
 * An isolated endpoint whose egress allows nobody port 53: names that Docker's resolver asks a server outside for are lost. True only
 * where that is certain, whatever the server's address.
 */
bool judge_names_lost(const struct judge *judge, const struct world_endpoint *endpoint);

DEFINE_CLEANUP(judge, struct judge *, judge_free)
#define cleanup_judgement __attribute__((cleanup(judgement_clear)))

#endif
