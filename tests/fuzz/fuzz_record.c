/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Endpoint, network and node records from any bytes, under the keys that they name themselves. What is accepted
 * must be written so that it reads back equal, and must be refused under another key.
 */
#include "common/record.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const char other_key[] = "another key";

static const char *text_of(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));

	return text ? text : "";
}

/* What goes to Redis is text: through it and back. Borrows nothing. */
static json_t *through_text(json_t *record)
{
	cleanup_json json_t *owned = record;
	cleanup_free char *text = json_dumps(owned, JSON_COMPACT);
	json_t *decoded;

	must(text);
	decoded = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(decoded);
	return decoded;
}

static void fuzz_endpoint(const json_t *record)
{
	const char *node = text_of(record, "node"), *id = text_of(record, "id");
	struct err err = {0};
	CLEANUP(endpoint) struct endpoint *endpoint = endpoint_from_json(record, node, id, &err);
	CLEANUP(endpoint) struct endpoint *again = NULL;
	cleanup_json json_t *written = NULL;

	if (!endpoint) {
		must(*err.text);
		return;
	}
	must(endpoint->ipv4.family == 0 || endpoint->ipv4.family == 4);
	must(endpoint->ipv6.family == 0 || endpoint->ipv6.family == 6);
	written = through_text(endpoint_to_json(endpoint));
	again = endpoint_from_json(written, node, id, &err);
	must(again && endpoint_equal(endpoint, again));
	must(!endpoint_from_json(record, node, other_key, &err));
	must(!endpoint_from_json(record, other_key, id, &err));
}

static void fuzz_network(const json_t *record)
{
	const char *id = text_of(record, "id");
	struct err err = {0};
	CLEANUP(network) struct network *network = network_from_json(record, id, &err);
	CLEANUP(network) struct network *again = NULL;
	cleanup_json json_t *written = NULL;

	if (!network) {
		must(*err.text);
		return;
	}
	written = through_text(network_to_json(network));
	again = network_from_json(written, id, &err);
	must(again && network_equal(network, again));
	must(!network_from_json(record, other_key, &err));
}

static void fuzz_node(const json_t *record)
{
	const char *name = text_of(record, "node");
	struct err err = {0};
	CLEANUP(node) struct node *node = node_from_json(record, name, &err);
	CLEANUP(node) struct node *again = NULL;
	cleanup_json json_t *written = NULL;

	if (!node) {
		must(*err.text);
		return;
	}
	must(node->started >= 0 && node->heartbeat >= 0);
	written = through_text(node_to_json(node));
	again = node_from_json(written, name, &err);
	must(again != NULL);
	must(!node_from_json(record, other_key, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	cleanup_json json_t *record = record_decode((const char *)data, size, &err);

	if (!record) {
		must(*err.text);
		return 0;
	}
	fuzz_endpoint(record);
	fuzz_network(record);
	fuzz_node(record);
	return 0;
}
