/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random worlds and flows for the oracle: plain values in fixed arrays, so that a world is copied by assignment and made smaller by
 * clearing members. Selectors are trees here and text only in the records, addresses and ports are drawn from small pools, so that
 * they meet.
 */
#ifndef BULKHEAD_TEST_ORACLE_WORLD_H
#define BULKHEAD_TEST_ORACLE_WORLD_H

#include "common/policy.h"
#include "tests/unit/enforcerd/world_fixture.h"

enum {
	O_KEYS = 4, /* the last one is derived: no user's */
	O_DERIVED = 3,
	O_VALUES = 3,
	O_NODES = 2048,
	O_NETWORKS = 3, /* the last is macvlan */
	O_ENDPOINTS = 7,
	O_POLICIES = 6,
	O_RULES = 4,
	O_LIST = 3,
	O_OVERLAYS = 4,
	O_TIERS = 3, /* beside the default one */
	O_NETSETS = 3,
	O_PEERS = 2,         /* other nodes */
	O_PEER_NETWORKS = 4, /* those of this node's addresses, and one more */
	O_REMOTES = 6,
	O_NONE = -1
};

static const char *const o_keys[O_KEYS] = {"role", "tier", "a.b/c", "docker/container"};
static const char *const o_values[O_KEYS][O_VALUES] = {
	{"db", "web", ""}, {"front", "web", "x_1"}, {"db", "1", "true"}, {"one", "two", "three"}};
static const char *const o_policy_names[O_POLICIES] = {"b", "a", "Z", "a-1", "c/d", "0"};
static const double o_orders[] = {-1.5, 10, 10, 20.25};

static const char *const o_tier_names[O_TIERS] = {"ops", "a-team", "later"};
static const double o_tier_orders[] = {-1.5, 100, 100, 1000000, 2000000.5};
static const char *const o_netset_names[O_NETSETS] = {"partners", "b", "a"};

static const char *const o_peers[O_PEERS] = {"b", "c"};
static const char *const o_domains[] = {"dom", "other"};

static const char *const o_cidrs[][7] = {
	{"10.1.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "10.1.0.3/32", "10.2.0.2/31", "192.0.0.0/16",
		"10.2.0.4/30"},
	{"fd00:1::/64", "fd00::/8", "::/0", "fd00:1::3/128", "fd00:2::2/127", "2001:db8::/32",
		"fd00:2::/30"},
};

/* by: the family that the name implies */
static const struct o_protocol {
	const char *word; /* NULL: the number */
	int number, implied;
} o_protocols[] = {{"tcp", 6, 0}, {"tcp", 6, 0}, {"udp", 17, 0}, {"icmp", 1, 4}, {"icmpv6", 58, 6},
	{NULL, 1, 0}, {NULL, 58, 0}, {"sctp", 132, 0}, {NULL, 47, 0}, {NULL, 6, 0}};

static const struct port_range o_ports[] = {{53, 53}, {80, 80}, {443, 443}, {3306, 3306}, {50, 90},
	{1, 65535}, {3306, 3307}, {443, 1024}};
static const uint16_t o_flow_ports[] = {53, 80, 443, 3306, 3307, 40000};

/* What text operators ask for: of every key's values. */
static const char *const o_parts[O_VALUES] = {"e", "t", ""};

enum o_op {
	O_ALL,
	O_HAS,
	O_EQ,
	O_NE,
	O_IN,
	O_NOT_IN,
	O_CONTAINS,
	O_STARTS_WITH,
	O_ENDS_WITH,
	O_NOT,
	O_AND,
	O_OR,
	O_OPS
};

struct o_node {
	enum o_op op;
	int key;
	int values[2]; /* IN and NOT_IN have two; text operators: place in o_parts */
	int left, right;
};

struct o_entity {
	int selector, not_selector; /* root nodes, or O_NONE */
	int tag, not_tag;           /* keys, or O_NONE */
	int nets[O_LIST], not_nets[O_LIST];
	int net_count, not_net_count;
	int ports[O_LIST], not_ports[O_LIST];
	int port_count, not_port_count;
};

struct o_icmp {
	int type, code; /* O_NONE */
};

struct o_rule {
	enum policy_action action;
	int ip_version;
	int family;                 /* of its CIDRs: 0 for IPv4, 1 for IPv6 */
	int protocol, not_protocol; /* places in o_protocols, or O_NONE */
	struct o_icmp icmp, not_icmp;
	struct o_entity ends[2]; /* source, destination */
};

struct o_policy {
	int order; /* place in o_orders, or O_NONE */
	int tier;  /* O_NONE: the default one. It may not be there */
	bool staged;
	int selector;
	bool governs[DIR_COUNT];
	struct o_rule rules[DIR_COUNT][O_RULES];
	int rule_count[DIR_COUNT];
	int name;
};

