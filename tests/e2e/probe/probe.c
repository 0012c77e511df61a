/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the end-to-end tests put at both ends of a connection: an echo server on many ports, and a client that
 * opens fresh connections at a fixed rate and says of each whether its own bytes came back.
 *
 *   probe serve PORT...                                  TCP and UDP, IPv4 and IPv6, until killed
 *   probe tcp|udp HOST PORT LIMIT_MS                     one attempt; exit 0 echoed, 1 not
 *   probe flow tcp|udp HOST PORT EVERY_MS LIMIT_MS       until stdin is closed; then waits for what is under way
 *
 * Each attempt is one JSON line: {"t": unix seconds when it began, "ms": how long, "ok": bool, "why": text}. An attempt is
 * "ok" only when the very bytes that it sent came back. LIMIT_MS below 1000 keeps a lost first SYN a failure: the
 * kernel sends the second one after a second.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FDS_MAX = 4096, NONCE_LEN = 16, BUFFER = 2048, AT_ONCE = 256, EXIT_WRONG_USE = 64 };

static int die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static long number(const char *text, long min, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end || value < min || value > max) {
		fprintf(stderr, "probe: %s is not a number from %ld to %ld\n", text, min, max);
		exit(EXIT_WRONG_USE);
	}
	return value;
}

static double clock_seconds(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- server ---------------------------------------------------------------------------------------- */

static struct pollfd fds[FDS_MAX];
static enum kind { LISTENER, DATAGRAM, STREAM } kinds[FDS_MAX];
static size_t nfds;

static void watch(int fd, enum kind kind)
{
	if (nfds == FDS_MAX) {
		close(fd);
		return;
	}
	kinds[nfds] = kind;
	fds[nfds++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

/* One socket for both families; only IPv4 where the kernel has no IPv6. */
static int bound(int type, uint16_t port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool has_six = fd >= 0;
	int on = 1, off = 0;

	if (!has_six)
		fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (has_six) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	}
	if (bind(fd, has_six ? (struct sockaddr *)&six : (struct sockaddr *)&four,
		    has_six ? sizeof(six) : sizeof(four)) < 0)
		return die("bind");
	return fd;
}

/* False when none is there. */
static bool echo_datagram(int fd)
{
	struct sockaddr_storage from;
	char data[BUFFER], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	struct iovec bytes = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr message = {.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &message, 0);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;

	/* the answer comes from the address that was asked, by whatever interface routing says */
	if (c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
		((struct in6_pktinfo *)CMSG_DATA(c))->ipi6_ifindex = 0;
	bytes.iov_len = n > 0 ? (size_t)n : 0;
	/* a refused reply (ICMP error, policy) is the client's loss, not ours */
	if (n > 0 && sendmsg(fd, &message, MSG_NOSIGNAL) < 0)
		return true;
	return n > 0;
}

/* False when the connection is over. Echoes are short, so a full socket buffer ends it as well. */
static bool echo_stream(int fd)
{
	char data[BUFFER];
	ssize_t n = recv(fd, data, sizeof(data), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	return n > 0 && send(fd, data, (size_t)n, MSG_NOSIGNAL) == n;
}

/* Takes what is waiting, and not one of it: on a busy machine a round over all sockets takes longer than the next
 * client takes to come, and the rest would wait until it is given up. */
static void serve_one(size_t i)
{
	int fd = fds[i].fd, client;

	switch (kinds[i]) {
	case LISTENER:
		for (int n = 0; n < AT_ONCE; n++) {
			client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (client < 0)
				break;
			watch(client, STREAM);
		}
		break;
	case DATAGRAM:
		for (int n = 0; n < AT_ONCE && echo_datagram(fd); n++)
			continue;
		break;
	case STREAM:
		if (!echo_stream(fd)) {
			close(fd);
			fds[i].fd = -1;
		}
		break;
	}
}

static void forget_closed(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < nfds; i++) {
		if (fds[i].fd < 0)
			continue;
		fds[kept] = fds[i];
		kinds[kept++] = kinds[i];
	}
	nfds = kept;
}

static int serve(char **ports)
{
	for (; *ports; ports++) {
		uint16_t port = (uint16_t)number(*ports, 1, UINT16_MAX);
		int tcp = bound(SOCK_STREAM, port);

		if (listen(tcp, SOMAXCONN) < 0)
			return die("listen");
		watch(tcp, LISTENER);
		watch(bound(SOCK_DGRAM, port), DATAGRAM);
	}
	for (;;) {
		size_t known = nfds;

		if (poll(fds, nfds, -1) < 0 && errno != EINTR)
			return die("poll");
		for (size_t i = 0; i < known; i++)
			if (fds[i].revents)
				serve_one(i);
		forget_closed();
	}
}

/* --- client ---------------------------------------------------------------------------------------- */

struct target {
	struct sockaddr_storage addr;
	socklen_t len;
	bool tcp;
	double limit; /* seconds */
};

struct attempt {
	int fd;
	double began; /* CLOCK_MONOTONIC */
	bool sent;
	size_t got;
	char nonce[NONCE_LEN], echo[NONCE_LEN];
};

static struct attempt attempts[FDS_MAX];
static size_t under_way, failures;

static struct target target_of(
	const char *proto, const char *host, const char *port, const char *limit_ms)
{
	struct target t = {.tcp = !strcmp(proto, "tcp")};
	struct sockaddr_in *four = (struct sockaddr_in *)&t.addr;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&t.addr;

	if (!t.tcp && strcmp(proto, "udp") != 0) {
		fprintf(stderr, "probe: %s is neither tcp nor udp\n", proto);
		exit(EXIT_WRONG_USE);
	}
	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = htons((uint16_t)number(port, 1, UINT16_MAX));
		t.len = sizeof(*four);
	} else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)number(port, 1, UINT16_MAX));
		t.len = sizeof(*six);
	} else {
		fprintf(stderr, "probe: %s is not an address\n", host);
		exit(EXIT_WRONG_USE);
	}
	t.limit = (double)number(limit_ms, 1, 60000) / 1e3;
	return t;
}

