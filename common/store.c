/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store.h"

#include "common/xalloc.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

/* An epoch's time is 13 digits of milliseconds, which last until the year 2286. */
enum { EPOCH_DIGITS = 13, EPOCH_LEN = 22 };
static const long long epoch_ms_max = 9999999999999;

static const struct {
	const char *word;   /* "kind" in an event */
	const char *plural; /* in key names */
	bool of_node;
} kinds[KIND_COUNT] = {
	[KIND_ENDPOINT] = {"endpoint", "endpoints", true},
	[KIND_NETWORK] = {"network", "networks", true},
	[KIND_POLICY] = {"policy", "policies", false},
	[KIND_ISOLATION] = {"isolation", "isolation", false},
	[KIND_LABELS] = {"labels", "labels", false},
	[KIND_MODE] = {"mode", "mode", false},
	[KIND_TIER] = {"tier", "tiers", false},
	[KIND_NETSET] = {"networkset", "networksets", false},
};

const char *store_kind_name(enum store_kind kind)
{
	return kinds[kind].word;
}

bool store_kind_parse(const char *word, enum store_kind *kind)
{
	for (unsigned i = 0; i < KIND_COUNT; i++) {
		if (!strcmp(word, kinds[i].word)) {
			*kind = (enum store_kind)i;
			return true;
		}
	}
	return false;
}

/* --- heads ------------------------------------------------------------------------------------- */

