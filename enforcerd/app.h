/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running daemon: Redis to world, world to kernel, kernel to status. One loop; the only blocking calls are netlink round
 * trips of microseconds. Rules stay in the kernel when it ends.
 */
#ifndef BULKHEAD_APP_H
#define BULKHEAD_APP_H

#include "enforcerd/options.h"

struct app;

/* options is borrowed for the life of the app. */
struct app *app_new(const struct options *options, struct err *err) must_check;
/* Returns after SIGTERM or SIGINT. */
int app_run(struct app *app, struct err *err) must_check;
void app_free(struct app *app);

DEFINE_CLEANUP(app, struct app *, app_free)

#endif
