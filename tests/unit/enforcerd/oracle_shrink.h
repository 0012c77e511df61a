/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a failing world smaller: one simplification after the other, each kept while the world still fails. */
#ifndef BULKHEAD_TEST_ORACLE_SHRINK_H
#define BULKHEAD_TEST_ORACLE_SHRINK_H

#include "tests/unit/enforcerd/oracle_records.h"

/* The n-th simplification that is still possible is carried out; *n counts down to it. */
#define O_TRY(n, possible, change)                 \
	do {                                       \
		if ((possible) && (*(n))-- == 0) { \
			change;                    \
			return true;               \
		}                                  \
	} while (0)

static bool o_simplify_entity(struct o_entity *entity, int *n)
{
	O_TRY(n, entity->selector != O_NONE, entity->selector = O_NONE);
	O_TRY(n, entity->not_selector != O_NONE, entity->not_selector = O_NONE);
	O_TRY(n, entity->tag != O_NONE, entity->tag = O_NONE);
	O_TRY(n, entity->not_tag != O_NONE, entity->not_tag = O_NONE);
	O_TRY(n, entity->net_count, entity->net_count--);
	O_TRY(n, entity->not_net_count, entity->not_net_count--);
	O_TRY(n, entity->port_count, entity->port_count--);
	O_TRY(n, entity->not_port_count, entity->not_port_count--);
	return false;
}

static bool o_has_ports(const struct o_rule *rule)
{
	return rule->ends[0].port_count || rule->ends[0].not_port_count ||
	       rule->ends[1].port_count || rule->ends[1].not_port_count;
}

static bool o_simplify_rule(struct o_rule *rule, int *n)
{
	O_TRY(n, rule->ip_version, rule->ip_version = 0);
	O_TRY(n, rule->protocol != O_NONE && !o_has_ports(rule), rule->protocol = O_NONE);
	O_TRY(n, rule->not_protocol != O_NONE, rule->not_protocol = O_NONE);
	O_TRY(n, rule->icmp.type != O_NONE, rule->icmp.type = O_NONE);
	O_TRY(n, rule->not_icmp.type != O_NONE, rule->not_icmp.type = O_NONE);
	return o_simplify_entity(&rule->ends[0], n) || o_simplify_entity(&rule->ends[1], n);
}

static bool o_simplify_policy(struct o_world *w, struct o_policy *policy, int *n)
{
	O_TRY(n, policy->order != O_NONE, policy->order = O_NONE);
	O_TRY(n, policy->staged, policy->staged = false);
	O_TRY(n, policy->tier != O_NONE, policy->tier = O_NONE);
	O_TRY(n, w->nodes[policy->selector].op != O_ALL, w->nodes[policy->selector].op = O_ALL);
	O_TRY(n, policy->governs[0] && policy->governs[1], policy->governs[0] = false);
	O_TRY(n, policy->governs[0] && policy->governs[1], policy->governs[1] = false);
	for (int dir = 0; dir < DIR_COUNT; dir++)
		for (int r = 0; r < policy->rule_count[dir]; r++) {
			O_TRY(n, true,
				memmove(&policy->rules[dir][r], &policy->rules[dir][r + 1],
					(size_t)(--policy->rule_count[dir] - r) *
						sizeof(policy->rules[dir][r])));
			if (o_simplify_rule(&policy->rules[dir][r], n))
				return true;
		}
	return false;
}

static bool o_simplify_endpoint(struct o_endpoint *endpoint, int *n)
{
	for (int k = 0; k < O_DERIVED; k++)
		O_TRY(n, endpoint->labels[k] != O_NONE, endpoint->labels[k] = O_NONE);
	O_TRY(n, endpoint->rejected, endpoint->rejected = false);
	O_TRY(n, *endpoint->ips[1], *endpoint->ips[1] = '\0');
	return false;
}

