/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/log_prefix.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	PROTO_ICMP = 1,
	PROTO_ICMPV6 = 58,
	NAME_PART = 20,
	GROUP_NAME_PART = 18,
	HASH_DIGITS = 12,
	NUMBER_DIGITS = 8, /* of them, in maps */
	NUMBER_OF_NONE = 1,
	COUNTER_HASH_DIGITS = 6,
	EXPANDED_MAX = 4096, /* kernel rules from one policy rule: port lists multiply */
	POLICY_EXPANDED_MAX = 16384
};

/* What one policy rule is being turned into, for one family (0: both at once). */
struct unit {
	const struct policy *policy;
	const struct policy_rule *in;
	enum policy_direction dir;
	enum compile_view view;
	size_t index;
	uint8_t family;
	uint8_t only;                        /* the chain's, or 0 for one of both families */
	const struct compile_target *target; /* NULL: any, the kernel compares */
	struct rule_list *out;
	size_t before; /* rules of other policies in out */
	struct needed_list *needed;
	struct err *err;
};

static void hash_text(const char *text, char *hex, size_t digits)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};

	EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The beginning of a name as an identifier of nft. */
static void identifier_part(const char *name, char part[NAME_PART + 1])
{
	size_t n = 0;

	for (const char *c = name; *c && n < NAME_PART; c++)
		part[n++] = (char)(is_name_char(*c) ? *c : '_');
	part[n] = '\0';
}

/* --- needed sets ------------------------------------------------------------------------------- */

void needed_list_free(struct needed_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].cidrs);
		free(list->items[i].ports);
	}
	free(list->items);
	*list = (struct needed_list){0};
}

/* The entry of that name, and whether it is new. */
static struct needed_set *need(struct needed_list *list, const char *name, enum needed_kind kind,
	uint8_t family, bool *fresh)
{
	struct needed_set *set;

	*fresh = false;
	for (size_t i = 0; i < list->count; i++)
		if (!strcmp(list->items[i].name, name))
			return &list->items[i];
	xgrow(list->items, list->count, list->cap);
	set = &list->items[list->count++];
	*set = (struct needed_set){.kind = kind, .family = family};
	snprintf(set->name, sizeof(set->name), "%s", name);
	*fresh = true;
	return set;
}

static void need_selector(struct unit *u, const struct selector *selector, char name[NFT_NAME_MAX])
{
	struct needed_set *set;
	bool fresh;

	snprintf(name, NFT_NAME_MAX, "sel_%s_%u", selector_id(selector), u->family);
	set = need(u->needed, name, NEED_SELECTOR, u->family, &fresh);
	set->selector = selector;
}

/* Takes over cidrs where the set is new. */
static void need_cidrs(struct unit *u, struct cidr *cidrs, size_t count, char name[NFT_NAME_MAX])
{
	cleanup_strbuf struct strbuf text = {0};
	char hex[HASH_DIGITS + 1], cidr[CIDR_TEXT_MAX];
	struct needed_set *set;
	bool fresh;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&text, "%s\n", cidr_format(&cidrs[i], cidr));
	hash_text(text.text, hex, HASH_DIGITS);
	snprintf(name, NFT_NAME_MAX, "net_%s_%u", hex, u->family);
	set = need(u->needed, name, NEED_CIDRS, u->family, &fresh);
	if (!fresh) {
		free(cidrs);
		return;
	}
	set->cidrs = cidrs;
	set->cidr_count = count;
}

static int compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* Single ports of a list, sorted and without duplicates. */
static uint16_t *single_ports(const struct port_list *list, size_t *count)
{
	uint16_t *ports = xcalloc(list->count, sizeof(*ports));
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].first == list->items[i].last)
			ports[n++] = list->items[i].first;
	qsort(ports, n, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < n; i++)
		if (!kept || ports[i] != ports[kept - 1])
			ports[kept++] = ports[i];
	*count = kept;
	return ports;
}

