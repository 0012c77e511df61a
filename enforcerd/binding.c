/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/binding_internal.h"

#include "common/xalloc.h"

#include <string.h>

struct binding *binding_new(const struct binding_ops *ops, void *arg)
{
	struct binding *binding = xcalloc(1, sizeof(*binding));

	binding->ops = *ops;
	binding->arg = arg;
	return binding;
}

/* --- meeting places: there as long as somebody is ---------------------------------------------- */

static void slot_key(struct slot_key *key, const char *bridge, const uint8_t *mac)
{
	*key = (struct slot_key){0};
	snprintf(key->bridge, sizeof(key->bridge), "%s", bridge);
	memcpy(key->mac, mac, sizeof(key->mac));
}

static struct b_slot *slot_get(struct binding *binding, const char *bridge, const uint8_t *mac)
{
	struct b_slot *slot = NULL;
	struct slot_key key;

	slot_key(&key, bridge, mac);
	HASH_FIND(hh, binding->slots, &key, sizeof(key), slot);
	if (!slot) {
		slot = xcalloc(1, sizeof(*slot));
		slot->key = key;
		HASH_ADD(hh, binding->slots, key, sizeof(slot->key), slot);
	}
	return slot;
}

static void slot_put(struct binding *binding, struct b_slot *slot)
{
	if (slot->ports || slot->endpoints)
		return;
	HASH_DEL(binding->slots, slot);
	free(slot);
}

static struct b_bridge *bridge_get(struct binding *binding, const char *name)
{
	struct b_bridge *bridge = NULL;

	HASH_FIND_STR(binding->bridges, name, bridge);
	if (!bridge) {
		bridge = xcalloc(1, sizeof(*bridge));
		snprintf(bridge->name, sizeof(bridge->name), "%s", name);
		HASH_ADD_STR(binding->bridges, name, bridge);
	}
	return bridge;
}

static void bridge_put(struct binding *binding, struct b_bridge *bridge)
{
	if (bridge->pending || bridge->waiting)
		return;
	HASH_DEL(binding->bridges, bridge);
	free(bridge);
}

static struct b_port *find_port(const struct binding *binding, unsigned ifindex)
{
	struct b_port *port = NULL;

	HASH_FIND(hh, binding->ports, &ifindex, sizeof(ifindex), port);
	return port;
}

static struct b_endpoint *find_endpoint(const struct binding *binding, const char *id)
{
	struct b_endpoint *endpoint = NULL;

	HASH_FIND_STR(binding->endpoints, id, endpoint);
	return endpoint;
}

/* --- whose a port is --------------------------------------------------------------------------- */

static struct b_claim *claim_new(struct binding *binding, const char *id, struct b_port *port)
{
	struct b_claim *claim = xcalloc(1, sizeof(*claim));

	claim->id = xstrdup(id);
	claim->port = port;
	if (port)
		port->claim = claim;
	HASH_ADD_KEYPTR(hh, binding->claims, claim->id, strlen(claim->id), claim);
	return claim;
}

static void claim_free(struct binding *binding, struct b_claim *claim)
{
	HASH_DEL(binding->claims, claim);
	if (claim->port)
		claim->port->claim = NULL;
	free(claim->id);
	free(claim);
}

/* From an endpoint whose record is gone as well. */
static void claim_take(
	struct binding *binding, const struct b_endpoint *endpoint, struct b_port *port)
{
	if (port->claim && !strcmp(port->claim->id, endpoint->id))
		return;
	if (port->claim)
		claim_free(binding, port->claim);
	claim_new(binding, endpoint->id, port);
}

/* The link is gone. An adopted endpoint whose record is still to come shall know it then. */
static void unclaim(struct binding *binding, struct b_port *port)
{
	struct b_claim *claim = steal_ptr(port->claim);

	if (!claim)
		return;
	claim->port = NULL;
	if (!claim->unrecorded)
		claim_free(binding, claim);
}

/* --- placing ----------------------------------------------------------------------------------- */

static void set_placement(struct binding *binding, struct b_endpoint *endpoint,
	enum placement placement, struct b_port *port)
{
	if (endpoint->placement == placement && endpoint->port == port)
		return;
	binding->counts[endpoint->placement]--;
	binding->counts[placement]++;
	endpoint->placement = placement;
	endpoint->port = port;
	if (port)
		claim_take(binding, endpoint, port);
	binding->ops.placed(endpoint->id, placement, port ? &port->port : NULL, binding->arg);
}

