/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has which address in which network: network inspect's answers, applied. */
#include "common/xalloc.h"
#include "syncd/inventory_internal.h"

#include <string.h>

/* --- attachments --------------------------------------------------------------------------------- */

static void claim(
	struct netw *n, struct attachment *a, struct address *address, struct inventory *inventory)
{
	struct address *held = NULL;

	address->owner = a;
	address->lost = false;
	if (!address->ip.family)
		return;
	HASH_FIND(hh, n->addresses, &address->ip, sizeof(address->ip), held);
	if (held) {
		/* the newest attachment owns it: the other's disconnect is still to come, or was lost */
		HASH_DEL(n->addresses, held);
		held->lost = true;
		n->lost++;
		inventory_dirty(inventory, held->owner);
	}
	HASH_ADD(hh, n->addresses, ip, sizeof(address->ip), address);
}

/* Gives an address that was taken back to one that has it still. */
static void give_back(struct inventory *inventory, struct netw *n, const struct ip *ip)
{
	for (struct attachment *a = n->attachments; a; a = a->next_of_network) {
		struct address *address = ip->family == 4 ? &a->ipv4 : &a->ipv6;

		if (!address->lost || !ip_equal(&address->ip, ip))
			continue;
		address->lost = false;
		n->lost--;
		HASH_ADD(hh, n->addresses, ip, sizeof(address->ip), address);
		inventory_dirty(inventory, a);
		return;
	}
}

static void release(struct inventory *inventory, struct netw *n, struct address *address)
{
	struct ip ip = address->ip;

	if (!ip.family)
		return;
	address->ip = (struct ip){0};
	if (address->lost) {
		address->lost = false;
		n->lost--;
		return;
	}
	address->ip = ip; /* the hash compares keys in place */
	HASH_DEL(n->addresses, address);
	address->ip = (struct ip){0};
	if (n->lost)
		give_back(inventory, n, &ip);
}

void inventory_attachment_remove(struct inventory *inventory, struct attachment *a)
{
	struct netw *n = a->network;
	struct container *c = a->container;

	inventory_unpublish(inventory, KIND_ENDPOINT, a->id, &a->text);
	inventory->rejected -= a->rejected;
	if (a->dirty)
		DL_DELETE2(inventory->dirty, a, prev_dirty, next_dirty);
	DL_DELETE2(n->attachments, a, prev_of_network, next_of_network);
	DL_DELETE2(c->attachments, a, prev_of_container, next_of_container);
	release(inventory, n, &a->ipv4);
	release(inventory, n, &a->ipv6);
	HASH_DEL(inventory->attachments, a);
	free(a->id);
	free(a);
	inventory_container_put(inventory, c);
}

static struct attachment *attachment_add(
	struct inventory *inventory, struct netw *n, const struct docker_attachment *found)
{
	struct attachment *a = xcalloc(1, sizeof(*a));

	a->id = xstrdup(found->endpoint_id);
	a->network = n;
	a->container = inventory_container_get(inventory, found->container_id);
	DL_APPEND2(n->attachments, a, prev_of_network, next_of_network);
	DL_APPEND2(a->container->attachments, a, prev_of_container, next_of_container);
	HASH_ADD_KEYPTR(hh, inventory->attachments, a->id, strlen(a->id), a);
	inventory_dirty(inventory, a);
	return a;
}

static bool attachment_moved(const struct attachment *a, const struct docker_attachment *found)
{
	return !ip_equal(&a->ipv4.ip, &found->ipv4) || !ip_equal(&a->ipv6.ip, &found->ipv6);
}

/* One endpoint of a network inspect. An EndpointID never changes its network or container. */
static void attachment_update(struct inventory *inventory, struct netw *n,
	const struct docker_attachment *found, long long now_ns)
{
	struct attachment *a = NULL;

	HASH_FIND_STR(inventory->attachments, found->endpoint_id, a);
	if (a && (a->network != n || strcmp(a->container->id, found->container_id) != 0)) {
		inventory_attachment_remove(inventory, a);
		a = NULL;
	}
	if (!a) {
		a = attachment_add(inventory, n, found);
		a->seen_ns = now_ns;
	}
	a->round = inventory->round;
	if (attachment_moved(a, found)) {
		release(inventory, n, &a->ipv4);
		release(inventory, n, &a->ipv6);
		a->ipv4.ip = found->ipv4;
		a->ipv6.ip = found->ipv6;
		claim(n, a, &a->ipv4, inventory);
		claim(n, a, &a->ipv6, inventory);
		inventory_dirty(inventory, a);
	}
	if (a->has_mac != found->has_mac || memcmp(a->mac, found->mac, sizeof(a->mac)) != 0) {
		a->has_mac = found->has_mac;
		memcpy(a->mac, found->mac, sizeof(a->mac));
		inventory_dirty(inventory, a);
	}
	/* created before the stream was opened, or its event was dropped */
	if (!a->container->known && !a->container->absent)
		inventory_want(inventory, WANT_CONTAINER, a->container->id, true);
}

/* --- networks ------------------------------------------------------------------------------------ */

