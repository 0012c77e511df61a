/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v3_rule.h"

#include "common/policy.h"
#include "common/xalloc.h"
#include "ctl/policy_rule.h"
#include "ctl/v3_selector.h"

#include <string.h>
#include <strings.h>

enum { V3_PORTS_MAX = 50, V3_NETS_MAX = 256 };

/* --- words ----------------------------------------------------------------------------------------- */

/* v3 spells them in capitals, the record as v1 does; a lower-case word in a v3 file is an error. */
static const struct {
	const char *v3, *record;
} words[] = {
	{"Allow", "allow"},
	{"Deny", "deny"},
	{"Log", "log"},
	{"Pass", "pass"},
	{"Ingress", "ingress"},
	{"Egress", "egress"},
	{"TCP", "tcp"},
	{"UDP", "udp"},
	{"ICMP", "icmp"},
	{"ICMPv6", "icmpv6"},
	{"SCTP", "sctp"},
	{"UDPLite", "udplite"},
};

const char *v3_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].record, word))
			return words[i].v3;
	return NULL;
}

static const char *record_word(const char *word)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(words[i].v3, word))
			return words[i].record;
	return NULL;
}

json_t *v3_cannot_apply(struct walk *walk, const struct doc_node *node, const void *arg)
{
	if (node->kind == DOC_SCALAR && !*node->text)
		return NULL;
	return walk_refuse(walk, node, "%s", (const char *)arg);
}

/* --- values ---------------------------------------------------------------------------------------- */

static json_t *read_action(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	const char *word = node->kind == DOC_SCALAR ? record_word(node->text) : NULL;
	enum policy_action action;

	if (!word || !policy_action_parse(word, &action))
		return walk_refuse(
			walk, node, "action %s is not Allow, Deny, Log or Pass", doc_shown(node));
	return json_string(word);
}

static json_t *read_protocol(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	const char *word = node->kind == DOC_SCALAR ? record_word(node->text) : NULL;
	long number = node->kind == DOC_SCALAR ? schema_digits(node->text, 255) : -1;
	int protocol = 0, ip_version = 0;

	if (number > 0)
		return json_integer(number);
	if (!word || protocol_parse(word, &protocol, &ip_version, NULL))
		return walk_refuse(walk, node,
			"protocol %s is not TCP, UDP, ICMP, ICMPv6, SCTP, UDPLite or 1..255",
			doc_shown(node));
	return json_string(word);
}

/* v3 wants the block itself: who writes 10.1.2.3/8 may have meant 10.1.2.3. */
json_t *v3_net(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	char text[CIDR_TEXT_MAX], masked_text[CIDR_TEXT_MAX];
	struct cidr cidr, masked;

	if (!policy_cidr(walk, node, &cidr))
		return NULL;
	masked = cidr_mask(&cidr);
	cidr_format(&cidr, text);
	cidr_format(&masked, masked_text);
	if (strcmp(text, masked_text) != 0)
		return walk_refuse(walk, node, "%s has bits beyond its length: %s is the block",
			node->text, masked_text);
	return json_string(masked_text);
}

/* Excluding every address excludes every packet: nobody means that. */
static json_t *read_not_net(struct walk *walk, const struct doc_node *node, const void *arg)
{
	cleanup_json json_t *net = v3_net(walk, node, arg);
	const char *length = net ? strrchr(json_string_value(net), '/') : NULL;

	if (length && !strcmp(length, "/0"))
		return walk_refuse(
			walk, node, "notNets: %s leaves no traffic to match", node->text);
	return steal_ptr(net);
}

static json_t *read_port(struct walk *walk, const struct doc_node *node, const void *arg)
{
	const char *text = node->kind == DOC_SCALAR ? node->text : "";

	if (*text && !strpbrk(text, "0123456789:"))
		return walk_refuse(walk, node,
			"named ports: ports of containers have no names; \"%s\" must be a number",
			text);
	return policy_port(walk, node, arg);
}

/* --- rules across fields --------------------------------------------------------------------------- */

static bool is_protocol(const json_t *protocol, const char *name, int number)
{
	return json_is_string(protocol) ? !strcmp(json_string_value(protocol), name)
					: json_integer_value(protocol) == number;
}

static void check_icmp(struct walk *walk, const struct doc_node *rule, const json_t *object)
{
	const struct doc_node *icmp = schema_lookup(rule, "icmp");
	const json_t *protocol = json_object_get(object, "protocol");
	const json_t *version = json_object_get(object, "ipVersion");
	bool v4 = is_protocol(protocol, "icmp", 1), v6 = is_protocol(protocol, "icmpv6", 58);

	icmp = icmp ? icmp : schema_lookup(rule, "notICMP");
	if (!icmp)
		return;
	if (!v4 && !v6)
		walk_refuse(walk, icmp, "ICMP types need the rule's protocol to be ICMP or ICMPv6");
	else if (version && json_integer_value(version) != (v4 ? 4 : 6))
		walk_refuse(walk, icmp, "%s is not of IPv%d", v4 ? "ICMP" : "ICMPv6",
			(int)json_integer_value(version));
}

