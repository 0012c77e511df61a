/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has which port: endpoints as syncd records them on one side, bridge ports as the kernel has them on the other. An
 * address counts only while its endpoint is placed. Pure: values in, placements out; no I/O, no clock.
 *
 * An endpoint is bound to the one settled port of its bridge that has its MAC (and its addresses, as far as the port's are
 * known) and was made before the record was received. A port is one endpoint's for as long as its link lives: Docker makes a new
 * pair for every start. An endpoint whose link is gone is never placed again. One whose record went and whose port stayed had been
 * late: it keeps that port until another endpoint's record fits, unless a link on the bridge is still to settle.
 *
 * Where it is not clear whose a port is, nobody gets it: two ports that fit one endpoint, two endpoints that fit one port, and a
 * port that was there BINDING_EARLY_MS before the news came while a newer one is about to settle (it could be an impostor's).
 *
 * An endpoint that is nowhere gives its address up to the next owner. One that is in doubt does not: somebody is there whom one
 * cannot tell from it, and an isolated endpoint's address stays closed to everybody until the doubt is gone.
 *
 *   cause                                         what holds                ends by
 *   the one port that fits                        bound
 *   none so far, but a new link may be its        provisional               that link's settling or going
 *   it is on no bridge                            elsewhere                 its record
 *   its record has no MAC                         withdrawn                 its record
 *   its link is gone                              withdrawn                 never: the next one has another id
 *   no living syncd vouches for its record        withdrawn                 a living syncd
 *   no port has its MAC and addresses             withdrawn: it has not come up, or has changed its own MAC while nobody looked
 *   only ports newer than its record fit          withdrawn: they are a later owner's
 *   its own port is elsewhere, has another MAC    in doubt                  the port's return or end
 *   what fits is another endpoint's port          in doubt; that one is not   the port's end, or the end of that one's record
 *   several ports fit, one of which may be its    in doubt                  the others' end
 *   another endpoint fits the port as well        in doubt, both            the end of one record, or of the port
 *   an early port, while a newer one settles      in doubt                  the newer one's settling or going
 *   what fits was another's, while one settles    in doubt                  that one's settling or going
 */
#ifndef BULKHEAD_BINDING_H
#define BULKHEAD_BINDING_H

#include "enforcerd/port.h"

#include <stdbool.h>

enum { BINDING_EARLY_MS = 10000 };

struct binding;

enum placement {
	PLACE_WITHDRAWN, /* at no port: its addresses count nowhere */
	PLACE_DOUBTFUL, /* at a port or not, nobody knows: its addresses are nobody's, and closed */
	PLACE_ELSEWHERE, /* on no bridge of this host: its addresses count, and no port is theirs */
	PLACE_PROVISIONAL, /* is being started: at some port of its bridge that cannot send yet */
	PLACE_BOUND
};

struct binding_ops {
	/* The placement changed, or the name of the port. port: of PLACE_BOUND, borrowed for the call, otherwise NULL. Must not call
	 * back into the binding. A new endpoint is withdrawn until this says otherwise. */
	void (*placed)(
		const char *id, enum placement placement, const struct port *port, void *arg);
};

/* What a record's presence says of now. */
enum binding_trust {
	TRUST_NONE, /* nothing: read from a store that no living syncd keeps. Only an adopted port counts */
	TRUST_LISTED, /* read whole, from a store that a living syncd keeps */
	TRUST_NEWS    /* it has just come as a change */
};

/* What of an endpoint record matters here. Borrowed for the call, copied. */
struct binding_endpoint {
	const char *id;
	const char *bridge; /* NULL: it is on none (macvlan, ...) */
	bool has_mac;       /* without: never at a port */
	uint8_t mac[PORT_MAC_SIZE];
	struct ip ipv4, ipv6; /* family 0 where there is none */
	struct moment
		born; /* ports_moment() when the record was received, ports_drain() called before */
};

struct binding *binding_new(const struct binding_ops *ops, void *arg);
void binding_free(struct binding *binding);

/* A port is new, or is now like this. */
void binding_port(struct binding *binding, const struct port *now);
/* The link does not exist any more. */
void binding_port_gone(struct binding *binding, unsigned ifindex);

/*
 * An endpoint record was received, or again. born of the first time counts, except that a record of TRUST_NONE gets that of the
 * first time it is received with trust.
 */
void binding_endpoint(
	struct binding *binding, const struct binding_endpoint *from, enum binding_trust trust);
/* A living syncd stands for all records, as of now: those of TRUST_NONE become TRUST_LISTED, born now. */
void binding_confirm(struct binding *binding, const struct moment *now);
/* The record is gone. No placement is called for. */
void binding_endpoint_gone(struct binding *binding, const char *id);

/* The kernel's own table says that this endpoint was bound to the port of that name. To be called when the ports are known and
 * before the first record. If there is no such port, the endpoint's link is gone. */
void binding_adopt(struct binding *binding, const char *id, const char *ifname);

/* *port (may be NULL): the port of one that is bound, borrowed until the next call, else NULL. */
enum placement binding_placement(
	const struct binding *binding, const char *id, const struct port **port);

struct binding_stats {
	size_t ports, endpoints, provisional, bound;
};

void binding_stats(const struct binding *binding, struct binding_stats *stats);
/* Calls fn for every endpoint that is withdrawn or in doubt with the reason, in no particular order; why is borrowed for the call. */
void binding_unplaced(const struct binding *binding,
	void (*fn)(const char *id, const char *why, void *arg), void *arg);

DEFINE_CLEANUP(binding, struct binding *, binding_free)

#endif
