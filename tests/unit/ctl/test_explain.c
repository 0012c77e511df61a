/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/explain.h"

#include "ctl/diff.h"
#include "ctl/line_diff.h"
#include "ctl/output.h"
#include "ctl/reach.h"
#include "tests/unit/ctl/golden.h"
#include "tests/unit/ctl/store_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct policy_flow tcp(uint16_t port)
{
	return (struct policy_flow){
		.protocol = 6, .source = {.port = 49152}, .destination = {.port = port}};
}

static json_t *document_of(
	const char *from, const char *to, const char *node, const struct policy_flow *flow)
{
	struct ends ends;
	struct err err = {0};

	ck_assert_msg(!ends_resolve(world, from, to, node, &ends, &err), "%s", err.text);
	return explain_document(world, &policies, &ends, flow);
}

static char *text_of(const json_t *document, bool json)
{
	char *text = NULL;
	size_t len = 0;
	struct err err = {0};
	FILE *memory = open_memstream(&text, &len);

	ck_assert_int_eq(
		json ? output_json(document, memory, &err) : explain_text(document, memory, &err),
		0);
	fclose(memory);
	return text;
}

/* --- golden files ------------------------------------------------------------------------------- */

static const struct {
	const char *name, *from, *to, *node;
	int protocol;
	uint16_t port;
} cases[] = {
	{"allowed", "web", "db", NULL, 6, 3306},
	{"other-port", "web", "db", NULL, 6, 80},
	{"no-policy", "db", "web", NULL, 6, 80},
	{"bystander", "other", "db", NULL, 6, 3306},
	{"denied-by-rule", "web", "bad", NULL, 6, 3306},
	{"pass", "bad", "db", NULL, 6, 3306},
	{"outside", "web", "198.51.100.7", NULL, 6, 443},
	{"from-outside", "198.51.100.7", "10.1.0.2", NULL, 6, 3306},
	{"ipv6", "fd00:1::3", "fd00:1::2", NULL, 17, 53},
	{"ping", "web", "db", NULL, 1, 0},
	{"strict", "plain", "10.2.0.9", NULL, 6, 80},
	{"host", "host", "db", NULL, 6, 22},
	{"to-host", "web", "host", NULL, 6, 22},
	{"to-host-address", "web", "host:192.0.2.1", "node-1", 6, 22},
	{"to-host-bystander", "other", "host", NULL, 6, 22},
	{"to-host-ipv6", "fd00:1::3", "host", NULL, 58, 0},
	{"outside-to-host", "198.51.100.7", "host:192.0.2.1", "node-1", 6, 22},
	{"nobody", "10.1.0.77", "db", NULL, 6, 3306},
	{"to-nobody", "web", "10.1.0.77", NULL, 6, 3306},
	{"two-strangers", "198.51.100.7", "203.0.113.9", "node-1", 6, 80},
	{"in-vain", "other", "open", NULL, 6, 80},
	{"two-nodes", "far", "db", NULL, 6, 3306},
	{"label-alone", "plain", "web", NULL, 6, 80},
};

START_TEST(test_golden)
{
	struct policy_flow flow = tcp(cases[_i].port);
	cleanup_free char *text_name = xasprintf("ctl/explain-%s.txt", cases[_i].name);
	cleanup_free char *json_name = xasprintf("ctl/explain-%s.json", cases[_i].name);
	cleanup_free char *text = NULL, *json = NULL;
	cleanup_json json_t *document = NULL;

	flow.protocol = cases[_i].protocol;
	flow.icmp_type = 8;
	document = document_of(cases[_i].from, cases[_i].to, cases[_i].node, &flow);
	text = text_of(document, false);
	json = text_of(document, true);
	golden(text_name, text);
	golden(json_name, json);
}
END_TEST

