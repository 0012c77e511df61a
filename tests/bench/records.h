/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worlds for benchmarks, as the records that stand in Redis: pairs of a client and a server, spread over groups. Every group
 * has three policies, of which only the last allows what a pair says to each other: the two before it are looked up in vain.
 *
 * Pair i of the world of host h is client 10.(4h).x.y and server 10.(4h+1).x.y; bystanders, containers without labels of their
 * own, are 10.(4h+2).x.y and 10.(4h+3).x.y. Each of the four sits at a port of its own of one bridge.
 */
#ifndef BULKHEAD_BENCH_RECORDS_H
#define BULKHEAD_BENCH_RECORDS_H

#include "common/store.h"

#include <stdint.h>

#define BENCH_NODE        "bench"
#define BENCH_NODE_STREAM STORE_NODE_STREAM BENCH_NODE
#define BENCH_BRIDGE      "br0"

enum { BENCH_PORT = 7000, BENCH_PORT_2 = 7001, POLICIES_PER_GROUP = 3, HOSTS_MAX = 64 };

/* The order is that of the address blocks. */
enum bench_role {
	ROLE_CLIENT,
	ROLE_SERVER,
	ROLE_BYSTANDER_CLIENT,
	ROLE_BYSTANDER_SERVER,
	ROLE_COUNT
};

struct bench_world {
	unsigned host; /* which address blocks */
	unsigned endpoints, policies;
	bool bystanders; /* as many again, not isolated */
	bool own_macs;   /* each endpoint at a port of its own, not each role */
};

unsigned bench_pairs(const struct bench_world *world);
unsigned bench_groups(const struct bench_world *world);
/* Of an endpoint record, by its id. */
enum bench_role record_role(const char *endpoint_id);
/* In host byte order. */
uint32_t bench_address(const struct bench_world *world, enum bench_role role, unsigned pair);
/* All addresses of one port have its MAC. */
void bench_mac(enum bench_role role, uint8_t mac[6]);
/* With own_macs, as Docker makes them of the address. */
void bench_own_mac(uint32_t address, uint8_t mac[6]);

struct changes {
	struct store_change *items;
	size_t count, cap;
};

void changes_clear(struct changes *changes);

/* The whole of a world's two streams. */
void records_node(const struct bench_world *world, struct changes *changes);
void records_policies(const struct bench_world *world, struct changes *changes);
/* One endpoint's record, put or deleted. */
void record_endpoint(const struct bench_world *world, enum bench_role role, unsigned pair,
	struct changes *changes);
void record_no_endpoint(enum bench_role role, unsigned pair, struct changes *changes);
/* Policy i, as records_policies() has it, but with another port in its last rule. */
void record_policy(
	const struct bench_world *world, unsigned i, uint16_t port, struct changes *changes);

#endif
