/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which generation live flows are judged in. A change that may forbid a flow goes into the kernel together with the next
 * generation, so that every live flow is judged anew by its next packet. When the generations are used up, or the present
 * one is not known, generation 0 is: every packet is judged and none marked, until ctnetlink has cleared all marks and found none
 * twice; then generation 1 begins.
 *
 * The sweep runs in the event loop, a datagram of entries at a time: 100,000 entries take half a second, which would be
 * too long to block (a network that appears meanwhile must be written within milliseconds), while it does not matter how
 * long it takes: generation 0 is as safe, and costs a lookup per packet.
 */
#ifndef BULKHEAD_REVOCATION_H
#define BULKHEAD_REVOCATION_H

#include "enforcerd/conntrack.h"
#include "enforcerd/skeleton.h"

#include <event2/event.h>

struct revocation;

struct revocation_options {
	struct skeleton_config skeleton;
	/* Between commit and the first walk over the marks, and between two walks: longer than any packet takes that was judged by
	 * rules that are gone. 0: SWEEP_INTERVAL_MS. */
	unsigned interval_ms;
	/* Called when the sweep is done: generation 1 is in the ruleset then, to be committed. */
	void (*ready)(void *arg);
	void *arg;
};

enum { SWEEP_INTERVAL_MS = 500 };

/* rs: borrowed; skeleton_build() has been called for it. Begins as after revocation_adopt(0). */
struct revocation *revocation_new(struct event_base *base, struct ruleset *rs,
	const struct revocation_options *options, struct err *err) must_check;
void revocation_free(struct revocation *revocation);

/*
 * The generation that the kernel's rules have, as they were read back; 0: not known (nothing there, read back in part, foreign
 * change). Puts into the ruleset what follows from it.
 */
void revocation_adopt(struct revocation *revocation, uint32_t generation);
/* Before each commit: if what is pending may forbid a live flow, the next generation goes with it. */
void revocation_prepare(struct revocation *revocation);
/*
 * After each commit that succeeded. If that one had to repair what somebody else changed (kernel_repairs()), flows may have been
 * marked by rules that were not ours: then revocation_adopt(0) and another commit follow.
 */
void revocation_committed(struct revocation *revocation);

/* In the kernel now; 0: every packet is judged. */
uint32_t revocation_generation(const struct revocation *revocation);

struct revocation_stats {
	uint64_t
		revocations; /* commits that began a generation, 0 included, because something was revoked */
	uint64_t sweeps;     /* completed */
	uint64_t swept;      /* marks cleared */
	const char *trouble; /* why the sweep does not get on, or NULL */
};

void revocation_stats(const struct revocation *revocation, struct revocation_stats *stats);

DEFINE_CLEANUP(revocation, struct revocation *, revocation_free)

#endif