/* False: there are not that many simplifications. */
static bool o_simplify(struct o_world *w, int n)
{
	for (int i = 0; i < w->policy_count; i++)
		O_TRY(&n, true, w->policies[i] = w->policies[--w->policy_count]);
	for (int i = 0; i < w->endpoint_count; i++)
		O_TRY(&n, w->endpoint_count > 1,
			w->endpoints[i] = w->endpoints[--w->endpoint_count]);
	for (int i = 0; i < w->remote_count; i++)
		O_TRY(&n, true, w->remotes[i] = w->remotes[--w->remote_count]);
	for (int i = 0; i < w->policy_count; i++)
		if (o_simplify_policy(w, &w->policies[i], &n))
			return true;
	for (int i = 0; i < O_TIERS; i++) {
		O_TRY(&n, w->tiers[i].there, w->tiers[i].there = false);
		O_TRY(&n, w->tiers[i].passes, w->tiers[i].passes = false);
	}
	for (int i = 0; i < O_NETSETS; i++) {
		O_TRY(&n, w->netsets[i].there, w->netsets[i].there = false);
		O_TRY(&n, w->netsets[i].net_count, w->netsets[i].net_count--);
	}
	for (int i = 0; i < w->endpoint_count; i++)
		if (o_simplify_endpoint(&w->endpoints[i], &n))
			return true;
	for (int i = 0; i < w->remote_count; i++)
		if (o_simplify_endpoint(&w->remotes[i].endpoint, &n))
			return true;
	for (int i = 0; i < O_NETWORKS; i++)
		O_TRY(&n, w->shared[i] != O_NONE, w->shared[i] = O_NONE);
	for (int i = 0; i < O_PEERS * O_PEER_NETWORKS; i++) {
		int *domain = &w->peers[i / O_PEER_NETWORKS][i % O_PEER_NETWORKS];

		O_TRY(&n, *domain != O_NONE, *domain = O_NONE);
	}
	for (int any = 0; any < 2; any++) {
		for (int i = 0; i < O_VALUES; i++)
			O_TRY(&n, w->overlays[i][any].there, w->overlays[i][any].there = false);
		for (int i = 0; i < O_NETWORKS; i++)
			O_TRY(&n, w->overrides[i][any] != O_NONE, w->overrides[i][any] = O_NONE);
	}
	for (int i = 0; i < O_NETWORKS; i++)
		O_TRY(&n, w->network_labels[i] != O_NONE, w->network_labels[i] = O_NONE);
	O_TRY(&n, w->strict_by_flag, w->strict_by_flag = false);
	return false;
}

/* fails: whether the world still shows the difference. */
static void o_shrink(
	struct o_world *w, bool (*fails)(const struct o_world *w, void *arg), void *arg)
{
	struct o_world *smaller = xcalloc(1, sizeof(*smaller));

	for (int n = 0;;) {
		*smaller = *w;
		if (!o_simplify(smaller, n))
			break;
		if (fails(smaller, arg)) {
			*w = *smaller;
			n = 0;
		} else {
			n++;
		}
	}
	free(smaller);
}

/* The world as the records that it is made of, and the flow. */
static char *o_describe(const struct o_world *w, const struct o_flow *flow)
{
	struct batch batch = {0};
	struct strbuf out = {0};

	strbuf_addf(&out, "--isolation %s%s\n", isolation_name((enum isolation)w->isolation),
		w->strict_by_flag ? " --strict-network *2" : "");
	o_add_node(w, &batch);
	for (int peer = 0; w->remote_count && peer < O_PEERS; peer++)
		o_add_peer(w, peer, &batch);
	o_add_policies(w, &batch);
	for (size_t i = 0; i < batch.count; i++)
		strbuf_addf(&out, "%s %s\n", batch.items[i].id, batch.items[i].record);
	strbuf_addf(&out, "flow: %s port %d to %s port %d, protocol %d, ICMP %d/%d\n", flow->ips[0],
		flow->ports[0], flow->ips[1], flow->ports[1], flow->protocol, flow->icmp_type,
		flow->icmp_code);
	batch_clear(&batch);
	return strbuf_take(&out);
}

#endif
