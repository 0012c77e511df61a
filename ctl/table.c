/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/table.h"

#include "common/xalloc.h"
#include "ctl/printable.h"

enum { COLUMNS_MAX = 16, PADDING = 3 };

struct table {
	size_t columns;
	size_t widths[COLUMNS_MAX];
	char **cells; /* the headings are the first row */
	size_t count, cap;
};

void table_add(struct table *table, const char *cell)
{
	size_t column = table->count % table->columns;
	char *text = printable(cell && *cell ? cell : "-");
	size_t width = printable_width(text);

	xgrow(table->cells, table->count, table->cap);
	table->cells[table->count++] = text;
	if (width > table->widths[column])
		table->widths[column] = width;
}

struct table *table_new(const char *const *headings)
{
	struct table *table = xcalloc(1, sizeof(*table));

	while (headings[table->columns] && table->columns < COLUMNS_MAX)
		table->columns++;
	for (size_t i = 0; i < table->columns; i++)
		table_add(table, headings[i]);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_print(const struct table *table, FILE *out)
{
	for (size_t i = 0; i < table->count; i++) {
		size_t column = i % table->columns;
		int pad = (int)(table->widths[column] - printable_width(table->cells[i]));

		fputs(table->cells[i], out);
		if (column + 1 < table->columns)
			fprintf(out, "%*s", pad + PADDING, "");
		else
			fputc('\n', out);
	}
}