static void golden_of(const char *name, const char *from, const char *to)
{
	const struct policy_flow flow = tcp(3306);
	cleanup_json json_t *document = document_of(from, to, NULL, &flow);
	cleanup_free char *text_name = xasprintf("ctl/explain-%s.txt", name);
	cleanup_free char *json_name = xasprintf("ctl/explain-%s.json", name);
	cleanup_free char *text = text_of(document, false), *json = text_of(document, true);

	golden(text_name, text);
	golden(json_name, json);
}

static const struct {
	const char *name, *from, *to, *verdict, *seen;
} across[] = {
	{"shared", "web", "far", "allowed", "10.4.0.2 is far of node-2"},
	{"shared-by-operator", "wide", "db", "allowed", "10.4.0.3 is wide of node-2"},
	{"shared-bystander", "other", "far", "denied", "10.4.0.2 is far of node-2"},
	{"shared-private", "hidden", "db", "denied", "its network net5 is not shared"},
	{"shared-no-domain", "apart", "db", "denied",
		"no network of node-1 is shared in the domain elsewhere"},
	{"shared-taken", "taken", "db", "denied", "is within net9 of node-1"},
	{"shared-local-owner", "double", "db", "denied", "is its own container mine"},
	{"shared-contested", "twin", "db", "denied", "is claimed by two endpoints of other nodes"},
	{"shared-contested-bystander", "rival", "other", "allowed",
		"is claimed by two endpoints of other nodes"},
};

START_TEST(test_across_nodes)
{
	const struct policy_flow flow = tcp(3306);
	cleanup_json json_t *document = NULL;
	cleanup_free char *text = NULL;

	teardown_store();
	setup_shared();
	document = document_of(across[_i].from, across[_i].to, NULL, &flow);
	text = text_of(document, false);
	ck_assert_str_eq(
		json_string_value(json_object_get(document, "verdict")), across[_i].verdict);
	ck_assert_msg(strstr(text, across[_i].seen) != NULL, "%s", text);
	golden_of(across[_i].name, across[_i].from, across[_i].to);
}
END_TEST

/* A tier ahead of the default one, which passes what partners may ask for; one that is not there; and whose addresses are whose. */
static void add_tiers(void)
{
	define(KIND_TIER, "{'v':1,'name':'ops','spec':{'order':10,'defaultAction':'deny'}}");
	define(KIND_NETSET,
		"{'v':1,'name':'partners','labels':{'role':'partner'},'spec':{'nets':['198.51.100.0/24',"
		"'2001:db8:1::/48']}}");
	define(KIND_POLICY,
		"{'v':1,'name':'guard','form':'v3','spec':{'tier':'ops','order':1,'selector':'role == \\'db\\'',"
		"'types':['ingress'],'egress':[],'ingress':[{'action':'pass','source':{'selector':"
		"'role == \\'web\\''}},{'action':'allow','protocol':'tcp','source':{'selector':"
		"'role == \\'partner\\''},'destination':{'ports':[443]}}]}}");
	define(KIND_POLICY,
		"{'v':1,'name':'lost','form':'v3','spec':{'tier':'gone','selector':'has(state)',"
		"'types':['ingress'],'egress':[],'ingress':[{'action':'allow'}]}}");
}

static const struct {
	const char *name, *from, *to;
	uint16_t port;
} tiered[] = {
	{"tier-passes", "web", "db", 3306},
	{"tier-ends", "198.51.100.7", "db", 3306},
	{"tier-allows-a-set", "198.51.100.7", "db", 443},
	{"tier-not-there", "web", "bad", 80},
};

START_TEST(test_tiers_golden)
{
	struct policy_flow flow = tcp(tiered[_i].port);
	cleanup_free char *text_name = xasprintf("ctl/explain-%s.txt", tiered[_i].name);
	cleanup_free char *json_name = xasprintf("ctl/explain-%s.json", tiered[_i].name);
	cleanup_free char *text = NULL, *json = NULL;
	cleanup_json json_t *document = NULL;

	add_tiers();
	document = document_of(tiered[_i].from, tiered[_i].to, NULL, &flow);
	text = text_of(document, false);
	json = text_of(document, true);
	golden(text_name, text);
	golden(json_name, json);
}
END_TEST

