/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/reach.h"

#include "common/xalloc.h"
#include "ctl/printable.h"
#include "ctl/table.h"

#include <string.h>

/* --- outsiders ------------------------------------------------------------------------------------ */

/* Addresses of the documentation's blocks (RFC 5737, RFC 3849): nobody's, so what a rule with nets says of others is not told. */
static const char *const outside_addresses[] = {"192.0.2.1", "2001:db8::1"};

static struct outsider *append(struct outsiders *outsiders, char *name)
{
	struct outsider *added;

	xgrow(outsiders->items, outsiders->count, outsiders->cap);
	added = &outsiders->items[outsiders->count++];
	*added = (struct outsider){.name = name};
	return added;
}

static const struct outsider *find(const struct outsiders *outsiders, const char *name)
{
	for (size_t i = 0; i < outsiders->count; i++)
		if (!strcmp(outsiders->items[i].name, name))
			return &outsiders->items[i];
	return NULL;
}

static void first_addresses(const struct netset *set, struct ip ips[2])
{
	struct ip last;

	ips[0] = ips[1] = (struct ip){0};
	for (size_t i = set->nets.count; i-- > 0;)
		cidr_range(&set->nets.items[i], &ips[set->nets.items[i].ip.family == 6], &last);
}

static void add_netset(struct outsiders *outsiders, const struct netset *set)
{
	cleanup_free char *name = xasprintf("(network set %s)", set->name);
	const struct outsider *known = find(outsiders, name);
	struct outsider *added;
	struct ip ips[2];

	first_addresses(set, ips);
	if (known && ip_equal(&known->ips[0], &ips[0]) && ip_equal(&known->ips[1], &ips[1]))
		return;
	added = append(outsiders,
		known ? xasprintf("(network set %s, as it was)", set->name) : xstrdup(name));
	memcpy(added->ips, ips, sizeof(ips));
}

void outsiders_add(struct outsiders *outsiders, const struct policies *policies)
{
	static const char outside[] = "(outside)";

	if (!find(outsiders, outside)) {
		struct outsider *added = append(outsiders, xstrdup(outside));

		for (size_t i = 0; i < 2; i++)
			if (ip_parse(outside_addresses[i], &added->ips[i], NULL))
				added->ips[i] = (struct ip){0};
	}
	for (size_t i = 0; i < policies->netset_count; i++)
		add_netset(outsiders, policies->netsets[i]);
}

void outsiders_clear(struct outsiders *outsiders)
{
	for (size_t i = 0; i < outsiders->count; i++)
		free(outsiders->items[i].name);
	free(outsiders->items);
	*outsiders = (struct outsiders){0};
}

/* --- the matrix ----------------------------------------------------------------------------------- */

struct matrix {
	const struct judge *judge;
	const struct policy_flow *flow;
	json_t *pairs;
};

static const struct ip *address_of(const struct world_endpoint *endpoint, uint8_t family)
{
	return family == 6 ? &endpoint->record->ipv6 : &endpoint->record->ipv4;
}

static void try_pair(struct matrix *matrix, const char *const nodes[DIR_COUNT],
	const struct ip *from, const struct ip *to, const char *from_name, const char *to_name)
{
	struct judgement judgement cleanup_judgement = {0};
	struct trial trial = {.question = {.flow = *matrix->flow}, .nodes = {nodes[0], nodes[1]}};

	trial.question.flow.source.ip = *from;
	trial.question.flow.destination.ip = *to;
	if (!from->family || !to->family)
		return;
	judge_try(matrix->judge, &trial, &judgement);
	json_array_append_new(matrix->pairs, json_pack("{s:s,s:s,s:b}", "from", from_name, "to",
						     to_name, "allowed", judgement.allowed));
}

