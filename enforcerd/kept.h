/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is kept on disk (state.h) of what the store told: follows the streams, and saves what matters a moment after it changed; the
 * policies at once for a successor in the same boot.
 * Nothing in force depends on it: what cannot be saved is said, and tried again with the next change.
 */
#ifndef BULKHEAD_KEPT_H
#define BULKHEAD_KEPT_H

#include "enforcerd/state.h"

#include <event2/event.h>

struct kept;

/* dir NULL or "": nothing is kept. Both are borrowed. */
struct kept *kept_new(struct event_base *base, const char *dir, const char *node);
void kept_free(struct kept *kept); /* saves first what is due */

/* What was kept, of this node; borrowed until the next call of kept_take(). NULL: nothing, or it was refused (which is logged). */
const struct state_content *kept_content(const struct kept *kept);
/* Whether it was written in an earlier boot: then the kernel has nothing of ours. */
bool kept_of_earlier_boot(const struct kept *kept);

/* As for world_apply(), when that has accepted it. head: of the policies stream, or NULL; ignored for the node stream. */
void kept_take(struct kept *kept, const char *stream, const struct store_change *changes,
	size_t count, bool whole, const struct store_head *head);
/* "" or why it could not be saved. Borrowed. */
const char *kept_trouble(const struct kept *kept);

DEFINE_CLEANUP(kept, struct kept *, kept_free)

#endif
