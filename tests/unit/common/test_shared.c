/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/shared.h"

#include <check.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* 10.N.0.0/16 */
struct net {
	struct cidr subnet;
	struct network network;
};

static const struct network *make(struct net *net, const char *subnet, char *shared)
{
	*net = (struct net){0};
	ck_assert(!cidr_parse(subnet, &net->subnet, NULL));
	net->network =
		(struct network){.subnets = &net->subnet, .subnet_count = 1, .shared = shared};
	return &net->network;
}

static char dom[] = "dom", other[] = "other";

static const struct {
	const char *ip;
	char *shared;  /* of its own network, 10.8.0.0/16 */
	char *here[2]; /* of this node's, 10.1.0.0/16 and 10.8.4.0/24 */
	enum claim_standing standing;
} cases[] = {
	{"10.8.0.2", dom, {dom, NULL}, CLAIM_COUNTS},
	{"10.8.0.2", dom, {NULL, dom}, CLAIM_COUNTS},
	{"10.8.4.2", dom, {NULL, dom}, CLAIM_COUNTS},
	{"10.8.4.2", dom, {dom, dom}, CLAIM_COUNTS},
	{"10.8.4.2", dom, {dom, NULL}, CLAIM_TAKEN},
	{"10.8.4.2", dom, {dom, other}, CLAIM_TAKEN},
	{"10.8.0.2", dom, {other, NULL}, CLAIM_NO_DOMAIN},
	{"10.8.0.2", dom, {NULL, NULL}, CLAIM_NO_DOMAIN},
	{"10.8.0.2", NULL, {NULL, NULL}, CLAIM_PRIVATE},
	{"10.8.0.2", NULL, {dom, dom}, CLAIM_PRIVATE},
	{"10.9.0.2", dom, {dom, NULL}, CLAIM_OUTSIDE},
	{"10.1.0.2", dom, {dom, NULL}, CLAIM_OUTSIDE},
	{"fd00::2", dom, {dom, NULL}, CLAIM_OUTSIDE},
	{"", dom, {dom, NULL}, CLAIM_NO_ADDRESS},
};

static enum claim_standing decide(
	struct claim claim, const struct network *const own[2], bool turned)
{
	for (size_t i = 0; i < 2; i++)
		if (!claim_meet(&claim, own[turned ? 1 - i : i]))
			break;
	return claim.standing;
}

START_TEST(test_claims)
{
	struct net net, near, inner;
	struct ip ip = {0};
	const struct network *network = make(&net, "10.8.0.0/16", cases[_i].shared);
	const struct network *const own[] = {make(&near, "10.1.0.0/16", cases[_i].here[0]),
		make(&inner, "10.8.4.0/24", cases[_i].here[1])};

	if (cases[_i].ip[0])
		ck_assert(!ip_parse(cases[_i].ip, &ip, NULL));
	/* in whatever order a node has its networks */
	ck_assert_int_eq(decide(claim_begin(network, &ip), own, false), cases[_i].standing);
	ck_assert_int_eq(decide(claim_begin(network, &ip), own, true), cases[_i].standing);
}
END_TEST

START_TEST(test_a_network_that_is_not_there)
{
	struct ip ip;

	ck_assert(!ip_parse("10.8.0.2", &ip, NULL));
	ck_assert_int_eq(claim_begin(NULL, &ip).standing, CLAIM_NO_NETWORK);
}
END_TEST

START_TEST(test_both_addresses_must_fit)
{
	struct net net;
	struct endpoint endpoint = {0};
	const struct network *network = make(&net, "10.8.0.0/16", dom);

	ck_assert(claim_fits(network, &endpoint));
	ck_assert(!ip_parse("10.8.0.2", &endpoint.ipv4, NULL));
	ck_assert(claim_fits(network, &endpoint));
	ck_assert(!ip_parse("fd00::2", &endpoint.ipv6, NULL));
	ck_assert(!claim_fits(network, &endpoint));
}
END_TEST

START_TEST(test_holders)
{
	ck_assert_int_eq(address_holder(0, 0), HELD_BY_NOBODY);
	ck_assert_int_eq(address_holder(0, 1), HELD_ELSEWHERE);
	ck_assert_int_eq(address_holder(0, 2), HELD_CONTESTED);
	ck_assert_int_eq(address_holder(1, 0), HELD_HERE);
	ck_assert_int_eq(address_holder(1, 2), HELD_HERE);
}
END_TEST

START_TEST(test_known_in_a_strict_network)
{
	struct net net, strict;
	struct ip inside, outside;
	const struct network *network = make(&net, "10.0.0.0/8", dom);

	ck_assert(!ip_parse("10.8.0.2", &inside, NULL));
	ck_assert(!ip_parse("10.9.0.2", &outside, NULL));
	ck_assert(claim_known_in(make(&strict, "10.8.0.0/16", dom), network, &inside));
	ck_assert(!claim_known_in(make(&strict, "10.8.0.0/16", dom), network, &outside));
	ck_assert(!claim_known_in(make(&strict, "10.8.0.0/16", other), network, &inside));
	ck_assert(!claim_known_in(make(&strict, "10.8.0.0/16", NULL), network, &inside));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shared");
	TCase *tcase = tcase_create("shared");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_claims, 0, COUNT(cases));
	tcase_add_test(tcase, test_a_network_that_is_not_there);
	tcase_add_test(tcase, test_both_addresses_must_fit);
	tcase_add_test(tcase, test_holders);
	tcase_add_test(tcase, test_known_in_a_strict_network);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
