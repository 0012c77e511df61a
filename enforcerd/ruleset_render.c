/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wanted ruleset in nft's words: for golden tests and for people. */
#include "common/xalloc.h"
#include "enforcerd/ruleset_internal.h"

#include <string.h>

static const char *const type_names[] = {
	[SET_IPV4] = "type ipv4_addr",
	[SET_IPV6] = "type ipv6_addr",
	[SET_CIDR4] = "type ipv4_addr; flags interval",
	[SET_CIDR6] = "type ipv6_addr; flags interval",
	[SET_PORT] = "type inet_service",
	[SET_IFNAME] = "type ifname",
	[SET_MAC] = "type ether_addr",
	[SET_PORT_IPV4] = "type ifname . ipv4_addr",
	[SET_PORT_IPV6] = "type ifname . ipv6_addr",
	[SET_PORT_MAC] = "type ifname . ether_addr",
	[MAP_IPV4] = "type ipv4_addr : verdict",
	[MAP_IPV6] = "type ipv6_addr : verdict",
	[MAP_IFNAME] = "type ifname : verdict",
};

static const char *ct_addr(enum flow_side side, uint8_t family)
{
	static const char *const words[2][2] = {{"ct original ip saddr", "ct original ip6 saddr"},
		{"ct reply ip saddr", "ct reply ip6 saddr"}};

	return words[side == SIDE_DST][family == 6];
}

static const char *hdr_addr(enum flow_side side, uint8_t family)
{
	static const char *const words[2][2] = {
		{"ip saddr", "ip6 saddr"}, {"ip daddr", "ip6 daddr"}};

	return words[side == SIDE_DST][family == 6];
}

static void render_states(struct strbuf *out, uint32_t bits)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} states[] = {{CT_INVALID, "invalid"}, {CT_ESTABLISHED, "established"},
		{CT_RELATED, "related"}, {CT_NEW, "new"}, {CT_UNTRACKED, "untracked"}};
	const char *comma = "";

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		if (!(bits & states[i].bit))
			continue;
		strbuf_addf(out, "%s%s", comma, states[i].name);
		comma = ",";
	}
}

static void render_range(struct strbuf *out, unsigned first, unsigned last)
{
	strbuf_addf(out, first == last ? "%u" : "%u-%u", first, last);
}

static const char *flow_port(enum flow_side side)
{
	return side == SIDE_SRC ? "ct original proto-src" : "ct reply proto-src";
}

static void render_flow_match(struct strbuf *out, const struct match *m, const char *ne)
{
	char text[CIDR_TEXT_MAX];

	switch (m->kind) {
	case MATCH_CT_STATE:
		strbuf_addf(out, "ct state %s", ne);
		render_states(out, m->value);
		break;
	case MATCH_CT_ORIGINAL:
		strbuf_addf(out, "ct direction %soriginal", ne);
		break;
	case MATCH_CT_PROTOCOL:
		strbuf_addf(out, "ct original protocol %s%u", ne, m->value);
		break;
	case MATCH_CT_ADDR:
		strbuf_addf(out, "%s %s%s", ct_addr(m->side, m->cidr.ip.family), ne,
			cidr_format(&m->cidr, text));
		break;
	case MATCH_CT_ADDR_SET:
		strbuf_addf(out, "%s %s@%s", ct_addr(m->side, m->family), ne, m->set);
		break;
	case MATCH_CT_PORT:
		strbuf_addf(out, "%s %s", flow_port(m->side), ne);
		render_range(out, m->first, m->last);
		break;
	case MATCH_CT_PORT_SET:
		strbuf_addf(out, "%s %s@%s", flow_port(m->side), ne, m->set);
		break;
	case MATCH_CT_ICMP:
		strbuf_addf(out, "icmp %stype %u", ne, m->first);
		if (m->last != ICMP_ANY_CODE)
			strbuf_addf(out, " code %u", m->last);
		break;
	default: /* MATCH_CT_MARK */
		strbuf_addf(out, "ct mark & 0x%08x %s 0x%08x", m->mask,
			m->negate ? "!=" : "==", m->value);
	}
}

static const char *field_words(const struct match *m)
{
	static const char *const words[] = {[FIELD_ETHER_SADDR] = "ether saddr",
		[FIELD_ARP_SHA] = "arp saddr ether",
		[FIELD_ARP_SPA] = "arp saddr ip",
		[FIELD_ND_TARGET] = "icmpv6 taddr"};

	return m->field == FIELD_IP ? hdr_addr(m->side, m->family) : words[m->field];
}

