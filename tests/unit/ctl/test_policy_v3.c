/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The v3 forms: what is stored for them, what they are shown as again, and what is refused by which name and where. */
#include "input_fixture.h"

#include "common/policy.h"
#include "common/strbuf.h"
#include "ctl/v3_view.h"

#define V3     "apiVersion: projectcalico.org/v3\n"
#define GLOBAL V3 "kind: GlobalNetworkPolicy\nmetadata: {name: p}\n"            /* 3 lines */
#define LOCAL  V3 "kind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\n" /* 3 lines */

/* What get shows is accepted again, as the same record; the enforcer's reader takes it, and gives the same. */
static void expect_round_trip(const char *text)
{
	for (size_t i = 0; i < input.count; i++) {
		cleanup_json json_t *shown = v3_object(input.items[i].record);
		cleanup_free char *dumped = json_dumps(shown, JSON_INDENT(1));
		struct input again = {0};
		struct err err = {0};
		CLEANUP(policy)
		struct policy *policy = policy_from_json(input.items[i].record, &err);

		ck_assert_msg(policy != NULL, "%s: %s", text, err.text);
		input_add_text(&again, dumped, strlen(dumped), "again", POLICY_WHOLE, &diag);
		ck_assert_msg(!diag.count, "%s\nshown as %s\n%s", text, dumped, diag.entries[0]);
		ck_assert_uint_eq(again.count, 1);
		ck_assert_msg(json_equal(again.items[0].record, input.items[i].record),
			"%s\nshown as %s", text, dumped);
		input_clear(&again);
	}
}

static void expect_accepted(const char *text)
{
	read_accepted(text);
	expect_round_trip(text);
}

/* --- kinds and metadata ---------------------------------------------------------------------------- */

#define EMPTY "'types':['ingress'],'ingress':[],'egress':[]"

static const struct {
	const char *text, *record;
} documents[] = {
	{GLOBAL "spec: {}\n", "{'v':1,'name':'p','form':'v3','spec':{'selector':''," EMPTY "}}"},
	{GLOBAL "spec:\n  order: 1.5\n  tier: default\n  selector: has(a)\n",
		"{'v':1,'name':'p','form':'v3','spec':{'order':1.5,'selector':'has(a)'," EMPTY
		"}}"},
	{GLOBAL "spec: {tier: ops}\n",
		"{'v':1,'name':'p','form':'v3','spec':{'tier':'ops','selector':''," EMPTY "}}"},
	{LOCAL "spec: {}\n", "{'v':1,'name':'shop/p','form':'v3','namespace':'shop','spec':{"
			     "'selector':'docker/compose.project == \\'shop\\''," EMPTY "}}"},
	{LOCAL "spec: {selector: has(a) || has(b)}\n",
		"{'v':1,'name':'shop/p','form':'v3','namespace':'shop','spec':{"
		"'selector':'(docker/compose.project == \\'shop\\') && (has(a) || has(b))'," EMPTY
		"}}"},
	{V3 "kind: StagedGlobalNetworkPolicy\nmetadata: {name: p}\nspec: {stagedAction: Set}\n",
		"{'v':1,'name':'_staged/p','form':'v3','spec':{'staged':true,'selector':''," EMPTY
		"}}"},
	{V3 "kind: StagedNetworkPolicy\nmetadata: {name: p, namespace: my_shop-1}\nspec: {}\n",
		"{'v':1,'name':'_staged/my_shop-1/p','form':'v3','namespace':'my_shop-1','spec':{'staged':true,"
		"'selector':'docker/compose.project == \\'my_shop-1\\''," EMPTY "}}"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: default.p, uid: u, resourceVersion: '7',\n"
	    "  creationTimestamp: null, generation: 3, labels: {team: db}, annotations: {n: 5}}\nspec: {}\n",
		"{'v':1,'name':'default.p','form':'v3','labels':{'team':'db'},'annotations':{'n':'5'},"
		"'spec':{'selector':''," EMPTY "}}"},
	{GLOBAL "spec: {types: [Egress, Ingress], doNotTrack: false, preDNAT: false, applyOnForward: false,\n"
		" performanceHints: [AssumeNeededOnEveryNode], serviceAccountSelector: ''}\n",
		"{'v':1,'name':'p','form':'v3','spec':{'selector':'','types':['egress','ingress'],"
		"'ingress':[],'egress':[]}}"},
	{GLOBAL "spec: {egress: [{action: Pass}]}\n",
		"{'v':1,'name':'p','form':'v3','spec':{'selector':'','types':['egress'],'ingress':[],"
		"'egress':[{'action':'pass'}]}}"},
	/* spec.namespaceSelector of a global policy */
	{GLOBAL "spec: {namespaceSelector: all(), selector: has(a)}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'(has(docker/compose.project)) && (has(a))'," EMPTY "}}"},
	{GLOBAL "spec: {namespaceSelector: ' global( ) '}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'!has(docker/compose.project)'," EMPTY "}}"},
	{GLOBAL "spec: {namespaceSelector: \"kubernetes.io/metadata.name in {'b','a'}\"}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'docker/compose.project in {\\'a\\', \\'b\\'}'," EMPTY "}}"},
	/* a selector that only looks like both together stays as it was written */
	{GLOBAL "spec: {selector: \"(has(a)) && (has(b))\"}\n",
		"{'v':1,'name':'p','form':'v3','spec':{'selector':'(has(a)) && (has(b))'," EMPTY
		"}}"},
	{GLOBAL "spec: {selector: \"(docker/compose.project == 'x') && (has(b)) || (has(c))\"}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'(docker/compose.project == `x`) && (has(b)) || (has(c))'," EMPTY "}}"},
	{GLOBAL "spec: {selector: '(docker/compose.project == \")\") && (a == \"(\")'}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'(docker/compose.project == \\')\\') && (a == \\'(\\')'," EMPTY "}}"},
	{GLOBAL "spec: {selector: \"projectcalico.org/namespace == 'shop' && a == 'b'\"}\n",
		"{'v':1,'name':'p','form':'v3','spec':{"
		"'selector':'(docker/compose.project == \\'shop\\' && a == \\'b\\')'," EMPTY "}}"},
};

