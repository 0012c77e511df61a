/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoints of other nodes. They are matched and nothing else: they have no groups, no ports and nothing that is bound; their own node
 * governs them. An address of theirs counts here only where it means the same here as there (common/shared.h): anywhere else it is a
 * stranger's. What another node says is not trusted further than that, and bounded.
 */
#include "common/shared.h"
#include "common/xalloc.h"
#include "enforcerd/skeleton_internal.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* Of one node. A node of ours has some hundreds. */
enum { ENDPOINTS_MAX = 16384, NETWORKS_MAX = 1024, PROBLEMS_MAX = 1024, PROBLEMS_SHOWN = 4 };

struct w_remote_network {
	struct network *record;
	bool seen;
	UT_hash_handle hh; /* by record->id */
};

struct w_peer {
	char *node;
	struct w_remote_network *networks;
	struct w_remote *endpoints;
	struct w_text *problems; /* "<kind> <id>" */
	bool skipped;            /* endpoints of networks that are not shared are not held */
	bool incomplete;         /* and now one of these networks is */
	UT_hash_handle hh;       /* by node */
};

static struct w_peer *find_peer(const struct world *world, const char *node)
{
	struct w_peer *peer = NULL;

	HASH_FIND_STR(world->peers, node, peer);
	return peer;
}

static struct w_peer *need_peer(struct world *world, const char *node)
{
	struct w_peer *peer = find_peer(world, node);

	if (peer)
		return peer;
	peer = xcalloc(1, sizeof(*peer));
	peer->node = xstrdup(node);
	HASH_ADD_KEYPTR(hh, world->peers, peer->node, strlen(peer->node), peer);
	return peer;
}

static struct w_remote *find_remote(const struct w_peer *peer, const char *id)
{
	struct w_remote *remote = NULL;

	HASH_FIND(hh, peer->endpoints, id, strlen(id), remote);
	return remote;
}

static struct w_remote_network *find_network(const struct w_peer *peer, const char *id)
{
	struct w_remote_network *network = NULL;

	HASH_FIND(hh, peer->networks, id, strlen(id), network);
	return network;
}

/* NULL: nothing is wrong with it any more. What a hostile node could fill memory with is cut short. */
static void problem(struct w_peer *peer, enum store_kind kind, const char *id, const char *text)
{
	cleanup_free char *key = xasprintf("%s %.128s", store_kind_name(kind), id);

	w_plain_text(key);
	if (!text)
		w_text_remove(&peer->problems, key);
	else if (HASH_COUNT(peer->problems) < PROBLEMS_MAX || w_text_find(peer->problems, key))
		w_text_put(&peer->problems, key, text);
}

/* --- whether an address counts here ------------------------------------------------------------ */

static bool entitled(const struct world *world, const struct network *network, const struct ip *ip)
{
	struct claim claim = claim_begin(network, ip);
	const struct w_network *own = world->networks;

	while (own && claim_meet(&claim, own->record))
		own = own->hh.next;
	return claim.standing == CLAIM_COUNTS;
}

static const struct network *network_of(const struct w_remote *remote)
{
	const struct w_remote_network *network =
		find_network(remote->peer, remote->record->network_id);

	return network ? network->record : NULL;
}

struct w_network *world_remote_strict_network(
	const struct world *world, const struct w_remote *remote, const struct ip *ip)
{
	const struct network *network = network_of(remote);
	struct w_network *own;

	for (own = world->networks; network && own; own = own->hh.next)
		if (own->strict && claim_known_in(own->record, network, ip))
			return own;
	return NULL;
}

/* --- settling ---------------------------------------------------------------------------------- */

static void mark(struct world *world, struct w_remote *remote)
{
	if (remote->stale)
		return;
	remote->stale = true;
	w_list_add(&world->stale_remotes, remote);
}

static const struct ip *address_of(const struct w_remote *remote, size_t i)
{
	return i ? &remote->record->ipv6 : &remote->record->ipv4;
}

static void release(struct world *world, struct w_remote *remote)
{
	for (size_t i = 0; i < 2; i++) {
		if (!remote->claims[i])
			continue;
		remote->claims[i] = false;
		world->claim_count--;
		world_address_release_remote(world, address_of(remote, i), remote);
		world_address_settle(world, address_of(remote, i));
	}
}

