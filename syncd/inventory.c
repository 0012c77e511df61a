/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/inventory.h"

#include "common/xalloc.h"
#include "syncd/inventory_internal.h"
#include "syncd/labels_map.h"

#include <stdarg.h>
#include <string.h>

#define GATEWAY_NETWORK "docker_gwbridge"

/* --- helpers ------------------------------------------------------------------------------------- */

void inventory_warn(struct inventory *inventory, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (!inventory->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	inventory->warn(text, inventory->arg);
}

inventory_stamp inventory_tick(struct inventory *inventory)
{
	return ++inventory->clock;
}

static void replace(char **target, const char *text)
{
	char *copy = xstrdup(text);

	free(*target);
	*target = copy;
}

void inventory_dirty(struct inventory *inventory, struct attachment *a)
{
	if (a->dirty)
		return;
	a->dirty = true;
	DL_APPEND2(inventory->dirty, a, prev_dirty, next_dirty);
}

void inventory_dirty_container(struct inventory *inventory, struct container *c)
{
	for (struct attachment *a = c->attachments; a; a = a->next_of_container)
		inventory_dirty(inventory, a);
}

void inventory_unpublish(
	struct inventory *inventory, enum store_kind kind, const char *id, char **text)
{
	if (!*text)
		return;
	xgrow(inventory->deleted, inventory->deleted_count, inventory->deleted_cap);
	inventory->deleted[inventory->deleted_count++] =
		(struct store_change){kind, xstrdup(id), NULL};
	free(steal_ptr(*text));
}

/* --- wishes -------------------------------------------------------------------------------------- */

void inventory_want(struct inventory *inventory, enum want_kind kind, const char *id, bool urgent)
{
	xgrow(inventory->wants, inventory->want_count, inventory->want_cap);
	inventory->wants[inventory->want_count++] =
		(struct want){kind, urgent, id ? xstrdup(id) : NULL};
}

bool inventory_next_want(struct inventory *inventory, struct want *out)
{
	if (inventory->want_head == inventory->want_count) {
		inventory->want_head = inventory->want_count = 0;
		return false;
	}
	*out = inventory->wants[inventory->want_head++];
	return true;
}

/* --- what is gone -------------------------------------------------------------------------------- */

static void bury(struct inventory *inventory, const char *id)
{
	struct gone *gone = NULL;

	HASH_FIND_STR(inventory->gone, id, gone);
	if (!gone) {
		gone = xcalloc(1, sizeof(*gone));
		gone->id = xstrdup(id);
		HASH_ADD_KEYPTR(hh, inventory->gone, gone->id, strlen(gone->id), gone);
	}
	gone->at = inventory_tick(inventory);
}

/* True if it went after the question was asked. */
bool inventory_gone_since(const struct inventory *inventory, const char *id, inventory_stamp asked)
{
	struct gone *gone = NULL;

	HASH_FIND_STR(inventory->gone, id, gone);
	return gone && gone->at > asked;
}

static void drop_gone(struct inventory *inventory, struct gone *gone)
{
	HASH_DEL(inventory->gone, gone);
	free(gone->id);
	free(gone);
}

/* --- images -------------------------------------------------------------------------------------- */

static struct image *image_get(struct inventory *inventory, const char *id)
{
	struct image *image = NULL;

	HASH_FIND_STR(inventory->images, id, image);
	if (!image) {
		image = xcalloc(1, sizeof(*image));
		image->id = xstrdup(id);
		HASH_ADD_KEYPTR(hh, inventory->images, image->id, strlen(image->id), image);
	}
	return image;
}

static void image_free(struct inventory *inventory, struct image *image)
{
	HASH_DEL(inventory->images, image);
	labels_free(image->labels);
	free(image->id);
	free(image);
}

/* again: an image that was not there before is asked for once more. */
static void want_image(struct inventory *inventory, const struct container *c, bool again)
{
	struct image *image;

	if (inventory->image_labels || !docker_id_ok(c->image_id) ||
		!labels_map_needs_image(inventory->prefixes, c->labels))
		return;
	image = image_get(inventory, c->image_id);
	if (image->labels || (!again && (image->wanted || image->known)))
		return;
	image->wanted = true;
	inventory_want(inventory, WANT_IMAGE, image->id, !again);
}

void inventory_image(struct inventory *inventory, const char *id, const struct labels *labels)
{
	struct image *image = image_get(inventory, id);

	if (!labels && image->known && !image->labels)
		return;
	image->known = true;
	labels_free(image->labels);
	image->labels = labels ? labels_copy(labels) : NULL;
	for (struct container *c = inventory->containers; c; c = c->hh.next)
		if (c->image_id && !strcmp(c->image_id, id)) {
			c->reported = false;
			inventory_dirty_container(inventory, c);
		}
}

/* Images that no container is made of any more. */
static void drop_unused_images(struct inventory *inventory)
{
	struct image *image, *next;

	for (image = inventory->images; image; image = image->hh.next)
		image->used = false;
	for (struct container *c = inventory->containers; c; c = c->hh.next) {
		image = NULL;
		if (c->image_id)
			HASH_FIND_STR(inventory->images, c->image_id, image);
		if (image)
			image->used = true;
	}
	HASH_ITER (hh, inventory->images, image, next) {
		if (!image->used)
			image_free(inventory, image);
	}
}

/* --- containers ---------------------------------------------------------------------------------- */

struct container *inventory_container_get(struct inventory *inventory, const char *id)
{
	struct container *c = NULL;

	HASH_FIND_STR(inventory->containers, id, c);
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->id = xstrdup(id);
		c->name = xstrdup("");
		c->image = xstrdup("");
		c->image_id = xstrdup("");
		c->labels = labels_new();
		HASH_ADD_KEYPTR(hh, inventory->containers, c->id, strlen(c->id), c);
	}
	return c;
}

