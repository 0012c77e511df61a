/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/netlink_holder.h"

#include "common/cleanup.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <dirent.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <string.h>

enum { LINE_SIZE = 256, LINK_SIZE = 64, COMM_SIZE = 32 };

static void close_dirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define cleanup_dir __attribute__((cleanup(close_dirp)))

/* 0 where there is none. */
static unsigned long inode_of(uint32_t portid)
{
	cleanup_file FILE *file = fopen("/proc/net/netlink", "re");
	char line[LINE_SIZE];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned bus = 0, port = 0;
		unsigned long inode = 0;

		/* sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode */
		if (sscanf(line, "%*s %u %u %*s %*s %*s %*s %*s %*s %lu", &bus, &port, &inode) ==
				3 &&
			bus == NETLINK_NETFILTER && port == portid)
			return inode;
	}
	return 0;
}

static bool has_socket(const char *pid, const char *wanted)
{
	cleanup_free char *path = xasprintf("/proc/%s/fd", pid);
	cleanup_dir DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char link[LINK_SIZE];
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		if (len < 0)
			continue;
		link[len] = '\0';
		if (!strcmp(link, wanted))
			return true;
	}
	return false;
}

static void name_process(const char *pid, char text[HOLDER_SIZE])
{
	cleanup_free char *path = xasprintf("/proc/%s/comm", pid);
	cleanup_file FILE *file = fopen(path, "re");
	char name[COMM_SIZE] = "";

	if (!file || !fgets(name, sizeof(name), file))
		snprintf(name, sizeof(name), "a process");
	name[strcspn(name, "\n")] = '\0';
	/* whoever runs the process chooses its name */
	for (char *p = name; *p; p++)
		if (!isprint((unsigned char)*p))
			*p = '?';
	snprintf(text, HOLDER_SIZE, "%s, pid %.16s", name, pid);
}

const char *netlink_holder(uint32_t portid, char text[HOLDER_SIZE])
{
	unsigned long inode = inode_of(portid);
	cleanup_free char *wanted = xasprintf("socket:[%lu]", inode);
	cleanup_dir DIR *proc = inode ? opendir("/proc") : NULL;
	const struct dirent *entry;

	snprintf(text, HOLDER_SIZE, "port id %u", portid);
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)*entry->d_name) && has_socket(entry->d_name, wanted)) {
			name_process(entry->d_name, text);
			break;
		}
	return text;
}