static void add_to_list(void *item, void *list)
{
	w_list_add(list, item);
}

static void match(const struct world *world, struct w_remote *remote)
{
	CLEANUP(labels) struct labels *owned = NULL;
	const struct labels *labels = world_effective_labels(world, remote->record, &owned);

	selector_index_match(world->matching, labels, add_to_list, &remote->selectors);
}

static void settle(struct world *world, struct w_remote *remote)
{
	const struct network *network = network_of(remote);

	remote->stale = false;
	remote->selectors.count = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct ip *ip = address_of(remote, i);
		bool claims = entitled(world, network, ip);

		if (claims && !remote->claims[i])
			world_address_claim_remote(world, ip, remote);
		else if (!claims && remote->claims[i])
			world_address_release_remote(world, ip, remote);
		world->claim_count += claims;
		world->claim_count -= remote->claims[i];
		remote->claims[i] = claims;
	}
	if (remote->claims[0] || remote->claims[1])
		match(world, remote);
	for (size_t i = 0; i < 2; i++)
		world_address_settle(world, address_of(remote, i));
}

void world_remotes_settle(struct world *world)
{
	for (size_t i = 0; i < world->stale_remotes.count; i++)
		settle(world, world->stale_remotes.items[i]);
	world->stale_remotes.count = 0;
}

/* --- selectors and labels ---------------------------------------------------------------------- */

static void each(struct world *world,
	void (*fn)(struct world *world, struct w_remote *remote, const void *arg), const void *arg)
{
	struct w_peer *peer;
	struct w_remote *remote;

	for (peer = world->peers; peer; peer = peer->hh.next)
		for (remote = peer->endpoints; remote; remote = remote->hh.next)
			fn(world, remote, arg);
}

static void meet(struct world *world, struct w_remote *remote, const void *arg)
{
	const struct w_selector *selector = arg;
	CLEANUP(labels) struct labels *owned = NULL;

	/* who is stale meets all selectors in its turn */
	if (!remote->stale && (remote->claims[0] || remote->claims[1]) &&
		selector_match(
			selector->selector, world_effective_labels(world, remote->record, &owned)))
		w_list_add(&remote->selectors, (void *)selector);
}

void world_remotes_meet(struct world *world, const struct w_selector *selector)
{
	each(world, meet, selector);
}

static void settle_member(struct world *world, struct w_remote *remote, const void *selector)
{
	if (remote->stale || !w_list_has(&remote->selectors, selector))
		return;
	for (size_t i = 0; i < 2; i++)
		world_address_settle(world, address_of(remote, i));
}

void world_remotes_settle_members(struct world *world, const struct w_selector *selector)
{
	each(world, settle_member, selector);
}

static void forget_selector(struct world *world, struct w_remote *remote, const void *selector)
{
	(void)world;
	w_list_remove(&remote->selectors, selector);
}

void world_remotes_forget_selector(struct world *world, const struct w_selector *selector)
{
	each(world, forget_selector, selector);
}

static void mark_named(struct world *world, struct w_remote *remote, const void *name)
{
	if (!strcmp(remote->record->container_name, name))
		mark(world, remote);
}

void world_remotes_mark_container(struct world *world, const char *name)
{
	each(world, mark_named, name);
}

/* --- networks of this node --------------------------------------------------------------------- */

/* Who may be entitled by it, and who may be kept from it. */
static void mark_concerned(struct world *world, struct w_remote *remote, const void *own)
{
	const struct network *network = network_of(remote);

	if (network && network->shared &&
		(network_same_domain(own, network) ||
			network_contains(own, &remote->record->ipv4) ||
			network_contains(own, &remote->record->ipv6)))
		mark(world, remote);
}

void world_remotes_network(struct world *world, const struct network *own)
{
	if (world->peers)
		each(world, mark_concerned, own);
}

void world_close_contested(
	const struct world *world, enum flow_side side, uint8_t family, struct rule_list *rules)
{
	struct rule *rule;

	if (!world->sharing_count)
		return;
	rule = rule_append(rules);
	skeleton_match_set(rule, MATCH_CT_ADDR_SET, side, family,
		by_family(family, SET_CONTESTED4, SET_CONTESTED6));
	skeleton_deny(rule, LOG_CONTESTED, false);
}

/* --- records ----------------------------------------------------------------------------------- */

