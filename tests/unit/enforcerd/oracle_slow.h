/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slow and obvious evaluator: written from the description of the language for the tests alone, over the oracle's own values. It
 * shares no code with the fast one: no selector parser, no CIDR arithmetic, no index.
 */
#ifndef BULKHEAD_TEST_ORACLE_SLOW_H
#define BULKHEAD_TEST_ORACLE_SLOW_H

#include "common/evaluate.h"
#include "tests/unit/enforcerd/oracle_records.h"

#include <arpa/inet.h>

/* What one end says. */
struct s_walk {
	enum end_standing standing;
	int policy, rule; /* that decided: place in policies, or O_NONE */
	bool allowed, staged_denies;
};

struct s_verdict {
	struct s_walk walks[DIR_COUNT];
	bool strict; /* an end is nobody's in a strict network */
	bool allowed;
};

/* --- labels and isolation ---------------------------------------------------------------------- */

/* node: whether it is of this one. */
static void s_labels(
	const struct o_world *w, const struct o_endpoint *endpoint, bool node, int labels[O_KEYS])
{
	const struct o_overlay *own = &w->overlays[endpoint->name][0];
	const struct o_overlay *any = &w->overlays[endpoint->name][1];

	for (int k = 0; k < O_KEYS; k++) {
		labels[k] = endpoint->labels[k];
		if (k == O_DERIVED)
			continue;
		if (any->there && any->labels[k] != O_NONE)
			labels[k] = any->labels[k];
		if (node && own->there && own->labels[k] != O_NONE)
			labels[k] = own->labels[k];
	}
}

/* Whether the text has the part at that place. */
static bool s_part_at(const char *text, size_t at, const char *part)
{
	for (size_t i = 0; part[i]; i++)
		if (text[at + i] != part[i])
			return false;
	return true;
}

static bool s_has_part(enum o_op op, const char *text, const char *part)
{
	size_t len = strlen(text), part_len = strlen(part);

	for (size_t at = 0; at + part_len <= len; at++)
		if ((op != O_STARTS_WITH || at == 0) &&
			(op != O_ENDS_WITH || at + part_len == len) && s_part_at(text, at, part))
			return true;
	return false;
}

static bool s_selects(const struct o_world *w, int at, const int *labels)
{
	const struct o_node *node = &w->nodes[at];
	/* values are compared as text: the same text may stand at two places */
	const char *value =
		labels[node->key] == O_NONE ? NULL : o_values[node->key][labels[node->key]];
	bool first = value && !strcmp(value, o_values[node->key][node->values[0]]);
	bool second = value && !strcmp(value, o_values[node->key][node->values[1]]);

	switch (node->op) {
	case O_ALL:
		return true;
	case O_HAS:
		return value != NULL;
	case O_EQ:
		return first;
	case O_NE:
		return !first;
	case O_IN:
		return first || second;
	case O_NOT_IN:
		return !first && !second;
	case O_CONTAINS:
	case O_STARTS_WITH:
	case O_ENDS_WITH:
		return value && s_has_part(node->op, value, o_parts[node->values[0]]);
	case O_NOT:
		return !s_selects(w, node->left, labels);
	case O_AND:
		return s_selects(w, node->left, labels) && s_selects(w, node->right, labels);
	default:
		return s_selects(w, node->left, labels) || s_selects(w, node->right, labels);
	}
}

static enum isolation s_isolation(const struct o_world *w, int network)
{
	if (w->overrides[network][0] != O_NONE)
		return (enum isolation)w->overrides[network][0];
	if (w->overrides[network][1] != O_NONE)
		return (enum isolation)w->overrides[network][1];
	if (w->strict_by_flag && network + 1 == 2)
		return ISOLATION_STRICT;
	if (w->network_labels[network] != O_NONE)
		return (enum isolation)w->network_labels[network];
	return (enum isolation)w->isolation;
}

