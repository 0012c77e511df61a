/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How bytes get to Redis: one bufferevent, whether TCP, unix socket or TLS. */
#ifndef BULKHEAD_REDIS_TRANSPORT_H
#define BULKHEAD_REDIS_TRANSPORT_H

#include "common/redis.h"
#include "common/redis_url.h"

#include <event2/bufferevent.h>

struct redis_transport;

/* url is borrowed for the life of the transport. Reads the TLS files. */
struct redis_transport *redis_transport_new(struct event_base *base, const struct redis_url *url,
	const struct redis_options *options, struct err *err) must_check;
void redis_transport_free(struct redis_transport *transport); /* after its bufferevents */

/*
 * A bufferevent that is not connected yet; the caller frees it. host NULL: the URL's unix socket. One at a time: the messages name
 * the last host. TLS accepts only a certificate for it.
 */
struct bufferevent *redis_transport_open(
	struct redis_transport *transport, const char *host, struct err *err) must_check;
/* Starts connecting, to that host. The event callback may be called, and bev be freed in it, before this returns. */
int redis_transport_connect(
	struct redis_transport *transport, struct bufferevent *bev, uint16_t port) must_check;
/* To be called once connected: answers at once, and notices a peer that is gone. */
void redis_transport_tune(const struct redis_transport *transport, struct bufferevent *bev);
/* The cause of a BEV_EVENT_ERROR or BEV_EVENT_EOF, in words. */
void redis_transport_cause(const struct redis_transport *transport, struct bufferevent *bev,
	short what, char *text, size_t size);

DEFINE_CLEANUP(redis_transport, struct redis_transport *, redis_transport_free)

#endif
