/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a packet pays for its policy: new connections, round trips, a stream and a flood through our tables, against no table
 * and, in the same run, a chain per endpoint and linear rules. A round takes every layout of a world once, about a millisecond
 * each, in an order of its own; ratios are taken within a round, since the machine's speed changes from one to the next.
 */
#include "tests/bench/figures.h"
#include "tests/bench/layouts.h"
#include "tests/bench/traffic.h"

#include "common/xalloc.h"

#include <string.h>

enum { WORLDS_MAX = 5, CASES_MAX = 2 * LAYOUT_COUNT, ROUNDS = 20, PASSES_MIN = 2 };

struct size {
	unsigned endpoints, policies;
};

/* The world that the targets are about comes last, the one that "flat" compares it with first. */
static const struct size full_sizes[] = {
	{10, 10}, {1000, 10}, {1000, 1000}, {10000, 10}, {10000, 1000}};
static const struct size quick_sizes[] = {{10, 10}, {10000, 1000}};

struct plan {
	const struct size *sizes;
	unsigned size_count;
	double seconds; /* of measuring; a busy machine gets fewer rounds, and wider intervals */
};

/* One line of the table: a layout, and who talks through it. */
struct bench_case {
	enum layout layout;
	struct bench_world world;
	bool bystanders;
	struct sample samples[TRAFFIC_COUNT];
	struct talk *talk;
};

struct bench_size {
	struct bench_case cases[CASES_MAX];
	size_t count;
};

struct bench {
	struct plan plan;
	struct lab *lab;
	struct traffic *traffic;
	struct bench_size sizes[WORLDS_MAX];
	unsigned seed, passes;
};

/* --- measuring --------------------------------------------------------------------------------- */

static void add_case(struct bench_size *size, const struct bench_world *world, enum layout layout,
	bool bystanders)
{
	size->cases[size->count++] =
		(struct bench_case){.world = *world, .layout = layout, .bystanders = bystanders};
}

static void load(struct bench *bench, const struct size *size, struct bench_size *cases)
{
	for (int layout = 0; layout < LAYOUT_COUNT; layout++) {
		struct bench_world world = {.endpoints = size->endpoints,
			.policies = size->policies,
			.bystanders = true};
		double seconds = 0;

		world.host = lab_add_host(bench->lab);
		seconds = layout_load(&world, (enum layout)layout);
		printf("%6u endpoints, %4u policies: %-20s loaded in %8.1f ms\n", world.endpoints,
			world.policies, layout_name((enum layout)layout), seconds * 1e3);
		add_case(cases, &world, (enum layout)layout, false);
		if (layout <= LAYOUT_OURS_GUARDED)
			add_case(cases, &world, (enum layout)layout, true);
	}
}

static void shuffle(size_t *order, size_t count, unsigned *seed)
{
	for (size_t i = count; i > 1; i--) {
		size_t k = (size_t)rand_r(seed) % i, held = order[i - 1];

		order[i - 1] = order[k];
		order[k] = held;
	}
}

static void measure(struct bench *bench, struct bench_size *size, enum traffic_kind kind)
{
	size_t order[CASES_MAX];

	lab_forget_flows(bench->lab);
	for (size_t i = 0; i < size->count; i++) {
		struct bench_case *c = &size->cases[i];
		const struct traffic_pairs pairs = {&c->world, c->bystanders};

		order[i] = i;
		c->talk = talk_begin(bench->traffic, kind, &pairs);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		shuffle(order, size->count, &bench->seed);
		for (size_t i = 0; i < size->count; i++) {
			struct bench_case *c = &size->cases[order[i]];

			sample_add(&c->samples[kind], talk_measure(c->talk));
		}
	}
	for (size_t i = 0; i < size->count; i++)
		talk_end(size->cases[i].talk);
}

