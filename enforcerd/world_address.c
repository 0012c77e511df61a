/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses are what the kernel knows; owners are what people mean. An address that two endpoints claim belongs to neither: it is
 * closed in both directions, in no selector set and known to no strict network, so that no label is ever lent. The same goes for the
 * address of an isolated endpoint of which it is not clear which port is its own, and beside that no port may use it: whoever is
 * bound to a port with it, though, is in no doubt.
 */
#include "common/shared.h"
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

static struct w_address *find(const struct world *world, const struct ip *ip)
{
	struct w_address *address = NULL;

	HASH_FIND(hh, world->addresses, ip, sizeof(*ip), address);
	return address;
}

static struct w_address *need(struct world *world, const struct ip *ip)
{
	struct w_address *address = find(world, ip);

	if (address)
		return address;
	address = xcalloc(1, sizeof(*address));
	address->ip = *ip;
	HASH_ADD(hh, world->addresses, ip, sizeof(address->ip), address);
	return address;
}

static unsigned family_index(const struct ip *ip)
{
	return ip->family == 6;
}

void world_address_claim(struct world *world, const struct ip *ip, struct w_endpoint *owner)
{
	struct w_address *address = need(world, ip);

	if (w_list_has(&address->owners, owner))
		return;
	w_list_add(&address->owners, owner);
}

void world_address_release(struct world *world, const struct ip *ip, struct w_endpoint *owner)
{
	struct w_address *address = find(world, ip);

	if (!address || !w_list_has(&address->owners, owner))
		return;
	w_list_remove(&address->owners, owner);
}

void world_address_claim_remote(struct world *world, const struct ip *ip, struct w_remote *remote)
{
	w_list_add(&need(world, ip)->remotes, remote);
}

void world_address_release_remote(struct world *world, const struct ip *ip, struct w_remote *remote)
{
	struct w_address *address = find(world, ip);

	if (address)
		w_list_remove(&address->remotes, remote);
}

void world_address_host(struct world *world, const struct ip *ip, bool there)
{
	struct w_address *address = there ? need(world, ip) : find(world, ip);

	if (there)
		address->host_links++;
	else if (address && address->host_links)
		address->host_links--;
}

/* --- one facet after the other ----------------------------------------------------------------- */

/* Membership of one of the plain sets that there are twice, for IPv4 and IPv6. */
static void settle_set(struct world *world, struct w_address *address, const char *const sets[2],
	bool *is, bool want)
{
	const struct elem_key key = {.ip = address->ip};
	const char *set = sets[family_index(&address->ip)];

	if (*is == want)
		return;
	*is = want;
	if (want)
		ruleset_put(world->rs, set, &key, NULL, NULL);
	else
		ruleset_del(world->rs, set, &key);
}

/* At a port, starting, or in doubt. */
static bool is_on_bridge(const struct w_address *address)
{
	for (size_t i = 0; i < address->owners.count; i++)
		if (!world_elsewhere(address->owners.items[i]))
			return true;
	return false;
}

/* Whoever is known to be there or to be starting; two of them are none. Who is on no bridge does not count beside who is. */
static struct w_endpoint *owner_of(const struct w_address *address, bool *conflict)
{
	struct w_endpoint *found = NULL;
	bool on_bridge = is_on_bridge(address);

	*conflict = false;
	for (size_t i = 0; i < address->owners.count; i++) {
		struct w_endpoint *owner = address->owners.items[i];

		if (world_doubtful(owner) || (on_bridge && world_elsewhere(owner)))
			continue;
		*conflict |= found != NULL;
		found = owner;
	}
	return *conflict ? NULL : found;
}

/* While its published ports are not known, docker-proxy may serve any of this host's (see the skeleton's output chain). */
static bool is_unready(const struct w_address *address)
{
	for (size_t i = 0; i < address->owners.count; i++) {
		const struct w_endpoint *owner = address->owners.items[i];

		if (!world_doubtful(owner) && owner->isolated &&
			owner->record->state == ENDPOINT_STARTING)
			return true;
	}
	return false;
}

static bool is_bound(const struct w_address *address)
{
	for (size_t i = 0; i < address->owners.count; i++)
		if (((const struct w_endpoint *)address->owners.items[i])->bound.port[0])
			return true;
	return false;
}

/* An isolated endpoint may be there, at a port that is not known. */
static bool is_doubtful(const struct w_address *address)
{
	for (size_t i = 0; i < address->owners.count; i++) {
		const struct w_endpoint *owner = address->owners.items[i];

		if (world_doubtful(owner) && owner->isolated)
			return !is_bound(address);
	}
	return false;
}