static void add_pair(struct matrix *matrix, const struct world_endpoint *from,
	const struct world_endpoint *to, const char *from_name, const char *to_name)
{
	const char *const nodes[DIR_COUNT] = {
		[DIR_EGRESS] = from->record->node, [DIR_INGRESS] = to->record->node};
	uint8_t family = from->record->ipv4.family && to->record->ipv4.family ? 4 : 6;

	try_pair(matrix, nodes, address_of(from, family), address_of(to, family), from_name,
		to_name);
}

/* Of a set without an address of the endpoint's family nothing is told. */
static void add_outsider(struct matrix *matrix, const struct world_endpoint *known,
	const struct outsider *other, const char *name)
{
	uint8_t family = known->record->ipv4.family && other->ips[0].family ? 4 : 6;
	const struct ip *ip = &other->ips[family == 6];
	const char *const nodes[DIR_COUNT] = {known->record->node, known->record->node};

	try_pair(matrix, nodes, address_of(known, family), ip, name, other->name);
	try_pair(matrix, nodes, ip, address_of(known, family), other->name, name);
}

/* "web", or where it has several endpoints "web@net1", and with its node where there are several. */
static char *name_of(const struct world_endpoint *endpoints, size_t count, size_t i, bool nodes)
{
	const struct endpoint *own = endpoints[i].record;
	bool several = false;

	for (size_t j = 0; j < count; j++)
		several |= j != i && !strcmp(endpoints[j].record->node, own->node) &&
			   !strcmp(endpoints[j].record->container_name, own->container_name);
	return xasprintf("%s%s%s%s%s", nodes ? own->node : "", nodes ? "/" : "",
		own->container_name, several ? "@" : "", several ? own->network_name : "");
}

/* On one node in one network, or on two in networks of one domain: others never match each other. */
static bool are_near(const struct world_endpoint *a, const struct world_endpoint *b)
{
	if (!strcmp(a->record->node, b->record->node))
		return a != b && !strcmp(a->record->network_id, b->record->network_id);
	return a->network && b->network && network_same_domain(a->network, b->network);
}

static bool on_node(const struct world_endpoint *endpoint, const char *node)
{
	return !node || !strcmp(endpoint->record->node, node);
}

static void fill(struct matrix *matrix, const struct world_endpoint *endpoints, size_t count,
	char *const *names, const char *node, const struct outsiders *outsiders)
{
	for (size_t i = 0; i < count; i++) {
		const struct world_endpoint *from = &endpoints[i];

		if (!on_node(from, node))
			continue;
		for (size_t j = 0; j < count; j++)
			if (on_node(&endpoints[j], node) && are_near(from, &endpoints[j]))
				add_pair(matrix, from, &endpoints[j], names[i], names[j]);
		for (size_t j = 0; j < outsiders->count; j++)
			add_outsider(matrix, from, &outsiders->items[j], names[i]);
	}
}

static int check_count(
	const struct world_endpoint *endpoints, size_t count, const char *node, struct err *err)
{
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		wanted += on_node(&endpoints[i], node);
	if (wanted > REACH_ENDPOINTS_MAX)
		return err_set(err, 0,
			"%zu endpoints are too many for a matrix (at most %d): say --node", wanted,
			REACH_ENDPOINTS_MAX);
	if (node && !wanted)
		return err_set(err, 0, "no endpoint is on node \"%s\"", node);
	return 0;
}

static bool on_several_nodes(const struct world_endpoint *endpoints, size_t count, const char *node)
{
	for (size_t i = 1; !node && i < count; i++)
		if (strcmp(endpoints[i].record->node, endpoints[0].record->node) != 0)
			return true;
	return false;
}

