/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A small world, the writer that puts it into the kernel, and what nft makes of it: for the tests of the kernel writer. */
#ifndef BULKHEAD_TESTS_KERNEL_FIXTURE_H
#define BULKHEAD_TESTS_KERNEL_FIXTURE_H

#include "enforcerd/kernel.h"
#include "enforcerd/skeleton.h"
#include "kernel_hooks.h"
#include "netns.h"

#define TABLE "bulkhead"

static struct kernel *kernel;
static struct ruleset *rs;
static struct err err;

/* --- building rulesets ------------------------------------------------------------------------- */

static inline struct ip address(const char *text)
{
	struct ip ip;
	struct err why = {0};

	ck_assert_msg(ip_parse(text, &ip, &why) == 0, "%s", why.text);
	return ip;
}

static inline struct elem_key key_ip(const char *text)
{
	return (struct elem_key){.ip = address(text)};
}

static inline struct elem_key key_range(const char *first, const char *last)
{
	return (struct elem_key){.ip = address(first), .last = address(last)};
}

static inline struct elem_key key_port(uint16_t port)
{
	return (struct elem_key){.port = port};
}

static inline struct elem_key key_ifname(const char *name)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", name);
	return key;
}

static inline void put(const char *set, struct elem_key key, const char *chain, const char *comment)
{
	ruleset_put(rs, set, &key, chain, comment);
}

static inline void del(const char *set, struct elem_key key)
{
	ruleset_del(rs, set, &key);
}

static inline struct rule *add_rule(
	struct rule_list *rules, enum verdict_kind verdict, const char *comment)
{
	struct rule *rule = rule_append(rules);

	rule->verdict = verdict;
	snprintf(rule->comment, sizeof(rule->comment), "%s", comment);
	return rule;
}

static inline void match_protocol(struct rule *rule, uint8_t protocol)
{
	rule_match(rule, MATCH_CT_PROTOCOL)->value = protocol;
}

static inline void match_named(struct rule *rule, enum match_kind kind, enum flow_side side,
	uint8_t family, const char *set)
{
	struct match *match = rule_match(rule, kind);

	match->side = side;
	match->family = family;
	snprintf(match->set, sizeof(match->set), "%s", set);
}

static inline void match_numbers(
	struct rule *rule, enum match_kind kind, uint16_t first, uint16_t last, bool negate)
{
	struct match *match = rule_match(rule, kind);

	match->side = SIDE_DST;
	match->first = first;
	match->last = last;
	match->negate = negate;
}

static inline void match_block(
	struct rule *rule, enum match_kind kind, const char *text, bool negate)
{
	struct match *match = rule_match(rule, kind);

	match->side = SIDE_DST;
	match->negate = negate;
	ck_assert_int_eq(cidr_parse(text, &match->cidr, &err), 0);
}

static inline void end_group(struct rule_list *rules, const char *prefix, const char *counter)
{
	struct rule *rule = add_rule(rules, VERDICT_DROP, "");

	rule->log = true;
	snprintf(rule->log_prefix, sizeof(rule->log_prefix), "%s", prefix);
	snprintf(rule->counter, sizeof(rule->counter), "%s", counter);
}

/* A chain that lets tcp/3306 from the selector through and drops the rest; one family or both. */
static inline void put_database_chain(const char *name)
{
	struct rule_list rules = {0};

	for (uint8_t family = 4; family <= 6; family += 2) {
		struct rule *rule =
			add_rule(&rules, VERDICT_RETURN, "policy \"database\" ingress[0]");

		match_protocol(rule, IPPROTO_TCP);
		match_named(rule, MATCH_CT_ADDR_SET, SIDE_SRC, family,
			family == 4 ? "sel_front_4" : "sel_front_6");
		match_named(rule, MATCH_CT_PORT_SET, SIDE_DST, 0, "port_db");
	}
	end_group(&rules, "deny/in/database", "drop_ingress");
	ruleset_chain(rs, name, "policies: database", &rules);
}

