/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node takes another node's endpoint for, in words (pure). */
#ifndef BULKHEAD_CTL_ACROSS_H
#define BULKHEAD_CTL_ACROSS_H

#include "ctl/ends.h"

/*
 * Of the end on the other side of direction's, as direction's node knows it: one sentence, which the caller frees; NULL where both ends
 * are on one node, or that one is no container's.
 */
char *across_text(const struct world *world, const struct judgement *judgement,
	const struct ends *ends, enum policy_direction direction);

#endif
