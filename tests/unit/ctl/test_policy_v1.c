/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The v1 form, field by field: what each may say, what is stored for it, and each refusal with its place. */
#include "input_fixture.h"

#include "common/strbuf.h"

#define HEAD "apiVersion: v1\nkind: policy\nmetadata: {name: p}\n" /* 3 lines */

/* A policy whose only ingress rule is the given one: the rule stands on line 6, from column 5 on. */
static char *with_rule(const char *rule)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%sspec:\n  ingress:\n  - %s\n", HEAD, rule);
	return strbuf_take(&text);
}

static char *with_spec(const char *spec)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%sspec: %s\n", HEAD, spec);
	return strbuf_take(&text);
}

/* --- rules ----------------------------------------------------------------------------------------- */

static const struct {
	const char *rule, *stored;
} rules[] = {
	{"{action: allow}", "{\"action\":\"allow\"}"},
	{"{action: deny}", "{\"action\":\"deny\"}"},
	{"{action: log}", "{\"action\":\"log\"}"},
	{"{action: pass}", "{\"action\":\"pass\"}"},
	{"{action: allow, ipVersion: 4}", "{\"action\":\"allow\",\"ipVersion\":4}"},
	{"{action: allow, ipVersion: 6}", "{\"action\":\"allow\",\"ipVersion\":6}"},
	{"{action: allow, protocol: tcp}", "{\"action\":\"allow\",\"protocol\":\"tcp\"}"},
	{"{action: allow, protocol: udp}", "{\"action\":\"allow\",\"protocol\":\"udp\"}"},
	{"{action: allow, protocol: icmp}", "{\"action\":\"allow\",\"protocol\":\"icmp\"}"},
	{"{action: allow, protocol: icmpv6}", "{\"action\":\"allow\",\"protocol\":\"icmpv6\"}"},
	{"{action: allow, protocol: sctp}", "{\"action\":\"allow\",\"protocol\":\"sctp\"}"},
	{"{action: allow, protocol: udplite}", "{\"action\":\"allow\",\"protocol\":\"udplite\"}"},
	{"{action: allow, protocol: 1}", "{\"action\":\"allow\",\"protocol\":1}"},
	{"{action: allow, protocol: 255}", "{\"action\":\"allow\",\"protocol\":255}"},
	{"{action: allow, protocol: '6'}", "{\"action\":\"allow\",\"protocol\":6}"},
	{"{action: allow, notProtocol: udp}", "{\"action\":\"allow\",\"notProtocol\":\"udp\"}"},
	{"{action: allow, notProtocol: \"132\"}", "{\"action\":\"allow\",\"notProtocol\":132}"},
	/* v2.6 does not ask for a protocol beside icmp */
	{"{action: allow, icmp: {type: 0}}", "{\"action\":\"allow\",\"icmp\":{\"type\":0}}"},
	{"{action: allow, icmp: {type: 254, code: 255}}",
		"{\"action\":\"allow\",\"icmp\":{\"type\":254,\"code\":255}}"},
	{"{action: allow, notICMP: {type: 8, code: 0}}",
		"{\"action\":\"allow\",\"notICMP\":{\"type\":8,\"code\":0}}"},
	{"{action: allow, notICMP: {}}", "{\"action\":\"allow\"}"},
	{"{action: allow, source: {}, destination: ~}", "{\"action\":\"allow\",\"source\":{}}"},
};

START_TEST(stores_each_field_of_a_rule)
{
	cleanup_free char *text = with_rule(rules[_i].rule);

	read_accepted(text);
	expect_json(json_array_get(json_object_get(json_object_get(input.items[0].record, "spec"),
					   "ingress"),
			    0),
		rules[_i].stored, text);
}
END_TEST

