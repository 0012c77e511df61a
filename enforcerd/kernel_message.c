/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_message.h"

#include "common/xalloc.h"
#include "enforcerd/skeleton.h"

#include <arpa/inet.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <string.h>

/* Of keys, as nft notes it. */
enum { NFT_ORDER_HOST = 1, NFT_ORDER_BIG = 2 };

#define BRIDGE_PREFIX "bridge:"

const struct base_form *base_form(const char *chain, uint8_t family)
{
	/*
	 * Judgement just ahead of everybody's `filter`: what we drop, no other table has to look at. What a port may send at all
	 * is looked at ahead of conntrack and address translation.
	 */
	static const struct base_form forms[] = {
		{"prerouting", NFPROTO_INET, NF_INET_PRE_ROUTING, NF_IP_PRI_RAW},
		{CHAIN_FORWARD, NFPROTO_INET, NF_INET_FORWARD, NF_IP_PRI_FILTER - 1},
		{CHAIN_INPUT, NFPROTO_INET, NF_INET_LOCAL_IN, NF_IP_PRI_FILTER - 1},
		{"output", NFPROTO_INET, NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER - 1},
		{BRIDGE_PREFIX "prerouting", NFPROTO_BRIDGE, NF_BR_PRE_ROUTING,
			NF_BR_PRI_NAT_DST_BRIDGED},
		{BRIDGE_PREFIX "forward", NFPROTO_BRIDGE, NF_BR_FORWARD, NF_BR_PRI_FILTER_BRIDGED},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (forms[i].family == family && !strcmp(forms[i].chain, chain))
			return &forms[i];
	return NULL;
}

const char *chain_in_table(const char *chain)
{
	size_t prefix = strlen(BRIDGE_PREFIX);

	return strncmp(chain, BRIDGE_PREFIX, prefix) ? chain : chain + prefix;
}

/* A type-length-value list with one comment, which must fit its own length byte. */
static void put_comment(
	struct nlmsghdr *message, uint16_t attr, uint8_t udata_type, const char *comment)
{
	struct {
		uint8_t type, len;
		char text[COMMENT_SIZE];
	} udata = {.type = udata_type};

	if (!comment || !*comment)
		return;
	kernel_text(udata.text, sizeof(udata.text), comment);
	udata.len = (uint8_t)(strlen(udata.text) + 1);
	mnl_attr_put(message, attr, 2U + udata.len, &udata);
}

/* --- table and chains -------------------------------------------------------------------------- */

void message_table(struct batch *batch, const struct nft_table *table, uint32_t flags)
{
	struct nlmsghdr *message =
		batch_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE, table->family);

	mnl_attr_put_strz(message, NFTA_TABLE_NAME, table->name);
	mnl_attr_put_u32(message, NFTA_TABLE_FLAGS, htonl(flags));
	put_comment(message, NFTA_TABLE_USERDATA, NFTNL_UDATA_TABLE_COMMENT,
		"container policy, written by bulkhead-enforcerd");
}

void message_delete_table(struct batch *batch, const struct nft_table *table)
{
	mnl_attr_put_strz(batch_message(batch, NFT_MSG_DELTABLE, 0, table->family), NFTA_TABLE_NAME,
		table->name);
}

static void put_hook(struct nlmsghdr *message, const struct base_form *base)
{
	struct nlattr *nest = mnl_attr_nest_start(message, NFTA_CHAIN_HOOK);

	mnl_attr_put_u32(message, NFTA_HOOK_HOOKNUM, htonl(base->hook));
	mnl_attr_put_u32(message, NFTA_HOOK_PRIORITY, htonl((uint32_t)base->priority));
	mnl_attr_nest_end(message, nest);
	mnl_attr_put_u32(message, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
	mnl_attr_put_strz(message, NFTA_CHAIN_TYPE, "filter");
}

void message_chain(
	struct batch *batch, const struct nft_table *table, const char *name, const char *comment)
{
	struct nlmsghdr *message =
		batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE, table->family);
	const struct base_form *base = base_form(name, table->family);

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain_in_table(name));
	if (base)
		put_hook(message, base);
	put_comment(message, NFTA_CHAIN_USERDATA, NFTNL_UDATA_CHAIN_COMMENT, comment);
}

void message_delete_chain(struct batch *batch, const struct nft_table *table, const char *name)
{
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_DELCHAIN, 0, table->family);

	mnl_attr_put_strz(message, NFTA_CHAIN_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_CHAIN_NAME, chain_in_table(name));
}

void message_flush_chain(struct batch *batch, const struct nft_table *table, const char *name)
{
	struct nlmsghdr *message = batch_message(batch, NFT_MSG_DELRULE, 0, table->family);

	mnl_attr_put_strz(message, NFTA_RULE_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain_in_table(name));
}

