/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files of resources: every document of every file read and checked before anything is done with any of them. A
 * document is one object, a list of objects, or an object that is a list; each object is a v1 policy, or a v3 network policy,
 * Tier or GlobalNetworkSet.
 */
#ifndef BULKHEAD_CTL_INPUT_H
#define BULKHEAD_CTL_INPUT_H

#include "common/store.h"
#include "ctl/diag.h"
#include "ctl/policy_schema.h"

enum { INPUT_BYTES_MAX = 32 << 20 }; /* of all files together: one transaction has to hold them */

struct input_policy {
	enum store_kind kind; /* a policy, or what policies speak of */
	char *name;
	json_t *record; /* NULL for a bare name */
	char *file;     /* NULL for a bare name */
	char *version;  /* metadata.resourceVersion, or NULL */
	unsigned line, column;
};

struct input {
	struct input_policy *items; /* in the order written; names of a kind are distinct */
	size_t count, cap;
	size_t bytes;  /* of all files read */
	json_t *index; /* "<kind>/<name>" -> place in items; NULL while there are none */
};

/* Reads text under the name file. Good only if nothing was added to diag. */
void input_add_text(struct input *input, const char *text, size_t len, const char *file,
	enum policy_need need, struct diag *diag);
/* The same for a path; "-" is stdin. A file that cannot be read is an error in diag too. */
void input_add_file(
	struct input *input, const char *path, enum policy_need need, struct diag *diag);
/* A name alone, given on the command line: file is NULL, record is NULL. A repeated name is taken once. */
void input_add_name(struct input *input, enum store_kind kind, const char *name);
/* Makes every policy a staged one, by the name that stands beside the one in force. Other kinds cannot be staged. */
void input_stage(struct input *input, struct diag *diag);
void input_clear(struct input *input);

#define cleanup_input __attribute__((cleanup(input_clear)))

#endif
