/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v3_schema.h"

#include "common/tier.h"
#include "common/xalloc.h"
#include "ctl/v3_rule.h"
#include "ctl/v3_selector.h"

#include <string.h>

enum { V3_NAME_MAX = 253, V3_LABEL_MAX = 63, HINTS_MAX = 16 };

/* --- kinds ----------------------------------------------------------------------------------------- */

static const struct v3_kind kinds[] = {
	{"GlobalNetworkPolicy", false, false, NULL, KIND_POLICY},
	{"NetworkPolicy", true, false, NULL, KIND_POLICY},
	{"StagedGlobalNetworkPolicy", false, true, NULL, KIND_POLICY},
	{"StagedNetworkPolicy", true, true, NULL, KIND_POLICY},
	{"Tier", false, false, NULL, KIND_TIER},
	{"GlobalNetworkSet", false, false, NULL, KIND_NETSET},
	{"NetworkSet", true, false,
		"a set of addresses is of no compose project: write a GlobalNetworkSet, with a label "
		"that rules can ask for",
		KIND_NETSET},
	{"HostEndpoint", false, false, "policy is for containers: the host has no endpoints here",
		KIND_POLICY},
	{"Profile", false, false, "there are no profiles: what no policy allows is dropped",
		KIND_POLICY},
	{"WorkloadEndpoint", true, false,
		"endpoints come from Docker: bulkhead-syncd publishes them", KIND_POLICY},
	{"StagedKubernetesNetworkPolicy", true, true, "policies of Kubernetes are not read",
		KIND_POLICY},
	{"IPPool", false, false, "addresses are Docker's to give out", KIND_POLICY},
};

const struct v3_kind *v3_kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

const struct v3_kind *v3_kind_of(bool namespaced, bool staged)
{
	const struct v3_kind *kind = kinds;

	while (kind->namespaced != namespaced || kind->staged != staged)
		kind++;
	return kind;
}

/* --- metadata -------------------------------------------------------------------------------------- */

