/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/ends.h"

#include "common/xalloc.h"

#include <string.h>

enum { ID_SHORTEST = 12 /* as Docker shows them */ };

/* Everybody that a word may mean; one without an endpoint where it is a stranger's address. */
struct candidates {
	struct end *items;
	size_t count, cap;
};

static void add(struct candidates *all, const struct world_endpoint *endpoint, const struct ip *ip)
{
	xgrow(all->items, all->count, all->cap);
	all->items[all->count] = (struct end){.endpoint = endpoint};
	if (ip)
		all->items[all->count].ip = *ip;
	all->count++;
}

static bool is_called(const struct endpoint *record, const char *word)
{
	size_t len = strlen(word);

	return !strcmp(record->container_name, word) ||
	       (len >= ID_SHORTEST && !strncmp(record->container_id, word, len));
}

static bool on_node(const struct world_endpoint *endpoint, const char *node)
{
	return !node || !strcmp(endpoint->record->node, node);
}

static void find_named(
	const struct world *world, const char *word, const char *node, struct candidates *all)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++) {
		const struct endpoint *record = endpoints[i].record;

		if (!on_node(&endpoints[i], node) || !is_called(record, word))
			continue;
		if (record->ipv4.family)
			add(all, &endpoints[i], &record->ipv4);
		if (record->ipv6.family)
			add(all, &endpoints[i], &record->ipv6);
	}
}

static void find_address(
	const struct world *world, const struct ip *ip, const char *node, struct candidates *all)
{
	size_t count;
	const struct world_endpoint *endpoints = world_endpoints(world, &count);

	for (size_t i = 0; i < count; i++)
		if (on_node(&endpoints[i], node) &&
			(ip_equal(&endpoints[i].record->ipv4, ip) ||
				ip_equal(&endpoints[i].record->ipv6, ip)))
			add(all, &endpoints[i], ip);
}

static int find(const struct world *world, const char *word, const char *node,
	struct candidates *all, struct err *err)
{
	struct ip ip;
	bool is_address = !ip_parse(word, &ip, NULL);

	/* on the node first, then anywhere */
	for (int i = 0; i < 2 && !all->count; i++, node = NULL) {
		if (is_address)
			find_address(world, &ip, node, all);
		else
			find_named(world, word, node, all);
	}
	if (all->count)
		return 0;
	if (!is_address)
		return err_set(err, 0,
			"\"%s\" is no address, and no container that has one is called so", word);
	add(all, NULL, &ip);
	return 0;
}

/* --- the host --------------------------------------------------------------------------------------- */

static const char host_word[] = "host";

/* "host", or "host:ADDRESS"; *address is NULL for the former. */
static bool is_host(const char *word, const char **address)
{
	size_t len = sizeof(host_word) - 1;

	if (strncmp(word, host_word, len) != 0 || (word[len] && word[len] != ':'))
		return false;
	*address = word[len] ? word + len + 1 : NULL;
	return true;
}

/* The first address of the endpoint's subnet of this family. */
static void add_gateway(const struct world *world, const struct end *end, struct candidates *all)
{
	size_t count;
	const struct world_network *networks = world_networks(world, &count);

	for (size_t i = 0; i < count; i++) {
		const struct network *record = networks[i].record;

		if (strcmp(networks[i].node, end->endpoint->record->node) != 0 ||
			strcmp(record->id, end->endpoint->record->network_id) != 0)
			continue;
		for (size_t s = 0; s < record->subnet_count; s++) {
			struct ip ip = cidr_mask(&record->subnets[s]).ip;

			if (!cidr_contains(&record->subnets[s], &end->ip))
				continue;
			ip.bytes[ip_len(&ip) - 1] |= 1;
			add(all, NULL, &ip);
			all->items[all->count - 1].host = all->items[all->count - 1].guessed = true;
		}
	}
}

static int find_host(const struct world *world, const char *word, const char *address,
	const struct candidates *others, struct candidates *all, struct err *err)
{
	struct ip ip;

	if (address) {
		if (ip_parse(address, &ip, err))
			return err_wrap(err, "%s", word);
		add(all, NULL, &ip);
		all->items[all->count - 1].host = true;
		return 0;
	}
	for (size_t i = 0; i < others->count; i++)
		if (others->items[i].endpoint)
			add_gateway(world, &others->items[i], all);
	return all->count ? 0
			  : err_set(err, 0,
				    "which address of the host is not known: say host:ADDRESS");
}

