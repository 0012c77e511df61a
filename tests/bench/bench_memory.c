/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory enforcerd takes, and how long it needs from its start to rules in force: the real program with a private
 * redis-server, both in namespaces and directories of their own, and a link for every endpoint.
 */
#include "common/redis_sync.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/bench/figures.h"
#include "tests/bench/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WAIT_SECONDS = 60, POLL_US = 20000, CALL_MS = 10000, RECORDS_PER_CALL = 200 };

struct place {
	char dir[32], url[64];
	int host, containers; /* network namespaces */
	pid_t redis;
	struct redis_sync *sync;
};

/* --- processes --------------------------------------------------------------------------------- */

/* Runs a program that ends with us; what it says goes to a file. */
static pid_t start(const char *const *argv, const char *log)
{
	pid_t pid = fork();
	int fd;

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* KiB of a line of /proc/<pid>/status. */
static double status_kib(pid_t pid, const char *name)
{
	cleanup_free char *path = xasprintf("/proc/%d/status", (int)pid);
	cleanup_file FILE *file = fopen(path, "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			return strtod(line + strlen(name), NULL);
	bench_die("%s: no %s", path, name);
}

/* Seconds that it has run on a CPU. */
static double cpu_seconds(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0)
		bench_die("no clock of process %d", (int)pid);
	return now_us(clock) / 1e6;
}

/* --- Redis ------------------------------------------------------------------------------------- */

static void open_redis(struct place *place)
{
	cleanup_free char *socket = xasprintf("%s/redis.sock", place->dir);
	cleanup_free char *log = xasprintf("%s/redis.log", place->dir);
	const char *const argv[] = {"redis-server", "--port", "0", "--unixsocket", socket, "--save",
		"", "--appendonly", "no", "--dir", place->dir, NULL};
	const struct redis_options options = {.url = place->url};
	double end = now_us(CLOCK_MONOTONIC) + WAIT_SECONDS * 1e6;
	struct err err = {0};

	snprintf(place->url, sizeof(place->url), "unix://%s", socket);
	place->redis = start(argv, log);
	while (!(place->sync = redis_sync_open(&options, CALL_MS, &err))) {
		if (now_us(CLOCK_MONOTONIC) > end || waitpid(place->redis, NULL, WNOHANG))
			bench_die("redis-server does not come: %s", err.text);
		usleep(POLL_US);
	}
}

static void run(struct place *place, size_t argc, const char *const *argv)
{
	struct err err = {0};
	redis_reply *reply = redis_sync_command(place->sync, argc, argv, &err);

	bench_check(reply ? 0 : -1, &err);
	redis_sync_reply_free(reply);
}

static void put_kind(struct place *place, const char *stream, enum store_kind kind,
	const struct changes *changes)
{
	cleanup_free char *key = store_hash_key(stream, kind);
	const char *words[2 + 2 * RECORDS_PER_CALL] = {"HSET", key};
	size_t count = 2;

	for (size_t i = 0; i < changes->count; i++) {
		if (changes->items[i].kind == kind) {
			words[count++] = changes->items[i].id;
			words[count++] = changes->items[i].record;
		}
		if (count == 2 + 2 * RECORDS_PER_CALL || (count > 2 && i + 1 == changes->count)) {
			run(place, count, words);
			count = 2;
		}
	}
}

static void put_head(struct place *place, const char *stream)
{
	cleanup_free char *key = store_head_key(stream);
	struct store_head head = {.id = "0123456789abcdef"};
	char text[STORE_HEAD_MAX];

	head.revision = 1;
	store_epoch_new(head.epoch);
	run(place, 3, (const char *const[]){"SET", key, store_head_format(&head, text)});
}

static void read_boot(char boot[64])
{
	cleanup_file FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file || !fgets(boot, 64, file))
		bench_die("no boot id");
	boot[strcspn(boot, "\n")] = '\0';
}

/* The node's keeper is alive, and of this boot. */
static void put_node(struct place *place)
{
	long long now = (long long)time(NULL);
	cleanup_free char *record = NULL;
	char boot[64];

	read_boot(boot);
	record = xasprintf("{\"v\":1,\"node\":\"" BENCH_NODE "\",\"engine\":\"engine\",\"boot\":"
			   "\"%s\",\"instance\":\"0123456789abcdef\",\"version\":\"bench\","
			   "\"started\":%lld,\"heartbeat\":%lld}",
		boot, now, now);
	run(place, 4, (const char *const[]){"HSET", STORE_NODES, BENCH_NODE, record});
}

static void fill(struct place *place, const struct bench_world *world)
{
	struct changes node = {0}, policies = {0};

	run(place, 1, (const char *const[]){"FLUSHALL"});
	records_node(world, &node);
	records_policies(world, &policies);
	put_kind(place, BENCH_NODE_STREAM, KIND_NETWORK, &node);
	put_kind(place, BENCH_NODE_STREAM, KIND_ENDPOINT, &node);
	put_kind(place, STORE_POLICIES_STREAM, KIND_POLICY, &policies);
	put_head(place, BENCH_NODE_STREAM);
	put_head(place, STORE_POLICIES_STREAM);
	put_node(place);
	changes_clear(&node);
	changes_clear(&policies);
}

/* --- links ------------------------------------------------------------------------------------- */

static int new_netns(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		bench_die("unshare: %s (needs root)", strerror(errno));
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("/proc/self/ns/net: %s", strerror(errno));
	return fd;
}

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) < 0)
		bench_die("enter a namespace: %s", strerror(errno));
}

static void run_batch(struct strbuf *commands)
{
	FILE *ip = popen("ip -batch -", "we"); /* NOLINT(cert-env33-c): our own words only */

	if (!ip || fputs(commands->text, ip) < 0 || pclose(ip) != 0)
		bench_die("ip refuses the links of the benchmark");
	strbuf_free(commands);
}

