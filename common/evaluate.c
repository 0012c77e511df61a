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

struct e_remote {
	struct e_endpoint endpoint;
	const struct network *network;
};

struct e_address {
	struct ip ip;
	const struct e_endpoint *owner; /* the first */
	size_t owners;
	struct e_remote remote; /* the first that counts */
	size_t remotes;
	struct netset_list netsets; /* that have it */
	UT_hash_handle hh;          /* by ip */
};

struct e_policy {
	const struct policy *policy; /* as it is in force */
	const struct tier *tier;     /* NULL: not there */
	struct policy *closed;       /* policy, where it has none */
};

struct evaluator {
	struct e_network *networks;
	struct e_endpoint *endpoints;
	size_t endpoint_count, endpoint_cap;
	struct e_policy *policies; /* sorted, once finished */
	size_t policy_count, policy_cap;
	const struct tier **tiers;
	size_t tier_count, tier_cap;
	struct netset_list netsets;
	struct e_address *addresses;
	struct labels *host; /* or NULL */
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
		netset_list_clear(&address->netsets);
		free(address);
	}
	for (size_t i = 0; i < e->policy_count; i++)
		policy_free(e->policies[i].closed);
	netset_list_clear(&e->netsets);
	labels_free(e->host);
	free(e->tiers);
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
	e->policies[e->policy_count++] = (struct e_policy){.policy = policy};
}

void evaluator_tier(struct evaluator *e, const struct tier *tier)
{
	xgrow(e->tiers, e->tier_count, e->tier_cap);
	e->tiers[e->tier_count++] = tier;
}

void evaluator_netset(struct evaluator *e, const struct netset *set)
{
	netset_list_add(&e->netsets, set);
}

