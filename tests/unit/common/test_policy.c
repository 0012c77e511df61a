/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy_fixture.h"

#include <float.h>

/* A policy whose only ingress rule is the given one. */
static struct policy *read_rule(const char *rule, struct err *err)
{
	cleanup_free char *text =
		xasprintf("{'v':1,'name':'p','spec':{'selector':'all()','types':['ingress'],"
			  "'ingress':[%s],'egress':[]}}",
			rule);

	return read_policy(text, err);
}

static const char *written(const struct policy *policy, char **text)
{
	cleanup_json json_t *json = policy_to_json(policy);

	*text = json_dumps(json, JSON_COMPACT);
	return *text;
}

#define FULL                                                                                      \
	"{'v':1,'name':'a/b','annotations':{'why':'because'},'spec':{'order':-1.5,'staged':true," \
	"'selector':'(has(a) && !has(b))','types':['ingress','egress'],'ingress':["               \
	"{'action':'deny','ipVersion':4,'protocol':'tcp','source':{'selector':'has(c)',"          \
	"'notSelector':'has(d)','tag':'t-1','notTag':'u.2','nets':['10.0.0.0/8','192.0.2.7/32']," \
	"'notNets':['10.9.0.0/16'],'ports':[1,'1024:2048'],'notPorts':[1500]},"                   \
	"'destination':{'ports':[3306]}},"                                                        \
	"{'action':'allow','ipVersion':6,'protocol':'icmpv6','icmp':{'type':128,'code':0},"       \
	"'notICMP':{'type':1}}],'egress':[{'action':'log','notProtocol':'icmp'},{'action':'pass'}]}}"

START_TEST(test_every_field_is_read)
{
	struct err err = {0};
	CLEANUP(policy) struct policy *policy = read_policy(FULL, &err);
	const struct policy_rule *rule;
	char text[CIDR_TEXT_MAX];

	ck_assert_msg(policy != NULL, "%s", err.text);
	ck_assert_str_eq(policy->name, "a/b");
	ck_assert(policy->has_order);
	ck_assert_double_eq(policy->order, -1.5);
	ck_assert(policy->staged);
	ck_assert_str_eq(selector_canonical(policy->selector), "(has(a) && !has(b))");
	ck_assert(policy->governs[DIR_INGRESS] && policy->governs[DIR_EGRESS]);
	ck_assert_str_eq(json_string_value(json_object_get(policy->annotations, "why")), "because");
	ck_assert_uint_eq(policy->rule_count[DIR_INGRESS], 2);
	ck_assert_uint_eq(policy->rule_count[DIR_EGRESS], 2);

	rule = &policy->rules[DIR_INGRESS][0];
	ck_assert_int_eq(rule->action, ACTION_DENY);
	ck_assert_int_eq(rule->ip_version, 4);
	ck_assert_int_eq(rule->protocol, 6);
	ck_assert_int_eq(rule->not_protocol, 0);
	ck_assert_int_eq(rule->icmp.type, -1);
	ck_assert_int_eq(rule->icmp.code, -1);
	ck_assert_int_eq(rule->not_icmp.type, -1);
	ck_assert_str_eq(selector_canonical(rule->source.selector), "has(c)");
	ck_assert_str_eq(selector_canonical(rule->source.not_selector), "has(d)");
	ck_assert_str_eq(selector_canonical(rule->source.tag), "has(t-1)");
	ck_assert_str_eq(selector_canonical(rule->source.not_tag), "has(u.2)");
	ck_assert_uint_eq(rule->source.nets.count, 2);
	ck_assert_str_eq(cidr_format(&rule->source.nets.items[1], text), "192.0.2.7/32");
	ck_assert_uint_eq(rule->source.not_nets.count, 1);
	ck_assert_uint_eq(rule->source.ports.count, 2);
	ck_assert_uint_eq(rule->source.ports.items[1].first, 1024);
	ck_assert_uint_eq(rule->source.ports.items[1].last, 2048);
	ck_assert_uint_eq(rule->source.not_ports.items[0].first, 1500);
	ck_assert_uint_eq(rule->destination.ports.items[0].last, 3306);
	ck_assert_ptr_null(rule->destination.selector);

	rule = &policy->rules[DIR_INGRESS][1];
	ck_assert_int_eq(rule->action, ACTION_ALLOW);
	ck_assert_int_eq(rule->protocol, 58);
	ck_assert_int_eq(rule->icmp.type, 128);
	ck_assert_int_eq(rule->icmp.code, 0);
	ck_assert_int_eq(rule->not_icmp.type, 1);
	ck_assert_int_eq(rule->not_icmp.code, -1);

	rule = &policy->rules[DIR_EGRESS][0];
	ck_assert_int_eq(rule->action, ACTION_LOG);
	ck_assert_int_eq(rule->not_protocol, 1);
	ck_assert_int_eq(rule->ip_version, 0);
	ck_assert_int_eq(policy->rules[DIR_EGRESS][1].action, ACTION_PASS);
}
END_TEST

