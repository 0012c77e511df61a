/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows that were live before a bridge became visible to conntrack: when the first rule with a conntrack key was loaded into the
 * bridge family, or br_netfilter was switched on. Conntrack picks them up midway and takes whoever speaks first for the one who
 * opened them; by that they may be judged in reverse. The daemon looks at them once, after its policy is in the kernel:
 *
 * Which way a flow was opened is certain where conntrack saw TCP's handshake, or an ICMP request. Else it is told by the ports
 * (a service's is below 32768, a client's not), or it is not known.
 *
 *   TCP, denied either way                                     condemned: nothing of it passes any more
 *   TCP, opened by the side that conntrack takes for the       the entry is turned round: from then on it is judged as what
 *   answering one, or not known and allowed only that way      it is, now, after each change, and when an end is isolated
 *                                                              of which that is not so yet
 *   no TCP, denied as it stands, allowed the other way         the entry is removed: who may speak first makes the next one
 *
 * All others are left to the rules, which judge them as they stand. What the host itself opened is allowed. Translated flows are
 * left alone: conntrack has seen those from their beginning.
 */
#ifndef BULKHEAD_FIRST_LOAD_H
#define BULKHEAD_FIRST_LOAD_H

#include "enforcerd/conntrack.h"
#include "enforcerd/ruleset.h"

struct first_load_result {
	size_t condemned, turned, removed;
	size_t failed; /* could not be changed: both sides spoke without pause; condemned instead */
};

/*
 * Looks at all entries, blocking: 0.1 s for 10,000. To be called when the policy is in the kernel and packets of the bridge
 * have come by, and again when silent flows may have spoken: what has been done is not done twice.
 */
int first_load_judge(struct conntrack *conntrack, const struct ruleset *rs,
	const struct mark_layout *marks, struct first_load_result *result,
	struct err *err) must_check;

/* What is to be done about one flow; pure. to_host: the side that is taken for the answering one is this host. */
enum first_load_action { FIRST_LOAD_LEAVE, FIRST_LOAD_CONDEMN, FIRST_LOAD_TURN, FIRST_LOAD_REMOVE };

enum first_load_action first_load_decide(
	const struct ruleset *rs, const struct flow *flow, bool to_host);

#endif
