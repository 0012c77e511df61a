/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a commit costs, from the ruleset's difference to the kernel's answer, in a network namespace of its own. Times are
 * medians with the quartiles and the 99th percentile; what is to be compared is measured in turns within one run. It
 * prints and judges nothing: machines differ, ratios less so.
 */
#include "enforcerd/kernel.h"

#include "common/xalloc.h"
#include "enforcerd/skeleton.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ENDPOINTS = 10000, GROUPS = 1000, ROUNDS = 2000, LOADS = 9, EXTRA = 1 << 20 };

static struct err err;

static void check(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench_kernel: %s\n", err.text);
	exit(1);
}

static double now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* --- figures ----------------------------------------------------------------------------------- */

struct sample {
	const char *what;
	double *values;
	size_t count, cap;
};

static void add(struct sample *sample, double value)
{
	xgrow(sample->values, sample->count, sample->cap);
	sample->values[sample->count++] = value;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const struct sample *sample, double q)
{
	return sample->values[(size_t)(q * (double)(sample->count - 1) + 0.5)];
}

/* Median, quartiles, p99 in microseconds; ratio to the median of base, unless that is NULL. */
static void print(struct sample *sample, struct sample *base)
{
	qsort(sample->values, sample->count, sizeof(*sample->values), compare);
	printf("%-58s %10.1f  [%.1f .. %.1f]  p99 %.1f  n %zu", sample->what, quantile(sample, 0.5),
		quantile(sample, 0.25), quantile(sample, 0.75), quantile(sample, 0.99),
		sample->count);
	if (base)
		printf("  ratio %.2f", quantile(sample, 0.5) / quantile(base, 0.5));
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
	ruleset_put(rs, MAP_INGRESS4, &key, chain, NULL);
	ruleset_put(rs, MAP_EGRESS4, &key, chain, NULL);
	ruleset_put(rs, SET_ISOLATED4, &key, NULL, NULL);
	ruleset_put(rs, set, &key, NULL, NULL);
}

static void del_endpoint(struct ruleset *rs, unsigned i, unsigned groups)
{
	const struct elem_key key = address(i);
	char set[NFT_NAME_MAX];

	snprintf(set, sizeof(set), "sel_%u_4", i % groups);
	ruleset_del(rs, MAP_INGRESS4, &key);
	ruleset_del(rs, MAP_EGRESS4, &key);
	ruleset_del(rs, SET_ISOLATED4, &key);
	ruleset_del(rs, set, &key);
}

static struct ruleset *world(unsigned endpoints, unsigned groups)
{
	const struct elem_key port = {.port = 3306};
	struct ruleset *rs = ruleset_new();

	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_RETURN});
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
	struct sample *add_times, struct sample *del_times)
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
	struct sample small_add = {.what = "add 1 element to a set of 10"};
	struct sample small_del = {.what = "delete 1 element from a set of 10"};
	struct sample big_add = {.what = "add 1 element to a set of 10,000"};
	struct sample big_del = {.what = "delete 1 element from a set of 10,000"};
	struct sample nothing = {.what = "commit with nothing pending"};

	for (int i = 0; i < ROUNDS; i++) {
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
	struct sample added, cpu, removed, grouped;
};

/* The group behind the last one, with one endpoint in it; then gone again. */
static void new_group(
	struct kernel *kernel, struct ruleset *rs, unsigned groups, struct sample *sample)
{
	const struct elem_key key = address(EXTRA);
	char chain[NFT_NAME_MAX], set[NFT_NAME_MAX];
	double begin = now_us(CLOCK_MONOTONIC);

	snprintf(chain, sizeof(chain), "in_%u", groups);
	snprintf(set, sizeof(set), "sel_%u_4", groups);
	add_group(rs, groups);
	ruleset_put(rs, MAP_INGRESS4, &key, chain, NULL);
	commit(kernel, rs);
	add(sample, now_us(CLOCK_MONOTONIC) - begin);
	ruleset_del(rs, MAP_INGRESS4, &key);
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
	for (int i = 0; i < ROUNDS / 4; i++) {
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
	struct sample cold = {.what = "cold load, 10,000 endpoints, 1,000 groups"};
	struct sample again = {.what = "the same content over what is there (restart)"};
	struct sample small = {.what = "cold load, 1,000 endpoints, 100 groups"};
	unsigned messages = 0;

	for (int i = 0; i < LOADS; i++) {
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

int main(void)
{
	struct kernel *kernel;
	struct ruleset *rs;
	struct rusage usage;

	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "bench_kernel: unshare: %s (needs root)\n", strerror(errno));
		return 1;
	}
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
