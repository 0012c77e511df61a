/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/world.h"

#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

enum { PROBLEMS_SHOWN_MAX = 100 };

/* --- small tables ------------------------------------------------------------------------------ */

/* Grown from two: each address has several of these, and most hold one or two items. */
void w_list_add(struct w_list *list, void *item)
{
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 2;
		list->items = xrealloc(list->items, list->cap, sizeof(*list->items));
	}
	list->items[list->count++] = item;
}

static size_t list_find(const struct w_list *list, const void *item)
{
	size_t i = 0;

	while (i < list->count && list->items[i] != item)
		i++;
	return i;
}

bool w_list_has(const struct w_list *list, const void *item)
{
	return list_find(list, item) < list->count;
}

void w_list_remove(struct w_list *list, const void *item)
{
	size_t i = list_find(list, item);

	if (i < list->count)
		memmove(list->items + i, list->items + i + 1,
			(--list->count - i) * sizeof(*list->items));
}

void w_list_free(struct w_list *list)
{
	free(list->items);
	*list = (struct w_list){0};
}

void w_plain_text(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f || *c == '"' ||
			*c == '\\')
			*c = '?';
}

struct w_text *w_text_find(struct w_text *table, const char *key)
{
	struct w_text *entry = NULL;

	HASH_FIND(hh, table, key, strlen(key), entry);
	return entry;
}

void w_text_put(struct w_text **table, const char *key, const char *text)
{
	struct w_text *entry = w_text_find(*table, key);

	if (!entry) {
		entry = xcalloc(1, sizeof(*entry));
		entry->key = xstrdup(key);
		HASH_ADD_KEYPTR(hh, *table, entry->key, strlen(entry->key), entry);
	}
	free(entry->text);
	entry->text = xstrdup(text);
	entry->seen = true;
}

void w_text_remove(struct w_text **table, const char *key)
{
	struct w_text *entry = w_text_find(*table, key);

	if (!entry)
		return;
	HASH_DEL(*table, entry);
	labels_free(entry->labels);
	free(entry->text);
	free(entry->key);
	free(entry);
}

static void text_table_free(struct w_text **table)
{
	while (*table)
		w_text_remove(table, (*table)->key);
}

/* --- problems ---------------------------------------------------------------------------------- */

void world_problem(struct world *world, enum store_kind kind, const char *id, const char *text)
{
	cleanup_free char *key = xasprintf("%s %s", store_kind_name(kind), id);

	if (text)
		w_text_put(&world->problems, key, text);
	else
		w_text_remove(&world->problems, key);
}

static bool is_of_stream(const struct w_text *problem, const char *stream)
{
	cleanup_free char *word = xstrndup(problem->key, strcspn(problem->key, " "));
	enum store_kind kind;

	return store_kind_parse(word, &kind) && store_stream_has(stream, kind);
}

void world_problems_forget(struct world *world, const char *stream)
{
	struct w_text *entry, *next;

	HASH_ITER (hh, world->problems, entry, next)
		if (is_of_stream(entry, stream))
			w_text_remove(&world->problems, entry->key);
}

/* --- life -------------------------------------------------------------------------------------- */

struct world *world_new(const struct world_config *config)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world->config = *config;
	world->node = xstrdup(config->node);
	world->rs = ruleset_new();
	world->selecting = selector_index_new();
	world->matching = selector_index_new();
	if (!config->skeleton.marks.mask)
		(void)!mark_layout_init(&world->config.skeleton.marks, MARK_MASK_DEFAULT, NULL);
	skeleton_build(world->rs, &world->config.skeleton);
	world->audit = config->audit;
	skeleton_audit(world->rs, world->audit);
	return world;
}

static void policy_entry_free(struct w_policy *policy)
{
	if (policy->policy != policy->read)
		policy_free(policy->policy);
	policy_free(policy->read);
	free(policy);
}

void world_free(struct world *world)
{
	if (!world)
		return;
	while (world->endpoints)
		world_endpoint_remove(world, world->endpoints);
	world_remotes_free(world);
	world_host_free(world);
	while (world->networks)
		world_network_remove(world, world->networks);
	world_groups_free(world);
	world_ports_free(world);
	world_published_free(world);
	while (world->policies) {
		struct w_policy *policy = world->policies;

		HASH_DEL(world->policies, policy);
		policy_entry_free(policy);
	}
	world_tiers_free(world);
	text_table_free(&world->isolation);
	text_table_free(&world->labels);
	text_table_free(&world->modes);
	text_table_free(&world->problems);
	w_list_free(&world->stale);
	selector_index_free(world->selecting);
	selector_index_free(world->matching);
	ruleset_free(world->rs);
	free(world->order);
	free(world->bridges);
	free(world->node);
	free(world);
}

