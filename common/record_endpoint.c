/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/record_internal.h"
#include "common/xalloc.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { WORD_MAX = 16, MAC_TEXT_LEN = 17, REJECTED_TEXT_MAX = 512 };

static const char *const states[] = {
	[ENDPOINT_STARTING] = "starting",
	[ENDPOINT_RUNNING] = "running",
	[ENDPOINT_PAUSED] = "paused",
};

static const char *const port_protocols[] = {"tcp", "udp", "sctp"};

const char *endpoint_state_name(enum endpoint_state state)
{
	return states[state];
}

void endpoint_free(struct endpoint *endpoint)
{
	if (!endpoint)
		return;
	free(endpoint->id);
	free(endpoint->node);
	free(endpoint->container_id);
	free(endpoint->container_name);
	free(endpoint->image);
	free(endpoint->network_id);
	free(endpoint->network_name);
	free(endpoint->driver);
	labels_free(endpoint->labels);
	labels_free(endpoint->rejected);
	free(endpoint->ports);
	free(endpoint);
}

/* --- from JSON ------------------------------------------------------------------------------------- */

/* An address that a container cannot have would put strangers into selector sets. */
static bool is_unicast(const struct ip *ip)
{
	static const char *const never[] = {
		"0.0.0.0/8",
		"127.0.0.0/8",
		"224.0.0.0/3",
		"::/127",
		"::ffff:0:0/96",
		"ff00::/8",
	};

	for (size_t i = 0; i < COUNT(never); i++) {
		struct cidr block;

		if (!cidr_parse(never[i], &block, NULL) && cidr_contains(&block, ip))
			return false;
	}
	return true;
}

static int read_address(const struct json_at *at, uint8_t family, struct ip *ip, struct err *err)
{
	const char *text = NULL;

	if (json_is_null(at->value))
		return 0;
	if (json_read_text(at, IP_TEXT_MAX, &text, err))
		return -1;
	if (ip_parse(text, ip, err))
		return json_wrap(at, err);
	if (ip->family != family)
		return json_fail(at, err, "%s is not an IPv%u address", text, family);
	if (!is_unicast(ip))
		return json_fail(at, err, "%s cannot be the address of a container", text);
	return 0;
}

static int read_ipv4(const struct json_at *at, void *target, struct err *err)
{
	return read_address(at, 4, target, err);
}

static int read_ipv6(const struct json_at *at, void *target, struct err *err)
{
	return read_address(at, 6, target, err);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
	if (strlen(text) != MAC_TEXT_LEN)
		return false;
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static int read_mac(const struct json_at *at, void *target, struct err *err)
{
	static const uint8_t zero[6];
	struct endpoint *endpoint = target;
	const char *text = NULL;

	if (json_is_null(at->value))
		return 0;
	if (json_read_text(at, MAC_TEXT_LEN, &text, err))
		return -1;
	if (!parse_mac(text, endpoint->mac))
		return json_fail(at, err, "bad MAC address \"%s\"", text);
	if (endpoint->mac[0] & 1 || !memcmp(endpoint->mac, zero, sizeof(zero)))
		return json_fail(at, err, "%s is not the MAC address of one interface", text);
	endpoint->has_mac = true;
	return 0;
}

static int read_labels(const struct json_at *at, void *target, struct err *err)
{
	struct labels **labels = target;

	if (!json_is_object(at->value))
		return json_fail(at, err, "must be an object");
	labels_free(*labels);
	*labels = labels_from_json(at->value, err);
	return *labels ? 0 : json_wrap(at, err);
}

/* Refused keys are any text, and shown to people: printable, bounded, and never taken for labels. */
static int read_rejected(const struct json_at *at, void *target, struct err *err)
{
	struct labels *rejected = *(struct labels **)target;
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return json_fail(at, err, "must be an object");
	if (json_object_size(at->value) > RECORD_LIST_MAX)
		return json_fail(at, err, "has more than %d members", RECORD_LIST_MAX);
	json_object_foreach ((json_t *)at->value, key, value) {
		struct json_at member = json_at_member(at, key);
		const char *reason = NULL;

		if (strlen(key) > REJECTED_TEXT_MAX || !json_text_printable(key))
			return json_fail(&member, err,
				"key must be printable text of at most %d bytes",
				REJECTED_TEXT_MAX);
		if (json_read_text(&member, REJECTED_TEXT_MAX, &reason, err))
			return -1;
		labels_set(rejected, key, reason);
	}
	return 0;
}

static int read_port_protocol(const struct json_at *at, void *target, struct err *err)
{
	const char *word = NULL;

	if (json_read_text(at, WORD_MAX, &word, err))
		return -1;
	for (size_t i = 0; i < COUNT(port_protocols); i++)
		if (!strcmp(port_protocols[i], word)) {
			memcpy(target, word, strlen(word) + 1); /* the longest in the table fits */
			return 0;
		}
	return json_fail(at, err, "unknown protocol \"%s\": must be tcp, udp or sctp", word);
}

static int read_host_ip(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, IP_TEXT_MAX, &text, err))
		return -1;
	return ip_parse(text, target, err) ? json_wrap(at, err) : 0;
}