static void need_ports(struct unit *u, uint16_t *ports, size_t count, char name[NFT_NAME_MAX])
{
	cleanup_strbuf struct strbuf text = {0};
	char hex[HASH_DIGITS + 1];
	struct needed_set *set;
	bool fresh;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&text, "%u\n", ports[i]);
	hash_text(text.text, hex, HASH_DIGITS);
	snprintf(name, NFT_NAME_MAX, "port_%s", hex);
	set = need(u->needed, name, NEED_PORTS, 0, &fresh);
	if (!fresh) {
		free(ports);
		return;
	}
	set->ports = ports;
	set->port_count = count;
}

/* --- addresses --------------------------------------------------------------------------------- */

static int compare_cidrs(const void *a, const void *b)
{
	return cidr_cmp(a, b);
}

/* The blocks of one family, those inside another left out: what remains is disjoint. Caller frees. */
static struct cidr *family_cidrs(const struct cidr_list *list, uint8_t family, size_t *count)
{
	struct cidr *cidrs = xcalloc(list->count, sizeof(*cidrs));
	size_t n = 0, kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].ip.family == family)
			cidrs[n++] = cidr_mask(&list->items[i]);
	qsort(cidrs, n, sizeof(*cidrs), compare_cidrs);
	/* sorted by address and then prefix length, a block comes after every block that covers it */
	for (size_t i = 0; i < n; i++)
		if (!kept || !cidr_covers(&cidrs[kept - 1], &cidrs[i]))
			cidrs[kept++] = cidrs[i];
	*count = kept;
	return cidrs;
}

static void match_selector(struct unit *u, struct rule *rule, enum flow_side side,
	const struct selector *selector, bool negate)
{
	struct match *match;

	if (!selector)
		return;
	match = rule_match(rule, MATCH_CT_ADDR_SET);
	match->side = side;
	match->family = u->family;
	match->negate = negate;
	need_selector(u, selector, match->set);
}

/* Everything in a family, or, negated, nothing in it: then there is no such rule. */
static bool match_whole_family(struct unit *u, struct rule *rule, bool negate)
{
	if (!negate)
		rule_match(rule, MATCH_NFPROTO)->family = u->family;
	return !negate;
}

/* False when the rule cannot match in this family: a list that has nothing of it (F26 rules/policy.go filterNets). */
static bool match_nets(struct unit *u, struct rule *rule, enum flow_side side,
	const struct cidr_list *list, bool negate)
{
	cleanup_free struct cidr *cidrs = NULL;
	struct match *match;
	size_t count = 0;

	if (!list->count)
		return true;
	cidrs = family_cidrs(list, u->family, &count);
	if (!count)
		return false;
	if (!cidrs[0].bits)
		return match_whole_family(u, rule, negate);
	match = rule_match(rule, count == 1 ? MATCH_CT_ADDR : MATCH_CT_ADDR_SET);
	match->side = side;
	match->family = u->family;
	match->negate = negate;
	if (count == 1)
		match->cidr = cidrs[0];
	else
		need_cidrs(u, steal_ptr(cidrs), count, match->set);
	return true;
}

static bool match_entity(
	struct unit *u, struct rule *rule, enum flow_side side, const struct policy_entity *entity)
{
	match_selector(u, rule, side, entity->selector, false);
	match_selector(u, rule, side, entity->tag, false);
	match_selector(u, rule, side, entity->not_selector, true);
	match_selector(u, rule, side, entity->not_tag, true);
	return match_nets(u, rule, side, &entity->nets, false) &&
	       match_nets(u, rule, side, &entity->not_nets, true);
}

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

	ports = single_ports(list, &count);
	if (!count)
		return;
	match = rule_match(rule, count == 1 ? MATCH_CT_PORT : MATCH_CT_PORT_SET);
	match->side = side;
	match->negate = negate;
	if (count == 1)
		match->first = match->last = ports[0];
	else
		need_ports(u, steal_ptr(ports), count, match->set);
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

