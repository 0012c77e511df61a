/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses in rules: selectors, blocks and network sets; and the sets that rules look up. */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/compile_internal.h"

#include <openssl/evp.h>
#include <string.h>

void compile_hash(const char *text, char *hex, size_t digits)
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
void compile_identifier(const char *name, char part[NAME_PART + 1])
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
struct needed_set *compile_need(struct needed_list *list, const char *name, enum needed_kind kind,
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

static void need_selector(
	struct unit *u, const struct selector *selector, bool hosts, char name[NFT_NAME_MAX])
{
	struct needed_set *set;
	bool fresh;

	snprintf(name, NFT_NAME_MAX, "sel_%s%s_%u", selector_id(selector), hosts ? "h" : "",
		u->family);
	set = compile_need(u->needed, name, NEED_SELECTOR, u->family, &fresh);
	set->selector = selector;
	set->hosts = hosts;
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
	compile_hash(text.text, hex, HASH_DIGITS);
	snprintf(name, NFT_NAME_MAX, "net_%s_%u", hex, u->family);
	set = compile_need(u->needed, name, NEED_CIDRS, u->family, &fresh);
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
uint16_t *compile_single_ports(const struct port_list *list, size_t *count)
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

void compile_need_ports(struct unit *u, uint16_t *ports, size_t count, char name[NFT_NAME_MAX])
{
	cleanup_strbuf struct strbuf text = {0};
	char hex[HASH_DIGITS + 1];
	struct needed_set *set;
	bool fresh;

	for (size_t i = 0; i < count; i++)
		strbuf_addf(&text, "%u\n", ports[i]);
	compile_hash(text.text, hex, HASH_DIGITS);
	snprintf(name, NFT_NAME_MAX, "port_%s", hex);
	set = compile_need(u->needed, name, NEED_PORTS, 0, &fresh);
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

/*
 * The host is named. What it sends is never judged: who comes with its address where rules are asked has taken it, so that no rule
 * lets it in for that, though one that leaves the host out leaves it out as well.
 */
static bool has_hosts(enum flow_side side, const struct selector *selector, bool negate)
{
	return selector_names_host(selector) && (side == SIDE_DST || negate);
}

static void match_endpoints(struct unit *u, struct rule *rule, enum flow_side side,
	const struct selector *selector, bool negate)
{
	struct match *match = rule_match(rule, MATCH_CT_ADDR_SET);

	match->side = side;
	match->family = u->family;
	match->negate = negate;
	need_selector(u, selector, has_hosts(side, selector, negate), match->set);
}

/* Everything in a family, or, negated, nothing in it: then there is no such rule. */
static bool match_whole_family(struct unit *u, struct rule *rule, bool negate)
{
	if (!negate)
		rule_match(rule, MATCH_NFPROTO)->family = u->family;
	return !negate;
}

/* Blocks of the unit's family, disjoint and at least one; takes them over. False when the rule cannot match. */
static bool match_blocks(struct unit *u, struct rule *rule, enum flow_side side, struct cidr *owned,
	size_t count, bool negate)
{
	cleanup_free struct cidr *cidrs = owned;
	struct match *match;

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

/* False when the rule cannot match in this family: a list that has nothing of it (F26 rules/policy.go filterNets). */
static bool match_nets(struct unit *u, struct rule *rule, enum flow_side side,
	const struct cidr_list *list, bool negate)
{
	struct cidr *cidrs;
	size_t count = 0;

	if (!list->count)
		return true;
	cidrs = family_cidrs(list, u->family, &count);
	if (count)
		return match_blocks(u, rule, side, cidrs, count, negate);
	free(cidrs);
	return false;
}

/* The blocks of the network sets that a selector matches, NULL where there are none of the family. Caller frees. */
static struct cidr *selected_blocks(
	const struct unit *u, const struct selector *selector, size_t *count)
{
	struct cidr_list all = {0};
	struct cidr *cidrs;
	size_t cap = 0;

	*count = 0;
	for (size_t i = 0; u->netsets && i < u->netsets->count; i++) {
		const struct netset *set = u->netsets->items[i];

		if (!selector_match(selector, set->labels))
			continue;
		for (size_t n = 0; n < set->nets.count; n++) {
			xgrow(all.items, all.count, cap);
			all.items[all.count++] = set->nets.items[n];
		}
	}
	cidrs = all.count ? family_cidrs(&all, u->family, count) : NULL;
	free(all.items);
	if (*count)
		return cidrs;
	free(cidrs);
	return NULL;
}

/* An endpoint's address or one of a network set's: two rules for each, where there are such sets. */
static void match_selected(struct unit *u, struct rule_list *rules, enum flow_side side,
	const struct selector *selector)
{
	size_t count = 0, before = rules->count;
	cleanup_free struct cidr *blocks = NULL;

	if (!selector)
		return;
	blocks = selected_blocks(u, selector, &count);
	for (size_t i = 0; blocks && i < before; i++) {
		struct rule from = rules->items[i];
		struct cidr *own = xcalloc(count, sizeof(*own));

		memcpy(own, blocks, count * sizeof(*own));
		match_blocks(u, rule_append_copy(rules, &from), side, own, count, false);
	}
	for (size_t i = 0; i < before; i++)
		match_endpoints(u, &rules->items[i], side, selector, false);
}

/* False where nobody is left. */
static bool match_not_selected(
	struct unit *u, struct rule *rule, enum flow_side side, const struct selector *selector)
{
	struct cidr *blocks;
	size_t count = 0;

	if (!selector)
		return true;
	match_endpoints(u, rule, side, selector, true);
	blocks = selected_blocks(u, selector, &count);
	return !blocks || match_blocks(u, rule, side, blocks, count, true);
}

/* *rules becomes the alternatives. False: none of them can match. */
bool compile_match_entity(struct unit *u, struct rule_list *rules, enum flow_side side,
	const struct policy_entity *entity)
{
	match_selected(u, rules, side, entity->selector);
	match_selected(u, rules, side, entity->tag);
	for (size_t i = 0; i < rules->count; i++) {
		struct rule *rule = &rules->items[i];

		if (!match_not_selected(u, rule, side, entity->not_selector) ||
			!match_not_selected(u, rule, side, entity->not_tag) ||
			!match_nets(u, rule, side, &entity->nets, false) ||
			!match_nets(u, rule, side, &entity->not_nets, true))
			return false;
	}
	return true;
}