static const struct {
	const char *name, *to;
	uint16_t port;
} hosted[] = {
	{"host-by-label", "host", 22},
	{"host-by-label-address", "host:192.0.2.1", 22},
	{"host-by-label-other-port", "host:192.0.2.1", 23},
	/* an address alone may be anybody's */
	{"host-by-label-unsaid", "192.0.2.1", 22},
};

START_TEST(test_host_by_label)
{
	struct policy_flow flow = tcp(hosted[_i].port);
	cleanup_free char *text_name = xasprintf("ctl/explain-%s.txt", hosted[_i].name);
	cleanup_free char *text = NULL;
	cleanup_json json_t *document = NULL;

	add_policy("to-host",
		"'selector':'role == `web`','types':['egress'],'ingress':[],'egress':[{'action':'allow',"
		"'protocol':'tcp','destination':{'selector':'docker/host == `node-1`','ports':[22]}}]");
	document = document_of("web", hosted[_i].to, "node-1", &flow);
	text = text_of(document, false);
	golden(text_name, text);
}
END_TEST

static json_t *reach_of(const char *node, uint16_t port)
{
	const struct policy_flow flow = tcp(port);
	struct err err = {0};
	struct outsiders outsiders cleanup_outsiders = {0};
	CLEANUP(judge) struct judge *judge = judge_new(world, &policies);
	json_t *document;

	outsiders_add(&outsiders, &policies);
	document = reach_document(world, judge, node, &outsiders, &flow, &err);
	ck_assert_msg(document != NULL, "%s", err.text);
	return document;
}

START_TEST(test_reach_golden)
{
	cleanup_json json_t *document = reach_of("node-1", 3306), *all = reach_of(NULL, 80);
	cleanup_free char *json = text_of(document, true);
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	golden("ctl/reach.json", json);
	reach_table(document, memory);
	fclose(memory);
	golden("ctl/reach.txt", text);
	free(text);
	memory = open_memstream(&text, &len);
	reach_dot(document, memory);
	fclose(memory);
	golden("ctl/reach.dot", text);
	free(text);
	memory = open_memstream(&text, &len);
	reach_table(all, memory);
	fclose(memory);
	golden("ctl/reach-80-all-nodes.txt", text);
	free(text);
}
END_TEST

static const char *reaches(const json_t *document, const char *from, const char *to)
{
	const json_t *pair;
	size_t i;

	json_array_foreach (json_object_get(document, "pairs"), i, pair)
		if (!strcmp(json_string_value(json_object_get(pair, "from")), from) &&
			!strcmp(json_string_value(json_object_get(pair, "to")), to))
			return json_is_true(json_object_get(pair, "allowed")) ? "yes" : "no";
	return "not told";
}

START_TEST(test_reach_across_nodes)
{
	static const char *const names[] = {
		"web", "other", "db", "wide", "twin", "double", "taken"};
	const struct policy_flow flow = tcp(3306);
	cleanup_json json_t *all = NULL, *one = NULL;

	teardown_store();
	setup_shared();
	all = reach_of(NULL, 3306);
	one = reach_of("node-1", 3306);
	ck_assert_str_eq(reaches(all, "node-1/web", "node-2/far@net4"), "yes");
	ck_assert_str_eq(reaches(all, "node-2/far@net4", "node-1/web"), "no");
	ck_assert_str_eq(reaches(all, "node-1/web", "node-2/far@net5"), "not told");
	ck_assert_str_eq(reaches(all, "node-1/db", "node-2/apart"), "not told");
	ck_assert_str_eq(reaches(one, "web", "db"), "yes");
	ck_assert_str_eq(reaches(one, "web", "far@net4"), "not told");
	for (size_t i = 0; i < COUNT(names) * COUNT(names); i++) {
		const char *from = names[i / COUNT(names)], *to = names[i % COUNT(names)];
		bool here = i / COUNT(names) < 3, there = i % COUNT(names) < 3;
		cleanup_free char *a = xasprintf("node-%d/%s", here ? 1 : 2, from);
		cleanup_free char *b = xasprintf("node-%d/%s", there ? 1 : 2, to);
		cleanup_json json_t *explained = NULL;

		if (here == there)
			continue;
		explained = document_of(from, to, NULL, &flow);
		ck_assert_msg(
			!strcmp(reaches(all, a, b),
				!strcmp(json_string_value(json_object_get(explained, "verdict")),
					"allowed")
					? "yes"
					: "no"),
			"%s %s: %s", a, b, reaches(all, a, b));
	}
}
END_TEST

