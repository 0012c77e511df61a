/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/record.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define ENDPOINT                                                                                      \
	"{'v':1,'id':'ep1','node':'host-1','container':{'id':'c1','name':'web','image':'nginx:1'},"   \
	"'network':{'id':'n1','name':'front end','driver':'bridge'},'ipv4':'172.18.0.2',"             \
	"'ipv6':'fd00::2','mac':'02:42:ac:12:00:02','labels':{'docker/container':'web','role':'db'}," \
	"'rejected':{'a b':'bad key'},'ports':[{'proto':'tcp','host_ip':'0.0.0.0','host_port':8080,"  \
	"'port':80},{'proto':'sctp','host_ip':'::','host_port':1,'port':65535}],'state':'running'}"

#define NETWORK                                                                             \
	"{'v':1,'id':'n1','name':'front end','driver':'bridge','bridge':'br-0123456789ab'," \
	"'subnets':['172.18.0.0/16','fd00::/64'],'shared':'site-1','isolation':'strict'}"

#define NODE                                                                         \
	"{'v':1,'node':'host-1','engine':'ABCD:EFGH','boot':'6b8c','instance':'i1'," \
	"'version':'0.1.0','started':1700000000,'heartbeat':1700000010}"

/*
 * The base record with the value at a path such as "container.id" or "ports.0.port" set to value, or removed
 * where value is NULL.
 */
static json_t *changed(const char *base, const char *path, const char *value)
{
	cleanup_json json_t *record = parse(base);
	cleanup_free char *names = xstrdup(path);
	char *save = NULL, *name = strtok_r(names, ".", &save), *next;
	json_t *at = record;

	for (; (next = strtok_r(NULL, ".", &save)); name = next) {
		at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name))
				       : json_object_get(at, name);
		ck_assert_msg(at != NULL, "%s", path);
	}
	if (!value)
		ck_assert_int_eq(json_object_del(at, name), 0);
	else if (json_is_array(at))
		ck_assert_int_eq(json_array_set_new(at, (size_t)atoi(name), parse(value)), 0);
	else
		ck_assert_int_eq(json_object_set_new(at, name, parse(value)), 0);
	return steal_ptr(record);
}

struct change {
	const char *path, *value; /* see changed() */
	const char *error;        /* beginning of the refusal; NULL: accepted */
};

static void check_outcome(const struct change *change, bool accepted, const struct err *err)
{
	const char *value = change->value ? change->value : "(removed)";

	ck_assert_msg(accepted == !change->error, "%s = %s: %s", change->path, value, err->text);
	if (change->error)
		ck_assert_msg(!strncmp(err->text, change->error, strlen(change->error)),
			"%s = %s: %s", change->path, value, err->text);
}

/* --- endpoints ------------------------------------------------------------------------------------- */

START_TEST(test_endpoint_fields)
{
	cleanup_json json_t *record = parse(ENDPOINT);
	struct err err = {0};
	CLEANUP(endpoint)
	struct endpoint *endpoint = endpoint_from_json(record, "host-1", "ep1", &err);
	static const uint8_t mac[] = {0x02, 0x42, 0xac, 0x12, 0x00, 0x02};
	char text[IP_TEXT_MAX];

	ck_assert_msg(endpoint != NULL, "%s", err.text);
	ck_assert_str_eq(endpoint->id, "ep1");
	ck_assert_str_eq(endpoint->node, "host-1");
	ck_assert_str_eq(endpoint->container_id, "c1");
	ck_assert_str_eq(endpoint->container_name, "web");
	ck_assert_str_eq(endpoint->image, "nginx:1");
	ck_assert_str_eq(endpoint->network_id, "n1");
	ck_assert_str_eq(endpoint->network_name, "front end");
	ck_assert_str_eq(endpoint->driver, "bridge");
	ck_assert_str_eq(ip_format(&endpoint->ipv4, text), "172.18.0.2");
	ck_assert_str_eq(ip_format(&endpoint->ipv6, text), "fd00::2");
	ck_assert(endpoint->has_mac);
	ck_assert_mem_eq(endpoint->mac, mac, sizeof(mac));
	ck_assert_uint_eq(labels_count(endpoint->labels), 2);
	ck_assert_str_eq(labels_get(endpoint->labels, "role"), "db");
	ck_assert_str_eq(labels_get(endpoint->rejected, "a b"), "bad key");
	ck_assert_uint_eq(endpoint->port_count, 2);
	ck_assert_str_eq(endpoint->ports[0].proto, "tcp");
	ck_assert_str_eq(ip_format(&endpoint->ports[0].host_ip, text), "0.0.0.0");
	ck_assert_uint_eq(endpoint->ports[0].host_port, 8080);
	ck_assert_uint_eq(endpoint->ports[0].port, 80);
	ck_assert_str_eq(endpoint->ports[1].proto, "sctp");
	ck_assert_uint_eq(endpoint->ports[1].host_ip.family, 6);
	ck_assert_int_eq(endpoint->state, ENDPOINT_RUNNING);
	ck_assert_str_eq(endpoint_state_name(endpoint->state), "running");
}
END_TEST

