/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A private redis-server in a temporary directory, for integration tests with Check: on a free port of 127.0.0.1, a unix socket
 * and, if asked for, TLS with a CA made on the spot. Whatever goes wrong fails the test. The server dies with the test process.
 */
#ifndef BULKHEAD_TESTS_REDIS_SERVER_H
#define BULKHEAD_TESTS_REDIS_SERVER_H

#include "common/redis_sync.h"

#include <stdbool.h>

struct redis_server;

struct redis_server_options {
	const char *password; /* of the default user, or NULL */
	const char
		*acl; /* a line for redis.conf such as "user ann on >secret ~* &* +@all", or NULL */
	const char *
		tls_name; /* makes a TLS port, with a certificate for "IP:127.0.0.1", "DNS:localhost", ... */
};

/* A port of 127.0.0.1 that nobody listens on. */
unsigned redis_server_free_port(void);
/* options may be NULL. */
struct redis_server *redis_server_start(const struct redis_server_options *options);
void redis_server_stop(
	struct redis_server *server); /* kills it and removes its directory; NULL is fine */

/* SIGKILL. What was acknowledged is on disk. */
void redis_server_kill(struct redis_server *server);
/* After a kill: the same port and socket, with the data or with an empty store. */
void redis_server_restart(struct redis_server *server, bool keep_data);
void redis_server_pause(
	struct redis_server *server); /* SIGSTOP: connections stay, nobody answers */
void redis_server_resume(struct redis_server *server);

/* Borrowed. */
const char *redis_server_url(const struct redis_server *server); /* redis://127.0.0.1:PORT */
const char *redis_server_unix_url(const struct redis_server *server);
unsigned redis_server_port(const struct redis_server *server);
unsigned redis_server_tls_port(const struct redis_server *server);
const char *redis_server_ca(const struct redis_server *server);
const char *redis_server_dir(const struct redis_server *server);

/* A blocking connection for what a test does behind the back of the code under test; the caller closes it. */
struct redis_sync *redis_server_connect(const struct redis_server *server);
/* One command there; error replies fail the test. The caller frees the reply. */
redis_reply *redis_server_do(struct redis_sync *sync, ...) __attribute__((sentinel));
/* The same without a look at the reply. */
void redis_server_run(struct redis_sync *sync, ...) __attribute__((sentinel));
/* GET; NULL if absent; the caller frees it. */
char *redis_server_get(struct redis_sync *sync, const char *key);
/* HGET, likewise. */
char *redis_server_hget(struct redis_sync *sync, const char *key, const char *field);

#endif
