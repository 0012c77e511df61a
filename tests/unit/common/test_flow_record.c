/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/flow_record.h"

#include "common/record.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define FULL                                                                                       \
	"{'v':1,'time':'2026-11-23T15:49:39.000042Z','node':'web-1','mode':'audit','denied':true," \
	"'what':'deny','direction':'egress','policy':'frontend','rule':2,'ethertype':'0x0800',"    \
	"'protocol':'tcp','vlan':7,"                                                               \
	"'source':{'ip':'172.18.0.3','port':45678,'mac':'02:42:ac:12:00:03','container':'web',"    \
	"'network':'net1','labels':{'docker/network':'net1','role':'frontend'}},"                  \
	"'destination':{'ip':'172.18.0.2','port':3306},"                                           \
	"'published':{'ip':'192.0.2.1','port':13306},"                                             \
	"'in':'br-1','out':'br-1','inPort':'veth1','outPort':'veth2','fragment':true,"             \
	"'truncated':true,'suppressed':1234567890123}"

static const char *const whole[] = {
	FULL,
	"{'v':1,'time':'1970-01-01T00:00:00.000000Z','node':'n','mode':'enforce','denied':false,"
	"'what':'log','direction':'ingress','policy':'p','rule':0,'source':{},'destination':{}}",
	"{'v':1,'time':'9999-12-31T23:59:59.999999Z','node':'n','mode':'enforce','denied':true,"
	"'what':'port','ethertype':'0x88b5','source':{'mac':'02:00:00:00:00:01'},'destination':"
	"{'mac':'ff:ff:ff:ff:ff:ff'},'inPort':'v'}",
	"{'v':1,'time':'2026-11-23T15:49:39.000042Z','node':'n','mode':'enforce','denied':true,"
	"'what':'end','direction':'ingress','ethertype':'0x86dd','protocol':'icmpv6','icmp':"
	"{'type':128,'code':0},'source':{'ip':'fd00::1'},'destination':{'ip':'fd00::2'}}",
	"{'v':1,'time':'2026-11-23T15:49:39.000042Z','node':'n','mode':'enforce','denied':true,"
	"'what':'end','direction':'ingress','ethertype':'0x0800','protocol':0,'source':{'ip':"
	"'0.0.0.0','port':0},'destination':{'ip':'255.255.255.255','port':65535}}",
};

START_TEST(test_what_is_written_reads_back_the_same)
{
	cleanup_json json_t *json = parse(whole[_i]), *again = NULL;
	struct err err = {0};
	CLEANUP(flow_record) struct flow_record *record = flow_record_from_json(json, &err);
	cleanup_free char *text = NULL;

	ck_assert_msg(record != NULL, "%s", err.text);
	again = flow_record_to_json(record);
	text = json_dumps(again, JSON_COMPACT);
	ck_assert_msg(json_equal(json, again), "%s\ngave %s", whole[_i], text);
}
END_TEST

START_TEST(test_every_field_is_read)
{
	cleanup_json json_t *json = parse(FULL);
	struct err err = {0};
	CLEANUP(flow_record) struct flow_record *r = flow_record_from_json(json, &err);
	char text[IP_TEXT_MAX];

	ck_assert_msg(r != NULL, "%s", err.text);
	ck_assert_int_eq(r->time_us, 1795448979000042LL);
	ck_assert_str_eq(r->node, "web-1");
	ck_assert_int_eq(r->mode, MODE_AUDIT);
	ck_assert(r->denied && r->fragment && r->truncated);
	ck_assert_str_eq(r->what, "deny");
	ck_assert_int_eq(r->direction, DIR_EGRESS);
	ck_assert_str_eq(r->policy, "frontend");
	ck_assert_int_eq(r->rule, 2);
	ck_assert_int_eq(r->ethertype, 0x0800);
	ck_assert_int_eq(r->protocol, 6);
	ck_assert_int_eq(r->vlan, 7);
	ck_assert_int_eq(r->icmp_type, FLOW_NONE);
	ck_assert_str_eq(ip_format(&r->source.ip, text), "172.18.0.3");
	ck_assert_int_eq(r->source.port, 45678);
	ck_assert(r->source.has_mac && r->source.mac[5] == 3);
	ck_assert_str_eq(r->source.container, "web");
	ck_assert_str_eq(labels_get(r->source.labels, "role"), "frontend");
	ck_assert_ptr_null(r->destination.container);
	ck_assert_ptr_null(r->destination.labels);
	ck_assert_int_eq(r->published_port, 13306);
	ck_assert_str_eq(r->in_port, "veth1");
	ck_assert_int_eq(r->suppressed, 1234567890123LL);
}
END_TEST

