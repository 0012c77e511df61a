/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records are written with ' for " and ` for '. What all fields mean together is the oracle's to say (tests/unit/enforcerd). */
#include "common/evaluate.h"
#include "common/xalloc.h"

#include <check.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NODE         "node-1"

enum { THINGS_MAX = 16 };

/* What the evaluator borrows. */
static struct network *networks[THINGS_MAX];
static struct endpoint *endpoints[THINGS_MAX];
static struct policy *policies[THINGS_MAX];
static struct network *remote_networks[THINGS_MAX];
static size_t remote_count;
static size_t network_count, endpoint_count, policy_count;
static struct evaluator *e;
static struct verdict verdict;

static json_t *decode(char *text)
{
	struct err err = {0};
	json_t *record;

	for (char *p = text; *p; p++)
		*p = (char)(*p == '\'' ? '"' : *p == '`' ? '\'' : *p);
	record = record_decode(text, strlen(text), &err);
	ck_assert_msg(record != NULL, "%s: %s", text, err.text);
	free(text);
	return record;
}

static struct network *make_network(int n, const char *driver, const char *shared)
{
	struct err err = {0};
	cleanup_free char *id = xasprintf("net%d", n);
	cleanup_json json_t *record = decode(
		xasprintf("{'v':1,'id':'net%d','name':'net%d','driver':'%s','bridge':'br-%d',"
			  "'subnets':['10.%d.0.0/16','fd00:%d::/64'],'shared':%s,'isolation':null}",
			n, n, driver, n, n, n, shared));
	struct network *network = network_from_json(record, id, &err);

	ck_assert_msg(network != NULL, "%s", err.text);
	return network;
}

static void put_shared(int n, const char *driver, enum isolation isolation, const char *shared)
{
	networks[network_count] = make_network(n, driver, shared);
	evaluator_network(e, networks[network_count++], isolation);
}

static void put_network(int n, const char *driver, enum isolation isolation)
{
	put_shared(n, driver, isolation, "null");
}

static struct endpoint *make_endpoint(
	const char *node, const char *id, int network, const char *ipv4, const char *labels)
{
	struct err err = {0};
	cleanup_json json_t *record = decode(xasprintf(
		"{'v':1,'id':'%s','node':'%s','container':{'id':'c-%s','name':'%s','image':''},"
		"'network':{'id':'net%d','name':'net%d','driver':'bridge'},'ipv4':'%s','ipv6':null,"
		"'mac':null,'labels':%s,'rejected':{},'ports':[],'state':'running'}",
		id, node, id, id, network, network, ipv4, labels));
	struct endpoint *endpoint = endpoint_from_json(record, node, id, &err);

	ck_assert_msg(endpoint != NULL, "%s", err.text);
	return endpoints[endpoint_count++] = endpoint;
}

static void put_endpoint(const char *id, int network, const char *ipv4, const char *labels)
{
	const struct endpoint *endpoint = make_endpoint(NODE, id, network, ipv4, labels);

	evaluator_endpoint(e, endpoint, endpoint->labels);
}

/* Of a node of its own, in a network of its own there. */
static void put_remote(
	const char *id, int network, const char *shared, const char *ipv4, const char *labels)
{
	const struct endpoint *endpoint = make_endpoint(id, id, network, ipv4, labels);

	remote_networks[remote_count] = make_network(network, "bridge", shared);
	evaluator_remote(e, endpoint, endpoint->labels, remote_networks[remote_count++]);
}

/* spec: what follows the selector */
static void put_policy(const char *name, const char *selector, const char *spec)
{
	struct err err = {0};
	cleanup_json json_t *record = decode(
		xasprintf("{'v':1,'name':'%s','spec':{'selector':'%s',%s}}", name, selector, spec));

	policies[policy_count] = policy_from_json(record, &err);
	ck_assert_msg(policies[policy_count] != NULL, "%s: %s", name, err.text);
	evaluator_policy(e, policies[policy_count++]);
}

#define CLOSED "'types':['ingress','egress'],'ingress':[],'egress':[]"
#define OPEN \
	"'types':['ingress','egress'],'ingress':[{'action':'allow'}],'egress':[{'action':'allow'}]"

