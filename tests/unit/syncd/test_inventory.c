/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who comes, who leaves, and who has the address then. */
#include "inventory_fixture.h"

/* --- the path of a starting container --- */

START_TEST(test_create_connect_start)
{
	network("n1", "");
	ck_assert_str_eq(changes(), "+n1");
	container_event("create", "c1", ",'p.role':'db'");
	ck_assert_str_eq(wants(), "c:c1!");
	container(inventory_tick(inventory), "c1", ",'Labels':{'p.role':'db'},'State':'created'");
	ck_assert_str_eq(wants(), "i:i1!");
	network_event("connect", "n1", "c1", 1);
	ck_assert_str_eq(wants(), "n:n1!");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	/* its labels may be the image's: held back until that is known */
	ck_assert_str_eq(changes(), "");
	CLEANUP(labels) struct labels *none = labels_new();
	inventory_image(inventory, "i1", none);
	ck_assert_str_eq(changes(), "+e1");
	{
		CLEANUP(endpoint) struct endpoint *e = published("e1");
		char text[IP_TEXT_MAX];

		ck_assert_str_eq(labels_get(e->labels, "role"), "db");
		ck_assert_str_eq(e->container_name, "c1-name");
		ck_assert_str_eq(ip_format(&e->ipv4, text), "10.0.0.2");
		ck_assert_int_eq(e->state, ENDPOINT_STARTING);
	}
	container_event("start", "c1", ",'p.role':'db'");
	ck_assert_str_eq(wants(), "c:c1");
	ck_assert_str_eq(changes(), "+e1");
	container(inventory_tick(inventory), "c1",
		",'State':'running','Ports':[{'PrivatePort':80,'PublicPort':8080,'Type':'tcp'}]");
	ck_assert_str_eq(changes(), "+e1");
	container(inventory_tick(inventory), "c1",
		",'State':'running','Ports':[{'PrivatePort':80,'PublicPort':8080,'Type':'tcp'}]");
	ck_assert_str_eq(changes(), "");
}
END_TEST

/* Without labels there is nothing that an image could have said: no look at it. */
START_TEST(test_unlabelled_waits_for_nothing)
{
	container_event("create", "c1", "");
	ck_assert_str_eq(wants(), "c:c1");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	ck_assert_str_eq(changes(), "+n1 +e1");
	container(inventory_tick(inventory), "c1", "");
	ck_assert_str_eq(wants(), "");
	ck_assert_str_eq(changes(), "");
}
END_TEST

START_TEST(test_image_labels_on_waits_for_nothing)
{
	teardown();
	setup_with(true);
	container_event("create", "c1", ",'p.role':'db'");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	ck_assert_str_eq(changes(), "+n1 +e1");
}
END_TEST

START_TEST(test_image_gone_then_back)
{
	inventory_stamp asked = inventory_tick(inventory);
	CLEANUP(labels) struct labels *none = labels_new();

	containers(asked, "[{'Id':'c1','ImageID':'i1','Names':['/x'],'Labels':{'p.role':'db'}}]");
	ck_assert_str_eq(wants(), "i:i1");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	inventory_image(inventory, "i1", NULL);
	ck_assert_str_eq(changes(), "+n1 +e1");
	{
		CLEANUP(endpoint) struct endpoint *e = published("e1");

		ck_assert_ptr_null(labels_get(e->labels, "role"));
		ck_assert_ptr_nonnull(
			strstr(labels_get(e->rejected, "role"), "image cannot be read"));
		ck_assert_ptr_nonnull(strstr(warnings.text, "\"role\" does not count"));
	}
	/* the next comparison asks again */
	containers(inventory_tick(inventory),
		"[{'Id':'c1','ImageID':'i1','Names':['/x'],'Labels':{'p.role':'db'}}]");
	ck_assert_str_eq(wants(), "i:i1");
	inventory_image(inventory, "i1", none);
	ck_assert_str_eq(changes(), "+e1");
	{
		CLEANUP(endpoint) struct endpoint *e = published("e1");

		ck_assert_str_eq(labels_get(e->labels, "role"), "db");
	}
}
END_TEST

