/* SPDX-License-Identifier: GPL-2.0-or-later */
/* redis://, rediss://, unix:// and redis+sentinel:// taken apart. */
#ifndef BULKHEAD_REDIS_URL_H
#define BULKHEAD_REDIS_URL_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REDIS_SENTINELS_MAX = 16, REDIS_HOST_MAX = 255 };

struct redis_address {
	char *host; /* without brackets */
	uint16_t port;
};

struct redis_url {
	bool tls;
	/* one of the three: */
	char *path;   /* unix socket */
	char *host;   /* without brackets */
	char *master; /* as Sentinels call it; host and port are theirs to tell */
	uint16_t port;
	struct redis_address sentinels[REDIS_SENTINELS_MAX];
	size_t sentinel_count;
	char *user, *password;                   /* percent-decoded, or NULL */
	char *sentinel_user, *sentinel_password; /* the Sentinels' own; likewise */
	unsigned db;
};

int redis_url_parse(const char *text, struct redis_url *url, struct err *err) must_check;
/* What a name or an address is written with: nothing that a log, a resolver or a certificate could take for something else. */
bool redis_host_ok(const char *host);
void redis_url_clear(struct redis_url *url); /* wipes the passwords */

#endif
