/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/evaluate.h"

#include "common/xalloc.h"

#include <string.h>
#include <uthash.h>

struct e_network {
	const struct network *record;
	enum isolation isolation;
	UT_hash_handle hh; /* by record->id */
};

struct e_endpoint {
	const struct endpoint *record;
	const struct labels *labels;
};

struct e_address {
	struct ip ip;
	const struct e_endpoint *owner; /* the first */
	size_t owners;
	UT_hash_handle hh; /* by ip */
};

struct evaluator {
	struct e_network *networks;
	struct e_endpoint *endpoints;
	size_t endpoint_count, endpoint_cap;
	const struct policy **policies;
	size_t policy_count, policy_cap;
	struct e_address *addresses;
};

struct evaluator *evaluator_new(void)
{
	return xcalloc(1, sizeof(struct evaluator));
}

void evaluator_free(struct evaluator *e)
{
	struct e_network *network, *next_network;
	struct e_address *address, *next_address;

	if (!e)
		return;
	HASH_ITER (hh, e->networks, network, next_network) {
		HASH_DEL(e->networks, network);
		free(network);
	}
	HASH_ITER (hh, e->addresses, address, next_address) {
		HASH_DEL(e->addresses, address);
		free(address);
	}
	free(e->endpoints);
	free(e->policies);
	free(e);
}

/* --- what there is ----------------------------------------------------------------------------- */

void evaluator_network(struct evaluator *e, const struct network *record, enum isolation isolation)
{
	struct e_network *network = xcalloc(1, sizeof(*network));

	network->record = record;
	network->isolation = isolation;
	HASH_ADD_KEYPTR(hh, e->networks, record->id, strlen(record->id), network);
}

void evaluator_endpoint(
	struct evaluator *e, const struct endpoint *record, const struct labels *labels)
{
	xgrow(e->endpoints, e->endpoint_count, e->endpoint_cap);
	e->endpoints[e->endpoint_count++] = (struct e_endpoint){record, labels};
}

void evaluator_policy(struct evaluator *e, const struct policy *policy)
{
	xgrow(e->policies, e->policy_count, e->policy_cap);
	e->policies[e->policy_count++] = policy;
}

static struct e_address *find_address(const struct evaluator *e, const struct ip *ip)
{
	struct e_address *address = NULL;

	HASH_FIND(hh, e->addresses, ip, sizeof(*ip), address);
	return address;
}

static const struct e_network *find_network(const struct evaluator *e, const char *id)
{
	struct e_network *network = NULL;

	HASH_FIND(hh, e->networks, id, strlen(id), network);
	return network;
}

static void claim(struct evaluator *e, const struct ip *ip, const struct e_endpoint *owner)
{
	struct e_address *address;

	if (!ip->family)
		return;
	address = find_address(e, ip);
	if (!address) {
		address = xcalloc(1, sizeof(*address));
		address->ip = *ip;
		address->owner = owner;
		HASH_ADD(hh, e->addresses, ip, sizeof(address->ip), address);
	}
	address->owners++;
}

static int compare_policies(const void *a, const void *b)
{
	return policy_cmp(*(const struct policy *const *)a, *(const struct policy *const *)b);
}

void evaluator_finish(struct evaluator *e)
{
	if (e->policy_count)
		qsort(e->policies, e->policy_count, sizeof(*e->policies), compare_policies);
	for (size_t i = 0; i < e->endpoint_count; i++) {
		claim(e, &e->endpoints[i].record->ipv4, &e->endpoints[i]);
		claim(e, &e->endpoints[i].record->ipv6, &e->endpoints[i]);
	}
}

/* --- one end ----------------------------------------------------------------------------------- */

static bool is_isolated(
	const struct evaluator *e, const struct endpoint *record, const struct labels *labels)
{
	const struct e_network *network = find_network(e, record->network_id);

	return network ? isolation_applies(record, labels, network->record, network->isolation)
		       : isolation_applies(record, labels, NULL, ISOLATION_LABELLED);
}

static void look_up(const struct evaluator *e, const struct question *question,
	enum policy_direction direction, struct end_walk *walk)
{
	bool sender = direction == DIR_EGRESS;
	const struct flow_end *end = sender ? &question->flow.source : &question->flow.destination;
	const struct e_address *address = find_address(e, &end->ip);

	*walk = (struct end_walk){
		.direction = direction, .standing = END_STRANGER, .allowed = true};
	if (sender ? question->from_host : question->to_host) {
		walk->standing = END_HOST;
	} else if (address && address->owners > 1) {
		walk->standing = END_CONTESTED;
	} else if (address) {
		walk->endpoint = address->owner->record;
		walk->labels = question->labels[direction] ? question->labels[direction]
							   : address->owner->labels;
		walk->standing =
			is_isolated(e, walk->endpoint, walk->labels) ? END_ISOLATED : END_BYSTANDER;
	}
}

