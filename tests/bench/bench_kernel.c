/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a commit costs, from the ruleset's difference to the kernel's answer, in a network namespace of its own. Times are
 * medians with the quartiles and the 99th percentile; what is to be compared is measured in turns within one run. It
 * prints and judges nothing: machines differ, ratios less so.
 */
#include "enforcerd/kernel.h"

#include "enforcerd/skeleton.h"
#include "tests/bench/figures.h"
#include "tests/unit/enforcerd/group_fixture.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

enum { ENDPOINTS = 10000, GROUPS = 1000, EXTRA = 1 << 20 };

static int rounds = 2000, loads = 9;

static struct err err;

static void check(int rc)
{
	bench_check(rc, &err);
}

/* --- figures ----------------------------------------------------------------------------------- */

struct timing {
	const char *what;
	struct sample sample;
};

static void add(struct timing *timing, double value)
{
	sample_add(&timing->sample, value);
}

/* Median, quartiles, p99 in microseconds; ratio to the median of base, unless that is NULL. */
static void print(const struct timing *timing, const struct timing *base)
{
	const struct sample *s = &timing->sample;

	printf("%-58s %10.1f  [%.1f .. %.1f]  p99 %.1f  n %zu", timing->what,
		sample_quantile(s, 0.5), sample_quantile(s, 0.25), sample_quantile(s, 0.75),
		sample_quantile(s, 0.99), s->count);
	if (base)
		printf("  ratio %.2f",
			sample_quantile(s, 0.5) / sample_quantile(&base->sample, 0.5));
	printf("\n");
}

/* --- a world ----------------------------------------------------------------------------------- */

static struct elem_key address(unsigned i)
{
	return (struct elem_key){.ip = {4, {10, (i >> 16) & 0xff, (i >> 8) & 0xff, i & 0xff}}};
}

static void add_group(struct ruleset *rs, unsigned group)
{
	struct rule_list rules = {0};
	char set[NFT_NAME_MAX], chain[NFT_NAME_MAX];
	struct rule *rule = rule_append(&rules);
	struct match *match = rule_match(rule, MATCH_CT_PROTOCOL);

	snprintf(set, sizeof(set), "sel_%u_4", group);
	snprintf(chain, sizeof(chain), "in_%u", group);
	ruleset_set(rs, set, SET_IPV4, "role == \"frontend\"");
	match->value = 6;
	match = rule_match(rule, MATCH_CT_ADDR_SET);
	match->family = 4;
	snprintf(match->set, sizeof(match->set), "%s", set);
	match = rule_match(rule, MATCH_CT_PORT_SET);
	match->side = SIDE_DST;
	snprintf(match->set, sizeof(match->set), "port_x");
	rule->verdict = VERDICT_RETURN;
	snprintf(rule->comment, sizeof(rule->comment), "policy group-%u ingress[0]", group);
	rule = rule_append(&rules);
	rule->log = true;
	rule->verdict = VERDICT_DROP;
	snprintf(rule->counter, sizeof(rule->counter), "drop_ingress");
	ruleset_chain(rs, chain, "policies: some", &rules);
}

static void put_endpoint(struct ruleset *rs, unsigned i, unsigned groups)
{
	const struct elem_key key = address(i);
	char chain[NFT_NAME_MAX], set[NFT_NAME_MAX];

	snprintf(chain, sizeof(chain), "in_%u", i % groups);
	snprintf(set, sizeof(set), "sel_%u_4", i % groups);
	put_groups(rs, &key.ip, chain, chain);
	ruleset_put(rs, SET_ISOLATED4, &key, NULL, NULL);
	ruleset_put(rs, set, &key, NULL, NULL);
}

static void del_endpoint(struct ruleset *rs, unsigned i, unsigned groups)
{
	const struct elem_key key = address(i);
	char set[NFT_NAME_MAX];

	snprintf(set, sizeof(set), "sel_%u_4", i % groups);
	ruleset_del(rs, MAP_GROUPS4, &key);
	ruleset_del(rs, SET_ISOLATED4, &key);
	ruleset_del(rs, set, &key);
}

