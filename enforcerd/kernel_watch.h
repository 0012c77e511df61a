/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hears of every nf_tables commit that is not ours, and says whether one of them changed one of our tables. */
#ifndef BULKHEAD_KERNEL_WATCH_H
#define BULKHEAD_KERNEL_WATCH_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct kernel_watch;

/* own: the portid of the socket that writes. table is copied. */
struct kernel_watch *kernel_watch_new(const char *table, uint32_t own, struct err *err) must_check;
void kernel_watch_free(struct kernel_watch *watch);
int kernel_watch_fd(
	const struct kernel_watch *watch); /* readable: kernel_watch_touched() has news */

/*
 * Reads all news. True when table inet or bridge `table` may have been changed by another socket since the last call; who is then set
 * to words for the log: "nft (pid 123)", or why it cannot be known; NULL if it is not known yet. Borrowed until the next call.
 */
bool kernel_watch_touched(struct kernel_watch *watch, const char **who);
/*
 * Who it was of whom kernel_watch_touched() said last that it is not known yet, or NULL: the kernel tells of a commit's changes before it says
 * whose they are, and may be interrupted between. Once a batch of ours has been taken, it has. To be followed by another
 * kernel_watch_touched(): what else is among the news is kept for that, and the descriptor is not readable again for it.
 */
const char *kernel_watch_late(struct kernel_watch *watch);

/*
 * For a large batch of our own: the kernel makes an event of each element as long as anybody listens, and only then drops what is
 * ours. Whatever others change until the end of the pause is missed: the caller must be able to tell by the generation whether there
 * was anything, and else say that events were lost. Not while a name is still to come (kernel_watch_late()).
 */
void kernel_watch_pause(struct kernel_watch *watch);
void kernel_watch_resume(struct kernel_watch *watch);
void kernel_watch_lost(struct kernel_watch *watch);

DEFINE_CLEANUP(kernel_watch, struct kernel_watch *, kernel_watch_free)

#endif
