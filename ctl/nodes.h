/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which nodes there are. */
#ifndef BULKHEAD_CTL_NODES_H
#define BULKHEAD_CTL_NODES_H

#include "common/cleanup.h"
#include "common/redis_sync.h"

/* Nodes that syncd has named, and nodes where only enforcerd speaks: those most of all want looking at. The keys of a JSON object. */
json_t *nodes_all(struct redis_sync *redis, struct err *err) must_check;

#endif