struct o_tier {
	bool there, passes;
	int order; /* place in o_tier_orders, or O_NONE */
};

struct o_netset {
	bool there;
	int labels[O_KEYS]; /* the derived one: O_NONE */
	int families[O_LIST], nets[O_LIST];
	int net_count;
};

struct o_endpoint {
	int name;           /* of its container: o_values[O_DERIVED] */
	int network;        /* 0.. */
	char ips[2][40];    /* IPv4 and IPv6, or "" */
	int labels[O_KEYS]; /* values, or O_NONE */
	bool rejected;
};

/* Operator labels of a container name, for this node or any. */
struct o_overlay {
	bool there;
	int labels[O_DERIVED];
};

/* An endpoint of another node. */
struct o_remote {
	int peer;
	struct o_endpoint endpoint; /* its network: one of the peer's */
};

struct o_world {
	struct o_node nodes[O_NODES];
	int node_count;
	int overrides[O_NETWORKS][2]; /* isolation of this node, of any; or O_NONE */
	int network_labels[O_NETWORKS];
	int isolation;       /* the default */
	bool strict_by_flag; /* networks that end in 2 */
	struct o_endpoint endpoints[O_ENDPOINTS];
	int endpoint_count;
	struct o_policy policies[O_POLICIES];
	int policy_count;
	struct o_tier tiers[O_TIERS];
	struct o_netset netsets[O_NETSETS];
	struct o_overlay overlays[O_VALUES][2]; /* by container name; of this node, of any */
	int shared[O_NETWORKS];                 /* domains of this node's networks, or O_NONE */
	int peers[O_PEERS][O_PEER_NETWORKS];    /* and of the others' */
	struct o_remote remotes[O_REMOTES];
	int remote_count;
};

struct o_flow {
	char ips[2][40]; /* of one family */
	int protocol;
	int ports[2];
	int icmp_type, icmp_code;
};

/* --- drawing ----------------------------------------------------------------------------------- */

static unsigned o_seed;

static int o_draw(int n)
{
	return (int)((unsigned)rand_r(&o_seed) % (unsigned)n);
}

static bool o_one_in(int n)
{
	return o_draw(n) == 0;
}

static int o_node(struct o_world *w, int depth)
{
	struct o_node node = {.key = o_draw(O_KEYS), .left = O_NONE, .right = O_NONE};
	int at;

	node.op = (enum o_op)o_draw(depth && w->node_count < O_NODES - 8 ? O_OPS : O_NOT);
	/* few selectors are to mean everybody */
	if (node.op == O_ALL && o_draw(2))
		node.op = O_EQ;
	node.values[0] = o_draw(O_VALUES);
	node.values[1] = o_draw(O_VALUES);
	if (node.op >= O_NOT)
		node.left = o_node(w, depth - 1);
	if (node.op > O_NOT)
		node.right = o_node(w, depth - 1);
	at = w->node_count++;
	ck_assert_int_lt(at, O_NODES);
	w->nodes[at] = node;
	return at;
}

static int o_maybe_selector(struct o_world *w, int n)
{
	return o_one_in(n) ? o_node(w, 2) : O_NONE;
}

static int o_list(int items[O_LIST], int pool)
{
	int count = o_one_in(4) ? 1 + o_draw(O_LIST) : 0;

	for (int i = 0; i < count; i++)
		items[i] = o_draw(pool);
	return count;
}

static void o_entity(struct o_world *w, struct o_entity *entity, bool nets, bool ports)
{
	*entity = (struct o_entity){.selector = o_maybe_selector(w, 4),
		.not_selector = o_maybe_selector(w, 5),
		.tag = o_one_in(16) ? o_draw(O_KEYS - 2) : O_NONE,
		.not_tag = o_one_in(16) ? o_draw(O_KEYS - 2) : O_NONE};
	if (nets && o_one_in(2)) {
		entity->net_count = o_list(entity->nets, COUNT(o_cidrs[0]));
		entity->not_net_count = o_list(entity->not_nets, COUNT(o_cidrs[0]));
	}
	if (ports) {
		entity->port_count = o_list(entity->ports, COUNT(o_ports));
		entity->not_port_count = o_list(entity->not_ports, COUNT(o_ports));
	}
}

static struct o_icmp o_icmp(int n)
{
	struct o_icmp icmp = {O_NONE, O_NONE};

	if (!o_one_in(n))
		return icmp;
	icmp.type = o_one_in(2) ? 8 : o_draw(3);
	icmp.code = o_one_in(2) ? o_draw(2) : O_NONE;
	return icmp;
}

