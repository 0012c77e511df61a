/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What metadata.resourceVersion says of an object: which content of the store's it was made from. It is a hash of the record, so that
 * nothing more is stored, readers of the store need not know of it, and a store that was restored or moved has the same ones.
 */
#ifndef BULKHEAD_CTL_RESOURCE_VERSION_H
#define BULKHEAD_CTL_RESOURCE_VERSION_H

#include "common/cleanup.h"

#include <stdbool.h>

enum { RESOURCE_VERSION_SIZE = 32 };

/* Of a record as it is stored. */
void resource_version_of(const json_t *record, char version[RESOURCE_VERSION_SIZE]);
/* False: another server's (calicoctl's), which says nothing of this store. */
bool resource_version_is_ours(const char *version);

#endif
