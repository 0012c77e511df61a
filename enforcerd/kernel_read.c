/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_read.h"

#include "common/xalloc.h"
#include "enforcerd/kernel_key.h"
#include "enforcerd/kernel_parse.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

const char *comment_of(const void *notes, size_t len)
{
	const uint8_t *data = notes;

	/* a byte of type, a byte of length, a text with its NUL */
	if (!data || len < 3 || data[0] != 0 || data[1] < 1 || data[1] > len - 2 ||
		data[1 + data[1]])
		return "";
	return (const char *)data + 2;
}

/* --- elements ---------------------------------------------------------------------------------- */

/* Where a range begins, or the first address behind one. */
struct bound {
	uint8_t bytes[16];
	bool end;
	char *comment; /* owned; NULL for ends */
};

struct element_walk {
	const struct elem_reader *reader;
	void *arg;
	enum set_type type;
	bool whole;
	struct bound *bounds; /* of a set of ranges, which are told when all are read */
	size_t count, cap;
};

static void clear_bounds(struct element_walk *walk)
{
	for (size_t i = 0; i < walk->count; i++)
		free(walk->bounds[i].comment);
	walk->count = 0;
}

static void restart_elements(void *arg)
{
	struct element_walk *walk = arg;

	walk->whole = true;
	clear_bounds(walk);
	walk->reader->restart(walk->arg);
}

enum { ELEM_ATTRS = NFTA_SET_ELEM_MAX + 1, DATA_ATTRS = NFTA_DATA_MAX + 1 };

static const struct nlattr *value_of(const struct nlattr *nest)
{
	const struct nlattr *attrs[DATA_ATTRS] = {0};

	if (nest)
		index_nest(nest, attrs, DATA_ATTRS);
	return attrs[NFTA_DATA_VALUE];
}

/* The chain that an element of a map jumps to, or NULL. */
static const char *jump_of(const struct nlattr *nest)
{
	const struct nlattr *attrs[DATA_ATTRS] = {0}, *verdict[NFTA_VERDICT_MAX + 1] = {0};

	if (nest)
		index_nest(nest, attrs, DATA_ATTRS);
	if (attrs[NFTA_DATA_VERDICT])
		index_nest(attrs[NFTA_DATA_VERDICT], verdict, NFTA_VERDICT_MAX + 1);
	if ((int32_t)number_of(verdict[NFTA_VERDICT_CODE]) != NFT_JUMP ||
		!verdict[NFTA_VERDICT_CHAIN])
		return NULL;
	return text_of(verdict[NFTA_VERDICT_CHAIN]);
}

/* What no element of ours has: a time to live, a counter of its own, a reference, an end of its key. */
static bool has_odd_parts(const struct nlattr *const attrs[ELEM_ATTRS])
{
	static const uint8_t ours[] = {NFTA_SET_ELEM_KEY, NFTA_SET_ELEM_DATA, NFTA_SET_ELEM_FLAGS,
		NFTA_SET_ELEM_USERDATA, NFTA_SET_ELEM_PAD};
	bool odd = false;

	for (size_t i = 1; i < ELEM_ATTRS; i++)
		odd |= attrs[i] && !memchr(ours, (int)i, sizeof(ours));
	return odd;
}

static const char *elem_notes(const struct nlattr *notes)
{
	return notes ? comment_of(mnl_attr_get_payload(notes), mnl_attr_get_payload_len(notes))
		     : "";
}

static void add_bound(struct element_walk *walk, const void *key, bool end, const char *comment)
{
	xgrow(walk->bounds, walk->count, walk->cap);
	memset(&walk->bounds[walk->count], 0, sizeof(*walk->bounds));
	memcpy(walk->bounds[walk->count].bytes, key, set_form(walk->type)->key_len);
	walk->bounds[walk->count].end = end;
	walk->bounds[walk->count].comment = end ? NULL : xstrdup(comment);
	walk->count++;
}

/* False when there is none, or none of a key of this type. */
static bool read_key(
	const struct element_walk *walk, const struct nlattr *nest, bool any, struct elem_key *key)
{
	const struct nlattr *value = value_of(nest);

	memset(key, 0, sizeof(*key));
	if (any)
		return walk->type == MAP_GROUP;
	return value && kernel_key_read(walk->type, mnl_attr_get_payload(value),
				mnl_attr_get_payload_len(value), key);
}

/* What the element leads to, as maps of this type have it. */
static bool read_value(const struct element_walk *walk, const struct nlattr *nest,
	const char **chain, uint32_t groups[2])
{
	const struct nlattr *value;

	*chain = jump_of(nest);
	if (!set_form(walk->type)->data_len)
		return (*chain != NULL) == set_is_map(walk->type);
	value = value_of(nest);
	return value && kernel_groups_read(mnl_attr_get_payload(value),
				mnl_attr_get_payload_len(value), groups);
}

