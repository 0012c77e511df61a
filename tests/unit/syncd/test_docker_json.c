/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "syncd/docker_json.h"
#include "tests/unit/syncd/prefixes.h"

#include <check.h>
#include <string.h>

static struct label_prefixes *prefixes;

static void setup(void)
{
	prefixes = prefixes_of("p.");
}

static void teardown(void)
{
	label_prefixes_free(prefixes);
}

/* Shapes as recorded from Engine 20.10; single quotes stand for double ones. */
static char *json(const char *text)
{
	char *copy = xstrdup(text);

	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

/* --- events --- */

static int parse_event(const char *text, struct docker_event *event, struct err *err)
{
	cleanup_free char *copy = json(text);

	return docker_parse_event(copy, strlen(copy), prefixes, event, err);
}

START_TEST(test_event_create)
{
	struct docker_event event;

	ck_assert_int_eq(
		parse_event("{'status':'create','id':'35','from':'busybox','Type':'container',"
			    "'Action':'create','Actor':{'ID':'3502','Attributes':{'image':"
			    "'busybox','name':'c1','p.role':'db','other':'x'}},'scope':'local',"
			    "'time':1795440280,'timeNano':1795440280022464918}",
			&event, NULL),
		0);
	ck_assert_int_eq(event.action, CONTAINER_CREATE);
	ck_assert_str_eq(event.id, "3502");
	ck_assert_str_eq(event.name, "c1");
	ck_assert_str_eq(event.image, "busybox");
	ck_assert_int_eq(event.time_ns, 1795440280022464918LL);
	ck_assert_uint_eq(labels_count(event.labels), 1);
	ck_assert_str_eq(labels_get(event.labels, "p.role"), "db");
	docker_event_clear(&event);
}
END_TEST

/* From API 1.52 on the old members are gone; nothing of them is used. */
START_TEST(test_event_connect)
{
	struct docker_event event;

	ck_assert_int_eq(
		parse_event(
			"{'Type':'network','Action':'connect','Actor':{'ID':'54fe','Attributes':"
			"{'container':'3502','name':'net6','type':'bridge'}},'timeNano':7}",
			&event, NULL),
		0);
	ck_assert_int_eq(event.action, NETWORK_CONNECT);
	ck_assert_str_eq(event.id, "54fe");
	ck_assert_str_eq(event.container, "3502");
	ck_assert_ptr_null(event.labels);
	docker_event_clear(&event);
}
END_TEST

static const struct {
	const char *type, *action;
	enum docker_action code;
} actions[] = {
	{"container", "start", CONTAINER_START},
	{"container", "die", CONTAINER_DIE},
	{"container", "pause", CONTAINER_PAUSE},
	{"container", "unpause", CONTAINER_UNPAUSE},
	{"container", "rename", CONTAINER_RENAME},
	{"container", "destroy", CONTAINER_DESTROY},
	{"container", "exec_create: sh", ACTION_OTHER},
	{"container", "oom", ACTION_OTHER},
	{"network", "create", NETWORK_CREATE},
	{"network", "disconnect", NETWORK_DISCONNECT},
	{"network", "destroy", NETWORK_DESTROY},
	{"network", "start", ACTION_OTHER},
	{"daemon", "reload", DAEMON_RELOAD},
	{"image", "create", ACTION_OTHER},
};

START_TEST(test_event_actions)
{
	cleanup_free char *text = xasprintf("{'Type':'%s','Action':'%s','Actor':{'ID':'a'}}",
		actions[_i].type, actions[_i].action);
	struct docker_event event;

	ck_assert_int_eq(parse_event(text, &event, NULL), 0);
	ck_assert_int_eq(event.action, actions[_i].code);
	docker_event_clear(&event);
}
END_TEST

static const struct {
	const char *text, *why;
} bad_events[] = {
	{"", "parse event"},
	{"[]", "event has the wrong type"},
	{"{'Type':'container'", "parse event"},
	{"{'Type':1}", "Type has the wrong type"},
	{"{'Type':'container','Action':'start'}", "Actor.ID"},
	{"{'Type':'container','Action':'start','Actor':[]}", "Actor has the wrong type"},
	{"{'Type':'container','Action':'start','Actor':{'ID':'../x'}}", "Actor.ID"},
	{"{'Type':'container','Action':'start','Actor':{'ID':'a','Attributes':{'p.x':1}}}",
		"Attributes has the wrong type"},
	{"{'Type':'container','Type':'network'}", "parse event"},
};

START_TEST(test_event_bad)
{
	struct docker_event event = {0};
	struct err err = {0};

	ck_assert_int_eq(parse_event(bad_events[_i].text, &event, &err), -1);
	ck_assert_msg(strstr(err.text, bad_events[_i].why) != NULL, "%s", err.text);
	ck_assert_ptr_null(event.id);
}
END_TEST

/* --- containers --- */

static int parse_containers(const char *text, struct docker_containers *list, struct err *err)
{
	cleanup_free char *copy = json(text);

	return docker_parse_containers(copy, strlen(copy), prefixes, list, err);
}

START_TEST(test_containers)
{
	struct docker_containers list;
	const struct docker_container *c;

	ck_assert_int_eq(
		parse_containers(
			"[{'Id':'3502','Names':['/other/alias','/c1'],'Image':'busybox',"
			"'ImageID':'sha256:89','Created':1,'Ports':["
			"{'IP':'::','PrivatePort':80,'PublicPort':18080,'Type':'tcp'},"
			"{'IP':'0.0.0.0','PrivatePort':80,'PublicPort':18080,'Type':'tcp'},"
			"{'IP':'0.0.0.0','PrivatePort':80,'PublicPort':18080,'Type':'tcp'},"
			"{'PrivatePort':53,'PublicPort':5353,'Type':'udp'},"
			"{'PrivatePort':443,'Type':'tcp'}],"
			"'Labels':{'p.role':'db','x':'y'},'State':'paused',"
			"'HostConfig':{'NetworkMode':'net6'}},"
			"{'Id':'ae3d','Names':null,'Labels':null,'Ports':null,'State':'created'}]",
			&list, NULL),
		0);
	ck_assert_uint_eq(list.count, 2);
	c = &list.items[0];
	ck_assert_str_eq(c->name, "c1");
	ck_assert_str_eq(c->image_id, "sha256:89");
	ck_assert_str_eq(c->network_mode, "net6");
	ck_assert_int_eq(c->state, ENDPOINT_PAUSED);
	ck_assert_uint_eq(labels_count(c->labels), 1);
	ck_assert_uint_eq(c->port_count, 3);
	ck_assert_str_eq(c->ports[0].proto, "udp");
	ck_assert_uint_eq(c->ports[0].host_port, 5353);
	ck_assert_uint_eq(c->ports[1].host_ip.family, 4);
	ck_assert_uint_eq(c->ports[2].host_ip.family, 6);
	ck_assert_str_eq(list.items[1].name, "");
	ck_assert_int_eq(list.items[1].state, ENDPOINT_STARTING);
	docker_containers_clear(&list);
}
END_TEST

START_TEST(test_containers_without_usable_id)
{
	struct docker_containers list;

	ck_assert_int_eq(
		parse_containers("[{'Id':'a/b'},{'Id':''},{},{'Id':'ok'}]", &list, NULL), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_uint_eq(list.refused, 3);
	ck_assert_str_eq(list.items[0].id, "ok");
	docker_containers_clear(&list);
}
END_TEST

START_TEST(test_containers_wrong_type_refuses_all)
{
	static const char *const texts[] = {"{}", "[1]", "[{'Id':'a','Labels':[]}]",
		"[{'Id':'a','Labels':{'p.x':null}}]", "[{'Id':7}]", "[{'Id':'a','Ports':{}}]"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct docker_containers list = {0};
		struct err err = {0};

		ck_assert_int_eq(parse_containers(texts[i], &list, &err), -1);
		ck_assert_ptr_null(list.items);
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

/* One label with an escaped NUL must not hide all other containers. */
START_TEST(test_nul_in_label)
{
	char text[] =
		"[{\"Id\":\"a\",\"Labels\":{\"p.a\\u0000b\":\"x\\u0000\",\"p.c\":\"\\\\u0000\"}}]";
	struct docker_containers list;

	ck_assert_int_eq(docker_parse_containers(text, strlen(text), prefixes, &list, NULL), 0);
	ck_assert_str_eq(labels_get(list.items[0].labels, "p.a\xef\xbf\xbd"
							  "b"),
		"x\xef\xbf\xbd");
	ck_assert_str_eq(labels_get(list.items[0].labels, "p.c"), "\\u0000");
	docker_containers_clear(&list);
}
END_TEST

START_TEST(test_ports_out_of_range)
{
	struct docker_containers list;

	ck_assert_int_eq(
		parse_containers(
			"[{'Id':'a','Ports':[{'PrivatePort':80,'PublicPort':70000,'Type':'tcp'},"
			"{'PrivatePort':0,'PublicPort':7,'Type':'tcp'},"
			"{'PrivatePort':1,'PublicPort':7,'Type':'dccp'},"
			"{'IP':'nonsense','PrivatePort':1,'PublicPort':7,'Type':'tcp'}]}]",
			&list, NULL),
		0);
	ck_assert_uint_eq(list.items[0].port_count, 0);
	docker_containers_clear(&list);
}
END_TEST

/* --- networks --- */

static int parse_network(const char *text, struct docker_network *network, struct err *err)
{
	cleanup_free char *copy = json(text);

	return docker_parse_network(copy, strlen(copy), network, err);
}

START_TEST(test_network)
{
	struct docker_network n;
	char text[CIDR_TEXT_MAX], address[IP_TEXT_MAX];

	ck_assert_int_eq(
		parse_network(
			"{'Name':'net6','Id':'54fe45c13cbdd740','Driver':'bridge','IPAM':{'Config':["
			"{'Subnet':'172.18.0.7/16','Gateway':'172.18.0.1'},{'Subnet':'fd00:5::/64'},"
			"{'Subnet':'nonsense'}]},'Containers':{"
			"'3502':{'Name':'c1','EndpointID':'4d59','MacAddress':'02:42:ac:12:00:02',"
			"'IPv4Address':'172.18.0.2/16','IPv6Address':'fd00:5::2/64'},"
			"'ep-77':{'EndpointID':'77'},"
			"'a/b':{'EndpointID':'88'},"
			"'3503':{'EndpointID':'99','MacAddress':'','IPv4Address':'','IPv6Address':'x'}},"
			"'Options':{},'Labels':{'bulkhead.isolation':'strict','bulkhead.shared':'lan'}}",
			&n, NULL),
		0);
	ck_assert(n.published);
	ck_assert_str_eq(n.record.bridge, "br-54fe45c13cbd");
	ck_assert_str_eq(n.record.isolation, "strict");
	ck_assert_str_eq(n.record.shared, "lan");
	ck_assert_uint_eq(n.record.subnet_count, 2);
	ck_assert_str_eq(cidr_format(&n.record.subnets[0], text), "172.18.0.0/16");
	ck_assert_uint_eq(n.attachment_count, 2);
	ck_assert_uint_eq(n.refused, 1);
	ck_assert_str_eq(n.attachments[0].endpoint_id, "4d59");
	ck_assert_str_eq(ip_format(&n.attachments[0].ipv4, address), "172.18.0.2");
	ck_assert_str_eq(ip_format(&n.attachments[0].ipv6, address), "fd00:5::2");
	ck_assert(n.attachments[0].has_mac);
	ck_assert_uint_eq(n.attachments[0].mac[5], 2);
	ck_assert_uint_eq(n.attachments[1].ipv4.family, 0);
	ck_assert_uint_eq(n.attachments[1].ipv6.family, 0);
	ck_assert(!n.attachments[1].has_mac);
	docker_network_clear(&n);
}
END_TEST

static const struct {
	const char *rest, *bridge, *isolation, *word;
	bool published;
} networks[] = {
	{"'Driver':'bridge','Options':{'com.docker.network.bridge.name':'docker0'}", "docker0",
		NULL, NULL, true},
	{"'Driver':'bridge','Options':{'com.docker.network.bridge.name':'../../etc'}", NULL, NULL,
		NULL, true},
	{"'Driver':'bridge','Options':{'com.docker.network.bridge.name':'longer-than-15-'}",
		"longer-than-15-", NULL, NULL, true},
	{"'Driver':'bridge','Options':{'com.docker.network.bridge.name':'longer-than-15-b'}", NULL,
		NULL, NULL, true},
	{"'Driver':'macvlan','Options':{'com.docker.network.bridge.name':'x'}", NULL, NULL, NULL,
		true},
	{"'Driver':'host'", NULL, NULL, NULL, false},
	{"'Driver':'null'", NULL, NULL, NULL, false},
	{"'Driver':'bridge','ConfigOnly':true", "br-1", NULL, NULL, false},
	{"'Driver':'bridge','Labels':{'bulkhead.isolation':'Strict'}", "br-1", NULL, "Strict",
		true},
	{"'Driver':'bridge','Labels':{'bulkhead.isolation':'off'}", "br-1", "off", NULL, true},
	{"'Driver':'bridge','Labels':null,'Options':null,'IPAM':null,'Containers':null", "br-1",
		NULL, NULL, true},
};

START_TEST(test_network_kinds)
{
	cleanup_free char *text = xasprintf("{'Id':'1','Name':'n',%s}", networks[_i].rest);
	struct docker_network n;

	ck_assert_int_eq(parse_network(text, &n, NULL), 0);
	ck_assert_pstr_eq(n.record.bridge, networks[_i].bridge);
	ck_assert_pstr_eq(n.record.isolation, networks[_i].isolation);
	ck_assert_pstr_eq(n.isolation_word, networks[_i].word);
	ck_assert_int_eq(n.published, networks[_i].published);
	docker_network_clear(&n);
}
END_TEST

START_TEST(test_network_bad)
{
	static const char *const texts[] = {"[]", "{}", "{'Id':'a b'}",
		"{'Id':'1','Containers':[]}", "{'Id':'1','IPAM':{'Config':{}}}",
		"{'Id':'1','Containers':{'a':{'EndpointID':1}}}"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct docker_network n = {0};

		ck_assert_int_eq(parse_network(texts[i], &n, NULL), -1);
		ck_assert_ptr_null(n.record.id);
	}
}
END_TEST

START_TEST(test_network_list)
{
	cleanup_free char *text = json("[{'Id':'1','Name':'a','Driver':'bridge'},{'Id':'?'}]");
	struct docker_networks list;

	ck_assert_int_eq(docker_parse_networks(text, strlen(text), &list, NULL), 0);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_uint_eq(list.refused, 1);
	docker_networks_clear(&list);
}
END_TEST

/* --- the rest --- */

START_TEST(test_image)
{
	cleanup_free char *text =
		json("{'Id':'sha256:1','Config':{'Labels':{'p.role':'x','o':'y'}}}");
	cleanup_free char *none = json("{'Id':'sha256:1','Config':{'Labels':null}}");
	cleanup_free char *bad = json("{'Config':{'Labels':['p.role']}}");
	CLEANUP(labels)
	struct labels *labels = docker_parse_image(text, strlen(text), prefixes, NULL);
	CLEANUP(labels)
	struct labels *no_labels = docker_parse_image(none, strlen(none), prefixes, NULL);

	ck_assert_str_eq(labels_get(labels, "p.role"), "x");
	ck_assert_uint_eq(labels_count(labels), 1);
	ck_assert_uint_eq(labels_count(no_labels), 0);
	ck_assert_ptr_null(docker_parse_image(bad, strlen(bad), prefixes, NULL));
}
END_TEST

static const struct {
	const char *stamp, *since;
	long long clock_ns;
} stamps[] = {
	{"2026-11-23T13:24:41.181132219Z", "1795440281.181132219", 1795440281181132219},
	{"2026-11-23T13:24:41Z", "1795440281.000000000", 1795440281000000000},
	{"2026-11-23T13:24:41.5Z", "1795440281.500000000", 1795440281500000000},
	{"2026-11-23T15:24:41.181132219+02:00", "1795440281.181132219", 1795440281181132219},
	{"2026-11-23T08:54:41-04:30", "1795440281.000000000", 1795440281000000000},
	{"2026-11-23", NULL, 0},
	{"2026-11-23T13:24:41", NULL, 0},
	{"", NULL, 0},
	/* does not fit into nanoseconds */
	{"9999-12-31T23:59:59Z", NULL, 0},
	{"1969-12-31T23:59:59Z", NULL, 0},
};

START_TEST(test_info)
{
	cleanup_free char *text = NULL;
	cleanup_free char *quoted =
		xasprintf("{'ID':'F35X:FSNT','Name':'vm','SystemTime':'%s'}", stamps[_i].stamp);
	struct docker_info info;

	text = json(quoted);
	ck_assert_int_eq(docker_parse_info(text, strlen(text), &info, NULL), 0);
	ck_assert_str_eq(info.id, "F35X:FSNT");
	ck_assert_str_eq(info.name, "vm");
	ck_assert_pstr_eq(info.since, stamps[_i].since);
	ck_assert_int_eq(info.clock_ns, stamps[_i].clock_ns);
	docker_info_clear(&info);
}
END_TEST

START_TEST(test_version_and_message)
{
	cleanup_free char *text =
		json("{'Version':'20.10','ApiVersion':'1.41','MinAPIVersion':'1.12'}");
	cleanup_free char *none = json("{}");
	cleanup_free char *error = json("{'message':'no such\\nnetwork'}");
	cleanup_free char *message = docker_parse_message(error, strlen(error));
	struct docker_version version;

	ck_assert_int_eq(docker_parse_version(text, strlen(text), &version, NULL), 0);
	ck_assert_str_eq(version.api, "1.41");
	docker_version_clear(&version);
	ck_assert_int_eq(docker_parse_version(none, strlen(none), &version, NULL), -1);
	ck_assert_str_eq(message, "no such?network");
	ck_assert_ptr_null(docker_parse_message(none, strlen(none)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/docker_json");
	TCase *tcase = tcase_create("docker_json");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_event_create);
	tcase_add_test(tcase, test_event_connect);
	tcase_add_loop_test(tcase, test_event_actions, 0, sizeof(actions) / sizeof(*actions));
	tcase_add_loop_test(tcase, test_event_bad, 0, sizeof(bad_events) / sizeof(*bad_events));
	tcase_add_test(tcase, test_containers);
	tcase_add_test(tcase, test_containers_without_usable_id);
	tcase_add_test(tcase, test_containers_wrong_type_refuses_all);
	tcase_add_test(tcase, test_nul_in_label);
	tcase_add_test(tcase, test_ports_out_of_range);
	tcase_add_test(tcase, test_network);
	tcase_add_loop_test(tcase, test_network_kinds, 0, sizeof(networks) / sizeof(*networks));
	tcase_add_test(tcase, test_network_bad);
	tcase_add_test(tcase, test_network_list);
	tcase_add_test(tcase, test_image);
	tcase_add_loop_test(tcase, test_info, 0, sizeof(stamps) / sizeof(*stamps));
	tcase_add_test(tcase, test_version_and_message);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