START_TEST(stores_documents_and_shows_them_again)
{
	expect_accepted(documents[_i].text);
	ck_assert_uint_eq(input.count, 1);
	expect_quoted(input.items[0].record, documents[_i].record, documents[_i].text);
	ck_assert_str_eq(input.items[0].name,
		json_string_value(json_object_get(input.items[0].record, "name")));
}
END_TEST

/* --- rules ----------------------------------------------------------------------------------------- */

static const struct {
	const char *rule, *global, *local; /* local NULL: as global */
} rules[] = {
	{"{action: Allow}", "{'action':'allow'}", NULL},
	{"{action: Deny, ipVersion: 6}", "{'action':'deny','ipVersion':6}", NULL},
	{"{action: Log, protocol: TCP}", "{'action':'log','protocol':'tcp'}", NULL},
	{"{action: Pass, protocol: UDP}", "{'action':'pass','protocol':'udp'}", NULL},
	{"{action: Allow, protocol: ICMP}", "{'action':'allow','protocol':'icmp'}", NULL},
	{"{action: Allow, protocol: ICMPv6}", "{'action':'allow','protocol':'icmpv6'}", NULL},
	{"{action: Allow, protocol: UDPLite}", "{'action':'allow','protocol':'udplite'}", NULL},
	{"{action: Allow, protocol: 47}", "{'action':'allow','protocol':47}", NULL},
	{"{action: Allow, notProtocol: SCTP}", "{'action':'allow','notProtocol':'sctp'}", NULL},
	{"{action: Allow, notProtocol: 1}", "{'action':'allow','notProtocol':1}", NULL},
	{"{action: Allow, protocol: ICMP, icmp: {type: 8, code: 0}}",
		"{'action':'allow','protocol':'icmp','icmp':{'type':8,'code':0}}", NULL},
	{"{action: Allow, protocol: 58, ipVersion: 6, notICMP: {type: 1}}",
		"{'action':'allow','protocol':58,'ipVersion':6,'notICMP':{'type':1}}", NULL},
	{"{action: Allow, metadata: {annotations: {why: x}}}",
		"{'action':'allow','annotations':{'why':'x'}}", NULL},
	{"{action: Allow, source: {nets: [10.0.0.0/8, 192.0.2.1], notNets: [10.1.0.0/16]}}",
		"{'action':'allow','source':{'nets':['10.0.0.0/8','192.0.2.1/32'],'notNets':['10.1.0.0/16']}}",
		NULL},
	{"{action: Allow, protocol: SCTP, destination: {ports: [80, '90:95'], notPorts: ['92']}}",
		"{'action':'allow','protocol':'sctp','destination':{'ports':[80,'90:95'],'notPorts':[92]}}",
		NULL},
	{"{action: Allow, protocol: 132, destination: {ports: [80]}}",
		"{'action':'allow','protocol':132,'destination':{'ports':[80]}}", NULL},
	{"{action: Allow, source: {selector: ''}}", "{'action':'allow','source':{}}", NULL},
	{"{action: Allow, source: {selector: a contains 'b'}}",
		"{'action':'allow','source':{'selector':'a contains `b`'}}",
		"{'action':'allow','source':{'selector':'(docker/compose.project == \\'shop\\') && (a contains `b`)'}}"},
	{"{action: Allow, destination: {notSelector: has(a)}}",
		"{'action':'allow','destination':{'notSelector':'has(a)'}}",
		"{'action':'allow','destination':{'notSelector':'has(a)',"
		"'selector':'docker/compose.project == \\'shop\\''}}"},
	{"{action: Allow, source: {selector: has(a), namespaceSelector: all()}}",
		"{'action':'allow','source':{'selector':'(has(docker/compose.project)) && (has(a))'}}",
		NULL},
	{"{action: Allow, source: {namespaceSelector: global(), notSelector: has(a)}}",
		"{'action':'allow','source':{'selector':'!has(docker/compose.project)','notSelector':'has(a)'}}",
		NULL},
	{"{action: Allow, source: {namespaceSelector: projectcalico.org/name == 'shop'}}",
		"{'action':'allow','source':{'selector':'docker/compose.project == \\'shop\\''}}",
		NULL},
	{"{action: Allow, source: {selector: has(a), namespaceSelector: projectcalico.org/name != 'x' && has(projectcalico.org/name)}}",
		"{'action':'allow','source':{'selector':'((docker/compose.project != \\'x\\' && "
		"has(docker/compose.project))) && (has(a))'}}",
		NULL},
};

