/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --wait: until every live node has in force what was written, or the time is over. */
#ifndef BULKHEAD_CTL_WAIT_H
#define BULKHEAD_CTL_WAIT_H

#include "common/store_edit.h"
#include "ctl/options.h"

/*
 * Does nothing without --wait. written is an array of "KIND ID", the records that the edit wrote, or NULL. Where the edit had nothing to
 * write, what the store holds is waited for. Returns the exit status, everything having been said.
 */
int wait_for_nodes(struct redis_sync *redis, const struct options *options,
	const struct store_edit_result *result, const json_t *written);

#endif