/* Lower-case letters, digits and inner "-" (and also, as Compose has them in the names of projects). */
static bool is_dns_label(const char *text, size_t len, const char *also)
{
	static const char ends[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	if (!len || len > V3_LABEL_MAX || !strchr(ends, text[0]))
		return false;
	if (!strchr(ends, text[len - 1]) && !strchr(also, text[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] != '-' && !strchr(ends, text[i]) && !strchr(also, text[i]))
			return false;
	return true;
}

static bool is_name(const char *text)
{
	const char *dot = strchr(text, '.');

	if (strlen(text) > V3_NAME_MAX)
		return false;
	if (!dot)
		return is_dns_label(text, strlen(text), "");
	return is_dns_label(text, (size_t)(dot - text), "") &&
	       is_dns_label(dot + 1, strlen(dot + 1), "");
}

static json_t *read_name(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *name = schema_text(walk, node, arg);

	if (name && !is_name(json_string_value(name)))
		return walk_refuse(walk, node,
			"metadata.name: 1 to %d lower-case letters, digits and inner \"-\", "
			"and at most one \".\" between two of these",
			V3_LABEL_MAX);
	return steal_ptr(name);
}

static json_t *read_namespace(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *name = schema_text(walk, node, arg);

	if (name && !is_dns_label(json_string_value(name), json_string_length(name), "_"))
		return walk_refuse(walk, node,
			"metadata.namespace: the name of a compose project is 1 to %d lower-case letters, "
			"digits, \"-\" and \"_\"",
			V3_LABEL_MAX);
	return steal_ptr(name);
}

static const struct schema_field metadata_fields[] = {
	{"name", "name", read_name, NULL, true},
	{"namespace", "namespace", read_namespace, NULL, false},
	{"labels", "labels", schema_text_map, NULL, false},
	{"annotations", "annotations", schema_text_map, NULL, false},
	{"resourceVersion", NULL, schema_ignore, NULL, false},
	{"uid", NULL, schema_ignore, NULL, false},
	{"creationTimestamp", NULL, schema_ignore, NULL, false},
	{"generation", NULL, schema_ignore, NULL, false},
	{"selfLink", NULL, schema_ignore, NULL, false},
	{"managedFields", NULL, schema_ignore, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};

const struct schema v3_metadata_schema = {"metadata", metadata_fields, NULL};

/* --- spec ------------------------------------------------------------------------------------------ */

/* The default one is said by saying none. Whether there is such a tier is for the store to say. */
static json_t *read_tier(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *name = schema_text(walk, node, arg);
	const char *text = name ? json_string_value(name) : "";

	if (!*text || !strcmp(text, TIER_DEFAULT))
		return NULL;
	if (!is_dns_label(text, strlen(text), ""))
		return walk_refuse(walk, node,
			"tier: the name of one is 1 to %d lower-case letters, digits and inner \"-\"",
			V3_LABEL_MAX);
	return steal_ptr(name);
}

static json_t *read_staged_action(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	if (node->kind == DOC_SCALAR && (!*node->text || !strcmp(node->text, "Set")))
		return NULL;
	return walk_refuse(walk, node,
		"stagedAction: only Set is possible: what a policy would do is reported, "
		"not what would be without one");
}

static json_t *read_type(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	static const char *const directions[] = {"ingress", "egress"};

	for (size_t i = 0; i < sizeof(directions) / sizeof(*directions); i++)
		if (node->kind == DOC_SCALAR && !strcmp(node->text, v3_word(directions[i])))
			return json_string(directions[i]);
	return walk_refuse(walk, node, "types: %s is not Ingress or Egress", doc_shown(node));
}

static json_t *read_types(struct walk *walk, const struct doc_node *node, const void *arg)
{
	json_t *types = schema_array(walk, node, arg);

	if (json_array_size(types) == 2 &&
		json_equal(json_array_get(types, 0), json_array_get(types, 1)))
		walk_refuse(walk, node, "types: one is there twice");
	return types;
}

/* Hints are about speed, never about verdicts. */
static json_t *read_hint(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	if (node->kind != DOC_SCALAR || strcmp(node->text, "AssumeNeededOnEveryNode") != 0)
		walk_refuse(walk, node, "performanceHints: only AssumeNeededOnEveryNode is known");
	return NULL;
}

static const struct schema_list types = {"types", read_type, NULL, DIR_COUNT};
static const struct schema_list hints = {"hints", read_hint, NULL, HINTS_MAX};
static const char no_service_accounts[] =
	"serviceAccountSelector: containers have no service account; select them by labels";

#define COMMON_SPEC_FIELDS                                                                        \
	{"order", "order", schema_number, NULL, false}, {"tier", "tier", read_tier, NULL, false}, \
		{"selector", "selector", v3_selector, NULL, false},                               \
		{"ingress", "ingress", v3_rules, NULL, false},                                    \
		{"egress", "egress", v3_rules, NULL, false},                                      \
		{"types", "types", read_types, &types, false},                                    \
		{"serviceAccountSelector", NULL, v3_cannot_apply, no_service_accounts, false},    \
	{                                                                                         \
		"performanceHints", NULL, schema_array, &hints, false                             \
	}

static const struct schema_field spec_fields[] = {
	COMMON_SPEC_FIELDS,
	{"stagedAction", NULL, read_staged_action, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema_field global_spec_fields[] = {
	COMMON_SPEC_FIELDS,
	{"namespaceSelector", "namespaceSelector", v3_namespace_selector, NULL, false},
	{"doNotTrack", NULL, policy_only_false, "doNotTrack", false},
	{"preDNAT", NULL, policy_only_false, "preDNAT", false},
	{"applyOnForward", NULL, policy_only_false, "applyOnForward", false},
	{"stagedAction", NULL, read_staged_action, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema spec_schema = {"spec", spec_fields, NULL};
static const struct schema global_spec_schema = {"spec", global_spec_fields, NULL};

/* --- the policy ------------------------------------------------------------------------------------ */

static void fold_spec(json_t *spec, const char *namespace)
{
	const char *selector = json_string_value(json_object_get(spec, "selector"));
	const char *given = json_string_value(json_object_get(spec, "namespaceSelector"));
	cleanup_free char *own = namespace ? v3_own_namespace(namespace) : NULL;
	json_t *joined = v3_join(own ? own : given, selector);

	json_object_del(spec, "namespaceSelector");
	if (joined)
		json_object_set_new(spec, "selector", joined);
	v3_fold_rules(json_object_get(spec, "ingress"), namespace);
	v3_fold_rules(json_object_get(spec, "egress"), namespace);
}

static void copy_map(json_t *record, const json_t *metadata, const char *key)
{
	json_t *map = json_object_get(metadata, key);

	if (json_object_size(map))
		json_object_set(record, key, map);
}

static json_t *build_record(json_t *object, const struct v3_kind *kind)
{
	json_t *metadata = json_object_get(object, "metadata");
	json_t *namespace = json_object_get(metadata, "namespace");
	cleanup_free char *name = policy_stored_name(json_string_value(namespace),
		json_string_value(json_object_get(metadata, "name")), kind->staged);
	json_t *spec = json_object_get(object, "spec");
	json_t *record;

	spec = spec ? json_incref(spec) : json_object();
	fold_spec(spec, json_string_value(namespace));
	policy_fill_spec(spec);
	if (kind->staged)
		json_object_set_new(spec, "staged", json_true());
	record =
		json_pack("{s:i, s:s, s:s, s:o}", "v", 1, "name", name, "form", "v3", "spec", spec);
	if (namespace)
		json_object_set(record, "namespace", namespace);
	copy_map(record, metadata, "labels");
	copy_map(record, metadata, "annotations");
	return record;
}

static void check_namespace(
	struct walk *walk, const struct doc_node *node, const struct v3_kind *kind)
{
	const struct doc_node *metadata = schema_lookup(node, "metadata");
	const struct doc_node *namespace = metadata ? schema_lookup(metadata, "namespace") : NULL;

	if (kind->namespaced && !namespace)
		walk_refuse(walk, metadata ? metadata : node,
			"metadata.namespace is missing: the compose project for which a %s is",
			kind->name);
	if (!kind->namespaced && namespace)
		walk_refuse(walk, namespace, "a %s has no namespace", kind->name);
}

/* The stored name has less room than v3 gives its parts. */
static int check_stored_name(struct walk *walk, const struct doc_node *node, const json_t *record)
{
	const char *name = json_string_value(json_object_get(record, "name"));
	struct err err = {0};

	if (!policy_name_check(name, &err))
		return 0;
	walk_refuse(walk, node, "stored as namespace/name: %s", err.text);
	return -1;
}

json_t *v3_policy_from_doc(struct walk *walk, const struct doc_node *node,
	const struct v3_kind *kind, enum policy_need need)
{
	const struct schema_field fields[] = {
		{"apiVersion", NULL, schema_text, NULL, false},
		{"kind", NULL, schema_text, NULL, false},
		{"metadata", "metadata", schema_object, &v3_metadata_schema, true},
		{"spec", "spec", schema_object,
			kind->namespaced ? &spec_schema : &global_spec_schema,
			need == POLICY_WHOLE},
		{NULL, NULL, NULL, NULL, false},
	};
	const struct schema schema = {"a policy", fields, NULL};
	size_t before = walk->diag->count;
	cleanup_json json_t *object = schema_object(walk, node, &schema);
	cleanup_json json_t *record = NULL;

	check_namespace(walk, node, kind);
	if (!object || walk->diag->count != before)
		return NULL;
	record = build_record(object, kind);
	if (check_stored_name(walk, node, record) || policy_check_record(walk, node, record))
		return NULL;
	return steal_ptr(record);
}
