/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/conflicts.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/foreign_rule.h"
#include "enforcerd/kernel_dump.h"
#include "enforcerd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>

enum { REQUEST_SIZE = 256, LINE_SIZE = 256, FULL_PERCENT = 80, CONFLICTS_MAX = 100 };

#define SWARM_BRIDGE "docker_gwbridge"

/* What a foreign table does; one line for a table and kind, however many of its rules do it. */
enum kind {
	WRITES_MARK,
	COPIES_MARK,
	OFFLOADS,
	UNTRACKS,
	FORWARDS,
	BROUTES,
	FLOWTABLE,
	BRIDGE_CHAIN,
	KIND_COUNT
};

struct finding {
	enum kind kind;
	uint8_t family;
	char *table, *object; /* object: the first chain or flowtable */
	uint32_t bits;        /* of the conntrack mark, ours and others */
	size_t count;
};

struct search {
	const struct conflict_options *options;
	struct finding *findings;
	size_t count, cap;
	uint32_t routed_bits; /* of packet marks that policy routing looks at */
	size_t routing_rules;
};

static void add(struct conflicts *found, bool fatal, const char *fmt, ...) printf_like(3, 4);

static void add(struct conflicts *found, bool fatal, const char *fmt, ...)
{
	struct conflict conflict = {.fatal = fatal};
	va_list args;

	if (found->count >= CONFLICTS_MAX)
		return;
	va_start(args, fmt);
	if (vasprintf(&conflict.text, fmt, args) < 0)
		conflict.text = xstrdup(fmt);
	va_end(args);
	xgrow(found->items, found->count, found->cap);
	found->items[found->count++] = conflict;
}

void conflicts_clear(struct conflicts *found)
{
	for (size_t i = 0; i < found->count; i++)
		free(found->items[i].text);
	free(found->items);
	*found = (struct conflicts){0};
}

/* --- nf_tables ------------------------------------------------------------------------------------- */

static void forget(void *arg)
{
	struct search *search = arg;

	for (size_t i = 0; i < search->count; i++) {
		free(search->findings[i].table);
		free(search->findings[i].object);
	}
	search->count = 0;
}

/* Dumps that start over say everything again: only of the kinds that they are about. */
static void forget_kinds(struct search *search, enum kind first, enum kind last)
{
	size_t kept = 0;

	for (size_t i = 0; i < search->count; i++) {
		struct finding *finding = &search->findings[i];

		if (finding->kind < first || finding->kind > last) {
			search->findings[kept++] = *finding;
			continue;
		}
		free(finding->table);
		free(finding->object);
	}
	search->count = kept;
}

static void note(struct search *search, enum kind kind, uint8_t family, const char *table,
	const char *object, uint32_t bits)
{
	struct finding *finding = NULL;

	for (size_t i = 0; i < search->count && !finding; i++)
		if (search->findings[i].kind == kind && search->findings[i].family == family &&
			!strcmp(search->findings[i].table, table))
			finding = &search->findings[i];
	if (!finding) {
		xgrow(search->findings, search->count, search->cap);
		finding = &search->findings[search->count++];
		*finding = (struct finding){.kind = kind,
			.family = family,
			.table = xstrdup(table),
			.object = xstrdup(object)};
	}
	finding->bits |= bits;
	finding->count++;
}

static bool is_own(const struct search *search, uint8_t family, const char *table)
{
	return (family == NFPROTO_INET || family == NFPROTO_BRIDGE) &&
	       !strcmp(table, search->options->table);
}

static const char *text_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
									 : "?";
}

