/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes from Redis, from any bytes: replies (which must not depend on the pieces that they come in), events, heads, and
 * lease records; and the URL, which an operator may paste from anywhere. What is accepted is written and must read back the same.
 */
#include "common/redis_codec.h"
#include "common/redis_url.h"
#include "common/store.h"
#include "common/store_lease.h"
#include "common/xalloc.h"

#include <hiredis/hiredis.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

/* --- replies ----------------------------------------------------------------------------------- */

/* A number that depends on everything in the reply. */
static uint64_t digest(uint64_t sum, const redis_reply *reply)
{
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);

	sum = sum * 1099511628211ULL + (uint64_t)reply->type;
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (uint8_t)text[i]) * 1099511628211ULL;
	if (reply->type == REDIS_REPLY_INTEGER)
		sum ^= (uint64_t)reply->integer;
	if (reply->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < reply->elements; i++)
			sum = digest(sum, reply->element[i]);
	return sum;
}

struct outcome {
	size_t replies;
	uint64_t sum;
	bool failed;
};

static bool drain(struct redis_codec *codec, struct outcome *outcome)
{
	for (;;) {
		redis_reply *reply = NULL;
		struct err err = {0};
		int rc = redis_codec_next(codec, &reply, &err);

		must((rc > 0) == (reply != NULL));
		must((rc < 0) == (*err.text != '\0'));
		if (rc <= 0) {
			outcome->failed = rc < 0;
			return rc == 0;
		}
		outcome->replies++;
		outcome->sum = digest(outcome->sum, reply);
		(void)redis_reply_failed(reply, &err);
		freeReplyObject(reply);
	}
}

static struct outcome decode(const uint8_t *data, size_t size, size_t piece)
{
	CLEANUP(redis_codec) struct redis_codec *codec = redis_codec_new();
	struct outcome outcome = {0};

	for (size_t at = 0; at < size; at += piece) {
		must(!redis_codec_feed(
			codec, data + at, size - at < piece ? size - at : piece, NULL));
		if (!drain(codec, &outcome))
			break;
	}
	return outcome;
}

static void fuzz_replies(const uint8_t *data, size_t size)
{
	struct outcome whole = decode(data, size, size);
	/* byte by byte the codec looks for the end of a line from its beginning each time */
	struct outcome pieces = decode(data, size, size < 4096 ? 1 : 7919);

	must(whole.replies == pieces.replies && whole.sum == pieces.sum);
	must(whole.failed == pieces.failed);
}

/* --- the store --------------------------------------------------------------------------------- */

static void check_same(const struct store_event *a, const struct store_event *b)
{
	must(store_head_equal(&a->head, &b->head));
	if (a->has_prev && !b->has_prev)
		return; /* became too large to be sent */
	must(a->has_prev == b->has_prev && a->count == b->count);
	must(!a->has_prev || store_head_equal(&a->prev, &b->prev));
	for (size_t i = 0; i < a->count; i++) {
		must(a->changes[i].kind == b->changes[i].kind);
		must(!strcmp(a->changes[i].id, b->changes[i].id));
		must(!a->changes[i].record == !b->changes[i].record);
	}
}

static void fuzz_event(const char *data, size_t size, const char *stream)
{
	struct store_event event, again;
	cleanup_free char *text = NULL;
	struct err err = {0};

	if (store_event_decode(data, size, stream, &event, &err)) {
		must(*err.text && !event.changes && !event.count);
		return;
	}
	for (size_t i = 0; i < event.count; i++)
		must(store_stream_has(stream, event.changes[i].kind) && *event.changes[i].id);
	text = store_event_encode(stream, event.has_prev ? &event.prev : NULL, &event.head,
		event.changes, event.count);
	must(!store_event_decode(text, strlen(text), stream, &again, &err));
	check_same(&event, &again);
	store_event_clear(&event);
	store_event_clear(&again);
}

static void fuzz_head(const char *data, size_t size)
{
	struct store_head head;
	char text[STORE_HEAD_MAX], after[STORE_EPOCH_MAX];
	struct store_head again;

	if (store_head_parse(data, size, &head, NULL))
		return;
	store_head_format(&head, text);
	must(!store_head_parse(text, strlen(text), &again, NULL));
	must(store_head_equal(&head, &again));
	store_epoch_after(after, head.epoch);
	must(store_epoch_cmp(after, head.epoch) > 0);
}

static void fuzz_lease(const char *text)
{
	static const struct store_identity identity = {"n", "e", "b", "v"};
	CLEANUP(store_lease) struct store_lease *lease = store_lease_new(&identity, 1800000000);

	must(store_lease_judge(lease, text, 0, 1800000000) != STORE_LEASE_OURS);
	must(store_lease_judge(lease, text, 1000, 1800000001) != STORE_LEASE_FOREIGN);
	/* whatever it is, it does not hold for ever */
	must(store_lease_judge(lease, text, 3001, 1800000003) == STORE_LEASE_FREE);
}

static void fuzz_url(const char *text)
{
	struct redis_url url;
	struct err err = {0};

	if (redis_url_parse(text, &url, &err)) {
		must(*err.text && !url.host && !url.path && !url.password && !url.user);
		return;
	}
	must(!!url.host + !!url.path + !!url.master == 1);
	must(!url.path || *url.path == '/');
	must(!url.host || (*url.host && url.port));
	must(!url.master || (*url.master && url.sentinel_count));
	redis_url_clear(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* of exactly this size, so that a read past the end is seen */
	char *bytes = xcalloc(size, 1);
	cleanup_free char *text = xstrndup(size ? (const char *)data : "", size);

	memcpy(bytes, data, size);
	if (size)
		fuzz_replies(data, size);
	fuzz_event(bytes, size, STORE_POLICIES_STREAM);
	fuzz_event(bytes, size, STORE_NODE_STREAM "n1");
	fuzz_head(bytes, size);
	fuzz_lease(text);
	fuzz_url(text);
	free(bytes);
	return 0;
}