static const struct change endpoint_changes[] = {
	{"v", "2", "v: must be 1"},
	{"v", NULL, "v: required"},
	{"later", "{'x':1}",
		NULL}, /* what a newer syncd adds is not a reason to drop an endpoint */
	{"container.later", "1", NULL},
	{"id", NULL, "id: required"},
	{"id", "''", "id: must not be empty"},
	{"id", "'ep 1'", "id: bad id"},
	{"id", "5", "id: must be text"},
	{"id", "'ep2'", "id: is \"ep2\", but the record stands under \"ep1\""},
	{"node", NULL, "node: required"},
	{"node", "'host-2'", "node: is \"host-2\", but the record stands under \"host-1\""},
	{"node", "'host/1'", "node: bad node name"},
	{"node", "'*'", "node: bad node name"},
	{"container", NULL, "container: required"},
	{"container", "'c1'", "container: must be an object"},
	{"container.id", NULL, "container.id: required"},
	{"container.id", "'../c'", "container.id: bad id"},
	{"container.name", NULL, "container.name: required"},
	{"container.name", "''", "container.name: must not be empty"},
	{"container.name", "'a\\u001b[31m'", "container.name: must not hold control characters"},
	{"container.image", NULL, NULL},
	{"container.image", "null", NULL},
	{"container.image", "''", NULL},
	{"container.image", "7", "container.image: must be text"},
	{"network", "null", "network: must be an object"},
	{"network.id", "''", "network.id: must not be empty"},
	{"network.name", "'a\\nb'", "network.name: must not hold control characters"},
	{"network.driver", NULL, "network.driver: required"},
	{"ipv4", NULL, NULL},
	{"ipv4", "null", NULL},
	{"ipv4", "'169.254.7.7'", NULL},
	{"ipv4", "''", "ipv4: must not be empty"},
	{"ipv4", "'172.18.0.2/16'", "ipv4: "},
	{"ipv4", "'172.18.0.02'", "ipv4: "},
	{"ipv4", "'fd00::2'", "ipv4: fd00::2 is not an IPv4 address"},
	{"ipv4", "'0.0.0.0'", "ipv4: 0.0.0.0 cannot be the address of a container"},
	{"ipv4", "'127.0.0.1'", "ipv4: 127.0.0.1 cannot be"},
	{"ipv4", "'224.0.0.1'", "ipv4: 224.0.0.1 cannot be"},
	{"ipv4", "'255.255.255.255'", "ipv4: 255.255.255.255 cannot be"},
	{"ipv6", "null", NULL},
	{"ipv6", "'172.18.0.2'", "ipv6: 172.18.0.2 is not an IPv6 address"},
	{"ipv6", "'::'", "ipv6: :: cannot be"},
	{"ipv6", "'::1'", "ipv6: ::1 cannot be"},
	{"ipv6", "'ff02::1'", "ipv6: ff02::1 cannot be"},
	{"ipv6", "'::ffff:10.0.0.1'", "ipv6: ::ffff:10.0.0.1 cannot be"},
	{"ipv6", "'fe80::1%eth0'", "ipv6: "},
	{"mac", NULL, NULL},
	{"mac", "null", NULL},
	{"mac", "'02:42:AC:12:00:02'", NULL},
	{"mac", "'02:42:ac:12:00'", "mac: bad MAC address"},
	{"mac", "'02-42-ac-12-00-02'", "mac: bad MAC address"},
	{"mac", "'02:42:ac:12:00:0g'", "mac: bad MAC address"},
	{"mac", "'02:42:ac:12:00:02:03'", "mac: has 20 bytes"},
	{"mac", "'00:00:00:00:00:00'",
		"mac: 00:00:00:00:00:00 is not the MAC address of one interface"},
	{"mac", "'ff:ff:ff:ff:ff:ff'", "mac: ff:ff:ff:ff:ff:ff is not"},
	{"mac", "'01:00:5e:00:00:01'", "mac: 01:00:5e:00:00:01 is not"},
	{"labels", NULL, "labels: required"},
	{"labels", "{}", NULL},
	{"labels", "[]", "labels: must be an object"},
	{"labels", "{'a b':'c'}", "labels: "},
	{"labels", "{'a':'not valid'}", "labels: "},
	{"labels", "{'a':1}", "labels: "},
	{"labels", "{'docker/image':'registry/x:1'}", NULL},
	{"rejected", NULL, NULL},
	{"rejected", "{'':'empty key'}", NULL},
	{"rejected", "[]", "rejected: must be an object"},
	{"rejected", "{'a':1}", "rejected.a: must be text"},
	{"rejected", "{'a\\u0007':'x'}", "rejected.(unprintable): key must be printable"},
	{"ports", NULL, NULL},
	{"ports", "{}", "ports: must be a list"},
	{"ports.1", "80", "ports[1]: must be an object"},
	{"ports.0.proto", "'icmp'", "ports[0].proto: unknown protocol \"icmp\""},
	{"ports.0.proto", "'tcptcptcptcptcptcp'", "ports[0].proto: has 18 bytes"},
	{"ports.0.proto", NULL, "ports[0].proto: required"},
	{"ports.0.host_ip", "''", "ports[0].host_ip: must not be empty"},
	{"ports.0.host_ip", "'localhost'", "ports[0].host_ip: "},
	{"ports.1.host_port", "0", "ports[1].host_port: must be a whole number, 1..65535"},
	{"ports.1.port", "65536", "ports[1].port: must be a whole number, 1..65535"},
	{"state", NULL, "state: required"},
	{"state", "'starting'", NULL},
	{"state", "'paused'", NULL},
	{"state", "'exited'", "state: unknown state \"exited\""},
};

