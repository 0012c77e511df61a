/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/diag.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/printable.h"

#include <stdarg.h>

void diag_add(
	struct diag *diag, const char *file, unsigned line, unsigned column, const char *fmt, ...)
{
	struct strbuf out cleanup_strbuf = {0};
	cleanup_free char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = xstrdup(fmt);
	va_end(args);
	if (diag->count++ >= DIAG_MAX)
		return;
	if (file)
		printable_add(&out, file);
	if (file && line)
		strbuf_addf(&out, ":%u:%u", line, column);
	if (file)
		strbuf_add(&out, ": ");
	printable_add(&out, what);
	diag->entries[diag->count - 1] = strbuf_take(&out);
}

void diag_print(const struct diag *diag, FILE *out)
{
	size_t kept = diag->count < DIAG_MAX ? diag->count : DIAG_MAX;

	for (size_t i = 0; i < kept; i++)
		fprintf(out, "%s\n", diag->entries[i]);
	if (diag->count > kept)
		fprintf(out, "and %zu more errors\n", diag->count - kept);
}

void diag_clear(struct diag *diag)
{
	for (size_t i = 0; i < DIAG_MAX; i++)
		free(diag->entries[i]);
	*diag = (struct diag){0};
}
