/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's body, shared by its files:
 *   world.c          changes in, problems and counts out
 *   world_policy.c   the policies stream
 *   world_tier.c     its tiers and network sets
 *   world_endpoint.c what an endpoint's labels, network and policies make of it
 *   world_address.c  what an address, by its owners, has in the ruleset
 *   world_remote.c   endpoints of other nodes
 *   world_host.c     this host's own addresses
 *   world_port.c     where endpoints are, and what is bound to their ports
 *   world_group.c    group chains, selector sets and other sets, by reference counts
 *   world_published.c published ports that docker-proxy serves
 *   world_network.c  isolation and the strict chains
 *
 * A change only marks what it makes stale; world_settle() then brings the ruleset up to date once.
 */
#ifndef BULKHEAD_WORLD_INTERNAL_H
#define BULKHEAD_WORLD_INTERNAL_H

#include "common/mode.h"
#include "common/policy.h"
#include "common/record.h"
#include "enforcerd/compile.h"
#include "enforcerd/selector_index.h"
#include "enforcerd/world.h"

#include <uthash.h>

struct w_policy {
	struct policy *read;     /* of its record */
	struct policy *policy;   /* in force: the same, or where its tier is not there, closed */
	const struct tier *tier; /* NULL: not there */
	bool closed;             /* its record is bad: what it selects is denied */
	bool seen;               /* by the snapshot being applied */
	size_t rank;             /* place in evaluation order */
	size_t unisolated;       /* endpoints that it selects in vain */
	struct w_policy *next_dead;
	char name[POLICY_NAME_MAX + 1];
	UT_hash_handle hh;
};

struct w_tier {
	struct tier *tier;
	bool seen;
	char name[POLICY_NAME_MAX + 1];
	UT_hash_handle hh;
};

struct w_netset {
	struct netset *set;
	bool seen;
	char name[POLICY_NAME_MAX + 1];
	UT_hash_handle hh;
};

/* One selector and its sets, one per family in use. */
struct w_selector {
	char id[SELECTOR_ID_LEN + 2]; /* as in the set's name, sel_<id>_4 */
	struct selector *selector;
	bool hosts;     /* its sets have this host's addresses as well, where it matches them */
	size_t refs[2]; /* groups that look it up, by family 4 and 6 */
	UT_hash_handle hh;
};

/* A CIDR or port set, or a counter. */
struct w_plain_set {
	char name[NFT_NAME_MAX];
	size_t refs;
	UT_hash_handle hh;
};

/* What a group has for the addresses of one family. */
struct w_group_chains {
	size_t refs;               /* endpoints and addresses of the family */
	bool there;                /* in the ruleset */
	bool staged;               /* has a chain for its staged policies */
	size_t tiers[2];           /* chains for what comes after tiers, by enum compile_view */
	struct needed_list needed; /* what its chains refer to */
	bool published;            /* has a chain towards published ports */
	size_t published_tiers;    /* and for what comes after tiers */
	struct needed_list published_needed;
};

struct w_group {
	char name[NFT_NAME_MAX];
	uint32_t number; /* among the groups of its direction */
	enum policy_direction dir;
	struct w_policy **policies; /* in order */
	size_t policy_count;
	size_t refs; /* endpoints and addresses */
	bool stale;
	struct w_group_chains chains[2]; /* IPv4, IPv6 */
	UT_hash_handle hh, by_number;
};

/* Bits. */
enum w_families { FAMILY_NONE = 0, FAMILY_IPV4 = 1, FAMILY_IPV6 = 2 };

static inline unsigned family_of_ip(const struct ip *ip)
{
	return ip->family == 4 ? FAMILY_IPV4 : ip->family == 6 ? FAMILY_IPV6 : FAMILY_NONE;
}

struct w_network {
	struct network *record;
	bool seen;
	enum isolation isolation;
	bool strict;  /* its strict chains are in the ruleset */
	bool managed; /* its bridge is in SET_MANAGED */
	char strict_in[NFT_NAME_MAX], strict_out[NFT_NAME_MAX], strict_bridged[NFT_NAME_MAX];
	char known[2][NFT_NAME_MAX];
	UT_hash_handle hh; /* by record->id */
};

