/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile_target.h"

#include "common/rule_match.h"

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
	const struct flow_end end = {.ip = target->ip,
		.port = target->port,
		.labels = target->labels,
		.netsets = target->netsets};

	if (rule->icmp.type >= 0 || rule->not_icmp.type >= 0)
		return false;
	return rule_protocol_admits(rule, target->protocol) &&
	       version_admits(rule, target, family) && rule_entity_admits(&rule->destination, &end);
}
