/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Selectors of v3 files. A namespace is a compose project here, which every endpoint carries as a label: so a namespace
 * or a namespaceSelector becomes a part of the selector, "(NAMESPACE) && (SELECTOR)", and can be told apart again.
 */
#ifndef BULKHEAD_CTL_V3_SELECTOR_H
#define BULKHEAD_CTL_V3_SELECTOR_H

#include "ctl/schema.h"

/* Converters. NULL without an error for empty text: no constraint. */
json_t *v3_selector(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *v3_namespace_selector(struct walk *walk, const struct doc_node *node, const void *arg);

/* The namespace selector of one project's endpoints. Caller frees. */
char *v3_own_namespace(const char *name);

/* Puts both together; either may be NULL. Returns a new reference, or NULL if both are. */
json_t *v3_join(const char *namespace_selector, const char *selector);

struct v3_parts {
	char *namespace_selector; /* as in the record; NULL: none */
	char *selector;           /* NULL: none */
};

/* Takes apart what v3_join() made; any other text is a selector alone. */
void v3_split(const char *text, struct v3_parts *parts);
void v3_parts_clear(struct v3_parts *parts);

/* A namespace selector as a v3 file has it. Caller frees. */
char *v3_show_namespace(const char *namespace_selector);

#define cleanup_v3_parts __attribute__((cleanup(v3_parts_clear)))

#endif