struct w_list {
	void **items;
	size_t count, cap;
};

/* What the bridge table has of an endpoint. */
struct w_binding {
	char port[RECORD_IFNAME_MAX + 1]; /* "": nothing */
	uint8_t mac[6];
	struct ip ips[2];
	bool isolated;
};

struct w_endpoint {
	struct endpoint *record;
	bool seen, stale;
	bool announced; /* world_ops.endpoint has been told of this record */
	struct whereabout where;
	struct w_binding bound;
	bool isolated;
	struct w_group *groups[DIR_COUNT]; /* NULL when not isolated */
	unsigned families[DIR_COUNT];      /* that it holds them for: enum w_families */
	struct w_list selectors;           /* struct w_selector * that match */
	struct w_list selected_by;         /* struct w_policy * that select it in vain */
	UT_hash_handle hh;                 /* by record->id */
};

/* An endpoint of another node. */
struct w_peer;

struct w_remote {
	struct w_peer *peer;
	struct endpoint *record;
	bool seen, stale;
	bool claims[2];          /* its IPv4, its IPv6 address: it is an owner of it */
	struct w_list selectors; /* struct w_selector * that match, while it claims any */
	UT_hash_handle hh;       /* by record->id, of its peer */
};

struct w_address {
	struct ip ip;
	struct w_list owners;  /* struct w_endpoint *, those in doubt as well */
	struct w_list remotes; /* struct w_remote *: they count while there is no owner */
	size_t host_links;     /* of this host that have it: it counts while it is no endpoint's */
	/* what the ruleset has of it */
	bool isolated, unready, owned, closed, off_bridge, remote, contested;
	struct w_group *groups[DIR_COUNT];
	struct w_list selectors;
	struct w_network *known_in;
	UT_hash_handle hh; /* by ip */
};

struct w_mac {
	uint8_t mac[6];
	size_t refs;
	UT_hash_handle hh;
};

/* isolation, labels and modes of the policies stream, and problems ("<kind> <id>"): text by key */
struct w_text {
	char *key, *text;
	struct labels *labels; /* operator labels */
	bool seen;
	UT_hash_handle hh;
};

struct world {
	struct world_config config;
	char *node;
	struct ruleset *rs;
	struct w_endpoint *endpoints;
	struct w_network *networks;
	struct w_address *addresses;
	struct w_mac *macs;            /* bound to a port */
	struct w_published *published; /* sorted */
	size_t published_count, published_cap;
	struct needed_list published_needed; /* by the ports' chains */
	bool published_stale;
	struct w_policy *policies;
	struct w_policy **order; /* policies in evaluation order */
	size_t order_count;
	struct w_policy *dead;
	struct w_tier *tiers;
	bool tiers_stale; /* where policies have their places */
	struct w_netset *netsets;
	struct netset_list netset_list; /* the same, by name */
	bool netsets_stale;
	struct selector_index *selecting; /* policies by their selectors */
	struct w_selector *selectors;
	struct selector_index *matching; /* selectors by themselves */
	struct labels *host_labels;      /* of its own addresses; NULL: nobody has asked */
	struct w_list host_selectors;    /* struct w_selector * that match these */
	struct w_plain_set *plain_sets;
	struct w_group *groups;
	struct w_group *numbers[DIR_COUNT]; /* the same, by their numbers */
	bool groups_idle;                   /* some may have lost their last reference */
	bool groups_stale;                  /* some must be compiled again */
	struct w_text *isolation, *labels, *modes, *problems;
	bool audit; /* denials are only told */
	size_t isolated_count, conflict_count, strict_count;
	struct w_list stale; /* struct w_endpoint * */
	struct w_peer *peers;
	struct w_list stale_remotes;                        /* struct w_remote * */
	size_t claim_count, contested_count, sharing_count; /* the last: networks of this node */
	struct world_bridge *bridges;
	size_t bridge_count;
	bool bridges_stale;
};

