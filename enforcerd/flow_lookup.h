/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is meant by an address, a port or a shortened policy name in a denied packet: asked of the world. */
#ifndef BULKHEAD_FLOW_LOOKUP_H
#define BULKHEAD_FLOW_LOOKUP_H

#include "enforcerd/denied.h"
#include "enforcerd/world.h"

/* Borrows the world. Interfaces are left to the flow log. */
struct denied_lookup flow_lookup(struct world *world);

#endif
