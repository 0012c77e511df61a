/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the rules say of a flow, found by reading the ruleset as the kernel would: for flows that conntrack knew before there were
 * rules (first_load.h). Pure. What cannot be told from a flow alone is denied.
 */
#ifndef BULKHEAD_FLOW_JUDGE_H
#define BULKHEAD_FLOW_JUDGE_H

#include "enforcerd/flow.h"
#include "enforcerd/ruleset.h"

enum flow_verdict {
	FLOW_UNJUDGED, /* neither side is isolated or of a strict network */
	FLOW_ALLOWED,
	FLOW_DENIED
};

/* reversed: as if the other side had opened it. */
enum flow_verdict flow_judge(const struct ruleset *rs, const struct flow *flow, bool reversed);

#endif