void inventory_container_put(struct inventory *inventory, struct container *c)
{
	if (c->known || c->attachments)
		return;
	HASH_DEL(inventory->containers, c);
	free(c->id);
	free(c->name);
	free(c->image);
	free(c->image_id);
	labels_free(c->labels);
	free(c->ports);
	free(c);
}

static void container_forget(struct inventory *inventory, struct container *c)
{
	c->known = c->listed = false;
	inventory_dirty_container(inventory, c);
	inventory_container_put(inventory, c);
}

/* What the Engine published for it may be another container's next: until it is asked again, none are known. */
static void forget_ports(struct inventory *inventory, struct container *c)
{
	free(steal_ptr(c->ports));
	c->port_count = 0;
	c->ports_gone = inventory_tick(inventory);
	inventory_dirty_container(inventory, c);
}

static void take_ports(struct container *c, const struct docker_container *found)
{
	size_t size = found->port_count * sizeof(*found->ports);

	free(c->ports);
	c->ports = found->port_count ? xcalloc(found->port_count, sizeof(*found->ports)) : NULL;
	c->port_count = found->port_count;
	if (c->ports)
		memcpy(c->ports, found->ports, size);
}

/* Labels that cannot work, said once per container: they look as if they did. */
static void report_ineffective(
	struct inventory *inventory, const struct container *c, const char *mode)
{
	if (!labels_map_any(inventory->prefixes, c->labels))
		return;
	if (!strcmp(mode, "host"))
		inventory_warn(inventory,
			"container %s uses the host's network: its labels have no effect", c->name);
	else if (!strncmp(mode, "container:", strlen("container:")))
		inventory_warn(inventory,
			"container %s uses the network of container %.12s and acts with that one's "
			"labels: its own have no effect",
			c->name, mode + strlen("container:"));
}

static void container_changed(struct inventory *inventory, struct container *c)
{
	c->known = true;
	c->absent = false;
	inventory_dirty_container(inventory, c);
}

static void take_labels(struct container *c, const struct labels *labels)
{
	if (labels_equal(c->labels, labels))
		return;
	labels_free(c->labels);
	c->labels = labels_copy(labels);
	c->reported = false;
}

static struct container *container_update(struct inventory *inventory,
	const struct docker_container *found, inventory_stamp asked, bool again)
{
	struct container *c = inventory_container_get(inventory, found->id);
	bool ports_count = c->ports_gone <= asked;
	bool changed = !c->listed || (ports_count && !docker_ports_equal(c->ports, c->port_count,
							     found->ports, found->port_count));

	/* labels, image and network mode never change in a container's life */
	if (!c->listed) {
		take_labels(c, found->labels);
		replace(&c->image_id, found->image_id);
		replace(&c->image, found->image);
	}
	if (c->touched <= asked) {
		changed |= strcmp(c->name, found->name) != 0 || c->state != found->state;
		replace(&c->name, found->name);
		c->state = found->state;
	}
	if (!c->listed)
		report_ineffective(inventory, c, found->network_mode);
	c->listed = true;
	if (ports_count)
		take_ports(c, found);
	if (changed)
		container_changed(inventory, c);
	want_image(inventory, c, again);
	return c;
}

