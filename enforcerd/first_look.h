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

struct first_look;

/* rs is borrowed. */
struct first_look *first_look_new(struct event_base *base, const struct ruleset *rs,
	const struct mark_layout *marks, struct err *err) must_check;
void first_look_free(struct first_look *look);
/* A bridge became visible, and the policies are, or will be by the end of this turn, in the kernel. */
void first_look_begin(struct first_look *look);

DEFINE_CLEANUP(first_look, struct first_look *, first_look_free)

#endif
