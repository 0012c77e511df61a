/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/skeleton.h"

#include "enforcerd/skeleton_internal.h"

#include <netinet/in.h>
#include <string.h>

/* Chains that the base chains share. */
#define CHAIN_NO_FLOW   "no_flow"
#define CHAIN_MIDSTREAM "midstream"
#define CHAIN_UNUSUAL   "unusual" /* packets of no established flow */
/* A rule that logs is two in the kernel: behind a jump, packets that it is not about pay for one comparison. */
#define CHAIN_CONDEMNED "condemned"
#define CHAIN_ELSEWHERE "elsewhere" /* an endpoint's address by another way than its bridge */

/* --- words ------------------------------------------------------------------------------------- */

void skeleton_name(char name[NFT_NAME_MAX], const char *text)
{
	snprintf(name, NFT_NAME_MAX, "%s", text);
}

void skeleton_comment(struct rule *rule, const char *text)
{
	snprintf(rule->comment, sizeof(rule->comment), "%s", text);
}

struct match *skeleton_match_set(struct rule *rule, enum match_kind kind, enum flow_side side,
	uint8_t family, const char *set)
{
	struct match *match = rule_match(rule, kind);

	match->side = side;
	match->family = family;
	skeleton_name(match->set, set);
	return match;
}

struct match *skeleton_match_field(struct rule *rule, enum match_kind kind, enum header_field field,
	enum flow_side side, uint8_t family, const char *set)
{
	struct match *match = skeleton_match_set(rule, kind, side, family, set);

	match->field = field;
	return match;
}

void skeleton_match_value(struct rule *rule, enum match_kind kind, uint32_t value)
{
	rule_match(rule, kind)->value = value;
}

void skeleton_jump(struct rule *rule, const char *chain)
{
	rule->verdict = VERDICT_JUMP;
	skeleton_name(rule->target, chain);
}

void skeleton_deny(struct rule *rule, enum log_what what, bool base_chain)
{
	const struct log_reason reason = {
		.what = what, .direction = DIR_COUNT, .rule = LOG_NO_RULE};

	rule->log = true;
	log_prefix_format(&reason, rule->log_prefix);
	skeleton_name(rule->counter, log_what_name(what));
	rule->verdict = base_chain ? VERDICT_JUMP : VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_DENIED);
}

static const char *isolated(uint8_t family)
{
	return by_family(family, SET_ISOLATED4, SET_ISOLATED6);
}

/* --- shared chains ----------------------------------------------------------------------------- */

/* Neighbour discovery and MLD are untracked and no flow of anybody: without them IPv6 does not work at all. */
static void allow_discovery(struct rule_list *rules)
{
	static const struct {
		uint16_t first, last;
	} types[] = {{130, 136}, {143, 143}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct rule *rule = rule_append(rules);
		struct match *match = rule_match(rule, MATCH_ICMPV6_TYPE);

		match->first = types[i].first;
		match->last = types[i].last;
		rule->verdict = VERDICT_ACCEPT;
		skeleton_comment(rule, "neighbour discovery and MLD");
	}
}

/* Packets in a conntrack state that no policy can judge: by their header. */
static void build_no_flow(struct ruleset *rs)
{
	static const struct {
		enum ct_state state;
		enum log_what what;
	} states[] = {{CT_INVALID, LOG_INVALID}, {CT_UNTRACKED, LOG_UNTRACKED}};
	struct rule_list rules = {0};

	allow_discovery(&rules);
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		for (uint8_t family = 4; family <= 6; family += 2)
			for (int side = SIDE_SRC; side <= SIDE_DST; side++) {
				struct rule *rule = rule_append(&rules);

				skeleton_match_value(rule, MATCH_CT_STATE, states[i].state);
				skeleton_match_set(rule, MATCH_HDR_ADDR_SET, (enum flow_side)side,
					family, isolated(family));
				skeleton_deny(rule, states[i].what, false);
			}
	ruleset_chain(rs, CHAIN_NO_FLOW, "packets of no flow that conntrack knows", &rules);
}

/*
 * TCP that is new to conntrack without SYN is a flow picked up midway, perhaps in reverse: judged by its first packet it could
 * pass as an answer. Dropped, except on bridges whose live flows conntrack could not have seen before.
 */
