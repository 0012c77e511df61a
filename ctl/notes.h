/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a policy does not do although its author may think so: only isolated endpoints are governed. Said on stderr:
 * "policy x selects 3 endpoints that are not isolated".
 */
#ifndef BULKHEAD_CTL_NOTES_H
#define BULKHEAD_CTL_NOTES_H

#include "ctl/client.h"
#include "ctl/input.h"

void notes_policy(const struct world *world, const char *name, const struct selector *selector);
/* For policies that have just been stored; where the endpoints cannot be read, that is a warning only. */
void notes_after_write(struct redis_sync *redis, const struct input *input);

#endif
