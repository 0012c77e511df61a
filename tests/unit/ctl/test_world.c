/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/world.h"

#include "common/xalloc.h"

#include <check.h>
#include <string.h>

static struct world *world;

static void setup(void)
{
	world = world_new();
}

static void teardown(void)
{
	world_free(world);
}

static void add(enum store_kind kind, const char *node, const char *field, const char *text)
{
	struct err err = {0};

	ck_assert_msg(
		!world_add(world, kind, node, field, text, strlen(text), &err), "%s", err.text);
}

static void add_endpoint(const char *node, const char *id, const char *container,
	const char *network, const char *labels)
{
	const char *driver = strcmp(network, "macvlan") != 0 ? "bridge" : "macvlan";
	const char *rejected = strcmp(container, "typo") != 0 ? "{}" : "{\"a b\":\"bad\"}";
	cleanup_free char *text = xasprintf(
		"{\"v\":1,\"id\":\"%s\",\"node\":\"%s\",\"container\":{\"id\":\"c-%s\",\"name\":\"%s\","
		"\"image\":\"busybox\"},\"network\":{\"id\":\"n-%s\",\"name\":\"%s\",\"driver\":\"%s\"},"
		"\"ipv4\":\"10.0.0.2\",\"ipv6\":null,\"mac\":\"02:42:ac:11:00:02\",\"labels\":%s,"
		"\"rejected\":%s,\"ports\":[],\"state\":\"running\"}",
		id, node, id, container, network, network, driver, labels, rejected);

	add(KIND_ENDPOINT, node, id, text);
}

static void add_network(
	const char *node, const char *name, const char *bridge, const char *isolation)
{
	cleanup_free char *id = xasprintf("n-%s", name);
	cleanup_free char *text = xasprintf(
		"{\"v\":1,\"id\":\"%s\",\"name\":\"%s\",\"driver\":\"bridge\",\"bridge\":\"%s\","
		"\"subnets\":[\"10.0.0.0/24\"],\"shared\":null,\"isolation\":%s}",
		id, name, bridge, isolation);

	add(KIND_NETWORK, node, id, text);
}

static const struct world_endpoint *find(const char *id)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		if (!strcmp(endpoints[i].record->id, id))
			return &endpoints[i];
	ck_abort_msg("no endpoint %s", id);
}

static void add_shared_network(
	const char *node, const char *name, const char *subnet, const char *shared)
{
	cleanup_free char *id = xasprintf("n-%s", name);
	cleanup_free char *text = xasprintf(
		"{\"v\":1,\"id\":\"%s\",\"name\":\"%s\",\"driver\":\"bridge\",\"bridge\":\"br0\","
		"\"subnets\":[\"%s\"],\"shared\":%s,\"isolation\":null}",
		id, name, subnet, shared);

	add(KIND_NETWORK, node, id, text);
}

static enum claim_standing standing(const char *id, const char *node)
{
	const struct world_endpoint *endpoint = find(id);

	return world_claim(world, endpoint, &endpoint->record->ipv4, node).standing;
}

static void expect_network(const char *name, enum isolation isolation, const char *source)
{
	size_t count;
	const struct world_network *networks = world_networks(world, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(networks[i].record->name, name) != 0)
			continue;
		ck_assert_msg(networks[i].isolation == isolation, "%s is %s", name,
			isolation_name(networks[i].isolation));
		ck_assert_str_eq(networks[i].source, source);
		return;
	}
	ck_abort_msg("no network %s", name);
}

START_TEST(operator_labels_stand_over_the_containers)
{
	const struct labels *labels;

	add_endpoint("a", "e1", "web", "net", "{\"role\":\"old\",\"keep\":\"1\"}");
	add_endpoint("b", "e2", "web", "net", "{}");
	add(KIND_LABELS, NULL, "*/web", "{\"role\":\"any\",\"tier\":\"x\"}");
	add(KIND_LABELS, NULL, "a/web", "{\"role\":\"own\"}");
	add(KIND_LABELS, NULL, "c/web", "{\"role\":\"other\"}");
	world_finish(world);
	labels = find("e1")->labels;
	ck_assert_str_eq(labels_get(labels, "role"), "own");
	ck_assert_str_eq(labels_get(labels, "tier"), "x");
	ck_assert_str_eq(labels_get(labels, "keep"), "1");
	ck_assert_str_eq(labels_get(find("e2")->labels, "role"), "any");
	ck_assert(find("e2")->isolated);
}
END_TEST

START_TEST(the_first_that_speaks_decides_isolation)
{
	cleanup_json json_t *bridges =
		json_pack("{s:s, s:s, s:s}", "br0", "off", "br2", "strict", "br3", "nonsense");

	add_network("a", "own", "br0", "\"labelled\"");
	add_network("a", "any", "br1", "\"labelled\"");
	add_network("a", "flag", "br2", "\"off\"");
	add_network("a", "label", "br3", "\"off\"");
	add_network("a", "silent", "br4", "null");
	add(KIND_ISOLATION, NULL, "a/own", "strict");
	add(KIND_ISOLATION, NULL, "*/own", "off");
	add(KIND_ISOLATION, NULL, "*/any", "strict");
	add(KIND_ISOLATION, NULL, "b/label", "strict");
	world_add_bridges(world, "a", bridges);
	world_finish(world);
	expect_network("own", ISOLATION_STRICT, "bulkheadctl");
	expect_network("any", ISOLATION_STRICT, "bulkheadctl");
	expect_network("flag", ISOLATION_STRICT, "enforcerd");
	expect_network("label", ISOLATION_OFF, "label");
	expect_network("silent", ISOLATION_LABELLED, "default");
}
END_TEST

