/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile.h"

#include "common/xalloc.h"
#include "enforcerd/compile_internal.h"
#include "enforcerd/log_prefix.h"

#include <string.h>

enum {
	PROTO_ICMP = 1,
	PROTO_ICMPV6 = 58,
	COUNTER_HASH_DIGITS = 6,
	EXPANDED_MAX = 4096, /* kernel rules from one policy rule: port lists multiply */
	POLICY_EXPANDED_MAX = 16384
};

/* --- families ---------------------------------------------------------------------------------- */

static bool entity_has_addresses(const struct policy_entity *e)
{
	return e->selector || e->not_selector || e->tag || e->not_tag || e->nets.count ||
	       e->not_nets.count;
}

/* A type is of one family's ICMP, whose number says nothing: IPv4 can carry protocol 58, and it is no ICMPv6 then. */
static bool says_family(const struct policy_rule *in)
{
	return in->ip_version || in->icmp.type >= 0 || in->not_icmp.type >= 0;
}

static bool needs_family(const struct policy_rule *in)
{
	return says_family(in) || entity_has_addresses(&in->source) ||
	       entity_has_addresses(&in->destination);
}

/* --- protocol, ICMP, ports --------------------------------------------------------------------- */

static void match_icmp(struct rule *rule, const struct icmp_match *icmp, bool negate)
{
	struct match *match;

	if (icmp->type < 0)
		return;
	match = rule_match(rule, MATCH_CT_ICMP);
	match->negate = negate;
	match->first = (uint16_t)icmp->type;
	match->last = icmp->code < 0 ? ICMP_ANY_CODE : (uint16_t)icmp->code;
}

/* False where a type is asked for of a protocol that has none: no packet is both, while conntrack keeps ports in that place. */
static bool match_protocol(struct unit *u, struct rule *rule)
{
	const struct policy_rule *in = u->in;
	int protocol = in->protocol;
	struct match *match;

	if (in->icmp.type >= 0 || in->not_icmp.type >= 0) {
		int icmp = u->family == 4 ? PROTO_ICMP : PROTO_ICMPV6;

		if (protocol && protocol != icmp)
			return false;
		/* a type alone still means ICMP, as the kernel's own icmp match does */
		protocol = icmp;
	}
	if (protocol)
		rule_match(rule, MATCH_CT_PROTOCOL)->value = (uint32_t)protocol;
	if (in->not_protocol) {
		match = rule_match(rule, MATCH_CT_PROTOCOL);
		match->value = (uint32_t)in->not_protocol;
		match->negate = true;
	}
	match_icmp(rule, &in->icmp, false);
	match_icmp(rule, &in->not_icmp, true);
	return true;
}

/* Singles: one comparison, or one lookup where there are several. */
static void match_singles(struct unit *u, struct rule *rule, enum flow_side side,
	const struct port_list *list, bool negate)
{
	cleanup_free uint16_t *ports = NULL;
	struct match *match;
	size_t count = 0;

	ports = compile_single_ports(list, &count);
	if (!count)
		return;
	match = rule_match(rule, count == 1 ? MATCH_CT_PORT : MATCH_CT_PORT_SET);
	match->side = side;
	match->negate = negate;
	if (count == 1)
		match->first = match->last = ports[0];
	else
		compile_need_ports(u, steal_ptr(ports), count, match->set);
}

static void match_range(
	struct rule *rule, enum flow_side side, const struct port_range *range, bool negate)
{
	struct match *match = rule_match(rule, MATCH_CT_PORT);

	match->side = side;
	match->negate = negate;
	match->first = range->first;
	match->last = range->last;
}

/* None of the ports: every single and every range is excluded within the one rule. */
static void match_not_ports(
	struct unit *u, struct rule *rule, enum flow_side side, const struct port_list *list)
{
	match_singles(u, rule, side, list, true);
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].first != list->items[i].last)
			match_range(rule, side, &list->items[i], true);
}

static int too_much(struct unit *u, const char *what, int max)
{
	return err_set(u->err, 0, "policy %s %s[%zu]: more than %d %s", u->policy->name,
		policy_direction_name(u->dir), u->index, max, what);
}

/* Any of the ports: one rule for the singles and one for each range. Replaces *rules by the alternatives. */
static int expand_ports(
	struct unit *u, struct rule_list *rules, enum flow_side side, const struct port_list *list)
{
	struct rule_list expanded = {0};
	size_t ranges = 0;
	bool singles;

