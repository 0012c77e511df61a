/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From what the inventory knows to the records that readers get, and to what changed of them. */
#include "common/xalloc.h"
#include "syncd/inventory_internal.h"
#include "syncd/labels_map.h"

#include <string.h>

struct change_list {
	struct store_change *items;
	size_t count, cap;
};

/* What goes is told before what comes: an address is free before its next owner has it. */
struct change_lists {
	struct change_list deletions, puts;
};

static void add_change(
	struct change_list *list, enum store_kind kind, const char *id, const char *record)
{
	xgrow(list->items, list->count, list->cap);
	list->items[list->count++] =
		(struct store_change){kind, xstrdup(id), record ? xstrdup(record) : NULL};
}

static void sort_change(
	struct change_lists *lists, enum store_kind kind, const char *id, const char *record)
{
	add_change(record ? &lists->puts : &lists->deletions, kind, id, record);
}

/* --- what may be published ----------------------------------------------------------------------- */

static const struct image *image_of(const struct inventory *inventory, const struct container *c)
{
	struct image *image = NULL;

	if (c->image_id && *c->image_id)
		HASH_FIND_STR(inventory->images, c->image_id, image);
	return image;
}

/* False while it is not certain which of the container's labels are its own. */
static bool trust_of(
	const struct inventory *inventory, const struct container *c, struct labels_source *source)
{
	const struct image *image = image_of(inventory, c);

	source->trust = IMAGE_COUNTS;
	if (inventory->image_labels || !labels_map_needs_image(inventory->prefixes, c->labels))
		return true;
	if (!c->listed || (image && !image->known))
		return false;
	/* without an image id there is nothing to ask for */
	source->trust = image && image->labels ? IMAGE_CHECKED : IMAGE_UNREADABLE;
	source->image_labels = image ? image->labels : NULL;
	return true;
}

static bool has_usable_address(const struct attachment *a)
{
	bool any = a->ipv4.ip.family || a->ipv6.ip.family;

	return !any || (a->ipv4.ip.family && !a->ipv4.lost) || (a->ipv6.ip.family && !a->ipv6.lost);
}

/* --- endpoint records ---------------------------------------------------------------------------- */

static void report_rejected(
	struct inventory *inventory, struct container *c, const struct labels *rejected)
{
	if (c->reported || !labels_count(rejected))
		return;
	c->reported = true;
	for (size_t i = 0; i < labels_count(rejected); i++)
		inventory_warn(inventory, "container %s: label \"%s\" does not count: %s", c->name,
			labels_key(rejected, i), labels_value(rejected, i));
}

/* Readers refuse what is not well formed as a whole: such a record is held back here and named. */
static char *checked_text(
	struct inventory *inventory, const struct attachment *a, const struct endpoint *endpoint)
{
	cleanup_json json_t *record = endpoint_to_json(endpoint);
	CLEANUP(endpoint) struct endpoint *read_back = NULL;
	struct err err = {0};

	read_back = endpoint_from_json(record, inventory->node, a->id, &err);
	if (!read_back) {
		inventory_warn(inventory, "container %s in network %s cannot be published: %s",
			a->container->name, a->network->info.record.name, err.text);
		return NULL;
	}
	return json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

static char *endpoint_text(struct inventory *inventory, struct attachment *a)
{
	CLEANUP(labels) struct labels *labels = labels_new();
	CLEANUP(labels) struct labels *rejected = labels_new();
	struct container *c = a->container;
	const struct network *network = &a->network->info.record;
	struct labels_source source = {
		.prefixes = inventory->prefixes,
		.docker = c->labels,
		.container = c->name,
		.image = c->image,
		.network = network->name,
	};
	const struct ip none = {0};
	struct endpoint endpoint = {
		.id = a->id,
		.node = inventory->node,
		.container_id = c->id,
		.container_name = c->name,
		.image = c->image,
		.network_id = network->id,
		.network_name = network->name,
		.driver = network->driver,
		.ipv4 = a->ipv4.lost ? none : a->ipv4.ip,
		.ipv6 = a->ipv6.lost ? none : a->ipv6.ip,
		.has_mac = a->has_mac,
		.labels = labels,
		.rejected = rejected,
		.ports = c->ports,
		.port_count = c->port_count,
		.state = c->state,
	};

	if (!a->network->text || !c->known || !has_usable_address(a) ||
		!trust_of(inventory, c, &source))
		return NULL;
	memcpy(endpoint.mac, a->mac, sizeof(endpoint.mac));
	labels_map(&source, labels, rejected);
	report_rejected(inventory, c, rejected);
	a->rejected = labels_count(rejected);
	return checked_text(inventory, a, &endpoint);
}

static void refresh_endpoint(
	struct inventory *inventory, struct attachment *a, struct change_lists *changes)
{
	cleanup_free char *text = NULL;

