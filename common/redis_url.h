/* SPDX-License-Identifier: GPL-2.0-or-later */
/* redis://, rediss:// and unix:// taken apart. */
#ifndef BULKHEAD_REDIS_URL_H
#define BULKHEAD_REDIS_URL_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_url {
	bool tls;
	char *path; /* unix socket, or NULL */
	char *host; /* without brackets; NULL for a unix socket */
	uint16_t port;
	char *user, *password; /* percent-decoded, or NULL */
	unsigned db;
};

int redis_url_parse(const char *text, struct redis_url *url, struct err *err) must_check;
void redis_url_clear(struct redis_url *url); /* wipes the password */

#endif
