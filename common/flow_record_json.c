/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flow records to and from the JSON that Redis carries. */
#include "common/flow_record.h"
#include "common/json.h"
#include "common/record.h"
#include "common/xalloc.h"

#include <string.h>
#include <time.h>

enum { US_PER_SECOND = 1000000, MAC_TEXT_LEN = 17, PROTOCOL_WORD_MAX = 16 };

/* the last microsecond of the year 9999 */
static const long long time_max = 253402300800LL * US_PER_SECOND - 1;

/* --- to JSON --------------------------------------------------------------------------------------- */

/* Names of interfaces may be any bytes. */
static void put_name(json_t *object, const char *key, const char *name)
{
	json_t *text = name && *name ? json_string(name) : NULL;

	if (name && *name)
		json_put(object, key, text ? text : json_string("?"));
}

static void put_number(json_t *object, const char *key, int number)
{
	if (number != FLOW_NONE)
		json_put(object, key, json_integer(number));
}

static void put_ip(json_t *object, const char *key, const struct ip *ip)
{
	char text[IP_TEXT_MAX];

	if (ip->family)
		json_put_text(object, key, ip_format(ip, text));
}

static json_t *end_to_json(const struct flow_end *end)
{
	json_t *object = json_object();
	const uint8_t *m = end->mac;

	put_ip(object, "ip", &end->ip);
	put_number(object, "port", end->port);
	if (end->has_mac)
		json_put(object, "mac",
			json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
				m[5]));
	put_name(object, "container", end->container);
	put_name(object, "network", end->network);
	if (end->labels)
		json_put(object, "labels", labels_to_json(end->labels));
	return object;
}

/* As policies name it: a name where there is one. */
static void put_protocol(json_t *object, int protocol)
{
	const char *name = protocol > 0 ? protocol_name(protocol) : NULL;

	if (protocol != FLOW_NONE)
		json_put(object, "protocol", name ? json_string(name) : json_integer(protocol));
}

static void put_icmp(json_t *object, const struct flow_record *record)
{
	json_t *icmp;

	if (record->icmp_type == FLOW_NONE)
		return;
	icmp = json_object();
	put_number(icmp, "type", record->icmp_type);
	put_number(icmp, "code", record->icmp_code);
	json_put(object, "icmp", icmp);
}

static void put_published(json_t *object, const struct flow_record *record)
{
	json_t *published;

	if (!record->published_ip.family)
		return;
	published = json_object();
	put_ip(published, "ip", &record->published_ip);
	put_number(published, "port", record->published_port);
	json_put(object, "published", published);
}

static void put_packet(json_t *object, const struct flow_record *record)
{
	if (record->ethertype != FLOW_NONE)
		json_put(object, "ethertype", json_sprintf("0x%04x", (unsigned)record->ethertype));
	put_protocol(object, record->protocol);
	put_icmp(object, record);
	put_number(object, "vlan", record->vlan);
	json_put(object, "source", end_to_json(&record->source));
	json_put(object, "destination", end_to_json(&record->destination));
	put_published(object, record);
	put_name(object, "in", record->in);
	put_name(object, "out", record->out);
	put_name(object, "inPort", record->in_port);
	put_name(object, "outPort", record->out_port);
	if (record->fragment)
		json_put(object, "fragment", json_true());
	if (record->truncated)
		json_put(object, "truncated", json_true());
}

json_t *flow_record_to_json(const struct flow_record *record)
{
	json_t *object = json_object();
	char time_text[FLOW_TIME_SIZE];

	json_put(object, "v", json_integer(1));
	json_put_text(object, "time", flow_time_format(record->time_us, time_text));
	put_name(object, "node", record->node);
	json_put_text(object, "mode", mode_name(record->mode));
	json_put(object, "denied", json_boolean(record->denied));
	json_put_text(object, "what", record->what);
	if (record->direction < DIR_COUNT)
		json_put_text(object, "direction", policy_direction_name(record->direction));
	put_name(object, "policy", record->policy);
	put_number(object, "rule", record->rule);
	put_packet(object, record);
	if (record->suppressed)
		json_put(object, "suppressed", json_integer(record->suppressed));
	return object;
}

