/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bridge table. Its guard is stateless and needs nothing of the kernel but nf_tables: what a port of an isolated endpoint may
 * send at all, and be sent; that an address, a MAC and a neighbour's answer belong to the port that they are bound to, whoever
 * else is on the bridge. Where the kernel tracks bridged flows (nf_conntrack_bridge) the table judges them as well, by the same
 * chains as the inet table.
 *
 * Frames of the host itself go out by the bridge's output hook and are in none of these chains.
 */
#include "enforcerd/skeleton_internal.h"

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>

#define CHAIN_GUARD     "guard" /* from an isolated port */
#define CHAIN_GUARD_ARP "guard_arp"
#define CHAIN_GUARD_IP  "guard_ip"
#define CHAIN_GUARD_IP6 "guard_ip6"
#define CHAIN_SERVERS \
	"no_servers"           /* what no container may say to others: RA, redirect, DHCP answers */
#define CHAIN_BOUND   "bound"  /* what is bound elsewhere, from any port */
#define CHAIN_REMOTE  "remote" /* what is an endpoint's of another node, from a container's port */
#define CHAIN_DELIVER "deliver" /* to an isolated port */
#define CHAIN_BRIDGED "bridged" /* judges flows */
#define CHAIN_OWN     "own"     /* address, and MAC, at the port that they are bound to */
#define CHAIN_SLOW    "slow"    /* frames that are not plainly an endpoint's own */
#define CHAIN_GROUPS  "groups"  /* from an isolated port to a group address */
#define CHAIN_TAGGED  "tagged"  /* from an isolated port with a VLAN tag */

enum {
	MLD2_REPORT = 143,
	DHCP_SERVER = 67,
	DHCP_CLIENT = 68,
	DHCP6_CLIENT = 546,
	DHCP6_SERVER = 547
};

static void append_goto(
	struct rule_list *rules, enum match_kind kind, uint32_t value, const char *chain)
{
	struct rule *rule = rule_append(rules);

	skeleton_match_value(rule, kind, value);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, chain);
}

static void append_return(struct rule_list *rules, enum match_kind kind, uint32_t value)
{
	struct rule *rule = rule_append(rules);

	skeleton_match_value(rule, kind, value);
	rule->verdict = VERDICT_RETURN;
}

static void match_types(struct rule *rule, uint16_t first, uint16_t last)
{
	struct match *match = rule_match(rule, MATCH_ICMPV6_TYPE);

	match->first = first;
	match->last = last;
}

static void match_port(struct rule *rule, enum flow_side side, uint16_t port)
{
	struct match *match = rule_match(rule, MATCH_HDR_PORT);

	match->side = side;
	match->first = match->last = port;
}

/* "port . field" that is not in the set is denied. */
static void require(struct rule_list *rules, enum header_field field, enum flow_side side,
	uint8_t family, const char *set, enum log_what what)
{
	struct rule *rule = rule_append(rules);

	skeleton_match_field(rule, MATCH_PORT_SET, field, side, family, set)->negate = true;
	skeleton_deny(rule, what, false);
}

static void deny_link_local(struct rule_list *rules)
{
	const struct cidr link_local = {.ip = {.family = 6, .bytes = {0xfe, 0x80}}, .bits = 10};
	struct rule *rule = rule_append(rules);
	struct match *match = rule_match(rule, MATCH_HDR_ADDR);

	match->cidr = link_local; /* the source */
	skeleton_deny(rule, LOG_PORT, false);
	skeleton_comment(rule, "link-local");
}

static void deny_rest(struct rule_list *rules, const char *comment)
{
	struct rule *rule = rule_append(rules);

	skeleton_deny(rule, LOG_PORT, false);
	skeleton_comment(rule, comment);
}

static void add_chain(
	struct ruleset *rs, const char *name, const char *comment, struct rule_list *rules)
{
	ruleset_chain_in(rs, IN_BRIDGE, name, comment, rules);
}

/* --- from an isolated port --------------------------------------------------------------------- */

