/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/kernel_adopt.h"
#include "enforcerd/kernel_internal.h"
#include "enforcerd/kernel_message.h"
#include "enforcerd/kernel_plan.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <malloc.h>
#include <time.h>

enum {
	/* whole attempts: first try, without ownership, after a foreign change, and some */
	COMMIT_TRIES = 6,
	/* of one batch, while others commit to tables of their own (Docker starting containers) */
	UNHEARD_SIZE = 1 << 16, /* bytes: a thousand elements, or hundreds of rules */
	STALE_TRIES = 50,
	/* then: without asking where the table is ours alone, else after a pause that grows by this, 12 ms in all */
	STALE_PATIENCE = 8,
	STALE_PAUSE_US = 15
};

struct kernel *kernel_open(const struct kernel_options *options, struct err *err)
{
	CLEANUP(kernel) struct kernel *kernel = xcalloc(1, sizeof(*kernel));

	kernel->table = xstrdup(options->table);
	for (int i = 0; i < PLAN_TABLES; i++)
		kernel->tables[i] =
			(struct own_table){.id = {kernel->table, i ? NFPROTO_BRIDGE : NFPROTO_INET},
				.flags = TABLE_OWNED | TABLE_PERSIST};
	kernel->nflog_group = options->nflog_group;
	kernel->netlink = netlink_open(NETLINK_NETFILTER, err);
	if (!kernel->netlink)
		return NULL;
	kernel->watch = kernel_watch_new(kernel->table, netlink_portid(kernel->netlink), err);
	if (!kernel->watch) {
		err_wrap(err, "watch table %s", kernel->table);
		return NULL;
	}
	kernel->bridge_tracked = kernel_probe_bridge(kernel);
	return steal_ptr(kernel);
}

static void drop_inventories(struct kernel *kernel)
{
	for (int i = 0; i < PLAN_TABLES; i++) {
		inventory_free(kernel->inventories[i]);
		kernel->inventories[i] = NULL;
	}
	kernel->is_compared = false;
}

void kernel_close(struct kernel *kernel)
{
	if (!kernel)
		return;
	drop_inventories(kernel);
	netlink_close(kernel->netlink);
	kernel_watch_free(kernel->watch);
	free(kernel->suspect);
	free(kernel->culprit);
	free(kernel->table);
	free(kernel);
}

bool kernel_bridge_tracked(const struct kernel *kernel)
{
	return kernel->bridge_tracked;
}

unsigned long long kernel_repairs(const struct kernel *kernel, const char **who)
{
	if (who)
		*who = kernel->culprit;
	return kernel->repairs;
}

int kernel_events_fd(const struct kernel *kernel)
{
	return kernel_watch_fd(kernel->watch);
}

void kernel_lost(struct kernel *kernel, struct ruleset *rs)
{
	kernel->known = false;
	drop_inventories(kernel);
	ruleset_forget(rs);
}

/* --- one batch --------------------------------------------------------------------------------- */

enum step {
	STEP_DONE,
	STEP_AGAIN, /* the plan no longer fits what the kernel holds */
	STEP_FAILED
};

static bool touched(struct kernel *kernel)
{
	const char *who = NULL;

	if (!kernel_watch_touched(kernel->watch, &who))
		return false;
	/* before the first commit, and while it is unknown, everything is read from the kernel anyway */
	if (kernel->known || (kernel->suspect && kernel->nameless && who)) {
		free(kernel->suspect);
		kernel->suspect = xstrdup(who ? who : "another process");
		kernel->nameless = !who;
	}
	return true;
}

/* What these say is that the kernel does not hold what we think: then the table is read and replaced. */
static bool means_unknown(const struct batch_result *result, int code)
{
	return result->outcome == BATCH_REFUSED &&
	       (code == ENOENT || code == EEXIST || code == EBUSY);
}

static bool refuses_ownership(const struct batch_result *result, int code)
{
	return result->outcome == BATCH_REFUSED && result->type == NFT_MSG_NEWTABLE &&
	       (code == EOPNOTSUPP || code == EINVAL);
}

static struct own_table *table_of(struct kernel *kernel, uint8_t family)
{
	return &kernel->tables[family == NFPROTO_BRIDGE];
}

