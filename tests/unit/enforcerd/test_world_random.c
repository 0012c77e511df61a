/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * However a world came about, it is the same world: after every batch of a random sequence, its ruleset must read like that
 * of a world that was given everything at once, in any order. BULKHEAD_SEED repeats a run.
 */
#include "tests/unit/enforcerd/world_fixture.h"

#include <stdlib.h>
#include <time.h>

enum {
	ENDPOINTS = 7,
	NETWORKS = 3,
	POLICY_NAMES = 6,
	OVERRIDES = 4,
	LABELS = 5,
	PEERS = 2,
	PEER_ENDPOINTS = 4,
	PEER_NETWORKS = 2,
	TIERS = 3,
	NETSETS = 3,
	FIELDS = ENDPOINTS + NETWORKS + POLICY_NAMES + OVERRIDES + LABELS + TIERS + NETSETS +
		 PEERS * (PEER_ENDPOINTS + PEER_NETWORKS),
	STREAMS = 2 + PEERS,
	STEPS = 600
};

static const char *const streams[STREAMS] = {
	NODE_STREAM, POLICIES, STORE_NODE_STREAM "b", STORE_NODE_STREAM "c"};

/* One field of a hash: its record now, or NULL. */
struct field {
	int stream;
	enum store_kind kind;
	char id[32];
	char *record;
};

static unsigned seed;

static unsigned draw(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

#define pick(array) ((array)[draw(COUNT(array))])

/* --- records ----------------------------------------------------------------------------------- */

static const char *node_of(int stream)
{
	return streams[stream] + strlen(STORE_NODE_STREAM);
}

/* Few addresses, so that owners meet; network 3 shares those of network 1, and other nodes have a network 1, too. */
static char *random_endpoint(const struct field *field)
{
	static const char *const labels[] = {"{}", "{'docker/container':'x'}", "{'role':'db'}",
		"{'role':'web'}", "{'role':'web','tier':'front'}", "{'tier':'front'}"};
	static const char *const rejected[] = {"{}", "{}", "{}", "{'a b':'bad key'}"};
	static const char *const names[] = {"one", "two", "three"};
	int network = field->stream ? (int)(draw(2) ? 1 : 4) : 1 + (int)draw(NETWORKS);
	int subnet = network == 3 ? 1 : network;
	const char *name = pick(names);
	cleanup_free char *ipv6 =
		draw(2) ? xasprintf("'fd00:%d::%u'", subnet, 2 + draw(3)) : xstrdup("null");
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'%s','node':'%s','container':{'id':'c-%s','name':'%s','image':''},"
		"'network':{'id':'net%d0000000','name':'net%d','driver':'%s'},'ipv4':'10.%d.0.%u',"
		"'ipv6':%s,'mac':null,'labels':%s,'rejected':%s,'ports':[],'state':'running'}",
		field->id, node_of(field->stream), field->id, name, network, network,
		network == 3 ? "macvlan" : "bridge", subnet, 2 + draw(4), ipv6, pick(labels),
		pick(rejected));

	return unquote(quoted);
}

static char *random_network(int n)
{
	static const char *const isolations[] = {"null", "null", "'strict'", "'labelled'", "'off'"};
	static const char *const domains[] = {"null", "'dom'", "'dom'", "'else'"};
	int subnet = n == 3 ? 1 : n;
	cleanup_free char *bridge = n == 3 ? xstrdup("null") : xasprintf("'br-%d'", n);
	cleanup_free char *quoted =
		xasprintf("{'v':1,'id':'net%d0000000','name':'net%d','driver':'%s','bridge':%s,"
			  "'subnets':['10.%d.0.0/16','fd00:%d::/64'],'shared':%s,'isolation':%s}",
			n, n, n == 3 ? "macvlan" : "bridge", bridge, subnet, subnet, pick(domains),
			n == 3 ? "null" : pick(isolations));

	return unquote(quoted);
}

