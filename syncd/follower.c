/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/follower.h"

#include "common/backoff.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "syncd/clock.h"

#include <malloc.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

enum { HTTP_OK = 200, HTTP_NOT_FOUND = 404 };

enum fetch_kind {
	FETCH_CONTAINERS,
	FETCH_NETWORKS,
	FETCH_CONTAINER,
	FETCH_SETTLED,
	FETCH_NETWORK,
	FETCH_IMAGE
};

/*
 * What a starting container waits for; the rest; and what the Engine may let hang while something is done to a container,
 * which nothing else waits for.
 */
enum lane { URGENT, BACKGROUND, BLOCKING, LANES };

static const size_t lane_max[LANES] = {FOLLOWER_IN_FLIGHT_MAX, 8, 4};

struct fetch {
	struct follower *follower;
	char *key; /* kind and id */
	enum fetch_kind kind;
	char *id;
	enum lane lane;
	bool in_flight, again, for_sync;
	double sent;  /* when the question under way was */
	double since; /* when the oldest urgent wish for it came, or 0 */
	inventory_stamp asked;
	struct fetch *prev, *next; /* in a queue */
	UT_hash_handle hh;
};

struct follower {
	struct engine *engine;
	struct inventory *inventory;
	const struct label_prefixes *prefixes;
	struct follower_ops ops;
	void *arg;
	struct event *retry_timer;
	struct backoff backoff;
	struct fetch *fetches; /* queued and in flight */
	struct fetch *queues[LANES];
	size_t in_flight, lane_in_flight[LANES];
	bool syncing, sync_again, sync_failed, synced;
	size_t sync_left; /* fetches that the comparison under way waits for */
	inventory_stamp sync_asked;
	unsigned long long syncs;
	char trouble[ERR_TEXT_MAX];
};

static void launch(struct follower *follower);

/* --- the table of fetches ------------------------------------------------------------------------ */

static void enqueue(struct follower *follower, struct fetch *fetch)
{
	DL_APPEND(follower->queues[fetch->lane], fetch);
}

static void dequeue(struct follower *follower, struct fetch *fetch)
{
	DL_DELETE(follower->queues[fetch->lane], fetch);
}

static struct fetch *fetch_new(
	struct follower *follower, enum fetch_kind kind, const char *id, const char *key)
{
	struct fetch *fetch = xcalloc(1, sizeof(*fetch));

	fetch->follower = follower;
	fetch->kind = kind;
	fetch->id = xstrdup(id);
	fetch->key = xstrdup(key);
	HASH_ADD_KEYPTR(hh, follower->fetches, fetch->key, strlen(fetch->key), fetch);
	return fetch;
}

static void fetch_free(struct follower *follower, struct fetch *fetch)
{
	HASH_DEL(follower->fetches, fetch);
	free(fetch->key);
	free(fetch->id);
	free(fetch);
}

static void promote(struct follower *follower, struct fetch *fetch)
{
	if (fetch->lane == URGENT)
		return;
	if (fetch->in_flight) {
		follower->lane_in_flight[fetch->lane]--;
		fetch->lane = URGENT;
		follower->lane_in_flight[URGENT]++;
		return;
	}
	dequeue(follower, fetch);
	fetch->lane = URGENT;
	enqueue(follower, fetch);
}

static struct fetch *find(
	struct follower *follower, enum fetch_kind kind, const char *id, char **key)
{
	struct fetch *fetch = NULL;

	*key = xasprintf("%d:%s", (int)kind, id);
	HASH_FIND_STR(follower->fetches, *key, fetch);
	return fetch;
}

static void request(struct follower *follower, enum fetch_kind kind, const char *id, enum lane lane,
	bool for_sync)
{
	cleanup_free char *key = NULL;
	struct fetch *fetch = find(follower, kind, id, &key);

	if (!fetch) {
		fetch = fetch_new(follower, kind, id, key);
		fetch->lane = lane;
		enqueue(follower, fetch);
	} else {
		fetch->again = fetch->in_flight;
		if (lane == URGENT)
			promote(follower, fetch);
	}
	if (lane == URGENT && !fetch->since)
		fetch->since = monotonic_seconds();
	if (for_sync && !fetch->for_sync) {
		fetch->for_sync = true;
		follower->sync_left++;
	}
}

