/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands between a Redis client and its server on the test's own loop, and does to pub/sub messages what networks and servers do to
 * them: loses, doubles, swaps them, or ends the connection. Everything else passes as it is. What it relays to can be changed: the
 * next connection then goes to another server, as after a failover.
 */
#ifndef BULKHEAD_TESTS_FAULT_PROXY_H
#define BULKHEAD_TESTS_FAULT_PROXY_H

#include <event2/event.h>

struct fault_proxy;

enum fault {
	FAULT_NONE,
	FAULT_DROP,
	FAULT_TWICE,
	FAULT_LATE, /* after the next message that passes, and without one never */
	FAULT_CUT   /* the message is lost with its connection */
};

/* Asked for each message, in the order in which the server sent them. */
typedef enum fault fault_fn(void *arg);

/* port is that of a server on 127.0.0.1. Failures fail the test. */
struct fault_proxy *fault_proxy_new(
	struct event_base *base, unsigned port, fault_fn *decide, void *arg);
void fault_proxy_free(struct fault_proxy *proxy); /* ends its connections */

const char *fault_proxy_url(const struct fault_proxy *proxy); /* borrowed */
/* Where connections go from now on; those that stand stay. */
void fault_proxy_aim(struct fault_proxy *proxy, unsigned port);
/* Ends every connection that stands. */
void fault_proxy_cut(struct fault_proxy *proxy);
unsigned long fault_proxy_messages(const struct fault_proxy *proxy); /* seen so far */

#endif
