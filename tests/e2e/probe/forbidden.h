/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of frames that must not arrive: how each is built for who sends it, who is to get it, and in whose name.
 */
#ifndef BULKHEAD_PROBE_FORBIDDEN_H
#define BULKHEAD_PROBE_FORBIDDEN_H

#include <net/ethernet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "token.h"

enum { FRAME_MAX = 2048 };

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
};

struct party {
	uint8_t mac[ETH_ALEN];
	struct in_addr ip;
	struct in6_addr ip6, local;
};

struct cast {
	uint8_t next[ETH_ALEN]; /* where unicast frames go: the target, or the router before it */
	struct in_addr broadcast;
	struct party self, target, gateway;
	struct party victim; /* may talk to the target; what is spoofed is spoofed in its name */
};

struct item;

/* How many there are; NULL beyond the last. */
const struct item *forbidden_item(size_t i);
const char *forbidden_name(const struct item *item);
/* Frames that one packet of it is sent as. */
int forbidden_parts(const struct item *item);
/* Part 0 and following of one packet are built with the same token. */
void forbidden_build(struct frame *f, const struct item *item, const struct cast *cast,
	struct token token, int part);

#endif
