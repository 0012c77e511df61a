/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Figures of benchmarks: samples, quantiles, ratios with bootstrap intervals, and what they say about a target. One seed, so
 * that the same samples give the same interval.
 */
#ifndef BULKHEAD_BENCH_FIGURES_H
#define BULKHEAD_BENCH_FIGURES_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

/* A benchmark that cannot go on has nothing to clean up that its namespaces do not: says why and exits. */
void bench_die(const char *fmt, ...) printf_like(1, 2) __attribute__((noreturn));
/* rc of a function that sets *err: ends the benchmark when it is negative. */
void bench_check(int rc, const struct err *err);

double now_us(clockid_t clock);

/* Values in the order of their taking: the i-th of two samples belong to one round. */
struct sample {
	double *values;
	size_t count, cap;
};

void sample_add(struct sample *sample, double value);
void sample_free(struct sample *sample);
/* 0 <= q <= 1; NAN for an empty sample. */
double sample_quantile(const struct sample *sample, double q);

/* Median and 95 % interval. */
struct estimate {
	double value, low, high;
};

/* Of the samples' quotients, round by round; bootstrap over rounds. */
struct estimate sample_ratio(const struct sample *sample, const struct sample *base);
/* Of (a / a_base) / (b / b_base), round by round. */
struct estimate sample_ratio_of_ratios(const struct sample *a, const struct sample *a_base,
	const struct sample *b, const struct sample *b_base);
/* Of one sample's values. */
struct estimate sample_estimate(const struct sample *sample, double q);

/* A target: what is wanted of a figure. */
struct target {
	const char *what;
	double bound;
	bool at_most;     /* else at least */
	double stretch;   /* printed beside it; 0: none */
	const char *unit; /* "" for ratios */
};

/* "figure: <what>: <value> [<low> .. <high>], target >= <bound>: holds". Holds when the bound lies outside the interval on the
 * right side, does not hold when on the wrong one, else it is inconclusive. */
void print_figure(const struct target *target, const struct estimate *estimate);
/* The same for what this build or machine cannot measure. */
void print_no_figure(const struct target *target, const char *why);

#endif
