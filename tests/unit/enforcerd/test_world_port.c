/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints count where they are placed; what is bound to a port; published ports; staged policies and audit. */
#include "world_fixture.h"

static void ignore_endpoint(const struct endpoint *record, const char *bridge, void *arg)
{
	(void)record;
	(void)bridge;
	(void)arg;
}

static void ignore_gone(const char *id, void *arg)
{
	(void)id;
	(void)arg;
}

static struct world *placing_world(bool anti_spoof)
{
	static const struct world_ops ops = {ignore_endpoint, ignore_gone};
	const struct world_config config = {.node = NODE,
		.isolation = ISOLATION_LABELLED,
		.ops = &ops,
		.skeleton = {.anti_spoof = anti_spoof}};
	struct world *world = world_new(&config);

	put_network(world, 1, "null");
	put_policy(world, "database", "role == `db`", BOTH, WEB_TO_DB, "[]");
	put_endpoint(world, "web", "10.1.0.3", "{'role':'web'}");
	put_endpoint(world, "db", "10.1.0.2", "{'role':'db'}");
	return world;
}

static void place(struct world *world, const char *id, enum placement placement, const char *port)
{
	struct whereabout where = {.placement = placement, .mac = {2, 0x42, 10, 1, 0, 2}};

	snprintf(where.port, sizeof(where.port), "%s", port);
	world_place(world, id, &where);
	world_refresh(world);
}

static bool has_port(struct world *world, const char *set, const char *port, const char *ip)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", port);
	if (ip)
		ck_assert_int_eq(ip_parse(ip, &key.ip, NULL), 0);
	return ruleset_has(world_ruleset(world), set, &key);
}

