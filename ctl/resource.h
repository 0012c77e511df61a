/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of things that an operator writes into the store, and what they are called. */
#ifndef BULKHEAD_CTL_RESOURCE_H
#define BULKHEAD_CTL_RESOURCE_H

#include "common/store.h"

struct resource_kind {
	enum store_kind kind;
	const char *word;  /* "policy": in messages */
	const char *shown; /* "Policy" */
	const char *names
		[5]; /* on the command line, in any case; the first in the plural; ends with NULL */
};

const struct resource_kind *resource_of(enum store_kind kind); /* of those that have one */
const struct resource_kind *resource_called(const char *word); /* NULL: none */

#endif