/* --- pairs ------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	return !strcmp(a, b);
}

/* How well two go together; -1: not at all. IPv4 before IPv6. */
static int score(const struct end *from, const struct end *to)
{
	const struct world_endpoint *a = from->endpoint, *b = to->endpoint;
	int points = to->ip.family == 4;

	if (!from->host && from->ip.family != to->ip.family)
		return -1;
	if (a && b && same(a->record->node, b->record->node))
		points += 4 + 2 * same(a->record->network_id, b->record->network_id);
	else if (a && b && a->network && b->network && network_same_domain(a->network, b->network))
		points += 2;
	return points;
}

static int choose(const struct candidates *from, const struct candidates *to, struct ends *ends,
	struct err *err)
{
	int best = -1;

	for (size_t i = 0; i < from->count; i++)
		for (size_t j = 0; j < to->count; j++) {
			int points = score(&from->items[i], &to->items[j]);

			if (points <= best)
				continue;
			best = points;
			ends->end[DIR_EGRESS] = from->items[i];
			ends->end[DIR_INGRESS] = to->items[j];
		}
	if (best < 0)
		return err_set(err, 0, "they have no addresses of one family");
	return 0;
}

/* The same name on two nodes are two containers. */
static int check_one_node(const char *word, const struct candidates *all, struct err *err)
{
	for (size_t i = 1; i < all->count; i++)
		if (all->items[i].endpoint && all->items[0].endpoint &&
			!same(all->items[i].endpoint->record->node,
				all->items[0].endpoint->record->node))
			return err_set(err, 0, "%s is on the nodes %s and %s: say --node", word,
				all->items[0].endpoint->record->node,
				all->items[i].endpoint->record->node);
	return 0;
}

static const char *node_of(const struct end *end)
{
	return end->endpoint ? end->endpoint->record->node : NULL;
}

static int find_ends(const struct world *world, const char *from, const char *to, const char *node,
	struct candidates *senders, struct candidates *receivers, struct err *err)
{
	const char *address;

	if (is_host(from, &address)) {
		add(senders, NULL, NULL);
		senders->items[0].host = true;
	} else if (find(world, from, node, senders, err)) {
		return -1;
	}
	return is_host(to, &address) ? find_host(world, to, address, senders, receivers, err)
				     : find(world, to, node, receivers, err);
}

/* The host of another node is a stranger to the container's: it has an address like any other. */
static int check_host_node(const struct ends *ends, const char *node, struct err *err)
{
	for (int dir = 0; dir < DIR_COUNT; dir++) {
		const char *other =
			node_of(&ends->end[dir == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS]);

		if (ends->end[dir].host && node && other && !same(node, other))
			return err_set(err, 0,
				"the container is on node %s: to it, the host of node %s is a stranger; "
				"ask for one of its addresses",
				other, node);
	}
	return 0;
}

static int choose_nodes(
	const char *from, const char *to, const char *node, struct ends *ends, struct err *err)
{
	const char *nodes[DIR_COUNT];

	if (ends->end[DIR_EGRESS].host && ends->end[DIR_INGRESS].host)
		return err_set(err, 0, "both are the host: what it sends itself is not policed");
	if (check_host_node(ends, node, err))
		return -1;
	for (int dir = 0; dir < DIR_COUNT; dir++)
		nodes[dir] = node_of(&ends->end[dir]) ? node_of(&ends->end[dir]) : node;
	ends->nodes[DIR_EGRESS] = nodes[DIR_EGRESS] ? nodes[DIR_EGRESS] : nodes[DIR_INGRESS];
	ends->nodes[DIR_INGRESS] = nodes[DIR_INGRESS] ? nodes[DIR_INGRESS] : nodes[DIR_EGRESS];
	if (ends->nodes[DIR_EGRESS])
		return 0;
	return err_set(err, 0,
		"neither %s nor %s is a container's: nothing judges them; say --node", from, to);
}

int ends_resolve(const struct world *world, const char *from, const char *to, const char *node,
	struct ends *ends, struct err *err)
{
	struct candidates senders = {0}, receivers = {0};
	int rc;

	*ends = (struct ends){0};
	rc = find_ends(world, from, to, node, &senders, &receivers, err);
	if (!rc && (check_one_node(from, &senders, err) || check_one_node(to, &receivers, err)))
		rc = -1;
	if (!rc)
		rc = choose(&senders, &receivers, ends, err);
	free(senders.items);
	free(receivers.items);
	return rc ? rc : choose_nodes(from, to, node, ends, err);
}

char *end_describe(const struct end *end)
{
	char ip[IP_TEXT_MAX];

	if (end->host)
		return end->ip.family ? xasprintf("the host itself (%s)", ip_format(&end->ip, ip))
				      : xstrdup("the host itself");
	if (!end->endpoint)
		return xstrdup(ip_format(&end->ip, ip));
	return xasprintf("%s (%s, %s on %s)", end->endpoint->record->container_name,
		ip_format(&end->ip, ip), end->endpoint->record->network_name,
		end->endpoint->record->node);
}
