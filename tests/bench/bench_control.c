/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a change costs, from the record as it stands in Redis to the kernel's answer: endpoints and policies that come, change and
 * go in worlds of several sizes, taken in turns; and a cold start. CPU time is the process's, the kernel's work for it included.
 */
#include "tests/bench/figures.h"
#include "tests/bench/ours.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

enum step { ENDPOINT_ADDED, ENDPOINT_REMOVED, POLICY_CHANGED, STEP_COUNT };

static const char *const step_names[] = {
	"endpoint added", "endpoint removed", "policy's ports changed"};

/* The targets are about the last one. */
static const struct bench_world worlds[] = {
	{.host = 0, .endpoints = 100, .policies = 10},
	{.host = 1, .endpoints = 1000, .policies = 100},
	{.host = 2, .endpoints = 10000, .policies = 1000},
};
enum { WORLDS = sizeof(worlds) / sizeof(*worlds) };

struct plan {
	int rounds, starts;
};

/* Microseconds. */
struct cost {
	struct sample cpu, wall;
};

struct clocks {
	double cpu, wall;
};

static struct clocks clocks_now(void)
{
	return (struct clocks){now_us(CLOCK_PROCESS_CPUTIME_ID), now_us(CLOCK_MONOTONIC)};
}

static void add_cost(struct cost *cost, const struct clocks *begin)
{
	const struct clocks end = clocks_now();

	sample_add(&cost->cpu, end.cpu - begin->cpu);
	sample_add(&cost->wall, end.wall - begin->wall);
}

static void free_cost(struct cost *cost)
{
	sample_free(&cost->cpu);
	sample_free(&cost->wall);
}

/* --- changes ----------------------------------------------------------------------------------- */

/* A pair more than the world has, in a group that others are in. */
static const char *make_change(
	const struct bench_world *world, enum step step, int round, struct changes *changes)
{
	unsigned extra = bench_pairs(world) + 1;

	switch (step) {
	case ENDPOINT_ADDED:
		record_endpoint(world, ROLE_SERVER, extra, changes);
		return BENCH_NODE_STREAM;
	case ENDPOINT_REMOVED:
		record_no_endpoint(ROLE_SERVER, extra, changes);
		return BENCH_NODE_STREAM;
	default:
		record_policy(world, POLICIES_PER_GROUP, (uint16_t)(8000 + round % 1000), changes);
		return STORE_POLICIES_STREAM;
	}
}

static void take_step(struct ours *ours, const struct bench_world *world, enum step step, int round,
	struct cost *cost)
{
	struct changes changes = {0};
	const char *stream = make_change(world, step, round, &changes);
	const struct clocks begin = clocks_now();

	ours_apply(ours, stream, &changes, false);
	ours_commit(ours);
	add_cost(cost, &begin);
}

static void print_cost(const struct bench_world *world, const char *what, const struct cost *cost)
{
	printf("%6u %5u  %-24s %10.1f %10.1f | %10.1f %10.1f  n %zu\n", world->endpoints,
		world->policies, what, sample_quantile(&cost->cpu, 0.5),
		sample_quantile(&cost->cpu, 0.99), sample_quantile(&cost->wall, 0.5),
		sample_quantile(&cost->wall, 0.99), cost->cpu.count);
}

static void own_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		bench_die("unshare: %s (needs root)", strerror(errno));
}

static void judge_changes(struct cost costs[STEP_COUNT])
{
	static const struct target targets[] = {
		{"one endpoint added, CPU with commit", 500, true, 0, " us"},
		{"one endpoint removed, CPU with commit", 500, true, 0, " us"},
	};

	for (int i = 0; i < 2; i++) {
		struct estimate median = sample_estimate(&costs[i].cpu, 0.5);

		print_figure(&targets[i], &median);
	}
}

/* Each world in a namespace of its own: the kernel's work for one must not meet the others' tables. */
static void bench_changes(const struct plan *plan)
{
	struct ours *ours[WORLDS];
	struct cost costs[WORLDS][STEP_COUNT] = {0};

	for (int w = 0; w < WORLDS; w++) {
		own_namespace();
		ours[w] = ours_new(true);
		ours_apply_world(ours[w], &worlds[w]);
		ours_commit(ours[w]);
	}
	for (int round = 0; round < plan->rounds; round++)
		for (int w = 0; w < WORLDS; w++)
			for (int step = 0; step < STEP_COUNT; step++)
				take_step(ours[w], &worlds[w], (enum step)step, round,
					&costs[w][step]);
	for (int w = 0; w < WORLDS; w++)
		for (int step = 0; step < STEP_COUNT; step++)
			print_cost(&worlds[w], step_names[step], &costs[w][step]);
	judge_changes(costs[WORLDS - 1]);
	for (int w = 0; w < WORLDS; w++) {
		ours_free(ours[w]);
		for (int step = 0; step < STEP_COUNT; step++)
			free_cost(&costs[w][step]);
	}
}

/* --- cold start -------------------------------------------------------------------------------- */

static void start(const struct bench_world *world, struct cost *model, struct cost *commit)
{
	struct changes policies = {0}, node = {0};
	struct ours *ours;
	struct clocks begin;

	own_namespace();
	records_policies(world, &policies);
	records_node(world, &node);
	ours = ours_new(true);
	begin = clocks_now();
	ours_apply(ours, STORE_POLICIES_STREAM, &policies, true);
	ours_apply(ours, BENCH_NODE_STREAM, &node, true);
	add_cost(model, &begin);
	begin = clocks_now();
	ours_commit(ours);
	add_cost(commit, &begin);
	ours_free(ours);
}

static void bench_starts(const struct plan *plan)
{
	const struct target target = {
		"cold start from records to committed, CPU", 500000, true, 0, " us"};
	const struct bench_world *world = &worlds[WORLDS - 1];
	struct cost model = {0}, commit = {0};
	struct sample total = {0};
	struct estimate median;

	for (int i = 0; i < plan->starts; i++) {
		start(world, &model, &commit);
		sample_add(&total, model.cpu.values[i] + commit.cpu.values[i]);
	}
	print_cost(world, "cold start: records, world", &model);
	print_cost(world, "cold start: commit", &commit);
	median = sample_estimate(&total, 0.5);
	print_figure(&target, &median);
	free_cost(&model);
	free_cost(&commit);
	sample_free(&total);
}

/* --- all --------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	struct plan plan = {.rounds = 500, .starts = 9};

	if (argc == 2 && !strcmp(argv[1], "--quick"))
		plan = (struct plan){.rounds = 100, .starts = 3};
	else if (argc != 1)
		bench_die("usage: bench_control [--quick]");
	printf("from record to commit, microseconds\n"
	       "endpts polic  %-24s %10s %10s | %10s %10s\n",
		"what", "CPU p50", "p99", "wall p50", "p99");
	bench_changes(&plan);
	bench_starts(&plan);
	return 0;
}
