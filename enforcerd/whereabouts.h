/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells the world where its endpoints are: brings together the ports that the kernel has (ports.h), who has which of them
 * (binding.h), and the world. Keeps the bridges' own addresses in the ruleset as well, and
 * tells the world this host's.
 */
#ifndef BULKHEAD_WHEREABOUTS_H
#define BULKHEAD_WHEREABOUTS_H

#include "enforcerd/ports.h"
#include "enforcerd/world.h"

struct whereabouts;

struct whereabouts_ops {
	/* The ruleset may have changed without a record. */
	void (*changed)(void *arg);
	/* Bridges came, went or changed. */
	void (*bridges)(void *arg);
};

struct whereabouts *whereabouts_new(struct event_base *base, const struct whereabouts_ops *ops,
	void *arg, struct err *err) must_check;
void whereabouts_free(struct whereabouts *w);

/* What the world is to be made with; its argument is the whereabouts. */
const struct world_ops *whereabouts_world_ops(void);
/* The world, which must have been made with it; borrowed. Then the ports are read. */
int whereabouts_start(struct whereabouts *w, struct world *world, struct err *err) must_check;
/* Before the first record: what the kernel's sets say about whose port a link is. key and comment: of an element of SET_AT4/6. */
void whereabouts_adopt(struct whereabouts *w, const struct elem_key *key, const char *comment);

/* What records that are applied from now on say of the present; TRUST_NONE at first. */
void whereabouts_trust(struct whereabouts *w, enum binding_trust trust);
/* What was applied with TRUST_NONE is said by a living syncd now. May change the world, and calls changed then. */
void whereabouts_confirm(struct whereabouts *w);
/* Whether that has ever happened: before, endpoints are known but may be at no port. */
bool whereabouts_confirmed(const struct whereabouts *w);
/* After world_apply(): the managed bridges may be others. */
void whereabouts_update(struct whereabouts *w);
/* Appends a sentence for each endpoint that is at no port. */
void whereabouts_problems(const struct whereabouts *w, json_t *sentences);

DEFINE_CLEANUP(whereabouts, struct whereabouts *, whereabouts_free)

#endif