static void setup(void)
{
	e = evaluator_new();
	put_network(1, "bridge", ISOLATION_LABELLED);
	put_network(2, "bridge", ISOLATION_STRICT);
	put_network(3, "macvlan", ISOLATION_STRICT);
	put_endpoint("db", 1, "10.1.0.2", "{'role':'db'}");
	put_endpoint("web", 1, "10.1.0.3", "{'role':'web'}");
	put_endpoint("other", 1, "10.1.0.4", "{'docker/container':'other'}");
}

static void teardown(void)
{
	verdict_clear(&verdict);
	evaluator_free(e);
	while (network_count)
		network_free(networks[--network_count]);
	while (remote_count)
		network_free(remote_networks[--remote_count]);
	while (endpoint_count)
		endpoint_free(endpoints[--endpoint_count]);
	while (policy_count)
		policy_free(policies[--policy_count]);
}

static struct question tcp(const char *from, const char *to, uint16_t port)
{
	struct question question = {.flow = {.protocol = 6, .source = {.port = 40000}}};

	ck_assert(!ip_parse(from, &question.flow.source.ip, NULL));
	ck_assert(!ip_parse(to, &question.flow.destination.ip, NULL));
	question.flow.destination.port = port;
	return question;
}

static bool ask(const struct question *question)
{
	verdict_clear(&verdict);
	evaluate(e, question, &verdict);
	return verdict.allowed;
}

static bool passes(const char *from, const char *to)
{
	const struct question question = tcp(from, to, 3306);

	return ask(&question);
}

/* "policy[rule]" of what decided, or what the end is. */
static const char *by(enum policy_direction direction)
{
	static const char *const standings[] = {[END_STRANGER] = "stranger",
		[END_BYSTANDER] = "bystander",
		[END_CONTESTED] = "contested",
		[END_HOST] = "host",
		[END_REMOTE] = "remote",
		[END_DISPUTED] = "disputed"};
	static char text[POLICY_NAME_MAX + 32];
	const struct end_walk *walk = &verdict.walks[direction];

	if (walk->standing != END_ISOLATED)
		return standings[walk->standing];
	if (walk->closed)
		return "closed";
	if (!walk->decided)
		return walk->step_count ? "no rule" : "no policy";
	snprintf(text, sizeof(text), "%s[%d]", walk->decided->policy->name, walk->decided->rule);
	return text;
}