/* Ethernet types by the wire: a VLAN tag, though the kernel has taken it off already, is a type of its own. */
static void build_guard(struct ruleset *rs, const struct skeleton_config *config)
{
	struct rule_list rules = {0};

	if (config->anti_spoof)
		require(&rules, FIELD_ETHER_SADDR, SIDE_SRC, 0, SET_PORT_MACS, LOG_SPOOFED);
	append_goto(&rules, MATCH_ETHER_TYPE, ETH_P_IP, CHAIN_GUARD_IP);
	append_goto(&rules, MATCH_ETHER_TYPE, ETH_P_IPV6, CHAIN_GUARD_IP6);
	append_goto(&rules, MATCH_ETHER_TYPE, ETH_P_ARP, CHAIN_GUARD_ARP);
	deny_rest(&rules, "neither ARP nor IP");
	add_chain(rs, CHAIN_GUARD, "from isolated endpoints", &rules);
}

static void build_guard_arp(struct ruleset *rs, const struct skeleton_config *config)
{
	struct rule_list rules = {0};

	if (config->anti_spoof) {
		require(&rules, FIELD_ARP_SHA, SIDE_SRC, 0, SET_PORT_MACS, LOG_SPOOFED);
		require(&rules, FIELD_ARP_SPA, SIDE_SRC, 4, SET_AT4, LOG_SPOOFED);
	}
	add_chain(rs, CHAIN_GUARD_ARP, "ARP speaks of the sender's own address", &rules);
}

static void build_guard_ip(struct ruleset *rs)
{
	struct rule_list rules = {0};

	require(&rules, FIELD_IP, SIDE_SRC, 4, SET_AT4, LOG_SPOOFED);
	add_chain(rs, CHAIN_GUARD_IP, "IPv4 from the port's own address", &rules);
}

/* Neighbour discovery and MLD from the port's own or the unspecified address; advertisements only of its own. */
static void guard_discovery(struct rule_list *rules, const struct skeleton_config *config)
{
	static const struct {
		uint16_t first, last;
	} spoken[] = {{MLD_LISTENER_QUERY, ND_ROUTER_SOLICIT},
		{ND_NEIGHBOR_SOLICIT, ND_NEIGHBOR_ADVERT}, {MLD2_REPORT, MLD2_REPORT}};
	const struct cidr unspecified = {.ip.family = 6, .bits = 128};

	if (config->anti_spoof) {
		struct rule *rule = rule_append(rules);

		match_types(rule, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_ADVERT);
		skeleton_match_field(rule, MATCH_PORT_SET, FIELD_ND_TARGET, SIDE_SRC, 6, SET_AT6)
			->negate = true;
		skeleton_match_field(rule, MATCH_PORT_SET, FIELD_ND_TARGET, SIDE_SRC, 6, SET_LOCAL6)
			->negate = true;
		skeleton_deny(rule, LOG_SPOOFED, false);
	}
	for (size_t i = 0; i < sizeof(spoken) / sizeof(*spoken); i++)
		for (int own = 0; own < 3; own++) {
			struct rule *rule = rule_append(rules);

			match_types(rule, spoken[i].first, spoken[i].last);
			if (own < 2)
				skeleton_match_field(rule, MATCH_PORT_SET, FIELD_IP, SIDE_SRC, 6,
					own ? SET_AT6 : SET_LOCAL6);
			else
				rule_match(rule, MATCH_HDR_ADDR)->cidr = unspecified;
			rule->verdict = VERDICT_RETURN;
			skeleton_comment(rule, "neighbour discovery and MLD");
		}
}

/* Link-local addresses are for that alone: no policy is about them. */
static void build_guard_ip6(struct ruleset *rs, const struct skeleton_config *config)
{
	struct rule_list rules = {0};

	guard_discovery(&rules, config);
	deny_link_local(&rules);
	require(&rules, FIELD_IP, SIDE_SRC, 6, SET_AT6, LOG_SPOOFED);
	add_chain(rs, CHAIN_GUARD_IP6, "IPv6 from the port's own address", &rules);
}

/* --- from every port --------------------------------------------------------------------------- */