/* One member of FULL put in the place of the good one, and what is said about it. */
static const struct {
	const char *member, *value, *error;
} bad[] = {
	{"v", "2", "v: must be 1"},
	{"time", "'2026-11-23'", "time: must be a time"},
	{"time", "'2026-11-23T15:49:39.42Z'", "time: must be a time"},
	{"time", "'2026-13-23T15:49:39.000042Z'", "time: must be a time"},
	{"time", "'1969-12-31T23:59:59.000000Z'", "time: must be a time"},
	{"time", "1795448979", "time: must be text"},
	{"node", "''", "node: must not be empty"},
	{"node", "'a\\u001bb'", "node: must not hold control characters"},
	{"mode", "'Audit'", "mode: must be enforce or audit"},
	{"denied", "1", "denied: must be true or false"},
	{"what", "'\\u001b[2J'", "what: "},
	{"what", "'Deny'", "what: must be a word"},
	{"what", "'aaaaaaaaaaaaaaaaa'", "what: has 17 bytes"},
	{"direction", "'up'", "direction: must be ingress or egress"},
	{"rule", "1024", "rule: must be a whole number"},
	{"rule", "-1", "rule: must be a whole number"},
	{"ethertype", "2048", "ethertype: must be text"},
	{"ethertype", "'0x800'", "ethertype: must be an ethertype"},
	{"protocol", "256", "protocol: must be a whole number"},
	{"protocol", "'6'", "protocol: a protocol number must not be quoted"},
	{"protocol", "'tpc'", "protocol: bad protocol"},
	{"vlan", "4096", "vlan: must be a whole number"},
	{"icmp", "{'type':8}", "icmp.code: required"},
	{"icmp", "{'type':256,'code':0}", "icmp.type: must be a whole number"},
	{"source", "null", "source: must be an object"},
	{"source", "{'ip':'1.2.3'}", "source.ip: "},
	{"source", "{'port':65536}", "source.port: must be a whole number"},
	{"source", "{'mac':'02:42:ac:12:00:3'}", "source.mac: must be a MAC address"},
	{"source", "{'mac':'02:42:ac:12:00:zz'}", "source.mac: must be a MAC address"},
	{"source", "{'mac':':::::::::::::::::'}", "source.mac: must be a MAC address"},
	{"source", "{'container':7}", "source.container: must be text"},
	{"source", "{'labels':{'a b':'c'}}", "source.labels: "},
	{"source", "{'labels':[]}", "source.labels: "},
	{"published", "{'port':1}", "published.ip: required"},
	{"in", "'abcdefghijklmnop'", "in: has 16 bytes"},
	{"suppressed", "-1", "suppressed: must be a whole number"},
};

START_TEST(test_bad_members_are_refused_with_their_path)
{
	cleanup_json json_t *json = parse(FULL);
	cleanup_free char *quoted = xasprintf("[%s]", bad[_i].value);
	cleanup_json json_t *value = parse(quoted);
	struct err err = {0};
	CLEANUP(flow_record) struct flow_record *record = NULL;

	json_object_set(json, bad[_i].member, json_array_get(value, 0));
	record = flow_record_from_json(json, &err);
	ck_assert_msg(!record, "%s %s", bad[_i].member, bad[_i].value);
	ck_assert_msg(!strncmp(err.text, bad[_i].error, strlen(bad[_i].error)), "%s", err.text);
}
END_TEST

START_TEST(test_what_must_be_there)
{
	static const char *const members[] = {
		"v", "time", "node", "mode", "denied", "what", "source", "destination"};

	for (size_t i = 0; i < COUNT(members); i++) {
		cleanup_json json_t *json = parse(FULL);
		struct err err = {0};
		CLEANUP(flow_record) struct flow_record *record = NULL;

		json_object_del(json, members[i]);
		record = flow_record_from_json(json, &err);
		ck_assert_msg(
			!record && strstr(err.text, "required"), "%s: %s", members[i], err.text);
	}
}
END_TEST

/* A newer enforcerd may say more, and have more words for why. */
START_TEST(test_what_is_not_known_is_passed_over)
{
	cleanup_json json_t *json = parse(FULL);
	cleanup_strbuf struct strbuf out = {0};
	CLEANUP(flow_record) struct flow_record *record = NULL;

	json_object_set_new(json, "colour", json_string("blue"));
	json_object_set_new(json, "what", json_string("quota"));
	record = flow_record_from_json(json, NULL);
	ck_assert_ptr_nonnull(record);
	flow_record_reason(record, &out);
	ck_assert_str_eq(out.text, "quota 2 of policy frontend");
}
END_TEST