static void render_interface(struct strbuf *out, const struct match *m, const char *ne)
{
	static const char *const words[] = {[MATCH_IIF_SET] = "iifname",
		[MATCH_OIF_SET] = "oifname",
		[MATCH_IBR_SET] = "meta ibrname",
		[MATCH_IIF] = "iifname",
		[MATCH_OIF] = "oifname",
		[MATCH_IIF_KIND] = "meta iifkind"};
	bool set = m->kind == MATCH_IIF_SET || m->kind == MATCH_OIF_SET || m->kind == MATCH_IBR_SET;

	strbuf_addf(out, set ? "%s %s@%s" : "%s %s\"%s\"", words[m->kind], ne, m->set);
}

static void render_packet_match(struct strbuf *out, const struct match *m, const char *ne)
{
	const char *op = m->negate ? "!=" : "==";
	char text[CIDR_TEXT_MAX];

	switch (m->kind) {
	case MATCH_NFPROTO:
		strbuf_addf(out, "meta nfproto %sipv%u", ne, m->family);
		break;
	case MATCH_HDR_ADDR:
		strbuf_addf(out, "%s %s%s", hdr_addr(m->side, m->cidr.ip.family), ne,
			cidr_format(&m->cidr, text));
		break;
	case MATCH_HDR_ADDR_SET:
		strbuf_addf(out, "%s %s@%s", hdr_addr(m->side, m->family), ne, m->set);
		break;
	case MATCH_ICMPV6_TYPE:
		strbuf_addf(out, "icmpv6 type %s", ne);
		render_range(out, m->first, m->last);
		break;
	case MATCH_TCP_NOT_SYN:
		strbuf_addf(
			out, "tcp flags & (fin | syn | rst | ack) %s syn", m->negate ? "==" : "!=");
		break;
	case MATCH_L4PROTO:
		strbuf_addf(out, "meta l4proto %s%u", ne, m->value);
		break;
	case MATCH_HDR_PORT:
		strbuf_addf(out, "th %s %s", m->side == SIDE_SRC ? "sport" : "dport", ne);
		render_range(out, m->first, m->last);
		break;
	case MATCH_ETHER_TYPE:
		strbuf_addf(out, "ether type %s0x%04x", ne, m->value);
		break;
	case MATCH_ETHER_MULTICAST:
		strbuf_addf(out, "ether daddr & 01:00:00:00:00:00 %s 01:00:00:00:00:00", op);
		break;
	case MATCH_FIELD_SET:
		strbuf_addf(out, "%s %s@%s", field_words(m), ne, m->set);
		break;
	case MATCH_PORT_SET:
		strbuf_addf(out, "%s . %s %s@%s", m->side == SIDE_SRC ? "iifname" : "oifname",
			field_words(m), ne, m->set);
		break;
	default:
		render_interface(out, m, ne);
	}
}

static bool of_flow(enum match_kind kind)
{
	return kind <= MATCH_CT_ICMP || kind == MATCH_CT_MARK;
}

static void render_match(struct strbuf *out, const struct match *m)
{
	const char *ne = m->negate ? "!= " : "";

	if (of_flow(m->kind))
		render_flow_match(out, m, ne);
	else
		render_packet_match(out, m, ne);
	strbuf_add(out, " ");
}

static void render_verdict(struct strbuf *out, const struct rule *rule)
{
	switch (rule->verdict) {
	case VERDICT_CONTINUE:
		strbuf_add(out, "continue");
		break;
	case VERDICT_ACCEPT:
		strbuf_add(out, "accept");
		break;
	case VERDICT_DROP:
		strbuf_add(out, "drop");
		break;
	case VERDICT_RETURN:
		strbuf_add(out, "return");
		break;
	case VERDICT_JUMP:
		strbuf_addf(out, "jump %s", rule->target);
		break;
	case VERDICT_GOTO:
		strbuf_addf(out, "goto %s", rule->target);
		break;
	case VERDICT_MAP_CT:
		strbuf_addf(out, "%s vmap @%s", ct_addr(rule->map_side, rule->map_family),
			rule->target);
		break;
	case VERDICT_MAP_IIF:
		strbuf_addf(out, "iifname vmap @%s", rule->target);
		break;
	case VERDICT_MAP_OIF:
		strbuf_addf(out, "oifname vmap @%s", rule->target);
		break;
	case VERDICT_MAP_IBR:
		strbuf_addf(out, "meta ibrname vmap @%s", rule->target);
		break;
	case VERDICT_MAP_OBR:
		strbuf_addf(out, "meta obrname vmap @%s", rule->target);
		break;
	}
}

