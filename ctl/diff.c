/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/diff.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/line_diff.h"
#include "ctl/output.h"
#include "ctl/printable.h"
#include "ctl/reach.h"
#include "ctl/resource.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
	ECHO_REQUEST = 8,
	SOURCE_PORT = 49152,
	PORT_MAX = 65535,
	QUESTIONS_MAX = 20 * 1000 * 1000 /* endpoints times endpoints times flows: some seconds */
};

/* --- records ------------------------------------------------------------------------------------- */

static enum store_kind kind_of(const json_t *entry)
{
	const char *word = json_string_value(json_object_get(entry, "kind"));
	enum store_kind kind = KIND_POLICY;

	return word && store_kind_parse(word, &kind) ? kind : KIND_POLICY;
}

static const char *name_of(const json_t *entry)
{
	return json_string_value(json_object_get(json_object_get(entry, "record"), "name"));
}

/* What is in force after the records have been written. */
static int apply(const struct policies *before, const json_t *records, struct policies *after,
	struct err *err)
{
	const json_t *entry;
	size_t i;

	if (policies_copy(after, before, err))
		return -1;
	json_array_foreach (records, i, entry)
		if (policies_put_record(
			    after, kind_of(entry), json_object_get(entry, "record"), err))
			return -1;
	return 0;
}

static json_t *change_of(
	const json_t *entry, const struct policies *before, const struct policies *after)
{
	enum store_kind kind = kind_of(entry);
	cleanup_json json_t *old = policies_record(before, kind, name_of(entry));
	cleanup_json json_t *new = policies_record(after, kind, name_of(entry));
	bool same = old && json_equal(old, new);
	json_t *change = json_pack("{s:s,s:s,s:O}", "name", name_of(entry), "change",
		!old   ? "created"
		: same ? "unchanged"
		       : "changed",
		"after", new);

	if (kind != KIND_POLICY)
		json_object_set_new(change, "kind", json_string(resource_of(kind)->word));
	if (old && !same)
		json_object_set(change, "before", old);
	return change;
}

static bool is_unchanged(const json_t *change)
{
	return !strcmp(json_string_value(json_object_get(change, "change")), "unchanged");
}

/* --- flows to try -------------------------------------------------------------------------------- */

struct probe {
	struct policy_flow flow;
	bool other; /* stands for every port that is not named */
};

struct probes {
	struct probe *items;
	size_t count, cap;
	bool named[PORT_MAX + 1]; /* by a rule */
};

static void add_probe(struct probes *probes, int protocol, uint16_t port, bool other)
{
	for (size_t i = 0; i < probes->count; i++)
		if (probes->items[i].flow.protocol == protocol &&
			probes->items[i].flow.destination.port == port)
			return;
	xgrow(probes->items, probes->count, probes->cap);
	probes->items[probes->count++] =
		(struct probe){.flow = {.protocol = protocol,
				       .icmp_type = ECHO_REQUEST,
				       .source = {.port = port ? SOURCE_PORT : 0},
				       .destination = {.port = port}},
			.other = other};
}

/* The ends of a range stand for what is within. */
static void add_ports(struct probes *probes, int protocol, const struct port_list *ports)
{
	for (size_t i = 0; i < ports->count; i++) {
		add_probe(probes, protocol, ports->items[i].first, false);
		add_probe(probes, protocol, ports->items[i].last, false);
		for (unsigned port = ports->items[i].first; port <= ports->items[i].last; port++)
			probes->named[port] = true;
	}
}

static void add_policy(struct probes *probes, const struct policy *policy)
{
	for (int dir = 0; policy && dir < DIR_COUNT; dir++)
		for (size_t r = 0; r < policy->rule_count[dir]; r++) {
			const struct policy_rule *rule = &policy->rules[dir][r];

			add_ports(probes, rule->protocol, &rule->destination.ports);
			add_ports(probes, rule->protocol, &rule->destination.not_ports);
			if (rule->protocol && !protocol_has_ports(rule->protocol))
				add_probe(probes, rule->protocol, 0, false);
		}
}

static void add_others(struct probes *probes)
{
	unsigned port = PORT_MAX;

	while (port && probes->named[port])
		port--;
	if (port) {
		add_probe(probes, IPPROTO_TCP, (uint16_t)port, true);
		add_probe(probes, IPPROTO_UDP, (uint16_t)port, true);
	}
	add_probe(probes, IPPROTO_ICMP, 0, false);
}

/* Of all policies: what one end's begins to allow may be a port that only the other end's names. */
static void add_probes(
	struct probes *probes, const struct policies *before, const struct policies *after)
{
	for (size_t i = 0; i < before->count; i++)
		add_policy(probes, before->items[i]);
	for (size_t i = 0; i < after->count; i++)
		add_policy(probes, after->items[i]);
	add_others(probes);
}

/* --- pairs --------------------------------------------------------------------------------------- */

/* "tcp 3306", "udp, any other port", "icmp"; caller frees. */
static char *probe_name(const struct probe *probe)
{
	const char *name = protocol_name(probe->flow.protocol);
	cleanup_free char *number = xasprintf("protocol %d", probe->flow.protocol);

	if (probe->other)
		return xasprintf("%s, any other port", name ? name : number);
	if (!probe->flow.destination.port)
		return xstrdup(name ? name : number);
	return xasprintf("%s %u", name ? name : number, probe->flow.destination.port);
}

