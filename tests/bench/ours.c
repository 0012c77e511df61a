/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/ours.h"

#include "common/xalloc.h"
#include "enforcerd/world.h"
#include "tests/bench/figures.h"

enum { NFLOG_GROUP = 64 };

struct ours {
	struct world *world;
	struct kernel *kernel;
};

struct ours *ours_new(bool anti_spoof)
{
	const struct world_config config = {.node = BENCH_NODE, .isolation = ISOLATION_LABELLED};
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = NFLOG_GROUP};
	struct ours *ours = xcalloc(1, sizeof(*ours));
	struct err err = {0};

	(void)anti_spoof;
	ours->world = world_new(&config);
	ours->kernel = kernel_open(&options, &err);
	bench_check(ours->kernel ? 0 : -1, &err);
	return ours;
}

void ours_free(struct ours *ours)
{
	kernel_close(ours->kernel);
	world_free(ours->world);
	free(ours);
}

void ours_apply(struct ours *ours, const char *stream, struct changes *changes, bool whole)
{
	struct err err = {0};

	bench_check(world_apply(ours->world, stream, changes->items, changes->count, whole, &err),
		&err);
	changes_clear(changes);
}

struct kernel_commit ours_commit(struct ours *ours)
{
	struct kernel_commit done;
	struct err err = {0};

	bench_check(kernel_commit(ours->kernel, world_ruleset(ours->world), &done, &err), &err);
	return done;
}

void ours_apply_world(struct ours *ours, const struct bench_world *world)
{
	struct changes changes = {0};

	records_policies(world, &changes);
	ours_apply(ours, STORE_POLICIES_STREAM, &changes, true);
	records_node(world, &changes);
	ours_apply(ours, BENCH_NODE_STREAM, &changes, true);
}
