/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A port of a bridge of this network namespace, as a value: what ports.h learns from the kernel and binding.h decides upon.
 *
 * What a link was when its container got it counts for as long as the link lives: mac and addresses are those that the other
 * end had when it was first seen up in its namespace (Docker sets both before it sets the interface up, and the container's own
 * process starts later). A container that may change them cannot become somebody else by doing so.
 */
#ifndef BULKHEAD_PORT_H
#define BULKHEAD_PORT_H

#include "common/ip.h"

enum { PORT_IFNAME_SIZE = 16, PORT_MAC_SIZE = 6 };

enum port_state {
	PORT_OTHER, /* no container's: not a veth, its other end is used in this namespace, or none came for it in time */
	PORT_PENDING, /* a new veth that may be a starting container's: no carrier so far */
	PORT_SETTLED  /* the other end was given to another namespace, and has been up there */
};

/* A moment in the life of this namespace's links. */
struct moment {
	unsigned
		newest; /* the highest ifindex so far: the kernel counts up, later links have higher ones */
	long long ms; /* CLOCK_MONOTONIC */
};

struct port {
	unsigned ifindex;
	char name[PORT_IFNAME_SIZE];
	char bridge[PORT_IFNAME_SIZE]; /* "": a port of none at the moment */
	enum port_state state;
	/* of a settled port: */
	long long settled_ms; /* CLOCK_MONOTONIC */
	uint8_t mac[PORT_MAC_SIZE];
	struct ip *addresses; /* without IPv6 link-local ones; NULL where there are none */
	size_t address_count;
};

#endif