void skeleton_midstream(struct ruleset *rs, bool everywhere)
{
	struct rule_list rules = {0};

	if (everywhere)
		rule_append(&rules)->verdict = VERDICT_RETURN;
	for (int i = 0; i < 2; i++) {
		struct rule *rule = rule_append(&rules);

		skeleton_match_set(
			rule, i ? MATCH_OIF_SET : MATCH_IIF_SET, SIDE_SRC, 0, SET_MIDSTREAM);
		rule->verdict = VERDICT_RETURN;
	}
	for (uint8_t family = 4; family <= 6; family += 2)
		for (int side = SIDE_SRC; side <= SIDE_DST; side++) {
			struct rule *rule = rule_append(&rules);

			skeleton_match_set(rule, MATCH_CT_ADDR_SET, (enum flow_side)side, family,
				isolated(family));
			skeleton_deny(rule, LOG_MIDSTREAM, false);
		}
	ruleset_chain(rs, CHAIN_MIDSTREAM, "new TCP without SYN", &rules);
}

static void build_condemned(struct ruleset *rs)
{
	struct rule_list rules = {0};

	skeleton_deny(rule_append(&rules), LOG_CONDEMNED, false);
	ruleset_chain(rs, CHAIN_CONDEMNED, "flows that were denied when they were live", &rules);
}

static void build_unusual(struct ruleset *rs)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	skeleton_match_value(rule, MATCH_CT_STATE, CT_INVALID | CT_UNTRACKED);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_NO_FLOW);
	rule = rule_append(&rules);
	skeleton_match_value(rule, MATCH_CT_STATE, CT_NEW);
	rule_match(rule, MATCH_TCP_NOT_SYN);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_MIDSTREAM);
	ruleset_chain(rs, CHAIN_UNUSUAL, "packets of no established flow", &rules);
}

/* --- what the base chains have in common ------------------------------------------------------- */

static struct match *match_mark(struct rule *rule, const struct mark_layout *marks, uint32_t value)
{
	struct match *match = rule_match(rule, MATCH_CT_MARK);

	match->value = value;
	match->mask = marks->mask;
	return match;
}

/* Established flows of bystanders pay for three comparisons before the lookups. */
static void begin(struct rule_list *rules, const struct skeleton_config *config)
{
	struct rule *rule = rule_append(rules);

	skeleton_jump(rule, CHAIN_LIVE);
	rule = rule_append(rules);
	match_mark(rule, &config->marks, mark_condemned(&config->marks));
	skeleton_jump(rule, CHAIN_CONDEMNED);
	rule = rule_append(rules);
	skeleton_match_value(rule, MATCH_CT_STATE, CT_ESTABLISHED);
	rule->matches[0].negate = true;
	skeleton_jump(rule, CHAIN_UNUSUAL);
}

static void dispatch(
	struct rule_list *rules, enum flow_side side, uint8_t family, bool original_only)
{
	static const char *const maps[][2] = {
		[SIDE_SRC] = {MAP_EGRESS4, MAP_EGRESS6}, [SIDE_DST] = {MAP_INGRESS4, MAP_INGRESS6}};
	struct rule *rule = rule_append(rules);

	if (original_only)
		rule_match(rule, MATCH_CT_ORIGINAL);
	rule->verdict = VERDICT_MAP_GROUP;
	rule->map_side = side;
	rule->map_family = family;
	skeleton_name(rule->target, maps[side][family == 6]);
}

static struct rule *append_judged(struct rule_list *rules, bool original_only)
{
	struct rule *rule = rule_append(rules);

	if (original_only)
		rule_match(rule, MATCH_CT_ORIGINAL);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_JUDGED);
	return rule;
}

/*
 * Marked are flows with a judged side, and bystanders' on a managed bridge, so that they are looked at once as well; no others: the
 * mark is other people's too. A policy chain has said "pending" of the first, so that no lookup is needed to know. Of the condemned
 * ones, which audit mode lets come this far, no more is to be known.
 */
static void append_end(struct rule_list *rules, const struct skeleton_config *config,
	const struct skeleton_hook *hook)
{
	static const enum match_kind routed[] = {MATCH_IIF_SET, MATCH_OIF_SET},
				     bridged[] = {MATCH_IBR_SET};
	const enum match_kind *kinds = hook->tables == IN_BRIDGE ? bridged : routed;
	size_t count = hook->tables == IN_BRIDGE || hook->original_only ? 1 : 2;
	struct rule *rule = append_judged(rules, hook->original_only);

	match_mark(rule, &config->marks, mark_pending(&config->marks));
	for (size_t i = 0; i < count; i++) {
		rule = append_judged(rules, hook->original_only);
		match_mark(rule, &config->marks, mark_condemned(&config->marks))->negate = true;
		skeleton_match_set(rule, kinds[i], SIDE_SRC, 0, SET_MANAGED);
	}
}