void inventory_containers(
	struct inventory *inventory, const struct docker_containers *list, inventory_stamp asked)
{
	struct container *c, *next;

	for (c = inventory->containers; c; c = c->hh.next)
		c->absent = true;
	for (size_t i = 0; i < list->count; i++) {
		if (inventory_gone_since(inventory, list->items[i].id, asked))
			continue;
		container_update(inventory, &list->items[i], asked, true)->absent = false;
	}
	HASH_ITER (hh, inventory->containers, c, next) {
		bool missing = c->absent;

		/* may be asked for by id again: it may have come after the list */
		c->absent = false;
		if (missing && c->touched <= asked)
			container_forget(inventory, c);
	}
}

void inventory_container(struct inventory *inventory, const char *id,
	const struct docker_container *found, inventory_stamp asked)
{
	struct container *c = NULL;

	HASH_FIND_STR(inventory->containers, id, c);
	if (inventory_gone_since(inventory, id, asked))
		return;
	if (found) {
		container_update(inventory, found, asked, false);
	} else if (c && c->touched <= asked) {
		c->absent = true;
		container_forget(inventory, c);
	}
}

/* --- events -------------------------------------------------------------------------------------- */

/* Every container event carries name, image and labels: also of a container that was not known. */
static struct container *learn(struct inventory *inventory, const struct docker_event *event)
{
	struct container *c = inventory_container_get(inventory, event->id);

	if (!c->known) {
		take_labels(c, event->labels);
		replace(&c->image, event->image);
		replace(&c->name, event->name);
	}
	c->touched = inventory_tick(inventory);
	container_changed(inventory, c);
	return c;
}

static void on_create(struct inventory *inventory, const struct docker_event *event)
{
	const struct container *c = learn(inventory, event);

	inventory_want(inventory, WANT_CONTAINER, event->id,
		labels_map_needs_image(inventory->prefixes, c->labels));
}

/* Ports are known once it runs; the address came before. */
static void on_start(struct inventory *inventory, const struct docker_event *event)
{
	learn(inventory, event)->state = ENDPOINT_RUNNING;
	inventory_want(inventory, WANT_CONTAINER, event->id, false);
}

static void on_die(struct inventory *inventory, const struct docker_event *event)
{
	struct container *c = learn(inventory, event);

	c->state = ENDPOINT_STARTING;
	forget_ports(inventory, c);
}

static void on_pause(struct inventory *inventory, const struct docker_event *event)
{
	learn(inventory, event)->state = ENDPOINT_PAUSED;
}

static void on_unpause(struct inventory *inventory, const struct docker_event *event)
{
	learn(inventory, event)->state = ENDPOINT_RUNNING;
}

static void on_rename(struct inventory *inventory, const struct docker_event *event)
{
	replace(&learn(inventory, event)->name, event->name);
}

static void on_destroy(struct inventory *inventory, const struct docker_event *event)
{
	struct container *c = NULL;

	bury(inventory, event->id);
	HASH_FIND_STR(inventory->containers, event->id, c);
	if (c)
		container_forget(inventory, c);
}

static void on_network_create(struct inventory *inventory, const struct docker_event *event)
{
	inventory_want(inventory, WANT_NETWORK, event->id, false);
}

/*
 * An overlay network has no way out: the Engine gives its containers a second endpoint, in the bridge network docker_gwbridge,
 * which it makes at need, and says nothing of either. It may be known by its name only.
 */
static void want_gateway(struct inventory *inventory, const struct netw *connected)
{
	const struct netw *n;

	if (!connected || strcmp(connected->info.record.driver, "overlay") != 0)
		return;
	for (n = inventory->networks; n; n = n->hh.next)
		if (!strcmp(n->info.record.name, GATEWAY_NETWORK))
			break;
	inventory_want(inventory, WANT_NETWORK, n ? n->info.record.id : GATEWAY_NETWORK, true);
}

/*
 * The Engine publishes the ports of a running container at the network that goes first, which may be another one now, and with
 * it their numbers. Its list has them only some time after the event.
 */
static void want_ports(struct inventory *inventory, const struct container *c)
{
	inventory_want(inventory, WANT_CONTAINER_SETTLED, c->id, false);
}

