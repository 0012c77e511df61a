/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "syncd/inventory.h"

#include <check.h>
#include <stdarg.h>
#include <string.h>

static struct inventory *inventory;
static struct strbuf warnings;

static void on_warn(const char *text, void *arg)
{
	(void)arg;
	strbuf_addf(&warnings, "%s\n", text);
}

static void setup_with(bool image_labels)
{
	const struct inventory_options options = {
		.node = "n1", .prefix = "p.", .image_labels = image_labels, .warn = on_warn};

	inventory = inventory_new(&options);
}

static void setup(void)
{
	setup_with(false);
}

static void teardown(void)
{
	inventory_free(inventory);
	strbuf_free(&warnings);
}

/* --- saying what the Engine says; single quotes stand for double ones --- */

static char *vjson(const char *fmt, va_list ap)
{
	char *text = NULL;

	ck_assert_int_ge(vasprintf(&text, fmt, ap), 0);
	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	return text;
}

printf_like(1, 2) static void event(const char *fmt, ...)
{
	struct docker_event parsed;
	cleanup_free char *text = NULL;
	struct err err = {0};
	va_list ap;

	va_start(ap, fmt);
	text = vjson(fmt, ap);
	va_end(ap);
	ck_assert_msg(
		docker_parse_event(text, strlen(text), "p.", &parsed, &err) == 0, "%s", err.text);
	inventory_event(inventory, &parsed);
	docker_event_clear(&parsed);
}

static void container_event(const char *action, const char *id, const char *labels)
{
	event("{'Type':'container','Action':'%s','Actor':{'ID':'%s','Attributes':{'name':'%s-name',"
	      "'image':'img'%s}}}",
		action, id, id, labels);
}

static void network_event(
	const char *action, const char *network, const char *container, long long time_ns)
{
	event("{'Type':'network','Action':'%s','Actor':{'ID':'%s','Attributes':{'container':'%s'}},"
	      "'timeNano':%lld}",
		action, network, container, time_ns);
}

printf_like(2, 3) static void containers(inventory_stamp asked, const char *fmt, ...)
{
	struct docker_containers list;
	cleanup_free char *text = NULL;
	struct err err = {0};
	va_list ap;

	va_start(ap, fmt);
	text = vjson(fmt, ap);
	va_end(ap);
	ck_assert_msg(docker_parse_containers(text, strlen(text), "p.", &list, &err) == 0, "%s",
		err.text);
	inventory_containers(inventory, &list, asked);
	docker_containers_clear(&list);
}

/* One container by id, as the list with a filter answers. */
static void container(inventory_stamp asked, const char *id, const char *rest)
{
	struct docker_containers list;
	cleanup_free char *text = xasprintf(
		"[{\"Id\":\"%s\",\"Names\":[\"/%s-name\"],\"Image\":\"img\",\"ImageID\":\"i1\"%s}]",
		id, id, rest);

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_int_eq(docker_parse_containers(text, strlen(text), "p.", &list, NULL), 0);
	inventory_container(inventory, id, &list.items[0], asked);
	docker_containers_clear(&list);
}

static void networks(inventory_stamp asked, const char *text)
{
	struct docker_networks list;
	cleanup_free char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_int_eq(docker_parse_networks(copy, strlen(copy), &list, NULL), 0);
	inventory_networks(inventory, &list, asked);
	docker_networks_clear(&list);
}

/* Network inspect of a bridge at wall time now_ns; members is the inside of "Containers". */
static void network_at(inventory_stamp asked, long long now_ns, const char *id, const char *members)
{
	struct docker_network found;
	cleanup_free char *text =
		xasprintf("{'Id':'%s','Name':'%s-name','Driver':'bridge','IPAM':{'Config':"
			  "[{'Subnet':'10.0.0.0/8'}]},'Containers':{%s}}",
			id, id, members);

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_int_eq(docker_parse_network(text, strlen(text), &found, NULL), 0);
	inventory_network(inventory, id, &found, asked, now_ns);
	docker_network_clear(&found);
}

static void network(const char *id, const char *members)
{
	network_at(inventory_tick(inventory), 1000, id, members);
}

#define MEMBER(container, endpoint, address) \
	"'" container "':{'EndpointID':'" endpoint "','IPv4Address':'" address "/8'}"

/* --- what comes out --- */

static struct strbuf out;

/* "+e1 -e2 +n1": what changed since the last call, in order, as one transaction. */
static const char *changes(void)
{
	struct store_change *list = NULL;
	size_t count = 0;

	strbuf_free(&out);
	inventory_collect(inventory, &list, &count);
	for (size_t i = 0; i < count; i++) {
		strbuf_addf(&out, "%s%s%s", i ? " " : "", list[i].record ? "+" : "-", list[i].id);
		store_change_clear(&list[i]);
	}
	free(list);
	return out.text ? out.text : "";
}

/* The published record of an endpoint; NULL: none. Caller frees. */
static struct endpoint *published(const char *id)
{
	struct store_change *list = NULL;
	struct endpoint *endpoint = NULL;
	size_t count = 0;

	inventory_whole(inventory, &list, &count);
	for (size_t i = 0; i < count; i++) {
		if (list[i].kind == KIND_ENDPOINT && !strcmp(list[i].id, id)) {
			cleanup_json json_t *record =
				record_decode(list[i].record, strlen(list[i].record), NULL);

			endpoint = endpoint_from_json(record, "n1", id, NULL);
			ck_assert_ptr_nonnull(endpoint);
		}
		store_change_clear(&list[i]);
	}
	free(list);
	return endpoint;
}

/* "c:id! n:id ...": wishes in order, ! for urgent ones. */
static const char *wants(void)
{
	static const char *const names[] = {"c:", "n:", "again:", "i:", "all"};
	struct want want;

	strbuf_free(&out);
	while (inventory_next_want(inventory, &want)) {
		strbuf_addf(&out, "%s%s%s%s", out.len ? " " : "", names[want.kind],
			want.id ? want.id : "", want.urgent ? "!" : "");
		free(want.id);
	}
	return out.text ? out.text : "";
}

static void out_free(void)
{
	strbuf_free(&out);
}

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

/* --- leaving, and who comes after --- */

static void two_containers(void)
{
	container_event("create", "c1", "");
	container_event("create", "c2", "");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	changes();
	wants();
}

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
	const TTest *const tests[] = {test_create_connect_start, test_unlabelled_waits_for_nothing,
		test_image_labels_on_waits_for_nothing, test_image_gone_then_back,
		test_attachment_of_unknown_container, test_attachment_of_no_container,
		test_disconnect_twice, test_older_answer_after_disconnect,
		test_disconnect_of_the_one_before, test_address_passes_in_one_transaction,
		test_newest_owns_the_address, test_lost_address_of_two,
		test_same_address_in_two_networks, test_container_in_two_networks,
		test_failed_start, test_states, test_rename, test_list_drops_and_keeps,
		test_older_list_does_not_revive, test_older_list_does_not_undo_events,
		test_networks_listed, test_network_created_after_the_list_was_asked,
		test_network_gone_takes_its_endpoints, test_network_change_reaches_endpoints,
		test_whole_is_what_was_collected, test_ineffective_labels, test_bad_isolation_word,
		test_impossible_address, test_stats, test_many};
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
