/* SPDX-License-Identifier: GPL-2.0-or-later */
/* get and match: what is in the store. */
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/lag.h"
#include "ctl/notes.h"
#include "ctl/printable.h"
#include "ctl/v3_define.h"
#include "ctl/view.h"

#include <string.h>
#include <strings.h>
#include <time.h>

/* Names asked for, and which of them have been seen: what was asked for and is not there is an error. */
struct wanted {
	char **names;
	size_t count;
	bool *seen;
};

static bool is_wanted(struct wanted *wanted, const char *name)
{
	bool found = !wanted->count;

	for (size_t i = 0; i < wanted->count; i++)
		if (!strcmp(wanted->names[i], name))
			found = wanted->seen[i] = true;
	return found;
}

static int report_missing(const struct wanted *wanted, const char *what)
{
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < wanted->count; i++) {
		cleanup_free char *name = printable(wanted->names[i]);

		if (wanted->seen[i])
			continue;
		fprintf(stderr, "resource does not exist: %s(name=%s)\n", what, name);
		status = EXIT_FAILURE;
	}
	return status;
}

static bool on_node(const struct options *options, const char *node)
{
	return !options->node || !strcmp(options->node, node);
}

/* What a kind of resource needs to be shown. */
struct getting {
	const struct options *options;
	struct redis_sync *redis;
	struct wanted *wanted;
	struct view *view;
	json_t *heads; /* of nodes */
};

/* --- endpoints and networks -------------------------------------------------------------------------- */

static int get_endpoints(struct getting *get, struct err *err)
{
	CLEANUP(world) struct world *world = client_world(get->redis, err);
	const struct world_endpoint *endpoints;
	size_t count;

	if (!world)
		return -1;
	endpoints = world_endpoints(world, &count);
	for (size_t i = 0; i < count; i++) {
		const struct endpoint *e = endpoints[i].record;

		if (on_node(get->options, e->node) &&
			(is_wanted(get->wanted, e->container_name) ||
				is_wanted(get->wanted, e->id) ||
				is_wanted(get->wanted, e->container_id)))
			view_endpoint(get->view, &endpoints[i]);
	}
	return 0;
}

static int get_networks(struct getting *get, struct err *err)
{
	CLEANUP(world) struct world *world = client_world(get->redis, err);
	const struct world_network *networks;
	size_t count;

	if (!world)
		return -1;
	networks = world_networks(world, &count);
	for (size_t i = 0; i < count; i++)
		if (on_node(get->options, networks[i].node) &&
			(is_wanted(get->wanted, networks[i].record->name) ||
				is_wanted(get->wanted, networks[i].record->id)))
			view_network(get->view, &networks[i]);
	return 0;
}

/* --- nodes ------------------------------------------------------------------------------------------- */

static json_t *read_lag(struct getting *get, const char *node)
{
	cleanup_free char *key = store_status_key(node);
	cleanup_json json_t *status = json_object();
	struct err err = {0};

	if (client_each(get->redis, key, client_take_field, status, &err))
		client_warn("%s", err.text);
	return lag_build(status, node, get->heads);
}

static void show_node(const char *field, const char *value, size_t len, void *arg)
{
	struct getting *get = arg;
	struct err err = {0};
	cleanup_json json_t *record = NULL;
	struct node *node;

	if (!on_node(get->options, field) || !is_wanted(get->wanted, field))
		return;
	record = record_decode(value, len, &err);
	node = record ? node_from_json(record, field, &err) : NULL;
	if (node) {
		cleanup_json json_t *lag = read_lag(get, field);

		view_node(get->view, node, lag, (long long)time(NULL));
	} else {
		client_warn("%s %s: %s", STORE_NODES, field, err.text);
	}
	node_free(node);
}

static int get_nodes(struct getting *get, struct err *err)
{
	int rc;

	get->heads = client_heads(get->redis, err);
	rc = get->heads ? client_each(get->redis, STORE_NODES, show_node, get, err) : -1;
	json_decref(get->heads);
	return rc;
}

/* --- policies ---------------------------------------------------------------------------------------- */

struct stored_policy {
	struct policy *policy;
	const struct tier *tier; /* NULL: not there */
	json_t *record;
};

struct stored_policies {
	struct getting *get;
	struct stored_policy *items;
	size_t count, cap;
};

