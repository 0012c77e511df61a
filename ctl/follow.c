/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/follow.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/report.h"

#include <string.h>

enum { REFUSED_SHOWN_MAX = 5 };

static const char *field(const json_t *status, const char *name)
{
	const char *text = json_string_value(json_object_get(status, name));

	return text ? text : "";
}

/* NULL where the field is not there or no JSON: an older enforcerd's. */
static json_t *json_field(const json_t *status, const char *name)
{
	return json_loads(field(status, name), JSON_REJECT_DUPLICATES, NULL);
}

static bool is_silent(const struct follow_source *s, char **why)
{
	long long then = strtoll(field(s->status, "heartbeat_unix"), NULL, 10);
	long long age = s->now > then ? s->now - then : 0;

	if (!json_object_size(s->status))
		*why = xstrdup("its enforcerd has never reported");
	else if (!s->moved && age > REPORT_SILENT_SECONDS)
		*why = xasprintf("its enforcerd has been silent for %lld s", age);
	return *why != NULL;
}

/* What the head that the node names lacks; false: nothing. */
static bool add_behind(const struct follow_source *s, struct strbuf *why)
{
	const char *text = field(s->status, "policies_head");
	struct store_head has;

	if (!*text) {
		strbuf_add(why, "it has no policies in force yet");
	} else if (store_head_parse(text, strlen(text), &has, NULL)) {
		strbuf_addf(why, "its head \"%.64s\" cannot be read", text);
	} else if (strcmp(has.epoch, s->head->epoch) != 0) {
		strbuf_addf(why, "it has another epoch in force (%s, and %s is written)", has.epoch,
			s->head->epoch);
	} else if (has.revision < s->head->revision) {
		strbuf_addf(why, "it has revision %llu in force, and %llu is written", has.revision,
			s->head->revision);
	} else if (has.revision == s->head->revision && strcmp(has.id, s->head->id) != 0) {
		strbuf_addf(why, "it has another revision %llu in force", has.revision);
	}
	return why->len > 0;
}

/* What enforcerd says of the policies stream: refused as older, not in sync. */
static void add_trouble(const json_t *status, struct strbuf *why)
{
	static const char prefix[] = "stream " STORE_POLICIES_STREAM ": ";
	cleanup_json json_t *problems = json_field(status, "problems");
	const json_t *problem;
	size_t i;

	json_array_foreach (problems, i, problem) {
		const char *text = json_string_value(problem);

		if (text && !strncmp(text, prefix, sizeof(prefix) - 1))
			strbuf_addf(why, "; %s", text);
	}
	if (*field(status, "last_error"))
		strbuf_addf(why, "; last error: %s", field(status, "last_error"));
}

static bool holds(const json_t *list, const char *word)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		if (json_is_string(item) && !strcmp(json_string_value(item), word))
			return true;
	return false;
}

static bool add_refused(const struct follow_source *s, struct strbuf *why)
{
	cleanup_json json_t *refused = json_field(s->status, "refused");
	const json_t *word;
	size_t i, count = 0;

	if (!json_array_size(refused))
		return false;
	json_array_foreach (s->written, i, word) {
		const char *text = json_string_value(word);

		if (!text || !holds(refused, text))
			continue;
		if (count++ < REFUSED_SHOWN_MAX)
			strbuf_addf(why, "%s%s", count > 1 ? ", " : "it cannot use ", text);
	}
	if (count > REFUSED_SHOWN_MAX)
		strbuf_addf(why, " and %zu more", count - REFUSED_SHOWN_MAX);
	return count > 0;
}

enum follow_state follow_judge(const struct follow_source *s, char **why)
{
	struct strbuf text cleanup_strbuf = {0};
	enum follow_state state = FOLLOW_DONE;

	*why = NULL;
	if (is_silent(s, why))
		return FOLLOW_SILENT;
	if (add_behind(s, &text)) {
		state = FOLLOW_PENDING;
	} else if (!strcmp(field(s->status, "in_force"), "false")) {
		strbuf_add(&text, "its rules are not in force");
		state = FOLLOW_PENDING;
	} else if (add_refused(s, &text)) {
		state = FOLLOW_REFUSED;
	}
	if (state == FOLLOW_PENDING)
		add_trouble(s->status, &text);
	*why = xstrdup(text.text ? text.text : "");
	return state;
}