static const struct nlattr *find(const struct nlmsghdr *message, size_t header, uint16_t type)
{
	const struct nlattr *attr;

	for (attr = attr_first(message, header); attr; attr = attr_next(message, attr))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static int on_rule(const struct nlmsghdr *message, void *arg, struct err *err)
{
	struct search *search = arg;
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct foreign_rule rule;
	const struct nlattr *expressions;
	const char *table, *chain;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return err_set(err, EBADMSG, "rule");
	table = text_of(find(message, sizeof(*header), NFTA_RULE_TABLE));
	chain = text_of(find(message, sizeof(*header), NFTA_RULE_CHAIN));
	expressions = find(message, sizeof(*header), NFTA_RULE_EXPRESSIONS);
	if (!expressions || is_own(search, header->nfgen_family, table))
		return 0;
	foreign_rule_read(expressions, &rule);
	const struct {
		bool does;
		enum kind kind;
		uint32_t bits;
	} kinds[] = {
		{rule.written & search->options->mark_mask, WRITES_MARK, rule.written},
		{rule.restored & search->options->mark_mask, COPIES_MARK, rule.restored},
		{rule.offloads, OFFLOADS, 0},
		{rule.untracks, UNTRACKS, 0},
		{rule.forwards, FORWARDS, 0},
		{rule.broutes, BROUTES, 0},
	};
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].does)
			note(search, kinds[i].kind, header->nfgen_family, table, chain,
				kinds[i].bits);
	return 0;
}

static int on_flowtable(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return err_set(err, EBADMSG, "flowtable");
	note(arg, FLOWTABLE, header->nfgen_family,
		text_of(find(message, sizeof(*header), NFTA_FLOWTABLE_TABLE)),
		text_of(find(message, sizeof(*header), NFTA_FLOWTABLE_NAME)), 0);
	return 0;
}

static void forget_rules(void *arg)
{
	forget_kinds(arg, WRITES_MARK, BROUTES);
}

static void forget_flowtables(void *arg)
{
	forget_kinds(arg, FLOWTABLE, FLOWTABLE);
}

static void forget_chains(void *arg)
{
	forget_kinds(arg, BRIDGE_CHAIN, BRIDGE_CHAIN);
}

/* The hooks of the bridge family are numbered as those of inet. */
static void on_base(const struct base_chain *chain, void *arg)
{
	struct search *search = arg;

	if (chain->family == NFPROTO_BRIDGE && !is_own(search, chain->family, chain->table) &&
		(chain->hook == NF_INET_PRE_ROUTING || chain->hook == NF_INET_FORWARD))
		note(search, BRIDGE_CHAIN, chain->family, chain->table, chain->name, 0);
}

static int dump(struct netlink *netlink, uint16_t type, netlink_fn *fn, void (*restart)(void *),
	struct search *search, struct err *err)
{
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = NFPROTO_UNSPEC;
	return netlink_ask(netlink, message, fn, restart, search, err);
}

static int search_tables(struct search *search, struct err *err)
{
	static const struct chain_visitor visitor = {on_base, NULL, forget_chains};
	CLEANUP(netlink) struct netlink *netlink = netlink_open(NETLINK_NETFILTER, err);
	struct err ignored = {0};

	if (!netlink)
		return -1;
	if (dump(netlink, NFT_MSG_GETRULE, on_rule, forget_rules, search, err) < 0)
		return err_wrap(err, "list rules");
	/* kernels without flowtables have none */
	(void)!dump(
		netlink, NFT_MSG_GETFLOWTABLE, on_flowtable, forget_flowtables, search, &ignored);
	return dump_chains(netlink, &visitor, search, err);
}

/* --- policy routing -------------------------------------------------------------------------------- */

static int on_routing_rule(const struct nlmsghdr *message, void *arg, struct err *err)
{
	struct search *search = arg;
	size_t header = sizeof(struct fib_rule_hdr);
	const struct nlattr *mark, *mask;
	uint32_t bits = UINT32_MAX;

	if (mnl_nlmsg_get_payload_len(message) < header)
		return err_set(err, EBADMSG, "routing rule");
	mark = find(message, header, FRA_FWMARK);
	mask = find(message, header, FRA_FWMASK);
	if (mask && mnl_attr_validate(mask, MNL_TYPE_U32) == 0)
		bits = mnl_attr_get_u32(mask);
	if (!mark || mnl_attr_validate(mark, MNL_TYPE_U32) < 0 || !mnl_attr_get_u32(mark) ||
		!(bits & search->options->mark_mask))
		return 0;
	search->routed_bits |= bits;
	search->routing_rules++;
	return 0;
}

