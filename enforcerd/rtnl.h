/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rtnetlink messages about links and addresses, read and asked for, of this network namespace and, by its id, of another
 * one. That takes CAP_NET_ADMIN and nothing else: no path of a namespace, no process.
 */
#ifndef BULKHEAD_RTNL_H
#define BULKHEAD_RTNL_H

#include "common/ip.h"
#include "enforcerd/netlink.h"

enum { RTNL_IFNAME_SIZE = 16, RTNL_MAC_SIZE = 6 };

struct rtnl_link {
	unsigned index;
	char name[RTNL_IFNAME_SIZE];
	unsigned master; /* 0: none */
	bool is_bridge, is_veth;
	bool carrier;
	unsigned other_end; /* of a veth */
	bool foreign;       /* the other end is in another namespace, whose id here is */
	int nsid;
	bool has_mac;
	uint8_t mac[RTNL_MAC_SIZE];
};

struct rtnl_address {
	unsigned link;
	struct cidr cidr;
	bool has_nsid; /* it is another namespace's */
	int nsid;
};

/* A socket that asks, with strict checking: what the kernel does not understand it refuses. */
struct netlink *rtnl_open(struct err *err) must_check;

/* False for anything but a well-formed RTM_NEWLINK or RTM_DELLINK of a device itself: what a bridge says of a port that it loses
 * is an RTM_DELLINK as well, of the bridge family. */
bool rtnl_read_link(const struct nlmsghdr *message, struct rtnl_link *link);
/* The same for RTM_NEWADDR and RTM_DELADDR, IPv4 and IPv6. */
bool rtnl_read_address(const struct nlmsghdr *message, struct rtnl_address *address);

/* err->code ENODEV: there is no such link. */
int rtnl_get_link(struct netlink *netlink, unsigned index, struct rtnl_link *link,
	struct err *err) must_check;
/* A link of the namespace that has this id here. EPERM without CAP_NET_ADMIN over it. */
int rtnl_get_foreign_link(struct netlink *netlink, int nsid, unsigned index, struct rtnl_link *link,
	struct err *err) must_check;

typedef int rtnl_link_fn(const struct rtnl_link *link, void *arg);
typedef int rtnl_address_fn(const struct rtnl_address *address, void *arg);

/* restart: what was told so far may not be so any more, and is told again. fn returns 0, or -1 to end with err as it is. */
int rtnl_list_links(struct netlink *netlink, rtnl_link_fn *fn, void (*restart)(void *arg),
	void *arg, struct err *err) must_check;
int rtnl_list_addresses(struct netlink *netlink, rtnl_address_fn *fn, void (*restart)(void *arg),
	void *arg, struct err *err) must_check;
/* Those of one link of the namespace that has this id here. */
int rtnl_list_foreign_addresses(struct netlink *netlink, int nsid, unsigned index,
	rtnl_address_fn *fn, void (*restart)(void *arg), void *arg, struct err *err) must_check;

#endif
