/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A verdict told: both walks, what would change it, and what is to be known beside it; as JSON, and that as text (pure). */
#ifndef BULKHEAD_CTL_EXPLAIN_H
#define BULKHEAD_CTL_EXPLAIN_H

#include "ctl/ends.h"
#include "ctl/policies.h"

/* flow's addresses and labels are taken from ends. Caller owns the object. */
json_t *explain_document(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct policy_flow *flow);
/* One sentence more under "notes". */
void explain_note(json_t *document, const char *fmt, ...) printf_like(2, 3);
/* What is not printable is escaped. */
int explain_text(const json_t *document, FILE *out, struct err *err) must_check;

#endif