static void forget_routing(void *arg)
{
	struct search *search = arg;

	search->routed_bits = 0;
	search->routing_rules = 0;
}

static int search_routing(struct search *search, struct err *err)
{
	CLEANUP(netlink) struct netlink *netlink = netlink_open(NETLINK_ROUTE, err);
	char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	if (!netlink)
		return -1;
	message->nlmsg_type = RTM_GETRULE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(message, sizeof(struct fib_rule_hdr)); /* AF_UNSPEC */
	if (netlink_ask(netlink, message, on_routing_rule, forget_routing, search, err) < 0)
		return err_wrap(err, "list routing rules");
	return 0;
}

/* --- words ----------------------------------------------------------------------------------------- */

static const char *family_name(uint8_t family)
{
	static const char *const names[NFPROTO_NUMPROTO] = {
		[NFPROTO_INET] = "inet",
		[NFPROTO_IPV4] = "ip",
		[NFPROTO_ARP] = "arp",
		[NFPROTO_NETDEV] = "netdev",
		[NFPROTO_BRIDGE] = "bridge",
		[NFPROTO_IPV6] = "ip6",
	};

	return family < NFPROTO_NUMPROTO && names[family] ? names[family] : "?";
}

static const struct {
	bool fatal;
	const char *what, *advice;
} words[KIND_COUNT] = {
	[WRITES_MARK] = {true, "may write conntrack mark bits",
		"flows would be taken for judged ones: have it keep other bits as they are, or give us "
		"others with --mark-mask"},
	[COPIES_MARK] = {false, "copies conntrack mark bits to packets",
		"whoever compares whole packet marks sees ours: have it copy with a mask"},
	[OFFLOADS] = {true, "puts flows into a flowtable",
		"their packets pass no forward hook, so that a revoked flow lives on: keep container "
		"traffic out of it"},
	[UNTRACKS] = {false, "keeps packets from connection tracking",
		"from and to isolated endpoints such packets are dropped: leave container traffic alone"},
	[FORWARDS] = {true, "sends packets out of another interface (fwd)",
		"they pass no hook of ours: keep container traffic out of it"},
	[BROUTES] = {false, "has bridged frames routed (broute)",
		"they are judged as routed traffic"},
	[FLOWTABLE] = {false, "is a flowtable",
		"flows that a rule adds to it pass no forward hook: keep container traffic out of it"},
	[BRIDGE_CHAIN] = {false, "sees bridged frames too",
		"what it drops stays dropped; what it accepts is judged here all the same"},
};

static void add_bits(const struct search *search, uint32_t bits, struct strbuf *text)
{
	if (bits)
		strbuf_addf(text, " 0x%08x, of which 0x%08x are ours", bits,
			bits & search->options->mark_mask);
}

/* wg-quick marks its tunnel's own packets, which are the host's: it writes the whole mark, but not that of a judged flow. */
static bool is_wg_quick(const struct finding *finding)
{
	return !strncmp(finding->table, "wg-quick-", 9);
}

static void say_finding(
	const struct search *search, const struct finding *finding, struct conflicts *found)
{
	cleanup_strbuf struct strbuf text = {0};
	bool harmless = finding->kind == WRITES_MARK && is_wg_quick(finding);

	strbuf_addf(&text, "table %s %s, %s %s", family_name(finding->family), finding->table,
		finding->kind == FLOWTABLE ? "flowtable" : "chain", finding->object);
	if (finding->count > 1)
		strbuf_addf(&text, " and %zu more", finding->count - 1);
	strbuf_addf(&text, ": %s", words[finding->kind].what);
	add_bits(search, finding->bits, &text);
	strbuf_addf(&text, ": %s",
		harmless ? "of the tunnel's own packets only, which are no container's"
			 : words[finding->kind].advice);
	add(found, words[finding->kind].fatal && !harmless, "%s", text.text);
}

