/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- labels ------------------------------------------------------------------------------------ */

/* Copies the record's labels when there is a first one to lay over them. */
static void overlay(const struct world *world, const char *node, const struct endpoint *record,
	struct labels **owned)
{
	cleanup_free char *key = xasprintf("%s/%s", node, record->container_name);
	const struct w_text *found = w_text_find(world->labels, key);

	if (found && !*owned)
		*owned = labels_copy(record->labels);
	for (size_t i = 0; found && i < labels_count(found->labels); i++)
		labels_set(*owned, labels_key(found->labels, i), labels_value(found->labels, i));
}

const struct labels *world_effective_labels(
	const struct world *world, const struct endpoint *record, struct labels **owned)
{
	*owned = NULL;
	if (!world->labels)
		return record->labels;
	overlay(world, "*", record, owned);
	overlay(world, record->node, record, owned);
	return *owned ? *owned : record->labels;
}

/* --- isolation --------------------------------------------------------------------------------- */

static bool is_isolated(
	const struct world *world, const struct endpoint *record, const struct labels *labels)
{
	const struct w_network *network = world_network_find(world, record->network_id);

	return network ? isolation_applies(record, labels, network->record, network->isolation)
		       : isolation_applies(record, labels, NULL, ISOLATION_LABELLED);
}

/* --- policies and selectors -------------------------------------------------------------------- */

static void forget_vain(struct w_endpoint *endpoint)
{
	for (size_t i = 0; i < endpoint->selected_by.count; i++)
		((struct w_policy *)endpoint->selected_by.items[i])->unisolated--;
	endpoint->selected_by.count = 0;
}

static void note_vain(struct w_endpoint *endpoint, struct w_policy *policy)
{
	policy->unisolated++;
	w_list_add(&endpoint->selected_by, policy);
}

/* Held by the endpoint as well as by its addresses: a conflict takes the group from the address, not from the endpoint. */
static void hold_group(struct world *world, struct w_endpoint *endpoint, enum policy_direction dir,
	struct w_group *group)
{
	const struct endpoint *record = endpoint->record;
	unsigned families = family_of_ip(&record->ipv4) | family_of_ip(&record->ipv6);

	if (group)
		world_group_ref(world, group, families);
	if (endpoint->groups[dir])
		world_group_unref(world, endpoint->groups[dir], endpoint->families[dir]);
	endpoint->groups[dir] = group;
	endpoint->families[dir] = families;
}

static void add_to_list(void *item, void *list)
{
	w_list_add(list, item);
}

static int compare_ranks(const void *a, const void *b)
{
	const struct w_policy *first = *(void *const *)a, *second = *(void *const *)b;

	return (first->rank > second->rank) - (first->rank < second->rank);
}

static void find_group(struct world *world, struct w_endpoint *endpoint, enum policy_direction dir,
	const struct w_list *selecting)
{
	cleanup_free struct w_policy **governing = xcalloc(selecting->count, sizeof(*governing));
	size_t count = 0;

	for (size_t i = 0; i < selecting->count; i++) {
		struct w_policy *policy = selecting->items[i];

		if (policy->policy->governs[dir])
			governing[count++] = policy;
	}
	hold_group(world, endpoint, dir, world_group_get(world, dir, governing, count));
}

void world_endpoint_settle_groups(struct world *world, struct w_endpoint *endpoint)
{
	CLEANUP(labels) struct labels *owned = NULL;
	const struct labels *labels = world_effective_labels(world, endpoint->record, &owned);
	struct w_list selecting = {0};

	forget_vain(endpoint);
	world->isolated_count -= endpoint->isolated;
	endpoint->isolated = is_isolated(world, endpoint->record, labels);
	world->isolated_count += endpoint->isolated;
	selector_index_match(world->selecting, labels, add_to_list, &selecting);
	if (selecting.count)
		qsort(selecting.items, selecting.count, sizeof(*selecting.items), compare_ranks);
	for (size_t i = 0; i < selecting.count && !endpoint->isolated; i++)
		note_vain(endpoint, selecting.items[i]);
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		if (endpoint->isolated)
			find_group(world, endpoint, (enum policy_direction)dir, &selecting);
		else
			hold_group(world, endpoint, (enum policy_direction)dir, NULL);
	}
	w_list_free(&selecting);
}

