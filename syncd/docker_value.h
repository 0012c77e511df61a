/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Members of the Engine's JSON, read without a failure path at each: the first wrong type is remembered in the
 * document and refuses it as a whole at the end. Go writes an unset member as null, as "" or not at all: all three
 * read the same.
 */
#ifndef BULKHEAD_SYNCD_DOCKER_VALUE_H
#define BULKHEAD_SYNCD_DOCKER_VALUE_H

#include "common/err.h"
#include "common/label.h"
#include "syncd/label_prefix.h"

#include <stddef.h>

struct document {
	json_t *root;      /* owned */
	const char *wrong; /* name of the first member of a wrong type, or NULL */
};

/* Decodes; see docker_json.h about text. what names the answer in errors: "container list". */
int document_open(
	struct document *doc, char *text, size_t len, const char *what, struct err *err) must_check;
/* Fails with the member that was of a wrong type, if any. */
int document_check(const struct document *doc, const char *what, struct err *err) must_check;
void document_close(struct document *doc);

#define cleanup_document __attribute__((cleanup(document_close)))

const char *document_text(struct document *doc, const json_t *object, const char *name);
json_int_t document_integer(struct document *doc, const json_t *object, const char *name);
bool document_bool(struct document *doc, const json_t *object, const char *name);
/* Borrowed; NULL where absent: jansson's iterators take NULL. */
json_t *document_object(struct document *doc, const json_t *object, const char *name);
json_t *document_array(struct document *doc, const json_t *object, const char *name);
/* The members of an object of texts that fall under one of prefixes, or are Compose's; never NULL. */
struct labels *document_labels(struct document *doc, const json_t *object, const char *name,
	const struct label_prefixes *prefixes);
/* Marks the document as wrong unless ok. */
void document_expect(struct document *doc, bool ok, const char *name);

#endif