struct ruleset *world_ruleset(struct world *world)
{
	return world->rs;
}

bool world_audit(const struct world *world)
{
	return world->audit;
}

/* --- settling ---------------------------------------------------------------------------------- */

void world_mark_stale(struct world *world, struct w_endpoint *endpoint)
{
	if (endpoint->stale)
		return;
	endpoint->stale = true;
	w_list_add(&world->stale, endpoint);
}

void world_mark_all(struct world *world)
{
	struct w_endpoint *endpoint;

	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next)
		world_mark_stale(world, endpoint);
}

void world_settle(struct world *world)
{
	struct w_group *group, *next;

	/* whoever places endpoints may make others stale */
	for (size_t i = 0; i < world->stale.count; i++)
		world_announce(world, world->stale.items[i]);
	for (size_t i = 0; i < world->stale.count; i++)
		world_endpoint_settle_groups(world, world->stale.items[i]);
	for (size_t i = 0; i < world->stale.count; i++)
		world_endpoint_settle(world, world->stale.items[i]);
	world->stale.count = 0;
	world_remotes_settle(world);
	/* groups that lost their last endpoint are not worth compiling again */
	world_groups_collect(world);
	if (world->groups_stale)
		HASH_ITER (hh, world->groups, group, next)
			if (group->stale)
				world_group_recompile(world, group);
	world->groups_stale = false;
	if (world->published_stale)
		world_published_settle(world);
	while (world->dead) {
		struct w_policy *policy = world->dead;

		world->dead = policy->next_dead;
		policy_entry_free(policy);
	}
}

/* --- applying the node stream ------------------------------------------------------------------ */

static bool in_subnets(const struct network *network, const struct ip *ip)
{
	if (!ip->family || !network->subnet_count)
		return true;
	for (size_t i = 0; i < network->subnet_count; i++)
		if (cidr_contains(&network->subnets[i], ip))
			return true;
	return false;
}

static int check_addresses(
	const struct world *world, const struct endpoint *record, struct err *err)
{
	const struct w_network *network = world_network_find(world, record->network_id);

	if (network && (!in_subnets(network->record, &record->ipv4) ||
			       !in_subnets(network->record, &record->ipv6)))
		return err_set(err, 0,
			"endpoint %s: its address is outside of its network's subnets", record->id);
	return 0;
}

static void put_endpoint(struct world *world, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(change->record, strlen(change->record), &err);
	CLEANUP(endpoint)
	struct endpoint *record =
		json ? endpoint_from_json(json, world->node, change->id, &err) : NULL;
	struct w_endpoint *held = world_endpoint_find(world, change->id);

	if (!record || check_addresses(world, record, &err) < 0) {
		world_problem(world, change->kind, change->id, err.text);
		if (held)
			held->seen = true;
		return;
	}
	world_problem(world, change->kind, change->id, NULL);
	world_endpoint_put(world, steal_ptr(record));
}

static void put_network(struct world *world, const struct store_change *change)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(change->record, strlen(change->record), &err);
	struct network *record = json ? network_from_json(json, change->id, &err) : NULL;
	struct w_network *network;

	world_problem(world, change->kind, change->id, record ? NULL : err.text);
	if (record)
		world_network_put(world, record);
	network = world_network_find(world, change->id);
	if (network)
		network->seen = true;
}

/* Networks before endpoints, whose addresses are checked against them; what goes before what comes. */
static void apply_node_changes(
	struct world *world, const struct store_change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct w_endpoint *endpoint = world_endpoint_find(world, changes[i].id);

		if (changes[i].kind == KIND_ENDPOINT && !changes[i].record && endpoint)
			world_endpoint_remove(world, endpoint);
		if (!changes[i].record)
			world_problem(world, changes[i].kind, changes[i].id, NULL);
	}
	for (size_t i = 0; i < count; i++) {
		struct w_network *network = world_network_find(world, changes[i].id);

		if (changes[i].kind == KIND_NETWORK && changes[i].record)
			put_network(world, &changes[i]);
		else if (changes[i].kind == KIND_NETWORK && network)
			world_network_remove(world, network);
	}
	for (size_t i = 0; i < count; i++)
		if (changes[i].kind == KIND_ENDPOINT && changes[i].record)
			put_endpoint(world, &changes[i]);
}