static void take_policy(const char *field, const char *value, size_t len, void *arg)
{
	struct stored_policies *all = arg;
	struct err err = {0};
	cleanup_json json_t *record = NULL;
	struct policy *policy;

	if (!is_wanted(all->get->wanted, field))
		return;
	record = record_decode(value, len, &err);
	policy = record ? policy_from_json(record, &err) : NULL;
	if (!policy) {
		client_warn("policy %s as stored cannot be read: %s", field, err.text);
		return;
	}
	xgrow(all->items, all->count, all->cap);
	all->items[all->count++] =
		(struct stored_policy){.policy = policy, .record = steal_ptr(record)};
}

static int cmp_policies(const void *a, const void *b)
{
	const struct stored_policy *first = a, *second = b;
	int tiers = tier_cmp(first->tier, second->tier);

	return tiers ? tiers : policy_cmp(first->policy, second->policy);
}

static void find_tiers(struct stored_policies *all, const struct policies *defined)
{
	for (size_t i = 0; i < all->count; i++) {
		struct stored_policy *stored = &all->items[i];
		const char *name = tier_of(stored->policy);

		stored->tier = strcmp(name, TIER_DEFAULT) ? NULL : tier_default();
		for (size_t t = 0; t < defined->tier_count; t++)
			if (!strcmp(defined->tiers[t]->name, name))
				stored->tier = defined->tiers[t];
		if (!stored->tier)
			client_warn("policy %s: there is no tier \"%s\": what it selects is denied",
				stored->policy->name, name);
	}
}

/* In the order in which they are evaluated. */
static void show_policies(
	struct stored_policies *all, const struct world *world, const struct policies *defined)
{
	find_tiers(all, defined);
	if (all->count)
		qsort(all->items, all->count, sizeof(*all->items), cmp_policies);
	for (size_t i = 0; i < all->count; i++) {
		const struct stored_policy *stored = &all->items[i];

		view_policy(all->get->view, stored->record, stored->policy, world);
		if (all->get->view->table)
			notes_policy(world, stored->policy->name, stored->policy->selector);
	}
}

static int get_policies(struct getting *get, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, KIND_POLICY);
	CLEANUP(world) struct world *world = client_world(get->redis, err);
	struct stored_policies all = {.get = get};
	struct policies defined cleanup_policies = {0};
	int rc = -1;

	if (world && !client_definitions(get->redis, &defined, err))
		rc = client_each(get->redis, key, take_policy, &all, err);
	if (!rc)
		show_policies(&all, world, &defined);
	for (size_t i = 0; i < all.count; i++) {
		policy_free(all.items[i].policy);
		json_decref(all.items[i].record);
	}
	free(all.items);
	return rc;
}

/* --- tiers and network sets -------------------------------------------------------------------------- */

static size_t count_in(const struct policies *policies, const struct tier *tier)
{
	size_t count = 0;

	for (size_t i = 0; i < policies->count; i++)
		count += !strcmp(tier_of(policies->items[i]), tier->name);
	return count;
}

static int cmp_tiers(const void *a, const void *b)
{
	return tier_cmp(*(struct tier *const *)a, *(struct tier *const *)b);
}

/* The default one is there whether it is stored or not. */
static int add_default(struct policies *policies, bool *stored, struct err *err)
{
	cleanup_json json_t *record = policies_record(policies, KIND_TIER, TIER_DEFAULT);

	*stored = record != NULL;
	if (*stored)
		return 0;
	record = v3_default_tier();
	return policies_put_record(policies, KIND_TIER, record, err);
}

static int get_tiers(struct getting *get, struct err *err)
{
	struct policies policies cleanup_policies = {0};
	bool stored = false;

	if (client_policies(get->redis, &policies, err) || add_default(&policies, &stored, err))
		return -1;
	qsort(policies.tiers, policies.tier_count, sizeof(*policies.tiers), cmp_tiers);
	for (size_t i = 0; i < policies.tier_count; i++) {
		const struct tier *tier = policies.tiers[i];
		cleanup_json json_t *record = tier_to_json(tier);

		if (is_wanted(get->wanted, tier->name))
			view_tier(get->view, record, tier, count_in(&policies, tier),
				stored || strcmp(tier->name, TIER_DEFAULT) != 0);
	}
	return 0;
}

static int get_netsets(struct getting *get, struct err *err)
{
	struct policies policies cleanup_policies = {0};

	if (client_definitions(get->redis, &policies, err))
		return -1;
	for (size_t i = 0; i < policies.netset_count; i++) {
		const struct netset *set = policies.netsets[i];
		cleanup_json json_t *record = netset_to_json(set);

		if (is_wanted(get->wanted, set->name))
			view_netset(get->view, record, set);
	}
	return 0;
}

/* --- dispatch ---------------------------------------------------------------------------------------- */

