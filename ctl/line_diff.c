/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/line_diff.h"

#include "common/xalloc.h"

#include <string.h>

enum {
	CELLS_MAX = 1 << 22 /* of the table of common subsequences; longer texts are shown whole */
};

struct lines {
	char *text; /* owned; cut up */
	char **items;
	size_t count, cap;
};

static void split(struct lines *lines, const char *text)
{
	char *save = NULL;

	*lines = (struct lines){.text = xstrdup(text)};
	for (char *line = strtok_r(lines->text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save)) {
		xgrow(lines->items, lines->count, lines->cap);
		lines->items[lines->count++] = line;
	}
}

static void free_lines(struct lines *lines)
{
	free(lines->items);
	free(lines->text);
}

static void put(struct strbuf *out, char sign, const char *line)
{
	strbuf_addf(out, "%c %s\n", sign, line);
}

/* table[i][j]: how many lines a[i..] and b[j..] have in common, in order. */
static unsigned *common(const struct lines *a, const struct lines *b)
{
	size_t width = b->count + 1;
	unsigned *table = xcalloc((a->count + 1) * width, sizeof(*table));

	for (size_t i = a->count; i-- > 0;)
		for (size_t j = b->count; j-- > 0;) {
			unsigned down = table[(i + 1) * width + j];
			unsigned right = table[i * width + j + 1];

			if (!strcmp(a->items[i], b->items[j]))
				table[i * width + j] = table[(i + 1) * width + j + 1] + 1;
			else
				table[i * width + j] = down >= right ? down : right;
		}
	return table;
}

static void walk(const struct lines *a, const struct lines *b, struct strbuf *out)
{
	cleanup_free unsigned *table = common(a, b);
	size_t width = b->count + 1, i = 0, j = 0;

	while (i < a->count && j < b->count) {
		if (!strcmp(a->items[i], b->items[j])) {
			put(out, ' ', a->items[i++]);
			j++;
		} else if (table[(i + 1) * width + j] >= table[i * width + j + 1]) {
			put(out, '-', a->items[i++]);
		} else {
			put(out, '+', b->items[j++]);
		}
	}
	while (i < a->count)
		put(out, '-', a->items[i++]);
	while (j < b->count)
		put(out, '+', b->items[j++]);
}

void line_diff(const char *before, const char *after, struct strbuf *out)
{
	struct lines a, b;

	split(&a, before);
	split(&b, after);
	if ((a.count + 1) * (b.count + 1) <= CELLS_MAX) {
		walk(&a, &b, out);
	} else {
		for (size_t i = 0; i < a.count; i++)
			put(out, '-', a.items[i]);
		for (size_t j = 0; j < b.count; j++)
			put(out, '+', b.items[j]);
	}
	free_lines(&a);
	free_lines(&b);
}