static const char *dir_prefix(enum policy_direction dir)
{
	return dir == DIR_INGRESS ? "in" : "eg";
}

static void need_counter(struct needed_list *needed, struct rule *rule, const char *name)
{
	bool fresh;

	need(needed, name, NEED_COUNTER, 0, &fresh);
	snprintf(rule->counter, sizeof(rule->counter), "%s", name);
}

/* "in_allow_<policy>": the policy's name as far as an identifier can hold it, and a part of its hash. */
static void count_policy(struct unit *u, struct rule *rule, const char *verb)
{
	char part[NAME_PART + 1], hex[COUNTER_HASH_DIGITS + 1], name[NFT_NAME_MAX];

	identifier_part(u->policy->name, part);
	hash_text(u->policy->name, hex, COUNTER_HASH_DIGITS);
	snprintf(name, sizeof(name), "%s_%s_%s_%s", dir_prefix(u->dir), verb, part, hex);
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

/* Pass goes on to the next tier or the profiles: a v1 endpoint of Docker has neither, so nothing allows it. */
static void set_denial(struct unit *u, struct rule *rule, enum log_what what)
{
	bool staged = u->view == VIEW_STAGED;

	log_reason(rule, staged ? LOG_STAGED : what, u->dir, u->policy->name, (int)u->index);
	count_policy(u, rule, staged ? "staged" : "deny");
	deny(rule, u->view);
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
		set_denial(u, rule, LOG_PASS);
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
		if (match_entity(u, rule, SIDE_SRC, &u->in->source))
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
	if (match_entity(u, rule, SIDE_SRC, &in->source) &&
		match_entity(u, rule, SIDE_DST, &in->destination))
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

static int compile_rules(struct unit *u)
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

static void append_end(struct rule_list *rules, const struct policy *first,
	enum policy_direction dir, enum compile_view view, struct needed_list *needed)
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

/* Every policy of the unit's view, and the end. */
static int compile_list(struct unit *common, const struct policy *const *policies, size_t count)
{
	const struct policy *first = NULL;

	for (size_t i = 0; i < count; i++) {
		struct unit u = *common;

		if (policies[i]->staged && u.view == VIEW_IN_FORCE)
			continue;
		u.policy = policies[i];
		u.before = u.out->count;
		if (compile_rules(&u) < 0)
			return -1;
		if (!first)
			first = policies[i];
	}
	append_end(common->out, first, common->dir, common->view, common->needed);
	return 0;
}

int compile_group(const struct policy *const *policies, size_t count,
	const struct compile_scope *scope, struct rule_list *rules, struct needed_list *needed,
	struct err *err)
{
	struct unit common = {.dir = scope->dir,
		.only = scope->family,
		.view = scope->view,
		.out = rules,
		.needed = needed,
		.err = err};

	return compile_list(&common, policies, count);
}

int compile_group_towards(const struct policy *const *policies, size_t count,
	enum policy_direction dir, const struct compile_target *target, uint8_t family,
	struct rule_list *rules, struct needed_list *needed, struct err *err)
{
	struct unit common = {.dir = dir,
		.family = family,
		.target = target,
		.out = rules,
		.needed = needed,
		.err = err};

	return compile_list(&common, policies, count);
}

/* --- group names ------------------------------------------------------------------------------- */

uint32_t compile_group_name(const struct policy *const *policies, size_t count,
	enum policy_direction dir, char name[NFT_NAME_MAX])
{
	const char *prefix = dir_prefix(dir);
	cleanup_strbuf struct strbuf names = {0};
	char part[NAME_PART + 1], hex[HASH_DIGITS + 1];
	uint32_t number;

	if (!count) {
		snprintf(name, NFT_NAME_MAX, "%s_none", prefix);
		return NUMBER_OF_NONE;
	}
	for (size_t i = 0; i < count; i++)
		strbuf_addf(&names, "%s\n", policies[i]->name);
	hash_text(names.text, hex, HASH_DIGITS);
	identifier_part(policies[0]->name, part);
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
