/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fixed part of table inet bulkhead: the chains that the hooks run and the sets and maps that they look up. Names are
 * here so that world and tests use the same ones.
 */
#ifndef BULKHEAD_SKELETON_H
#define BULKHEAD_SKELETON_H

#include "common/isolation.h"
#include "enforcerd/ruleset.h"

#define CHAIN_FORWARD "forward" /* base chain, hook forward, priority filter - 1 */
#define CHAIN_INPUT   "input"   /* base chain, hook input, priority filter - 1 */
#define MAP_EGRESS4   "egress4"
#define MAP_EGRESS6   "egress6"
#define MAP_INGRESS4  "ingress4"
#define MAP_INGRESS6  "ingress6"
#define SET_ISOLATED4 \
	"isolated4" /* every isolated endpoint address: by packet header and by flow */
#define SET_ISOLATED6 "isolated6"
#define MAP_STRICT_IN \
	"strict_in" /* bridge : jump chain that drops unknown sources of its subnets */
#define MAP_STRICT_OUT \
	"strict_out" /* bridge : jump chain that drops unknown destinations of its subnets */
#define SET_MIDSTREAM "midstream" /* bridges that became visible to conntrack less than 60 s ago */

enum host_action { HOST_RETURN, HOST_DROP };

/* Adds all of it to the ruleset. */
void skeleton_build(struct ruleset *rs, enum host_action host_action);

#endif