START_TEST(test_both_ends_must_allow)
{
	put_policy("database", "role == `db`",
		"'types':['ingress'],'egress':[],'ingress':[{'action':'allow','protocol':'tcp','source':"
		"{'selector':'role == `web`'},'destination':{'ports':[3306]}}]");
	put_policy("web", "role == `web`", OPEN);
	evaluator_finish(e);
	ck_assert(passes("10.1.0.3", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "web[0]");
	ck_assert_str_eq(by(DIR_INGRESS), "database[0]");
	/* no policy governs the database's egress */
	ck_assert(!passes("10.1.0.2", "10.1.0.3"));
	ck_assert_str_eq(by(DIR_EGRESS), "no policy");
	ck_assert_str_eq(by(DIR_INGRESS), "web[0]");
	ck_assert(!passes("10.1.0.4", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "bystander");
	ck_assert_str_eq(by(DIR_INGRESS), "no rule");
	ck_assert(passes("10.1.0.4", "192.0.2.1"));
	ck_assert_str_eq(by(DIR_INGRESS), "stranger");
	ck_assert(!passes("10.1.0.4", "10.1.0.2"));
}
END_TEST

START_TEST(test_order_decides)
{
	put_policy("b-late", "all()",
		"'order':20,'types':['ingress'],'egress':[],'ingress':"
		"[{'action':'deny'}]");
	put_policy("z-early", "all()",
		"'order':-1.5,'types':['ingress'],'egress':[],'ingress':[{'action':'log'},"
		"{'action':'allow','source':{'nets':['192.0.2.0/24']}},{'action':'log'}]");
	put_policy("a-none", "all()", OPEN);
	evaluator_finish(e);
	ck_assert(passes("192.0.2.7", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_INGRESS), "z-early[1]");
	ck_assert(verdict.walks[DIR_INGRESS].steps[0].reached);
	ck_assert(!verdict.walks[DIR_INGRESS].steps[1].reached);
	ck_assert(!passes("198.51.100.7", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_INGRESS), "b-late[0]");
	ck_assert_int_eq(verdict.walks[DIR_INGRESS].steps[0].rule, STEP_NO_RULE);
	ck_assert(!verdict.walks[DIR_INGRESS].steps[2].reached);
}
END_TEST

START_TEST(test_pass_allows_nothing)
{
	put_policy("a", "all()",
		"'order':1,'types':['ingress'],'egress':[],'ingress':[{'action':'pass'}]");
	put_policy("b", "all()", OPEN);
	evaluator_finish(e);
	ck_assert(!passes("192.0.2.7", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_INGRESS), "a[0]");
}
END_TEST

START_TEST(test_staged_denies_nothing)
{
	put_policy("a", "all()", "'order':1,'staged':true," CLOSED);
	put_policy("b", "role == `db`", OPEN);
	evaluator_finish(e);
	ck_assert(passes("192.0.2.7", "10.1.0.2"));
	/* it has no rule that denies: with it, b still allows */
	ck_assert(!verdict.walks[DIR_INGRESS].staged_denies);
	/* alone it governs nobody in force */
	ck_assert(!passes("192.0.2.7", "10.1.0.3"));
	ck_assert_str_eq(by(DIR_INGRESS), "no rule");
	ck_assert(verdict.walks[DIR_INGRESS].staged_denies);
}
END_TEST

START_TEST(test_staged_would_deny)
{
	put_policy("a", "all()",
		"'order':1,'staged':true,'types':['ingress'],'egress':[],'ingress':[{'action':'deny'}]");
	put_policy("b", "all()", OPEN);
	evaluator_finish(e);
	ck_assert(passes("192.0.2.7", "10.1.0.2"));
	ck_assert(verdict.walks[DIR_INGRESS].staged_denies);
	ck_assert(verdict.walks[DIR_INGRESS].steps[0].reached);
	ck_assert_str_eq(by(DIR_INGRESS), "b[0]");
}
END_TEST

/* A trial of a change: the one in force is not asked beside it, wherever the two stand in the order. */
START_TEST(test_staged_takes_its_namesakes_place)
{
	static const char *const orders[] = {"'order':1,", "'order':5,", "'order':9,"};

	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		cleanup_free char *closed = xasprintf("%s'staged':true," CLOSED, orders[i]);
		cleanup_free char *open = xasprintf("%s'staged':true," OPEN, orders[i]);

		put_policy("a", "all()", "'order':5," OPEN);
		put_policy("_staged/a", "all()", closed);
		evaluator_finish(e);
		ck_assert(passes("192.0.2.7", "10.1.0.2"));
		ck_assert_str_eq(by(DIR_INGRESS), "a[0]");
		ck_assert(verdict.walks[DIR_INGRESS].staged_denies);
		teardown();
		setup();
		/* of another name: beside it */
		put_policy("a", "all()", "'order':5," OPEN);
		put_policy("_staged/b", "all()", closed);
		evaluator_finish(e);
		ck_assert(passes("192.0.2.7", "10.1.0.2"));
		ck_assert(!verdict.walks[DIR_INGRESS].staged_denies);
		teardown();
		setup();
		/* what it opens stays closed, and is no denial of the trial's */
		put_policy("a", "all()", "'order':5," CLOSED);
		put_policy("_staged/a", "all()", open);
		evaluator_finish(e);
		ck_assert(!passes("192.0.2.7", "10.1.0.2"));
		ck_assert(!verdict.walks[DIR_INGRESS].staged_denies);
		teardown();
		setup();
	}
}
END_TEST

START_TEST(test_strict_networks_know_their_own)
{
	put_endpoint("s1", 2, "10.2.0.2", "{}");
	put_endpoint("s2", 2, "10.2.0.3", "{}");
	put_endpoint("m", 3, "10.3.0.2", "{}");
	put_policy("open", "all()", OPEN);
	evaluator_finish(e);
	ck_assert(passes("10.2.0.2", "10.2.0.3"));
	ck_assert(!passes("10.2.0.2", "10.2.0.9"));
	ck_assert_str_eq(verdict.strict->name, "net2");
	ck_assert_int_eq(verdict.strict_end, DIR_INGRESS);
	ck_assert(!passes("10.2.0.9", "10.1.0.2"));
	ck_assert_int_eq(verdict.strict_end, DIR_EGRESS);
	/* nobody can police it */
	ck_assert(passes("10.3.0.9", "10.3.0.2"));
	ck_assert_str_eq(by(DIR_INGRESS), "bystander");
}
END_TEST

START_TEST(test_an_address_of_two_is_closed)
{
	put_endpoint("twin", 1, "10.1.0.2", "{'role':'db'}");
	put_policy("open", "all()", OPEN);
	evaluator_finish(e);
	ck_assert(!passes("10.1.0.3", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_INGRESS), "contested");
	ck_assert_str_eq(by(DIR_EGRESS), "open[0]");
}
END_TEST

/* This node has a network of the domain, a private one, and a strict one of the domain. */
static void setup_remote(void)
{
	put_shared(6, "bridge", ISOLATION_LABELLED, "'dom'");
	put_shared(7, "bridge", ISOLATION_STRICT, "'dom'");
	put_endpoint("in-strict", 7, "10.7.0.2", "{'role':'db'}");
	put_policy("database", "role == `db`",
		"'types':['ingress'],'egress':[],'ingress':[{'action':'allow','source':"
		"{'selector':'role == `web`'}}]");
	put_policy("web", "role == `web`",
		"'types':['egress'],'ingress':[],'egress':[{'action':'allow','destination':"
		"{'notSelector':'role == `web`'}}]");
}

START_TEST(test_endpoints_of_other_nodes_are_matched)
{
	setup_remote();
	evaluator_finish(e);
	put_remote("far", 8, "'dom'", "10.8.0.2", "{'role':'web'}");
	put_remote("hidden", 5, "null", "10.5.0.2", "{'role':'web'}");
	put_remote("apart", 9, "'elsewhere'", "10.9.0.2", "{'role':'web'}");
	put_remote("outside", 8, "'dom'", "10.4.0.2", "{'role':'web'}");
	put_remote("taken", 3, "'dom'", "10.3.0.2", "{'role':'web'}");
	ck_assert(passes("10.8.0.2", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "remote");
	ck_assert_str_eq(by(DIR_INGRESS), "database[0]");
	/* and not governed, whatever it is to its own node */
	ck_assert(passes("10.8.0.2", "10.1.0.4"));
	ck_assert(!passes("10.1.0.3", "10.8.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "no rule");
	for (int n = 3; n <= 9; n++) {
		cleanup_free char *ip = xasprintf("10.%d.0.2", n);

		if (n == 3 || n == 4 || n == 5 || n == 9) {
			ck_assert_msg(!passes(ip, "10.1.0.2"), "%s", ip);
			ck_assert_str_eq(by(DIR_EGRESS), "stranger");
		}
	}
}
END_TEST

START_TEST(test_who_has_the_address_here_wins)
{
	setup_remote();
	put_endpoint("own", 6, "10.6.0.2", "{'docker/container':'own'}");
	evaluator_finish(e);
	put_remote("liar", 6, "'dom'", "10.6.0.2", "{'role':'web'}");
	ck_assert(!passes("10.6.0.2", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "bystander");
	ck_assert_str_eq(by(DIR_INGRESS), "no rule");
}
END_TEST

START_TEST(test_two_claims_of_other_nodes_are_nobodys)
{
	setup_remote();
	evaluator_finish(e);
	put_remote("one", 8, "'dom'", "10.8.0.2", "{'role':'web'}");
	put_remote("two", 8, "'dom'", "10.8.0.2", "{'role':'db'}");
	put_remote("three", 5, "null", "10.5.0.2", "{'role':'db'}");
	ck_assert(!passes("10.8.0.2", "10.1.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "disputed");
	ck_assert_str_eq(by(DIR_INGRESS), "closed");
	/* not even by a rule about whom a selector does not match */
	ck_assert(!passes("10.1.0.3", "10.8.0.2"));
	ck_assert_str_eq(by(DIR_EGRESS), "closed");
	ck_assert(passes("10.1.0.3", "10.5.0.2"));
	/* who is not isolated has no chain that would */
	ck_assert(passes("10.8.0.2", "10.1.0.4"));
}
END_TEST

START_TEST(test_strict_networks_know_endpoints_of_their_domain)
{
	setup_remote();
	evaluator_finish(e);
	put_remote("known", 7, "'dom'", "10.7.0.9", "{'role':'web'}");
	put_remote("one", 7, "'dom'", "10.7.0.8", "{'role':'web'}");
	put_remote("two", 7, "'dom'", "10.7.0.8", "{'role':'web'}");
	ck_assert(passes("10.7.0.9", "10.7.0.2"));
	ck_assert_ptr_null(verdict.strict);
	ck_assert(!passes("10.7.0.8", "10.7.0.2"));
	ck_assert_ptr_nonnull(verdict.strict);
	ck_assert(!passes("10.7.0.7", "10.7.0.2"));
	ck_assert_ptr_nonnull(verdict.strict);
}
END_TEST

START_TEST(test_the_host_is_not_policed)
{
	struct question question = tcp("10.1.0.1", "10.1.0.2", 22);

	put_policy("closed", "all()", CLOSED);
	evaluator_finish(e);
	ck_assert(!ask(&question));
	question.from_host = true;
	ck_assert(ask(&question));
	ck_assert_str_eq(by(DIR_EGRESS), "host");
	/* but what it is sent is */
	question = tcp("10.1.0.2", "10.1.0.1", 22);
	question.to_host = true;
	ck_assert(!ask(&question));
	ck_assert_str_eq(by(DIR_INGRESS), "host");
}
END_TEST

/* One egress rule, from 10.1.0.3: to this host by 10.1.0.1, to an endpoint, and to an address outside. */
static const struct {
	const char *rule;
	bool host, known, outside;
} to_hosts[] = {
	{"", true, true, true},
	/* what does not name the host does not open it */
	{",'destination':{'selector':'all()'}", false, true, false},
	{",'destination':{'selector':'!has(x)'}", false, true, false},
	{",'destination':{'selector':'role != `a`'}", false, true, false},
	{",'destination':{'selector':'role == `docker/host`'}", false, false, false},
	{",'destination':{'selector':'has(docker/host)'}", true, false, false},
	{",'destination':{'selector':'docker/host == `node-1`'}", true, false, false},
	{",'destination':{'selector':'docker/host == `node-2`'}", false, false, false},
	{",'destination':{'selector':'docker/host != `node-1`'}", false, true, false},
	{",'destination':{'selector':'docker/host != `node-2`'}", true, true, false},
	{",'destination':{'selector':'all() && has(docker/host)'}", true, false, false},
	{",'destination':{'selector':'has(docker/host) && has(role)'}", false, false, false},
	{",'destination':{'selector':'has(role) || has(docker/host)'}", true, true, false},
	{",'destination':{'tag':'role'}", false, true, false},
	{",'destination':{'notSelector':'has(docker/host)'}", false, true, true},
	{",'destination':{'notSelector':'docker/host == `node-2`'}", true, true, true},
	{",'destination':{'notSelector':'all()'}", true, false, true},
	{",'destination':{'notSelector':'has(docker/host) || has(role)'}", false, false, true},
	{",'source':{'selector':'has(docker/host)'}", false, false, false},
	{",'source':{'notSelector':'has(docker/host)'}", true, true, true},
	{",'destination':{'selector':'has(docker/host)','nets':['10.1.0.1']}", true, false, false},
	{",'destination':{'selector':'has(docker/host)','nets':['10.1.0.9']}", false, false, false},
};

START_TEST(test_the_host_is_named)
{
	cleanup_free char *spec =
		xasprintf("'types':['egress'],'ingress':[],'egress':[{'action':'allow'%s}]",
			to_hosts[_i].rule);
	struct question question = tcp("10.1.0.3", "10.1.0.1", 22);

	put_policy("web", "role == `web`", spec);
	put_policy("database", "role == `db`", OPEN);
	evaluator_host(e, NODE);
	evaluator_finish(e);
	question.to_host = true;
	ck_assert_msg(ask(&question) == to_hosts[_i].host, "%s to the host", to_hosts[_i].rule);
	/* an endpoint's address is not the host's, though it be said */
	question = tcp("10.1.0.3", "10.1.0.2", 22);
	ck_assert_msg(ask(&question) == to_hosts[_i].known, "%s to db", to_hosts[_i].rule);
	ck_assert_msg(passes("10.1.0.3", "192.0.2.7") == to_hosts[_i].outside, "%s outside",
		to_hosts[_i].rule);
}
END_TEST

START_TEST(test_an_endpoints_address_is_not_the_hosts)
{
	struct question question = tcp("10.1.0.3", "10.1.0.4", 22);

	put_policy("web", "role == `web`",
		"'types':['egress'],'ingress':[],'egress':[{'action':'allow','destination':"
		"{'selector':'has(docker/host)'}}]");
	evaluator_host(e, NODE);
	evaluator_finish(e);
	question.to_host = true;
	ck_assert(!ask(&question));
}
END_TEST

START_TEST(test_what_if_it_had_other_labels)
{
	CLEANUP(labels) struct labels *labels = labels_new();
	struct question question = tcp("10.1.0.4", "10.1.0.2", 3306);

	put_policy("database", "role == `db`",
		"'types':['ingress'],'egress':[],'ingress':[{'action':'allow','source':"
		"{'selector':'role == `web`'}}]");
	put_policy("web", "role == `web`", OPEN);
	evaluator_finish(e);
	ck_assert(!ask(&question));
	labels_set(labels, "role", "web");
	question.labels[DIR_EGRESS] = labels;
	ck_assert(ask(&question));
	ck_assert_str_eq(by(DIR_EGRESS), "web[0]");
	/* a bystander no more: governed by its new labels, by no policy */
	labels_set(labels, "role", "x");
	ck_assert(!ask(&question));
	ck_assert_str_eq(by(DIR_EGRESS), "no policy");
}
END_TEST

/* One rule, of ingress to 10.1.0.2 from 192.0.2.7, port 40000 to 3306, tcp; and to another, from 10.1.0.3. */
static const struct {
	const char *rule;
	bool outside, known;
} fields[] = {
	{"", true, true},
	{",'ipVersion':4", true, true},
	{",'ipVersion':6", false, false},
	{",'protocol':'tcp'", true, true},
	{",'protocol':6", true, true},
	{",'protocol':'udp'", false, false},
	{",'notProtocol':'tcp'", false, false},
	{",'notProtocol':'udp'", true, true},
	{",'icmp':{'type':8}", false, false},
	{",'notICMP':{'type':8}", false, false},
	{",'source':{'selector':'all()'}", false, true},
	{",'source':{'selector':'!has(role)'}", false, false},
	{",'source':{'notSelector':'role == `web`'}", true, false},
	{",'source':{'notSelector':'role == `db`'}", true, true},
	{",'source':{'tag':'role'}", false, true},
	{",'source':{'notTag':'role'}", true, false},
	{",'source':{'nets':['192.0.2.0/24','10.1.0.9']}", true, false},
	{",'source':{'nets':['0.0.0.0/0']}", true, true},
	{",'source':{'notNets':['10.0.0.0/8']}", true, false},
	{",'source':{'notNets':['0.0.0.0/0']}", false, false},
	/* a list that has nothing of the family makes it a rule of the other family, negated as well */
	{",'source':{'nets':['::/0']}", false, false},
	{",'source':{'notNets':['fd00::/8']}", false, false},
	{",'protocol':'tcp','destination':{'ports':[80,'3300:3310']}", true, true},
	{",'protocol':'tcp','destination':{'ports':[80,'3307:3310']}", false, false},
	{",'protocol':'tcp','destination':{'notPorts':[3306]}", false, false},
	{",'protocol':'tcp','destination':{'ports':['3000:4000'],'notPorts':[3307]}", true, true},
	{",'protocol':'tcp','source':{'ports':[40000]}", true, true},
	{",'protocol':'tcp','source':{'notPorts':['1:65535']}", false, false},
	{",'destination':{'selector':'role == `db`','notSelector':'has(x)'}", true, true},
	{",'destination':{'selector':'role == `web`'}", false, false},
	{",'destination':{'nets':['10.1.0.2/32'],'notNets':['10.1.0.2/32']}", false, false},
};

START_TEST(test_fields)
{
	cleanup_free char *spec =
		xasprintf("'types':['ingress'],'egress':[],'ingress':[{'action':'allow'%s}]",
			fields[_i].rule);

	put_policy("one", "role == `db`", spec);
	put_policy("web", "role == `web`", OPEN);
	evaluator_finish(e);
	ck_assert_msg(passes("192.0.2.7", "10.1.0.2") == fields[_i].outside, "%s from outside",
		fields[_i].rule);
	ck_assert_msg(
		passes("10.1.0.3", "10.1.0.2") == fields[_i].known, "%s from web", fields[_i].rule);
}
END_TEST

static const struct {
	const char *rule;
	int type, code;
	bool passes;
} icmps[] = {
	{",'protocol':'icmp'", 8, 0, true},
	{",'protocol':'icmpv6'", 8, 0, false},
	{",'icmp':{'type':8}", 8, 3, true},
	{",'icmp':{'type':8,'code':0}", 8, 3, false},
	{",'icmp':{'type':0}", 8, 0, false},
	{",'protocol':'udp','icmp':{'type':8}", 8, 0, false},
	{",'notICMP':{'type':8}", 8, 0, false},
	{",'notICMP':{'type':8,'code':1}", 8, 0, true},
	{",'icmp':{'type':8},'notICMP':{'type':8,'code':0}", 8, 1, true},
	{",'protocol':58,'icmp':{'type':8}", 8, 0, false},
};

START_TEST(test_icmp)
{
	struct question question = tcp("192.0.2.7", "10.1.0.2", 0);
	cleanup_free char *spec = xasprintf(
		"'types':['ingress'],'egress':[],'ingress':[{'action':'allow'%s}]", icmps[_i].rule);

	question.flow.protocol = 1;
	question.flow.source.port = 0;
	question.flow.icmp_type = icmps[_i].type;
	question.flow.icmp_code = icmps[_i].code;
	put_policy("one", "all()", spec);
	evaluator_finish(e);
	ck_assert_msg(ask(&question) == icmps[_i].passes, "%s", icmps[_i].rule);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("evaluate");
	TCase *tcase = tcase_create("evaluate");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_both_ends_must_allow);
	tcase_add_test(tcase, test_order_decides);
	tcase_add_test(tcase, test_pass_allows_nothing);
	tcase_add_test(tcase, test_staged_denies_nothing);
	tcase_add_test(tcase, test_staged_would_deny);
	tcase_add_test(tcase, test_staged_takes_its_namesakes_place);
	tcase_add_test(tcase, test_strict_networks_know_their_own);
	tcase_add_test(tcase, test_an_address_of_two_is_closed);
	tcase_add_test(tcase, test_endpoints_of_other_nodes_are_matched);
	tcase_add_test(tcase, test_who_has_the_address_here_wins);
	tcase_add_test(tcase, test_two_claims_of_other_nodes_are_nobodys);
	tcase_add_test(tcase, test_strict_networks_know_endpoints_of_their_domain);
	tcase_add_test(tcase, test_the_host_is_not_policed);
	tcase_add_loop_test(tcase, test_the_host_is_named, 0, COUNT(to_hosts));
	tcase_add_test(tcase, test_an_endpoints_address_is_not_the_hosts);
	tcase_add_test(tcase, test_what_if_it_had_other_labels);
	tcase_add_loop_test(tcase, test_fields, 0, COUNT(fields));
	tcase_add_loop_test(tcase, test_icmp, 0, COUNT(icmps));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