static void sweep_node(struct world *world)
{
	struct w_endpoint *endpoint, *next_endpoint;
	struct w_network *network, *next_network;

	HASH_ITER (hh, world->endpoints, endpoint, next_endpoint)
		if (!endpoint->seen)
			world_endpoint_remove(world, endpoint);
	HASH_ITER (hh, world->networks, network, next_network)
		if (!network->seen)
			world_network_remove(world, network);
}

static void apply_node(
	struct world *world, const struct store_change *changes, size_t count, bool whole)
{
	struct w_endpoint *endpoint;
	struct w_network *network;

	for (endpoint = world->endpoints; whole && endpoint; endpoint = endpoint->hh.next)
		endpoint->seen = false;
	for (network = world->networks; whole && network; network = network->hh.next)
		network->seen = false;
	if (whole)
		world_problems_forget(world, STORE_NODE_STREAM);
	apply_node_changes(world, changes, count);
	if (whole)
		sweep_node(world);
	world_settle(world);
}

/* --- applying ---------------------------------------------------------------------------------- */

struct latest {
	size_t index;
	UT_hash_handle hh; /* by the change's id */
};

/*
 * The last change of every field, in order; borrows from changes. What follows may then take changes in the order that suits it:
 * a field that goes and comes in one event is one that changes, and one that comes and goes was never there.
 */
static struct store_change *last_changes(const struct store_change *changes, size_t *count)
{
	cleanup_free struct latest *entries = xcalloc(*count, sizeof(*entries));
	struct store_change *kept = xcalloc(*count, sizeof(*kept));
	struct latest *tables[KIND_COUNT] = {0}, *found;
	size_t n = 0;

	for (size_t i = 0; i < *count; i++) {
		struct latest **table = &tables[changes[i].kind];

		HASH_FIND(hh, *table, changes[i].id, strlen(changes[i].id), found);
		if (!found) {
			found = &entries[i];
			HASH_ADD_KEYPTR(hh, *table, changes[i].id, strlen(changes[i].id), found);
		}
		found->index = i;
	}
	for (size_t i = 0; i < *count; i++) {
		HASH_FIND(hh, tables[changes[i].kind], changes[i].id, strlen(changes[i].id), found);
		if (found && found->index == i)
			kept[n++] = changes[i];
	}
	for (size_t kind = 0; kind < KIND_COUNT; kind++)
		HASH_CLEAR(hh, tables[kind]);
	*count = n;
	return kept;
}

int world_apply(struct world *world, const char *stream, const struct store_change *changes,
	size_t count, bool whole, struct err *err)
{
	cleanup_free struct store_change *last = last_changes(changes, &count);
	const char *node;

	if (!strcmp(stream, STORE_POLICIES_STREAM))
		return world_policies_apply(world, last, count, whole, err);
	node = stream + strlen(STORE_NODE_STREAM);
	if (!strcmp(node, world->node))
		apply_node(world, last, count, whole);
	else
		world_peer_apply(world, node, last, count, whole);
	return 0;
}

bool world_find_policy(
	const struct world *world, bool (*fn)(const char *name, void *arg), void *arg)
{
	for (size_t i = 0; i < world->order_count; i++)
		if (fn(world->order[i]->name, arg))
			return true;
	return false;
}

/* --- reports ----------------------------------------------------------------------------------- */

static int compare_bridges(const void *a, const void *b)
{
	return strcmp(
		((const struct world_bridge *)a)->name, ((const struct world_bridge *)b)->name);
}

const struct world_bridge *world_bridges(struct world *world, size_t *count)
{
	struct w_network *network;

	if (world->bridges_stale) {
		world->bridge_count = 0;
		world->bridges = xrealloc(
			world->bridges, HASH_COUNT(world->networks), sizeof(*world->bridges));
		for (network = world->networks; network; network = network->hh.next)
			if (world_network_enforced(network) && network->isolation != ISOLATION_OFF)
				world->bridges[world->bridge_count++] =
					(struct world_bridge){network->record->bridge,
						network->record->name, network->isolation};
		if (world->bridge_count)
			qsort(world->bridges, world->bridge_count, sizeof(*world->bridges),
				compare_bridges);
		world->bridges_stale = false;
	}
	*count = world->bridge_count;
	return world->bridges;
}

