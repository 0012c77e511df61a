/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks Sentinels, one after the other, who is the master now. */
#ifndef BULKHEAD_REDIS_SENTINEL_H
#define BULKHEAD_REDIS_SENTINEL_H

#include "common/redis_transport.h"
#include "common/redis_url.h"

struct redis_sentinel;

/* master: its address, borrowed for the call; NULL: none of them could tell, and cause says why the last one asked could not. */
typedef void redis_sentinel_fn(const struct redis_address *master, const char *cause, void *arg);

/* password_file: of the Sentinels' own login, read for each question, before the URL's password; or NULL.
 * url and transport are borrowed for its life; the transport is used only from redis_sentinel_ask() to the answer. */
struct redis_sentinel *redis_sentinel_new(struct event_base *base, const struct redis_url *url,
	struct redis_transport *transport, const char *password_file, redis_sentinel_fn *fn,
	void *arg);
void redis_sentinel_free(struct redis_sentinel *sentinel);

/* Calls fn once, never before this returns, within two seconds for each Sentinel. The one that answered last is asked first. */
void redis_sentinel_ask(struct redis_sentinel *sentinel);
/* Forgets the question, if there is one. */
void redis_sentinel_cancel(struct redis_sentinel *sentinel);

DEFINE_CLEANUP(redis_sentinel, struct redis_sentinel *, redis_sentinel_free)

#endif
