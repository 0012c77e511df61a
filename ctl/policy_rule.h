/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the v1 policy form: protocols, ICMP, nets, ports, selectors, and what must not stand together. */
#ifndef BULKHEAD_CTL_POLICY_RULE_H
#define BULKHEAD_CTL_POLICY_RULE_H

#include "ctl/schema.h"

/* Converters: a list of rules; a selector's text as written, errors pointing into the text where possible. */
json_t *policy_rules(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *policy_selector(struct walk *walk, const struct doc_node *node, const void *arg);

#endif
