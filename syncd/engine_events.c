/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/engine_events.h"

#include <string.h>

static bool is_blank(const struct strbuf *line)
{
	return strspn(line->text, " \t\r") == line->len;
}

/* Adds to the line; true if that made it too long. */
static bool extend(struct event_lines *lines, const char *data, size_t len)
{
	if (lines->skipping)
		return false;
	if (lines->partial.len + len > EVENT_LINE_MAX) {
		strbuf_free(&lines->partial);
		lines->skipping = true;
		return true;
	}
	strbuf_addn(&lines->partial, data, len);
	return false;
}

static bool end_line(struct event_lines *lines, event_line_fn *fn, void *arg)
{
	struct strbuf line = lines->partial;
	bool go_on = true;

	/* taken over for the call: it may clear the lines */
	lines->partial = (struct strbuf){0};
	if (!lines->skipping && line.len && !is_blank(&line))
		go_on = fn(line.text, line.len, arg);
	lines->skipping = false;
	strbuf_free(&line);
	return go_on;
}

size_t event_lines_feed(
	struct event_lines *lines, const char *data, size_t len, event_line_fn *fn, void *arg)
{
	const char *end = data + len;
	size_t too_long = 0;

	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));
		const char *stop = newline ? newline : end;

		too_long += extend(lines, data, (size_t)(stop - data));
		if (!newline || !end_line(lines, fn, arg))
			return too_long;
		data = newline + 1;
	}
	return too_long;
}

void event_lines_clear(struct event_lines *lines)
{
	strbuf_free(&lines->partial);
	lines->skipping = false;
}
