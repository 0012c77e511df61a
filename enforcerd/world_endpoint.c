/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

#include <string.h>

/* --- labels ------------------------------------------------------------------------------------ */

static void overlay(
	const struct world *world, const char *node, const char *container, struct labels *labels)
{
	cleanup_free char *key = xasprintf("%s/%s", node, container);
	const struct w_text *found = w_text_find(world->labels, key);

	for (size_t i = 0; found && i < labels_count(found->labels); i++)
		labels_set(labels, labels_key(found->labels, i), labels_value(found->labels, i));
}

struct labels *world_effective_labels(const struct world *world, const struct endpoint *record)
{
	struct labels *labels = labels_copy(record->labels);

	overlay(world, "*", record->container_name, labels);
	overlay(world, world->node, record->container_name, labels);
	return labels;
}

/* --- isolation --------------------------------------------------------------------------------- */

/*
 * A prefixed label that was refused counts as well: its container asked to be isolated, and a typing error must not leave it
 * open. A network that is not known yet is taken as "labelled".
 */
static bool is_isolated(
	const struct world *world, const struct endpoint *record, const struct labels *labels)
{
	const struct w_network *network = world_network_find(world, record->network_id);
	enum isolation isolation = network ? network->isolation : ISOLATION_LABELLED;

	if (strcmp(record->driver, "bridge") != 0 || (network && !world_network_enforced(network)))
		return false;
	if (isolation == ISOLATION_LABELLED)
		return labels_has_user_label(labels) || labels_count(record->rejected) > 0;
	return isolation == ISOLATION_STRICT;
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
static void hold_group(
	struct w_endpoint *endpoint, enum policy_direction dir, struct w_group *group)
{
	if (group)
		group->refs++;
	if (endpoint->groups[dir])
		endpoint->groups[dir]->refs--;
	endpoint->groups[dir] = group;
}

static void find_groups(
	struct world *world, struct w_endpoint *endpoint, const struct labels *labels)
{
	struct w_policy **lists[DIR_COUNT];
	size_t counts[DIR_COUNT] = {0};

	for (int dir = 0; dir < DIR_COUNT; dir++)
		lists[dir] = xcalloc(world->order_count, sizeof(**lists));
	for (size_t i = 0; i < world->order_count; i++) {
		struct w_policy *policy = world->order[i];

		if (!selector_match(policy->policy->selector, labels))
			continue;
		if (!endpoint->isolated)
			note_vain(endpoint, policy);
		for (int dir = 0; dir < DIR_COUNT; dir++)
			if (policy->policy->governs[dir])
				lists[dir][counts[dir]++] = policy;
	}
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		hold_group(endpoint, (enum policy_direction)dir,
			endpoint->isolated ? world_group_get(world, (enum policy_direction)dir,
						     lists[dir], counts[dir])
					   : NULL);
		free(lists[dir]);
	}
}

static void find_selectors(
	struct world *world, struct w_endpoint *endpoint, const struct labels *labels)
{
	struct w_selector *selector;

	endpoint->selectors.count = 0;
	for (selector = world->selectors; selector; selector = selector->hh.next)
		if (selector_match(selector->selector, labels))
			w_list_add(&endpoint->selectors, selector);
}

void world_endpoint_settle(struct world *world, struct w_endpoint *endpoint)
{
	CLEANUP(labels) struct labels *labels = world_effective_labels(world, endpoint->record);

	forget_vain(endpoint);
	world->isolated_count -= endpoint->isolated;
	endpoint->isolated = is_isolated(world, endpoint->record, labels);
	world->isolated_count += endpoint->isolated;
	/* groups first: they may bring selectors that this endpoint has not met */
	find_groups(world, endpoint, labels);
	find_selectors(world, endpoint, labels);
	endpoint->stale = false;
	world_address_settle(world, &endpoint->record->ipv4);
	world_address_settle(world, &endpoint->record->ipv6);
}

/* --- changes ----------------------------------------------------------------------------------- */

static void claim(struct world *world, struct w_endpoint *endpoint)
{
	const struct ip *ips[] = {&endpoint->record->ipv4, &endpoint->record->ipv6};

	for (size_t i = 0; i < 2; i++)
		if (ips[i]->family)
			world_address_claim(world, ips[i], endpoint);
}

static void release(struct world *world, struct w_endpoint *endpoint)
{
	const struct ip *ips[] = {&endpoint->record->ipv4, &endpoint->record->ipv6};

	for (size_t i = 0; i < 2; i++) {
		world_address_release(world, ips[i], endpoint);
		world_address_settle(world, ips[i]);
	}
}

void world_endpoint_put(struct world *world, struct endpoint *record)
{
	struct w_endpoint *endpoint = NULL;

	HASH_FIND(hh, world->endpoints, record->id, strlen(record->id), endpoint);
	if (endpoint && endpoint_equal(endpoint->record, record)) {
		endpoint->seen = true;
		endpoint_free(record);
		return;
	}
	if (endpoint) {
		release(world, endpoint);
		HASH_DEL(world->endpoints, endpoint);
		endpoint_free(endpoint->record);
	} else {
		endpoint = xcalloc(1, sizeof(*endpoint));
	}
	endpoint->record = record;
	endpoint->seen = true;
	HASH_ADD_KEYPTR(hh, world->endpoints, record->id, strlen(record->id), endpoint);
	claim(world, endpoint);
	world_mark_stale(world, endpoint);
}

void world_endpoint_remove(struct world *world, struct w_endpoint *endpoint)
{
	if (endpoint->stale)
		w_list_remove(&world->stale, endpoint);
	forget_vain(endpoint);
	world->isolated_count -= endpoint->isolated;
	release(world, endpoint);
	for (int dir = 0; dir < DIR_COUNT; dir++)
		hold_group(endpoint, (enum policy_direction)dir, NULL);
	HASH_DEL(world->endpoints, endpoint);
	endpoint_free(endpoint->record);
	w_list_free(&endpoint->selectors);
	w_list_free(&endpoint->selected_by);
	free(endpoint);
}