void world_stats(const struct world *world, struct world_stats *stats)
{
	const struct w_endpoint *endpoint;

	*stats = (struct world_stats){
		.endpoints = HASH_COUNT(world->endpoints),
		.isolated = world->isolated_count,
		.networks = HASH_COUNT(world->networks),
		.policies = HASH_COUNT(world->policies),
		.selectors = HASH_COUNT(world->selectors),
		.groups = HASH_COUNT(world->groups),
		.conflicts = world->conflict_count,
		.remote = world->claim_count,
		.contested = world->contested_count,
	};
	for (endpoint = world->endpoints; endpoint; endpoint = endpoint->hh.next) {
		stats->bound += endpoint->where.placement == PLACE_BOUND;
		stats->withdrawn += !world_present(endpoint) && world_has_port(endpoint);
		stats->rejected += labels_count(endpoint->record->rejected);
	}
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that the same world says the same; the first few of very many. Frees the lines. */
static json_t *sorted(struct w_list *lines)
{
	json_t *list = json_array();

	if (lines->count)
		qsort(lines->items, lines->count, sizeof(*lines->items), compare_lines);
	for (size_t i = 0; i < lines->count; i++) {
		if (i < PROBLEMS_SHOWN_MAX)
			json_array_append_new(list, json_string(lines->items[i]));
		free(lines->items[i]);
	}
	if (lines->count > PROBLEMS_SHOWN_MAX)
		json_array_append_new(
			list, json_sprintf("and %zu more", lines->count - PROBLEMS_SHOWN_MAX));
	w_list_free(lines);
	return list;
}

static char *contested_line(const struct w_address *address)
{
	const char *first = world_remote_node(address->remotes.items[0]), *last = first;
	char text[IP_TEXT_MAX];

	for (size_t i = 1; i < address->remotes.count; i++) {
		const char *node = world_remote_node(address->remotes.items[i]);

		first = strcmp(node, first) < 0 ? node : first;
		last = strcmp(node, last) > 0 ? node : last;
	}
	return xasprintf("address %s is claimed by %zu endpoints of other nodes (%s, %s): closed",
		ip_format(&address->ip, text), address->remotes.count, first, last);
}

json_t *world_problems(const struct world *world)
{
	struct w_list lines = {0};
	const struct w_text *entry;
	const struct w_address *address;
	char text[IP_TEXT_MAX];

	for (entry = world->problems; entry; entry = entry->hh.next)
		w_list_add(&lines, xasprintf("%s: %s", entry->key, entry->text));
	for (size_t i = 0; i < world->order_count; i++)
		if (world->order[i]->unisolated)
			w_list_add(&lines,
				xasprintf("policy %s selects %zu endpoints that are not isolated",
					world->order[i]->name, world->order[i]->unisolated));
	world_remotes_problems(world, &lines);
	for (address = world->contested_count ? world->addresses : NULL; address;
		address = address->hh.next)
		if (address->contested)
			w_list_add(&lines, contested_line(address));
	for (address = world->conflict_count ? world->addresses : NULL; address;
		address = address->hh.next)
		if (address->closed)
			w_list_add(&lines,
				address->owners.count > 1
					? xasprintf(
						  "address %s is claimed by %zu endpoints: closed",
						  ip_format(&address->ip, text),
						  address->owners.count)
					: xasprintf(
						  "address %s: it is in doubt whose it is: closed",
						  ip_format(&address->ip, text)));
	return sorted(&lines);
}

json_t *world_not_enforced(const struct world *world)
{
	struct w_list lines = {0};
	const struct w_network *network;

	for (network = world->networks; network; network = network->hh.next)
		if (!world_network_enforced(network))
			w_list_add(&lines,
				xasprintf(
					"network %s (%s): its traffic does not pass this host's bridges",
					network->record->name, network->record->driver));
	return sorted(&lines);
}

/* All of them, unlike sentences: whoever waits for a record asks whether it is among them. */
json_t *world_refused(const struct world *world)
{
	json_t *list = json_array();
	struct w_list keys = {0};
	const struct w_text *entry;

	for (entry = world->problems; entry; entry = entry->hh.next)
		if (is_of_stream(entry, STORE_POLICIES_STREAM))
			w_list_add(&keys, entry->key);
	if (keys.count)
		qsort(keys.items, keys.count, sizeof(*keys.items), compare_lines);
	for (size_t i = 0; i < keys.count; i++)
		json_array_append_new(list, json_string(keys.items[i]));
	w_list_free(&keys);
	return list;
}

json_t *world_bridges_json(struct world *world)
{
	size_t count = 0;
	const struct world_bridge *bridges = world_bridges(world, &count);
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(
			object, bridges[i].name, json_string(isolation_name(bridges[i].isolation)));
	return object;
}