START_TEST(test_names_that_are_not_utf8)
{
	CLEANUP(flow_record) struct flow_record *record = flow_record_new();
	cleanup_json json_t *json = NULL;

	record->node = xstrdup("n");
	strcpy(record->what, "end");
	strcpy(record->in_port, "\xff\xfe");
	json = flow_record_to_json(record);
	ck_assert_str_eq(json_string_value(json_object_get(json, "inPort")), "?");
}
END_TEST

static const struct {
	const char *members, *line;
} lines[] = {
	{"'what':'end','direction':'ingress','policy':'database','protocol':'tcp',"
	 "'source':{'ip':'172.18.0.3','port':1,'container':'web'},"
	 "'destination':{'ip':'172.18.0.2','port':3306,'container':'db'}",
		"denied ingress tcp web (172.18.0.3:1) -> db (172.18.0.2:3306): "
		"no rule of policy database allows it"},
	{"'what':'end','direction':'egress','protocol':'udp','source':{'ip':'fd00::1','port':5},"
	 "'destination':{'ip':'fd00::2','port':53},'mode':'audit'",
		"would deny egress udp [fd00::1]:5 -> [fd00::2]:53: no rule allows it"},
	{"'what':'log','denied':false,'direction':'egress','policy':'p','rule':3,'protocol':47,"
	 "'source':{'ip':'10.0.0.1'},'destination':{'ip':'10.0.0.2'}",
		"logged egress protocol 47 10.0.0.1 -> 10.0.0.2: logged by rule 3 of policy p"},
	{"'what':'staged','mode':'audit','direction':'ingress','policy':'p','rule':0,'protocol':"
	 "'icmp','icmp':{'type':8,'code':0},'source':{'ip':'10.0.0.1'},"
	 "'destination':{'ip':'10.0.0.2'}",
		"would deny ingress icmp type 8 code 0 10.0.0.1 -> 10.0.0.2: "
		"staged: denied by rule 0 of policy p, were it in force"},
	{"'what':'port','ethertype':'0x88b5','source':{'mac':'02:00:00:00:00:01','container':'x'},"
	 "'destination':{},'vlan':5",
		"denied ethertype 0x88b5 vlan 5 x (02:00:00:00:00:01) -> ?: "
		"not a frame that this port may carry"},
	{"'what':'spoofed','ethertype':'0x0806','source':{'ip':'10.0.0.1'},'destination':"
	 "{'ip':'10.0.0.2'},'suppressed':17",
		"denied arp 10.0.0.1 -> 10.0.0.2: this port does not own the address "
		"(17 like it untold)"},
	{"'what':'deny','direction':'ingress','policy':'p','rule':1,'protocol':'tcp','source':"
	 "{'ip':'198.51.100.1','port':9},'destination':{'ip':'10.0.0.2','port':80},'published':"
	 "{'ip':'192.0.2.1','port':8080},'fragment':true",
		"denied ingress tcp fragment 198.51.100.1:9 -> 10.0.0.2:80, published as "
		"192.0.2.1:8080: denied by rule 1 of policy p"},
};

START_TEST(test_lines_for_people)
{
	cleanup_json json_t *json =
		parse("{'v':1,'time':'2026-11-23T15:49:39.000042Z','node':'n','mode':'enforce',"
		      "'denied':true}");
	cleanup_free char *quoted = xasprintf("{%s}", lines[_i].members);
	cleanup_json json_t *members = parse(quoted);
	cleanup_strbuf struct strbuf out = {0};
	struct err err = {0};
	CLEANUP(flow_record) struct flow_record *record = NULL;

	json_object_update(json, members);
	record = flow_record_from_json(json, &err);
	ck_assert_msg(record != NULL, "%s", err.text);
	flow_record_line(record, &out);
	ck_assert_str_eq(out.text, lines[_i].line);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_record");
	TCase *tcase = tcase_create("flow_record");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_what_is_written_reads_back_the_same, 0, (int)COUNT(whole));
	tcase_add_test(tcase, test_every_field_is_read);
	tcase_add_loop_test(
		tcase, test_bad_members_are_refused_with_their_path, 0, (int)COUNT(bad));
	tcase_add_test(tcase, test_what_must_be_there);
	tcase_add_test(tcase, test_what_is_not_known_is_passed_over);
	tcase_add_test(tcase, test_names_that_are_not_utf8);
	tcase_add_loop_test(tcase, test_lines_for_people, 0, (int)COUNT(lines));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
