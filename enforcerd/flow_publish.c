/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_publish.h"

#include "common/flow_record.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <string.h>

enum { BATCH_MAX = 64, /* records in one transaction */ NUMBER_SIZE = 24 };

struct flow_publisher {
	struct redis *redis;
	char *queue[FLOW_QUEUE_MAX]; /* a ring */
	size_t first, count, bytes;
	size_t under_way; /* records of the transaction that is not answered; they have left the queue */
	char refusal[ERR_TEXT_MAX];   /* of a command within the transaction */
	char complaint[ERR_TEXT_MAX]; /* the last one said */
	struct flow_publisher_stats stats;
};

struct flow_publisher *flow_publisher_new(struct redis *redis)
{
	struct flow_publisher *publisher = xcalloc(1, sizeof(*publisher));

	publisher->redis = redis_hold(redis);
	return publisher;
}

static char *take_first(struct flow_publisher *publisher)
{
	char *text = publisher->queue[publisher->first];

	publisher->first = (publisher->first + 1) % FLOW_QUEUE_MAX;
	publisher->count--;
	publisher->bytes -= strlen(text);
	return text;
}

static void clear(struct flow_publisher *publisher)
{
	publisher->stats.dropped += publisher->count;
	while (publisher->count)
		free(take_first(publisher));
}

void flow_publisher_free(struct flow_publisher *publisher)
{
	if (!publisher)
		return;
	redis_drop(publisher->redis, publisher);
	clear(publisher);
	free(publisher);
}

/* --- sending --------------------------------------------------------------------------------------- */

static void send_batch(struct flow_publisher *publisher);

/* EXEC says only that something was refused; this is what. */
static void on_queued(redis_reply *reply, void *arg)
{
	struct flow_publisher *publisher = arg;

	if (reply && reply->type == REDIS_REPLY_ERROR && !publisher->refusal[0])
		snprintf(publisher->refusal, sizeof(publisher->refusal), "%s", reply->str);
}

static void complain(struct flow_publisher *publisher, const char *cause)
{
	if (strcmp(publisher->complaint, cause) != 0)
		log_warn("flow", "publish flows: %s", cause);
	snprintf(publisher->complaint, sizeof(publisher->complaint), "%s", cause);
}

static void on_done(redis_reply *reply, void *arg)
{
	struct flow_publisher *publisher = arg;
	size_t records = publisher->under_way;
	struct err err = {0};

	publisher->under_way = 0;
	if (redis_reply_failed(reply, &err)) {
		publisher->stats.dropped += records;
		if (reply)
			complain(publisher, publisher->refusal[0] ? publisher->refusal : err.text);
	} else {
		publisher->stats.published += records;
		publisher->complaint[0] = '\0';
	}
	if (reply)
		send_batch(publisher);
}

static int send_record(struct flow_publisher *publisher, const char *text)
{
	char kept[NUMBER_SIZE];

	snprintf(kept, sizeof(kept), "%d", FLOWS_KEPT);
	if (redis_call(publisher->redis, on_queued, publisher, "XADD", FLOWS_KEY, "MAXLEN", "~",
		    kept, "*", FLOWS_FIELD, text, NULL) < 0)
		return -1;
	return redis_call(publisher->redis, on_queued, publisher, "PUBLISH", FLOWS_KEY, text, NULL);
}

static void send_batch(struct flow_publisher *publisher)
{
	int rc;

	if (publisher->under_way || !publisher->count)
		return;
	publisher->refusal[0] = '\0';
	rc = redis_call(publisher->redis, on_queued, publisher, "MULTI", NULL);
	while (rc == 0 && publisher->count && publisher->under_way < BATCH_MAX) {
		cleanup_free char *text = take_first(publisher);

		publisher->under_way++;
		rc = send_record(publisher, text);
	}
	if (rc == 0)
		rc = redis_call(publisher->redis, on_done, publisher, "EXEC", NULL);
	if (rc < 0) {
		/* half a transaction would swallow what others send */
		publisher->stats.dropped += publisher->under_way;
		publisher->under_way = 0;
		if (redis_is_ready(publisher->redis))
			redis_reset(publisher->redis, "send flows");
		clear(publisher);
	}
}

void flow_publisher_add(struct flow_publisher *publisher, char *text)
{
	size_t len = strlen(text);

	if (!redis_is_ready(publisher->redis) || publisher->count == FLOW_QUEUE_MAX ||
		publisher->bytes + len > FLOW_QUEUE_BYTES_MAX) {
		publisher->stats.dropped++;
		free(text);
		return;
	}
	publisher->queue[(publisher->first + publisher->count++) % FLOW_QUEUE_MAX] = text;
	publisher->bytes += len;
	send_batch(publisher);
}

void flow_publisher_event(struct flow_publisher *publisher, enum redis_event event)
{
	/* the transaction under way has been answered with NULL */
	if (event == REDIS_LOST)
		clear(publisher);
}

struct flow_publisher_stats flow_publisher_stats(const struct flow_publisher *publisher)
{
	return publisher->stats;
}
