/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/figures.h"

#include "common/xalloc.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

enum { RESAMPLES = 2000 };

void bench_die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "bench: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

void bench_check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die("%s", err->text);
}

double now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* --- samples ----------------------------------------------------------------------------------- */

void sample_add(struct sample *sample, double value)
{
	xgrow(sample->values, sample->count, sample->cap);
	sample->values[sample->count++] = value;
}

void sample_free(struct sample *sample)
{
	free(sample->values);
	*sample = (struct sample){0};
}

/* Splits values[low..high] around its middle value (Hoare): returns the end of the lower part, which is below high. */
static size_t split(double *values, size_t low, size_t high)
{
	double pivot = values[low + (high - low) / 2], held;

	for (;; low++, high--) {
		while (values[low] < pivot)
			low++;
		while (values[high] > pivot)
			high--;
		if (low >= high)
			return high;
		held = values[low];
		values[low] = values[high];
		values[high] = held;
	}
}

/* What stands at place k once they are sorted; sorts no more than that takes. */
static double nth(double *values, size_t count, size_t k)
{
	size_t low = 0, high = count - 1;

	while (low < high) {
		size_t end = split(values, low, high);

		if (k <= end)
			high = end;
		else
			low = end + 1;
	}
	return values[k];
}

/* Orders values anew. */
static double quantile_of(double *values, size_t count, double q)
{
	return nth(values, count, (size_t)(q * (double)(count - 1) + 0.5));
}

double sample_quantile(const struct sample *sample, double q)
{
	cleanup_free double *values = NULL;

	if (!sample->count)
		return NAN;
	values = xcalloc(sample->count, sizeof(*values));
	memcpy(values, sample->values, sample->count * sizeof(*values));
	return quantile_of(values, sample->count, q);
}

/* --- bootstrap --------------------------------------------------------------------------------- */

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 33;
}

struct estimate sample_estimate(const struct sample *sample, double q)
{
	cleanup_free double *draw = xcalloc(sample->count + 1, sizeof(*draw));
	cleanup_free double *found = xcalloc(RESAMPLES, sizeof(*found));
	struct estimate estimate = {NAN, NAN, NAN};
	uint64_t state = 42;

	if (!sample->count)
		return estimate;
	for (int i = 0; i < RESAMPLES; i++) {
		for (size_t k = 0; k < sample->count; k++)
			draw[k] = sample->values[next_random(&state) % sample->count];
		found[i] = quantile_of(draw, sample->count, q);
	}
	estimate.value = sample_quantile(sample, q);
	estimate.low = quantile_of(found, RESAMPLES, 0.025);
	estimate.high = quantile_of(found, RESAMPLES, 0.975);
	return estimate;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static struct sample quotients(const struct sample *a, const struct sample *b)
{
	struct sample quotients = {0};

	for (size_t i = 0; i < smaller(a->count, b->count); i++)
		sample_add(&quotients, a->values[i] / b->values[i]);
	return quotients;
}

struct estimate sample_ratio(const struct sample *sample, const struct sample *base)
{
	struct sample ratios = quotients(sample, base);
	struct estimate estimate = sample_estimate(&ratios, 0.5);

	sample_free(&ratios);
	return estimate;
}

struct estimate sample_ratio_of_ratios(const struct sample *a, const struct sample *a_base,
	const struct sample *b, const struct sample *b_base)
{
	struct sample over = quotients(a, a_base), under = quotients(b, b_base);
	struct estimate estimate = sample_ratio(&over, &under);

	sample_free(&over);
	sample_free(&under);
	return estimate;
}

/* --- printing ---------------------------------------------------------------------------------- */

static const char *judge(const struct target *target, const struct estimate *estimate)
{
	double best = target->at_most ? estimate->low : estimate->high;
	double worst = target->at_most ? estimate->high : estimate->low;
	double sign = target->at_most ? -1 : 1;

	if (sign * worst >= sign * target->bound)
		return "holds";
	return sign * best < sign * target->bound ? "does not hold" : "inconclusive";
}

static void print_target(const struct target *target)
{
	printf(", target %s %.3g%s", target->at_most ? "<=" : ">=", target->bound, target->unit);
	if (target->stretch > 0)
		printf(" [%.3g%s]", target->stretch, target->unit);
}

void print_figure(const struct target *target, const struct estimate *estimate)
{
	printf("figure: %s: %.3f%s [%.3f .. %.3f]", target->what, estimate->value, target->unit,
		estimate->low, estimate->high);
	print_target(target);
	printf(": %s\n", isnan(estimate->value) ? "not measured" : judge(target, estimate));
}

void print_no_figure(const struct target *target, const char *why)
{
	printf("figure: %s: none", target->what);
	print_target(target);
	printf(": not measured: %s\n", why);
}