START_TEST(test_reach_agrees_with_explain)
{
	const struct policy_flow flow = tcp(3306);
	cleanup_json json_t *document = reach_of("node-1", 3306);
	const json_t *pairs = json_object_get(document, "pairs"), *pair;
	size_t i, compared = 0;

	json_array_foreach (pairs, i, pair) {
		const char *from = json_string_value(json_object_get(pair, "from"));
		const char *to = json_string_value(json_object_get(pair, "to"));
		cleanup_json json_t *explained = NULL;

		if (strpbrk(from, "@(") || strpbrk(to, "@("))
			continue;
		explained = document_of(from, to, NULL, &flow);
		ck_assert_msg(!strcmp(json_string_value(json_object_get(explained, "verdict")),
				      "allowed") == json_is_true(json_object_get(pair, "allowed")),
			"%s %s", from, to);
		compared++;
	}
	ck_assert_uint_gt(compared, 5);
}
END_TEST

/* --- advice --------------------------------------------------------------------------------------- */

/* What is advised, done: the policies' records taken as they are told. */
static void follow(const json_t *rules)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		struct err err = {0};
		struct policy *policy = policy_from_json(json_object_get(rule, "record"), &err);

		ck_assert_msg(policy != NULL, "%s", err.text);
		policies_put(&policies, policy);
	}
}

START_TEST(test_advice_helps)
{
	static const char *const who[] = {"db", "web", "other", "bad", "plain", "198.51.100.7"};
	size_t followed = 0;

	for (size_t i = 0; i < COUNT(who) * COUNT(who); i++) {
		const char *from = who[i / COUNT(who)], *to = who[i % COUNT(who)];
		const struct policy_flow flow = tcp(8080);
		cleanup_json json_t *document = NULL, *again = NULL;
		json_t *rules;

		if (from == to)
			continue;
		document = document_of(from, to, "node-1", &flow);
		if (!strcmp(json_string_value(json_object_get(document, "verdict")), "allowed"))
			continue;
		rules = json_object_get(
			json_array_get(json_object_get(document, "changes"), 0), "rules");
		ck_assert_msg(rules != NULL, "%s %s", from, to);
		follow(rules);
		again = document_of(from, to, "node-1", &flow);
		ck_assert_str_eq(json_string_value(json_object_get(again, "verdict")), "allowed");
		teardown_store();
		setup_store();
		followed++;
	}
	ck_assert_uint_gt(followed, 10);
}
END_TEST

/* --- diff ----------------------------------------------------------------------------------------- */

/* Every order of the lines, and that what is told turns the one text into the other. */
static const struct {
	const char *before, *after, *shown;
} texts[] = {
	{"", "", ""},
	{"a\n", "", "- a\n"},
	{"", "a\nb\n", "+ a\n+ b\n"},
	{"a\nb\nc\n", "a\nc\n", "  a\n- b\n  c\n"},
	{"a\nc\n", "a\nb\nc\nd\n", "  a\n+ b\n  c\n+ d\n"},
	{"a\nb\n", "c\nb\n", "- a\n+ c\n  b\n"},
};

