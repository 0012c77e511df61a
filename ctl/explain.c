/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/explain.h"

#include "common/xalloc.h"
#include "ctl/across.h"
#include "ctl/advice.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>

static const char *const standings[] = {
	[END_STRANGER] = "stranger",
	[END_BYSTANDER] = "not isolated",
	[END_ISOLATED] = "isolated",
	[END_CONTESTED] = "contested",
	[END_HOST] = "host",
	[END_REMOTE] = "of another node",
	[END_DISPUTED] = "claimed by other nodes",
};

/* --- ends and flow ------------------------------------------------------------------------------ */

static json_t *end_json(const struct end *end, const char *node)
{
	cleanup_free char *shown = end_describe(end);
	json_t *to = json_pack("{s:s}", "shown", shown);
	char ip[IP_TEXT_MAX];

	if (end->ip.family)
		json_object_set_new(to, "ip", json_string(ip_format(&end->ip, ip)));
	if (!end->endpoint)
		return to;
	json_object_set_new(to, "container", json_string(end->endpoint->record->container_name));
	json_object_set_new(to, "network", json_string(end->endpoint->record->network_name));
	json_object_set_new(to, "node", json_string(node));
	json_object_set_new(to, "labels", labels_to_json(end->endpoint->labels));
	return to;
}

static json_t *flow_json(const struct ends *ends, const struct policy_flow *flow)
{
	const char *name = protocol_name(flow->protocol);
	json_t *to = json_object();

	json_object_set_new(to, "from", end_json(&ends->end[DIR_EGRESS], ends->nodes[DIR_EGRESS]));
	json_object_set_new(to, "to", end_json(&ends->end[DIR_INGRESS], ends->nodes[DIR_INGRESS]));
	json_object_set_new(
		to, "protocol", name ? json_string(name) : json_integer(flow->protocol));
	if (flow->destination.port)
		json_object_set_new(to, "port", json_integer(flow->destination.port));
	if (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6)
		json_object_set_new(to, "icmp",
			json_pack("{s:i,s:i}", "type", flow->icmp_type, "code", flow->icmp_code));
	return to;
}

/* --- a walk -------------------------------------------------------------------------------------- */

static json_t *rule_json(const struct policy *policy, enum policy_direction direction, int rule)
{
	cleanup_json json_t *record = policy_to_json(policy);
	json_t *spec = json_object_get(record, "spec");
	json_t *rules = json_object_get(spec, policy_direction_name(direction));

	return json_incref(json_array_get(rules, (size_t)rule));
}

/* The network set by which an end is in what a rule selects, where it is not by its own labels; or NULL. */
static const struct netset *set_selected(
	const struct end_walk *end, const struct policy_entity *entity)
{
	const struct selector *selector = entity->selector ? entity->selector : entity->tag;

	if (!selector || (end->labels && selector_match(selector, end->labels)))
		return NULL;
	return netset_list_match(walk_netsets(end), selector);
}

static void put_sets(json_t *to, const struct policy_rule *rule, const struct verdict *verdict)
{
	const struct netset *source = set_selected(&verdict->walks[DIR_EGRESS], &rule->source);
	const struct netset *destination =
		set_selected(&verdict->walks[DIR_INGRESS], &rule->destination);

	if (source)
		json_object_set_new(to, "sourceNetworkSet", json_string(source->name));
	if (destination)
		json_object_set_new(to, "destinationNetworkSet", json_string(destination->name));
}

static json_t *step_json(const struct walk_step *step, enum policy_direction direction,
	const struct verdict *verdict)
{
	const struct policy *policy = step->policy;
	json_t *to = json_pack("{s:s,s:b,s:b}", "name", policy->name, "staged", policy->staged,
		"asked", step->reached);

	if (policy->tier)
		json_object_set_new(to, "tier", json_string(policy->tier));
	if (!step->tier)
		json_object_set_new(to, "tierMissing", json_true());
	if (policy->has_order)
		json_object_set_new(to, "order", json_real(policy->order));
	if (step->rule == STEP_NO_RULE || !step->reached)
		return to;
	json_object_set_new(to, "rule", json_integer(step->rule));
	json_object_set_new(to, "says",
		json_string(policy_action_name(policy->rules[direction][step->rule].action)));
	json_object_set_new(to, "text", rule_json(policy, direction, step->rule));
	put_sets(to, &policy->rules[direction][step->rule], verdict);
	return to;
}

static bool any_in_force(const struct end_walk *walk)
{
	for (size_t i = 0; i < walk->step_count; i++)
		if (!walk->steps[i].policy->staged)
			return true;
	return false;
}

/* Why a flow was denied that no rule decided about. Caller frees. */
static char *reason_of_end(const struct end_walk *walk)
{
	const struct policy *last = walk->ended ? walk->ended->policy : NULL;

	if (!last || !any_in_force(walk))
		return xstrdup("it is isolated, and no policy governs it");
	if (last->tier)
		return xasprintf("no rule of tier %s allowed it", last->tier);
	return xstrdup("no rule allowed it");
}

