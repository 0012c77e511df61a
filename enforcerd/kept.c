/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kept.h"

#include "common/log.h"
#include "common/mode.h"
#include "common/xalloc.h"

#include <errno.h>
#include <string.h>
#include <time.h>

/* Changes come in bursts, and a save waits for the disk. */
enum { SAVE_AFTER_SECONDS = 1 };
/* What is saved without waiting for it takes at most one part in this many of the time. */
enum { RECENT_PART = 10 };

struct kept {
	char *dir; /* NULL: nothing is kept */
	struct state_content content;
	char boot[STATE_BOOT_SIZE];
	bool loaded, earlier_boot, due;
	struct event *timer;
	struct event *recent_timer;
	double recent_rest; /* CLOCK_MONOTONIC, seconds: until then the next one waits */
	char trouble[ERR_TEXT_MAX];
};

/* --- lists of records -------------------------------------------------------------------------- */

struct list {
	struct store_change **items;
	size_t *count;
};

static void list_remove(struct list list, size_t i)
{
	store_change_clear(&(*list.items)[i]);
	(*list.items)[i] = (*list.items)[--*list.count];
}

static size_t list_find(struct list list, const struct store_change *change)
{
	size_t i = 0;

	while (i < *list.count && ((*list.items)[i].kind != change->kind ||
					  strcmp((*list.items)[i].id, change->id) != 0))
		i++;
	return i;
}

static void list_add(struct list list, const struct store_change *change)
{
	*list.items = xrealloc(*list.items, *list.count + 1, sizeof(**list.items));
	(*list.items)[(*list.count)++] = (struct store_change){
		.kind = change->kind, .id = xstrdup(change->id), .record = xstrdup(change->record)};
}

/* False when nothing of it is new. */
static bool list_apply(struct list list, const struct store_change *change)
{
	size_t i = list_find(list, change);
	bool there = i < *list.count;

	if (!change->record) {
		if (there)
			list_remove(list, i);
		return there;
	}
	if (there && !strcmp((*list.items)[i].record, change->record))
		return false;
	if (there)
		list_remove(list, i);
	*list.items = xrealloc(*list.items, *list.count + 1, sizeof(**list.items));
	(*list.items)[(*list.count)++] = (struct store_change){
		.kind = change->kind, .id = xstrdup(change->id), .record = xstrdup(change->record)};
	return true;
}

static void list_clear(struct list list)
{
	while (*list.count)
		list_remove(list, *list.count - 1);
}

/* --- saving ------------------------------------------------------------------------------------ */