START_TEST(test_endpoint_changes)
{
	const struct change *change = &endpoint_changes[_i];
	cleanup_json json_t *record = changed(ENDPOINT, change->path, change->value);
	struct err err = {0};
	CLEANUP(endpoint)
	struct endpoint *endpoint = endpoint_from_json(record, "host-1", "ep1", &err);

	check_outcome(change, endpoint != NULL, &err);
	if (endpoint) {
		ck_assert_ptr_nonnull(endpoint->image);
		ck_assert_ptr_nonnull(endpoint->rejected);
	}
}
END_TEST

START_TEST(test_endpoint_round_trip)
{
	cleanup_json json_t *record = parse(ENDPOINT);
	cleanup_json json_t *again = NULL;
	struct err err = {0};
	CLEANUP(endpoint)
	struct endpoint *endpoint = endpoint_from_json(record, "host-1", "ep1", &err);
	CLEANUP(endpoint) struct endpoint *bare = xcalloc(1, sizeof(*bare));
	cleanup_json json_t *bare_record = NULL;

	ck_assert_msg(endpoint != NULL, "%s", err.text);
	again = endpoint_to_json(endpoint);
	ck_assert(json_equal(record, again));

	/* "no address" is null, never an empty string */
	bare->id = xstrdup("e");
	bare->node = xstrdup("n");
	bare->container_id = xstrdup("c");
	bare->container_name = xstrdup("c");
	bare->network_id = xstrdup("n");
	bare->network_name = xstrdup("n");
	bare->driver = xstrdup("bridge");
	bare_record = endpoint_to_json(bare);
	ck_assert(json_is_null(json_object_get(bare_record, "ipv4")));
	ck_assert(json_is_null(json_object_get(bare_record, "ipv6")));
	ck_assert(json_is_null(json_object_get(bare_record, "mac")));
	endpoint_free(steal_ptr(endpoint));
	endpoint = endpoint_from_json(bare_record, "n", "e", &err);
	ck_assert_msg(endpoint != NULL, "%s", err.text);
	ck_assert_uint_eq(endpoint->ipv4.family, 0);
	ck_assert(!endpoint->has_mac);
	ck_assert_int_eq(endpoint->state, ENDPOINT_STARTING);
}
END_TEST

