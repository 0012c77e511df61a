/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/layouts.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/bench/figures.h"
#include "tests/bench/ours.h"

const char *layout_name(enum layout layout)
{
	static const char *const names[] = {"no table", "no table, again", "ours, anti-spoof off",
		"ours, anti-spoof on", "chain per endpoint", "linear rules"};

	return names[layout];
}

static void load_docker(void)
{
	lab_nft("table ip nat {\n"
		" chain DOCKER { iifname \"" BENCH_BRIDGE "\" return; }\n"
		" chain PREROUTING { type nat hook prerouting priority -100; policy accept;\n"
		"  fib daddr type local jump DOCKER; }\n"
		" chain OUTPUT { type nat hook output priority -100; policy accept;\n"
		"  ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER; }\n"
		" chain POSTROUTING { type nat hook postrouting priority 100; policy accept;\n"
		"  ip saddr 10.0.0.0/8 oifname != \"" BENCH_BRIDGE "\" masquerade; }\n"
		"}\n"
		"table ip filter {\n"
		" chain DOCKER { }\n"
		" chain DOCKER-USER { return; }\n"
		" chain DOCKER-ISOLATION-STAGE-1 {\n"
		"  iifname \"" BENCH_BRIDGE "\" oifname != \"" BENCH_BRIDGE
		"\" jump DOCKER-ISOLATION-STAGE-2; return; }\n"
		" chain DOCKER-ISOLATION-STAGE-2 { oifname \"" BENCH_BRIDGE "\" drop; return; }\n"
		" chain FORWARD { type filter hook forward priority 0; policy drop;\n"
		"  counter jump DOCKER-USER; counter jump DOCKER-ISOLATION-STAGE-1;\n"
		"  oifname \"" BENCH_BRIDGE "\" ct state related,established counter accept;\n"
		"  oifname \"" BENCH_BRIDGE "\" counter jump DOCKER;\n"
		"  iifname \"" BENCH_BRIDGE "\" oifname != \"" BENCH_BRIDGE "\" counter accept;\n"
		"  iifname \"" BENCH_BRIDGE "\" oifname \"" BENCH_BRIDGE "\" counter accept; }\n"
		"}\n");
}

/* --- the others -------------------------------------------------------------------------------- */

static void add_address(
	struct strbuf *out, const struct bench_world *world, enum bench_role role, unsigned pair)
{
	uint32_t a = bench_address(world, role, pair);

	strbuf_addf(out, "%u.%u.%u.%u", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
}

/* The members of a group as the set that its policies look up. */
static void add_group_set(struct strbuf *out, const struct bench_world *world, unsigned group)
{
	strbuf_addf(out, " set group%u { type ipv4_addr; size %u; ", group,
		world->endpoints > 1024 ? world->endpoints : 1024);
	for (unsigned i = group; i < bench_pairs(world); i += bench_groups(world)) {
		strbuf_addf(out, "%s", i == group ? "elements = { " : ", ");
		add_address(out, world, ROLE_CLIENT, i);
		strbuf_addf(out, ", ");
		add_address(out, world, ROLE_SERVER, i);
	}
	strbuf_addf(out, "%s}\n", group < bench_pairs(world) ? " }; " : "");
}

/* What records_policies() says of policy i, in one direction. */
static void add_policy_chain(
	struct strbuf *out, const struct bench_world *world, unsigned i, bool ingress)
{
	unsigned step = (i + 1) % POLICIES_PER_GROUP;
	unsigned peer = (i / POLICIES_PER_GROUP + step) % bench_groups(world);
	static const char *const protocols[] = {"tcp", "udp"};

	strbuf_addf(out, " chain p%c%u { ", ingress ? 'i' : 'o', i);
	for (int p = 0; p < 2; p++)
		strbuf_addf(out,
			"meta l4proto %s ip %s @group%u %s dport @ports mark set mark | 1 "
			"return; ",
			protocols[p], ingress ? "saddr" : "daddr", peer, protocols[p]);
	strbuf_addf(out, "}\n");
}

static void add_endpoint_chain(struct strbuf *out, const struct bench_world *world,
	enum bench_role role, unsigned pair, bool ingress)
{
	unsigned first = pair % bench_groups(world) * POLICIES_PER_GROUP;
	char dir = ingress ? 'i' : 'o';