	inventory->rejected -= a->rejected;
	a->rejected = 0;
	text = endpoint_text(inventory, a);
	inventory->rejected += a->rejected;
	if (text ? a->text && !strcmp(text, a->text) : !a->text)
		return;
	sort_change(changes, KIND_ENDPOINT, a->id, text);
	free(a->text);
	a->text = steal_ptr(text);
}

/* --- network records ----------------------------------------------------------------------------- */

static char *network_text(struct inventory *inventory, const struct netw *n)
{
	cleanup_json json_t *record = NULL;
	CLEANUP(network) struct network *read_back = NULL;
	struct err err = {0};

	if (!n->known || !n->info.published)
		return NULL;
	record = network_to_json(&n->info.record);
	read_back = network_from_json(record, n->info.record.id, &err);
	if (!read_back) {
		inventory_warn(inventory, "network %s cannot be published: %s", n->info.record.name,
			err.text);
		return NULL;
	}
	return json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

static void refresh_network(
	struct inventory *inventory, struct netw *n, struct change_lists *changes)
{
	cleanup_free char *text = network_text(inventory, n);

	n->dirty = false;
	if (text ? n->text && !strcmp(text, n->text) : !n->text)
		return;
	sort_change(changes, KIND_NETWORK, n->info.record.id, text);
	free(n->text);
	n->text = steal_ptr(text);
	/* endpoint records name their network */
	for (struct attachment *a = n->attachments; a; a = a->next_of_network)
		inventory_dirty(inventory, a);
}

/* --- interface ----------------------------------------------------------------------------------- */

void inventory_collect(struct inventory *inventory, struct store_change **changes, size_t *count)
{
	struct change_lists lists = {0};
	struct netw *n, *next;

	lists.deletions.items = steal_ptr(inventory->deleted);
	lists.deletions.count = inventory->deleted_count;
	lists.deletions.cap = inventory->deleted_cap;
	inventory->deleted_count = inventory->deleted_cap = 0;
	HASH_ITER (hh, inventory->networks, n, next) {
		if (n->dirty)
			refresh_network(inventory, n, &lists);
	}
	while (inventory->dirty) {
		struct attachment *a = inventory->dirty;

		DL_DELETE2(inventory->dirty, a, prev_dirty, next_dirty);
		a->dirty = false;
		refresh_endpoint(inventory, a, &lists);
	}
	for (size_t i = 0; i < lists.puts.count; i++) {
		xgrow(lists.deletions.items, lists.deletions.count, lists.deletions.cap);
		lists.deletions.items[lists.deletions.count++] = lists.puts.items[i];
	}
	free(lists.puts.items);
	*changes = lists.deletions.items;
	*count = lists.deletions.count;
}

void inventory_whole(
	const struct inventory *inventory, struct store_change **changes, size_t *count)
{
	struct change_list list = {0};

	for (struct netw *n = inventory->networks; n; n = n->hh.next)
		if (n->text)
			add_change(&list, KIND_NETWORK, n->info.record.id, n->text);
	for (struct attachment *a = inventory->attachments; a; a = a->hh.next)
		if (a->text)
			add_change(&list, KIND_ENDPOINT, a->id, a->text);
	*changes = list.items;
	*count = list.count;
}

void inventory_stats(const struct inventory *inventory, struct inventory_stats *stats)
{
	*stats = (struct inventory_stats){.rejected = inventory->rejected};
	for (struct netw *n = inventory->networks; n; n = n->hh.next)
		stats->networks += n->text != NULL;
	for (struct attachment *a = inventory->attachments; a; a = a->hh.next) {
		stats->endpoints += a->text != NULL;
		stats->held += !a->text && a->network->text;
	}
}