static bool s_is_isolated(
	const struct o_world *w, const struct o_endpoint *endpoint, const int labels[O_KEYS])
{
	enum isolation isolation = s_isolation(w, endpoint->network);
	bool labelled = endpoint->rejected;

	for (int k = 0; k < O_DERIVED; k++)
		labelled = labelled || labels[k] != O_NONE;
	if (strcmp(o_driver(endpoint->network), "bridge") != 0)
		return false;
	return isolation == ISOLATION_STRICT || (isolation == ISOLATION_LABELLED && labelled);
}

/* --- addresses --------------------------------------------------------------------------------- */

static bool s_bit(const unsigned char *bytes, int n)
{
	return (bytes[n / 8] >> (7 - n % 8)) & 1;
}

static bool s_in_block(const char *ip, const char *block)
{
	char address[40] = "";
	unsigned char a[16], b[16];
	const char *slash = strchr(block, '/');
	int family = strchr(block, ':') ? AF_INET6 : AF_INET;

	memcpy(address, block, (size_t)(slash - block));
	if ((strchr(ip, ':') != NULL) != (family == AF_INET6))
		return false;
	ck_assert_int_eq(inet_pton(family, ip, a), 1);
	ck_assert_int_eq(inet_pton(family, address, b), 1);
	for (int n = 0; n < atoi(slash + 1); n++)
		if (s_bit(a, n) != s_bit(b, n))
			return false;
	return true;
}

static bool s_in_network(const char *ip, int network)
{
	cleanup_free char *subnet4 = xasprintf("10.%d.0.0/16", network + 1);
	cleanup_free char *subnet6 = xasprintf("fd00:%d::/64", network + 1);

	return s_in_block(ip, subnet4) || s_in_block(ip, subnet6);
}

/* How many endpoints have it, and the last of them. */
static int s_owners(const struct o_world *w, const char *ip, int *owner)
{
	int count = 0;

	for (int i = 0; i < w->endpoint_count; i++)
		for (int family = 0; family < 2; family++)
			if (!strcmp(w->endpoints[i].ips[family], ip)) {
				*owner = i;
				count++;
			}
	return count;
}

/* --- other nodes ------------------------------------------------------------------------------- */

/* Whether it is of a network that both nodes share, and nobody else can be meant by the address here. */
static bool s_counts(const struct o_world *w, const struct o_remote *remote, const char *ip)
{
	int domain = w->peers[remote->peer][remote->endpoint.network];
	bool shared = false;

	for (int family = 0; family < 2; family++)
		if (*remote->endpoint.ips[family] &&
			!s_in_network(remote->endpoint.ips[family], remote->endpoint.network))
			return false;
	for (int n = 0; n < O_NETWORKS; n++)
		if (domain != O_NONE && w->shared[n] == domain)
			shared = true;
	for (int n = 0; n < O_NETWORKS; n++)
		if (w->shared[n] != domain && s_in_network(ip, n))
			return false;
	return shared;
}

/* How many endpoints of other nodes have it and count, and the last of them. */
static int s_claims(const struct o_world *w, const char *ip, const struct o_remote **remote)
{
	int count = 0;

	for (int i = 0; i < w->remote_count; i++)
		for (int family = 0; family < 2; family++)
			if (!strcmp(w->remotes[i].endpoint.ips[family], ip) &&
				s_counts(w, &w->remotes[i], ip)) {
				*remote = &w->remotes[i];
				count++;
			}
	return count;
}

/* Of nobody here: END_REMOTE, END_DISPUTED or END_STRANGER. */
static enum end_standing s_elsewhere(
	const struct o_world *w, const char *ip, const struct o_remote **remote)
{
	int owner = O_NONE, claims = s_claims(w, ip, remote);

	if (s_owners(w, ip, &owner) || !claims)
		return END_STRANGER;
	return claims == 1 ? END_REMOTE : END_DISPUTED;
}

/* --- rules ------------------------------------------------------------------------------------- */

static bool s_in_nets(const char *ip, const int *nets, int count, int family)
{
	for (int i = 0; i < count; i++)
		if (s_in_block(ip, o_cidrs[family][nets[i]]))
			return true;
	return false;
}

