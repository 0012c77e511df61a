/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netset.h"
#include "tests/unit/common/policy_fixture.h"

#include <check.h>

static struct netset *read_netset(const char *quoted, struct err *err)
{
	cleanup_json json_t *json = parse(quoted);

	return netset_from_json(json, err);
}

static struct netset *sound(const char *quoted)
{
	struct err err = {0};
	struct netset *set = read_netset(quoted, &err);

	ck_assert_msg(set != NULL, "%s: %s", quoted, err.text);
	return set;
}

static struct ip address(const char *text)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip, NULL), 0);
	return ip;
}

START_TEST(test_what_it_has)
{
	CLEANUP(netset)
	struct netset *set =
		sound("{'v':1,'name':'partners','labels':{'role':'partner'},"
		      "'spec':{'nets':['192.0.2.0/24','2001:db8::/32','198.51.100.7']}}");
	static const struct {
		const char *ip;
		bool in;
	} addresses[] = {{"192.0.2.0", true}, {"192.0.2.255", true}, {"192.0.3.0", false},
		{"198.51.100.7", true}, {"198.51.100.8", false}, {"2001:db8::1", true},
		{"2001:db9::1", false}};

	ck_assert_str_eq(labels_get(set->labels, "role"), "partner");
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct ip ip = address(addresses[i].ip);

		ck_assert_msg(netset_has(set, &ip) == addresses[i].in, "%s", addresses[i].ip);
	}
}
END_TEST

START_TEST(test_lists)
{
	CLEANUP(netset)
	struct netset *a =
		sound("{'v':1,'name':'a','labels':{'x':'1'},'spec':{'nets':['192.0.2.0/24']}}");
	CLEANUP(netset)
	struct netset *b = sound("{'v':1,'name':'b','spec':{'nets':['192.0.0.0/16']}}");
	CLEANUP(selector) struct selector *x = selector_parse("has(x)", NULL);
	CLEANUP(selector) struct selector *all = selector_parse("all()", NULL);
	struct netset_list both cleanup_netset_list = {0}, some cleanup_netset_list = {0};
	struct ip in_both = address("192.0.2.1"), in_one = address("192.0.3.1");

	netset_list_add(&both, a);
	netset_list_add(&both, b);
	netset_list_of(&both, &in_both, &some);
	ck_assert_uint_eq(some.count, 2);
	ck_assert_ptr_eq(netset_list_match(&some, x), a);
	some.count = 0;
	netset_list_of(&both, &in_one, &some);
	ck_assert_uint_eq(some.count, 1);
	ck_assert_ptr_null(netset_list_match(&some, x));
	ck_assert_ptr_eq(netset_list_match(&some, all), b);
	ck_assert_ptr_null(netset_list_match(NULL, all));
}
END_TEST

static const struct {
	const char *record, *error;
} bad[] = {
	{"{'v':2,'name':'a','spec':{'nets':[]}}", "v: "},
	{"{'v':1,'name':'','spec':{'nets':[]}}", "name: bad name"},
	{"{'v':1,'name':'a','spec':{}}", "nets"},
	{"{'v':1,'name':'a','spec':{'nets':['10.0.0.0/33']}}",
		"spec.nets[0]: \"10.0.0.0/33\" is not a CIDR block"},
	{"{'v':1,'name':'a','spec':{'nets':[5]}}", "spec.nets[0]: must be text"},
	{"{'v':1,'name':'a','labels':{'a b':'c'},'spec':{'nets':[]}}", "labels: "},
	{"{'v':1,'name':'a','labels':{'docker/compose.project':'shop'},'spec':{'nets':[]}}",
		"docker/compose.project: begins with docker/"},
	{"{'v':1,'name':'a','spec':{'nets':[]},'more':1}", "more"},
};

START_TEST(test_refusals)
{
	struct err err = {0};

	ck_assert_ptr_null(read_netset(bad[_i].record, &err));
	ck_assert_msg(strstr(err.text, bad[_i].error) != NULL, "%s: %s", bad[_i].record, err.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("netset");
	TCase *tcase = tcase_create("netset");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_what_it_has);
	tcase_add_test(tcase, test_lists);
	tcase_add_loop_test(tcase, test_refusals, 0, COUNT(bad));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
