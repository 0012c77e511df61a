/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Worlds for tests: records as one-line JSON with ' for " and ` for ', changes by the handful, renderings to compare. */
#ifndef BULKHEAD_TEST_WORLD_FIXTURE_H
#define BULKHEAD_TEST_WORLD_FIXTURE_H

#include "common/selector.h"
#include "enforcerd/world.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define UNUSED_HELPER __attribute__((unused)) static

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NODE         "node-1"
#define NODE_STREAM  STORE_NODE_STREAM NODE
#define POLICIES     STORE_POLICIES_STREAM

/* addresses: "'10.1.0.2'" or "null"; labels: "{'role':'db'}" */
UNUSED_HELPER char *endpoint_record(const char *id, const char *name, int network,
	const char *driver, const char *ipv4, const char *ipv6, const char *labels,
	const char *rejected)
{
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'%s','node':'" NODE
		"','container':{'id':'c-%s','name':'%s','image':''},"
		"'network':{'id':'net%d0000000','name':'net%d','driver':'%s'},'ipv4':%s,'ipv6':%s,"
		"'mac':null,'labels':%s,'rejected':%s,'ports':[],'state':'running'}",
		id, id, name, network, network, driver, ipv4, ipv6, labels, rejected);

	return unquote(quoted);
}

/* Network N has 10.N.0.0/16 and fd00:N::/64 on br-N. */
UNUSED_HELPER char *network_record(int n, const char *driver, const char *isolation)
{
	cleanup_free char *quoted =
		xasprintf("{'v':1,'id':'net%d0000000','name':'net%d','driver':'%s','bridge':%s%d%s,"
			  "'subnets':['10.%d.0.0/16','fd00:%d::/64'],'shared':null,'isolation':%s}",
			n, n, driver, "'br-", n, "'", n, n, isolation);

	return unquote(quoted);
}

UNUSED_HELPER char *policy_record(const char *name, const char *order, const char *selector,
	const char *types, const char *ingress, const char *egress)
{
	cleanup_free char *quoted =
		xasprintf("{'v':1,'name':'%s','spec':{%s'selector':'%s','types':%s,"
			  "'ingress':%s,'egress':%s}}",
			name, order, selector, types, ingress, egress);

	return unquote(quoted);
}

/* --- changes ----------------------------------------------------------------------------------- */

struct batch {
	struct store_change *items;
	size_t count, cap;
};

/* Takes the record over; NULL deletes. */
UNUSED_HELPER void add(struct batch *batch, enum store_kind kind, const char *id, char *record)
{
	xgrow(batch->items, batch->count, batch->cap);
	batch->items[batch->count++] =
		(struct store_change){.kind = kind, .id = xstrdup(id), .record = record};
}

UNUSED_HELPER void batch_clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		store_change_clear(&batch->items[i]);
	free(batch->items);
	*batch = (struct batch){0};
}

/* Applies and empties the batch. */
UNUSED_HELPER int try_apply(
	struct world *world, const char *stream, struct batch *batch, bool whole, struct err *err)
{
	int rc = world_apply(world, stream, batch->items, batch->count, whole, err);

	batch_clear(batch);
	return rc;
}

UNUSED_HELPER void apply(struct world *world, const char *stream, struct batch *batch, bool whole)
{
	struct err err = {0};

	ck_assert_msg(!try_apply(world, stream, batch, whole, &err), "%s", err.text);
}

/* One change of either stream. */
UNUSED_HELPER void change(struct world *world, enum store_kind kind, const char *id, char *record)
{
	struct batch batch = {0};

	add(&batch, kind, id, record);
	apply(world, kind == KIND_ENDPOINT || kind == KIND_NETWORK ? NODE_STREAM : POLICIES, &batch,
		false);
}

/* --- looking ----------------------------------------------------------------------------------- */

UNUSED_HELPER char *render(struct world *world)
{
	struct strbuf out = {0};

	ruleset_render(world_ruleset(world), &out);
	return strbuf_take(&out);
}