static void o_rule(struct o_world *w, struct o_rule *rule)
{
	static const enum policy_action actions[] = {ACTION_ALLOW, ACTION_ALLOW, ACTION_ALLOW,
		ACTION_ALLOW, ACTION_DENY, ACTION_DENY, ACTION_LOG, ACTION_PASS};
	int implied, number;

	*rule = (struct o_rule){.action = actions[o_draw(COUNT(actions))],
		.family = o_draw(2),
		.protocol = o_one_in(2) ? o_draw(COUNT(o_protocols)) : O_NONE,
		.not_protocol = o_one_in(10) ? o_draw(COUNT(o_protocols)) : O_NONE,
		.icmp = o_icmp(10),
		.not_icmp = o_icmp(14)};
	implied = rule->protocol == O_NONE ? 0 : o_protocols[rule->protocol].implied;
	number = rule->protocol == O_NONE ? 0 : o_protocols[rule->protocol].number;
	if (implied)
		rule->family = implied == 6;
	if (o_one_in(5))
		rule->ip_version = rule->family ? 6 : 4;
	for (int i = 0; i < 2; i++)
		o_entity(w, &rule->ends[i], true, number == 6 || number == 17);
}

static void o_plain_rule(struct o_rule *rule)
{
	const struct o_entity none = {
		.selector = O_NONE, .not_selector = O_NONE, .tag = O_NONE, .not_tag = O_NONE};

	*rule = (struct o_rule){.action = o_one_in(6) ? ACTION_DENY : ACTION_ALLOW,
		.protocol = O_NONE,
		.not_protocol = O_NONE,
		.icmp = {O_NONE, O_NONE},
		.not_icmp = {O_NONE, O_NONE},
		.ends = {none, none}};
}

static void o_policy(struct o_world *w, struct o_policy *policy, int name)
{
	int types = 1 + o_draw(3);

	*policy = (struct o_policy){.name = name,
		.order = o_one_in(3) ? O_NONE : o_draw(COUNT(o_orders)),
		.tier = o_draw(5) < 2 ? O_NONE : o_draw(O_TIERS),
		.staged = o_one_in(6),
		.governs = {[DIR_INGRESS] = types & 1, [DIR_EGRESS] = types & 2}};
	policy->selector = o_node(w, 1);
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		policy->rule_count[dir] = o_draw(O_RULES + 1);
		for (int i = 0; i < policy->rule_count[dir]; i++)
			o_rule(w, &policy->rules[dir][i]);
		/* what many constraints leave open is little: some policies end with a rule that has none */
		if (policy->rule_count[dir] && !o_one_in(3))
			o_plain_rule(&policy->rules[dir][policy->rule_count[dir] - 1]);
	}
}

static void o_tier(struct o_tier *tier)
{
	*tier = (struct o_tier){.there = !o_one_in(20),
		.passes = o_one_in(2),
		.order = o_one_in(4) ? O_NONE : o_draw(COUNT(o_tier_orders))};
}

static void o_netset(struct o_netset *set)
{
	*set = (struct o_netset){.there = !o_one_in(3), .net_count = o_draw(O_LIST + 1)};
	for (int k = 0; k < O_KEYS; k++)
		set->labels[k] = k < O_DERIVED && o_one_in(2) ? o_draw(O_VALUES) : O_NONE;
	for (int i = 0; i < set->net_count; i++) {
		set->families[i] = o_one_in(3);
		set->nets[i] = o_draw(COUNT(o_cidrs[0]));
	}
}

static void o_endpoint(struct o_endpoint *endpoint)
{
	*endpoint = (struct o_endpoint){.name = o_draw(O_VALUES),
		.network = o_one_in(8) ? 2 : o_draw(2),
		.rejected = o_one_in(12)};
	snprintf(endpoint->ips[0], sizeof(endpoint->ips[0]), "10.%d.0.%d", endpoint->network + 1,
		2 + o_draw(6));
	if (o_draw(3))
		snprintf(endpoint->ips[1], sizeof(endpoint->ips[1]), "fd00:%d::%d",
			endpoint->network + 1, 2 + o_draw(6));
	for (int k = 0; k < O_DERIVED; k++)
		endpoint->labels[k] = o_one_in(2) ? o_draw(O_VALUES) : O_NONE;
	endpoint->labels[O_DERIVED] = endpoint->name;
}