static bool s_in_ports(int port, const int *ports, int count)
{
	for (int i = 0; i < count; i++)
		if (port >= o_ports[ports[i]].first && port <= o_ports[ports[i]].last)
			return true;
	return false;
}

static bool s_in_netset(const struct o_netset *set, const char *ip)
{
	for (int i = 0; set->there && i < set->net_count; i++)
		if (s_in_block(ip, o_cidrs[set->families[i]][set->nets[i]]))
			return true;
	return false;
}

/* labels: NULL for an address that is no endpoint's: only a network set can have it then. */
static bool s_selected(const struct o_world *w, int selector, const char *ip, const int *labels)
{
	if (labels && s_selects(w, selector, labels))
		return true;
	for (int n = 0; n < O_NETSETS; n++)
		if (s_in_netset(&w->netsets[n], ip) && s_selects(w, selector, w->netsets[n].labels))
			return true;
	return false;
}

static bool s_tagged(const struct o_world *w, int key, const char *ip, const int *labels)
{
	if (labels && labels[key] != O_NONE)
		return true;
	for (int n = 0; n < O_NETSETS; n++)
		if (s_in_netset(&w->netsets[n], ip) && w->netsets[n].labels[key] != O_NONE)
			return true;
	return false;
}

static bool s_entity(const struct o_world *w, const struct o_rule *rule, int end,
	const struct o_flow *flow, const int *labels)
{
	const struct o_entity *entity = &rule->ends[end];
	const char *ip = flow->ips[end];
	bool of_family = (strchr(ip, ':') != NULL) == rule->family;

	if (entity->selector != O_NONE && !s_selected(w, entity->selector, ip, labels))
		return false;
	if (entity->not_selector != O_NONE && s_selected(w, entity->not_selector, ip, labels))
		return false;
	if (entity->tag != O_NONE && !s_tagged(w, entity->tag, ip, labels))
		return false;
	if (entity->not_tag != O_NONE && s_tagged(w, entity->not_tag, ip, labels))
		return false;
	/* a list without anything of the flow's family: no rule for that family, notNets included */
	if ((entity->net_count || entity->not_net_count) && !of_family)
		return false;
	if (entity->net_count && !s_in_nets(ip, entity->nets, entity->net_count, rule->family))
		return false;
	if (s_in_nets(ip, entity->not_nets, entity->not_net_count, rule->family))
		return false;
	if (entity->port_count && !s_in_ports(flow->ports[end], entity->ports, entity->port_count))
		return false;
	return !s_in_ports(flow->ports[end], entity->not_ports, entity->not_port_count);
}

static bool s_is_icmp(const struct o_icmp *icmp, const struct o_flow *flow)
{
	return flow->icmp_type == icmp->type &&
	       (icmp->code == O_NONE || icmp->code == flow->icmp_code);
}

static bool s_rule(const struct o_world *w, const struct o_rule *rule, const struct o_flow *flow,
	const int *const labels[2])
{
	bool v6 = strchr(flow->ips[0], ':') != NULL;

	if (rule->ip_version && rule->ip_version != (v6 ? 6 : 4))
		return false;
	if (rule->protocol != O_NONE) {
		const struct o_protocol *protocol = &o_protocols[rule->protocol];

		if (protocol->number != flow->protocol)
			return false;
		if (protocol->implied && protocol->implied != (v6 ? 6 : 4))
			return false;
	}
	if (rule->not_protocol != O_NONE &&
		o_protocols[rule->not_protocol].number == flow->protocol)
		return false;
	/* either says something about ICMP, so that nothing else matches */
	if ((rule->icmp.type != O_NONE || rule->not_icmp.type != O_NONE) &&
		flow->protocol != (v6 ? 58 : 1))
		return false;
	if (rule->icmp.type != O_NONE && !s_is_icmp(&rule->icmp, flow))
		return false;
	if (rule->not_icmp.type != O_NONE && s_is_icmp(&rule->not_icmp, flow))
		return false;
	return s_entity(w, rule, 0, flow, labels[0]) && s_entity(w, rule, 1, flow, labels[1]);
}