static void remove_remote(struct world *world, struct w_remote *remote)
{
	if (remote->stale)
		w_list_remove(&world->stale_remotes, remote);
	release(world, remote);
	HASH_DEL(remote->peer->endpoints, remote);
	endpoint_free(remote->record);
	w_list_free(&remote->selectors);
	free(remote);
}

/* Takes the record over. */
static void put_remote(struct world *world, struct w_peer *peer, struct endpoint *record)
{
	struct w_remote *remote = find_remote(peer, record->id);

	if (remote && endpoint_equal(remote->record, record)) {
		remote->seen = true;
		endpoint_free(record);
		return;
	}
	if (remote) {
		release(world, remote);
		HASH_DEL(peer->endpoints, remote);
		endpoint_free(remote->record);
	} else {
		remote = xcalloc(1, sizeof(*remote));
		remote->peer = peer;
	}
	remote->record = record;
	remote->seen = true;
	HASH_ADD_KEYPTR(hh, peer->endpoints, record->id, strlen(record->id), remote);
	mark(world, remote);
}

static int check_remote(const struct w_peer *peer, const struct endpoint *record, struct err *err)
{
	const struct w_remote_network *network = find_network(peer, record->network_id);

	if (!find_remote(peer, record->id) && HASH_COUNT(peer->endpoints) >= ENDPOINTS_MAX)
		return err_set(err, 0, "more than %d endpoints of one node", ENDPOINTS_MAX);
	if (network && !claim_fits(network->record, record))
		return err_set(err, 0, "its address is outside of its network's subnets");
	return 0;
}

/* Nobody here will ever ask for an endpoint of a network that is not shared. */
static bool is_private(const struct w_peer *peer, const struct endpoint *record)
{
	const struct w_remote_network *network = find_network(peer, record->network_id);

	return network && !network->record->shared;
}

static void put_endpoint(
	struct world *world, struct w_peer *peer, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(change->record, strlen(change->record), &err);
	CLEANUP(endpoint)
	struct endpoint *record =
		json ? endpoint_from_json(json, peer->node, change->id, &err) : NULL;
	struct w_remote *held = find_remote(peer, change->id);

	if (record && is_private(peer, record)) {
		problem(peer, change->kind, change->id, NULL);
		peer->skipped = true;
		if (held)
			remove_remote(world, held);
		return;
	}
	if (!record || check_remote(peer, record, &err) < 0) {
		problem(peer, change->kind, change->id, err.text);
		if (held)
			held->seen = true;
		return;
	}
	problem(peer, change->kind, change->id, NULL);
	put_remote(world, peer, steal_ptr(record));
}

static void mark_network(struct world *world, struct w_peer *peer, const char *network_id)
{
	struct w_remote *remote;

	for (remote = peer->endpoints; remote; remote = remote->hh.next)
		if (!strcmp(remote->record->network_id, network_id))
			mark(world, remote);
}

static void remove_network(
	struct world *world, struct w_peer *peer, struct w_remote_network *network)
{
	mark_network(world, peer, network->record->id);
	HASH_DEL(peer->networks, network);
	network_free(network->record);
	free(network);
}

/* Takes the record over. */
static void replace_network(struct world *world, struct w_peer *peer, struct network *record)
{
	struct w_remote_network *network = find_network(peer, record->id);

	peer->incomplete |= record->shared && peer->skipped;
	if (network) {
		HASH_DEL(peer->networks, network);
		network_free(network->record);
	} else {
		network = xcalloc(1, sizeof(*network));
	}
	network->record = record;
	network->seen = true;
	HASH_ADD_KEYPTR(hh, peer->networks, record->id, strlen(record->id), network);
	mark_network(world, peer, record->id);
}

static void put_network(struct world *world, struct w_peer *peer, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(change->record, strlen(change->record), &err);
	CLEANUP(network)
	struct network *record = json ? network_from_json(json, change->id, &err) : NULL;
	struct w_remote_network *held = find_network(peer, change->id);

	if (record && !held && HASH_COUNT(peer->networks) >= NETWORKS_MAX) {
		err_set(&err, 0, "more than %d networks of one node", NETWORKS_MAX);
		network_free(steal_ptr(record));
	}
	problem(peer, change->kind, change->id, record ? NULL : err.text);
	if (held)
		held->seen = true;
	if (record && !(held && network_equal(held->record, record)))
		replace_network(world, peer, steal_ptr(record));
}

