/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Engine has, and what follows from it for the store: containers, networks, attachments by EndpointID. Pure: answers
 * and events in, record changes and wishes for further answers out; no I/O, no clock of its own.
 *
 * Answers and events come over different connections, so an answer may be older than an event that was read before it. A
 * stamp taken when a question is asked (inventory_tick()) tells: nothing that an event took away after the stamp comes back by
 * that answer, and nothing that an event brought after it goes. Events are applied as they come, also while a list is under way.
 *
 * Whose address it is says network inspect alone. Answers for one network must be handed in in the order in which they were
 * asked. A record is held back until its labels are certain, which with image labels off takes the image's.
 */
#ifndef BULKHEAD_SYNCD_INVENTORY_H
#define BULKHEAD_SYNCD_INVENTORY_H

#include "common/store.h"
#include "syncd/docker_json.h"

struct inventory;

typedef unsigned long long inventory_stamp;

struct inventory_options {
	const char *node;                      /* copied */
	const struct label_prefixes *prefixes; /* borrowed */
	bool image_labels;                     /* labels of images count */
	/* What people should know: bad labels, labels without effect. May be NULL. */
	void (*warn)(const char *text, void *arg);
	void *arg;
};

struct inventory *inventory_new(const struct inventory_options *options);
void inventory_free(struct inventory *inventory);

/* Take one when a question is sent, hand it in with the answer. */
inventory_stamp inventory_tick(struct inventory *inventory);

/* --- answers: borrowed, copied ------------------------------------------------------------------- */

/* The whole list: containers that are not in it are gone. */
void inventory_containers(
	struct inventory *inventory, const struct docker_containers *list, inventory_stamp asked);
/* One container; NULL: the Engine does not have it. */
void inventory_container(struct inventory *inventory, const char *id,
	const struct docker_container *found, inventory_stamp asked);
/* The whole list, without attachments. Wishes to inspect each. */
void inventory_networks(
	struct inventory *inventory, const struct docker_networks *list, inventory_stamp asked);
/* Network inspect by id, or by the name of one that was not known; NULL: the Engine does not have it. now_ns is the wall clock at
 * the answer. */
void inventory_network(struct inventory *inventory, const char *id,
	const struct docker_network *found, inventory_stamp asked, long long now_ns);
/* The labels that an image carries; NULL: the Engine does not have it. */
void inventory_image(struct inventory *inventory, const char *id, const struct labels *labels);
void inventory_event(struct inventory *inventory, const struct docker_event *event);
/* A whole round of answers asked at or after asked is in: what was kept against older answers can go. */
void inventory_synced(struct inventory *inventory, inventory_stamp asked);

/* --- wishes -------------------------------------------------------------------------------------- */

enum want_kind {
	WANT_CONTAINER,
	WANT_CONTAINER_SETTLED, /* once the Engine is through with what it is doing to it */
	WANT_NETWORK,
	WANT_NETWORK_AGAIN, /* only if an answer for it is under way: that one may be outdated */
	WANT_IMAGE,
	WANT_EVERYTHING
};

struct want {
	enum want_kind kind;
	bool urgent; /* a container is starting and waits for this */
	char *id;    /* the taker's; NULL for WANT_EVERYTHING */
};

/* Takes the next; false when there is none. */
bool inventory_next_want(struct inventory *inventory, struct want *want);

/* --- records ------------------------------------------------------------------------------------- */

/* What changed since the last call, to be written as one transaction. The caller owns the array. */
void inventory_collect(struct inventory *inventory, struct store_change **changes, size_t *count);
/* Every record as of the last collect, for a whole rewrite. The caller owns the array. */
void inventory_whole(
	const struct inventory *inventory, struct store_change **changes, size_t *count);

struct inventory_stats {
	size_t endpoints, networks; /* records that are published */
	size_t held;     /* attachments without a record: labels or container not known yet */
	size_t rejected; /* labels named in "rejected", over all endpoints */
};

void inventory_stats(const struct inventory *inventory, struct inventory_stats *stats);

DEFINE_CLEANUP(inventory, struct inventory *, inventory_free)

#endif