/* The first rule that decides; what is logged goes on to the next. */
static int first_rule(const struct policy *policy, enum policy_direction direction,
	const struct policy_flow *flow)
{
	for (size_t i = 0; i < policy->rule_count[direction]; i++)
		if (policy->rules[direction][i].action != ACTION_LOG &&
			rule_admits(&policy->rules[direction][i], flow))
			return (int)i;
	return STEP_NO_RULE;
}

static void add_steps(
	const struct evaluator *e, const struct policy_flow *flow, struct end_walk *walk)
{
	size_t cap = 0;

	for (size_t i = 0; i < e->policy_count; i++) {
		const struct policy *policy = e->policies[i];

		if (!policy->governs[walk->direction] ||
			!selector_match(policy->selector, walk->labels))
			continue;
		xgrow(walk->steps, walk->step_count, cap);
		walk->steps[walk->step_count++] = (struct walk_step){
			.policy = policy, .rule = first_rule(policy, walk->direction, flow)};
	}
}

/* "pass" goes on to the next tier or the profiles: a v1 endpoint of Docker has neither, so nothing allows it. */
static bool allows(const struct end_walk *walk, const struct walk_step *step)
{
	return step && step->policy->rules[walk->direction][step->rule].action == ACTION_ALLOW;
}

static void decide(const struct evaluator *e, const struct policy_flow *flow, struct end_walk *walk)
{
	const struct walk_step *with_staged = NULL;
	bool any_staged = false;

	if (walk->standing == END_CONTESTED)
		walk->allowed = false;
	if (walk->standing != END_ISOLATED)
		return;
	add_steps(e, flow, walk);
	for (size_t i = 0; i < walk->step_count; i++) {
		struct walk_step *step = &walk->steps[i];
		bool matched = step->rule != STEP_NO_RULE;

		any_staged |= step->policy->staged;
		step->reached = !walk->decided || step->policy->staged;
		if (matched && !with_staged)
			with_staged = step;
		if (matched && !walk->decided && !step->policy->staged)
			walk->decided = step;
	}
	walk->allowed = allows(walk, walk->decided);
	walk->staged_denies = any_staged && !allows(walk, with_staged);
}

/* --- both -------------------------------------------------------------------------------------- */

static bool in_subnets(const struct network *network, const struct ip *ip)
{
	for (size_t i = 0; i < network->subnet_count; i++)
		if (cidr_contains(&network->subnets[i], ip))
			return true;
	return false;
}

static bool is_unknown(
	const struct e_network *network, const struct end_walk *walk, const struct flow_end *end)
{
	bool known = walk->endpoint && !strcmp(walk->endpoint->network_id, network->record->id);

	return walk->standing != END_HOST && !known && in_subnets(network->record, &end->ip);
}

/* An address of a strict network's subnets that is nobody's there gets nothing. */
static void ask_strict(
	const struct evaluator *e, const struct policy_flow *flow, struct verdict *verdict)
{
	const struct e_network *network;

	for (network = e->networks; network; network = network->hh.next) {
		bool sender = is_unknown(network, &verdict->walks[DIR_EGRESS], &flow->source);

		if (network->isolation != ISOLATION_STRICT || !isolation_enforced(network->record))
			continue;
		if (!sender &&
			!is_unknown(network, &verdict->walks[DIR_INGRESS], &flow->destination))
			continue;
		verdict->strict = network->record;
		verdict->strict_end = sender ? DIR_EGRESS : DIR_INGRESS;
		return;
	}
}

void evaluate(const struct evaluator *e, const struct question *question, struct verdict *verdict)
{
	struct policy_flow flow = question->flow;
	struct end_walk *from = &verdict->walks[DIR_EGRESS], *to = &verdict->walks[DIR_INGRESS];

	*verdict = (struct verdict){0};
	look_up(e, question, DIR_EGRESS, from);
	look_up(e, question, DIR_INGRESS, to);
	flow.source.labels = from->labels;
	flow.destination.labels = to->labels;
	/* what its own host sends an endpoint is not policed, nor is it asked for a strict network */
	if (from->standing == END_HOST) {
		verdict->allowed = true;
		return;
	}
	decide(e, &flow, from);
	decide(e, &flow, to);
	ask_strict(e, &flow, verdict);
	verdict->allowed = from->allowed && to->allowed && !verdict->strict;
}

void verdict_clear(struct verdict *verdict)
{
	for (int dir = 0; dir < DIR_COUNT; dir++)
		free(verdict->walks[dir].steps);
	*verdict = (struct verdict){0};
}
