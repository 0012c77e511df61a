/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/log.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/kernel_dump.h"
#include "enforcerd/kernel_internal.h"
#include "enforcerd/kernel_message.h"
#include "enforcerd/ruleset_elem.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

enum { PROBE_NAME_SIZE = 64 };

#define PROBE_CHAIN   "rules"
#define PROBE_COUNTER "counter"
#define PROBE_TARGET  "target"

/* --- features ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum set_type type;
} probe_sets[] = {
	{"addresses4", SET_IPV4},
	{"addresses6", SET_IPV6},
	{"blocks4", SET_CIDR4},
	{"blocks6", SET_CIDR6},
	{"ports", SET_PORT},
	{"interfaces", SET_IFNAME},
	{"macs", SET_MAC},
	{"at4", SET_PORT_IPV4},
	{"at6", SET_PORT_IPV6},
	{"at_mac", SET_PORT_MAC},
	{"map4", MAP_IPV4},
	{"map6", MAP_IPV6},
	{"map_interfaces", MAP_IFNAME},
};

/* Where a rule is tried. */
enum probe_scope {
	TRY_BOTH = IN_BOTH,
	TRY_INET = IN_INET,
	TRY_BRIDGE = IN_BRIDGE,
	TRY_FLOW /* inet, and bridge where the kernel tracks bridged flows */
};

/* Every kind of match and of verdict once, as rules that say what they need when the kernel refuses one. */
static const struct {
	const char *what;
	enum probe_scope scope;
	struct match match;
	enum verdict_kind verdict;
	const char *target;
	uint8_t map_family;
	bool log, mark;
} probe_rules[] = {
	{"conntrack state", TRY_FLOW, {.kind = MATCH_CT_STATE, .value = CT_ESTABLISHED}},
	{"conntrack direction", TRY_FLOW, {.kind = MATCH_CT_ORIGINAL}},
	{"conntrack protocol", TRY_FLOW, {.kind = MATCH_CT_PROTOCOL, .value = 6}},
	{"conntrack address in set", TRY_FLOW,
		{.kind = MATCH_CT_ADDR_SET, .family = 4, .set = "addresses4"}},
	{"conntrack address in set of blocks", TRY_FLOW,
		{.kind = MATCH_CT_ADDR_SET, .side = SIDE_DST, .family = 6, .set = "blocks6"}},
	{"conntrack port range", TRY_FLOW,
		{.kind = MATCH_CT_PORT, .side = SIDE_DST, .first = 1, .last = 9}},
	{"conntrack port in set", TRY_FLOW,
		{.kind = MATCH_CT_PORT_SET, .side = SIDE_DST, .set = "ports"}},
	{"conntrack ICMP type", TRY_FLOW,
		{.kind = MATCH_CT_ICMP, .first = 8, .last = ICMP_ANY_CODE}},
	{"conntrack mark", TRY_FLOW, {.kind = MATCH_CT_MARK, .value = 1, .mask = 1}, .mark = true},
	{"header address in set", TRY_BOTH,
		{.kind = MATCH_HDR_ADDR_SET, .family = 6, .set = "addresses6"}},
	{"header port", TRY_BOTH, {.kind = MATCH_HDR_PORT, .first = 67, .last = 68}},
	{"transport protocol", TRY_BOTH, {.kind = MATCH_L4PROTO, .value = 17}},
	{"input interface in set", TRY_BOTH, {.kind = MATCH_IIF_SET, .set = "interfaces"}},
	{"output interface", TRY_BOTH, {.kind = MATCH_OIF, .set = "lo"}},
	{"kind of input interface", TRY_BOTH, {.kind = MATCH_IIF_KIND, .set = "bridge"}},
	{"ICMPv6 type", TRY_BOTH, {.kind = MATCH_ICMPV6_TYPE, .first = 133, .last = 136}},
	{"TCP flags", TRY_BOTH, {.kind = MATCH_TCP_NOT_SYN}},
	{"interface and address in set", TRY_BOTH,
		{.kind = MATCH_PORT_SET, .family = 4, .set = "at4"}},
	{"interface and IPv6 address in set", TRY_BOTH,
		{.kind = MATCH_PORT_SET, .family = 6, .set = "at6"}},
	{"ethertype", TRY_BRIDGE, {.kind = MATCH_ETHER_TYPE, .value = 0x0800}},
	{"group MAC address", TRY_BRIDGE, {.kind = MATCH_ETHER_MULTICAST}},
	{"MAC address in set", TRY_BRIDGE,
		{.kind = MATCH_FIELD_SET, .field = FIELD_ETHER_SADDR, .set = "macs"}},
	{"interface and MAC address in set", TRY_BRIDGE,
		{.kind = MATCH_PORT_SET, .field = FIELD_ETHER_SADDR, .set = "at_mac"}},
	{"ARP sender in set", TRY_BRIDGE,
		{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SPA, .set = "at4"}},
	{"neighbour discovery target in set", TRY_BRIDGE,
		{.kind = MATCH_PORT_SET, .field = FIELD_ND_TARGET, .set = "at6"}},
	{"limited log to nflog", TRY_BOTH, {.kind = MATCH_NFPROTO, .family = 4}, VERDICT_DROP,
		.log = true},
	{"jump", TRY_BOTH, {.kind = MATCH_NFPROTO, .family = 4}, VERDICT_JUMP, PROBE_TARGET},
	{"return", TRY_BOTH, {.kind = MATCH_NFPROTO, .family = 6}, VERDICT_RETURN},
	{"verdict map of addresses", TRY_FLOW, {.kind = MATCH_NFPROTO, .family = 4}, VERDICT_MAP_CT,
		"map4", 4},
	{"verdict map of IPv6 addresses", TRY_FLOW, {.kind = MATCH_NFPROTO, .family = 6},
		VERDICT_MAP_CT, "map6", 6},
	{"verdict map of interfaces", TRY_BOTH, {.kind = MATCH_NFPROTO, .family = 4},
		VERDICT_MAP_IIF, "map_interfaces"},
};

