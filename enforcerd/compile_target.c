/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile_target.h"

static bool in_ports(const struct port_list *list, uint16_t port)
{
	for (size_t i = 0; i < list->count; i++)
		if (port >= list->items[i].first && port <= list->items[i].last)
			return true;
	return false;
}

/* A list that has nothing of the family makes the rule one of the other family (F26 rules/policy.go filterNets). */
static bool nets_admit(const struct cidr_list *list, const struct ip *ip, bool negate)
{
	bool any = false, contains = false;

	for (size_t i = 0; i < list->count; i++) {
		any |= list->items[i].ip.family == ip->family;
		contains |= cidr_contains(&list->items[i], ip);
	}
	return !list->count || (any && contains != negate);
}

static bool selector_admits(
	const struct selector *selector, const struct labels *labels, bool negate)
{
	return !selector || selector_match(selector, labels) != negate;
}

static bool destination_admits(const struct policy_entity *e, const struct compile_target *target)
{
	return selector_admits(e->selector, target->labels, false) &&
	       selector_admits(e->tag, target->labels, false) &&
	       selector_admits(e->not_selector, target->labels, true) &&
	       selector_admits(e->not_tag, target->labels, true) &&
	       nets_admit(&e->nets, &target->ip, false) &&
	       nets_admit(&e->not_nets, &target->ip, true) &&
	       (!e->ports.count || in_ports(&e->ports, target->port)) &&
	       !in_ports(&e->not_ports, target->port);
}

static bool version_admits(
	const struct policy_rule *rule, const struct compile_target *target, uint8_t family)
{
	bool client = rule->ip_version == family, container = rule->ip_version == target->ip.family;

	if (!rule->ip_version)
		return true;
	return rule->action == ACTION_ALLOW ? client && container : client || container;
}

bool compile_target_admits(
	const struct compile_target *target, const struct policy_rule *rule, uint8_t family)
{
	if (rule->icmp.type >= 0 || rule->not_icmp.type >= 0)
		return false;
	if (rule->protocol && rule->protocol != target->protocol)
		return false;
	if (rule->not_protocol && rule->not_protocol == target->protocol)
		return false;
	return version_admits(rule, target, family) &&
	       destination_admits(&rule->destination, target);
}
