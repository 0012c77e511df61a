/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/dataplane.h"

#include "common/backoff.h"
#include "common/xalloc.h"

struct dataplane {
	struct kernel *kernel;
	struct ruleset *ruleset;
	struct revocation *revocation;
	struct event_base *base;
	struct dataplane_ops ops;
	void *arg;
	struct event *foreign_event; /* somebody else changed nf_tables */
	struct event *commit_event;  /* deferred to the end of the loop turn */
	struct event *retry_timer;
	struct backoff retry;
	bool started, fresh;
	unsigned long long repairs; /* as of the last commit */
};

static void retry_later(struct dataplane *dp)
{
	unsigned ms = backoff_next(&dp->retry);
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	evtimer_add(dp->retry_timer, &delay);
}

/* Somebody else had his hands in our tables: flows may bear marks that no policy of ours gave them. */
static bool repaired(struct dataplane *dp)
{
	unsigned long long before = dp->repairs;

	dp->repairs = kernel_repairs(dp->kernel, NULL);
	return dp->repairs != before;
}

static void commit_now(struct dataplane *dp)
{
	struct kernel_commit commit = {0};
	struct err err = {0};

	if (!dp->started)
		return;
	/* only against what the kernel really has can be told whether anything is revoked */
	if (kernel_compare(dp->kernel, dp->ruleset, &err) == 0)
		revocation_prepare(dp->revocation);
	if (err.text[0] || kernel_commit(dp->kernel, dp->ruleset, &commit, &err) < 0) {
		retry_later(dp);
		dp->ops.failed(&err, dp->arg);
		return;
	}
	backoff_reset(&dp->retry);
	revocation_committed(dp->revocation);
	if (repaired(dp)) {
		revocation_adopt(dp->revocation, 0);
		dataplane_commit_later(dp);
	}
	/* not before: until the first commit there is nothing of ours to watch, and nobody would read the news */
	if (!event_pending(dp->foreign_event, EV_READ, NULL))
		event_add(dp->foreign_event, NULL);
	dp->ops.committed(&commit, dp->arg);
}

/* Also for changes by others: kernel_commit() looks whether they concern us, and writes anew if so. */
static void on_commit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	commit_now(arg);
}

struct dataplane *dataplane_new(struct event_base *base, const struct kernel_options *options,
	const struct dataplane_ops *ops, void *arg, struct err *err)
{
	CLEANUP(dataplane) struct dataplane *dp = xcalloc(1, sizeof(*dp));

	dp->base = base;
	dp->ops = *ops;
	dp->arg = arg;
	dp->kernel = kernel_open(options, err);
	if (!dp->kernel)
		return NULL;
	dp->commit_event = event_new(base, -1, 0, on_commit, dp);
	dp->retry_timer = evtimer_new(base, on_commit, dp);
	dp->foreign_event =
		event_new(base, kernel_events_fd(dp->kernel), EV_READ | EV_PERSIST, on_commit, dp);
	return steal_ptr(dp);
}

static void event_freep(struct event *event)
{
	if (event)
		event_free(event);
}

void dataplane_free(struct dataplane *dp)
{
	if (!dp)
		return;
	event_freep(dp->foreign_event);
	event_freep(dp->commit_event);
	event_freep(dp->retry_timer);
	revocation_free(dp->revocation);
	kernel_close(dp->kernel);
	free(dp);
}

struct kernel *dataplane_kernel(struct dataplane *dp)
{
	return dp->kernel;
}

static void on_swept(void *arg)
{
	dataplane_commit_later(arg);
}

int dataplane_attach(struct dataplane *dp, struct ruleset *ruleset,
	const struct skeleton_config *config, dataplane_element_fn *element, void *arg,
	struct err *err)
{
	static const char *const sets[] = {SET_AT4, SET_AT6, NULL};
	const struct revocation_options options = {
		.skeleton = *config, .ready = on_swept, .arg = dp};
	const struct kernel_adopter adopter = {sets, element};
	uint32_t generation = 0;

	dp->ruleset = ruleset;
	dp->revocation = revocation_new(dp->base, ruleset, &options, err);
	if (!dp->revocation || kernel_adopt(dp->kernel, &adopter, arg, &generation, err) < 0)
		return -1;
	dp->fresh = !generation;
	/* whoever left it may have used other bits: then the marks are swept before a generation begins */
	if (config->marks.mask != MARK_MASK_DEFAULT)
		generation = 0;
	revocation_adopt(dp->revocation, generation <= config->marks.last ? generation : 0);
	return 0;
}

void dataplane_revocations(const struct dataplane *dp, struct revocation_stats *stats)
{
	revocation_stats(dp->revocation, stats);
}

uint32_t dataplane_generation(const struct dataplane *dp)
{
	return revocation_generation(dp->revocation);
}

bool dataplane_fresh(const struct dataplane *dp)
{
	return dp->fresh;
}

void dataplane_start(struct dataplane *dp)
{
	dp->started = true;
	dataplane_commit_later(dp);
}

bool dataplane_started(const struct dataplane *dp)
{
	return dp->started;
}

void dataplane_commit_later(struct dataplane *dp)
{
	if (dp->started)
		event_active(dp->commit_event, 0, 0);
}

void dataplane_lost(struct dataplane *dp)
{
	kernel_lost(dp->kernel, dp->ruleset);
}