static void deny_server(struct rule_list *rules, uint16_t server, uint16_t client)
{
	struct rule *rule = rule_append(rules);

	skeleton_match_value(rule, MATCH_L4PROTO, IPPROTO_UDP);
	match_port(rule, SIDE_SRC, server);
	match_port(rule, SIDE_DST, client);
	skeleton_deny(rule, LOG_PORT, false);
	skeleton_comment(rule, "answer of a DHCP server");
}

static void build_servers(struct ruleset *rs)
{
	static const uint16_t types[] = {ND_ROUTER_ADVERT, ND_REDIRECT};
	struct rule_list rules = {0};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		struct rule *rule = rule_append(&rules);

		match_types(rule, types[i], types[i]);
		skeleton_deny(rule, LOG_PORT, false);
		skeleton_comment(rule, "router advertisement or redirect");
	}
	deny_server(&rules, DHCP_SERVER, DHCP_CLIENT);
	deny_server(&rules, DHCP6_SERVER, DHCP6_CLIENT);
	add_chain(rs, CHAIN_SERVERS, "containers are neither routers nor DHCP servers", &rules);
}

/* What is bound to a port, said at another one. */
static void bound_elsewhere(struct rule_list *rules, enum header_field field, uint8_t family,
	const char *owned, const char *at)
{
	struct rule *rule = rule_append(rules);

	if (field == FIELD_ND_TARGET)
		match_types(rule, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_ADVERT);
	skeleton_match_field(rule, MATCH_FIELD_SET, field, SIDE_SRC, family, owned);
	if (at)
		skeleton_match_field(rule, MATCH_PORT_SET, field, SIDE_SRC, family, at)->negate =
			true;
	skeleton_deny(rule, LOG_SPOOFED, false);
}

static void build_bound(struct ruleset *rs, const struct skeleton_config *config)
{
	struct rule_list rules = {0};

	bound_elsewhere(&rules, FIELD_IP, 4, SET_OWNED4, SET_AT4);
	bound_elsewhere(&rules, FIELD_IP, 6, SET_OWNED6, SET_AT6);
	bound_elsewhere(&rules, FIELD_IP, 4, SET_GATEWAYS4, NULL);
	bound_elsewhere(&rules, FIELD_IP, 6, SET_GATEWAYS6, NULL);
	bound_elsewhere(&rules, FIELD_IP, 4, SET_OFF_BRIDGE4, NULL);
	bound_elsewhere(&rules, FIELD_IP, 6, SET_OFF_BRIDGE6, NULL);
	if (config->anti_spoof) {
		bound_elsewhere(&rules, FIELD_ETHER_SADDR, 0, SET_OWNED_MACS, SET_PORT_MACS);
		bound_elsewhere(&rules, FIELD_ARP_SPA, 4, SET_OWNED4, SET_AT4);
		bound_elsewhere(&rules, FIELD_ARP_SPA, 4, SET_GATEWAYS4, NULL);
		bound_elsewhere(&rules, FIELD_ARP_SPA, 4, SET_OFF_BRIDGE4, NULL);
		bound_elsewhere(&rules, FIELD_ND_TARGET, 6, SET_OWNED6, SET_AT6);
		bound_elsewhere(&rules, FIELD_ND_TARGET, 6, SET_GATEWAYS6, NULL);
		bound_elsewhere(&rules, FIELD_ND_TARGET, 6, SET_OFF_BRIDGE6, NULL);
	}
	add_chain(rs, CHAIN_BOUND, "what is bound to another port", &rules);
}

static void jump_for_ports(
	struct rule_list *rules, enum match_kind kind, const char *ports, const char *chain)
{
	struct rule *rule = rule_append(rules);

	if (ports)
		skeleton_match_set(rule, kind, SIDE_SRC, 0, ports);
	skeleton_jump(rule, chain);
}

static void goto_slow(struct rule_list *rules, uint32_t protocol, uint16_t port)
{
	struct rule *rule = rule_append(rules);

	skeleton_match_value(rule, MATCH_L4PROTO, protocol);
	if (port)
		match_port(rule, SIDE_SRC, port);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_SLOW);
}

