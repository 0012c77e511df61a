/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps every managed bridge visible to the inet family, and the midstream set true: a bridge that has just become visible
 * is in it for 60 s, so that live flows that conntrack has never seen may be picked up (judged by policy all the same).
 */
#ifndef BULKHEAD_BRIDGES_H
#define BULKHEAD_BRIDGES_H

#include "enforcerd/bridge.h"
#include "enforcerd/world.h"

struct bridges;

enum { MIDSTREAM_SECONDS = 60 };

struct bridges_ops {
	/* The ruleset or the set of blind bridges changed by itself (a link came, a window ended). */
	void (*changed)(void *arg);
	/* A bridge has just become visible to conntrack. */
	void (*visible)(void *arg);
};

/* tracked: the kernel judges bridged flows in the bridge table, so that nothing needs to be made visible. */
struct bridges *bridges_new(struct event_base *base, struct world *world, bool tracked,
	const struct bridges_ops *ops, void *arg, struct err *err) must_check;
void bridges_free(struct bridges *bridges);
/* The first load: every bridge becomes visible at once, or may, in the IP version that nobody looked at before. */
void bridges_all_visible(struct bridges *bridges);
/* Looks at every managed bridge of the world; call after world_apply(). May change the ruleset. */
void bridges_update(struct bridges *bridges);
/* br_netfilter comes and goes and nobody is told: looks whether it has, and if so does the same and calls changed(). */
void bridges_look_again(struct bridges *bridges);
/* Appends a sentence for each managed bridge whose traffic cannot be policed. */
size_t bridges_blind(const struct bridges *bridges, json_t *sentences);

DEFINE_CLEANUP(bridges, struct bridges *, bridges_free)

#endif
