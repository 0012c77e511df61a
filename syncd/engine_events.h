/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines out of a byte stream: an event is a JSON object on a line of its own, whatever pieces it arrives in. Pure. */
#ifndef BULKHEAD_SYNCD_ENGINE_EVENTS_H
#define BULKHEAD_SYNCD_ENGINE_EVENTS_H

#include "common/strbuf.h"

#include <stdbool.h>

/* An event carries all labels of a container; beyond this one is not one of those that people write. */
enum { EVENT_LINE_MAX = 1 << 20 };

struct event_lines {
	struct strbuf partial;
	bool skipping; /* the present line was too long: until its end */
};

/* A line without its end, NUL-terminated, which may be changed in place. False stops the feeding. */
typedef bool event_line_fn(char *line, size_t len, void *arg);

/* Returns how many lines were too long and were left out. Empty lines are not handed on. */
size_t event_lines_feed(
	struct event_lines *lines, const char *data, size_t len, event_line_fn *fn, void *arg);
void event_lines_clear(struct event_lines *lines);

#endif
