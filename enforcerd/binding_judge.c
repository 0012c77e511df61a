/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/binding_internal.h"

#include <string.h>

struct b_claim *binding_claim(const struct binding *binding, const char *id)
{
	struct b_claim *claim = NULL;

	HASH_FIND_STR(binding->claims, id, claim);
	return claim;
}

/* --- what fits --------------------------------------------------------------------------------- */

static bool address_fits(const struct ip *ip, const struct port *port)
{
	bool known = false;

	for (size_t i = 0; ip->family && i < port->address_count; i++) {
		if (ip_equal(ip, &port->addresses[i]))
			return true;
		known |= port->addresses[i].family == ip->family;
	}
	return !known;
}

/* Those of a slot have bridge and MAC in common already. */
static bool fits(const struct b_endpoint *endpoint, const struct b_port *port)
{
	return address_fits(&endpoint->ipv4, &port->port) &&
	       address_fits(&endpoint->ipv6, &port->port);
}

bool binding_may_wait(const struct b_endpoint *endpoint)
{
	return endpoint->on_bridge && endpoint->has_mac && !endpoint->dead && !endpoint->port &&
	       endpoint->trust != TRUST_NONE;
}

enum nearness { LATER_OWNERS, ANOTHERS, MAY_BE_ITS };

/*
 * Whose record is gone has no link any more: the Engine takes it before it gives the address to the next. A record that was late
 * may have been bound to that next one's link, which then is not to be kept from its owner for as long as it lives. Of what was adopted the
 * records are still to come until a syncd has stood for them.
 */
static bool is_held(const struct binding *binding, const struct b_claim *claim)
{
	struct b_endpoint *endpoint = NULL;

	if (!claim)
		return false;
	HASH_FIND_STR(binding->endpoints, claim->id, endpoint);
	return endpoint || (claim->unrecorded && !binding->confirmed);
}

/* Its own link was made before its record was. */
static enum nearness nearness(
	const struct binding *binding, const struct b_endpoint *endpoint, const struct b_port *port)
{
	if (port->port.ifindex > endpoint->born.newest)
		return LATER_OWNERS;
	return is_held(binding, port->claim) ? ANOTHERS : MAY_BE_ITS;
}

static bool may_be_its(
	const struct binding *binding, const struct b_endpoint *endpoint, const struct b_port *port)
{
	return nearness(binding, endpoint, port) == MAY_BE_ITS;
}

/* Would another endpoint have the port with the same right? */
static bool has_rival(
	const struct binding *binding, const struct b_endpoint *endpoint, const struct b_port *port)
{
	const struct b_endpoint *other;

	for (other = endpoint->slot->endpoints; other; other = other->next)
		if (other != endpoint && binding_may_wait(other) && fits(other, port) &&
			port->port.ifindex <= other->born.newest &&
			!binding_claim(binding, other->id))
			return true;
	return false;
}

/*
 * The port had settled long before the news of the endpoint came, and a newer one is still to settle, which could fit as well.
 * Not asked for records that are read whole: they are of long before as a rule.
 */
static bool is_early(
	const struct binding *binding, const struct b_endpoint *endpoint, const struct b_port *port)
{
	const struct b_port *other;

	if (endpoint->trust != TRUST_NEWS ||
		endpoint->born.ms - port->port.settled_ms < BINDING_EARLY_MS)
		return false;
	for (other = endpoint->bridge->pending; other; other = other->pending_next)
		if (may_be_its(binding, endpoint, other) &&
			other->port.ifindex > port->port.ifindex)
			return true;
	return false;
}

static bool may_be_starting(const struct binding *binding, const struct b_endpoint *endpoint)
{
	const struct b_port *port;

	for (port = endpoint->bridge->pending; port; port = port->pending_next)
		if (may_be_its(binding, endpoint, port))
			return true;
	return false;
}

/* --- the judgement -------------------------------------------------------------------------------- */

static enum cause judge_match(
	const struct binding *binding, const struct b_endpoint *endpoint, const struct b_port *port)
{
	enum nearness near = nearness(binding, endpoint, port);

	if (near != MAY_BE_ITS)
		return near == ANOTHERS ? CAUSE_TAKEN : CAUSE_NEWER_PORT;
	if (has_rival(binding, endpoint, port))
		return CAUSE_RIVAL;
	/* what was another's before is taken only where its own cannot be still to come */
	if (port->claim && may_be_starting(binding, endpoint))
		return CAUSE_EARLY;
	return is_early(binding, endpoint, port) ? CAUSE_EARLY : CAUSE_FITS;
}