START_TEST(test_line_diff)
{
	cleanup_strbuf struct strbuf out = {0};

	line_diff(texts[_i].before, texts[_i].after, &out);
	ck_assert_str_eq(out.text ? out.text : "", texts[_i].shown);
}
END_TEST

static json_t *diff_of(const char *node, const char *const specs[][2], size_t count)
{
	cleanup_json json_t *records = json_array();
	struct err err = {0};
	json_t *document;

	for (size_t i = 0; i < count; i++) {
		CLEANUP(policy) struct policy *policy = make_policy(specs[i][0], specs[i][1]);

		json_array_append_new(records,
			json_pack("{s:s,s:o}", "kind", "policy", "record", policy_to_json(policy)));
	}
	document = diff_document(world, &policies, records, node, &err);
	ck_assert_msg(document != NULL, "%s", err.text);
	return document;
}

static char *diff_text_of(const json_t *document)
{
	struct err err = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	ck_assert_int_eq(diff_text(document, memory, &err), 0);
	fclose(memory);
	return text;
}

#define WEB_SPEC(staged)                                                                          \
	"'order':100," staged                                                                     \
	"'selector':'role == `web`','types':['egress'],'ingress':[],'egress':[{'action':'allow'," \
	"'protocol':'tcp','destination':{'selector':'role == `db`'}}]"

START_TEST(test_diff_golden)
{
	static const char *const specs[][2] = {
		{"database",
			"'selector':'role == `db`','types':['ingress'],'egress':[],'ingress':["
			"{'action':'log'},{'action':'allow','protocol':'tcp','source':{'selector':'role == `web`'},"
			"'destination':{'ports':[3307,'8000:8010']}}]"},
		{"web", WEB_SPEC("")},
		{"ping",
			"'selector':'has(role)','types':['ingress','egress'],'ingress':["
			"{'action':'allow','protocol':'icmp'}],'egress':[{'action':'allow','protocol':'icmp'},"
			"{'action':'allow','protocol':47}]"},
	};
	cleanup_json json_t *document = diff_of(NULL, specs, COUNT(specs));
	cleanup_free char *text = diff_text_of(document), *json = text_of(document, true);

	golden("ctl/diff.txt", text);
	golden("ctl/diff.json", json);
}
END_TEST

/* A set that comes, and a tier whose word changes. */
START_TEST(test_diff_across_nodes)
{
	static const char *const closed[][2] = {{"database",
		"'selector':'role == `db`','types':['ingress'],'egress':[],'ingress':[]"}};
	cleanup_json json_t *all = NULL, *one = NULL;
	cleanup_free char *all_text = NULL, *one_text = NULL;

	teardown_store();
	setup_shared();
	all = diff_of(NULL, closed, 1);
	one = diff_of("node-1", closed, 1);
	all_text = diff_text_of(all);
	one_text = diff_text_of(one);
	ck_assert_ptr_nonnull(
		strstr(all_text, "closed: node-1/web -> node-2/far@net4, tcp 3306\n"));
	ck_assert_ptr_nonnull(strstr(all_text, "closed: node-2/wide -> node-1/db, tcp 3306\n"));
	ck_assert_ptr_null(strstr(all_text, "node-1/web -> node-2/far@net5"));
	ck_assert_ptr_null(strstr(all_text, "node-2/twin -> node-1/db"));
	ck_assert_ptr_nonnull(strstr(one_text, "closed: web -> db, tcp 3306\n"));
	ck_assert_ptr_null(strstr(one_text, "far"));
}
END_TEST

