/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host's own addresses, which rules know by the label LABEL_HOST. They are in a set beside the endpoints' only where a selector names
 * that label: whatever is said of everybody else never opens the host. What an endpoint claims, of this node or another, is the
 * endpoint's and not the host's.
 */
#include "common/xalloc.h"
#include "enforcerd/world_internal.h"

static void make_labels(struct world *world)
{
	if (world->host_labels)
		return;
	world->host_labels = labels_new();
	labels_set(world->host_labels, LABEL_HOST, world->node);
}

void world_host_address(struct world *world, const struct ip *ip, bool there)
{
	world_address_host(world, ip, there);
	world_address_settle(world, ip);
}

void world_host_meet(struct world *world, struct w_selector *selector)
{
	make_labels(world);
	if (selector->hosts && selector_match(selector->selector, world->host_labels))
		w_list_add(&world->host_selectors, selector);
}

void world_host_settle_members(struct world *world, const struct w_selector *selector)
{
	struct w_address *address;

	if (!w_list_has(&world->host_selectors, selector))
		return;
	for (address = world->addresses; address; address = address->hh.next)
		if (world_address_is_hosts(address))
			world_address_settle(world, &address->ip);
}

void world_host_forget_selector(struct world *world, const struct w_selector *selector)
{
	w_list_remove(&world->host_selectors, selector);
}

void world_host_free(struct world *world)
{
	struct w_address *address, *next;

	HASH_ITER (hh, world->addresses, address, next) {
		const struct ip ip = address->ip;

		address->host_links = 0;
		world_address_settle(world, &ip);
	}
	w_list_free(&world->host_selectors);
	labels_free(world->host_labels);
}
