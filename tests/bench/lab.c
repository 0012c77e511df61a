/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/bench/lab.h"

#include "common/xalloc.h"
#include "enforcerd/netlink.h"
#include "tests/bench/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

struct host {
	int netns;
	struct netlink *netlink;
};

struct lab {
	int places[LAB_PLACES];
	struct host hosts[HOSTS_MAX];
	unsigned host_count;
};

static enum lab_place place_of(enum bench_role role)
{
	return role == ROLE_CLIENT || role == ROLE_BYSTANDER_CLIENT ? LAB_CLIENT : LAB_SERVER;
}

const char *lab_port(enum bench_role role)
{
	static const char *const ports[] = {"vclient", "vserver", "vstranger", "vstranger2"};

	return ports[role];
}

void lab_run(const char *fmt, ...)
{
	cleanup_free char *command = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&command, fmt, args) < 0)
		abort();
	va_end(args);
	/* NOLINTNEXTLINE(cert-env33-c): our own words only */
	if (system(command) != 0)
		bench_die("failed: %s", command);
}

void lab_nft(const char *text)
{
	FILE *nft = popen("nft -f -", "we"); /* NOLINT(cert-env33-c): as above */

	if (!nft || fputs(text, nft) < 0 || pclose(nft) != 0)
		bench_die("nft refuses a table of the benchmark");
}

/* --- namespaces and links ---------------------------------------------------------------------- */

static void enter(int netns)
{
	if (setns(netns, CLONE_NEWNET) < 0)
		bench_die("enter a namespace: %s", strerror(errno));
}

void lab_enter(const struct lab *lab, enum lab_place place)
{
	enter(lab->places[place]);
}

void lab_enter_host(const struct lab *lab, unsigned host)
{
	enter(lab->hosts[host].netns);
}

static int new_netns(void)
{
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		bench_die("unshare: %s (needs root)", strerror(errno));
	fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		bench_die("/proc/self/ns/net: %s", strerror(errno));
	lab_run("ip link set lo up");
	return fd;
}

struct lab *lab_new(void)
{
	struct lab *lab = xcalloc(1, sizeof(*lab));

	for (int i = 0; i < LAB_PLACES; i++)
		lab->places[i] = new_netns();
	return lab;
}

static void add_port(const struct lab *lab, unsigned host, enum bench_role role)
{
	uint8_t mac[6];

	bench_mac(role, mac);
	lab_enter_host(lab, host);
	lab_run("ip link add %s type veth peer name h%ur%d address "
		"%02x:%02x:%02x:%02x:%02x:%02x netns /proc/%d/fd/%d && "
		"ip link set %s master " BENCH_BRIDGE " up",
		lab_port(role), host, (int)role, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		getpid(), lab->places[place_of(role)], lab_port(role));
}

/* The role's block, local as a whole, and the way to its peer's. 172.31.<host>.<role> is only what the route names: its
 * neighbour entry never ages. */
static void add_block(const struct lab *lab, unsigned host, enum bench_role role)
{
	const struct bench_world world = {.host = host};
	enum bench_role peer = role ^ 1;
	uint32_t own = bench_address(&world, role, 0), other = bench_address(&world, peer, 0);
	uint8_t mac[6];

	bench_mac(peer, mac);
	lab_enter(lab, place_of(role));
	lab_run("ip link set h%ur%d up && ip route add local %u.%u.0.0/16 dev lo && "
		"ip neigh add 172.31.%u.%d lladdr %02x:%02x:%02x:%02x:%02x:%02x dev h%ur%d nud "
		"permanent && ip route add %u.%u.0.0/16 via 172.31.%u.%d dev h%ur%d onlink",
		host, (int)role, own >> 24, own >> 16 & 0xff, host, (int)peer, mac[0], mac[1],
		mac[2], mac[3], mac[4], mac[5], host, (int)role, other >> 24, other >> 16 & 0xff,
		host, (int)peer, host, (int)role);
}

unsigned lab_add_host(struct lab *lab)
{
	unsigned host = lab->host_count;
	struct err err = {0};

	if (lab->host_count == HOSTS_MAX)
		bench_die("more than %d hosts", HOSTS_MAX);
	lab->host_count++;
	lab->hosts[host].netns = new_netns();
	lab->hosts[host].netlink = netlink_open(NETLINK_NETFILTER, &err);
	bench_check(lab->hosts[host].netlink ? 0 : -1, &err);
	lab_run("ip link add " BENCH_BRIDGE " type bridge && ip link set " BENCH_BRIDGE " up && "
		"sysctl -qw net.ipv4.ip_forward=1");
	for (int role = 0; role < ROLE_COUNT; role++)
		add_port(lab, host, (enum bench_role)role);
	for (int role = 0; role < ROLE_COUNT; role++)
		add_block(lab, host, (enum bench_role)role);
	lab_enter_host(lab, host);
	return host;
}

void lab_free(struct lab *lab)
{
	for (unsigned i = 0; i < lab->host_count; i++) {
		netlink_close(lab->hosts[i].netlink);
		close(lab->hosts[i].netns);
	}
	for (int i = 0; i < LAB_PLACES; i++)
		close(lab->places[i]);
	free(lab);
}

static void forget_flows(const struct host *host)
{
	char buffer[64];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *family;
	struct err err = {0};

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	family = mnl_nlmsg_put_extra_header(message, sizeof(*family));
	*family = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
	bench_check(netlink_ask(host->netlink, message, NULL, NULL, NULL, &err), &err);
}

void lab_forget_flows(const struct lab *lab)
{
	for (unsigned i = 0; i < lab->host_count; i++)
		forget_flows(&lab->hosts[i]);
}
