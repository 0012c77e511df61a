/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_judge.h"

#include "enforcerd/skeleton.h"

#include <string.h>

enum { DEPTH_MAX = 16 /* the kernel's own bound of jumps */ };

/* A flow as its rules see it: its packets of the original direction, after DNAT. */
struct view {
	const struct ruleset *rs;
	uint8_t protocol;
	struct flow_tuple original, reply;
	uint32_t mark;
	const char *iif, *oif; /* where that can be told, or NULL */
};

/* --- matches ----------------------------------------------------------------------------------- */

static const struct ip *address_of(const struct view *view, enum flow_side side)
{
	return side == SIDE_SRC ? &view->original.src : &view->reply.src;
}

static uint16_t port_of(const struct view *view, enum flow_side side)
{
	return side == SIDE_SRC ? view->original.src_port : view->reply.src_port;
}

static enum ruleset_answer answer(bool yes)
{
	return yes ? RULESET_YES : RULESET_NO;
}

static enum ruleset_answer negated(enum ruleset_answer said, bool negate)
{
	if (!negate || said == RULESET_UNKNOWN)
		return said;
	return answer(said == RULESET_NO);
}

/* A rule about addresses of the other family does not match, negated or not: the kernel ends it there. */
static enum ruleset_answer match_cidr(const struct view *view, const struct match *match)
{
	const struct ip *ip = address_of(view, match->side);

	if (ip->family != match->cidr.ip.family)
		return RULESET_NO;
	return negated(answer(cidr_contains(&match->cidr, ip)), match->negate);
}

static enum ruleset_answer match_address_set(const struct view *view, const struct match *match)
{
	const struct ip *ip = address_of(view, match->side);

	if (ip->family != match->family)
		return RULESET_NO;
	return negated(ruleset_has_ip(view->rs, match->set, ip), match->negate);
}

static enum ruleset_answer match_port(const struct view *view, const struct match *match)
{
	uint16_t port = port_of(view, match->side);

	return negated(answer(match->first <= port && port <= match->last), match->negate);
}

static enum ruleset_answer match_port_set(const struct view *view, const struct match *match)
{
	return negated(
		ruleset_has_port(view->rs, match->set, port_of(view, match->side)), match->negate);
}

static enum ruleset_answer match_icmp(const struct view *view, const struct match *match)
{
	uint16_t type = view->original.dst_port >> 8, code = view->original.dst_port & 0xff;

	return negated(answer(type == match->first &&
			       (match->last == ICMP_ANY_CODE || code == match->last)),
		match->negate);
}

static enum ruleset_answer match_protocol(const struct view *view, const struct match *match)
{
	return negated(answer(view->protocol == match->value), match->negate);
}

static enum ruleset_answer match_family(const struct view *view, const struct match *match)
{
	return negated(answer(view->original.src.family == match->family), match->negate);
}

/* A live flow's packets; those of its first moment are over. */
static enum ruleset_answer match_state(const struct view *view, const struct match *match)
{
	(void)view;
	return negated(answer((match->value & CT_ESTABLISHED) != 0), match->negate);
}

static enum ruleset_answer match_original(const struct view *view, const struct match *match)
{
	(void)view;
	return negated(RULESET_YES, match->negate);
}

static enum ruleset_answer match_mark(const struct view *view, const struct match *match)
{
	return negated(answer((view->mark & match->mask) == match->value), match->negate);
}

static enum ruleset_answer match_interface(const char *ifname, const struct match *match)
{
	return ifname ? negated(answer(!strcmp(ifname, match->set)), match->negate)
		      : RULESET_UNKNOWN;
}

static enum ruleset_answer match_interface_set(
	const struct view *view, const char *ifname, const struct match *match)
{
	return ifname ? negated(ruleset_has_ifname(view->rs, match->set, ifname), match->negate)
		      : RULESET_UNKNOWN;
}

static enum ruleset_answer match_iif(const struct view *view, const struct match *match)
{
	return match_interface(view->iif, match);
}

static enum ruleset_answer match_oif(const struct view *view, const struct match *match)
{
	return match_interface(view->oif, match);
}

