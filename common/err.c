/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/err.h"

#include "common/strbuf.h"

#include <stdarg.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (!err)
		return -1;
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (code && n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerror(code));
	err->code = code;
	return -1;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
	cleanup_strbuf struct strbuf text = {0};
	cleanup_free char *context = NULL;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	if (vasprintf(&context, fmt, ap) < 0)
		context = NULL;
	va_end(ap);
	strbuf_addf(&text, "%s: %s", context ? context : "?", err->text);
	snprintf(err->text, sizeof(err->text), "%s", text.text);
	return -1;
}
