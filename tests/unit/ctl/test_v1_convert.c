/* SPDX-License-Identifier: GPL-2.0-or-later */
/* v1 policies in the v3 form: what becomes of each field, what v3 cannot say, and that apply takes what is printed. */
#include "ctl/v1_convert.h"

#include "common/policy.h"
#include "common/strbuf.h"
#include "input_fixture.h"

#define HEAD "apiVersion: v1\nkind: policy\nmetadata: {name: p}\n"

static json_t *convert(const char *text, struct err *err)
{
	read_accepted(text);
	return v1_convert(input.items[0].record, err);
}

/* --- fields ---------------------------------------------------------------------------------------- */

static const struct {
	const char *rule, *rules; /* what the one rule becomes */
} rules[] = {
	{"{action: allow}", "[{'action':'Allow'}]"},
	{"{action: deny, ipVersion: 6, protocol: tcp}",
		"[{'action':'Deny','ipVersion':6,'protocol':'TCP'}]"},
	{"{action: log, protocol: udplite}", "[{'action':'Log','protocol':'UDPLite'}]"},
	{"{action: pass, notProtocol: icmpv6}", "[{'action':'Pass','notProtocol':'ICMPv6'}]"},
	{"{action: allow, protocol: '47'}", "[{'action':'Allow','protocol':47}]"},
	{"{action: allow, protocol: icmp, icmp: {type: 8, code: 0}}",
		"[{'action':'Allow','protocol':'ICMP','icmp':{'type':8,'code':0}}]"},
	/* a type without a protocol is of both families, but where the rule is of one */
	{"{action: allow, icmp: {type: 8}}",
		"[{'action':'Allow','protocol':'ICMP','icmp':{'type':8}},"
		"{'action':'Allow','protocol':'ICMPv6','icmp':{'type':8}}]"},
	{"{action: allow, ipVersion: 6, notICMP: {type: 1}}",
		"[{'action':'Allow','ipVersion':6,'protocol':'ICMPv6','notICMP':{'type':1}}]"},
	{"{action: allow, icmp: {type: 8}, destination: {notNets: [10.0.0.0/8]}}",
		"[{'action':'Allow','protocol':'ICMP','icmp':{'type':8},"
		"'destination':{'notNets':['10.0.0.0/8']}}]"},
	{"{action: allow, icmp: {type: 8}, source: {net: '2001:db8::1'}}",
		"[{'action':'Allow','protocol':'ICMPv6','icmp':{'type':8},"
		"'source':{'nets':['2001:db8::1/128']}}]"},
	{"{action: allow, source: {net: 10.1.2.3/8, notNet: 10.1.2.3}}",
		"[{'action':'Allow','source':{'nets':['10.0.0.0/8'],'notNets':['10.1.2.3/32']}}]"},
	{"{action: allow, source: {tag: t}}",
		"[{'action':'Allow','source':{'selector':'has(t)'}}]"},
	{"{action: allow, source: {selector: a == 'b' || has(c), tag: t}}",
		"[{'action':'Allow','source':{'selector':'(a == `b` || has(c)) && has(t)'}}]"},
	/* neither the one nor the other */
	{"{action: allow, source: {notSelector: has(a) && has(b), notTag: t}}",
		"[{'action':'Allow','source':{'notSelector':'(has(a) && has(b)) || has(t)'}}]"},
	{"{action: allow, destination: {notTag: t}}",
		"[{'action':'Allow','destination':{'notSelector':'has(t)'}}]"},
	{"{action: allow, protocol: udp, destination: {ports: [53, '60:70'], notPorts: [65]}}",
		"[{'action':'Allow','protocol':'UDP','destination':{'ports':[53,'60:70'],'notPorts':[65]}}]"},
};

START_TEST(converts_rules)
{
	struct strbuf text cleanup_strbuf = {0};
	struct err err = {0};
	cleanup_json json_t *object = NULL;

	strbuf_addf(&text, "%sspec:\n  egress:\n  - %s\n", HEAD, rules[_i].rule);
	object = convert(text.text, &err);
	ck_assert_msg(object != NULL, "%s\n%s", text.text, err.text);
	expect_quoted(json_object_get(json_object_get(object, "spec"), "egress"), rules[_i].rules,
		text.text);
}
END_TEST

