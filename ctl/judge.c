/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/judge.h"

#include "common/xalloc.h"

#include <netinet/in.h>
#include <string.h>

enum { PORT_DNS = 53 };

struct node_judge {
	const char *node;
	struct evaluator *evaluator;
	bool finished, shown; /* the latter: endpoints of other nodes */
};

struct judge {
	struct node_judge *nodes;
	size_t count, cap;
	struct evaluator *nobody; /* of a node that nothing is known of */
	const struct world *world;
	const struct policies *policies;
};

static struct node_judge *find_node(const struct judge *judge, const char *node)
{
	for (size_t i = 0; node && i < judge->count; i++)
		if (!strcmp(judge->nodes[i].node, node))
			return &judge->nodes[i];
	return NULL;
}

static struct evaluator *make_node(struct judge *judge, const char *node)
{
	const struct node_judge *known = find_node(judge, node);

	if (known)
		return known->evaluator;
	xgrow(judge->nodes, judge->count, judge->cap);
	judge->nodes[judge->count] =
		(struct node_judge){.node = node, .evaluator = evaluator_new()};
	evaluator_host(judge->nodes[judge->count].evaluator, node);
	return judge->nodes[judge->count++].evaluator;
}

static void finish(struct evaluator *e, const struct policies *policies)
{
	for (size_t i = 0; i < policies->count; i++)
		evaluator_policy(e, policies->items[i]);
	for (size_t i = 0; i < policies->tier_count; i++)
		evaluator_tier(e, policies->tiers[i]);
	for (size_t i = 0; i < policies->netset_count; i++)
		evaluator_netset(e, policies->netsets[i]);
	evaluator_finish(e);
}

static void add_remotes(const struct judge *judge, const struct node_judge *own)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(judge->world, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(endpoints[i].record->node, own->node) != 0)
			evaluator_remote(own->evaluator, endpoints[i].record, endpoints[i].labels,
				endpoints[i].network);
}

/*
 * remotes: whether endpoints of other nodes count. They are shown to a node when it is asked about them: all to each would take the
 * square of the memory.
 */
static const struct evaluator *of_node(const struct judge *judge, const char *node, bool remotes)
{
	struct node_judge *own = find_node(judge, node);

	if (!own)
		return judge->nobody;
	if (!own->finished)
		finish(own->evaluator, judge->policies);
	own->finished = true;
	if (remotes && !own->shown)
		add_remotes(judge, own);
	own->shown |= remotes;
	return own->evaluator;
}

struct judge *judge_new(const struct world *world, const struct policies *policies)
{
	struct judge *judge = xcalloc(1, sizeof(*judge));
	size_t count;
	const struct world_network *networks = world_networks(world, &count);
	const struct world_endpoint *endpoints;

	judge->world = world;
	judge->policies = policies;
	judge->nobody = evaluator_new();
	for (size_t i = 0; i < count; i++)
		evaluator_network(make_node(judge, networks[i].node), networks[i].record,
			networks[i].isolation);
	endpoints = world_endpoints(world, &count);
	for (size_t i = 0; i < count; i++)
		evaluator_endpoint(make_node(judge, endpoints[i].record->node), endpoints[i].record,
			endpoints[i].labels);
	finish(judge->nobody, policies);
	return judge;
}

void judge_free(struct judge *judge)
{
	if (!judge)
		return;
	for (size_t i = 0; i < judge->count; i++)
		evaluator_free(judge->nodes[i].evaluator);
	evaluator_free(judge->nobody);
	free(judge->nodes);
	free(judge);
}

void judge_try(const struct judge *judge, const struct trial *trial, struct judgement *judgement)
{
	judgement->allowed = true;
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		evaluate(of_node(judge, trial->nodes[dir], true), &trial->question,
			&judgement->verdicts[dir]);
		judgement->allowed &= judgement->verdicts[dir].allowed;
	}
}

void judgement_clear(struct judgement *judgement)
{
	for (int dir = 0; dir < DIR_COUNT; dir++)
		verdict_clear(&judgement->verdicts[dir]);
}

const struct end_walk *judgement_walk(
	const struct judgement *judgement, enum policy_direction direction)
{
	return &judgement->verdicts[direction].walks[direction];
}

const struct network *judgement_strict(
	const struct judgement *judgement, enum policy_direction *end)
{
	for (int dir = 0; dir < DIR_COUNT; dir++)
		if (judgement->verdicts[dir].strict) {
			*end = judgement->verdicts[dir].strict_end;
			return judgement->verdicts[dir].strict;
		}
	return NULL;
}

/* --- names ------------------------------------------------------------------------------------- */

/* NULL: anybody. A server outside is in a selector's set by a network set only; on the host, by a selector that names it. */
static bool selects_outside(const struct judge *judge, const struct selector *selector)
{
	if (selector && selector_names_host(selector))
		return true;
	for (size_t i = 0; selector && i < judge->policies->netset_count; i++)
		if (selector_match(selector, judge->policies->netsets[i]->labels))
			return true;
	return !selector;
}

/*
 * Whether there is an address that the rule lets this protocol's port 53 through to. A rule for containers counts only where it names the
 * port, since one of them may be the server.
 */
static bool may_ask(const struct judge *judge, const struct policy_rule *rule, int protocol)
{
	const struct policy_entity *to = &rule->destination;
	bool port = !to->ports.count && selects_outside(judge, to->selector) &&
		    selects_outside(judge, to->tag);

	for (size_t i = 0; i < to->ports.count; i++)
		port |= to->ports.items[i].first <= PORT_DNS && to->ports.items[i].last >= PORT_DNS;
	return rule->action == ACTION_ALLOW && port && rule_protocol_admits(rule, protocol);
}

bool judge_names_lost(const struct judge *judge, const struct world_endpoint *endpoint)
{
	const struct ip *own =
		endpoint->record->ipv4.family ? &endpoint->record->ipv4 : &endpoint->record->ipv6;
	const struct question question = {.flow = {.protocol = IPPROTO_UDP,
						  .source = {.ip = *own},
						  .destination = {.ip = *own, .port = PORT_DNS}}};
	struct verdict verdict cleanup_verdict = {0};
	const struct end_walk *walk = &verdict.walks[DIR_EGRESS];

	/* which policies govern it: no other endpoint is asked about */
	evaluate(of_node(judge, endpoint->record->node, false), &question, &verdict);
	if (walk->standing != END_ISOLATED)
		return false;
	for (size_t i = 0; i < walk->step_count; i++) {
		const struct policy *policy = walk->steps[i].policy;

		for (size_t r = 0; r < policy->rule_count[DIR_EGRESS] && !policy->staged; r++)
			if (may_ask(judge, &policy->rules[DIR_EGRESS][r], IPPROTO_UDP) ||
				may_ask(judge, &policy->rules[DIR_EGRESS][r], IPPROTO_TCP))
				return false;
	}
	return true;
}