/*
 * None of the chains behind has anything to add, unless it may be a server's answer or neighbour discovery. Most packets of
 * endpoints go this way, and most of them are TCP.
 */
static void build_own(struct ruleset *rs)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	skeleton_match_value(rule, MATCH_L4PROTO, IPPROTO_TCP);
	rule->verdict = VERDICT_ACCEPT;
	goto_slow(&rules, IPPROTO_ICMPV6, 0);
	goto_slow(&rules, IPPROTO_UDP, DHCP_SERVER);
	goto_slow(&rules, IPPROTO_UDP, DHCP6_SERVER);
	rule_append(&rules)->verdict = VERDICT_ACCEPT;
	add_chain(rs, CHAIN_OWN, "plainly an endpoint's own", &rules);
}

/*
 * Whether the frame has a VLAN tag is not asked here: reading the link header costs as much as four comparisons. Within the bridge
 * the forward chain asks (CHAIN_TAGGED), and what a tag leads to on this host, a VLAN's interface on top of the bridge, is no bridge
 * and no way by which the inet table lets an endpoint's address come.
 */
static void build_prerouting(struct ruleset *rs, const struct skeleton_config *config)
{
	struct rule_list rules = {0};
	struct rule *rule;

	for (uint8_t family = 4; family <= 6; family += 2) {
		rule = rule_append(&rules);
		skeleton_match_field(rule, MATCH_PORT_SET, FIELD_IP, SIDE_SRC, family,
			by_family(family, SET_AT4, SET_AT6));
		if (config->anti_spoof)
			skeleton_match_field(rule, MATCH_PORT_SET, FIELD_ETHER_SADDR, SIDE_SRC, 0,
				SET_PORT_MACS);
		rule->verdict = VERDICT_GOTO;
		skeleton_name(rule->target, CHAIN_OWN);
	}
	rule = rule_append(&rules);
	rule->verdict = VERDICT_GOTO;
	skeleton_name(rule->target, CHAIN_SLOW);
	add_chain(rs, CHAIN_BRIDGE_PREROUTING, "what a port may send", &rules);
}

static void build_slow(struct ruleset *rs, bool remote)
{
	struct rule_list rules = {0};

	jump_for_ports(&rules, MATCH_IIF_SET, NULL, CHAIN_BOUND);
	if (remote) {
		struct rule *rule = rule_append(&rules);

		skeleton_name(rule_match(rule, MATCH_IIF_KIND)->set, "veth");
		skeleton_jump(rule, CHAIN_REMOTE);
	}
	jump_for_ports(&rules, MATCH_IIF_SET, SET_ENDPOINT_PORTS, CHAIN_SERVERS);
	jump_for_ports(&rules, MATCH_IIF_SET, SET_ISOLATED_PORTS, CHAIN_GUARD);
	add_chain(rs, CHAIN_SLOW, "what is not plainly an endpoint's own", &rules);
}

/*
 * Another node's endpoint is beyond an uplink or a tunnel, never at a veth: what says so there is a container with its address, one that
 * is not known yet, or one that lies.
 */
void skeleton_remote(struct ruleset *rs, const struct skeleton_config *config, bool any)
{
	static const struct {
		enum header_field field;
		uint8_t family;
		bool anti_spoof;
		const char *set;
	} said[] = {{FIELD_IP, 4, false, SET_REMOTE4}, {FIELD_IP, 6, false, SET_REMOTE6},
		{FIELD_ARP_SPA, 4, true, SET_REMOTE4}, {FIELD_ND_TARGET, 6, true, SET_REMOTE6}};
	struct rule_list rules = {0};

	for (size_t i = 0; any && i < sizeof(said) / sizeof(*said); i++) {
		struct rule *rule;

		if (said[i].anti_spoof && !config->anti_spoof)
			continue;
		rule = rule_append(&rules);
		if (said[i].field == FIELD_ND_TARGET)
			match_types(rule, ND_NEIGHBOR_ADVERT, ND_NEIGHBOR_ADVERT);
		skeleton_match_field(rule, MATCH_FIELD_SET, said[i].field, SIDE_SRC, said[i].family,
			said[i].set);
		skeleton_deny(rule, LOG_SPOOFED, false);
	}
	add_chain(rs, CHAIN_REMOTE, "what is another node's, from a container", &rules);
	build_slow(rs, any);
}