START_TEST(test_attachment_of_unknown_container)
{
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	ck_assert_str_eq(wants(), "c:c1!");
	ck_assert_str_eq(changes(), "+n1");
	container(inventory_tick(inventory), "c1", "");
	ck_assert_str_eq(changes(), "+e1");
}
END_TEST

/* docker_gwbridge has "ingress-sbox", which is no container: asked for once, not at every inspect. */
START_TEST(test_attachment_of_no_container)
{
	network("n1", MEMBER("ingress-sbox", "e1", "10.0.0.2"));
	ck_assert_str_eq(wants(), "c:ingress-sbox!");
	inventory_container(inventory, "ingress-sbox", NULL, inventory_tick(inventory));
	network("n1", MEMBER("ingress-sbox", "e1", "10.0.0.2"));
	ck_assert_str_eq(wants(), "");
	ck_assert_str_eq(changes(), "+n1");
}
END_TEST

static size_t published_ports(const char *id)
{
	CLEANUP(endpoint) struct endpoint *endpoint = NULL;

	changes();
	endpoint = published(id);
	ck_assert_ptr_nonnull(endpoint);
	return endpoint->port_count;
}

/* The Engine may have moved the published ports of a container that runs; of one that starts it tells at the start. */
START_TEST(test_ports_after_connect_and_disconnect)
{
	two_containers();
	network("n2", MEMBER("c1", "e3", "10.0.0.2"));
	network_event("connect", "n2", "c1", 3000);
	ck_assert_str_eq(wants(), "n:n2!");
	container_event("start", "c1", "");
	wants();
	network_event("connect", "n2", "c1", 3000);
	ck_assert_str_eq(wants(), "n:n2! settled:c1");
	network_event("disconnect", "n2", "c1", 4000);
	ck_assert_str_eq(wants(), "again:n2 settled:c1");
	network_event("disconnect", "n1", "c1", 4001);
	ck_assert_str_eq(wants(), "again:n1");
	container_event("die", "c2", "");
	network("n2", MEMBER("c2", "e4", "10.0.0.2"));
	network_event("disconnect", "n1", "c2", 4002);
	ck_assert_str_eq(wants(), "again:n1");
}
END_TEST

/* The port that the Engine chose may be another container's before this one has one again. */
START_TEST(test_ports_end_with_the_run)
{
	const char *const running =
		",'State':'running','Ports':[{'PrivatePort':80,'PublicPort':32768,'Type':'tcp'}]";
	inventory_stamp asked;

	two_containers();
	container_event("start", "c1", "");
	container(inventory_tick(inventory), "c1", running);
	ck_assert_uint_eq(published_ports("e1"), 1);
	asked = inventory_tick(inventory);
	container_event("die", "c1", "");
	ck_assert_uint_eq(published_ports("e1"), 0);
	container(asked, "c1", running);
	network("n1", MEMBER("c1", "e3", "10.0.0.2"));
	ck_assert_uint_eq(published_ports("e3"), 0);
	container_event("start", "c1", "");
	container(inventory_tick(inventory), "c1", running);
	ck_assert_uint_eq(published_ports("e3"), 1);
	/* as an Engine says it that puts die last */
	network_event("disconnect", "n1", "c1", 5000);
	network("n1", MEMBER("c1", "e4", "10.0.0.2"));
	ck_assert_uint_eq(published_ports("e4"), 0);
}
END_TEST

/* --- leaving, and who comes after --- */

START_TEST(test_disconnect_twice)
{
	two_containers();
	network_event("disconnect", "n1", "c1", 2000);
	ck_assert_str_eq(changes(), "-e1");
	ck_assert_str_eq(wants(), "again:n1");
	network_event("disconnect", "n1", "c1", 2001);
	ck_assert_str_eq(changes(), "");
}
END_TEST

/* An answer asked before the disconnect does not bring the endpoint back. */
START_TEST(test_older_answer_after_disconnect)
{
	inventory_stamp asked;

	two_containers();
	asked = inventory_tick(inventory);
	network_event("disconnect", "n1", "c1", 2000);
	ck_assert_str_eq(changes(), "-e1");
	network_at(asked, 2001, "n1", MEMBER("c1", "e1", "10.0.0.2"));
	ck_assert_str_eq(changes(), "");
	/* nor does one asked after it, once the Engine has forgotten */
	network("n1", "");
	inventory_synced(inventory, inventory_tick(inventory));
	ck_assert_str_eq(changes(), "");
}
END_TEST

