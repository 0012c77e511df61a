/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Policy records from JSON: strict, one spelling, every refusal with its path. */
#include "common/json.h"
#include "common/policy.h"
#include "common/policy_internal.h"
#include "common/tier.h"
#include "common/xalloc.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { TAG_MAX = 128, WORD_MAX = 16, NAMESPACE_MAX = 63 };

/* --- single values --------------------------------------------------------------------------------- */

/*
 * What is stored is the canonical text, whose brackets and blanks may go beyond the limits that the written
 * text just meets: refused here, by whoever writes it, rather than by every reader later.
 */
static struct selector *parse_storable(const char *text, struct err *err)
{
	CLEANUP(selector) struct selector *selector = selector_parse(text, err);
	CLEANUP(selector) struct selector *again = NULL;

	if (!selector || !strcmp(text, selector_canonical(selector)))
		return steal_ptr(selector);
	again = selector_parse(selector_canonical(selector), err);
	if (!again) {
		err_wrap(err, "selector in its stored form");
		return NULL;
	}
	return steal_ptr(selector);
}

static int read_selector(const struct json_at *at, void *target, struct err *err)
{
	const char *text = json_string_value(at->value);

	if (!text || strlen(text) != json_string_length(at->value))
		return json_fail(at, err, "must be the text of a selector");
	*(struct selector **)target = parse_storable(text, err);
	return *(struct selector **)target ? 0 : json_wrap(at, err);
}

/* In a rule, empty would have to mean "anyone", while the language has it for all(): so it is not stored. */
static int read_rule_selector(const struct json_at *at, void *target, struct err *err)
{
	if (json_is_string(at->value) && !json_string_length(at->value))
		return json_fail(at, err,
			"must not be empty: left out it matches anyone, "
			"all() matches every known endpoint");
	return read_selector(at, target, err);
}

static int read_tag(const struct json_at *at, void *target, struct err *err)
{
	cleanup_free char *has = NULL;
	const char *tag = NULL;

	if (json_read_text(at, TAG_MAX, &tag, err))
		return -1;
	for (const char *p = tag; *p; p++)
		if (!strchr("_.-", *p) && !(*p >= '0' && *p <= '9') && !(*p >= 'a' && *p <= 'z') &&
			!(*p >= 'A' && *p <= 'Z'))
			return json_fail(
				at, err, "bad tag: only letters, digits and _ . - are allowed");
	has = xasprintf("has(%s)", tag);
	*(struct selector **)target = selector_parse(has, err);
	return *(struct selector **)target ? 0 : json_wrap(at, err);
}

static int read_action(const struct json_at *at, void *target, struct err *err)
{
	const char *word = NULL;

	if (json_read_text(at, WORD_MAX, &word, err))
		return -1;
	if (!policy_action_parse(word, target))
		return json_fail(
			at, err, "unknown action \"%s\": must be allow, deny, log or pass", word);
	return 0;
}

static int read_ip_version(const struct json_at *at, void *target, struct err *err)
{
	json_int_t n = json_integer_value(at->value);

	if (!json_is_integer(at->value) || (n != 4 && n != 6))
		return json_fail(at, err, "must be 4 or 6");
	*(int *)target = (int)n;
	return 0;
}

/* Numbers are numbers in a record; text is a name. */
static int parse_protocol(const struct json_at *at, int *protocol, int *ip_version, struct err *err)
{
	const char *name = NULL;
	long long n = 0;

	if (!json_is_string(at->value)) {
		if (json_read_integer(at, 1, 255, &n, err))
			return -1;
		*protocol = (int)n;
		return 0;
	}
	if (json_read_text(at, WORD_MAX, &name, err))
		return -1;
	if (*name >= '0' && *name <= '9')
		return json_fail(at, err, "a protocol number must not be quoted");
	return protocol_parse(name, protocol, ip_version, err) ? json_wrap(at, err) : 0;
}

static int read_protocol(const struct json_at *at, void *target, struct err *err)
{
	struct policy_rule *rule = target;
	int implied = 0;

	if (parse_protocol(at, &rule->protocol, &implied, err))
		return -1;
	if (implied && rule->ip_version && rule->ip_version != implied)
		return json_fail(at, err, "%s is IPv%d only, but ipVersion is %d",
			json_string_value(at->value), implied, rule->ip_version);
	if (implied)
		rule->ip_version = implied;
	return 0;
}