START_TEST(test_who_is_nowhere_counts_nowhere)
{
	CLEANUP(world) struct world *world = placing_world(true);

	ck_assert(!is_isolated(world, "10.1.0.3"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert_uint_eq(stats_of(world).withdrawn, 2);
	place(world, "db", PLACE_PROVISIONAL, "");
	place(world, "web", PLACE_PROVISIONAL, "");
	ck_assert(is_isolated(world, "10.1.0.3"));
	ck_assert(matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert(!in_set(world, SET_OWNED4, "10.1.0.3"));
	/* its link goes, its record stays */
	place(world, "web", PLACE_WITHDRAWN, "");
	ck_assert(!is_isolated(world, "10.1.0.3"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert(is_isolated(world, "10.1.0.2"));
}
END_TEST

/* No port of this host is theirs: they are not waited for at one. */
START_TEST(test_who_has_no_port_is_not_unplaced)
{
	CLEANUP(world) struct world *world = placing_world(true);

	change(world, KIND_NETWORK, "net20000000", network_record(2, "overlay", "null"));
	change(world, KIND_ENDPOINT, "far",
		endpoint_record(
			"far", "far", 2, "overlay", "'10.2.0.2'", "null", "{'role':'web'}", "{}"));
	ck_assert_uint_eq(stats_of(world).endpoints, 3);
	ck_assert_uint_eq(stats_of(world).withdrawn, 2);
}
END_TEST

static bool is_closed(struct world *world, const char *ip)
{
	cleanup_free char *in = chain_of(world, MAP_INGRESS4, ip),
			  *eg = chain_of(world, MAP_EGRESS4, ip);

	return is_isolated(world, ip) && !strcmp(in, "in_none_4") && !strcmp(eg, "eg_none_4") &&
	       in_set(world, SET_OWNED4, ip) && in_set(world, SET_UNREADY4, ip);
}

/* It is matched, and nobody on a bridge can say its address; whoever has that address on a bridge goes before. */
START_TEST(test_who_is_on_no_bridge)
{
	CLEANUP(world) struct world *world = placing_world(true);
	const struct ip shared = {4, {10, 1, 0, 9}};
	struct world_owner owner;

	change(world, KIND_NETWORK, "net20000000",
		unquote("{'v':1,'id':'net20000000','name':'net2','driver':'macvlan','bridge':null,"
			"'subnets':['10.1.0.0/24','fd00:2::/64'],'shared':null,'isolation':null}"));
	change(world, KIND_ENDPOINT, "far",
		endpoint_record("far", "far", 2, "macvlan", "'10.1.0.9'", "'fd00:2::9'",
			"{'role':'web'}", "{}"));
	place(world, "db", PLACE_BOUND, "veth1");
	ck_assert(!matches(world, "role == 'web'", "10.1.0.9"));
	place(world, "far", PLACE_ELSEWHERE, "");
	ck_assert(matches(world, "role == 'web'", "10.1.0.9"));
	ck_assert(!is_isolated(world, "10.1.0.9"));
	ck_assert(in_set(world, SET_OFF_BRIDGE4, "10.1.0.9"));
	ck_assert(in_set(world, SET_OFF_BRIDGE6, "fd00:2::9"));
	ck_assert(!in_set(world, SET_OWNED4, "10.1.0.9"));
	/* an endpoint on a bridge has it as well: no label of the other's is lent, and it is not closed for it */
	put_endpoint(world, "near", "10.1.0.9", "{'role':'db'}");
	place(world, "near", _i ? PLACE_BOUND : PLACE_DOUBTFUL, _i ? "veth2" : "");
	ck_assert(!matches(world, "role == 'web'", "10.1.0.9"));
	ck_assert(!in_set(world, SET_OFF_BRIDGE4, "10.1.0.9"));
	ck_assert_int_eq(world_owner(world, &shared, &owner), _i);
	ck_assert_int_eq(_i, !is_closed(world, "10.1.0.9"));
	change(world, KIND_ENDPOINT, "near", NULL);
	ck_assert(matches(world, "role == 'web'", "10.1.0.9"));
	change(world, KIND_ENDPOINT, "far", NULL);
	ck_assert(!matches(world, "role == 'web'", "10.1.0.9"));
	ck_assert(!in_set(world, SET_OFF_BRIDGE4, "10.1.0.9"));
}
END_TEST

/* How the address of an isolated endpoint stands in doubt, in either kind of network, and how that ends. */
START_TEST(test_in_doubt_an_address_is_closed)
{
	CLEANUP(world) struct world *world = placing_world(true);
	const struct ip web = {4, {10, 1, 0, 3}};
	struct world_owner owner;

	put_network(world, 1, _i ? "'strict'" : "null");
	place(world, "web", PLACE_DOUBTFUL, "");
	place(world, "db", PLACE_BOUND, "veth1");
	ck_assert(is_closed(world, "10.1.0.3"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert(!world_owner(world, &web, &owner));
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_AT4), 1);
	ck_assert_uint_eq(stats_of(world).conflicts, 1);
	ck_assert_uint_eq(stats_of(world).withdrawn, 1);
	expect_problem(world, "address 10.1.0.3: it is in doubt whose it is");
	/* who is in none has what it had */
	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.2"));
	expect_chain(world, MAP_INGRESS4, "10.1.0.2", "in_database_");
	/* it is clear again */
	place(world, "web", PLACE_BOUND, "veth2");
	ck_assert(has_port(world, SET_AT4, "veth2", "10.1.0.3"));
	ck_assert(matches(world, "role == 'web'", "10.1.0.3"));
	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.3"));
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
	ck_assert(world_owner(world, &web, &owner));
	/* or all that it was about is gone */
	place(world, "web", PLACE_DOUBTFUL, "");
	ck_assert(is_closed(world, "10.1.0.3"));
	place(world, "web", PLACE_WITHDRAWN, "");
	ck_assert(!is_isolated(world, "10.1.0.3"));
	ck_assert(!in_set(world, SET_OWNED4, "10.1.0.3"));
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
}
END_TEST

/* A doubt about a bystander closes nothing, until it is isolated. */
START_TEST(test_a_bystander_in_doubt_is_left_alone)
{
	CLEANUP(world) struct world *world = placing_world(true);

	put_endpoint(world, "other", "10.1.0.4", "{'docker/container':'other'}");
	place(world, "other", PLACE_DOUBTFUL, "");
	ck_assert(!is_isolated(world, "10.1.0.4"));
	ck_assert(!in_set(world, SET_OWNED4, "10.1.0.4"));
	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.4"));
	change(world, KIND_LABELS, "*/other", unquote("{'role':'web'}"));
	ck_assert(is_closed(world, "10.1.0.4"));
	ck_assert(!matches(world, "role == 'web'", "10.1.0.4"));
	change(world, KIND_ENDPOINT, "other", NULL);
	ck_assert(!is_isolated(world, "10.1.0.4"));
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
}
END_TEST

/* Of two with one address, the one that is bound is in no doubt; one that is only starting may not be the one. */
START_TEST(test_who_is_bound_is_in_no_doubt)
{
	CLEANUP(world) struct world *world = placing_world(true);

	put_endpoint(world, "other", "10.1.0.3", "{'docker/container':'other'}");
	place(world, "web", PLACE_DOUBTFUL, "");
	place(world, "other", PLACE_PROVISIONAL, "");
	ck_assert(is_closed(world, "10.1.0.3"));
	expect_problem(world, "address 10.1.0.3 is claimed by 2 endpoints: closed");
	place(world, "other", PLACE_BOUND, "veth3");
	ck_assert(!is_isolated(world, "10.1.0.3"));
	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.3"));
	ck_assert(has_port(world, SET_AT4, "veth3", "10.1.0.3"));
	ck_assert_uint_eq(stats_of(world).conflicts, 0);
	place(world, "other", PLACE_DOUBTFUL, "");
	ck_assert(is_closed(world, "10.1.0.3"));
}
END_TEST

static void count_told(const struct endpoint *record, const char *bridge, void *arg)
{
	(void)record;
	(void)bridge;
	++*(size_t *)arg;
}

/* Told again, a record that nobody vouches for could pass for news. */
START_TEST(test_what_an_operator_says_of_a_network_is_no_news_of_endpoints)
{
	static const struct world_ops ops = {count_told, ignore_gone};
	size_t told = 0;
	const struct world_config config = {
		.node = NODE, .isolation = ISOLATION_LABELLED, .ops = &ops, .ops_arg = &told};
	CLEANUP(world) struct world *world = world_new(&config);

	put_network(world, 1, "null");
	put_endpoint(world, "web", "10.1.0.3", "{'role':'web'}");
	ck_assert_uint_eq(told, 1);
	change(world, KIND_ISOLATION, "*/net1", xstrdup("strict"));
	ck_assert_uint_eq(told, 1);
	change(world, KIND_ISOLATION, "*/net1", NULL);
	ck_assert_uint_eq(told, 1);
	/* its record may say another bridge */
	put_network(world, 1, "'strict'");
	ck_assert_uint_eq(told, 2);
}
END_TEST

/* Where bystanders' flows are marked as well. */
START_TEST(test_bridges_of_governed_networks_are_managed)
{
	const struct world_config config = {.node = NODE, .isolation = ISOLATION_LABELLED};
	CLEANUP(world) struct world *world = world_new(&config);

	put_network(world, 1, "null");
	ck_assert(has_port(world, SET_MANAGED, "br-1", NULL));
	change(world, KIND_ISOLATION, "*/net1", xstrdup("off"));
	ck_assert(!has_port(world, SET_MANAGED, "br-1", NULL));
	change(world, KIND_ISOLATION, "*/net1", xstrdup("strict"));
	ck_assert(has_port(world, SET_MANAGED, "br-1", NULL));
	/* another record of the same network */
	put_network(world, 1, "'strict'");
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_MANAGED), 1);
	put_network(world, 2, "'off'");
	change(world, KIND_NETWORK, "net20000000", network_record(2, "macvlan", "'labelled'"));
	ck_assert(!has_port(world, SET_MANAGED, "br-2", NULL));
	change(world, KIND_NETWORK, "net10000000", NULL);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_MANAGED), 0);
}
END_TEST

START_TEST(test_a_bound_endpoint_has_its_port)
{
	CLEANUP(world) struct world *world = placing_world(true);
	struct world_owner owner;

	place(world, "db", PLACE_BOUND, "veth1");
	ck_assert(has_port(world, SET_AT4, "veth1", "10.1.0.2"));
	ck_assert(has_port(world, SET_LOCAL6, "veth1", "fe80::42:aff:fe01:2"));
	ck_assert(has_port(world, SET_ENDPOINT_PORTS, "veth1", NULL));
	ck_assert(has_port(world, SET_ISOLATED_PORTS, "veth1", NULL));
	ck_assert(in_set(world, SET_OWNED4, "10.1.0.2"));
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_PORT_MACS), 1);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED_MACS), 1);
	ck_assert(world_owner_of_port(world, "veth1", &owner));
	ck_assert_str_eq(owner.record->id, "db");
	/* renamed */
	place(world, "db", PLACE_BOUND, "veth2");
	ck_assert(!has_port(world, SET_AT4, "veth1", "10.1.0.2"));
	ck_assert(has_port(world, SET_AT4, "veth2", "10.1.0.2"));
	change(world, KIND_ENDPOINT, "db", NULL);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_AT4), 0);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED4), 0);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED_MACS), 0);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_ISOLATED_PORTS), 0);
	ck_assert(!world_owner_of_port(world, "veth2", &owner));
}
END_TEST

