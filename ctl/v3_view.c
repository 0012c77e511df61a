/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v3_view.h"

#include "common/policy.h"
#include "common/xalloc.h"
#include "ctl/v3_rule.h"
#include "ctl/v3_schema.h"
#include "ctl/v3_selector.h"

#include <string.h>

/* Puts the word in v3's spelling; numbers stay. */
static void respell(json_t *object, const char *key)
{
	const char *word = json_string_value(json_object_get(object, key));
	const char *v3 = word ? v3_word(word) : NULL;

	if (v3)
		json_object_set_new(object, key, json_string(v3));
}

static void put_selector(json_t *object, const struct v3_parts *parts, bool show_namespace)
{
	cleanup_free char *shown =
		show_namespace ? v3_show_namespace(parts->namespace_selector) : NULL;

	json_object_del(object, "selector");
	if (parts->selector)
		json_object_set_new(object, "selector", json_string(parts->selector));
	if (shown)
		json_object_set_new(object, "namespaceSelector", json_string(shown));
}

/* own: the namespace selector that the reader adds by itself, or NULL. */
static json_t *entity_object(const json_t *entity, const char *own)
{
	json_t *object = json_copy((json_t *)entity);
	const char *text = json_string_value(json_object_get(entity, "selector"));
	struct v3_parts parts cleanup_v3_parts = {0};
	bool implied;

	if (!text)
		return object;
	v3_split(text, &parts);
	implied = own && parts.namespace_selector && !strcmp(parts.namespace_selector, own) &&
		  (parts.selector || json_object_get(entity, "notSelector"));
	put_selector(object, &parts, parts.namespace_selector && !implied);
	return object;
}

static json_t *rule_object(const json_t *rule, const char *own)
{
	static const char *const words[] = {"action", "protocol", "notProtocol"};
	static const char *const ends[] = {"source", "destination"};
	json_t *object = json_copy((json_t *)rule);
	json_t *annotations = json_object_get(rule, "annotations");

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		respell(object, words[i]);
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		const json_t *entity = json_object_get(rule, ends[i]);

		if (entity)
			json_object_set_new(object, ends[i], entity_object(entity, own));
	}
	if (annotations)
		json_object_set_new(
			object, "metadata", json_pack("{s:O}", "annotations", annotations));
	json_object_del(object, "annotations");
	return object;
}

static void put_rules(json_t *spec, const char *key, const json_t *rules, const char *own)
{
	json_t *list = json_array();
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		json_array_append_new(list, rule_object(rule, own));
	}
	json_object_del(spec, key);
	if (json_array_size(list))
		json_object_set(spec, key, list);
	json_decref(list);
}

static void put_types(json_t *spec, const json_t *types)
{
	json_t *list = json_array();
	const json_t *type;
	size_t i;

	json_array_foreach (types, i, type) {
		json_array_append_new(list, json_string(v3_word(json_string_value(type))));
	}
	json_object_set_new(spec, "types", list);
}

static json_t *spec_object(const json_t *record, const char *own)
{
	const json_t *stored = json_object_get(record, "spec");
	json_t *spec = json_copy((json_t *)stored);
	const char *selector = json_string_value(json_object_get(stored, "selector"));
	struct v3_parts parts cleanup_v3_parts = {0};
	bool implied;

	v3_split(selector, &parts);
	implied = own && parts.namespace_selector && !strcmp(parts.namespace_selector, own);
	put_selector(spec, &parts, parts.namespace_selector && !implied);
	put_types(spec, json_object_get(stored, "types"));
	put_rules(spec, "ingress", json_object_get(stored, "ingress"), own);
	put_rules(spec, "egress", json_object_get(stored, "egress"), own);
	json_object_del(spec, "staged");
	return spec;
}

/* The name as it was written. */
static const char *bare_name(const json_t *record, const char *namespace, bool staged)
{
	const char *name = policy_name_without_mark(
		json_string_value(json_object_get(record, "name")), staged);

	return name + (namespace ? strlen(namespace) + 1 : 0);
}

static json_t *metadata_object(const json_t *record, bool staged)
{
	static const char *const copied[] = {"namespace", "labels", "annotations"};
	const char *namespace = json_string_value(json_object_get(record, "namespace"));
	json_t *metadata = json_pack("{s:s}", "name", bare_name(record, namespace, staged));

	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		json_t *value = json_object_get(record, copied[i]);

		if (value)
			json_object_set(metadata, copied[i], value);
	}
	return metadata;
}

json_t *v3_object(const json_t *record)
{
	const char *namespace = json_string_value(json_object_get(record, "namespace"));
	cleanup_free char *own = namespace ? v3_own_namespace(namespace) : NULL;
	bool staged = json_is_true(json_object_get(json_object_get(record, "spec"), "staged"));

	return json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", V3_API_VERSION, "kind",
		v3_kind_of(namespace != NULL, staged)->name, "metadata",
		metadata_object(record, staged), "spec", spec_object(record, own));
}