START_TEST(test_diff_of_tiers)
{
	cleanup_json json_t *records = NULL, *document = NULL;
	cleanup_free char *text = NULL;
	struct err err = {0};

	add_tiers();
	records = parse(
		"[{'kind':'tier','record':{'v':1,'name':'ops','spec':{'order':10,'defaultAction':'pass'}}},"
		"{'kind':'networkset','record':{'v':1,'name':'friends','labels':{'role':'partner'},"
		"'spec':{'nets':['203.0.113.0/24']}}},{'kind':'networkset','record':{'v':1,"
		"'name':'partners','labels':{'role':'partner'},'spec':{'nets':['198.51.100.128/25']}}}]");
	document = diff_document(world, &policies, records, "node-1", &err);
	ck_assert_msg(document != NULL, "%s", err.text);
	text = diff_text_of(document);
	golden("ctl/diff-tiers.txt", text);
}
END_TEST

START_TEST(test_diff_of_the_same)
{
	static const char *const specs[][2] = {{"web", WEB_SPEC("")}};
	cleanup_json json_t *document = diff_of(NULL, specs, 1);
	cleanup_free char *text = diff_text_of(document);

	ck_assert_str_eq(text,
		"unchanged policies: 1\nwho may reach whom does not change, as far as it was tried\n");
}
END_TEST

START_TEST(test_diff_of_staging)
{
	static const char *const specs[][2] = {{"web", WEB_SPEC("'staged':true,")}};
	cleanup_json json_t *document = diff_of("node-1", specs, 1);
	cleanup_free char *text = diff_text_of(document);

	/* a staged policy allows nothing, and the database's rule names the port that web's does not */
	ck_assert_str_eq(text,
		"changed policy web:\n"
		"  egress:\n  - action: allow\n    destination:\n      selector: role == \"db\"\n    protocol: tcp\n"
		"  ingress: []\n  order: 100\n  selector: role == \"web\"\n+ staged: true\n  types:\n  - egress\n"
		"closed: web@net1 -> db, tcp 3306\n");
}
END_TEST

/* --- ends ----------------------------------------------------------------------------------------- */

static void refused(const char *from, const char *to, const char *part)
{
	struct ends ends;
	struct err err = {0};

	ck_assert_int_eq(ends_resolve(world, from, to, NULL, &ends, &err), -1);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
}

START_TEST(test_ends)
{
	struct ends ends;
	struct err err = {0};

	/* the network that they share */
	ck_assert_int_eq(ends_resolve(world, "web", "plain", NULL, &ends, &err), 0);
	ck_assert_str_eq(ends.end[DIR_EGRESS].endpoint->record->network_name, "net2");
	ck_assert_int_eq(ends_resolve(world, "c-web-1", "db", NULL, &ends, &err), -1);
	ck_assert_int_eq(ends_resolve(world, "10.1.0.3", "db", NULL, &ends, &err), 0);
	ck_assert_str_eq(ends.end[DIR_EGRESS].endpoint->record->container_name, "web");
	ck_assert_str_eq(ends.nodes[DIR_EGRESS], "node-1");
	ck_assert_int_eq(ends_resolve(world, "fd00:1::9", "db", NULL, &ends, &err), 0);
	ck_assert_int_eq(ends.end[DIR_INGRESS].ip.family, 6);
	/* the host is the other end's own */
	ck_assert_int_eq(ends_resolve(world, "far", "host", NULL, &ends, &err), 0);
	ck_assert(ends.end[DIR_INGRESS].host);
	ck_assert_str_eq(ends.nodes[DIR_INGRESS], "node-2");
	ck_assert_int_eq(ends_resolve(world, "host:10.1.0.1", "far", NULL, &ends, &err), 0);
	ck_assert(ends.end[DIR_EGRESS].host);
	ck_assert_int_eq(ends_resolve(world, "far", "host", "node-1", &ends, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "the host of node node-1 is a stranger"));
	ck_assert_int_eq(ends_resolve(world, "host", "far", "node-1", &ends, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "the host of node node-1 is a stranger"));
	/* on two nodes, where they share a domain */
	teardown_store();
	setup_shared();
	ck_assert_int_eq(ends_resolve(world, "web", "far", NULL, &ends, &err), 0);
	ck_assert_str_eq(ends.end[DIR_INGRESS].endpoint->record->network_name, "net4");
	ck_assert_str_eq(ends.nodes[DIR_EGRESS], "node-1");
	ck_assert_str_eq(ends.nodes[DIR_INGRESS], "node-2");
	teardown_store();
	setup_store();
	refused("host", "host", "which address of the host is not known");
	refused("host", "host:10.1.0.1", "both are the host");
	refused("198.51.100.1", "host", "which address of the host is not known");
	refused("198.51.100.1", "host:192.0.2.1", "neither");
	refused("web", "host:", "host:: ");
	refused("web", "host:x", "host:x: ");
	refused("web", "hostess", "\"hostess\" is no address");
	refused("nobody", "db", "\"nobody\" is no address");
	refused("198.51.100.1", "198.51.100.2", "neither");
	refused("198.51.100.1", "fd00:1::2", "one family");
}
END_TEST

