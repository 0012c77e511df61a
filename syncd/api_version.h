/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which version of the Engine's API to speak: the newest that both know, within the band that was tried. Pure. */
#ifndef BULKHEAD_SYNCD_API_VERSION_H
#define BULKHEAD_SYNCD_API_VERSION_H

#include "common/err.h"

#define API_VERSION_MIN "1.40" /* Engine 19.03 */
#define API_VERSION_MAX \
	"1.51" /* from 1.52 on the event format is negotiated and old members are gone */

enum { API_VERSION_SIZE = 16 };

/* Writes the version to speak with an Engine that knows engine_min ("" if it does not say) to engine_max. */
int api_version_negotiate(const char *engine_min, const char *engine_max,
	char version[API_VERSION_SIZE], struct err *err) must_check;
/* "1.41": what DOCKER_API_VERSION may be. */
int api_version_check(const char *version, struct err *err) must_check;

#endif