/* world.c */
void world_mark_stale(struct world *world, struct w_endpoint *endpoint);
void world_mark_all(struct world *world);
/* Brings everything stale, and the ruleset, up to date. */
void world_settle(struct world *world);
/* Notes what is wrong with a record; NULL: nothing any more. */
void world_problem(struct world *world, enum store_kind kind, const char *id, const char *text);
/* All records of the stream are about to be told again: so are their problems. */
void world_problems_forget(struct world *world, const char *stream);
void w_list_add(struct w_list *list, void *item);
bool w_list_has(const struct w_list *list, const void *item);
void w_list_remove(struct w_list *list, const void *item);
void w_list_free(struct w_list *list);
/* nft refuses a comment that its own parser could not read back: what is not plain becomes "?". */
void w_plain_text(char *text);
struct w_text *w_text_find(struct w_text *table, const char *key);
void w_text_put(struct w_text **table, const char *key, const char *text);
void w_text_remove(struct w_text **table, const char *key);

/* world_policy.c */
int world_policies_apply(struct world *world, const struct store_change *changes, size_t count,
	bool whole, struct err *err) must_check;

/* Its groups are to be compiled again. */
void world_mark_groups(struct world *world, const struct w_policy *policy);

/* world_tier.c */
/* Whether a changed record can be taken, of kinds KIND_TIER and KIND_NETSET; else the whole batch is refused. */
int world_tier_check(
	const struct world *world, const struct store_change *change, struct err *err) must_check;
void world_tier_change(struct world *world, const struct store_change *change);
void world_tiers_unsee(struct world *world);
void world_tiers_sweep(struct world *world); /* what has not been seen since */
/* NULL: not there. */
const struct tier *world_tier_of(const struct world *world, const struct policy *policy);
void world_netsets_settle(struct world *world);
void world_tiers_free(struct world *world);

/* world_endpoint.c */
/*
 * First the groups of every stale endpoint, then its selectors and addresses: a group may bring selectors, and while endpoints
 * are stale these need not be shown to each of them.
 */
void world_endpoint_settle_groups(struct world *world, struct w_endpoint *endpoint);
void world_endpoint_settle(struct world *world, struct w_endpoint *endpoint);
/* Takes the record over. The endpoint is new where id was not known. */
void world_endpoint_put(struct world *world, struct endpoint *record);
void world_endpoint_remove(struct world *world, struct w_endpoint *endpoint);
struct w_endpoint *world_endpoint_find(const struct world *world, const char *id);
/* Its addresses become, or no longer are, its own. */
void world_endpoint_claim(struct world *world, struct w_endpoint *endpoint);
void world_endpoint_release(struct world *world, struct w_endpoint *endpoint);
/* Record labels overlaid by the operator's: the record's own where there are none, else *owned, which the caller frees. */
const struct labels *world_effective_labels(
	const struct world *world, const struct endpoint *record, struct labels **owned);

/* world_port.c */
static inline bool world_doubtful(const struct w_endpoint *endpoint)
{
	return endpoint->where.placement == PLACE_DOUBTFUL;
}

static inline bool world_present(const struct w_endpoint *endpoint)
{
	return endpoint->where.placement > PLACE_DOUBTFUL;
}

/* It counts, but whoever has its address on a bridge of this host goes before. */
static inline bool world_elsewhere(const struct w_endpoint *endpoint)
{
	return endpoint->where.placement == PLACE_ELSEWHERE;
}

/* Whether it ought to be at a port of a bridge of this host. */
static inline bool world_has_port(const struct w_endpoint *endpoint)
{
	return !strcmp(endpoint->record->driver, "bridge");
}

/* Whether anybody else could be taken for it at its addresses. */
static inline bool world_claims(const struct w_endpoint *endpoint)
{
	return world_present(endpoint) || world_doubtful(endpoint);
}
/* Tells whoever places endpoints of a record that is new to it. */
void world_announce(struct world *world, struct w_endpoint *endpoint);
/* Brings the port sets in line with where the endpoint is; gone: with nothing. */
void world_port_settle(struct world *world, struct w_endpoint *endpoint, bool gone);
void world_ports_free(struct world *world);

/* world_remote.c */
void world_peer_apply(struct world *world, const char *node, const struct store_change *changes,
	size_t count, bool whole);