static enum ruleset_answer match_iif_set(const struct view *view, const struct match *match)
{
	return match_interface_set(view, view->iif, match);
}

static enum ruleset_answer match_oif_set(const struct view *view, const struct match *match)
{
	return match_interface_set(view, view->oif, match);
}

static enum ruleset_answer holds(const struct view *view, const struct match *match)
{
	static enum ruleset_answer (*const readers[])(
		const struct view *view, const struct match *match) = {
		[MATCH_CT_STATE] = match_state,
		[MATCH_CT_ORIGINAL] = match_original,
		[MATCH_CT_PROTOCOL] = match_protocol,
		[MATCH_CT_ADDR] = match_cidr,
		[MATCH_CT_ADDR_SET] = match_address_set,
		[MATCH_CT_PORT] = match_port,
		[MATCH_CT_PORT_SET] = match_port_set,
		[MATCH_CT_ICMP] = match_icmp,
		[MATCH_CT_MARK] = match_mark,
		[MATCH_NFPROTO] = match_family,
		[MATCH_L4PROTO] = match_protocol,
		[MATCH_HDR_ADDR] = match_cidr,
		[MATCH_HDR_ADDR_SET] = match_address_set,
		[MATCH_HDR_PORT] = match_port,
		[MATCH_IIF] = match_iif,
		[MATCH_OIF] = match_oif,
		[MATCH_IIF_SET] = match_iif_set,
		[MATCH_OIF_SET] = match_oif_set,
	};

	if ((size_t)match->kind >= sizeof(readers) / sizeof(*readers) || !readers[match->kind])
		return RULESET_UNKNOWN;
	return readers[match->kind](view, match);
}

/* Does not match if any of its conditions certainly does not hold. */
static enum ruleset_answer applies(const struct view *view, const struct rule *rule)
{
	enum ruleset_answer all = RULESET_YES;

	for (size_t i = 0; i < rule->match_count; i++) {
		enum ruleset_answer one = holds(view, &rule->matches[i]);

		if (one == RULESET_NO)
			return RULESET_NO;
		if (one == RULESET_UNKNOWN)
			all = RULESET_UNKNOWN;
	}
	return all;
}

/* --- chains ------------------------------------------------------------------------------------ */

enum outcome { PASSED /* came to its end, or returned */, ACCEPTED, DENIED };

static enum outcome run_chain(const struct view *view, const char *name, int depth);

/* Where a lookup in a verdict map leads, or NULL where it misses. */
static const char *looked_up(const struct view *view, const struct rule *rule)
{
	const struct elem_key key = {.ip = *address_of(view, rule->map_side)};

	if (key.ip.family != rule->map_family)
		return NULL;
	if (rule->verdict == VERDICT_MAP_GROUP)
		return ruleset_group_target(view->rs, rule->target, rule->map_side, &key.ip);
	return ruleset_target(view->rs, rule->target, &key);
}

static enum outcome run_map(const struct view *view, const struct rule *rule, int depth)
{
	const char *target = looked_up(view, rule);

	return target ? run_chain(view, target, depth + 1) : PASSED;
}

/* *end: the chain is left with what is returned. */
static enum outcome run_rule(const struct view *view, const struct rule *rule, int depth, bool *end)
{
	enum outcome outcome = DENIED;

	*end = false;
	switch (rule->verdict) {
	case VERDICT_CONTINUE:
		return PASSED;
	case VERDICT_JUMP:
		outcome = run_chain(view, rule->target, depth + 1);
		break;
	case VERDICT_MAP_CT:
	case VERDICT_MAP_GROUP:
		outcome = run_map(view, rule, depth);
		break;
	case VERDICT_RETURN:
		*end = true;
		return PASSED;
	case VERDICT_GOTO:
		*end = true;
		return run_chain(view, rule->target, depth + 1);
	case VERDICT_ACCEPT:
		outcome = ACCEPTED;
		break;
	case VERDICT_DROP:
	default: /* by an interface that a flow has not */
		break;
	}
	*end = outcome != PASSED;
	return outcome;
}

