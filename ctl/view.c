/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/view.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/lag.h"
#include "ctl/resource_version.h"
#include "ctl/v3_define.h"
#include "ctl/v3_view.h"

#include <string.h>

static const char *const *headings(enum view_kind kind, bool wide)
{
	static const char *const policies[] = {"NAME", "ORDER", "SELECTOR", "TYPES", NULL};
	static const char *const policies_wide[] = {"NAME", "ORDER", "SELECTOR", "TYPES", "TIER",
		"INGRESS", "EGRESS", "SELECTS", "NOT ISOLATED", "STAGED", NULL};
	static const char *const endpoints[] = {
		"NODE", "CONTAINER", "NETWORK", "IPV4", "IPV6", "STATE", "LABELS", NULL};
	static const char *const endpoints_wide[] = {"NODE", "CONTAINER", "NETWORK", "IPV4", "IPV6",
		"STATE", "LABELS", "ID", "MAC", "ISOLATED", "REJECTED", "IMAGE", NULL};
	static const char *const networks[] = {
		"NODE", "NAME", "DRIVER", "BRIDGE", "SUBNETS", "ISOLATION", NULL};
	static const char *const networks_wide[] = {"NODE", "NAME", "DRIVER", "BRIDGE", "SUBNETS",
		"ISOLATION", "DECIDED BY", "SHARED", "ID", NULL};
	static const char *const nodes[] = {"NODE", "VERSION", "HEARTBEAT", "POLICIES BEHIND",
		"ENDPOINTS BEHIND", "OTHERS BEHIND", NULL};
	static const char *const nodes_wide[] = {"NODE", "VERSION", "HEARTBEAT", "POLICIES BEHIND",
		"ENDPOINTS BEHIND", "OTHERS BEHIND", "ENGINE", "BOOT", "INSTANCE", NULL};
	static const char *const tiers[] = {"NAME", "ORDER", "DEFAULT ACTION", NULL};
	static const char *const tiers_wide[] = {
		"NAME", "ORDER", "DEFAULT ACTION", "POLICIES", NULL};
	static const char *const netsets[] = {"NAME", "NETS", "LABELS", NULL};
	static const char *const *const all[][2] = {
		[VIEW_POLICIES] = {policies, policies_wide},
		[VIEW_ENDPOINTS] = {endpoints, endpoints_wide},
		[VIEW_NETWORKS] = {networks, networks_wide},
		[VIEW_NODES] = {nodes, nodes_wide},
		[VIEW_TIERS] = {tiers, tiers_wide},
		[VIEW_NETSETS] = {netsets, netsets},
	};

	return all[kind][wide];
}

void view_init(struct view *view, enum view_kind kind, enum output_format format)
{
	bool structured = format == OUTPUT_YAML || format == OUTPUT_JSON;

	*view = (struct view){.format = format};
	if (structured)
		view->list = json_array();
	else
		view->table = table_new(headings(kind, format == OUTPUT_WIDE));
}

void view_clear(struct view *view)
{
	table_free(view->table);
	json_decref(view->list);
	*view = (struct view){0};
}

int view_print(const struct view *view, FILE *out, struct err *err)
{
	switch (view->format) {
	case OUTPUT_YAML:
		return output_yaml(view->list, out, err);
	case OUTPUT_JSON:
		return output_json(view->list, out, err);
	default:
		table_print(view->table, out);
		return 0;
	}
}

static void add_cells(struct view *view, size_t count, const char *const *cells)
{
	for (size_t i = 0; i < count; i++)
		table_add(view->table, cells[i]);
}

/* The cells of a row as they stand in its headings; the wide ones last. */
#define ADD_ROW(view, narrow, ...)                                                        \
	do {                                                                              \
		const char *const cells_[] = {__VA_ARGS__};                               \
		size_t all_ = sizeof(cells_) / sizeof(*cells_);                           \
		add_cells(view, (view)->format == OUTPUT_WIDE ? all_ : (narrow), cells_); \
	} while (0)

/* --- endpoints --------------------------------------------------------------------------------------- */

static char *join_labels(const struct labels *labels, bool derived_too)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < labels_count(labels); i++) {
		if (!derived_too && label_key_reserved(labels_key(labels, i)))
			continue;
		strbuf_addf(&text, "%s%s=%s", text.len ? "," : "", labels_key(labels, i),
			labels_value(labels, i));
	}
	return strbuf_take(&text);
}