static struct ruleset *world(unsigned endpoints, unsigned groups)
{
	const struct elem_key port = {.port = 3306};
	struct ruleset *rs = ruleset_new();

	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_RETURN});
	ruleset_counter(rs, "drop_ingress");
	ruleset_set(rs, "port_x", SET_PORT, NULL);
	ruleset_put(rs, "port_x", &port, NULL, NULL);
	for (unsigned i = 0; i < groups; i++)
		add_group(rs, i);
	ruleset_set(rs, "big", SET_IPV4, NULL);
	for (unsigned i = 0; i < endpoints; i++) {
		const struct elem_key key = address(i);

		put_endpoint(rs, i, groups);
		ruleset_put(rs, "big", &key, NULL, NULL);
	}
	return rs;
}

static struct kernel *open_writer(const char *table)
{
	const struct kernel_options options = {.table = table, .nflog_group = 64};
	struct kernel *kernel = kernel_open(&options, &err);

	check(kernel ? 0 : -1);
	return kernel;
}

static struct kernel_commit commit(struct kernel *kernel, struct ruleset *rs)
{
	struct kernel_commit done;

	check(kernel_commit(kernel, rs, &done, &err));
	return done;
}

/* --- measurements ------------------------------------------------------------------------------ */

static void one_element(struct kernel *kernel, struct ruleset *rs, const char *set,
	struct timing *add_times, struct timing *del_times)
{
	const struct elem_key key = address(EXTRA);
	double begin = now_us(CLOCK_MONOTONIC);

	ruleset_put(rs, set, &key, NULL, NULL);
	commit(kernel, rs);
	add(add_times, now_us(CLOCK_MONOTONIC) - begin);
	begin = now_us(CLOCK_MONOTONIC);
	ruleset_del(rs, set, &key);
	commit(kernel, rs);
	add(del_times, now_us(CLOCK_MONOTONIC) - begin);
}

static void bench_elements(struct kernel *kernel, struct ruleset *rs)
{
	struct timing small_add = {.what = "add 1 element to a set of 10"};
	struct timing small_del = {.what = "delete 1 element from a set of 10"};
	struct timing big_add = {.what = "add 1 element to a set of 10,000"};
	struct timing big_del = {.what = "delete 1 element from a set of 10,000"};
	struct timing nothing = {.what = "commit with nothing pending"};

	for (int i = 0; i < rounds; i++) {
		double begin = now_us(CLOCK_MONOTONIC);

		commit(kernel, rs);
		add(&nothing, now_us(CLOCK_MONOTONIC) - begin);
		one_element(kernel, rs, "sel_0_4", &small_add, &small_del);
		one_element(kernel, rs, "big", &big_add, &big_del);
	}
	print(&nothing, NULL);
	print(&small_add, NULL);
	print(&big_add, &small_add);
	print(&small_del, NULL);
	print(&big_del, &small_del);
}

struct endpoint_samples {
	struct timing added, cpu, removed, grouped;
};

static void drop_group(struct ruleset *rs, const char *chain)
{
	const struct elem_key number = {.group = put_group(rs, MAP_INGRESS4, chain)};

	ruleset_del(rs, MAP_INGRESS4, &number);
}

/* The group behind the last one, with one endpoint in it; then gone again. */
static void new_group(
	struct kernel *kernel, struct ruleset *rs, unsigned groups, struct timing *sample)
{
	const struct elem_key key = address(EXTRA);
	char chain[NFT_NAME_MAX], set[NFT_NAME_MAX];
	double begin = now_us(CLOCK_MONOTONIC);

	snprintf(chain, sizeof(chain), "in_%u", groups);
	snprintf(set, sizeof(set), "sel_%u_4", groups);
	add_group(rs, groups);
	put_groups(rs, &key.ip, NULL, chain);
	commit(kernel, rs);
	add(sample, now_us(CLOCK_MONOTONIC) - begin);
	ruleset_del(rs, MAP_GROUPS4, &key);
	drop_group(rs, chain);
	ruleset_chain_drop(rs, chain);
	ruleset_set_drop(rs, set);
	commit(kernel, rs);
}

/* A container that comes and goes: two map elements, two set elements; with CPU time, as the target has it. */
static void one_endpoint(struct kernel *kernel, struct ruleset *rs, unsigned groups,
	struct endpoint_samples *samples)
{
	double begin = now_us(CLOCK_MONOTONIC);
	double cpu_begin = now_us(CLOCK_PROCESS_CPUTIME_ID);