/* Only where an answer is under way, which may be older than what has just been heard. */
static void request_again(struct follower *follower, enum fetch_kind kind, const char *id)
{
	cleanup_free char *key = NULL;
	struct fetch *fetch = find(follower, kind, id, &key);

	if (fetch && fetch->in_flight)
		fetch->again = true;
}

static void take_want(struct follower *follower, const struct want *want, bool for_sync)
{
	enum lane lane = want->urgent ? URGENT : BACKGROUND;

	if (want->kind != WANT_EVERYTHING && !docker_id_ok(want->id))
		return;
	switch (want->kind) {
	case WANT_CONTAINER:
		request(follower, FETCH_CONTAINER, want->id, lane, false);
		break;
	case WANT_CONTAINER_SETTLED:
		request(follower, FETCH_SETTLED, want->id, BLOCKING, false);
		break;
	case WANT_NETWORK:
		request(follower, FETCH_NETWORK, want->id, lane, for_sync);
		break;
	case WANT_NETWORK_AGAIN:
		request_again(follower, FETCH_NETWORK, want->id);
		break;
	case WANT_IMAGE:
		request(follower, FETCH_IMAGE, want->id, lane, for_sync);
		break;
	case WANT_EVERYTHING:
		follower_sync(follower);
		break;
	}
}

static void take_wants(struct follower *follower, bool for_sync)
{
	struct want want;

	while (inventory_next_want(follower->inventory, &want)) {
		take_want(follower, &want, for_sync);
		free(want.id);
	}
	if (HASH_COUNT(follower->fetches) > FOLLOWER_QUEUE_MAX)
		follower->ops.overflow(follower->arg);
	else
		launch(follower);
}

/* --- full comparison ----------------------------------------------------------------------------- */

static void retry_later(struct follower *follower)
{
	unsigned ms = backoff_next(&follower->backoff);
	const struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};

	if (!evtimer_pending(follower->retry_timer, NULL))
		evtimer_add(follower->retry_timer, &delay);
}

static void begin_sync(struct follower *follower)
{
	follower->syncing = true;
	follower->sync_again = follower->sync_failed = false;
	follower->sync_asked = inventory_tick(follower->inventory);
	evtimer_del(follower->retry_timer);
	/* networks after it, so that who is in them is known: else each container would be asked for by itself */
	request(follower, FETCH_CONTAINERS, "", BACKGROUND, true);
}

static void end_sync(struct follower *follower)
{
	follower->syncing = false;
	if (follower->sync_failed) {
		retry_later(follower);
		return;
	}
	if (follower->trouble[0])
		log_info("engine", "in sync again");
	follower->trouble[0] = '\0';
	backoff_reset(&follower->backoff);
	inventory_synced(follower->inventory, follower->sync_asked);
	/* lists are parsed into many times what is kept of them: give that back rather than sit on it for a minute */
	malloc_trim(0);
	follower->synced = true;
	follower->syncs++;
	follower->ops.synced(follower->arg);
	if (follower->sync_again) {
		begin_sync(follower);
		launch(follower);
	}
}

void follower_sync(struct follower *follower)
{
	if (follower->syncing) {
		follower->sync_again = true;
		return;
	}
	begin_sync(follower);
	launch(follower);
}

/* --- answers ------------------------------------------------------------------------------------- */

static int take_containers(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	struct follower *follower = fetch->follower;
	struct docker_containers list;

	if (docker_parse_containers(answer->body, answer->len, follower->prefixes, &list, err) < 0)
		return -1;
	if (list.refused)
		log_warn("engine", "container list: %zu element(s) without a usable id left out",
			list.refused);
	inventory_containers(follower->inventory, &list, fetch->asked);
	docker_containers_clear(&list);
	if (follower->syncing)
		request(follower, FETCH_NETWORKS, "", BACKGROUND, true);
	return 0;
}

static int take_networks(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	struct docker_networks list;

	if (docker_parse_networks(answer->body, answer->len, &list, err) < 0)
		return -1;
	inventory_networks(fetch->follower->inventory, &list, fetch->asked);
	docker_networks_clear(&list);
	return 0;
}

