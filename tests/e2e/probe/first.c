/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container does that does not wait: its first system calls are packets. It tells what became of them in a file, which is
 * there once it is whole, because its traffic is under test.
 *
 *   first send OUT LINGER_MS PROTO ADDRESS PORT...   a datagram or a SYN to each; then it stays, for the kernel's retransmissions
 *   first call OUT BOUND_MS ADDRESS PORT             connects, again and again until it is answered
 *   first hail OUT BOUND_MS ADDRESS PORT FORBIDDEN   on a running container, until a network is connected to it: an attempt at
 *                                                    PORT, a datagram and a SYN to FORBIDDEN every millisecond, until it is
 *                                                    answered and for a while after
 *
 * OUT gets one JSON object; times are unix seconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_WRONG_USE = 64, CALLS = 64, AFTER_MS = 100, RETRY_US = 1000 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static int die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static socklen_t parse(union address *address, const char *text, const char *port)
{
	*address = (union address){.v4.sin_port = htons((uint16_t)atoi(port))};
	if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
		address->any.sa_family = AF_INET;
		return sizeof(address->v4);
	}
	if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) != 1) {
		fprintf(stderr, "first: %s is not an address\n", text);
		exit(EXIT_WRONG_USE);
	}
	address->any.sa_family = AF_INET6;
	return sizeof(address->v6);
}

/* A new non-blocking socket that has sent its datagram or SYN; -1 where that was refused at once, with errno. */
static int throw_one(bool udp, const union address *to, socklen_t len)
{
	int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(to->any.sa_family, type, 0);
	int done;

	if (fd < 0)
		die("socket");
	done = udp ? (int)sendto(fd, "first", 5, 0, &to->any, len) : connect(fd, &to->any, len);
	if (done < 0 && errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* What the kernel sends from towards there; 0 where it knows no way. */
static in_addr_t sent_from(int fd)
{
	struct sockaddr_in own = {0};
	socklen_t len = sizeof(own);

	if (fd >= 0 && getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		die("getsockname");
	return own.sin_addr.s_addr;
}

/* Renamed into place: who waits for the file never reads half of it. */
__attribute__((format(printf, 2, 3))) static void tell(const char *path, const char *format, ...)
{
	char part[4096];
	va_list words;
	FILE *file;

	snprintf(part, sizeof(part), "%s.part", path);
	file = fopen(part, "we");
	va_start(words, format);
	if (!file || vfprintf(file, format, words) < 0 || fclose(file) != 0 ||
		rename(part, path) < 0)
		die(path);
	va_end(words);
}

/* --- send ------------------------------------------------------------------------------------------ */

static int do_send(char **words, int count)
{
	double began = now();
	in_addr_t from = 0;
	int unsent = 0;

	for (int i = 2; i + 3 <= count; i += 3) {
		union address to;
		socklen_t len = parse(&to, words[i + 1], words[i + 2]);
		int fd = throw_one(!strcmp(words[i], "udp"), &to, len);

		unsent += fd < 0;
		if (to.any.sa_family == AF_INET)
			from = from ? from : sent_from(fd);
	}
	poll(NULL, 0, atoi(words[1]));
	tell(words[0], "{\"began\": %.6f, \"unsent\": %d, \"from\": \"%s\"}\n", began, unsent,
		inet_ntoa((struct in_addr){from}));
	return EXIT_SUCCESS;
}

/* --- call ------------------------------------------------------------------------------------------ */

/* Whether the connection is there; how many segments were sent again for it. */
static bool connected(int fd, unsigned *again)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	int error = 0;
	socklen_t error_len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len) < 0 || error)
		return false;
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		die("TCP_INFO");
	*again = info.tcpi_total_retrans;
	return info.tcpi_state == TCP_ESTABLISHED;
}

static int do_call(char **words, int count)
{
	double began = now(), end = began + atoi(words[1]) / 1e3, answered = 0;
	unsigned again = 0, attempts = 0;
	union address to;
	socklen_t len = parse(&to, words[2], words[3]);

	(void)count;
	while (!answered && now() < end) {
		int fd = throw_one(false, &to, len);
		struct pollfd wait = {.fd = fd, .events = POLLOUT};

		attempts++;
		if (fd >= 0 && poll(&wait, 1, (int)((end - now()) * 1e3) + 1) > 0 &&
			connected(fd, &again))
			answered = now();
		else
			poll(NULL, 0, 1);
		if (fd >= 0)
			close(fd);
	}
	tell(words[0], "{\"began\": %.6f, \"answered\": %.6f, \"attempts\": %u, \"again\": %u}\n",
		began, answered, attempts, again);
	return EXIT_SUCCESS;
}

/* --- hail ------------------------------------------------------------------------------------------ */

struct call {
	int fd;
	double began;
};

/* The attempts under way: the oldest makes room for a new one. */
static struct call calls[CALLS];
static unsigned ncalls;

static void keep(int fd)
{
	struct call *place = &calls[ncalls++ % CALLS];

	if (place->fd > 0)
		close(place->fd);
	*place = (struct call){fd, now()};
}

static const struct call *answered_call(void)
{
	unsigned again;

	for (size_t i = 0; i < CALLS; i++)
		if (calls[i].fd > 0 && connected(calls[i].fd, &again))
			return &calls[i];
	return NULL;
}

static void throw_away(bool udp, const union address *to, socklen_t len)
{
	int fd = throw_one(udp, to, len);

	if (fd >= 0)
		close(fd);
}

static int do_hail(char **words, int count)
{
	double end = now() + atoi(words[1]) / 1e3, routed = 0, answered = 0, began = 0;
	union address to, forbidden;
	socklen_t len = parse(&to, words[2], words[3]);
	int fd = throw_one(false, &to, len);
	in_addr_t home = sent_from(fd);

	(void)count;
	parse(&forbidden, words[2], words[4]);
	tell(words[0], "{\"ready\": true}\n");
	for (; now() < end; fd = throw_one(false, &to, len)) {
		const struct call *call;

		if (!routed && sent_from(fd) && sent_from(fd) != home)
			routed = now();
		if (fd >= 0)
			keep(fd);
		throw_away(true, &forbidden, len);
		throw_away(false, &forbidden, len);
		call = answered ? NULL : answered_call();
		if (call) {
			answered = now();
			began = call->began;
			end = answered + AFTER_MS / 1e3;
		}
		usleep(RETRY_US);
	}
	tell(words[0], "{\"routed\": %.6f, \"answered\": %.6f, \"began\": %.6f}\n", routed,
		answered, began);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int words;
		int (*run)(char **words, int count);
	} modes[] = {{"send", 5, do_send}, {"call", 4, do_call}, {"hail", 5, do_hail}};

	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[1], modes[i].name) && argc - 2 >= modes[i].words)
			return modes[i].run(argv + 2, argc - 2);
	fputs("first: wrong use; see first.c\n", stderr);
	return EXIT_WRONG_USE;
}
