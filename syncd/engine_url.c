/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/engine_url.h"

#include "common/xalloc.h"

#include <string.h>
#include <sys/un.h>

enum { HOST_MAX = 300 };

static const struct {
	const char *scheme, *reason;
} refused[] = {
	{"ssh://", "not supported: it would need a shell and keys in here; forward the socket with "
		   "ssh -L and use unix://, or use tcp:// with TLS"},
	{"npipe://", "not supported: bulkhead runs beside a Linux Engine"},
	{"fd://", "not supported: this is a client, not the Engine"},
};

static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

/* Files of a directory that need not exist yet: libcurl names the one that it cannot read. */
static void set_files(struct engine_url *url, const char *cert_path)
{
	const char *home = getenv("HOME");
	cleanup_free char *fallback = xasprintf("%s/.docker", home ? home : "/root");
	const char *directory = cert_path && *cert_path ? cert_path : fallback;

	url->ca = xasprintf("%s/ca.pem", directory);
	url->cert = xasprintf("%s/cert.pem", directory);
	url->key = xasprintf("%s/key.pem", directory);
}

static int parse_unix(const char *host, const char *path, struct engine_url *url, struct err *err)
{
	if (path[0] != '/' || strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_set(
			err, 0, "Docker host %s: must name an absolute path of a socket", host);
	url->unix_path = xstrdup(path);
	url->base = xstrdup("http://localhost");
	return 0;
}

/* Name or address with an optional port, and at most one slash behind. */
static bool authority_ok(const char *text, size_t len)
{
	size_t plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789.-_:[]");

	return len && len <= HOST_MAX && plain >= len && (!text[len] || !strcmp(text + len, "/"));
}

static bool has_port(const char *text, size_t len)
{
	const char *colon = memrchr(text, ':', len), *bracket = memrchr(text, ']', len);

	return colon && (!bracket || colon > bracket);
}

static int parse_tcp(
	const char *host, const char *authority, bool tls, struct engine_url *url, struct err *err)
{
	size_t len = strcspn(authority, "/");
	const char *port = tls ? ":2376" : ":2375";

	if (!authority_ok(authority, len))
		return err_set(err, 0, "Docker host %s: must be host:port", host);
	url->base = xasprintf("%s://%.*s%s", tls ? "https" : "http", (int)len, authority,
		has_port(authority, len) ? "" : port);
	return 0;
}

int engine_url_parse(
	const char *host, bool tls, const char *cert_path, struct engine_url *url, struct err *err)
{
	const char *rest;
	int rc;

	*url = (struct engine_url){0};
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		if (after(host, refused[i].scheme))
			return err_set(err, 0, "Docker host %s: %s", host, refused[i].reason);
	if ((rest = after(host, "unix://")))
		return parse_unix(host, rest, url, err);
	if ((rest = after(host, "https://")))
		tls = true;
	else if (!(rest = after(host, "tcp://")) && !(rest = after(host, "http://")))
		return err_set(err, 0, "Docker host %s: must begin with unix:// or tcp://", host);
	rc = parse_tcp(host, rest, tls, url, err);
	if (!rc && tls)
		set_files(url, cert_path);
	return rc;
}

void engine_url_clear(struct engine_url *url)
{
	free(url->base);
	free(url->unix_path);
	free(url->ca);
	free(url->cert);
	free(url->key);
	*url = (struct engine_url){0};
}

int engine_url_check(const char *host, struct err *err)
{
	struct engine_url url;
	int rc = engine_url_parse(host, false, NULL, &url, err);

	engine_url_clear(&url);
	return rc;
}