/* Said at a port of a bridge it is a lie, unless it is somebody's there as well. */
static void settle_off_bridge(struct world *world, struct w_address *address)
{
	static const char *const sets[] = {SET_OFF_BRIDGE4, SET_OFF_BRIDGE6};

	settle_set(world, address, sets, &address->off_bridge,
		address->owners.count && !is_on_bridge(address));
}

/* In doubt: docker-proxy may serve it as well, and no port has it. */
static void settle_sets(
	struct world *world, struct w_address *address, bool isolated, bool doubtful)
{
	static const char *const isolated_sets[] = {SET_ISOLATED4, SET_ISOLATED6};
	static const char *const unready_sets[] = {SET_UNREADY4, SET_UNREADY6};
	static const char *const owned_sets[] = {SET_OWNED4, SET_OWNED6};

	settle_set(world, address, isolated_sets, &address->isolated, isolated);
	settle_set(
		world, address, unready_sets, &address->unready, doubtful || is_unready(address));
	settle_set(world, address, owned_sets, &address->owned, doubtful || is_bound(address));
}

static void hold_group(struct world *world, struct w_address *address, enum policy_direction dir,
	struct w_group *group)
{
	struct w_group *before;

	if (group == address->groups[dir])
		return;
	if (dir == DIR_EGRESS && world->published_count)
		world_published_address(world, &address->ip, group);
	/* may bring selectors, and these may settle addresses, this one too */
	if (group)
		world_group_ref(world, group, family_of_ip(&address->ip));
	before = address->groups[dir];
	if (before)
		world_group_unref(world, before, family_of_ip(&address->ip));
	address->groups[dir] = group;
}

/* Groups in both directions, or in none. */
static void settle_groups(struct world *world, struct w_address *address,
	struct w_group *const groups[DIR_COUNT], const char *comment)
{
	const char *map = family_index(&address->ip) ? MAP_GROUPS6 : MAP_GROUPS4;
	struct elem_key key = {.ip = address->ip};

	for (int dir = 0; dir < DIR_COUNT; dir++)
		hold_group(world, address, (enum policy_direction)dir, groups[dir]);
	if (!groups[DIR_EGRESS]) {
		ruleset_del(world->rs, map, &key);
		return;
	}
	key.groups[SIDE_SRC] = groups[DIR_EGRESS]->number;
	key.groups[SIDE_DST] = groups[DIR_INGRESS]->number;
	ruleset_put(world->rs, map, &key, NULL, comment);
}

static void selector_set_name(
	const struct w_selector *selector, const struct ip *ip, char name[NFT_NAME_MAX])
{
	snprintf(name, NFT_NAME_MAX, "sel_%s_%u", selector->id, ip->family);
}

static void settle_selectors(
	struct world *world, struct w_address *address, const struct w_list *wanted)
{
	const struct elem_key key = {.ip = address->ip};
	char name[NFT_NAME_MAX];

	for (size_t i = address->selectors.count; i-- > 0;) {
		struct w_selector *selector = address->selectors.items[i];

		if (wanted && w_list_has(wanted, selector))
			continue;
		selector_set_name(selector, &address->ip, name);
		ruleset_del(world->rs, name, &key);
		w_list_remove(&address->selectors, selector);
	}
	for (size_t i = 0; wanted && i < wanted->count; i++) {
		struct w_selector *selector = wanted->items[i];

		selector_set_name(selector, &address->ip, name);
		/* a put that changes nothing costs nothing, and fills a set that has just been created */
		ruleset_put(world->rs, name, &key, NULL, NULL);
		if (!w_list_has(&address->selectors, selector))
			w_list_add(&address->selectors, selector);
	}
}

static void settle_known(struct world *world, struct w_address *address, struct w_network *network)
{
	const struct elem_key key = {.ip = address->ip};
	unsigned f = family_index(&address->ip);

	if (address->known_in && address->known_in != network)
		ruleset_del(world->rs, address->known_in->known[f], &key);
	if (network)
		ruleset_put(world->rs, network->known[f], &key, NULL, NULL);
	address->known_in = network;
}

static struct w_network *strict_network(const struct world *world, const struct w_endpoint *owner)
{
	struct w_network *network = world_network_find(world, owner->record->network_id);

	return network && network->strict ? network : NULL;
}

/* nft refuses a comment that its own parser could not read back, so only plain characters pass. */
static void make_comment(const struct w_endpoint *owner, bool conflict, char *comment, size_t size)
{
	snprintf(comment, size, "%s",
		owner      ? owner->record->container_name
		: conflict ? "claimed by two endpoints"
			   : "in doubt whose it is");
	w_plain_text(comment);
}

