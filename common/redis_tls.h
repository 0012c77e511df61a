/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS for the Redis connection. The certificate's name or address is verified, not only its chain: Debian 12's hiredis has no
 * TLS and the next release checks no name.
 */
#ifndef BULKHEAD_REDIS_TLS_H
#define BULKHEAD_REDIS_TLS_H

#include "common/err.h"

#include <openssl/ssl.h>
#include <stdbool.h>

/* Files may be NULL (ca: the system's store). Caller frees with SSL_CTX_free(). */
SSL_CTX *redis_tls_context(
	const char *ca, const char *cert, const char *key, struct err *err) must_check;
/* A client SSL that accepts only a certificate for host (a name or an address). */
SSL *redis_tls_session(SSL_CTX *context, const char *host, struct err *err) must_check;
/* Why the handshake failed: the verify result, or else the reason in code (an OpenSSL error). */
void redis_tls_cause(SSL *ssl, unsigned long code, char *text, size_t size);

#endif
