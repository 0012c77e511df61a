/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/check.h"

#include "common/health.h"
#include "common/log.h"
#include "enforcerd/bridge.h"
#include "enforcerd/kernel.h"

#include <stdio.h>

enum { REDIS_SECONDS = 5 };

struct redis_probe {
	struct event_base *base;
	struct redis *redis;
	bool ready;
};

static void on_redis(enum redis_event event, const char *cause, void *arg)
{
	struct redis_probe *probe = arg;

	(void)cause;
	if (event == REDIS_READY) {
		probe->ready = true;
		event_base_loopbreak(probe->base);
	}
}

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
	const struct timeval limit = {.tv_sec = REDIS_SECONDS};
	const struct redis_options redis = options_redis(options);
	struct redis_probe probe = {.base = event_base_new()};
	int rc = -1;

	if (!probe.base)
		return err_set(err, 0, "create event loop");
	probe.redis = redis_new(probe.base, &redis, on_redis, &probe, err);
	if (probe.redis) {
		event_base_loopexit(probe.base, &limit);
		event_base_dispatch(probe.base);
		rc = probe.ready ? 0
				 : err_set(err, 0, "%s: %s", redis_peer(probe.redis),
					   *redis_last_error(probe.redis)
						   ? redis_last_error(probe.redis)
						   : "no answer");
		redis_free(probe.redis);
	}
	event_base_free(probe.base);
	return rc;
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

	printf("ok   configuration: node %s, table inet %s, isolation %s\n", options->node,
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

int healthcheck_run(const struct options *options)
{
	struct err err = {0};

	if (health_probe(options->listen_on, "/readyz", &err) == 0)
		return 0;
	fprintf(stderr, "%s\n", err.text);
	return 1;
}
