/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is what a node has in force what the store says? Pure: what enforcerd and syncd have written about the node in, reasons
 * why not out.
 */
#ifndef BULKHEAD_CTL_REPORT_H
#define BULKHEAD_CTL_REPORT_H

#include "common/cleanup.h"

#include <stdbool.h>
#include <stdio.h>

enum { REPORT_SILENT_SECONDS = 35 }; /* three heartbeats of 10 s, and some travel */

struct report_source {
	const char *node;
	const json_t *
		status; /* object: enforcerd's status hash, all strings; empty where there is none */
	long long syncd_heartbeat; /* unix seconds, or 0: syncd has never written */
	const char *policies_head, *endpoints_head; /* the store's, "" where the stream is absent */
	long long now;                              /* unix seconds */
	bool panic;                                 /* the store says audit to this node */
	const json_t *heads;                        /* as for lag_build(), of every node */
};

/*
 * {"node", "mode": "enforce"|"audit"|null, "panic": bool, "inForce": bool, "reasons": [text], "policiesCurrent": bool, "endpointsCurrent": bool, "lag": as lag_build(), "syncd": {"heartbeatAge"},
 * "enforcerd": the hash, with JSON fields decoded}. New reference.
 */
json_t *report_build(const struct report_source *source);
bool report_in_force(const json_t *report);
/* For people: a headline and a line for each thing; nothing in it that a terminal obeys. */
void report_print(const json_t *report, long long now, FILE *out);

#endif
