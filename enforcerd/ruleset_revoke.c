/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the pending difference may forbid a flow that was allowed. Between two chains' contents lies a sequence of rules that
 * come and go, and between two sets' contents elements that do; each is harmless if it can only let more through, and all together
 * are then. Whatever is not certainly harmless counts as a revocation: that costs one evaluation per live flow, the other
 * error would leave a forbidden one alive.
 */
#include "enforcerd/ruleset_internal.h"

#include "common/xalloc.h"
#include "enforcerd/skeleton.h"

#include <string.h>

/* Rules compared with rules in one chain; beyond it the chain counts as rewritten. */
enum { COMPARISONS_MAX = 1 << 16 };

static struct rs_chain *find_chain(const struct ruleset *rs, const char *name)
{
	struct rs_chain *chain = NULL;

	HASH_FIND_STR(rs->chains, name, chain);
	return chain;
}

/* --- what a rule does -------------------------------------------------------------------------- */

enum effect {
	ALLOWS, /* ends the chain in favour of the packet */
	DENIES,
	NEUTRAL, /* only tells or counts */
	OTHER    /* leads elsewhere, or changes something */
};

static bool leads_to_denial(const struct rule *rule)
{
	return !strcmp(rule->target, CHAIN_DENIED);
}

static enum effect effect_of(const struct rule *rule)
{
	switch (rule->verdict) {
	case VERDICT_RETURN:
	case VERDICT_ACCEPT:
		return rule->mark_mask ? OTHER : ALLOWS;
	case VERDICT_DROP:
		return DENIES;
	case VERDICT_GOTO:
	case VERDICT_JUMP:
		return leads_to_denial(rule) ? DENIES : OTHER;
	case VERDICT_CONTINUE:
		return rule->mark_mask ? OTHER : NEUTRAL;
	default:
		return OTHER;
	}
}

/* --- what sets are used for -------------------------------------------------------------------- */

static bool names_set(const struct match *match)
{
	switch (match->kind) {
	case MATCH_CT_ADDR_SET:
	case MATCH_CT_PORT_SET:
	case MATCH_HDR_ADDR_SET:
	case MATCH_IIF_SET:
	case MATCH_OIF_SET:
	case MATCH_IBR_SET:
	case MATCH_FIELD_SET:
	case MATCH_PORT_SET:
		return true;
	default:
		return false;
	}
}

static struct rs_usage *usage_of(const struct ruleset *rs, const char *set)
{
	struct rs_usage *usage = NULL;

	HASH_FIND_STR(rs->usages, set, usage);
	return usage;
}

static struct rs_usage *need_usage(struct ruleset *rs, const char *set)
{
	struct rs_usage *usage = usage_of(rs, set);

	if (!usage) {
		usage = xcalloc(1, sizeof(*usage));
		snprintf(usage->name, sizeof(usage->name), "%s", set);
		HASH_ADD_STR(rs->usages, name, usage);
	}
	return usage;
}

/* A rule that matches for more elements lets more through if it allows; one that denies, for fewer. */
static void count_match(struct ruleset *rs, const struct match *match, enum effect effect, int by)
{
	struct rs_usage *usage = need_usage(rs, match->set);
	bool unknown = effect == OTHER, grows = (effect == ALLOWS) != match->negate;

	usage->removal_forbids += unknown || grows ? by : 0;
	usage->addition_forbids += unknown || !grows ? by : 0;
	usage->rules += by;
	if (usage->rules)
		return;
	HASH_DEL(rs->usages, usage);
	free(usage);
}

void usage_count(struct ruleset *rs, const struct rule_list *rules, int by)
{
	for (size_t r = 0; r < rules->count; r++) {
		const struct rule *rule = &rules->items[r];
		enum effect effect = effect_of(rule);

		for (size_t m = 0; m < rule->match_count && effect != NEUTRAL; m++)
			if (names_set(&rule->matches[m]))
				count_match(rs, &rule->matches[m], effect, by);
	}
}

void usage_free(struct ruleset *rs)
{
	struct rs_usage *usage, *next;

	HASH_ITER (hh, rs->usages, usage, next) {
		HASH_DEL(rs->usages, usage);
		free(usage);
	}
}

/* --- sets -------------------------------------------------------------------------------------- */

/*
 * Looked up for every packet before any flow is let through unjudged, or only for the first of a flow: what they say takes effect by
 * itself.
 */
static bool is_stateless(const char *set)
{
	static const char *const names[] = {SET_AT4, SET_AT6, SET_OWNED4, SET_OWNED6, SET_PORT_MACS,
		SET_OWNED_MACS, SET_LOCAL6, SET_ISOLATED_PORTS, SET_ENDPOINT_PORTS, SET_MANAGED,
		SET_GATEWAYS4, SET_GATEWAYS6, SET_OFF_BRIDGE4, SET_OFF_BRIDGE6, SET_MIDSTREAM,
		SET_UNREADY4, SET_UNREADY6, SET_REMOTE4, SET_REMOTE6};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], set))
			return true;
	return false;
}

static bool is_map(enum set_type type)
{
	return type >= MAP_IPV4;
}

static bool elem_revokes(
	const struct rs_set *set, const struct rs_usage *usage, const struct rs_elem *elem)
{
	if (is_map(set->type))
		return elem->live != elem->want || elem->replaced;
	if (!usage || elem->live == elem->want)
		return false;
	return elem->want ? usage->addition_forbids > 0 : usage->removal_forbids > 0;
}