/* --- from JSON ------------------------------------------------------------------------------------- */

static int read_time(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL, *end = NULL;
	char again[FLOW_TIME_SIZE];
	struct tm tm = {0};
	long long us = 0;

	if (json_read_text(at, FLOW_TIME_SIZE - 1, &text, err))
		return -1;
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end && *end == '.') {
		us = (long long)timegm(&tm) * US_PER_SECOND + strtol(end + 1, NULL, 10);
		/* writing it again tells whatever strptime() passed over */
		if (us >= 0 && us <= time_max && !strcmp(flow_time_format(us, again), text)) {
			*(long long *)target = us;
			return 0;
		}
	}
	return json_fail(at, err, "must be a time such as 2026-11-23T15:49:39.123456Z");
}

static int read_name(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, RECORD_NAME_MAX, &text, err))
		return -1;
	*(char **)target = xstrdup(text);
	return 0;
}

static int read_ifname(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, FLOW_IFNAME_MAX, &text, err))
		return -1;
	snprintf(target, FLOW_IFNAME_MAX + 1, "%s", text);
	return 0;
}

static int read_what(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, FLOW_WORD_MAX, &text, err))
		return -1;
	if (strspn(text, "abcdefghijklmnopqrstuvwxyz") != strlen(text))
		return json_fail(at, err, "must be a word of small letters");
	snprintf(target, FLOW_WORD_MAX + 1, "%s", text);
	return 0;
}

static int read_mode(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, FLOW_WORD_MAX, &text, err))
		return -1;
	return mode_parse(text, target) ? 0 : json_fail(at, err, "must be enforce or audit");
}

static int read_direction(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, FLOW_WORD_MAX, &text, err))
		return -1;
	return policy_direction_parse(text, target)
		       ? 0
		       : json_fail(at, err, "must be ingress or egress");
}

static int read_bool(const struct json_at *at, void *target, struct err *err)
{
	if (!json_is_boolean(at->value))
		return json_fail(at, err, "must be true or false");
	*(bool *)target = json_is_true(at->value);
	return 0;
}

static int read_count(const struct json_at *at, void *target, struct err *err)
{
	return json_read_integer(at, 0, INT64_MAX, target, err);
}

static int read_number(const struct json_at *at, int max, void *target, struct err *err)
{
	long long n = 0;

	if (json_read_integer(at, 0, max, &n, err))
		return -1;
	*(int *)target = (int)n;
	return 0;
}

static int read_rule(const struct json_at *at, void *target, struct err *err)
{
	return read_number(at, POLICY_RULES_MAX - 1, target, err);
}

static int read_port(const struct json_at *at, void *target, struct err *err)
{
	return read_number(at, UINT16_MAX, target, err);
}

static int read_byte(const struct json_at *at, void *target, struct err *err)
{
	return read_number(at, UINT8_MAX, target, err);
}

static int read_vlan(const struct json_at *at, void *target, struct err *err)
{
	return read_number(at, 4095, target, err);
}

static int read_ethertype(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, FLOW_WORD_MAX, &text, err))
		return -1;
	if (strlen(text) != 6 || strncmp(text, "0x", 2) != 0 ||
		strspn(text + 2, "0123456789abcdef") != 4)
		return json_fail(at, err, "must be an ethertype such as 0x0800");
	*(int *)target = (int)strtol(text + 2, NULL, 16);
	return 0;
}

static int read_protocol(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;
	int implied = 0;

	if (!json_is_string(at->value))
		return read_byte(at, target, err);
	if (json_read_text(at, PROTOCOL_WORD_MAX, &text, err))
		return -1;
	if (*text >= '0' && *text <= '9')
		return json_fail(at, err, "a protocol number must not be quoted");
	return protocol_parse(text, target, &implied, err) ? json_wrap(at, err) : 0;
}