UNUSED_HELPER bool in_set(struct world *world, const char *set, const char *ip)
{
	struct elem_key key = {0};

	ck_assert_int_eq(ip_parse(ip, &key.ip, NULL), 0);
	return ruleset_has(world_ruleset(world), set, &key);
}

/* By a group that its number leads to. */
UNUSED_HELPER bool governed(
	struct world *world, const char *map, enum flow_side side, const char *ip)
{
	struct ip parsed;

	ck_assert_int_eq(ip_parse(ip, &parsed, NULL), 0);
	return ruleset_group_target(world_ruleset(world), map, side, &parsed) != NULL;
}

UNUSED_HELPER bool is_isolated(struct world *world, const char *ip)
{
	bool v6 = strchr(ip, ':') != NULL;
	bool isolated = in_set(world, v6 ? SET_ISOLATED6 : SET_ISOLATED4, ip);

	/* closed or governed in both directions, or in none */
	ck_assert(in_set(world, v6 ? MAP_GROUPS6 : MAP_GROUPS4, ip) == isolated);
	ck_assert(governed(world, v6 ? MAP_EGRESS6 : MAP_EGRESS4, SIDE_SRC, ip) == isolated);
	ck_assert(governed(world, v6 ? MAP_INGRESS6 : MAP_INGRESS4, SIDE_DST, ip) == isolated);
	return isolated;
}

/* Name of the selector's set; family "4" or "6". */
UNUSED_HELPER const char *selector_set(
	const char *text, const char *family, char name[NFT_NAME_MAX])
{
	CLEANUP(selector) struct selector *selector = selector_parse(text, NULL);

	ck_assert_ptr_nonnull(selector);
	snprintf(name, NFT_NAME_MAX, "sel_%s_%s", selector_id(selector), family);
	return name;
}

UNUSED_HELPER bool matches(struct world *world, const char *selector, const char *ip)
{
	char name[NFT_NAME_MAX];

	return in_set(world, selector_set(selector, strchr(ip, ':') ? "6" : "4", name), ip);
}

/* The line of a map's element, behind its key, as the rendering has it; "" if it is not there. Caller frees. */
UNUSED_HELPER char *element_of(struct world *world, const char *map, const char *element)
{
	cleanup_free char *text = render(world);
	cleanup_free char *head = xasprintf("\tmap %s {", map),
			  *begin = xasprintf("\n\t\t%s ", element);
	char *at = strstr(text, head), *end = at ? strstr(at, "\n\t}") : NULL;
	char *found = at ? strstr(at, begin) : NULL;

	if (!found || found > end)
		return xstrdup("");
	found += strlen(begin);
	return xstrndup(found, strcspn(found, "\n"));
}

/* The chain that an address is led to, by its group where the map is one of groups; "" if there is none. Caller frees. */
UNUSED_HELPER char *chain_of(struct world *world, const char *map, const char *ip)
{
	bool egress = !strncmp(map, "egress_", 7),
	     by_group = egress || !strncmp(map, "ingress_", 8);
	cleanup_free char *value =
		element_of(world, by_group ? strchr(ip, ':') ? MAP_GROUPS6 : MAP_GROUPS4 : map, ip);
	cleanup_free char *line = NULL;
	const char *jump;

	if (by_group && *value) {
		/* ends in ": 0x00000001 . 0x<egress> . 0x<ingress>" */
		cleanup_free char *number =
			xstrndup(value + strlen(value) - (egress ? 23 : 10), 10);

		line = element_of(world, map, number);
	}
	jump = strstr(line ? line : value, ": jump ");
	return xstrdup(jump ? jump + strlen(": jump ") : "");
}

