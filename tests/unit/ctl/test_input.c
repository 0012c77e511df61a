/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files to records: what is accepted and what is stored for it, what is refused and where. */
#include "input_fixture.h"

#include "common/policy.h"
#include "common/record.h"
#include "common/strbuf.h"

#define HEAD "apiVersion: v1\nkind: policy\nmetadata: {name: p}\nspec:\n" /* 4 lines */
#define RULE HEAD "  ingress:\n  - action: allow\n"                       /* 6 lines */

static const json_t *spec(size_t i)
{
	ck_assert_uint_lt(i, input.count);
	return json_object_get(input.items[i].record, "spec");
}

static void expect_record(const char *text, const char *record)
{
	read_accepted(text);
	ck_assert_uint_eq(input.count, 1);
	expect_json(input.items[0].record, record, text);
}

START_TEST(accepts_every_field)
{
	expect_record("apiVersion: v1\n"
		      "kind: policy\n"
		      "metadata:\n"
		      "  name: a/b.c_d-E\n"
		      "  annotations: {who: me, backup: true, n: 5, empty: }\n"
		      "spec:\n"
		      "  order: -1.5\n"
		      "  selector: role == 'db'\n"
		      "  types: [egress, ingress]\n"
		      "  doNotTrack: false\n"
		      "  ingress:\n"
		      "  - action: deny\n"
		      "    ipVersion: 4\n"
		      "    protocol: tcp\n"
		      "    notProtocol: udp\n"
		      "    source:\n"
		      "      selector: a == 'b'\n"
		      "      notSelector: has(x)\n"
		      "      tag: t\n"
		      "      notTag: u\n"
		      "      nets: [10.1.2.3/8, 192.0.2.1]\n"
		      "      notNets: [10.9.0.0/16]\n"
		      "      ports: [80, '81', '90:95']\n"
		      "    destination: {notPorts: [20:30]}\n"
		      "  - action: log\n"
		      "    protocol: icmp\n"
		      "    icmp: {type: 8, code: 0}\n"
		      "    notICMP: {type: 254}\n"
		      "  egress:\n"
		      "  - {action: pass, protocol: '17', notProtocol: 132}\n",
		"{\"v\":1,\"name\":\"a/b.c_d-E\","
		"\"annotations\":{\"who\":\"me\",\"backup\":\"true\",\"n\":\"5\",\"empty\":\"\"},"
		"\"spec\":{\"order\":-1.5,\"selector\":\"role == 'db'\",\"types\":[\"egress\",\"ingress\"],"
		"\"ingress\":[{\"action\":\"deny\",\"ipVersion\":4,\"protocol\":\"tcp\",\"notProtocol\":\"udp\","
		"\"source\":{\"selector\":\"a == 'b'\",\"notSelector\":\"has(x)\",\"tag\":\"t\",\"notTag\":\"u\","
		"\"nets\":[\"10.0.0.0/8\",\"192.0.2.1/32\"],\"notNets\":[\"10.9.0.0/16\"],"
		"\"ports\":[80,81,\"90:95\"]},\"destination\":{\"notPorts\":[\"20:30\"]}},"
		"{\"action\":\"log\",\"protocol\":\"icmp\",\"icmp\":{\"type\":8,\"code\":0},\"notICMP\":{\"type\":254}}],"
		"\"egress\":[{\"action\":\"pass\",\"protocol\":17,\"notProtocol\":132}]}}");
}
END_TEST

START_TEST(staged_is_stored_only_where_true)
{
	expect_record(HEAD "  selector: has(a)\n  staged: True\n",
		"{\"v\":1,\"name\":\"_staged/p\",\"spec\":{\"staged\":true,\"selector\":\"has(a)\","
		"\"types\":[\"ingress\"],\"ingress\":[],\"egress\":[]}}");
	expect_record(HEAD "  selector: has(a)\n  staged: false\n",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"has(a)\","
		"\"types\":[\"ingress\"],\"ingress\":[],\"egress\":[]}}");
}
END_TEST

