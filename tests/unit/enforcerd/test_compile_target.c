/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile_target.h"

#include "common/record.h"
#include "common/xalloc.h"

#include <check.h>
#include <string.h>

/* One rule, with ' for " and ` for '. The target is a database, 10.1.0.2 or fd00::2, tcp/3306. */
static const struct {
	const char *rule;
	int container, client; /* IP versions */
	bool admits;
} cases[] = {
	{"{'action':'allow'}", 4, 4, true},
	{"{'action':'allow'}", 4, 6, true},
	/* protocols */
	{"{'action':'allow','protocol':'tcp'}", 4, 4, true},
	{"{'action':'allow','protocol':'udp'}", 4, 4, false},
	{"{'action':'allow','notProtocol':'tcp'}", 4, 4, false},
	{"{'action':'allow','notProtocol':'udp'}", 4, 4, true},
	{"{'action':'allow','protocol':'icmp','icmp':{'type':8}}", 4, 4, false},
	/* IP versions: what allows is about both sides, what denies about either */
	{"{'action':'allow','ipVersion':4}", 4, 4, true},
	{"{'action':'allow','ipVersion':4}", 4, 6, false},
	{"{'action':'allow','ipVersion':6}", 4, 6, false},
	{"{'action':'deny','ipVersion':6}", 4, 6, true},
	{"{'action':'deny','ipVersion':6}", 4, 4, false},
	/* the port in the container, not the host's */
	{"{'action':'allow','protocol':'tcp','destination':{'ports':[3306]}}", 4, 4, true},
	{"{'action':'allow','protocol':'tcp','destination':{'ports':['3000:4000']}}", 4, 4, true},
	{"{'action':'allow','protocol':'tcp','destination':{'ports':[8080]}}", 4, 4, false},
	{"{'action':'allow','protocol':'tcp','destination':{'notPorts':[3306]}}", 4, 4, false},
	{"{'action':'allow','protocol':'tcp','destination':{'notPorts':[80]}}", 4, 4, true},
	/* who it is */
	{"{'action':'allow','destination':{'selector':'role == `db`'}}", 4, 4, true},
	{"{'action':'allow','destination':{'selector':'role == `web`'}}", 4, 4, false},
	{"{'action':'allow','destination':{'notSelector':'role == `db`'}}", 4, 4, false},
	{"{'action':'allow','destination':{'tag':'role'}}", 4, 4, true},
	{"{'action':'allow','destination':{'notTag':'role'}}", 4, 4, false},
	/* where it is: the container's address, whatever the client's version */
	{"{'action':'allow','destination':{'nets':['10.0.0.0/8']}}", 4, 6, true},
	{"{'action':'allow','destination':{'nets':['192.0.2.0/24']}}", 4, 4, false},
	{"{'action':'allow','destination':{'nets':['fd00::/8']}}", 4, 4, false},
	{"{'action':'allow','destination':{'nets':['fd00::/8']}}", 6, 6, true},
	{"{'action':'allow','destination':{'notNets':['10.0.0.0/8']}}", 4, 4, false},
	{"{'action':'allow','destination':{'notNets':['192.0.2.0/24']}}", 4, 4, true},
	/* what it says of the source is not asked here */
	{"{'action':'allow','source':{'selector':'role == `nobody`'}}", 4, 4, true},
};

static struct policy *policy_of(const char *rule)
{
	cleanup_free char *text = xasprintf(
		"{'v':1,'name':'p','spec':{'selector':'','types':['ingress'],'ingress':[%s],'egress':[]}}",
		rule);
	struct err err = {0};
	struct policy *policy;

	for (char *c = text; *c; c++)
		*c = (char)(*c == '\'' ? '"' : *c == '`' ? '\'' : *c);
	{
		cleanup_json json_t *record = record_decode(text, strlen(text), &err);

		policy = record ? policy_from_json(record, &err) : NULL;
	}
	ck_assert_msg(policy != NULL, "%s: %s", rule, err.text);
	return policy;
}

START_TEST(test_admits)
{
	CLEANUP(policy) struct policy *policy = policy_of(cases[_i].rule);
	CLEANUP(labels) struct labels *labels = labels_new();
	struct compile_target target = {.labels = labels, .protocol = 6, .port = 3306};

	labels_set(labels, "role", "db");
	ck_assert_int_eq(
		ip_parse(cases[_i].container == 4 ? "10.1.0.2" : "fd00::2", &target.ip, NULL), 0);
	ck_assert_msg(compile_target_admits(&target, &policy->rules[DIR_INGRESS][0],
			      (uint8_t)cases[_i].client) == cases[_i].admits,
		"%s", cases[_i].rule);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compile_target");
	TCase *tcase = tcase_create("compile_target");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_admits, 0, (int)(sizeof(cases) / sizeof(*cases)));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
