/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_transport.h"

#include "common/redis_tls.h"
#include "common/xalloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/dns.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The PING of redis.c is quicker where anything is outstanding; this is for what lies in the kernel's buffers. */
enum { KEEPALIVE_IDLE = 10, KEEPALIVE_INTERVAL = 5, KEEPALIVE_PROBES = 3, UNACKED_MS = 15000 };

struct redis_transport {
	struct event_base *base;
	const struct redis_url *url;
	SSL_CTX *tls;
	struct evdns_base *dns;        /* NULL until a host is a name */
	char host[REDIS_HOST_MAX + 1]; /* of the last bufferevent; "" for the unix socket */
	bool asked;                    /* a name was looked up before */
};

static bool is_address(const char *host)
{
	unsigned char buf[16];

	return inet_pton(AF_INET, host, buf) == 1 || inet_pton(AF_INET6, host, buf) == 1;
}

/* Without a usable resolv.conf /etc/hosts still counts, and libevent asks 127.0.0.1. */
static struct evdns_base *open_dns(struct event_base *base)
{
	struct evdns_base *dns = evdns_base_new(
		base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);

	if (dns)
		return dns;
	dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns)
		evdns_base_load_hosts(dns, "/etc/hosts");
	return dns;
}

struct redis_transport *redis_transport_new(struct event_base *base, const struct redis_url *url,
	const struct redis_options *options, struct err *err)
{
	CLEANUP(redis_transport) struct redis_transport *transport = xcalloc(1, sizeof(*transport));

	transport->base = base;
	transport->url = url;
	if (url->tls) {
		transport->tls = redis_tls_context(options->ca, options->cert, options->key, err);
		if (!transport->tls)
			return NULL;
	}
	return steal_ptr(transport);
}

void redis_transport_free(struct redis_transport *transport)
{
	if (!transport)
		return;
	if (transport->dns)
		evdns_base_free(transport->dns, 0);
	SSL_CTX_free(transport->tls);
	free(transport);
}

/* The resolver is there once a host is a name: a Sentinel may tell either. */
static int set_host(struct redis_transport *transport, const char *host, struct err *err)
{
	snprintf(transport->host, sizeof(transport->host), "%s", host ? host : "");
	if (!host || is_address(host) || transport->dns)
		return 0;
	transport->dns = open_dns(transport->base);
	return transport->dns ? 0 : err_set(err, 0, "open resolver");
}

struct bufferevent *redis_transport_open(
	struct redis_transport *transport, const char *host, struct err *err)
{
	struct bufferevent *bev;
	SSL *ssl;

	if (set_host(transport, host, err) < 0)
		return NULL;
	if (!transport->tls) {
		bev = bufferevent_socket_new(transport->base, -1, BEV_OPT_CLOSE_ON_FREE);
	} else {
		ssl = redis_tls_session(transport->tls, transport->host, err);
		if (!ssl)
			return NULL;
		bev = bufferevent_openssl_socket_new(transport->base, -1, ssl,
			BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
		/* a killed server says no goodbye; replies tell their own length, so nothing can be cut off unseen */
		if (bev)
			bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	}
	if (!bev)
		err_set(err, 0, "create bufferevent");
	return bev;
}

/* A daemon lives longer than the network settings that it was started under. */
static void refresh_dns(struct redis_transport *transport)
{
	if (transport->dns && transport->asked) {
		evdns_base_clear_nameservers_and_suspend(transport->dns);
		evdns_base_clear_host_addresses(transport->dns);
		evdns_base_resolv_conf_parse(transport->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
		evdns_base_resume(transport->dns);
	}
	transport->asked = true;
}

int redis_transport_connect(
	struct redis_transport *transport, struct bufferevent *bev, uint16_t port)
{
	const struct redis_url *url = transport->url;
	struct sockaddr_un sun = {.sun_family = AF_UNIX};

	if (!url->path) {
		refresh_dns(transport);
		return bufferevent_socket_connect_hostname(bev,
			is_address(transport->host) ? NULL : transport->dns, AF_UNSPEC,
			transport->host, port);
	}
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", url->path);
	return bufferevent_socket_connect(bev, (struct sockaddr *)&sun, sizeof(sun));
}

void redis_transport_tune(const struct redis_transport *transport, struct bufferevent *bev)
{
	static const struct {
		int level, name, value;
	} options[] = {
		/* a change must not wait for the acknowledgement of the one before */
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE},
		{IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL},
		{IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKED_MS},
	};

	if (transport->url->path)
		return;
	/* each is an improvement, none a condition: the PING finds out what these do not */
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		(void)setsockopt(bufferevent_getfd(bev), options[i].level, options[i].name,
			&options[i].value, sizeof(options[i].value));
}

void redis_transport_cause(const struct redis_transport *transport, struct bufferevent *bev,
	short what, char *text, size_t size)
{
	SSL *ssl = transport->tls ? bufferevent_openssl_get_ssl(bev) : NULL;
	unsigned long code = ssl ? bufferevent_get_openssl_error(bev) : 0;
	int error = EVUTIL_SOCKET_ERROR();
	int dns = bufferevent_socket_get_dns_error(bev);

	if (dns)
		snprintf(text, size, "resolve %s: %s", transport->host, evutil_gai_strerror(dns));
	else if (ssl && (code || SSL_get_verify_result(ssl) != X509_V_OK))
		redis_tls_cause(ssl, code, text, size);
	else if (what & BEV_EVENT_EOF || !error)
		snprintf(text, size, "connection closed by the server");
	else
		snprintf(text, size, "%s", evutil_socket_error_to_string(error));
}
