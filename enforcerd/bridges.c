/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/bridges.h"

#include "common/log.h"
#include "common/xalloc.h"

#include <string.h>

struct window {
	struct bridges *owner;
	struct event *timer;
	struct elem_key key;
	struct window *next;
};

struct blind {
	char name[16];
	char why[ERR_TEXT_MAX];
};

struct bridges {
	struct event_base *base;
	struct world *world;
	bool tracked; /* the bridge table judges bridged flows: nothing is to be made visible */
	bool present; /* br_netfilter, when it was looked for last */
	struct bridge_watch *watch;
	struct bridges_ops ops;
	void *arg;
	struct window *windows; /* bridges in the midstream set */
	struct blind *blind;
	size_t blind_count, blind_cap;
};

static void window_free(struct window *window)
{
	event_free(window->timer);
	free(window);
}

static void window_end(evutil_socket_t fd, short what, void *arg)
{
	struct window *window = arg;
	struct bridges *bridges = window->owner;
	struct window **at = &bridges->windows;

	(void)fd;
	(void)what;
	while (*at != window)
		at = &(*at)->next;
	*at = window->next;
	log_info("bridge", "%s: flows that begin without SYN are dropped from now on",
		window->key.ifname[0] ? window->key.ifname : "all bridges");
	if (window->key.ifname[0])
		ruleset_del(world_ruleset(bridges->world), SET_MIDSTREAM, &window->key);
	else
		skeleton_midstream(world_ruleset(bridges->world), false);
	window_free(window);
	bridges->ops.changed(bridges->arg);
}

/* ifname "": every bridge. */
static void window_open(struct bridges *bridges, const char *ifname)
{
	const struct timeval limit = {.tv_sec = MIDSTREAM_SECONDS};
	struct window *window;

	for (window = bridges->windows; window; window = window->next)
		if (!strcmp(window->key.ifname, ifname))
			break;
	if (!window) {
		window = xcalloc(1, sizeof(*window));
		window->owner = bridges;
		snprintf(window->key.ifname, sizeof(window->key.ifname), "%s", ifname);
		window->timer = evtimer_new(bridges->base, window_end, window);
		window->next = bridges->windows;
		bridges->windows = window;
	}
	evtimer_add(window->timer, &limit);
	if (ifname[0])
		ruleset_put(world_ruleset(bridges->world), SET_MIDSTREAM, &window->key, NULL, NULL);
	else
		skeleton_midstream(world_ruleset(bridges->world), true);
	bridges->ops.visible(bridges->arg);
}

void bridges_all_visible(struct bridges *bridges)
{
	window_open(bridges, "");
}

static bool was_blind(const struct blind *blind, size_t count, const char *ifname)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(blind[i].name, ifname))
			return true;
	return false;
}

static void note_blind(struct bridges *bridges, const char *ifname, const char *why)
{
	struct blind *blind;

	xgrow(bridges->blind, bridges->blind_count, bridges->blind_cap);
	blind = &bridges->blind[bridges->blind_count++];
	snprintf(blind->name, sizeof(blind->name), "%s", ifname);
	snprintf(blind->why, sizeof(blind->why), "%s", why);
}

static void note_visible(struct bridges *bridges, const char *ifname)
{
	log_info("bridge", "%s: bridged traffic is now seen by nftables", ifname);
	window_open(bridges, ifname);
}

void bridges_update(struct bridges *bridges)
{
	size_t count = 0;
	const struct world_bridge *managed = world_bridges(bridges->world, &count);
	cleanup_free struct blind *before = steal_ptr(bridges->blind);
	size_t before_count = bridges->blind_count;

	bridges->blind_count = bridges->blind_cap = 0;
	if (bridges->tracked)
		return;
	bridges->present = bridge_netfilter_present();
	for (size_t i = 0; i < count; i++) {
		bool blind = was_blind(before, before_count, managed[i].name);
		struct err err = {0};

		switch (bridge_ensure(bridges->watch, managed[i].name, &err)) {
		case BRIDGE_SWITCHED:
			note_visible(bridges, managed[i].name);
			break;
		case BRIDGE_BLIND:
			if (!blind)
				log_error("bridge", "%s (network %s) is NOT enforced: %s",
					managed[i].name, managed[i].network, err.text);
			note_blind(bridges, managed[i].name, err.text);
			break;
		case BRIDGE_VISIBLE:
			/* br_netfilter has come back, with its switches on */
			if (blind)
				note_visible(bridges, managed[i].name);
			break;
		case BRIDGE_MISSING:
			break;
		}
	}
}

void bridges_look_again(struct bridges *bridges)
{
	if (bridges->tracked || bridges->present == bridge_netfilter_present())
		return;
	bridges_update(bridges);
	bridges->ops.changed(bridges->arg);
}

static void on_links(void *arg)
{
	struct bridges *bridges = arg;

	bridges_update(bridges);
	bridges->ops.changed(bridges->arg);
}

struct bridges *bridges_new(struct event_base *base, struct world *world, bool tracked,
	const struct bridges_ops *ops, void *arg, struct err *err)
{
	struct bridges *bridges = xcalloc(1, sizeof(*bridges));

	bridges->base = base;
	bridges->world = world;
	bridges->tracked = tracked;
	bridges->ops = *ops;
	bridges->arg = arg;
	bridges->watch = bridge_watch_new(base, on_links, bridges, err);
	if (!bridges->watch) {
		bridges_free(bridges);
		return NULL;
	}
	return bridges;
}

void bridges_free(struct bridges *bridges)
{
	if (!bridges)
		return;
	while (bridges->windows) {
		struct window *window = bridges->windows;

		bridges->windows = window->next;
		window_free(window);
	}
	bridge_watch_free(bridges->watch);
	free(bridges->blind);
	free(bridges);
}

size_t bridges_blind(const struct bridges *bridges, json_t *sentences)
{
	for (size_t i = 0; i < bridges->blind_count; i++)
		json_array_append_new(sentences,
			json_sprintf("%s: %s", bridges->blind[i].name, bridges->blind[i].why));
	return bridges->blind_count;
}