static inline void put_closed_chain(const char *name)
{
	struct rule_list rules = {0};

	end_group(&rules, "deny/out/none", "drop_egress");
	ruleset_chain(rs, name, NULL, &rules);
}

static inline void put_open_chain(const char *name)
{
	struct rule_list rules = {0};

	add_rule(&rules, VERDICT_RETURN, "everything");
	ruleset_chain(rs, name, NULL, &rules);
}

/* A: frontend, 10.77.1.2; B: database, 10.77.2.2; both isolated; only A may reach B, on tcp/3306. */
static inline void build_world(struct ruleset *target)
{
	rs = target;
	build_hooks(rs);
	ruleset_set(rs, "sel_front_4", SET_IPV4, "role == \"frontend\"");
	ruleset_set(rs, "sel_front_6", SET_IPV6, "role == \"frontend\"");
	ruleset_set(rs, "port_db", SET_PORT, NULL);
	put("sel_front_4", key_ip("10.77.1.2"), NULL, "frontend");
	put("sel_front_6", key_ip("fd77:1::2"), NULL, "frontend");
	put("port_db", key_port(3306), NULL, NULL);
	put_database_chain("in_db");
	put_open_chain("eg_front");
	put_closed_chain("eg_db");
	put_closed_chain("in_front");
	put(MAP_EGRESS4, key_ip("10.77.1.2"), "eg_front", "frontend");
	put(MAP_EGRESS6, key_ip("fd77:1::2"), "eg_front", "frontend");
	put(MAP_INGRESS4, key_ip("10.77.1.2"), "in_front", "frontend");
	put(MAP_INGRESS6, key_ip("fd77:1::2"), "in_front", "frontend");
	put(MAP_EGRESS4, key_ip("10.77.2.2"), "eg_db", "database");
	put(MAP_EGRESS6, key_ip("fd77:2::2"), "eg_db", "database");
	put(MAP_INGRESS4, key_ip("10.77.2.2"), "in_db", "database");
	put(MAP_INGRESS6, key_ip("fd77:2::2"), "in_db", "database");
	put(SET_ISOLATED4, key_ip("10.77.1.2"), NULL, NULL);
	put(SET_ISOLATED4, key_ip("10.77.2.2"), NULL, NULL);
}

/* --- looking ----------------------------------------------------------------------------------- */

static inline struct kernel *open_writer(const char *table)
{
	const struct kernel_options options = {.table = table, .nflog_group = 64};
	struct kernel *opened = kernel_open(&options, &err);

	ck_assert_msg(opened != NULL, "%s", err.text);
	return opened;
}

static inline struct kernel_commit commit(void)
{
	struct kernel_commit done = {0};

	ck_assert_msg(kernel_commit(kernel, rs, &done, &err) == 0, "%s", err.text);
	ck_assert(!ruleset_dirty(rs));
	return done;
}

static inline char *listing(void)
{
	int status = 0;
	char *text = output_of(&status, "nft list table inet " TABLE " 2>&1");

	ck_assert_msg(status == 0, "nft list: status %d: %s", status, text);
	return text;
}

/* Check's messages are too short for a listing. */
static inline void expect_in(const char *text, const char *line, bool there)
{
	if ((strstr(text, line) != NULL) != there)
		fprintf(stderr, "%s\n", text);
	ck_assert_msg(
		(strstr(text, line) != NULL) == there, "%s \"%s\"", there ? "no" : "still", line);
}

static inline void expect(const char *line, bool there)
{
	char *text = listing();

	expect_in(text, line, there);
	free(text);
}

static inline bool table_exists(void)
{
	int status = 0;

	free(output_of(&status, "nft list table inet " TABLE " 2>&1"));
	return status == 0;
}

static inline void setup(void)
{
	enter_own_netns();
	kernel = open_writer(TABLE);
	build_world(ruleset_new());
}

static inline void teardown(void)
{
	kernel_close(kernel);
	ruleset_free(rs);
}

#endif
