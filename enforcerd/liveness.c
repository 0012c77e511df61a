/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/liveness.h"

#include "common/record.h"
#include "common/store.h"
#include "common/xalloc.h"
#include "enforcerd/state.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <time.h>

enum { AGAIN_MS = 250 };

struct liveness {
	struct redis *redis;
	char *node;
	void (*changed)(void *arg);
	void *arg;
	char boot[STATE_BOOT_SIZE]; /* "": not known */
	long long heartbeat;        /* unix seconds, 0: none of this boot */
	long long first;            /* the first one of this run */
	bool advanced;              /* one that is not the first has been seen */
	struct event *timer;        /* asks again until it is alive */
	bool asking, was_alive;
	bool confirm; /* somebody waits for it to be alive */
};

static void take(struct liveness *l, const char *text, size_t len)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(text, len, &err);
	CLEANUP(node) struct node *node = json ? node_from_json(json, l->node, &err) : NULL;

	/* both run on this host, so that one clock and one boot are compared */
	l->heartbeat = node && !strcmp(node->boot, l->boot) ? node->heartbeat : 0;
	if (!l->first)
		l->first = l->heartbeat;
	/* the first one may be the last of a syncd that has just died, and what it wrote then not true any more */
	l->advanced |= l->heartbeat && l->heartbeat != l->first;
}

static void ask_again(struct liveness *l)
{
	const struct timeval delay = {.tv_usec = AGAIN_MS * 1000};

	evtimer_add(l->timer, &delay);
}

static void on_node(redis_reply *reply, void *arg)
{
	struct liveness *l = arg;

	l->asking = false;
	if (!reply)
		return; /* asked when the store is there again */
	if (reply->type == REDIS_REPLY_STRING)
		take(l, reply->str, reply->len);
	else
		l->heartbeat = 0;
	if (!liveness_alive(l))
		ask_again(l);
	if (liveness_alive(l) == l->was_alive && !(l->was_alive && l->confirm))
		return;
	l->was_alive = liveness_alive(l);
	l->confirm &= !l->was_alive;
	l->changed(l->arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	liveness_ask(arg);
}

struct liveness *liveness_new(struct event_base *base, struct redis *redis, const char *node,
	void (*changed)(void *arg), void *arg)
{
	struct liveness *l = xcalloc(1, sizeof(*l));

	l->timer = evtimer_new(base, on_timer, l);
	l->redis = redis;
	l->node = xstrdup(node);
	l->changed = changed;
	l->arg = arg;
	/* without one, no record is of this boot */
	(void)!state_boot(l->boot, NULL);
	return l;
}

void liveness_free(struct liveness *l)
{
	if (!l)
		return;
	event_free(l->timer);
	free(l->node);
	free(l);
}

void liveness_ask(struct liveness *l)
{
	if (l->asking || !redis_is_ready(l->redis))
		return;
	l->asking = redis_call(l->redis, on_node, l, "HGET", STORE_NODES, l->node, NULL) == 0;
}

void liveness_confirm(struct liveness *l)
{
	l->confirm = true;
	liveness_ask(l);
}

bool liveness_alive(const struct liveness *l)
{
	long long age = (long long)time(NULL) - l->heartbeat;

	return l->advanced && l->heartbeat && age <= LIVENESS_SECONDS && age >= -LIVENESS_SECONDS;
}
