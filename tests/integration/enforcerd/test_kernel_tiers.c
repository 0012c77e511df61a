/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel refuses a table in which a packet could follow more than 16 jumps: as many tiers as a store may have, each behind the other, are
 * taken wherever they are asked: for routed flows, as staged, and for ports that docker-proxy serves.
 */
#include "common/tier.h"
#include "enforcerd/kernel.h"
#include "netns.h"
#include "tests/unit/enforcerd/world_fixture.h"

static struct world *world;
static struct kernel *kernel;

static char *publishing(void)
{
	return unquote(
		"{'v':1,'id':'db','node':'" NODE "','container':{'id':'c','name':'db','image':''},"
		"'network':{'id':'net10000000','name':'net1','driver':'bridge'},'ipv4':'10.1.0.2',"
		"'ipv6':null,'mac':null,'labels':{'role':'db'},'rejected':{},"
		"'ports':[{'proto':'tcp','host_ip':'0.0.0.0','host_port':8080,'port':3306}],"
		"'state':'running'}");
}

static void put_tiered(int n, bool staged)
{
	cleanup_free char *name = xasprintf("%sp%d", staged ? "s" : "", n);
	cleanup_free char *tier = n ? xasprintf("'tier':'t%d',", n) : xstrdup("");
	cleanup_free char *record = xasprintf(
		"{'v':1,'name':'%s','form':'v3','spec':{%s'staged':%s,'selector':'has(role)',"
		"'types':['ingress','egress'],'ingress':[{'action':'%s','protocol':'tcp'}],"
		"'egress':[{'action':'%s','protocol':'tcp'}]}}",
		name, tier, staged ? "true" : "false", n ? "pass" : "allow", n ? "pass" : "allow");

	change(world, KIND_POLICY, name, unquote(record));
}

static void setup(void)
{
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = 64};
	struct err err = {0};

	enter_own_netns();
	kernel = kernel_open(&options, &err);
	ck_assert_msg(kernel != NULL, "%s", err.text);
	world = world_with(ISOLATION_LABELLED);
	put_network(world, 1, "null");
	change(world, KIND_ENDPOINT, "db", publishing());
	put_endpoint(world, "web", "10.1.0.3", "{'role':'web'}");
}

static void teardown(void)
{
	kernel_close(kernel);
	world_free(world);
}

static void commit(void)
{
	struct kernel_commit done;
	struct err err = {0};

	ck_assert_msg(!kernel_commit(kernel, world_ruleset(world), &done, &err), "%s", err.text);
}

static int count_in_kernel(const char *word)
{
	int status = 0;
	char *text = output_of(&status, "nft list ruleset | grep -c 'chain %s'", word);
	int count = atoi(text);

	free(text);
	return count;
}

START_TEST(test_as_many_tiers_as_there_may_be)
{
	for (int n = 1; n < TIERS_MAX; n++) {
		cleanup_free char *name = xasprintf("t%d", n);
		cleanup_free char *record = xasprintf(
			"{'v':1,'name':'%s','spec':{'order':%d,'defaultAction':'deny'}}", name, n);

		change(world, KIND_TIER, name, unquote(record));
	}
	for (int n = 0; n < TIERS_MAX; n++) {
		put_tiered(n, false);
		put_tiered(n, true);
	}
	expect_no_problem(world);
	commit();
	/* of one family, two directions: what is behind each tier but the last */
	ck_assert_int_ge(count_in_kernel("t[0-9]_in_"), TIERS_MAX - 1);
	ck_assert_int_ge(count_in_kernel("t[0-9]_st_eg_"), TIERS_MAX - 1);
	ck_assert_int_ge(count_in_kernel("t[0-9]_pub_"), TIERS_MAX - 1);
	ck_assert_int_ge(count_in_kernel("t[0-9]_peg_"), TIERS_MAX - 1);
	/* and all of it goes */
	for (int n = 1; n < TIERS_MAX; n++) {
		cleanup_free char *name = xasprintf("p%d", n), *staged = xasprintf("sp%d", n);

		change(world, KIND_POLICY, name, NULL);
		change(world, KIND_POLICY, staged, NULL);
	}
	commit();
	ck_assert_int_eq(count_in_kernel("t[0-9]_"), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kernel_tiers");
	TCase *tcase = tcase_create("kernel_tiers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_as_many_tiers_as_there_may_be);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
