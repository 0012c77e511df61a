/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/report.h"

#include "common/health.h"
#include "common/xalloc.h"

#include <string.h>
#include <time.h>

enum { FIELDS_MAX = 48 };

/* HSET's words: name and value in turn; values are owned, names are constants. */
struct fields {
	const char *words[2 + 2 * FIELDS_MAX];
	char *values[FIELDS_MAX];
	size_t count;
};

static void add(struct fields *f, const char *name, char *value)
{
	f->values[f->count] = value;
	f->words[2 + 2 * f->count] = name;
	f->words[3 + 2 * f->count] = value;
	f->count++;
}

static void add_json(struct fields *f, const char *name, const json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	add(f, name, text ? text : xstrdup("null"));
}

static void add_counts(struct fields *f, const struct world_stats *stats)
{
	const struct {
		const char *name;
		size_t value;
	} counts[] = {{"endpoints", stats->endpoints}, {"isolated", stats->isolated},
		{"networks", stats->networks}, {"policies", stats->policies},
		{"sets", stats->selectors}, {"groups", stats->groups},
		{"conflicts", stats->conflicts}, {"bound", stats->bound},
		{"unplaced", stats->withdrawn}, {"rejected_labels", stats->rejected},
		{"remote", stats->remote}, {"contested", stats->contested}};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		add(f, counts[i].name, xasprintf("%zu", counts[i].value));
}

static void add_all(struct fields *f, const struct report *r)
{
	add(f, "version", xstrdup(BULKHEAD_VERSION));
	add(f, "instance", xstrdup(r->instance));
	add(f, "mode", xstrdup(mode_name(r->mode)));
	add(f, "bridge", xstrdup(r->bridge));
	add(f, "host_action", xstrdup(r->host_action));
	add(f, "policies_head", xstrdup(r->policies_head));
	add(f, "endpoints_head", xstrdup(r->endpoints_head));
	add_counts(f, &r->stats);
	add(f, "in_force", xstrdup(r->in_force ? "true" : "false"));
	add(f, "last_commit_ms", xasprintf("%.3f", r->last_commit_seconds * 1e3));
	add(f, "last_commit_unix", xasprintf("%lld", r->last_commit_unix));
	add(f, "heartbeat_unix", xasprintf("%lld", (long long)time(NULL)));
	add(f, "last_error", xstrdup(r->last_error));
	add(f, "generation", xasprintf("%u", r->generation));
	add(f, "repairs", xasprintf("%llu", r->repairs));
	add(f, "last_culprit", xstrdup(r->culprit ? r->culprit : ""));
	add_json(f, "problems", r->problems);
	add_json(f, "not_enforced", r->not_enforced);
	add_json(f, "refused", r->refused);
	add_json(f, "bridges", r->bridges);
	if (r->peers_news)
		add_json(f, "peers", r->peers_news);
}

int report_publish(const struct report *report, struct redis *redis, redis_reply_fn *fn, void *arg)
{
	cleanup_free char *key = store_status_key(report->node);
	struct fields f = {.words = {"HSET", key}};
	int rc;

	add_all(&f, report);
	rc = redis_command(redis, 2 + 2 * f.count, f.words, NULL, fn, arg);
	for (size_t i = 0; i < f.count; i++)
		free(f.values[i]);
	return rc;
}

void report_release(struct report *r)
{
	json_decref(r->problems);
	json_decref(r->not_enforced);
	json_decref(r->refused);
	json_decref(r->bridges);
	json_decref(r->peers_news);
	r->problems = r->not_enforced = r->refused = r->bridges = r->peers_news = NULL;
}

void report_metrics(const struct report *r, struct strbuf *out)
{
	const struct {
		const char *name, *type, *help;
		double value;
	} metrics[] = {
		{"bulkhead_enforcerd_endpoints", "gauge", "Endpoints known on this node.",
			(double)r->stats.endpoints},
		{"bulkhead_enforcerd_isolated_endpoints", "gauge", "Endpoints that policy governs.",
			(double)r->stats.isolated},
		{"bulkhead_enforcerd_networks", "gauge", "Networks of this node.",
			(double)r->stats.networks},
		{"bulkhead_enforcerd_policies", "gauge", "Policies in force.",
			(double)r->stats.policies},
		{"bulkhead_enforcerd_selectors", "gauge", "Selector sets in the kernel.",
			(double)r->stats.selectors},
		{"bulkhead_enforcerd_groups", "gauge", "Endpoint group chains in the kernel.",
			(double)r->stats.groups},
		{"bulkhead_enforcerd_address_conflicts", "gauge",
			"Addresses closed because two endpoints claim them or their port is in doubt.",
			(double)r->stats.conflicts},
		{"bulkhead_enforcerd_problems", "gauge", "Problems listed in the status hash.",
			(double)json_array_size(r->problems)},
		{"bulkhead_enforcerd_not_enforced", "gauge", "Things that cannot be enforced here.",
			(double)json_array_size(r->not_enforced)},
		{"bulkhead_enforcerd_commits_total", "counter", "Batches that the kernel took.",
			(double)r->commits},
		{"bulkhead_enforcerd_commit_failures_total", "counter",
			"Batches that the kernel refused.", (double)r->commit_failures},
		{"bulkhead_enforcerd_last_commit_seconds", "gauge", "Duration of the last batch.",
			r->last_commit_seconds},
		{"bulkhead_enforcerd_last_commit_timestamp_seconds", "gauge",
			"Time of the last batch.", (double)r->last_commit_unix},
		{"bulkhead_enforcerd_bound_endpoints", "gauge", "Endpoints bound to a port.",
			(double)r->stats.bound},
		{"bulkhead_enforcerd_unplaced_endpoints", "gauge",
			"Endpoints at no port, or in doubt at which: their addresses count for nothing.",
			(double)r->stats.withdrawn},
		{"bulkhead_enforcerd_remote_addresses", "gauge",
			"Addresses of other nodes' endpoints that count here.",
			(double)r->stats.remote},
		{"bulkhead_enforcerd_contested_addresses", "gauge",
			"Of these, claimed by two endpoints and closed.",
			(double)r->stats.contested},
		{"bulkhead_enforcerd_peers", "gauge", "Other nodes that are followed.",
			(double)r->peers.followed},
		{"bulkhead_enforcerd_silent_peers", "gauge",
			"Other nodes whose syncd is not heard of.", (double)r->peers.silent},
		{"bulkhead_enforcerd_audit", "gauge", "Whether nothing is dropped.",
			r->mode == MODE_AUDIT},
		{"bulkhead_enforcerd_revocations_total", "counter",
			"Changes that had live flows judged anew.",
			(double)r->revocations.revocations},
		{"bulkhead_enforcerd_mark_sweeps_total", "counter",
			"Times that the marks of all flows were cleared.",
			(double)r->revocations.sweeps},
		{"bulkhead_enforcerd_repairs_total", "counter",
			"Times that another program had changed our tables.", (double)r->repairs},
		{"bulkhead_enforcerd_redis_connected", "gauge", "Whether both connections are up.",
			r->redis_connected},
		{"bulkhead_enforcerd_synced", "gauge", "Whether the world held is the store's.",
			r->synced},
		{"bulkhead_enforcerd_in_force", "gauge", "Whether the world held is in the kernel.",
			r->in_force},
	};

	metric_write(out, "bulkhead_enforcerd_build_info", "gauge", "Version.",
		"version=\"" BULKHEAD_VERSION "\"", 1);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(*metrics); i++)
		metric_write(out, metrics[i].name, metrics[i].type, metrics[i].help, NULL,
			metrics[i].value);
}
