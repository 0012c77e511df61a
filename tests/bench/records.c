/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/records.h"

#include "common/policy.h"
#include "common/xalloc.h"

#include <string.h>

enum { FIRST_HOST = 2, BLOCKS_PER_HOST = 4 };

static const char *const role_names[] = {
	"client", "server", "bystander-client", "bystander-server"};

unsigned bench_pairs(const struct bench_world *world)
{
	return world->endpoints / 2;
}

unsigned bench_groups(const struct bench_world *world)
{
	return world->policies / POLICIES_PER_GROUP;
}

uint32_t bench_address(const struct bench_world *world, enum bench_role role, unsigned pair)
{
	return 10U << 24 | (world->host * BLOCKS_PER_HOST + (unsigned)role) << 16 |
	       (pair + FIRST_HOST);
}

void bench_mac(enum bench_role role, uint8_t mac[6])
{
	const uint8_t bytes[] = {0x02, 0x42, 0x0a, 0, 0, (uint8_t)(role + 1)};

	memcpy(mac, bytes, sizeof(bytes));
}

void bench_own_mac(uint32_t address, uint8_t mac[6])
{
	const uint8_t bytes[] = {0x02, 0x42, (uint8_t)(address >> 24), (uint8_t)(address >> 16),
		(uint8_t)(address >> 8), (uint8_t)address};

	memcpy(mac, bytes, sizeof(bytes));
}

void changes_clear(struct changes *changes)
{
	for (size_t i = 0; i < changes->count; i++)
		store_change_clear(&changes->items[i]);
	free(changes->items);
	*changes = (struct changes){0};
}

/* Takes record over. */
static void put(struct changes *changes, enum store_kind kind, char *id, char *record)
{
	xgrow(changes->items, changes->count, changes->cap);
	changes->items[changes->count++] =
		(struct store_change){.kind = kind, .id = id, .record = record};
}

/* --- the node's stream ------------------------------------------------------------------------- */

static char *endpoint_id(enum bench_role role, unsigned pair)
{
	return xasprintf("%02x%062x", (unsigned)role, pair);
}

enum bench_role record_role(const char *endpoint_id)
{
	return (enum bench_role)(endpoint_id[1] - '0');
}

static void put_network(struct changes *changes)
{
	put(changes, KIND_NETWORK, xstrdup("net0"),
		xstrdup("{\"v\":1,\"id\":\"net0\",\"name\":\"bench\",\"driver\":\"bridge\","
			"\"bridge\":\"" BENCH_BRIDGE "\",\"subnets\":[\"10.0.0.0/8\"],"
			"\"shared\":null,\"isolation\":null}"));
}

/* What Docker says of every container, and for those that are to be isolated what their owner says. */
static char *labels(const struct bench_world *world, enum bench_role role, unsigned pair)
{
	cleanup_free char *own = xstrdup("");

	if (role <= ROLE_SERVER) {
		free(own);
		own = xasprintf(",\"group\":\"g%u\",\"tier\":\"%s\"", pair % bench_groups(world),
			role_names[role]);
	}
	return xasprintf("{\"docker/container\":\"%s-%u\",\"docker/image\":\"registry.example/"
			 "app:1.2\",\"docker/network\":\"bench\"%s}",
		role_names[role], pair, own);
}

void record_endpoint(const struct bench_world *world, enum bench_role role, unsigned pair,
	struct changes *changes)
{
	uint32_t address = bench_address(world, role, pair);
	cleanup_free char *labelled = labels(world, role, pair);
	char *id = endpoint_id(role, pair);
	uint8_t mac[6];

	if (world->own_macs)
		bench_own_mac(address, mac);
	else
		bench_mac(role, mac);
	put(changes, KIND_ENDPOINT, id,
		xasprintf("{\"v\":1,\"id\":\"%s\",\"node\":\"" BENCH_NODE "\",\"container\":"
			  "{\"id\":\"%064x\",\"name\":\"%s-%u\",\"image\":\"registry.example/"
			  "app:1.2\"},\"network\":{\"id\":\"net0\",\"name\":\"bench\","
			  "\"driver\":\"bridge\"},\"ipv4\":\"%u.%u.%u.%u\",\"ipv6\":null,"
			  "\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"labels\":%s,"
			  "\"rejected\":{},\"ports\":[],\"state\":\"running\"}",
			id, pair, role_names[role], pair, address >> 24, address >> 16 & 0xff,
			address >> 8 & 0xff, address & 0xff, mac[0], mac[1], mac[2], mac[3], mac[4],
			mac[5], labelled));
}

void record_no_endpoint(enum bench_role role, unsigned pair, struct changes *changes)
{
	put(changes, KIND_ENDPOINT, endpoint_id(role, pair), NULL);
}

void records_node(const struct bench_world *world, struct changes *changes)
{
	int roles = world->bystanders ? ROLE_COUNT : ROLE_BYSTANDER_CLIENT;

	put_network(changes);
	for (int role = 0; role < roles; role++)
		for (unsigned i = 0; i < bench_pairs(world); i++)
			record_endpoint(world, (enum bench_role)role, i, changes);
}

/* --- policies ---------------------------------------------------------------------------------- */

/* tcp and udp with a group at the given side; that of the first two policies is one that no pair of this one is in. */
static char *rules_of(
	const struct bench_world *world, unsigned i, uint16_t port, enum policy_direction dir)
{
	unsigned step = (i + 1) % POLICIES_PER_GROUP, group = i / POLICIES_PER_GROUP;
	cleanup_free char *who =
		xasprintf(dir == DIR_INGRESS ? "\"source\":{\"selector\":\"group == 'g%u'\"},"
					       "\"destination\":{\"ports\":[%u,%u]}"
					     : "\"destination\":{\"selector\":\"group == 'g%u'\","
					       "\"ports\":[%u,%u]}",
			(group + step) % bench_groups(world), port, BENCH_PORT_2);

	return xasprintf("[{\"action\":\"allow\",\"protocol\":\"tcp\",%s},"
			 "{\"action\":\"allow\",\"protocol\":\"udp\",%s}]",
		who, who);
}

void record_policy(
	const struct bench_world *world, unsigned i, uint16_t port, struct changes *changes)
{
	unsigned group = i / POLICIES_PER_GROUP;
	cleanup_free char *ingress = rules_of(world, i, port, DIR_INGRESS);
	cleanup_free char *egress = rules_of(world, i, port, DIR_EGRESS);
	char *name = xasprintf("policy-%u", i);

	put(changes, KIND_POLICY, name,
		xasprintf("{\"v\":1,\"name\":\"%s\",\"spec\":{\"order\":%u,\"selector\":"
			  "\"group == 'g%u'\",\"types\":[\"ingress\",\"egress\"],"
			  "\"ingress\":%s,\"egress\":%s}}",
			name, 100 + i % POLICIES_PER_GROUP, group, ingress, egress));
}

void records_policies(const struct bench_world *world, struct changes *changes)
{
	for (unsigned i = 0; i < world->policies; i++)
		record_policy(world, i, BENCH_PORT, changes);
}
