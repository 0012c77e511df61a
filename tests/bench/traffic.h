/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Traffic between the pairs of a world, all of it on one CPU. Both ends of connections, streams and floods are driven by one
 * thread and the kernel's packet path runs within its system calls, so that its CPU time is the whole path's: client, bridge and
 * server, and nothing of what else the machine does. A round trip is between two processes and measured by the clock.
 */
#ifndef BULKHEAD_BENCH_TRAFFIC_H
#define BULKHEAD_BENCH_TRAFFIC_H

#include "tests/bench/lab.h"

struct traffic;

/* Pins the process to one CPU, enters the client and forks the process that answers: before any table is loaded, since a netlink socket that it
 * inherited would go on owning one. The lab must outlive it. */
struct traffic *traffic_new(const struct lab *lab);
void traffic_free(struct traffic *traffic);

/* Who talks: the isolated pairs of a world or its bystanders. */
struct traffic_pairs {
	const struct bench_world *world;
	bool bystanders;
};

enum traffic_kind {
	TRAFFIC_CONNECT, /* new TCP connections per second, each ended by RST */
	TRAFFIC_ROUND,   /* UDP round trip over live flows, p50, microseconds */
	TRAFFIC_STREAM,  /* one TCP stream, Gbit/s */
	TRAFFIC_FLOOD,   /* UDP to one side only: nanoseconds per packet */
	TRAFFIC_COUNT
};

struct traffic_form {
	const char *name, *unit;
	bool more_is_better;
};

const struct traffic_form *traffic_form(enum traffic_kind kind);

/* A conversation of one kind, live flows and caches warm. */
struct talk;

struct talk *talk_begin(
	struct traffic *traffic, enum traffic_kind kind, const struct traffic_pairs *pairs);
void talk_end(struct talk *talk);
/* A figure from about a millisecond of it. Every connection and datagram must arrive: anything else ends the benchmark. */
double talk_measure(struct talk *talk);

#endif