/* --- to an isolated port, and between ports ---------------------------------------------------- */

/*
 * Flooded frames come here once for each port. Router advertisements and answers of DHCP servers that containers sent were dropped
 * when they came in: what is left is an uplink's.
 */
static void build_deliver(struct ruleset *rs)
{
	static const struct {
		uint16_t first, last;
	} heard[] = {{MLD_LISTENER_QUERY, ND_NEIGHBOR_ADVERT}, {MLD2_REPORT, MLD2_REPORT}};
	static const struct {
		uint32_t type;
		uint16_t server, client;
	} dhcp[] = {{ETH_P_IP, DHCP_SERVER, DHCP_CLIENT}, {ETH_P_IPV6, DHCP6_SERVER, DHCP6_CLIENT}};
	struct rule_list rules = {0};
	struct rule *rule;

	append_return(&rules, MATCH_ETHER_TYPE, ETH_P_ARP);
	for (size_t i = 0; i < sizeof(heard) / sizeof(*heard); i++) {
		rule = rule_append(&rules);
		skeleton_match_value(rule, MATCH_ETHER_TYPE, ETH_P_IPV6);
		match_types(rule, heard[i].first, heard[i].last);
		rule->verdict = VERDICT_RETURN;
		skeleton_comment(rule, "neighbour discovery and MLD");
	}
	for (size_t i = 0; i < sizeof(dhcp) / sizeof(*dhcp); i++) {
		rule = rule_append(&rules);
		skeleton_match_value(rule, MATCH_ETHER_TYPE, dhcp[i].type);
		skeleton_match_value(rule, MATCH_L4PROTO, IPPROTO_UDP);
		match_port(rule, SIDE_SRC, dhcp[i].server);
		match_port(rule, SIDE_DST, dhcp[i].client);
		rule->verdict = VERDICT_RETURN;
		skeleton_comment(rule, "a DHCP server beyond an uplink");
	}
	deny_rest(&rules, "not to the endpoint's own address");
	add_chain(rs, CHAIN_DELIVER, "to isolated endpoints", &rules);
}

/* What goes to many at once is not for one policy to judge: from an isolated port only ARP, neighbour discovery and MLD, which
 * the guard has looked at. */
static void build_groups(struct ruleset *rs)
{
	static const struct {
		uint16_t first, last;
	} spoken[] = {{MLD_LISTENER_QUERY, ND_NEIGHBOR_ADVERT}, {MLD2_REPORT, MLD2_REPORT}};
	struct rule_list rules = {0};

	append_return(&rules, MATCH_ETHER_TYPE, ETH_P_ARP);
	for (size_t i = 0; i < sizeof(spoken) / sizeof(*spoken); i++) {
		struct rule *rule = rule_append(&rules);

		match_types(rule, spoken[i].first, spoken[i].last);
		rule->verdict = VERDICT_RETURN;
	}
	deny_rest(&rules, "broadcast and multicast");
	add_chain(rs, CHAIN_GROUPS, "from isolated endpoints to many", &rules);
}

/* Frames that are plain by their ethertype once the tag is taken off have passed the first chain. */
static void build_tagged(struct ruleset *rs)
{
	static const uint16_t plain[] = {ETH_P_IP, ETH_P_IPV6, ETH_P_ARP};
	struct rule_list rules = {0};

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		append_return(&rules, MATCH_ETHER_TYPE, plain[i]);
	deny_rest(&rules, "neither ARP nor IP");
	add_chain(rs, CHAIN_TAGGED, "from isolated endpoints, by the type on the wire", &rules);
}

/*
 * To an endpoint's own address at its own port, isolated or not, there is nothing to guard: what is left is policy, here or in
 * the inet table.
 */