static const struct resource {
	const char *names[4]; /* any case; the last is NULL */
	const char *shown;    /* in messages */
	enum view_kind view;
	int (*get)(struct getting *get, struct err *err);
} resources[] = {
	{{"policies", "policy", "pol"}, "Policy", VIEW_POLICIES, get_policies},
	{{"endpoints", "endpoint", "ep"}, "Endpoint", VIEW_ENDPOINTS, get_endpoints},
	{{"networks", "network", "net"}, "Network", VIEW_NETWORKS, get_networks},
	{{"nodes", "node"}, "Node", VIEW_NODES, get_nodes},
	{{"tiers", "tier"}, "Tier", VIEW_TIERS, get_tiers},
	{{"globalnetworksets", "globalnetworkset"}, "GlobalNetworkSet", VIEW_NETSETS, get_netsets},
};

static const struct resource *find_resource(const char *word)
{
	for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
		for (const char *const *name = resources[i].names; *name; name++)
			if (!strcasecmp(*name, word))
				return &resources[i];
	return NULL;
}

static int run_get(const struct resource *resource, struct getting *get)
{
	struct err err = {0};

	if (resource->get(get, &err) || view_print(get->view, stdout, &err))
		return client_fail(&err);
	fflush(stdout);
	return report_missing(get->wanted, resource->shown);
}

int cmd_get(const struct options *options)
{
	const struct resource *resource = find_resource(options->operands[0]);
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = NULL;
	struct view view cleanup_view = {0};
	struct wanted wanted = {options->operands + 1, options->operand_count - 1, NULL};
	cleanup_free bool *seen = xcalloc(wanted.count, sizeof(*seen));
	struct getting get = {options, NULL, &wanted, &view};

	if (!resource)
		return options_usage_error(commands_find("get"),
			"\"%s\" is not policies, tiers, globalnetworksets, endpoints, networks or nodes",
			options->operands[0]);
	redis = client_open(options, &err);
	if (!redis)
		return client_fail(&err);
	wanted.seen = seen;
	get.redis = redis;
	view_init(&view, resource->view, output_format_parse(options->output));
	view.export = options->export;
	return run_get(resource, &get);
}

/* --- match ------------------------------------------------------------------------------------------- */

/* Labels of --label; derived ones are allowed too, since selectors may speak of them. */
static struct labels *given_labels(const struct config_list *list, struct err *err)
{
	CLEANUP(labels) struct labels *labels = labels_new();

	for (size_t i = 0; i < list->count; i++) {
		const char *text = list->items[i], *equals = strchr(text, '=');
		cleanup_free char *key = equals ? xstrndup(text, (size_t)(equals - text)) : NULL;
		int rc;

		if (!key) {
			err_set(err, 0, "\"%s\" is not KEY=VALUE", text);
			return NULL;
		}
		rc = label_key_check(key, err);
		if (!rc)
			rc = label_key_reserved(key) ? label_derived_value_check(equals + 1, err)
						     : label_value_check(equals + 1, err);
		if (rc)
			return NULL;
		labels_set(labels, key, equals + 1);
	}
	return steal_ptr(labels);
}

static int match_labels(const struct selector *selector, const struct options *options)
{
	struct err err = {0};
	CLEANUP(labels) struct labels *labels = given_labels(&options->labels, &err);

	if (!labels)
		return options_usage_error(commands_find("match"), "--label: %s", err.text);
	puts(selector_match(selector, labels) ? "true" : "false");
	return EXIT_SUCCESS;
}

static int match_endpoints(const struct selector *selector, const struct options *options)
{
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, &err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, &err) : NULL;
	const struct world_endpoint *endpoints;
	struct view view cleanup_view = {0};
	size_t count;

	if (!world)
		return client_fail(&err);
	view_init(&view, VIEW_ENDPOINTS, output_format_parse(options->output));
	endpoints = world_endpoints(world, &count);
	for (size_t i = 0; i < count; i++)
		if (on_node(options, endpoints[i].record->node) &&
			selector_match(selector, endpoints[i].labels))
			view_endpoint(&view, &endpoints[i]);
	return view_print(&view, stdout, &err) ? client_fail(&err) : EXIT_SUCCESS;
}

int cmd_match(const struct options *options)
{
	struct err err = {0};
	CLEANUP(selector) struct selector *selector = selector_parse(options->operands[0], &err);

	if (!selector) {
		err_wrap(&err, "bad selector");
		return client_fail(&err);
	}
	return options->labels.count ? match_labels(selector, options)
				     : match_endpoints(selector, options);
}
