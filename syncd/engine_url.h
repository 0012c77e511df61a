/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the Engine is: DOCKER_HOST and the variables beside it, understood as Docker's own client does. */
#ifndef BULKHEAD_SYNCD_ENGINE_URL_H
#define BULKHEAD_SYNCD_ENGINE_URL_H

#include "common/err.h"

#include <stdbool.h>

struct engine_url {
	char *base;      /* "http://localhost", "https://host:2376": what a path is appended to */
	char *unix_path; /* socket, or NULL */
	char *ca, *cert, *key; /* files for https, or NULL */
};

/*
 * host: unix:///path, tcp://host[:port], http://, https://. tls: DOCKER_TLS_VERIFY was set, or DOCKER_CERT_PATH, under
 * which ca.pem, cert.pem and key.pem are (cert_path, or NULL for ~/.docker). The peer is always verified.
 */
int engine_url_parse(const char *host, bool tls, const char *cert_path, struct engine_url *url,
	struct err *err) must_check;
void engine_url_clear(struct engine_url *url);

/* For a config table: the host alone. */
int engine_url_check(const char *host, struct err *err) must_check;

#endif
