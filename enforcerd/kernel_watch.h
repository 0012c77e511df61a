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
 * to words for the log: "nft (pid 123)", or why it is not known. Borrowed until the next call.
 */
bool kernel_watch_touched(struct kernel_watch *watch, const char **who);

/*
 * For a large batch of our own: the kernel makes an event of each element as long as anybody listens, and only then drops what is
 * ours. Whatever others change until the end of the pause is missed: the caller must be able to tell by the generation whether there
 * was anything, and else say that events were lost.
 */
void kernel_watch_pause(struct kernel_watch *watch);
void kernel_watch_resume(struct kernel_watch *watch);
void kernel_watch_lost(struct kernel_watch *watch);

DEFINE_CLEANUP(kernel_watch, struct kernel_watch *, kernel_watch_free)

#endif