static int read_port_number(const struct json_at *at, void *target, struct err *err)
{
	long long n = 0;

	if (json_read_integer(at, 1, UINT16_MAX, &n, err))
		return -1;
	*(uint16_t *)target = (uint16_t)n;
	return 0;
}

static const struct json_field port_fields[] = {
	{"proto", read_port_protocol, offsetof(struct published_port, proto), true},
	{"host_ip", read_host_ip, offsetof(struct published_port, host_ip), true},
	{"host_port", read_port_number, offsetof(struct published_port, host_port), true},
	{"port", read_port_number, offsetof(struct published_port, port), true},
	{0},
};

static int read_ports(const struct json_at *at, void *target, struct err *err)
{
	struct endpoint *endpoint = target;
	size_t count = 0;

	if (json_read_array(at, RECORD_LIST_MAX, &count, err))
		return -1;
	if (count)
		endpoint->ports = xcalloc(count, sizeof(*endpoint->ports));
	endpoint->port_count = count;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);

		if (json_read_object(
			    &item, port_fields, JSON_IGNORE_UNKNOWN, &endpoint->ports[i], err))
			return -1;
	}
	return 0;
}

static int read_state(const struct json_at *at, void *target, struct err *err)
{
	const char *word = NULL;

	if (json_read_text(at, WORD_MAX, &word, err))
		return -1;
	for (size_t i = 0; i < COUNT(states); i++)
		if (!strcmp(states[i], word)) {
			*(enum endpoint_state *)target = (enum endpoint_state)i;
			return 0;
		}
	return json_fail(
		at, err, "unknown state \"%s\": must be starting, running or paused", word);
}

#define FIELD(name, read, member, required)                             \
	{                                                               \
		name, read, offsetof(struct endpoint, member), required \
	}

static const struct json_field container_fields[] = {
	FIELD("id", record_read_id, container_id, true),
	FIELD("name", record_read_name, container_name, true),
	FIELD("image", record_read_image, image, false),
	{0},
};

static int read_container(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, container_fields, JSON_IGNORE_UNKNOWN, target, err);
}

static const struct json_field network_fields[] = {
	FIELD("id", record_read_id, network_id, true),
	FIELD("name", record_read_name, network_name, true),
	FIELD("driver", record_read_name, driver, true),
	{0},
};

static int read_network(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, network_fields, JSON_IGNORE_UNKNOWN, target, err);
}

static const struct json_field fields[] = {
	{"v", json_read_version_1, 0, true},
	FIELD("id", record_read_id, id, true),
	FIELD("node", record_read_node, node, true),
	{"container", read_container, 0, true},
	{"network", read_network, 0, true},
	FIELD("ipv4", read_ipv4, ipv4, false),
	FIELD("ipv6", read_ipv6, ipv6, false),
	{"mac", read_mac, 0, false},
	FIELD("labels", read_labels, labels, true),
	FIELD("rejected", read_rejected, rejected, false),
	{"ports", read_ports, 0, false},
	FIELD("state", read_state, state, true),
	{0},
};

struct endpoint *endpoint_from_json(
	const json_t *record, const char *key_node, const char *key_id, struct err *err)
{
	CLEANUP(endpoint) struct endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
	struct json_at root = json_at_root(record);

	endpoint->rejected = labels_new();
	if (json_read_object(&root, fields, JSON_IGNORE_UNKNOWN, endpoint, err) ||
		record_key_check(&root, "id", endpoint->id, key_id, err) ||
		record_key_check(&root, "node", endpoint->node, key_node, err))
		return NULL;
	if (!endpoint->image)
		endpoint->image = xstrdup("");
	return steal_ptr(endpoint);
}

/* --- to JSON --------------------------------------------------------------------------------------- */

