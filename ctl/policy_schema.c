/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/policy_schema.h"

#include "common/policy.h"
#include "common/record.h"
#include "common/xalloc.h"
#include "ctl/policy_rule.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static json_t *read_name(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *name = schema_text(walk, node, arg);
	struct err err = {0};

	if (name && policy_name_check(json_string_value(name), &err))
		return walk_refuse(walk, node, "metadata.name: %s", err.text);
	if (name && !strncmp(json_string_value(name), POLICY_STAGED_PREFIX,
			    strlen(POLICY_STAGED_PREFIX)))
		return walk_refuse(walk, node,
			"metadata.name: " POLICY_STAGED_PREFIX
			" is how names of staged policies begin");
	return steal_ptr(name);
}

static json_t *read_direction(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	enum policy_direction dir;

	if (node->kind != DOC_SCALAR || !policy_direction_parse(node->text, &dir))
		return walk_refuse(walk, node, "types: %s%s%s is not ingress or egress",
			node->text ? "\"" : "", node->text ? node->text : doc_kind_name(node),
			node->text ? "\"" : "");
	return json_string(policy_direction_name(dir));
}

static json_t *read_types(struct walk *walk, const struct doc_node *node, const void *arg)
{
	json_t *types = schema_array(walk, node, arg);

	for (size_t i = 1; types && i < json_array_size(types); i++)
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(types, i), json_array_get(types, j)))
				walk_refuse(walk, node, "types: %s is there twice",
					json_string_value(json_array_get(types, i)));
	return types;
}

/* Untracked and pre-DNAT policy is for host endpoints: on a container it would do nothing, which nobody means. */
json_t *policy_only_false(struct walk *walk, const struct doc_node *node, const void *arg)
{
	if (node->kind == DOC_SCALAR && !node->quoted && !strcasecmp(node->text, "false"))
		return json_false();
	return walk_refuse(walk, node,
		"%s applies to host endpoints only: leave it out, or say false", (const char *)arg);
}

static json_t *read_bool(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	if (node->kind == DOC_SCALAR && !node->quoted && !strcasecmp(node->text, "true"))
		return json_true();
	if (node->kind == DOC_SCALAR && !node->quoted && !strcasecmp(node->text, "false"))
		return json_false();
	return walk_refuse(walk, node, "true or false is wanted here, not %s%s%s",
		node->text ? "\"" : "", node->text ? node->text : doc_kind_name(node),
		node->text ? "\"" : "");
}

static const struct schema_list types_list = {"types", read_direction, NULL, 16};

