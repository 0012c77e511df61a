/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists against events, and what people are told. */
#include "inventory_fixture.h"

/* --- states and names --- */

START_TEST(test_states)
{
	static const struct {
		const char *action;
		enum endpoint_state state;
	} steps[] = {
		{"start", ENDPOINT_RUNNING},
		{"pause", ENDPOINT_PAUSED},
		{"unpause", ENDPOINT_RUNNING},
		{"die", ENDPOINT_STARTING},
	};

	two_containers();
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		container_event(steps[i].action, "c1", "");
		ck_assert_str_eq(changes(), "+e1");
		CLEANUP(endpoint) struct endpoint *e = published("e1");
		ck_assert_int_eq(e->state, steps[i].state);
	}
}
END_TEST

START_TEST(test_rename)
{
	two_containers();
	event("{'Type':'container','Action':'rename','Actor':{'ID':'c1','Attributes':{'name':'new',"
	      "'oldName':'/c1-name','image':'img'}}}");
	ck_assert_str_eq(changes(), "+e1");
	CLEANUP(endpoint) struct endpoint *e = published("e1");
	ck_assert_str_eq(e->container_name, "new");
	ck_assert_str_eq(labels_get(e->labels, "docker/container"), "new");
}
END_TEST

/* --- full comparison --- */

START_TEST(test_list_drops_and_keeps)
{
	inventory_stamp asked;

	two_containers();
	asked = inventory_tick(inventory);
	container_event("create", "c3", ""); /* after the question */
	network("n1", MEMBER("c1", "e1", "10.0.0.2") "," MEMBER("c3", "e3", "10.0.0.3"));
	changes();
	containers(asked, "[]");
	ck_assert_str_eq(changes(), "-e1");
	ck_assert_ptr_null(published("e1"));
	CLEANUP(endpoint) struct endpoint *e = published("e3");
	ck_assert_ptr_nonnull(e);
}
END_TEST

START_TEST(test_older_list_does_not_revive)
{
	inventory_stamp asked;

	two_containers();
	asked = inventory_tick(inventory);
	container_event("destroy", "c2", "");
	containers(asked,
		"[{'Id':'c1','Names':['/c1-name'],'Image':'img'},{'Id':'c2','Names':['/z']}]");
	network("n1", MEMBER("c1", "e1", "10.0.0.2") "," MEMBER("c2", "e2", "10.0.0.3"));
	/* network inspect lags behind: without its container there is no record */
	ck_assert_str_eq(changes(), "");
}
END_TEST

START_TEST(test_older_list_does_not_undo_events)
{
	inventory_stamp asked = inventory_tick(inventory);

	two_containers();
	container_event("start", "c1", "");
	changes();
	containers(asked, "[{'Id':'c1','Names':['/old'],'Image':'img','State':'created'},"
			  "{'Id':'c2','Names':['/c2-name'],'Image':'img'}]");
	ck_assert_str_eq(changes(), "");
}
END_TEST

START_TEST(test_networks_listed)
{
	networks(inventory_tick(inventory),
		"[{'Id':'n1','Name':'a','Driver':'bridge'},{'Id':'h','Name':'host','Driver':'host'}]");
	ck_assert_str_eq(wants(), "n:n1");
	ck_assert_str_eq(changes(), "+n1");
	networks(inventory_tick(inventory), "[{'Id':'n2','Name':'b','Driver':'macvlan'}]");
	ck_assert_str_eq(changes(), "-n1 +n2");
}
END_TEST

START_TEST(test_network_created_after_the_list_was_asked)
{
	inventory_stamp asked = inventory_tick(inventory);

	network("n1", "");
	ck_assert_str_eq(changes(), "+n1");
	networks(asked, "[]");
	ck_assert_str_eq(changes(), "");
	network_event("destroy", "n1", "", 0);
	ck_assert_str_eq(changes(), "-n1");
	networks(asked, "[{'Id':'n1','Name':'a','Driver':'bridge'}]");
	ck_assert_str_eq(changes(), "");
}
END_TEST

/* Network inspect by name. */
static void gateway_by_name(inventory_stamp asked, const char *members)
{
	struct docker_network found;
	cleanup_free char *text = xasprintf("{'Id':'g1','Name':'docker_gwbridge','Driver':'bridge',"
					    "'IPAM':{'Config':[{'Subnet':'10.0.0.0/8'}]},"
					    "'Containers':{%s}}",
		members);

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_int_eq(docker_parse_network(text, strlen(text), &found, NULL), 0);
	inventory_network(inventory, "docker_gwbridge", &found, asked, 1000);
	docker_network_clear(&found);
}

/* Nothing tells of an overlay network's second endpoint: its network is asked for, by name while it is not known. */
START_TEST(test_gateway_of_an_overlay)
{
	inventory_stamp asked;

	two_containers();
	networks(inventory_tick(inventory),
		"[{'Id':'n1','Name':'a','Driver':'bridge'},{'Id':'o1','Name':'o','Driver':'overlay'}]");
	changes();
	wants();
	network_event("connect", "n1", "c1", 1);
	ck_assert_str_eq(wants(), "n:n1!");
	network_event("connect", "o1", "c1", 2);
	ck_assert_str_eq(wants(), "n:o1! n:docker_gwbridge!");
	asked = inventory_tick(inventory);
	inventory_network(inventory, "docker_gwbridge", NULL, asked, 1000);
	ck_assert_str_eq(changes(), "");
	gateway_by_name(asked, MEMBER("c1", "e8", "10.0.0.8"));
	ck_assert_str_eq(changes(), "+g1 +e8");
	network_event("disconnect", "o1", "c1", 3);
	ck_assert_str_eq(wants(), "again:o1 n:g1!");
	/* an older answer to the name comes after a newer one to the id */
	gateway_by_name(asked, "");
	ck_assert_str_eq(changes(), "");
	network_event("destroy", "g1", "", 4);
	ck_assert_str_eq(changes(), "-e8 -g1");
	gateway_by_name(asked, MEMBER("c1", "e8", "10.0.0.8"));
	ck_assert_str_eq(changes(), "");
}
END_TEST