/* "Not ICMP" says nothing about the family: IPv6 is not ICMP either. */
static int read_not_protocol(const struct json_at *at, void *target, struct err *err)
{
	int ignored = 0;

	return parse_protocol(at, target, &ignored, err);
}

static int read_icmp_type(const struct json_at *at, void *target, struct err *err)
{
	long long n = 0;

	if (json_read_integer(at, 0, 254, &n, err))
		return -1;
	*(int *)target = (int)n;
	return 0;
}

static int read_icmp_code(const struct json_at *at, void *target, struct err *err)
{
	long long n = 0;

	if (json_read_integer(at, 0, 255, &n, err))
		return -1;
	*(int *)target = (int)n;
	return 0;
}

static const struct json_field icmp_fields[] = {
	{"type", read_icmp_type, offsetof(struct icmp_match, type), true},
	{"code", read_icmp_code, offsetof(struct icmp_match, code), false},
	{0},
};

static int read_icmp(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, icmp_fields, JSON_REFUSE_UNKNOWN, target, err);
}

/* --- lists ----------------------------------------------------------------------------------------- */

static int read_net(const struct json_at *at, struct cidr *cidr, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, CIDR_TEXT_MAX, &text, err))
		return -1;
	if (cidr_parse(text, cidr, err))
		return json_wrap(at, err);
	*cidr = cidr_mask(cidr);
	return 0;
}

int policy_read_nets(const struct json_at *at, void *target, struct err *err)
{
	struct cidr_list *list = target;
	size_t count = 0;

	if (json_read_array(at, POLICY_LIST_MAX, &count, err))
		return -1;
	if (!count)
		return 0;
	list->items = xcalloc(count, sizeof(*list->items));
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);

		if (read_net(&item, &list->items[i], err))
			return -1;
	}
	return 0;
}

static int read_port(const struct json_at *at, struct port_range *range, struct err *err)
{
	const char *text = NULL;
	long long n = 0;

	if (!json_is_string(at->value)) {
		if (json_read_integer(at, 1, UINT16_MAX, &n, err))
			return -1;
		*range = (struct port_range){(uint16_t)n, (uint16_t)n};
		return 0;
	}
	if (json_read_text(at, WORD_MAX, &text, err))
		return -1;
	if (!strchr(text, ':'))
		return json_fail(
			at, err, "bad port \"%s\": must be a number, or text FIRST:LAST", text);
	return port_range_parse(text, range, err) ? json_wrap(at, err) : 0;
}

static int read_ports(const struct json_at *at, void *target, struct err *err)
{
	struct port_list *list = target;
	size_t count = 0;

	if (json_read_array(at, POLICY_LIST_MAX, &count, err))
		return -1;
	if (!count)
		return 0;
	list->items = xcalloc(count, sizeof(*list->items));
	list->count = count;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);

		if (read_port(&item, &list->items[i], err))
			return -1;
	}
	return 0;
}

/* Annotations and labels mean nothing here, whatever they say: carried for who wrote them. */
int policy_read_text_map(const struct json_at *at, void *target, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(at->value))
		return json_fail(at, err, "must be an object");
	json_object_foreach ((json_t *)at->value, key, value) {
		struct json_at member = json_at_member(at, key);

		if (!json_is_string(value))
			return json_fail(&member, err, "must be text");
	}
	*(json_t **)target = json_deep_copy(at->value);
	return 0;
}

/* --- rules ----------------------------------------------------------------------------------------- */

#define ENTITY(name, read, member)                                        \
	{                                                                 \
		name, read, offsetof(struct policy_entity, member), false \
	}

static const struct json_field entity_fields[] = {
	ENTITY("selector", read_rule_selector, selector),
	ENTITY("notSelector", read_rule_selector, not_selector),
	ENTITY("tag", read_tag, tag),
	ENTITY("notTag", read_tag, not_tag),
	ENTITY("nets", policy_read_nets, nets),
	ENTITY("notNets", policy_read_nets, not_nets),
	ENTITY("ports", read_ports, ports),
	ENTITY("notPorts", read_ports, not_ports),
	{0},
};

