/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules of the v1 policy form: protocols, ICMP, nets, ports, selectors, and what must not stand together. The values are v3's too. */
#ifndef BULKHEAD_CTL_POLICY_RULE_H
#define BULKHEAD_CTL_POLICY_RULE_H

#include "common/err.h"
#include "common/ip.h"
#include "ctl/schema.h"

/* Converters: a list of rules; a selector's text as written, errors pointing into the text where possible. */
json_t *policy_rules(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *policy_selector(struct walk *walk, const struct doc_node *node, const void *arg);
/* Single values that both forms write alike. */
json_t *policy_ip_version(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *policy_icmp(struct walk *walk, const struct doc_node *node, const void *arg);
json_t *policy_port(struct walk *walk, const struct doc_node *node, const void *arg);
/* The block as it is written, bits beyond its length included; false: refused. */
bool policy_cidr(struct walk *walk, const struct doc_node *node, struct cidr *cidr) must_check;

/* Adds "bad selector: what" of an error of selector_parse(), at its column where the file has that. Returns NULL. */
json_t *policy_refuse_selector(
	struct walk *walk, const struct doc_node *node, const struct err *err);

#endif