static enum outcome run_chain(const struct view *view, const char *name, int depth)
{
	const struct rule_list *rules = ruleset_rules(view->rs, name);

	if (!rules || depth > DEPTH_MAX)
		return DENIED;
	for (size_t i = 0; i < rules->count; i++) {
		enum ruleset_answer answered = applies(view, &rules->items[i]);
		enum outcome outcome;
		bool end;

		if (answered == RULESET_NO)
			continue;
		if (answered == RULESET_UNKNOWN)
			return DENIED;
		outcome = run_rule(view, &rules->items[i], depth, &end);
		if (end)
			return outcome;
	}
	return PASSED;
}

/* --- flows ------------------------------------------------------------------------------------- */

/* Unjudged where the side is not isolated. */
static enum flow_verdict judge_side(const struct view *view, enum flow_side side)
{
	static const char *const maps[][2] = {
		[SIDE_SRC] = {MAP_EGRESS4, MAP_EGRESS6}, [SIDE_DST] = {MAP_INGRESS4, MAP_INGRESS6}};
	const struct ip *ip = address_of(view, side);
	const char *chain = ruleset_group_target(view->rs, maps[side][ip->family == 6], side, ip);

	if (!chain)
		return FLOW_UNJUDGED;
	return run_chain(view, chain, 1) == DENIED ? FLOW_DENIED : FLOW_ALLOWED;
}

static enum flow_verdict worse(enum flow_verdict a, enum flow_verdict b)
{
	return a > b ? a : b;
}

struct strict_search {
	const struct view *view;
	enum flow_verdict verdict;
};

/* A strict network's subnets are in its chain for what comes in, which tells unknown senders by them. */
static bool in_subnets(const struct ruleset *rs, const char *chain, const struct ip *ip)
{
	const struct rule_list *rules = ruleset_rules(rs, chain);

	for (size_t r = 0; rules && r < rules->count; r++)
		for (size_t m = 0; m < rules->items[r].match_count; m++) {
			const struct match *match = &rules->items[r].matches[m];

			if (match->kind == MATCH_HDR_ADDR && cidr_contains(&match->cidr, ip))
				return true;
		}
	return false;
}

static enum flow_verdict judge_strict(
	const struct view *view, const char *map, const struct elem_key *bridge)
{
	const char *chain = ruleset_target(view->rs, map, bridge);

	/* a kernel whose bridge table judges no flows has no map for it */
	if (!chain)
		return FLOW_UNJUDGED;
	return run_chain(view, chain, 1) == DENIED ? FLOW_DENIED : FLOW_ALLOWED;
}

/* One strict network: which way a flow goes through its bridge is told by its addresses. */
static bool judge_bridge(const struct elem_key *bridge, const char *chain, void *arg)
{
	struct strict_search *search = arg;
	struct view view = *search->view;
	bool from = in_subnets(view.rs, chain, address_of(&view, SIDE_SRC));
	bool to = in_subnets(view.rs, chain, address_of(&view, SIDE_DST));

	view.iif = from ? bridge->ifname : "";
	view.oif = to ? bridge->ifname : "";
	if (from)
		search->verdict =
			worse(search->verdict, judge_strict(&view, MAP_STRICT_IN, bridge));
	if (to)
		search->verdict =
			worse(search->verdict, judge_strict(&view, MAP_STRICT_OUT, bridge));
	return search->verdict != FLOW_DENIED;
}

enum flow_verdict flow_judge(const struct ruleset *rs, const struct flow *flow, bool reversed)
{
	const struct view view = {.rs = rs,
		.protocol = flow->protocol,
		.original = reversed ? flow->reply : flow->original,
		.reply = reversed ? flow->original : flow->reply,
		.mark = flow->mark};
	struct strict_search strict = {.view = &view, .verdict = FLOW_UNJUDGED};
	enum flow_verdict verdict = worse(judge_side(&view, SIDE_SRC), judge_side(&view, SIDE_DST));

	if (verdict == FLOW_DENIED)
		return verdict;
	ruleset_each(rs, MAP_STRICT_IN, judge_bridge, &strict);
	return worse(verdict, strict.verdict);
}
