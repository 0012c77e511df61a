/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A policy as a value: what the policies hash in Redis holds, parsed. The lenient forms that files may
 * use (case, quoted numbers, lists) are ctl's business; a stored record has one spelling only, so that
 * policy_from_json() can be strict. Semantics: Calico v2.6 (F26 rules/policy.go), see docs.
 *
 * Record: {"v":1,"name":NAME,"form":"v3"?,"namespace":TEXT?,"labels":{...}?,"annotations":{...}?,"spec":{
 *   "order":NUMBER?,"tier":TEXT?,"staged":BOOL?,"selector":TEXT,"types":["ingress","egress"],"ingress":[RULE...],"egress":[RULE...]}}
 * RULE:   {"action":"allow|deny|log|pass","annotations":{...}?,"ipVersion":4|6?,"protocol":"tcp"|NUMBER?,
 *   "notProtocol":...?,"icmp":{"type":N,"code":N?}?,"notICMP":{...}?,"source":ENTITY?,"destination":ENTITY?}
 *
 * "form" says in which form it was written, and is shown again: what the record means does not depend on it, but that
 * a v3 policy of a namespace has the name "NAMESPACE/NAME", and a staged policy's begins with POLICY_STAGED_PREFIX.
 * A namespace is already in the selectors.
 * ENTITY: {"selector","notSelector","tag","notTag":TEXT,"nets","notNets":[CIDR],"ports","notPorts":[N|"A:B"]}
 */
#ifndef BULKHEAD_POLICY_H
#define BULKHEAD_POLICY_H

#include "common/ip.h"
#include "common/selector.h"

enum policy_action { ACTION_ALLOW, ACTION_DENY, ACTION_LOG, ACTION_PASS };
enum policy_direction { DIR_INGRESS, DIR_EGRESS, DIR_COUNT };

#define POLICY_STAGED_PREFIX \
	"_staged/" /* no name in a file may begin so: it stands beside the one in force */

enum { POLICY_NAME_MAX = 128, POLICY_RULES_MAX = 1024, POLICY_LIST_MAX = 1024 };

struct port_range {
	uint16_t first; /* inclusive, 1..65535, first <= last */
	uint16_t last;
};

struct cidr_list {
	struct cidr *items; /* in the order written, host bits cleared, NULL when count is 0 */
	size_t count;
};

struct port_list {
	struct port_range *items;
	size_t count;
};

/* Absent selectors are NULL and do not constrain. A tag is held as the selector has(tag). */
struct policy_entity {
	struct selector *selector, *not_selector;
	struct selector *tag, *not_tag;
	struct cidr_list nets, not_nets;
	struct port_list ports, not_ports;
};

struct icmp_match {
	int type; /* 0..254, or -1: no constraint */
	int code; /* 0..255, or -1: any code */
};

struct policy_rule {
	enum policy_action action;
	int ip_version; /* 4, 6, or 0 for both; already implied by protocol names icmp and icmpv6 */
	int protocol;   /* 1..255, or 0: any */
	int not_protocol; /* 1..255, or 0: no constraint */
	struct icmp_match icmp, not_icmp;
	struct policy_entity source, destination;
	json_t *annotations; /* object of strings, or NULL */
};

struct policy {
	char *name;
	bool has_order; /* absent order sorts after every number */
	double order;
	char *tier; /* v3 only; NULL: the one called default */
	/* What its tier does at its end (see common/tier.h), said by whoever has the tiers; false: it denies. */
	bool tier_passes;
	bool staged; /* never drops: what it would do is counted and reported */
	struct selector *selector;
	bool governs[DIR_COUNT]; /* "types" */
	struct policy_rule *rules[DIR_COUNT];
	size_t rule_count[DIR_COUNT];
	json_t *annotations,
		*labels; /* objects of strings, or NULL: of the policy itself, without meaning here */
	bool v3;         /* written in that form */
	char *namespace; /* v3 only; NULL: none */
};

/*
 * Refuses unknown members by name, at every level; errors carry the path:
 * `spec.ingress[0].source.nets[1]: "10.0.0.0/33" is not a CIDR block: ...`. Whether the name is that of the
 * field under which the record was found is the caller's to check.
 */
struct policy *policy_from_json(const json_t *record, struct err *err) must_check;
/* The one stored spelling; its text is at most RECORD_BYTES_MAX long, or readers refuse it. Caller owns it. */
json_t *policy_to_json(
	const struct policy *policy); /* policy_from_json() of it gives an equal policy */
void policy_free(struct policy *policy);

/* A stored name without the mark of staged ones, where it is one's. Borrowed. */
const char *policy_name_without_mark(const char *name, bool staged);
/* The name as it was written: without the namespace and the mark of staged ones. Borrowed. */
const char *policy_bare_name(const struct policy *policy);

/* Whether the other's place is the staged policy's once it is in force: it has the other's name. */
bool policy_replaces(const struct policy *staged, const struct policy *other);

/* Evaluation order within a tier: ascending order, absent last, ties byte-wise by bare name, namespace, staged first, whole name.
 * 0: one name. */
int policy_cmp(const struct policy *a, const struct policy *b);

/*
 * Tells from a record that policy_from_json() refuses what can still be told: its selector, its types and its
 * order, so that what it was meant to govern can be closed. NULL where not even that parses. In the result each
 * direction in its types has one rule, "deny" without conditions: with no rule at all a later policy could allow
 * what this one may have meant to deny. Where the order cannot be read it comes before every other policy of its tier, and where
 * the tier cannot, it is of one that is never there. A staged policy stays staged.
 */
struct policy *policy_closed_from_json(const json_t *record, struct err *err) must_check;

/* A closed copy, as the above gives it: of a policy whose tier is not there. */
struct policy *policy_closed(const struct policy *policy);

/* Value-level checks and tables, shared with the file reader of ctl. */
int policy_name_check(const char *name, struct err *err) must_check;
bool policy_action_parse(const char *word, enum policy_action *action);
const char *policy_action_name(enum policy_action action);
bool policy_direction_parse(const char *word, enum policy_direction *dir);
const char *policy_direction_name(enum policy_direction dir);
/* "tcp", "udp", "icmp", "icmpv6", "sctp", "udplite" or 1..255. *ip_version is set to 4 or 6 for icmp/icmpv6 BY NAME only, else left alone. */
int protocol_parse(const char *text, int *protocol, int *ip_version, struct err *err) must_check;
bool protocol_has_ports(int protocol);   /* that a rule may name */
const char *protocol_name(int protocol); /* NULL when it has none */
int port_range_parse(const char *text, struct port_range *range, struct err *err) must_check;

DEFINE_CLEANUP(policy, struct policy *, policy_free)

#endif