static enum step judge_failure(
	struct kernel *kernel, const struct batch_result *result, struct err *err)
{
	struct own_table *table = table_of(kernel, result->family);

	if (table->flags && refuses_ownership(result, err->code)) {
		log_debug("kernel", "table %s is not owned: %s", kernel->table, err->text);
		table->flags = 0;
		return STEP_AGAIN;
	}
	if ((kernel->known || !kernel->distrusted) && means_unknown(result, err->code)) {
		kernel->distrusted |= !kernel->known;
		log_warn("kernel", "%s: table %s is not as it was left: reading it back", err->text,
			kernel->table);
		return STEP_AGAIN;
	}
	if (err->code == EPERM && result->type == NFT_MSG_NEWTABLE)
		err_wrap(err, "table %s is held by another running bulkhead-enforcerd",
			kernel->table);
	return STEP_FAILED;
}

/* Nobody else can change what we have written. */
static bool owns_all(const struct kernel *kernel)
{
	for (int i = 0; i < PLAN_TABLES; i++)
		if (kernel->tables[i].there && !kernel->tables[i].flags)
			return false;
	return kernel->known;
}

/*
 * Of a large batch nobody hears the events: without listeners the kernel does not make them. Ours was the only commit of the pause
 * if it was taken for the generation that was known before, and the next one is there after it.
 */
static int send_unheard(struct kernel *kernel, struct batch *batch, uint32_t generation,
	struct batch_result *result, struct err *err)
{
	uint32_t next = generation + 1 ? generation + 1 : 1, now = 0;
	struct err why = {0};
	int rc;

	kernel_watch_pause(kernel->watch);
	rc = batch_send(batch, kernel->netlink, generation, result, err);
	kernel_watch_resume(kernel->watch);
	if (rc < 0 || dump_generation(kernel->netlink, &now, &why) < 0 || now != next)
		kernel_watch_lost(kernel->watch);
	/* where others are busy the next attempt had better hear which tables they are at */
	kernel->crowded = rc < 0;
	return rc;
}

/* generation 0: whatever it is. */
static int send_once(struct kernel *kernel, struct batch *batch, uint32_t generation,
	struct batch_result *result, struct err *err)
{
	if (generation && !kernel->crowded && batch_size(batch) >= UNHEARD_SIZE)
		return send_unheard(kernel, batch, generation, result, err);
	return batch_send(batch, kernel->netlink, generation, result, err);
}

/*
 * Somebody else's commit makes the generation stale, most often Docker's to its own tables: then the same batch is right
 * with the new generation, provided that our table was not among what was changed.
 */
static enum step send_batch(
	struct kernel *kernel, struct batch *batch, uint32_t *generation, struct err *err)
{
	bool owned = owns_all(kernel);

	for (int tries = 0; tries < STALE_TRIES; tries++) {
		bool hurried = tries >= STALE_PATIENCE;
		struct batch_result result;

		if (hurried && !owned)
			usleep((unsigned)((tries - STALE_PATIENCE) * STALE_PAUSE_US));
		if (send_once(kernel, batch, hurried && owned ? 0 : *generation, &result, err) == 0)
			return STEP_DONE;
		if (result.outcome == BATCH_UNKNOWN)
			kernel->known = false;
		if (result.outcome != BATCH_STALE)
			return judge_failure(kernel, &result, err);
		if (dump_generation(kernel->netlink, generation, err) < 0)
			return STEP_FAILED;
		if (touched(kernel))
			return STEP_AGAIN;
	}
	err_set(err, ERESTART, "commit to table %s: other programs keep changing nf_tables",
		kernel->table);
	return STEP_FAILED;
}

/* --- one attempt ------------------------------------------------------------------------------- */

static enum step send_tidy(
	struct kernel *kernel, struct batch *tidy, struct kernel_commit *commit, struct err *err)
{
	uint32_t generation = 0;
	enum step step;

	if (dump_generation(kernel->netlink, &generation, err) < 0)
		return STEP_FAILED;
	if (touched(kernel))
		return STEP_AGAIN;
	step = send_batch(kernel, tidy, &generation, err);
	commit->messages += batch_count(tidy);
	return step;
}