START_TEST(accepts_json_and_other_spellings)
{
	expect_record(
		"{\"apiVersion\":\"v1\",\"kind\":\"policy\",\n\t\"metadata\":{\"name\":\"p\"},\n"
		"\t\"spec\":{\"selector\":\"has(\\u0061)\"}}",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"has(a)\",\"types\":[\"ingress\"],"
		"\"ingress\":[],\"egress\":[]}}");
	/* field names in any case; null is absent */
	expect_record(
		"APIVersion: v1\nKind: policy\nMetadata: {NAME: p}\nspec: {Selector: has(a), order: ~, "
		"ingress: null, types: []}",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"has(a)\",\"types\":[\"ingress\"],"
		"\"ingress\":[],\"egress\":[]}}");
	/* a number where a name is wanted is text */
	expect_record("apiVersion: v1\nkind: policy\nmetadata: {name: 5}\nspec: {selector: all()}",
		"{\"v\":1,\"name\":\"5\",\"spec\":{\"selector\":\"all()\",\"types\":[\"ingress\"],"
		"\"ingress\":[],\"egress\":[]}}");
	/* "5" is text too, but no selector */
	expect_error(HEAD "  selector: 5\n", "5:14: bad selector: ");
}
END_TEST

START_TEST(net_is_read_back_as_nets)
{
	expect_record(RULE "    source: {net: 10.0.0.1/24, notNet: 10.0.0.7}\n",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"\",\"types\":[\"ingress\"],\"egress\":[],"
		"\"ingress\":[{\"action\":\"allow\",\"source\":{\"nets\":[\"10.0.0.0/24\"],"
		"\"notNets\":[\"10.0.0.7/32\"]}}]}}");
	expect_error(RULE
		"    source: {net: 10.0.0.1/24}\n    destination: {notNets: [10.0.0.7]}\n",
		"7:19: a rule uses either net and notNet or nets and notNets");
}
END_TEST

START_TEST(empty_rule_parts_do_not_constrain)
{
	expect_record(RULE "    source: {selector: ''}\n    destination: {}\n    icmp: {}\n",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"\",\"types\":[\"ingress\"],\"egress\":[],"
		"\"ingress\":[{\"action\":\"allow\",\"source\":{},\"destination\":{}}]}}");
}
END_TEST

START_TEST(types_are_filled_in_when_written)
{
	static const struct {
		const char *rules, *types;
	} cases[] = {
		{"  order: 1\n", "[\"ingress\"]"},
		{"  ingress: [{action: allow}]\n", "[\"ingress\"]"},
		{"  egress: [{action: allow}]\n", "[\"egress\"]"},
		{"  ingress: [{action: allow}]\n  egress: [{action: allow}]\n",
			"[\"ingress\", \"egress\"]"},
		{"  types: [egress]\n  ingress: [{action: allow}]\n", "[\"egress\"]"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		cleanup_free char *types = NULL;
		struct strbuf text cleanup_strbuf = {0};

		strbuf_addf(&text, "%s%s", HEAD, cases[i].rules);
		read_text(text.text);
		ck_assert_msg(!diag.count, "%s", diag.entries[0]);
		types = json_dumps(json_object_get(spec(0), "types"), 0);
		ck_assert_str_eq(types, cases[i].types);
	}
}
END_TEST

START_TEST(order_keeps_its_value)
{
	static const struct {
		const char *text;
		double value;
	} cases[] = {{"0", 0}, {"-3", -3}, {"+7", 7}, {"1e3", 1000}, {".5", .5}, {"100.25", 100.25},
		{"12345678901234567890", 12345678901234567890.0}};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct strbuf text cleanup_strbuf = {0};

		strbuf_addf(&text, "%s  order: %s\n", HEAD, cases[i].text);
		read_text(text.text);
		ck_assert_msg(!diag.count, "%s", diag.entries[0]);
		ck_assert_double_eq(
			json_number_value(json_object_get(spec(0), "order")), cases[i].value);
	}
}
END_TEST

