/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/policy_rule.h"

#include "common/policy.h"

#include <string.h>

/* --- selectors ------------------------------------------------------------------------------------- */

/* N of "column N: what", or 0 where the error has no column. */
static unsigned long column_of(const char *error)
{
	static const char prefix[] = "column ";
	char *end = NULL;
	unsigned long column;

	if (strncmp(error, prefix, sizeof(prefix) - 1) != 0)
		return 0;
	column = strtoul(error + sizeof(prefix) - 1, &end, 10);
	return *end == ':' ? column : 0;
}

json_t *policy_refuse_selector(
	struct walk *walk, const struct doc_node *node, const struct err *err)
{
	unsigned long column = column_of(err->text);

	if (!node->text_column || !column)
		return walk_refuse(walk, node, "bad selector: %s", err->text);
	diag_add(walk->diag, walk->file, node->line, node->text_column + (unsigned)column - 1,
		"bad selector%s", strchr(err->text, ':'));
	return NULL;
}

json_t *policy_selector(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *text = schema_text(walk, node, arg);
	CLEANUP(selector) struct selector *selector = NULL;
	struct err err = {0};

	if (!text)
		return NULL;
	selector = selector_parse(json_string_value(text), &err);
	return selector ? steal_ptr(text) : policy_refuse_selector(walk, node, &err);
}

/* In a rule an empty selector is none at all, unlike a policy's, where it is all(). */
static json_t *read_entity_selector(struct walk *walk, const struct doc_node *node, const void *arg)
{
	if (node->kind == DOC_SCALAR && !*node->text)
		return NULL;
	return policy_selector(walk, node, arg);
}

/* --- values ---------------------------------------------------------------------------------------- */

static json_t *read_action(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	enum policy_action action;

	if (node->kind != DOC_SCALAR || !policy_action_parse(node->text, &action))
		return walk_refuse(
			walk, node, "action %s is not allow, deny, log or pass", doc_shown(node));
	return json_string(policy_action_name(action));
}

json_t *policy_ip_version(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	static const struct schema_range range = {"an IP version", 4, 6};
	json_t *version = schema_integer(walk, node, &range);

	if (version && json_integer_value(version) == 5)
		walk_refuse(walk, node, "ipVersion must be 4 or 6");
	return version;
}

/* A name, or a number with or without quotes. */
static json_t *read_protocol(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	struct err err = {0};
	int protocol = 0, ip_version = 0;

	if (node->kind != DOC_SCALAR)
		return walk_refuse(
			walk, node, "a protocol is wanted here, not %s", doc_kind_name(node));
	if (protocol_parse(node->text, &protocol, &ip_version, &err))
		return walk_refuse(walk, node, "%s", err.text);
	return schema_digits(node->text, 255) < 0 ? json_string(node->text)
						  : json_integer(protocol);
}

static json_t *read_tag(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	enum { TAG_MAX = 128 };
	size_t len = node->kind == DOC_SCALAR ? strlen(node->text) : 0;

	if (!len || len > TAG_MAX || strspn(node->text, allowed) != len)
		return walk_refuse(walk, node,
			"a tag is 1 to %d letters, digits, \"_\", \".\" or \"-\"", TAG_MAX);
	return json_string(node->text);
}

bool policy_cidr(struct walk *walk, const struct doc_node *node, struct cidr *cidr)
{
	struct err err = {0};

	if (node->kind != DOC_SCALAR)
		walk_refuse(walk, node, "a CIDR block is wanted here, not %s", doc_kind_name(node));
	else if (cidr_parse(node->text, cidr, &err))
		walk_refuse(walk, node, "%s", err.text);
	else
		return true;
	return false;
}

static json_t *read_net(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	char text[CIDR_TEXT_MAX];
	struct cidr cidr;

	if (!policy_cidr(walk, node, &cidr))
		return NULL;
	cidr = cidr_mask(&cidr);
	return json_string(cidr_format(&cidr, text));
}

/* The deprecated single form is stored, and read back, as a list of one. */
static json_t *read_one_net(struct walk *walk, const struct doc_node *node, const void *arg)
{
	json_t *net = read_net(walk, node, arg);

	return net ? json_pack("[o]", net) : NULL;
}