START_TEST(stores_rules_and_shows_them_again)
{
	const char *heads[] = {GLOBAL, LOCAL};

	for (size_t i = 0; i < COUNT(heads); i++) {
		struct strbuf text cleanup_strbuf = {0};
		const char *wanted = i && rules[_i].local ? rules[_i].local : rules[_i].global;
		const json_t *spec;

		strbuf_addf(&text, "%sspec:\n  ingress:\n  - %s\n", heads[i], rules[_i].rule);
		expect_accepted(text.text);
		spec = json_object_get(input.items[0].record, "spec");
		expect_quoted(
			json_array_get(json_object_get(spec, "ingress"), 0), wanted, text.text);
	}
}
END_TEST

/* --- refusals -------------------------------------------------------------------------------------- */

/* The rule begins at line 6, column 5. */
static const struct {
	const char *rule, *error;
} bad_rules[] = {
	{"{action: allow}", "6:14: action allow is not Allow, Deny, Log or Pass"},
	{"{action: Ingress}", "6:14: action Ingress is not Allow"},
	{"{protocol: TCP}", "6:5: action is missing in a rule"},
	{"{action: Allow, protocol: tcp}", "6:31: protocol tcp is not TCP, UDP, ICMP"},
	{"{action: Allow, protocol: Allow}", "6:31: protocol Allow is not TCP"},
	{"{action: Allow, protocol: 0}", "6:31: protocol 0 is not TCP"},
	{"{action: Allow, protocol: 256}", "6:31: protocol 256 is not TCP"},
	{"{action: Allow, notProtocol: udp}", "6:34: protocol udp is not TCP"},
	{"{action: Allow, http: {methods: [GET]}}", "6:27: http: needs a proxy"},
	{"{action: Allow, source: {serviceAccounts: {names: [a]}}}",
		"6:47: serviceAccounts: containers"},
	{"{action: Allow, destination: {services: {name: a}}}",
		"6:45: services: there are no Kubernetes"},
	{"{action: Allow, source: {tag: a}}",
		"6:35: tag, notTag: v3 has none; use selector: has(TAG)"},
	{"{action: Allow, source: {net: 10.0.0.0/8}}", "6:35: net, notNet: v3 has none; use nets"},
	{"{action: Allow, src: {}}", "6:21: unknown field \"src\" in a rule"},
	{"{action: Allow, metadata: {name: x}}",
		"6:32: unknown field \"name\" in a rule's metadata"},
	{"{action: Allow, source: {nets: [10.1.2.3/8]}}",
		"6:37: 10.1.2.3/8 has bits beyond its length: 10.0.0.0/8 is the block"},
	{"{action: Allow, source: {nets: [x]}}", "6:37: \"x\" is not a CIDR block"},
	{"{action: Allow, source: {notNets: [0.0.0.0/0]}}",
		"6:40: notNets: 0.0.0.0/0 leaves no traffic"},
	{"{action: Allow, source: {notNets: ['::/0']}}", "6:40: notNets: ::/0 leaves no traffic"},
	{"{action: Allow, source: {nets: [10.0.0.1], notNets: ['::1']}}",
		"6:58: spec.ingress[0].source.notNets[0]: IPv6"},
	{"{action: Allow, ipVersion: 6, source: {nets: [10.0.0.1]}}",
		"6:51: spec.ingress[0].source.nets[0]: IPv4"},
	{"{action: Allow, protocol: TCP, destination: {ports: [http]}}",
		"6:58: named ports: ports of"},
	{"{action: Allow, protocol: TCP, destination: {ports: [0]}}", "6:58: bad port \"0\""},
	{"{action: Allow, destination: {ports: [80]}}",
		"6:42: spec.ingress[0].destination.ports: needs"},
	{"{action: Allow, protocol: ICMP, destination: {notPorts: [80]}}",
		"6:61: spec.ingress[0].destination.notPorts: needs"},
	{"{action: Allow, protocol: UDPLite, destination: {notPorts: [80]}}",
		"6:64: spec.ingress[0].destination.notPorts: needs"},
	{"{action: Allow, icmp: {type: 8}}", "6:27: ICMP types need the rule's protocol"},
	{"{action: Allow, protocol: TCP, notICMP: {type: 8}}",
		"6:45: ICMP types need the rule's protocol"},
	{"{action: Allow, protocol: ICMP, icmp: {type: 255}}", "6:50: \"255\" is not an ICMP type"},
	{"{action: Allow, protocol: ICMP, icmp: {code: 1}}", "6:43: an ICMP code needs a type"},
	{"{action: Allow, protocol: 1, ipVersion: 6, icmp: {type: 8}}",
		"6:54: ICMP is not of IPv6"},
	{"{action: Allow, protocol: ICMPv6, ipVersion: 4, icmp: {type: 8}}",
		"6:59: ICMPv6 is not of IPv4"},
	{"{action: Allow, source: {selector: a = 'b'}}", "6:42: bad selector: expected"},
	{"{action: Allow, source: {selector: global()}}",
		"6:40: bad selector: global() stands alone"},
	{"{action: Allow, source: {namespaceSelector: \"a == 'b'\"}}",
		"6:49: namespaceSelector: a namespace is a compose project, which has no label \"a\""},
	{"{action: Allow, source: {namespaceSelector: all() || all()}}",
		"6:49: namespaceSelector: names no label of a namespace"},
	{"{action: Allow, source: {namespaceSelector: global() || all()}}",
		"6:49: bad selector: global() stands alone"},
};

