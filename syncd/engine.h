/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GET requests to the Engine, many at a time, and one endless answer: libcurl's multi interface on the libevent loop. Every
 * request is bounded in size and time but the stream, which is bounded by whoever reads it. Reads only: no other method exists.
 *
 * Callbacks run from the loop, never from inside a call, and may send and cancel requests; they may not free the engine.
 */
#ifndef BULKHEAD_SYNCD_ENGINE_H
#define BULKHEAD_SYNCD_ENGINE_H

#include "syncd/engine_url.h"

#include <event2/event.h>
#include <stddef.h>

enum {
	ENGINE_CONNECT_SECONDS = 5,
	ENGINE_ANSWER_SECONDS = 30, /* a busy Engine was seen to stall for 22 s */
	ENGINE_BODY_MAX = 64 << 20  /* 10,000 containers with long labels are about 10 MB */
};

struct engine;

struct engine_answer {
	long status; /* HTTP, or 0: none came, see cause */
	char *body;  /* NUL-terminated; may be changed in place; gone after the callback */
	size_t len;
	const char *cause; /* for status 0 */
};

typedef void engine_answer_fn(struct engine_answer *answer, void *arg);

struct engine_stream_ops {
	/* Status 200 and its headers are here. */
	void (*opened)(void *arg);
	void (*data)(const char *data, size_t len, void *arg);
	/* Ended, or never began; cause is borrowed. */
	void (*closed)(const char *cause, void *arg);
};

struct engine *engine_new(
	struct event_base *base, const struct engine_url *url, struct err *err) must_check;
void engine_free(struct engine *engine); /* without callbacks */

/* "1.41" puts /v1.41 before the paths of later requests; NULL nothing. */
void engine_set_api(struct engine *engine, const char *version);

/* path begins with "/" and is already escaped. */
void engine_get(struct engine *engine, const char *path, engine_answer_fn *fn, void *arg);
void engine_stream(
	struct engine *engine, const char *path, const struct engine_stream_ops *ops, void *arg);
/* Drops everything under way without callbacks, and the connections: what is on them is not trusted any more. */
void engine_cancel(struct engine *engine);

DEFINE_CLEANUP(engine, struct engine *, engine_free)

#endif