/* --- walks ------------------------------------------------------------------------------------- */

/* Whether policy a comes before policy b. */
static bool s_before(const struct o_policy *a, const struct o_policy *b)
{
	if (a->order != O_NONE && b->order == O_NONE)
		return true;
	if (a->order == O_NONE && b->order != O_NONE)
		return false;
	if (a->order != O_NONE && o_orders[a->order] != o_orders[b->order])
		return o_orders[a->order] < o_orders[b->order];
	return strcmp(o_policy_names[a->name], o_policy_names[b->name]) < 0;
}

/* The first policy after this one in evaluation order, or O_NONE; after O_NONE: the first of all. */
static int s_next(const struct o_world *w, int after)
{
	int best = O_NONE;

	for (int i = 0; i < w->policy_count; i++)
		if ((after == O_NONE || s_before(&w->policies[after], &w->policies[i])) &&
			(best == O_NONE || s_before(&w->policies[i], &w->policies[best])))
			best = i;
	return best;
}

/* Beside the places in tiers and O_NONE for the default one. */
enum { S_GONE = -2 /* not there */, S_START = -3, S_END = -4 };

static int s_tier(const struct o_world *w, const struct o_policy *policy)
{
	return policy->tier == O_NONE || w->tiers[policy->tier].there ? policy->tier : S_GONE;
}

static double s_tier_order(const struct o_world *w, int tier)
{
	if (tier == O_NONE)
		return 1000000;
	return w->tiers[tier].order == O_NONE ? 1e300 : o_tier_orders[w->tiers[tier].order];
}

static const char *s_tier_name(int tier)
{
	return tier == O_NONE ? "default" : o_tier_names[tier];
}

static bool s_tier_before(const struct o_world *w, int a, int b)
{
	if (a == b || b == S_GONE)
		return false;
	if (a == S_GONE)
		return true;
	if (s_tier_order(w, a) != s_tier_order(w, b))
		return s_tier_order(w, a) < s_tier_order(w, b);
	return strcmp(s_tier_name(a), s_tier_name(b)) < 0;
}

/* The tier of any policy that comes next after this one. */
static int s_next_tier(const struct o_world *w, int after)
{
	int best = S_END;

	for (int i = 0; i < w->policy_count; i++) {
		int tier = s_tier(w, &w->policies[i]);

		if ((after == S_START || s_tier_before(w, after, tier)) &&
			(best == S_END || s_tier_before(w, tier, best)))
			best = tier;
	}
	return best;
}

/* The rule of the policy that matches and is not log, or O_NONE. */
static int s_matching(const struct o_world *w, const struct o_policy *policy,
	enum policy_direction dir, const struct o_flow *flow, const int *const labels[2])
{
	for (int r = 0; r < policy->rule_count[dir]; r++)
		if (policy->rules[dir][r].action != ACTION_LOG &&
			s_rule(w, &policy->rules[dir][r], flow, labels))
			return r;
	return O_NONE;
}

/*
 * Whether policies allow it, the staged ones counted or not; *policy and *rule: what decided, or O_NONE. Tier after tier: a tier without
 * a policy for this end is passed over; a policy whose tier is not there denies.
 */
static bool s_decide(const struct o_world *w, enum policy_direction dir, const struct o_flow *flow,
	const int *const labels[2], bool staged, int *policy, int *rule)
{
	const int *own = labels[dir == DIR_EGRESS ? 0 : 1];

	for (int t = s_next_tier(w, S_START); t != S_END; t = s_next_tier(w, t)) {
		bool any = false, decided = false;

		for (int p = s_next(w, O_NONE); p != O_NONE && !decided; p = s_next(w, p)) {
			const struct o_policy *at = &w->policies[p];
			int r = 0;

			if (s_tier(w, at) != t || !at->governs[dir] ||
				!s_selects(w, at->selector, own) || (at->staged && !staged))
				continue;
			if (!any)
				*policy = *rule = O_NONE;
			any = true;
			if (t != S_GONE)
				r = s_matching(w, at, dir, flow, labels);
			if (r == O_NONE)
				continue;
			decided = true;
			*policy = p;
			*rule = r;
			if (t == S_GONE)
				return false;
			if (at->rules[dir][r].action != ACTION_PASS)
				return at->rules[dir][r].action == ACTION_ALLOW;
		}
		if (any && !decided && (t == O_NONE || !w->tiers[t].passes))
			return false;
	}
	return false;
}