static void build_family(struct ruleset *rs, const struct skeleton_config *config,
	const struct skeleton_hook *hook, uint8_t family,
	void (*extra)(struct rule_list *rules, uint8_t family))
{
	struct rule_list rules = {0};
	struct rule *rule;

	/* strict first where what follows may accept */
	if (hook->original_only) {
		rule = rule_append(&rules);
		rule_match(rule, MATCH_CT_ORIGINAL);
		skeleton_jump(rule, hook->strict);
		rule = rule_append(&rules);
		rule_match(rule, MATCH_CT_ORIGINAL);
		skeleton_jump(rule, CHAIN_PUBLISHED);
		dispatch(&rules, SIDE_SRC, family, true);
	} else {
		dispatch(&rules, SIDE_SRC, family, false);
		dispatch(&rules, SIDE_DST, family, false);
		skeleton_jump(rule_append(&rules), hook->strict);
	}
	if (extra)
		extra(&rules, family);
	append_end(&rules, config, hook);
	ruleset_chain_in(rs, hook->tables, hook->families[family == 6], NULL, &rules);
}

void skeleton_judge(struct ruleset *rs, const struct skeleton_config *config,
	const struct skeleton_hook *hook, struct rule_list *rules,
	void (*extra)(struct rule_list *rules, uint8_t family))
{
	begin(rules, config);
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rule *rule = rule_append(rules);

		build_family(rs, config, hook, family, extra);
		rule_match(rule, MATCH_NFPROTO)->family = family;
		rule->verdict = VERDICT_GOTO;
		skeleton_name(rule->target, hook->families[family == 6]);
	}
	ruleset_chain_in(rs, hook->tables, hook->chain, hook->comment, rules);
}

static void append_map(struct rule_list *rules, enum verdict_kind verdict, const char *map)
{
	struct rule *rule = rule_append(rules);

	rule->verdict = verdict;
	skeleton_name(rule->target, map);
}

void skeleton_strict(struct ruleset *rs, const struct skeleton_config *config, bool any)
{
	struct rule_list forward = {0}, input = {0}, bridged = {0};

	if (any) {
		append_map(&forward, VERDICT_MAP_IIF, MAP_STRICT_IN);
		append_map(&forward, VERDICT_MAP_OIF, MAP_STRICT_OUT);
		append_map(&input, VERDICT_MAP_IIF, MAP_STRICT_IN);
		append_map(&bridged, VERDICT_MAP_IBR, MAP_STRICT_BRIDGED);
	}
	ruleset_chain_in(rs, IN_INET, CHAIN_STRICT, "strict networks", &forward);
	ruleset_chain_in(rs, IN_INET, CHAIN_STRICT_INPUT, "strict networks, to this host", &input);
	if (config->bridge_tracked)
		ruleset_chain_in(rs, IN_BRIDGE, CHAIN_STRICT_BRIDGED, "strict networks", &bridged);
	rule_list_free(&bridged);
}

/* --- base chains of the inet table ------------------------------------------------------------- */

/*
 * A bound address comes in by its own bridge, and by no other way. What comes in by a bridge, by whichever, came through a port of it,
 * and there the bridge table has seen to it that no port but its own says the address (CHAIN_BOUND).
 */
static void build_prerouting(struct ruleset *rs)
{
	struct rule_list rules = {0}, elsewhere = {0};
	struct rule *rule = rule_append(&rules);

	skeleton_name(rule_match(rule, MATCH_IIF_KIND)->set, "bridge");
	rule->verdict = VERDICT_ACCEPT;
	skeleton_comment(rule, "the bridge table has looked at it");
	for (uint8_t family = 4; family <= 6; family += 2) {
		rule = rule_append(&rules);
		skeleton_match_set(rule, MATCH_HDR_ADDR_SET, SIDE_SRC, family,
			by_family(family, SET_OWNED4, SET_OWNED6));
		skeleton_jump(rule, CHAIN_ELSEWHERE);
	}
	skeleton_deny(rule_append(&elsewhere), LOG_SPOOFED, false);
	ruleset_chain_in(rs, IN_INET, CHAIN_ELSEWHERE, "an endpoint's address, not by its bridge",
		&elsewhere);
	ruleset_chain_in(rs, IN_INET, CHAIN_PREROUTING,
		"an endpoint's address comes in by its own bridge only", &rules);
}

