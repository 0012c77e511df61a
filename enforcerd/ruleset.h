/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wanted content of our table, and what of it the kernel has: named sets, verdict maps, counters and chains. Changes
 * are recorded as a difference against the last commit, so that a batch costs what changed and nothing else. Pure: the
 * kernel writer reads the difference, sends it, and says ruleset_committed() or nothing (then it stays pending).
 *
 * Undoing a pending change cancels it: put then delete of an element that the kernel does not have is no change.
 */
#ifndef BULKHEAD_RULESET_H
#define BULKHEAD_RULESET_H

#include "common/strbuf.h"
#include "enforcerd/rule.h"

enum set_type {
	SET_IPV4, /* hash of addresses */
	SET_IPV6,
	SET_CIDR4, /* interval; small, for nets lists; overlaps merged by the builder */
	SET_CIDR6,
	SET_PORT, /* inet_service, hash */
	SET_IFNAME,
	SET_MAC,       /* ether_addr */
	SET_PORT_IPV4, /* interface name . address */
	SET_PORT_IPV6,
	SET_PORT_MAC, /* interface name . ether_addr */
	MAP_IPV4,     /* address : jump chain */
	MAP_IPV6,
	MAP_IFNAME, /* interface name : jump chain */
	MAP_GROUP, /* number of a group : jump chain; number 0 is every number that has none of its own */
	GROUPS_IPV4, /* address : numbers of its groups */
	GROUPS_IPV6
};

/* Key of an element, in the members that its type names: an address, a range (CIDR types: first..last inclusive), a port, an
 * interface name, a MAC, an interface name with one of these, or a group. groups is no part of the key, but what it leads to in
 * maps of that type: by side, what the address may send (SIDE_SRC) and receive. */
struct elem_key {
	struct ip ip, last;
	uint16_t port;
	uint8_t mac[6];
	char ifname[16];
	uint32_t group, groups[2];
};

/*
 * Our two tables have one name and are written together: inet for what is routed, bridge for what goes from port to port. An
 * object is in one of them or, with the same content, in both. Names are unique over both; base chains of the bridge table are
 * called "bridge:<name in the table>", since both have a forward chain.
 */
enum ruleset_tables { IN_INET = 1, IN_BRIDGE = 2, IN_BOTH = 3 };

enum object_kind { OBJECT_COUNTER, OBJECT_SET, OBJECT_CHAIN };

struct ruleset;
struct rs_set;
struct rs_chain;
struct rs_elem;

struct ruleset *ruleset_new(void);
void ruleset_free(struct ruleset *rs);

/*
 * Where policy objects go: those that are declared without naming tables. IN_INET where the kernel cannot judge bridged flows
 * in the bridge table, else IN_BOTH. To be said before anything is declared.
 */
void ruleset_policy_tables(struct ruleset *rs, enum ruleset_tables tables);

/* Declares, in the policy tables; doing so again with the same type updates nothing. comment: "role == \"database\"", shown by nft. */
void ruleset_set(struct ruleset *rs, const char *name, enum set_type type, const char *comment);
void ruleset_counter(struct ruleset *rs, const char *name);
/* Replaces the chain's rules; takes over rules->items and leaves *rules empty. Equal content is no change. */
void ruleset_chain(
	struct ruleset *rs, const char *name, const char *comment, struct rule_list *rules);
/* The same, in these tables: an object stays where it was declared first. */
void ruleset_set_in(struct ruleset *rs, enum ruleset_tables tables, const char *name,
	enum set_type type, const char *comment);
void ruleset_counter_in(struct ruleset *rs, enum ruleset_tables tables, const char *name);
void ruleset_chain_in(struct ruleset *rs, enum ruleset_tables tables, const char *name,
	const char *comment, struct rule_list *rules);
/* Forward references are fine within one batch: order is the writer's business. */
void ruleset_set_drop(struct ruleset *rs, const char *name);
void ruleset_counter_drop(struct ruleset *rs, const char *name);
void ruleset_chain_drop(struct ruleset *rs, const char *name);

/* chain: for maps, the chain to jump to; NULL for sets. comment: NULL or shown by nft. A put of an equal element is no
 * change; a put with another chain is a replacement (delete + add in one batch). */
