/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports of this network namespace's bridges, followed by rtnetlink: link events as they come, everything again when some were
 * lost. For a veth whose other end is in another namespace, MAC and addresses there are asked for once, when both ends are up
 * for the first time (see port.h). Takes CAP_NET_ADMIN; an event costs the same however many links there are.
 */
#ifndef BULKHEAD_PORTS_H
#define BULKHEAD_PORTS_H

#include "enforcerd/port.h"

#include <event2/event.h>

/* A start takes 0.3 s, and was seen to take 22 s. What has no carrier after this long is taken for no container's. */
enum { PORTS_PENDING_SECONDS = 60 };

struct ports;

/* Called from ports_start(), ports_drain() and the loop; must not call back into ports, but for ports_moment(). */
struct ports_ops {
	/* A link became a port, or is another port now. Borrowed for the call. */
	void (*port)(const struct port *port, void *arg);
	/* A link that was a port does not exist any more. */
	void (*gone)(unsigned ifindex, void *arg);
	/* The addresses of a bridge, each time they change; none when it is gone. Borrowed for the call. */
	void (*gateways)(const char *bridge, const struct cidr *addresses, size_t count, void *arg);
	/* A link of this namespace has the address, or has it no more: each link tells of its own. NULL: not asked for. */
	void (*address)(const struct ip *ip, bool there, void *arg);
	/* Something about bridges themselves changed; once per turn, however much it was. */
	void (*bridges)(void *arg);
	unsigned pending_ms; /* instead of PORTS_PENDING_SECONDS, or 0 */
};

/* Listens, but says nothing yet. */
struct ports *ports_new(struct event_base *base, const struct ports_ops *ops, void *arg,
	struct err *err) must_check;
void ports_free(struct ports *ports);

/* Reads all there is and calls ops for it. Once. */
int ports_start(struct ports *ports, struct err *err) must_check;

/* Takes what the kernel has queued, without waiting: afterwards everything is known that was true before the call. */
void ports_drain(struct ports *ports);

/* Now, in terms of links: what is made later has a higher ifindex. Call ports_drain() first. */
struct moment ports_moment(const struct ports *ports);

struct ports_stats {
	size_t links, ports, pending, settled;
	unsigned long long events,
		lists; /* messages taken one by one; times that everything was read */
};

void ports_stats(const struct ports *ports, struct ports_stats *stats);

DEFINE_CLEANUP(ports, struct ports *, ports_free)

#endif