static void build_forward(struct ruleset *rs, const struct skeleton_config *config)
{
	static const struct skeleton_hook hook = {IN_INET, CHAIN_FORWARD,
		"between containers, and to and from outside", {"forward4", "forward6"},
		CHAIN_STRICT, false};
	struct rule_list rules = {0};

	skeleton_judge(rs, config, &hook, &rules, NULL);
}

static void host_drop(struct rule_list *rules, uint8_t family)
{
	struct rule *rule = rule_append(rules);

	rule_match(rule, MATCH_CT_ORIGINAL);
	skeleton_match_set(rule, MATCH_CT_ADDR_SET, SIDE_SRC, family, isolated(family));
	skeleton_deny(rule, LOG_HOST, true);
	skeleton_comment(rule, "host action drop");
}

/*
 * Container to this host. What the host sends, to itself or to containers, and the answers to it, are never policed. A
 * published port that docker-proxy serves is decided in its own chain, which ends in accept or denial.
 */
static void build_input(struct ruleset *rs, const struct skeleton_config *config)
{
	static const struct skeleton_hook hook = {IN_INET, CHAIN_INPUT,
		"from containers to this host", {"input4", "input6"}, CHAIN_STRICT_INPUT, true};
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	skeleton_name(rule_match(rule, MATCH_IIF)->set, "lo");
	rule->verdict = VERDICT_ACCEPT;
	skeleton_judge(
		rs, config, &hook, &rules, config->host_action == HOST_DROP ? host_drop : NULL);
}

/*
 * What the host sends is never policed, with one exception: while an endpoint's published ports are not known, docker-proxy
 * may already serve them to anybody, and nobody can tell its connections from the host's own.
 */
static void build_output(struct ruleset *rs)
{
	struct rule_list rules = {0};

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rule *rule = rule_append(&rules);

		skeleton_match_value(rule, MATCH_CT_STATE, CT_NEW);
		skeleton_match_set(rule, MATCH_HDR_ADDR_SET, SIDE_DST, family,
			by_family(family, SET_UNREADY4, SET_UNREADY6));
		skeleton_deny(rule, LOG_PUBLISHED, true);
	}
	ruleset_chain_in(rs, IN_INET, CHAIN_OUTPUT,
		"to endpoints whose published ports are not known yet", &rules);
}

/* --- generation and mode ----------------------------------------------------------------------- */

static void build_live(
	struct rule_list *rules, const struct mark_layout *marks, uint32_t generation)
{
	static const uint32_t errors[] = {IPPROTO_ICMP, IPPROTO_ICMPV6};
	struct rule *rule = rule_append(rules);

	match_mark(rule, marks, mark_of_generation(marks, generation))->negate = true;
	rule->verdict = VERDICT_RETURN;
	/* read back by a restarted enforcerd, kernel_adopt(): in other bits the same number would be another's mark */
	if (marks->mask == MARK_MASK_DEFAULT)
		snprintf(rule->comment, sizeof(rule->comment), "generation %u", generation);
	else
		snprintf(rule->comment, sizeof(rule->comment), "generation %u of mask 0x%08x",
			generation, marks->mask);
	rule = rule_append(rules);
	skeleton_match_value(rule, MATCH_CT_STATE, CT_ESTABLISHED);
	rule->verdict = VERDICT_ACCEPT;
	/* a related flow of another kind inherits its parent's mark without having been judged */
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		rule = rule_append(rules);
		skeleton_match_value(rule, MATCH_CT_STATE, CT_RELATED);
		skeleton_match_value(rule, MATCH_L4PROTO, errors[i]);
		rule->verdict = VERDICT_ACCEPT;
	}
}

void skeleton_generation(
	struct ruleset *rs, const struct skeleton_config *config, uint32_t generation)
{
	struct rule_list live = {0}, judged = {0};

	if (generation) {
		struct rule *rule = rule_append(&judged);

		build_live(&live, &config->marks, generation);
		rule->mark = mark_of_generation(&config->marks, generation);
		rule->mark_mask = config->marks.mask;
		rule->verdict = VERDICT_CONTINUE;
	}
	ruleset_chain(rs, CHAIN_LIVE, "flows judged in this generation pass", &live);
	ruleset_chain(rs, CHAIN_JUDGED, "what the policies let through is marked", &judged);
}

void skeleton_audit(struct ruleset *rs, bool audit)
{
	struct rule_list rules = {0};

	if (!audit)
		rule_append(&rules)->verdict = VERDICT_DROP;
	ruleset_chain_in(rs, IN_BOTH, CHAIN_DENIED, "drop; empty in audit mode", &rules);
}

/* --- groups ------------------------------------------------------------------------------------ */