static void add_probe_rule(struct batch *batch, size_t i, const struct rule_place *place)
{
	struct match match = probe_rules[i].match;
	struct rule rule = {.matches = &match,
		.match_count = 1,
		.log = probe_rules[i].log,
		.mark = probe_rules[i].mark,
		.mark_mask = probe_rules[i].mark,
		.verdict = probe_rules[i].verdict,
		.map_family = probe_rules[i].map_family};

	snprintf(rule.comment, sizeof(rule.comment), "%s", probe_rules[i].what);
	snprintf(rule.counter, sizeof(rule.counter), "%s", PROBE_COUNTER);
	if (probe_rules[i].target)
		snprintf(rule.target, sizeof(rule.target), "%s", probe_rules[i].target);
	message_rule(batch, &rule, place);
}

static void add_probe_elements(struct batch *batch, const struct nft_table *table)
{
	struct elems elems = {.batch = batch, .table = table};

	for (size_t i = 0; i < sizeof(probe_sets) / sizeof(*probe_sets); i++) {
		enum set_type type = probe_sets[i].type;
		uint8_t family = key_layout(type)->family;
		struct elem_key key = {.ip = {family, {10}}, .last = {family, {10}}, .port = 80};

		memcpy(key.ifname, "lo", sizeof("lo"));
		elems_add(&elems, probe_sets[i].name, type, &key,
			set_is_map(type) ? PROBE_TARGET : NULL, "check");
	}
	elems_finish(&elems);
}

static bool is_tried(const struct kernel *kernel, size_t i, const struct nft_table *table)
{
	if (table->family != NFPROTO_BRIDGE)
		return probe_rules[i].scope != TRY_BRIDGE;
	if (probe_rules[i].scope == TRY_FLOW)
		return kernel->bridge_tracked;
	return probe_rules[i].scope != TRY_INET;
}

static void add_probe_table(
	const struct kernel *kernel, struct batch *batch, const struct nft_table *table)
{
	const struct rule_place place = {
		.table = table, .chain = PROBE_CHAIN, .nflog_group = kernel->nflog_group};

	message_table(batch, table, 0);
	message_counter(batch, table, PROBE_COUNTER);
	for (size_t i = 0; i < sizeof(probe_sets) / sizeof(*probe_sets); i++)
		message_set(batch, table, probe_sets[i].name, probe_sets[i].type, "check",
			(uint32_t)i + 1);
	message_chain(batch, table, PROBE_TARGET, "check");
	message_chain(batch, table, PROBE_CHAIN, "check");
	add_probe_elements(batch, table);
	for (size_t i = 0; i < sizeof(probe_rules) / sizeof(*probe_rules); i++)
		if (is_tried(kernel, i, table))
			add_probe_rule(batch, i, &place);
}

static bool only_the_end_failed(const struct batch *batch, const struct batch_result *result)
{
	return result->outcome == BATCH_REFUSED && result->refused == 1 &&
	       result->index == batch_count(batch) - 1;
}

static char *probe_name(const struct kernel *kernel, const char *what)
{
	return xasprintf("%.*s_%s_%d", PROBE_NAME_SIZE, kernel->table, what, (int)getpid());
}

/* 0 when the kernel took everything but the end. */
static int try_batch(struct kernel *kernel, struct batch *batch, struct err *err)
{
	struct batch_result result;

	/* whatever others change meanwhile: the table of the check is nobody's */
	if (batch_send(batch, kernel->netlink, 0, &result, err) == 0)
		return err_set(err, 0, "check of nf_tables: the kernel took what it should refuse");
	return only_the_end_failed(batch, &result) ? 0 : -1;
}

/*
 * Ends with the removal of a chain that does not exist: the kernel tries every message and then takes nothing, so that the
 * tables of the check never come to be. No hook: packets never see them.
 */