/* Reports an attempt as done and forgets it; why is NULL for success. */
static void finish(size_t i, const char *why)
{
	struct attempt *a = &attempts[i];
	double took = clock_seconds(CLOCK_MONOTONIC) - a->began;
	/* a reset instead of TIME_WAIT: a long flow would run out of ports */
	struct linger reset = {.l_onoff = 1};

	printf("{\"t\": %.6f, \"ms\": %.3f, \"ok\": %s, \"why\": \"%s\"}\n",
		clock_seconds(CLOCK_REALTIME) - took, took * 1e3, why ? "false" : "true",
		why ? why : "");
	fflush(stdout);
	setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(a->fd);
	*a = attempts[--under_way];
	failures += why != NULL;
}

static void begin(const struct target *t)
{
	static uint64_t serial;
	struct attempt *a = &attempts[under_way];

	if (under_way == FDS_MAX - 1)
		die("too many attempts under way");
	*a = (struct attempt){.began = clock_seconds(CLOCK_MONOTONIC)};
	snprintf(a->nonce, sizeof(a->nonce), "%07x%08llx", (unsigned)getpid() & 0xfffffff,
		(unsigned long long)++serial & 0xffffffff);
	a->fd = socket(t->addr.ss_family,
		(t->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		die("socket");
	under_way++;
	if (connect(a->fd, (const struct sockaddr *)&t->addr, t->len) < 0 && errno != EINPROGRESS)
		finish(under_way - 1, strerror(errno));
}

/* Moves one attempt on after poll(). True when it is still under way. */
static bool step(size_t i)
{
	struct attempt *a = &attempts[i];
	ssize_t n;

	if (!a->sent) {
		int error = 0;
		socklen_t len = sizeof(error);

		getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (!error && send(a->fd, a->nonce, NONCE_LEN, MSG_NOSIGNAL) != NONCE_LEN)
			error = errno;
		if (error) {
			finish(i, strerror(error));
			return false;
		}
		a->sent = true;
		return true;
	}
	n = recv(a->fd, a->echo + a->got, NONCE_LEN - a->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0 && (a->got += (size_t)n) < NONCE_LEN)
		return true;
	if (n <= 0)
		finish(i, n ? strerror(errno) : "closed by the other end");
	else
		finish(i, memcmp(a->nonce, a->echo, NONCE_LEN) ? "other bytes came back" : NULL);
	return false;
}

/* Waits until `until` (CLOCK_MONOTONIC) or something happens, and deals with what did. */
static void advance(double until, double limit)
{
	static struct pollfd polled[FDS_MAX];
	double now = clock_seconds(CLOCK_MONOTONIC), wait = until;
	size_t before = under_way;

	for (size_t i = 0; i < under_way; i++) {
		polled[i] = (struct pollfd){
			.fd = attempts[i].fd, .events = attempts[i].sent ? POLLIN : POLLOUT};
		if (attempts[i].began + limit < wait)
			wait = attempts[i].began + limit;
	}
	if (poll(polled, under_way, wait > now ? (int)((wait - now) * 1e3) + 1 : 0) < 0 &&
		errno != EINTR)
		die("poll");
	now = clock_seconds(CLOCK_MONOTONIC);
	/* from the end: finish() moves the last one, already looked at, into the gap */
	for (size_t i = before; i-- > 0;) {
		if (polled[i].revents && !step(i))
			continue;
		if (i < under_way && now >= attempts[i].began + limit)
			finish(i, "timeout");
	}
}

static int one(const struct target *t)
{
	begin(t);
	while (under_way)
		advance(attempts[0].began + t->limit, t->limit);
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool stdin_closed(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static int flow(const struct target *t, double every)
{
	double next = clock_seconds(CLOCK_MONOTONIC);

	while (!stdin_closed()) {
		/* the rate is kept by the clock, so that a stall of this process shows as a burst, not a hole */
		for (; next <= clock_seconds(CLOCK_MONOTONIC); next += every)
			begin(t);
		advance(next, t->limit);
	}
	while (under_way)
		advance(attempts[0].began + t->limit, t->limit);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct target t;

	signal(SIGPIPE, SIG_IGN);
	if (argc >= 3 && !strcmp(argv[1], "serve"))
		return serve(argv + 2);
	if (argc == 5) {
		t = target_of(argv[1], argv[2], argv[3], argv[4]);
		return one(&t);
	}
	if (argc == 7 && !strcmp(argv[1], "flow")) {
		t = target_of(argv[2], argv[3], argv[4], argv[6]);
		return flow(&t, (double)number(argv[5], 1, 60000) / 1e3);
	}
	fprintf(stderr, "usage: probe serve PORT... | probe tcp|udp HOST PORT LIMIT_MS |"
			" probe flow tcp|udp HOST PORT EVERY_MS LIMIT_MS\n");
	return EXIT_WRONG_USE;
}