/*
 * *found: the port that fits or one that nearly does, or NULL. None of several is the endpoint's for being the only one that may be:
 * that would be guessing. Where none may be, the nearest one says why.
 */
static enum cause judge_ports(
	const struct binding *binding, const struct b_endpoint *endpoint, struct b_port **found)
{
	size_t fitting = 0;
	struct b_port *port;

	for (port = endpoint->slot->ports; port; port = port->next) {
		if (!fits(endpoint, port))
			continue;
		fitting++;
		if (!*found ||
			nearness(binding, endpoint, port) > nearness(binding, endpoint, *found))
			*found = port;
	}
	if (fitting > 1 && may_be_its(binding, endpoint, *found))
		return CAUSE_SEVERAL_PORTS;
	if (*found)
		return judge_match(binding, endpoint, *found);
	return may_be_starting(binding, endpoint) ? CAUSE_STARTING : CAUSE_NO_PORT;
}

enum cause binding_judge(
	const struct binding *binding, const struct b_endpoint *endpoint, struct b_port **found)
{
	const struct b_claim *claimed = binding_claim(binding, endpoint->id);

	*found = NULL;
	if (!endpoint->on_bridge)
		return endpoint->trust == TRUST_NONE ? CAUSE_UNTRUSTED : CAUSE_NO_BRIDGE;
	if (!endpoint->has_mac)
		return CAUSE_NO_MAC;
	if (endpoint->dead)
		return CAUSE_LINK_GONE;
	if (claimed) {
		*found = claimed->port;
		return claimed->port->slot && claimed->port->slot == endpoint->slot
			       ? CAUSE_FITS
			       : CAUSE_NOT_THERE;
	}
	if (endpoint->trust == TRUST_NONE)
		return CAUSE_UNTRUSTED;
	return judge_ports(binding, endpoint, found);
}

enum placement binding_placement_by(enum cause cause)
{
	static const enum placement placements[] = {
		[CAUSE_FITS] = PLACE_BOUND,
		[CAUSE_STARTING] = PLACE_PROVISIONAL,
		[CAUSE_NO_BRIDGE] = PLACE_ELSEWHERE,
		[CAUSE_NO_MAC] = PLACE_WITHDRAWN,
		[CAUSE_LINK_GONE] = PLACE_WITHDRAWN,
		[CAUSE_UNTRUSTED] = PLACE_WITHDRAWN,
		[CAUSE_NO_PORT] = PLACE_WITHDRAWN,
		[CAUSE_NEWER_PORT] = PLACE_WITHDRAWN,
		[CAUSE_NOT_THERE] = PLACE_DOUBTFUL,
		[CAUSE_TAKEN] = PLACE_DOUBTFUL,
		[CAUSE_SEVERAL_PORTS] = PLACE_DOUBTFUL,
		[CAUSE_RIVAL] = PLACE_DOUBTFUL,
		[CAUSE_EARLY] = PLACE_DOUBTFUL,
	};

	return placements[cause];
}

const char *binding_reason(const struct b_endpoint *endpoint, enum cause cause,
	const struct b_port *port, char text[BINDING_REASON_SIZE])
{
	static const char *const words[] = {
		[CAUSE_NO_MAC] = "its record has no MAC",
		[CAUSE_LINK_GONE] = "its link is gone",
		[CAUSE_UNTRUSTED] = "its record is older than this run, and no syncd confirms it",
		[CAUSE_NOT_THERE] = "its port is not on its bridge any more, or has another MAC",
		[CAUSE_NO_PORT] = "no port has its MAC and addresses",
		[CAUSE_SEVERAL_PORTS] = "more than one port has its MAC and addresses",
		[CAUSE_NEWER_PORT] =
			"the port that has its MAC and addresses is newer than its record",
		[CAUSE_TAKEN] = "the port that has its MAC and addresses is another endpoint's",
		[CAUSE_RIVAL] = "another endpoint has the same MAC and addresses",
		[CAUSE_EARLY] = "another port may yet have its MAC and addresses",
	};

	if (!endpoint->on_bridge)
		snprintf(text, BINDING_REASON_SIZE, "%s", words[cause]);
	else
		snprintf(text, BINDING_REASON_SIZE, "%s (bridge %s%s%s)", words[cause],
			endpoint->bridge_name, port ? ", port " : "", port ? port->port.name : "");
	return text;
}