START_TEST(test_what_is_written_reads_back_the_same)
{
	struct err err = {0};
	cleanup_json json_t *record = parse(FULL);
	cleanup_free char *once = NULL, *twice = NULL, *expected = json_dumps(record, JSON_COMPACT);
	CLEANUP(policy) struct policy *policy = read_policy(FULL, &err);
	CLEANUP(policy) struct policy *again = NULL;

	ck_assert_msg(policy != NULL, "%s", err.text);
	ck_assert_str_eq(written(policy, &once), expected);
	again = read_policy(once, &err);
	ck_assert_msg(again != NULL, "%s", err.text);
	ck_assert_str_eq(written(again, &twice), once);
}
END_TEST

START_TEST(test_the_smallest_policy)
{
	struct err err = {0};
	cleanup_free char *text = NULL;
	CLEANUP(policy)
	struct policy *policy =
		read_policy("{'v':1,'name':'p','spec':{'selector':'','types':['egress']}}", &err);

	ck_assert_msg(policy != NULL, "%s", err.text);
	ck_assert(!policy->has_order && !policy->staged);
	ck_assert(!policy->governs[DIR_INGRESS]);
	ck_assert(policy->governs[DIR_EGRESS]);
	ck_assert_ptr_null(policy->rules[DIR_EGRESS]);
	ck_assert_ptr_null(policy->annotations);
	ck_assert_str_eq(written(policy, &text),
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"all()\",\"types\":[\"egress\"],\"ingress\":[],"
		"\"egress\":[]}}");
}
END_TEST

/* One spelling: what a rule says, and how it is stored. NULL: as written. */
static const struct {
	const char *rule, *stored;
} spellings[] = {
	{"{'action':'allow'}", NULL},
	{"{'action':'allow','source':{},'destination':{}}", "{'action':'allow'}"},
	{"{'action':'allow','source':{'nets':[],'ports':[]}}", "{'action':'allow'}"},
	{"{'action':'allow','protocol':6}", "{'action':'allow','protocol':'tcp'}"},
	{"{'action':'allow','protocol':47}", NULL},
	{"{'action':'allow','notProtocol':1}", "{'action':'allow','notProtocol':'icmp'}"},
	{"{'action':'allow','protocol':'icmp'}",
		"{'action':'allow','ipVersion':4,'protocol':'icmp'}"},
	{"{'action':'allow','protocol':'icmpv6'}",
		"{'action':'allow','ipVersion':6,'protocol':'icmpv6'}"},
	/* the number does not imply the family that the name would */
	{"{'action':'allow','protocol':1}", NULL},
	{"{'action':'allow','protocol':58}", NULL},
	{"{'action':'allow','ipVersion':6,'protocol':1}", NULL},
	{"{'action':'allow','ipVersion':4,'protocol':1}",
		"{'action':'allow','ipVersion':4,'protocol':'icmp'}"},
	{"{'action':'allow','icmp':{'type':0}}", NULL},
	{"{'action':'allow','icmp':{'type':254,'code':255}}", NULL},
	{"{'action':'allow','source':{'nets':['10.1.2.3/8']}}",
		"{'action':'allow','source':{'nets':['10.0.0.0/8']}}"},
	{"{'action':'allow','source':{'nets':['192.0.2.1']}}",
		"{'action':'allow','source':{'nets':['192.0.2.1/32']}}"},
	{"{'action':'allow','source':{'nets':['2001:DB8::1/32']}}",
		"{'action':'allow','source':{'nets':['2001:db8::/32']}}"},
	{"{'action':'allow','ipVersion':6,'source':{'nets':['::/0']}}", NULL},
	{"{'action':'allow','protocol':17,'destination':{'ports':['53:53',5353]}}",
		"{'action':'allow','protocol':'udp','destination':{'ports':[53,5353]}}"},
	{"{'action':'allow','protocol':132,'source':{'notPorts':[7]}}",
		"{'action':'allow','protocol':'sctp','source':{'notPorts':[7]}}"},
	{"{'action':'allow','annotations':{'why':'x'},'protocol':'sctp'}", NULL},
	{"{'action':'allow','source':{'selector':'  a   in{}'}}",
		"{'action':'allow','source':{'selector':'a in {}'}}"},
};