START_TEST(test_bystanders_are_bound_but_not_guarded)
{
	CLEANUP(world) struct world *world = placing_world(false);

	put_endpoint(world, "other", "10.1.0.4", "{'docker/container':'other'}");
	place(world, "other", PLACE_BOUND, "veth3");
	ck_assert(has_port(world, SET_AT4, "veth3", "10.1.0.4"));
	ck_assert(has_port(world, SET_ENDPOINT_PORTS, "veth3", NULL));
	ck_assert(!has_port(world, SET_ISOLATED_PORTS, "veth3", NULL));
	/* without anti-spoofing no MAC is bound */
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_PORT_MACS), 0);
	change(world, KIND_LABELS, "*/other", unquote("{'role':'web'}"));
	ck_assert(has_port(world, SET_ISOLATED_PORTS, "veth3", NULL));
}
END_TEST

START_TEST(test_a_mac_is_owned_while_any_port_has_it)
{
	CLEANUP(world) struct world *world = placing_world(true);

	place(world, "db", PLACE_BOUND, "veth1");
	place(world, "web", PLACE_BOUND, "veth2");
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_PORT_MACS), 2);
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED_MACS), 1);
	place(world, "db", PLACE_WITHDRAWN, "");
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED_MACS), 1);
	place(world, "web", PLACE_WITHDRAWN, "");
	ck_assert_uint_eq(ruleset_set_size(world_ruleset(world), SET_OWNED_MACS), 0);
}
END_TEST

