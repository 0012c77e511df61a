/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of the leak hunt, and what must go on beside it.
 *
 *   tokens count DEV                               counts, at a receiver's own port, frames that end with a token
 *   tokens connect SENDER ID HOST PORT EVERY LIMIT  a TCP connection every EVERY ms, each sending one token
 *   tokens steady tcp|udp HOST PORT EVERY          one socket; a message every EVERY ms, each to be echoed
 *
 * count reads commands from stdin, a line each: "since NS" forgets everything and from then on counts only what was sent
 * at or after that time (CLOCK_MONOTONIC); "report" prints one JSON line. The others run until stdin is closed and then
 * print one; that of connect is how many tokens of its ID were sent. Times are in milliseconds unless named otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "token.h"

enum {
	EXIT_WRONG_USE = 64,
	RECEIVE_BUFFER = 64 << 20,
	EVENTS_MAX = 1 << 16,
	CONNECTIONS_MAX = 1024,
	IDS = 256,
	FRAME_MAX = 65536,
};

static const uint64_t MS = 1000000, GRACE_MS = 2000;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static long number(const char *text, long min, long max)
{
	char *rest;
	long value = strtol(text, &rest, 10);

	if (rest == text || *rest || value < min || value > max) {
		fprintf(stderr, "tokens: %s is not a number from %ld to %ld\n", text, min, max);
		exit(EXIT_WRONG_USE);
	}
	return value;
}

/* --- count ----------------------------------------------------------------------------------------- */

struct event {
	uint8_t item, sender;
	uint64_t sent;
};

static uint64_t counts[IDS][IDS], since, dropped;
static struct event events[EVENTS_MAX];
static size_t nevents;

static int tap(const char *dev)
{
	/* only frames whose last bytes are a token are copied at all: nothing else fills the buffer */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, sizeof(struct token)),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TOKEN_MAGIC, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, FRAME_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(dev)};
	/* protocol 0: nothing is received before the filter is there */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int size = RECEIVE_BUFFER, on = 1;

	if (!at.sll_ifindex || fd < 0)
		die(dev);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0 ||
		setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ||
		bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		die("packet socket");
	return fd;
}