static int take_container(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	struct follower *follower = fetch->follower;
	const struct docker_container *found = NULL;
	struct docker_containers list;

	if (docker_parse_containers(answer->body, answer->len, follower->prefixes, &list, err) < 0)
		return -1;
	for (size_t i = 0; i < list.count && !found; i++)
		if (!strcmp(list.items[i].id, fetch->id))
			found = &list.items[i];
	inventory_container(follower->inventory, fetch->id, found, fetch->asked);
	docker_containers_clear(&list);
	return 0;
}

/*
 * Container inspect waits until nothing is done to the container any more; from then on the list is right, which is asked for what
 * is to be known: also where no answer came, for then nothing better is to be had.
 */
static void settled(struct follower *follower, const struct fetch *fetch)
{
	request(follower, FETCH_CONTAINER, fetch->id, BACKGROUND, false);
}

static int take_settled(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	(void)answer;
	(void)err;
	settled(fetch->follower, fetch);
	return 0;
}

static int take_network(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	struct follower *follower = fetch->follower;
	struct docker_network found;

	if (answer->status == HTTP_NOT_FOUND) {
		inventory_network(follower->inventory, fetch->id, NULL, fetch->asked, 0);
		return 0;
	}
	if (docker_parse_network(answer->body, answer->len, &found, err) < 0)
		return -1;
	/* one that is not known yet may be asked for by its name */
	if (!strcmp(found.record.id, fetch->id) || !strcmp(found.record.name, fetch->id))
		inventory_network(
			follower->inventory, fetch->id, &found, fetch->asked, wall_nanoseconds());
	docker_network_clear(&found);
	return 0;
}

static int take_image(struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	struct follower *follower = fetch->follower;
	CLEANUP(labels) struct labels *labels = NULL;

	if (answer->status != HTTP_NOT_FOUND) {
		labels = docker_parse_image(answer->body, answer->len, follower->prefixes, err);
		if (!labels)
			return -1;
	}
	inventory_image(follower->inventory, fetch->id, labels);
	return 0;
}

static const struct {
	const char *what;
	bool may_be_missing;        /* "not found" is an answer */
	const char *before, *after; /* of the id, in the path; %5B%22 are [ and " */
	int (*take)(struct fetch *fetch, struct engine_answer *answer, struct err *err);
} kinds[] = {
	[FETCH_CONTAINERS] = {"container list", false, "/containers/json?all=1", "",
		take_containers},
	[FETCH_NETWORKS] = {"network list", false, "/networks", "", take_networks},
	[FETCH_CONTAINER] = {"container", false,
		"/containers/json?all=1&filters=%7B%22id%22%3A%5B%22", "%22%5D%7D", take_container},
	[FETCH_SETTLED] = {"container inspect", true, "/containers/", "/json", take_settled},
	[FETCH_NETWORK] = {"network", true, "/networks/", "", take_network},
	[FETCH_IMAGE] = {"image", true, "/images/", "/json", take_image},
};

static int check_status(const struct fetch *fetch, struct engine_answer *answer, struct err *err)
{
	cleanup_free char *message = NULL;

	if (answer->status == HTTP_OK ||
		(answer->status == HTTP_NOT_FOUND && kinds[fetch->kind].may_be_missing))
		return 0;
	if (!answer->status)
		return err_set(err, 0, "%s", answer->cause);
	message = docker_parse_message(answer->body, answer->len);
	return err_set(err, 0, "HTTP status %ld: %s", answer->status,
		message ? message : "no reason given");
}

static void fetch_failed(struct follower *follower, const struct fetch *fetch, struct err *err)
{
	err_wrap(err, "%s %s", kinds[fetch->kind].what, fetch->id);
	if (fetch->kind == FETCH_SETTLED) {
		log_debug("engine", "%s", err->text);
		settled(follower, fetch);
		return;
	}
	/*
	 * An image that cannot be read, for whatever reason, is taken as one that may carry every label: its containers are
	 * published with their labels rejected, which closes them. Held back, they would be bystanders for as long as it lasts.
	 */
	if (fetch->kind == FETCH_IMAGE)
		inventory_image(follower->inventory, fetch->id, NULL);
	if (!follower->trouble[0])
		log_warn("engine", "%s; what is published stays, retrying", err->text);
	snprintf(follower->trouble, sizeof(follower->trouble), "%s", err->text);
	if (follower->syncing)
		follower->sync_failed = true;
	else
		retry_later(follower);
}