/* --- published ports --------------------------------------------------------------------------- */

static char *publishing(const char *id, const char *state, const char *ports)
{
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'%s','node':'" NODE "','container':{'id':'c','name':'%s','image':''},"
		"'network':{'id':'net10000000','name':'net1','driver':'bridge'},'ipv4':'10.1.0.2',"
		"'ipv6':null,'mac':null,'labels':{'role':'db'},'rejected':{},'ports':[%s],'state':'%s'}",
		id, id, ports, state);

	return unquote(quoted);
}

#define PORT_8080(ip) "{'proto':'tcp','host_ip':'" ip "','host_port':8080,'port':3306}"

START_TEST(test_published_ports_are_judged_by_the_container)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL, *port = NULL, *egress = NULL,
			  *dispatch = NULL;

	change(world, KIND_ENDPOINT, "db", publishing("db", "running", PORT_8080("0.0.0.0")));
	dispatch = rules_of(world, CHAIN_PUBLISHED);
	ck_assert_str_eq(dispatch, "\t\tmeta nfproto ipv4 meta l4proto 6 th dport 8080 jump "
				   "pub_tcp_8080_3306_v4_db comment \"db\"\n");
	port = rules_of(world, "pub_tcp_8080_3306_v4_db");
	/* the destination's port is decided: what is left is who asks */
	ck_assert_ptr_nonnull(strstr(port, "ct original ip saddr vmap @pub_egress4\n"));
	ck_assert_ptr_nonnull(
		strstr(port, "goto pub_admitted comment \"policy database ingress[0]\""));
	ck_assert_ptr_null(strstr(port, "3306"));
	ck_assert_ptr_nonnull(strstr(port, "counter drop_ingress goto denied"));
	expect_chain(world, MAP_PUBLISHED_EGRESS4, "10.1.0.3", "peg_web_");
	egress = chain_of(world, MAP_PUBLISHED_EGRESS4, "10.1.0.2");
	free(dispatch);
	dispatch = rules_of(world, egress);
	/* its own egress is to databases only, and the port leads to one */
	ck_assert_ptr_nonnull(strstr(dispatch,
		"meta nfproto ipv4 meta l4proto 6 th dport 8080 meta nfproto ipv4 counter "));
	put_endpoint(world, "db", "10.1.0.2", "{'role':'db'}");
	after = render(world);
	ck_assert_str_eq(after, before);
}
END_TEST