START_TEST(test_one_spelling)
{
	struct err err = {0};
	CLEANUP(policy) struct policy *policy = read_rule(spellings[_i].rule, &err);
	const char *stored = spellings[_i].stored ? spellings[_i].stored : spellings[_i].rule;
	cleanup_json json_t *expected = parse(stored);
	cleanup_json json_t *json = NULL;

	ck_assert_msg(policy != NULL, "%s: %s", spellings[_i].rule, err.text);
	json = policy_to_json(policy);
	ck_assert_msg(
		json_equal(expected,
			json_array_get(
				json_object_get(json_object_get(json, "spec"), "ingress"), 0)),
		"%s", spellings[_i].rule);
}
END_TEST

/* The error begins with "spec.ingress[0]" and this. */
static const struct {
	const char *rule, *error;
} bad_rules[] = {
	{"5", ": must be an object"},
	{"{}", ".action: required"},
	{"{'action':'Allow'}",
		".action: unknown action \"Allow\": must be allow, deny, log or pass"},
	{"{'action':'next-tier'}", ".action: unknown action"},
	{"{'action':1}", ".action: must be text"},
	{"{'action':'allow','Protocol':'tcp'}", ".Protocol: unknown member"},
	{"{'action':'allow','src':{}}", ".src: unknown member"},
	{"{'action':'allow','ipVersion':5}", ".ipVersion: must be 4 or 6"},
	{"{'action':'allow','ipVersion':'4'}", ".ipVersion: must be 4 or 6"},
	{"{'action':'allow','ipVersion':4.0}", ".ipVersion: must be 4 or 6"},
	{"{'action':'allow','protocol':'TCP'}", ".protocol: bad protocol \"TCP\""},
	{"{'action':'allow','protocol':'6'}", ".protocol: a protocol number must not be quoted"},
	{"{'action':'allow','protocol':0}", ".protocol: must be a whole number, 1..255"},
	{"{'action':'allow','protocol':256}", ".protocol: must be a whole number, 1..255"},
	{"{'action':'allow','protocol':null}", ".protocol: must be a whole number, 1..255"},
	{"{'action':'allow','notProtocol':0}", ".notProtocol: must be a whole number, 1..255"},
	{"{'action':'allow','notProtocol':'gre'}", ".notProtocol: bad protocol \"gre\""},
	{"{'action':'allow','ipVersion':6,'protocol':'icmp'}",
		".protocol: icmp is IPv4 only, but ipVersion is 6"},
	{"{'action':'allow','ipVersion':4,'protocol':'icmpv6'}",
		".protocol: icmpv6 is IPv6 only, but ipVersion is 4"},
	{"{'action':'allow','icmp':{}}", ".icmp.type: required"},
	{"{'action':'allow','icmp':{'code':1}}", ".icmp.type: required"},
	{"{'action':'allow','icmp':{'type':255}}", ".icmp.type: must be a whole number, 0..254"},
	{"{'action':'allow','icmp':{'type':-1}}", ".icmp.type: must be a whole number, 0..254"},
	{"{'action':'allow','icmp':{'type':8,'code':256}}",
		".icmp.code: must be a whole number, 0..255"},
	{"{'action':'allow','icmp':{'type':8,'name':'echo'}}", ".icmp.name: unknown member"},
	{"{'action':'allow','icmp':8}", ".icmp: must be an object"},
	{"{'action':'allow','notICMP':{'type':255}}",
		".notICMP.type: must be a whole number, 0..254"},
	{"{'action':'allow','source':[]}", ".source: must be an object"},
	{"{'action':'allow','source':{'net':'10.0.0.0/8'}}", ".source.net: unknown member"},
	{"{'action':'allow','destination':{'namespaceSelector':'all()'}}",
		".destination.namespaceSelector: unknown member"},
	{"{'action':'allow','source':{'selector':''}}", ".source.selector: must not be empty"},
	{"{'action':'allow','source':{'notSelector':''}}",
		".source.notSelector: must not be empty"},
	{"{'action':'allow','source':{'selector':'a =='}}", ".source.selector: "},
	{"{'action':'allow','source':{'selector':5}}",
		".source.selector: must be the text of a selector"},
	{"{'action':'allow','source':{'notSelector':'('}}", ".source.notSelector: "},
	{"{'action':'allow','source':{'tag':''}}", ".source.tag: must not be empty"},
	{"{'action':'allow','source':{'tag':'a b'}}", ".source.tag: bad tag"},
	{"{'action':'allow','source':{'tag':'a)||has(b'}}", ".source.tag: bad tag"},
	{"{'action':'allow','source':{'tag':'a/b'}}", ".source.tag: bad tag"},
	{"{'action':'allow','source':{'notTag':7}}", ".source.notTag: must be text"},
	{"{'action':'allow','source':{'nets':'10.0.0.0/8'}}", ".source.nets: must be a list"},
	{"{'action':'allow','source':{'nets':['10.0.0.0/8','10.0.0.0/33']}}",
		".source.nets[1]: \"10.0.0.0/33\" is not a CIDR"},
	{"{'action':'allow','source':{'nets':['10.0.0/8']}}", ".source.nets[0]: "},
	{"{'action':'allow','source':{'nets':[10]}}", ".source.nets[0]: must be text"},
	{"{'action':'allow','source':{'nets':['10.0.0.0/8','::/0']}}",
		".source.nets[1]: IPv6 in a rule that is IPv4 already"},
	{"{'action':'allow','source':{'nets':['10.0.0.0/8'],'notNets':['::/0']}}",
		".source.notNets[0]: IPv6 in a rule that is IPv4 already"},
	{"{'action':'allow','source':{'nets':['10.0.0.0/8']},'destination':{'nets':['::/0']}}",
		".destination.nets[0]: IPv6 in a rule that is IPv4 already"},
	{"{'action':'allow','source':{'notNets':['::/0']},'destination':{'notNets':['10.0.0.0/8']}}",
		".destination.notNets[0]: IPv4 in a rule that is IPv6 already"},
	{"{'action':'allow','ipVersion':4,'source':{'nets':['::/0']}}",
		".source.nets[0]: IPv6 in a rule that is IPv4 already"},
	{"{'action':'allow','protocol':'icmpv6','source':{'nets':['10.0.0.0/8']}}",
		".source.nets[0]: IPv4 in a rule that is IPv6 already"},
	{"{'action':'allow','protocol':'tcp','source':{'ports':80}}",
		".source.ports: must be a list"},
	{"{'action':'allow','protocol':'tcp','source':{'ports':[80,70000]}}",
		".source.ports[1]: must be a whole number, 1..65535"},
	{"{'action':'allow','protocol':'tcp','source':{'ports':[0]}}",
		".source.ports[0]: must be a whole number, 1..65535"},
	{"{'action':'allow','protocol':'tcp','source':{'ports':['80']}}",
		".source.ports[0]: bad port \"80\""},
	{"{'action':'allow','protocol':'tcp','source':{'ports':['http']}}",
		".source.ports[0]: bad port \"http\""},
	{"{'action':'allow','protocol':'tcp','source':{'ports':['2:1']}}",
		".source.ports[0]: bad port range \"2:1\""},
	{"{'action':'allow','protocol':'tcp','source':{'ports':[80.5]}}",
		".source.ports[0]: must be a whole number"},
	{"{'action':'allow','source':{'ports':[80]}}",
		".source.ports: needs the rule's protocol to be tcp, udp or sctp"},
	{"{'action':'allow','destination':{'notPorts':[80]}}",
		".destination.notPorts: needs the rule's protocol to be tcp, udp or sctp"},
	{"{'action':'allow','protocol':'udplite','destination':{'ports':[80]}}",
		".destination.ports: needs the rule's protocol"},
	{"{'action':'allow','notProtocol':'udp','destination':{'ports':[80]}}",
		".destination.ports: needs the rule's protocol"},
};