static int read_entity(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, entity_fields, JSON_REFUSE_UNKNOWN, target, err);
}

#define RULE(name, read, member, required)                                 \
	{                                                                  \
		name, read, offsetof(struct policy_rule, member), required \
	}

/* ipVersion stands before protocol: the latter implies one and must agree. */
static const struct json_field rule_fields[] = {
	RULE("action", read_action, action, true),
	RULE("annotations", policy_read_text_map, annotations, false),
	RULE("ipVersion", read_ip_version, ip_version, false),
	{"protocol", read_protocol, 0, false},
	RULE("notProtocol", read_not_protocol, not_protocol, false),
	RULE("icmp", read_icmp, icmp, false),
	RULE("notICMP", read_icmp, not_icmp, false),
	RULE("source", read_entity, source, false),
	RULE("destination", read_entity, destination, false),
	{0},
};

/* *family is the one that the rule has so far, 0 for none; the first net decides. */
static int check_nets(const struct json_at *entity, const char *name, const struct cidr_list *nets,
	int *family, struct err *err)
{
	struct json_at list = json_at_member(entity, name);

	for (size_t i = 0; i < nets->count; i++) {
		struct json_at item = json_at_index(&list, i);

		if (!*family)
			*family = nets->items[i].ip.family;
		if (nets->items[i].ip.family != *family)
			return json_fail(&item, err, "IPv%d in a rule that is IPv%d already",
				nets->items[i].ip.family, *family);
	}
	return 0;
}

static int check_ports(const struct json_at *entity, const char *name,
	const struct port_list *ports, int protocol, struct err *err)
{
	struct json_at list = json_at_member(entity, name);

	if (!ports->count || protocol_has_ports(protocol))
		return 0;
	return json_fail(&list, err, "needs the rule's protocol to be tcp, udp or sctp");
}

static int check_entity(const struct json_at *at, const struct policy_entity *entity, int protocol,
	int *family, struct err *err)
{
	if (check_nets(at, "nets", &entity->nets, family, err) ||
		check_nets(at, "notNets", &entity->not_nets, family, err) ||
		check_ports(at, "ports", &entity->ports, protocol, err) ||
		check_ports(at, "notPorts", &entity->not_ports, protocol, err))
		return -1;
	return 0;
}

static int read_rule(const struct json_at *at, struct policy_rule *rule, struct err *err)
{
	struct json_at source = json_at_member(at, "source");
	struct json_at destination = json_at_member(at, "destination");
	int family;

	rule->icmp = rule->not_icmp = (struct icmp_match){-1, -1};
	if (json_read_object(at, rule_fields, JSON_REFUSE_UNKNOWN, rule, err))
		return -1;
	family = rule->ip_version;
	if (check_entity(&source, &rule->source, rule->protocol, &family, err))
		return -1;
	return check_entity(&destination, &rule->destination, rule->protocol, &family, err);
}

static int read_rules(
	const struct json_at *at, struct policy *policy, enum policy_direction dir, struct err *err)
{
	size_t count = 0;

	if (json_read_array(at, POLICY_RULES_MAX, &count, err))
		return -1;
	if (!count)
		return 0;
	policy->rules[dir] = xcalloc(count, sizeof(*policy->rules[dir]));
	policy->rule_count[dir] = count;
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);

		if (read_rule(&item, &policy->rules[dir][i], err))
			return -1;
	}
	return 0;
}

static int read_ingress(const struct json_at *at, void *target, struct err *err)
{
	return read_rules(at, target, DIR_INGRESS, err);
}

static int read_egress(const struct json_at *at, void *target, struct err *err)
{
	return read_rules(at, target, DIR_EGRESS, err);
}

/* --- the policy ------------------------------------------------------------------------------------ */

int policy_read_name(const struct json_at *at, void *target, struct err *err)
{
	const char *name = json_string_value(at->value);

	if (!name || strlen(name) != json_string_length(at->value))
		return json_fail(at, err, "must be text");
	if (policy_name_check(name, err))
		return json_wrap(at, err);
	*(char **)target = xstrdup(name);
	return 0;
}