void evaluator_host(struct evaluator *e, const char *node)
{
	labels_free(e->host);
	e->host = labels_new();
	labels_set(e->host, LABEL_HOST, node);
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

static struct e_address *need_address(struct evaluator *e, const struct ip *ip)
{
	struct e_address *address = find_address(e, ip);

	if (address)
		return address;
	address = xcalloc(1, sizeof(*address));
	address->ip = *ip;
	netset_list_of(&e->netsets, ip, &address->netsets);
	HASH_ADD(hh, e->addresses, ip, sizeof(address->ip), address);
	return address;
}

static void claim(struct evaluator *e, const struct ip *ip, const struct e_endpoint *owner)
{
	struct e_address *address;

	if (!ip->family)
		return;
	address = need_address(e, ip);
	if (!address->owners++)
		address->owner = owner;
}

static void claim_remote(struct evaluator *e, const struct ip *ip, const struct e_remote *remote)
{
	struct claim claim = claim_begin(remote->network, ip);
	const struct e_network *own = e->networks;
	struct e_address *address;

	while (own && claim_meet(&claim, own->record))
		own = own->hh.next;
	if (claim.standing != CLAIM_COUNTS)
		return;
	address = need_address(e, ip);
	if (!address->remotes++)
		address->remote = *remote;
}

static int compare_policies(const void *a, const void *b)
{
	const struct e_policy *first = a, *second = b;
	int order = tier_cmp(first->tier, second->tier);

	return order ? order : policy_cmp(first->policy, second->policy);
}

static void find_tier(const struct evaluator *e, struct e_policy *entry)
{
	const char *name = tier_of(entry->policy);

	if (!strcmp(name, TIER_DEFAULT))
		entry->tier = tier_default();
	for (size_t i = 0; !entry->tier && i < e->tier_count; i++)
		if (!strcmp(e->tiers[i]->name, name))
			entry->tier = e->tiers[i];
	if (!entry->tier)
		entry->policy = entry->closed = policy_closed(entry->policy);
}

void evaluator_finish(struct evaluator *e)
{
	for (size_t i = 0; i < e->policy_count; i++)
		find_tier(e, &e->policies[i]);
	if (e->policy_count)
		qsort(e->policies, e->policy_count, sizeof(*e->policies), compare_policies);
	for (size_t i = 0; i < e->endpoint_count; i++) {
		claim(e, &e->endpoints[i].record->ipv4, &e->endpoints[i]);
		claim(e, &e->endpoints[i].record->ipv6, &e->endpoints[i]);
	}
}

void evaluator_remote(struct evaluator *e, const struct endpoint *record,
	const struct labels *labels, const struct network *network)
{
	const struct e_remote remote = {{record, labels}, network};

	/* most are of private networks, and never count */
	if (!network || !network->shared || !claim_fits(network, record))
		return;
	claim_remote(e, &record->ipv4, &remote);
	claim_remote(e, &record->ipv6, &remote);
}

/* --- one end ----------------------------------------------------------------------------------- */

static bool is_isolated(
	const struct evaluator *e, const struct endpoint *record, const struct labels *labels)
{
	const struct e_network *network = find_network(e, record->network_id);

	return network ? isolation_applies(record, labels, network->record, network->isolation)
		       : isolation_applies(record, labels, NULL, ISOLATION_LABELLED);
}

static void take_endpoint(
	const struct question *question, const struct e_endpoint *endpoint, struct end_walk *walk)
{
	const struct endpoint *labelled = question->labelled[walk->direction];
	const struct labels *given = question->labels[walk->direction];

	walk->endpoint = endpoint->record;
	walk->labels =
		given && (!labelled || labelled == walk->endpoint) ? given : endpoint->labels;
}

static void take_owner(const struct evaluator *e, const struct question *question,
	const struct e_address *address, struct end_walk *walk)
{
	switch (address_holder(address->owners, address->remotes)) {
	case HELD_HERE:
		if (address->owners > 1) {
			walk->standing = END_CONTESTED;
			return;
		}
		take_endpoint(question, address->owner, walk);
		walk->standing =
			is_isolated(e, walk->endpoint, walk->labels) ? END_ISOLATED : END_BYSTANDER;
		return;
	case HELD_ELSEWHERE:
		take_endpoint(question, &address->remote.endpoint, walk);
		walk->network = address->remote.network;
		walk->standing = END_REMOTE;
		return;
	case HELD_CONTESTED:
		walk->standing = END_DISPUTED;
		return;
	case HELD_BY_NOBODY:
		return;
	}
}

static void look_up(const struct evaluator *e, const struct question *question,
	enum policy_direction direction, struct end_walk *walk)
{
	bool sender = direction == DIR_EGRESS;
	const struct flow_end *end = sender ? &question->flow.source : &question->flow.destination;
	const struct e_address *address = find_address(e, &end->ip);

	*walk = (struct end_walk){
		.direction = direction, .standing = END_STRANGER, .allowed = true};
	if (address)
		walk->netsets = &address->netsets;
	else
		netset_list_of(&e->netsets, &end->ip, &walk->netset_space);
	if (sender ? question->from_host : question->to_host)
		walk->standing = END_HOST;
	else if (address)
		take_owner(e, question, address, walk);
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
		const struct policy *policy = e->policies[i].policy;

		if (!policy->governs[walk->direction] ||
			!selector_match(policy->selector, walk->labels))
			continue;
		xgrow(walk->steps, walk->step_count, cap);
		walk->steps[walk->step_count++] = (struct walk_step){.policy = policy,
			.tier = e->policies[i].tier,
			.rule = first_rule(policy, walk->direction, flow),
			.reached = policy->staged};
	}
}

static enum policy_action action_of(const struct end_walk *walk, const struct walk_step *step)
{
	return step->policy->rules[walk->direction][step->rule].action;
}

/* Whether a staged one of the walk has the step's name. */
static bool is_replaced(const struct end_walk *walk, const struct walk_step *step)
{
	for (size_t i = 0; i < walk->step_count; i++)
		if (policy_replaces(walk->steps[i].policy, step->policy))
			return true;
	return false;
}

/* How far a walk has come. */
struct progress {
	const struct walk_step *matched; /* the last whose rule matched, or NULL */
	const struct walk_step *tier;    /* one that is asked, of the last tier so far */
	bool passed;                     /* that tier */
};

/* The steps of one tier from place i on; returns the place after them. Staged ones are asked only where staged says so, and then in the
 * place of those that they replace. */