START_TEST(who_is_isolated)
{
	CLEANUP(selector) struct selector *everyone = selector_parse("all()", NULL);
	CLEANUP(selector) struct selector *roles = selector_parse("has(role)", NULL);
	size_t loose = 99;

	add_network("a", "strict", "br0", "\"strict\"");
	add_network("a", "labelled", "br1", "null");
	add_network("a", "off", "br2", "\"off\"");
	add_endpoint("a", "e1", "c1", "strict", "{}");
	add_endpoint("a", "e2", "c2", "labelled", "{\"docker/image\":\"busybox\"}");
	add_endpoint("a", "e3", "c3", "labelled", "{\"role\":\"x\"}");
	add_endpoint("a", "e4", "c4", "off", "{\"role\":\"x\"}");
	add_endpoint("a", "e5", "c5", "unknown", "{\"role\":\"x\"}");
	add_endpoint("a", "e6", "typo", "labelled", "{}");
	add_endpoint("a", "e7", "c7", "macvlan", "{\"role\":\"x\"}");
	world_finish(world);
	ck_assert(find("e1")->isolated);
	ck_assert(!find("e2")->isolated);
	ck_assert(find("e3")->isolated);
	ck_assert(!find("e4")->isolated);
	ck_assert(find("e5")->isolated);
	ck_assert(find("e6")->isolated);
	ck_assert(!find("e7")->isolated);
	ck_assert_uint_eq(world_count(world, everyone, &loose), 7);
	ck_assert_uint_eq(loose, 3);
	ck_assert_uint_eq(world_count(world, roles, &loose), 4);
	ck_assert_uint_eq(loose, 2);
}
END_TEST

START_TEST(says_why_another_nodes_endpoint_is_a_stranger)
{
	const struct world_endpoint *endpoint;
	struct claim claim;

	add_shared_network("a", "here", "10.1.0.0/24", "\"dom\"");
	add_shared_network("b", "bridge", "10.0.0.0/24", "\"dom\"");
	add_shared_network("b", "narrow", "10.0.1.0/24", "\"dom\"");
	add_shared_network("b", "private", "10.0.0.0/24", "null");
	add_shared_network("c", "wide", "10.0.0.0/16", "null");
	add_endpoint("b", "counts", "x", "bridge", "{}");
	add_endpoint("b", "outside", "x", "narrow", "{}");
	add_endpoint("b", "private", "x", "private", "{}");
	add_endpoint("b", "lost", "x", "nowhere", "{}");
	world_finish(world);
	endpoint = find("counts");
	ck_assert_str_eq(endpoint->network->name, "bridge");
	ck_assert_int_eq(standing("counts", "a"), CLAIM_COUNTS);
	ck_assert_int_eq(standing("counts", "d"), CLAIM_NO_DOMAIN);
	ck_assert_int_eq(standing("outside", "a"), CLAIM_OUTSIDE);
	ck_assert_int_eq(standing("private", "a"), CLAIM_PRIVATE);
	ck_assert_int_eq(standing("lost", "a"), CLAIM_NO_NETWORK);
	claim = world_claim(world, endpoint, &endpoint->record->ipv4, "c");
	ck_assert_int_eq(claim.standing, CLAIM_TAKEN);
	ck_assert_str_eq(claim.by->name, "wide");
	claim = world_claim(world, endpoint, &endpoint->record->ipv6, "a");
	ck_assert_int_eq(claim.standing, CLAIM_NO_ADDRESS);
}
END_TEST

START_TEST(sorts_by_node_container_and_network)
{
	static const char *const order[] = {"e4", "e3", "e2", "e1"};
	const struct world_endpoint *endpoints;
	size_t count;

	add_endpoint("b", "e1", "a", "n", "{}");
	add_endpoint("a", "e2", "b", "n", "{}");
	add_endpoint("a", "e3", "a", "z", "{}");
	add_endpoint("a", "e4", "a", "n", "{}");
	world_finish(world);
	endpoints = world_endpoints(world, &count);
	ck_assert_uint_eq(count, 4);
	for (size_t i = 0; i < count; i++)
		ck_assert_str_eq(endpoints[i].record->id, order[i]);
}
END_TEST

START_TEST(refuses_what_cannot_be_decoded)
{
	static const struct {
		enum store_kind kind;
		const char *text;
	} bad[] = {
		{KIND_ENDPOINT, "not JSON"},
		{KIND_ENDPOINT, "{}"},
		{KIND_NETWORK, "[]"},
		{KIND_ISOLATION, "Strict"},
		{KIND_ISOLATION, ""},
		{KIND_LABELS, "{\"a\":5}"},
		{KIND_LABELS, "{\"a b\":\"c\"}"},
		{KIND_POLICY, "{}"},
	};
	size_t count;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = {0};

		ck_assert_int_eq(world_add(world, bad[i].kind, "a", "f", bad[i].text,
					 strlen(bad[i].text), &err),
			-1);
		ck_assert_str_ne(err.text, "");
	}
	world_add_bridges(world, "a", NULL);
	world_finish(world);
	world_endpoints(world, &count);
	ck_assert_uint_eq(count, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, operator_labels_stand_over_the_containers);
	tcase_add_test(t, the_first_that_speaks_decides_isolation);
	tcase_add_test(t, who_is_isolated);
	tcase_add_test(t, says_why_another_nodes_endpoint_is_a_stranger);
	tcase_add_test(t, sorts_by_node_container_and_network);
	tcase_add_test(t, refuses_what_cannot_be_decoded);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
