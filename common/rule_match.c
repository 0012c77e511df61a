/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/rule_match.h"

enum { PROTO_ICMP = 1, PROTO_ICMPV6 = 58 };

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

static bool is_host(const struct selector *selector, const struct flow_end *end)
{
	return end->host && selector_names_host(selector) && selector_match(selector, end->host);
}

/* By the labels of whoever owns the address, or by those of any network set that has it; the host's, only where it is named. */
static bool selector_admits(
	const struct selector *selector, const struct flow_end *end, bool negate)
{
	return !selector ||
	       ((end->labels && selector_match(selector, end->labels)) || is_host(selector, end) ||
		       netset_list_match(end->netsets, selector)) != negate;
}

bool rule_entity_admits(const struct policy_entity *e, const struct flow_end *end)
{
	return selector_admits(e->selector, end, false) && selector_admits(e->tag, end, false) &&
	       selector_admits(e->not_selector, end, true) &&
	       selector_admits(e->not_tag, end, true) && nets_admit(&e->nets, &end->ip, false) &&
	       nets_admit(&e->not_nets, &end->ip, true) &&
	       (!e->ports.count || in_ports(&e->ports, end->port)) &&
	       !in_ports(&e->not_ports, end->port);
}

bool rule_protocol_admits(const struct policy_rule *rule, int protocol)
{
	return (!rule->protocol || rule->protocol == protocol) &&
	       (!rule->not_protocol || rule->not_protocol != protocol);
}

static bool icmp_is(const struct icmp_match *icmp, const struct policy_flow *flow)
{
	return icmp->type == flow->icmp_type && (icmp->code < 0 || icmp->code == flow->icmp_code);
}

/* A type, wanted or not, alone means the family's ICMP, as the kernel's own icmp match does. */
static bool icmp_admits(const struct policy_rule *rule, const struct policy_flow *flow)
{
	int icmp = flow->source.ip.family == 4 ? PROTO_ICMP : PROTO_ICMPV6;

	if (rule->icmp.type < 0 && rule->not_icmp.type < 0)
		return true;
	if (flow->protocol != icmp || (rule->icmp.type >= 0 && !icmp_is(&rule->icmp, flow)))
		return false;
	return rule->not_icmp.type < 0 || !icmp_is(&rule->not_icmp, flow);
}

bool rule_admits(const struct policy_rule *rule, const struct policy_flow *flow)
{
	return (!rule->ip_version || rule->ip_version == flow->source.ip.family) &&
	       rule_protocol_admits(rule, flow->protocol) && icmp_admits(rule, flow) &&
	       rule_entity_admits(&rule->source, &flow->source) &&
	       rule_entity_admits(&rule->destination, &flow->destination);
}