static void say_routing(const struct search *search, struct conflicts *found)
{
	cleanup_strbuf struct strbuf text = {0};

	if (!search->routing_rules)
		return;
	add_bits(search, search->routed_bits, &text);
	add(found, false,
		"ip rule: %zu rule%s look%s at packet mark bits%s (a VPN such as WireGuard, a load balancer): "
		"they meet our conntrack mark only where a rule copies it to packets",
		search->routing_rules, search->routing_rules == 1 ? "" : "s",
		search->routing_rules == 1 ? "s" : "", text.text);
}

/* --- /proc ----------------------------------------------------------------------------------------- */

/* The lines of a file, joined by blanks; NULL where it cannot be read or is empty. */
static char *read_proc(const struct conflict_options *options, const char *path)
{
	cleanup_free char *whole =
		xasprintf("%s/%s", options->proc ? options->proc : "/proc", path);
	cleanup_file FILE *file = fopen(whole, "re");
	struct strbuf text = {0};
	char line[LINE_SIZE];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		strbuf_addf(&text, "%s%s", text.len ? " " : "", line);
	}
	if (text.len)
		return strbuf_take(&text);
	strbuf_free(&text);
	return NULL;
}

/* -1 where it is not told. */
static long long proc_number(const struct conflict_options *options, const char *path)
{
	cleanup_free char *text = read_proc(options, path);
	char *end = NULL;
	long long value = text ? strtoll(text, &end, 10) : -1;

	return text && end != text && !*end ? value : -1;
}

/* iptables-legacy keeps its rules where nf_tables does not show them. */
static void check_legacy(const struct conflict_options *options, struct conflicts *found)
{
	static const struct {
		const char *file, *program;
	} kinds[] = {{"net/ip_tables_names", "iptables-legacy-save"},
		{"net/ip6_tables_names", "ip6tables-legacy-save"}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		cleanup_free char *names = read_proc(options, kinds[i].file);

		if (names)
			add(found, false,
				"legacy iptables has tables here (%s), which are not looked into: see %s "
				"for CONNMARK, NOTRACK, and DROP in FORWARD",
				names, kinds[i].program);
	}
}

static void check_conntrack(const struct conflict_options *options, struct conflicts *found)
{
	long long count = proc_number(options, "sys/net/netfilter/nf_conntrack_count");
	long long max = proc_number(options, "sys/net/netfilter/nf_conntrack_max");
	long long loose = proc_number(options, "sys/net/netfilter/nf_conntrack_tcp_loose");

	if (max > 0 && count >= 0 && count * 100 >= max * FULL_PERCENT)
		add(found, count >= max,
			"conntrack holds %lld of at most %lld flows: beyond, the kernel drops what is new, "
			"allowed or not: raise net.netfilter.nf_conntrack_max",
			count, max);
	if (loose == 0)
		add(found, false,
			"net.netfilter.nf_conntrack_tcp_loose is 0: connections of isolated endpoints that "
			"are older than their bridge's tracking end when the rules come: set it to 1 for the "
			"first start");
}

static void check_swarm(struct conflicts *found)
{
	if (if_nametoindex(SWARM_BRIDGE))
		add(found, false,
			"a swarm was made here (%s): tasks' overlay traffic is not policed, and what the routing "
			"mesh brings is seen with the ingress network's address as its source",
			SWARM_BRIDGE);
}

int conflicts_find(const struct conflict_options *options, struct conflicts *found, struct err *err)
{
	struct search search = {.options = options};
	int rc = search_tables(&search, err);

	if (rc == 0)
		rc = search_routing(&search, err);
	for (size_t i = 0; i < search.count && rc == 0; i++)
		say_finding(&search, &search.findings[i], found);
	if (rc == 0) {
		say_routing(&search, found);
		check_legacy(options, found);
		check_conntrack(options, found);
		check_swarm(found);
	}
	forget(&search);
	free(search.findings);
	return rc;
}
