/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_dump.h"

#include "common/xalloc.h"
#include "enforcerd/kernel_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <uthash.h>

/* NFTA_TABLE_OWNER, which linux-libc-dev of Debian 12 has, but older ones have not */
enum { TABLE_OWNER = 7, TABLE_ATTRS };

enum { KEY_SIZE = NFT_NAME_MAXLEN + 4 };

struct entry {
	struct found found;
	char *name;
	char *key; /* kind and name: the three kinds have name spaces of their own */
	bool wanted;
	UT_hash_handle hh;
};

struct inventory {
	const struct nft_table *table; /* borrowed while reading */
	struct found_table found;      /* of it */
	struct entry **entries;
	size_t count, cap;
	struct entry *by_key;
};

/* --- generation -------------------------------------------------------------------------------- */

static int take_generation(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_GEN_MAX + 1] = {0};
	uint32_t *generation = arg;

	(void)err;
	index_message(message, attrs, NFTA_GEN_MAX + 1);
	*generation = number_of(attrs[NFTA_GEN_ID]);
	return 0;
}

int dump_generation(struct netlink *netlink, uint32_t *generation, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];

	*generation = 0;
	if (netlink_ask(netlink, request(buffer, NFT_MSG_GETGEN, NLM_F_ACK, AF_UNSPEC),
		    take_generation, NULL, generation, err) < 0)
		return err_wrap(err, "read generation of nf_tables");
	return 0;
}

/* --- inventory --------------------------------------------------------------------------------- */

static void make_key(char key[KEY_SIZE], enum object_kind kind, const char *name)
{
	snprintf(key, KEY_SIZE, "%u %s", (unsigned)kind, name);
}

static void add_found(struct inventory *inventory, const struct found *found)
{
	struct entry *entry = xcalloc(1, sizeof(*entry));
	char key[KEY_SIZE];

	make_key(key, found->kind, found->name);
	entry->found = *found;
	entry->name = xstrdup(found->name);
	entry->found.name = entry->name;
	entry->key = xstrdup(key);
	xgrow(inventory->entries, inventory->count, inventory->cap);
	inventory->entries[inventory->count++] = entry;
	HASH_ADD_KEYPTR(hh, inventory->by_key, entry->key, strlen(entry->key), entry);
}

static void clear_kind(struct inventory *inventory, enum object_kind kind)
{
	size_t kept = 0;

	for (size_t i = 0; i < inventory->count; i++) {
		struct entry *entry = inventory->entries[i];

		if (entry->found.kind != kind) {
			inventory->entries[kept++] = entry;
			continue;
		}
		HASH_DEL(inventory->by_key, entry);
		free(entry->name);
		free(entry->key);
		free(entry);
	}
	inventory->count = kept;
}

static void restart_chains(void *arg)
{
	clear_kind(arg, OBJECT_CHAIN);
}

static void restart_sets(void *arg)
{
	clear_kind(arg, OBJECT_SET);
}

static void restart_counters(void *arg)
{
	clear_kind(arg, OBJECT_COUNTER);
}

static int take_table(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[TABLE_ATTRS] = {0};
	struct inventory *inventory = arg;

	(void)err;
	index_message(message, attrs, TABLE_ATTRS);
	inventory->found = (struct found_table){.there = true,
		.flags = number_of(attrs[NFTA_TABLE_FLAGS]),
		.owner = number_of(attrs[TABLE_OWNER])};
	return 0;
}

static void read_hook(const struct nlattr *nest, uint32_t *hook, int32_t *priority)
{
	const struct nlattr *attrs[NFTA_HOOK_MAX + 1] = {0};

	index_nest(nest, attrs, NFTA_HOOK_MAX + 1);
	*hook = number_of(attrs[NFTA_HOOK_HOOKNUM]);
	*priority = (int32_t)number_of(attrs[NFTA_HOOK_PRIORITY]);
}