/* What either end of a rule may say; ports need the protocol that stands beside. */
static const struct {
	const char *entity, *stored;
} entities[] = {
	{"{selector: a == 'b'}", "{\"selector\":\"a == 'b'\"}"},
	{"{selector: all()}", "{\"selector\":\"all()\"}"},
	{"{selector: ''}", "{}"},
	{"{notSelector: has(a)}", "{\"notSelector\":\"has(a)\"}"},
	{"{notSelector: \"\"}", "{}"},
	{"{tag: A_z.0-9}", "{\"tag\":\"A_z.0-9\"}"},
	{"{tag: 5}", "{\"tag\":\"5\"}"},
	{"{notTag: t}", "{\"notTag\":\"t\"}"},
	{"{selector: has(a), tag: t}", "{\"selector\":\"has(a)\",\"tag\":\"t\"}"},
	{"{net: 10.1.2.3}", "{\"nets\":[\"10.1.2.3/32\"]}"},
	{"{notNet: '2001:db8::1/32'}", "{\"notNets\":[\"2001:db8::/32\"]}"},
	{"{net: 10.0.0.0/8, notNet: 10.1.0.0/16}",
		"{\"nets\":[\"10.0.0.0/8\"],\"notNets\":[\"10.1.0.0/16\"]}"},
	{"{nets: [10.1.2.3/8, 192.0.2.7]}", "{\"nets\":[\"10.0.0.0/8\",\"192.0.2.7/32\"]}"},
	{"{nets: []}", "{\"nets\":[]}"},
	{"{notNets: ['::1', '::/0']}", "{\"notNets\":[\"::1/128\",\"::/0\"]}"},
	{"{ports: [1, 65535, '80', '1:65535', 20:30]}",
		"{\"ports\":[1,65535,80,\"1:65535\",\"20:30\"]}"},
	{"{notPorts: [22]}", "{\"notPorts\":[22]}"},
};

START_TEST(stores_each_field_of_an_end)
{
	static const char *const ends[] = {"source", "destination"};

	for (size_t i = 0; i < COUNT(ends); i++) {
		cleanup_free char *text = NULL;
		struct strbuf line cleanup_strbuf = {0};
		const json_t *stored;

		strbuf_addf(&line, "{action: allow, protocol: udp, %s: %s}", ends[i],
			entities[_i].entity);
		text = with_rule(line.text);
		read_accepted(text);
		stored = json_object_get(input.items[0].record, "spec");
		stored = json_array_get(json_object_get(stored, "ingress"), 0);
		expect_json(json_object_get(stored, ends[i]), entities[_i].stored, text);
	}
}
END_TEST

#define KEY_OF(n) "k" n n n n n n n n
#define LONG_KEY \
	KEY_OF("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") /* 513 */