static const struct {
	const char *ports, *absent;
} unpublished[] = {
	{PORT_8080("127.0.0.1"), "pub_tcp"}, /* its clients are the host */
	{PORT_8080("::1"), "pub_tcp"},
	{"{'proto':'gre','host_ip':'0.0.0.0','host_port':8080,'port':3306}", "pub_gre"},
};

START_TEST(test_what_is_not_published_to_others)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *text = NULL;

	change(world, KIND_ENDPOINT, "db", publishing("db", "running", unpublished[_i].ports));
	text = render(world);
	ck_assert_ptr_null(strstr(text, unpublished[_i].absent));
}
END_TEST

START_TEST(test_an_address_of_its_own_is_compared)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *dispatch = NULL;

	change(world, KIND_ENDPOINT, "db", publishing("db", "running", PORT_8080("192.0.2.1")));
	dispatch = rules_of(world, CHAIN_PUBLISHED);
	ck_assert_ptr_nonnull(strstr(dispatch, "th dport 8080 ip daddr 192.0.2.1/32 jump"));
}
END_TEST

START_TEST(test_while_its_ports_are_unknown_the_host_waits)
{
	CLEANUP(world) struct world *world = tutorial();

	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.2"));
	change(world, KIND_ENDPOINT, "db", publishing("db", "starting", ""));
	ck_assert(in_set(world, SET_UNREADY4, "10.1.0.2"));
	change(world, KIND_ENDPOINT, "db", publishing("db", "running", ""));
	ck_assert(!in_set(world, SET_UNREADY4, "10.1.0.2"));
}
END_TEST

static void put_tier(struct world *world, const char *action)
{
	cleanup_free char *record =
		xasprintf("{'v':1,'name':'ops','spec':{'order':10,'defaultAction':'%s'}}", action);

	change(world, KIND_TIER, "ops", unquote(record));
}

static void expect_rules(
	struct world *world, const char *chain, const char *with, const char *without)
{
	cleanup_free char *rules = rules_of(world, chain);

	ck_assert_msg(strstr(rules, with) != NULL, "%s: %s not in\n%s", chain, with, rules);
	ck_assert_msg(!without || !strstr(rules, without), "%s: %s in\n%s", chain, without, rules);
}