START_TEST(test_bad_rules_are_refused_with_their_path)
{
	static const char path[] = "spec.ingress[0]";
	struct err err = {0};
	CLEANUP(policy) struct policy *policy = read_rule(bad_rules[_i].rule, &err);

	ck_assert_msg(policy == NULL, "%s", bad_rules[_i].rule);
	ck_assert_msg(!strncmp(err.text, path, strlen(path)), "%s", err.text);
	ck_assert_msg(
		!strncmp(err.text + strlen(path), bad_rules[_i].error, strlen(bad_rules[_i].error)),
		"%s: %s", bad_rules[_i].rule, err.text);
}
END_TEST

static const struct {
	const char *record, *error;
} bad_policies[] = {
	{"[]", "must be an object"},
	{"{}", "v: required"},
	{"{'v':2,'name':'p','spec':{'selector':'','types':['egress']}}", "v: must be 1"},
	{"{'v':'1','name':'p','spec':{'selector':'','types':['egress']}}", "v: must be 1"},
	{"{'v':1.0,'name':'p','spec':{'selector':'','types':['egress']}}", "v: must be 1"},
	{"{'v':1,'spec':{'selector':'','types':['egress']}}", "name: required"},
	{"{'v':1,'name':'','spec':{'selector':'','types':['egress']}}", "name: bad name"},
	{"{'v':1,'name':'a b','spec':{'selector':'','types':['egress']}}",
		"name: bad name at character 2"},
	{"{'v':1,'name':7,'spec':{'selector':'','types':['egress']}}", "name: must be text"},
	{"{'v':1,'name':'p','kind':'policy','spec':{'selector':'','types':['egress']}}",
		"kind: unknown member"},
	{"{'v':1,'name':'p','annotations':[],'spec':{'selector':'','types':['egress']}}",
		"annotations: must be an object"},
	{"{'v':1,'name':'p','annotations':{'a':1},'spec':{'selector':'','types':['egress']}}",
		"annotations.a: must be text"},
	{"{'v':1,'name':'p'}", "spec: required"},
	{"{'v':1,'name':'p','spec':[]}", "spec: must be an object"},
	{"{'v':1,'name':'p','spec':{'types':['egress']}}", "spec.selector: required"},
	{"{'v':1,'name':'p','spec':{'selector':null,'types':['egress']}}",
		"spec.selector: must be the text of a selector"},
	{"{'v':1,'name':'p','spec':{'selector':'a==','types':['egress']}}", "spec.selector: "},
	{"{'v':1,'name':'p','spec':{'selector':''}}", "spec.types: required"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':[]}}",
		"spec.types: must name ingress, egress or both"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':'egress'}}",
		"spec.types: must be a list"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress','egress']}}",
		"spec.types[1]: egress is named twice"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress','ingress','egress']}}",
		"spec.types: has 3 elements"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['Egress']}}",
		"spec.types[0]: unknown type \"Egress\""},
	{"{'v':1,'name':'p','spec':{'selector':'','types':[1]}}", "spec.types[0]: must be text"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'order':'1'}}",
		"spec.order: must be a finite number"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'order':null}}",
		"spec.order: must be a finite number"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'staged':'true'}}",
		"spec.staged: must be true or false"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'staged':null}}",
		"spec.staged: must be true or false"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'doNotTrack':true}}",
		"spec.doNotTrack: unknown member"},
	{"{'v':1,'name':'p','form':'v3','spec':{'selector':'','types':['egress'],'tier':'default'}}",
		"spec.tier: must be left out for the tier default"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'tier':'ops'}}",
		"spec.tier: only form v3 has one"},
	{"{'v':1,'name':'p','form':'v3','spec':{'selector':'','types':['egress'],'tier':5}}",
		"spec.tier: must be text"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'egress':{}}}",
		"spec.egress: must be a list"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'egress':[{'action':'allow'},{}]}}",
		"spec.egress[1].action: required"},
};