void world_remotes_settle(struct world *world);
/* As for endpoints of this node: a new selector meets them, its set is filled, it goes. */
void world_remotes_meet(struct world *world, const struct w_selector *selector);
void world_remotes_settle_members(struct world *world, const struct w_selector *selector);
void world_remotes_forget_selector(struct world *world, const struct w_selector *selector);
void world_remotes_mark_container(struct world *world, const char *name);
/* A network of this node comes, goes, or becomes strict or not. */
void world_remotes_network(struct world *world, const struct network *own);
/* The strict network of this node in which it is a known endpoint by this address, or NULL. */
struct w_network *world_remote_strict_network(
	const struct world *world, const struct w_remote *remote, const struct ip *ip);
/* Where this node shares a network, a rule that denies flows whose other end two other nodes claim. */
void world_close_contested(
	const struct world *world, enum flow_side side, uint8_t family, struct rule_list *rules);
const char *world_remote_node(const struct w_remote *remote);
void world_remotes_problems(const struct world *world, struct w_list *lines); /* owned strings */
void world_remotes_free(struct world *world);

/* world_host.c */
/* As for endpoints: a new selector meets the host, its set is filled, it goes. */
void world_host_meet(struct world *world, struct w_selector *selector);
void world_host_settle_members(struct world *world, const struct w_selector *selector);
void world_host_forget_selector(struct world *world, const struct w_selector *selector);
void world_host_free(struct world *world);

/* world_address.c */
/* One of this host's links has it, or has it no more. */
void world_address_host(struct world *world, const struct ip *ip, bool there);
static inline bool world_address_is_hosts(const struct w_address *address)
{
	return address->host_links && !address->owners.count && !address->remotes.count;
}

void world_address_claim_remote(struct world *world, const struct ip *ip, struct w_remote *remote);
void world_address_release_remote(
	struct world *world, const struct ip *ip, struct w_remote *remote);
void world_address_claim(struct world *world, const struct ip *ip, struct w_endpoint *owner);
void world_address_release(struct world *world, const struct ip *ip, struct w_endpoint *owner);
/* Brings the ruleset in line with the address's owners. */
void world_address_settle(struct world *world, const struct ip *ip);

/* world_group.c */
/* The group of these policies. */
struct w_group *world_group_get(
	struct world *world, enum policy_direction dir, struct w_policy **policies, size_t count);
/* One reference more, for addresses of these families: its chains for them are compiled if they are not there. */
void world_group_ref(struct world *world, struct w_group *group, unsigned families);
/* One less; what has none is dropped by the next collection. */
void world_group_unref(struct world *world, struct w_group *group, unsigned families);
/* Of its chain for the family (4, 6). */
void world_group_chain(const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX]);
/* A name for its chains of what comes after tiers (compile_tier_chain()). */
void world_group_tiers(
	const char *prefix, const struct w_group *group, uint8_t family, char name[NFT_NAME_MAX]);
void world_group_recompile(struct world *world, struct w_group *group);
void world_groups_collect(struct world *world); /* drops groups and sets that nothing uses */
void world_groups_free(struct world *world);

const struct policy **world_group_policies(const struct w_group *group); /* caller frees */
void world_needed_ref(struct world *world, const struct needed_list *list);
void world_needed_unref(struct world *world, struct needed_list *list); /* and frees it */

/* world_published.c */
/* Published ports, or who is behind them, changed. */
void world_published_settle(struct world *world);
/* The group was compiled for the family, or goes. */
void world_published_group(struct world *world, struct w_group *group, uint8_t family);
void world_published_group_drop(struct world *world, struct w_group *group, uint8_t family);
/* The address has this egress group now, or none (NULL). */
void world_published_address(
	struct world *world, const struct ip *ip, const struct w_group *egress);
void world_published_free(struct world *world);

/* world_network.c */
void world_network_put(struct world *world, struct network *record);
void world_network_remove(struct world *world, struct w_network *network);
void world_network_settle(struct world *world, struct w_network *network);
struct w_network *world_network_find(const struct world *world, const char *id);
bool world_network_enforced(const struct w_network *network);

#endif
