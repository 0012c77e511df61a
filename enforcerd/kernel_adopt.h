/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares what a ruleset wants with what the kernel holds, so that a restart and a repair write the difference only. */
#ifndef BULKHEAD_KERNEL_ADOPT_H
#define BULKHEAD_KERNEL_ADOPT_H

#include "enforcerd/kernel_plan.h"

/*
 * After ruleset_forget(). Inventories of all tables must be there. What is as it should be is no longer pending in the ruleset,
 * and wanted in its inventory; of a set that is there only the elements that differ are pending. Everything in doubt stays
 * pending.
 */
int adopt_content(struct netlink *netlink, const struct plan_input *input, struct ruleset *rs,
	struct err *err) must_check;

#endif
