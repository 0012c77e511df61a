/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/ours.h"

#include "common/xalloc.h"
#include "enforcerd/world.h"
#include "tests/bench/figures.h"
#include "tests/bench/lab.h"

enum { NFLOG_GROUP = 64, MARK_MASK = (int)0xffff0000, GENERATION = 1 };

struct ours {
	struct skeleton_config skeleton;
	struct world *world;
	struct kernel *kernel;
};

/* Every endpoint is found at once where it is: what the daemon learns from the kernel's links. */
static void place(const struct endpoint *record, const char *bridge, void *arg)
{
	const enum bench_role role = record_role(record->id);
	const struct ours *ours = arg;
	struct whereabout where = {.placement = PLACE_BOUND};

	(void)bridge;
	snprintf(where.port, sizeof(where.port), "%s", lab_port(role));
	bench_mac(role, where.mac);
	world_place(ours->world, record->id, &where);
}

static void forget_place(const char *id, void *arg)
{
	(void)id;
	(void)arg;
}

static void make_world(struct ours *ours)
{
	static const struct world_ops ops = {.endpoint = place, .endpoint_gone = forget_place};
	const struct world_config config = {.node = BENCH_NODE,
		.isolation = ISOLATION_LABELLED,
		.skeleton = ours->skeleton,
		.ops = &ops,
		.ops_arg = ours};

	ours->world = world_new(&config);
	skeleton_generation(world_ruleset(ours->world), &ours->skeleton, GENERATION);
}

struct ours *ours_new(bool anti_spoof)
{
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = NFLOG_GROUP};
	struct ours *ours = xcalloc(1, sizeof(*ours));
	struct err err = {0};

	ours->kernel = kernel_open(&options, &err);
	bench_check(ours->kernel ? 0 : -1, &err);
	ours->skeleton.anti_spoof = anti_spoof;
	ours->skeleton.bridge_tracked = kernel_bridge_tracked(ours->kernel);
	bench_check(mark_layout_init(&ours->skeleton.marks, (uint32_t)MARK_MASK, &err), &err);
	make_world(ours);
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
	world_refresh(ours->world);
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
