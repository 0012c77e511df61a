/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file's bytes: a line "bulkhead-state <version> <SHA-256 of the rest, hexadecimal> <bytes of the rest>" and a JSON
 * object. Pure, so that it can be fuzzed.
 */
#ifndef BULKHEAD_STATE_TEXT_H
#define BULKHEAD_STATE_TEXT_H

#include "enforcerd/state.h"

/* Caller frees; NULL where it would be larger than STATE_BYTES_MAX or is not what a state may hold. */
char *state_encode(const struct state_content *content, size_t *len, struct err *err) must_check;
/* text need not be terminated. On failure *content is empty. */
int state_decode(
	const char *text, size_t len, struct state_content *content, struct err *err) must_check;

#endif
