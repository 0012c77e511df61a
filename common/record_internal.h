/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers for the tables of the record modules; each replaces what stands at its target. */
#ifndef BULKHEAD_RECORD_INTERNAL_H
#define BULKHEAD_RECORD_INTERNAL_H

#include "common/json.h"
#include "common/record.h"

json_read_fn record_read_id;    /* char **: [A-Za-z0-9_.:-], 1..RECORD_ID_MAX */
json_read_fn record_read_node;  /* char **: see node_name_check() */
json_read_fn record_read_name;  /* char **: printable text, 1..RECORD_NAME_MAX */
json_read_fn record_read_image; /* char **: printable text, 0..RECORD_IMAGE_MAX; null, "": left */
json_read_fn record_read_optional_name; /* char **: the same as name, or null */
json_read_fn record_read_seconds;       /* long long *: unix seconds, not negative */

/* Fails at member name unless text is key, under which the record was found. */
int record_key_check(const struct json_at *root, const char *name, const char *text,
	const char *key, struct err *err) must_check;

bool record_text_equal(const char *a, const char *b); /* NULL equals NULL only */

#endif
