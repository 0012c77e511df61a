/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection to the Engine as a life cycle: version, info, event stream; when any of them fails, all over again after a
 * back-off, for ever. An outage is logged when it begins and when it ends; one that follows soon on another is told once for
 * all of its kind, until a connection stands: some proxies end every idle stream. Every SESSION_PING_SECONDS the Engine has to
 * answer a ping, for an idle stream says nothing about whether anybody is at its other end. And where events come late, some
 * may not have come at all: the Engine drops them without a word for a reader that is not there for a while.
 */
#ifndef BULKHEAD_SYNCD_SESSION_H
#define BULKHEAD_SYNCD_SESSION_H

#include "syncd/docker_json.h"
#include "syncd/engine.h"

enum {
	SESSION_PING_SECONDS = 5,
	SESSION_PING_LIMIT_SECONDS = 10,
	SESSION_STANDS_SECONDS = 60,    /* a stream that is open for so long will stay */
	SESSION_LATE_TOLD_SECONDS = 10, /* between two lines that events came late */
	SESSION_WORKS_MS = 500 /* one that ends sooner has failed, and the next try waits longer */
};

struct session;

struct session_ops {
	/* The stream is open, events count from before this call: list now. Borrowed. */
	void (*up)(const struct docker_version *version, const struct docker_info *info, void *arg);
	void (*event)(const struct docker_event *event, void *arg);
	/* All events that came in one piece were handed in. */
	void (*events_end)(void *arg);
	/* An event could not be read, or some may be missing: what they said is unknown, list again. */
	void (*event_lost)(void *arg);
	/* Requests that were under way will not be answered. */
	void (*down)(void *arg);
};

struct session_options {
	const struct label_prefixes *prefixes; /* borrowed */
	const char *api_version;               /* overrides negotiation, or NULL; copied */
};

/* engine is borrowed. Connecting begins when the loop runs. */
struct session *session_new(struct event_base *base, struct engine *engine,
	const struct session_options *options, const struct session_ops *ops, void *arg);
void session_free(struct session *session);
bool session_is_up(const struct session *session);
/* "" while up. */
const char *session_trouble(const struct session *session);
/* How often an open stream was lost. */
unsigned long long session_losses(const struct session *session);
/* Drops the stream and everything under way, and begins anew. */
void session_restart(struct session *session, const char *cause);

DEFINE_CLEANUP(session, struct session *, session_free)

#endif