/* Every one of these makes another endpoint; the key follows where the id or node change. */
static const struct change endpoint_differences[] = {
	{"id", "'ep2'", NULL},
	{"node", "'host-2'", NULL},
	{"container.id", "'c2'", NULL},
	{"container.name", "'web2'", NULL},
	{"container.image", "'nginx:2'", NULL},
	{"network.id", "'n2'", NULL},
	{"network.name", "'other'", NULL},
	{"network.driver", "'macvlan'", NULL},
	{"ipv4", "'172.18.0.3'", NULL},
	{"ipv4", "null", NULL},
	{"ipv6", "'fd00::3'", NULL},
	{"mac", "'02:42:ac:12:00:03'", NULL},
	{"mac", "null", NULL},
	{"labels", "{'role':'db'}", NULL},
	{"labels", "{}", NULL},
	{"labels.role", "'web'", NULL},
	{"rejected", "{}", NULL},
	{"rejected", "{'a b':'another reason'}", NULL},
	{"ports", "[]", NULL},
	{"ports.0.proto", "'udp'", NULL},
	{"ports.0.host_ip", "'192.0.2.1'", NULL},
	{"ports.0.host_port", "8081", NULL},
	{"ports.0.port", "81", NULL},
	{"state", "'paused'", NULL},
};

START_TEST(test_endpoint_equality)
{
	const struct change *change = &endpoint_differences[_i];
	cleanup_json json_t *record = parse(ENDPOINT);
	cleanup_json json_t *other_record = changed(ENDPOINT, change->path, change->value);
	struct err err = {0};
	CLEANUP(endpoint) struct endpoint *a = endpoint_from_json(record, "host-1", "ep1", &err);
	CLEANUP(endpoint) struct endpoint *same = endpoint_from_json(record, "host-1", "ep1", &err);
	CLEANUP(endpoint)
	struct endpoint *b = endpoint_from_json(other_record,
		json_string_value(json_object_get(other_record, "node")),
		json_string_value(json_object_get(other_record, "id")), &err);

	ck_assert_msg(a && b && same, "%s: %s", change->path, err.text);
	ck_assert(endpoint_equal(a, same));
	ck_assert_msg(!endpoint_equal(a, b), "%s", change->path);
	ck_assert_msg(!endpoint_equal(b, a), "%s", change->path);
}
END_TEST

/* --- networks -------------------------------------------------------------------------------------- */

START_TEST(test_network_fields)
{
	cleanup_json json_t *record = parse(NETWORK);
	cleanup_json json_t *again = NULL;
	struct err err = {0};
	CLEANUP(network) struct network *network = network_from_json(record, "n1", &err);
	char text[CIDR_TEXT_MAX];

	ck_assert_msg(network != NULL, "%s", err.text);
	ck_assert_str_eq(network->id, "n1");
	ck_assert_str_eq(network->name, "front end");
	ck_assert_str_eq(network->driver, "bridge");
	ck_assert_str_eq(network->bridge, "br-0123456789ab");
	ck_assert_uint_eq(network->subnet_count, 2);
	ck_assert_str_eq(cidr_format(&network->subnets[0], text), "172.18.0.0/16");
	ck_assert_str_eq(cidr_format(&network->subnets[1], text), "fd00::/64");
	ck_assert_str_eq(network->shared, "site-1");
	ck_assert_str_eq(network->isolation, "strict");
	again = network_to_json(network);
	ck_assert(json_equal(record, again));
}
END_TEST

static const struct change network_changes[] = {
	{"v", "0", "v: must be 1"},
	{"later", "true", NULL},
	{"id", "'n2'", "id: is \"n2\", but the record stands under \"n1\""},
	{"id", "'n/1'", "id: bad id"},
	{"name", NULL, "name: required"},
	{"driver", "''", "driver: must not be empty"},
	{"bridge", NULL, NULL},
	{"bridge", "null", NULL},
	{"bridge", "'docker0'", NULL},
	{"bridge", "'sixteen-letters!'", "bridge: has 16 bytes, at most 15 are allowed"},
	{"bridge", "''", "bridge: must not be empty"},
	{"bridge", "'a/b'", "bridge: \"a/b\" cannot be the name of an interface"},
	{"bridge", "'eth0:1'", "bridge: \"eth0:1\" cannot"},
	{"bridge", "'a b'", "bridge: \"a b\" cannot"},
	{"bridge", "'..'", "bridge: \"..\" cannot"},
	{"subnets", NULL, "subnets: required"},
	{"subnets", "[]", NULL},
	{"subnets", "'10.0.0.0/8'", "subnets: must be a list"},
	{"subnets.1", "'10.0.0.0/33'", "subnets[1]: "},
	{"subnets.0", "5", "subnets[0]: must be text"},
	{"shared", "null", NULL},
	{"shared", NULL, NULL},
	{"shared", "''", "shared: must not be empty"},
	{"shared", "true", "shared: must be text"},
	{"isolation", "null", NULL},
	{"isolation", "'labelled'", NULL},
	{"isolation", "'off'", NULL},
	{"isolation", "'Strict'", "isolation: must be labelled, strict, off or null"},
	{"isolation", "''", "isolation: must not be empty"},
};