START_TEST(refuses_in_a_rule)
{
	struct strbuf text cleanup_strbuf = {0};

	strbuf_addf(&text, "%sspec:\n  ingress:\n  - %s\n", LOCAL, bad_rules[_i].rule);
	expect_error(text.text, bad_rules[_i].error);
	ck_assert_uint_eq(input.count, 0);
}
END_TEST

#define KIND(kind) V3 "kind: " kind "\nmetadata: {name: p}\nspec: {}\n"

static const struct {
	const char *text, *error;
} bad_documents[] = {
	{"apiVersion: projectcalico.org/v2\nkind: GlobalNetworkPolicy\n",
		"1:1: unknown resource type"},
	{"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n", "1:1: unknown resource type"},
	{V3 "kind: globalNetworkPolicy\n", "1:1: unknown resource type (globalNetworkPolicy)"},
	{V3 "kind: policy\n", "1:1: unknown resource type (policy) and/or version (projectcalico"},
	{"apiVersion: v1\nkind: GlobalNetworkPolicy\n", "1:1: unknown resource type"},
	{KIND("NetworkSet"), "1:1: NetworkSet: a set of addresses is of no compose project"},
	{KIND("HostEndpoint"), "1:1: HostEndpoint: policy is for containers"},
	{KIND("Profile"), "1:1: Profile: there are no profiles"},
	{KIND("WorkloadEndpoint"), "1:1: WorkloadEndpoint: endpoints come from Docker"},
	{KIND("StagedKubernetesNetworkPolicy"), "1:1: StagedKubernetesNetworkPolicy: policies of"},
	{V3 "kind: HostEndpointList\nitems: [{metadata: {name: a}}]\n",
		"3:9: HostEndpoint: policy is"},
	{V3 "kind: GlobalNetworkPolicyList\n", "1:1: items is missing in a list"},
	{V3 "kind: GlobalNetworkPolicyList\nmetadata: {name: a}\nitems: []\n",
		"3:12: unknown field \"name\""},
	{GLOBAL, "1:1: spec is missing in a policy"},
	{GLOBAL "spec: {}\nstatus: {}\n", "5:1: unknown field \"status\" in a policy"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {}\n",
		"3:32: a GlobalNetworkPolicy has no namespace"},
	{V3 "kind: NetworkPolicy\nmetadata: {name: p}\nspec: {}\n",
		"3:11: metadata.namespace is missing: the compose project"},
	{V3 "kind: NetworkPolicy\nmetadata: {name: p, namespace: Shop}\nspec: {}\n",
		"3:32: metadata.namespace: the name of a compose project"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: P}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: a.b.c}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: a/b}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: -a}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: a-}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: a.}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: ''}\nspec: {}\n",
		"3:18: metadata.name: 1 to 63"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {}\nspec: {}\n",
		"3:11: name is missing in metadata"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: p, labels: [a]}\nspec: {}\n",
		"3:29: a mapping is"},
	{V3 "kind: GlobalNetworkPolicy\nmetadata: {name: p, finalizers: [a]}\nspec: {}\n",
		"3:21: unknown field \"finalizers\" in metadata"},
	{GLOBAL "spec: {tier: Security}\n", "4:14: tier: the name of one is 1 to 63 lower-case"},
	{GLOBAL "spec: {tier: a.b}\n", "4:14: tier: the name of one is"},
	{GLOBAL "spec: {tier: [a]}\n", "4:14: text is wanted here"},
	{GLOBAL "spec: {types: [ingress]}\n", "4:16: types: ingress is not Ingress or Egress"},
	{GLOBAL "spec: {types: [Allow]}\n", "4:16: types: Allow is not Ingress or Egress"},
	{GLOBAL "spec: {types: [Egress, Egress]}\n", "4:15: types: one is there twice"},
	{GLOBAL "spec: {types: [Egress, Egress, Ingress]}\n", "4:15: 3 types in one list"},
	{GLOBAL "spec: {order: '1'}\n", "4:15: a number is wanted here"},
	{GLOBAL "spec: {staged: true}\n", "4:8: unknown field \"staged\" in spec"},
	{GLOBAL "spec: {doNotTrack: true}\n", "4:20: doNotTrack applies to host endpoints only"},
	{GLOBAL "spec: {preDNAT: true}\n", "4:17: preDNAT applies to host endpoints only"},
	{GLOBAL "spec: {applyOnForward: true}\n",
		"4:24: applyOnForward applies to host endpoints only"},
	{GLOBAL "spec: {serviceAccountSelector: all()}\n",
		"4:32: serviceAccountSelector: containers"},
	{GLOBAL "spec: {stagedAction: Delete}\n", "4:22: stagedAction: only Set is possible"},
	{GLOBAL "spec: {performanceHints: [Fast]}\n", "4:27: performanceHints: only Assume"},
	{GLOBAL "spec: {selector: global()}\n", "4:18: bad selector: global() stands alone"},
	{GLOBAL "spec: {namespaceSelector: has(team)}\n",
		"4:27: namespaceSelector: a namespace is a compose"},
	{LOCAL "spec: {namespaceSelector: all()}\n",
		"4:8: unknown field \"namespaceSelector\" in spec"},
	{LOCAL "spec: {applyOnForward: false}\n", "4:8: unknown field \"applyOnForward\" in spec"},
	{LOCAL "spec: {}\n---\n" LOCAL "spec: {}\n", "6:1: policy \"shop/p\" is already at f:1"},
};

