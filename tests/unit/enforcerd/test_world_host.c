/* SPDX-License-Identifier: GPL-2.0-or-later */
/* This host's own addresses: which rules know them, and whose they are where somebody else claims them. */
#include "tests/unit/enforcerd/world_fixture.h"

#include <check.h>

#define HOST4     "192.0.2.1"
#define HOST6     "2001:db8::1"
#define TO_HOST   "[{'action':'allow','destination':{'selector':'has(docker/host)'}}]"
#define TO_ANY    "[{'action':'allow','destination':{'selector':'all()'}}]"
#define BUT_HOST  "[{'action':'allow','destination':{'notSelector':'has(docker/host)'}}]"
#define FROM_HOST "[{'action':'allow','source':{'selector':'has(docker/host)'}}]"

static void host(struct world *world, const char *text, bool there)
{
	struct ip ip;

	ck_assert_int_eq(ip_parse(text, &ip, NULL), 0);
	world_host_address(world, &ip, there);
}

/* In the selector's set with this host's addresses. */
static bool opens(struct world *world, const char *selector, const char *ip)
{
	cleanup_free char *text = unquote(selector);
	CLEANUP(selector) struct selector *parsed = selector_parse(text, NULL);
	char name[NFT_NAME_MAX];

	ck_assert_ptr_nonnull(parsed);
	snprintf(
		name, NFT_NAME_MAX, "sel_%sh_%s", selector_id(parsed), strchr(ip, ':') ? "6" : "4");
	return in_set(world, name, ip);
}

/* The tutorial, and an endpoint with both addresses whose egress is as said. */
static struct world *world_of(const char *egress)
{
	struct world *world = tutorial();

	put_policy(world, "client", "role == `client`", "['egress']", "[]", egress);
	change(world, KIND_ENDPOINT, "client",
		endpoint_record("client", "client", 1, "bridge", "'10.1.0.9'", "'fd00:1::9'",
			"{'role':'client'}", "{}"));
	return world;
}

START_TEST(test_addresses_come_and_go)
{
	CLEANUP(world) struct world *world = world_of(TO_HOST);

	ck_assert(!opens(world, "has(docker/host)", HOST4));
	host(world, HOST4, true);
	host(world, HOST6, true);
	ck_assert(opens(world, "has(docker/host)", HOST4));
	ck_assert(opens(world, "has(docker/host)", HOST6));
	/* another link has it as well */
	host(world, HOST4, true);
	host(world, HOST4, false);
	ck_assert(opens(world, "has(docker/host)", HOST4));
	host(world, HOST4, false);
	ck_assert(!opens(world, "has(docker/host)", HOST4));
	ck_assert(opens(world, "has(docker/host)", HOST6));
	/* more often than it came is not at all */
	host(world, HOST4, false);
	host(world, HOST4, true);
	ck_assert(opens(world, "has(docker/host)", HOST4));
	/* it is matched, and nothing else */
	ck_assert(!is_isolated(world, HOST4));
	ck_assert(!in_set(world, SET_OWNED4, HOST4));
	ck_assert(!in_set(world, SET_REMOTE4, HOST4));
	expect_no_problem(world);
}
END_TEST

static const struct {
	const char *selector;
	bool opens;
} selectors[] = {
	{"has(docker/host)", true},
	{"docker/host == `node-1`", true},
	{"docker/host == `node-2`", false},
	{"docker/host != `node-2`", true},
	{"docker/host in {`node-1`, `x`} && !has(role)", true},
	{"has(docker/host) && has(role)", false},
	{"!has(docker/host)", false},
};

START_TEST(test_selectors_that_name_it)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *rule = xasprintf(
		"[{'action':'allow','destination':{'selector':'%s'}}]", selectors[_i].selector);

	/* known before anybody asks, as when the daemon starts */
	host(world, HOST4, true);
	put_policy(world, "web", "role == `web`", "['egress']", "[]", rule);
	ck_assert_msg(opens(world, selectors[_i].selector, HOST4) == selectors[_i].opens, "%s",
		selectors[_i].selector);
	put_policy(world, "web", "role == `web`", "['egress']", "[]", ALLOW_ALL);
	ck_assert(!opens(world, selectors[_i].selector, HOST4));
	put_policy(world, "web", "role == `web`", "['egress']", "[]", rule);
	ck_assert(opens(world, selectors[_i].selector, HOST4) == selectors[_i].opens);
}
END_TEST

