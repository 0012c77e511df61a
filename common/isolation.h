/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The three words of network isolation, and whom they isolate (design section 4). */
#ifndef BULKHEAD_ISOLATION_H
#define BULKHEAD_ISOLATION_H

#include "common/record.h"

#include <stdbool.h>

enum isolation { ISOLATION_OFF, ISOLATION_LABELLED, ISOLATION_STRICT };

bool isolation_parse(const char *word, enum isolation *isolation);
const char *isolation_name(enum isolation isolation);

/* Only bridges of a host can be policed by its nftables. */
bool isolation_enforced(const struct network *network);
/*
 * Whether policy governs the endpoint. labels: the operator's included. network: NULL while it is not known, which is taken as
 * "labelled". A prefixed label that was refused counts as well: its container asked to be isolated, and a typing error must
 * not leave it open.
 */
bool isolation_applies(const struct endpoint *record, const struct labels *labels,
	const struct network *network, enum isolation isolation);

#endif
