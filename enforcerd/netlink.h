/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One netlink socket: requests with bounded waits, dumps that start over when they were interrupted, and refusals with
 * the kernel's own words. Used for nf_tables and for rtnetlink. Blocking, but never for longer than NETLINK_SECONDS.
 */
#ifndef BULKHEAD_NETLINK_H
#define BULKHEAD_NETLINK_H

#include "common/err.h"

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/* Attributes one after the other, each checked to lie within what it is part of: NULL behind the last. As functions, since
 * libmnl has them as loop macros only. header: bytes of the message's fixed part. */
static inline const struct nlattr *attr_within(const struct nlattr *attr, const void *end)
{
	return mnl_attr_ok(attr, (int)((const char *)end - (const char *)attr)) ? attr : NULL;
}

/* libmnl's own end of a message is rounded up, to bytes that need not be there. */
static inline const void *message_end(const struct nlmsghdr *message)
{
	return (const char *)message + message->nlmsg_len;
}

static inline const struct nlattr *attr_first(const struct nlmsghdr *message, size_t header)
{
	return attr_within(mnl_nlmsg_get_payload_offset(message, header), message_end(message));
}

static inline const struct nlattr *attr_next(
	const struct nlmsghdr *message, const struct nlattr *attr)
{
	return attr_within(mnl_attr_next(attr), message_end(message));
}

static inline const void *nest_end(const struct nlattr *nest)
{
	return (const char *)mnl_attr_get_payload(nest) + mnl_attr_get_payload_len(nest);
}

static inline const struct nlattr *attr_first_in(const struct nlattr *nest)
{
	return attr_within(mnl_attr_get_payload(nest), nest_end(nest));
}

static inline const struct nlattr *attr_next_in(
	const struct nlattr *nest, const struct nlattr *attr)
{
	return attr_within(mnl_attr_next(attr), nest_end(nest));
}

enum { NETLINK_SECONDS = 10, NETLINK_DUMP_TRIES = 20 };

struct netlink;

/* bus: NETLINK_NETFILTER or NETLINK_ROUTE. */
struct netlink *netlink_open(int bus, struct err *err) must_check;
void netlink_close(struct netlink *netlink);
int netlink_fd(const struct netlink *netlink);
uint32_t netlink_portid(const struct netlink *netlink);
/* Takes count sequence numbers that no message of this socket has had; returns the first. Never 0: that is for events. */
uint32_t netlink_take_seq(struct netlink *netlink, uint32_t count);

/* Joins a multicast group and makes every later receive non-blocking: for sockets that only listen. */
int netlink_listen(struct netlink *netlink, unsigned group, struct err *err) must_check;
/* Leaves it again. What has been queued can still be read. */
int netlink_ignore(struct netlink *netlink, unsigned group, struct err *err) must_check;

/* Sends len bytes as one datagram, with a send buffer as large as it takes. */
int netlink_send(struct netlink *netlink, const void *data, size_t len, struct err *err) must_check;
/*
 * Receives one datagram into a buffer of the socket's own, valid until the next call. Length, 0 when there is none
 * now (a listening socket, or wait is false), or -1 with err; err->code ENOBUFS: messages were lost.
 */
ssize_t netlink_receive(
	struct netlink *netlink, bool wait, const void **data, struct err *err) must_check;

/* What an NLMSG_ERROR message says. */
struct netlink_refusal {
	uint32_t seq;
	int code;         /* errno value; 0 is an acknowledgement */
	uint32_t offset;  /* of the attribute at fault in the refused message, or 0 */
	const char *text; /* the kernel's own words, or ""; borrowed from the message */
};

/* False when the message is not a well-formed NLMSG_ERROR. */
bool netlink_refusal(const struct nlmsghdr *message, struct netlink_refusal *refusal);

/* Called for each message of the answer; returns 0 or -1 with *err. */
typedef int netlink_fn(const struct nlmsghdr *message, void *arg, struct err *err);

/*
 * Sends one request (its seq is set here) and feeds its answer to fn, which may be NULL. NLM_F_DUMP: all of it; when the
 * kernel says that the dump was interrupted, restart(arg) is called (not NULL for dumps) and it is asked again, bounded.
 * Otherwise NLM_F_ACK must be set. -1 with err->code = the kernel's errno and its text, without naming an object.
 */
int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_fn *fn,
	void (*restart)(void *arg), void *arg, struct err *err) must_check;

DEFINE_CLEANUP(netlink, struct netlink *, netlink_close)

#endif