/* The answer was ahead of the stream: it has the successor already, which must not go with the old one. */
START_TEST(test_disconnect_of_the_one_before)
{
	two_containers();
	network_at(inventory_tick(inventory), 5000, "n1", MEMBER("c1", "e2", "10.0.0.2"));
	ck_assert_str_eq(changes(), "-e1 +e2");
	network_event("disconnect", "n1", "c1", 4000);
	ck_assert_str_eq(changes(), "");
	ck_assert_str_eq(wants(), "n:n1!");
}
END_TEST

START_TEST(test_address_passes_in_one_transaction)
{
	two_containers();
	/* e1's disconnect was lost, or is still to come */
	network("n1", MEMBER("c2", "e2", "10.0.0.2"));
	ck_assert_str_eq(changes(), "-e1 +e2");
}
END_TEST

START_TEST(test_newest_owns_the_address)
{
	char text[IP_TEXT_MAX];

	two_containers();
	network("n1", MEMBER("c1", "e1", "10.0.0.2") "," MEMBER("c2", "e2", "10.0.0.2"));
	ck_assert_str_eq(changes(), "-e1 +e2");
	/* given back when the other goes */
	network_event("disconnect", "n1", "c2", 2000);
	ck_assert_str_eq(changes(), "-e2 +e1");
	{
		CLEANUP(endpoint) struct endpoint *e = published("e1");

		ck_assert_str_eq(ip_format(&e->ipv4, text), "10.0.0.2");
	}
}
END_TEST

/* With another address left the endpoint stays, without the one that it lost. */
START_TEST(test_lost_address_of_two)
{
	two_containers();
	network("n1",
		"'c1':{'EndpointID':'e1','IPv4Address':'10.0.0.2/8','IPv6Address':'fd00::2/64'}");
	ck_assert_str_eq(changes(), "+e1");
	network("n1",
		"'c1':{'EndpointID':'e1','IPv4Address':'10.0.0.2/8','IPv6Address':'fd00::2/64'}"
		"," MEMBER("c2", "e2", "10.0.0.2"));
	ck_assert_str_eq(changes(), "+e2 +e1");
	{
		CLEANUP(endpoint) struct endpoint *e = published("e1");

		ck_assert_uint_eq(e->ipv4.family, 0);
		ck_assert_uint_eq(e->ipv6.family, 6);
	}
}
END_TEST

START_TEST(test_same_address_in_two_networks)
{
	two_containers();
	network("n2", MEMBER("c2", "e2", "10.0.0.2"));
	ck_assert_str_eq(changes(), "+n2 +e2");
}
END_TEST

START_TEST(test_container_in_two_networks)
{
	two_containers();
	network("n2", MEMBER("c1", "e2", "10.9.0.2"));
	ck_assert_str_eq(changes(), "+n2 +e2");
	container_event("pause", "c1", "");
	ck_assert_str_eq(changes(), "+e1 +e2");
	container_event("destroy", "c1", "");
	ck_assert_str_eq(changes(), "-e1 -e2");
}
END_TEST

/* command not found: neither start nor die */
START_TEST(test_failed_start)
{
	two_containers();
	network_event("disconnect", "n1", "c1", 2000);
	container_event("destroy", "c1", "");
	ck_assert_str_eq(changes(), "-e1");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_create_connect_start, test_unlabelled_waits_for_nothing,
		test_image_labels_on_waits_for_nothing, test_image_gone_then_back,
		test_attachment_of_unknown_container, test_attachment_of_no_container,
		test_ports_after_connect_and_disconnect, test_ports_end_with_the_run,
		test_disconnect_twice, test_older_answer_after_disconnect,
		test_disconnect_of_the_one_before, test_address_passes_in_one_transaction,
		test_newest_owns_the_address, test_lost_address_of_two,
		test_same_address_in_two_networks, test_container_in_two_networks,
		test_failed_start};
	Suite *suite = suite_create("syncd/inventory");
	TCase *tcase = tcase_create("inventory");
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
