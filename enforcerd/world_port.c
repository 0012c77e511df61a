/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where endpoints are. An address counts while its endpoint's port is there, whatever the records say: a port that goes takes its
 * addresses with it, and whoever gets them next inherits nothing.
 */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

enum { COMMENT_SIZE = 112 };

/* --- placement --------------------------------------------------------------------------------- */

void world_announce(struct world *world, struct w_endpoint *endpoint)
{
	const struct w_network *network = world_network_find(world, endpoint->record->network_id);

	if (endpoint->announced || !world->config.ops)
		return;
	endpoint->announced = true;
	world->config.ops->endpoint(endpoint->record,
		network && world_network_enforced(network) ? network->record->bridge : NULL,
		world->config.ops_arg);
}

static bool whereabout_equal(const struct whereabout *a, const struct whereabout *b)
{
	return a->placement == b->placement && !strcmp(a->port, b->port) &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac));
}

void world_place(struct world *world, const char *endpoint_id, const struct whereabout *where)
{
	struct w_endpoint *endpoint = world_endpoint_find(world, endpoint_id);
	bool claimed;

	if (!endpoint || whereabout_equal(&endpoint->where, where))
		return;
	claimed = world_claims(endpoint);
	endpoint->where = *where;
	if (claimed && !world_claims(endpoint))
		world_endpoint_release(world, endpoint);
	if (!claimed && world_claims(endpoint))
		world_endpoint_claim(world, endpoint);
	world_mark_stale(world, endpoint);
}

void world_refresh(struct world *world)
{
	world_settle(world);
}

/* --- MACs, which several ports may have -------------------------------------------------------- */

static void hold_mac(struct world *world, const uint8_t mac[6])
{
	struct elem_key key = {0};
	struct w_mac *entry = NULL;

	HASH_FIND(hh, world->macs, mac, sizeof(entry->mac), entry);
	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		memcpy(entry->mac, mac, sizeof(entry->mac));
		HASH_ADD(hh, world->macs, mac, sizeof(entry->mac), entry);
	}
	if (entry->refs++)
		return;
	memcpy(key.mac, mac, sizeof(key.mac));
	ruleset_put(world->rs, SET_OWNED_MACS, &key, NULL, NULL);
}

static void release_mac(struct world *world, const uint8_t mac[6])
{
	struct elem_key key = {0};
	struct w_mac *entry = NULL;

	HASH_FIND(hh, world->macs, mac, sizeof(entry->mac), entry);
	if (!entry || --entry->refs)
		return;
	memcpy(key.mac, mac, sizeof(key.mac));
	ruleset_del(world->rs, SET_OWNED_MACS, &key);
	HASH_DEL(world->macs, entry);
	free(entry);
}

void world_ports_free(struct world *world)
{
	struct w_mac *entry, *next;

	HASH_ITER (hh, world->macs, entry, next) {
		HASH_DEL(world->macs, entry);
		free(entry);
	}
}

/* --- sets -------------------------------------------------------------------------------------- */

/* Read back by a restarted enforcerd: the EndpointID says whose port it is. */
static void make_comment(const struct w_endpoint *endpoint, char comment[COMMENT_SIZE])
{
	snprintf(comment, COMMENT_SIZE, "%.72s %s", endpoint->record->id,
		endpoint->record->container_name);
	w_plain_text(comment);
}

/* The address that the kernel makes of a MAC for itself on a link: RFC 4291, appendix A. */
static struct ip link_local(const uint8_t mac[6])
{
	struct ip ip = {.family = 6, .bytes = {0xfe, 0x80}};

	memcpy(ip.bytes + 8, mac, 3);
	memcpy(ip.bytes + 13, mac + 3, 3);
	ip.bytes[8] ^= 0x02;
	ip.bytes[11] = 0xff;
	ip.bytes[12] = 0xfe;
	return ip;
}

static void set_element(struct world *world, bool present, const char *set, const char *ifname,
	const struct ip *ip, const char *comment)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", ifname);
	if (ip)
		key.ip = *ip;
	if (present)
		ruleset_put(world->rs, set, &key, NULL, comment);
	else
		ruleset_del(world->rs, set, &key);
}

static void address_elements(
	struct world *world, bool present, const struct w_binding *b, const char *comment)
{
	const struct ip local = link_local(b->mac);

	for (size_t i = 0; i < 2; i++) {
		bool v6 = b->ips[i].family == 6;

		if (!b->ips[i].family)
			continue;
		set_element(world, present, v6 ? SET_AT6 : SET_AT4, b->port, &b->ips[i], comment);
	}
	set_element(world, present, SET_LOCAL6, b->port, &local, NULL);
}

static void mac_elements(struct world *world, bool present, const struct w_binding *b)
{
	struct elem_key key = {0};

	if (!world->config.skeleton.anti_spoof)
		return;
	snprintf(key.ifname, sizeof(key.ifname), "%s", b->port);
	memcpy(key.mac, b->mac, sizeof(key.mac));
	if (present) {
		ruleset_put(world->rs, SET_PORT_MACS, &key, NULL, NULL);
		hold_mac(world, b->mac);
	} else {
		ruleset_del(world->rs, SET_PORT_MACS, &key);
		release_mac(world, b->mac);
	}
}

static void wanted_binding(
	const struct world *world, const struct w_endpoint *endpoint, struct w_binding *b)
{
	const struct w_network *network = world_network_find(world, endpoint->record->network_id);

	*b = (struct w_binding){0};
	if (endpoint->where.placement != PLACE_BOUND || !network || !network->record->bridge ||
		!endpoint->where.port[0])
		return;
	snprintf(b->port, sizeof(b->port), "%s", endpoint->where.port);
	memcpy(b->mac, endpoint->where.mac, sizeof(b->mac));
	b->ips[0] = endpoint->record->ipv4;
	b->ips[1] = endpoint->record->ipv6;
	b->isolated = endpoint->isolated;
}

static void put_binding(
	struct world *world, bool present, const struct w_binding *b, const char *comment)
{
	if (!b->port[0])
		return;
	address_elements(world, present, b, comment);
	mac_elements(world, present, b);
	set_element(world, present, SET_ENDPOINT_PORTS, b->port, NULL, NULL);
	if (b->isolated)
		set_element(world, present, SET_ISOLATED_PORTS, b->port, NULL, NULL);
}

void world_port_settle(struct world *world, struct w_endpoint *endpoint, bool gone)
{
	struct w_binding wanted = {0};
	char comment[COMMENT_SIZE];

	if (!gone)
		wanted_binding(world, endpoint, &wanted);
	if (!memcmp(&wanted, &endpoint->bound, sizeof(wanted)))
		return;
	make_comment(endpoint, comment);
	put_binding(world, false, &endpoint->bound, NULL);
	put_binding(world, true, &wanted, comment);
	endpoint->bound = wanted;
}

/* Asked for packets that are logged, a few a second: no index for it. */
bool world_owner_of_port(const struct world *world, const char *port, struct world_owner *owner)
{
	const struct w_endpoint *endpoint;

	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next)
		if (endpoint->bound.port[0] && !strcmp(endpoint->bound.port, port)) {
			*owner = (struct world_owner){endpoint->record, endpoint->record->labels};
			return true;
		}
	return false;
}
