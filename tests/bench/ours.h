/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's own path from records to the kernel, without its store and its event loop. */
#ifndef BULKHEAD_BENCH_OURS_H
#define BULKHEAD_BENCH_OURS_H

#include "enforcerd/kernel.h"
#include "tests/bench/records.h"

#include <stdbool.h>

struct ours;

/* An empty world and a writer of table bulkhead in the present network namespace. */
struct ours *ours_new(bool anti_spoof);
void ours_free(struct ours *ours); /* the rules stay */

/* One event of a stream, or a snapshot: the world takes it over, the kernel not yet. Empties changes. */
void ours_apply(struct ours *ours, const char *stream, struct changes *changes, bool whole);
struct kernel_commit ours_commit(struct ours *ours);
/* Both streams of a world, uncommitted. */
void ours_apply_world(struct ours *ours, const struct bench_world *world);

#endif