static const struct {
	const char *text, *object;
} policies[] = {
	{HEAD "spec: {}\n", "{'apiVersion':'projectcalico.org/v3','kind':'GlobalNetworkPolicy',"
			    "'metadata':{'name':'p'},'spec':{'types':['Ingress']}}"},
	{"apiVersion: v1\nkind: policy\nmetadata: {name: a/B, annotations: {why: x}}\n"
	 "spec: {order: -1.5, selector: has(a), types: [egress, ingress], doNotTrack: false}\n",
		"{'apiVersion':'projectcalico.org/v3','kind':'GlobalNetworkPolicy',"
		"'metadata':{'name':'a-b-d172f1ba','annotations':{'why':'x'}},"
		"'spec':{'order':-1.5,'selector':'has(a)','types':['Egress','Ingress']}}"},
	{HEAD "spec: {staged: true}\n",
		"{'apiVersion':'projectcalico.org/v3','kind':'StagedGlobalNetworkPolicy',"
		"'metadata':{'name':'p'},'spec':{'types':['Ingress']}}"},
	/* of v3 already: as it was */
	{"apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: q, namespace: n}\n"
	 "spec: {selector: has(a)}\n",
		"{'apiVersion':'projectcalico.org/v3','kind':'NetworkPolicy',"
		"'metadata':{'name':'q','namespace':'n'},'spec':{'selector':'has(a)','types':['Ingress']}}"},
};

START_TEST(converts_policies)
{
	struct err err = {0};
	cleanup_json json_t *object = convert(policies[_i].text, &err);

	ck_assert_msg(object != NULL, "%s\n%s", policies[_i].text, err.text);
	expect_quoted(object, policies[_i].object, policies[_i].text);
}
END_TEST

/* --- refusals -------------------------------------------------------------------------------------- */

static const struct {
	const char *spec, *error;
} refused[] = {
	{"{ingress: [{action: deny, source: {notNets: [0.0.0.0/0]}}]}",
		"notNets: 0.0.0.0/0 leaves no"},
	{"{ingress: [{action: deny, protocol: tcp, icmp: {type: 8}}]}",
		"ICMP types need the rule's"},
	{"{ingress: [{action: deny, protocol: 1, ipVersion: 6, icmp: {type: 8}}]}",
		"ICMP is not of IPv6"},
	{"{selector: has(projectcalico.org/namespace)}",
		"there, the label projectcalico.org/namespace"},
	{"{egress: [{action: deny, source: {tag: a, notSelector: projectcalico.org/namespace == 'a'}}]}",
		"there, the label projectcalico.org/namespace is the compose project"},
};

START_TEST(refuses_what_v3_cannot_say)
{
	static const char before[] = "v3 cannot say it: ";
	struct strbuf text cleanup_strbuf = {0};
	struct err err = {0};
	cleanup_json json_t *object = NULL;

	strbuf_addf(&text, "%sspec: %s\n", HEAD, refused[_i].spec);
	object = convert(text.text, &err);
	ck_assert_msg(!object, "%s", text.text);
	ck_assert_msg(!strncmp(err.text, before, strlen(before)) &&
			      !strncmp(err.text + strlen(before), refused[_i].error,
				      strlen(refused[_i].error)),
		"%s\ngave %s", text.text, err.text);
}
END_TEST

/* --- names ----------------------------------------------------------------------------------------- */

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A54 A50 "aaaa"

/* printf %s NAME | sha1sum | cut -c-8 */
static const struct {
	const char *v1, *v3;
} names[] = {
	{"database", "database"},
	{"a-1", "a-1"},
	{"Database", "database-HASH"},
	{"a.b", "a-b-HASH"},
	{"a/b_c", "a-b-c-HASH"},
	{"-a-", "a-HASH"},
	{"_/.", "HASH"},
	{A50 "1234567890123", A50 "1234567890123"},
	{A50 "12345678901234", A50 "1234-HASH"},
	{A54 "-", A54 "-HASH"},
};

START_TEST(names_become_those_of_v3)
{
	cleanup_free char *name = v1_convert_name(names[_i].v1);
	const char *hash = strstr(names[_i].v3, "HASH");
	size_t kept = hash ? (size_t)(hash - names[_i].v3) : strlen(names[_i].v3);

	ck_assert_uint_eq(strlen(name), hash ? kept + 8 : kept);
	ck_assert_msg(!strncmp(name, names[_i].v3, kept), "%s", name);
	if (hash)
		ck_assert_uint_eq(strspn(name + kept, "0123456789abcdef"), 8);
}
END_TEST

START_TEST(names_keep_their_difference)
{
	static const char *const alike[] = {"a-b", "a.b", "a/b", "a_b", "A-b", "a-B", "-a-b"};
	cleanup_json json_t *seen = json_object();

	for (size_t i = 0; i < COUNT(alike); i++) {
		cleanup_free char *name = v1_convert_name(alike[i]);

		ck_assert_ptr_null(json_object_get(seen, name));
		json_object_set_new(seen, name, json_true());
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("v1_convert");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, converts_rules, 0, COUNT(rules));
	tcase_add_loop_test(t, converts_policies, 0, COUNT(policies));
	tcase_add_loop_test(t, refuses_what_v3_cannot_say, 0, COUNT(refused));
	tcase_add_loop_test(t, names_become_those_of_v3, 0, COUNT(names));
	tcase_add_test(t, names_keep_their_difference);
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
