/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /healthz, /readyz and /metrics on evhttp. GET and HEAD only; sizes and times bounded.
 */
#ifndef BULKHEAD_HEALTH_H
#define BULKHEAD_HEALTH_H

#include "common/err.h"
#include "common/strbuf.h"

#include <event2/event.h>
#include <stdbool.h>

struct health;

struct health_ops {
	/* True when in sync and doing what is claimed; otherwise appends the reasons, a line each. */
	bool (*ready)(struct strbuf *reasons, void *arg);
	/* Appends the Prometheus text. */
	void (*metrics)(struct strbuf *out, void *arg);
};

/* listen_on is "ADDR:PORT", "[ADDR6]:PORT" or "none" (then NULL is returned with err->text empty). */
struct health *health_new(struct event_base *base, const char *listen_on,
	const struct health_ops *ops, void *arg, struct err *err) must_check;
void health_free(struct health *health);
int health_listen_check(const char *listen_on, struct err *err) must_check; /* for config tables */

/* One metric with its HELP and TYPE lines; type is "counter" or "gauge". labels NULL or `k="v",...`. */
void metric_write(struct strbuf *out, const char *name, const char *type, const char *help,
	const char *labels, double value);

/*
 * What a container's HEALTHCHECK runs: asks http://listen_on/path from the same program, prints the body's
 * first line, returns 0 for status 200, else -1. Bounded to 3 s.
 */
int health_probe(const char *listen_on, const char *path, struct err *err) must_check;

DEFINE_CLEANUP(health, struct health *, health_free)

#endif