static void save(struct kept *kept)
{
	struct err err = {0};

	kept->due = false;
	memcpy(kept->content.boot, kept->boot, sizeof(kept->boot));
	if (state_save(kept->dir, &kept->content, &err) == 0) {
		kept->trouble[0] = '\0';
		return;
	}
	if (strcmp(kept->trouble, err.text) != 0)
		log_warn("state", "%s: after a reboot nothing is closed before the store is read",
			err.text);
	snprintf(kept->trouble, sizeof(kept->trouble), "%s", err.text);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void save_recent(struct kept *kept)
{
	double before = now();
	struct err err = {0};

	memcpy(kept->content.boot, kept->boot, sizeof(kept->boot));
	/* save() comes after it, and says what is wrong */
	if (state_save_recent(kept->dir, &kept->content, &err) < 0)
		log_debug("state", "%s", err.text);
	kept->recent_rest = now() + (now() - before) * (RECENT_PART - 1);
}

static void on_recent_timer(evutil_socket_t fd, short what, void *arg)
{
	struct kept *kept = arg;

	(void)fd;
	(void)what;
	/* unless save() has had it meanwhile */
	if (kept->due)
		save_recent(kept);
}

/*
 * Before it is in force: a successor that knew an older head would take an older store for what it holds, and open again what was
 * closed in the last second of this one's life.
 */
static void save_recent_soon(struct kept *kept)
{
	double rest = kept->recent_rest - now();
	const struct timeval delay = {
		.tv_sec = (long)rest, .tv_usec = (long)(rest * 1e6) % 1000000};

	if (rest <= 0)
		save_recent(kept);
	else if (!evtimer_pending(kept->recent_timer, NULL))
		evtimer_add(kept->recent_timer, &delay);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	save(arg);
}

static void save_later(struct kept *kept)
{
	const struct timeval delay = {.tv_sec = SAVE_AFTER_SECONDS};

	if (!kept->due)
		evtimer_add(kept->timer, &delay);
	kept->due = true;
}

void kept_take(struct kept *kept, const char *stream, const struct store_change *changes,
	size_t count, bool whole, const struct store_head *head)
{
	struct state_content *content = &kept->content;
	bool policies = !strcmp(stream, STORE_POLICIES_STREAM);
	const struct list list =
		policies ? (struct list){&content->policies, &content->policy_count}
			 : (struct list){&content->networks, &content->network_count};
	bool changed = whole;

	if (!kept->dir)
		return;
	if (whole)
		list_clear(list);
	for (size_t i = 0; i < count; i++) {
		if (!policies && changes[i].kind != KIND_NETWORK)
			continue;
		if (whole)
			list_add(list, &changes[i]);
		else
			changed |= list_apply(list, &changes[i]);
	}
	if (policies) {
		content->has_head = head != NULL;
		content->head = head ? *head : (struct store_head){0};
	}
	if (changed || policies)
		save_later(kept);
	if (policies)
		save_recent_soon(kept);
}

const char *kept_trouble(const struct kept *kept)
{
	return kept->trouble;
}

/* --- loading ----------------------------------------------------------------------------------- */

/* What the last one of this boot had no time to save. */
static bool load_recent(struct kept *kept, const char *node)
{
	struct err err = {0};

	if (state_load_recent(kept->dir, &kept->content, &err) < 0) {
		if (err.code != ENOENT)
			log_error("state", "%s: it is not used", err.text);
		return false;
	}
	if (!strcmp(kept->content.boot, kept->boot) && kept->content.node &&
		!strcmp(kept->content.node, node))
		return true;
	state_clear(&kept->content);
	return false;
}

static void load(struct kept *kept, const char *node)
{
	struct err err = {0};

	kept->loaded = load_recent(kept, node);
	if (kept->loaded)
		return;
	if (state_load(kept->dir, &kept->content, &err) < 0) {
		if (err.code != ENOENT)
			log_error("state", "%s: it is not used", err.text);
	} else if (!kept->content.node || strcmp(kept->content.node, node) != 0) {
		log_error(
			"state", "%s/" STATE_FILE " is of another node: it is not used", kept->dir);
		state_clear(&kept->content);
	} else {
		kept->loaded = true;
	}
}

const struct state_content *kept_content(const struct kept *kept)
{
	return kept->loaded ? &kept->content : NULL;
}

bool kept_of_earlier_boot(const struct kept *kept)
{
	return kept->earlier_boot;
}

/* --- life -------------------------------------------------------------------------------------- */

struct kept *kept_new(struct event_base *base, const char *dir, const char *node)
{
	struct kept *kept = xcalloc(1, sizeof(*kept));
	struct err err = {0};

	kept->timer = evtimer_new(base, on_timer, kept);
	kept->recent_timer = evtimer_new(base, on_recent_timer, kept);
	if (!dir || !*dir)
		return kept;
	if (state_boot(kept->boot, &err) < 0) {
		log_error("state", "%s: nothing is kept", err.text);
		return kept;
	}
	kept->dir = xstrdup(dir);
	load(kept, node);
	snprintf(kept->content.mode, sizeof(kept->content.mode), "%s", mode_name(MODE_ENFORCE));
	kept->earlier_boot = kept->loaded && strcmp(kept->content.boot, kept->boot) != 0;
	free(kept->content.node);
	kept->content.node = xstrdup(node);
	return kept;
}

void kept_free(struct kept *kept)
{
	if (!kept)
		return;
	if (kept->due)
		save(kept);
	event_free(kept->timer);
	event_free(kept->recent_timer);
	state_clear(&kept->content);
	free(kept->dir);
	free(kept);
}