int kernel_check(struct kernel *kernel, struct err *err)
{
	cleanup_free char *name = probe_name(kernel, "check");
	const struct nft_table inet = {name, NFPROTO_INET}, bridge = {name, NFPROTO_BRIDGE};
	CLEANUP(batch) struct batch *batch = batch_new();
	struct err why = {0};

	add_probe_table(kernel, batch, &inet);
	add_probe_table(kernel, batch, &bridge);
	message_delete_chain(batch, &inet, "none");
	if (try_batch(kernel, batch, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}

bool kernel_probe_bridge(struct kernel *kernel)
{
	cleanup_free char *name = probe_name(kernel, "probe");
	const struct nft_table table = {name, NFPROTO_BRIDGE};
	const struct rule_place place = {.table = &table, .chain = PROBE_CHAIN};
	CLEANUP(batch) struct batch *batch = batch_new();
	struct match state = {.kind = MATCH_CT_STATE, .value = CT_NEW};
	struct rule flow = {.matches = &state, .match_count = 1, .verdict = VERDICT_DROP};
	struct rule by_bridge = {.verdict = VERDICT_MAP_IBR, .target = "map_interfaces"};
	struct err why = {0};

	message_table(batch, &table, 0);
	message_set(batch, &table, by_bridge.target, MAP_IFNAME, NULL, 1);
	message_chain(batch, &table, PROBE_CHAIN, NULL);
	message_rule(batch, &flow, &place);
	message_rule(batch, &by_bridge, &place);
	message_delete_chain(batch, &table, "none");
	if (try_batch(kernel, batch, &why) == 0)
		return true;
	log_debug("kernel", "bridged flows cannot be judged in table bridge: %s", why.text);
	return false;
}

/* --- conflicts --------------------------------------------------------------------------------- */

struct suspect {
	uint8_t family;
	char *table, *text;
};

struct suspects {
	const char *own_table;
	struct suspect *items;
	size_t count, cap;
	/* tables that hold chains of Docker's, by family and name */
	struct suspect *docker;
	size_t docker_count, docker_cap;
};

static const char *family_name(uint8_t family)
{
	static const char *const names[] = {[NFPROTO_INET] = "inet",
		[NFPROTO_IPV4] = "ip",
		[NFPROTO_IPV6] = "ip6",
		[NFPROTO_BRIDGE] = "bridge"};

	return family < sizeof(names) / sizeof(*names) ? names[family] : NULL;
}

static void on_base(const struct base_chain *chain, void *arg)
{
	struct suspects *suspects = arg;
	const char *family = family_name(chain->family);
	bool own = (chain->family == NFPROTO_INET || chain->family == NFPROTO_BRIDGE) &&
		   !strcmp(chain->table, suspects->own_table);

	if (!family || own || chain->hook != NF_INET_FORWARD || chain->policy != NF_DROP)
		return;
	xgrow(suspects->items, suspects->count, suspects->cap);
	suspects->items[suspects->count++] = (struct suspect){
		.family = chain->family,
		.table = xstrdup(chain->table),
		.text = xasprintf("table %s %s, chain %s: hook forward, priority %d, policy drop",
			family, chain->table, chain->name, chain->priority),
	};
}

static void on_chain(uint8_t family, const char *table, const char *name, void *arg)
{
	struct suspects *suspects = arg;
	/* iptables-nft: chains DOCKER, DOCKER-USER in table filter; its own backend: table docker-bridges */
	bool docker = !strcmp(name, "DOCKER") || !strncmp(name, "DOCKER-", 7) ||
		      !strncmp(table, "docker-", 7);

	if (!docker)
		return;
	xgrow(suspects->docker, suspects->docker_count, suspects->docker_cap);
	suspects->docker[suspects->docker_count++] =
		(struct suspect){.family = family, .table = xstrdup(table)};
}

static void clear_list(struct suspect *items, size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		free(items[i].table);
		free(items[i].text);
	}
	*count = 0;
}

static void on_restart(void *arg)
{
	struct suspects *suspects = arg;

	clear_list(suspects->items, &suspects->count);
	clear_list(suspects->docker, &suspects->docker_count);
}

static bool is_dockers(const struct suspects *suspects, const struct suspect *suspect)
{
	for (size_t i = 0; i < suspects->docker_count; i++)
		if (suspects->docker[i].family == suspect->family &&
			!strcmp(suspects->docker[i].table, suspect->table))
			return true;
	return false;
}

char *kernel_conflicts(struct kernel *kernel, struct err *err)
{
	static const struct chain_visitor visitor = {on_base, on_chain, on_restart};
	struct suspects suspects = {.own_table = kernel->table};
	struct strbuf out = {0};
	int rc = dump_chains(kernel->netlink, &visitor, &suspects, err);

	for (size_t i = 0; i < suspects.count && rc == 0; i++)
		if (!is_dockers(&suspects, &suspects.items[i]))
			strbuf_addf(&out, "%s%s", out.len ? "\n" : "", suspects.items[i].text);
	on_restart(&suspects);
	free(suspects.items);
	free(suspects.docker);
	return rc == 0 ? strbuf_take(&out) : NULL;
}
