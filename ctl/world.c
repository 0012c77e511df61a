/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/world.h"

#include "common/xalloc.h"

#include <string.h>

struct world {
	struct world_endpoint *endpoints;
	size_t endpoint_count, endpoint_cap;
	struct world_network *networks;
	size_t network_count, network_cap;
	json_t *isolation;     /* field -> word */
	json_t *labels;        /* field -> object of labels */
	json_t *bridges;       /* node -> object: bridge -> word */
	json_t *network_index; /* "<node>/<network id>" -> index */
};

struct world *world_new(void)
{
	struct world *world = xcalloc(1, sizeof(*world));

	world->isolation = json_object();
	world->labels = json_object();
	world->bridges = json_object();
	world->network_index = json_object();
	return world;
}

void world_free(struct world *world)
{
	if (!world)
		return;
	for (size_t i = 0; i < world->endpoint_count; i++) {
		endpoint_free(world->endpoints[i].record);
		labels_free(world->endpoints[i].labels);
	}
	for (size_t i = 0; i < world->network_count; i++) {
		network_free(world->networks[i].record);
		free(world->networks[i].node);
	}
	free(world->endpoints);
	free(world->networks);
	json_decref(world->isolation);
	json_decref(world->labels);
	json_decref(world->bridges);
	json_decref(world->network_index);
	free(world);
}

/* --- one field each ---------------------------------------------------------------------------------- */

static int add_endpoint(struct world *world, const char *node, const char *field,
	const json_t *record, struct err *err)
{
	struct endpoint *endpoint = endpoint_from_json(record, node, field, err);

	if (!endpoint)
		return -1;
	xgrow(world->endpoints, world->endpoint_count, world->endpoint_cap);
	world->endpoints[world->endpoint_count++] = (struct world_endpoint){.record = endpoint};
	return 0;
}

static int add_network(struct world *world, const char *node, const char *field,
	const json_t *record, struct err *err)
{
	struct network *network = network_from_json(record, field, err);

	if (!network)
		return -1;
	xgrow(world->networks, world->network_count, world->network_cap);
	world->networks[world->network_count++] =
		(struct world_network){.record = network, .node = xstrdup(node)};
	return 0;
}

static int add_isolation(
	struct world *world, const char *field, const char *text, size_t len, struct err *err)
{
	cleanup_free char *word = xstrndup(text, len);
	enum isolation isolation;

	if (!isolation_parse(word, &isolation))
		return err_set(err, 0, "\"%s\" is not strict, labelled or off", word);
	json_object_set_new(world->isolation, field, json_string(word));
	return 0;
}

static int add_labels(struct world *world, const char *field, json_t *record, struct err *err)
{
	CLEANUP(labels) struct labels *labels = labels_from_json(record, err);

	if (!labels)
		return -1;
	json_object_set(world->labels, field, record);
	return 0;
}

int world_add(struct world *world, enum store_kind kind, const char *node, const char *field,
	const char *text, size_t len, struct err *err)
{
	cleanup_json json_t *record = NULL;

	if (kind == KIND_ISOLATION)
		return add_isolation(world, field, text, len, err);
	record = record_decode(text, len, err);
	if (!record)
		return -1;
	switch (kind) {
	case KIND_ENDPOINT:
		return add_endpoint(world, node, field, record, err);
	case KIND_NETWORK:
		return add_network(world, node, field, record, err);
	case KIND_LABELS:
		return add_labels(world, field, record, err);
	default:
		return err_set(err, 0, "not a kind of this world");
	}
}

void world_add_bridges(struct world *world, const char *node, const json_t *bridges)
{
	if (json_is_object(bridges))
		json_object_set_new(world->bridges, node, json_deep_copy(bridges));
}

/* --- resolution -------------------------------------------------------------------------------------- */

/* The entry for "<node>/<name>", or for any node. */
static json_t *lookup(const json_t *object, const char *node, const char *name)
{
	cleanup_free char *own = xasprintf("%s/%s", node, name);
	cleanup_free char *any = xasprintf("*/%s", name);
	json_t *found = json_object_get(object, own);

	return found ? found : json_object_get(object, any);
}

static void set_labels(struct labels *labels, const json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)object, key, value) {
		labels_set(labels, key, json_string_value(value));
	}
}

static struct labels *effective_labels(const struct world *world, const struct endpoint *endpoint)
{
	cleanup_free char *own = xasprintf("%s/%s", endpoint->node, endpoint->container_name);
	cleanup_free char *any = xasprintf("*/%s", endpoint->container_name);
	struct labels *labels = labels_copy(endpoint->labels);

	set_labels(labels, json_object_get(world->labels, any));
	set_labels(labels, json_object_get(world->labels, own));
	return labels;
}