static void build_forward(struct ruleset *rs, const struct skeleton_config *config)
{
	static const struct skeleton_hook judged = {IN_BRIDGE, CHAIN_BRIDGED,
		"flows from port to port", {"bridged4", "bridged6"}, CHAIN_STRICT_BRIDGED, false};
	struct rule_list rules = {0}, begin = {0};
	struct rule *rule;

	for (uint8_t family = 4; family <= 6; family += 2) {
		rule = rule_append(&rules);
		skeleton_match_value(rule, MATCH_ETHER_TYPE, family == 4 ? ETH_P_IP : ETH_P_IPV6);
		skeleton_match_field(rule, MATCH_PORT_SET, FIELD_IP, SIDE_DST, family,
			by_family(family, SET_AT4, SET_AT6));
		rule->verdict = config->bridge_tracked ? VERDICT_GOTO : VERDICT_ACCEPT;
		if (config->bridge_tracked)
			skeleton_name(rule->target, CHAIN_BRIDGED);
	}
	jump_for_ports(&rules, MATCH_OIF_SET, SET_ISOLATED_PORTS, CHAIN_DELIVER);
	jump_for_ports(&rules, MATCH_IIF_SET, SET_ISOLATED_PORTS, CHAIN_TAGGED);
	rule = rule_append(&rules);
	rule_match(rule, MATCH_ETHER_MULTICAST);
	skeleton_match_set(rule, MATCH_IIF_SET, SIDE_SRC, 0, SET_ISOLATED_PORTS);
	skeleton_jump(rule, CHAIN_GROUPS);
	if (config->bridge_tracked) {
		rule = rule_append(&rules);
		rule->verdict = VERDICT_GOTO;
		skeleton_name(rule->target, CHAIN_BRIDGED);
		skeleton_judge(rs, config, &judged, &begin, NULL);
	}
	add_chain(rs, CHAIN_BRIDGE_FORWARD, "from port to port", &rules);
}

void skeleton_build_bridge(struct ruleset *rs, const struct skeleton_config *config)
{
	static const struct {
		const char *name;
		enum set_type type;
		const char *comment;
	} sets[] = {
		{SET_AT4, SET_PORT_IPV4, "port . the address bound to it"},
		{SET_AT6, SET_PORT_IPV6, "port . the addresses bound to it"},
		{SET_LOCAL6, SET_PORT_IPV6, "port . its link-local address"},
		{SET_PORT_MACS, SET_PORT_MAC, "port . the MAC bound to it"},
		{SET_OWNED_MACS, SET_MAC, "MACs bound to a port"},
		{SET_ISOLATED_PORTS, SET_IFNAME, "ports of isolated endpoints"},
		{SET_ENDPOINT_PORTS, SET_IFNAME, "ports of endpoints"},
		{SET_GATEWAYS4, SET_IPV4, "the bridges' own addresses"},
		{SET_GATEWAYS6, SET_IPV6, "the bridges' own addresses"},
		{SET_OFF_BRIDGE4, SET_IPV4, "endpoints on no bridge"},
		{SET_OFF_BRIDGE6, SET_IPV6, "endpoints on no bridge"},
		{SET_REMOTE4, SET_IPV4, "endpoints of other nodes"},
		{SET_REMOTE6, SET_IPV6, "endpoints of other nodes"},
	};

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++)
		ruleset_set_in(rs, IN_BRIDGE, sets[i].name, sets[i].type, sets[i].comment);
	if (config->bridge_tracked)
		ruleset_set_in(rs, IN_BRIDGE, MAP_STRICT_BRIDGED, MAP_IFNAME,
			"strict network : its known endpoints");
	build_guard(rs, config);
	build_guard_arp(rs, config);
	build_guard_ip(rs);
	build_guard_ip6(rs, config);
	build_servers(rs);
	build_bound(rs, config);
	build_deliver(rs);
	build_groups(rs);
	build_tagged(rs);
	skeleton_remote(rs, config, false);
	build_own(rs);
	build_prerouting(rs, config);
	build_forward(rs, config);
}
