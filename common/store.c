/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store.h"

#include "common/xalloc.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { EVENT_CHANGES_MAX = 100000 };

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

	make_epoch(epoch, now > before ? now : before + 1);
}

/* The creation time is fixed width, so byte order is time order. */
int store_epoch_cmp(const char *a, const char *b)
{
	return strcmp(a, b);
}

static bool copy_part(char *to, size_t size, const char *from, size_t len, const char *allowed)
{
	if (!len || len >= size || strspn(from, allowed) < len)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

int store_head_parse(const char *text, size_t len, struct store_head *head, struct err *err)
{
	static const char epoch_chars[] = "0123456789abcdef-";
	const char *first = memchr(text, ':', len);
	const char *second =
		first ? memchr(first + 1, ':', len - (size_t)(first + 1 - text)) : NULL;
	char revision[20], *end;
	struct store_head parsed = {0};

	if (!second || len >= STORE_HEAD_MAX ||
		!copy_part(parsed.epoch, sizeof(parsed.epoch), text, (size_t)(first - text),
			epoch_chars) ||
		!copy_part(revision, sizeof(revision), first + 1, (size_t)(second - first - 1),
			"0123456789") ||
		!copy_part(parsed.id, sizeof(parsed.id), second + 1,
			(size_t)(text + len - second - 1), "0123456789abcdef"))
		return err_set(err, 0, "head \"%.*s\" is not epoch:revision:id",
			(int)(len < 64 ? len : 64), text);
	parsed.revision = strtoull(revision, &end, 10);
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

static json_t *change_to_json(const struct store_change *change)
{
	json_t *object = json_object();

	json_object_set_new(object, "op", json_string(change->record ? "put" : "del"));
	json_object_set_new(object, "kind", json_string(kinds[change->kind].word));
	json_object_set_new(object, "id", json_string(change->id));
	if (change->record) {
		/* records are JSON texts; isolation's are plain words, kept as strings */
		json_t *record = json_loads(change->record, JSON_DECODE_ANY, NULL);

		json_object_set_new(
			object, "record", record ? record : json_string(change->record));
	}
	return object;
}

char *store_event_encode(const char *stream, const struct store_head *prev,
	const struct store_head *head, const struct store_change *changes, size_t count)
{
	cleanup_json json_t *event = json_object();
	json_t *list = json_array();
	char text[STORE_HEAD_MAX];

	json_object_set_new(event, "v", json_integer(1));
	json_object_set_new(event, "stream", json_string(stream));
	json_object_set_new(
		event, "prev", prev ? json_string(store_head_format(prev, text)) : json_null());
	json_object_set_new(event, "head", json_string(store_head_format(head, text)));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, change_to_json(&changes[i]));
	json_object_set_new(event, "changes", list);
	return json_dumps(event, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

static int head_from_json(const json_t *value, struct store_head *head, struct err *err)
{
	const char *text = json_string_value(value);

	if (!text)
		return err_set(err, 0, "head is not a string");
	return store_head_parse(text, strlen(text), head, err);
}

static char *record_text(const json_t *record)
{
	return json_is_string(record) ? xstrdup(json_string_value(record))
				      : json_dumps(record, JSON_COMPACT);
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
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count > EVENT_CHANGES_MAX)
		return err_set(err, 0, "changes is not an array of at most %d", EVENT_CHANGES_MAX);
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
	cleanup_json json_t *json = json_loadb(data, len, JSON_REJECT_DUPLICATES, &reason);

	*event = (struct store_event){0};
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