static const char *resolved_by_enforcerd(
	const struct world *world, const struct world_network *network)
{
	const json_t *bridges = json_object_get(world->bridges, network->node);

	return network->record->bridge
		       ? json_string_value(json_object_get(bridges, network->record->bridge))
		       : NULL;
}

/*
 * The first that speaks. enforcerd's own flags are seen only through what it reports, which stands below the operator's
 * word, because that may be newer than the report.
 */
static void resolve_network(const struct world *world, struct world_network *network)
{
	const struct {
		const char *source, *word;
	} voices[] = {
		{"bulkheadctl", json_string_value(lookup(
					world->isolation, network->node, network->record->name))},
		{"enforcerd", resolved_by_enforcerd(world, network)},
		{"label", network->record->isolation},
	};

	network->isolation = ISOLATION_LABELLED;
	network->source = "default";
	for (size_t i = 0; i < sizeof(voices) / sizeof(*voices); i++) {
		if (voices[i].word && isolation_parse(voices[i].word, &network->isolation)) {
			network->source = voices[i].source;
			return;
		}
	}
}

static const struct world_network *network_of(
	const struct world *world, const struct endpoint *record)
{
	cleanup_free char *key = xasprintf("%s/%s", record->node, record->network_id);
	const json_t *index = json_object_get(world->network_index, key);

	return index ? &world->networks[json_integer_value(index)] : NULL;
}

static void resolve_endpoint(const struct world *world, struct world_endpoint *endpoint)
{
	const struct world_network *network = network_of(world, endpoint->record);

	endpoint->network = network ? network->record : NULL;
	endpoint->isolation = network ? network->isolation : ISOLATION_LABELLED;
	endpoint->labels = effective_labels(world, endpoint->record);
	endpoint->isolated = isolation_applies(endpoint->record, endpoint->labels,
		network ? network->record : NULL, endpoint->isolation);
}

static int cmp_endpoints(const void *a, const void *b)
{
	const struct endpoint *x = ((const struct world_endpoint *)a)->record;
	const struct endpoint *y = ((const struct world_endpoint *)b)->record;
	int order = strcmp(x->node, y->node);

	if (!order)
		order = strcmp(x->container_name, y->container_name);
	if (!order)
		order = strcmp(x->network_name, y->network_name);
	return order ? order : strcmp(x->id, y->id);
}

static int cmp_networks(const void *a, const void *b)
{
	const struct world_network *x = a, *y = b;
	int order = strcmp(x->node, y->node);

	if (!order)
		order = strcmp(x->record->name, y->record->name);
	return order ? order : strcmp(x->record->id, y->record->id);
}

void world_finish(struct world *world)
{
	if (world->network_count)
		qsort(world->networks, world->network_count, sizeof(*world->networks),
			cmp_networks);
	if (world->endpoint_count)
		qsort(world->endpoints, world->endpoint_count, sizeof(*world->endpoints),
			cmp_endpoints);
	for (size_t i = 0; i < world->network_count; i++) {
		struct world_network *network = &world->networks[i];
		cleanup_free char *key = xasprintf("%s/%s", network->node, network->record->id);

		resolve_network(world, network);
		json_object_set_new(world->network_index, key, json_integer((json_int_t)i));
	}
	for (size_t i = 0; i < world->endpoint_count; i++)
		resolve_endpoint(world, &world->endpoints[i]);
}

struct claim world_claim(const struct world *world, const struct world_endpoint *endpoint,
	const struct ip *ip, const char *node)
{
	struct claim claim = claim_begin(endpoint->network, ip);

	if (endpoint->network && endpoint->network->shared &&
		!claim_fits(endpoint->network, endpoint->record))
		claim.standing = CLAIM_OUTSIDE;
	for (size_t i = 0; i < world->network_count; i++)
		if (!strcmp(world->networks[i].node, node) &&
			!claim_meet(&claim, world->networks[i].record))
			break;
	return claim;
}

/* --- answers ----------------------------------------------------------------------------------------- */

const struct world_endpoint *world_endpoints(const struct world *world, size_t *count)
{
	*count = world->endpoint_count;
	return world->endpoints;
}

const struct world_network *world_networks(const struct world *world, size_t *count)
{
	*count = world->network_count;
	return world->networks;
}

size_t world_count(const struct world *world, const struct selector *selector, size_t *not_isolated)
{
	size_t matched = 0;

	*not_isolated = 0;
	for (size_t i = 0; i < world->endpoint_count; i++) {
		const struct world_endpoint *endpoint = &world->endpoints[i];

		if (!selector_match(selector, endpoint->labels))
			continue;
		matched++;
		*not_isolated += !endpoint->isolated;
	}
	return matched;
}
