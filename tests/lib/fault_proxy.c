/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/fault_proxy.h"

#include "common/xalloc.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

struct relay {
	struct fault_proxy *proxy;
	struct bufferevent *client, *server;
	struct evbuffer *late; /* messages that were put back */
	struct relay *next, **at;
};

struct fault_proxy {
	struct event_base *base;
	struct evconnlistener *listener;
	unsigned port;
	fault_fn *decide;
	void *arg;
	struct relay *relays;
	unsigned long messages;
	char url[48];
};

static void end_relay(struct relay *relay)
{
	*relay->at = relay->next;
	if (relay->next)
		relay->next->at = relay->at;
	bufferevent_free(relay->client);
	bufferevent_free(relay->server);
	evbuffer_free(relay->late);
	free(relay);
}

/* --- frames ------------------------------------------------------------------------------------ */

/* One line of RESP at *at: its number, or -1 where it is not there whole yet. */
static bool take_line(const char *text, size_t len, size_t *at, char *kind, long *number)
{
	const char *end = memmem(text + *at, len - *at, "\r\n", 2);

	if (!end)
		return false;
	*kind = text[*at];
	*number = *kind == '*' || *kind == '$' ? strtol(text + *at + 1, NULL, 10) : 0;
	*at = (size_t)(end - text) + 2;
	return true;
}

/* The length of the reply that text begins with, or 0 where it is not there whole yet. */
static size_t frame_len(const char *text, size_t len)
{
	size_t at = 0;

	for (long left = 1; left > 0; left--) {
		char kind = 0;
		long number = 0;

		if (!take_line(text, len, &at, &kind, &number))
			return 0;
		if (kind == '$' && number >= 0)
			at += (size_t)number + 2;
		else if (kind == '*' && number > 0)
			left += number;
		if (at > len)
			return 0;
	}
	return at;
}

static bool is_message(const char *frame, size_t len)
{
	static const char begin[] = "*3\r\n$7\r\nmessage\r\n";

	return len >= sizeof(begin) - 1 && !memcmp(frame, begin, sizeof(begin) - 1);
}

/* False when the connection is to end. */
static bool pass_message(struct relay *relay, const char *frame, size_t len)
{
	struct evbuffer *out = bufferevent_get_output(relay->client);

	relay->proxy->messages++;
	switch (relay->proxy->decide(relay->proxy->arg)) {
	case FAULT_CUT:
		return false;
	case FAULT_DROP:
		return true;
	case FAULT_LATE:
		evbuffer_add(relay->late, frame, len);
		return true;
	case FAULT_TWICE:
		evbuffer_add(out, frame, len);
		break;
	case FAULT_NONE:
		break;
	}
	evbuffer_add(out, frame, len);
	evbuffer_add_buffer(out, relay->late);
	return true;
}

static void on_server(struct bufferevent *bev, void *arg)
{
	struct relay *relay = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	while (evbuffer_get_length(in)) {
		size_t len = evbuffer_get_length(in);
		const char *text = (const char *)evbuffer_pullup(in, -1);
		size_t frame = frame_len(text, len);

		if (!frame)
			return;
		if (!is_message(text, frame)) {
			evbuffer_add(bufferevent_get_output(relay->client), text, frame);
		} else if (!pass_message(relay, text, frame)) {
			end_relay(relay);
			return;
		}
		evbuffer_drain(in, frame);
	}
}

static void on_client(struct bufferevent *bev, void *arg)
{
	struct relay *relay = arg;

	evbuffer_add_buffer(bufferevent_get_output(relay->server), bufferevent_get_input(bev));
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		end_relay(arg);
}

/* --- connections ------------------------------------------------------------------------------- */

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
	int len, void *arg)
{
	struct fault_proxy *proxy = arg;
	struct relay *relay = xcalloc(1, sizeof(*relay));
	const struct sockaddr_in to = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)proxy->port)};

	(void)listener;
	(void)from;
	(void)len;
	relay->proxy = proxy;
	relay->late = evbuffer_new();
	relay->client = bufferevent_socket_new(proxy->base, fd, BEV_OPT_CLOSE_ON_FREE);
	relay->server = bufferevent_socket_new(proxy->base, -1, BEV_OPT_CLOSE_ON_FREE);
	relay->at = &proxy->relays;
	relay->next = proxy->relays;
	if (relay->next)
		relay->next->at = &relay->next;
	proxy->relays = relay;
	bufferevent_setcb(relay->client, on_client, NULL, on_event, relay);
	bufferevent_setcb(relay->server, on_server, NULL, on_event, relay);
	bufferevent_enable(relay->client, EV_READ | EV_WRITE);
	bufferevent_enable(relay->server, EV_READ | EV_WRITE);
	/* a failure that is known at once has come through on_event, and ended the relay */
	(void)bufferevent_socket_connect(relay->server, (const struct sockaddr *)&to, sizeof(to));
}

struct fault_proxy *fault_proxy_new(
	struct event_base *base, unsigned port, fault_fn *decide, void *arg)
{
	struct fault_proxy *proxy = xcalloc(1, sizeof(*proxy));
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	/* as the programs have it: a peer that is gone is an error of the write */
	signal(SIGPIPE, SIG_IGN);
	proxy->base = base;
	proxy->port = port;
	proxy->decide = decide;
	proxy->arg = arg;
	proxy->listener = evconnlistener_new_bind(base, on_accept, proxy,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, (struct sockaddr *)&in,
		sizeof(in));
	ck_assert_ptr_nonnull(proxy->listener);
	ck_assert_int_eq(
		getsockname(evconnlistener_get_fd(proxy->listener), (struct sockaddr *)&in, &len),
		0);
	snprintf(proxy->url, sizeof(proxy->url), "redis://127.0.0.1:%u", ntohs(in.sin_port));
	return proxy;
}

void fault_proxy_cut(struct fault_proxy *proxy)
{
	while (proxy->relays)
		end_relay(proxy->relays);
}

void fault_proxy_free(struct fault_proxy *proxy)
{
	if (!proxy)
		return;
	fault_proxy_cut(proxy);
	evconnlistener_free(proxy->listener);
	free(proxy);
}

void fault_proxy_aim(struct fault_proxy *proxy, unsigned port)
{
	proxy->port = port;
}

const char *fault_proxy_url(const struct fault_proxy *proxy)
{
	return proxy->url;
}

unsigned long fault_proxy_messages(const struct fault_proxy *proxy)
{
	return proxy->messages;
}
