/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/publisher.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "syncd/clock.h"

#include <malloc.h>
#include <string.h>

struct publisher {
	struct event_base *base;
	struct redis *redis;
	struct store_writer *writer; /* NULL until publisher_identify() */
	struct inventory *inventory;
	publisher_refused_fn *refused;
	void *arg;
	double since; /* when the oldest event that is not in Redis yet was read, or 0 */
	bool told;    /* the present trouble has been logged */
	bool whole;   /* everything is being written, not what changed */
	struct publisher_stats stats;
};

/* --- the writer's callbacks ---------------------------------------------------------------------- */

static void on_whole(struct store_change **changes, size_t *count, void *arg)
{
	struct publisher *publisher = arg;

	inventory_whole(publisher->inventory, changes, count);
	publisher->whole = true;
}

static void on_written(const struct store_head *head, void *arg)
{
	struct publisher *publisher = arg;
	struct publisher_stats *stats = &publisher->stats;

	stats->writes++;
	if (publisher->told)
		log_info("redis", "writing again, revision %llu", head->revision);
	publisher->told = false;
	/* every record, twice over and then as a command: half of what is resident after it, if it is not given back */
	if (publisher->whole)
		malloc_trim(0);
	publisher->whole = false;
	if (!publisher->since)
		return;
	stats->latency_last = monotonic_seconds() - publisher->since;
	log_debug("redis", "revision %llu written %.3f ms after its event was read", head->revision,
		stats->latency_last * 1e3);
	if (stats->latency_last > stats->latency_max)
		stats->latency_max = stats->latency_last;
	publisher->since = 0;
}

static void trouble(struct publisher *publisher, const char *cause)
{
	if (!publisher->told)
		log_warn("redis", "%s: %s; retrying without another word",
			redis_peer(publisher->redis), cause);
	publisher->told = true;
}

static void on_failed(const char *cause, void *arg)
{
	struct publisher *publisher = arg;

	publisher->stats.failures++;
	trouble(publisher, cause);
}

static void on_refused(const char *holder, void *arg)
{
	struct publisher *publisher = arg;

	publisher->refused(holder, publisher->arg);
}

static void on_redis(enum redis_event event, const char *cause, void *arg)
{
	struct publisher *publisher = arg;

	if (event == REDIS_LOST)
		trouble(publisher, cause);
	else
		log_info("redis", "connected to %s", redis_peer(publisher->redis));
	if (publisher->writer)
		store_writer_event(publisher->writer, event);
}

/* --- interface ----------------------------------------------------------------------------------- */

void publisher_identify(struct publisher *publisher, const struct store_identity *identity,
	struct inventory *inventory)
{
	static const struct store_writer_ops ops = {on_whole, on_written, on_refused, on_failed};

	publisher->inventory = inventory;
	publisher->writer =
		store_writer_new(publisher->base, identity, publisher->redis, &ops, publisher);
	if (redis_is_ready(publisher->redis))
		store_writer_event(publisher->writer, REDIS_READY);
}

void publisher_flush(struct publisher *publisher, double since)
{
	struct store_change *changes = NULL;
	size_t count = 0;

	if (!publisher->writer)
		return;
	inventory_collect(publisher->inventory, &changes, &count);
	if (count) {
		if (since && !publisher->since)
			publisher->since = since;
		store_writer_put(publisher->writer, changes, count);
	}
	free(changes);
}

void publisher_rewrite(struct publisher *publisher)
{
	if (publisher->writer)
		store_writer_rewrite(publisher->writer);
}

void publisher_release(struct publisher *publisher, void (*done)(void *arg), void *arg)
{
	if (publisher->writer)
		store_writer_release(publisher->writer, done, arg);
	else
		done(arg);
}

bool publisher_connected(const struct publisher *publisher)
{
	return redis_is_ready(publisher->redis);
}

bool publisher_ready(const struct publisher *publisher, struct strbuf *reasons)
{
	const char *cause = redis_last_error(publisher->redis);

	if (!redis_is_ready(publisher->redis)) {
		strbuf_addf(reasons, "redis: %s: %s\n", redis_peer(publisher->redis),
			*cause ? cause : "not connected yet");
		return false;
	}
	if (publisher->writer && store_writer_idle(publisher->writer))
		return true;
	if (publisher->writer && store_writer_rival(publisher->writer)) {
		strbuf_addf(reasons, "redis: %s: %s\n", redis_peer(publisher->redis),
			store_writer_rival(publisher->writer));
		return false;
	}
	strbuf_addf(reasons, "redis: %s: not everything is written yet\n",
		redis_peer(publisher->redis));
	return false;
}

const struct publisher_stats *publisher_stats(const struct publisher *publisher)
{
	return &publisher->stats;
}

struct publisher *publisher_new(struct event_base *base, const struct redis_options *redis,
	publisher_refused_fn *refused, void *arg, struct err *err)
{
	CLEANUP(publisher) struct publisher *publisher = xcalloc(1, sizeof(*publisher));

	publisher->base = base;
	publisher->refused = refused;
	publisher->arg = arg;
	publisher->redis = redis_new(base, redis, on_redis, publisher, err);
	return publisher->redis ? steal_ptr(publisher) : NULL;
}

void publisher_free(struct publisher *publisher)
{
	if (!publisher)
		return;
	/* its outstanding commands are answered into the writer */
	if (publisher->redis)
		redis_free(publisher->redis);
	if (publisher->writer)
		store_writer_free(publisher->writer);
	free(publisher);
}
