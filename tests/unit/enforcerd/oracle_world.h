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
		.not_selector = o_maybe_selector(w, 8),
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
		if (policy->rule_count[dir] && o_one_in(2))
			o_plain_rule(&policy->rules[dir][policy->rule_count[dir] - 1]);
	}
}

static void o_tier(struct o_tier *tier)
{
	*tier = (struct o_tier){.there = !o_one_in(12),
		.passes = o_one_in(2),
		.order = o_one_in(4) ? O_NONE : o_draw(COUNT(o_tier_orders))};
}

static void o_netset(struct o_netset *set)
{
	*set = (struct o_netset){.there = o_one_in(2), .net_count = o_draw(O_LIST + 1)};
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
}

/* An endpoint's, most of the time; nobody's of a network; outside. */
static void o_address(const struct o_world *w, int family, char ip[40])
{
	const char *own = w->endpoints[o_draw(w->endpoint_count)].ips[family];
	int n = 1 + o_draw(O_NETWORKS);

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

/* --- records ----------------------------------------------------------------------------------- */

static void o_selector_text(const struct o_world *w, int at, struct strbuf *out)
{
	static const char *const words[] = {[O_EQ] = "==",
		[O_NE] = "!=",
		[O_IN] = "in",
		[O_NOT_IN] = "not in",
		[O_CONTAINS] = "contains",
		[O_STARTS_WITH] = "starts with",
		[O_ENDS_WITH] = "ends with"};
	const struct o_node *node = &w->nodes[at];
	const char *const *values = o_values[node->key];

	if (node->op == O_ALL) {
		strbuf_add(out, "all()");
	} else if (node->op == O_HAS) {
		strbuf_addf(out, "has(%s)", o_keys[node->key]);
	} else if (node->op == O_EQ || node->op == O_NE) {
		strbuf_addf(out, "%s %s '%s'", o_keys[node->key], words[node->op],
			values[node->values[0]]);
	} else if (node->op >= O_CONTAINS && node->op <= O_ENDS_WITH) {
		strbuf_addf(out, "%s %s '%s'", o_keys[node->key], words[node->op],
			o_parts[node->values[0]]);
	} else if (node->op == O_IN || node->op == O_NOT_IN) {
		strbuf_addf(out, "%s %s {'%s', \"%s\"}", o_keys[node->key], words[node->op],
			values[node->values[0]], values[node->values[1]]);
	} else {
		strbuf_add(out, node->op == O_NOT ? "!(" : "(");
		o_selector_text(w, node->left, out);
		if (node->op != O_NOT) {
			strbuf_add(out, node->op == O_AND ? " && " : " || ");
			o_selector_text(w, node->right, out);
		}
		strbuf_add(out, ")");
	}
}

static void o_put_selector(const struct o_world *w, json_t *to, const char *name, int at)
{
	cleanup_strbuf struct strbuf text = {0};

	if (at == O_NONE)
		return;
	o_selector_text(w, at, &text);
	json_object_set_new(to, name, json_string(text.text));
}

static void o_put_nets(json_t *to, const char *name, int family, const int *items, int count)
{
	json_t *list = json_array();

	for (int i = 0; i < count; i++)
		json_array_append_new(list, json_string(o_cidrs[family][items[i]]));
	if (count)
		json_object_set(to, name, list);
	json_decref(list);
}

static void o_put_ports(json_t *to, const char *name, const int *items, int count)
{
	json_t *list = json_array();

	for (int i = 0; i < count; i++) {
		const struct port_range *range = &o_ports[items[i]];
		cleanup_free char *text = xasprintf("%u:%u", range->first, range->last);

		json_array_append_new(list, range->first == range->last ? json_integer(range->first)
									: json_string(text));
	}
	if (count)
		json_object_set(to, name, list);
	json_decref(list);
}

static json_t *o_entity_json(const struct o_world *w, const struct o_entity *entity, int family)
{
	json_t *to = json_object();

	o_put_selector(w, to, "selector", entity->selector);
	o_put_selector(w, to, "notSelector", entity->not_selector);
	if (entity->tag != O_NONE)
		json_object_set_new(to, "tag", json_string(o_keys[entity->tag]));
	if (entity->not_tag != O_NONE)
		json_object_set_new(to, "notTag", json_string(o_keys[entity->not_tag]));
	o_put_nets(to, "nets", family, entity->nets, entity->net_count);
	o_put_nets(to, "notNets", family, entity->not_nets, entity->not_net_count);
	o_put_ports(to, "ports", entity->ports, entity->port_count);
	o_put_ports(to, "notPorts", entity->not_ports, entity->not_port_count);
	return to;
}

static void o_put_protocol(json_t *to, const char *name, int at)
{
	if (at == O_NONE)
		return;
	json_object_set_new(to, name,
		o_protocols[at].word ? json_string(o_protocols[at].word)
				     : json_integer(o_protocols[at].number));
}

static void o_put_icmp(json_t *to, const char *name, const struct o_icmp *icmp)
{
	json_t *match;

	if (icmp->type == O_NONE)
		return;
	match = json_pack("{s:i}", "type", icmp->type);
	if (icmp->code != O_NONE)
		json_object_set_new(match, "code", json_integer(icmp->code));
	json_object_set_new(to, name, match);
}

static json_t *o_rule_json(const struct o_world *w, const struct o_rule *rule)
{
	json_t *to = json_pack("{s:s}", "action", policy_action_name(rule->action));

	if (rule->ip_version)
		json_object_set_new(to, "ipVersion", json_integer(rule->ip_version));
	o_put_protocol(to, "protocol", rule->protocol);
	o_put_protocol(to, "notProtocol", rule->not_protocol);
	o_put_icmp(to, "icmp", &rule->icmp);
	o_put_icmp(to, "notICMP", &rule->not_icmp);
	json_object_set_new(to, "source", o_entity_json(w, &rule->ends[0], rule->family));
	json_object_set_new(to, "destination", o_entity_json(w, &rule->ends[1], rule->family));
	return to;
}

static char *o_dump(json_t *record)
{
	char *text = json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS);

	ck_assert_ptr_nonnull(text);
	json_decref(record);
	return text;
}