static void on_connect(struct inventory *inventory, const struct docker_event *event)
{
	const struct netw *n = inventory_network_find(inventory, event->id);
	struct container *c = NULL;

	if (n && !n->info.published)
		return;
	inventory_want(inventory, WANT_NETWORK, event->id, true);
	want_gateway(inventory, n);
	HASH_FIND_STR(inventory->containers, event->container, c);
	if (c && c->state != ENDPOINT_STARTING)
		want_ports(inventory, c);
}

/*
 * The endpoint that left is removed at once, unless the one that is known may be its successor: an answer ahead of the event
 * stream may have had that already. Then the network is asked.
 */
static void on_disconnect(struct inventory *inventory, const struct docker_event *event)
{
	const struct netw *n = inventory_network_find(inventory, event->id);
	struct attachment *a = n ? n->attachments : NULL, *next;
	enum want_kind kind = WANT_NETWORK_AGAIN;
	struct container *c = NULL;

	for (; a; a = next) {
		next = a->next_of_network;
		if (strcmp(a->container->id, event->container) != 0)
			continue;
		if (event->time_ns <= a->seen_ns) {
			kind = WANT_NETWORK;
			continue;
		}
		bury(inventory, a->id);
		inventory_attachment_remove(inventory, a);
	}
	inventory_want(inventory, kind, event->id, kind == WANT_NETWORK);
	want_gateway(inventory, n);
	HASH_FIND_STR(inventory->containers, event->container, c);
	if (c && !c->attachments)
		forget_ports(inventory, c);
	else if (c && c->state != ENDPOINT_STARTING)
		want_ports(inventory, c);
}

static void on_network_destroy(struct inventory *inventory, const struct docker_event *event)
{
	struct netw *n = inventory_network_find(inventory, event->id);

	bury(inventory, event->id);
	if (n)
		inventory_network_remove(inventory, n);
}

static void on_reload(struct inventory *inventory, const struct docker_event *event)
{
	(void)event;
	inventory_want(inventory, WANT_EVERYTHING, NULL, false);
}

void inventory_event(struct inventory *inventory, const struct docker_event *event)
{
	static void (*const handlers[])(struct inventory *, const struct docker_event *) = {
		[CONTAINER_CREATE] = on_create,
		[CONTAINER_START] = on_start,
		[CONTAINER_DIE] = on_die,
		[CONTAINER_PAUSE] = on_pause,
		[CONTAINER_UNPAUSE] = on_unpause,
		[CONTAINER_RENAME] = on_rename,
		[CONTAINER_DESTROY] = on_destroy,
		[NETWORK_CREATE] = on_network_create,
		[NETWORK_CONNECT] = on_connect,
		[NETWORK_DISCONNECT] = on_disconnect,
		[NETWORK_DESTROY] = on_network_destroy,
		[DAEMON_RELOAD] = on_reload,
	};

	if (event->action < sizeof(handlers) / sizeof(*handlers) && handlers[event->action])
		handlers[event->action](inventory, event);
}

/* --- life ---------------------------------------------------------------------------------------- */

void inventory_synced(struct inventory *inventory, inventory_stamp asked)
{
	struct gone *gone, *next;

	HASH_ITER (hh, inventory->gone, gone, next) {
		if (gone->at <= asked)
			drop_gone(inventory, gone);
	}
	drop_unused_images(inventory);
}

struct inventory *inventory_new(const struct inventory_options *options)
{
	struct inventory *inventory = xcalloc(1, sizeof(*inventory));

	inventory->node = xstrdup(options->node);
	inventory->prefixes = options->prefixes;
	inventory->image_labels = options->image_labels;
	inventory->warn = options->warn;
	inventory->arg = options->arg;
	return inventory;
}

static void free_containers(struct inventory *inventory)
{
	struct container *c, *next;

	HASH_ITER (hh, inventory->containers, c, next) {
		c->known = false;
		inventory_container_put(inventory, c);
	}
}

void inventory_free(struct inventory *inventory)
{
	struct want left;

	if (!inventory)
		return;
	while (inventory->networks)
		inventory_network_remove(inventory, inventory->networks);
	free_containers(inventory);
	while (inventory->images)
		image_free(inventory, inventory->images);
	while (inventory->gone)
		drop_gone(inventory, inventory->gone);
	while (inventory_next_want(inventory, &left))
		free(left.id);
	for (size_t i = 0; i < inventory->deleted_count; i++)
		store_change_clear(&inventory->deleted[i]);
	free(inventory->deleted);
	free(inventory->wants);
	free(inventory->node);
	free(inventory);
}