/* False when it is none that we would write. */
static bool take_elem(struct element_walk *walk, const struct nlattr *elem)
{
	const struct nlattr *attrs[ELEM_ATTRS] = {0};
	const char *chain = NULL;
	struct elem_key key;
	uint32_t flags;
	bool any;

	index_nest(elem, attrs, ELEM_ATTRS);
	flags = number_of(attrs[NFTA_SET_ELEM_FLAGS]);
	any = flags == NFT_SET_ELEM_CATCHALL;
	if (has_odd_parts(attrs) || !read_key(walk, attrs[NFTA_SET_ELEM_KEY], any, &key))
		return false;
	if (set_form(walk->type)->flags & NFT_SET_INTERVAL) {
		add_bound(walk, key.ip.bytes, flags & NFT_SET_ELEM_INTERVAL_END,
			elem_notes(attrs[NFTA_SET_ELEM_USERDATA]));
		return true;
	}
	if ((flags && !any) || !read_value(walk, attrs[NFTA_SET_ELEM_DATA], &chain, key.groups))
		return false;
	walk->reader->elem(&key, chain, elem_notes(attrs[NFTA_SET_ELEM_USERDATA]), walk->arg);
	return true;
}

static int take_elements(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_SET_ELEM_LIST_MAX + 1] = {0};
	struct element_walk *walk = arg;
	const struct nlattr *list, *elem;

	(void)err;
	index_message(message, attrs, NFTA_SET_ELEM_LIST_MAX + 1);
	list = attrs[NFTA_SET_ELEM_LIST_ELEMENTS];
	for (elem = list ? attr_first_in(list) : NULL; elem; elem = attr_next_in(list, elem))
		walk->whole &= take_elem(walk, elem);
	return 0;
}

/* By address; where one range ends another may begin. */
static int compare_bounds(const void *a, const void *b)
{
	const struct bound *x = a, *y = b;
	int order = memcmp(x->bytes, y->bytes, sizeof(x->bytes));

	return order ? order : y->end - x->end;
}

static void address_of(const struct element_walk *walk, const struct bound *bound, struct ip *ip)
{
	ip->family = walk->type == SET_CIDR4 ? 4 : 6;
	memcpy(ip->bytes, bound->bytes, set_form(walk->type)->key_len);
}

static void step_back(struct ip *ip)
{
	for (size_t i = ip_len(ip); i-- > 0;)
		if (ip->bytes[i]--)
			break;
}

/* Begin and end by turns; only the last range may be without an end: it goes on to the last address. */
static void tell_ranges(struct element_walk *walk)
{
	if (walk->count)
		qsort(walk->bounds, walk->count, sizeof(*walk->bounds), compare_bounds);
	for (size_t i = 0; i < walk->count; i += 2) {
		const struct bound *begin = &walk->bounds[i];
		bool open = i + 1 == walk->count;
		struct elem_key key;

		memset(&key, 0, sizeof(key));
		address_of(walk, begin, &key.ip);
		key.last.family = key.ip.family;
		memset(key.last.bytes, 0xff, ip_len(&key.ip));
		if (begin->end || (!open && !walk->bounds[i + 1].end)) {
			walk->whole = false;
			return;
		}
		if (!open) {
			address_of(walk, &walk->bounds[i + 1], &key.last);
			step_back(&key.last);
		}
		walk->reader->elem(&key, NULL, begin->comment, walk->arg);
	}
}

int read_elements(struct netlink *netlink, const struct nft_table *table, const char *set,
	enum set_type type, const struct elem_reader *reader, void *arg, bool *whole,
	struct err *err)
{
	struct element_walk walk = {.reader = reader, .arg = arg, .type = type, .whole = true};
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = request(buffer, NFT_MSG_GETSETELEM, NLM_F_DUMP, table->family);
	int rc;

	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_SET_ELEM_LIST_SET, set);
	rc = netlink_ask(netlink, message, take_elements, restart_elements, &walk, err);
	if (rc == 0)
		tell_ranges(&walk);
	clear_bounds(&walk);
	free(walk.bounds);
	*whole = walk.whole;
	return rc < 0 ? err_wrap(err, "list elements of set %s of table %s %s", set,
				family_word(table->family), table->name)
		      : 0;
}

/* --- rules ------------------------------------------------------------------------------------- */

struct rule_walk {
	const struct rule_reader *reader;
	void *arg;
	const char *table;
};

static int take_rule(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct nlattr *attrs[NFTA_RULE_MAX + 1] = {0};
	const struct rule_walk *walk = arg;
	struct nftnl_rule *rule;

	(void)err;
	index_message(message, attrs, NFTA_RULE_MAX + 1);
	if (strcmp(text_of(attrs[NFTA_RULE_TABLE]), walk->table) != 0)
		return 0;
	rule = nftnl_rule_alloc();
	if (rule && nftnl_rule_nlmsg_parse(message, rule) < 0) {
		nftnl_rule_free(rule);
		rule = NULL;
	}
	walk->reader->rule(text_of(attrs[NFTA_RULE_CHAIN]), rule, walk->arg);
	if (rule)
		nftnl_rule_free(rule);
	return 0;
}

static void restart_rules(void *arg)
{
	const struct rule_walk *walk = arg;

	walk->reader->restart(walk->arg);
}

int read_rules(struct netlink *netlink, const struct nft_table *table, const char *chain,
	const struct rule_reader *reader, void *arg, struct err *err)
{
	struct rule_walk walk = {.reader = reader, .arg = arg, .table = table->name};
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = request(buffer, NFT_MSG_GETRULE, NLM_F_DUMP, table->family);

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table->name);
	if (chain)
		mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain);
	if (netlink_ask(netlink, message, take_rule, restart_rules, &walk, err) < 0)
		return err_wrap(
			err, "list rules of table %s %s", family_word(table->family), table->name);
	return 0;
}
