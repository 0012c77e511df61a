/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three answers to the same question, for random flows in random worlds: the evaluator's (common/evaluate.h), that of a slow and
 * obvious one written for this test alone, and what the rules say that enforcerd compiled (flow_judge.h). BULKHEAD_SEED repeats a
 * run, BULKHEAD_WORLDS says how many.
 */
#include "enforcerd/flow_judge.h"
#include "tests/unit/enforcerd/oracle_fast.h"
#include "tests/unit/enforcerd/oracle_shrink.h"

#include <time.h>

enum {
	WORLDS = 800,
	WORLDS_LONG = 10000,
	FLOWS = 25,
	SHARE_MIN = 20 /* of each verdict: one in so many */
};

static struct flow kernel_flow(const struct o_flow *flow)
{
	struct flow out = {.protocol = (uint8_t)flow->protocol};
	struct flow_tuple *original = &out.original;

	ck_assert_int_eq(ip_parse(flow->ips[0], &original->src, NULL), 0);
	ck_assert_int_eq(ip_parse(flow->ips[1], &original->dst, NULL), 0);
	original->src_port = (uint16_t)flow->ports[0];
	original->dst_port = (uint16_t)flow->ports[1];
	if (flow->protocol == (original->src.family == 4 ? 1 : 58))
		original->dst_port = (uint16_t)(flow->icmp_type << 8 | flow->icmp_code);
	out.reply = (struct flow_tuple){
		original->dst, original->src, original->dst_port, original->src_port};
	return out;
}

/* What the three say of a flow where they differ, or NULL. Caller frees. */
static char *difference(const struct o_world *w, const struct f_world *fast, struct world *rules,
	const struct o_flow *flow)
{
	struct verdict verdict cleanup_verdict = {0};
	struct s_verdict slow;
	const struct flow packet = kernel_flow(flow);
	enum flow_verdict compiled = flow_judge(world_ruleset(rules), &packet, false);
	cleanup_free char *slow_text = NULL, *fast_text = NULL;

	s_evaluate(w, flow, &slow);
	f_ask(fast, flow, &verdict);
	slow_text = s_text(w, &slow);
	fast_text = f_text(&verdict);
	if (!strcmp(slow_text, fast_text) && slow.allowed == (compiled != FLOW_DENIED))
		return NULL;
	return xasprintf("slow:  %s\nfast:  %s\nrules: %s\n", slow_text, fast_text,
		compiled == FLOW_DENIED ? "denied" : "allowed");
}

static char *difference_in(const struct o_world *w, const struct o_flow *flow)
{
	CLEANUP(world) struct world *rules = o_enforcer(w);
	struct f_world fast;
	char *text;

	f_open(&fast, w);
	text = difference(w, &fast, rules, flow);
	f_close(&fast);
	return text;
}

static bool still_differs(const struct o_world *w, void *flow)
{
	cleanup_free char *text = difference_in(w, flow);

	return text != NULL;
}

static void report(unsigned seed, struct o_world *w, struct o_flow *flow)
{
	cleanup_free char *world = NULL, *text = NULL;

	o_shrink(w, still_differs, flow);
	world = o_describe(w, flow);
	text = difference_in(w, flow);
	/* Check's messages are too short for a world */
	fprintf(stderr, "BULKHEAD_SEED=%u, made smaller:\n%s%s", seed, world, text);
	ck_abort_msg("BULKHEAD_SEED=%u BULKHEAD_WORLDS=1: %s", seed, text);
}

/* How many flows a rule has decided about, by its verdict; and those with an end that other nodes have, or claim. */
struct decided {
	unsigned allowed, denied, remote, disputed;
};

static void count_decided(const struct verdict *verdict, struct decided *decided)
{
	const struct end_walk *from = &verdict->walks[DIR_EGRESS],
			      *to = &verdict->walks[DIR_INGRESS];

	decided->allowed += verdict->allowed && (from->decided || to->decided);
	decided->remote += (from->standing == END_REMOTE && to->decided && to->allowed) ||
			   (to->standing == END_REMOTE && from->decided && from->allowed);
	decided->disputed += from->closed || to->closed;
	decided->denied += (from->decided && !from->allowed) || (to->decided && !to->allowed);
}

static void try_world(unsigned seed, struct o_world *w, struct decided *decided)
{
	CLEANUP(world) struct world *rules = NULL;
	struct f_world fast;

	o_seed = seed;
	o_world(w);
	rules = o_enforcer(w);
	f_open(&fast, w);
	for (int i = 0; i < FLOWS; i++) {
		struct verdict verdict cleanup_verdict = {0};
		cleanup_free char *text = NULL;
		struct o_flow flow;

		o_flow(w, &flow);
		text = difference(w, &fast, rules, &flow);
		if (text)
			report(seed, w, &flow);
		f_ask(&fast, &flow, &verdict);
		count_decided(&verdict, decided);
	}
	f_close(&fast);
}

static unsigned number_from(const char *name, unsigned fallback)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : fallback;
}

START_TEST(test_three_evaluators_agree)
{
	unsigned worlds = number_from(
			 "BULKHEAD_WORLDS", getenv("BULKHEAD_LONG") ? WORLDS_LONG : WORLDS),
		 seed;
	struct decided decided = {0};
	struct o_world *w = xcalloc(1, sizeof(*w));
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = number_from("BULKHEAD_SEED", (unsigned)now.tv_nsec);
	printf("oracle: BULKHEAD_SEED=%u BULKHEAD_WORLDS=%u\n", seed, worlds);
	fflush(stdout);
	o_with_peers = true;
	for (unsigned i = 0; i < worlds; i++)
		try_world(seed + i, w, &decided);
	printf("oracle: %u worlds, %u flows, by rules %u allowed and %u denied, with other nodes %u allowed and %u closed\n",
		worlds, worlds * FLOWS, decided.allowed, decided.denied, decided.remote,
		decided.disputed);
	free(w);
	/* worlds that deny everything would agree about nothing else */
	if (worlds >= WORLDS) {
		ck_assert_uint_gt(decided.remote, 0);
		ck_assert_uint_gt(decided.disputed, 0);
		ck_assert_uint_gt(decided.allowed, worlds * FLOWS / SHARE_MIN);
		ck_assert_uint_gt(decided.denied, worlds * FLOWS / SHARE_MIN);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("oracle");
	TCase *tcase = tcase_create("oracle");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 1800);
	tcase_add_test(tcase, test_three_evaluators_agree);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