START_TEST(test_bad_policies_are_refused_with_their_path)
{
	struct err err = {0};
	CLEANUP(policy) struct policy *policy = read_policy(bad_policies[_i].record, &err);

	ck_assert_msg(policy == NULL, "%s", bad_policies[_i].record);
	ck_assert_msg(!strncmp(err.text, bad_policies[_i].error, strlen(bad_policies[_i].error)),
		"%s: %s", bad_policies[_i].record, err.text);
}
END_TEST

/* As a hostile writer could say it: in JSON, strings may hold NUL. */
START_TEST(test_nul_bytes_end_nothing_early)
{
	static const char *const records[] = {
		"{\"v\":1,\"name\":\"p\\u0000q\",\"spec\":{\"selector\":\"\",\"types\":[\"egress\"]}}",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"has(a)\\u0000&&\",\"types\":[\"egress\"]}}",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"\\u0000has(a)\",\"types\":[\"egress\"]}}",
		"{\"v\":1,\"name\":\"p\",\"spec\":{\"selector\":\"\",\"types\":[\"egress\\u0000\"]}}",
	};

	for (size_t i = 0; i < COUNT(records); i++) {
		cleanup_json json_t *json = json_loads(records[i], JSON_ALLOW_NUL, NULL);
		CLEANUP(policy) struct policy *policy = NULL;
		struct err err = {0};

		ck_assert_ptr_nonnull(json);
		policy = policy_from_json(json, &err);
		ck_assert_msg(policy == NULL, "%s", records[i]);
		ck_assert_str_ne(err.text, "");
	}
}
END_TEST

