/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The evaluator against what real packets do: random worlds are compiled, written into the kernel, and random flows sent through it. A
 * world that differs is made smaller and printed. BULKHEAD_SEED repeats a run, BULKHEAD_WORLDS says how many.
 */
#include "enforcerd/bridge.h"
#include "enforcerd/kernel.h"
#include "oracle_wire.h"
#include "tests/unit/enforcerd/oracle_fast.h"
#include "tests/unit/enforcerd/oracle_shrink.h"

enum { WORLDS = 40, WORLDS_LONG = 300, FLOWS = 25, SHARE_MIN = 20, SCTP = 132, ECHO_V6 = 128 };

static struct wire wire;

/*
 * conntrack takes nothing else for a beginning, and what it calls invalid is dropped whatever policy says: other types of ICMP, either ICMP
 * in the other family, and SCTP without its own first chunk.
 */
static void make_sendable(struct o_flow *flow)
{
	bool v6 = strchr(flow->ips[0], ':') != NULL;

	if (flow->protocol == SCTP)
		flow->protocol = IPPROTO_UDP;
	if (flow->protocol == (v6 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		flow->protocol = IPPROTO_GRE;
	if (flow->protocol == (v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		flow->icmp_type = v6 ? ECHO_V6 : 8;
		flow->icmp_code = 0;
	}
}

static bool is_reverse(const struct o_flow *a, const struct o_flow *b)
{
	return a->protocol == b->protocol && !strcmp(a->ips[0], b->ips[1]) &&
	       !strcmp(a->ips[1], b->ips[0]) && a->ports[0] == b->ports[1] &&
	       a->ports[1] == b->ports[0];
}

/* The last of count flows. The reverse of an earlier one would be its answer, and no flow of its own. */
static void draw_flow(const struct o_world *w, struct o_flow *flows, size_t count)
{
	struct o_flow *flow = &flows[count - 1];
	bool fits;

	do {
		o_flow(w, flow);
		make_sendable(flow);
		fits = strcmp(flow->ips[0], flow->ips[1]) != 0;
		for (size_t i = 0; i + 1 < count; i++)
			fits &= !is_reverse(flow, &flows[i]);
	} while (!fits);
}

/* Sends them through the world's rules; which arrived. */
static void send_all(
	const struct o_world *w, const struct o_flow *flows, size_t count, bool arrived[FLOWS])
{
	CLEANUP(world) struct world *rules = o_enforcer(w);
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = 64};
	struct kernel_commit done;
	struct err err = {0};
	struct kernel *kernel = kernel_open(&options, &err);
	uint16_t flow;

	ck_assert_msg(kernel != NULL, "%s", err.text);
	ck_assert_msg(!kernel_commit(kernel, world_ruleset(rules), &done, &err), "%s", err.text);
	/* flows of the world before: its marks mean nothing in this one, which enforcerd would sweep */
	sh("conntrack -F -f ipv4; conntrack -F -f ipv6");
	memset(arrived, 0, FLOWS * sizeof(*arrived));
	for (size_t i = 0; i < count; i++)
		wire_send(&wire, &flows[i], (uint16_t)i);
	wire_fence(&wire);
	while ((flow = wire_next(&wire, flows, count)) != FENCE)
		arrived[flow] = true;
	ck_assert_msg(!kernel_clear(kernel, &err), "%s", err.text);
	kernel_close(kernel);
}

static bool differs(const struct o_world *w, void *arg)
{
	const struct o_flow *flow = arg;
	struct verdict verdict cleanup_verdict = {0};
	struct f_world fast;
	bool arrived[FLOWS];

	f_open(&fast, w);
	f_ask(&fast, flow, &verdict);
	f_close(&fast);
	send_all(w, flow, 1, arrived);
	return arrived[0] != verdict.allowed;
}

static void report(unsigned seed, struct o_world *w, struct o_flow *flow, bool arrived)
{
	cleanup_free char *text = NULL;

	o_shrink(w, differs, flow);
	text = o_describe(w, flow);
	fprintf(stderr, "BULKHEAD_SEED=%u, made smaller:\n%s%s\n", seed, text,
		arrived ? "arrived, but is denied" : "did not arrive, but is allowed");
	ck_abort_msg("BULKHEAD_SEED=%u BULKHEAD_WORLDS=1: the kernel %s what the evaluator %s",
		seed, arrived ? "lets through" : "drops", arrived ? "denies" : "allows");
}

/* How many flows were allowed. */
static unsigned try_world(unsigned seed, struct o_world *w)
{
	struct o_flow flows[FLOWS];
	bool arrived[FLOWS];
	struct f_world fast;
	unsigned allowed = 0;

	o_seed = seed;
	o_world(w);
	for (size_t i = 0; i < FLOWS; i++)
		draw_flow(w, flows, i + 1);
	send_all(w, flows, FLOWS, arrived);
	f_open(&fast, w);
	for (size_t i = 0; i < FLOWS; i++) {
		struct verdict verdict cleanup_verdict = {0};

		f_ask(&fast, &flows[i], &verdict);
		if (arrived[i] != verdict.allowed)
			report(seed, w, &flows[i], arrived[i]);
		allowed += verdict.allowed;
	}
	f_close(&fast);
	return allowed;
}

static unsigned number_from(const char *name, unsigned fallback)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

/* Without our tables everything arrives: what does not with them is their doing. */
static void expect_everything(const struct o_world *w)
{
	struct o_flow flows[FLOWS];
	unsigned arrived = 0;

	for (size_t i = 0; i < FLOWS; i++) {
		draw_flow(w, flows, i + 1);
		wire_send(&wire, &flows[i], (uint16_t)i);
	}
	wire_fence(&wire);
	while (wire_next(&wire, flows, FLOWS) != FENCE)
		arrived++;
	ck_assert_uint_eq(arrived, FLOWS);
}

/* Bridged traffic is judged in the bridge table where the kernel can, else in inet by way of br_netfilter. */
static const struct path {
	const char *name;
	bool bridged;
} paths[] = {{"routed", false}, {"bridged", true}};

static bool is_judged_when_bridged(void)
{
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = 64};
	struct err err = {0};
	struct kernel *kernel = kernel_open(&options, &err);

	ck_assert_msg(kernel != NULL, "%s", err.text);
	o_bridge_tracked = kernel_bridge_tracked(kernel);
	kernel_close(kernel);
	return o_bridge_tracked || bridge_netfilter_present();
}

static void let_bridges_ask(void)
{
	static const char *const switches[] = {"iptables", "ip6tables"};

	for (size_t i = 0; !o_bridge_tracked && i < 2; i++) {
		cleanup_free char *path =
			xasprintf("/proc/sys/net/bridge/bridge-nf-call-%s", switches[i]);

		write_file(path, "1");
	}
}

START_TEST(test_packets_do_what_the_evaluator_says)
{
	const struct path *path = &paths[_i];
	unsigned worlds =
		number_from("BULKHEAD_WORLDS", getenv("BULKHEAD_LONG") ? WORLDS_LONG : WORLDS);
	struct o_world *w = xcalloc(1, sizeof(*w));
	struct timespec now;
	unsigned seed, allowed = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = number_from("BULKHEAD_SEED", (unsigned)now.tv_nsec);
	printf("oracle, kernel, %s: BULKHEAD_SEED=%u BULKHEAD_WORLDS=%u\n", path->name, seed,
		worlds);
	fflush(stdout);
	wire_open(&wire, path->bridged);
	if (path->bridged && !is_judged_when_bridged()) {
		printf("SKIP oracle, bridged: the kernel has neither nf_conntrack_bridge nor br_netfilter\n");
		wire_close(&wire);
		free(w);
		ck_assert(!getenv("CI") || strcmp(getenv("CI"), "true") != 0);
		return;
	}
	if (path->bridged)
		let_bridges_ask();
	o_seed = seed;
	o_world(w);
	expect_everything(w);
	for (unsigned i = 0; i < worlds; i++)
		allowed += try_world(seed + i, w);
	printf("oracle, kernel, %s: %u worlds, %u flows, %u allowed\n", path->name, worlds,
		worlds * FLOWS, allowed);
	wire_close(&wire);
	free(w);
	if (worlds >= WORLDS) {
		ck_assert_uint_gt(allowed, worlds * FLOWS / SHARE_MIN);
		ck_assert_uint_lt(allowed, worlds * FLOWS - worlds * FLOWS / SHARE_MIN);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oracle_kernel");
	TCase *tcase = tcase_create("oracle_kernel");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 1800);
	tcase_add_loop_test(tcase, test_packets_do_what_the_evaluator_says, 0, COUNT(paths));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
