/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far behind the store a node's enforcerd is, stream by stream (pure). */
#ifndef BULKHEAD_CTL_LAG_H
#define BULKHEAD_CTL_LAG_H

#include "common/err.h"

/*
 * status: the node's status hash, as strings; heads: stream -> the store's head, "" where it is absent. In revisions; null where
 * nothing of the stream's epoch is in force: {"policies": n, "endpoints": n, "others": n, "peers": {node: n}}. others is the largest of
 * peers, which are the other nodes that the enforcerd follows. New reference.
 */
json_t *lag_build(const json_t *status, const char *node, const json_t *heads);
/* "0", "3", or "?"; caller frees. */
char *lag_text(const json_t *lag, const char *member);

#endif
