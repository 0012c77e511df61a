/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML (and JSON, which is YAML) into doc trees, through libyaml's events. Bounded in size, depth and nodes. Refused:
 * aliases (a file's size must bound its meaning), tags but the standard ones, duplicate keys, keys that are not
 * scalars, NUL characters.
 */
#ifndef BULKHEAD_CTL_YAML_READ_H
#define BULKHEAD_CTL_YAML_READ_H

#include "ctl/diag.h"
#include "ctl/doc.h"

enum { YAML_BYTES_MAX = 4 << 20, YAML_DEPTH_MAX = 32, YAML_NODES_MAX = 400000 };

struct doc_list {
	struct doc_node **docs; /* one root per document */
	size_t count, cap;
};

/*
 * Reads every document of text. file names it in messages. What is wrong is added to diag; the documents before
 * the first syntax error are still there, so that their errors can be named too. An empty last document (a closing
 * "---") is dropped.
 */
void yaml_read(
	const char *text, size_t len, const char *file, struct diag *diag, struct doc_list *list);
void doc_list_clear(struct doc_list *list);

#define cleanup_doc_list __attribute__((cleanup(doc_list_clear)))

#endif
