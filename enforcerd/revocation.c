/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/revocation.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <string.h>

enum { CLEAN_WALKS = 2 /* that found nothing, one after the other */, RETRY_MS = 2000 };

struct revocation {
	struct ruleset *rs;
	struct revocation_options options;
	struct conntrack *conntrack;
	struct event *timer;
	uint32_t wanted, committed; /* generations: in the ruleset, in the kernel */
	bool known;                 /* committed is what the kernel has, and no later mark exists */
	bool revoked;               /* wanted was changed by a revocation */
	bool walking;               /* sweep is under way; else the timer waits for the next walk */
	unsigned clean;
	struct conntrack_sweep sweep;
	struct revocation_stats stats;
	char trouble[ERR_TEXT_MAX];
};

static void want(struct revocation *r, uint32_t generation)
{
	r->wanted = generation;
	skeleton_generation(r->rs, &r->options.skeleton, generation);
}

/* --- sweep ------------------------------------------------------------------------------------- */

static void wait_ms(struct revocation *r, unsigned ms)
{
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};

	evtimer_add(r->timer, &delay);
}

static void sweep_stop(struct revocation *r)
{
	evtimer_del(r->timer);
	r->walking = false;
	r->clean = 0;
}

static void sweep_start(struct revocation *r)
{
	sweep_stop(r);
	wait_ms(r, r->options.interval_ms);
}

static void sweep_failed(struct revocation *r, const struct err *err)
{
	if (strcmp(r->trouble, err->text) != 0)
		log_warn("revocation", "every packet is judged, marks cannot be swept: %s",
			err->text);
	snprintf(r->trouble, sizeof(r->trouble), "%s", err->text);
	sweep_stop(r);
	wait_ms(r, RETRY_MS);
}

static void sweep_done(struct revocation *r)
{
	sweep_stop(r);
	r->stats.sweeps++;
	log_debug("revocation", "no mark of a generation is left");
	want(r, 1);
	r->options.ready(r->options.arg);
}

static void walk_done(struct revocation *r)
{
	size_t found = r->sweep.found;

	r->walking = false;
	r->trouble[0] = '\0';
	r->stats.swept += found;
	r->clean = found ? 0 : r->clean + 1;
	log_debug("revocation", "swept %zu marks", found);
	if (r->clean < CLEAN_WALKS)
		wait_ms(r, r->options.interval_ms);
	else
		sweep_done(r);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct revocation *r = arg;
	struct err err = {0};
	int more;

	(void)fd;
	(void)what;
	if (!r->walking && conntrack_sweep_begin(&r->sweep, r->conntrack,
				   &r->options.skeleton.marks, SWEEP_ANY, &err) < 0) {
		sweep_failed(r, &err);
		return;
	}
	r->walking = true;
	more = conntrack_sweep_step(&r->sweep, &err);
	if (more < 0)
		sweep_failed(r, &err);
	else if (more)
		wait_ms(r, 0); /* after whatever else the loop has to do */
	else
		walk_done(r);
}

/* --- life -------------------------------------------------------------------------------------- */

struct revocation *revocation_new(struct event_base *base, struct ruleset *rs,
	const struct revocation_options *options, struct err *err)
{
	CLEANUP(revocation) struct revocation *r = xcalloc(1, sizeof(*r));

	r->rs = rs;
	r->options = *options;
	if (!r->options.interval_ms)
		r->options.interval_ms = SWEEP_INTERVAL_MS;
	r->timer = evtimer_new(base, on_timer, r);
	r->conntrack = conntrack_open(err);
	if (!r->conntrack)
		return NULL;
	return steal_ptr(r);
}

void revocation_free(struct revocation *revocation)
{
	if (!revocation)
		return;
	if (revocation->timer)
		event_free(revocation->timer);
	conntrack_close(revocation->conntrack);
	free(revocation);
}

/* --- generations ------------------------------------------------------------------------------- */

void revocation_adopt(struct revocation *r, uint32_t generation)
{
	sweep_stop(r);
	if (generation > r->options.skeleton.marks.last)
		generation = 0;
	r->known = generation != 0;
	r->committed = generation;
	r->revoked = false;
	want(r, generation);
}

void revocation_prepare(struct revocation *r)
{
	/* in generation 0 nothing passes unjudged; one that is not yet in the kernel marks no flow */
	if (!r->known || !r->committed || r->wanted != r->committed || !ruleset_revokes(r->rs))
		return;
	r->revoked = true;
	want(r, r->committed < r->options.skeleton.marks.last ? r->committed + 1 : 0);
}

void revocation_committed(struct revocation *r)
{
	bool known = r->known, changed = r->wanted != r->committed;

	if (known && !changed)
		return;
	r->known = true;
	r->committed = r->wanted;
	r->stats.revocations += r->revoked;
	r->revoked = false;
	log_debug("revocation", "generation %u", r->committed);
	if (!r->committed)
		sweep_start(r);
}

uint32_t revocation_generation(const struct revocation *r)
{
	return r->known ? r->committed : 0;
}

void revocation_stats(const struct revocation *r, struct revocation_stats *stats)
{
	*stats = r->stats;
	stats->trouble = r->trouble[0] ? r->trouble : NULL;
}
