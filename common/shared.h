/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whose an address is where several nodes have a network in common (pure): when an endpoint of another node counts on this one, and who
 * wins. enforcerd fills the kernel's sets by it, and bulkheadctl says by it what the kernel does: there is no second rule.
 */
#ifndef BULKHEAD_SHARED_H
#define BULKHEAD_SHARED_H

#include "common/record.h"

/* Why an address of another node's endpoint counts here, or is a stranger's. */
enum claim_standing {
	CLAIM_COUNTS,
	CLAIM_NO_ADDRESS,
	CLAIM_NO_NETWORK, /* its own node has no record of its network */
	CLAIM_PRIVATE,    /* its own node does not share its network */
	CLAIM_OUTSIDE,    /* it is not within its own network's subnets */
	CLAIM_NO_DOMAIN,  /* no network of this node is of the domain */
	CLAIM_TAKEN       /* it is within a network of this node that is not of the domain */
};

struct claim {
	enum claim_standing standing;
	const struct network *network; /* as its own node has it; borrowed, as ip and by */
	const struct ip *ip;
	const struct network *by; /* of CLAIM_TAKEN */
};

/*
 * Within the subnets of a network that its own node shares, in a domain that a network of this node shares, and not within a network
 * of this node that does not: there the same address is somebody else's. network: NULL where its record is not there. To be followed
 * by claim_meet() for each network of this node while it returns true: it is decided when there is none left, or it returned false.
 */
struct claim claim_begin(const struct network *network, const struct ip *ip);
bool claim_meet(struct claim *claim, const struct network *own);

/* Whether the record can be true at all: with one address outside of its network's subnets it does not count with the other either. */
bool claim_fits(const struct network *network, const struct endpoint *endpoint);

bool network_same_domain(const struct network *a, const struct network *b);

/* Whether an endpoint of another node's network is a known one, by this address, of a strict network of this node. */
bool claim_known_in(const struct network *own, const struct network *network, const struct ip *ip);

/* Whose an address is that so many endpoints of this node, and so many that count of others, have. */
enum address_holder {
	HELD_BY_NOBODY,
	HELD_HERE,      /* whatever other nodes say of it */
	HELD_ELSEWHERE, /* by one endpoint of another node */
	HELD_CONTESTED  /* by two of other nodes: no selector may speak for either */
};

enum address_holder address_holder(size_t here, size_t elsewhere);

#endif