void ruleset_put(struct ruleset *rs, const char *name, const struct elem_key *key,
	const char *chain, const char *comment);
void ruleset_del(struct ruleset *rs, const char *name, const struct elem_key *key);
bool ruleset_has(const struct ruleset *rs, const char *name, const struct elem_key *key);
size_t ruleset_set_size(const struct ruleset *rs, const char *name); /* wanted elements */
bool ruleset_chain_exists(const struct ruleset *rs, const char *name);

/* The tables that anything is to be in; 0 for none. */
enum ruleset_tables ruleset_wanted_tables(const struct ruleset *rs);

bool ruleset_dirty(const struct ruleset *rs);
/*
 * Whether what is pending may forbid a flow that was allowed: then flows must be judged anew (a generation bump). True unless
 * it is provably more permissive: an element comes into a set that only allows by it or leaves one that only denies by it, a
 * chain gains allow rules or loses denials, objects come that nothing leads to yet. For a ruleset that was forgotten: true.
 */
bool ruleset_revokes(const struct ruleset *rs);
/* The pending difference is in the kernel. */
void ruleset_committed(struct ruleset *rs);
/* The kernel's content is not known (start, foreign change): everything wanted becomes pending. */
void ruleset_forget(struct ruleset *rs);

/*
 * What the writer walks, in name order: for each object whether it is to be created, removed, or changed. An object that
 * is removed and created again in one batch (type changed) is not used: names change with content.
 */
enum diff { DIFF_NONE, DIFF_ADD, DIFF_REMOVE, DIFF_REPLACE };

struct ruleset_visitor {
	void (*counter)(enum ruleset_tables tables, const char *name, enum diff diff, void *arg);
	/* NONE: only elements changed. */
	void (*set)(enum ruleset_tables tables, const char *name, enum set_type type,
		const char *comment, enum diff diff, void *arg);
	/* REPLACE: value or comment differs (delete the old, add the new). Follows its set's call. For a removed set no
	 * elements are visited. */
	void (*elem)(enum ruleset_tables tables, const char *set, enum set_type type,
		const struct elem_key *key, const char *chain, const char *comment, enum diff diff,
		void *arg);
	/* ADD, REMOVE, or REPLACE (flush its rules, add these). rules is empty for REMOVE. */
	void (*chain)(enum ruleset_tables tables, const char *name, const char *comment,
		const struct rule_list *rules, enum diff diff, void *arg);
};

/* Visits only what is pending; NULL members are skipped. */
void ruleset_visit(const struct ruleset *rs, const struct ruleset_visitor *visitor, void *arg);

/* Whole wanted content in nft's own words, sorted, for golden tests and --check: what is in table inet alone, then, headed, what is
 * in both tables, and what is in table bridge alone. */
void ruleset_render(const struct ruleset *rs, struct strbuf *out);

/*
 * Reading what is wanted, for those who judge a flow as the kernel would (ruleset_read.c). What is returned is borrowed until the
 * next change.
 */
const struct rule_list *ruleset_rules(const struct ruleset *rs, const char *chain); /* or NULL */
/* Where a map leads for a key, or NULL. */
const char *ruleset_target(const struct ruleset *rs, const char *map, const struct elem_key *key);
/* As VERDICT_MAP_GROUP: by the groups of an address where map leads for the one of this side, or NULL. */
const char *ruleset_group_target(
	const struct ruleset *rs, const char *map, enum flow_side side, const struct ip *ip);
enum ruleset_answer { RULESET_NO, RULESET_YES, RULESET_UNKNOWN };
/* Whether a set has an address, as an element or within a range; UNKNOWN where there is no such set of addresses. */
enum ruleset_answer ruleset_has_ip(const struct ruleset *rs, const char *name, const struct ip *ip);
enum ruleset_answer ruleset_has_port(const struct ruleset *rs, const char *set, uint16_t port);
enum ruleset_answer ruleset_has_ifname(
	const struct ruleset *rs, const char *set, const char *ifname);
/* Calls fn for each element, in no order that means anything, until it returns false. chain: of a map, else NULL. */
void ruleset_each(const struct ruleset *rs, const char *name,
	bool (*fn)(const struct elem_key *key, const char *chain, void *arg), void *arg);

DEFINE_CLEANUP(ruleset, struct ruleset *, ruleset_free)

#endif
