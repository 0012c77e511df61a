/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fast evaluator over an oracle's world, by way of its records; and how a flow is put to it. */
#ifndef BULKHEAD_TEST_ORACLE_FAST_H
#define BULKHEAD_TEST_ORACLE_FAST_H

#include "tests/unit/enforcerd/oracle_slow.h"

struct f_world {
	struct evaluator *evaluator;
	struct network *networks[O_NETWORKS];
	struct endpoint *endpoints[O_ENDPOINTS];
	struct labels *labels[O_ENDPOINTS];
	struct network *peers[O_PEERS][O_PEER_NETWORKS];
	struct endpoint *remotes[O_REMOTES];
	struct labels *remote_labels[O_REMOTES];
	struct policy *policies[O_POLICIES];
	struct tier *tiers[O_TIERS];
	struct netset *netsets[O_NETSETS];
};

static json_t *f_decode(char *text)
{
	struct err err = {0};
	json_t *record = record_decode(text, strlen(text), &err);

	ck_assert_msg(record != NULL, "%s: %s", text, err.text);
	free(text);
	return record;
}

/* The record's, and the operator's over them. */
static struct labels *f_labels(const struct o_world *w, const struct o_endpoint *endpoint,
	bool node, const struct endpoint *record)
{
	struct labels *labels = labels_copy(record->labels);
	int values[O_KEYS];

	s_labels(w, endpoint, node, values);
	for (int k = 0; k < O_KEYS; k++)
		if (values[k] != O_NONE)
			labels_set(labels, o_keys[k], o_values[k][values[k]]);
	return labels;
}

static void f_add_endpoint(struct f_world *f, const struct o_world *w, int i)
{
	struct err err = {0};
	cleanup_free char *id = xasprintf("ep%d", i);
	cleanup_json json_t *record = f_decode(o_endpoint_record(&w->endpoints[i], NODE, id));

	f->endpoints[i] = endpoint_from_json(record, NODE, id, &err);
	ck_assert_msg(f->endpoints[i] != NULL, "%s", err.text);
	f->labels[i] = f_labels(w, &w->endpoints[i], true, f->endpoints[i]);
	evaluator_endpoint(f->evaluator, f->endpoints[i], f->labels[i]);
}

static void f_add_peer(struct f_world *f, const struct o_world *w, int peer)
{
	struct err err = {0};

	for (int i = 0; i < O_PEER_NETWORKS; i++) {
		cleanup_free char *id = xasprintf("net%d0000000", i + 1);
		cleanup_json json_t *record =
			f_decode(o_network_text(i, O_NONE, w->peers[peer][i]));

		f->peers[peer][i] = network_from_json(record, id, &err);
		ck_assert_msg(f->peers[peer][i] != NULL, "%s", err.text);
	}
}

static void f_add_remote(struct f_world *f, const struct o_world *w, int i)
{
	const struct o_remote *remote = &w->remotes[i];
	const char *node = o_peers[remote->peer];
	struct err err = {0};
	cleanup_free char *id = xasprintf("far%d", i);
	cleanup_json json_t *record = f_decode(o_endpoint_record(&remote->endpoint, node, id));

	f->remotes[i] = endpoint_from_json(record, node, id, &err);
	ck_assert_msg(f->remotes[i] != NULL, "%s", err.text);
	f->remote_labels[i] = f_labels(w, &remote->endpoint, false, f->remotes[i]);
	evaluator_remote(f->evaluator, f->remotes[i], f->remote_labels[i],
		f->peers[remote->peer][remote->endpoint.network]);
}

static void f_add_tier(struct f_world *f, const struct o_world *w, int i)
{
	struct err err = {0};
	cleanup_json json_t *record = NULL;

	if (!w->tiers[i].there)
		return;
	record = f_decode(o_tier_record(&w->tiers[i], o_tier_names[i]));
	f->tiers[i] = tier_from_json(record, &err);
	ck_assert_msg(f->tiers[i] != NULL, "%s", err.text);
	evaluator_tier(f->evaluator, f->tiers[i]);
}

static void f_add_netset(struct f_world *f, const struct o_world *w, int i)
{
	struct err err = {0};
	cleanup_json json_t *record = NULL;

	if (!w->netsets[i].there)
		return;
	record = f_decode(o_netset_record(&w->netsets[i], o_netset_names[i]));
	f->netsets[i] = netset_from_json(record, &err);
	ck_assert_msg(f->netsets[i] != NULL, "%s", err.text);
	evaluator_netset(f->evaluator, f->netsets[i]);
}