static void note_closed(struct world *world, struct w_address *address, bool closed)
{
	world->conflict_count += closed;
	world->conflict_count -= address->closed;
	address->closed = closed;
}

/*
 * Of other nodes' endpoints. contested: claimed by two; no selector may speak for either, and the groups' chains deny it, so that
 * not even a rule about whom a selector does not match lets it through.
 */
static void settle_remote(
	struct world *world, struct w_address *address, bool remote, bool contested)
{
	static const char *const remote_sets[] = {SET_REMOTE4, SET_REMOTE6};
	static const char *const contested_sets[] = {SET_CONTESTED4, SET_CONTESTED6};

	world->contested_count += contested;
	world->contested_count -= address->contested;
	settle_set(world, address, remote_sets, &address->remote, remote);
	settle_set(world, address, contested_sets, &address->contested, contested);
}

static void settle_owned(struct world *world, struct w_address *address)
{
	bool conflict, doubtful = is_doubtful(address);
	struct w_endpoint *found = owner_of(address, &conflict), *owner = doubtful ? NULL : found;
	bool closed = conflict || doubtful, isolated = closed || (owner && owner->isolated);
	struct w_group *groups[DIR_COUNT] = {NULL};
	char comment[64];

	make_comment(owner, conflict, comment, sizeof(comment));
	note_closed(world, address, closed);
	settle_remote(world, address, false, false);
	settle_sets(world, address, isolated, doubtful);
	settle_off_bridge(world, address);
	for (int dir = 0; dir < DIR_COUNT && isolated; dir++)
		groups[dir] = closed ? world_group_get(world, (enum policy_direction)dir, NULL, 0)
				     : owner->groups[dir];
	settle_groups(world, address, groups, comment);
	settle_selectors(world, address, owner ? &owner->selectors : NULL);
	settle_known(world, address, owner ? strict_network(world, owner) : NULL);
}

/* Not an endpoint's of this node. */
static void disown(struct world *world, struct w_address *address)
{
	struct w_group *const none[DIR_COUNT] = {NULL};

	note_closed(world, address, false);
	settle_sets(world, address, false, false);
	settle_off_bridge(world, address);
	settle_groups(world, address, none, NULL);
}

/* No group, no port, and known to a strict network only where it lies in its subnets. */
static void settle_claimed(struct world *world, struct w_address *address)
{
	bool contested = address_holder(0, address->remotes.count) == HELD_CONTESTED;
	const struct w_remote *remote = contested ? NULL : address->remotes.items[0];

	disown(world, address);
	settle_remote(world, address, true, contested);
	settle_selectors(world, address, remote ? &remote->selectors : NULL);
	settle_known(world, address,
		remote ? world_remote_strict_network(world, remote, &address->ip) : NULL);
}

/* Nobody else's: what the host is sent is judged by the sender's egress alone. */
static void settle_hosts(struct world *world, struct w_address *address)
{
	disown(world, address);
	settle_remote(world, address, false, false);
	settle_selectors(world, address, &world->host_selectors);
	settle_known(world, address, NULL);
}

static void remove_address(struct world *world, struct w_address *address)
{
	disown(world, address);
	settle_remote(world, address, false, false);
	settle_selectors(world, address, NULL);
	settle_known(world, address, NULL);
	HASH_DEL(world->addresses, address);
	w_list_free(&address->owners);
	w_list_free(&address->remotes);
	w_list_free(&address->selectors);
	free(address);
}

void world_address_settle(struct world *world, const struct ip *ip)
{
	struct w_address *address = find(world, ip);

	if (!address)
		return;
	switch (address_holder(address->owners.count, address->remotes.count)) {
	case HELD_HERE:
		settle_owned(world, address);
		break;
	case HELD_ELSEWHERE:
	case HELD_CONTESTED:
		settle_claimed(world, address);
		break;
	case HELD_BY_NOBODY:
		if (address->host_links)
			settle_hosts(world, address);
		else
			remove_address(world, address);
		break;
	}
}

bool world_owner(const struct world *world, const struct ip *ip, struct world_owner *owner)
{
	const struct w_address *address = find(world, ip);
	const struct w_endpoint *endpoint;
	bool conflict;

	if (address &&
		address_holder(address->owners.count, address->remotes.count) == HELD_ELSEWHERE) {
		const struct endpoint *record =
			((const struct w_remote *)address->remotes.items[0])->record;

		*owner = (struct world_owner){record, record->labels};
		return true;
	}
	endpoint = address && !address->closed ? owner_of(address, &conflict) : NULL;
	if (!endpoint)
		return false;
	*owner = (struct world_owner){endpoint->record, endpoint->record->labels};
	return true;
}