json_t *reach_document(const struct world *world, const struct judge *judge, const char *node,
	const struct outsiders *outsiders, const struct policy_flow *flow, struct err *err)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);
	cleanup_free char **names = NULL;
	const char *protocol = protocol_name(flow->protocol);
	struct matrix matrix = {.judge = judge, .flow = flow};
	bool several;

	if (check_count(endpoints, count, node, err))
		return NULL;
	several = on_several_nodes(endpoints, count, node);
	names = xcalloc(count, sizeof(*names));
	for (size_t i = 0; i < count; i++)
		names[i] = name_of(endpoints, count, i, several);
	matrix.pairs = json_array();
	fill(&matrix, endpoints, count, names, node, outsiders);
	for (size_t i = 0; i < count; i++)
		free(names[i]);
	return json_pack("{s:o,s:i,s:o}", "protocol",
		protocol ? json_string(protocol) : json_integer(flow->protocol), "port",
		(int)flow->destination.port, "pairs", matrix.pairs);
}

/* --- printing ------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *pair, const char *key)
{
	return json_string_value(json_object_get(pair, key));
}

/* One row for each sender: whom it can reach, and whom not. */
struct row {
	char *from;
	struct strbuf reaches, misses;
};

static void print_row(struct row *row, struct table *table)
{
	if (row->from) {
		table_add(table, row->from);
		table_add(table, row->reaches.text);
		table_add(table, row->misses.text);
	}
	strbuf_free(&row->reaches);
	strbuf_free(&row->misses);
	*row = (struct row){0};
}

static int compare_pairs(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int order = strcmp(text_of(x, "from"), text_of(y, "from"));

	return order ? order : strcmp(text_of(x, "to"), text_of(y, "to"));
}

static json_t **sorted_pairs(const json_t *document, size_t *count)
{
	const json_t *pairs = json_object_get(document, "pairs");
	json_t **sorted = xcalloc(json_array_size(pairs), sizeof(*sorted));

	*count = json_array_size(pairs);
	for (size_t i = 0; i < *count; i++)
		sorted[i] = json_array_get(pairs, i);
	if (*count)
		qsort(sorted, *count, sizeof(*sorted), compare_pairs);
	return sorted;
}

void reach_table(const json_t *document, FILE *out)
{
	static const char *const headings[] = {"FROM", "REACHES", "DOES NOT REACH", NULL};
	CLEANUP(table) struct table *table = table_new(headings);
	struct row row = {0};
	size_t count;
	cleanup_free json_t **pairs = sorted_pairs(document, &count);

	for (size_t i = 0; i < count; i++) {
		bool allowed = json_is_true(json_object_get(pairs[i], "allowed"));
		struct strbuf *list = NULL;

		if (!row.from || strcmp(row.from, text_of(pairs[i], "from")) != 0) {
			print_row(&row, table);
			row.from = (char *)text_of(pairs[i], "from");
		}
		list = allowed ? &row.reaches : &row.misses;
		strbuf_addf(list, "%s%s", list->len ? ", " : "", text_of(pairs[i], "to"));
	}
	print_row(&row, table);
	table_print(table, out);
}

static void print_quoted(const char *text, FILE *out)
{
	cleanup_free char *shown = printable(text);

	fputc('"', out);
	for (const char *c = shown; *c; c++) {
		if (*c == '"' || *c == '\\')
			fputc('\\', out);
		fputc(*c, out);
	}
	fputc('"', out);
}

void reach_dot(const json_t *document, FILE *out)
{
	size_t count;
	cleanup_free json_t **pairs = sorted_pairs(document, &count);

	fputs("digraph reach {\n", out);
	for (size_t i = 0; i < count; i++) {
		/* who reaches nobody, and nobody reaches, is still there */
		if (!i || strcmp(text_of(pairs[i], "from"), text_of(pairs[i - 1], "from")) != 0) {
			fputc('\t', out);
			print_quoted(text_of(pairs[i], "from"), out);
			fputs(";\n", out);
		}
		if (!json_is_true(json_object_get(pairs[i], "allowed")))
			continue;
		fputc('\t', out);
		print_quoted(text_of(pairs[i], "from"), out);
		fputs(" -> ", out);
		print_quoted(text_of(pairs[i], "to"), out);
		fputs(";\n", out);
	}
	fputs("}\n", out);
}
