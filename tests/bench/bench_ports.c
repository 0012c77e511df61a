/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What following the ports of a bridge costs, in network namespaces of its own: reading all of them at the start, an event of one,
 * a container that starts. It prints and judges nothing.
 */
#include "enforcerd/ports.h"

#include "common/xalloc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

/* the kernel's bridge takes 1023 ports */
/* and a container has one or two of them: a namespace for each would take the machine minutes to make */
enum { ROUNDS = 2000, STARTS = 20, PORTS_MAX = 1000, BOXES = 50 };

static struct err err;
static size_t told;

static double now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

__attribute__((format(printf, 1, 2))) static void sh(const char *fmt, ...)
{
	char command[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	if (system(command) == 0)
		return;
	fprintf(stderr, "bench_ports: %s failed\n", command);
	exit(1);
}

static void on_port(const struct port *port, void *arg)
{
	(void)arg;
	told += port->state == PORT_SETTLED;
}

static void on_gone(unsigned ifindex, void *arg)
{
	(void)ifindex;
	(void)arg;
}

static void on_gateways(const char *bridge, const struct cidr *addresses, size_t count, void *arg)
{
	(void)bridge;
	(void)addresses;
	(void)count;
	(void)arg;
}

static void on_bridges(void *arg)
{
	(void)arg;
}

static struct ports *open_ports(struct event_base *base)
{
	const struct ports_ops ops = {on_port, on_gone, on_gateways, NULL, on_bridges, 0};
	struct ports *ports = ports_new(base, &ops, NULL, &err);

	if (ports && ports_start(ports, &err) == 0)
		return ports;
	fprintf(stderr, "bench_ports: %s\n", err.text);
	exit(1);
}

/* A namespace for some containers' ends, held by a child. */
static pid_t new_box(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		exit(1);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) == 0 && write(ready[1], "r", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	close(ready[0]);
	return pid;
}

/* Ports from..to, each every BOXES-th in the same namespace. */
static void add_ports(const pid_t *boxes, int from, int to)
{
	for (int i = from; i < from + BOXES && i <= to; i++) {
		int box = (int)boxes[i % BOXES];

		sh("for i in $(seq %d %d %d); do echo link add v$i up master br0 type veth peer name c$i "
		   "netns %d; done | ip -batch -",
			i, BOXES, to, box);
		sh("for i in $(seq %d %d %d); do echo addr add 10.0.$((i/256)).$((i%%256))/16 dev c$i; "
		   "echo link set c$i up; done | nsenter -t %d -n ip -batch -",
			i, BOXES, to, box);
	}
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *what, size_t ports, double *us, size_t count)
{
	qsort(us, count, sizeof(*us), by_value);
	printf("%-44s %5zu ports  p50 %9.1f us  p99 %9.1f us\n", what, ports, us[count / 2],
		us[count * 99 / 100]);
}

static void bench_start(struct event_base *base, size_t count)
{
	double wall[9], cpu[9];

	for (size_t i = 0; i < 9; i++) {
		double began = now_us(CLOCK_MONOTONIC),
		       cpu_began = now_us(CLOCK_PROCESS_CPUTIME_ID);
		struct ports *ports;

		told = 0;
		ports = open_ports(base);
		wall[i] = now_us(CLOCK_MONOTONIC) - began;
		cpu[i] = now_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_began;
		if (told != count)
			fprintf(stderr, "bench_ports: %zu of %zu settled\n", told, count);
		ports_free(ports);
	}
	print("read all, with what is behind them", count, wall, 9);
	print("  of it CPU, the kernel's included", count, cpu, 9);
}

/* Events of one link, taken in bursts as large as the kernel makes them. */
static void bench_events(struct event_base *base, size_t count)
{
	struct ports *ports = open_ports(base);
	struct ports_stats before, after;
	double began;

	sh("for i in $(seq 1 %d); do echo link set v1 alias a$i; done | ip -batch -", ROUNDS);
	ports_stats(ports, &before);
	began = now_us(CLOCK_PROCESS_CPUTIME_ID);
	ports_drain(ports);
	began = now_us(CLOCK_PROCESS_CPUTIME_ID) - began;
	ports_stats(ports, &after);
	printf("%-44s %5zu ports  mean %8.1f us of CPU, %llu events, %llu more lists\n",
		"an event of one port", count, began / (double)(after.events - before.events),
		after.events - before.events, after.lists - before.lists);
	ports_free(ports);
}

/* From the kernel's word that both ends are up to MAC and addresses told. */
static void bench_settling(struct event_base *base, const pid_t *boxes, size_t count)
{
	struct ports *ports = open_ports(base);
	double us[STARTS];

	for (int i = 0; i < STARTS; i++) {
		add_ports(boxes, PORTS_MAX + 1 + i, PORTS_MAX + 1 + i);
		usleep(20000); /* the kernel tells of carrier by a worker */
		told = 0;
		us[i] = now_us(CLOCK_MONOTONIC);
		ports_drain(ports);
		us[i] = now_us(CLOCK_MONOTONIC) - us[i];
		if (told != 1)
			fprintf(stderr, "bench_ports: start %d: %zu settled\n", i, told);
		sh("ip link del v%d", PORTS_MAX + 1 + i);
	}
	print("all events of a start, and asking who it is", count, us, STARTS);
	ports_free(ports);
}

int main(void)
{
	static const int sizes[] = {10, 100, PORTS_MAX};
	struct event_base *base = event_base_new();
	pid_t boxes[BOXES];
	int have = 0;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("SKIP: bench_ports needs root\n");
		return getenv("CI") ? 1 : 0;
	}
	for (size_t i = 0; i < BOXES; i++)
		boxes[i] = new_box();
	sh("ip link set lo up; ip link add br0 up type bridge");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		add_ports(boxes, have + 1, sizes[i]);
		have = sizes[i];
		bench_start(base, (size_t)have);
		bench_events(base, (size_t)have);
		bench_settling(base, boxes, (size_t)have);
	}
	for (size_t i = 0; i < BOXES; i++) {
		kill(boxes[i], SIGKILL);
		waitpid(boxes[i], NULL, 0);
	}
	event_base_free(base);
	return 0;
}