/* The rule begins at line 6, column 5. */
static const struct {
	const char *rule, *error;
} bad_rules[] = {
	{"{}", "6:5: action is missing in a rule"},
	{"{action: ~}", "6:5: action is missing in a rule"},
	{"{action: ''}", "6:14: action  is not allow, deny, log or pass"},
	{"{action: ALLOW}", "6:14: action ALLOW is not allow, deny, log or pass"},
	{"{action: accept}", "6:14: action accept is not allow"},
	{"{action: [allow]}", "6:14: action a list is not allow"},
	{"{action: allow, source: [a]}", "6:29: source must be a mapping, not a list"},
	{"{action: allow, destination: a}", "6:34: destination must be a mapping, not text"},
	{"{action: allow, src: {}}", "6:21: unknown field \"src\" in a rule"},
	{"{action: allow, http: {methods: [GET]}}", "6:21: unknown field \"http\" in a rule"},
	{"{action: allow, source: {namespaceSelector: all()}}",
		"6:30: unknown field \"namespaceSelector\" in source"},
	{"{action: allow, destination: {serviceAccounts: {}}}",
		"6:35: unknown field \"serviceAccounts\" in destination"},
	{"{action: allow, ipVersion: 3}", "6:32: \"3\" is not an IP version (4 to 6)"},
	{"{action: allow, ipVersion: 5}", "6:32: ipVersion must be 4 or 6"},
	{"{action: allow, ipVersion: four}", "6:32: \"four\" is not an IP version"},
	{"{action: allow, protocol: gre}", "6:31: bad protocol \"gre\""},
	{"{action: allow, protocol: ICMPv6}", "6:31: bad protocol \"ICMPv6\""},
	{"{action: allow, protocol: -1}", "6:31: bad protocol \"-1\""},
	{"{action: allow, protocol: 06}", "6:31: bad protocol \"06\""},
	{"{action: allow, protocol: [tcp]}", "6:31: a protocol is wanted here, not a list"},
	{"{action: allow, notProtocol: 0}", "6:34: bad protocol \"0\""},
	{"{action: allow, notProtocol: 256}", "6:34: bad protocol \"256\""},
	{"{action: allow, icmp: 8}", "6:27: an ICMP match must be a mapping, not text"},
	{"{action: allow, icmp: {type: '8'}}", "6:34: an ICMP type is wanted here, not quoted"},
	{"{action: allow, icmp: {kind: 8}}", "6:28: unknown field \"kind\" in an ICMP match"},
	{"{action: allow, notICMP: {type: 255}}", "6:37: \"255\" is not an ICMP type (0 to 254)"},
	{"{action: allow, notICMP: {type: 3, code: 256}}",
		"6:46: \"256\" is not an ICMP code (0 to 255)"},
	{"{action: allow, notICMP: {code: 3}}", "6:30: an ICMP code needs a type"},
	{"{action: allow, ipVersion: 6, protocol: icmp}",
		"6:45: spec.ingress[0].protocol: icmp is IPv4 only"},
	{"{action: allow, source: {selector: '('}}", "6:42: bad selector: expected"},
	{"{action: allow, source: {notSelector: a}}", "6:44: bad selector: expected"},
	{"{action: allow, source: {selector: [a]}}", "6:40: text is wanted here, not a list"},
	{"{action: allow, source: {selector: " LONG_KEY " == 'x'}}",
		"6:40: bad selector: label key longer than 512"},
	{"{action: allow, source: {tag: a/b}}", "6:35: a tag is 1 to 128"},
	{"{action: allow, source: {notTag: a b}}", "6:38: a tag is 1 to 128"},
	{"{action: allow, source: {tag: [a]}}", "6:35: a tag is 1 to 128"},
	{"{action: allow, source: {net: 10.0.0.0/33}}",
		"6:35: \"10.0.0.0/33\" is not a CIDR block"},
	{"{action: allow, source: {notNet: here}}", "6:38: \"here\" is not a CIDR block"},
	{"{action: allow, source: {net: [10.0.0.1]}}", "6:35: a CIDR block is wanted here"},
	{"{action: allow, source: {notNets: [10.0.0.300]}}",
		"6:40: \"10.0.0.300\" is not a CIDR block"},
	{"{action: allow, source: {net: 10.0.0.1}, destination: {nets: [10.0.0.1]}}",
		"6:35: a rule uses either net and notNet or nets and notNets"},
	{"{action: allow, source: {notNets: [10.0.0.1]}, destination: {notNet: 10.0.0.1}}",
		"6:74: a rule uses either net and notNet or nets and notNets"},
	{"{action: allow, source: {notNet: 10.0.0.1, nets: [10.0.0.1]}}",
		"6:38: a rule uses either net and notNet or nets and notNets"},
	{"{action: allow, source: {nets: [10.0.0.1], notNets: ['::1']}}",
		"6:58: spec.ingress[0].source.notNets[0]: IPv6 in a rule that is IPv4"},
	{"{action: allow, source: {net: 10.0.0.1}, destination: {notNet: '::1'}}",
		"6:68: spec.ingress[0].destination.notNets[0]: IPv6 in a rule that is IPv4"},
	{"{action: allow, ipVersion: 4, destination: {nets: ['::1']}}",
		"6:56: spec.ingress[0].destination.nets[0]: IPv6 in a rule that is IPv4"},
	{"{action: allow, protocol: icmpv6, destination: {nets: [10.0.0.1]}}",
		"6:60: spec.ingress[0].destination.nets[0]: IPv4 in a rule that is IPv6"},
	{"{action: allow, source: {ports: 80}}", "6:37: ports must be a list, not text"},
	{"{action: allow, source: {ports: [80]}}", "6:37: spec.ingress[0].source.ports: needs"},
	{"{action: allow, notProtocol: tcp, source: {ports: [80]}}",
		"6:55: spec.ingress[0].source.ports: needs"},
	{"{action: allow, protocol: icmp, source: {notPorts: [80]}}",
		"6:56: spec.ingress[0].source.notPorts: needs"},
	{"{action: allow, protocol: sctp, source: {ports: [80]}}",
		"6:53: ports need the rule's protocol to be tcp or udp"},
	{"{action: allow, protocol: 132, destination: {notPorts: [80]}}",
		"6:60: ports need the rule's protocol to be tcp or udp"},
	{"{action: allow, protocol: tcp, source: {ports: [65536]}}", "6:53: bad port \"65536\""},
	{"{action: allow, protocol: tcp, source: {ports: ['0:1']}}", "6:53: bad port \"0:1\""},
	{"{action: allow, protocol: tcp, source: {ports: ['1:']}}", "6:53: bad port \"1:\""},
	{"{action: allow, protocol: tcp, source: {ports: ['1-2']}}", "6:53: bad port \"1-2\""},
	{"{action: allow, protocol: tcp, destination: {notPorts: [ssh]}}",
		"6:61: bad port \"ssh\""},
	{"{action: allow, protocol: tcp, destination: {notPorts: ['9:8']}}",
		"6:61: bad port range \"9:8\""},
};