static char *random_policy(const char *name)
{
	static const char *const orders[] = {"", "", "'order':10,", "'order':20,", "'order':-1.5,"};
	static const char *const selectors[] = {
		"all()", "role == `db`", "role == `web`", "has(tier)", "!has(tier)"};
	static const char *const types[] = {"['ingress']", "['egress']", "['ingress','egress']"};
	static const char *const rules[] = {"[]", "[{'action':'allow'}]",
		"[{'action':'allow','protocol':'tcp','source':{'selector':'role == `web`'},"
		"'destination':{'ports':[3306,3307]}}]",
		"[{'action':'allow','destination':{'notSelector':'role == `db`'}}]",
		"[{'action':'deny','source':{'nets':['10.0.0.0/24','192.168.0.0/16']}},{'action':'allow',"
		"'source':{'selector':'all()'}}]",
		"[{'action':'log'},{'action':'allow','protocol':'tcp','destination':{'ports':[3306,3307]}}]",
		"[{'action':'allow','ipVersion':6,'source':{'selector':'has(tier)'}}]",
		"[{'action':'allow','destination':{'selector':'docker/host == `node-1`'}}]",
		"[{'action':'deny','source':{'selector':'!has(docker/host)'},'destination':{'selector':"
		"'has(docker/host) || has(tier)'}}]",
		"[{'action':'allow','source':{'notSelector':'has(docker/host)'},'destination':"
		"{'notSelector':'docker/host != `node-1`'}}]"};

	static const char *const tiers[] = {
		"", "", "'tier':'ops',", "'tier':'late',", "'tier':'mid',"};
	static const char *const passing[] = {"[]",
		"[{'action':'pass','protocol':'tcp'},{'action':'allow'}]",
		"[{'action':'pass','source':{'selector':'has(tier)'}}]"};
	const char *tier = pick(tiers);
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'name':'%s',%s'spec':{%s%s%s'selector':'%s','types':%s,'ingress':%s,'egress':%s}}",
		name, *tier ? "'form':'v3'," : "", pick(orders), tier,
		draw(6) ? "" : "'staged':true,", pick(selectors), pick(types),
		draw(3) ? pick(rules) : pick(passing), draw(3) ? pick(rules) : pick(passing));

	return unquote(quoted);
}

static char *random_tier(const char *name)
{
	static const char *const specs[] = {"'order':10,'defaultAction':'deny'",
		"'order':2000000,'defaultAction':'pass'", "'order':10,'defaultAction':'pass'",
		"'defaultAction':'deny'"};
	cleanup_free char *quoted = xasprintf("{'v':1,'name':'%s','spec':{%s}}", name, pick(specs));

	return unquote(quoted);
}

static char *random_netset(const char *name)
{
	static const char *const labels[] = {
		"{'role':'web'}", "{'tier':'front'}", "{'role':'db'}", "{}"};
	static const char *const nets[] = {"", "'192.0.2.0/24'", "'10.0.0.0/8','fd00::/8'",
		"'192.0.2.0/25','198.51.100.7'", "'0.0.0.0/0'"};
	cleanup_free char *quoted =
		xasprintf("{'v':1,'name':'%s','labels':%s,'spec':{'nets':[%s]}}", name,
			pick(labels), pick(nets));

	return unquote(quoted);
}

static char *random_record(const struct field *field)
{
	static const char *const words[] = {"strict", "labelled", "off"};
	static const char *const labels[] = {"{}", "{'role':'db'}", "{'tier':'front'}"};

	switch (field->kind) {
	case KIND_ENDPOINT:
		return random_endpoint(field);
	case KIND_NETWORK:
		return random_network(field->id[3] - '0');
	case KIND_POLICY:
		return random_policy(field->id);
	case KIND_ISOLATION:
		return xstrdup(pick(words));
	case KIND_TIER:
		return random_tier(field->id);
	case KIND_NETSET:
		return random_netset(field->id);
	default:
		return unquote(pick(labels));
	}
}

static void name_fields(struct field fields[FIELDS])
{
	static const char *const overrides[OVERRIDES] = {
		NODE "/net1", "*/net1", NODE "/net2", "*/net2"};
	static const char *const labels[LABELS] = {
		NODE "/one", "*/one", NODE "/two", "other/one", "b/one"};
	static const char *const tiers[TIERS] = {"ops", "mid", "late"};
	static const char *const netsets[NETSETS] = {"partners", "b", "a"};
	size_t n = 0;

	for (int i = 0; i < TIERS; i++, n++) {
		fields[n].kind = KIND_TIER;
		snprintf(fields[n].id, sizeof(fields[n].id), "%s", tiers[i]);
	}
	for (int i = 0; i < NETSETS; i++, n++) {
		fields[n].kind = KIND_NETSET;
		snprintf(fields[n].id, sizeof(fields[n].id), "%s", netsets[i]);
	}
	for (int i = 0; i < ENDPOINTS; i++, n++) {
		fields[n].kind = KIND_ENDPOINT;
		snprintf(fields[n].id, sizeof(fields[n].id), "ep%d", i);
	}
	for (int i = 1; i <= NETWORKS; i++, n++) {
		fields[n].kind = KIND_NETWORK;
		snprintf(fields[n].id, sizeof(fields[n].id), "net%d0000000", i);
	}
	for (int i = 0; i < PEERS * PEER_ENDPOINTS; i++, n++) {
		fields[n].kind = KIND_ENDPOINT;
		fields[n].stream = 2 + i % PEERS;
		snprintf(fields[n].id, sizeof(fields[n].id), "ep%d", i / PEERS);
	}
	for (int i = 0; i < PEERS * PEER_NETWORKS; i++, n++) {
		fields[n].kind = KIND_NETWORK;
		fields[n].stream = 2 + i % PEERS;
		snprintf(fields[n].id, sizeof(fields[n].id), "net%d0000000", i / PEERS ? 4 : 1);
	}
	for (size_t i = n; i < FIELDS; i++)
		fields[i].stream = 1;
	for (int i = 0; i < POLICY_NAMES; i++, n++) {
		fields[n].kind = KIND_POLICY;
		snprintf(fields[n].id, sizeof(fields[n].id), "policy-%d", i);
	}
	for (int i = 0; i < OVERRIDES; i++, n++) {
		fields[n].kind = KIND_ISOLATION;
		snprintf(fields[n].id, sizeof(fields[n].id), "%s", overrides[i]);
	}
	for (int i = 0; i < LABELS; i++, n++) {
		fields[n].kind = KIND_LABELS;
		snprintf(fields[n].id, sizeof(fields[n].id), "%s", labels[i]);
	}
}

