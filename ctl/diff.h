/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What files would change: policies and what they speak of, and with them who may reach whom (pure). */
#ifndef BULKHEAD_CTL_DIFF_H
#define BULKHEAD_CTL_DIFF_H

#include "ctl/policies.h"
#include "ctl/world.h"

/*
 * records: an array of {"kind": as store_kind_name(), "record"}, as apply would write them. Pairs are tried on the protocols and ports that any policy names (of a
 * range its ends), on one port of TCP and UDP that none names, and with ping. node: only pairs of this one, or NULL.
 */
json_t *diff_document(const struct world *world, const struct policies *before,
	const json_t *records, const char *node, struct err *err) must_check;
int diff_text(const json_t *document, FILE *out, struct err *err) must_check;

#endif
