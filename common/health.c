/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/health.h"

#include "common/xalloc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { REQUEST_MAX = 8192, REQUEST_SECONDS = 5, PROBE_SECONDS = 3 };

struct health {
	struct evhttp *http;
	struct health_ops ops;
	void *arg;
};

struct listen_address {
	char host[64];
	uint16_t port;
};

/* "ADDR:PORT" or "[ADDR6]:PORT"; the port's colon is the last one. */
static int parse_listen(const char *text, struct listen_address *address, struct err *err)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	char *end = NULL;
	unsigned long port;

	if (!colon || !len)
		return err_set(err, 0, "listen address \"%s\": expected ADDR:PORT or none", text);
	if (text[0] == '[') {
		if (text[len - 1] != ']')
			return err_set(err, 0, "listen address \"%s\": \"]\" is missing", text);
		text++;
		len -= 2;
	}
	if (!len || len >= sizeof(address->host))
		return err_set(err, 0, "listen address: host is empty or too long");
	memcpy(address->host, text, len);
	address->host[len] = '\0';
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || errno || !port || port > UINT16_MAX)
		return err_set(err, 0, "listen address: port \"%s\" is not in 1..65535", colon + 1);
	address->port = (uint16_t)port;
	return 0;
}

int health_listen_check(const char *listen_on, struct err *err)
{
	struct listen_address address;

	return strcmp(listen_on, "none") ? parse_listen(listen_on, &address, err) : 0;
}

static void reply(struct evhttp_request *req, int code, const char *phrase, const char *type,
	const struct strbuf *body)
{
	struct evbuffer *out = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	if (out && body->text)
		evbuffer_add(out, body->text, body->len);
	evhttp_send_reply(req, code, phrase, out);
	if (out)
		evbuffer_free(out);
}

static void on_healthz(struct evhttp_request *req, void *arg)
{
	cleanup_strbuf struct strbuf body = {0};

	(void)arg;
	strbuf_add(&body, "alive\n");
	reply(req, HTTP_OK, "OK", "text/plain; charset=utf-8", &body);
}

static void on_readyz(struct evhttp_request *req, void *arg)
{
	struct health *health = arg;
	cleanup_strbuf struct strbuf body = {0};
	bool ready = health->ops.ready(&body, health->arg);

	if (ready && !body.len)
		strbuf_add(&body, "ready\n");
	reply(req, ready ? HTTP_OK : HTTP_SERVUNAVAIL, ready ? "OK" : "Not Ready",
		"text/plain; charset=utf-8", &body);
}

static void on_metrics(struct evhttp_request *req, void *arg)
{
	struct health *health = arg;
	cleanup_strbuf struct strbuf body = {0};

	health->ops.metrics(&body, health->arg);
	reply(req, HTTP_OK, "OK", "text/plain; version=0.0.4; charset=utf-8", &body);
}

static const struct {
	const char *path;
	void (*fn)(struct evhttp_request *req, void *arg);
} routes[] = {{"/healthz", on_healthz}, {"/readyz", on_readyz}, {"/metrics", on_metrics}};

struct health *health_new(struct event_base *base, const char *listen_on,
	const struct health_ops *ops, void *arg, struct err *err)
{
	struct listen_address address = {0};
	struct health *health;

	if (!strcmp(listen_on, "none")) {
		if (err)
			err->text[0] = '\0';
		return NULL;
	}
	if (parse_listen(listen_on, &address, err) < 0)
		return NULL;
	health = xcalloc(1, sizeof(*health));
	health->ops = *ops;
	health->arg = arg;
	health->http = evhttp_new(base);
	if (!health->http) {
		err_set(err, 0, "create HTTP server");
		health_free(health);
		return NULL;
	}
	evhttp_set_allowed_methods(health->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(health->http, REQUEST_MAX);
	evhttp_set_max_body_size(health->http, 0);
	evhttp_set_timeout(health->http, REQUEST_SECONDS);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		evhttp_set_cb(health->http, routes[i].path, routes[i].fn, health);
	if (evhttp_bind_socket(health->http, address.host, address.port) < 0) {
		err_set(err, errno, "listen on %s", listen_on);
		health_free(health);
		return NULL;
	}
	return health;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	if (health->http)
		evhttp_free(health->http);
	free(health);
}

void metric_write(struct strbuf *out, const char *name, const char *type, const char *help,
	const char *labels, double value)
{
	strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	if (labels && *labels)
		strbuf_addf(out, "%s{%s} %.15g\n", name, labels, value);
	else
		strbuf_addf(out, "%s %.15g\n", name, value);
}

static int probe_connect(const struct listen_address *address, struct err *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct timeval limit = {.tv_sec = PROBE_SECONDS};
	struct addrinfo *found = NULL;
	cleanup_close int fd = -1;
	char port[8];
	int rc;

	snprintf(port, sizeof(port), "%u", address->port);
	rc = getaddrinfo(address->host, port, &hints, &found);
	if (rc)
		return err_set(err, 0, "probe %s: %s", address->host, gai_strerror(rc));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (connect(fd, found->ai_addr, found->ai_addrlen) == 0) {
			freeaddrinfo(found);
			return steal_fd(&fd);
		}
	}
	rc = errno;
	freeaddrinfo(found);
	return err_set(err, rc, "probe %s port %u: connect", address->host, address->port);
}

/* Whole answer into buf, NUL-terminated; the server closes after it (HTTP/1.0). */
static ssize_t read_answer(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

int health_probe(const char *listen_on, const char *path, struct err *err)
{
	cleanup_free char *request = xasprintf("GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
	struct listen_address address = {0};
	char answer[4096];
	const char *body;
	cleanup_close int fd = -1;

	if (parse_listen(listen_on, &address, err) < 0)
		return err_wrap(err, "probe %s", path);
	fd = probe_connect(&address, err);
	if (fd < 0)
		return -1;
	if (write(fd, request, strlen(request)) != (ssize_t)strlen(request))
		return err_set(err, errno, "probe %s%s: send", listen_on, path);
	if (read_answer(fd, answer, sizeof(answer)) < 0)
		return err_set(err, errno, "probe %s%s: receive", listen_on, path);
	body = strstr(answer, "\r\n\r\n");
	printf("%.*s\n", body ? (int)strcspn(body + 4, "\n") : 0, body ? body + 4 : "");
	if (strncmp(answer, "HTTP/1.", 7) != 0 || strncmp(answer + 8, " 200 ", 5) != 0)
		return err_set(err, 0, "probe %s%s: not ready", listen_on, path);
	return 0;
}