/* One whose network is not the one that its address is of is not to be believed. */
static void o_remote(struct o_remote *remote)
{
	struct o_endpoint *endpoint = &remote->endpoint;
	int n = o_draw(O_PEER_NETWORKS), host = 2 + o_draw(4);

	o_endpoint(endpoint);
	remote->peer = o_draw(O_PEERS);
	endpoint->network = n;
	endpoint->rejected = false;
	snprintf(endpoint->ips[0], sizeof(endpoint->ips[0]), "10.%d.0.%d", o_one_in(10) ? 9 : n + 1,
		host);
	if (*endpoint->ips[1])
		snprintf(endpoint->ips[1], sizeof(endpoint->ips[1]), "fd00:%d::%d",
			o_one_in(10) ? 9 : n + 1, host);
}

static int o_domain(void)
{
	return o_one_in(3) ? O_NONE : o_one_in(5);
}

/* Whether worlds may have other nodes: a third of them do. A port on the host's bridges is no way for their packets: where packets are real, they have none. */
static bool o_with_peers;

static void o_neighbours(struct o_world *w)
{
	bool any = o_with_peers && o_one_in(3);

	for (int i = 0; i < O_NETWORKS; i++)
		w->shared[i] = any ? o_domain() : O_NONE;
	for (int peer = 0; peer < O_PEERS; peer++)
		for (int i = 0; i < O_PEER_NETWORKS; i++)
			w->peers[peer][i] = any ? o_domain() : O_NONE;
	w->remote_count = any ? o_draw(O_REMOTES + 1) : 0;
	for (int i = 0; i < w->remote_count; i++)
		o_remote(&w->remotes[i]);
	/* two of one address, by chance, would be rare */
	if (w->remote_count > 1 && o_one_in(3)) {
		struct o_endpoint *first = &w->remotes[0].endpoint,
				  *second = &w->remotes[1].endpoint;

		second->network = first->network;
		memcpy(second->ips, first->ips, sizeof(second->ips));
	}
}

static int o_isolation(int n)
{
	return o_one_in(n) ? o_draw(3) : O_NONE;
}

static void o_world(struct o_world *w)
{
	*w = (struct o_world){.isolation = o_one_in(2) ? ISOLATION_LABELLED : o_draw(3),
		.strict_by_flag = o_one_in(3),
		.endpoint_count = 1 + o_draw(O_ENDPOINTS),
		.policy_count = o_draw(O_POLICIES + 1)};
	for (int i = 0; i < O_NETWORKS; i++) {
		w->overrides[i][0] = o_isolation(8);
		w->overrides[i][1] = o_isolation(8);
		w->network_labels[i] = o_isolation(4);
	}
	for (int i = 0; i < w->endpoint_count; i++)
		o_endpoint(&w->endpoints[i]);
	for (int i = 0; i < w->policy_count; i++)
		o_policy(w, &w->policies[i], i);
	for (int i = 0; i < O_TIERS; i++)
		o_tier(&w->tiers[i]);
	for (int i = 0; i < O_NETSETS; i++)
		o_netset(&w->netsets[i]);
	for (int name = 0; name < O_VALUES; name++)
		for (int any = 0; any < 2; any++) {
			struct o_overlay *overlay = &w->overlays[name][any];

			overlay->there = o_one_in(6);
			for (int k = 0; k < O_DERIVED; k++)
				overlay->labels[k] = o_one_in(2) ? o_draw(O_VALUES) : O_NONE;
		}
	o_neighbours(w);
}

/* An endpoint's, most of the time; nobody's of a network; outside. */
static void o_address(const struct o_world *w, int family, char ip[40])
{
	const char *own = w->endpoints[o_draw(w->endpoint_count)].ips[family];
	int n = 1 + o_draw(O_NETWORKS);

	if (w->remote_count && o_one_in(3))
		own = w->remotes[o_draw(w->remote_count)].endpoint.ips[family];
	if (o_draw(5) && *own)
		snprintf(ip, 40, "%s", own);
	else if (o_draw(2))
		snprintf(ip, 40, family ? "fd00:%d::9" : "10.%d.0.9", n);
	else
		snprintf(ip, 40, "%s", family ? "2001:db8::7" : "192.0.2.7");
}

static void o_flow(const struct o_world *w, struct o_flow *flow)
{
	int family = o_one_in(3);

	*flow = (struct o_flow){.protocol = o_protocols[o_draw(COUNT(o_protocols))].number};
	if (o_draw(2))
		flow->protocol = 6;
	o_address(w, family, flow->ips[0]);
	o_address(w, family, flow->ips[1]);
	if (flow->protocol == 6 || flow->protocol == 17 || flow->protocol == 132)
		for (int i = 0; i < 2; i++)
			flow->ports[i] = o_flow_ports[o_draw(COUNT(o_flow_ports))];
	if (flow->protocol == (family ? 58 : 1)) {
		flow->icmp_type = o_one_in(2) ? 8 : o_draw(3);
		flow->icmp_code = o_draw(2);
	}
}

#endif
