/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the v3 policy form, and what in them cannot apply to a container: refused by its name. */
#ifndef BULKHEAD_CTL_V3_RULE_H
#define BULKHEAD_CTL_V3_RULE_H

#include "ctl/schema.h"

/*
 * Converter: a list of rules as the record has them, but that a namespaceSelector still stands beside the selector:
 * v3_fold_rules() puts them together.
 */
json_t *v3_rules(struct walk *walk, const struct doc_node *node, const void *arg);

/* Converter: a block of addresses, or one address. */
json_t *v3_net(struct walk *walk, const struct doc_node *node, const void *arg);

/* In a namespace (NULL: none) what an end selects, or excludes, is of that namespace unless the rule says another. */
void v3_fold_rules(json_t *list, const char *namespace);

/* Refuses the field that it converts, for the reason that arg gives; empty text passes for absent. */
json_t *v3_cannot_apply(struct walk *walk, const struct doc_node *node, const void *arg);

/* "TCP" for "tcp", "Allow" for "allow", "Ingress" for "ingress"; NULL if the word is not known. */
const char *v3_word(const char *word);

#endif