static void check_rule(struct walk *walk, const struct doc_node *node, json_t *object)
{
	cleanup_json json_t *metadata = json_incref(json_object_get(object, "metadata"));
	json_t *annotations = json_object_get(metadata, "annotations");

	check_icmp(walk, node, object);
	json_object_del(object, "metadata");
	if (json_object_size(annotations))
		json_object_set(object, "annotations", annotations);
}

/* --- tables ---------------------------------------------------------------------------------------- */

static const char no_service_accounts[] =
	"serviceAccounts: containers have no service account; select them by labels";
static const char no_services[] =
	"services: there are no Kubernetes services here; select their containers by labels";
static const char no_http[] = "http: needs a proxy that reads HTTP, which there is not";
static const char use_selector[] = "tag, notTag: v3 has none; use selector: has(TAG)";
static const char use_nets[] = "net, notNet: v3 has none; use nets and notNets";

static const struct schema_list nets = {"nets", v3_net, NULL, V3_NETS_MAX};
static const struct schema_list not_nets = {"nets", read_not_net, NULL, V3_NETS_MAX};
static const struct schema_list ports = {"ports", read_port, NULL, V3_PORTS_MAX};

static const struct schema_field entity_fields[] = {
	{"selector", "selector", v3_selector, NULL, false},
	{"notSelector", "notSelector", v3_selector, NULL, false},
	{"namespaceSelector", "namespaceSelector", v3_namespace_selector, NULL, false},
	{"nets", "nets", schema_array, &nets, false},
	{"notNets", "notNets", schema_array, &not_nets, false},
	{"ports", "ports", schema_array, &ports, false},
	{"notPorts", "notPorts", schema_array, &ports, false},
	{"serviceAccounts", NULL, v3_cannot_apply, no_service_accounts, false},
	{"services", NULL, v3_cannot_apply, no_services, false},
	{"tag", NULL, v3_cannot_apply, use_selector, false},
	{"notTag", NULL, v3_cannot_apply, use_selector, false},
	{"net", NULL, v3_cannot_apply, use_nets, false},
	{"notNet", NULL, v3_cannot_apply, use_nets, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema source_schema = {"source", entity_fields, NULL};
static const struct schema destination_schema = {"destination", entity_fields, NULL};

static const struct schema_field metadata_fields[] = {
	{"annotations", "annotations", schema_text_map, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};
static const struct schema metadata_schema = {"a rule's metadata", metadata_fields, NULL};

static const struct schema_field rule_fields[] = {
	{"action", "action", read_action, NULL, true},
	{"metadata", "metadata", schema_object, &metadata_schema, false},
	{"ipVersion", "ipVersion", policy_ip_version, NULL, false},
	{"protocol", "protocol", read_protocol, NULL, false},
	{"notProtocol", "notProtocol", read_protocol, NULL, false},
	{"icmp", "icmp", policy_icmp, NULL, false},
	{"notICMP", "notICMP", policy_icmp, NULL, false},
	{"source", "source", schema_object, &source_schema, false},
	{"destination", "destination", schema_object, &destination_schema, false},
	{"http", NULL, v3_cannot_apply, no_http, false},
	{NULL, NULL, NULL, NULL, false},
};

static const struct schema rule_schema = {"a rule", rule_fields, check_rule};
static const struct schema_list rules = {"rules", schema_object, &rule_schema, POLICY_RULES_MAX};

json_t *v3_rules(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	return schema_array(walk, node, &rules);
}

/* --- namespaces ------------------------------------------------------------------------------------ */

static void fold_entity(json_t *entity, const char *namespace)
{
	const char *selector = json_string_value(json_object_get(entity, "selector"));
	const char *given = json_string_value(json_object_get(entity, "namespaceSelector"));
	bool selects = selector || json_object_get(entity, "notSelector");
	cleanup_free char *own = NULL;
	json_t *joined;

	if (!given && namespace && selects)
		given = own = v3_own_namespace(namespace);
	joined = v3_join(given, selector);
	json_object_del(entity, "namespaceSelector");
	if (joined)
		json_object_set_new(entity, "selector", joined);
}

void v3_fold_rules(json_t *list, const char *namespace)
{
	json_t *rule;
	size_t i;

	json_array_foreach (list, i, rule) {
		fold_entity(json_object_get(rule, "source"), namespace);
		fold_entity(json_object_get(rule, "destination"), namespace);
	}
}
