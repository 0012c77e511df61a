/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel writer's body, shared by kernel.c and kernel_probe.c. */
#ifndef BULKHEAD_KERNEL_INTERNAL_H
#define BULKHEAD_KERNEL_INTERNAL_H

#include "enforcerd/kernel.h"
#include "enforcerd/kernel_plan.h"
#include "enforcerd/kernel_watch.h"
#include "enforcerd/netlink.h"

struct own_table {
	struct nft_table id;
	uint32_t flags; /* what to ask for; 0 once the kernel has refused ownership */
	bool there;     /* the kernel has it, so far as is known */
};

struct kernel {
	struct netlink *netlink;
	struct kernel_watch *watch;
	char *table;
	struct own_table tables[PLAN_TABLES];
	uint16_t nflog_group;
	bool known; /* the kernel holds what was committed last */
	/* Not known, but compared: what the ruleset says is pending is the difference to what the kernel held in generation
	 * `compared`, and the inventories are of then. */
	bool is_compared,
		distrusted; /* distrusted: the difference was refused, everything is written */
	bool large;         /* what was sent last */
	bool crowded;       /* others changed nf_tables while a large batch was on its way */
	uint32_t compared;
	struct inventory *inventories[PLAN_TABLES];
	bool bridge_tracked;
	unsigned long long repairs;
	char *culprit; /* of the last of them, or NULL */
	char *suspect; /* has changed, or may have, what is not compared yet; or NULL */
	bool nameless; /* the suspect: who it was is not known yet */
};

/* Whether the kernel tracks bridged flows: asked once, when the writer is opened. */
bool kernel_probe_bridge(struct kernel *kernel);
/* Deletes a table. Missing is success. */
int kernel_delete_table(
	struct kernel *kernel, const struct nft_table *table, struct err *err) must_check;

#endif