/* Each pass takes every world and kind of traffic: what the machine does for a while then concerns all of them. */
static void measure_all(struct bench *bench)
{
	double end = now_us(CLOCK_MONOTONIC) + bench->plan.seconds * 1e6;

	do {
		for (unsigned i = 0; i < bench->plan.size_count; i++)
			for (int kind = 0; kind < TRAFFIC_COUNT; kind++)
				measure(bench, &bench->sizes[i], (enum traffic_kind)kind);
		bench->passes++;
	} while (bench->passes < PASSES_MIN || now_us(CLOCK_MONOTONIC) < end);
}

/* --- printing ---------------------------------------------------------------------------------- */

static const struct bench_case *find(
	const struct bench_size *size, enum layout layout, bool bystanders)
{
	for (size_t i = 0; i < size->count; i++)
		if (size->cases[i].layout == layout && size->cases[i].bystanders == bystanders)
			return &size->cases[i];
	return NULL;
}

static const struct sample *base_of(
	const struct bench_size *size, const struct bench_case *c, enum traffic_kind kind)
{
	return &find(size, LAYOUT_NONE, c->bystanders)->samples[kind];
}

static void print_case(const struct bench_size *size, const struct bench_case *c)
{
	printf("%6u %5u  %-20s %-9s", c->world.endpoints, c->world.policies, layout_name(c->layout),
		c->bystanders ? "bystander" : "isolated");
	for (int kind = 0; kind < TRAFFIC_COUNT; kind++) {
		const struct sample *sample = &c->samples[kind];
		struct estimate ratio =
			sample_ratio(sample, base_of(size, c, (enum traffic_kind)kind));

		printf(" | %8.2f %6.3f [%.3f .. %.3f]", sample_quantile(sample, 0.5), ratio.value,
			ratio.low, ratio.high);
	}
	printf("\n");
}

static void print_table(const struct bench *bench)
{
	printf("\nmedians of %u rounds; beside each the ratio to no table with its 95 %% interval\n"
	       "endpts polic  %-20s %-9s",
		bench->passes * ROUNDS, "layout", "who talks");
	for (int kind = 0; kind < TRAFFIC_COUNT; kind++) {
		const struct traffic_form *form = traffic_form((enum traffic_kind)kind);

		printf(" | %-22s %10s", form->name, form->unit);
	}
	printf("\n");
	for (unsigned i = 0; i < bench->plan.size_count; i++)
		for (size_t k = 0; k < bench->sizes[i].count; k++)
			print_case(&bench->sizes[i], &bench->sizes[i].cases[k]);
	printf("\n");
}

/* --- targets ----------------------------------------------------------------------------------- */

struct ratio_target {
	struct target target;
	enum layout layout;
	bool bystanders;
	enum traffic_kind kind;
};

/* Design: targets at 10,000 endpoints and 1,000 policies. A round trip is a time: within 3 % is at most 1.03. */
static const struct ratio_target ratio_targets[] = {
	{{"established stream, anti-spoof off", 0.97, false, 0, ""}, LAYOUT_OURS, false,
		TRAFFIC_STREAM},
	{{"established round trip, anti-spoof off", 1.03, true, 0, ""}, LAYOUT_OURS, false,
		TRAFFIC_ROUND},
	{{"established stream, anti-spoof on", 0.90, false, 0.97, ""}, LAYOUT_OURS_GUARDED, false,
		TRAFFIC_STREAM},
	{{"established round trip, anti-spoof on", 1.10, true, 1.03, ""}, LAYOUT_OURS_GUARDED,
		false, TRAFFIC_ROUND},
	{{"new connections, anti-spoof off", 0.88, false, 0.95, ""}, LAYOUT_OURS, false,
		TRAFFIC_CONNECT},
	{{"new connections, anti-spoof on", 0.82, false, 0.92, ""}, LAYOUT_OURS_GUARDED, false,
		TRAFFIC_CONNECT},
	{{"bystander new connections, anti-spoof off", 0.97, false, 0, ""}, LAYOUT_OURS, true,
		TRAFFIC_CONNECT},
	{{"bystander stream, anti-spoof off", 0.97, false, 0, ""}, LAYOUT_OURS, true,
		TRAFFIC_STREAM},
	{{"bystander round trip, anti-spoof off", 1.03, true, 0, ""}, LAYOUT_OURS, true,
		TRAFFIC_ROUND},
	{{"bystander new connections, anti-spoof on", 0.97, false, 0, ""}, LAYOUT_OURS_GUARDED,
		true, TRAFFIC_CONNECT},
	{{"bystander stream, anti-spoof on", 0.97, false, 0, ""}, LAYOUT_OURS_GUARDED, true,
		TRAFFIC_STREAM},
	{{"bystander round trip, anti-spoof on", 1.03, true, 0, ""}, LAYOUT_OURS_GUARDED, true,
		TRAFFIC_ROUND},
};

