/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole outputs kept under tests/golden/: compared with what is printed now, or, with BULKHEAD_UPDATE_GOLDEN, replaced by it. */
#ifndef BULKHEAD_TEST_GOLDEN_H
#define BULKHEAD_TEST_GOLDEN_H

#include "common/xalloc.h"

#include <check.h>
#include <errno.h>
#include <string.h>

enum { GOLDEN_MAX = 1 << 16 };

/* make and tests/run start tests in the project's folder. */
static inline void golden(const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("tests/golden/%s", name);
	cleanup_free char *wanted = xcalloc(1, GOLDEN_MAX);
	bool update = getenv("BULKHEAD_UPDATE_GOLDEN") != NULL;
	FILE *file = fopen(path, update ? "w" : "r");

	ck_assert_msg(file != NULL, "%s: %s (make golden makes it)", path, strerror(errno));
	if (update)
		ck_assert_int_ge(fputs(text, file), 0);
	else
		wanted[fread(wanted, 1, GOLDEN_MAX - 1, file)] = '\0';
	ck_assert_int_eq(fclose(file), 0);
	if (update || !strcmp(text, wanted))
		return;
	fprintf(stderr, "%s is:\n%s--- but now:\n%s", path, wanted, text);
	ck_abort_msg("%s differs; make golden takes what is printed now", path);
}

#endif