/* --- this host ----------------------------------------------------------------------------------- */

/* Its addresses, some of which endpoints of this node and of others have as well, and how many links have each. */
static const char *const host_addresses[] = {"10.1.0.3", "10.1.0.5", "fd00:1::2", "192.0.2.1"};
static unsigned host_links[COUNT(host_addresses)];

static void tell_host(struct world *world, size_t n, bool there)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(host_addresses[n], &ip, NULL), 0);
	world_host_address(world, &ip, there);
}

static void random_host(struct world *world)
{
	unsigned n = draw(COUNT(host_addresses));
	bool there = !host_links[n] || (host_links[n] < 3 && draw(2));

	host_links[n] = there ? host_links[n] + 1 : host_links[n] - 1;
	tell_host(world, n, there);
}

static void whole_host(struct world *world)
{
	for (size_t n = 0; n < COUNT(host_addresses); n++)
		for (unsigned i = 0; i < host_links[n]; i++)
			tell_host(world, n, true);
}

/* --- worlds ------------------------------------------------------------------------------------ */

static struct world *new_world(void)
{
	static char net2[] = "*2";
	static char *const strict[] = {net2};
	const struct world_config config = {.node = NODE,
		.isolation = ISOLATION_LABELLED,
		.strict_networks = strict,
		.strict_network_count = 1};

	return world_new(&config);
}

/* Everything of one stream, in random order. */
static void snapshot(struct world *world, const struct field fields[FIELDS], int stream)
{
	struct batch batch = {0};
	size_t start = draw(FIELDS), step = 1;

	/* any step without a common divisor with FIELDS visits each field once */
	for (size_t tries = draw(10) + 1; tries; step++) {
		size_t a = step, b = FIELDS;

		while (b) {
			size_t rest = a % b;

			a = b;
			b = rest;
		}
		tries -= a == 1;
		if (!tries)
			break;
	}
	for (size_t i = 0, n = start; i < FIELDS; i++, n = (n + step) % FIELDS)
		if (fields[n].record && fields[n].stream == stream)
			add(&batch, fields[n].kind, fields[n].id, xstrdup(fields[n].record));
	apply(world, streams[stream], &batch, true);
}

/* Changes a few fields of one stream, some of them more than once, and tells the world. */
static void random_batch(struct world *world, struct field fields[FIELDS])
{
	struct batch batch = {0};
	int stream = (int)draw(STREAMS);

	for (unsigned changes = 1 + draw(4); changes;) {
		struct field *field = &fields[draw(FIELDS)];

		if (field->stream != stream)
			continue;
		free(field->record);
		field->record = draw(3) ? random_record(field) : NULL;
		add(&batch, field->kind, field->id, field->record ? xstrdup(field->record) : NULL);
		if (field->record && draw(6) == 0) {
			/* goes and comes again in one batch */
			free(field->record);
			add(&batch, field->kind, field->id, NULL);
			field->record = random_record(field);
			add(&batch, field->kind, field->id, xstrdup(field->record));
		}
		changes--;
	}
	apply(world, streams[stream], &batch, false);
	if (stream >= 2 && world_node_incomplete(world, node_of(stream)))
		snapshot(world, fields, stream);
}

static void lose_a_node(struct world *world, struct field fields[FIELDS])
{
	int stream = 2 + (int)draw(PEERS);

	for (size_t i = 0; i < FIELDS; i++)
		if (fields[i].stream == stream)
			free(steal_ptr(fields[i].record));
	world_forget_node(world, node_of(stream));
}

