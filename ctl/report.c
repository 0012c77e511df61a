/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/report.h"

#include "common/mode.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/lag.h"
#include "ctl/output.h"
#include "ctl/printable.h"

#include <stdarg.h>
#include <string.h>

static const char *field(const json_t *status, const char *name)
{
	const char *text = json_string_value(json_object_get(status, name));

	return text ? text : "";
}

static void add_reason(json_t *reasons, const char *fmt, ...) printf_like(2, 3);

static void add_reason(json_t *reasons, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	json_t *reason;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = xstrdup(fmt);
	va_end(args);
	reason = json_string(text);
	json_array_append_new(reasons, reason ? reason : json_string("(not UTF-8)"));
}

static long long age_of(long long now, long long then)
{
	return now > then ? now - then : 0;
}

/* NULL where it is not told. */
static const char *reported_mode(const json_t *status)
{
	enum mode mode;

	return mode_parse(field(status, "mode"), &mode) ? mode_name(mode) : NULL;
}

static bool is_mode(const json_t *object, enum mode mode)
{
	return !strcmp(field(object, "mode"), mode_name(mode));
}

static void add_enforcerd_reasons(const struct report_source *s, json_t *reasons)
{
	long long age = age_of(s->now, strtoll(field(s->status, "heartbeat_unix"), NULL, 10));

	if (!json_object_size(s->status)) {
		add_reason(reasons, "enforcerd has never reported");
		return;
	}
	if (age > REPORT_SILENT_SECONDS)
		add_reason(reasons, "enforcerd has been silent for %lld s", age);
	if (!strcmp(field(s->status, "in_force"), "false"))
		add_reason(reasons, "enforcerd says that its rules are not in force");
	if (*field(s->status, "last_error"))
		add_reason(reasons, "last error: %s", field(s->status, "last_error"));
	if (strcmp(field(s->status, "policies_head"), s->policies_head) != 0)
		add_reason(reasons, "the policies in force are not the store's");
	if (strcmp(field(s->status, "endpoints_head"), s->endpoints_head) != 0)
		add_reason(reasons, "the endpoints in force are not the store's");
	if (s->panic && is_mode(s->status, MODE_ENFORCE))
		add_reason(reasons, "panic is on, and enforcerd says that it still drops");
}

static void add_syncd_reasons(const struct report_source *s, json_t *reasons)
{
	long long age = age_of(s->now, s->syncd_heartbeat);

	if (!s->syncd_heartbeat)
		add_reason(reasons, "syncd has never reported");
	else if (age > REPORT_SILENT_SECONDS)
		add_reason(reasons, "syncd has been silent for %lld s", age);
}

/* The hash as it is, but what holds JSON as JSON. */
static json_t *decode_status(const json_t *status)
{
	static const char *const json_fields[] = {
		"problems", "not_enforced", "refused", "bridges", "peers"};
	json_t *copy = json_is_object(status) ? json_copy((json_t *)status) : json_object();

	for (size_t i = 0; i < sizeof(json_fields) / sizeof(*json_fields); i++) {
		json_t *value =
			json_loads(field(status, json_fields[i]), JSON_REJECT_DUPLICATES, NULL);

		if (value)
			json_object_set_new(copy, json_fields[i], value);
	}
	return copy;
}

json_t *report_build(const struct report_source *s)
{
	json_t *reasons = json_array();
	json_t *syncd = json_object();

	add_enforcerd_reasons(s, reasons);
	add_syncd_reasons(s, reasons);
	if (s->syncd_heartbeat)
		json_object_set_new(
			syncd, "heartbeatAge", json_integer(age_of(s->now, s->syncd_heartbeat)));
	return json_pack("{s:s, s:s?, s:b, s:b, s:o, s:b, s:b, s:o, s:o, s:o}", "node", s->node,
		"mode", reported_mode(s->status), "panic", s->panic, "inForce",
		json_array_size(reasons) == 0, "reasons", reasons, "policiesCurrent",
		!strcmp(field(s->status, "policies_head"), s->policies_head), "endpointsCurrent",
		!strcmp(field(s->status, "endpoints_head"), s->endpoints_head), "lag",
		lag_build(s->status, s->node, s->heads), "syncd", syncd, "enforcerd",
		decode_status(s->status));
}

bool report_in_force(const json_t *report)
{
	return json_is_true(json_object_get(report, "inForce"));
}

/* --- for people -------------------------------------------------------------------------------------- */

static void print_line(FILE *out, const char *title, const char *text)
{
	cleanup_free char *shown = printable(text);

	fprintf(out, "  %-18s %s\n", title, *shown ? shown : "-");
}

static void print_list(FILE *out, const char *title, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text)
			print_line(out, title, text);
	}
}

static void print_head(
	FILE *out, const json_t *report, const char *title, const char *name, const char *current)
{
	const char *head = field(json_object_get(report, "enforcerd"), name);
	struct strbuf text cleanup_strbuf = {0};

	strbuf_addf(&text, "%s (%s)", *head ? head : "none",
		json_is_true(json_object_get(report, current)) ? "the store's" : "NOT the store's");
	print_line(out, title, text.text);
}