static void render_rule(struct strbuf *out, const struct rule *rule)
{
	strbuf_add(out, "\t\t");
	for (size_t i = 0; i < rule->match_count; i++)
		render_match(out, &rule->matches[i]);
	if (rule->log)
		strbuf_addf(out, "log %s\"%s\" ", rule->log_original ? "original " : "",
			rule->log_prefix);
	if (rule->counter[0])
		strbuf_addf(out, "counter %s ", rule->counter);
	if (rule->mark_mask)
		strbuf_addf(out, "ct mark set ct mark & 0x%08x | 0x%08x ", ~rule->mark_mask,
			rule->mark);
	render_verdict(out, rule);
	if (rule->comment[0])
		strbuf_addf(out, " comment \"%s\"", rule->comment);
	strbuf_add(out, "\n");
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *elem_line(enum set_type type, const struct rs_elem *elem)
{
	const struct elem_key key = elem_key_of(type, elem);
	const char *comment = elem_comment(elem), *chain = elem_chain(elem);
	cleanup_free char *text = elem_key_text(type, &key);

	return xasprintf("\t\t%s%s%s%s%s%s\n", text, comment ? " comment \"" : "",
		comment ? comment : "", comment ? "\"" : "", chain ? " : jump " : "",
		chain ? chain : "");
}

static void render_elems(struct strbuf *out, const struct rs_set *set)
{
	char **lines = xcalloc(set->size, sizeof(*lines));
	const struct rs_elem *elem;
	size_t count = 0;

	for (elem = elem_next(&set->elems, set->type, NULL); elem;
		elem = elem_next(&set->elems, set->type, elem))
		if (elem->want)
			lines[count++] = elem_line(set->type, elem);
	qsort(lines, count, sizeof(*lines), compare_text);
	for (size_t i = 0; i < count; i++) {
		strbuf_add(out, lines[i]);
		free(lines[i]);
	}
	free(lines);
}

static int by_set_name(const struct rs_set *a, const struct rs_set *b)
{
	return strcmp(a->name, b->name);
}

static int by_chain_name(const struct rs_chain *a, const struct rs_chain *b)
{
	return strcmp(a->name, b->name);
}

static void render_set(struct strbuf *out, const struct rs_set *set)
{
	strbuf_addf(out, "\t%s %s { %s", set->type >= MAP_IPV4 ? "map" : "set", set->name,
		type_names[set->type]);
	strbuf_addf(out, "%s%s%s\n", set->comment ? " comment \"" : "",
		set->comment ? set->comment : "", set->comment ? "\"" : "");
	render_elems(out, set);
	strbuf_add(out, "\t}\n");
}

static void render_chain(struct strbuf *out, const struct rs_chain *chain)
{
	strbuf_addf(out, "\tchain %s {%s%s\n", chain->name, chain->comment ? " # " : "",
		chain->comment ? chain->comment : "");
	for (size_t i = 0; i < chain->rules.count; i++)
		render_rule(out, &chain->rules.items[i]);
	strbuf_add(out, "\t}\n");
}

static void render_part(const struct ruleset *rs, enum ruleset_tables tables, const char *heading,
	struct strbuf *out)
{
	cleanup_strbuf struct strbuf part = {0};
	const struct rs_set *set;
	const struct rs_chain *chain;

	for (set = rs->sets; set; set = set->hh.next)
		if (set->want && set->tables == tables)
			render_set(&part, set);
	for (chain = rs->chains; chain; chain = chain->hh.next)
		if (chain->want && chain->tables == tables)
			render_chain(&part, chain);
	if (part.len)
		strbuf_addf(out, "%s%s", heading, part.text);
}

void ruleset_render(const struct ruleset *rs, struct strbuf *out)
{
	/* sorting a uthash changes no content, only the order of iteration */
	struct ruleset *sorted = (struct ruleset *)(uintptr_t)rs;

	HASH_SORT(sorted->sets, by_set_name);
	HASH_SORT(sorted->chains, by_chain_name);
	render_part(rs, IN_INET, "", out);
	render_part(rs, IN_BOTH, "both tables:\n", out);
	render_part(rs, IN_BRIDGE, "table bridge:\n", out);
}
