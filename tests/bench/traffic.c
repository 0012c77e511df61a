/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/traffic.h"

#include "common/xalloc.h"
#include "tests/bench/figures.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* linux-libc-dev has it, glibc's netinet/in.h of Debian 12 too, but not under every feature macro */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
	TIMEOUT_SECONDS = 5,
	BACKLOG = 512,
	FLOOD_MESSAGES = 32,
	FLOOD_PAYLOAD = 64,
	STRIDE = 7919,   /* prime */
	ROUND_FLOWS = 8, /* live flows; more would measure the caches */
	STREAM_CHUNK = 256 << 10,
	/* of one measurement, and before it: the caches are somebody else's */
	CONNECTS = 24,
	CONNECTS_BEFORE = 4,
	ROUNDS = 40,
	ROUNDS_BEFORE = 16,
	STREAM_BYTES = 2 << 20,
	STREAM_BYTES_BEFORE = 1 << 20,
	FLOODS = 4
};

struct traffic {
	const struct lab *lab;
	int listener;   /* server, BENCH_PORT */
	int client_udp; /* client, BENCH_PORT_2 */
	int sink;       /* server, BENCH_PORT: nobody answers there */
	pid_t echo;     /* answers on the server's BENCH_PORT_2 */
	char *chunk;
};

struct talk {
	struct traffic *traffic;
	enum traffic_kind kind;
	struct traffic_pairs pairs;
	unsigned next;      /* pair */
	int client, server; /* TRAFFIC_STREAM */
};

const struct traffic_form *traffic_form(enum traffic_kind kind)
{
	static const struct traffic_form forms[] = {
		{"connect", "conn/s", true},
		{"round trip", "us", false},
		{"stream", "Gbit/s", true},
		{"flood", "ns/packet", false},
	};

	return &forms[kind];
}

/* --- sockets ----------------------------------------------------------------------------------- */

static void fail(const char *what)
{
	bench_die("%s: %s", what, strerror(errno));
}

/* Every wait has a bound: a packet that the layout under test eats ends the benchmark instead of hanging it. */
static int new_socket(int type)
{
	const struct timeval limit = {.tv_sec = TIMEOUT_SECONDS};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static int bound_socket(const struct lab *lab, enum lab_place place, int type, uint16_t port)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int on = 1, fd;

	lab_enter(lab, place);
	fd = new_socket(type);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, BACKLOG) < 0)
		fail("listen");
	return fd;
}

/* A datagram with room for the own address that it is sent from or arrived at: one control message, as the kernel lays it out. */
struct datagram {
	struct sockaddr_in peer;
	struct iovec data;
	char payload[FLOOD_PAYLOAD];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
	} own;
};

static void prepare(struct datagram *datagram, struct msghdr *message)
{
	datagram->data = (struct iovec){datagram->payload, sizeof(datagram->payload)};
	*message = (struct msghdr){.msg_name = &datagram->peer,
		.msg_namelen = sizeof(datagram->peer),
		.msg_iov = &datagram->data,
		.msg_iovlen = 1,
		.msg_control = &datagram->own,
		.msg_controllen = sizeof(datagram->own)};
}

static void from_address(struct datagram *datagram, uint32_t own)
{
	const struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(own)};

	datagram->own.header.cmsg_level = IPPROTO_IP;
	datagram->own.header.cmsg_type = IP_PKTINFO;
	datagram->own.header.cmsg_len = CMSG_LEN(sizeof(info));
	memcpy(datagram->own.bytes + CMSG_LEN(0), &info, sizeof(info));
}

/* Where a received one arrived. */
static uint32_t own_address(const struct datagram *datagram)
{
	struct in_pktinfo info;

	memcpy(&info, datagram->own.bytes + CMSG_LEN(0), sizeof(info));
	return ntohl(info.ipi_addr.s_addr);
}

static enum bench_role client_role(const struct traffic_pairs *pairs)
{
	return pairs->bystanders ? ROLE_BYSTANDER_CLIENT : ROLE_CLIENT;
}

static uint32_t client_of(const struct traffic_pairs *pairs, unsigned pair)
{
	return bench_address(pairs->world, client_role(pairs), pair);
}

static uint32_t server_of(const struct traffic_pairs *pairs, unsigned pair)
{
	return bench_address(pairs->world, client_role(pairs) + 1, pair);
}

static void to_pair(
	struct datagram *datagram, const struct traffic_pairs *pairs, unsigned pair, uint16_t port)
{
	datagram->peer = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(server_of(pairs, pair))};
	from_address(datagram, client_of(pairs, pair));
}