START_TEST(test_network_changes)
{
	const struct change *change = &network_changes[_i];
	cleanup_json json_t *record = changed(NETWORK, change->path, change->value);
	struct err err = {0};
	CLEANUP(network) struct network *network = network_from_json(record, "n1", &err);

	check_outcome(change, network != NULL, &err);
}
END_TEST

static const struct change network_differences[] = {
	{"id", "'n2'", NULL},
	{"name", "'x'", NULL},
	{"driver", "'ipvlan'", NULL},
	{"bridge", "'br0'", NULL},
	{"bridge", "null", NULL},
	{"subnets", "['172.18.0.0/16']", NULL},
	{"subnets.0", "'172.18.0.0/17'", NULL},
	{"shared", "null", NULL},
	{"isolation", "'off'", NULL},
};

START_TEST(test_network_equality)
{
	const struct change *change = &network_differences[_i];
	cleanup_json json_t *record = parse(NETWORK);
	cleanup_json json_t *other_record = changed(NETWORK, change->path, change->value);
	struct err err = {0};
	CLEANUP(network) struct network *a = network_from_json(record, "n1", &err);
	CLEANUP(network) struct network *same = network_from_json(record, "n1", &err);
	CLEANUP(network)
	struct network *b = network_from_json(
		other_record, json_string_value(json_object_get(other_record, "id")), &err);

	ck_assert_msg(a && b && same, "%s: %s", change->path, err.text);
	ck_assert(network_equal(a, same));
	ck_assert_msg(!network_equal(a, b), "%s", change->path);
	ck_assert_msg(!network_equal(b, a), "%s", change->path);
}
END_TEST

START_TEST(test_subnets_lose_their_host_bits)
{
	cleanup_json json_t *record = changed(NETWORK, "subnets", "['172.18.3.1/16']");
	struct err err = {0};
	CLEANUP(network) struct network *network = network_from_json(record, "n1", &err);
	char text[CIDR_TEXT_MAX];

	ck_assert_msg(network != NULL, "%s", err.text);
	ck_assert_str_eq(cidr_format(&network->subnets[0], text), "172.18.0.0/16");
}
END_TEST

/* --- nodes ----------------------------------------------------------------------------------------- */

START_TEST(test_node_fields)
{
	cleanup_json json_t *record = parse(NODE);
	cleanup_json json_t *again = NULL;
	struct err err = {0};
	CLEANUP(node) struct node *node = node_from_json(record, "host-1", &err);

	ck_assert_msg(node != NULL, "%s", err.text);
	ck_assert_str_eq(node->node, "host-1");
	ck_assert_str_eq(node->engine, "ABCD:EFGH");
	ck_assert_str_eq(node->boot, "6b8c");
	ck_assert_str_eq(node->instance, "i1");
	ck_assert_str_eq(node->version, "0.1.0");
	ck_assert_int_eq(node->started, 1700000000);
	ck_assert_int_eq(node->heartbeat, 1700000010);
	again = node_to_json(node);
	ck_assert(json_equal(record, again));
}
END_TEST

static const struct change node_changes[] = {
	{"v", NULL, "v: required"},
	{"later", "[]", NULL},
	{"node", "'host-2'", "node: is \"host-2\""},
	{"node", "'a b'", "node: bad node name"},
	{"engine", NULL, "engine: required"},
	{"engine", "''", "engine: must not be empty"},
	{"boot", "1", "boot: must be text"},
	{"instance", "null", "instance: must be text"},
	{"version", "'1\\n'", "version: must not hold control characters"},
	{"started", "0", NULL},
	{"started", "-1", "started: must be a whole number"},
	{"heartbeat", "1.5", "heartbeat: must be a whole number"},
	{"heartbeat", "'1'", "heartbeat: must be a whole number"},
};

START_TEST(test_node_changes)
{
	const struct change *change = &node_changes[_i];
	cleanup_json json_t *record = changed(NODE, change->path, change->value);
	struct err err = {0};
	CLEANUP(node) struct node *node = node_from_json(record, "host-1", &err);

	check_outcome(change, node != NULL, &err);
}
END_TEST