START_TEST(test_network_gone_takes_its_endpoints)
{
	two_containers();
	inventory_network(inventory, "n1", NULL, inventory_tick(inventory), 0);
	ck_assert_str_eq(changes(), "-e1 -n1");
}
END_TEST

START_TEST(test_network_change_reaches_endpoints)
{
	two_containers();
	networks(inventory_tick(inventory), "[{'Id':'n1','Name':'renamed','Driver':'bridge'}]");
	ck_assert_str_eq(changes(), "+n1 +e1");
}
END_TEST

START_TEST(test_whole_is_what_was_collected)
{
	struct store_change *list = NULL;
	size_t count = 0;

	two_containers();
	inventory_whole(inventory, &list, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(list[0].kind, KIND_NETWORK);
	ck_assert_int_eq(list[1].kind, KIND_ENDPOINT);
	for (size_t i = 0; i < count; i++)
		store_change_clear(&list[i]);
	free(list);
}
END_TEST

/* --- what people are told --- */

START_TEST(test_ineffective_labels)
{
	container(inventory_tick(inventory), "c1",
		",'Labels':{'p.role':'db'},'HostConfig':{'NetworkMode':'host'}");
	ck_assert_ptr_nonnull(strstr(warnings.text, "uses the host's network"));
	strbuf_reset(&warnings);
	container(inventory_tick(inventory), "c2",
		",'Labels':{'p.role':'db'},'HostConfig':{'NetworkMode':'container:c1'}");
	ck_assert_ptr_nonnull(strstr(warnings.text, "acts with that one's labels"));
	strbuf_reset(&warnings);
	container(inventory_tick(inventory), "c2", ""); /* once */
	container(inventory_tick(inventory), "c3", ",'HostConfig':{'NetworkMode':'host'}");
	ck_assert_str_eq(warnings.text, "");
}
END_TEST

START_TEST(test_bad_isolation_word)
{
	networks(inventory_tick(inventory), "[{'Id':'n1','Name':'a','Driver':'bridge','Labels':"
					    "{'bulkhead.isolation':'srtict'}}]");
	ck_assert_ptr_nonnull(strstr(warnings.text, "bulkhead.isolation=srtict"));
	ck_assert_str_eq(changes(), "+n1");
}
END_TEST

/* What readers would refuse is held back and named; the others are not touched by it. */
START_TEST(test_impossible_address)
{
	two_containers();
	network("n1", MEMBER("c1", "e1", "10.0.0.2") "," MEMBER("c2", "e2", "224.0.0.1"));
	ck_assert_str_eq(changes(), "");
	ck_assert_ptr_nonnull(strstr(warnings.text, "cannot be published"));
}
END_TEST

START_TEST(test_stats)
{
	struct inventory_stats stats;

	two_containers();
	network("n1", MEMBER("c1", "e1", "10.0.0.2") "," MEMBER("c9", "e9", "10.0.0.9"));
	container_event("create", "c2", "");
	changes();
	inventory_stats(inventory, &stats);
	ck_assert_uint_eq(stats.endpoints, 1);
	ck_assert_uint_eq(stats.networks, 1);
	ck_assert_uint_eq(stats.held, 1);
}
END_TEST

START_TEST(test_many)
{
	struct strbuf members = {0};
	struct inventory_stats stats;
	enum { MANY = 2000 };

	for (int i = 0; i < MANY; i++) {
		cleanup_free char *id = xasprintf("c%d", i);

		container_event("create", id, "");
		strbuf_addf(&members, "%s'c%d':{'EndpointID':'e%d','IPv4Address':'10.0.%d.%d/8'}",
			i ? "," : "", i, i, i / 200, i % 200 + 1);
	}
	network("n1", members.text);
	changes();
	inventory_stats(inventory, &stats);
	ck_assert_uint_eq(stats.endpoints, MANY);
	network("n1", "");
	changes();
	inventory_stats(inventory, &stats);
	ck_assert_uint_eq(stats.endpoints, 0);
	strbuf_free(&members);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_states, test_rename, test_list_drops_and_keeps,
		test_older_list_does_not_revive, test_older_list_does_not_undo_events,
		test_networks_listed, test_network_created_after_the_list_was_asked,
		test_gateway_of_an_overlay, test_network_gone_takes_its_endpoints,
		test_network_change_reaches_endpoints, test_whole_is_what_was_collected,
		test_ineffective_labels, test_bad_isolation_word, test_impossible_address,
		test_stats, test_many};
	Suite *suite = suite_create("syncd/inventory_lists");
	TCase *tcase = tcase_create("inventory_lists");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_checked_fixture(tcase, NULL, out_free);
	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