START_TEST(refuses_documents)
{
	expect_error(bad_documents[_i].text, bad_documents[_i].error);
}
END_TEST

/* --- limits ---------------------------------------------------------------------------------------- */

/* count times item, between before and after; the greatest count is accepted and one more is not. */
static const struct {
	const char *before, *item, *after, *error;
	size_t most;
} limits[] = {
	{GLOBAL "spec: {ingress: [{action: Allow, source: {nets: [", "10.0.0.1,", "]}}]}\n",
		"257 nets in one list", 256},
	{GLOBAL "spec: {ingress: [{action: Allow, protocol: TCP, source: {ports: [", "7,",
		"]}}]}\n", "51 ports in one list", 50},
	{GLOBAL "spec: {egress: [", "{action: Allow},", "]}\n", "1025 rules in one list", 1024},
	{GLOBAL "spec: {selector: \"a == '", "x", "'\"}\n", "a selector of 1025 characters", 1017},
	{V3 "kind: GlobalNetworkPolicy\nspec: {}\nmetadata: {name: ", "a", "}\n",
		"metadata.name: 1 to", 63},
	{V3 "kind: NetworkPolicy\nspec: {}\nmetadata: {name: a, namespace: ", "a", "}\n",
		"metadata.namespace: ", 63},
	{V3 "kind: StagedNetworkPolicy\nspec: {}\nmetadata: {namespace: shop, name: "
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.",
		"a", "}\n", "stored as namespace/name: bad name", 52},
};