static void put_rule(struct batch *batch, const struct rule *rule, const struct rule_form *form,
	const struct rule_place *place)
{
	struct nftnl_rule *built = kernel_rule(rule, form->part, form->family, place);

	nftnl_rule_nlmsg_build_payload(batch_message(batch, NFT_MSG_NEWRULE,
					       NLM_F_CREATE | NLM_F_APPEND, place->table->family),
		built);
	nftnl_rule_free(built);
}

void message_rule(struct batch *batch, const struct rule *rule, const struct rule_place *place)
{
	struct rule_form forms[RULE_FORMS_MAX];
	size_t count = kernel_rule_forms(rule, forms);

	for (size_t i = 0; i < count; i++)
		put_rule(batch, rule, &forms[i], place);
}

/* --- sets and counters ------------------------------------------------------------------------- */

/* nft needs the byte order to print keys and numbers. None is given for verdicts: nft 1.0.6 aborts on it. */
static void put_set_notes(
	struct nlmsghdr *message, const struct set_form *form, const char *comment)
{
	struct nftnl_udata_buf *notes = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	char text[COMMENT_SIZE];

	if (!notes)
		return;
	nftnl_udata_put_u32(notes, NFTNL_UDATA_SET_KEYBYTEORDER,
		form->host_order ? NFT_ORDER_HOST : NFT_ORDER_BIG);
	if (form->data_len)
		nftnl_udata_put_u32(notes, NFTNL_UDATA_SET_DATABYTEORDER, NFT_ORDER_HOST);
	if (comment && *comment)
		nftnl_udata_put_strz(
			notes, NFTNL_UDATA_SET_COMMENT, kernel_text(text, sizeof(text), comment));
	mnl_attr_put(message, NFTA_SET_USERDATA, nftnl_udata_buf_len(notes),
		nftnl_udata_buf_data(notes));
	nftnl_udata_buf_free(notes);
}

void message_set(struct batch *batch, const struct nft_table *table, const char *name,
	enum set_type type, const char *comment, uint32_t id)
{
	struct nlmsghdr *message =
		batch_message(batch, NFT_MSG_NEWSET, NLM_F_CREATE, table->family);
	const struct set_form *form = set_form(type);

	mnl_attr_put_strz(message, NFTA_SET_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_SET_NAME, name);
	mnl_attr_put_u32(message, NFTA_SET_ID, htonl(id));
	mnl_attr_put_u32(message, NFTA_SET_FLAGS, htonl(form->flags));
	mnl_attr_put_u32(message, NFTA_SET_KEY_TYPE, htonl(form->key_type));
	mnl_attr_put_u32(message, NFTA_SET_KEY_LEN, htonl(form->key_len));
	if (form->data_type)
		mnl_attr_put_u32(message, NFTA_SET_DATA_TYPE, htonl(form->data_type));
	if (form->data_len)
		mnl_attr_put_u32(message, NFTA_SET_DATA_LEN, htonl(form->data_len));
	put_set_notes(message, form, comment);
}

static struct nlmsghdr *named_message(struct batch *batch, uint16_t type, uint16_t table_attr,
	const struct nft_table *table, uint16_t name_attr, const char *name)
{
	struct nlmsghdr *message = batch_message(batch, type, 0, table->family);

	mnl_attr_put_strz(message, table_attr, table->name);
	mnl_attr_put_strz(message, name_attr, name);
	return message;
}

void message_delete_set(struct batch *batch, const struct nft_table *table, const char *name)
{
	(void)named_message(batch, NFT_MSG_DELSET, NFTA_SET_TABLE, table, NFTA_SET_NAME, name);
}

void message_flush_set(struct batch *batch, const struct nft_table *table, const char *name)
{
	(void)named_message(batch, NFT_MSG_DELSETELEM, NFTA_SET_ELEM_LIST_TABLE, table,
		NFTA_SET_ELEM_LIST_SET, name);
}

void message_counter(struct batch *batch, const struct nft_table *table, const char *name)
{
	struct nlmsghdr *message =
		batch_message(batch, NFT_MSG_NEWOBJ, NLM_F_CREATE, table->family);
	struct nlattr *nest;

	mnl_attr_put_strz(message, NFTA_OBJ_TABLE, table->name);
	mnl_attr_put_strz(message, NFTA_OBJ_NAME, name);
	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	nest = mnl_attr_nest_start(message, NFTA_OBJ_DATA);
	mnl_attr_nest_end(message, nest);
}

