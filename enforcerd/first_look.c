/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/first_look.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/bridges.h"
#include "enforcerd/first_load.h"

enum { FIRST_MS = 100, LAST_MS = 8000 };

struct first_look {
	struct conntrack *conntrack;
	const struct ruleset *rs;
	struct mark_layout marks;
	struct event *timer;
	unsigned interval_ms, elapsed_ms;
	bool due;
};

static void wait_for_next(struct first_look *look)
{
	const struct timeval delay = {
		.tv_sec = look->interval_ms / 1000, .tv_usec = (look->interval_ms % 1000) * 1000};

	evtimer_add(look->timer, &delay);
}

/* Twice as long each time: most flows speak at once. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct first_look *look = arg;
	struct first_load_result result = {0};
	struct err err = {0};

	(void)fd;
	(void)what;
	if (first_load_judge(look->conntrack, look->rs, &look->marks, &result, &err) < 0)
		log_warn("flow", "%s", err.text);
	if (result.condemned || result.turned || result.removed)
		log_info("flow",
			"live flows that conntrack picked up midway: %zu condemned, %zu turned round, "
			"%zu forgotten",
			result.condemned, result.turned, result.removed);
	look->elapsed_ms += look->interval_ms;
	if (look->elapsed_ms >= MIDSTREAM_SECONDS * 1000)
		return;
	look->interval_ms = look->interval_ms * 2 > LAST_MS ? LAST_MS : look->interval_ms * 2;
	wait_for_next(look);
}

struct first_look *first_look_new(struct event_base *base, const struct ruleset *rs,
	const struct mark_layout *marks, bool fresh, struct err *err)
{
	CLEANUP(first_look) struct first_look *look = xcalloc(1, sizeof(*look));

	look->rs = rs;
	look->marks = *marks;
	look->due = fresh;
	look->timer = evtimer_new(base, on_timer, look);
	look->conntrack = conntrack_open(err);
	return look->conntrack ? steal_ptr(look) : NULL;
}

void first_look_free(struct first_look *look)
{
	if (!look)
		return;
	event_free(look->timer);
	conntrack_close(look->conntrack);
	free(look);
}

void first_look_due(struct first_look *look)
{
	look->due = true;
}

void first_look_committed(struct first_look *look, bool complete)
{
	if (!look->due || !complete)
		return;
	look->due = false;
	look->interval_ms = FIRST_MS;
	look->elapsed_ms = 0;
	wait_for_next(look);
}