static void receive(int fd)
{
	static uint8_t data[FRAME_MAX];
	struct token token;
	ssize_t n;

	while ((n = recv(fd, data, sizeof(data), 0)) > 0) {
		if ((size_t)n < sizeof(token))
			continue;
		memcpy(&token, data + n - sizeof(token), sizeof(token));
		if (be64toh(token.sent) < since)
			continue;
		counts[token.item][token.sender]++;
		if (nevents < EVENTS_MAX)
			events[nevents++] =
				(struct event){token.item, token.sender, be64toh(token.sent)};
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
		die("recv");
}

static void report(int fd)
{
	struct tpacket_stats stats = {0};
	socklen_t len = sizeof(stats);
	const char *comma = "";

	if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
		die("PACKET_STATISTICS");
	dropped += stats.tp_drops;
	printf("{\"dropped\": %" PRIu64 ", \"cells\": [", dropped);
	for (int item = 0; item < IDS; item++)
		for (int sender = 0; sender < IDS; sender++)
			if (counts[item][sender]) {
				printf("%s[%d, %d, %" PRIu64 "]", comma, item, sender,
					counts[item][sender]);
				comma = ", ";
			}
	printf("], \"events\": [");
	for (size_t i = 0; i < nevents; i++)
		printf("%s[%d, %d, %" PRIu64 "]", i ? ", " : "", events[i].item, events[i].sender,
			events[i].sent);
	puts("]}");
	fflush(stdout);
}

static int count(const char *dev)
{
	int fd = tap(dev);
	struct pollfd polled[] = {
		{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char line[64];

	setvbuf(stdin, NULL, _IONBF, 0);
	puts("{\"ready\": true}");
	fflush(stdout);
	for (;;) {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			die("poll");
		receive(fd);
		if (!polled[1].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			return EXIT_SUCCESS;
		if (!strcmp(line, "report\n")) {
			report(fd);
		} else if (sscanf(line, "since %" SCNu64, &since) == 1) {
			memset(counts, 0, sizeof(counts));
			nevents = 0;
		}
	}
}

/* --- clients --------------------------------------------------------------------------------------- */

struct target {
	struct sockaddr_storage address;
	socklen_t len;
};

static struct target target_of(const char *host, const char *port)
{
	struct target t = {0};
	struct sockaddr_in *four = (struct sockaddr_in *)&t.address;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&t.address;
	uint16_t number_of = htons((uint16_t)number(port, 1, UINT16_MAX));

	if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = number_of;
		t.len = sizeof(*four);
	} else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1) {
		six->sin6_family = AF_INET6;
		six->sin6_port = number_of;
		t.len = sizeof(*six);
	} else {
		fprintf(stderr, "tokens: %s is not an address\n", host);
		exit(EXIT_WRONG_USE);
	}
	return t;
}

static int connecting(const struct target *t, int type)
{
	int fd = socket(t->address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (connect(fd, (const struct sockaddr *)&t->address, t->len) < 0 && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool stdin_closed(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

struct connection {
	int fd;
	uint64_t began;
	bool sent;
};

static struct connection connections[CONNECTIONS_MAX];
static size_t nconnections;

/* True while the connection is worth keeping: until its token came back, or its time is over. */
static bool go_on(struct connection *c, short revents, struct token token, uint64_t limit)
{
	char back[64];

	if (monotonic() - c->began > limit || revents & (POLLERR | POLLHUP))
		return false;
	if (revents & POLLOUT && !c->sent) {
		token.sent = htobe64(monotonic());
		c->sent = send(c->fd, &token, sizeof(token), MSG_NOSIGNAL) == sizeof(token);
		return c->sent;
	}
	return !(revents & POLLIN) || (recv(c->fd, back, sizeof(back), 0) < 0 && errno == EAGAIN);
}

static void advance(struct token token, uint64_t limit, uint64_t *sent)
{
	/* a reset instead of TIME_WAIT: a long run would be out of ports */
	const struct linger reset = {.l_onoff = 1};
	static struct pollfd polled[CONNECTIONS_MAX];

	for (size_t i = 0; i < nconnections; i++)
		polled[i] = (struct pollfd){
			.fd = connections[i].fd, .events = connections[i].sent ? POLLIN : POLLOUT};
	if (poll(polled, nconnections, 1) < 0 && errno != EINTR)
		die("poll");
	for (size_t i = nconnections; i-- > 0;) {
		struct connection *c = &connections[i];
		bool before = c->sent, keep = go_on(c, polled[i].revents, token, limit);

		*sent += c->sent && !before;
		if (keep)
			continue;
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(c->fd);
		*c = connections[--nconnections];
	}
}

static int connect_on_and_on(char **argv)
{
	struct token token = token_now(
		(uint8_t)number(argv[1], 0, UINT8_MAX), (uint8_t)number(argv[0], 0, UINT8_MAX), 0);
	struct target target = target_of(argv[2], argv[3]);
	uint64_t every = (uint64_t)number(argv[4], 1, 60000) * MS,
		 limit = (uint64_t)number(argv[5], 1, 60000) * MS;
	uint64_t next = monotonic(), sent = 0;

	while (!stdin_closed()) {
		if (monotonic() >= next && nconnections < CONNECTIONS_MAX) {
			int fd = connecting(&target, SOCK_STREAM);

			next = monotonic() + every;
			if (fd >= 0)
				connections[nconnections++] =
					(struct connection){.fd = fd, .began = monotonic()};
		}
		advance(token, limit, &sent);
	}
	printf("{\"%u\": %" PRIu64 "}\n", token.item, sent);
	return EXIT_SUCCESS;
}

/* --- steady ---------------------------------------------------------------------------------------- */

static struct {
	uint64_t sent, echoed, longest; /* longest: nanoseconds from a message to its echo */
	bool ended;                     /* by the other end, or by an error */
	uint8_t partial[sizeof(struct token)];
	size_t have;
} steady;

static void echoed(const uint8_t *bytes)
{
	struct token token;
	uint64_t took;

	memcpy(&token, bytes, sizeof(token));
	took = monotonic() - be64toh(token.sent);
	steady.echoed++;
	if (took > steady.longest)
		steady.longest = took;
}

static void read_echoes(int fd)
{
	ssize_t n;

	while ((n = recv(fd, steady.partial + steady.have, sizeof(steady.partial) - steady.have,
			0)) > 0) {
		steady.have += (size_t)n;
		if (steady.have < sizeof(steady.partial))
			continue;
		echoed(steady.partial);
		steady.have = 0;
	}
	steady.ended |= n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void await(int fd, uint64_t until)
{
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	uint64_t now = monotonic();

	if (poll(&polled, 1, until > now ? (int)((until - now) / MS) + 1 : 0) > 0)
		read_echoes(fd);
}

/* Segments sent again because they were lost, and not because their acknowledgement took its time. */
static uint32_t lost_segments(int fd)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		die("TCP_INFO");
	return info.tcpi_total_retrans > info.tcpi_dsack_dups
		       ? info.tcpi_total_retrans - info.tcpi_dsack_dups
		       : 0;
}

static int steadily(char **argv)
{
	struct target target = target_of(argv[1], argv[2]);
	uint64_t every = (uint64_t)number(argv[3], 1, 60000) * MS, next, last;
	bool tcp = !strcmp(argv[0], "tcp");
	int fd = connecting(&target, tcp ? SOCK_STREAM : SOCK_DGRAM), on = 1;
	struct pollfd up = {.fd = fd, .events = POLLOUT};

	if (fd < 0 || poll(&up, 1, (int)GRACE_MS) != 1 || up.revents & (POLLERR | POLLHUP)) {
		fprintf(stderr, "tokens: no connection to %s port %s\n", argv[1], argv[2]);
		return EXIT_FAILURE;
	}
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	for (next = monotonic(); !steady.ended && !stdin_closed(); next += every) {
		/* not a token of the hunt: this may arrive */
		struct token message = token_now(0, 0, (uint16_t)steady.sent);

		message.magic = 0;
		if (send(fd, &message, sizeof(message), MSG_NOSIGNAL) == sizeof(message))
			steady.sent++;
		else
			steady.ended |= errno != EAGAIN;
		while (monotonic() < next + every)
			await(fd, next + every);
	}
	for (last = monotonic() + GRACE_MS * MS;
		steady.echoed < steady.sent && !steady.ended && monotonic() < last;)
		await(fd, last);
	printf("{\"sent\": %" PRIu64 ", \"echoed\": %" PRIu64
	       ", \"longest_ms\": %.3f, \"ended\": %s, \"lost_segments\": %u}\n",
		steady.sent, steady.echoed, (double)steady.longest / 1e6,
		steady.ended ? "true" : "false", tcp ? lost_segments(fd) : 0);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "count"))
		return count(argv[2]);
	if (argc == 8 && !strcmp(argv[1], "connect"))
		return connect_on_and_on(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "steady") &&
		(!strcmp(argv[2], "tcp") || !strcmp(argv[2], "udp")))
		return steadily(argv + 2);
	fputs("usage: tokens count DEV | tokens connect SENDER ID HOST PORT EVERY LIMIT |"
	      " tokens steady tcp|udp HOST PORT EVERY\n",
		stderr);
	return EXIT_WRONG_USE;
}