/* A reason is a sentence and may have commas in it. */
static char *join_rejected(const struct labels *rejected)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < labels_count(rejected); i++)
		strbuf_addf(&text, "%s%s: %s", i ? "; " : "", labels_key(rejected, i),
			labels_value(rejected, i));
	return strbuf_take(&text);
}

static const char *format_mac(const struct endpoint *e, char text[18])
{
	snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", e->mac[0], e->mac[1], e->mac[2],
		e->mac[3], e->mac[4], e->mac[5]);
	return e->has_mac ? text : "";
}

static void add_endpoint_row(struct view *view, const struct world_endpoint *endpoint)
{
	const struct endpoint *e = endpoint->record;
	cleanup_free char *labels = join_labels(endpoint->labels, view->format == OUTPUT_WIDE);
	cleanup_free char *rejected = join_rejected(e->rejected);
	char ipv4[IP_TEXT_MAX], ipv6[IP_TEXT_MAX], mac[18];

	ADD_ROW(view, 7, e->node, e->container_name, e->network_name, ip_format(&e->ipv4, ipv4),
		ip_format(&e->ipv6, ipv6), endpoint_state_name(e->state), labels, e->id,
		format_mac(e, mac), endpoint->isolated ? "yes" : "no", rejected, e->image);
}

void view_endpoint(struct view *view, const struct world_endpoint *endpoint)
{
	json_t *record;

	if (view->table) {
		add_endpoint_row(view, endpoint);
		return;
	}
	record = endpoint_to_json(endpoint->record);
	json_object_set_new(record, "effectiveLabels", labels_to_json(endpoint->labels));
	json_object_set_new(record, "isolation", json_string(isolation_name(endpoint->isolation)));
	json_object_set_new(record, "isolated", json_boolean(endpoint->isolated));
	json_array_append_new(view->list, record);
}

/* --- networks and nodes ------------------------------------------------------------------------------ */

static char *join_subnets(const struct network *network)
{
	struct strbuf text = {0};
	char cidr[CIDR_TEXT_MAX];

	for (size_t i = 0; i < network->subnet_count; i++)
		strbuf_addf(&text, "%s%s", i ? "," : "", cidr_format(&network->subnets[i], cidr));
	return strbuf_take(&text);
}

void view_network(struct view *view, const struct world_network *network)
{
	const struct network *n = network->record;
	cleanup_free char *subnets = join_subnets(n);
	const char *isolation = isolation_name(network->isolation);
	json_t *record;

	if (view->table) {
		ADD_ROW(view, 6, network->node, n->name, n->driver, n->bridge, subnets, isolation,
			network->source, n->shared, n->id);
		return;
	}
	record = network_to_json(n);
	json_object_set_new(record, "node", json_string(network->node));
	json_object_set_new(record, "effectiveIsolation", json_string(isolation));
	json_object_set_new(record, "decidedBy", json_string(network->source));
	json_array_append_new(view->list, record);
}

void view_node(struct view *view, const struct node *node, const json_t *lag, long long now)
{
	long long age = now > node->heartbeat ? now - node->heartbeat : 0;
	cleanup_free char *heartbeat = xasprintf("%lld s ago", age);

	cleanup_free char *policies = lag_text(lag, "policies");
	cleanup_free char *endpoints = lag_text(lag, "endpoints");
	cleanup_free char *others = lag_text(lag, "others");
	json_t *record;

	if (view->table) {
		ADD_ROW(view, 6, node->node, node->version, heartbeat, policies, endpoints, others,
			node->engine, node->boot, node->instance);
		return;
	}
	record = node_to_json(node);
	json_object_set_new(record, "heartbeatAge", json_integer(age));
	json_object_set(record, "lag", (json_t *)lag);
	json_array_append_new(view->list, record);
}

/* --- policies ---------------------------------------------------------------------------------------- */

/* The record's spec is the form's, but for rule lists that are there only because a record has them. */
static json_t *spec_object(const json_t *record)
{
	static const char *const lists[] = {"ingress", "egress"};
	json_t *spec = json_copy(json_object_get(record, "spec"));

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		if (!json_array_size(json_object_get(spec, lists[i])))
			json_object_del(spec, lists[i]);
	return spec;
}