static void compare(
	const json_t *before, const json_t *after, const struct probe *probe, json_t *pairs)
{
	const json_t *old = json_object_get(before, "pairs"), *pair;
	cleanup_free char *name = probe_name(probe);
	size_t i;

	/* of one world: both have the same pairs in the same order */
	json_array_foreach (json_object_get(after, "pairs"), i, pair) {
		bool was = json_is_true(json_object_get(json_array_get(old, i), "allowed"));
		bool is = json_is_true(json_object_get(pair, "allowed"));

		if (was != is)
			json_array_append_new(pairs,
				json_pack("{s:s,s:O,s:O,s:s}", "change", is ? "opened" : "closed",
					"from", json_object_get(pair, "from"), "to",
					json_object_get(pair, "to"), "flow", name));
	}
}

static size_t count_endpoints(const struct world *world, const char *node)
{
	size_t count, wanted = 0;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		wanted += !node || !strcmp(endpoints[i].record->node, node);
	return wanted;
}

static int try_pairs(const struct world *world, const struct policies *before,
	const struct policies *after, const char *node, const struct probes *probes, json_t *pairs,
	struct err *err)
{
	CLEANUP(judge) struct judge *then = judge_new(world, before);
	CLEANUP(judge) struct judge *now = judge_new(world, after);
	struct outsiders outsiders cleanup_outsiders = {0};
	size_t count = count_endpoints(world, node);

	/* of both: pairs are compared by their places, and an address that leaves a set is tried as well */
	outsiders_add(&outsiders, after);
	outsiders_add(&outsiders, before);

	if (count * (count + outsiders.count) * probes->count > QUESTIONS_MAX)
		return err_set(err, 0,
			"%zu flows among %zu endpoints are too many to compare: say --node",
			probes->count, count);
	for (size_t i = 0; i < probes->count; i++) {
		const struct policy_flow *flow = &probes->items[i].flow;
		cleanup_json json_t *old = reach_document(world, then, node, &outsiders, flow, err);
		cleanup_json json_t *new =
			old ? reach_document(world, now, node, &outsiders, flow, err) : NULL;

		if (!new)
			return -1;
		compare(old, new, &probes->items[i], pairs);
	}
	return 0;
}

json_t *diff_document(const struct world *world, const struct policies *before,
	const json_t *records, const char *node, struct err *err)
{
	struct policies after cleanup_policies = {0};
	cleanup_json json_t *changes = json_array(), *pairs = json_array();
	cleanup_free struct probes *probes = xcalloc(1, sizeof(*probes));
	bool any = false;
	const json_t *entry;
	size_t i;
	int rc;

	if (apply(before, records, &after, err))
		return NULL;
	json_array_foreach (records, i, entry) {
		json_t *change = change_of(entry, before, &after);

		json_array_append_new(changes, change);
		any |= !is_unchanged(change);
	}
	if (any)
		add_probes(probes, before, &after);
	rc = try_pairs(world, before, &after, node, probes, pairs, err);
	free(probes->items);
	return rc ? NULL : json_pack("{s:O,s:O}", "policies", changes, "pairs", pairs);
}

/* --- printing ------------------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What is worth showing of a record: the spec, and with it a network set's labels, by which it is asked for. */
static json_t *shown_of(const json_t *record, const char *kind)
{
	const json_t *labels = json_object_get(record, "labels");
	json_t *shown = json_copy(json_object_get(record, "spec"));

	if (labels && kind && !strcmp(kind, resource_of(KIND_NETSET)->word))
		json_object_set(shown, "labels", (json_t *)labels);
	return shown;
}

/* As it would stand in a file; "" where there is none. Caller frees. */
static char *spec_yaml(const json_t *record, const char *kind, struct err *err)
{
	cleanup_json json_t *shown = shown_of(record, kind);
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	int rc = 0;

	if (!memory) {
		err_set(err, errno, "print a policy");
		return NULL;
	}
	if (record)
		rc = output_yaml(shown, memory, err);
	fclose(memory);
	if (!rc)
		return text;
	free(text);
	return NULL;
}

static int print_policy(const json_t *change, FILE *out, struct err *err)
{
	const char *kind = text_of(change, "kind");
	cleanup_free char *before = spec_yaml(json_object_get(change, "before"), kind, err);
	cleanup_free char *after = spec_yaml(json_object_get(change, "after"), kind, err);
	cleanup_strbuf struct strbuf lines = {0};

	if (!before || !after)
		return -1;
	line_diff(before, after, &lines);
	fprintf(out, "%s %s %s:\n%s", text_of(change, "change"), kind ? kind : "policy",
		text_of(change, "name"), lines.text);
	return 0;
}

static void print_pairs(const json_t *pairs, FILE *out)
{
	const json_t *pair;
	size_t i;

	json_array_foreach (pairs, i, pair) {
		cleanup_free char *from = printable(text_of(pair, "from"));
		cleanup_free char *to = printable(text_of(pair, "to"));

		fprintf(out, "%s: %s -> %s, %s\n", text_of(pair, "change"), from, to,
			text_of(pair, "flow"));
	}
}

int diff_text(const json_t *document, FILE *out, struct err *err)
{
	const json_t *change, *pairs = json_object_get(document, "pairs");
	size_t i, unchanged = 0;

	json_array_foreach (json_object_get(document, "policies"), i, change) {
		if (is_unchanged(change))
			unchanged++;
		else if (print_policy(change, out, err))
			return -1;
	}
	if (unchanged)
		fprintf(out, "unchanged policies: %zu\n", unchanged);
	if (json_array_size(pairs))
		print_pairs(pairs, out);
	else
		fputs("who may reach whom does not change, as far as it was tried\n", out);
	return 0;
}
