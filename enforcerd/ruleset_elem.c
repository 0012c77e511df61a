/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ruleset_elem.h"

#include "common/xalloc.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MIN = 8, KEY_MAX = 32 };

/* --- keys -------------------------------------------------------------------------------------- */

static const struct {
	uint8_t len;
	struct key_layout parts;
} layouts[] = {
	[SET_IPV4] = {4, {.family = 4}},
	[SET_IPV6] = {16, {.family = 6}},
	[SET_CIDR4] = {8, {.family = 4, .range = true}},
	[SET_CIDR6] = {32, {.family = 6, .range = true}},
	[SET_PORT] = {2, {.port = true}},
	[SET_IFNAME] = {16, {.ifname = true}},
	[SET_MAC] = {6, {.mac = true}},
	[SET_PORT_IPV4] = {20, {.ifname = true, .family = 4}},
	[SET_PORT_IPV6] = {32, {.ifname = true, .family = 6}},
	[SET_PORT_MAC] = {22, {.ifname = true, .mac = true}},
	[MAP_IPV4] = {4, {.family = 4}},
	[MAP_IPV6] = {16, {.family = 6}},
	[MAP_IFNAME] = {16, {.ifname = true}},
	[MAP_GROUP] = {4, {.group = true}},
	[GROUPS_IPV4] = {4, {.family = 4, .groups = true}},
	[GROUPS_IPV6] = {16, {.family = 6, .groups = true}},
};

const struct key_layout *key_layout(enum set_type type)
{
	return &layouts[type].parts;
}

static void encode(enum set_type type, const struct elem_key *key, uint8_t bytes[KEY_MAX])
{
	const struct key_layout *parts = &layouts[type].parts;
	size_t address = parts->family == 4 ? 4 : 16;

	if (parts->ifname) {
		/* what stands behind the NUL is no part of the name */
		memset(bytes, 0, sizeof(key->ifname));
		memcpy(bytes, key->ifname, strnlen(key->ifname, sizeof(key->ifname) - 1));
		bytes += sizeof(key->ifname);
	}
	if (parts->family) {
		memcpy(bytes, key->ip.bytes, address);
		bytes += address;
	}
	if (parts->range)
		memcpy(bytes, key->last.bytes, address);
	if (parts->port)
		memcpy(bytes, &key->port, sizeof(key->port));
	if (parts->mac)
		memcpy(bytes, key->mac, sizeof(key->mac));
	if (parts->group)
		memcpy(bytes, &key->group, sizeof(key->group));
}

struct elem_key elem_key_of(enum set_type type, const struct rs_elem *elem)
{
	const struct key_layout *parts = &layouts[type].parts;
	size_t address = parts->family == 4 ? 4 : 16;
	const uint8_t *bytes = elem->key;
	struct elem_key key;

	memset(&key, 0, sizeof(key));
	if (parts->ifname) {
		memcpy(key.ifname, bytes, sizeof(key.ifname));
		bytes += sizeof(key.ifname);
	}
	if (parts->family) {
		key.ip.family = parts->family;
		memcpy(key.ip.bytes, bytes, address);
		bytes += address;
	}
	if (parts->range) {
		key.last.family = parts->family;
		memcpy(key.last.bytes, bytes, address);
	}
	if (parts->port)
		memcpy(&key.port, bytes, sizeof(key.port));
	if (parts->mac)
		memcpy(key.mac, bytes, sizeof(key.mac));
	if (parts->group)
		memcpy(&key.group, bytes, sizeof(key.group));
	if (parts->groups)
		memcpy(key.groups, elem->key + layouts[type].len, sizeof(key.groups));
	return key;
}

char *elem_key_text(enum set_type type, const struct elem_key *key)
{
	const struct key_layout *parts = &layouts[type].parts;
	cleanup_strbuf struct strbuf out = {0};
	char ip[IP_TEXT_MAX];

	if (parts->ifname)
		strbuf_addf(
			&out, "\"%s\"%s", key->ifname, parts->family || parts->mac ? " . " : "");
	if (parts->family)
		strbuf_add(&out, ip_format(&key->ip, ip));
	if (parts->range)
		strbuf_addf(&out, "-%s", ip_format(&key->last, ip));
	if (parts->port)
		strbuf_addf(&out, "%u", key->port);
	if (parts->mac)
		strbuf_addf(&out, "%02x:%02x:%02x:%02x:%02x:%02x", key->mac[0], key->mac[1],
			key->mac[2], key->mac[3], key->mac[4], key->mac[5]);
	if (parts->group && key->group)
		strbuf_addf(&out, "0x%08x", key->group);
	else if (parts->group)
		strbuf_add(&out, "*");
	return strbuf_take(&out);
}

/* FNV-1a, and the high bits mixed down: neighbouring addresses must not share buckets. */
static size_t hash(const uint8_t *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ bytes[i]) * 0x100000001b3;
	return (size_t)(h ^ (h >> 32));
}

