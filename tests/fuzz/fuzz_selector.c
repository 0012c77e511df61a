/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Input: the selector's text up to the first NUL, then labels as key NUL value NUL. What is accepted must have a
 * canonical text that is its own canonical text, with the same id and the same answer, or that meets a limit;
 * "!(...)" around it must give the opposite answer. What is refused must name a column of the text.
 */
#include "common/selector.h"
#include "common/xalloc.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* The bytes up to NUL or the end, as text; *at moves behind the NUL. */
static char *next_text(const uint8_t **at, const uint8_t *end)
{
	size_t len = strnlen((const char *)*at, (size_t)(end - *at));
	char *text = xstrndup((const char *)*at, len);

	*at += len;
	if (*at < end)
		(*at)++;
	return text;
}

static struct labels *next_labels(const uint8_t *at, const uint8_t *end)
{
	struct labels *labels = labels_new();

	while (at < end) {
		cleanup_free char *key = next_text(&at, end);
		cleanup_free char *value = next_text(&at, end);

		labels_set(labels, key, value);
	}
	return labels;
}

static void check_refused(const char *text, const struct err *err)
{
	unsigned long column = 0;

	if (strlen(text) > SELECTOR_TEXT_MAX)
		return;
	must(sscanf(err->text, "column %lu: ", &column) == 1);
	must(column >= 1 && column <= strlen(text) + 1);
}

static void check_canonical(const struct selector *sel, const struct labels *labels)
{
	struct err err = {0};
	CLEANUP(selector) struct selector *again = selector_parse(selector_canonical(sel), &err);

	/* it has brackets and blanks that the text did not need: it may meet a limit, but no other refusal */
	if (!again) {
		must(strstr(err.text, "nested") || strstr(err.text, "selector is longer"));
		return;
	}
	must(!strcmp(selector_canonical(again), selector_canonical(sel)));
	must(!strcmp(selector_id(again), selector_id(sel)));
	must(strlen(selector_id(sel)) == SELECTOR_ID_LEN);
	must(selector_match(again, labels) == selector_match(sel, labels));
}

static void check_negated(const char *text, const struct selector *sel, const struct labels *labels)
{
	cleanup_free char *negated = xasprintf("!(%s)", text[strspn(text, " \t")] ? text : "all()");
	struct err err = {0};
	CLEANUP(selector) struct selector *opposite = selector_parse(negated, &err);

	/* the brackets may be the one level too many */
	if (opposite)
		must(selector_match(opposite, labels) != selector_match(sel, labels));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data, *end = data + size;
	cleanup_free char *text = next_text(&at, end);
	CLEANUP(labels) struct labels *labels = next_labels(at, end);
	struct err err = {0};
	CLEANUP(selector) struct selector *sel = selector_parse(text, &err);

	if (!sel) {
		check_refused(text, &err);
		return 0;
	}
	check_canonical(sel, labels);
	check_negated(text, sel, labels);
	return 0;
}
