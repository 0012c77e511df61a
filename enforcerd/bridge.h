/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes bridged traffic visible to the inet family: br_netfilter's per-bridge switches nf_call_iptables and
 * nf_call_ip6tables, set and read back by rtnetlink (they OR with the namespace's sysctls). Watches links, so that a bridge
 * that appears, or whose switches somebody clears, is seen.
 */
#ifndef BULKHEAD_BRIDGE_H
#define BULKHEAD_BRIDGE_H

#include "common/err.h"

#include <event2/event.h>
#include <stdbool.h>

struct bridge_watch;

enum bridge_state {
	BRIDGE_VISIBLE,  /* it was, and is, seen by the inet family */
	BRIDGE_SWITCHED, /* just made visible: flows that live on it are unknown to conntrack */
	BRIDGE_MISSING,  /* no such interface (the network exists, nothing is attached yet) */
	BRIDGE_BLIND     /* same-bridge traffic cannot be policed here: err says why */
};

/* fn is called, coalesced per loop turn, when links changed: call bridge_ensure() for every managed bridge again. NULL: somebody
 * else watches (ports.h), here nothing is listened to. */
struct bridge_watch *bridge_watch_new(
	struct event_base *base, void (*fn)(void *arg), void *arg, struct err *err) must_check;
void bridge_watch_free(struct bridge_watch *watch);

/* True when br_netfilter is present in this network namespace. */
bool bridge_netfilter_present(void);

/* Makes one bridge visible if it is not. Blocking, two small netlink round trips. */
enum bridge_state bridge_ensure(struct bridge_watch *watch, const char *ifname, struct err *err);

DEFINE_CLEANUP(bridge_watch, struct bridge_watch *, bridge_watch_free)

#endif