/* Once more if something came meanwhile, else it is done with. Returns whether it was part of a comparison. */
static bool fetch_end(struct follower *follower, struct fetch *fetch)
{
	bool for_sync = fetch->for_sync;

	fetch->in_flight = false;
	follower->in_flight--;
	follower->lane_in_flight[fetch->lane]--;
	if (fetch->again) {
		fetch->again = false;
		enqueue(follower, fetch);
		return false;
	}
	fetch_free(follower, fetch);
	return for_sync;
}

static void on_answer(struct engine_answer *answer, void *arg)
{
	struct fetch *fetch = arg;
	struct follower *follower = fetch->follower;
	double since = fetch->since;
	bool sync_part;
	struct err err = {0};

	log_debug("engine", "%s %s answered in %.3f ms", kinds[fetch->kind].what, fetch->id,
		(monotonic_seconds() - fetch->sent) * 1e3);
	if (check_status(fetch, answer, &err) < 0 ||
		kinds[fetch->kind].take(fetch, answer, &err) < 0)
		fetch_failed(follower, fetch, &err);
	else if (!fetch->again)
		fetch->since = 0;
	sync_part = fetch_end(follower, fetch);
	/* before more is fetched: what is known now does not wait */
	follower->ops.changed(since, follower->arg);
	take_wants(follower, follower->syncing);
	if (sync_part && follower->sync_left && --follower->sync_left == 0 && follower->syncing)
		end_sync(follower);
}

/* --- sending ------------------------------------------------------------------------------------- */

static void send_fetch(struct follower *follower, struct fetch *fetch)
{
	cleanup_free char *path =
		xasprintf("%s%s%s", kinds[fetch->kind].before, fetch->id, kinds[fetch->kind].after);

	dequeue(follower, fetch);
	fetch->in_flight = true;
	fetch->sent = monotonic_seconds();
	follower->in_flight++;
	follower->lane_in_flight[fetch->lane]++;
	fetch->asked = inventory_tick(follower->inventory);
	engine_get(follower->engine, path, on_answer, fetch);
}

static void launch(struct follower *follower)
{
	for (size_t lane = 0; lane < LANES; lane++)
		while (follower->queues[lane] && follower->in_flight < FOLLOWER_IN_FLIGHT_MAX &&
			follower->lane_in_flight[lane] < lane_max[lane])
			send_fetch(follower, follower->queues[lane]);
}

/* --- interface ----------------------------------------------------------------------------------- */

void follower_event(struct follower *follower, const struct docker_event *event)
{
	inventory_event(follower->inventory, event);
	take_wants(follower, false);
}

void follower_events_end(struct follower *follower)
{
	follower->ops.changed(0, follower->arg);
}

void follower_stop(struct follower *follower)
{
	struct fetch *fetch, *next;

	memset(follower->queues, 0, sizeof(follower->queues));
	memset(follower->lane_in_flight, 0, sizeof(follower->lane_in_flight));
	HASH_ITER (hh, follower->fetches, fetch, next) {
		fetch_free(follower, fetch);
	}
	follower->in_flight = follower->sync_left = 0;
	follower->syncing = follower->sync_again = follower->synced = false;
	follower->trouble[0] = '\0';
	evtimer_del(follower->retry_timer);
}

bool follower_is_synced(const struct follower *follower)
{
	return follower->synced && !follower->trouble[0];
}

const char *follower_trouble(const struct follower *follower)
{
	return follower->trouble;
}

unsigned long long follower_syncs(const struct follower *follower)
{
	return follower->syncs;
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	follower_sync(arg);
}

struct follower *follower_new(struct event_base *base, struct engine *engine,
	struct inventory *inventory, const struct label_prefixes *prefixes,
	const struct follower_ops *ops, void *arg)
{
	struct follower *follower = xcalloc(1, sizeof(*follower));

	follower->engine = engine;
	follower->inventory = inventory;
	follower->prefixes = prefixes;
	follower->ops = *ops;
	follower->arg = arg;
	follower->retry_timer = evtimer_new(base, on_retry, follower);
	return follower;
}

void follower_free(struct follower *follower)
{
	if (!follower)
		return;
	follower_stop(follower);
	event_free(follower->retry_timer);
	free(follower);
}