/* The container's ingress and the client's egress, each tier after tier; who is let in is so by the container's last word only. */
START_TEST(test_published_ports_are_judged_tier_after_tier)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = render(world), *after = NULL, *egress = NULL, *next = NULL;

	put_tier(world, "deny");
	change(world, KIND_POLICY, "guard",
		unquote("{'v':1,'name':'guard','form':'v3','spec':{'tier':'ops','selector':'has(role)',"
			"'types':['ingress','egress'],'ingress':[{'action':'pass','source':{'selector':"
			"'role == `web`'}}],'egress':[{'action':'pass','destination':{'ports':[3306]},"
			"'protocol':'tcp'},{'action':'pass','protocol':'udp'}]}}"));
	change(world, KIND_ENDPOINT, "db", publishing("db", "running", PORT_8080("0.0.0.0")));
	expect_rules(world, "pub_tcp_8080_3306_v4_db",
		"goto t1_pub_tcp_8080_3306_v4_db comment \"policy guard ingress[0]\"",
		"pub_admitted");
	expect_rules(world, "t1_pub_tcp_8080_3306_v4_db",
		"goto pub_admitted comment \"policy database ingress[0]\"", "policy guard");
	egress = chain_of(world, MAP_PUBLISHED_EGRESS4, "10.1.0.3");
	/* the port decides about the destination: what is about UDP is not there */
	expect_rules(world, egress, "comment \"policy guard egress[0]\"", "egress[1]");
	expect_rules(world, egress, "th dport 8080", "policy web");
	{
		cleanup_free char *rules = rules_of(world, egress);
		const char *at = strstr(rules, "goto t1_peg_");

		ck_assert_ptr_nonnull(at);
		next = xstrndup(at + 5, strcspn(at + 5, " "));
	}
	expect_rules(world, next, "return comment \"policy web egress[0]\"", "policy guard");
	put_tier(world, "pass");
	expect_rules(world, "pub_tcp_8080_3306_v4_db", "goto t1_pub_tcp_8080_3306_v4_db",
		"drop_ingress");
	change(world, KIND_POLICY, "guard", NULL);
	change(world, KIND_TIER, "ops", NULL);
	ck_assert(!ruleset_chain_exists(world_ruleset(world), "t1_pub_tcp_8080_3306_v4_db"));
	ck_assert(!ruleset_chain_exists(world_ruleset(world), next));
	put_endpoint(world, "db", "10.1.0.2", "{'role':'db'}");
	after = render(world);
	ck_assert_str_eq(after, before);
}
END_TEST

/* Who is behind the port is in a network set: what rules say of the destination is decided by that as well. */
START_TEST(test_published_ports_of_a_network_set)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *egress = NULL;

	put_policy(world, "web", "role == `web`", "['egress']", "[]",
		"[{'action':'allow','destination':{'selector':'site == `far`'}}]");
	change(world, KIND_ENDPOINT, "db", publishing("db", "running", PORT_8080("0.0.0.0")));
	egress = chain_of(world, MAP_PUBLISHED_EGRESS4, "10.1.0.3");
	expect_rules(world, egress, "end web", "policy web egress[0]");
	change(world, KIND_NETSET, "far",
		unquote("{'v':1,'name':'far','labels':{'site':'far'},'spec':{'nets':['10.1.0.0/30']}}"));
	expect_rules(world, egress, "return comment \"policy web egress[0]\"", NULL);
	change(world, KIND_NETSET, "far",
		unquote("{'v':1,'name':'far','labels':{'site':'far'},'spec':{'nets':['10.2.0.0/30']}}"));
	expect_rules(world, egress, "end web", "policy web egress[0]");
}
END_TEST

/* --- staged policies and audit ----------------------------------------------------------------- */

START_TEST(test_staged_policies_tell_and_do_nothing)
{
	CLEANUP(world) struct world *world = tutorial();
	cleanup_free char *before = chain_of(world, MAP_INGRESS4, "10.1.0.3"), *chain = NULL,
			  *rules = NULL, *staged = NULL, *name = NULL;
	cleanup_free char *record = unquote(
		"{'v':1,'name':'later','spec':{'staged':true,'selector':'role == `web`',"
		"'types':['ingress'],'ingress':[{'action':'allow'},{'action':'deny'}],'egress':[]}}");

	ck_assert_str_eq(before, "in_none_4");
	change(world, KIND_POLICY, "later", xstrdup(record));
	chain = chain_of(world, MAP_INGRESS4, "10.1.0.3");
	rules = rules_of(world, chain);
	name = xasprintf("st_%s", chain);
	staged = rules_of(world, name);
	ck_assert_ptr_nonnull(strstr(rules, "\t\tjump st_"));
	/* in force is what was: nothing governs it, so it is closed */
	ck_assert_ptr_nonnull(strstr(rules, "counter drop_ingress goto denied"));
	ck_assert_ptr_null(strstr(rules, "policy later"));
	ck_assert_ptr_nonnull(strstr(staged, "return comment \"policy later ingress[0]\""));
	ck_assert_ptr_nonnull(strstr(staged, "counter staged_ingress return"));
	ck_assert_ptr_null(strstr(staged, "denied"));
	change(world, KIND_POLICY, "later", NULL);
	ck_assert(!ruleset_chain_exists(world_ruleset(world), name));
}
END_TEST