static struct rs_elem **bucket(
	const struct elem_table *table, enum set_type type, const uint8_t *bytes)
{
	return &table->buckets[hash(bytes, layouts[type].len) & (table->bucket_count - 1)];
}

/* --- the table --------------------------------------------------------------------------------- */

static void elem_free(struct rs_elem *elem)
{
	free(elem->value);
	free(elem);
}

void elem_table_free(struct elem_table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++)
		while (table->buckets[i]) {
			struct rs_elem *elem = table->buckets[i];

			table->buckets[i] = elem->next;
			elem_free(elem);
		}
	free(table->buckets);
	*table = (struct elem_table){0};
}

struct rs_elem *elem_find(
	const struct elem_table *table, enum set_type type, const struct elem_key *key)
{
	uint8_t bytes[KEY_MAX];
	struct rs_elem *elem;

	if (!table->bucket_count)
		return NULL;
	encode(type, key, bytes);
	elem = *bucket(table, type, bytes);
	while (elem && memcmp(elem->key, bytes, layouts[type].len) != 0)
		elem = elem->next;
	return elem;
}

static void grow(struct elem_table *table, enum set_type type)
{
	struct elem_table larger = {
		.bucket_count = table->bucket_count ? table->bucket_count * 2 : BUCKETS_MIN};

	larger.buckets = xcalloc(larger.bucket_count, sizeof(struct rs_elem *));
	for (size_t i = 0; i < table->bucket_count; i++)
		while (table->buckets[i]) {
			struct rs_elem *elem = table->buckets[i];
			struct rs_elem **to = bucket(&larger, type, elem->key);

			table->buckets[i] = elem->next;
			elem->next = *to;
			*to = elem;
		}
	free(table->buckets);
	table->buckets = larger.buckets;
	table->bucket_count = larger.bucket_count;
}

static size_t elem_size(enum set_type type)
{
	return offsetof(struct rs_elem, key) + layouts[type].len +
	       (layouts[type].parts.groups ? sizeof((struct elem_key){0}.groups) : 0);
}

struct rs_elem *elem_add(struct elem_table *table, enum set_type type, const struct elem_key *key)
{
	struct rs_elem *elem = xcalloc(1, elem_size(type));
	struct rs_elem **to;

	if (table->count == table->bucket_count)
		grow(table, type);
	encode(type, key, elem->key);
	to = bucket(table, type, elem->key);
	elem->next = *to;
	*to = elem;
	table->count++;
	return elem;
}

void elem_remove(struct elem_table *table, enum set_type type, struct rs_elem *elem)
{
	struct rs_elem **at = bucket(table, type, elem->key);

	while (*at != elem)
		at = &(*at)->next;
	*at = elem->next;
	table->count--;
	elem_free(elem);
}

struct rs_elem *elem_next(
	const struct elem_table *table, enum set_type type, const struct rs_elem *elem)
{
	size_t i = 0;

	if (elem && elem->next)
		return elem->next;
	if (elem)
		i = (size_t)(bucket(table, type, elem->key) - table->buckets) + 1;
	while (i < table->bucket_count && !table->buckets[i])
		i++;
	return i < table->bucket_count ? table->buckets[i] : NULL;
}

/* --- values ------------------------------------------------------------------------------------ */

const char *elem_chain(const struct rs_elem *elem)
{
	return elem->value && elem->value->has_chain ? elem->value->text : NULL;
}

const char *elem_comment(const struct rs_elem *elem)
{
	return elem->value && elem->value->has_comment
		       ? elem->value->text + strlen(elem->value->text) + 1
		       : NULL;
}

bool elem_set_groups(enum set_type type, struct rs_elem *elem, const uint32_t groups[2])
{
	uint8_t *value = elem->key + layouts[type].len;
	size_t size = 2 * sizeof(*groups);

	if (!layouts[type].parts.groups || !memcmp(value, groups, size))
		return false;
	memcpy(value, groups, size);
	return true;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool elem_set_value(struct rs_elem *elem, const char *chain, const char *comment)
{
	size_t chain_size = chain ? strlen(chain) + 1 : 1;
	size_t comment_size = comment ? strlen(comment) + 1 : 1;

	if (text_equal(elem_chain(elem), chain) && text_equal(elem_comment(elem), comment))
		return false;
	free(elem->value);
	elem->value = NULL;
	if (!chain && !comment)
		return true;
	elem->value = xcalloc(1, sizeof(*elem->value) + chain_size + comment_size);
	elem->value->has_chain = chain;
	elem->value->has_comment = comment;
	memcpy(elem->value->text, chain ? chain : "", chain_size);
	memcpy(elem->value->text + chain_size, comment ? comment : "", comment_size);
	return true;
}