START_TEST(keeps_the_limits_of_v3)
{
	for (size_t more = 0; more < 2; more++) {
		struct strbuf text cleanup_strbuf = {0};

		strbuf_add(&text, limits[_i].before);
		for (size_t i = 0; i < limits[_i].most + more; i++)
			strbuf_add(&text, limits[_i].item);
		strbuf_add(&text, limits[_i].after);
		read_text(text.text);
		ck_assert_msg(diag.count == more, "%s %s", limits[_i].error,
			diag.count ? diag.entries[0] : "accepted");
		if (more)
			ck_assert_msg(strstr(diag.entries[0], limits[_i].error) != NULL, "%s",
				diag.entries[0]);
		else
			expect_round_trip(limits[_i].error);
	}
}
END_TEST

/* --- files ----------------------------------------------------------------------------------------- */

START_TEST(forms_may_be_mixed_in_a_file)
{
	read_text("- " V3 "  kind: GlobalNetworkPolicy\n  metadata: {name: a}\n  spec: {}\n"
		  "- {apiVersion: v1, kind: policy, metadata: {name: b}, spec: {}}\n"
		  "---\n{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"NetworkPolicyList\","
		  "\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[\n"
		  "{\"metadata\":{\"name\":\"c\",\"namespace\":\"n\"},\"spec\":{}},\n"
		  "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"StagedGlobalNetworkPolicy\","
		  "\"metadata\":{\"name\":\"a\"},\"spec\":{}}]}\n");
	ck_assert_msg(!diag.count, "%s", diag.entries[0]);
	ck_assert_uint_eq(input.count, 4);
	ck_assert_str_eq(input.items[0].name, "a");
	ck_assert_str_eq(input.items[1].name, "b");
	ck_assert_str_eq(input.items[2].name, "n/c");
	ck_assert_str_eq(input.items[3].name, "_staged/a");
}
END_TEST