static void print_age(
	FILE *out, const json_t *status, const char *title, const char *name, long long now)
{
	long long then = strtoll(field(status, name), NULL, 10);
	cleanup_free char *text = xasprintf("%lld s ago", age_of(now, then));

	print_line(out, title, then ? text : "never");
}

static void print_bridges(FILE *out, json_t *bridges)
{
	struct strbuf text cleanup_strbuf = {0};
	const char *name;
	json_t *isolation;

	json_object_foreach (bridges, name, isolation) {
		strbuf_addf(&text, "%s%s=%s", text.len ? ", " : "", name,
			json_is_string(isolation) ? json_string_value(isolation) : "?");
	}
	if (text.len)
		print_line(out, "bridges", text.text);
}

/* Those with a line of their own below; every other field is printed under its name, known to this version or not. */
static bool is_special(const char *name)
{
	static const char *const special[] = {"mode", "policies_head", "endpoints_head",
		"heartbeat_unix", "last_commit_unix", "last_error", "problems", "not_enforced",
		"refused", "bridges", "in_force", "peers"};

	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++)
		if (!strcmp(special[i], name))
			return true;
	return false;
}

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void print_plain_fields(FILE *out, json_t *status)
{
	cleanup_free const char **names = xcalloc(json_object_size(status) + 1, sizeof(*names));
	size_t count = 0;
	const char *name;
	json_t *value;

	json_object_foreach (status, name, value) {
		if (json_is_string(value) && !is_special(name))
			names[count++] = name;
	}
	qsort(names, count, sizeof(*names), cmp_names);
	for (size_t i = 0; i < count; i++) {
		cleanup_free char *title = printable(names[i]);

		print_line(out, title, field(status, names[i]));
	}
}

/* One line for all that go well, and one for each that does not. */
static void print_peers(FILE *out, json_t *peers, const json_t *lags)
{
	size_t current = 0;
	const char *node;
	json_t *peer;

	json_object_foreach (peers, node, peer) {
		const json_t *lag = json_object_get(lags, node);
		bool up = !strcmp(field(peer, "state"), "up");
		cleanup_free char *behind = lag_text(lags, node), *line = NULL;

		if (up && json_is_integer(lag) && !json_integer_value(lag)) {
			current++;
			continue;
		}
		line = xasprintf("%s: %s, %s changes behind", node, field(peer, "state"), behind);
		print_line(out, "other node", line);
	}
	if (current) {
		cleanup_free char *line = xasprintf("%zu followed and current", current);

		print_line(out, "other nodes", line);
	}
}

static void print_enforcerd(const json_t *report, long long now, FILE *out)
{
	json_t *status = json_object_get(report, "enforcerd");

	print_head(out, report, "policies", "policies_head", "policiesCurrent");
	print_head(out, report, "endpoints", "endpoints_head", "endpointsCurrent");
	print_age(out, status, "enforcerd spoke", "heartbeat_unix", now);
	print_age(out, status, "last commit", "last_commit_unix", now);
	print_plain_fields(out, status);
	print_bridges(out, json_object_get(status, "bridges"));
	print_peers(out, json_object_get(status, "peers"),
		json_object_get(json_object_get(report, "lag"), "peers"));
	print_list(out, "problem", json_object_get(status, "problems"));
	print_list(out, "NOT ENFORCED", json_object_get(status, "not_enforced"));
}

/* "" where policies are enforced: what is not so must not be read over. */
static const char *mode_headline(const json_t *report)
{
	if (json_is_true(json_object_get(report, "panic")))
		return ", PANIC: NOTHING IS DROPPED";
	return is_mode(report, MODE_AUDIT) ? ", AUDIT MODE: NOTHING IS DROPPED" : "";
}

static void print_mode(FILE *out, const json_t *report)
{
	bool panic = json_is_true(json_object_get(report, "panic"));
	struct strbuf text cleanup_strbuf = {0};

	strbuf_add(&text, *field(report, "mode") ? field(report, "mode") : "unknown");
	if (panic)
		strbuf_add(&text, " (panic; \"bulkheadctl panic --end\" ends it)");
	else if (is_mode(report, MODE_AUDIT))
		strbuf_add(&text, " (its own --mode)");
	print_line(out, "mode", text.text);
}

void report_print(const json_t *report, long long now, FILE *out)
{
	cleanup_free char *node = printable(field(report, "node"));
	const json_t *age = json_object_get(json_object_get(report, "syncd"), "heartbeatAge");
	cleanup_free char *spoke = xasprintf("%lld s ago", (long long)json_integer_value(age));

	fprintf(out, "%s: %s%s\n", node, report_in_force(report) ? "in force" : "NOT IN FORCE",
		mode_headline(report));
	print_list(out, "because", json_object_get(report, "reasons"));
	print_mode(out, report);
	if (json_object_size(json_object_get(report, "enforcerd")))
		print_enforcerd(report, now, out);
	print_line(out, "syncd spoke", age ? spoke : "never");
}