/* All of them in turn, from everywhere in the world: linear rules would be cheap for its first pairs. */
static unsigned next_pair(struct talk *talk, unsigned limit)
{
	unsigned count = bench_pairs(talk->pairs.world);

	return talk->next++ * STRIDE % (count < limit ? count : limit);
}

/* --- connections ------------------------------------------------------------------------------- */

static int connect_pair(const struct traffic_pairs *pairs, unsigned pair)
{
	const struct sockaddr_in own = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(client_of(pairs, pair))};
	const struct sockaddr_in peer = {.sin_family = AF_INET,
		.sin_port = htons(BENCH_PORT),
		.sin_addr.s_addr = htonl(server_of(pairs, pair))};
	const struct linger reset = {.l_onoff = 1};
	int fd = new_socket(SOCK_STREAM), on = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (bind(fd, (const struct sockaddr *)&own, sizeof(own)) < 0)
		fail("bind to a pair's address");
	if (connect(fd, (const struct sockaddr *)&peer, sizeof(peer)) < 0)
		fail("connect a pair");
	return fd;
}

static int accept_pair(const struct traffic *traffic)
{
	int fd = accept4(traffic->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		fail("accept");
	return fd;
}

static void connect_some(struct talk *talk, int count)
{
	for (int i = 0; i < count; i++) {
		int client = connect_pair(&talk->pairs, next_pair(talk, ~0U));
		int server = accept_pair(talk->traffic);

		close(client);
		close(server);
	}
}

static double measure_connect(struct talk *talk)
{
	double begin;

	connect_some(talk, CONNECTS_BEFORE);
	begin = now_us(CLOCK_THREAD_CPUTIME_ID);
	connect_some(talk, CONNECTS);
	return CONNECTS * 1e6 / (now_us(CLOCK_THREAD_CPUTIME_ID) - begin);
}

/* --- one stream -------------------------------------------------------------------------------- */

/* As much as the sockets hold, then all of it out again. */
static size_t pump(const struct talk *talk)
{
	size_t sent = 0, taken = 0;
	ssize_t got;

	while ((got = send(talk->client, talk->traffic->chunk, STREAM_CHUNK, MSG_DONTWAIT)) > 0)
		sent += (size_t)got;
	while (taken < sent) {
		got = recv(talk->server, talk->traffic->chunk, STREAM_CHUNK, 0);
		if (got <= 0)
			fail("receive a stream");
		taken += (size_t)got;
	}
	return taken;
}

static size_t pump_some(const struct talk *talk, size_t bytes)
{
	size_t done = 0;

	while (done < bytes)
		done += pump(talk);
	return done;
}

static double measure_stream(struct talk *talk)
{
	double begin;
	size_t bytes;

	pump_some(talk, STREAM_BYTES_BEFORE);
	begin = now_us(CLOCK_THREAD_CPUTIME_ID);
	bytes = pump_some(talk, STREAM_BYTES);
	return (double)bytes * 8 / 1e3 / (now_us(CLOCK_THREAD_CPUTIME_ID) - begin);
}

/* --- datagrams --------------------------------------------------------------------------------- */

/* Microseconds of CPU time for sending FLOOD_MESSAGES, each all the way to its receiver's socket. */
static double flood(struct talk *talk)
{
	struct datagram datagrams[FLOOD_MESSAGES];
	struct mmsghdr messages[FLOOD_MESSAGES];
	char taken[FLOOD_PAYLOAD];
	double begin, took;

	for (int i = 0; i < FLOOD_MESSAGES; i++) {
		prepare(&datagrams[i], &messages[i].msg_hdr);
		to_pair(&datagrams[i], &talk->pairs, next_pair(talk, ~0U), BENCH_PORT);
	}
	begin = now_us(CLOCK_THREAD_CPUTIME_ID);
	if (sendmmsg(talk->traffic->client_udp, messages, FLOOD_MESSAGES, 0) != FLOOD_MESSAGES)
		fail("send a flood");
	took = now_us(CLOCK_THREAD_CPUTIME_ID) - begin;
	for (int i = 0; i < FLOOD_MESSAGES; i++)
		if (recv(talk->traffic->sink, taken, sizeof(taken), 0) < 0)
			fail("receive a flood");
	return took;
}

static double measure_flood(struct talk *talk)
{
	double took = 0;

	flood(talk);
	for (int i = 0; i < FLOODS; i++)
		took += flood(talk);
	return took * 1e3 / (FLOODS * FLOOD_MESSAGES);
}

/* There and back, by the clock. */
static double round_trip(struct talk *talk)
{
	unsigned pair = next_pair(talk, ROUND_FLOWS);
	struct datagram datagram = {0};
	struct msghdr message;
	double begin;

	prepare(&datagram, &message);
	to_pair(&datagram, &talk->pairs, pair, BENCH_PORT_2);
	begin = now_us(CLOCK_MONOTONIC);
	if (sendmsg(talk->traffic->client_udp, &message, 0) < 0)
		fail("send a datagram");
	if (recv(talk->traffic->client_udp, datagram.payload, sizeof(datagram.payload), 0) < 0)
		fail("receive an answer");
	return now_us(CLOCK_MONOTONIC) - begin;
}

static double measure_rounds(struct talk *talk)
{
	struct sample sample = {0};
	double median;

	for (int i = 0; i < ROUNDS_BEFORE; i++)
		round_trip(talk);
	for (int i = 0; i < ROUNDS; i++)
		sample_add(&sample, round_trip(talk));
	median = sample_quantile(&sample, 0.5);
	sample_free(&sample);
	return median;
}

/* Answers every datagram from the address that it came to. Ends with its parent. */
static void answer_forever(int fd)
{
	const struct timeval forever = {0};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		struct datagram datagram;
		struct msghdr message;
		ssize_t got;

		prepare(&datagram, &message);
		got = recvmsg(fd, &message, 0);
		if (got < 0)
			_exit(1);
		datagram.data.iov_len = (size_t)got;
		from_address(&datagram, own_address(&datagram));
		if (sendmsg(fd, &message, 0) < 0)
			_exit(1);
	}
}

