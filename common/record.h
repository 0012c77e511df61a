/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoint, network and node records as values, to and from the JSON that Redis holds (design 3.2).
 * *_from_json() checks every field: types, lengths, addresses, label syntax, and that id and node are those
 * of the key under which the record was found; what it accepts can be used without another check. Members that
 * it does not know are ignored: a newer syncd elsewhere may say more, and a change of meaning changes "v".
 * NULL and "no address" are written as null; absent reads the same.
 */
#ifndef BULKHEAD_RECORD_H
#define BULKHEAD_RECORD_H

#include "common/ip.h"
#include "common/label.h"

enum {
	RECORD_ID_MAX = 128,   /* Docker ids are 64 hex digits */
	RECORD_NAME_MAX = 255, /* container, network, node, image-independent names */
	RECORD_IMAGE_MAX = 512,
	RECORD_IFNAME_MAX = 15, /* IFNAMSIZ - 1 */
	RECORD_LIST_MAX = 4096, /* subnets of a network, ports and rejected labels of an endpoint */
	RECORD_BYTES_MAX =
		1 << 20 /* serialised size, policies included; larger is refused unread */
};

enum endpoint_state { ENDPOINT_STARTING, ENDPOINT_RUNNING, ENDPOINT_PAUSED };

struct published_port {
	char proto[8]; /* tcp, udp, sctp */
	struct ip host_ip;
	uint16_t host_port;
	uint16_t port;
};

struct endpoint {
	char *id; /* the Engine's EndpointID */
	char *node;
	char *container_id, *container_name, *image; /* image "" while not known */
	char *network_id, *network_name, *driver;
	struct ip ipv4, ipv6; /* family 0 where there is none */
	uint8_t mac[6];
	bool has_mac;
	struct labels *labels;   /* user labels without prefix and docker/ labels */
	struct labels *rejected; /* label -> reason; keys and values are any printable text here */
	struct published_port *ports;
	size_t port_count;
	enum endpoint_state state;
};

struct network {
	char *id, *name, *driver;
	char *bridge; /* host interface, NULL where there is none */
	struct cidr *subnets;
	size_t subnet_count;
	char *shared;    /* domain, or NULL */
	char *isolation; /* the network's label, one of labelled|strict|off, or NULL */
};

struct node {
	char *node, *engine, *boot, *instance, *version;
	long long started, heartbeat; /* unix seconds */
};

/* key_id and key_node say under which field and stream the record was found. */
struct endpoint *endpoint_from_json(
	const json_t *record, const char *key_node, const char *key_id, struct err *err) must_check;
json_t *endpoint_to_json(const struct endpoint *endpoint);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
void endpoint_free(struct endpoint *endpoint);

struct network *network_from_json(
	const json_t *record, const char *key_id, struct err *err) must_check;
json_t *network_to_json(const struct network *network);
bool network_equal(const struct network *a, const struct network *b);
/* Whether one of its subnets has the address. */
bool network_contains(const struct network *network, const struct ip *ip);
void network_free(struct network *network);

struct node *node_from_json(const json_t *record, const char *key_node, struct err *err) must_check;
json_t *node_to_json(const struct node *node);
void node_free(struct node *node);

/* Decodes text of at most RECORD_BYTES_MAX bytes into an object; refuses duplicates and anything else. */
json_t *record_decode(const char *text, size_t len, struct err *err) must_check;

/* [A-Za-z0-9_.-], 1..RECORD_NAME_MAX: node names stand in Redis keys and before a "/" in fields. */
int node_name_check(const char *name, struct err *err) must_check;

const char *endpoint_state_name(enum endpoint_state state);

DEFINE_CLEANUP(endpoint, struct endpoint *, endpoint_free)
DEFINE_CLEANUP(network, struct network *, network_free)
DEFINE_CLEANUP(node, struct node *, node_free)

#endif
