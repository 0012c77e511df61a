/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/witness.h"

#include "common/store_edit.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/lib/wait.h"

#include <check.h>
#include <string.h>

enum { SOON_MS = 20000, WHILE_MS = 150 };

struct meant {
	bool has_head; /* false: the stream is absent */
	struct store_head head;
	char *content;
};

struct witness {
	struct event_base *base;
	char *stream;
	struct redis *commands, *pubsub;
	struct store_reader *reader;
	struct store_changes world;
	struct meant *meant;
	size_t count, cap;
	size_t at; /* the one that is held */
	unsigned snapshots, losses;
	enum store_state want_state;
	const char *want_reason;
	char failure[ERR_TEXT_MAX];
};

/* --- content ----------------------------------------------------------------------------------- */

static int by_kind_and_id(const void *a, const void *b)
{
	const struct store_change *one = a, *two = b;

	return one->kind != two->kind ? (int)one->kind - (int)two->kind : strcmp(one->id, two->id);
}

/* Sorts what it is given, and makes one text of it. */
static char *content_of(struct store_changes *items)
{
	cleanup_strbuf struct strbuf text = {0};

	if (items->count)
		qsort(items->items, items->count, sizeof(*items->items), by_kind_and_id);
	for (size_t i = 0; i < items->count; i++)
		strbuf_addf(&text, "%s %s %s\n", store_kind_name(items->items[i].kind),
			items->items[i].id, items->items[i].record);
	return xstrdup(text.text ? text.text : "");
}

static void put(struct store_changes *world, const struct store_change *change)
{
	for (size_t i = 0; i < world->count; i++) {
		if (by_kind_and_id(&world->items[i], change))
			continue;
		store_change_clear(&world->items[i]);
		world->items[i] = world->items[--world->count];
		break;
	}
	if (change->record)
		store_changes_add(world, change->kind, change->id, change->record);
}

static void read_store(const struct witness *witness, struct redis_sync *admin, struct meant *meant)
{
	struct store_changes items = {0};
	struct err err = {0};

	ck_assert_msg(
		!store_read(admin, witness->stream, &items, &meant->head, &meant->has_head, &err),
		"%s", err.text);
	meant->content = content_of(&items);
	store_changes_clear(&items);
}

static bool same(const struct meant *a, const struct meant *b)
{
	if (a->has_head != b->has_head || (a->has_head && !store_head_equal(&a->head, &b->head)))
		return false;
	return !strcmp(a->content, b->content);
}

void witness_approve(struct witness *witness, struct redis_sync *admin)
{
	xgrow(witness->meant, witness->count, witness->cap);
	read_store(witness, admin, &witness->meant[witness->count++]);
}

bool witness_is_last(const struct witness *witness, struct redis_sync *admin)
{
	struct meant now = {0};
	bool last;

	read_store(witness, admin, &now);
	last = same(&now, &witness->meant[witness->count - 1]);
	free(now.content);
	return last;
}

/* --- the reader's callbacks -------------------------------------------------------------------- */

static void judge(struct witness *witness, const struct store_head *head)
{
	struct meant held = {.has_head = head != NULL, .content = content_of(&witness->world)};
	char text[STORE_HEAD_MAX];

	if (head)
		held.head = *head;
	for (size_t i = witness->at; i < witness->count; i++) {
		if (!same(&held, &witness->meant[i]))
			continue;
		witness->at = i;
		free(held.content);
		return;
	}
	ck_abort_msg("state %s was handed over, which was not meant or is over:\n%s",
		head ? store_head_format(head, text) : "(absent)", held.content);
}

static void on_snapshot(const struct store_snapshot *snapshot, void *arg)
{
	struct witness *witness = arg;

	witness->snapshots++;
	store_changes_clear(&witness->world);
	for (size_t i = 0; i < snapshot->count; i++)
		put(&witness->world, &snapshot->items[i]);
	judge(witness, snapshot->head);
}

static void on_changes(
	const struct store_change *changes, size_t count, const struct store_head *head, void *arg)
{
	struct witness *witness = arg;

	for (size_t i = 0; i < count; i++)
		put(&witness->world, &changes[i]);
	judge(witness, head);
}

static void on_state(enum store_state state, const char *reason, void *arg)
{
	(void)arg;
	ck_assert(state != STORE_REFUSED || *reason);
}

static void on_failure(const char *cause, void *arg)
{
	struct witness *witness = arg;

	snprintf(witness->failure, sizeof(witness->failure), "%s", cause);
}