static void settle_waiting(struct binding *binding, struct b_endpoint *endpoint)
{
	struct b_bridge *before = endpoint->bridge;
	struct b_bridge *after =
		binding_may_wait(endpoint) ? bridge_get(binding, endpoint->bridge_name) : NULL;

	if (before == after)
		return;
	if (before)
		DL_DELETE2(before->waiting, endpoint, waiting_prev, waiting_next);
	if (after)
		DL_APPEND2(after->waiting, endpoint, waiting_prev, waiting_next);
	endpoint->bridge = after;
	if (before)
		bridge_put(binding, before);
}

static void settle(struct binding *binding, struct b_endpoint *endpoint)
{
	struct b_port *found = NULL;
	enum cause cause;

	settle_waiting(binding, endpoint);
	cause = binding_judge(binding, endpoint, &found);
	set_placement(
		binding, endpoint, binding_placement_by(cause), cause == CAUSE_FITS ? found : NULL);
	settle_waiting(binding, endpoint);
}

static void settle_slot(struct binding *binding, struct b_slot *slot)
{
	struct b_endpoint *endpoint;

	for (endpoint = slot->endpoints; endpoint; endpoint = endpoint->next)
		settle(binding, endpoint);
}

/* Those at one MAC of one bridge, whoever is left there. */
static void settle_at(struct binding *binding, const struct slot_key *key)
{
	struct b_slot *slot = NULL;

	HASH_FIND(hh, binding->slots, key, sizeof(*key), slot);
	if (slot)
		settle_slot(binding, slot);
}

/* Its pending ports are others now. */
static void settle_bridge(struct binding *binding, const char *name)
{
	struct b_bridge *bridge = NULL;
	struct b_endpoint *endpoint, *next;

	HASH_FIND_STR(binding->bridges, name, bridge);
	if (!bridge)
		return;
	/* one that is bound leaves the list, and the last one takes the bridge along */
	for (endpoint = bridge->waiting; endpoint; endpoint = next) {
		next = endpoint->waiting_next;
		settle(binding, endpoint);
	}
}

static void settle_owner(struct binding *binding, const struct b_port *port)
{
	struct b_endpoint *owner = port->claim ? find_endpoint(binding, port->claim->id) : NULL;

	if (owner)
		settle(binding, owner);
}

/* --- ports ------------------------------------------------------------------------------------- */

static void port_detach(struct binding *binding, struct b_port *port)
{
	struct b_slot *slot = steal_ptr(port->slot);
	struct b_bridge *bridge = steal_ptr(port->bridge);

	if (slot) {
		DL_DELETE(slot->ports, port);
		slot_put(binding, slot);
	}
	if (bridge) {
		DL_DELETE2(bridge->pending, port, pending_prev, pending_next);
		bridge_put(binding, bridge);
	}
}

static void port_attach(struct binding *binding, struct b_port *port)
{
	const struct port *p = &port->port;

	if (p->bridge[0] && p->state == PORT_SETTLED) {
		port->slot = slot_get(binding, p->bridge, p->mac);
		DL_APPEND(port->slot->ports, port);
	}
	if (p->bridge[0] && p->state == PORT_PENDING) {
		port->bridge = bridge_get(binding, p->bridge);
		DL_APPEND2(port->bridge->pending, port, pending_prev, pending_next);
	}
}

static void port_copy(struct b_port *port, const struct port *from)
{
	free(port->port.addresses);
	port->port = *from;
	port->port.addresses = NULL;
	if (!from->address_count)
		return;
	port->port.addresses = xcalloc(from->address_count, sizeof(*from->addresses));
	memcpy(port->port.addresses, from->addresses,
		from->address_count * sizeof(*from->addresses));
}

/* Everybody whom the port concerns where it is, or was. */
static void port_settle(struct binding *binding, const struct port *where)
{
	struct slot_key key;

	slot_key(&key, where->bridge, where->mac);
	if (where->state == PORT_SETTLED)
		settle_at(binding, &key);
	settle_bridge(binding, where->bridge);
}

/* The new name of a port is news for whoever is bound to it. */
static void tell_name(struct binding *binding, const struct b_port *port)
{
	struct b_endpoint *owner = port->claim ? find_endpoint(binding, port->claim->id) : NULL;

	if (owner && owner->port == port)
		binding->ops.placed(owner->id, PLACE_BOUND, &port->port, binding->arg);
}