START_TEST(accepts_documents_lists_and_policy_lists)
{
	read_text("---\n" HEAD
		  "---\n- apiVersion: v1\n  kind: policy\n  metadata: {name: q}\n  spec: {}\n"
		  "---\napiVersion: v1\nkind: policyList\nmetadata: {}\nitems:\n"
		  "- metadata: {name: r}\n  spec: {order: 1}\n"
		  "- {apiVersion: v1, kind: policy, metadata: {name: s}, spec: {order: 1}}\n---\n");
	/* "spec:" without anything is null: absent */
	ck_assert_uint_eq(diag.count, 1);
	ck_assert_str_eq(diag.entries[0], "f:2:1: spec is missing in a policy");
	ck_assert_uint_eq(input.count, 3);
	ck_assert_str_eq(input.items[0].name, "q");
	ck_assert_str_eq(input.items[1].name, "r");
	ck_assert_str_eq(input.items[2].name, "s");
	ck_assert_uint_eq(input.items[2].line, 18);
	ck_assert_uint_eq(input.items[2].column, 3);
}
END_TEST

static const struct {
	const char *text, *error;
} refused[] = {
	/* form */
	{"", " no resources specified in file"},
	{"# nothing\n", " no resources specified in file"},
	{"[]", " no resources specified in file"},
	{"--- \n---\n" HEAD "  order: 1\n", "2:1: empty document"},
	{"just text", "1:1: a resource must be a mapping, not text"},
	{"- - a\n", "1:3: a resource must be a mapping, not a list"},
	{"{kind: Policy, apiVersion: v1}",
		"1:1: unknown resource type (Policy) and/or version (v1)"},
	{"{kind: policy, apiVersion: V1}",
		"1:1: unknown resource type (policy) and/or version (V1)"},
	{"{kind: policy}", "1:1: unknown resource type (policy) and/or version ()"},
	{"{kind: GlobalNetworkPolicy, apiVersion: v1}",
		"1:1: unknown resource type (GlobalNetworkPolicy)"},
	{"{kind: policyList, apiVersion: v1}", "1:1: items is missing in a policyList"},
	{"{kind: policyList, apiVersion: v1, items: [{kind: profile, apiVersion: v1}]}",
		"1:44: unknown resource type (profile)"},
	/* names */
	{"{kind: policy, apiVersion: v1, spec: {}}", "1:1: metadata is missing in a policy"},
	{"{kind: policy, apiVersion: v1, metadata: {}, spec: {}}",
		"1:42: name is missing in metadata"},
	{"{kind: policy, apiVersion: v1, metadata: {name: ''}, spec: {}}", "1:49: metadata.name: "},
	{"{kind: policy, apiVersion: v1, metadata: {name: a b}, spec: {}}",
		"1:49: metadata.name: "},
	{"{kind: policy, apiVersion: v1, metadata: {name: [a]}, spec: {}}",
		"1:49: text is wanted here, not a list"},
	{"{kind: policy, apiVersion: v1, metadata: {name: a, labels: {}}, spec: {}}",
		"1:52: unknown field \"labels\" in metadata"},
	{HEAD "  order: 1\n---\n" HEAD "  order: 2\n", "7:1: policy \"p\" is already at f:1"},
	/* spec */
	{HEAD "  selectr: a\n", "5:3: unknown field \"selectr\" in spec"},
	{HEAD "  order: 1\n  Order: 2\n", "6:3: \"Order\" is \"order\" of line 5 again"},
	{HEAD "  order: 1\n  order: 2\n", "6:3: duplicate key \"order\" (first on line 5)"},
	{HEAD "  order: high\n", "5:10: \"high\" is not a decimal number"},
	{HEAD "  order: '1'\n", "5:10: a number is wanted here, not quoted text"},
	{HEAD "  order: .inf\n", "5:10: \".inf\" is not a decimal number"},
	{HEAD "  order: 1e999\n", "5:10: 1e999 is not a finite number"},
	{HEAD "  order: 010\n", "5:10: \"010\" is not a decimal number"},
	{HEAD "  order: 0x10\n", "5:10: \"0x10\" is not a decimal number"},
	{HEAD "  selector: role = 'x'\n", "5:18: bad selector: expected"},
	{HEAD "  selector: \"role = 'x'\"\n", "5:19: bad selector: expected"},
	{HEAD "  selector: |\n    role = 'x'\n", "5:13: bad selector: column 6: expected"},
	{HEAD "  selector: {a: b}\n", "5:13: text is wanted here, not a mapping"},
	{HEAD "  types: [Ingress]\n", "5:11: types: \"Ingress\" is not ingress or egress"},
	{HEAD "  types: [ingress, ingress]\n", "5:10: types: ingress is there twice"},
	{HEAD "  types: ingress\n", "5:10: types must be a list, not text"},
	{HEAD "  staged: yes\n", "5:11: true or false is wanted here, not \"yes\""},
	{HEAD "  staged: 'true'\n", "5:11: true or false is wanted here"},
	{HEAD "  staged: [true]\n", "5:11: true or false is wanted here, not a list"},
	{HEAD "  doNotTrack: true\n", "5:15: doNotTrack applies to host endpoints only"},
	{HEAD "  preDNAT: true\n", "5:12: preDNAT applies to host endpoints only"},
	{HEAD "  ingress: {action: allow}\n", "5:12: rules must be a list, not a mapping"},
	/* rules */
	{HEAD "  ingress:\n  - protocol: tcp\n", "6:5: action is missing in a rule"},
	{HEAD "  ingress:\n  - action: Allow\n",
		"6:13: action Allow is not allow, deny, log or pass"},
	{HEAD "  ingress:\n  - action: next-tier\n", "6:13: action next-tier is not"},
	{HEAD "  ingress:\n  -\n", "6:4: a rule must be a mapping, not text"},
	{RULE "    ipVersion: 5\n", "7:16: ipVersion must be 4 or 6"},
	{RULE "    ipVersion: '4'\n", "7:16: an IP version is wanted here, not quoted text"},
	{RULE "    protocol: TCP\n", "7:15: bad protocol \"TCP\""},
	{RULE "    protocol: 0\n", "7:15: bad protocol \"0\""},
	{RULE "    protocol: 256\n", "7:15: bad protocol \"256\""},
	{RULE "    icmp: {type: 255}\n", "7:18: \"255\" is not an ICMP type (0 to 254)"},
	{RULE "    icmp: {type: 8, code: 256}\n", "7:27: \"256\" is not an ICMP code (0 to 255)"},
	{RULE "    icmp: {code: 1}\n", "7:11: an ICMP code needs a type"},
	{RULE "    icmp: {type: -1}\n", "7:18: \"-1\" is not an ICMP type"},
	{RULE "    source: {selector: 'a ==='}\n", "7:29: bad selector"},
	{RULE "    source: {nets: [10.0.0.0/33]}\n", "7:21: \"10.0.0.0/33\" is not a CIDR block"},
	{RULE "    source: {nets: 10.0.0.0/8}\n", "7:20: nets must be a list, not text"},
	{RULE "    source: {nets: [~]}\n", "7:21: "},
	{RULE "    source: {tag: a b}\n", "7:19: a tag is 1 to 128"},
	{RULE "    source: {tag: ''}\n", "7:19: a tag is 1 to 128"},
	{RULE "    source: {net: 10.0.0.0/8, nets: [10.0.0.0/8]}\n", "7:19: a rule uses either"},
	{RULE "    protocol: tcp\n    source: {ports: [70000]}\n", "8:22: bad port \"70000\""},
	{RULE "    protocol: tcp\n    source: {ports: [0]}\n", "8:22: bad port \"0\""},
	{RULE "    protocol: tcp\n    source: {ports: ['80:70']}\n",
		"8:22: bad port range \"80:70\""},
	{RULE "    protocol: tcp\n    source: {ports: ['1:2:3']}\n", "8:22: bad port \"1:2:3\""},
	{RULE "    protocol: tcp\n    source: {ports: [http]}\n", "8:22: bad port \"http\""},
	{RULE "    protocol: tcp\n    source: {ports: [[80]]}\n", "8:22: a port or FIRST:LAST"},
	/* across fields: found by the enforcer's reader, placed by its path */
	{RULE "    source: {ports: [80]}\n", "7:21: spec.ingress[0].source.ports: needs"},
	{RULE "    protocol: sctp\n    destination: {notPorts: [80]}\n",
		"8:29: ports need the rule's protocol"},
	{RULE "    source: {nets: [10.0.0.0/8, '2001:db8::/32']}\n",
		"7:33: spec.ingress[0].source.nets[1]: IPv6"},
	{RULE "    ipVersion: 6\n    source: {net: 10.0.0.0/8}\n",
		"8:19: spec.ingress[0].source.nets[0]: IPv4"},
	{RULE "    ipVersion: 4\n    protocol: icmpv6\n", "8:15: spec.ingress[0].protocol: icmpv6"},
};