	strbuf_addf(out, " chain e%c%u_%u { ct state invalid drop; mark set mark & 0xfffffffe; ",
		dir, (unsigned)role, pair);
	for (unsigned i = first; i < first + POLICIES_PER_GROUP; i++)
		strbuf_addf(out, "jump p%c%u; mark & 1 == 1 return; ", dir, i);
	strbuf_addf(out, "drop; }\n");
}

static void add_dispatch(struct strbuf *out, const struct bench_world *world, bool ingress)
{
	strbuf_addf(out, " map %s { type ipv4_addr : verdict; size %u; elements = { ",
		ingress ? "to" : "from", world->endpoints);
	for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++)
		for (unsigned i = 0; i < bench_pairs(world); i++) {
			strbuf_addf(out, "%s", role + i ? ", " : "");
			add_address(out, world, (enum bench_role)role, i);
			strbuf_addf(
				out, " : jump e%c%u_%u", ingress ? 'i' : 'o', (unsigned)role, i);
		}
	strbuf_addf(out, " }; }\n");
}

static char *chains_text(const struct bench_world *world)
{
	struct strbuf out = {0};

	strbuf_addf(&out,
		"table inet chains {\n set ports { type inet_service; elements = { %u, %u }; }\n",
		BENCH_PORT, BENCH_PORT_2);
	for (unsigned i = 0; i < bench_groups(world); i++)
		add_group_set(&out, world, i);
	for (int ingress = 0; ingress < 2; ingress++) {
		for (unsigned i = 0; i < bench_groups(world) * POLICIES_PER_GROUP; i++)
			add_policy_chain(&out, world, i, ingress);
		for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++)
			for (unsigned i = 0; i < bench_pairs(world); i++)
				add_endpoint_chain(&out, world, (enum bench_role)role, i, ingress);
		add_dispatch(&out, world, ingress);
	}
	strbuf_addf(&out, " chain forward { type filter hook forward priority -1; policy accept;\n"
			  "  ct state established,related accept;\n"
			  "  ip saddr vmap @from; ip daddr vmap @to; }\n}\n");
	return strbuf_take(&out);
}

static char *linear_text(const struct bench_world *world)
{
	struct strbuf out = {0};

	strbuf_addf(&out,
		"table inet linear {\n set ports { type inet_service; elements = { %u, %u }; }\n"
		" chain forward { type filter hook forward priority -1; policy accept;\n"
		"  ct state established,related accept;\n",
		BENCH_PORT, BENCH_PORT_2);
	for (unsigned i = 0; i < bench_pairs(world); i++) {
		strbuf_addf(&out, "  ip saddr ");
		add_address(&out, world, ROLE_CLIENT, i);
		strbuf_addf(&out, " ip daddr ");
		add_address(&out, world, ROLE_SERVER, i);
		strbuf_addf(&out, " th dport @ports accept;\n");
	}
	strbuf_addf(&out, " }\n}\n");
	return strbuf_take(&out);
}

/* --- all --------------------------------------------------------------------------------------- */

static void load_ours(const struct bench_world *world, bool anti_spoof)
{
	struct ours *ours = ours_new(anti_spoof);

	ours_apply_world(ours, world);
	ours_commit(ours);
	ours_free(ours);
}

double layout_load(const struct bench_world *world, enum layout layout)
{
	cleanup_free char *text = NULL;
	double begin;

	load_docker();
	if (layout == LAYOUT_CHAINS)
		text = chains_text(world);
	if (layout == LAYOUT_LINEAR)
		text = linear_text(world);
	begin = now_us(CLOCK_MONOTONIC);
	if (text)
		lab_nft(text);
	if (layout == LAYOUT_OURS || layout == LAYOUT_OURS_GUARDED)
		load_ours(world, layout == LAYOUT_OURS_GUARDED);
	return (now_us(CLOCK_MONOTONIC) - begin) / 1e6;
}
