/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inventory's tables, shared by inventory.c (what changes) and inventory_record.c (what is published). */
#ifndef BULKHEAD_SYNCD_INVENTORY_INTERNAL_H
#define BULKHEAD_SYNCD_INVENTORY_INTERNAL_H

#include "syncd/inventory.h"

#include <uthash.h>
#include <utlist.h>

struct attachment;

struct image {
	char *id;
	bool known, wanted, used;
	struct labels *labels; /* NULL with known: the Engine does not have it */
	UT_hash_handle hh;
};

struct container {
	char *id, *name, *image, *image_id;
	struct labels *labels;
	enum endpoint_state state;
	struct published_port *ports;
	size_t port_count;
	inventory_stamp ports_gone; /* an answer asked before may still have them */
	bool known;                 /* else only named by an attachment */
	bool listed;                /* image_id and network mode are known */
	bool absent;                /* asked for, and the Engine does not have it */
	bool reported;              /* what is wrong with its labels has been said */
	inventory_stamp touched;
	struct attachment *attachments; /* by of_container */
	UT_hash_handle hh;
};

struct address {
	struct ip ip; /* family 0: none */
	bool lost;    /* a newer attachment has it now */
	struct attachment *owner;
	UT_hash_handle hh;
};

struct netw {
	struct docker_network info; /* without attachments */
	bool known;
	inventory_stamp touched;
	char *text; /* published record, or NULL */
	bool dirty;
	struct attachment *attachments; /* by of_network */
	struct address *addresses;
	size_t lost; /* addresses of its attachments that a newer one took */
	UT_hash_handle hh;
};

struct attachment {
	char *id; /* EndpointID */
	struct container *container;
	struct netw *network;
	struct address ipv4, ipv6;
	uint8_t mac[6];
	bool has_mac;
	long long seen_ns;        /* when an answer first had it */
	unsigned long long round; /* of inventory_network() calls: found in the present one? */
	char *text;               /* published record, or NULL */
	size_t rejected;
	bool dirty;
	struct attachment *prev_of_container, *next_of_container;
	struct attachment *prev_of_network, *next_of_network;
	struct attachment *prev_dirty, *next_dirty;
	UT_hash_handle hh;
};

/* Taken away at a stamp: answers to older questions may still name it. */
struct gone {
	char *id;
	inventory_stamp at;
	UT_hash_handle hh;
};

struct inventory {
	char *node;
	const struct label_prefixes *prefixes;
	bool image_labels;
	void (*warn)(const char *text, void *arg);
	void *arg;
	inventory_stamp clock;
	unsigned long long round;
	struct image *images;
	struct container *containers;
	struct netw *networks;
	struct attachment *attachments;
	struct attachment *dirty;
	struct gone *gone;
	struct store_change *deleted; /* records that went since the last collect */
	size_t deleted_count, deleted_cap;
	struct want *wants; /* ring: taken at head */
	size_t want_head, want_count, want_cap;
	size_t rejected;
};

void inventory_warn(struct inventory *inventory, const char *fmt, ...) printf_like(2, 3);
/* Its record may have changed. */
void inventory_dirty(struct inventory *inventory, struct attachment *attachment);
void inventory_dirty_container(struct inventory *inventory, struct container *container);
/* Its record, if it was published, is to be deleted; text is freed. */
void inventory_unpublish(
	struct inventory *inventory, enum store_kind kind, const char *id, char **text);

/* Wishes for an answer. id may be NULL. */
void inventory_want(struct inventory *inventory, enum want_kind kind, const char *id, bool urgent);
/* True if it went after the question was asked. */
bool inventory_gone_since(const struct inventory *inventory, const char *id, inventory_stamp asked);
/* Finds it, or makes one of which nothing but the id is known. */
struct container *inventory_container_get(struct inventory *inventory, const char *id);
/* Frees it if neither the Engine nor an attachment has it. */
void inventory_container_put(struct inventory *inventory, struct container *container);
struct netw *inventory_network_find(struct inventory *inventory, const char *id);
/* With its attachments. */
void inventory_network_remove(struct inventory *inventory, struct netw *network);
void inventory_attachment_remove(struct inventory *inventory, struct attachment *attachment);

#endif