struct netw *inventory_network_find(struct inventory *inventory, const char *id)
{
	struct netw *n = NULL;

	HASH_FIND_STR(inventory->networks, id, n);
	return n;
}

void inventory_network_remove(struct inventory *inventory, struct netw *n)
{
	while (n->attachments)
		inventory_attachment_remove(inventory, n->attachments);
	inventory_unpublish(inventory, KIND_NETWORK, n->info.record.id, &n->text);
	HASH_DEL(inventory->networks, n);
	docker_network_clear(&n->info);
	free(n);
}

static struct docker_network network_copy(const struct docker_network *from)
{
	const struct network *record = &from->record;
	struct docker_network copy = {
		.record = {.id = xstrdup(record->id),
			.name = xstrdup(record->name),
			.driver = xstrdup(record->driver),
			.bridge = record->bridge ? xstrdup(record->bridge) : NULL,
			.subnet_count = record->subnet_count,
			.shared = record->shared ? xstrdup(record->shared) : NULL,
			.isolation = record->isolation ? xstrdup(record->isolation) : NULL},
		.isolation_word = from->isolation_word ? xstrdup(from->isolation_word) : NULL,
		.published = from->published,
	};

	if (record->subnet_count) {
		copy.record.subnets = xcalloc(record->subnet_count, sizeof(*copy.record.subnets));
		memcpy(copy.record.subnets, record->subnets,
			record->subnet_count * sizeof(*copy.record.subnets));
	}
	return copy;
}

static bool text_differs(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static bool info_equal(const struct docker_network *a, const struct docker_network *b)
{
	return network_equal(&a->record, &b->record) && a->published == b->published &&
	       !text_differs(a->isolation_word, b->isolation_word);
}

static void set_info(
	struct inventory *inventory, struct netw *n, const struct docker_network *found)
{
	n->info = network_copy(found);
	n->dirty = true;
	HASH_ADD_KEYPTR(hh, inventory->networks, n->info.record.id, strlen(n->info.record.id), n);
	if (n->info.isolation_word)
		inventory_warn(inventory,
			"network %s: label bulkhead.isolation=%s is none of labelled, strict, off: "
			"ignored",
			n->info.record.name, n->info.isolation_word);
}

/* What the network itself says. */
static struct netw *network_update(
	struct inventory *inventory, const struct docker_network *found, inventory_stamp asked)
{
	struct netw *n = inventory_network_find(inventory, found->record.id);

	if (!n) {
		n = xcalloc(1, sizeof(*n));
		set_info(inventory, n, found);
	} else if (!info_equal(&n->info, found)) {
		HASH_DEL(inventory->networks, n);
		docker_network_clear(&n->info);
		set_info(inventory, n, found);
	}
	n->known = true;
	n->touched = asked;
	return n;
}

void inventory_networks(
	struct inventory *inventory, const struct docker_networks *list, inventory_stamp asked)
{
	struct netw *n, *next;

	for (n = inventory->networks; n; n = n->hh.next)
		n->known = false;
	for (size_t i = 0; i < list->count; i++) {
		const struct docker_network *found = &list->items[i];

		if (inventory_gone_since(inventory, found->record.id, asked))
			continue;
		n = inventory_network_find(inventory, found->record.id);
		if (!n || n->touched <= asked)
			n = network_update(inventory, found, asked);
		n->known = true;
		if (n->info.published)
			inventory_want(inventory, WANT_NETWORK, found->record.id, false);
	}
	HASH_ITER (hh, inventory->networks, n, next) {
		if (!n->known && n->touched <= asked)
			inventory_network_remove(inventory, n);
		else
			n->known = true;
	}
}

void inventory_network(struct inventory *inventory, const char *id,
	const struct docker_network *found, inventory_stamp asked, long long now_ns)
{
	struct netw *n = inventory_network_find(inventory, id);
	struct attachment *a, *next;

	if (!found || inventory_gone_since(inventory, id, asked)) {
		if (n)
			inventory_network_remove(inventory, n);
		return;
	}
	/* asked for by its name while it was not known: what has been asked by its id since then is not older */
	if (strcmp(id, found->record.id) != 0) {
		n = inventory_network_find(inventory, found->record.id);
		if (inventory_gone_since(inventory, found->record.id, asked) ||
			(n && n->touched >= asked))
			return;
	}
	n = network_update(inventory, found, asked);
	inventory->round++;
	/* who left goes first: what it gives up is free for who came, in the same transaction */
	for (size_t i = 0; i < found->attachment_count; i++) {
		HASH_FIND_STR(inventory->attachments, found->attachments[i].endpoint_id, a);
		if (a)
			a->round = inventory->round;
	}
	for (a = n->attachments; a; a = next) {
		next = a->next_of_network;
		if (a->round != inventory->round)
			inventory_attachment_remove(inventory, a);
	}
	if (!n->info.published)
		return;
	for (size_t i = 0; i < found->attachment_count; i++)
		if (!inventory_gone_since(inventory, found->attachments[i].endpoint_id, asked))
			attachment_update(inventory, n, &found->attachments[i], now_ns);
}