static const struct {
	bool flag;
	const char *any, *own;
	bool audit;
} modes[] = {
	{false, NULL, NULL, false},
	{true, NULL, NULL, true},
	{false, "audit", NULL, true},
	{false, NULL, "audit", true},
	{false, "audit", "enforce", false},
	{true, "enforce", "enforce", true},
	{false, "nonsense", NULL, false},
};

START_TEST(test_who_says_audit)
{
	const struct world_config config = {
		.node = NODE, .isolation = ISOLATION_LABELLED, .audit = modes[_i].flag};
	CLEANUP(world) struct world *world = world_new(&config);
	cleanup_free char *denied = NULL;

	if (modes[_i].any)
		change(world, KIND_MODE, "*", xstrdup(modes[_i].any));
	if (modes[_i].own)
		change(world, KIND_MODE, NODE, xstrdup(modes[_i].own));
	denied = rules_of(world, CHAIN_DENIED);
	ck_assert_int_eq(world_audit(world), modes[_i].audit);
	ck_assert_str_eq(denied, modes[_i].audit ? "" : "\t\tdrop\n");
}
END_TEST

START_TEST(test_panic_ends)
{
	CLEANUP(world) struct world *world = tutorial();
	struct batch batch = {0};

	change(world, KIND_MODE, "*", xstrdup("audit"));
	ck_assert(world_audit(world));
	change(world, KIND_MODE, "*", NULL);
	ck_assert(!world_audit(world));
	/* and by a stream that has no such field any more */
	change(world, KIND_MODE, "*", xstrdup("audit"));
	apply(world, POLICIES, &batch, true);
	ck_assert(!world_audit(world));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("world_port");
	TCase *tcase = tcase_create("world_port");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_who_is_nowhere_counts_nowhere);
	tcase_add_test(tcase, test_who_has_no_port_is_not_unplaced);
	tcase_add_loop_test(tcase, test_who_is_on_no_bridge, 0, 2);
	tcase_add_loop_test(tcase, test_in_doubt_an_address_is_closed, 0, 2);
	tcase_add_test(tcase, test_a_bystander_in_doubt_is_left_alone);
	tcase_add_test(tcase, test_who_is_bound_is_in_no_doubt);
	tcase_add_test(tcase, test_what_an_operator_says_of_a_network_is_no_news_of_endpoints);
	tcase_add_test(tcase, test_bridges_of_governed_networks_are_managed);
	tcase_add_test(tcase, test_a_bound_endpoint_has_its_port);
	tcase_add_test(tcase, test_bystanders_are_bound_but_not_guarded);
	tcase_add_test(tcase, test_a_mac_is_owned_while_any_port_has_it);
	tcase_add_test(tcase, test_published_ports_are_judged_by_the_container);
	tcase_add_test(tcase, test_published_ports_are_judged_tier_after_tier);
	tcase_add_test(tcase, test_published_ports_of_a_network_set);
	tcase_add_loop_test(
		tcase, test_what_is_not_published_to_others, 0, (int)COUNT(unpublished));
	tcase_add_test(tcase, test_an_address_of_its_own_is_compared);
	tcase_add_test(tcase, test_while_its_ports_are_unknown_the_host_waits);
	tcase_add_test(tcase, test_staged_policies_tell_and_do_nothing);
	tcase_add_loop_test(tcase, test_who_says_audit, 0, (int)COUNT(modes));
	tcase_add_test(tcase, test_panic_ends);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
