/* SPDX-License-Identifier: GPL-2.0-or-later */
/* panic: stop dropping now, ask later; one transaction that every node takes up. */
#include "common/mode.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/wait.h"

#include <string.h>

static bool any_says_audit(const struct store_view *view)
{
	const char *any = store_view_get(view, KIND_MODE, MODE_ANY_NODE);

	return mode_of_store(NULL, any) == MODE_AUDIT;
}

/* What single nodes were told before goes, and with all what every node was told. */
static void forget(const struct store_view *view, bool all, struct store_changes *changes)
{
	for (size_t i = 0; i < view->count; i++)
		if (view->items[i].kind == KIND_MODE &&
			(all || strcmp(view->items[i].id, MODE_ANY_NODE) != 0))
			store_changes_add(changes, KIND_MODE, view->items[i].id, NULL);
}

static void begin(const struct store_view *view, const char *node, struct store_changes *changes)
{
	if (!node)
		forget(view, false, changes);
	store_changes_add(changes, KIND_MODE, node ? node : MODE_ANY_NODE, mode_name(MODE_AUDIT));
}

/* One node may be taken out of a panic of all: then it needs a word of its own. */
static void end(const struct store_view *view, const char *node, struct store_changes *changes)
{
	if (!node)
		forget(view, true, changes);
	else if (any_says_audit(view))
		store_changes_add(changes, KIND_MODE, node, mode_name(MODE_ENFORCE));
	else if (store_view_get(view, KIND_MODE, node))
		store_changes_add(changes, KIND_MODE, node, NULL);
}

static int edit_mode(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	const struct options *options = arg;

	(void)err;
	if (options->end)
		end(view, options->node, changes);
	else
		begin(view, options->node, changes);
	return 0;
}

static void warn_unknown_node(struct redis_sync *redis, const char *node)
{
	struct err err = {0};
	cleanup_json json_t *nodes = client_nodes(redis, &err);

	for (size_t i = 0; i < json_array_size(nodes); i++)
		if (!strcmp(json_string_value(json_array_get(nodes, i)), node))
			return;
	client_warn("no node \"%s\" is known now; the setting waits for it", node);
}

static void say_done(const struct options *options, bool written)
{
	const char *of = options->node ? "node " : "every node";
	const char *node = options->node ? options->node : "";

	if (options->end)
		printf(written ? "Panic is over for %s%s\n" : "There was no panic for %s%s\n", of,
			node);
	else
		printf("PANIC: from now on nothing is dropped on %s%s; what would be is reported.\n"
		       "\"bulkheadctl panic --end\" ends it.\n",
			of, node);
}

int cmd_panic(const struct options *options)
{
	struct options copy = *options; /* the edit's argument is not const */
	struct store_edit_result result;
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = NULL;

	if (options->node && node_name_check(options->node, &err))
		return options_usage_error(commands_find("panic"), "%s", err.text);
	redis = client_open(options, &err);
	if (!redis || store_edit(redis, edit_mode, &copy, &result, &err))
		return client_fail(&err);
	client_warn_created(&result);
	if (options->node)
		warn_unknown_node(redis, options->node);
	say_done(options, result.written);
	return wait_for_nodes(redis, options, &result, NULL);
}
