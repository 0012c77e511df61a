/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When bridges have just become visible to conntrack: for MIDSTREAM_SECONDS looks at the flows that it picked up midway
 * (first_load.h), soon and then less and less often, since silent flows speak late.
 */
#ifndef BULKHEAD_FIRST_LOOK_H
#define BULKHEAD_FIRST_LOOK_H

#include "enforcerd/mark.h"
#include "enforcerd/ruleset.h"

#include <event2/event.h>
#include <stdbool.h>

struct first_look;

/* rs is borrowed. fresh: our rules are not in the kernel yet, so that a look is due with them. */
struct first_look *first_look_new(struct event_base *base, const struct ruleset *rs,
	const struct mark_layout *marks, bool fresh, struct err *err) must_check;
void first_look_free(struct first_look *look);
/* A bridge became visible, or will be with the next commit. */
void first_look_due(struct first_look *look);
/*
 * The kernel has what the ruleset says; complete: that is all of the store's policies and endpoints. What is due begins then, and
 * not before: a look without policies judges nothing, and the looks that follow come less and less often.
 */
void first_look_committed(struct first_look *look, bool complete);

DEFINE_CLEANUP(first_look, struct first_look *, first_look_free)

#endif