static size_t size_of(const struct batch *batch)
{
	return batch ? batch_size(batch) : 0;
}

static enum step send_all(struct kernel *kernel, const struct plan_batches *batches,
	uint32_t generation, struct kernel_commit *commit, struct err *err)
{
	enum step step = STEP_DONE;

	if (batches->prepare) {
		step = send_batch(kernel, batches->prepare, &generation, err);
		if (step != STEP_DONE)
			return step;
		commit->messages += batch_count(batches->prepare);
		if (dump_generation(kernel->netlink, &generation, err) < 0)
			step = STEP_FAILED;
		else if (touched(kernel))
			step = STEP_AGAIN;
	}
	if (step == STEP_DONE && batch_count(batches->apply)) {
		step = send_batch(kernel, batches->apply, &generation, err);
		commit->messages += batch_count(batches->apply);
	}
	if (step == STEP_DONE && batches->tidy)
		step = send_tidy(kernel, batches->tidy, commit, err);
	/* chains that nothing leads to are left behind: harmless, but no longer what the ruleset thinks */
	if (step != STEP_DONE && (batches->prepare || batches->tidy))
		kernel->known = false;
	return step;
}

/* The inventories are lent. */
static void describe_tables(const struct kernel *kernel, struct plan_input *input)
{
	for (int i = 0; i < PLAN_TABLES; i++)
		input->tables[i] = (struct plan_table){.table = kernel->tables[i].id,
			.flags = kernel->tables[i].flags,
			.owner = netlink_portid(kernel->netlink),
			.there = kernel->tables[i].there,
			.inventory = kernel->inventories[i]};
}

static int read_inventories(struct kernel *kernel, struct err *err)
{
	for (int i = 0; i < PLAN_TABLES; i++) {
		kernel->inventories[i] =
			inventory_read(kernel->netlink, &kernel->tables[i].id, err);
		if (!kernel->inventories[i])
			return -1;
	}
	return 0;
}

/* What the kernel holds in `generation` against what is wanted. */
static int compare(struct kernel *kernel, struct ruleset *rs, uint32_t generation, struct err *err)
{
	struct plan_input input = {.nflog_group = kernel->nflog_group, .ruleset = rs};

	kernel_lost(kernel, rs);
	if (read_inventories(kernel, err) < 0)
		return -1;
	describe_tables(kernel, &input);
	if (!kernel->distrusted && adopt_content(kernel->netlink, &input, rs, err) < 0)
		return -1;
	kernel->is_compared = true;
	kernel->compared = generation;
	return 0;
}

/*
 * The generation is read before anything else: whatever somebody changes from then on makes the batch stale, and whatever
 * was changed before is among the watch's news or in what is read.
 */
static int prepare(struct kernel *kernel, struct ruleset *rs, uint32_t *generation, struct err *err)
{
	if (dump_generation(kernel->netlink, generation, err) < 0)
		return -1;
	if (!touched(kernel) &&
		(kernel->known || (kernel->is_compared && kernel->compared == *generation)))
		return 0;
	return compare(kernel, rs, *generation, err);
}

static enum step attempt(
	struct kernel *kernel, struct ruleset *rs, struct kernel_commit *commit, struct err *err)
{
	struct plan_input input = {.nflog_group = kernel->nflog_group, .ruleset = rs};
	struct plan_batches batches = {0};
	uint32_t generation = 0;
	enum step step;

	if (prepare(kernel, rs, &generation, err) < 0)
		return STEP_FAILED;
	describe_tables(kernel, &input);
	plan_batches(&input, &batches);
	step = send_all(kernel, &batches, generation, commit, err);
	for (int i = 0; i < PLAN_TABLES && step == STEP_DONE; i++)
		kernel->tables[i].there = batches.there[i];
	kernel->large = size_of(batches.prepare) + size_of(batches.apply) >= UNHEARD_SIZE;
	plan_batches_clear(&batches);
	return step;
}

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void name_suspect(struct kernel *kernel)
{
	const char *late = kernel->nameless ? kernel_watch_late(kernel->watch) : NULL;

	if (!late)
		return;
	free(kernel->suspect);
	kernel->suspect = xstrdup(late);
}

