/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Engine's answers and events, and what the inventory makes of any sequence of them. An input is a list of lines; the first
 * byte of a line says what it is:
 *
 *   e event   c container list   o one container   n network inspect   l network list   i image   m info   v version
 *
 * A lower-case letter is an answer to a question asked just now, an upper-case one to a question asked at the beginning, so that
 * answers which are older than events before them come up.
 */
#include "common/xalloc.h"
#include "syncd/docker_json.h"
#include "syncd/engine_events.h"
#include "syncd/inventory.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

struct run {
	struct label_prefixes *prefixes;
	struct inventory *inventory;
	inventory_stamp first;
	long long now;
};

static void feed_event(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_event event = {0};

	(void)asked;
	if (docker_parse_event(text, len, run->prefixes, &event, NULL) == 0)
		inventory_event(run->inventory, &event);
	docker_event_clear(&event);
}

static void feed_containers(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_containers list = {0};

	if (docker_parse_containers(text, len, run->prefixes, &list, NULL) == 0)
		inventory_containers(run->inventory, &list, asked);
	docker_containers_clear(&list);
}

static void feed_container(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_containers list = {0};

	if (docker_parse_containers(text, len, run->prefixes, &list, NULL) == 0)
		for (size_t i = 0; i < list.count; i++)
			inventory_container(
				run->inventory, list.items[i].id, &list.items[i], asked);
	docker_containers_clear(&list);
}

static void feed_network(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_network network = {0};

	if (docker_parse_network(text, len, &network, NULL) == 0)
		inventory_network(run->inventory, network.record.id, &network, asked, run->now);
	docker_network_clear(&network);
}

static void feed_networks(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_networks list = {0};

	if (docker_parse_networks(text, len, &list, NULL) == 0)
		inventory_networks(run->inventory, &list, asked);
	docker_networks_clear(&list);
}

static void feed_image(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	CLEANUP(labels) struct labels *labels = docker_parse_image(text, len, run->prefixes, NULL);

	(void)asked;
	inventory_image(run->inventory, "i1", labels);
}

static void feed_info(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_info info = {0};

	(void)run;
	(void)asked;
	if (docker_parse_info(text, len, &info, NULL) == 0)
		docker_info_clear(&info);
	free(docker_parse_message(text, len));
}

static void feed_version(struct run *run, char *text, size_t len, inventory_stamp asked)
{
	struct docker_version version = {0};

	(void)run;
	(void)asked;
	if (docker_parse_version(text, len, &version, NULL) == 0)
		docker_version_clear(&version);
}

static const struct {
	char letter;
	void (*feed)(struct run *run, char *text, size_t len, inventory_stamp asked);
} kinds[] = {
	{'e', feed_event},
	{'c', feed_containers},
	{'o', feed_container},
	{'n', feed_network},
	{'l', feed_networks},
	{'i', feed_image},
	{'m', feed_info},
	{'v', feed_version},
};

/* What is published is what a reader of all changes would hold, and what it would accept. */
static void check_changes(struct run *run)
{
	struct store_change *changes = NULL;
	struct want want;
	size_t count = 0;

	inventory_collect(run->inventory, &changes, &count);
	for (size_t i = 0; i < count; i++) {
		if (changes[i].record && changes[i].kind == KIND_ENDPOINT) {
			cleanup_json json_t *record =
				record_decode(changes[i].record, strlen(changes[i].record), NULL);
			struct endpoint *endpoint =
				endpoint_from_json(record, "n1", changes[i].id, NULL);

			if (!endpoint)
				abort();
			endpoint_free(endpoint);
		}
		store_change_clear(&changes[i]);
	}
	free(changes);
	while (inventory_next_want(run->inventory, &want))
		free(want.id);
}

static bool on_line(char *line, size_t len, void *arg)
{
	struct run *run = arg;
	inventory_stamp asked =
		isupper((unsigned char)line[0]) ? run->first : inventory_tick(run->inventory);

	run->now++;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].letter == tolower((unsigned char)line[0]))
			kinds[i].feed(run, line + 1, len - 1, asked);
	check_changes(run);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* labels of the first three can come to the same key */
	char texts[][8] = {"p.", "q.", "p.q.=", "r.=x/"};
	char *items[] = {texts[0], texts[1], texts[2], texts[3]};
	const struct config_list words = {items, sizeof(items) / sizeof(*items)};
	struct event_lines lines = {0};
	struct run run = {.prefixes = label_prefixes_parse(&words, NULL)};
	const struct inventory_options options = {.node = "n1", .prefixes = run.prefixes};

	if (!run.prefixes)
		abort();
	run.inventory = inventory_new(&options);

	run.first = inventory_tick(run.inventory);
	event_lines_feed(&lines, (const char *)data, size, on_line, &run);
	event_lines_feed(&lines, "\n", 1, on_line, &run);
	inventory_synced(run.inventory, inventory_tick(run.inventory));
	event_lines_clear(&lines);
	inventory_free(run.inventory);
	label_prefixes_free(run.prefixes);
	return 0;
}