static const struct schema_field metadata_fields[] = {
	{"name", "name", read_name, NULL, true},
	{"annotations", "annotations", schema_text_map, NULL, false},
	{"resourceVersion", NULL, schema_ignore, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema metadata_schema = {"metadata", metadata_fields, NULL};

static const struct schema_field spec_fields[] = {
	{"order", "order", schema_number, NULL, false},
	{"staged", "staged", read_bool, NULL, false},
	{"selector", "selector", policy_selector, NULL, false},
	{"ingress", "ingress", policy_rules, NULL, false},
	{"egress", "egress", policy_rules, NULL, false},
	{"types", "types", read_types, &types_list, false},
	{"doNotTrack", NULL, policy_only_false, "doNotTrack", false},
	{"preDNAT", NULL, policy_only_false, "preDNAT", false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema spec_schema = {"spec", spec_fields, NULL};

static const struct schema_field whole_fields[] = {
	{"apiVersion", NULL, schema_text, NULL, false},
	{"kind", NULL, schema_text, NULL, false},
	{"metadata", "metadata", schema_object, &metadata_schema, true},
	{"spec", "spec", schema_object, &spec_schema, true},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema_field name_fields[] = {
	{"apiVersion", NULL, schema_text, NULL, false},
	{"kind", NULL, schema_text, NULL, false},
	{"metadata", "metadata", schema_object, &metadata_schema, true},
	{"spec", "spec", schema_object, &spec_schema, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema policy_schemas[] = {
	[POLICY_WHOLE] = {"a policy", whole_fields, NULL},
	[POLICY_NAME] = {"a policy", name_fields, NULL},
};

static void default_rules(json_t *spec, const char *dir)
{
	if (!json_object_get(spec, dir))
		json_object_set_new(spec, dir, json_array());
}

/* Filled in when written, so that a reader of the store never has to guess: egress only if there are egress rules. */
static void default_types(json_t *spec)
{
	json_t *types = json_array();
	bool ingress = json_array_size(json_object_get(spec, "ingress")) > 0;
	bool egress = json_array_size(json_object_get(spec, "egress")) > 0;

	if (ingress || !egress)
		json_array_append_new(types, json_string("ingress"));
	if (egress)
		json_array_append_new(types, json_string("egress"));
	json_object_set_new(spec, "types", types);
}

void policy_fill_spec(json_t *spec)
{
	default_rules(spec, "ingress");
	default_rules(spec, "egress");
	if (!json_array_size(json_object_get(spec, "types")))
		default_types(spec);
	if (!json_object_get(spec, "selector"))
		json_object_set_new(spec, "selector", json_string(""));
}

char *policy_stored_name(const char *namespace, const char *name, bool staged)
{
	return xasprintf("%s%s%s%s", staged ? POLICY_STAGED_PREFIX : "", namespace ? namespace : "",
		namespace ? "/" : "", name);
}

void policy_stage(json_t *record)
{
	const char *name = json_string_value(json_object_get(record, "name"));
	json_t *spec = json_object_get(record, "spec");
	cleanup_free char *staged = NULL;

	if (json_is_true(json_object_get(spec, "staged")))
		return;
	staged = policy_stored_name(NULL, name, true);
	json_object_set_new(record, "name", json_string(staged));
	json_object_set_new(spec, "staged", json_true());
}

static json_t *build_record(json_t *object)
{
	json_t *metadata = json_object_get(object, "metadata");
	json_t *annotations = json_object_get(metadata, "annotations");
	json_t *spec = json_object_get(object, "spec");
	cleanup_free char *name =
		policy_stored_name(NULL, json_string_value(json_object_get(metadata, "name")),
			json_is_true(json_object_get(spec, "staged")));
	json_t *record;

	spec = spec ? json_incref(spec) : json_object();
	policy_fill_spec(spec);
	if (json_is_false(json_object_get(spec, "staged")))
		json_object_del(spec, "staged");
	record = json_pack("{s:i, s:s, s:o}", "v", 1, "name", name, "spec", spec);
	if (json_object_size(annotations))
		json_object_set(record, "annotations", annotations);
	return record;
}

/* One step of a path: "name" or "[3]"; the step is cut off *path. NULL where the document has no such place. */
static const struct doc_node *step(const struct doc_node *node, const char **path)
{
	char name[64];
	size_t len = strcspn(*path + (**path == '['), ".[:]");
	size_t index;

	if (**path == '[') {
		index = strtoul(*path + 1, NULL, 10);
		*path += len + 2;
		return node->kind == DOC_SEQUENCE && index < node->count ? node->items[index]
									 : NULL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)len, *path);
	*path += len;
	if (!strcmp(name, "nets"))
		return schema_lookup(node, name) ? schema_lookup(node, name)
						 : schema_lookup(node, "net");
	if (!strcmp(name, "notNets"))
		return schema_lookup(node, name) ? schema_lookup(node, name)
						 : schema_lookup(node, "notNet");
	return schema_lookup(node, name);
}

/* Follows "spec.ingress[0].source.ports: ..." as far as the document goes. */
static const struct doc_node *locate(const struct doc_node *node, const char *path)
{
	while (*path && *path != ':' && *path != ' ') {
		const struct doc_node *next = step(node, &path);

		if (!next)
			break;
		node = next;
		path += *path == '.';
	}
	return node;
}

/*
 * The enforcer's own reader has the last word: what it would refuse must not be stored. It also checks what spans
 * fields (address families, ports and protocols); its errors begin with the path of the value.
 */
int policy_check_record(struct walk *walk, const struct doc_node *node, const json_t *record)
{
	struct err err = {0};
	struct policy *policy = policy_from_json(record, &err);
	size_t size = json_dumpb(record, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);

	if (!policy) {
		walk_refuse(walk, locate(node, err.text), "%s", err.text);
		return -1;
	}
	policy_free(policy);
	if (size > RECORD_BYTES_MAX) {
		walk_refuse(walk, node, "%zu bytes as stored: at most %d are possible", size,
			RECORD_BYTES_MAX);
		return -1;
	}
	return 0;
}

json_t *policy_from_doc(struct walk *walk, const struct doc_node *node, enum policy_need need)
{
	size_t before = walk->diag->count;
	cleanup_json json_t *object = schema_object(walk, node, &policy_schemas[need]);
	cleanup_json json_t *record = NULL;

	if (!object || walk->diag->count != before)
		return NULL;
	record = build_record(object);
	if (policy_check_record(walk, node, record))
		return NULL;
	return steal_ptr(record);
}