static const char no_layout[] = "this build has no such layout";

static void judge(const struct bench_size *size, const struct ratio_target *wanted)
{
	const struct bench_case *c = find(size, wanted->layout, wanted->bystanders);
	struct estimate ratio;

	if (!c) {
		print_no_figure(&wanted->target, no_layout);
		return;
	}
	ratio = sample_ratio(&c->samples[wanted->kind], base_of(size, c, wanted->kind));
	print_figure(&wanted->target, &ratio);
}

/* What the rate of new connections keeps of its ratio from few endpoints to many. */
static void judge_flat(const struct bench_size *few, const struct bench_size *many,
	enum layout layout, const char *what)
{
	const struct target target = {what, 0.95, false, 0, ""};
	const struct bench_case *a = find(many, layout, false), *b = find(few, layout, false);
	struct estimate ratio;

	if (!a || !b) {
		print_no_figure(&target, no_layout);
		return;
	}
	ratio = sample_ratio_of_ratios(&a->samples[TRAFFIC_CONNECT],
		base_of(many, a, TRAFFIC_CONNECT), &b->samples[TRAFFIC_CONNECT],
		base_of(few, b, TRAFFIC_CONNECT));
	print_figure(&target, &ratio);
}

static void judge_all(const struct bench *bench)
{
	const struct bench_size *few = &bench->sizes[0],
				*many = &bench->sizes[bench->plan.size_count - 1];

	for (size_t i = 0; i < sizeof(ratio_targets) / sizeof(*ratio_targets); i++)
		judge(many, &ratio_targets[i]);
	judge_flat(few, many, LAYOUT_OURS,
		"new connections, anti-spoof off, flat: at 10,000 against at 10 endpoints");
	judge_flat(few, many, LAYOUT_OURS_GUARDED,
		"new connections, anti-spoof on, flat: at 10,000 against at 10 endpoints");
}

/* --- all --------------------------------------------------------------------------------------- */

static struct plan plan_of(int argc, char **argv)
{
	const struct plan full = {full_sizes, WORLDS_MAX, 200};
	const struct plan quick = {quick_sizes, 2, 15};

	if (argc == 1)
		return full;
	if (argc == 2 && !strcmp(argv[1], "--quick"))
		return quick;
	bench_die("usage: bench_dataplane [--quick]");
}

static void free_samples(struct bench_size *size)
{
	for (size_t i = 0; i < size->count; i++)
		for (int kind = 0; kind < TRAFFIC_COUNT; kind++)
			sample_free(&size->cases[i].samples[kind]);
}

int main(int argc, char **argv)
{
	struct bench bench = {.plan = plan_of(argc, argv), .seed = 1};

	bench.lab = lab_new();
	bench.traffic = traffic_new(bench.lab);
	for (unsigned i = 0; i < bench.plan.size_count; i++)
		load(&bench, &bench.plan.sizes[i], &bench.sizes[i]);
	lab_enter(bench.lab, LAB_CLIENT);
	measure_all(&bench);
	print_table(&bench);
	judge_all(&bench);
	for (unsigned i = 0; i < bench.plan.size_count; i++)
		free_samples(&bench.sizes[i]);
	traffic_free(bench.traffic);
	lab_free(bench.lab);
	return 0;
}