static json_t *v1_object(const json_t *record)
{
	bool staged = json_is_true(json_object_get(json_object_get(record, "spec"), "staged"));
	json_t *metadata = json_pack("{s:s}", "name",
		policy_name_without_mark(
			json_string_value(json_object_get(record, "name")), staged));
	json_t *annotations = json_object_get(record, "annotations");

	if (annotations)
		json_object_set(metadata, "annotations", annotations);
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "policy", "metadata",
		metadata, "spec", spec_object(record));
}

/* What apply takes, in the form in which it was written. */
static json_t *policy_object(const json_t *record)
{
	return json_object_get(record, "form") ? v3_object(record) : v1_object(record);
}

/* Of any kind: what lets apply tell that somebody else has changed it since. */
static void put_version(json_t *object, const json_t *record)
{
	char version[RESOURCE_VERSION_SIZE];

	resource_version_of(record, version);
	json_object_set_new(
		json_object_get(object, "metadata"), "resourceVersion", json_string(version));
}

/* Takes the object over. */
static void add_object(struct view *view, json_t *object, const json_t *record)
{
	if (!view->export)
		put_version(object, record);
	json_array_append_new(view->list, object);
}

static void format_order(bool has_order, double order, char text[32])
{
	snprintf(text, 32, "%s", "");
	if (has_order)
		snprintf(text, 32, "%.10g", order);
}

static void add_policy_row(struct view *view, const json_t *record, const struct policy *policy,
	const struct world *world)
{
	size_t not_isolated = 0, selects = world_count(world, policy->selector, &not_isolated);
	const json_t *spec = json_object_get(record, "spec");
	const char *selector = json_string_value(json_object_get(spec, "selector"));
	bool both = policy->governs[DIR_INGRESS] && policy->governs[DIR_EGRESS];
	char order[32], ingress[24], egress[24], selected[24], loose[24];

	format_order(policy->has_order, policy->order, order);
	snprintf(ingress, sizeof(ingress), "%zu", policy->rule_count[DIR_INGRESS]);
	snprintf(egress, sizeof(egress), "%zu", policy->rule_count[DIR_EGRESS]);
	snprintf(selected, sizeof(selected), "%zu", selects);
	snprintf(loose, sizeof(loose), "%zu", not_isolated);
	ADD_ROW(view, 4, policy->name, order, selector && *selector ? selector : "all()",
		both                           ? "ingress,egress"
		: policy->governs[DIR_INGRESS] ? "ingress"
					       : "egress",
		tier_of(policy), ingress, egress, selected, loose, policy->staged ? "yes" : "no");
}

void view_policy(struct view *view, const json_t *record, const struct policy *policy,
	const struct world *world)
{
	if (view->table) {
		add_policy_row(view, record, policy, world);
		return;
	}
	add_object(view, policy_object(record), record);
}

/* --- tiers and network sets -------------------------------------------------------------------------- */

void view_tier(struct view *view, const json_t *record, const struct tier *tier, size_t policies,
	bool stored)
{
	char order[32], count[24];

	if (!view->table && stored)
		add_object(view, v3_tier_object(record), record);
	else if (!view->table)
		json_array_append_new(view->list, v3_tier_object(record));
	if (!view->table)
		return;
	format_order(tier->has_order, tier->order, order);
	snprintf(count, sizeof(count), "%zu", policies);
	ADD_ROW(view, 3, tier->name, order, tier->passes ? "Pass" : "Deny", count);
}

static void add_netset_row(struct view *view, const struct netset *set)
{
	cleanup_free char *labels = join_labels(set->labels, true);
	cleanup_strbuf struct strbuf nets = {0};
	char cidr[CIDR_TEXT_MAX];

	for (size_t i = 0; i < set->nets.count; i++)
		strbuf_addf(&nets, "%s%s", i ? "," : "", cidr_format(&set->nets.items[i], cidr));
	ADD_ROW(view, 3, set->name, nets.text, labels);
}

void view_netset(struct view *view, const json_t *record, const struct netset *set)
{
	if (view->table)
		add_netset_row(view, set);
	else
		add_object(view, v3_netset_object(record), record);
}