static char *all_of(struct world *world)
{
	cleanup_free char *rules = render(world);
	cleanup_free char *problems = sentences(world_problems(world));
	cleanup_free char *others = sentences(world_not_enforced(world));
	struct world_stats s = stats_of(world);
	size_t bridges = 0;
	struct strbuf out = {0};
	const struct world_bridge *bridge = world_bridges(world, &bridges);

	strbuf_addf(&out,
		"%s%s%sendpoints %zu isolated %zu networks %zu policies %zu selectors %zu groups %zu conflicts %zu "
		"rejected %zu remote %zu contested %zu\n",
		rules, problems, others, s.endpoints, s.isolated, s.networks, s.policies,
		s.selectors, s.groups, s.conflicts, s.rejected, s.remote, s.contested);
	for (size_t i = 0; i < bridges; i++)
		strbuf_addf(&out, "%s %s %s\n", bridge[i].name, bridge[i].network,
			isolation_name(bridge[i].isolation));
	return strbuf_take(&out);
}

/* Lines of one text that are not in the other, with the object that they are in. */
static void difference(struct strbuf *out, char sign, const char *text, const char *other)
{
	cleanup_free char *lines = xstrdup(text);
	const char *object = "";
	char *save = NULL;

	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		cleanup_free char *whole = xasprintf("%s\n", line);

		if (line[0] == '\t' && line[1] != '\t')
			object = line;
		if (!strstr(other, whole))
			strbuf_addf(out, "%c %.60s: %s\n", sign, object, line);
	}
	if (!out->len)
		strbuf_add(out, "the same lines in other places\n");
}

static void compare(struct world *world, const struct field fields[FIELDS], int step)
{
	CLEANUP(world) struct world *fresh = new_world();
	cleanup_free char *got = all_of(world), *wanted = NULL;
	cleanup_strbuf struct strbuf text = {0};
	int first = (int)draw(STREAMS), up = draw(2) ? 1 : STREAMS - 1;
	int host = (int)draw(STREAMS);

	for (int i = 0; i < STREAMS; i++, first = (first + up) % STREAMS) {
		if (i == host)
			whole_host(fresh);
		snapshot(fresh, fields, first);
	}
	wanted = all_of(fresh);
	if (!strcmp(got, wanted))
		return;
	difference(&text, '+', got, wanted);
	difference(&text, '-', wanted, got);
	ck_abort_msg("step %d: more (+) and less (-) than a world that was told at once:\n%.3000s",
		step, text.text);
}

/* --- the kernel -------------------------------------------------------------------------------- */

static void declared(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	(void)tables;
	(void)type;
	(void)comment;
	(void)arg;
	ck_assert_msg(diff != DIFF_REPLACE, "%s", name);
}

/* A jump to a chain that is not there would be refused with the whole batch. */
static void jumps(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
	void *arg)
{
	(void)tables;
	(void)set;
	(void)type;
	(void)key;
	(void)comment;
	if (chain && diff != DIFF_REMOVE)
		ck_assert_msg(ruleset_chain_exists(arg, chain), "%s", chain);
}

static void lookups(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	cleanup_strbuf struct strbuf text = {0};

	(void)tables;
	(void)comment;
	(void)diff;
	ruleset_render(arg, &text);
	for (size_t r = 0; r < rules->count; r++)
		for (size_t m = 0; m < rules->items[r].match_count; m++) {
			const struct match *match = &rules->items[r].matches[m];
			cleanup_free char *set = xasprintf("\tset %s {", match->set);

			if (match->set[0] && match->kind != MATCH_OIF && match->kind != MATCH_IIF &&
				match->kind != MATCH_IIF_KIND)
				ck_assert_msg(strstr(text.text, set), "%s: %s", name, match->set);
		}
}

static void commit(struct world *world)
{
	static const struct ruleset_visitor checks = {
		.set = declared, .elem = jumps, .chain = lookups};
	struct ruleset *rs = world_ruleset(world);

	ruleset_visit(rs, &checks, rs);
	ruleset_committed(rs);
}

START_TEST(test_the_way_to_a_world_does_not_matter)
{
	struct field fields[FIELDS] = {0};
	CLEANUP(world) struct world *world = new_world();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = getenv("BULKHEAD_SEED") ? (unsigned)strtoul(getenv("BULKHEAD_SEED"), NULL, 10)
				       : (unsigned)now.tv_nsec;
	printf("world: BULKHEAD_SEED=%u\n", seed);
	fflush(stdout);
	name_fields(fields);
	for (int step = 0; step < STEPS; step++) {
		switch (draw(20)) {
		case 0:
			snapshot(world, fields, (int)draw(STREAMS));
			break;
		case 1:
			lose_a_node(world, fields);
			break;
		case 2:
		case 3:
		case 4:
			random_host(world);
			break;
		default:
			random_batch(world, fields);
		}
		if (draw(3) == 0)
			commit(world);
		compare(world, fields, step);
	}
	for (size_t i = 0; i < FIELDS; i++)
		free(fields[i].record);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("world_random");
	TCase *tcase = tcase_create("world_random");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_the_way_to_a_world_does_not_matter);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
