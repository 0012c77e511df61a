/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/shared.h"

#include <string.h>

bool network_same_domain(const struct network *a, const struct network *b)
{
	return a->shared && b->shared && !strcmp(a->shared, b->shared);
}

struct claim claim_begin(const struct network *network, const struct ip *ip)
{
	struct claim claim = {CLAIM_NO_DOMAIN, network, ip, NULL};

	if (!ip->family)
		claim.standing = CLAIM_NO_ADDRESS;
	else if (!network)
		claim.standing = CLAIM_NO_NETWORK;
	else if (!network->shared)
		claim.standing = CLAIM_PRIVATE;
	else if (!network_contains(network, ip))
		claim.standing = CLAIM_OUTSIDE;
	return claim;
}

bool claim_meet(struct claim *claim, const struct network *own)
{
	if (claim->standing != CLAIM_NO_DOMAIN && claim->standing != CLAIM_COUNTS)
		return false;
	if (network_same_domain(own, claim->network)) {
		claim->standing = CLAIM_COUNTS;
		return true;
	}
	if (!network_contains(own, claim->ip))
		return true;
	claim->standing = CLAIM_TAKEN;
	claim->by = own;
	return false;
}

bool claim_fits(const struct network *network, const struct endpoint *endpoint)
{
	return (!endpoint->ipv4.family || network_contains(network, &endpoint->ipv4)) &&
	       (!endpoint->ipv6.family || network_contains(network, &endpoint->ipv6));
}

bool claim_known_in(const struct network *own, const struct network *network, const struct ip *ip)
{
	return network_same_domain(own, network) && network_contains(own, ip);
}

enum address_holder address_holder(size_t here, size_t elsewhere)
{
	if (here)
		return HELD_HERE;
	return elsewhere > 1 ? HELD_CONTESTED : elsewhere ? HELD_ELSEWHERE : HELD_BY_NOBODY;
}