/* Caller frees. */
static char *reason_of_policies(const struct end_walk *walk)
{
	const struct walk_step *by = walk->decided;
	bool passes;

	if (!by)
		return reason_of_end(walk);
	if (!by->tier)
		return xasprintf(
			"policy %s is of tier \"%s\", which is not there: what it selects is denied",
			by->policy->name, tier_of(by->policy));
	passes = by->policy->rules[walk->direction][by->rule].action == ACTION_PASS;
	return xasprintf("policy %s, %s[%d]%s", by->policy->name,
		policy_direction_name(walk->direction), by->rule,
		passes ? ": pass, and nothing comes after it" : "");
}

static char *reason_of(const struct end_walk *walk, bool from_host)
{
	static const char *const reasons[] = {
		[END_STRANGER] = "no known container: nothing is asked of it",
		[END_BYSTANDER] = "it is not isolated: no policy governs it",
		[END_CONTESTED] = "two endpoints claim the address: it is nobody's",
		[END_HOST] = "the host itself is not policed",
		[END_REMOTE] = "no container of this node",
		[END_DISPUTED] = "two endpoints of other nodes claim the address: it is nobody's",
	};

	if (from_host && walk->standing != END_HOST)
		return xstrdup("what its own host sends is not policed");
	if (walk->closed)
		return xstrdup("two endpoints of other nodes claim the address at the other end");
	return walk->standing == END_ISOLATED ? reason_of_policies(walk)
					      : xstrdup(reasons[walk->standing]);
}

/* verdict: of the end's own node. */
static json_t *walk_json(
	const struct verdict *verdict, enum policy_direction direction, bool from_host)
{
	const struct end_walk *walk = &verdict->walks[direction];
	cleanup_free char *reason = reason_of(walk, from_host);
	json_t *steps = json_array();

	for (size_t i = 0; i < walk->step_count; i++)
		json_array_append_new(steps, step_json(&walk->steps[i], direction, verdict));
	return json_pack("{s:s,s:s,s:s,s:b,s:o}", "verdict", walk->allowed ? "allowed" : "denied",
		"reason", reason, "standing", standings[walk->standing], "stagedWouldDeny",
		walk->staged_denies, "policies", steps);
}

/* --- what would change it ------------------------------------------------------------------------- */

static json_t *changes_json(const struct advice *advice)
{
	json_t *changes = json_array(), *rules = json_array();

	for (size_t i = 0; i < advice->rule_count; i++) {
		const struct advice_rule *rule = &advice->rules[i];

		json_array_append_new(rules,
			json_pack("{s:s,s:b,s:s,s:i,s:O,s:O}", "policy", rule->policy, "new",
				rule->is_new, "direction", policy_direction_name(rule->direction),
				"before", (int)rule->before, "rule", rule->rule, "record",
				rule->record));
	}
	if (advice->rule_count)
		json_array_append_new(changes, json_pack("{s:O}", "rules", rules));
	json_decref(rules);
	if (advice->has_label)
		json_array_append_new(
			changes, json_pack("{s:{s:s,s:s,s:s,s:s}}", "label", "container",
					 advice->label.endpoint->record->container_name, "node",
					 advice->label.endpoint->record->node, "key",
					 advice->label.key, "value", advice->label.value));
	return changes;
}

/* --- notes ---------------------------------------------------------------------------------------- */

void explain_note(json_t *document, const char *fmt, ...)
{
	cleanup_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = xstrdup(fmt);
	va_end(args);
	json_array_append_new(json_object_get(document, "notes"), json_string(text));
}

static void note_vain(
	json_t *document, const struct policies *policies, const struct end_walk *walk)
{
	for (size_t i = 0; walk->standing == END_BYSTANDER && i < policies->count; i++) {
		const struct policy *policy = policies->items[i];

		if (policy->governs[walk->direction] &&
			selector_match(policy->selector, walk->labels))
			explain_note(document, "policy %s selects %s, which is not isolated",
				policy->name, walk->endpoint->container_name);
	}
}

static void note_ends(json_t *document, const struct ends *ends, const struct judge *judge)
{
	const struct world_endpoint *from = ends->end[DIR_EGRESS].endpoint;
	const struct world_endpoint *to = ends->end[DIR_INGRESS].endpoint;

	if (from && judge_names_lost(judge, from))
		explain_note(document,
			"no rule lets %s ask a name server outside (port 53): names that Docker does not know itself are lost "
			"to it; deploy/examples/allow-dns.yaml is the cure",
			from->record->container_name);
	if (!from || !to)
		return;
	if (strcmp(from->record->node, to->record->node) != 0)
		explain_note(document,
			"they are on two nodes: each judges its own end, and knows the other by its address; where that is "
			"translated on the way (NAT), the other node sees a stranger's");
	else if (strcmp(from->record->network_id, to->record->network_id) != 0)
		explain_note(document,
			"they have no network in common: Docker's own rules keep bridges apart, whatever policy says");
}

