/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/check.h"

#include "common/log.h"
#include "common/redis_sync.h"
#include "enforcerd/bridge.h"
#include "enforcerd/conflicts.h"
#include "enforcerd/kernel.h"
#include "enforcerd/nflog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { REDIS_MILLISECONDS = 5000 };

static struct kernel *open_kernel(const struct options *options, struct err *err)
{
	const struct kernel_options kernel = {
		.table = options->table, .nflog_group = (uint16_t)options->nflog_group};

	return kernel_open(&kernel, err);
}

static int check_kernel(const struct options *options, struct err *err)
{
	CLEANUP(kernel) struct kernel *kernel = open_kernel(options, err);

	return kernel ? kernel_check(kernel, err) : -1;
}

static int check_bridges(const struct options *options, struct err *err)
{
	CLEANUP(kernel) struct kernel *kernel = open_kernel(options, err);

	if (!kernel)
		return -1;
	if (kernel_bridge_tracked(kernel) || bridge_netfilter_present())
		return 0;
	return err_set(err, 0,
		"neither nf_conntrack_bridge nor br_netfilter is in this kernel or namespace: "
		"same-bridge traffic cannot be policed (modprobe nf_conntrack_bridge or br_netfilter)");
}

static int check_redis(const struct options *options, struct err *err)
{
	const struct redis_options redis =
		daemon_options_redis(&options->daemon, "bulkhead-enforcerd");
	CLEANUP(redis_sync)
	struct redis_sync *sync = redis_sync_open(&redis, REDIS_MILLISECONDS, err);

	return sync ? 0 : -1;
}

/* --- other programs -------------------------------------------------------------------------------- */

static void say(bool fatal, const char *text)
{
	printf("%s %s\n", fatal ? "FAIL" : "WARN", text);
}

/* A line for each chain. Returns 1 where there is one. */
static int check_forward_drops(const struct options *options)
{
	struct err err = {0};
	CLEANUP(kernel) struct kernel *kernel = open_kernel(options, &err);
	cleanup_free char *text = kernel ? kernel_conflicts(kernel, &err) : NULL;
	char *rest = text;

	if (!text)
		say(true, err.text);
	else if (!*text)
		printf("ok   no other table drops forwarded traffic by default\n");
	for (char *line; rest && *rest;) {
		line = strsep(&rest, "\n");
		printf("FAIL %s: what policies allow is dropped there unless it is accepted there too\n",
			line);
	}
	return !text || *text;
}

static int check_conflicts(const struct options *options)
{
	const struct conflict_options what = {
		.table = options->table, .mark_mask = options->marks.mask};
	struct conflicts found cleanup_conflicts = {0};
	struct err err = {0};
	int status = 0;

	if (conflicts_find(&what, &found, &err) < 0) {
		say(true, err.text);
		return 1;
	}
	for (size_t i = 0; i < found.count; i++) {
		say(found.items[i].fatal, found.items[i].text);
		status |= found.items[i].fatal;
	}
	if (!found.count)
		printf("ok   nothing here undoes the rules (marks, flowtables, untracked packets)\n");
	return status;
}

/* enforcerd itself listens while it runs. Without the group only the news of denied packets are missing. */
static void check_nflog(const struct options *options)
{
	struct err err = {0};
	CLEANUP(nflog) struct nflog *nflog = nflog_open((uint16_t)options->nflog_group, &err);

	if (nflog || (err.code == EBUSY && strstr(err.text, "(bulkhead-enforc, pid")))
		printf("ok   nflog group %ld can be listened to\n", options->nflog_group);
	else
		printf("WARN %s: denied packets would not be told (--nflog-group)\n", err.text);
}

int check_run(const struct options *options)
{
	static const struct {
		const char *what;
		int (*fn)(const struct options *options, struct err *err);
	} checks[] = {
		{"kernel takes the rules (conntrack keys, sets, verdict maps, limit, nflog)",
			check_kernel},
		{"bridged traffic can be judged (nf_conntrack_bridge or br_netfilter)",
			check_bridges},
		{"Redis answers", check_redis},
	};
	int status = 0;

	printf("ok   configuration: node %s, table inet %s, isolation %s\n", options->daemon.node,
		options->table, options->isolation_word);
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		struct err err = {0};

		if (checks[i].fn(options, &err) == 0) {
			printf("ok   %s\n", checks[i].what);
			continue;
		}
		printf("FAIL %s: %s\n", checks[i].what, err.text);
		status = 1;
	}
	check_nflog(options);
	status |= check_forward_drops(options);
	status |= check_conflicts(options);
	return status;
}

int clear_run(const struct options *options)
{
	struct err err = {0};
	CLEANUP(kernel) struct kernel *kernel = open_kernel(options, &err);

	if (!kernel || kernel_clear(kernel, &err) < 0) {
		log_error("clear", "%s", err.text);
		return 1;
	}
	log_info("clear", "table inet %s is gone", options->table);
	return 0;
}
