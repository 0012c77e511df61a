/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flow records to Redis: an entry of the capped stream and a message on the channel bulkhead:v1:flows, both in one transaction.
 * News, not state: what does not fit into a bounded queue or comes while Redis is away is dropped and counted.
 */
#ifndef BULKHEAD_FLOW_PUBLISH_H
#define BULKHEAD_FLOW_PUBLISH_H

#include "common/redis.h"

enum { FLOWS_KEPT = 10000, FLOW_QUEUE_MAX = 1024, FLOW_QUEUE_BYTES_MAX = 1 << 20 };

struct flow_publisher;

/* The connection is shared; its owner forwards READY and LOST, and may free it before or after the publisher. */
struct flow_publisher *flow_publisher_new(struct redis *redis);
void flow_publisher_free(struct flow_publisher *publisher);
void flow_publisher_event(struct flow_publisher *publisher, enum redis_event event);

/* Takes over text, a record's JSON. Never waits. */
void flow_publisher_add(struct flow_publisher *publisher, char *text);

struct flow_publisher_stats {
	unsigned long long published, dropped;
};

struct flow_publisher_stats flow_publisher_stats(const struct flow_publisher *publisher);

DEFINE_CLEANUP(flow_publisher, struct flow_publisher *, flow_publisher_free)

#endif