/* A set that comes or goes as a whole is judged by the rules that come or go with it. */
static bool set_revokes(const struct ruleset *rs, const struct rs_set *set)
{
	const struct rs_usage *usage = usage_of(rs, set->name);

	if (!set->live || !set->want || is_stateless(set->name))
		return false;
	for (size_t i = 0; i < set->dirty_count; i++)
		if (elem_revokes(set, usage, set->dirty_elems[i]))
			return true;
	return false;
}

/* --- chains ------------------------------------------------------------------------------------ */

/* A jump to a chain that only tells (what staged policies would do) is as neutral as that chain. */
static enum effect effect_in(const struct ruleset *rs, const struct rule *rule)
{
	enum effect effect = effect_of(rule);
	const struct rs_chain *chain = effect == OTHER && rule->verdict == VERDICT_JUMP
					       ? find_chain(rs, rule->target)
					       : NULL;

	if (!chain || !chain->want)
		return effect;
	for (size_t i = 0; i < chain->rules.count; i++)
		if (effect_of(&chain->rules.items[i]) != NEUTRAL &&
			chain->rules.items[i].verdict != VERDICT_RETURN)
			return effect;
	return NEUTRAL;
}

/* Whether returning early is the best that a chain has to offer: not where it, or one that it leads to, may accept for good. */
static bool returning_allows(const struct ruleset *rs, const struct rule_list *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		enum verdict_kind verdict = rules->items[i].verdict;

		if (verdict == VERDICT_ACCEPT)
			return false;
		if (verdict != VERDICT_CONTINUE && effect_in(rs, &rules->items[i]) == OTHER)
			return false;
	}
	return true;
}

/* The middle parts of two lists, between what they have in common at their beginning and end. */
struct change {
	const struct rule *old, *new;
	size_t old_count, new_count;
};

static struct change middle_of(const struct rule_list *old, const struct rule_list *new)
{
	struct change change = {old->items, new->items, old->count, new->count};

	while (change.old_count && change.new_count && rule_same_meaning(change.old, change.new)) {
		change.old++;
		change.new ++;
		change.old_count--;
		change.new_count--;
	}
	while (change.old_count && change.new_count &&
		rule_same_meaning(
			&change.old[change.old_count - 1], &change.new[change.new_count - 1])) {
		change.old_count--;
		change.new_count--;
	}
	return change;
}

/*
 * Whether new comes from old by inserting rules that allow and removing rules that deny, neutral ones apart. reach[j]: the old
 * rules so far can have become the first j new ones.
 */
static bool only_allows_more(
	const struct ruleset *rs, const struct change *change, bool may_insert_return)
{
	cleanup_free bool *reach = xcalloc(change->new_count + 1, sizeof(*reach));
	cleanup_free bool *insertable = xcalloc(change->new_count + 1, sizeof(*insertable));

	reach[0] = true;
	for (size_t j = 0; j < change->new_count; j++) {
		enum effect effect = effect_in(rs, &change->new[j]);

		insertable[j] = effect == NEUTRAL ||
				(effect == ALLOWS && (may_insert_return || change->new[j].verdict ==
										   VERDICT_ACCEPT));
		reach[j + 1] = reach[j] && insertable[j];
	}
	for (size_t i = 0; i < change->old_count; i++) {
		enum effect effect = effect_in(rs, &change->old[i]);
		bool removable = effect == DENIES || effect == NEUTRAL;
		bool diagonal = reach[0];

		reach[0] = reach[0] && removable;
		for (size_t j = 0; j < change->new_count; j++) {
			bool kept = diagonal && rule_same_meaning(&change->old[i], &change->new[j]);

			diagonal = reach[j + 1];
			reach[j + 1] =
				kept || (reach[j + 1] && removable) || (reach[j] && insertable[j]);
		}
	}
	return reach[change->new_count];
}

static bool chain_revokes(const struct ruleset *rs, const struct rs_chain *chain)
{
	struct change change;

	/* what nothing led to, and what nothing leads to any more, is judged by what does */
	if (!chain->live || !chain->want || !chain->has_before)
		return false;
	if (!strcmp(chain->name, CHAIN_LIVE) || !strcmp(chain->name, CHAIN_JUDGED))
		return false;
	change = middle_of(&chain->before, &chain->rules);
	if ((change.old_count + 1) * (change.new_count + 1) > COMPARISONS_MAX)
		return true;
	return !only_allows_more(rs, &change,
		returning_allows(rs, &chain->before) && returning_allows(rs, &chain->rules));
}

bool ruleset_revokes(const struct ruleset *rs)
{
	const struct rs_chain *live = find_chain(rs, CHAIN_LIVE);

	if (!ruleset_dirty(rs))
		return false;
	/* what the kernel has is not known, or nothing of it is ours */
	if (!live || !live->live || rs->in_doubt)
		return true;
	for (size_t i = 0; i < rs->dirty_set_count; i++)
		if (set_revokes(rs, rs->dirty_sets[i]))
			return true;
	for (size_t i = 0; i < rs->dirty_chain_count; i++)
		if (chain_revokes(rs, rs->dirty_chains[i]))
			return true;
	return false;
}