static json_t *repeated(const char *quoted, size_t count)
{
	cleanup_json json_t *item = NULL;
	json_t *list = json_array();

	item = *quoted == '{' ? parse(quoted) : json_string(quoted);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(json_array_append(list, item), 0);
	return list;
}

START_TEST(test_lists_are_bounded)
{
	static const char base[] = "{'v':1,'name':'p','spec':{'selector':'','types':['ingress'],"
				   "'ingress':[{'action':'deny','protocol':'tcp','source':{}}]}}";

	for (size_t extra = 0; extra < 2; extra++) {
		cleanup_json json_t *rules = parse(base), *nets = parse(base), *ports = parse(base);
		json_t *spec[] = {json_object_get(rules, "spec"), json_object_get(nets, "spec"),
			json_object_get(ports, "spec")};
		CLEANUP(policy) struct policy *a = NULL, *b = NULL, *c = NULL;
		struct err err[3] = {0};

		json_object_set_new(spec[0], "ingress",
			repeated("{'action':'deny'}", POLICY_RULES_MAX + extra));
		json_object_set_new(
			json_object_get(
				json_array_get(json_object_get(spec[1], "ingress"), 0), "source"),
			"nets", repeated("10.0.0.0/8", POLICY_LIST_MAX + extra));
		json_object_set_new(
			json_object_get(
				json_array_get(json_object_get(spec[2], "ingress"), 0), "source"),
			"notPorts", repeated("1:2", POLICY_LIST_MAX + extra));
		a = policy_from_json(rules, &err[0]);
		b = policy_from_json(nets, &err[1]);
		c = policy_from_json(ports, &err[2]);
		ck_assert(!a == (extra > 0));
		ck_assert(!b == (extra > 0));
		ck_assert(!c == (extra > 0));
		if (!extra)
			continue;
		ck_assert_str_eq(
			err[0].text, "spec.ingress: has 1025 elements, at most 1024 are allowed");
		ck_assert_str_eq(err[1].text,
			"spec.ingress[0].source.nets: has 1025 elements, at most 1024 are allowed");
		ck_assert_str_eq(err[2].text,
			"spec.ingress[0].source.notPorts: has 1025 elements, at most 1024 are allowed");
	}
}
END_TEST

/* Each level costs one bracket as written and two in canonical form: what cannot be read back is not accepted. */
START_TEST(test_a_selector_that_outgrows_the_limits_when_stored_is_refused)
{
	cleanup_free char *text = xstrdup("has(a)");
	cleanup_json json_t *json = NULL;
	CLEANUP(selector) struct selector *selector = NULL;
	CLEANUP(policy) struct policy *policy = NULL;
	struct err err = {0};

	for (int i = 0; i < SELECTOR_DEPTH_MAX - 10; i++) {
		char *deeper = xasprintf("(has(b) && %s || has(c))", text);

		free(text);
		text = deeper;
	}
	selector = selector_parse(text, &err);
	ck_assert_msg(selector != NULL, "%s", err.text);
	json = json_pack("{s:i,s:s,s:{s:s,s:[s]}}", "v", 1, "name", "p", "spec", "selector", text,
		"types", "egress");
	policy = policy_from_json(json, &err);
	ck_assert_ptr_null(policy);
	ck_assert_msg(strstr(err.text, "spec.selector: selector in its stored form: ") == err.text,
		"%s", err.text);
}
END_TEST

