/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What enforcerd says about itself: the status hash in Redis and the Prometheus text, from one set of values.
 */
#ifndef BULKHEAD_REPORT_H
#define BULKHEAD_REPORT_H

#include "common/mode.h"
#include "common/redis.h"
#include "common/strbuf.h"
#include "enforcerd/peers.h"
#include "enforcerd/revocation.h"
#include "enforcerd/world.h"

struct report {
	const char *node, *instance, *host_action;
	const char *
		bridge; /* where same-bridge traffic is judged: "bridge", "inet" (by br_netfilter) or "none" */
	char policies_head
		[STORE_HEAD_MAX]; /* heads that are in force in the kernel; "" before the first */
	char endpoints_head[STORE_HEAD_MAX];
	struct world_stats stats;
	double last_commit_seconds;
	long long last_commit_unix; /* 0: never */
	unsigned long long commits, commit_failures;
	char last_error[ERR_TEXT_MAX];
	json_t *problems, *not_enforced, *refused; /* arrays of strings */
	json_t *bridges;                           /* object: interface -> isolation */
	struct peers_counts peers;                 /* other nodes */
	json_t *peers_news; /* as peers_news() gives it; NULL: what was written last still holds */
	bool redis_connected, synced, in_force;
	enum mode mode;
	uint32_t generation; /* of judged flows; 0: every packet is judged */
	struct revocation_stats revocations;
	unsigned long long repairs; /* times that somebody else had changed our tables */
	const char *culprit;        /* who was it last, or NULL; borrowed */
};

/* HSETs bulkhead:v1:status:<node>. fn is called with the reply. -1 when it could not be sent. */
int report_publish(
	const struct report *report, struct redis *redis, redis_reply_fn *fn, void *arg) must_check;
/* Gives the JSON members back. */
void report_release(struct report *report);
void report_metrics(const struct report *report, struct strbuf *out);

#endif