static int read_form(const struct json_at *at, void *target, struct err *err)
{
	const char *word = NULL;

	if (json_read_text(at, WORD_MAX, &word, err))
		return -1;
	if (strcmp(word, "v3") != 0)
		return json_fail(at, err, "unknown form \"%s\": must be v3, or left out", word);
	*(bool *)target = true;
	return 0;
}

static int read_namespace(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, NAMESPACE_MAX, &text, err))
		return -1;
	*(char **)target = xstrdup(text);
	return 0;
}

int policy_read_number(const struct json_at *at, double *number, struct err *err)
{
	*number = json_number_value(at->value);
	return json_is_number(at->value) && isfinite(*number)
		       ? 0
		       : json_fail(at, err, "must be a finite number");
}

static int read_order(const struct json_at *at, void *target, struct err *err)
{
	struct policy *policy = target;

	if (policy_read_number(at, &policy->order, err))
		return -1;
	policy->has_order = true;
	return 0;
}

/* Every policy that names none is in "default", which is said in one way only. */
static int read_tier(const struct json_at *at, void *target, struct err *err)
{
	const char *text = NULL;

	if (json_read_text(at, NAMESPACE_MAX, &text, err))
		return -1;
	if (!strcmp(text, TIER_DEFAULT))
		return json_fail(at, err, "must be left out for the tier " TIER_DEFAULT);
	*(char **)target = xstrdup(text);
	return 0;
}

static int read_staged(const struct json_at *at, void *target, struct err *err)
{
	if (!json_is_boolean(at->value))
		return json_fail(at, err, "must be true or false");
	*(bool *)target = json_is_true(at->value);
	return 0;
}

static int read_types(const struct json_at *at, void *target, struct err *err)
{
	bool *governs = target;
	size_t count = 0;

	if (json_read_array(at, DIR_COUNT, &count, err))
		return -1;
	if (!count)
		return json_fail(at, err, "must name ingress, egress or both");
	for (size_t i = 0; i < count; i++) {
		struct json_at item = json_at_index(at, i);
		const char *word = NULL;
		enum policy_direction dir;

		if (json_read_text(&item, WORD_MAX, &word, err))
			return -1;
		if (!policy_direction_parse(word, &dir))
			return json_fail(
				&item, err, "unknown type \"%s\": must be ingress or egress", word);
		if (governs[dir])
			return json_fail(&item, err, "%s is named twice", word);
		governs[dir] = true;
	}
	return 0;
}

#define POLICY(name, read, member, required)                          \
	{                                                             \
		name, read, offsetof(struct policy, member), required \
	}

static const struct json_field spec_fields[] = {
	{"order", read_order, 0, false},
	POLICY("tier", read_tier, tier, false),
	POLICY("staged", read_staged, staged, false),
	POLICY("selector", read_selector, selector, true),
	POLICY("types", read_types, governs, true),
	{"ingress", read_ingress, 0, false},
	{"egress", read_egress, 0, false},
	{0},
};

static int read_spec(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, spec_fields, JSON_REFUSE_UNKNOWN, target, err);
}

static const struct json_field policy_fields[] = {
	{"v", json_read_version_1, 0, true},
	POLICY("name", policy_read_name, name, true),
	POLICY("form", read_form, v3, false),
	POLICY("namespace", read_namespace, namespace, false),
	POLICY("labels", policy_read_text_map, labels, false),
	POLICY("annotations", policy_read_text_map, annotations, false),
	{"spec", read_spec, 0, true},
	{0},
};

/* So that bare names can be cut out of it. */
static int check_name(const struct policy *policy, struct err *err)
{
	size_t len = policy->namespace ? strlen(policy->namespace) : 0;
	const char *staged = policy->v3 ? strstr(policy->name, POLICY_STAGED_PREFIX) : NULL;
	const char *name =
		policy->name + (staged == policy->name ? sizeof(POLICY_STAGED_PREFIX) - 1 : 0);

	if (!policy->namespace)
		return 0;
	if (!policy->v3)
		return err_set(err, 0, "namespace: only form v3 has one");
	if (strncmp(name, policy->namespace, len) != 0 || name[len] != '/' || !name[len + 1])
		return err_set(err, 0, "name: \"%s\" is not a name in namespace \"%s\"",
			policy->name, policy->namespace);
	return 0;
}

