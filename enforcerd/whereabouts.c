/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/whereabouts.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <string.h>

enum { PROBLEMS_SHOWN_MAX = 20 };

/* An address of a bridge, as ports.h tells them. */
struct gateway {
	char bridge[PORT_IFNAME_SIZE];
	struct ip ip;
};

struct gateways {
	struct gateway *items;
	size_t count, cap;
};

struct whereabouts {
	struct ports *ports;
	struct binding *binding;
	struct world *world;
	struct whereabouts_ops ops;
	void *arg;
	enum binding_trust trust;
	struct gateways known, applied; /* of all bridges; in the ruleset */
	bool applying;                  /* the world asks: it settles by itself */
	bool placed;                    /* since the world was settled last */
	bool confirmed;                 /* at least once */
};

/* --- gateways ---------------------------------------------------------------------------------- */

static void gateway_add(struct gateways *list, const char *bridge, const struct ip *ip)
{
	xgrow(list->items, list->count, list->cap);
	list->items[list->count] = (struct gateway){.ip = *ip};
	snprintf(list->items[list->count].bridge, PORT_IFNAME_SIZE, "%s", bridge);
	list->count++;
}

static bool gateways_have(const struct gateways *list, const struct ip *ip)
{
	for (size_t i = 0; i < list->count; i++)
		if (ip_equal(&list->items[i].ip, ip))
			return true;
	return false;
}

static bool is_managed(struct world *world, const char *bridge)
{
	size_t count = 0;
	const struct world_bridge *bridges = world_bridges(world, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(bridges[i].name, bridge))
			return true;
	return false;
}

static void set_gateway(struct whereabouts *w, const struct ip *ip, bool present)
{
	const struct elem_key key = {.ip = *ip};
	const char *set = ip->family == 4 ? SET_GATEWAYS4 : SET_GATEWAYS6;

	if (present)
		ruleset_put(world_ruleset(w->world), set, &key, NULL, NULL);
	else
		ruleset_del(world_ruleset(w->world), set, &key);
}

void whereabouts_update(struct whereabouts *w)
{
	struct gateways wanted = {0};

	for (size_t i = 0; i < w->known.count; i++)
		if (is_managed(w->world, w->known.items[i].bridge))
			gateway_add(&wanted, w->known.items[i].bridge, &w->known.items[i].ip);
	for (size_t i = 0; i < w->applied.count; i++)
		if (!gateways_have(&wanted, &w->applied.items[i].ip))
			set_gateway(w, &w->applied.items[i].ip, false);
	for (size_t i = 0; i < wanted.count; i++)
		set_gateway(w, &wanted.items[i].ip, true);
	free(w->applied.items);
	w->applied = wanted;
}

static void on_gateways(const char *bridge, const struct cidr *addresses, size_t count, void *arg)
{
	struct whereabouts *w = arg;
	size_t kept = 0;

	for (size_t i = 0; i < w->known.count; i++)
		if (strcmp(w->known.items[i].bridge, bridge) != 0)
			w->known.items[kept++] = w->known.items[i];
	w->known.count = kept;
	for (size_t i = 0; i < count; i++)
		gateway_add(&w->known, bridge, &addresses[i].ip);
	whereabouts_update(w);
	if (!w->applying)
		w->ops.changed(w->arg);
}

/* --- this host's addresses ----------------------------------------------------------------------- */

static void on_address(const struct ip *ip, bool there, void *arg)
{
	struct whereabouts *w = arg;

	world_host_address(w->world, ip, there);
	if (!w->applying)
		w->ops.changed(w->arg);
}

/* --- ports and placements ---------------------------------------------------------------------- */

static void on_placed(const char *id, enum placement placement, const struct port *port, void *arg)
{
	static const char *const words[] = {[PLACE_WITHDRAWN] = "is at no port",
		[PLACE_DOUBTFUL] = "is in doubt",
		[PLACE_ELSEWHERE] = "is on no bridge",
		[PLACE_PROVISIONAL] = "is being started",
		[PLACE_BOUND] = "is at port"};
	struct whereabouts *w = arg;
	struct whereabout where = {.placement = placement};

	if (port) {
		snprintf(where.port, sizeof(where.port), "%s", port->name);
		memcpy(where.mac, port->mac, sizeof(where.mac));
	}
	log_debug("ports", "endpoint %.12s %s %s", id, words[placement], where.port);
	world_place(w->world, id, &where);
	w->placed = true;
}

