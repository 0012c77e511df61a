/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of ctnetlink, read and built. Pure: conntrack.c sends and receives. */
#ifndef BULKHEAD_CONNTRACK_MESSAGE_H
#define BULKHEAD_CONNTRACK_MESSAGE_H

#include "enforcerd/flow.h"
#include "enforcerd/netlink.h"

/* Bytes that one message built here takes at most. */
enum { CONNTRACK_MESSAGE_MAX = 320 };

/* Reads an entry; -1 with *err for what is no entry, cut short, or contradicts itself. */
int conntrack_message_read(
	const struct nlmsghdr *message, struct flow *flow, struct err *err) must_check;

/* A request for all entries of both families, or where mask is not 0 for those that have mark under mask. */
struct nlmsghdr *conntrack_message_list(char *buffer, uint32_t mark, uint32_t mask);
/* Changes the mark of the entry with this flow's original tuple and zone: its bits under mask become mark's. */
struct nlmsghdr *conntrack_message_mark(
	char *buffer, const struct flow *flow, uint32_t mark, uint32_t mask);
struct nlmsghdr *conntrack_message_remove(char *buffer, const struct flow *flow);
/*
 * Makes an entry for a flow without NAT that goes on midway, as conntrack makes one itself when it picks a flow up: windows are taken
 * as they come. Refused with EEXIST when there is one, in either direction.
 */
struct nlmsghdr *conntrack_message_create(char *buffer, const struct flow *flow);

#endif