#define GROUPS_COMMENT \
	"isolated endpoint : 1 . group of what it may send . group of what it may receive"
#define EGRESS_COMMENT  "group of the address, by groups4|6 : what it may send"
#define INGRESS_COMMENT "group of the address, by groups4|6 : what it may receive"

/*
 * A packet that looks its group's number up while a commit changes both may not find it any more: what belongs to an isolated
 * endpoint does not pass for that.
 */
static void close_unknown_groups(struct ruleset *rs)
{
	static const char *const maps[] = {MAP_EGRESS4, MAP_EGRESS6, MAP_INGRESS4, MAP_INGRESS6};
	const struct elem_key any = {.group = 0};

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++)
		ruleset_put(rs, maps[i], &any, CHAIN_DENIED, "no such group any more");
}

/* --- all of it --------------------------------------------------------------------------------- */

static void declare_sets(struct ruleset *rs)
{
	static const struct {
		const char *name;
		enum set_type type;
		enum ruleset_tables tables; /* 0: where policies are */
		const char *comment;
	} sets[] = {
		{MAP_GROUPS4, GROUPS_IPV4, 0, GROUPS_COMMENT},
		{MAP_GROUPS6, GROUPS_IPV6, 0, GROUPS_COMMENT},
		{MAP_EGRESS4, MAP_GROUP, 0, EGRESS_COMMENT},
		{MAP_EGRESS6, MAP_GROUP, 0, EGRESS_COMMENT},
		{MAP_INGRESS4, MAP_GROUP, 0, INGRESS_COMMENT},
		{MAP_INGRESS6, MAP_GROUP, 0, INGRESS_COMMENT},
		{SET_ISOLATED4, SET_IPV4, 0, "isolated endpoints"},
		{SET_ISOLATED6, SET_IPV6, 0, "isolated endpoints"},
		{SET_MIDSTREAM, SET_IFNAME, 0, "bridges just made visible"},
		{MAP_STRICT_IN, MAP_IFNAME, IN_INET, "strict network : its known senders"},
		{MAP_STRICT_OUT, MAP_IFNAME, IN_INET, "strict network : its known receivers"},
		{MAP_PUBLISHED_EGRESS4, MAP_IPV4, IN_INET,
			"isolated endpoint : towards published ports"},
		{MAP_PUBLISHED_EGRESS6, MAP_IPV6, IN_INET,
			"isolated endpoint : towards published ports"},
		{SET_UNREADY4, SET_IPV4, IN_INET, "endpoints whose published ports are not known"},
		{SET_UNREADY6, SET_IPV6, IN_INET, "endpoints whose published ports are not known"},
		{SET_MANAGED, SET_IFNAME, 0, "bridges whose networks are governed"},
		{SET_CONTESTED4, SET_IPV4, 0, "claimed by two other nodes"},
		{SET_CONTESTED6, SET_IPV6, 0, "claimed by two other nodes"},
		{SET_OWNED4, SET_IPV4, IN_BOTH, "addresses bound to a port"},
		{SET_OWNED6, SET_IPV6, IN_BOTH, "addresses bound to a port"},
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		if (sets[i].tables)
			ruleset_set_in(
				rs, sets[i].tables, sets[i].name, sets[i].type, sets[i].comment);
		else
			ruleset_set(rs, sets[i].name, sets[i].type, sets[i].comment);
	}
}

void skeleton_build(struct ruleset *rs, const struct skeleton_config *config)
{
	static const enum log_what reasons[] = {LOG_INVALID, LOG_UNTRACKED, LOG_MIDSTREAM,
		LOG_STRICT, LOG_SPOOFED, LOG_PORT, LOG_HOST, LOG_PUBLISHED, LOG_CONTESTED,
		LOG_CONDEMNED};
	struct rule_list none = {0};

	ruleset_policy_tables(rs, config->bridge_tracked ? IN_BOTH : IN_INET);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		ruleset_counter_in(rs, IN_BOTH, log_what_name(reasons[i]));
	declare_sets(rs);
	close_unknown_groups(rs);
	skeleton_audit(rs, false);
	skeleton_generation(rs, config, 0);
	build_no_flow(rs);
	skeleton_midstream(rs, false);
	build_unusual(rs);
	build_condemned(rs);
	skeleton_strict(rs, config, false);
	ruleset_chain_in(
		rs, IN_INET, CHAIN_PUBLISHED, "published ports that docker-proxy serves", &none);
	build_prerouting(rs);
	build_forward(rs, config);
	build_input(rs, config);
	build_output(rs);
	skeleton_build_bridge(rs, config);
}
