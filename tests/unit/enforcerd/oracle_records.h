/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An oracle's world as the records that it is made of, and enforcerd's over them. */
#ifndef BULKHEAD_TEST_ORACLE_RECORDS_H
#define BULKHEAD_TEST_ORACLE_RECORDS_H

#include "tests/unit/enforcerd/oracle_world.h"

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

static char *o_endpoint_record(const struct o_endpoint *endpoint, const char *node, const char *id)
{
	cleanup_free char *network = xasprintf("net%d", endpoint->network + 1);
	cleanup_free char *network_id = xasprintf("net%d0000000", endpoint->network + 1);
	json_t *rejected = json_object();

	if (endpoint->rejected)
		json_object_set_new(rejected, "a b", json_string("bad key"));
	return o_dump(json_pack(
		"{s:i,s:s,s:s,s:{s:s,s:s,s:s},s:{s:s,s:s,s:s},s:o,s:o,s:n,s:o,s:o,s:[],s:s}", "v",
		1, "id", id, "node", node, "container", "id", id, "name",
		o_values[O_DERIVED][endpoint->name], "image", "", "network", "id", network_id,
		"name", network, "driver", o_driver(endpoint->network), "ipv4",
		o_text_or_null(endpoint->ips[0]), "ipv6", o_text_or_null(endpoint->ips[1]), "mac",
		"labels", o_labels_json(endpoint->labels, O_KEYS), "rejected", rejected, "ports",
		"state", "running"));
}

/* label: its isolation, or O_NONE. */
static char *o_network_text(int n, int label, int domain)
{
	cleanup_free char *id = xasprintf("net%d0000000", n + 1), *name = xasprintf("net%d", n + 1);
	cleanup_free char *subnet4 = xasprintf("10.%d.0.0/16", n + 1);
	cleanup_free char *subnet6 = xasprintf("fd00:%d::/64", n + 1);
	cleanup_free char *bridge = xasprintf("br-%d", n + 1);
	bool is_bridge = !strcmp(o_driver(n), "bridge");

	return o_dump(json_pack("{s:i,s:s,s:s,s:s,s:o,s:[s,s],s:o,s:o}", "v", 1, "id", id, "name",
		name, "driver", o_driver(n), "bridge", o_text_or_null(is_bridge ? bridge : ""),
		"subnets", subnet4, subnet6, "shared",
		o_text_or_null(domain == O_NONE ? "" : o_domains[domain]), "isolation",
		o_text_or_null(label == O_NONE ? "" : isolation_name((enum isolation)label))));
}

static char *o_network_record(const struct o_world *w, int n)
{
	return o_network_text(n, w->network_labels[n], w->shared[n]);
}

static void o_add_peer(const struct o_world *w, int peer, struct batch *batch)
{
	char id[32];

	for (int i = 0; i < O_PEER_NETWORKS; i++) {
		snprintf(id, sizeof(id), "net%d0000000", i + 1);
		add(batch, KIND_NETWORK, id, o_network_text(i, O_NONE, w->peers[peer][i]));
	}
	for (int i = 0; i < w->remote_count; i++) {
		snprintf(id, sizeof(id), "far%d", i);
		if (w->remotes[i].peer == peer)
			add(batch, KIND_ENDPOINT, id,
				o_endpoint_record(&w->remotes[i].endpoint, o_peers[peer], id));
	}
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
		add(batch, KIND_ENDPOINT, id, o_endpoint_record(&w->endpoints[i], NODE, id));
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
	for (int peer = 0; o_with_peers && peer < O_PEERS; peer++) {
		cleanup_free char *stream = xasprintf("%s%s", STORE_NODE_STREAM, o_peers[peer]);
		struct batch far = {0};

		o_add_peer(w, peer, &far);
		apply(world, stream, &far, true);
	}
	apply(world, POLICIES, &policies, true);
	return world;
}

#endif