static struct b_port *port_new(struct binding *binding, unsigned ifindex)
{
	struct b_port *port = xcalloc(1, sizeof(*port));

	port->port.ifindex = ifindex;
	HASH_ADD(hh, binding->ports, port.ifindex, sizeof(ifindex), port);
	return port;
}

void binding_port(struct binding *binding, const struct port *now)
{
	struct b_port *port = find_port(binding, now->ifindex);
	struct port before = {0};
	bool renamed;

	if (!port)
		port = port_new(binding, now->ifindex);
	before = port->port;
	before.addresses = NULL;
	renamed = before.name[0] && strcmp(before.name, now->name) != 0;
	port_detach(binding, port);
	port_copy(port, now);
	port_attach(binding, port);
	settle_owner(binding, port);
	port_settle(binding, &before);
	port_settle(binding, &port->port);
	if (renamed)
		tell_name(binding, port);
}

void binding_port_gone(struct binding *binding, unsigned ifindex)
{
	struct b_port *port = find_port(binding, ifindex);
	struct b_endpoint *owner;

	if (!port)
		return;
	owner = port->claim ? find_endpoint(binding, port->claim->id) : NULL;
	port_detach(binding, port);
	unclaim(binding, port);
	if (owner) {
		owner->dead = true;
		settle(binding, owner);
	}
	HASH_DEL(binding->ports, port);
	port_settle(binding, &port->port);
	free(port->port.addresses);
	free(port);
}

void binding_adopt(struct binding *binding, const char *id, const char *ifname)
{
	struct b_port *port, *next;

	if (binding_claim(binding, id) || find_endpoint(binding, id))
		return;
	HASH_ITER (hh, binding->ports, port, next)
		if (!strcmp(port->port.name, ifname))
			break;
	if (port && port->claim)
		return;
	claim_new(binding, id, port)->unrecorded = true;
	if (port)
		port_settle(binding, &port->port);
}

/* --- endpoints --------------------------------------------------------------------------------- */

static void endpoint_detach(struct binding *binding, struct b_endpoint *endpoint)
{
	struct b_slot *slot = steal_ptr(endpoint->slot);
	struct b_bridge *bridge = steal_ptr(endpoint->bridge);

	if (slot) {
		DL_DELETE(slot->endpoints, endpoint);
		slot_put(binding, slot);
	}
	if (bridge) {
		DL_DELETE2(bridge->waiting, endpoint, waiting_prev, waiting_next);
		bridge_put(binding, bridge);
	}
}

static void endpoint_attach(struct binding *binding, struct b_endpoint *endpoint)
{
	if (!endpoint->has_mac || !endpoint->on_bridge)
		return;
	endpoint->slot = slot_get(binding, endpoint->bridge_name, endpoint->mac);
	DL_APPEND(endpoint->slot->endpoints, endpoint);
}

static void endpoint_copy(struct b_endpoint *endpoint, const struct binding_endpoint *from)
{
	snprintf(endpoint->bridge_name, sizeof(endpoint->bridge_name), "%s",
		from->bridge ? from->bridge : "");
	endpoint->on_bridge = from->bridge != NULL;
	endpoint->has_mac = from->has_mac;
	memcpy(endpoint->mac, from->mac, sizeof(endpoint->mac));
	endpoint->ipv4 = from->ipv4;
	endpoint->ipv6 = from->ipv6;
}

static void endpoint_trust(
	struct b_endpoint *endpoint, const struct binding_endpoint *from, enum binding_trust trust)
{
	if (endpoint->trust != TRUST_NONE)
		return;
	endpoint->trust = trust;
	endpoint->born = from->born;
}

static struct b_endpoint *endpoint_new(struct binding *binding, const char *id)
{
	struct b_endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
	struct b_claim *claim = binding_claim(binding, id);

	endpoint->id = xstrdup(id);
	HASH_ADD_KEYPTR(hh, binding->endpoints, endpoint->id, strlen(endpoint->id), endpoint);
	binding->counts[PLACE_WITHDRAWN]++;
	if (claim)
		claim->unrecorded = false;
	if (claim && !claim->port) {
		endpoint->dead = true;
		claim_free(binding, claim);
	}
	return endpoint;
}

/* Whoever could have the port that was this endpoint's, now that its record has come or gone. */
static void settle_claimed(struct binding *binding, const char *id)
{
	const struct b_claim *claim = binding_claim(binding, id);

	if (claim && claim->port)
		port_settle(binding, &claim->port->port);
}