START_TEST(refuses_in_a_rule)
{
	cleanup_free char *text = with_rule(bad_rules[_i].rule);

	expect_error(text, bad_rules[_i].error);
}
END_TEST

/* --- spec and metadata ----------------------------------------------------------------------------- */

static const struct {
	const char *spec, *stored;
} specs[] = {
	{"{}", "{\"selector\":\"\",\"types\":[\"ingress\"],\"ingress\":[],\"egress\":[]}"},
	{"{order: -2.5}",
		"{\"order\":-2.5,\"selector\":\"\",\"types\":[\"ingress\"],\"ingress\":[],"
		"\"egress\":[]}"},
	{"{order: 0, selector: ''}",
		"{\"order\":0,\"selector\":\"\",\"types\":[\"ingress\"],\"ingress\":[],\"egress\":[]}"},
	{"{doNotTrack: false, preDNAT: False}",
		"{\"selector\":\"\",\"types\":[\"ingress\"],\"ingress\":[],\"egress\":[]}"},
	{"{types: [ingress, egress], ingress: [], egress: ~}",
		"{\"selector\":\"\",\"types\":[\"ingress\",\"egress\"],\"ingress\":[],\"egress\":[]}"},
	{"{egress: [], ingress: [{action: deny}]}",
		"{\"selector\":\"\",\"types\":[\"ingress\"],\"ingress\":[{\"action\":\"deny\"}],\"egress\":[]}"},
	{"{ingress: [], egress: [{action: deny}]}",
		"{\"selector\":\"\",\"types\":[\"egress\"],\"egress\":[{\"action\":\"deny\"}],\"ingress\":[]}"},
};

START_TEST(stores_each_field_of_a_spec)
{
	cleanup_free char *text = with_spec(specs[_i].spec);

	read_accepted(text);
	expect_json(json_object_get(input.items[0].record, "spec"), specs[_i].stored, text);
}
END_TEST

static const struct {
	const char *text, *error;
} bad_policies[] = {
	{HEAD "spec: []\n", "4:7: spec must be a mapping, not a list"},
	{HEAD "spec: {order: }\nstatus: {}\n", "5:1: unknown field \"status\" in a policy"},
	{HEAD "spec: {order: [1]}\n", "4:15: a number is wanted here, not a list"},
	{HEAD "spec: {order: 1_000}\n", "4:15: \"1_000\" is not a decimal number"},
	{HEAD "spec: {order: .nan}\n", "4:15: \".nan\" is not a decimal number"},
	{HEAD "spec: {types: [ingress, Egress]}\n",
		"4:25: types: \"Egress\" is not ingress or egress"},
	{HEAD "spec: {types: [egress, egress]}\n", "4:15: types: egress is there twice"},
	{HEAD "spec: {types: [[ingress]]}\n", "4:16: types: a list is not ingress or egress"},
	{HEAD "spec: {doNotTrack: 'false'}\n", "4:20: doNotTrack applies to host endpoints only"},
	{HEAD "spec: {doNotTrack: true, preDNAT: true}\n",
		"4:20: doNotTrack applies to host endpoints only"},
	{HEAD "spec: {preDNAT: [x]}\n", "4:17: preDNAT applies to host endpoints only"},
	{HEAD "spec: {tier: default}\n", "4:8: unknown field \"tier\" in spec"},
	{HEAD "spec: {applyOnForward: true}\n", "4:8: unknown field \"applyOnForward\" in spec"},
	{HEAD "spec: {egress: allow}\n", "4:16: rules must be a list, not text"},
	{"apiVersion: v1\nkind: policy\nmetadata: []\nspec: {}\n",
		"3:11: metadata must be a mapping, not a list"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: 'a:b'}\nspec: {}\n",
		"3:18: metadata.name: bad name at character 2"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a, annotations: [b]}\nspec: {}\n",
		"3:34: a mapping is wanted here, not a list"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a, annotations: {b: {c: d}}}\nspec: {}\n",
		"3:38: text is wanted here, not a mapping"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a, namespace: b}\nspec: {}\n",
		"3:21: unknown field \"namespace\" in metadata"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a, uid: u}\nspec: {}\n",
		"3:21: unknown field \"uid\" in metadata"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a, resourceVersion: [1]}\nspec: {}\n",
		"3:38: metadata.resourceVersion: text of at most 256 bytes is wanted"},
	{"apiVersion: v1\nkind: profile\nmetadata: {name: a}\nspec: {}\n",
		"1:1: unknown resource type (profile)"},
	{"apiVersion: v1\nkind: policylist\nitems: []\n",
		"1:1: unknown resource type (policylist)"},
	{"apiVersion: v1\nkind: policyList\nmetadata: {name: a}\nitems: []\n",
		"3:12: unknown field \"name\" in a list's metadata"},
	{"apiVersion: v1\nkind: policyList\nitems: {}\n",
		"3:8: items must be a list, not a mapping"},
	{"{\"apiVersion\":\"v1\",\"kind\":\"policy\",\"metadata\":{\"name\":\"p\"},\n"
	 "\"spec\":{\"order\":\"1\"}}",
		"2:17: a number is wanted here, not quoted text"},
};

