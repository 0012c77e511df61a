/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whose netlink socket it is, for messages: the kernel tells port ids only. */
#ifndef BULKHEAD_NETLINK_HOLDER_H
#define BULKHEAD_NETLINK_HOLDER_H

#include <stdint.h>

enum { HOLDER_SIZE = 64 };

/*
 * "ulogd, pid 123" for the holder of a NETLINK_NETFILTER socket of this namespace, or "port id 4294963295" where it cannot be
 * told (another pid namespace, no privilege). Looks through /proc: not for the fast path. Returns text.
 */
const char *netlink_holder(uint32_t portid, char text[HOLDER_SIZE]);

#endif
