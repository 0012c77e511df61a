/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An inventory that is told what the Engine says, and what comes out of it. */
#ifndef BULKHEAD_TEST_INVENTORY_FIXTURE_H
#define BULKHEAD_TEST_INVENTORY_FIXTURE_H

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "syncd/inventory.h"
#include "tests/unit/syncd/prefixes.h"

#include <check.h>
#include <stdarg.h>
#include <string.h>

#define UNUSED_HELPER __attribute__((unused)) static

static struct inventory *inventory;
static struct label_prefixes *prefixes;
static struct strbuf warnings;

UNUSED_HELPER void on_warn(const char *text, void *arg)
{
	(void)arg;
	strbuf_addf(&warnings, "%s\n", text);
}

UNUSED_HELPER void setup_with(bool image_labels)
{
	struct inventory_options options = {
		.node = "n1", .image_labels = image_labels, .warn = on_warn};

	options.prefixes = prefixes = prefixes_of("p.");

	inventory = inventory_new(&options);
}

UNUSED_HELPER void setup(void)
{
	setup_with(false);
}

UNUSED_HELPER void teardown(void)
{
	inventory_free(inventory);
	label_prefixes_free(prefixes);
	strbuf_free(&warnings);
}

/* --- saying what the Engine says; single quotes stand for double ones --- */

UNUSED_HELPER char *vjson(const char *fmt, va_list ap)
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
	ck_assert_msg(docker_parse_event(text, strlen(text), prefixes, &parsed, &err) == 0, "%s",
		err.text);
	inventory_event(inventory, &parsed);
	docker_event_clear(&parsed);
}

UNUSED_HELPER void container_event(const char *action, const char *id, const char *labels)
{
	event("{'Type':'container','Action':'%s','Actor':{'ID':'%s','Attributes':{'name':'%s-name',"
	      "'image':'img'%s}}}",
		action, id, id, labels);
}

UNUSED_HELPER void network_event(
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
	ck_assert_msg(docker_parse_containers(text, strlen(text), prefixes, &list, &err) == 0, "%s",
		err.text);
	inventory_containers(inventory, &list, asked);
	docker_containers_clear(&list);
}

/* One container by id, as the list with a filter answers. */
UNUSED_HELPER void container(inventory_stamp asked, const char *id, const char *rest)
{
	struct docker_containers list;
	cleanup_free char *text = xasprintf(
		"[{\"Id\":\"%s\",\"Names\":[\"/%s-name\"],\"Image\":\"img\",\"ImageID\":\"i1\"%s}]",
		id, id, rest);

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	ck_assert_int_eq(docker_parse_containers(text, strlen(text), prefixes, &list, NULL), 0);
	inventory_container(inventory, id, &list.items[0], asked);
	docker_containers_clear(&list);
}

UNUSED_HELPER void networks(inventory_stamp asked, const char *text)
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
UNUSED_HELPER void network_at(
	inventory_stamp asked, long long now_ns, const char *id, const char *members)
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

UNUSED_HELPER void network(const char *id, const char *members)
{
	network_at(inventory_tick(inventory), 1000, id, members);
}

#define MEMBER(container, endpoint, address) \
	"'" container "':{'EndpointID':'" endpoint "','IPv4Address':'" address "/8'}"

/* --- what comes out --- */

static struct strbuf out;

/* "+e1 -e2 +n1": what changed since the last call, in order, as one transaction. */
UNUSED_HELPER const char *changes(void)
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
UNUSED_HELPER struct endpoint *published(const char *id)
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
UNUSED_HELPER const char *wants(void)
{
	static const char *const names[] = {"c:", "settled:", "n:", "again:", "i:", "all"};
	struct want want;

	strbuf_free(&out);
	while (inventory_next_want(inventory, &want)) {
		strbuf_addf(&out, "%s%s%s%s", out.len ? " " : "", names[want.kind],
			want.id ? want.id : "", want.urgent ? "!" : "");
		free(want.id);
	}
	return out.text ? out.text : "";
}

UNUSED_HELPER void out_free(void)
{
	strbuf_free(&out);
}

UNUSED_HELPER void two_containers(void)
{
	container_event("create", "c1", "");
	container_event("create", "c2", "");
	network("n1", MEMBER("c1", "e1", "10.0.0.2"));
	changes();
	wants();
}

#endif
