/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What binding.c keeps, and binding_judge.c judges. */
#ifndef BULKHEAD_BINDING_INTERNAL_H
#define BULKHEAD_BINDING_INTERNAL_H

#include "enforcerd/binding.h"

#include <uthash.h>
#include <utlist.h>

struct slot_key {
	char bridge[PORT_IFNAME_SIZE];
	uint8_t mac[PORT_MAC_SIZE];
};

/* What meets at one MAC of one bridge. */
struct b_slot {
	struct slot_key key;
	struct b_port *ports;         /* settled ones, whoever has them */
	struct b_endpoint *endpoints; /* all that have a MAC */
	UT_hash_handle hh;
};

/* What meets at one bridge. */
struct b_bridge {
	char name[PORT_IFNAME_SIZE];
	struct b_port *pending;
	struct b_endpoint *waiting; /* live, with a MAC and of some trust, but not bound */
	UT_hash_handle hh;
};

struct b_port {
	struct port port;
	struct b_slot *slot;                        /* where it is settled, else NULL */
	struct b_bridge *bridge;                    /* where it is pending, else NULL */
	struct b_claim *claim;                      /* whose it is, else NULL */
	struct b_port *prev, *next;                 /* in its slot */
	struct b_port *pending_prev, *pending_next; /* in its bridge */
	UT_hash_handle hh;
};

struct b_endpoint {
	char *id;
	char bridge_name[PORT_IFNAME_SIZE]; /* "" where on none */
	bool on_bridge, has_mac;
	uint8_t mac[PORT_MAC_SIZE];
	struct ip ipv4, ipv6;
	struct moment born;
	enum binding_trust trust;
	bool dead;      /* it was bound, and its link is gone */
	bool unsettled; /* just confirmed */
	enum placement placement;
	struct b_port *port; /* bound to */
	struct b_slot *slot;
	struct b_bridge *bridge;                        /* where it waits, else NULL */
	struct b_endpoint *prev, *next;                 /* in its slot */
	struct b_endpoint *waiting_prev, *waiting_next; /* in its bridge */
	UT_hash_handle hh;
};

/* This port is that endpoint's, for as long as the link lives; whose record is gone gives way to another that fits (binding_judge.c). */
struct b_claim {
	char *id;
	struct b_port *port; /* NULL: adopted, and the link is gone */
	bool unrecorded;     /* adopted, and no record so far */
	UT_hash_handle hh;
};

struct binding {
	struct binding_ops ops;
	void *arg;
	struct b_port *ports;
	struct b_endpoint *endpoints;
	struct b_claim *claims;
	struct b_slot *slots;
	struct b_bridge *bridges;
	size_t counts[PLACE_BOUND + 1];
	bool confirmed; /* a living syncd has stood for all records */
};

enum { BINDING_REASON_SIZE = 256 };

/* Why an endpoint is where it is. */
enum cause {
	CAUSE_FITS,
	CAUSE_STARTING,
	CAUSE_NO_BRIDGE,
	CAUSE_NO_MAC,
	CAUSE_LINK_GONE,
	CAUSE_UNTRUSTED,
	CAUSE_NOT_THERE, /* the port that is its own is on another bridge, or has another MAC */
	CAUSE_NO_PORT,
	CAUSE_SEVERAL_PORTS,
	CAUSE_NEWER_PORT,
	CAUSE_TAKEN,
	CAUSE_RIVAL,
	CAUSE_EARLY
};

/* Live, with a MAC and of some trust, but not bound. */
bool binding_may_wait(const struct b_endpoint *endpoint);
/* The port that is this endpoint's, or NULL. */
struct b_claim *binding_claim(const struct binding *binding, const char *id);
/* *found: the port that fits or one that nearly does, or NULL. */
enum cause binding_judge(
	const struct binding *binding, const struct b_endpoint *endpoint, struct b_port **found);
enum placement binding_placement_by(enum cause cause);
const char *binding_reason(const struct b_endpoint *endpoint, enum cause cause,
	const struct b_port *port, char text[BINDING_REASON_SIZE]);

#endif