static pid_t start_echo(const struct lab *lab)
{
	int fd = bound_socket(lab, LAB_SERVER, SOCK_DGRAM, BENCH_PORT_2);
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid)
		answer_forever(fd);
	close(fd);
	return pid;
}

/* --- conversations ----------------------------------------------------------------------------- */

struct talk *talk_begin(
	struct traffic *traffic, enum traffic_kind kind, const struct traffic_pairs *pairs)
{
	struct talk *talk = xcalloc(1, sizeof(*talk));

	*talk = (struct talk){
		.traffic = traffic, .kind = kind, .pairs = *pairs, .client = -1, .server = -1};
	if (kind == TRAFFIC_STREAM) {
		talk->client = connect_pair(pairs, 0);
		talk->server = accept_pair(traffic);
		pump_some(talk, STREAM_BYTES); /* windows grow */
	}
	for (int i = 0; kind == TRAFFIC_ROUND && i < 3 * ROUND_FLOWS; i++)
		round_trip(talk); /* flows come to life */
	return talk;
}

void talk_end(struct talk *talk)
{
	if (talk->client >= 0) {
		close(talk->client);
		close(talk->server);
	}
	free(talk);
}

double talk_measure(struct talk *talk)
{
	switch (talk->kind) {
	case TRAFFIC_CONNECT:
		return measure_connect(talk);
	case TRAFFIC_ROUND:
		return measure_rounds(talk);
	case TRAFFIC_STREAM:
		return measure_stream(talk);
	default:
		return measure_flood(talk);
	}
}

/* --- life -------------------------------------------------------------------------------------- */

/* The last one: interrupts and what others start tend to be on the first. */
static void pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		fail("pin to one CPU");
}

struct traffic *traffic_new(const struct lab *lab)
{
	struct traffic *traffic = xcalloc(1, sizeof(*traffic));

	pin();
	traffic->lab = lab;
	traffic->chunk = xcalloc(1, STREAM_CHUNK);
	traffic->listener = bound_socket(lab, LAB_SERVER, SOCK_STREAM, BENCH_PORT);
	traffic->sink = bound_socket(lab, LAB_SERVER, SOCK_DGRAM, BENCH_PORT);
	traffic->client_udp = bound_socket(lab, LAB_CLIENT, SOCK_DGRAM, BENCH_PORT_2);
	traffic->echo = start_echo(lab);
	lab_enter(lab, LAB_CLIENT);
	return traffic;
}

void traffic_free(struct traffic *traffic)
{
	kill(traffic->echo, SIGKILL);
	waitpid(traffic->echo, NULL, 0);
	close(traffic->listener);
	close(traffic->sink);
	close(traffic->client_udp);
	free(traffic->chunk);
	free(traffic);
}