static int read_ip(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, IP_TEXT_MAX, &text, err))
		return -1;
	return ip_parse(text, target, err) ? json_wrap(at, err) : 0;
}

static int read_mac(const struct json_at *at, void *target, struct err *err)
{
	struct flow_end *end = target;
	const char *text = NULL;
	unsigned m[6];
	char rest;

	if (json_read_text(at, MAC_TEXT_LEN, &text, err))
		return -1;
	if (strlen(text) != MAC_TEXT_LEN || strspn(text, "0123456789abcdef:") != MAC_TEXT_LEN ||
		sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5],
			&rest) != 6)
		return json_fail(at, err, "must be a MAC address");
	for (size_t i = 0; i < 6; i++)
		end->mac[i] = (uint8_t)m[i];
	end->has_mac = true;
	return 0;
}

static int read_labels(const struct json_at *at, void *target, struct err *err)
{
	*(struct labels **)target = labels_from_json(at->value, err);
	return *(struct labels **)target ? 0 : json_wrap(at, err);
}

#define END(name, read, member)                                      \
	{                                                            \
		name, read, offsetof(struct flow_end, member), false \
	}

static const struct json_field end_fields[] = {
	END("ip", read_ip, ip),
	END("port", read_port, port),
	{"mac", read_mac, 0, false},
	END("container", read_name, container),
	END("network", read_name, network),
	END("labels", read_labels, labels),
	{0},
};

static int read_end(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, end_fields, JSON_IGNORE_UNKNOWN, target, err);
}

#define FLOW(name, read, member, required)                                 \
	{                                                                  \
		name, read, offsetof(struct flow_record, member), required \
	}

static const struct json_field icmp_fields[] = {
	FLOW("type", read_byte, icmp_type, true),
	FLOW("code", read_byte, icmp_code, true),
	{0},
};

static int read_icmp(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, icmp_fields, JSON_IGNORE_UNKNOWN, target, err);
}

static const struct json_field published_fields[] = {
	FLOW("ip", read_ip, published_ip, true),
	FLOW("port", read_port, published_port, false),
	{0},
};

static int read_published(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, published_fields, JSON_IGNORE_UNKNOWN, target, err);
}

static const struct json_field fields[] = {
	{"v", json_read_version_1, 0, true},
	FLOW("time", read_time, time_us, true),
	FLOW("node", read_name, node, true),
	FLOW("mode", read_mode, mode, true),
	FLOW("denied", read_bool, denied, true),
	FLOW("what", read_what, what, true),
	FLOW("direction", read_direction, direction, false),
	FLOW("policy", read_name, policy, false),
	FLOW("rule", read_rule, rule, false),
	FLOW("ethertype", read_ethertype, ethertype, false),
	FLOW("protocol", read_protocol, protocol, false),
	{"icmp", read_icmp, 0, false},
	FLOW("vlan", read_vlan, vlan, false),
	FLOW("source", read_end, source, true),
	FLOW("destination", read_end, destination, true),
	{"published", read_published, 0, false},
	FLOW("in", read_ifname, in, false),
	FLOW("out", read_ifname, out, false),
	FLOW("inPort", read_ifname, in_port, false),
	FLOW("outPort", read_ifname, out_port, false),
	FLOW("fragment", read_bool, fragment, false),
	FLOW("truncated", read_bool, truncated, false),
	FLOW("suppressed", read_count, suppressed, false),
	{0},
};

struct flow_record *flow_record_from_json(const json_t *json, struct err *err)
{
	CLEANUP(flow_record) struct flow_record *record = flow_record_new();
	struct json_at root = json_at_root(json);

	if (json_read_object(&root, fields, JSON_IGNORE_UNKNOWN, record, err))
		return NULL;
	return steal_ptr(record);
}