json_t *policy_port(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	struct port_range range;
	struct err err = {0};

	if (node->kind != DOC_SCALAR)
		return walk_refuse(walk, node, "a port or FIRST:LAST is wanted here, not %s",
			doc_kind_name(node));
	if (port_range_parse(node->text, &range, &err))
		return walk_refuse(walk, node, "%s", err.text);
	return strchr(node->text, ':') ? json_string(node->text) : json_integer(range.first);
}

/* --- tables ---------------------------------------------------------------------------------------- */

static const struct schema_list nets = {"nets", read_net, NULL, POLICY_LIST_MAX};
static const struct schema_list ports = {"ports", policy_port, NULL, POLICY_LIST_MAX};
static const struct schema_range icmp_type = {"an ICMP type", 0, 254};
static const struct schema_range icmp_code = {"an ICMP code", 0, 255};

static const struct schema_field icmp_fields[] = {
	{"type", "type", schema_integer, &icmp_type, false},
	{"code", "code", schema_integer, &icmp_code, false},
	{NULL, NULL, NULL, NULL, false},
};

static void check_icmp(struct walk *walk, const struct doc_node *node, json_t *object schema_unused)
{
	if (schema_lookup(node, "code") && !schema_lookup(node, "type"))
		walk_refuse(walk, node, "an ICMP code needs a type beside it");
}

static const struct schema icmp_schema = {"an ICMP match", icmp_fields, check_icmp};

/* An empty match constrains nothing and is not stored. */
json_t *policy_icmp(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	cleanup_json json_t *icmp = schema_object(walk, node, &icmp_schema);

	return json_object_size(icmp) ? steal_ptr(icmp) : NULL;
}

static const struct schema_field entity_fields[] = {
	{"selector", "selector", read_entity_selector, NULL, false},
	{"notSelector", "notSelector", read_entity_selector, NULL, false},
	{"tag", "tag", read_tag, NULL, false},
	{"notTag", "notTag", read_tag, NULL, false},
	{"net", "nets", read_one_net, NULL, false},
	{"notNet", "notNets", read_one_net, NULL, false},
	{"nets", "nets", schema_array, &nets, false},
	{"notNets", "notNets", schema_array, &nets, false},
	{"ports", "ports", schema_array, &ports, false},
	{"notPorts", "notPorts", schema_array, &ports, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema source_schema = {"source", entity_fields, NULL};
static const struct schema destination_schema = {"destination", entity_fields, NULL};

static const struct schema_field rule_fields[] = {
	{"action", "action", read_action, NULL, true},
	{"ipVersion", "ipVersion", policy_ip_version, NULL, false},
	{"protocol", "protocol", read_protocol, NULL, false},
	{"notProtocol", "notProtocol", read_protocol, NULL, false},
	{"icmp", "icmp", policy_icmp, NULL, false},
	{"notICMP", "notICMP", policy_icmp, NULL, false},
	{"source", "source", schema_object, &source_schema, false},
	{"destination", "destination", schema_object, &destination_schema, false},
	{NULL, NULL, NULL, NULL, false},
};

/* The first of two fields in source or destination, or NULL. */
static const struct doc_node *find_in_entities(
	const struct doc_node *rule, const char *field, const char *not_field)
{
	static const char *const entities[] = {"source", "destination"};

	for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++) {
		const struct doc_node *entity = schema_lookup(rule, entities[i]);
		const struct doc_node *found = entity ? schema_lookup(entity, field) : NULL;

		if (entity && !found)
			found = schema_lookup(entity, not_field);
		if (found)
			return found;
	}
	return NULL;
}

static void check_rule(struct walk *walk, const struct doc_node *node, json_t *object)
{
	const struct doc_node *single = find_in_entities(node, "net", "notNet");
	const struct doc_node *ported = find_in_entities(node, "ports", "notPorts");
	const json_t *protocol = json_object_get(object, "protocol");

	/* v2.6 gives sctp none; a record may */
	if (ported && ((json_is_string(protocol) && !strcmp(json_string_value(protocol), "sctp")) ||
			      json_integer_value(protocol) == 132))
		walk_refuse(walk, ported, "ports need the rule's protocol to be tcp or udp");

	if (single && find_in_entities(node, "nets", "notNets"))
		walk_refuse(walk, single,
			"a rule uses either net and notNet or nets and notNets, not both");
}

static const struct schema rule_schema = {"a rule", rule_fields, check_rule};
static const struct schema_list rules = {"rules", schema_object, &rule_schema, POLICY_RULES_MAX};

json_t *policy_rules(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	return schema_array(walk, node, &rules);
}
