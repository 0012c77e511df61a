/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gets a ruleset into the kernel, and keeps it there: commits what is pending at the end of the event loop's turn (what came
 * together goes together), moves to a new generation where a flow that is allowed may no longer be, tries again what the kernel
 * refused, and writes anew what somebody else changed.
 */
#ifndef BULKHEAD_DATAPLANE_H
#define BULKHEAD_DATAPLANE_H

#include "enforcerd/kernel.h"
#include "enforcerd/revocation.h"

#include <event2/event.h>

struct dataplane;

struct dataplane_ops {
	/* Everything pending is in force. messages may be 0: it was already. */
	void (*committed)(const struct kernel_commit *commit, void *arg);
	/* Nothing changed in the kernel; it is tried again by itself. */
	void (*failed)(const struct err *err, void *arg);
};

struct dataplane *dataplane_new(struct event_base *base, const struct kernel_options *options,
	const struct dataplane_ops *ops, void *arg, struct err *err) must_check;
void dataplane_free(struct dataplane *dp); /* rules stay */
struct kernel *dataplane_kernel(struct dataplane *dp);

/* Told of the elements that the kernel has in SET_AT4 and SET_AT6. */
typedef void dataplane_element_fn(const char *set, enum set_type type, const struct elem_key *key,
	const char *comment, void *arg);

/*
 * The ruleset that is to be in force, borrowed. Before anything else is asked for. What a predecessor left in the kernel is read: its
 * generation goes on, and where it had ports bound is told.
 */
int dataplane_attach(struct dataplane *dp, struct ruleset *ruleset,
	const struct skeleton_config *config, dataplane_element_fn *element, void *arg,
	struct err *err) must_check;
/* The kernel had no generation: the first load, or as good as one. */
bool dataplane_fresh(const struct dataplane *dp);
/* From now on it is committed. Until then what a predecessor left is in force. */
void dataplane_start(struct dataplane *dp);
bool dataplane_started(const struct dataplane *dp);
/* Something may be pending. Nothing happens before dataplane_start(). */
void dataplane_commit_later(struct dataplane *dp);
/* What the kernel holds is not to be trusted: everything is compared. */
void dataplane_lost(struct dataplane *dp);

/* Of the generations: for reports. */
void dataplane_revocations(const struct dataplane *dp, struct revocation_stats *stats);
uint32_t dataplane_generation(const struct dataplane *dp);

DEFINE_CLEANUP(dataplane, struct dataplane *, dataplane_free)

#endif