void world_endpoint_settle(struct world *world, struct w_endpoint *endpoint)
{
	CLEANUP(labels) struct labels *owned = NULL;
	const struct labels *labels = world_effective_labels(world, endpoint->record, &owned);

	endpoint->selectors.count = 0;
	selector_index_match(world->matching, labels, add_to_list, &endpoint->selectors);
	endpoint->stale = false;
	world->published_stale |= endpoint->record->port_count > 0;
	world_port_settle(world, endpoint, false);
	world_address_settle(world, &endpoint->record->ipv4);
	world_address_settle(world, &endpoint->record->ipv6);
}

/* --- changes ----------------------------------------------------------------------------------- */

struct w_endpoint *world_endpoint_find(const struct world *world, const char *id)
{
	struct w_endpoint *endpoint = NULL;

	HASH_FIND(hh, world->endpoints, id, strlen(id), endpoint);
	return endpoint;
}

void world_endpoint_claim(struct world *world, struct w_endpoint *endpoint)
{
	const struct ip *ips[] = {&endpoint->record->ipv4, &endpoint->record->ipv6};

	for (size_t i = 0; i < 2; i++)
		if (ips[i]->family)
			world_address_claim(world, ips[i], endpoint);
}

void world_endpoint_release(struct world *world, struct w_endpoint *endpoint)
{
	const struct ip *ips[] = {&endpoint->record->ipv4, &endpoint->record->ipv6};

	for (size_t i = 0; i < 2; i++) {
		world_address_release(world, ips[i], endpoint);
		world_address_settle(world, ips[i]);
	}
}

void world_endpoint_put(struct world *world, struct endpoint *record)
{
	struct w_endpoint *endpoint = world_endpoint_find(world, record->id);

	if (endpoint && endpoint_equal(endpoint->record, record)) {
		endpoint->seen = true;
		endpoint_free(record);
		return;
	}
	if (endpoint) {
		world->published_stale |= endpoint->record->port_count > 0;
		world_endpoint_release(world, endpoint);
		HASH_DEL(world->endpoints, endpoint);
		endpoint_free(endpoint->record);
	} else {
		endpoint = xcalloc(1, sizeof(*endpoint));
		endpoint->where.placement = world->config.ops ? PLACE_WITHDRAWN : PLACE_PROVISIONAL;
	}
	endpoint->record = record;
	endpoint->seen = true;
	endpoint->announced = false;
	HASH_ADD_KEYPTR(hh, world->endpoints, record->id, strlen(record->id), endpoint);
	if (world_claims(endpoint))
		world_endpoint_claim(world, endpoint);
	world_mark_stale(world, endpoint);
}

void world_endpoint_remove(struct world *world, struct w_endpoint *endpoint)
{
	if (endpoint->stale)
		w_list_remove(&world->stale, endpoint);
	forget_vain(endpoint);
	world->isolated_count -= endpoint->isolated;
	world_port_settle(world, endpoint, true);
	world->published_stale |= endpoint->record->port_count > 0;
	world_endpoint_release(world, endpoint);
	if (world->config.ops)
		world->config.ops->endpoint_gone(endpoint->record->id, world->config.ops_arg);
	for (int dir = 0; dir < DIR_COUNT; dir++)
		hold_group(world, endpoint, (enum policy_direction)dir, NULL);
	HASH_DEL(world->endpoints, endpoint);
	endpoint_free(endpoint->record);
	w_list_free(&endpoint->selectors);
	w_list_free(&endpoint->selected_by);
	free(endpoint);
}
