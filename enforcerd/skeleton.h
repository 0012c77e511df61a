/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixed part of table inet bulkhead: the chains that the hooks run and the sets and maps that they look up. Names are
 * here so that world and tests use the same ones.
 */
#ifndef BULKHEAD_SKELETON_H
#define BULKHEAD_SKELETON_H

#include "common/isolation.h"
#include "enforcerd/mark.h"
#include "enforcerd/ruleset.h"

#define CHAIN_FORWARD           "forward"    /* base chain, hook forward, priority filter - 1 */
#define CHAIN_INPUT             "input"      /* base chain, hook input, priority filter - 1 */
#define CHAIN_OUTPUT            "output"     /* base chain, hook output, priority filter - 1 */
#define CHAIN_PREROUTING        "prerouting" /* base chain, hook prerouting, priority raw */
#define CHAIN_BRIDGE_PREROUTING "bridge:prerouting" /* base chain, priority -300 */
#define CHAIN_BRIDGE_FORWARD    "bridge:forward"    /* base chain, priority filter */
#define CHAIN_PUBLISHED \
	"published" /* published ports that docker-proxy serves, in the input hook */
#define CHAIN_STRICT         "strict" /* asks the strict maps: forward, input and bridged */
#define CHAIN_STRICT_INPUT   "strict_input"
#define CHAIN_STRICT_BRIDGED "strict_ports"
/* number of a group : jump its chain; from an address by MAP_GROUPS4|6 */
#define MAP_EGRESS4  "egress_groups4"
#define MAP_EGRESS6  "egress_groups6"
#define MAP_INGRESS4 "ingress_groups4"
#define MAP_INGRESS6 "ingress_groups6"
#define SET_ISOLATED4 \
	"isolated4" /* every isolated endpoint address: by packet header and by flow */
#define SET_ISOLATED6 "isolated6"
#define MAP_STRICT_IN \
	"strict_in" /* bridge : jump chain that drops unknown sources of its subnets */
#define MAP_STRICT_OUT \
	"strict_out" /* bridge : jump chain that drops unknown destinations of its subnets */
#define SET_MIDSTREAM "midstream" /* bridges that became visible to conntrack less than 60 s ago */

/* Chains of the two tables that flows are marked by; see skeleton_generation(). */
#define CHAIN_LIVE   "live"   /* accepts what was judged in this generation */
#define CHAIN_JUDGED "judged" /* marks what came through the policies */
#define CHAIN_DENIED "denied" /* what every denial ends in: drop, or in audit mode nothing */
/* Sets of the bridge table's port guard, and of the inet table's prerouting. */
#define SET_AT4            "at4" /* port . address: who has which address where */
#define SET_AT6            "at6"
#define SET_LOCAL6         "local6" /* port . link-local address, for neighbour discovery alone */
#define SET_OWNED4         "owned4" /* addresses in at4 */
#define SET_OWNED6         "owned6"
#define SET_PORT_MACS      "port_macs"      /* port . MAC */
#define SET_OWNED_MACS     "owned_macs"     /* MACs in port_macs */
#define SET_ISOLATED_PORTS "isolated_ports" /* ports of isolated endpoints */
#define SET_ENDPOINT_PORTS "endpoint_ports" /* ports of all endpoints */
#define SET_MANAGED        "managed"        /* bridges of networks whose isolation is not off */
#define SET_UNREADY4 \
	"unready4" /* isolated endpoints whose published ports are not known yet (inet) */
#define SET_UNREADY6 "unready6"
#define MAP_PUBLISHED_EGRESS4 \
	"pub_egress4" /* isolated endpoint : what it may send to published ports (inet) */
#define MAP_PUBLISHED_EGRESS6 "pub_egress6"
#define MAP_STRICT_BRIDGED    "strict_bridged" /* bridge : jump chain, for flows within it (bridge) */
#define SET_GATEWAYS4         "gateways4"      /* the bridges' own addresses (bridge) */
#define SET_GATEWAYS6         "gateways6"
#define SET_OFF_BRIDGE4       "off_bridge4" /* addresses of endpoints on no bridge (bridge) */
#define SET_OFF_BRIDGE6       "off_bridge6"
#define SET_REMOTE4           "remote4" /* addresses of other nodes' endpoints (bridge) */
#define SET_REMOTE6           "remote6"
#define SET_CONTESTED4        "contested4" /* those that two of them claim */
#define SET_CONTESTED6        "contested6"

enum host_action { HOST_RETURN, HOST_DROP };

struct skeleton_config {
	enum host_action host_action;
	bool anti_spoof;     /* MAC, ARP and ND checks */
	bool bridge_tracked; /* the bridge table judges flows (nf_conntrack_bridge) */
	struct mark_layout marks;
};

/* Adds all of it to the ruleset. */
void skeleton_build(struct ruleset *rs, const struct skeleton_config *config);
/* Flows marked with this generation pass unjudged, those that come through the policies are marked with it. 0: every packet is
 * judged, none marked. Never counts as a revocation by itself. */
void skeleton_generation(
	struct ruleset *rs, const struct skeleton_config *config, uint32_t generation);
/* Whether new TCP without SYN is left to the policies everywhere, for a while after the first load: conntrack could not have seen its
 * beginning on any bridge. Else on the bridges of SET_MIDSTREAM alone. */
void skeleton_midstream(struct ruleset *rs, bool everywhere);
/* Whether there is any strict network: without one no packet pays for the question. */
void skeleton_strict(struct ruleset *rs, const struct skeleton_config *config, bool any);
/* Whether this node shares a network with others: without one no packet pays for the question. */
void skeleton_remote(struct ruleset *rs, const struct skeleton_config *config, bool any);
/* enforce or audit: what CHAIN_DENIED does. */
void skeleton_audit(struct ruleset *rs, bool audit);

#endif
