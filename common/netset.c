/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/netset.h"

#include "common/json.h"
#include "common/policy_internal.h"
#include "common/xalloc.h"

void netset_free(struct netset *set)
{
	if (!set)
		return;
	labels_free(set->labels);
	json_decref(set->annotations);
	free(set->nets.items);
	free(set->name);
	free(set);
}

bool netset_has(const struct netset *set, const struct ip *ip)
{
	for (size_t i = 0; i < set->nets.count; i++)
		if (cidr_contains(&set->nets.items[i], ip))
			return true;
	return false;
}

/* --- lists ------------------------------------------------------------------------------------- */

void netset_list_add(struct netset_list *list, const struct netset *set)
{
	xgrow(list->items, list->count, list->cap);
	list->items[list->count++] = set;
}

void netset_list_of(const struct netset_list *all, const struct ip *ip, struct netset_list *list)
{
	for (size_t i = 0; i < all->count; i++)
		if (netset_has(all->items[i], ip))
			netset_list_add(list, all->items[i]);
}

const struct netset *netset_list_match(
	const struct netset_list *list, const struct selector *selector)
{
	for (size_t i = 0; list && i < list->count; i++)
		if (selector_match(selector, list->items[i]->labels))
			return list->items[i];
	return NULL;
}

void netset_list_clear(struct netset_list *list)
{
	free(list->items);
	*list = (struct netset_list){0};
}

/* --- reading ----------------------------------------------------------------------------------- */

static int read_labels(const struct json_at *at, void *target, struct err *err)
{
	struct labels *labels = labels_from_json(at->value, err);

	if (!labels)
		return json_wrap(at, err);
	*(struct labels **)target = labels;
	for (size_t i = 0; i < labels_count(labels); i++)
		if (label_key_reserved(labels_key(labels, i)))
			return json_fail(at, err,
				"%s: begins with " LABEL_RESERVED_PREFIX
				", as only what comes from Docker does",
				labels_key(labels, i));
	return 0;
}

static const struct json_field spec_fields[] = {
	{"nets", policy_read_nets, offsetof(struct netset, nets), true},
	{0},
};

static int read_spec(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, spec_fields, JSON_REFUSE_UNKNOWN, target, err);
}

static const struct json_field netset_fields[] = {
	{"v", json_read_version_1, 0, true},
	{"name", policy_read_name, offsetof(struct netset, name), true},
	{"labels", read_labels, offsetof(struct netset, labels), false},
	{"annotations", policy_read_text_map, offsetof(struct netset, annotations), false},
	{"spec", read_spec, 0, true},
	{0},
};

struct netset *netset_from_json(const json_t *record, struct err *err)
{
	CLEANUP(netset) struct netset *set = xcalloc(1, sizeof(*set));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, netset_fields, JSON_REFUSE_UNKNOWN, set, err))
		return NULL;
	if (!set->labels)
		set->labels = labels_new();
	return steal_ptr(set);
}

/* --- writing ----------------------------------------------------------------------------------- */

json_t *netset_to_json(const struct netset *set)
{
	json_t *record = json_object(), *spec = json_object(), *nets = json_array();
	char text[CIDR_TEXT_MAX];

	json_put(record, "v", json_integer(1));
	json_put_text(record, "name", set->name);
	if (labels_count(set->labels))
		json_put(record, "labels", labels_to_json(set->labels));
	policy_put_text_map(record, "annotations", set->annotations);
	for (size_t i = 0; i < set->nets.count; i++)
		json_push(nets, json_string(cidr_format(&set->nets.items[i], text)));
	json_put(spec, "nets", nets);
	json_put(record, "spec", spec);
	return record;
}