static char *o_policy_record(const struct o_world *w, const struct o_policy *policy)
{
	json_t *spec = json_object();
	json_t *types = json_array();

	if (policy->order != O_NONE)
		json_object_set_new(spec, "order", json_real(o_orders[policy->order]));
	if (policy->tier != O_NONE)
		json_object_set_new(spec, "tier", json_string(o_tier_names[policy->tier]));
	if (policy->staged)
		json_object_set_new(spec, "staged", json_true());
	o_put_selector(w, spec, "selector", policy->selector);
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		const char *word = policy_direction_name((enum policy_direction)dir);
		json_t *rules = json_array();

		if (policy->governs[dir])
			json_array_append_new(types, json_string(word));
		for (int i = 0; i < policy->rule_count[dir]; i++)
			json_array_append_new(rules, o_rule_json(w, &policy->rules[dir][i]));
		json_object_set_new(spec, word, rules);
	}
	json_object_set_new(spec, "types", types);
	return o_dump(json_pack("{s:i,s:s,s:s*,s:o}", "v", 1, "name", o_policy_names[policy->name],
		"form", policy->tier == O_NONE ? NULL : "v3", "spec", spec));
}

static char *o_tier_record(const struct o_tier *tier, const char *name)
{
	json_t *spec = json_pack("{s:s}", "defaultAction", tier->passes ? "pass" : "deny");

	if (tier->order != O_NONE)
		json_object_set_new(spec, "order", json_real(o_tier_orders[tier->order]));
	return o_dump(json_pack("{s:i,s:s,s:o}", "v", 1, "name", name, "spec", spec));
}

static json_t *o_labels_json(const int *labels, int keys)
{
	json_t *to = json_object();

	for (int k = 0; k < keys; k++)
		if (labels[k] != O_NONE)
			json_object_set_new(to, o_keys[k], json_string(o_values[k][labels[k]]));
	return to;
}

static char *o_netset_record(const struct o_netset *set, const char *name)
{
	json_t *nets = json_array();

	for (int i = 0; i < set->net_count; i++)
		json_array_append_new(nets, json_string(o_cidrs[set->families[i]][set->nets[i]]));
	return o_dump(json_pack("{s:i,s:s,s:o,s:{s:o}}", "v", 1, "name", name, "labels",
		o_labels_json(set->labels, O_DERIVED), "spec", "nets", nets));
}

static json_t *o_text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static const char *o_driver(int network)
{
	return network == O_NETWORKS - 1 ? "macvlan" : "bridge";
}