/* Not staged has one spelling when stored: absent. */
START_TEST(test_staged_false_is_left_out)
{
	struct err err = {0};
	cleanup_free char *text = NULL;
	CLEANUP(policy)
	struct policy *policy = read_policy(
		"{'v':1,'name':'p','spec':{'selector':'','staged':false,'types':['egress']}}",
		&err);

	ck_assert_msg(policy != NULL, "%s", err.text);
	ck_assert(!policy->staged);
	ck_assert_ptr_null(strstr(written(policy, &text), "staged"));
}
END_TEST

START_TEST(test_orders_survive)
{
	static const double orders[] = {
		0, -0.0, 1, -1, 0.1, 1e6, 1e-9, 9007199254740993.0, -1e300, DBL_MAX, -DBL_MAX};

	for (size_t i = 0; i < COUNT(orders); i++) {
		cleanup_json json_t *json = json_pack("{s:i,s:s,s:{s:f,s:s,s:[s]}}", "v", 1, "name",
			"p", "spec", "order", orders[i], "selector", "", "types", "egress");
		cleanup_free char *text = NULL;
		struct err err = {0};
		CLEANUP(policy) struct policy *policy = policy_from_json(json, &err);
		CLEANUP(policy) struct policy *again = NULL;

		ck_assert_msg(policy != NULL, "%s", err.text);
		again = read_policy(written(policy, &text), &err);
		ck_assert_msg(again != NULL, "%s: %s", text, err.text);
		ck_assert(again->has_order);
		ck_assert_double_eq(again->order, orders[i]);
	}
}
END_TEST

START_TEST(test_evaluation_order)
{
	/* sorted; byte-wise, so capitals come first and UTF-8 does not matter */
	static const struct policy sorted[] = {
		{.name = (char *)"z", .has_order = true, .order = -DBL_MAX},
		/* a staged one just before that whose place it may take, however the names begin */
		{.name = (char *)"_staged/y", .has_order = true, .order = -1.5, .staged = true},
		{.name = (char *)"y", .has_order = true, .order = -1.5},
		{.name = (char *)"B", .has_order = true, .order = 0},
		{.name = (char *)"a", .has_order = true, .order = 0},
		{.name = (char *)"aa", .has_order = true, .order = 0},
		{.name = (char *)"_staged/0", .has_order = true, .order = DBL_MAX, .staged = true},
		{.name = (char *)"0", .has_order = true, .order = DBL_MAX},
		{.name = (char *)"-", .order = -5}, /* without has_order the number means nothing */
		{.name = (char *)"A"},
		{.name = (char *)"a"},
		/* of v3: by the bare name first, where v1's is the whole name; then none before any namespace */
		{.name = (char *)"_staged/m", .v3 = true},
		{.name = (char *)"m"},
		{.name = (char *)"_staged/b/m", .v3 = true, .namespace = (char *)"b"},
		{.name = (char *)"b/m", .v3 = true, .namespace = (char *)"b"},
		{.name = (char *)"a/n", .v3 = true, .namespace = (char *)"a"},
		{.name = (char *)"n/m"},
	};

	for (size_t i = 0; i < COUNT(sorted); i++)
		for (size_t j = 0; j < COUNT(sorted); j++) {
			int order = policy_cmp(&sorted[i], &sorted[j]);

			ck_assert_msg((order < 0) == (i < j) && (order > 0) == (i > j),
				"%zu, %zu: %d", i, j, order);
		}
}
END_TEST

