/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/isolation.h"
#include "common/record_internal.h"
#include "common/xalloc.h"

#include <string.h>

bool network_contains(const struct network *network, const struct ip *ip)
{
	for (size_t i = 0; i < network->subnet_count; i++)
		if (cidr_contains(&network->subnets[i], ip))
			return true;
	return false;
}

void network_free(struct network *network)
{
	if (!network)
		return;
	free(network->id);
	free(network->name);
	free(network->driver);
	free(network->bridge);
	free(network->subnets);
	free(network->shared);
	free(network->isolation);
	free(network);
}

/* What the kernel accepts as an interface name (dev_valid_name), and no control characters. */
static int read_bridge(const struct json_at *at, void *target, struct err *err)
{
	const char *name = NULL;

	if (json_is_null(at->value))
		return 0;
	if (json_read_text(at, RECORD_IFNAME_MAX, &name, err))
		return -1;
	if (!strcmp(name, ".") || !strcmp(name, "..") || strpbrk(name, "/: "))
		return json_fail(at, err, "\"%s\" cannot be the name of an interface", name);
	*(char **)target = xstrdup(name);
	return 0;
}

static int read_subnets(const struct json_at *at, void *target, struct err *err)
{
	struct network *network = target;
	size_t count = 0;

	if (json_read_array(at, RECORD_LIST_MAX, &count, err))
		return -1;
	if (count)
		network->subnets = xcalloc(count, sizeof(*network->subnets));
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);
		const char *text = NULL;

		if (json_read_text(&item, CIDR_TEXT_MAX, &text, err))
			return -1;
		if (cidr_parse(text, &network->subnets[i], err))
			return json_wrap(&item, err);
		network->subnets[i] = cidr_mask(&network->subnets[i]);
		network->subnet_count++;
	}
	return 0;
}

static int read_isolation(const struct json_at *at, void *target, struct err *err)
{
	enum isolation unused;

	if (record_read_optional_name(at, target, err))
		return -1;
	if (*(char **)target && !isolation_parse(*(char **)target, &unused))
		return json_fail(at, err, "must be labelled, strict, off or null");
	return 0;
}

#define FIELD(name, read, required)                                   \
	{                                                             \
#name, read, offsetof(struct network, name), required \
	}

static const struct json_field fields[] = {
	{"v", json_read_version_1, 0, true},
	FIELD(id, record_read_id, true),
	FIELD(name, record_read_name, true),
	FIELD(driver, record_read_name, true),
	FIELD(bridge, read_bridge, false),
	{"subnets", read_subnets, 0, true},
	FIELD(shared, record_read_optional_name, false),
	FIELD(isolation, read_isolation, false),
	{0},
};

struct network *network_from_json(const json_t *record, const char *key_id, struct err *err)
{
	CLEANUP(network) struct network *network = xcalloc(1, sizeof(*network));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, fields, JSON_IGNORE_UNKNOWN, network, err) ||
		record_key_check(&root, "id", network->id, key_id, err))
		return NULL;
	return steal_ptr(network);
}

json_t *network_to_json(const struct network *network)
{
	json_t *record = json_object(), *subnets = json_array();
	char text[CIDR_TEXT_MAX];

	for (size_t i = 0; i < network->subnet_count; i++)
		json_push(subnets, json_string(cidr_format(&network->subnets[i], text)));
	json_put(record, "v", json_integer(1));
	json_put_text(record, "id", network->id);
	json_put_text(record, "name", network->name);
	json_put_text(record, "driver", network->driver);
	json_put_text(record, "bridge", network->bridge);
	json_put(record, "subnets", subnets);
	json_put_text(record, "shared", network->shared);
	json_put_text(record, "isolation", network->isolation);
	return record;
}

bool network_equal(const struct network *a, const struct network *b)
{
	if (!record_text_equal(a->id, b->id) || !record_text_equal(a->name, b->name) ||
		!record_text_equal(a->driver, b->driver) ||
		!record_text_equal(a->bridge, b->bridge) ||
		!record_text_equal(a->shared, b->shared) ||
		!record_text_equal(a->isolation, b->isolation) ||
		a->subnet_count != b->subnet_count)
		return false;
	for (size_t i = 0; i < a->subnet_count; i++)
		if (cidr_cmp(&a->subnets[i], &b->subnets[i]))
			return false;
	return true;
}