START_TEST(deleting_needs_only_what_names_it)
{
	read_needed(LOCAL, POLICY_NAME);
	ck_assert_uint_eq(diag.count, 0);
	ck_assert_str_eq(input.items[0].name, "shop/p");
	read_needed(V3 "kind: NetworkPolicy\nmetadata: {name: p}\n", POLICY_NAME);
	ck_assert_uint_eq(diag.count, 1);
}
END_TEST

START_TEST(what_is_staged_gets_a_name_of_its_own)
{
	read_text(GLOBAL "spec: {}\n---\n" LOCAL "spec: {}\n---\n"
			 "{apiVersion: v1, kind: policy, metadata: {name: v1}, spec: {}}\n");
	input_stage(&input, &diag);
	ck_assert_uint_eq(diag.count, 0);
	ck_assert_str_eq(input.items[0].name, "_staged/p");
	ck_assert_str_eq(input.items[1].name, "_staged/shop/p");
	ck_assert_str_eq(input.items[2].name, "_staged/v1");
	ck_assert(json_is_true(
		json_object_get(json_object_get(input.items[2].record, "spec"), "staged")));
	input.count--; /* not of v3 */
	expect_round_trip("staged");
	input.count++;
	/* the one in force and the staged one would become one */
	read_text(GLOBAL "spec: {}\n---\n" V3
			 "kind: StagedGlobalNetworkPolicy\nmetadata: {name: p}\nspec: {}\n");
	ck_assert_uint_eq(input.count, 2);
	input_stage(&input, &diag);
	ck_assert_str_eq(diag.entries[0], "f:1:1: as staged, policy \"p\" is there twice");
}
END_TEST

/* What is stored must be readable: the mark takes room that the name may need. */
START_TEST(a_name_may_be_too_long_to_be_staged)
{
	static const char format[] =
		"{apiVersion: v1, kind: policy, metadata: {name: %0*d}, spec: {staged: %s}}\n";
	enum { FITS = POLICY_NAME_MAX - (sizeof(POLICY_STAGED_PREFIX) - 1) };
	char text[512];

	for (int len = FITS; len <= FITS + 1; len++) {
		snprintf(text, sizeof(text), format, len, 0, "false");
		read_accepted(text);
		input_stage(&input, &diag);
		ck_assert_uint_eq(diag.count, len > FITS);
		snprintf(text, sizeof(text), format, len, 0, "true");
		read_text(text);
		ck_assert_uint_eq(diag.count, len > FITS);
	}
	ck_assert_ptr_nonnull(strstr(diag.entries[0], "at most 128 are allowed"));
}
END_TEST

START_TEST(v1_cannot_take_a_staged_name)
{
	read_text("{apiVersion: v1, kind: policy, metadata: {name: _staged/p}, spec: {}}\n");
	ck_assert_str_eq(diag.entries[0],
		"f:1:49: metadata.name: _staged/ is how names of staged policies begin");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("policy v3");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, stores_documents_and_shows_them_again, 0, COUNT(documents));
	tcase_add_loop_test(t, stores_rules_and_shows_them_again, 0, COUNT(rules));
	tcase_add_loop_test(t, refuses_in_a_rule, 0, COUNT(bad_rules));
	tcase_add_loop_test(t, refuses_documents, 0, COUNT(bad_documents));
	tcase_add_loop_test(t, keeps_the_limits_of_v3, 0, COUNT(limits));
	tcase_add_test(t, forms_may_be_mixed_in_a_file);
	tcase_add_test(t, deleting_needs_only_what_names_it);
	tcase_add_test(t, what_is_staged_gets_a_name_of_its_own);
	tcase_add_test(t, a_name_may_be_too_long_to_be_staged);
	tcase_add_test(t, v1_cannot_take_a_staged_name);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