/* The rules of a chain; "" if there is none. Caller frees. */
UNUSED_HELPER char *rules_of(struct world *world, const char *chain)
{
	cleanup_free char *text = render(world);
	cleanup_free char *head = xasprintf("\tchain %s {", chain);
	char *at = strstr(text, head);

	if (!at)
		return xstrdup("");
	at = strchr(at, '\n') + 1;
	/* a policy chain begins with saying that it was asked */
	if (!strncmp(at, "\t\tct mark set", strlen("\t\tct mark set")))
		at = strchr(at, '\n') + 1;
	return xstrndup(at, (size_t)(strstr(at, "\t}\n") - at));
}

UNUSED_HELPER char *sentences(json_t *list)
{
	cleanup_json json_t *owned = list;
	struct strbuf out = {0};
	size_t i;
	json_t *item;

	json_array_foreach (owned, i, item)
		strbuf_addf(&out, "%s\n", json_string_value(item));
	return strbuf_take(&out);
}

UNUSED_HELPER struct world *world_with(enum isolation isolation)
{
	const struct world_config config = {.node = NODE, .isolation = isolation};

	return world_new(&config);
}

UNUSED_HELPER struct world_stats stats_of(const struct world *world)
{
	struct world_stats stats;

	world_stats(world, &stats);
	return stats;
}

/* --- the tutorial's world ------------------------------------------------------------------------ */

#define WEB_TO_DB                                                                    \
	"[{'action':'allow','protocol':'tcp','source':{'selector':'role == `web`'}," \
	"'destination':{'ports':[3306]}},{'action':'allow','source':{'selector':'role == `db`'}}]"
#define ALLOW_ALL "[{'action':'allow'}]"
#define BOTH      "['ingress','egress']"

UNUSED_HELPER void put_network(struct world *world, int n, const char *isolation)
{
	cleanup_free char *id = xasprintf("net%d0000000", n);

	change(world, KIND_NETWORK, id, network_record(n, "bridge", isolation));
}

/* An endpoint of network 1 named after its id. */
UNUSED_HELPER char *record(const char *id, const char *ipv4, const char *labels)
{
	cleanup_free char *address = xasprintf("'%s'", ipv4);

	return endpoint_record(id, id, 1, "bridge", address, "null", labels, "{}");
}

UNUSED_HELPER void put_endpoint(
	struct world *world, const char *id, const char *ipv4, const char *labels)
{
	change(world, KIND_ENDPOINT, id, record(id, ipv4, labels));
}

UNUSED_HELPER void put_policy(struct world *world, const char *name, const char *selector,
	const char *types, const char *ingress, const char *egress)
{
	change(world, KIND_POLICY, name, policy_record(name, "", selector, types, ingress, egress));
}

/* What the tutorial has: a network, its policies, a database, a frontend and a bystander. */
UNUSED_HELPER struct world *tutorial(void)
{
	struct world *world = world_with(ISOLATION_LABELLED);

	put_network(world, 1, "null");
	put_policy(world, "database", "role == `db`", BOTH, WEB_TO_DB,
		"[{'action':'allow','destination':{'selector':'role == `db`'}}]");
	put_policy(world, "web", "role == `web`", "['egress']", "[]", ALLOW_ALL);
	put_endpoint(world, "db", "10.1.0.2", "{'role':'db'}");
	put_endpoint(world, "web", "10.1.0.3", "{'role':'web'}");
	put_endpoint(world, "other", "10.1.0.4", "{'docker/container':'other'}");
	return world;
}

UNUSED_HELPER void expect_chain(
	struct world *world, const char *map, const char *ip, const char *prefix)
{
	cleanup_free char *chain = chain_of(world, map, ip);

	ck_assert_msg(!strncmp(chain, prefix, strlen(prefix)), "%s %s: %s", map, ip, chain);
}

UNUSED_HELPER void expect_problem(const struct world *world, const char *text)
{
	cleanup_free char *problems = sentences(world_problems(world));

	ck_assert_msg(strstr(problems, text) != NULL, "%s", problems);
}

UNUSED_HELPER void expect_no_problem(const struct world *world)
{
	cleanup_free char *problems = sentences(world_problems(world));

	ck_assert_str_eq(problems, "");
}

#endif