struct policy *policy_from_json(const json_t *record, struct err *err)
{
	CLEANUP(policy) struct policy *policy = xcalloc(1, sizeof(*policy));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, policy_fields, JSON_REFUSE_UNKNOWN, policy, err) ||
		check_name(policy, err))
		return NULL;
	if (policy->tier && !policy->v3) {
		err_set(err, 0, "spec.tier: only form v3 has one");
		return NULL;
	}
	return steal_ptr(policy);
}

/* --- what remains of a policy that was refused ----------------------------------------------------- */

/* An order that cannot be read puts the closure before everything else. */
static int read_closed_order(const struct json_at *at, void *target, struct err *err)
{
	struct policy *policy = target;

	(void)err;
	if (read_order(at, policy, NULL)) {
		policy->has_order = true;
		policy->order = -DBL_MAX;
	}
	return 0;
}

/* No tier has this name: what is in a tier that is not there comes before everything else as well. */
static int read_closed_tier(const struct json_at *at, void *target, struct err *err)
{
	(void)err;
	if (read_tier(at, target, NULL))
		*(char **)target = xstrdup("");
	return 0;
}

/* Whatever is not plainly staged is taken as in force. */
static int read_closed_staged(const struct json_at *at, void *target, struct err *err)
{
	(void)err;
	*(bool *)target = json_is_true(at->value);
	return 0;
}

static const struct json_field closed_spec_fields[] = {
	{"order", read_closed_order, 0, false},
	POLICY("tier", read_closed_tier, tier, false),
	POLICY("staged", read_closed_staged, staged, false),
	POLICY("selector", read_selector, selector, true),
	POLICY("types", read_types, governs, true),
	{0},
};

static int read_closed_spec(const struct json_at *at, void *target, struct err *err)
{
	return json_read_object(at, closed_spec_fields, JSON_IGNORE_UNKNOWN, target, err);
}

/* Form and namespace only order it among its equals: where they are not sound, the whole name does. */
static int read_closed_form(const struct json_at *at, void *target, struct err *err)
{
	(void)err;
	if (read_form(at, target, NULL))
		*(bool *)target = false;
	return 0;
}

static int read_closed_namespace(const struct json_at *at, void *target, struct err *err)
{
	(void)err;
	if (read_namespace(at, target, NULL))
		*(char **)target = NULL;
	return 0;
}

static const struct json_field closed_fields[] = {
	{"v", json_read_version_1, 0, true},
	POLICY("name", policy_read_name, name, true),
	POLICY("form", read_closed_form, v3, false),
	POLICY("namespace", read_closed_namespace, namespace, false),
	{"spec", read_closed_spec, 0, true},
	{0},
};

static void deny_everything(struct policy *policy, enum policy_direction dir)
{
	struct policy_rule *rule = xcalloc(1, sizeof(*rule));

	rule->action = ACTION_DENY;
	rule->icmp = rule->not_icmp = (struct icmp_match){-1, -1};
	policy->rules[dir] = rule;
	policy->rule_count[dir] = 1;
}

struct policy *policy_closed_from_json(const json_t *record, struct err *err)
{
	CLEANUP(policy) struct policy *policy = xcalloc(1, sizeof(*policy));
	struct json_at root = json_at_root(record);

	if (json_read_object(&root, closed_fields, JSON_IGNORE_UNKNOWN, policy, err))
		return NULL;
	if (check_name(policy, NULL)) {
		free(policy->namespace);
		policy->namespace = NULL;
	}
	for (int dir = 0; dir < DIR_COUNT; dir++)
		if (policy->governs[dir])
			deny_everything(policy, (enum policy_direction)dir);
	return steal_ptr(policy);
}

struct policy *policy_closed(const struct policy *policy)
{
	cleanup_json json_t *record = policy_to_json(policy);
	struct policy *closed = policy_closed_from_json(record, NULL);

	/* its own writer's word, of which even less is read: a bug, and no state to go on from */
	if (!closed)
		abort();
	return closed;
}
