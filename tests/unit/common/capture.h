/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test wrote on stdout or stderr, as text. */
#ifndef BULKHEAD_TEST_CAPTURE_H
#define BULKHEAD_TEST_CAPTURE_H

#include "common/strbuf.h"

#include <check.h>
#include <stdio.h>

struct capture {
	FILE *stream, *file;
	int saved;
};

/* From here on what is written to stream goes to a file without a name. */
static inline struct capture capture_begin(FILE *stream)
{
	struct capture capture = {.stream = stream, .file = tmpfile()};

	ck_assert_ptr_nonnull(capture.file);
	fflush(stream);
	capture.saved = dup(fileno(stream));
	ck_assert_int_ge(capture.saved, 0);
	ck_assert_int_ge(dup2(fileno(capture.file), fileno(stream)), 0);
	return capture;
}

/* Puts the stream back; caller frees the text. */
static inline char *capture_end(struct capture *capture)
{
	struct strbuf text = {0};
	char chunk[4096];
	size_t n;

	fflush(capture->stream);
	ck_assert_int_ge(dup2(capture->saved, fileno(capture->stream)), 0);
	close(capture->saved);
	rewind(capture->file);
	while ((n = fread(chunk, 1, sizeof(chunk), capture->file)) > 0)
		strbuf_addn(&text, chunk, n);
	fclose(capture->file);
	return strbuf_take(&text);
}

#endif