static void f_open(struct f_world *f, const struct o_world *w)
{
	struct err err = {0};

	*f = (struct f_world){.evaluator = evaluator_new()};
	for (int i = 0; i < O_NETWORKS; i++) {
		cleanup_free char *id = xasprintf("net%d0000000", i + 1);
		cleanup_json json_t *record = f_decode(o_network_record(w, i));

		f->networks[i] = network_from_json(record, id, &err);
		ck_assert_msg(f->networks[i] != NULL, "%s", err.text);
		evaluator_network(f->evaluator, f->networks[i], s_isolation(w, i));
	}
	for (int i = 0; i < w->endpoint_count; i++)
		f_add_endpoint(f, w, i);
	for (int i = 0; i < O_PEERS; i++)
		f_add_peer(f, w, i);
	for (int i = 0; i < w->policy_count; i++) {
		cleanup_json json_t *record = f_decode(o_policy_record(w, &w->policies[i]));

		f->policies[i] = policy_from_json(record, &err);
		ck_assert_msg(f->policies[i] != NULL, "%s", err.text);
		evaluator_policy(f->evaluator, f->policies[i]);
	}
	for (int i = 0; i < O_TIERS; i++)
		f_add_tier(f, w, i);
	for (int i = 0; i < O_NETSETS; i++)
		f_add_netset(f, w, i);
	evaluator_finish(f->evaluator);
	for (int i = 0; i < w->remote_count; i++)
		f_add_remote(f, w, i);
}

static void f_close(struct f_world *f)
{
	evaluator_free(f->evaluator);
	for (int i = 0; i < O_NETWORKS; i++)
		network_free(f->networks[i]);
	for (int i = 0; i < O_ENDPOINTS; i++) {
		endpoint_free(f->endpoints[i]);
		labels_free(f->labels[i]);
	}
	for (int i = 0; i < O_PEERS * O_PEER_NETWORKS; i++)
		network_free(f->peers[i / O_PEER_NETWORKS][i % O_PEER_NETWORKS]);
	for (int i = 0; i < O_REMOTES; i++) {
		endpoint_free(f->remotes[i]);
		labels_free(f->remote_labels[i]);
	}
	for (int i = 0; i < O_POLICIES; i++)
		policy_free(f->policies[i]);
	for (int i = 0; i < O_TIERS; i++)
		tier_free(f->tiers[i]);
	for (int i = 0; i < O_NETSETS; i++)
		netset_free(f->netsets[i]);
}

static void f_ask(const struct f_world *f, const struct o_flow *flow, struct verdict *verdict)
{
	struct question question = {.flow = {.protocol = flow->protocol,
					    .icmp_type = flow->icmp_type,
					    .icmp_code = flow->icmp_code}};

	ck_assert_int_eq(ip_parse(flow->ips[0], &question.flow.source.ip, NULL), 0);
	ck_assert_int_eq(ip_parse(flow->ips[1], &question.flow.destination.ip, NULL), 0);
	question.flow.source.port = (uint16_t)flow->ports[0];
	question.flow.destination.port = (uint16_t)flow->ports[1];
	evaluate(f->evaluator, &question, verdict);
}

/* --- comparing --------------------------------------------------------------------------------- */

UNUSED_HELPER char *s_text(const struct o_world *w, const struct s_verdict *verdict)
{
	struct strbuf out = {0};

	for (int dir = 0; dir < DIR_COUNT; dir++) {
		const struct s_walk *walk = &verdict->walks[dir];

		strbuf_addf(&out, "%s: end %d, %s, by %s[%d]%s; ",
			policy_direction_name((enum policy_direction)dir), (int)walk->standing,
			walk->allowed ? "allowed" : "denied",
			walk->policy == O_NONE ? "-"
					       : o_policy_names[w->policies[walk->policy].name],
			walk->rule, walk->staged_denies ? ", staged denies" : "");
	}
	strbuf_addf(&out, "%s%s", verdict->strict ? "strict, " : "",
		verdict->allowed ? "allowed" : "denied");
	return strbuf_take(&out);
}

UNUSED_HELPER char *f_text(const struct verdict *verdict)
{
	struct strbuf out = {0};

	for (int dir = 0; dir < DIR_COUNT; dir++) {
		const struct end_walk *walk = &verdict->walks[dir];

		strbuf_addf(&out, "%s: end %d, %s, by %s[%d]%s; ",
			policy_direction_name((enum policy_direction)dir), (int)walk->standing,
			walk->allowed ? "allowed" : "denied",
			walk->decided ? walk->decided->policy->name : "-",
			walk->decided ? walk->decided->rule : O_NONE,
			walk->staged_denies ? ", staged denies" : "");
	}
	strbuf_addf(&out, "%s%s", verdict->strict ? "strict, " : "",
		verdict->allowed ? "allowed" : "denied");
	return strbuf_take(&out);
}

#endif