/* What is said of everybody is not said of the host, and costs nothing more than without it. */
START_TEST(test_others_do_not_open_it)
{
	CLEANUP(world) struct world *world = world_of(TO_ANY);
	cleanup_free char *before = render(world), *after = NULL;

	ruleset_committed(world_ruleset(world));
	host(world, HOST4, true);
	host(world, HOST6, true);
	after = render(world);
	ck_assert_str_eq(after, before);
	ck_assert(!ruleset_dirty(world_ruleset(world)));
	ck_assert(!matches(world, "all()", HOST4));
}
END_TEST

/* Who has the host's address where ingress is asked has taken it. */
START_TEST(test_it_is_no_source)
{
	CLEANUP(world) struct world *world = tutorial();

	host(world, HOST4, true);
	put_policy(world, "database", "role == `db`", BOTH, FROM_HOST, TO_HOST);
	ck_assert(!matches(world, "has(docker/host)", HOST4));
	ck_assert(opens(world, "has(docker/host)", HOST4));
}
END_TEST

START_TEST(test_an_endpoints_address_is_not_the_hosts)
{
	CLEANUP(world) struct world *world = world_of(TO_HOST);

	host(world, "10.1.0.77", true);
	ck_assert(opens(world, "has(docker/host)", "10.1.0.77"));
	put_endpoint(world, "late", "10.1.0.77", "{'role':'late'}");
	ck_assert(!opens(world, "has(docker/host)", "10.1.0.77"));
	ck_assert(is_isolated(world, "10.1.0.77"));
	/* nor while two claim it */
	put_endpoint(world, "later", "10.1.0.77", "{'role':'late'}");
	ck_assert(!opens(world, "has(docker/host)", "10.1.0.77"));
	change(world, KIND_ENDPOINT, "later", NULL);
	/* the host loses it, and gets it again, meanwhile */
	host(world, "10.1.0.77", false);
	host(world, "10.1.0.77", true);
	ck_assert(!opens(world, "has(docker/host)", "10.1.0.77"));
	ck_assert(is_isolated(world, "10.1.0.77"));
	change(world, KIND_ENDPOINT, "late", NULL);
	ck_assert(opens(world, "has(docker/host)", "10.1.0.77"));
	ck_assert(!is_isolated(world, "10.1.0.77"));
}
END_TEST

/* Live flows are judged anew when the host's address leaves a set that lets it through, or enters one that does not. */
START_TEST(test_revocation)
{
	CLEANUP(world) struct world *open = world_of(TO_HOST), *shut = world_of(BUT_HOST);

	ruleset_committed(world_ruleset(open));
	ruleset_committed(world_ruleset(shut));
	host(open, HOST4, true);
	host(shut, HOST4, true);
	ck_assert(opens(shut, "has(docker/host)", HOST4));
	ck_assert(ruleset_dirty(world_ruleset(open)));
	ck_assert(!ruleset_revokes(world_ruleset(open)));
	ck_assert(ruleset_revokes(world_ruleset(shut)));
	ruleset_committed(world_ruleset(open));
	ruleset_committed(world_ruleset(shut));
	host(open, HOST4, false);
	host(shut, HOST4, false);
	ck_assert(ruleset_revokes(world_ruleset(open)));
	ck_assert(!ruleset_revokes(world_ruleset(shut)));
}
END_TEST

/* Nothing of it is left of either version once nobody asks. */
START_TEST(test_sets_go_with_their_last_rule)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL;

	host(world, HOST4, true);
	put_policy(world, "web", "role == `web`", "['egress']", "[]", TO_HOST);
	ck_assert(opens(world, "has(docker/host)", HOST4));
	put_policy(world, "web", "role == `web`", "['egress']", "[]", ALLOW_ALL);
	after = render(world);
	ck_assert_str_eq(after, before);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {test_addresses_come_and_go, test_others_do_not_open_it,
		test_it_is_no_source, test_an_endpoints_address_is_not_the_hosts, test_revocation,
		test_sets_go_with_their_last_rule};
	Suite *suite = suite_create("world_host");
	TCase *tcase = tcase_create("world_host");
	SRunner *runner = srunner_create(suite);
	int failed;

	for (size_t i = 0; i < COUNT(tests); i++)
		tcase_add_test(tcase, tests[i]);
	tcase_add_loop_test(tcase, test_selectors_that_name_it, 0, COUNT(selectors));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