/* Of which network sets an end's address is. */
static void note_sets(json_t *document, const char *key, const struct end_walk *walk)
{
	json_t *end = json_object_get(json_object_get(document, "flow"), key);
	const struct netset_list *sets = walk_netsets(walk);
	json_t *names = json_array();

	for (size_t i = 0; i < sets->count; i++) {
		json_array_append_new(names, json_string(sets->items[i]->name));
		explain_note(document, "%s is in network set %s",
			json_string_value(json_object_get(end, "ip")), sets->items[i]->name);
	}
	if (json_array_size(names))
		json_object_set(end, "networkSets", names);
	json_decref(names);
}

/* Whether an address is the host's is not in the store, and what comes after policy there is enforcerd's to say. */
static void note_host(json_t *document, const struct ends *ends, const struct judgement *judgement)
{
	const struct end *to = &ends->end[DIR_INGRESS];
	const struct world_endpoint *from = ends->end[DIR_EGRESS].endpoint;
	char ip[IP_TEXT_MAX];

	if (!to->host)
		return;
	if (to->guessed && from)
		explain_note(document,
			"the host is taken at %s, where Docker puts the gateway of %s unless told otherwise; "
			"host:ADDRESS asks for another of its addresses",
			ip_format(&to->ip, ip), from->record->network_name);
	if (judgement->allowed && judgement_walk(judgement, DIR_EGRESS)->standing == END_ISOLATED)
		explain_note(document,
			"what policy allows towards the host goes on to --host-action of bulkhead-enforcerd, and by "
			"default to the host's own rules");
}

/* An address within a network that is not strict, and nobody's there. */
static void note_nobody(json_t *document, const struct world *world, const struct ends *ends)
{
	size_t count;
	const struct world_network *networks = world_networks(world, &count);
	char ip[IP_TEXT_MAX];

	for (size_t i = 0; i < count * DIR_COUNT; i++) {
		const struct world_network *network = &networks[i / DIR_COUNT];
		const struct end *end = &ends->end[i % DIR_COUNT];

		if (end->endpoint || end->host || network->isolation == ISOLATION_STRICT ||
			strcmp(network->node, ends->nodes[i % DIR_COUNT]) != 0 ||
			!network_contains(network->record, &end->ip))
			continue;
		explain_note(document,
			"%s is within %s and no known container's: selectors do not match it, only nets and "
			"rules for anyone do",
			ip_format(&end->ip, ip), network->record->name);
	}
}

static void note_strict(json_t *document, const struct judgement *judgement)
{
	enum policy_direction end = DIR_EGRESS;
	const struct network *network = judgement_strict(judgement, &end);

	if (!network)
		return;
	json_object_set_new(document, "strict", json_string(network->name));
	explain_note(document,
		"%s is no container's of the strict network %s: it gets nothing. Addresses of the host itself are exempt",
		end == DIR_EGRESS ? "the sender's address" : "the receiver's address",
		network->name);
}

/* How each end's node sees the other end, where that is another node's. */
static void add_across(json_t *document, const struct world *world, const struct ends *ends,
	const struct judgement *judgement)
{
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		const struct end_walk *other =
			&judgement->verdicts[dir]
				 .walks[dir == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS];
		cleanup_free char *text =
			across_text(world, judgement, ends, (enum policy_direction)dir);
		json_t *walk = json_object_get(
			document, policy_direction_name((enum policy_direction)dir));

		if (text)
			json_object_set_new(walk, "other",
				json_pack("{s:s,s:s,s:s}", "node", ends->nodes[dir], "standing",
					standings[other->standing], "text", text));
	}
}

json_t *explain_document(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct policy_flow *flow)
{
	CLEANUP(judge) struct judge *judge = judge_new(world, policies);
	struct judgement judgement cleanup_judgement = {0};
	struct advice advice cleanup_advice = {0};
	bool from_host = ends->end[DIR_EGRESS].host;
	struct trial trial = {.question = {.flow = *flow,
				      .from_host = from_host,
				      .to_host = ends->end[DIR_INGRESS].host},
		.nodes = {ends->nodes[0], ends->nodes[1]}};
	json_t *document;

	trial.question.flow.source.ip = ends->end[DIR_EGRESS].ip;
	trial.question.flow.destination.ip = ends->end[DIR_INGRESS].ip;
	judge_try(judge, &trial, &judgement);
	advice_find(world, policies, ends, &trial, &judgement, &advice);
	document = json_pack("{s:s,s:o,s:o,s:o,s:o,s:[]}", "verdict",
		judgement.allowed ? "allowed" : "denied", "flow", flow_json(ends, flow), "egress",
		walk_json(&judgement.verdicts[DIR_EGRESS], DIR_EGRESS, from_host), "ingress",
		walk_json(&judgement.verdicts[DIR_INGRESS], DIR_INGRESS, from_host), "changes",
		changes_json(&advice), "notes");
	add_across(document, world, ends, &judgement);
	note_sets(document, "from", judgement_walk(&judgement, DIR_EGRESS));
	note_sets(document, "to", judgement_walk(&judgement, DIR_INGRESS));
	note_host(document, ends, &judgement);
	note_nobody(document, world, ends);
	note_strict(document, &judgement);
	note_vain(document, policies, judgement_walk(&judgement, DIR_EGRESS));
	note_vain(document, policies, judgement_walk(&judgement, DIR_INGRESS));
	note_ends(document, ends, judge);
	return document;
}
