/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/across.h"

#include "common/xalloc.h"

#include <string.h>

/* Caller frees. */
static char *why_stranger(
	const struct claim *claim, const struct endpoint *record, const char *node)
{
	switch (claim->standing) {
	case CLAIM_NO_NETWORK:
		return xasprintf("%s has no record of its network", record->node);
	case CLAIM_PRIVATE:
		return xasprintf(
			"its network %s is not shared (bulkhead.shared)", record->network_name);
	case CLAIM_OUTSIDE:
		return xasprintf("its address is outside of the subnets of its network %s",
			record->network_name);
	case CLAIM_NO_DOMAIN:
		return xasprintf("no network of %s is shared in the domain %s", node,
			claim->network->shared);
	case CLAIM_TAKEN:
		return xasprintf("its address is within %s of %s, which is not of the domain %s",
			claim->by->name, node, claim->network->shared);
	case CLAIM_NO_ADDRESS:
	case CLAIM_COUNTS:
		break;
	}
	return xstrdup("it has no such address");
}

static char *stranger_text(
	const struct world *world, const struct end *end, const char *node, const char *ip)
{
	const struct claim claim = world_claim(world, end->endpoint, &end->ip, node);
	cleanup_free char *why = why_stranger(&claim, end->endpoint->record, node);

	return xasprintf("on %s, %s is a stranger: %s", node, ip, why);
}

/* An endpoint of the node itself has the address: whatever another says of it, that one is judged there. */
static char *owner_text(const struct end_walk *walk, const char *node, const char *ip)
{
	return xasprintf("on %s, %s is its own container %s, whatever another node says%s", node,
		ip, walk->endpoint->container_name,
		walk->allowed ? "" : ", and policy for that one denies it");
}

char *across_text(const struct world *world, const struct judgement *judgement,
	const struct ends *ends, enum policy_direction direction)
{
	enum policy_direction other = direction == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS;
	const struct end *end = &ends->end[other];
	const struct end_walk *walk = &judgement->verdicts[direction].walks[other];
	const char *node = ends->nodes[direction];
	char ip[IP_TEXT_MAX];

	if (!end->endpoint || !strcmp(end->endpoint->record->node, node))
		return NULL;
	ip_format(&end->ip, ip);
	switch (walk->standing) {
	case END_STRANGER:
		return stranger_text(world, end, node, ip);
	case END_REMOTE:
		return xasprintf("on %s, %s is %s of %s: both share the domain %s", node, ip,
			walk->endpoint->container_name, walk->endpoint->node,
			walk->network->shared);
	case END_DISPUTED:
		return xasprintf(
			"on %s, %s is claimed by two endpoints of other nodes: it is nobody's, "
			"and closed to isolated containers",
			node, ip);
	case END_CONTESTED:
		return xasprintf(
			"on %s, %s is claimed by two of its own endpoints: it is closed", node, ip);
	case END_BYSTANDER:
	case END_ISOLATED:
		return owner_text(walk, node, ip);
	case END_HOST:
		break;
	}
	return NULL;
}