/*
 * After a commit that began with somebody's change: whether there was anything to put right. Whoever sees the count of repairs grow
 * commits again, and with that hears of what else is among the watch's news.
 */
static void tell_repair(struct kernel *kernel, unsigned messages)
{
	if (!kernel->suspect)
		return;
	if (!messages) {
		log_info("kernel", "table %s may have been changed by %s: it is as it should be",
			kernel->table, kernel->suspect);
		free(kernel->suspect);
		kernel->suspect = NULL;
		return;
	}
	name_suspect(kernel);
	log_warn("kernel", "table %s was changed by %s: put right with %u messages", kernel->table,
		kernel->suspect, messages);
	kernel->repairs++;
	free(kernel->culprit);
	kernel->culprit = steal_ptr(kernel->suspect);
}

static void finish_commit(
	struct kernel *kernel, struct ruleset *rs, double begin, struct kernel_commit *commit)
{
	struct err err = {0};

	commit->seconds = now_seconds() - begin;
	kernel->known = true;
	kernel->distrusted = kernel->crowded = false;
	drop_inventories(kernel);
	tell_repair(kernel, commit->messages);
	ruleset_committed(rs);
	/* what was read, parsed and built for it is many times what is kept of it: given back rather than sat on */
	if (kernel->large)
		malloc_trim(0);
	/* the commit stands whether or not its number can be read */
	if (dump_generation(kernel->netlink, &commit->generation, &err) < 0)
		log_warn("kernel", "%s", err.text);
}

int kernel_commit(
	struct kernel *kernel, struct ruleset *rs, struct kernel_commit *commit, struct err *err)
{
	double begin = now_seconds();
	struct err why = {0};

	*commit = (struct kernel_commit){0};
	if (touched(kernel))
		kernel_lost(kernel, rs);
	if (kernel->known && !ruleset_dirty(rs))
		return 0;
	for (int tries = 0; tries < COMMIT_TRIES; tries++) {
		enum step step;

		commit->messages = 0;
		step = attempt(kernel, rs, commit, &why);
		if (step == STEP_DONE) {
			finish_commit(kernel, rs, begin, commit);
			return 0;
		}
		if (step == STEP_FAILED)
			break;
		kernel_lost(kernel, rs);
	}
	/* the inventories have been told what was wanted; what is wanted next may be less */
	drop_inventories(kernel);
	if (err)
		*err = why;
	return -1;
}

int kernel_compare(struct kernel *kernel, struct ruleset *rs, struct err *err)
{
	uint32_t generation = 0;

	return prepare(kernel, rs, &generation, err);
}

int kernel_delete_table(struct kernel *kernel, const struct nft_table *table, struct err *err)
{
	CLEANUP(batch) struct batch *batch = batch_new();
	struct batch_result result;
	uint32_t generation = 0;
	struct err why = {0};

	message_delete_table(batch, table);
	if (dump_generation(kernel->netlink, &generation, err) < 0)
		return -1;
	for (int tries = 0; tries < STALE_TRIES; tries++) {
		if (batch_send(batch, kernel->netlink, generation, &result, &why) == 0 ||
			(result.outcome == BATCH_REFUSED && why.code == ENOENT))
			return 0;
		if (result.outcome != BATCH_STALE)
			break;
		if (dump_generation(kernel->netlink, &generation, err) < 0)
			return -1;
	}
	if (why.code == EPERM && result.outcome == BATCH_REFUSED)
		err_wrap(&why, "stop bulkhead-enforcerd first, its table is its own");
	if (err)
		*err = why;
	return -1;
}

int kernel_clear(struct kernel *kernel, struct err *err)
{
	int rc = 0;

	kernel->known = false;
	drop_inventories(kernel);
	for (int i = 0; i < PLAN_TABLES; i++) {
		kernel->tables[i].there = false;
		/* the second is tried even so; the first error is the one that is told */
		if (kernel_delete_table(kernel, &kernel->tables[i].id, rc ? NULL : err) < 0)
			rc = -1;
	}
	return rc;
}