void message_delete_counter(struct batch *batch, const struct nft_table *table, const char *name)
{
	struct nlmsghdr *message =
		named_message(batch, NFT_MSG_DELOBJ, NFTA_OBJ_TABLE, table, NFTA_OBJ_NAME, name);

	mnl_attr_put_u32(message, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
}

/* --- elements ---------------------------------------------------------------------------------- */

static void put_jump(struct nlmsghdr *message, const char *chain)
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
	struct nlattr *verdict = mnl_attr_nest_start(message, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(message, NFTA_VERDICT_CODE, htonl((uint32_t)NFT_JUMP));
	mnl_attr_put_strz(message, NFTA_VERDICT_CHAIN, chain);
	mnl_attr_nest_end(message, verdict);
	mnl_attr_nest_end(message, data);
}

static void put_groups(struct nlmsghdr *message, const uint32_t groups[2])
{
	struct nlattr *data = mnl_attr_nest_start(message, NFTA_SET_ELEM_DATA);
	uint8_t bytes[KERNEL_GROUPS_LEN];

	kernel_groups(groups, bytes);
	mnl_attr_put(message, NFTA_DATA_VALUE, sizeof(bytes), bytes);
	mnl_attr_nest_end(message, data);
}

/* Room for the largest element: key, jump, comment, and their headers. */
enum { ELEM_SIZE_MAX = 512 };

static void open_message(struct elems *elems, const char *set, enum set_type type)
{
	bool same = elems->message && !strcmp(elems->set, set);

	if (same && elems->message->nlmsg_len + ELEM_SIZE_MAX < BATCH_ELEMS_MAX)
		return;
	elems_finish(elems);
	snprintf(elems->set, sizeof(elems->set), "%s", set);
	elems->message =
		batch_message(elems->batch, elems->remove ? NFT_MSG_DELSETELEM : NFT_MSG_NEWSETELEM,
			elems->remove ? 0 : NLM_F_CREATE, elems->table->family);
	batch_message_keys(elems->batch, type);
	mnl_attr_put_strz(elems->message, NFTA_SET_ELEM_LIST_TABLE, elems->table->name);
	mnl_attr_put_strz(elems->message, NFTA_SET_ELEM_LIST_SET, set);
	elems->list = mnl_attr_nest_start(elems->message, NFTA_SET_ELEM_LIST_ELEMENTS);
}

/* What an element is, beside its value. */
struct elem_form {
	const void *key; /* NULL: every key that has no element of its own */
	size_t len;
	uint32_t flags;
};

static struct nlattr *begin_elem(struct elems *elems, const struct elem_form *form)
{
	struct nlmsghdr *message = elems->message;
	struct nlattr *elem = mnl_attr_nest_start(message, NFTA_LIST_ELEM);
	struct nlattr *nest;

	if (form->flags)
		mnl_attr_put_u32(message, NFTA_SET_ELEM_FLAGS, htonl(form->flags));
	if (!form->key)
		return elem;
	nest = mnl_attr_nest_start(message, NFTA_SET_ELEM_KEY);
	mnl_attr_put(message, NFTA_DATA_VALUE, form->len, form->key);
	mnl_attr_nest_end(message, nest);
	return elem;
}

/* The first key behind a range. */
static void put_end(struct elems *elems, const void *key, size_t len)
{
	const struct elem_form form = {key, len, NFT_SET_ELEM_INTERVAL_END};

	mnl_attr_nest_end(elems->message, begin_elem(elems, &form));
}

void elems_add(struct elems *elems, const char *set, enum set_type type, const struct elem_key *key,
	const char *chain, const char *comment)
{
	const struct set_form *form = set_form(type);
	uint8_t bytes[KERNEL_KEY_MAX];
	bool any = type == MAP_GROUP && !key->group;
	struct nlattr *elem;

	open_message(elems, set, type);
	kernel_key(type, key, bytes);
	elem = begin_elem(elems, &(struct elem_form){any ? NULL : bytes, form->key_len,
					 any ? NFT_SET_ELEM_CATCHALL : 0});
	if (chain && !elems->remove)
		put_jump(elems->message, chain);
	if (form->data_len && !elems->remove)
		put_groups(elems->message, key->groups);
	if (!elems->remove)
		put_comment(elems->message, NFTA_SET_ELEM_USERDATA, NFTNL_UDATA_SET_ELEM_COMMENT,
			comment);
	mnl_attr_nest_end(elems->message, elem);
	/* an interval set holds where each range begins and the first key behind it */
	if ((form->flags & NFT_SET_INTERVAL) && kernel_key_behind(type, key, bytes))
		put_end(elems, bytes, form->key_len);
}

void elems_finish(struct elems *elems)
{
	if (elems->message)
		mnl_attr_nest_end(elems->message, elems->list);
	elems->message = NULL;
}
