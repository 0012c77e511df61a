/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/check.h"

#include "common/log.h"
#include "common/redis_sync.h"
#include "enforcerd/bridge.h"
#include "enforcerd/kernel.h"

#include <stdio.h>

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

static int check_conflicts(const struct options *options, struct err *err)
{
	CLEANUP(kernel) struct kernel *kernel = open_kernel(options, err);
	cleanup_free char *text = kernel ? kernel_conflicts(kernel, err) : NULL;

	if (!text)
		return -1;
	return *text ? err_set(err, 0, "%s", text) : 0;
}

static int check_bridges(const struct options *options, struct err *err)
{
	(void)options;
	return bridge_netfilter_present()
		       ? 0
		       : err_set(err, 0,
				 "br_netfilter is not in this kernel or namespace: same-bridge traffic "
				 "cannot be policed (modprobe br_netfilter)");
}

static int check_redis(const struct options *options, struct err *err)
{
	const struct redis_options redis =
		daemon_options_redis(&options->daemon, "bulkhead-enforcerd");
	CLEANUP(redis_sync)
	struct redis_sync *sync = redis_sync_open(&redis, REDIS_MILLISECONDS, err);

	return sync ? 0 : -1;
}

int check_run(const struct options *options)
{
	static const struct {
		const char *what;
		int (*fn)(const struct options *options, struct err *err);
	} checks[] = {
		{"kernel takes the rules (conntrack keys, sets, verdict maps, limit, nflog)",
			check_kernel},
		{"bridged traffic can be seen (br_netfilter)", check_bridges},
		{"no other table drops forwarded traffic first", check_conflicts},
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
