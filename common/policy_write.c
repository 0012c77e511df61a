/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policies to their one stored spelling. */
#include "common/json.h"
#include "common/policy.h"
#include "common/policy_internal.h"

#include <math.h>
#include <string.h>

/* Whole numbers up to here are written as such: both forms read back as the same double. */
static const double ORDER_WHOLE_MAX = 9007199254740992.0; /* 2^53 */

json_t *policy_number_to_json(double number)
{
	if (fabs(number) <= ORDER_WHOLE_MAX && number == trunc(number))
		return json_integer((json_int_t)number);
	return json_real(number);
}

/* The names icmp and icmpv6 also mean a family; the number does not, so it is written where they disagree. */
static json_t *protocol_to_json(const struct policy_rule *rule)
{
	const char *name = protocol_name(rule->protocol);
	int number = 0, implied = 0;

	if (name && !protocol_parse(name, &number, &implied, NULL) &&
		(!implied || implied == rule->ip_version))
		return json_string(name);
	return json_integer(rule->protocol);
}

static json_t *not_protocol_to_json(int protocol)
{
	const char *name = protocol_name(protocol);

	return name ? json_string(name) : json_integer(protocol);
}

static void put_icmp(json_t *rule, const char *key, const struct icmp_match *match)
{
	json_t *icmp;

	if (match->type < 0)
		return;
	icmp = json_object();
	json_put(icmp, "type", json_integer(match->type));
	if (match->code >= 0)
		json_put(icmp, "code", json_integer(match->code));
	json_put(rule, key, icmp);
}

static void put_selector(json_t *entity, const char *key, const struct selector *selector)
{
	if (selector)
		json_put_text(entity, key, selector_canonical(selector));
}

/* A tag is held as has(TAG). */
static void put_tag(json_t *entity, const char *key, const struct selector *tag)
{
	static const char before[] = "has(", after[] = ")";
	const char *text;

	if (!tag)
		return;
	text = selector_canonical(tag);
	json_put(entity, key,
		json_stringn(text + sizeof(before) - 1,
			strlen(text) - (sizeof(before) - 1) - (sizeof(after) - 1)));
}

static void put_nets(json_t *entity, const char *key, const struct cidr_list *nets)
{
	char text[CIDR_TEXT_MAX];
	json_t *list;

	if (!nets->count)
		return;
	list = json_array();
	for (size_t i = 0; i < nets->count; i++)
		json_push(list, json_string(cidr_format(&nets->items[i], text)));
	json_put(entity, key, list);
}

static void put_ports(json_t *entity, const char *key, const struct port_list *ports)
{
	json_t *list;

	if (!ports->count)
		return;
	list = json_array();
	for (size_t i = 0; i < ports->count; i++) {
		const struct port_range *range = &ports->items[i];

		json_push(list, range->first == range->last
					? json_integer(range->first)
					: json_sprintf("%u:%u", range->first, range->last));
	}
	json_put(entity, key, list);
}

static void put_entity(json_t *rule, const char *key, const struct policy_entity *entity)
{
	json_t *object = json_object();

	put_selector(object, "selector", entity->selector);
	put_selector(object, "notSelector", entity->not_selector);
	put_tag(object, "tag", entity->tag);
	put_tag(object, "notTag", entity->not_tag);
	put_nets(object, "nets", &entity->nets);
	put_nets(object, "notNets", &entity->not_nets);
	put_ports(object, "ports", &entity->ports);
	put_ports(object, "notPorts", &entity->not_ports);
	if (json_object_size(object))
		json_put(rule, key, object);
	else
		json_decref(object);
}

void policy_put_text_map(json_t *object, const char *key, json_t *map)
{
	if (map)
		json_put(object, key, json_deep_copy(map));
}

static json_t *rule_to_json(const struct policy_rule *rule)
{
	json_t *object = json_object();

	json_put_text(object, "action", policy_action_name(rule->action));
	policy_put_text_map(object, "annotations", rule->annotations);
	if (rule->ip_version)
		json_put(object, "ipVersion", json_integer(rule->ip_version));
	if (rule->protocol)
		json_put(object, "protocol", protocol_to_json(rule));
	if (rule->not_protocol)
		json_put(object, "notProtocol", not_protocol_to_json(rule->not_protocol));
	put_icmp(object, "icmp", &rule->icmp);
	put_icmp(object, "notICMP", &rule->not_icmp);
	put_entity(object, "source", &rule->source);
	put_entity(object, "destination", &rule->destination);
	return object;
}

static json_t *types_to_json(const bool governs[DIR_COUNT])
{
	json_t *types = json_array();

	for (int dir = 0; dir < DIR_COUNT; dir++)
		if (governs[dir])
			json_push(types,
				json_string(policy_direction_name((enum policy_direction)dir)));
	return types;
}

static json_t *rules_to_json(const struct policy *policy, enum policy_direction dir)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < policy->rule_count[dir]; i++)
		json_push(rules, rule_to_json(&policy->rules[dir][i]));
	return rules;
}

static json_t *spec_to_json(const struct policy *policy)
{
	json_t *spec = json_object();

	if (policy->has_order)
		json_put(spec, "order", policy_number_to_json(policy->order));
	if (policy->tier)
		json_put_text(spec, "tier", policy->tier);
	if (policy->staged)
		json_put(spec, "staged", json_true());
	json_put_text(spec, "selector", selector_canonical(policy->selector));
	json_put(spec, "types", types_to_json(policy->governs));
	json_put(spec, "ingress", rules_to_json(policy, DIR_INGRESS));
	json_put(spec, "egress", rules_to_json(policy, DIR_EGRESS));
	return spec;
}

json_t *policy_to_json(const struct policy *policy)
{
	json_t *record = json_object();

	json_put(record, "v", json_integer(1));
	json_put_text(record, "name", policy->name);
	if (policy->v3)
		json_put_text(record, "form", "v3");
	if (policy->namespace)
		json_put_text(record, "namespace", policy->namespace);
	policy_put_text_map(record, "labels", policy->labels);
	policy_put_text_map(record, "annotations", policy->annotations);
	json_put(record, "spec", spec_to_json(policy));
	return record;
}