void binding_endpoint(
	struct binding *binding, const struct binding_endpoint *from, enum binding_trust trust)
{
	struct b_endpoint *endpoint = find_endpoint(binding, from->id);
	struct slot_key before = {0};
	bool fresh = !endpoint;

	if (fresh)
		endpoint = endpoint_new(binding, from->id);
	if (endpoint->slot)
		before = endpoint->slot->key;
	endpoint_detach(binding, endpoint);
	endpoint_copy(endpoint, from);
	endpoint_trust(endpoint, from, trust);
	endpoint_attach(binding, endpoint);
	settle(binding, endpoint);
	if (endpoint->slot)
		settle_slot(binding, endpoint->slot);
	settle_at(binding, &before);
	if (fresh)
		settle_claimed(binding, from->id);
}

void binding_confirm(struct binding *binding, const struct moment *now)
{
	struct b_endpoint *endpoint, *next;

	HASH_ITER (hh, binding->endpoints, endpoint, next)
		if (endpoint->trust == TRUST_NONE) {
			endpoint->trust = TRUST_LISTED;
			endpoint->born = *now;
			endpoint->unsettled = true;
		}
	/* what was adopted and has no record now is not waited for any more */
	HASH_ITER (hh, binding->endpoints, endpoint, next)
		endpoint->unsettled |= !binding->confirmed;
	binding->confirmed = true;
	/* all are trusted before one is settled: none is the only one that fits because it came first */
	HASH_ITER (hh, binding->endpoints, endpoint, next)
		if (endpoint->unsettled) {
			endpoint->unsettled = false;
			settle(binding, endpoint);
			if (endpoint->slot)
				settle_slot(binding, endpoint->slot);
		}
}

static void endpoint_free(struct binding *binding, struct b_endpoint *endpoint)
{
	HASH_DEL(binding->endpoints, endpoint);
	binding->counts[endpoint->placement]--;
	endpoint_detach(binding, endpoint);
	free(endpoint->id);
	free(endpoint);
}

void binding_endpoint_gone(struct binding *binding, const char *id)
{
	struct b_endpoint *endpoint = find_endpoint(binding, id);
	struct slot_key before = {0};

	if (!endpoint)
		return;
	if (endpoint->slot)
		before = endpoint->slot->key;
	endpoint_free(binding, endpoint);
	settle_at(binding, &before);
	settle_claimed(binding, id);
}

/* --- questions --------------------------------------------------------------------------------- */

enum placement binding_placement(
	const struct binding *binding, const char *id, const struct port **port)
{
	const struct b_endpoint *endpoint = find_endpoint(binding, id);

	if (port)
		*port = endpoint && endpoint->port ? &endpoint->port->port : NULL;
	return endpoint ? endpoint->placement : PLACE_WITHDRAWN;
}

void binding_stats(const struct binding *binding, struct binding_stats *stats)
{
	*stats = (struct binding_stats){.ports = HASH_COUNT(binding->ports),
		.endpoints = HASH_COUNT(binding->endpoints),
		.provisional = binding->counts[PLACE_PROVISIONAL],
		.bound = binding->counts[PLACE_BOUND]};
}

void binding_unplaced(const struct binding *binding,
	void (*fn)(const char *id, const char *why, void *arg), void *arg)
{
	const struct b_endpoint *endpoint, *next;
	char text[BINDING_REASON_SIZE];

	HASH_ITER (hh, binding->endpoints, endpoint, next) {
		struct b_port *port = NULL;
		enum cause cause = CAUSE_FITS;

		if (endpoint->placement <= PLACE_DOUBTFUL)
			cause = binding_judge(binding, endpoint, &port);
		if (cause != CAUSE_FITS && cause != CAUSE_STARTING)
			fn(endpoint->id, binding_reason(endpoint, cause, port, text), arg);
	}
}

void binding_free(struct binding *binding)
{
	struct b_port *port, *next_port;
	struct b_endpoint *endpoint, *next_endpoint;
	struct b_claim *claim, *next_claim;

	if (!binding)
		return;
	HASH_ITER (hh, binding->endpoints, endpoint, next_endpoint)
		endpoint_free(binding, endpoint);
	HASH_ITER (hh, binding->claims, claim, next_claim)
		claim_free(binding, claim);
	HASH_ITER (hh, binding->ports, port, next_port) {
		HASH_DEL(binding->ports, port);
		port_detach(binding, port);
		free(port->port.addresses);
		free(port);
	}
	free(binding);
}