	if (!list->count)
		return 0;
	for (size_t i = 0; i < list->count; i++)
		ranges += list->items[i].first != list->items[i].last;
	singles = ranges < list->count;
	if (rules->count * (ranges + singles) > EXPANDED_MAX)
		return too_much(u, "kernel rules for its ports", EXPANDED_MAX);
	for (size_t r = 0; r < rules->count; r++) {
		if (singles)
			match_singles(u, rule_append_copy(&expanded, &rules->items[r]), side, list,
				false);
		for (size_t i = 0; i < list->count; i++)
			if (list->items[i].first != list->items[i].last)
				match_range(rule_append_copy(&expanded, &rules->items[r]), side,
					&list->items[i], false);
	}
	rule_list_free(rules);
	*rules = expanded;
	return 0;
}

/* --- verdict ----------------------------------------------------------------------------------- */

const char *compile_dir_prefix(enum policy_direction dir)
{
	return dir == DIR_INGRESS ? "in" : "eg";
}

static void need_counter(struct needed_list *needed, struct rule *rule, const char *name)
{
	bool fresh;

	compile_need(needed, name, NEED_COUNTER, 0, &fresh);
	snprintf(rule->counter, sizeof(rule->counter), "%s", name);
}

/* "in_allow_<policy>": the policy's name as far as an identifier can hold it, and a part of its hash. */
static void count_policy(struct unit *u, struct rule *rule, const char *verb)
{
	char part[NAME_PART + 1], hex[COUNTER_HASH_DIGITS + 1], name[NFT_NAME_MAX];

	compile_identifier(u->policy->name, part);
	compile_hash(u->policy->name, hex, COUNTER_HASH_DIGITS);
	snprintf(name, sizeof(name), "%s_%s_%s_%s", compile_dir_prefix(u->dir), verb, part, hex);
	need_counter(u->needed, rule, name);
}

static void log_reason(struct rule *rule, enum log_what what, enum policy_direction dir,
	const char *policy, int index)
{
	struct log_reason reason = {.what = what, .direction = dir, .rule = index};

	snprintf(reason.policy, sizeof(reason.policy), "%s", policy);
	log_prefix_format(&reason, rule->log_prefix);
	rule->log = true;
	/* an answer that is dropped is of a flow that was told about, or will be, from its other end */
	rule->log_original = true;
}

static void deny(struct rule *rule, enum compile_view view)
{
	if (view == VIEW_STAGED) {
		rule->verdict = VERDICT_RETURN;
		return;
	}
	rule->verdict = VERDICT_GOTO;
	snprintf(rule->target, sizeof(rule->target), "denied");
}

static void set_denial(struct unit *u, struct rule *rule, enum log_what what)
{
	bool staged = u->view == VIEW_STAGED;

	log_reason(rule, staged ? LOG_STAGED : what, u->dir, u->policy->name, (int)u->index);
	count_policy(u, rule, staged ? "staged" : "deny");
	deny(rule, u->view);
}

void compile_go_on(struct rule *rule, const char *chain)
{
	rule->verdict = VERDICT_GOTO;
	snprintf(rule->target, sizeof(rule->target), "%s", chain);
}

/* After the last tier come the profiles, which Docker has none of: so nothing allows it. */
static void set_pass(struct unit *u, struct rule *rule)
{
	if (!u->pass_to[0]) {
		set_denial(u, rule, LOG_PASS);
		return;
	}
	if (u->view == VIEW_IN_FORCE)
		count_policy(u, rule, "pass");
	compile_go_on(rule, u->pass_to);
	u->passed = true;
}

static void set_verdict(struct unit *u, struct rule *rule)
{
	snprintf(rule->comment, sizeof(rule->comment), "policy %.90s %s[%zu]", u->policy->name,
		policy_direction_name(u->dir), u->index);
	switch (u->in->action) {
	case ACTION_ALLOW:
		rule->verdict = VERDICT_RETURN;
		if (u->view == VIEW_IN_FORCE)
			count_policy(u, rule, "allow");
		break;
	case ACTION_DENY:
		set_denial(u, rule, LOG_DENY);
		break;
	case ACTION_PASS:
		set_pass(u, rule);
		break;
	case ACTION_LOG:
		log_reason(rule, LOG_RULE, u->dir, u->policy->name, (int)u->index);
		rule->verdict = VERDICT_CONTINUE;
		break;
	}
}

/* --- rules ------------------------------------------------------------------------------------- */

