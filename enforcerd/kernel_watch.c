/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_watch.h"

#include "common/xalloc.h"
#include "enforcerd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

enum { WHO_SIZE = 96 };

struct kernel_watch {
	struct netlink *netlink;
	char *table;
	bool touched, named; /* since kernel_watch_touched() was last asked; named: who is known */
	bool owed;           /* a change was told of before the event that says who it was */
	char who[WHO_SIZE], late[WHO_SIZE];
	bool deaf; /* not in the group */
	bool lost; /* events, until the next reading */
};

/* Our own batches come back to every listener, an event for each element: the kernel drops them before they are queued. */
static int ignore_own(int fd, uint32_t own, struct err *err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_pid)),
		/* the filter machine reads big-endian, netlink headers are in host order */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(*code), code};

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return err_set(err, errno, "filter nf_tables events");
	return 0;
}

struct kernel_watch *kernel_watch_new(const char *table, uint32_t own, struct err *err)
{
	CLEANUP(kernel_watch) struct kernel_watch *watch = xcalloc(1, sizeof(*watch));

	watch->table = xstrdup(table);
	watch->netlink = netlink_open(NETLINK_NETFILTER, err);
	if (!watch->netlink || ignore_own(netlink_fd(watch->netlink), own, err) < 0 ||
		netlink_listen(watch->netlink, NFNLGRP_NFTABLES, err) < 0)
		return NULL;
	return steal_ptr(watch);
}

void kernel_watch_free(struct kernel_watch *watch)
{
	if (!watch)
		return;
	netlink_close(watch->netlink);
	free(watch->table);
	free(watch);
}

int kernel_watch_fd(const struct kernel_watch *watch)
{
	return netlink_fd(watch->netlink);
}

/* In every event of nf_tables the first attribute is the table's name, except in those of generations. */
static bool names_table(const struct nlmsghdr *message, const char *table)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if (header->nfgen_family != NFPROTO_INET && header->nfgen_family != NFPROTO_BRIDGE)
		return false;
	for (attr = attr_first(message, sizeof(*header)); attr; attr = attr_next(message, attr))
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
			       !strcmp(mnl_attr_get_str(attr), table);
	return false;
}

static void read_culprit(char who[WHO_SIZE], const struct nlmsghdr *message)
{
	const struct nlattr *attr;
	const char *name = "a process";
	uint32_t pid = 0;

	for (attr = attr_first(message, sizeof(struct nfgenmsg)); attr;
		attr = attr_next(message, attr)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_NAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(attr);
		if (mnl_attr_get_type(attr) == NFTA_GEN_PROC_PID &&
			mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			pid = ntohl(mnl_attr_get_u32(attr));
	}
	snprintf(who, WHO_SIZE, "%s (pid %u)", name, pid);
}

/* The last event of a commit says who it was. */
static void end_commit(struct kernel_watch *watch, const struct nlmsghdr *message)
{
	if (watch->owed)
		read_culprit(watch->late, message);
	watch->owed = false;
	if (!watch->touched || watch->named)
		return;
	read_culprit(watch->who, message);
	watch->named = true;
}

static void take_event(struct kernel_watch *watch, const struct nlmsghdr *message)
{
	if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		mnl_nlmsg_get_payload_len(message) < sizeof(struct nfgenmsg))
		return;
	if ((message->nlmsg_type & 0xff) != NFT_MSG_NEWGEN)
		watch->touched |= names_table(message, watch->table);
	else
		end_commit(watch, message);
}

void kernel_watch_pause(struct kernel_watch *watch)
{
	struct err err = {0};

	if (watch->owed)
		return; /* whoever it was is about to be told */
	watch->deaf = netlink_ignore(watch->netlink, NFNLGRP_NFTABLES, &err) == 0;
}

void kernel_watch_resume(struct kernel_watch *watch)
{
	struct err err = {0};

	if (watch->deaf)
		watch->deaf = netlink_listen(watch->netlink, NFNLGRP_NFTABLES, &err) < 0;
}

void kernel_watch_lost(struct kernel_watch *watch)
{
	watch->lost = true;
}

static void assume_touched(struct kernel_watch *watch)
{
	watch->touched = watch->named = true;
	watch->owed = false;
	snprintf(watch->who, sizeof(watch->who), "unknown: events were lost");
}

static void read_news(struct kernel_watch *watch)
{
	for (;;) {
		struct err err = {0};
		const void *data = NULL;
		ssize_t got = netlink_receive(watch->netlink, false, &data, &err);
		const struct nlmsghdr *message = data;
		int len = (int)got;

		if (got == 0)
			break;
		if (got < 0) {
			assume_touched(watch);
			if (err.code != ENOBUFS)
				break;
			continue;
		}
		for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
			take_event(watch, message);
	}
}

bool kernel_watch_touched(struct kernel_watch *watch, const char **who)
{
	bool touched, named;

	kernel_watch_resume(watch);
	/* as long as it cannot be listened, anything may have happened */
	if (watch->lost || watch->deaf)
		assume_touched(watch);
	watch->lost = false;
	read_news(watch);
	touched = watch->touched;
	named = watch->named;
	if (touched && !named) {
		watch->owed = true;
		watch->late[0] = '\0';
	}
	watch->touched = watch->named = false;
	*who = named ? watch->who : NULL;
	return touched;
}

const char *kernel_watch_late(struct kernel_watch *watch)
{
	read_news(watch);
	return watch->late[0] ? watch->late : NULL;
}
