/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Several policies in one chain, tier after tier; and what groups are called. */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/compile_internal.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_NAME_PART = 18, NUMBER_DIGITS = 8 /* of the hash, in maps */, NUMBER_OF_NONE = 1 };

/* --- tiers ------------------------------------------------------------------------------------- */

void compiled_free(struct compiled *compiled)
{
	rule_list_free(&compiled->own);
	for (size_t i = 0; i < compiled->tier_count; i++)
		rule_list_free(&compiled->tiers[i]);
	*compiled = (struct compiled){0};
}

void compile_tier_chain(const char *chain, size_t n, char name[NFT_NAME_MAX])
{
	snprintf(name, NFT_NAME_MAX, "t%zu_%.*s", n + 1, COMPILE_CHAIN_MAX, chain);
}

static bool is_replaced(
	const struct policy *const *policies, size_t count, const struct policy *policy)
{
	for (size_t i = 0; i < count; i++)
		if (policy_replaces(policies[i], policy))
			return true;
	return false;
}

/* Those of the unit's view, in that of staged ones without those that they replace; caller frees. */
static const struct policy **asked_of(
	const struct unit *common, const struct policy *const *policies, size_t *count)
{
	const struct policy **asked = xcalloc(*count, sizeof(*asked));
	size_t n = 0;

	for (size_t i = 0; i < *count; i++)
		if (common->view == VIEW_STAGED ? !is_replaced(policies, *count, policies[i])
						: !policies[i]->staged)
			asked[n++] = policies[i];
	*count = n;
	return asked;
}

static int compile_tier(
	struct unit *common, const struct policy *const *policies, size_t count, bool *passed)
{
	*passed = false;
	for (size_t i = 0; i < count; i++) {
		struct unit u = *common;

		u.policy = policies[i];
		u.before = u.out->count;
		if (compile_rules(&u) < 0)
			return -1;
		*passed |= u.passed;
	}
	return 0;
}

static void end_tier(struct unit *u, const struct policy *first)
{
	if (first && first->tier_passes && u->pass_to[0])
		compile_go_on(rule_append(u->out), u->pass_to);
	else
		compile_end(u->out, first, u->dir, u->view, u->needed);
}

static size_t tier_end(const struct policy *const *policies, size_t count, size_t i)
{
	size_t end = i;

	while (end < count && tier_same(policies[i], policies[end]))
		end++;
	return end;
}

/* Tier after tier, as far as anything leads to it, and the end. */
static int compile_list(struct unit *u, const char *chain, const struct policy *const *policies,
	size_t count, struct compiled *compiled)
{
	cleanup_free const struct policy **asked = asked_of(u, policies, &count);
	bool passed = false;

	u->out = &compiled->own;
	for (size_t i = 0, next; i < count; i = next) {
		next = tier_end(asked, count, i);
		u->pass_to[0] = '\0';
		if (next < count)
			compile_tier_chain(chain, compiled->tier_count, u->pass_to);
		if (compile_tier(u, &asked[i], next - i, &passed) < 0)
			return -1;
		if (next < count && !passed && asked[i]->tier_passes)
			continue; /* in the same chain */
		end_tier(u, asked[i]);
		if (next == count || !passed)
			return 0;
		if (compiled->tier_count == TIERS_MAX)
			return err_set(u->err, 0, "policy %s: more than %d tiers behind another",
				asked[next]->name, TIERS_MAX);
		u->out = &compiled->tiers[compiled->tier_count++];
	}
	end_tier(u, NULL);
	return 0;
}

int compile_group(const struct policy *const *policies, size_t count,
	const struct compile_scope *scope, struct compiled *compiled, struct needed_list *needed,
	struct err *err)
{
	struct unit common = {.dir = scope->dir,
		.family = scope->target ? scope->family : 0,
		.only = scope->target ? 0 : scope->family,
		.view = scope->view,
		.target = scope->target,
		.netsets = scope->netsets,
		.needed = needed,
		.err = err};

	return compile_list(&common, scope->chain ? scope->chain : "", policies, count, compiled);
}

/* --- group names ------------------------------------------------------------------------------- */

uint32_t compile_group_name(const struct policy *const *policies, size_t count,
	enum policy_direction dir, char name[NFT_NAME_MAX])
{
	const char *prefix = compile_dir_prefix(dir);
	cleanup_strbuf struct strbuf names = {0};
	char part[NAME_PART + 1], hex[HASH_DIGITS + 1];
	uint32_t number;

	if (!count) {
		snprintf(name, NFT_NAME_MAX, "%s_none", prefix);
		return NUMBER_OF_NONE;
	}
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&names, "%s\n", policies[i]->name);
	compile_hash(names.text, hex, HASH_DIGITS);
	compile_identifier(policies[0]->name, part);
	snprintf(name, NFT_NAME_MAX, "%s_%.*s_%s", prefix, GROUP_NAME_PART, part, hex);
	hex[NUMBER_DIGITS] = '\0';
	number = (uint32_t)strtoul(hex, NULL, 16);
	return number ? number : NUMBER_OF_NONE; /* 0 is no number of a group */
}

char *compile_group_comment(
	const struct policy *const *policies, size_t count, enum policy_direction dir)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%s:", policy_direction_name(dir));
	for (size_t i = 0; i < count && text.len < RULE_COMMENT_MAX; i++)
		strbuf_addf(&text, "%s %s", i ? "," : "", policies[i]->name);
	if (!count)
		strbuf_add(&text, " no policy");
	return strbuf_take(&text);
}