/* Both ends as Docker leaves them: the container's has its address before it is up. */
static void add_links(const struct place *place, const struct bench_world *world)
{
	struct strbuf here = {0}, there = {0};

	for (int role = ROLE_CLIENT; role <= ROLE_SERVER; role++)
		for (unsigned i = 0; i < bench_pairs(world); i++) {
			uint32_t a = bench_address(world, (enum bench_role)role, i);
			uint8_t mac[6];

			bench_own_mac(a, mac);
			strbuf_addf(&here,
				"link add v%dn%u type veth peer name c%dn%u address "
				"%02x:%02x:%02x:%02x:%02x:%02x netns /proc/%d/fd/%d\n"
				"link set v%dn%u master " BENCH_BRIDGE " up\n",
				role, i, role, i, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
				(int)getpid(), place->containers, role, i);
			strbuf_addf(&there,
				"addr add %u.%u.%u.%u/8 dev c%dn%u\nlink set c%dn%u up\n", a >> 24,
				a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff, role, i, role, i);
		}
	enter(place->host);
	lab_run("ip link add " BENCH_BRIDGE " type bridge && ip link set " BENCH_BRIDGE " up");
	run_batch(&here);
	enter(place->containers);
	run_batch(&there);
}

/* --- enforcerd --------------------------------------------------------------------------------- */

static bool status_is(struct place *place, const char *field, const char *wanted)
{
	cleanup_free char *key = store_status_key(BENCH_NODE);
	struct err err = {0};
	redis_reply *reply = redis_sync_call(place->sync, &err, "HGET", key, field, NULL);
	bool is;

	bench_check(reply ? 0 : -1, &err);
	is = reply->str && !strcmp(reply->str, wanted);
	redis_sync_reply_free(reply);
	return is;
}

static void await_force(struct place *place, const struct bench_world *world, pid_t pid)
{
	cleanup_free char *endpoints = xasprintf("%u", world->endpoints);
	double end = now_us(CLOCK_MONOTONIC) + WAIT_SECONDS * 1e6;

	/* bound: found at their links, so that all that they need is in the kernel */
	while (!status_is(place, "bound", endpoints) || !status_is(place, "in_force", "true")) {
		if (now_us(CLOCK_MONOTONIC) > end || waitpid(pid, NULL, WNOHANG))
			bench_die("enforcerd does not put its rules in force: see %s/log",
				place->dir);
		put_node(place); /* the heartbeat goes on */
		usleep(POLL_US);
	}
}

struct memory {
	double resident, own, cpu, seconds; /* KiB; seconds until the rules were in force */
};

static struct memory measure(struct place *place, const struct bench_world *world)
{
	cleanup_free char *log = xasprintf("%s/log", place->dir);
	cleanup_free char *state = xasprintf("%s/state", place->dir);
	const char *build = getenv("BULKHEAD_BIN");
	cleanup_free char *program =
		xasprintf("%s/bulkhead-enforcerd", build ? build : "build/bin");
	const char *const argv[] = {program, "--redis", place->url, "--node", BENCH_NODE,
		"--listen", "none", "--state-dir", state, NULL};
	double begin = now_us(CLOCK_MONOTONIC);
	struct memory memory;
	pid_t pid;

	enter(place->host);
	pid = start(argv, log);
	await_force(place, world, pid);
	memory.seconds = (now_us(CLOCK_MONOTONIC) - begin) / 1e6;
	memory.cpu = cpu_seconds(pid);
	memory.resident = status_kib(pid, "VmRSS:");
	memory.own = status_kib(pid, "RssAnon:");
	stop(pid);
	return memory;
}

/* A world in a place of its own. */
static struct memory measure_world(const struct bench_world *world)
{
	struct place place = {.dir = "/tmp/bulkhead-bench-XXXXXX"};
	struct memory memory;

	if (!mkdtemp(place.dir))
		bench_die("%s: %s", place.dir, strerror(errno));
	place.containers = new_netns();
	lab_run("ip link set lo up");
	place.host = new_netns();
	lab_run("ip link set lo up");
	open_redis(&place);
	add_links(&place, world);
	fill(&place, world);
	memory = measure(&place, world);
	redis_sync_close(place.sync);
	stop(place.redis);
	close(place.host);
	close(place.containers);
	lab_run("rm -rf %s", place.dir);
	printf("%6u %5u  %10.0f %10.0f | %10.3f %10.3f\n", world->endpoints, world->policies,
		memory.resident, memory.own, memory.cpu, memory.seconds);
	return memory;
}

/* --- all --------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
	static const struct bench_world few = {.endpoints = 200, .policies = 99, .own_macs = true},
					many = {.endpoints = 1000,
						.policies = 99,
						.own_macs = true};
	const struct target total = {
		"enforcerd's resident memory at 1,000 endpoints", 16, true, 0, " MiB"};
	const struct target further = {
		"enforcerd's memory for a further endpoint", 2, true, 0, " KiB"};
	struct memory a, b;

	if (argc > 2 || (argc == 2 && strcmp(argv[1], "--quick") != 0))
		bench_die("usage: bench_memory [--quick]");
	printf("enforcerd with its rules in force, KiB and seconds\n"
	       "endpts polic  %10s %10s | %10s %10s\n",
		"resident", "its own", "CPU", "since start");
	a = measure_world(&few);
	b = measure_world(&many);
	print_figure(&total,
		&(struct estimate){b.resident / 1024, b.resident / 1024, b.resident / 1024});
	b.own = (b.own - a.own) / (many.endpoints - few.endpoints);
	print_figure(&further, &(struct estimate){b.own, b.own, b.own});
	return 0;
}