START_TEST(refuses)
{
	expect_error(refused[_i].text, refused[_i].error);
}
END_TEST

START_TEST(names_all_errors_but_no_more_than_20)
{
	struct strbuf text cleanup_strbuf = {0};

	read_text(HEAD "  order: x\n  selector: '('\n  ingress: [{action: a}, {protocol: b}]\n");
	ck_assert_uint_eq(diag.count, 5);
	strbuf_add(&text, HEAD);
	for (int i = 0; i < 30; i++)
		strbuf_addf(&text, "  unknown%d: 1\n", i);
	read_text(text.text);
	ck_assert_uint_eq(diag.count, 30);
	ck_assert_ptr_nonnull(diag.entries[19]);
}
END_TEST

START_TEST(reads_documents_before_a_syntax_error)
{
	read_text(HEAD "  order: x\n---\n{kind: [\n");
	ck_assert_uint_eq(diag.count, 2);
	ck_assert_int_eq(strncmp(diag.entries[0], "f:8:", 4), 0);
	ck_assert_int_eq(strncmp(diag.entries[1], "f:5:10: ", 8), 0);
}
END_TEST

START_TEST(refuses_more_rules_and_bytes_than_can_be_stored)
{
	struct strbuf text cleanup_strbuf = {0};

	strbuf_add(&text, HEAD "  ingress:\n");
	for (int i = 0; i <= POLICY_RULES_MAX; i++)
		strbuf_add(&text, "  - {action: deny}\n");
	expect_error(text.text, "6:3: 1025 rules in one list");
	strbuf_reset(&text);
	strbuf_add(&text,
		"apiVersion: v1\nkind: policy\nspec: {}\nmetadata:\n  name: p\n  annotations:\n");
	for (int i = 0; text.len <= RECORD_BYTES_MAX * 3 / 2; i++)
		strbuf_addf(&text, "    key%d: some text that nobody will ever read again\n", i);
	expect_error(text.text, "1:1: ");
	ck_assert_ptr_nonnull(strstr(diag.entries[0], "bytes as stored"));
}
END_TEST

