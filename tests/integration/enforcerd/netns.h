/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private network namespaces for tests: the test process gets one of its own (Check forks for each test), and peers live in
 * namespaces held by children that end with the test.
 */
#ifndef BULKHEAD_TESTS_NETNS_H
#define BULKHEAD_TESTS_NETNS_H

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_MS = 400 };

static inline double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Runs a shell command; its output and status. Caller frees. */
static inline char *output_of(int *status, const char *fmt, ...)
{
	char command[1024];
	size_t len = 0, cap = 1 << 16;
	char *text = malloc(cap);
	va_list args;
	FILE *pipe;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	pipe = popen(command, "r");
	ck_assert_msg(pipe && text, "run %s", command);
	for (size_t got; (got = fread(text + len, 1, cap - len - 1, pipe)) > 0;) {
		len += got;
		if (cap - len < 2)
			text = realloc(text, cap *= 2);
	}
	text[len] = '\0';
	*status = pclose(pipe);
	return text;
}

/* Runs a command that must succeed. */
__attribute__((format(printf, 1, 2))) static inline void sh(const char *fmt, ...)
{
	char command[1024];
	int status = 0;
	va_list args;
	char *out;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	out = output_of(&status, "( %s\n) 2>&1", command);
	ck_assert_msg(status == 0, "%s: status %d: %s", command, status, out);
	free(out);
}

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_msg(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "write %s",
		path);
	close(fd);
}

/* The test's own namespace, empty but for lo. */
static inline void enter_own_netns(void)
{
	ck_assert_msg(unshare(CLONE_NEWNET) == 0, "unshare: %s (needs root)", strerror(errno));
	sh("ip link set lo up");
}

/* A namespace held by a child that ends when we do. */
static inline pid_t new_peer(void)
{
	int ready[2];
	char byte = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* a netlink socket of the test's that lived on here would go on owning its table */
		dup2(ready[1], 3);
		close_range(4, ~0U, 0);
		if (unshare(CLONE_NEWNET) == 0 && write(3, "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	ck_assert_msg(read(ready[0], &byte, 1) == 1, "peer namespace");
	close(ready[0]);
	return pid;
}

static inline void end_peer(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A socket that lives in the peer's namespace. */
static inline int socket_in(pid_t peer, int family, int type)
{
	char path[64];
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int there, fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)peer);
	there = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(there, 0);
	ck_assert_int_eq(setns(there, CLONE_NEWNET), 0);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setns(home, CLONE_NEWNET), 0);
	close(home);
	close(there);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline socklen_t make_address(
	struct sockaddr_storage *out, const char *address, uint16_t port)
{
	struct sockaddr_in *v4 = (void *)out;
	struct sockaddr_in6 *v6 = (void *)out;

	memset(out, 0, sizeof(*out));
	if (strchr(address, ':')) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		ck_assert_int_eq(inet_pton(AF_INET6, address, &v6->sin6_addr), 1);
		return sizeof(*v6);
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	ck_assert_int_eq(inet_pton(AF_INET, address, &v4->sin_addr), 1);
	return sizeof(*v4);
}

/* A bound socket in the peer; TCP ones listen. */
static inline int serve(pid_t peer, int type, const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, address, port);
	int fd = socket_in(peer, to.ss_family, type | SOCK_NONBLOCK);
	int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	ck_assert_msg(bind(fd, (struct sockaddr *)&to, len) == 0, "bind %s: %s", address,
		strerror(errno));
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

/* Whether TCP from the peer gets through, within CONNECT_MS. */
static inline int can_connect(pid_t from, const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, address, port);
	int fd = socket_in(from, to.ss_family, SOCK_STREAM | SOCK_NONBLOCK);
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof(error);
	int done;

	(void)!connect(fd, (struct sockaddr *)&to, len);
	done = poll(&wait, 1, CONNECT_MS) == 1 &&
	       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
	close(fd);
	return done;
}

/* For what must get through: a link that was just made may need a moment to learn its neighbours. */
static inline void must_connect(pid_t from, const char *address, uint16_t port)
{
	double end = seconds_now() + 10;

	while (!can_connect(from, address, port))
		ck_assert_msg(seconds_now() < end, "no connection to %s port %u", address, port);
}

/* Datagrams waiting in a socket; they are taken out. */
static inline unsigned drain(int fd)
{
	char byte;
	unsigned count = 0;

	while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
		count++;
	return count;
}

/* Whether a datagram sent from the peer arrives at the bound socket within CONNECT_MS. */
static inline int can_send(pid_t from, const char *address, uint16_t port, int receiver)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, address, port);
	int fd = socket_in(from, to.ss_family, SOCK_DGRAM);
	struct pollfd wait = {.fd = receiver, .events = POLLIN};
	int done;

	drain(receiver);
	ck_assert_int_eq(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len), 1);
	done = poll(&wait, 1, CONNECT_MS) == 1;
	close(fd);
	return done;
}

#endif