static json_t *container_to_json(const struct endpoint *endpoint)
{
	json_t *container = json_object();

	json_put_text(container, "id", endpoint->container_id);
	json_put_text(container, "name", endpoint->container_name);
	json_put_text(container, "image", endpoint->image ? endpoint->image : "");
	return container;
}

static json_t *network_of_to_json(const struct endpoint *endpoint)
{
	json_t *network = json_object();

	json_put_text(network, "id", endpoint->network_id);
	json_put_text(network, "name", endpoint->network_name);
	json_put_text(network, "driver", endpoint->driver);
	return network;
}

static json_t *address_to_json(const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	return ip->family ? json_string(ip_format(ip, text)) : json_null();
}

static json_t *mac_to_json(const struct endpoint *endpoint)
{
	const uint8_t *mac = endpoint->mac;

	if (!endpoint->has_mac)
		return json_null();
	return json_sprintf(
		"%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static json_t *rejected_to_json(const struct labels *rejected)
{
	json_t *object = json_object();

	for (size_t i = 0; rejected && i < labels_count(rejected); i++)
		json_put_text(object, labels_key(rejected, i), labels_value(rejected, i));
	return object;
}

static json_t *ports_to_json(const struct endpoint *endpoint)
{
	json_t *ports = json_array();

	for (size_t i = 0; i < endpoint->port_count; i++) {
		const struct published_port *published = &endpoint->ports[i];
		json_t *port = json_object();

		json_put_text(port, "proto", published->proto);
		json_put(port, "host_ip", address_to_json(&published->host_ip));
		json_put(port, "host_port", json_integer(published->host_port));
		json_put(port, "port", json_integer(published->port));
		json_push(ports, port);
	}
	return ports;
}

json_t *endpoint_to_json(const struct endpoint *endpoint)
{
	json_t *record = json_object();

	json_put(record, "v", json_integer(1));
	json_put_text(record, "id", endpoint->id);
	json_put_text(record, "node", endpoint->node);
	json_put(record, "container", container_to_json(endpoint));
	json_put(record, "network", network_of_to_json(endpoint));
	json_put(record, "ipv4", address_to_json(&endpoint->ipv4));
	json_put(record, "ipv6", address_to_json(&endpoint->ipv6));
	json_put(record, "mac", mac_to_json(endpoint));
	json_put(record, "labels",
		endpoint->labels ? labels_to_json(endpoint->labels) : json_object());
	json_put(record, "rejected", rejected_to_json(endpoint->rejected));
	json_put(record, "ports", ports_to_json(endpoint));
	json_put_text(record, "state", endpoint_state_name(endpoint->state));
	return record;
}

/* --- comparing ------------------------------------------------------------------------------------- */

static bool maps_equal(const struct labels *a, const struct labels *b)
{
	size_t a_count = a ? labels_count(a) : 0, b_count = b ? labels_count(b) : 0;

	if (!a_count || !b_count)
		return a_count == b_count;
	return labels_equal(a, b);
}

static bool ports_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (a->port_count != b->port_count)
		return false;
	for (size_t i = 0; i < a->port_count; i++) {
		const struct published_port *p = &a->ports[i], *q = &b->ports[i];

		if (strcmp(p->proto, q->proto) != 0 || !ip_equal(&p->host_ip, &q->host_ip) ||
			p->host_port != q->host_port || p->port != q->port)
			return false;
	}
	return true;
}

static bool names_equal(const struct endpoint *a, const struct endpoint *b)
{
	return record_text_equal(a->id, b->id) && record_text_equal(a->node, b->node) &&
	       record_text_equal(a->container_id, b->container_id) &&
	       record_text_equal(a->container_name, b->container_name) &&
	       record_text_equal(a->image, b->image) &&
	       record_text_equal(a->network_id, b->network_id) &&
	       record_text_equal(a->network_name, b->network_name) &&
	       record_text_equal(a->driver, b->driver);
}

static bool addresses_equal(const struct endpoint *a, const struct endpoint *b)
{
	if (!ip_equal(&a->ipv4, &b->ipv4) || !ip_equal(&a->ipv6, &b->ipv6) ||
		a->has_mac != b->has_mac)
		return false;
	return !a->has_mac || !memcmp(a->mac, b->mac, sizeof(a->mac));
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->state == b->state && names_equal(a, b) && addresses_equal(a, b) &&
	       maps_equal(a->labels, b->labels) && maps_equal(a->rejected, b->rejected) &&
	       ports_equal(a, b);
}
