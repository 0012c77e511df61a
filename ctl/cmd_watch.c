/* SPDX-License-Identifier: GPL-2.0-or-later */
/* watch: denied and audited packets of all nodes, live from the channel. */
#include "common/record.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/flow_filter.h"
#include "ctl/output.h"
#include "ctl/printable.h"

#include <signal.h>
#include <string.h>

enum { FLOW_BYTES_MAX = 65536 };

struct watch {
	struct event_base *base;
	struct redis *redis;
	struct event *limit, *signals[2];
	struct flow_filter filter;
	enum output_format format;
	bool listening, was_listening; /* now, ever */
	bool complained;               /* about a message, since the last good one */
	int status;
	char cause[ERR_TEXT_MAX];
};

static void stop(struct watch *watch, int status)
{
	watch->status = status;
	event_base_loopbreak(watch->base);
}

/* --- records ----------------------------------------------------------------------------------------- */

static void add_interface(
	struct strbuf *line, const char *title, const char *name, const char *port)
{
	if (*name || *port)
		strbuf_addf(line, " %s=%s%s%s", title, name, *name && *port ? "/" : "", port);
}

static void print_line(const struct watch *watch, const struct flow_record *record)
{
	struct strbuf line cleanup_strbuf = {0};
	cleanup_free char *shown = NULL;
	char when[FLOW_TIME_SIZE];

	strbuf_addf(&line, "%s %s ", flow_time_format(record->time_us, when), record->node);
	flow_record_line(record, &line);
	if (watch->format == OUTPUT_WIDE) {
		add_interface(&line, "in", record->in, record->in_port);
		add_interface(&line, "out", record->out, record->out_port);
	}
	shown = printable(line.text);
	puts(shown);
}

/* JSON a line each, for programs that read lines; YAML a document each. What a newer enforcerd says more is shown too. */
static void print_record(struct watch *watch, const json_t *json, const struct flow_record *record)
{
	struct err err = {0};
	int status = EXIT_SUCCESS;

	if (watch->format == OUTPUT_JSON) {
		json_dumpf(json, stdout, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
		putchar('\n');
	} else if (watch->format == OUTPUT_YAML) {
		puts("---");
		if (output_yaml(json, stdout, &err))
			status = client_fail(&err);
	} else {
		print_line(watch, record);
	}
	if (!status)
		status = client_finish(); /* live: nothing waits in a buffer */
	if (status)
		stop(watch, status);
}

static struct flow_record *decode(const char *data, size_t len, json_t **json, struct err *err)
{
	if (len > FLOW_BYTES_MAX) {
		err_set(err, 0, "%zu bytes", len);
		return NULL;
	}
	*json = record_decode(data, len, err);
	return *json ? flow_record_from_json(*json, err) : NULL;
}

static void on_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct watch *watch = arg;
	struct err err = {0};
	cleanup_json json_t *json = NULL;
	CLEANUP(flow_record) struct flow_record *record = decode(data, len, &json, &err);

	if (!record && !watch->complained)
		client_warn("%s: a message that is no flow record: %s", channel, err.text);
	watch->complained = !record;
	if (record && flow_filter_match(&watch->filter, record))
		print_record(watch, json, record);
}

/* --- connection -------------------------------------------------------------------------------------- */

static void on_subscribed(redis_reply *reply, void *arg)
{
	struct watch *watch = arg;

	(void)reply;
	if (watch->was_listening)
		client_warn("connected to %s again", redis_peer(watch->redis));
	watch->listening = watch->was_listening = true;
	event_del(watch->limit);
}

static void on_event(enum redis_event event, const char *cause, void *arg)
{
	struct watch *watch = arg;

	snprintf(watch->cause, sizeof(watch->cause), "%s", cause);
	if (event == REDIS_READY &&
		redis_subscribe(watch->redis, FLOWS_KEY, on_message, on_subscribed, watch) < 0)
		redis_reset(watch->redis, "send SUBSCRIBE");
	if (event == REDIS_LOST && watch->listening)
		client_warn("%s: %s; what happens meanwhile is not shown here",
			redis_peer(watch->redis), cause);
	if (event == REDIS_LOST)
		watch->listening = false;
	if (event == REDIS_LOST && !watch->was_listening)
		stop(watch, EXIT_FAILURE);
}

/* Once there was a connection it is worth waiting for; before, a wrong address is likelier. */
static void on_failure(const char *cause, void *arg)
{
	struct watch *watch = arg;

	snprintf(watch->cause, sizeof(watch->cause), "%s", cause);
	if (!watch->was_listening)
		stop(watch, EXIT_FAILURE);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	snprintf(watch->cause, sizeof(watch->cause), "timed out");
	stop(watch, EXIT_FAILURE);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stop(arg, EXIT_SUCCESS);
}

/* --- life -------------------------------------------------------------------------------------------- */

static int open_parts(struct watch *watch, const struct options *options, struct err *err)
{
	static const int numbers[] = {SIGINT, SIGTERM};
	struct redis_options redis = options_redis(options);
	const struct timeval limit = {.tv_sec = options->timeout};

	watch->base = event_base_new();
	if (!watch->base)
		return err_set(err, 0, "create event loop");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		watch->signals[i] = evsignal_new(watch->base, numbers[i], on_signal, watch);
		event_add(watch->signals[i], NULL);
	}
	watch->limit = evtimer_new(watch->base, on_limit, watch);
	event_add(watch->limit, &limit);
	redis.on_failure = on_failure;
	watch->redis = redis_new(watch->base, &redis, on_event, watch, err);
	return watch->redis ? 0 : -1;
}

static void close_parts(struct watch *watch)
{
	watch->listening = false; /* an end that is meant is nothing to warn about */
	redis_free(watch->redis);
	for (size_t i = 0; i < sizeof(watch->signals) / sizeof(*watch->signals); i++)
		if (watch->signals[i])
			event_free(watch->signals[i]);
	if (watch->limit)
		event_free(watch->limit);
	if (watch->base)
		event_base_free(watch->base);
}

static int run(struct watch *watch, const struct options *options)
{
	struct err err = {0};
	int status = EXIT_FAILURE;

	if (open_parts(watch, options, &err)) {
		status = client_fail(&err);
	} else {
		event_base_dispatch(watch->base);
		status = watch->status;
		if (status && !watch->was_listening) {
			err_set(&err, 0, "connect to Redis at %s: %s", redis_peer(watch->redis),
				watch->cause);
			client_fail(&err);
		}
	}
	close_parts(watch);
	return status;
}

int cmd_watch(const struct options *options)
{
	const struct command *self = commands_find("watch");
	struct watch watch = {.format = output_format_parse(options->output)};
	struct err err = {0};
	int status;

	watch.filter.node = options->node;
	watch.filter.denied = options->denied;
	if (flow_who_parse(options->from, &watch.filter.from, &err) ||
		flow_who_parse(options->to, &watch.filter.to, &err))
		status = options_usage_error(self, "%s", err.text);
	else
		status = run(&watch, options);
	flow_filter_clear(&watch.filter);
	return status;
}