static char *o_endpoint_record(const struct o_endpoint *endpoint, const char *id)
{
	cleanup_free char *network = xasprintf("net%d", endpoint->network + 1);
	cleanup_free char *network_id = xasprintf("net%d0000000", endpoint->network + 1);
	json_t *rejected = json_object();

	if (endpoint->rejected)
		json_object_set_new(rejected, "a b", json_string("bad key"));
	return o_dump(json_pack(
		"{s:i,s:s,s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:o,s:o,s:n,s:o,s:o,s:[],s:s}", "v",
		1, "id", id, "node", NODE, "container", "id", id, "name",
		o_values[O_DERIVED][endpoint->name], "image", "", "network", "id", network_id,
		"name", network, "driver", o_driver(endpoint->network), "ipv4",
		o_text_or_null(endpoint->ips[0]), "ipv6", o_text_or_null(endpoint->ips[1]), "mac",
		"labels", o_labels_json(endpoint->labels, O_KEYS), "rejected", rejected, "ports",
		"state", "running"));
}

static char *o_network_record(const struct o_world *w, int n)
{
	cleanup_free char *id = xasprintf("net%d0000000", n + 1), *name = xasprintf("net%d", n + 1);
	cleanup_free char *subnet4 = xasprintf("10.%d.0.0/16", n + 1);
	cleanup_free char *subnet6 = xasprintf("fd00:%d::/64", n + 1);
	cleanup_free char *bridge = xasprintf("br-%d", n + 1);
	bool is_bridge = !strcmp(o_driver(n), "bridge");
	int label = w->network_labels[n];

	return o_dump(json_pack("{s:i,s:s,s:s,s:s,s:o,s:[s,s],s:n,s:o}", "v", 1, "id", id, "name",
		name, "driver", o_driver(n), "bridge", o_text_or_null(is_bridge ? bridge : ""),
		"subnets", subnet4, subnet6, "shared", "isolation",
		o_text_or_null(label == O_NONE ? "" : isolation_name((enum isolation)label))));
}

static void o_add_node(const struct o_world *w, struct batch *batch)
{
	char id[32];

	for (int i = 0; i < O_NETWORKS; i++) {
		snprintf(id, sizeof(id), "net%d0000000", i + 1);
		add(batch, KIND_NETWORK, id, o_network_record(w, i));
	}
	for (int i = 0; i < w->endpoint_count; i++) {
		snprintf(id, sizeof(id), "ep%d", i);
		add(batch, KIND_ENDPOINT, id, o_endpoint_record(&w->endpoints[i], id));
	}
}

static void o_add_policies(const struct o_world *w, struct batch *batch)
{
	static const char *const nodes[] = {NODE, "*"};
	char id[64];

	for (int i = 0; i < w->policy_count; i++)
		add(batch, KIND_POLICY, o_policy_names[w->policies[i].name],
			o_policy_record(w, &w->policies[i]));
	for (int i = 0; i < O_TIERS; i++)
		if (w->tiers[i].there)
			add(batch, KIND_TIER, o_tier_names[i],
				o_tier_record(&w->tiers[i], o_tier_names[i]));
	for (int i = 0; i < O_NETSETS; i++)
		if (w->netsets[i].there)
			add(batch, KIND_NETSET, o_netset_names[i],
				o_netset_record(&w->netsets[i], o_netset_names[i]));
	for (int any = 0; any < 2; any++) {
		for (int i = 0; i < O_NETWORKS; i++) {
			int word = w->overrides[i][any];

			snprintf(id, sizeof(id), "%s/net%d", nodes[any], i + 1);
			if (word != O_NONE)
				add(batch, KIND_ISOLATION, id,
					xstrdup(isolation_name((enum isolation)word)));
		}
		for (int name = 0; name < O_VALUES; name++) {
			const struct o_overlay *overlay = &w->overlays[name][any];

			snprintf(id, sizeof(id), "%s/%s", nodes[any], o_values[O_DERIVED][name]);
			if (overlay->there)
				add(batch, KIND_LABELS, id,
					o_dump(o_labels_json(overlay->labels, O_DERIVED)));
		}
	}
}

/* Whether the bridge table judges what goes from port to port: a kernel's, where there is one. */
static bool o_bridge_tracked;

/* The world of enforcerd, its ruleset compiled. */
static struct world *o_enforcer(const struct o_world *w)
{
	static char glob[] = "*2";
	static char *const strict[] = {glob};
	const struct world_config config = {.node = NODE,
		.isolation = (enum isolation)w->isolation,
		.strict_networks = strict,
		.strict_network_count = w->strict_by_flag,
		.skeleton = {.bridge_tracked = o_bridge_tracked}};
	struct world *world = world_new(&config);
	struct batch node = {0}, policies = {0};

	o_add_node(w, &node);
	o_add_policies(w, &policies);
	apply(world, NODE_STREAM, &node, true);
	apply(world, POLICIES, &policies, true);
	return world;
}

#endif
