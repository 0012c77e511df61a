/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v3_define.h"

#include "common/netset.h"
#include "common/record.h"
#include "common/tier.h"
#include "ctl/v3_rule.h"
#include "ctl/v3_schema.h"

#include <string.h>

/* --- tiers ----------------------------------------------------------------------------------------- */

static json_t *read_default_action(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	static const char *const words[] = {"deny", "pass"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (node->kind == DOC_SCALAR && !strcmp(node->text, v3_word(words[i])))
			return json_string(words[i]);
	return walk_refuse(walk, node, "defaultAction %s is not Deny or Pass", doc_shown(node));
}

static const struct schema_field tier_spec_fields[] = {
	{"order", "order", schema_number, NULL, false},
	{"defaultAction", "defaultAction", read_default_action, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema tier_spec_schema = {"spec", tier_spec_fields, NULL};

/* --- network sets ---------------------------------------------------------------------------------- */

static const struct schema_list nets = {"nets", v3_net, NULL, POLICY_LIST_MAX};

static const struct schema_field netset_spec_fields[] = {
	{"nets", "nets", schema_array, &nets, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema netset_spec_schema = {"spec", netset_spec_fields, NULL};

/* --- both ------------------------------------------------------------------------------------------ */

static json_t *read_object(struct walk *walk, const struct doc_node *node, const char *what,
	const struct schema *spec, enum policy_need need)
{
	const struct schema_field fields[] = {
		{"apiVersion", NULL, schema_text, NULL, false},
		{"kind", NULL, schema_text, NULL, false},
		{"metadata", "metadata", schema_object, &v3_metadata_schema, true},
		{"spec", "spec", schema_object, spec, need == POLICY_WHOLE},
		{NULL, NULL, NULL, NULL, false},
	};
	const struct schema schema = {what, fields, NULL};
	const struct doc_node *metadata = schema_lookup(node, "metadata");
	const struct doc_node *namespace = metadata ? schema_lookup(metadata, "namespace") : NULL;
	size_t before = walk->diag->count;
	cleanup_json json_t *object = schema_object(walk, node, &schema);

	if (namespace)
		walk_refuse(walk, namespace, "%s has no namespace", what);
	return walk->diag->count == before ? steal_ptr(object) : NULL;
}

static json_t *build_record(const json_t *object)
{
	static const char *const maps[] = {"labels", "annotations"};
	json_t *metadata = json_object_get(object, "metadata");
	json_t *spec = json_object_get(object, "spec");
	json_t *record =
		json_pack("{s:i, s:O, s:o}", "v", 1, "name", json_object_get(metadata, "name"),
			"spec", spec ? json_incref(spec) : json_object());

	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		json_t *map = json_object_get(metadata, maps[i]);

		if (json_object_size(map))
			json_object_set(record, maps[i], map);
	}
	return record;
}

/* As it will be read by enforcers, whose word is the last. */
static int check_size(struct walk *walk, const struct doc_node *node, const json_t *record)
{
	size_t size = json_dumpb(record, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS);

	if (size <= RECORD_BYTES_MAX)
		return 0;
	walk_refuse(
		walk, node, "%zu bytes as stored: at most %d are possible", size, RECORD_BYTES_MAX);
	return -1;
}

json_t *v3_tier_from_doc(struct walk *walk, const struct doc_node *node, enum policy_need need)
{
	cleanup_json json_t *object = read_object(walk, node, "a Tier", &tier_spec_schema, need);
	cleanup_json json_t *record = object ? build_record(object) : NULL;
	json_t *spec = json_object_get(record, "spec");
	CLEANUP(tier) struct tier *tier = NULL;
	struct err err = {0};

	if (!record)
		return NULL;
	if (!json_object_get(spec, "defaultAction"))
		json_object_set_new(spec, "defaultAction", json_string("deny"));
	if (strchr(json_string_value(json_object_get(record, "name")), '.'))
		return walk_refuse(walk, node, "metadata.name: a tier's has no \".\"");
	if (need == POLICY_NAME)
		return steal_ptr(record);
	tier = tier_from_json(record, &err);
	if (!tier)
		return walk_refuse(walk, node, "%s", err.text);
	return check_size(walk, node, record) ? NULL : steal_ptr(record);
}

json_t *v3_netset_from_doc(struct walk *walk, const struct doc_node *node, enum policy_need need)
{
	cleanup_json json_t *object =
		read_object(walk, node, "a GlobalNetworkSet", &netset_spec_schema, need);
	cleanup_json json_t *record = object ? build_record(object) : NULL;
	json_t *spec = json_object_get(record, "spec");
	CLEANUP(netset) struct netset *set = NULL;
	struct err err = {0};

	if (!record)
		return NULL;
	if (!json_object_get(spec, "nets"))
		json_object_set_new(spec, "nets", json_array());
	set = netset_from_json(record, &err);
	if (!set)
		return walk_refuse(walk, node, "%s", err.text);
	return check_size(walk, node, record) ? NULL : steal_ptr(record);
}

/* --- back ------------------------------------------------------------------------------------------ */

static json_t *make_object(const json_t *record, const char *kind)
{
	static const char *const copied[] = {"name", "labels", "annotations"};
	json_t *metadata = json_object();

	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		json_t *value = json_object_get(record, copied[i]);

		if (value)
			json_object_set(metadata, copied[i], value);
	}
	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", V3_API_VERSION, "kind", kind,
		"metadata", metadata, "spec", json_copy(json_object_get(record, "spec")));
}

json_t *v3_tier_object(const json_t *record)
{
	json_t *object = make_object(record, "Tier"), *spec = json_object_get(object, "spec");
	const char *action = json_string_value(json_object_get(spec, "defaultAction"));

	if (action && v3_word(action))
		json_object_set_new(spec, "defaultAction", json_string(v3_word(action)));
	return object;
}

json_t *v3_netset_object(const json_t *record)
{
	return make_object(record, "GlobalNetworkSet");
}

json_t *v3_default_tier(void)
{
	return json_pack("{s:i,s:s,s:{s:i,s:s}}", "v", 1, "name", TIER_DEFAULT, "spec", "order",
		TIER_DEFAULT_ORDER, "defaultAction", "deny");
}