static void random_hex(char *text, size_t digits)
{
	unsigned char bytes[16] = {0};

	/* the urandom source never fails nor blocks once the system is up (getrandom(2)) */
	(void)!getrandom(bytes, digits / 2, 0);
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static void make_epoch(char epoch[STORE_EPOCH_MAX], long long ms)
{
	char random[9];

	random_hex(random, 8);
	snprintf(epoch, STORE_EPOCH_MAX, "%013lld-%s", ms, random);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void store_epoch_new(char epoch[STORE_EPOCH_MAX])
{
	make_epoch(epoch, now_ms());
}

void store_epoch_after(char epoch[STORE_EPOCH_MAX], const char *other)
{
	long long now = now_ms(), before = strtoll(other, NULL, 10);

	if (before >= epoch_ms_max)
		before = epoch_ms_max - 1;
	make_epoch(epoch, now > before ? now : before + 1);
}

bool store_epoch_is_ahead(const char *epoch)
{
	return strtoll(epoch, NULL, 10) > now_ms();
}

/* The creation time is fixed width, so byte order is time order. */
int store_epoch_cmp(const char *a, const char *b)
{
	return strcmp(a, b);
}

/* Takes the characters up to the next colon, or the rest, if all are allowed and there are min..max-1 of them. */
static bool take_part(
	const char **text, const char *end, const char *allowed, char *to, size_t min, size_t max)
{
	const char *colon = memchr(*text, ':', (size_t)(end - *text));
	size_t len = (size_t)((colon ? colon : end) - *text);

	if (len < min || len >= max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!(*text)[i] || !strchr(allowed, (*text)[i]))
			return false;
	memcpy(to, *text, len);
	to[len] = '\0';
	*text = colon ? colon + 1 : end;
	return true;
}

/* The last millisecond is left free, so that there is always a later epoch. */
static bool epoch_is_sound(const char *epoch)
{
	return strspn(epoch, "0123456789") == EPOCH_DIGITS && epoch[EPOCH_DIGITS] == '-' &&
	       strlen(epoch) == EPOCH_LEN && !strchr(epoch + EPOCH_DIGITS + 1, '-') &&
	       strtoll(epoch, NULL, 10) < epoch_ms_max;
}

int store_head_parse(const char *text, size_t len, struct store_head *head, struct err *err)
{
	static const char digits[] = "0123456789", hex[] = "0123456789abcdef";
	const char *at = text, *end = text + len;
	char revision[20];
	struct store_head parsed = {0};

	if (!take_part(
		    &at, end, "0123456789abcdef-", parsed.epoch, EPOCH_LEN, sizeof(parsed.epoch)) ||
		!epoch_is_sound(parsed.epoch) ||
		!take_part(&at, end, digits, revision, 1, sizeof(revision)) ||
		!take_part(&at, end, hex, parsed.id, 1, sizeof(parsed.id)) || at != end ||
		end[-1] == ':')
		return err_set(err, 0, "head \"%.*s\" is not epoch:revision:id",
			(int)(len < 64 ? len : 64), text);
	parsed.revision = strtoull(revision, NULL, 10);
	*head = parsed;
	return 0;
}

const char *store_head_format(const struct store_head *head, char text[STORE_HEAD_MAX])
{
	snprintf(text, STORE_HEAD_MAX, "%s:%llu:%s", head->epoch, head->revision, head->id);
	return text;
}

bool store_head_equal(const struct store_head *a, const struct store_head *b)
{
	return a->revision == b->revision && !strcmp(a->epoch, b->epoch) && !strcmp(a->id, b->id);
}

struct store_head store_head_next(const struct store_head *head)
{
	struct store_head next = *head;

	next.revision++;
	random_hex(next.id, 16);
	return next;
}

/* --- key names --------------------------------------------------------------------------------- */

char *store_head_key(const char *stream)
{
	return xasprintf(STORE_PREFIX "head:%s", stream);
}

char *store_channel(const char *stream)
{
	return xasprintf(STORE_PREFIX "events:%s", stream);
}

static bool is_node_stream(const char *stream)
{
	return !strncmp(stream, STORE_NODE_STREAM, strlen(STORE_NODE_STREAM));
}

char *store_hash_key(const char *stream, enum store_kind kind)
{
	if (kinds[kind].of_node)
		return xasprintf(STORE_PREFIX "%s:%s", kinds[kind].plural,
			stream + strlen(STORE_NODE_STREAM));
	return xasprintf(STORE_PREFIX "%s", kinds[kind].plural);
}

char *store_status_key(const char *node)
{
	return xasprintf(STORE_PREFIX "status:%s", node);
}

char *store_accept_key(const char *stream)
{
	return xasprintf(STORE_PREFIX "accept:%s", stream);
}

char *store_history_key(const char *stream)
{
	return xasprintf(STORE_PREFIX "history:%s", stream);
}

bool store_stream_has(const char *stream, enum store_kind kind)
{
	return is_node_stream(stream) == kinds[kind].of_node;
}

/* --- events ------------------------------------------------------------------------------------ */

void store_change_clear(struct store_change *change)
{
	free(change->id);
	free(change->record);
	change->id = change->record = NULL;
}

/* Records are JSON objects; isolation's and mode's are plain words, and those, like anything else, travel as strings. NULL: not UTF-8. */
static json_t *change_to_json(const struct store_change *change)
{
	const char *op = change->record ? "put" : "del", *kind = kinds[change->kind].word;
	json_t *record;

	if (!change->record)
		return json_pack("{s:s, s:s, s:s}", "op", op, "kind", kind, "id", change->id);
	record = json_loads(change->record, 0, NULL);
	if (!record)
		record = json_string(change->record);
	return json_pack(
		"{s:s, s:s, s:s, s:o}", "op", op, "kind", kind, "id", change->id, "record", record);
}

/* NULL where a change cannot be said in JSON. */
static json_t *changes_to_json(const struct store_change *changes, size_t count)
{
	cleanup_json json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(list, change_to_json(&changes[i])) < 0)
			return NULL;
	return steal_ptr(list);
}

static char *encode(const char *stream, const struct store_head *prev,
	const struct store_head *head, json_t *changes)
{
	char text[STORE_HEAD_MAX], prev_text[STORE_HEAD_MAX];
	cleanup_json json_t *event = json_pack("{s:i, s:s, s:s?, s:s, s:o}", "v", 1, "stream",
		stream, "prev", prev ? store_head_format(prev, prev_text) : NULL, "head",
		store_head_format(head, text), "changes", changes);
	char *encoded = event ? json_dumps(event, JSON_COMPACT) : NULL;

	return encoded ? encoded : xstrdup("{}"); /* no event either: readers look into the store */
}

char *store_event_encode(const char *stream, const struct store_head *prev,
	const struct store_head *head, const struct store_change *changes, size_t count)
{
	json_t *list = changes_to_json(changes, count);
	cleanup_free char *event = list ? encode(stream, prev, head, list) : NULL;

	if (event && strlen(event) <= STORE_EVENT_MAX)
		return steal_ptr(event);
	return encode(stream, NULL, head, json_array());
}

static int head_from_json(const json_t *value, struct store_head *head, struct err *err)
{
	const char *text = json_string_value(value);

	if (!text)
		return err_set(err, 0, "head is not a string");
	return store_head_parse(text, strlen(text), head, err);
}

/* Never NULL, which would mean "deleted": whatever it is, whoever reads records will say what is wrong with it. */
static char *record_text(const json_t *record)
{
	return json_is_string(record) ? xstrdup(json_string_value(record))
				      : json_dumps(record, JSON_COMPACT | JSON_ENCODE_ANY);
}

static int change_from_json(const json_t *json, struct store_change *change, struct err *err)
{
	const char *op = json_string_value(json_object_get(json, "op"));
	const char *kind = json_string_value(json_object_get(json, "kind"));
	const char *id = json_string_value(json_object_get(json, "id"));
	const json_t *record = json_object_get(json, "record");
	bool put = op && !strcmp(op, "put");

	if (!op || (!put && strcmp(op, "del") != 0))
		return err_set(err, 0, "op is not put or del");
	if (!kind || !store_kind_parse(kind, &change->kind))
		return err_set(err, 0, "unknown kind");
	if (!id || !*id)
		return err_set(err, 0, "id is missing");
	if (put && !record)
		return err_set(err, 0, "record of %.64s is missing", id);
	change->id = xstrdup(id);
	change->record = put ? record_text(record) : NULL;
	return 0;
}

static int changes_from_json(
	const json_t *list, const char *stream, struct store_event *event, struct err *err)
{
	size_t count = json_array_size(list); /* bounded by the size of the event */

	if (!json_is_array(list))
		return err_set(err, 0, "changes is not an array");
	event->changes = xcalloc(count, sizeof(*event->changes));
	for (size_t i = 0; i < count; i++) {
		struct store_change *change = &event->changes[i];

		if (change_from_json(json_array_get(list, i), change, err) < 0)
			return err_wrap(err, "changes[%zu]", i);
		event->count++;
		if (!store_stream_has(stream, change->kind))
			return err_set(err, 0, "changes[%zu]: kind %s is not of this stream", i,
				kinds[change->kind].word);
	}
	return 0;
}

static int event_from_json(
	const json_t *json, const char *stream, struct store_event *event, struct err *err)
{
	const char *named = json_string_value(json_object_get(json, "stream"));
	const json_t *prev = json_object_get(json, "prev");

	if (json_integer_value(json_object_get(json, "v")) != 1)
		return err_set(err, 0, "version is not 1");
	if (!named || strcmp(named, stream) != 0)
		return err_set(err, 0, "is of another stream");
	if (head_from_json(json_object_get(json, "head"), &event->head, err) < 0)
		return -1;
	event->has_prev = prev && !json_is_null(prev);
	if (event->has_prev && head_from_json(prev, &event->prev, err) < 0)
		return -1;
	return changes_from_json(json_object_get(json, "changes"), stream, event, err);
}

int store_event_decode(const char *data, size_t len, const char *stream, struct store_event *event,
	struct err *err)
{
	json_error_t reason;
	cleanup_json json_t *json = NULL;

	*event = (struct store_event){0};
	if (len > STORE_EVENT_MAX)
		return err_set(err, 0, "event of stream %s: %zu bytes, more than %d", stream, len,
			STORE_EVENT_MAX);
	json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &reason);
	if (!json)
		return err_set(err, 0, "decode event of stream %s: %s", stream, reason.text);
	if (event_from_json(json, stream, event, err) < 0) {
		store_event_clear(event);
		return err_wrap(err, "event of stream %s", stream);
	}
	return 0;
}

void store_event_clear(struct store_event *event)
{
	for (size_t i = 0; i < event->count; i++)
		store_change_clear(&event->changes[i]);
	free(event->changes);
	event->changes = NULL;
	event->count = 0;
}
