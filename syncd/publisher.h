/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From the inventory's changes to the node's stream in Redis: the glue between it and store_writer, and its connection. */
#ifndef BULKHEAD_SYNCD_PUBLISHER_H
#define BULKHEAD_SYNCD_PUBLISHER_H

#include "common/store_writer.h"
#include "common/strbuf.h"
#include "syncd/inventory.h"

struct publisher;

/* Another one holds the node's name: holder says who. The caller ends. */
typedef void publisher_refused_fn(const char *holder, void *arg);

struct publisher_stats {
	unsigned long long writes, failures;
	double latency_last, latency_max; /* seconds from event read to written; 0: none yet */
};

/* Fails only on bad options, which are borrowed. Connecting begins when the loop runs. */
struct publisher *publisher_new(struct event_base *base, const struct redis_options *redis,
	publisher_refused_fn *refused, void *arg, struct err *err) must_check;
void publisher_free(struct publisher *publisher);

/* Says for whom to write what: once, when the Engine has told its id. inventory is borrowed. */
void publisher_identify(struct publisher *publisher, const struct store_identity *identity,
	struct inventory *inventory);
/* Sends what changed. since: when what caused it was read, in monotonic seconds, or 0. */
void publisher_flush(struct publisher *publisher, double since);
/* The inventory is complete: write everything. Before the first call nothing is written. */
void publisher_rewrite(struct publisher *publisher);
/* Gives the lease back; done is called in any case. */
void publisher_release(struct publisher *publisher, void (*done)(void *arg), void *arg);

/* Everything handed in is in Redis; otherwise appends why not. */
bool publisher_ready(const struct publisher *publisher, struct strbuf *reasons);
bool publisher_connected(const struct publisher *publisher);
const struct publisher_stats *publisher_stats(const struct publisher *publisher);

DEFINE_CLEANUP(publisher, struct publisher *, publisher_free)

#endif