static void note_loss(struct witness *witness, enum redis_event event, const char *cause)
{
	if (event != REDIS_LOST)
		return;
	witness->losses++;
	on_failure(cause, witness);
}

static void on_commands(enum redis_event event, const char *cause, void *arg)
{
	struct witness *witness = arg;

	note_loss(witness, event, cause);
	store_reader_commands_event(witness->reader, event);
}

static void on_pubsub(enum redis_event event, const char *cause, void *arg)
{
	struct witness *witness = arg;

	note_loss(witness, event, cause);
	store_reader_pubsub_event(witness->reader, event);
}

/* --- life -------------------------------------------------------------------------------------- */

struct witness *witness_new(const char *stream)
{
	struct witness *witness = xcalloc(1, sizeof(*witness));

	witness->base = event_base_new();
	witness->stream = xstrdup(stream);
	xgrow(witness->meant, witness->count, witness->cap);
	witness->meant[witness->count++] = (struct meant){.content = xstrdup("")};
	return witness;
}

static void unfollow(struct witness *witness)
{
	store_reader_free(steal_ptr(witness->reader));
	redis_free(steal_ptr(witness->commands));
	redis_free(steal_ptr(witness->pubsub));
}

void witness_follow(struct witness *witness, const struct redis_options *options)
{
	static const struct store_reader_ops ops = {on_snapshot, on_changes, on_state};
	const struct meant *held = &witness->meant[witness->at];
	struct redis_options ours = *options;
	struct err err = {0};

	unfollow(witness);
	ours.on_failure = on_failure;
	witness->commands = redis_new(witness->base, &ours, on_commands, witness, &err);
	witness->pubsub = redis_new(witness->base, &ours, on_pubsub, witness, &err);
	ck_assert_msg(witness->commands && witness->pubsub, "%s", err.text);
	witness->reader = store_reader_new(witness->base, witness->stream, witness->commands,
		witness->pubsub, held->has_head ? &held->head : NULL, &ops, witness);
}

void witness_free(struct witness *witness)
{
	unfollow(witness);
	event_base_free(witness->base);
	store_changes_clear(&witness->world);
	for (size_t i = 0; i < witness->count; i++)
		free(witness->meant[i].content);
	free(witness->meant);
	free(witness->stream);
	free(witness);
}

struct event_base *witness_base(const struct witness *witness)
{
	return witness->base;
}

const struct store_reader *witness_reader(const struct witness *witness)
{
	return witness->reader;
}

void witness_resync(struct witness *witness)
{
	store_reader_resync(witness->reader, false);
}

const char *witness_failure(const struct witness *witness)
{
	return witness->failure;
}

unsigned witness_snapshots(const struct witness *witness)
{
	return witness->snapshots;
}

unsigned witness_losses(const struct witness *witness)
{
	return witness->losses;
}

/* --- waiting ----------------------------------------------------------------------------------- */

static bool in_state(void *arg)
{
	const struct witness *witness = arg;

	return store_reader_state(witness->reader) == witness->want_state &&
	       strstr(store_reader_reason(witness->reader), witness->want_reason);
}

void witness_expect_state(struct witness *witness, enum store_state state, const char *reason)
{
	witness->want_state = state;
	witness->want_reason = reason;
	ck_assert_msg(wait_until(witness->base, in_state, witness, SOON_MS),
		"state %d \"%s\", not %d \"%s\"; connection: %s",
		store_reader_state(witness->reader), store_reader_reason(witness->reader), state,
		reason, witness->failure);
}

static bool holds_last(void *arg)
{
	const struct witness *witness = arg;

	return witness->at == witness->count - 1 &&
	       store_reader_state(witness->reader) == STORE_SYNCED;
}

void witness_expect_last(struct witness *witness)
{
	ck_assert_msg(wait_until(witness->base, holds_last, witness, SOON_MS),
		"holds state %zu of %zu, %d \"%s\"; connection: %s", witness->at,
		witness->count - 1, store_reader_state(witness->reader),
		store_reader_reason(witness->reader), witness->failure);
}

void witness_expect_kept(struct witness *witness, const char *reason)
{
	witness_expect_state(witness, STORE_REFUSED, reason);
	wait_out(witness->base, WHILE_MS);
	witness_expect_state(witness, STORE_REFUSED, reason);
	ck_assert_uint_eq(witness->at, witness->count - 1);
}