/* A port that the kernel tells of while the world is being changed is settled with the change. */
static void settle(struct whereabouts *w)
{
	if (!w->placed || w->applying)
		return;
	w->placed = false;
	world_refresh(w->world);
	w->ops.changed(w->arg);
}

static void on_port(const struct port *port, void *arg)
{
	struct whereabouts *w = arg;

	binding_port(w->binding, port);
	settle(w);
}

static void on_port_gone(unsigned ifindex, void *arg)
{
	struct whereabouts *w = arg;

	binding_port_gone(w->binding, ifindex);
	settle(w);
}

static void on_bridges(void *arg)
{
	struct whereabouts *w = arg;

	w->ops.bridges(w->arg);
}

/* --- records ----------------------------------------------------------------------------------- */

/*
 * Its packets can come to this host's hooks with its own address, though by no port of a bridge. Those of an overlay network cannot:
 * they leave it by docker_gwbridge, with another address, and by that their container is known.
 */
static bool is_elsewhere(const struct endpoint *record)
{
	return strcmp(record->driver, "bridge") != 0 && strcmp(record->driver, "overlay") != 0;
}

static void on_endpoint(const struct endpoint *record, const char *bridge, void *arg)
{
	struct whereabouts *w = arg;
	struct binding_endpoint endpoint = {.id = record->id,
		.bridge = bridge,
		.has_mac = record->has_mac,
		.ipv4 = record->ipv4,
		.ipv6 = record->ipv6};

	if (!bridge && !is_elsewhere(record))
		return;
	memcpy(endpoint.mac, record->mac, sizeof(endpoint.mac));
	w->applying = true;
	/* what was there when the record was made is known before the record is */
	ports_drain(w->ports);
	endpoint.born = ports_moment(w->ports);
	binding_endpoint(w->binding, &endpoint, w->trust);
	w->applying = false;
}

static void on_endpoint_gone(const char *id, void *arg)
{
	struct whereabouts *w = arg;

	binding_endpoint_gone(w->binding, id);
}

const struct world_ops *whereabouts_world_ops(void)
{
	static const struct world_ops ops = {on_endpoint, on_endpoint_gone};

	return &ops;
}

void whereabouts_trust(struct whereabouts *w, enum binding_trust trust)
{
	w->trust = trust;
}

void whereabouts_confirm(struct whereabouts *w)
{
	struct moment now;

	ports_drain(w->ports);
	now = ports_moment(w->ports);
	binding_confirm(w->binding, &now);
	settle(w);
	w->confirmed = true;
}

bool whereabouts_confirmed(const struct whereabouts *w)
{
	return w->confirmed;
}

/* The comment begins with the EndpointID: world_port.c. */
void whereabouts_adopt(struct whereabouts *w, const struct elem_key *key, const char *comment)
{
	cleanup_free char *id = comment ? xstrndup(comment, strcspn(comment, " ")) : NULL;

	if (id && *id)
		binding_adopt(w->binding, id, key->ifname);
}

/* --- reports ----------------------------------------------------------------------------------- */

static void add_unplaced(const char *id, const char *why, void *arg)
{
	json_t *sentences = arg;

	if (json_array_size(sentences) < PROBLEMS_SHOWN_MAX)
		json_array_append_new(sentences, json_sprintf("endpoint %.12s: %s", id, why));
}

void whereabouts_problems(const struct whereabouts *w, json_t *sentences)
{
	binding_unplaced(w->binding, add_unplaced, sentences);
}

/* --- life -------------------------------------------------------------------------------------- */

struct whereabouts *whereabouts_new(
	struct event_base *base, const struct whereabouts_ops *ops, void *arg, struct err *err)
{
	static const struct ports_ops ports_ops = {.port = on_port,
		.gone = on_port_gone,
		.gateways = on_gateways,
		.address = on_address,
		.bridges = on_bridges};
	static const struct binding_ops binding_ops = {on_placed};
	CLEANUP(whereabouts) struct whereabouts *w = xcalloc(1, sizeof(*w));

	w->ops = *ops;
	w->arg = arg;
	w->binding = binding_new(&binding_ops, w);
	w->ports = ports_new(base, &ports_ops, w, err);
	if (!w->ports)
		return NULL;
	return steal_ptr(w);
}

int whereabouts_start(struct whereabouts *w, struct world *world, struct err *err)
{
	w->world = world;
	return ports_start(w->ports, err);
}

void whereabouts_free(struct whereabouts *w)
{
	if (!w)
		return;
	ports_free(w->ports);
	binding_free(w->binding);
	free(w->known.items);
	free(w->applied.items);
	free(w);
}