static int take_chain(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_CHAIN_MAX + 1] = {0};
	struct inventory *inventory = arg;
	struct found found = {.kind = OBJECT_CHAIN};

	(void)err;
	index_message(message, attrs, NFTA_CHAIN_MAX + 1);
	/* the kernel lists the chains of all tables of the family */
	if (strcmp(text_of(attrs[NFTA_CHAIN_TABLE]), inventory->table->name) != 0)
		return 0;
	found.name = text_of(attrs[NFTA_CHAIN_NAME]);
	found.base = attrs[NFTA_CHAIN_HOOK] != NULL;
	if (found.base)
		read_hook(attrs[NFTA_CHAIN_HOOK], &found.hook, &found.priority);
	found.policy = number_of(attrs[NFTA_CHAIN_POLICY]);
	add_found(inventory, &found);
	return 0;
}

static int take_set(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_SET_MAX + 1] = {0};
	struct inventory *inventory = arg;
	struct found found = {.kind = OBJECT_SET};

	(void)err;
	index_message(message, attrs, NFTA_SET_MAX + 1);
	if (strcmp(text_of(attrs[NFTA_SET_TABLE]), inventory->table->name) != 0)
		return 0;
	found.name = text_of(attrs[NFTA_SET_NAME]);
	found.flags = number_of(attrs[NFTA_SET_FLAGS]);
	found.key_type = number_of(attrs[NFTA_SET_KEY_TYPE]);
	found.key_len = number_of(attrs[NFTA_SET_KEY_LEN]);
	found.data_type = number_of(attrs[NFTA_SET_DATA_TYPE]);
	found.data_len = number_of(attrs[NFTA_SET_DATA_LEN]);
	/* an anonymous set goes with the rule that it is part of */
	if (!(found.flags & NFT_SET_ANONYMOUS))
		add_found(inventory, &found);
	return 0;
}

static int take_object(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_OBJ_MAX + 1] = {0};
	struct inventory *inventory = arg;
	struct found found = {.kind = OBJECT_COUNTER};

	(void)err;
	index_message(message, attrs, NFTA_OBJ_MAX + 1);
	if (strcmp(text_of(attrs[NFTA_OBJ_TABLE]), inventory->table->name) != 0)
		return 0;
	found.name = text_of(attrs[NFTA_OBJ_NAME]);
	/* what is no counter does not stand in a counter's way: names are per type */
	if (number_of(attrs[NFTA_OBJ_TYPE]) == NFT_OBJECT_COUNTER)
		add_found(inventory, &found);
	return 0;
}

static int read_table(struct inventory *inventory, struct netlink *netlink, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message =
		request(buffer, NFT_MSG_GETTABLE, NLM_F_ACK, inventory->table->family);
	struct err why = {0};

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, inventory->table->name);
	if (netlink_ask(netlink, message, take_table, NULL, inventory, &why) == 0 ||
		why.code == ENOENT)
		return 0;
	if (err)
		*err = why;
	return err_wrap(err, "read table %s %s", family_word(inventory->table->family),
		inventory->table->name);
}

static int read_objects(struct inventory *inventory, struct netlink *netlink, struct err *err)
{
	static const struct {
		const char *what;
		uint16_t type, table_attr;
		netlink_fn *fn;
		void (*restart)(void *arg);
	} kinds[] = {
		{"chains", NFT_MSG_GETCHAIN, 0, take_chain, restart_chains},
		{"sets", NFT_MSG_GETSET, NFTA_SET_TABLE, take_set, restart_sets},
		{"counters", NFT_MSG_GETOBJ, NFTA_OBJ_TABLE, take_object, restart_counters},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
		struct nlmsghdr *message =
			request(buffer, kinds[i].type, NLM_F_DUMP, inventory->table->family);

		if (kinds[i].table_attr)
			mnl_attr_put_strz(message, kinds[i].table_attr, inventory->table->name);
		if (netlink_ask(netlink, message, kinds[i].fn, kinds[i].restart, inventory, err) <
			0)
			return err_wrap(err, "list %s of table %s %s", kinds[i].what,
				family_word(inventory->table->family), inventory->table->name);
	}
	return 0;
}