START_TEST(deleting_needs_only_a_name)
{
	static const char text[] = "apiVersion: v1\nkind: policy\nmetadata: {name: p}\n";

	read_needed(text, POLICY_NAME);
	ck_assert_uint_eq(diag.count, 0);
	ck_assert_str_eq(input.items[0].name, "p");
	expect_error(text, "1:1: spec is missing in a policy");
	teardown();
	input_add_name(&input, KIND_POLICY, "q");
	input_add_name(&input, KIND_POLICY, "q");
	ck_assert_uint_eq(input.count, 1);
}
END_TEST

START_TEST(reports_files_that_cannot_be_read)
{
	input_add_file(&input, "/nonexistent/x.yaml", POLICY_WHOLE, &diag);
	ck_assert_str_eq(diag.entries[0], "/nonexistent/x.yaml: No such file or directory");
	teardown();
	input_add_file(&input, "/", POLICY_WHOLE, &diag);
	ck_assert_str_eq(diag.entries[0], "/: Is a directory");
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("input");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, accepts_every_field);
	tcase_add_test(t, staged_is_stored_only_where_true);
	tcase_add_test(t, accepts_json_and_other_spellings);
	tcase_add_test(t, net_is_read_back_as_nets);
	tcase_add_test(t, empty_rule_parts_do_not_constrain);
	tcase_add_test(t, types_are_filled_in_when_written);
	tcase_add_test(t, order_keeps_its_value);
	tcase_add_test(t, accepts_documents_lists_and_policy_lists);
	tcase_add_loop_test(t, refuses, 0, COUNT(refused));
	tcase_add_test(t, names_all_errors_but_no_more_than_20);
	tcase_add_test(t, reads_documents_before_a_syntax_error);
	tcase_add_test(t, refuses_more_rules_and_bytes_than_can_be_stored);
	tcase_add_test(t, deleting_needs_only_a_name);
	tcase_add_test(t, reports_files_that_cannot_be_read);
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
