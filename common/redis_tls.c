/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

static int openssl_error(struct err *err, const char *what, const char *object)
{
	char reason[256];

	ERR_error_string_n(ERR_get_error(), reason, sizeof(reason));
	ERR_clear_error();
	return err_set(err, 0, "%s %s: %s", what, object, reason);
}

static int load_files(
	SSL_CTX *context, const char *ca, const char *cert, const char *key, struct err *err)
{
	if (ca ? SSL_CTX_load_verify_locations(context, ca, NULL) != 1
	       : SSL_CTX_set_default_verify_paths(context) != 1)
		return openssl_error(err, "load CA certificates", ca ? ca : "of the system");
	if (cert && SSL_CTX_use_certificate_chain_file(context, cert) != 1)
		return openssl_error(err, "load certificate", cert);
	if (key && SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return openssl_error(err, "load key", key);
	if (cert && key && SSL_CTX_check_private_key(context) != 1)
		return openssl_error(err, "match key", key);
	return 0;
}

SSL_CTX *redis_tls_context(const char *ca, const char *cert, const char *key, struct err *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());

	if (!context) {
		openssl_error(err, "create", "TLS context");
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	if (load_files(context, ca, cert, key, err) < 0) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

static bool is_address(const char *host)
{
	unsigned char buf[16];

	return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

SSL *redis_tls_session(SSL_CTX *context, const char *host, struct err *err)
{
	SSL *ssl = SSL_new(context);
	int ok;

	if (!ssl) {
		openssl_error(err, "create", "TLS session");
		return NULL;
	}
	if (is_address(host)) {
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host);
	} else {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = SSL_set1_host(ssl, host) && SSL_set_tlsext_host_name(ssl, host);
	}
	if (!ok) {
		openssl_error(err, "set TLS peer name", host);
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

void redis_tls_cause(SSL *ssl, unsigned long code, char *text, size_t size)
{
	long verify = SSL_get_verify_result(ssl);
	const char *reason = ERR_reason_error_string(code);

	if (verify != X509_V_OK)
		snprintf(text, size, "TLS: %s", X509_verify_cert_error_string(verify));
	else
		snprintf(text, size, "TLS: %s", reason ? reason : "handshake failed");
}