START_TEST(test_node_names)
{
	char longest[RECORD_NAME_MAX + 2];
	struct err err = {0};

	ck_assert_int_eq(node_name_check("Host_1.example.org", &err), 0);
	ck_assert_int_eq(node_name_check("", &err), -1);
	ck_assert_int_eq(node_name_check("a/b", &err), -1);
	ck_assert_int_eq(node_name_check("a:b", &err), -1);
	memset(longest, 'n', sizeof(longest) - 1);
	longest[RECORD_NAME_MAX + 1] = '\0';
	ck_assert_int_eq(node_name_check(longest, &err), -1);
	longest[RECORD_NAME_MAX] = '\0';
	ck_assert_int_eq(node_name_check(longest, &err), 0);
}
END_TEST

/* --- decoding -------------------------------------------------------------------------------------- */

START_TEST(test_decoding)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"{}", NULL},
		{" {\"a\": [1, {\"b\": null}]}\n", NULL},
		{"", "decode record: byte "},
		{"{", "decode record: byte "},
		{"{}x", "decode record: byte "},
		{"[]", "decode record: must be an object"},
		{"5", "decode record: byte "},
		{"{\"a\":1,\"a\":2}", "decode record: byte "},
		{"{\"a\":{\"b\":1,\"b\":1}}", "decode record: byte "},
		{"{\"a\":\"\\u0000\"}", "decode record: byte "},
		{"{\"a\":\"\xff\"}", "decode record: byte "},
		{"{\"a\":1e999}", "decode record: byte "},
		{"{\"a\":99999999999999999999}", "decode record: byte "},
		{"{'a':1}", "decode record: byte "},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err err = {0};
		cleanup_json json_t *json =
			record_decode(cases[i].text, strlen(cases[i].text), &err);

		ck_assert_msg(!json == (cases[i].error != NULL), "%s: %s", cases[i].text, err.text);
		if (cases[i].error)
			ck_assert_msg(strstr(err.text, cases[i].error) == err.text, "%s", err.text);
	}
}
END_TEST

/* The limit is inclusive, the length given counts, and what lies behind it is not looked at. */
START_TEST(test_decoding_is_bounded)
{
	cleanup_free char *text = xcalloc(1, RECORD_BYTES_MAX + 2);
	struct err err = {0};
	cleanup_json json_t *fits = NULL, *over = NULL, *part = NULL;

	memset(text, ' ', RECORD_BYTES_MAX + 1);
	memcpy(text, "{}", 2);
	fits = record_decode(text, RECORD_BYTES_MAX, &err);
	ck_assert_msg(fits != NULL, "%s", err.text);
	over = record_decode(text, RECORD_BYTES_MAX + 1, &err);
	ck_assert_ptr_null(over);
	ck_assert_msg(strstr(err.text, "at most") != NULL, "%s", err.text);
	part = record_decode("{}garbage", 2, &err);
	ck_assert_ptr_nonnull(part);
}
END_TEST

START_TEST(test_deep_nesting_is_refused)
{
	enum { DEPTH = 100000 };
	cleanup_free char *text = xcalloc(1, 5 * DEPTH + 1);
	cleanup_json json_t *json = NULL;
	struct err err = {0};

	for (int i = 0; i < DEPTH; i++)
		memcpy(text + 5L * i, "{\"a\":", 5);
	json = record_decode(text, 5L * DEPTH, &err);
	ck_assert_ptr_null(json);
	ck_assert_msg(strstr(err.text, "depth") != NULL, "%s", err.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_endpoint_fields);
	tcase_add_loop_test(tcase, test_endpoint_changes, 0, COUNT(endpoint_changes));
	tcase_add_test(tcase, test_endpoint_round_trip);
	tcase_add_loop_test(tcase, test_endpoint_equality, 0, COUNT(endpoint_differences));
	tcase_add_test(tcase, test_network_fields);
	tcase_add_loop_test(tcase, test_network_changes, 0, COUNT(network_changes));
	tcase_add_loop_test(tcase, test_network_equality, 0, COUNT(network_differences));
	tcase_add_test(tcase, test_subnets_lose_their_host_bits);
	tcase_add_test(tcase, test_node_fields);
	tcase_add_loop_test(tcase, test_node_changes, 0, COUNT(node_changes));
	tcase_add_test(tcase, test_node_names);
	tcase_add_test(tcase, test_decoding);
	tcase_add_test(tcase, test_decoding_is_bounded);
	tcase_add_test(tcase, test_deep_nesting_is_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