START_TEST(refuses_a_policy)
{
	expect_error(bad_policies[_i].text, bad_policies[_i].error);
}
END_TEST

/* One document may be one object, a list of objects or of a policyList: in YAML and in JSON. */
static const struct {
	const char *text;
	size_t count;
} forms[] = {
	{HEAD "spec: {}\n---\napiVersion: v1\nkind: policy\nmetadata: {name: q}\nspec: {}\n", 2},
	{HEAD "spec: {}\n--- # second\n- {apiVersion: v1, kind: policy, metadata: {name: q}, spec: {}}\n"
	      "- {apiVersion: v1, kind: policyList, items: [{metadata: {name: r}, spec: {}}]}\n",
		3},
	{"[{\"apiVersion\":\"v1\",\"kind\":\"policy\",\"metadata\":{\"name\":\"p\"},\"spec\":{}},\n"
	 "{\"apiVersion\":\"v1\",\"kind\":\"policy\",\"metadata\":{\"name\":\"q\"},\"spec\":{}}]\n",
		2},
	{"{\"apiVersion\":\"v1\",\"kind\":\"policyList\",\"metadata\":{},\"items\":["
	 "{\"apiVersion\":\"v1\",\"kind\":\"policy\",\"metadata\":{\"name\":\"p\"},\"spec\":{}}]}\n",
		1},
};

START_TEST(reads_every_form_of_a_file)
{
	read_accepted(forms[_i].text);
	ck_assert_uint_eq(input.count, forms[_i].count);
}
END_TEST

START_TEST(names_have_128_characters_at_most)
{
	enum { NAME_MAX_LEN = 128 };

	for (int len = NAME_MAX_LEN; len <= NAME_MAX_LEN + 1; len++) {
		struct strbuf text cleanup_strbuf = {0};

		strbuf_add(&text, "apiVersion: v1\nkind: policy\nspec: {}\nmetadata: {name: ");
		for (int i = 0; i < len; i++)
			strbuf_add(&text, "n");
		strbuf_add(&text, "}\n");
		read_text(text.text);
		ck_assert_uint_eq(diag.count, len > NAME_MAX_LEN);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("policy v1");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, stores_each_field_of_a_rule, 0, COUNT(rules));
	tcase_add_loop_test(t, stores_each_field_of_an_end, 0, COUNT(entities));
	tcase_add_loop_test(t, refuses_in_a_rule, 0, COUNT(bad_rules));
	tcase_add_loop_test(t, stores_each_field_of_a_spec, 0, COUNT(specs));
	tcase_add_loop_test(t, refuses_a_policy, 0, COUNT(bad_policies));
	tcase_add_loop_test(t, reads_every_form_of_a_file, 0, COUNT(forms));
	tcase_add_test(t, names_have_128_characters_at_most);
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