START_TEST(test_names)
{
	CLEANUP(judge) struct judge *judge = judge_new(world, &policies);
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		ck_assert_msg(
			judge_names_lost(judge, &endpoints[i]) == endpoints[i].isolated && true,
			"%s", endpoints[i].record->container_name);
}
END_TEST

START_TEST(test_names_allowed)
{
	CLEANUP(judge) struct judge *judge = NULL;
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	/* to somebody, and by TCP alone: it is not certain that names are lost */
	add_policy("dns", "'selector':'role == `db`','types':['egress'],'ingress':[],'egress':["
			  "{'action':'allow','protocol':'tcp','destination':{'ports':['50:60'],"
			  "'nets':['10.9.9.9']}}]");
	judge = judge_new(world, &policies);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(endpoints[i].record->container_name, "db"))
			ck_assert(!judge_names_lost(judge, &endpoints[i]));
		else if (!strcmp(endpoints[i].record->container_name, "bad"))
			ck_assert(judge_names_lost(judge, &endpoints[i]));
}
END_TEST

/* The server may be the host itself, by a rule that names no port. */
START_TEST(test_names_by_the_host)
{
	CLEANUP(judge) struct judge *judge = NULL;
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	add_policy("host", "'selector':'role == `db`','types':['egress'],'ingress':[],'egress':["
			   "{'action':'allow','destination':{'selector':'has(docker/host)'}}]");
	judge = judge_new(world, &policies);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(endpoints[i].record->container_name, "db"))
			ck_assert(!judge_names_lost(judge, &endpoints[i]));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("explain");
	TCase *tcase = tcase_create("explain");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup_store, teardown_store);
	tcase_add_loop_test(tcase, test_golden, 0, COUNT(cases));
	tcase_add_loop_test(tcase, test_across_nodes, 0, COUNT(across));
	tcase_add_loop_test(tcase, test_tiers_golden, 0, COUNT(tiered));
	tcase_add_loop_test(tcase, test_host_by_label, 0, COUNT(hosted));
	tcase_add_test(tcase, test_reach_golden);
	tcase_add_test(tcase, test_reach_across_nodes);
	tcase_add_test(tcase, test_reach_agrees_with_explain);
	tcase_add_test(tcase, test_advice_helps);
	tcase_add_loop_test(tcase, test_line_diff, 0, COUNT(texts));
	tcase_add_test(tcase, test_diff_golden);
	tcase_add_test(tcase, test_diff_across_nodes);
	tcase_add_test(tcase, test_diff_of_tiers);
	tcase_add_test(tcase, test_diff_of_the_same);
	tcase_add_test(tcase, test_diff_of_staging);
	tcase_add_test(tcase, test_ends);
	tcase_add_test(tcase, test_names);
	tcase_add_test(tcase, test_names_allowed);
	tcase_add_test(tcase, test_names_by_the_host);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