static bool s_any_staged(const struct o_world *w, enum policy_direction dir, const int *labels)
{
	for (int p = 0; p < w->policy_count; p++)
		if (w->policies[p].staged && w->policies[p].governs[dir] &&
			s_selects(w, w->policies[p].selector, labels))
			return true;
	return false;
}

static void s_walk(const struct o_world *w, enum policy_direction dir, const struct o_flow *flow,
	const int *const labels[2], struct s_walk *walk)
{
	int end = dir == DIR_EGRESS ? 0 : 1, owner = O_NONE, policy = O_NONE, rule = O_NONE;
	int owners = s_owners(w, flow->ips[end], &owner);
	const struct o_remote *remote = NULL;

	*walk = (struct s_walk){
		s_elsewhere(w, flow->ips[end], &remote), O_NONE, O_NONE, true, false};
	if (owners > 1) {
		walk->standing = END_CONTESTED;
		walk->allowed = false;
	}
	if (owners != 1)
		return;
	walk->standing = END_BYSTANDER;
	if (!s_is_isolated(w, &w->endpoints[owner], labels[end]))
		return;
	walk->standing = END_ISOLATED;
	walk->allowed = false;
	if (s_elsewhere(w, flow->ips[1 - end], &remote) == END_DISPUTED)
		return;
	walk->allowed = s_decide(w, dir, flow, labels, false, &walk->policy, &walk->rule);
	if (s_any_staged(w, dir, labels[end]))
		walk->staged_denies = !s_decide(w, dir, flow, labels, true, &policy, &rule);
}

static bool s_unknown(const struct o_world *w, const char *ip)
{
	int owner = O_NONE, owners = s_owners(w, ip, &owner);
	const struct o_remote *remote = NULL;
	bool far = s_elsewhere(w, ip, &remote) == END_REMOTE;

	for (int n = 0; n < O_NETWORKS; n++) {
		bool known = owners == 1 && w->endpoints[owner].network == n;

		if (far)
			known = w->shared[n] == w->peers[remote->peer][remote->endpoint.network];

		if (s_isolation(w, n) == ISOLATION_STRICT && !strcmp(o_driver(n), "bridge") &&
			s_in_network(ip, n) && !known)
			return true;
	}
	return false;
}

UNUSED_HELPER void s_evaluate(
	const struct o_world *w, const struct o_flow *flow, struct s_verdict *verdict)
{
	int label_space[2][O_KEYS];
	const int *labels[2] = {NULL, NULL};

	for (int end = 0; end < 2; end++) {
		const struct o_remote *remote = NULL;
		int owner = O_NONE;

		if (s_owners(w, flow->ips[end], &owner) == 1)
			s_labels(w, &w->endpoints[owner], true, label_space[end]);
		else if (s_elsewhere(w, flow->ips[end], &remote) == END_REMOTE)
			s_labels(w, &remote->endpoint, false, label_space[end]);
		else
			continue;
		labels[end] = label_space[end];
	}
	s_walk(w, DIR_EGRESS, flow, labels, &verdict->walks[DIR_EGRESS]);
	s_walk(w, DIR_INGRESS, flow, labels, &verdict->walks[DIR_INGRESS]);
	verdict->strict = s_unknown(w, flow->ips[0]) || s_unknown(w, flow->ips[1]);
	verdict->allowed = !verdict->strict && verdict->walks[DIR_EGRESS].allowed &&
			   verdict->walks[DIR_INGRESS].allowed;
}

#endif