static struct rule *of_family(const struct unit *u, struct rule *rule)
{
	rule->family = u->only;
	return rule;
}

static int emit(struct unit *u, struct rule_list *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (rules->items[i].match_count > RULE_MATCHES_MAX)
			return too_much(u, "conditions in one rule", RULE_MATCHES_MAX);
		if (u->out->count - u->before >= POLICY_EXPANDED_MAX)
			return too_much(u, "kernel rules for one policy", POLICY_EXPANDED_MAX);
		set_verdict(u, of_family(u, rule_append_copy(u->out, &rules->items[i])));
	}
	return 0;
}

static int emit_ports(struct unit *u, struct rule_list *rules)
{
	if (expand_ports(u, rules, SIDE_SRC, &u->in->source.ports) < 0 ||
		expand_ports(u, rules, SIDE_DST, &u->in->destination.ports) < 0)
		return -1;
	return emit(u, rules);
}

/* Towards a published port: what remains is about the source. */
static int compile_towards(struct unit *u)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);
	int rc = 0;

	if (compile_target_admits(u->target, u->in, u->family)) {
		rule_match(rule, MATCH_NFPROTO)->family = u->family;
		match_not_ports(u, rule, SIDE_SRC, &u->in->source.not_ports);
		if (compile_match_entity(u, &rules, SIDE_SRC, &u->in->source))
			rc = expand_ports(u, &rules, SIDE_SRC, &u->in->source.ports) < 0
				     ? -1
				     : emit(u, &rules);
	}
	rule_list_free(&rules);
	return rc;
}

static int compile_unit(struct unit *u)
{
	const struct policy_rule *in = u->in;
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);
	int rc = 0;

	/* cheap comparisons first, lookups after them */
	if (u->family && says_family(in))
		rule_match(rule, MATCH_NFPROTO)->family = u->family;
	if (!match_protocol(u, rule)) {
		rule_list_free(&rules);
		return 0;
	}
	match_not_ports(u, rule, SIDE_SRC, &in->source.not_ports);
	match_not_ports(u, rule, SIDE_DST, &in->destination.not_ports);
	if (compile_match_entity(u, &rules, SIDE_SRC, &in->source) &&
		compile_match_entity(u, &rules, SIDE_DST, &in->destination))
		rc = emit_ports(u, &rules);
	rule_list_free(&rules);
	return rc;
}

static int compile_rule(struct unit *u)
{
	if (u->target)
		return compile_towards(u);
	if (!needs_family(u->in)) {
		u->family = 0;
		return compile_unit(u);
	}
	for (uint8_t family = 4; family <= 6; family += 2) {
		u->family = family;
		if (u->only && u->only != family)
			continue;
		if ((!u->in->ip_version || u->in->ip_version == family) && compile_unit(u) < 0)
			return -1;
	}
	return 0;
}

int compile_rules(struct unit *u)
{
	for (u->index = 0; u->index < u->policy->rule_count[u->dir]; u->index++) {
		u->in = &u->policy->rules[u->dir][u->index];
		/* said once, by the chain that judges */
		if (u->view == VIEW_STAGED && u->in->action == ACTION_LOG)
			continue;
		if (compile_rule(u) < 0)
			return -1;
	}
	return 0;
}

int compile_policy(const struct policy *policy, enum policy_direction dir, struct rule_list *rules,
	struct needed_list *needed, struct err *err)
{
	struct unit u = {.policy = policy,
		.dir = dir,
		.out = rules,
		.before = rules->count,
		.needed = needed,
		.err = err};

	return compile_rules(&u);
}

void compile_end(struct rule_list *rules, const struct policy *first, enum policy_direction dir,
	enum compile_view view, struct needed_list *needed)
{
	struct rule *end = rule_append(rules);
	bool staged = view == VIEW_STAGED;
	cleanup_free char *counter = xasprintf(
		"%s_%s", staged ? "staged" : "drop", dir == DIR_INGRESS ? "ingress" : "egress");

	log_reason(end, staged ? LOG_STAGED : LOG_END, dir, first ? first->name : "", LOG_NO_RULE);
	need_counter(needed, end, counter);
	deny(end, view);
	snprintf(end->comment, sizeof(end->comment), "%s",
		first ? "no rule allowed it" : "isolated, and no policy governs it");
}

bool compile_is_staged(const struct policy *const *policies, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (policies[i]->staged)
			return true;
	return false;
}