/* --- the stream -------------------------------------------------------------------------------- */

/* As for this node's own stream: networks before endpoints, what goes before what comes. */
static void apply_changes(
	struct world *world, struct w_peer *peer, const struct store_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct w_remote *remote = find_remote(peer, changes[i].id);

		if (changes[i].kind == KIND_ENDPOINT && !changes[i].record && remote)
			remove_remote(world, remote);
		if (!changes[i].record)
			problem(peer, changes[i].kind, changes[i].id, NULL);
	}
	for (size_t i = 0; i < count; i++) {
		struct w_remote_network *network = find_network(peer, changes[i].id);

		if (changes[i].kind == KIND_NETWORK && changes[i].record)
			put_network(world, peer, &changes[i]);
		else if (changes[i].kind == KIND_NETWORK && network)
			remove_network(world, peer, network);
	}
	for (size_t i = 0; i < count; i++)
		if (changes[i].kind == KIND_ENDPOINT && changes[i].record)
			put_endpoint(world, peer, &changes[i]);
}

static void begin_whole(struct w_peer *peer)
{
	struct w_remote *remote;
	struct w_remote_network *network;

	for (remote = peer->endpoints; remote; remote = remote->hh.next)
		remote->seen = false;
	for (network = peer->networks; network; network = network->hh.next)
		network->seen = false;
	while (peer->problems)
		w_text_remove(&peer->problems, peer->problems->key);
	peer->skipped = false;
}

static void sweep(struct world *world, struct w_peer *peer)
{
	struct w_remote *remote, *next_remote;
	struct w_remote_network *network, *next_network;

	HASH_ITER (hh, peer->endpoints, remote, next_remote)
		if (!remote->seen)
			remove_remote(world, remote);
	HASH_ITER (hh, peer->networks, network, next_network)
		if (!network->seen)
			remove_network(world, peer, network);
	/* whatever it skipped on the way, it was told all of it after its networks */
	peer->incomplete = false;
}

void world_peer_apply(struct world *world, const char *node, const struct store_change *changes,
	size_t count, bool whole)
{
	struct w_peer *peer = need_peer(world, node);

	if (whole)
		begin_whole(peer);
	apply_changes(world, peer, changes, count);
	if (whole)
		sweep(world, peer);
	world_settle(world);
}

bool world_node_incomplete(const struct world *world, const char *node)
{
	const struct w_peer *peer = find_peer(world, node);

	return peer && peer->incomplete;
}

static void free_peer(struct world *world, struct w_peer *peer)
{
	while (peer->endpoints)
		remove_remote(world, peer->endpoints);
	while (peer->networks)
		remove_network(world, peer, peer->networks);
	while (peer->problems)
		w_text_remove(&peer->problems, peer->problems->key);
	HASH_DEL(world->peers, peer);
	free(peer->node);
	free(peer);
}

void world_forget_node(struct world *world, const char *node)
{
	struct w_peer *peer = find_peer(world, node);

	if (!peer)
		return;
	free_peer(world, peer);
	world_settle(world);
}

void world_remotes_free(struct world *world)
{
	while (world->peers)
		free_peer(world, world->peers);
	w_list_free(&world->stale_remotes);
}

/* --- reports ----------------------------------------------------------------------------------- */

const char *world_remote_node(const struct w_remote *remote)
{
	return remote->peer->node;
}

static int compare_keys(struct w_text *a, struct w_text *b)
{
	return strcmp(a->key, b->key);
}

/* Few of each node, so that one cannot crowd out the others or this node's own. */
void world_remotes_problems(const struct world *world, struct w_list *lines)
{
	struct w_peer *peer;

	for (peer = world->peers; peer; peer = peer->hh.next) {
		const struct w_text *entry;
		size_t told = 0;

		HASH_SORT(peer->problems, compare_keys);
		for (entry = peer->problems; entry && told < PROBLEMS_SHOWN;
			entry = entry->hh.next, told++)
			w_list_add(lines,
				xasprintf("node %s, %s: %s", peer->node, entry->key, entry->text));
		if (HASH_COUNT(peer->problems) > told)
			w_list_add(lines,
				xasprintf("node %s: %zu more of its records are refused",
					peer->node, (size_t)HASH_COUNT(peer->problems) - told));
	}
}
