/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has a node put in force what was written? Pure: its enforcerd's status hash in, a verdict and why not out. */
#ifndef BULKHEAD_CTL_FOLLOW_H
#define BULKHEAD_CTL_FOLLOW_H

#include "common/cleanup.h"
#include "common/store.h"

enum follow_state {
	FOLLOW_PENDING,
	FOLLOW_DONE, /* the written head, or a later revision of its epoch, is in force */
	FOLLOW_REFUSED, /* it is, but the node could not use what was written and keeps something else in force */
	FOLLOW_SILENT /* nobody enforces there, as far as the store tells */
};

struct follow_source {
	const json_t *
		status; /* object: enforcerd's status hash, all strings; empty where there is none */
	const struct store_head *head; /* what was written */
	const json_t *written; /* array of "KIND ID", the records that were written; or NULL */
	bool moved; /* its heartbeat was seen to change, so that its age by this clock says nothing */
	long long now; /* unix seconds */
};

/* *why is text for people, "" where there is nothing to say; the caller frees it. */
enum follow_state follow_judge(const struct follow_source *source, char **why);

#endif