static size_t ask_tier(
	const struct end_walk *walk, size_t i, bool staged, struct progress *progress)
{
	const struct walk_step *first = &walk->steps[i];
	bool over = false, any = false;

	for (; i < walk->step_count && tier_same(first->policy, walk->steps[i].policy); i++) {
		struct walk_step *step = &walk->steps[i];

		if (staged ? is_replaced(walk, step) : step->policy->staged)
			continue;
		if (!any)
			*progress = (struct progress){.tier = step};
		any = true;
		if (over)
			continue;
		/* what the staged ones would make of it leaves no trace */
		step->reached |= !staged;
		over = step->rule != STEP_NO_RULE;
		if (over)
			progress->matched = step;
	}
	if (any)
		progress->passed = progress->matched
					   ? action_of(walk, progress->matched) == ACTION_PASS
					   : first->tier && first->tier->passes;
	return i;
}

/* Tier after tier, until a rule decides or a tier's end does. After the last there is nothing that could allow: no profiles. */
static struct progress ask(const struct end_walk *walk, bool staged)
{
	struct progress progress = {.passed = true};

	for (size_t i = 0; i < walk->step_count && progress.passed;)
		i = ask_tier(walk, i, staged, &progress);
	return progress;
}

static bool allows(const struct end_walk *walk, const struct progress *progress)
{
	return progress->matched && action_of(walk, progress->matched) == ACTION_ALLOW;
}

static void decide(const struct evaluator *e, const struct policy_flow *flow,
	enum end_standing other, struct end_walk *walk)
{
	struct progress in_force;
	bool any_staged = false;

	if (walk->standing == END_CONTESTED)
		walk->allowed = false;
	if (walk->standing != END_ISOLATED)
		return;
	/* whose it is, no rule can tell: not even one about whom a selector does not match */
	walk->closed = other == END_DISPUTED;
	if (walk->closed) {
		walk->allowed = false;
		return;
	}
	add_steps(e, flow, walk);
	in_force = ask(walk, false);
	for (size_t i = 0; i < walk->step_count; i++)
		any_staged |= walk->steps[i].policy->staged;
	walk->decided = in_force.matched;
	walk->ended = in_force.matched ? NULL : in_force.tier;
	walk->allowed = allows(walk, &in_force);
	if (any_staged) {
		const struct progress with_staged = ask(walk, true);

		walk->staged_denies = !allows(walk, &with_staged);
	}
}

/* --- both -------------------------------------------------------------------------------------- */

static bool is_known(
	const struct network *network, const struct end_walk *walk, const struct flow_end *end)
{
	if (walk->standing == END_REMOTE)
		return claim_known_in(network, walk->network, &end->ip);
	return walk->endpoint && !strcmp(walk->endpoint->network_id, network->id);
}

static bool is_unknown(
	const struct network *network, const struct end_walk *walk, const struct flow_end *end)
{
	return walk->standing != END_HOST && !is_known(network, walk, end) &&
	       network_contains(network, &end->ip);
}

/* An address of a strict network's subnets that is nobody's there gets nothing. */
static void ask_strict(
	const struct evaluator *e, const struct policy_flow *flow, struct verdict *verdict)
{
	const struct e_network *network;

	for (network = e->networks; network; network = network->hh.next) {
		bool sender =
			is_unknown(network->record, &verdict->walks[DIR_EGRESS], &flow->source);

		if (network->isolation != ISOLATION_STRICT || !isolation_enforced(network->record))
			continue;
		if (!sender && !is_unknown(network->record, &verdict->walks[DIR_INGRESS],
				       &flow->destination))
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
	flow.source.netsets = walk_netsets(from);
	flow.destination.netsets = walk_netsets(to);
	/* an address that an endpoint claims is never the host's */
	if (to->standing == END_HOST && !find_address(e, &flow.destination.ip))
		flow.destination.host = e->host;
	/* what its own host sends an endpoint is not policed, nor is it asked for a strict network */
	if (from->standing == END_HOST) {
		verdict->allowed = true;
		return;
	}
	decide(e, &flow, to->standing, from);
	decide(e, &flow, from->standing, to);
	ask_strict(e, &flow, verdict);
	verdict->allowed = from->allowed && to->allowed && !verdict->strict;
}

void verdict_clear(struct verdict *verdict)
{
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		free(verdict->walks[dir].steps);
		netset_list_clear(&verdict->walks[dir].netset_space);
	}
	*verdict = (struct verdict){0};
}