/* What a refused record still closes; NULL where not even that can be told. */
static const struct {
	const char *record, *closed;
} closures[] = {
	{"{'v':1,'name':'p','spec':{'order':3,'selector':'has(a)','types':['ingress'],'ingress':[{'action':'alow'}]}}",
		"{'v':1,'name':'p','spec':{'order':3,'selector':'has(a)','types':['ingress'],"
		"'ingress':[{'action':'deny'}],'egress':[]}}"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress','ingress'],'new':{}}}",
		"{'v':1,'name':'p','spec':{'selector':'all()','types':['ingress','egress'],"
		"'ingress':[{'action':'deny'}],'egress':[{'action':'deny'}]}}"},
	{"{'v':1,'name':'p','more':1,'annotations':7,'spec':{'selector':'','types':['egress'],'egress':5}}",
		"{'v':1,'name':'p','spec':{'selector':'all()','types':['egress'],'ingress':[],"
		"'egress':[{'action':'deny'}]}}"},
	/* what never drops does not begin to because it cannot be read; what is not plainly staged does */
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'staged':true,'egress':5}}",
		"{'v':1,'name':'p','spec':{'staged':true,'selector':'all()','types':['egress'],'ingress':[],"
		"'egress':[{'action':'deny'}]}}"},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['egress'],'staged':1}}",
		"{'v':1,'name':'p','spec':{'selector':'all()','types':['egress'],'ingress':[],"
		"'egress':[{'action':'deny'}]}}"},
	{"{'v':2,'name':'p','spec':{'selector':'','types':['egress']}}", NULL},
	{"{'v':1,'spec':{'selector':'','types':['egress']}}", NULL},
	{"{'v':1,'name':'a b','spec':{'selector':'','types':['egress']}}", NULL},
	{"{'v':1,'name':'p'}", NULL},
	{"{'v':1,'name':'p','spec':{'types':['egress']}}", NULL},
	{"{'v':1,'name':'p','spec':{'selector':'a=','types':['egress']}}", NULL},
	{"{'v':1,'name':'p','spec':{'selector':''}}", NULL},
	{"{'v':1,'name':'p','spec':{'selector':'','types':[]}}", NULL},
	{"{'v':1,'name':'p','spec':{'selector':'','types':['both']}}", NULL},
	{"[]", NULL},
};

START_TEST(test_a_refused_policy_still_closes)
{
	cleanup_json json_t *record = parse(closures[_i].record);
	cleanup_json json_t *expected = closures[_i].closed ? parse(closures[_i].closed) : NULL;
	cleanup_json json_t *json = NULL;
	struct err err = {0};
	CLEANUP(policy) struct policy *refused = policy_from_json(record, &err);
	CLEANUP(policy) struct policy *closed = policy_closed_from_json(record, &err);

	ck_assert_ptr_null(refused);
	ck_assert_str_ne(err.text, "");
	if (!expected) {
		ck_assert_ptr_null(closed);
		return;
	}
	ck_assert_msg(closed != NULL, "%s", err.text);
	json = policy_to_json(closed);
	ck_assert_msg(json_equal(json, expected), "%s", closures[_i].record);
}
END_TEST

START_TEST(test_a_closure_without_a_readable_order_comes_first)
{
	struct err err = {0};
	cleanup_json json_t *record =
		parse("{'v':1,'name':'zz','spec':{'order':'5','selector':'','types':['egress']}}");
	CLEANUP(policy) struct policy *closed = policy_closed_from_json(record, &err);
	const struct policy other = {.name = (char *)"a", .has_order = true, .order = -1e308};

	ck_assert_msg(closed != NULL, "%s", err.text);
	ck_assert_int_lt(policy_cmp(closed, &other), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("policy");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_every_field_is_read);
	tcase_add_test(tcase, test_what_is_written_reads_back_the_same);
	tcase_add_test(tcase, test_the_smallest_policy);
	tcase_add_loop_test(tcase, test_one_spelling, 0, COUNT(spellings));
	tcase_add_loop_test(tcase, test_bad_rules_are_refused_with_their_path, 0, COUNT(bad_rules));
	tcase_add_loop_test(
		tcase, test_bad_policies_are_refused_with_their_path, 0, COUNT(bad_policies));
	tcase_add_test(tcase, test_nul_bytes_end_nothing_early);
	tcase_add_test(tcase, test_lists_are_bounded);
	tcase_add_test(tcase, test_a_selector_that_outgrows_the_limits_when_stored_is_refused);
	tcase_add_test(tcase, test_staged_false_is_left_out);
	tcase_add_test(tcase, test_orders_survive);
	tcase_add_test(tcase, test_evaluation_order);
	tcase_add_loop_test(tcase, test_a_refused_policy_still_closes, 0, COUNT(closures));
	tcase_add_test(tcase, test_a_closure_without_a_readable_order_comes_first);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
