/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_log.h"

#include "common/health.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/flow_budget.h"
#include "enforcerd/flow_publish.h"
#include "enforcerd/log_prefix.h"

#include <net/if.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

enum { REBIND_SECONDS = 30, RECORD_BYTES = 16384 };

struct flow_log {
	struct flow_log_options options;
	struct event_base *base;
	struct nflog *nflog; /* NULL while the group is not ours */
	struct event *readable, *rebind;
	struct flow_budget *budget;
	struct flow_publisher *publisher;
	char trouble[ERR_TEXT_MAX];
	unsigned long long told, foreign, overruns; /* overruns: of sockets before this one */
};

/* --- telling --------------------------------------------------------------------------------------- */

static bool interface_name(uint32_t index, char name[FLOW_IFNAME_MAX + 1], void *arg)
{
	char found[IF_NAMESIZE];

	(void)arg;
	if (!if_indextoname(index, found))
		return false;
	snprintf(name, FLOW_IFNAME_MAX + 1, "%s", found);
	return true;
}

static long long monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long long wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Labels may be many and long; a record without them still says who it was. */
static char *encode(const struct flow_record *record)
{
	cleanup_json json_t *json = flow_record_to_json(record);
	char *text = json_dumps(json, JSON_COMPACT);

	if (text && strlen(text) <= RECORD_BYTES)
		return text;
	free(text);
	json_object_del(json_object_get(json, "source"), "labels");
	json_object_del(json_object_get(json, "destination"), "labels");
	text = json_dumps(json, JSON_COMPACT);
	return text ? text : xstrdup("{}");
}

static void tell(struct flow_log *log, const struct flow_record *record)
{
	cleanup_strbuf struct strbuf line = {0};

	log->told++;
	flow_record_line(record, &line);
	log_info("flow", "%s", line.text);
	flow_publisher_add(log->publisher, encode(record));
}

static void on_packet(const struct nflog_packet *packet, void *arg)
{
	struct flow_log *log = arg;
	CLEANUP(flow_record) struct flow_record *record = NULL;
	struct log_reason reason;
	long long suppressed = 0;

	/* first what is cheap: nobody's flood makes us decode */
	if (log_prefix_parse(packet->prefix, packet->prefix_len, &reason, NULL) < 0) {
		log->foreign++;
		return;
	}
	if (!flow_budget_take(
		    log->budget, packet->prefix, packet->prefix_len, monotonic_ms(), &suppressed))
		return;
	record = denied_decode(packet, log->options.node, log->options.mode, wall_us(),
		&log->options.lookup, NULL);
	if (!record)
		return;
	record->suppressed = suppressed;
	if (log->options.seen)
		log->options.seen(record, log->options.arg);
	tell(log, record);
}

/* --- binding --------------------------------------------------------------------------------------- */

static void unbind(struct flow_log *log)
{
	if (log->readable)
		event_free(log->readable);
	log->readable = NULL;
	if (log->nflog)
		log->overruns += nflog_overruns(log->nflog);
	nflog_close(log->nflog);
	log->nflog = NULL;
}

static void bind_later(struct flow_log *log, const char *cause)
{
	const struct timeval delay = {.tv_sec = log->options.retry_seconds};

	if (strcmp(log->trouble, cause) != 0)
		log_warn("flow", "%s; rules are enforced, but what they deny is not told", cause);
	snprintf(log->trouble, sizeof(log->trouble), "%s", cause);
	evtimer_add(log->rebind, &delay);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct flow_log *log = arg;
	struct err err = {0};

	(void)fd;
	(void)what;
	if (nflog_read(log->nflog, on_packet, log, &err) == 0)
		return;
	unbind(log);
	bind_later(log, err.text);
}

static void bind_now(struct flow_log *log)
{
	struct err err = {0};

	log->nflog = nflog_open(log->options.group, &err);
	if (!log->nflog) {
		bind_later(log, err.text);
		return;
	}
	if (log->trouble[0])
		log_info("flow", "nflog group %u is bound", log->options.group);
	log->trouble[0] = '\0';
	log->readable =
		event_new(log->base, nflog_fd(log->nflog), EV_READ | EV_PERSIST, on_readable, log);
	event_add(log->readable, NULL);
}

static void on_rebind(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	bind_now(arg);
}

/* --- life ------------------------------------------------------------------------------------------ */

struct flow_log *flow_log_new(
	struct event_base *base, const struct flow_log_options *options, struct redis *commands)
{
	struct flow_log *log = xcalloc(1, sizeof(*log));

	log->options = *options;
	if (!log->options.retry_seconds)
		log->options.retry_seconds = REBIND_SECONDS;
	if (!log->options.lookup.interface)
		log->options.lookup.interface = interface_name;
	log->base = base;
	log->budget = flow_budget_new();
	log->publisher = flow_publisher_new(commands);
	log->rebind = evtimer_new(base, on_rebind, log);
	bind_now(log);
	return log;
}

void flow_log_free(struct flow_log *log)
{
	if (!log)
		return;
	unbind(log);
	event_free(log->rebind);
	flow_publisher_free(log->publisher);
	flow_budget_free(log->budget);
	free(log);
}

void flow_log_mode(struct flow_log *log, enum mode mode)
{
	log->options.mode = mode;
}

void flow_log_redis_event(struct flow_log *log, enum redis_event event)
{
	flow_publisher_event(log->publisher, event);
}

const char *flow_log_trouble(const struct flow_log *log)
{
	return log->trouble;
}

void flow_log_metrics(const struct flow_log *log, struct strbuf *out)
{
	struct flow_publisher_stats published = flow_publisher_stats(log->publisher);
	unsigned long long overruns = log->overruns + (log->nflog ? nflog_overruns(log->nflog) : 0);
	const struct {
		const char *name, *help;
		unsigned long long value;
	} counters[] = {
		{"bulkhead_enforcerd_flows_total", "Packets that were logged and told.", log->told},
		{"bulkhead_enforcerd_flows_suppressed_total",
			"Logged packets that were not told, to keep to a rate.",
			flow_budget_suppressed(log->budget)},
		{"bulkhead_enforcerd_flows_published_total", "Flow records that Redis took.",
			published.published},
		{"bulkhead_enforcerd_flows_dropped_total",
			"Flow records that Redis did not take, or was not there for.",
			published.dropped},
		{"bulkhead_enforcerd_flows_foreign_total",
			"Packets of the nflog group that no rule of ours logged.", log->foreign},
		{"bulkhead_enforcerd_nflog_overruns_total",
			"Times that the kernel threw logged packets away.", overruns},
	};

	for (size_t i = 0; i < sizeof(counters) / sizeof(*counters); i++)
		metric_write(out, counters[i].name, "counter", counters[i].help, NULL,
			(double)counters[i].value);
	metric_write(out, "bulkhead_enforcerd_nflog_bound", "gauge",
		"Whether the nflog group is ours.", NULL, log->nflog != NULL);
}
