/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells what rules deny: listens on the nflog group, decodes, keeps to a budget, logs a line and publishes a record each.
 * Nothing of it is needed for enforcement: whatever fails here is said and tried again later.
 */
#ifndef BULKHEAD_FLOW_LOG_H
#define BULKHEAD_FLOW_LOG_H

#include "common/redis.h"
#include "common/strbuf.h"
#include "enforcerd/denied.h"

#include <event2/event.h>

struct flow_log;

struct flow_log_options {
	const char *node; /* borrowed for the life of the flow log */
	uint16_t group;
	enum mode mode;
	unsigned retry_seconds; /* between tries to bind; 0: 30 */
	/* interface may be NULL: names as this namespace has them */
	struct denied_lookup lookup;
	/* Shown what is told, as it comes; may be NULL. */
	void (*seen)(const struct flow_record *record, void *arg);
	void *arg;
};

/* Always works: where the group cannot be bound, that is logged once for each cause and tried again. */
struct flow_log *flow_log_new(
	struct event_base *base, const struct flow_log_options *options, struct redis *commands);
void flow_log_free(struct flow_log *log);

/* The mode of the records from now on. */
void flow_log_mode(struct flow_log *log, enum mode mode);
/* Whoever owns the connection forwards READY and LOST. */
void flow_log_redis_event(struct flow_log *log, enum redis_event event);
/* "" while the group is bound, else why not: for the status. Borrowed. */
const char *flow_log_trouble(const struct flow_log *log);
void flow_log_metrics(const struct flow_log *log, struct strbuf *out);

DEFINE_CLEANUP(flow_log, struct flow_log *, flow_log_free)

#endif
