/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel writer's body, shared by kernel.c and kernel_probe.c. */
#ifndef BULKHEAD_KERNEL_INTERNAL_H
#define BULKHEAD_KERNEL_INTERNAL_H

#include "enforcerd/kernel.h"
#include "enforcerd/kernel_watch.h"
#include "enforcerd/netlink.h"

struct kernel {
	struct netlink *netlink;
	struct kernel_watch *watch;
	char *table;
	uint32_t table_flags; /* what to ask for; 0 once the kernel has refused ownership */
	uint16_t nflog_group;
	bool known; /* the kernel holds what was committed last */
	bool owned; /* and nobody else can change it */
};

/* Deletes a table of the inet family. Missing is success. */
int kernel_delete_table(struct kernel *kernel, const char *table, struct err *err) must_check;

#endif