struct inventory *inventory_read(
	struct netlink *netlink, const struct nft_table *table, struct err *err)
{
	CLEANUP(inventory) struct inventory *inventory = xcalloc(1, sizeof(*inventory));

	inventory->table = table;
	if (read_table(inventory, netlink, err) < 0)
		return NULL;
	if (inventory->found.there && read_objects(inventory, netlink, err) < 0)
		return NULL;
	return steal_ptr(inventory);
}

void inventory_free(struct inventory *inventory)
{
	if (!inventory)
		return;
	clear_kind(inventory, OBJECT_CHAIN);
	clear_kind(inventory, OBJECT_SET);
	clear_kind(inventory, OBJECT_COUNTER);
	free(inventory->entries);
	free(inventory);
}

const struct found_table *inventory_table(const struct inventory *inventory)
{
	return &inventory->found;
}

static struct entry *find_entry(
	const struct inventory *inventory, enum object_kind kind, const char *name)
{
	struct entry *entry = NULL;
	char key[KEY_SIZE];

	make_key(key, kind, name);
	HASH_FIND_STR(inventory->by_key, key, entry);
	return entry;
}

const struct found *inventory_find(
	const struct inventory *inventory, enum object_kind kind, const char *name)
{
	const struct entry *entry = find_entry(inventory, kind, name);

	return entry ? &entry->found : NULL;
}

void inventory_want(struct inventory *inventory, enum object_kind kind, const char *name)
{
	struct entry *entry = find_entry(inventory, kind, name);

	if (entry)
		entry->wanted = true;
}

void inventory_unwanted(const struct inventory *inventory, enum object_kind kind,
	void (*fn)(const struct found *found, void *arg), void *arg)
{
	for (size_t i = 0; i < inventory->count; i++) {
		const struct entry *entry = inventory->entries[i];

		if (entry->found.kind == kind && !entry->wanted)
			fn(&entry->found, arg);
	}
}

/* --- chains of everybody ----------------------------------------------------------------------- */

struct chain_walk {
	const struct chain_visitor *visitor;
	void *arg;
};

static int visit_chain(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_CHAIN_MAX + 1] = {0};
	const struct chain_walk *walk = arg;
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct base_chain chain = {0};

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return err_set(err, EBADMSG, "read chain");
	index_message(message, attrs, NFTA_CHAIN_MAX + 1);
	chain.family = header->nfgen_family;
	chain.table = text_of(attrs[NFTA_CHAIN_TABLE]);
	chain.name = text_of(attrs[NFTA_CHAIN_NAME]);
	if (walk->visitor->chain)
		walk->visitor->chain(chain.family, chain.table, chain.name, walk->arg);
	if (!attrs[NFTA_CHAIN_HOOK] || !walk->visitor->base)
		return 0;
	read_hook(attrs[NFTA_CHAIN_HOOK], &chain.hook, &chain.priority);
	chain.policy = number_of(attrs[NFTA_CHAIN_POLICY]);
	walk->visitor->base(&chain, walk->arg);
	return 0;
}

static void restart_walk(void *arg)
{
	const struct chain_walk *walk = arg;

	walk->visitor->restart(walk->arg);
}

int dump_chains(
	struct netlink *netlink, const struct chain_visitor *visitor, void *arg, struct err *err)
{
	struct chain_walk walk = {visitor, arg};
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];

	if (netlink_ask(netlink, request(buffer, NFT_MSG_GETCHAIN, NLM_F_DUMP, AF_UNSPEC),
		    visit_chain, restart_walk, &walk, err) < 0)
		return err_wrap(err, "list chains of all tables");
	return 0;
}
