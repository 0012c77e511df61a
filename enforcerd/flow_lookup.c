/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/flow_lookup.h"

#include "enforcerd/log_prefix.h"

#include <string.h>

/* By address; a packet that lies about it is looked up by its port or MAC, which no endpoint's record needs to tell. */
static bool find_party(const struct denied_party *party, struct denied_endpoint *found, void *arg)
{
	const struct world *world = arg;
	struct world_owner owner;

	if (!(party->ip.family && world_owner(world, &party->ip, &owner)) &&
		!(party->port[0] && world_owner_of_port(world, party->port, &owner)))
		return false;
	*found = (struct denied_endpoint){
		owner.record->container_name, owner.record->network_name, owner.labels};
	return true;
}

struct wanted_policy {
	const char *text, *name;
};

static bool is_policy(const char *name, void *arg)
{
	struct wanted_policy *wanted = arg;
	char text[POLICY_NAME_MAX + 1];

	if (strcmp(log_policy_text(name, text), wanted->text) != 0)
		return false;
	wanted->name = name;
	return true;
}

static const char *find_policy_name(const char *text, void *arg)
{
	const struct world *world = arg;
	struct wanted_policy wanted = {.text = text};

	return world_find_policy(world, is_policy, &wanted) ? wanted.name : NULL;
}

struct denied_lookup flow_lookup(struct world *world)
{
	return (struct denied_lookup){
		.endpoint = find_party, .policy = find_policy_name, .arg = world};
}