	put_endpoint(rs, EXTRA, groups);
	commit(kernel, rs);
	add(&samples->added, now_us(CLOCK_MONOTONIC) - begin);
	add(&samples->cpu, now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin);
	begin = now_us(CLOCK_MONOTONIC);
	del_endpoint(rs, EXTRA, groups);
	commit(kernel, rs);
	add(&samples->removed, now_us(CLOCK_MONOTONIC) - begin);
	new_group(kernel, rs, groups, &samples->grouped);
}

/* On a host with a few endpoints, and with as many as the targets name: the kernel looks through every map that jumps
 * whenever a jump is added. */
static void bench_endpoints(struct kernel *big, struct ruleset *big_rs)
{
	struct kernel *small = open_writer("bulkhead_small");
	struct ruleset *small_rs = world(ENDPOINTS / 100, GROUPS / 100);
	struct endpoint_samples few = {{.what = "100 local endpoints: add 1 (4 elements)"},
		{.what = "100 local endpoints: add 1, CPU time"},
		{.what = "100 local endpoints: remove 1"},
		{.what = "100 local endpoints: add 1 with a new group (2 batches)"}};
	struct endpoint_samples many = {{.what = "10,000 local endpoints: add 1 (4 elements)"},
		{.what = "10,000 local endpoints: add 1, CPU time"},
		{.what = "10,000 local endpoints: remove 1"},
		{.what = "10,000 local endpoints: add 1 with a new group"}};

	commit(small, small_rs);
	for (int i = 0; i < rounds / 4; i++) {
		one_endpoint(small, small_rs, GROUPS / 100, &few);
		one_endpoint(big, big_rs, GROUPS, &many);
	}
	print(&few.added, NULL);
	print(&few.cpu, NULL);
	print(&few.removed, NULL);
	print(&few.grouped, NULL);
	print(&many.added, &few.added);
	print(&many.cpu, &few.cpu);
	print(&many.removed, &few.removed);
	print(&many.grouped, &few.grouped);
	check(kernel_clear(small, &err));
	kernel_close(small);
	ruleset_free(small_rs);
}

static void bench_loads(void)
{
	struct timing cold = {.what = "cold load, 10,000 endpoints, 1,000 groups"};
	struct timing again = {.what = "the same content over what is there (restart)"};
	struct timing small = {.what = "cold load, 1,000 endpoints, 100 groups"};
	unsigned messages = 0;

	for (int i = 0; i < loads; i++) {
		struct kernel *kernel = open_writer("bulkhead");
		struct ruleset *rs = world(ENDPOINTS / 10, GROUPS / 10);

		add(&small, commit(kernel, rs).seconds * 1e6);
		check(kernel_clear(kernel, &err));
		ruleset_free(rs);
		rs = world(ENDPOINTS, GROUPS);
		{
			struct kernel_commit done;

			kernel_lost(kernel, rs);
			done = commit(kernel, rs);
			add(&cold, done.seconds * 1e6);
			messages = done.messages;
		}
		kernel_lost(kernel, rs);
		add(&again, commit(kernel, rs).seconds * 1e6);
		check(kernel_clear(kernel, &err));
		ruleset_free(rs);
		kernel_close(kernel);
	}
	print(&small, NULL);
	print(&cold, &small);
	print(&again, &cold);
	printf("%-58s %10u\n", "messages of the cold load", messages);
}

int main(int argc, char **argv)
{
	struct kernel *kernel;
	struct ruleset *rs;
	struct rusage usage;

	if (argc == 2 && !strcmp(argv[1], "--quick")) {
		rounds = 400;
		loads = 3;
	} else if (argc != 1) {
		bench_die("usage: bench_kernel [--quick]");
	}
	if (unshare(CLONE_NEWNET) < 0)
		bench_die("unshare: %s (needs root)", strerror(errno));
	printf("kernel writer: microseconds, median [quartiles] p99\n");
	kernel = open_writer("bulkhead");
	rs = world(ENDPOINTS, GROUPS);
	commit(kernel, rs);
	bench_elements(kernel, rs);
	bench_endpoints(kernel, rs);
	check(kernel_clear(kernel, &err));
	kernel_close(kernel);
	ruleset_free(rs);
	bench_loads();
	getrusage(RUSAGE_SELF, &usage);
	printf("%-58s %10ld\n", "largest resident memory, KiB", usage.ru_maxrss);
	return 0;
}
