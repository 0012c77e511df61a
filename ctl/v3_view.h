/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A record as a v3 object, which reads back as the same record if it was one. */
#ifndef BULKHEAD_CTL_V3_VIEW_H
#define BULKHEAD_CTL_V3_VIEW_H

#include <jansson.h>

/* record is one that policy_from_json() accepts, without tags. Returns a new reference. */
json_t *v3_object(const json_t *record);

#endif
