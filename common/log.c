/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static const char *const format_names[] = {"text", "json"};

static enum log_level threshold = LOG_LEVEL_INFO;
static enum log_format output = LOG_FORMAT_TEXT;

void log_init(enum log_level level, enum log_format format)
{
	threshold = level;
	output = format;
}

static int word_index(const char *word, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(word, names[i]))
			return (int)i;
	return -1;
}

bool log_level_parse(const char *word, enum log_level *level)
{
	int i = word_index(word, level_names, sizeof(level_names) / sizeof(*level_names));

	if (i >= 0)
		*level = (enum log_level)i;
	return i >= 0;
}

bool log_format_parse(const char *word, enum log_format *format)
{
	int i = word_index(word, format_names, sizeof(format_names) / sizeof(*format_names));

	if (i >= 0)
		*format = (enum log_format)i;
	return i >= 0;
}

static void stamp(char *buf, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%06ldZ", now.tv_nsec / 1000);
}

/*
 * Labels and names from Docker reach the log: a control character must not forge a line or drive a
 * terminal.
 */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static void write_json(enum log_level level, const char *module, const char *time, const char *msg)
{
	cleanup_json json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "time", time, "level",
		level_names[level], "module", module, "msg", msg);
	cleanup_free char *text =
		line ? json_dumps(line, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

	/* json_pack refuses invalid UTF-8: say that much rather than nothing */
	fprintf(stderr, "%s\n",
		text ? text : "{\"level\":\"error\",\"msg\":\"unprintable log line\"}");
}

void log_write(enum log_level level, const char *module, const char *fmt, ...)
{
	int saved = errno;
	char msg[2048], time[40];
	va_list ap;

	if (level < threshold)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	make_printable(msg);
	stamp(time, sizeof(time));
	if (output == LOG_FORMAT_JSON)
		write_json(level, module, time, msg);
	else
		fprintf(stderr, "%s %-5s %s: %s\n", time, level_names[level], module, msg);
	errno = saved;
}
