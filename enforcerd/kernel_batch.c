/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_batch.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "enforcerd/kernel_key.h"
#include "enforcerd/ruleset_elem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

enum { NO_KEYS = 0xff, MESSAGE_TEXT_MAX = 200 };

struct position {
	size_t offset;
	uint8_t keys; /* enum set_type, or NO_KEYS */
};

struct batch {
	char *data;
	size_t size; /* bytes of finished messages; the last one begun is not among them */
	size_t room;
	struct position *messages; /* begin, the messages, end */
	size_t count, cap;
	bool ended;
};

static struct nlmsghdr *last_message(const struct batch *batch)
{
	return (struct nlmsghdr *)(void *)(batch->data + batch->size);
}

static void finish_message(struct batch *batch)
{
	if (batch->count)
		batch->size += MNL_ALIGN(last_message(batch)->nlmsg_len);
}

static void reserve(struct batch *batch)
{
	if (batch->room - batch->size >= BATCH_ROOM)
		return;
	batch->room = batch->room * 2 + BATCH_ROOM;
	batch->data = xrealloc(batch->data, batch->room, 1);
}

static struct nlmsghdr *begin_message(
	struct batch *batch, uint16_t type, uint16_t flags, uint8_t family, uint16_t resource)
{
	struct nlmsghdr *message;
	struct nfgenmsg *header;

	finish_message(batch);
	reserve(batch);
	xgrow(batch->messages, batch->count, batch->cap);
	batch->messages[batch->count++] = (struct position){batch->size, NO_KEYS};
	message = mnl_nlmsg_put_header(last_message(batch));
	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	header->res_id = htons(resource);
	return message;
}

struct batch *batch_new(void)
{
	struct batch *batch = xcalloc(1, sizeof(*batch));
	struct nlmsghdr *begin;

	begin = begin_message(batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	mnl_attr_put_u32(begin, NFNL_BATCH_GENID, 0); /* known when it is sent */
	return batch;
}

static void set_generation(struct batch *batch, uint32_t generation)
{
	struct nlmsghdr *begin = (void *)batch->data;
	struct nlattr *attr = mnl_nlmsg_get_payload_offset(begin, sizeof(struct nfgenmsg));
	uint32_t wire = htonl(generation);

	memcpy(mnl_attr_get_payload(attr), &wire, sizeof(wire));
}

/* Puts the end behind the last message, once. */
static void end_batch(struct batch *batch)
{
	if (batch->ended)
		return;
	begin_message(batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	finish_message(batch);
	batch->ended = true;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	free(batch->messages);
	free(batch->data);
	free(batch);
}

struct nlmsghdr *batch_message(struct batch *batch, uint16_t type, uint16_t flags, uint8_t family)
{
	return begin_message(batch, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, family, 0);
}

void batch_message_keys(struct batch *batch, enum set_type type)
{
	batch->messages[batch->count - 1].keys = (uint8_t)type;
}

unsigned batch_count(const struct batch *batch)
{
	return (unsigned)batch->count - (batch->ended ? 2 : 1);
}

size_t batch_size(const struct batch *batch)
{
	return batch->ended ? batch->size : batch->size + MNL_ALIGN(last_message(batch)->nlmsg_len);
}

/* --- refusals in words ------------------------------------------------------------------------- */

static const struct {
	uint16_t type;
	const char *words;   /* with one %s for the object */
	uint16_t name_attr;  /* whose text the object is */
	uint16_t elems_attr; /* list of elements, or 0 */
	uint16_t notes_attr; /* user data that holds a comment, or 0 */
} operations[] = {
	{NFT_MSG_NEWTABLE, "add table %s", NFTA_TABLE_NAME, 0, 0},
	{NFT_MSG_DELTABLE, "delete table %s", NFTA_TABLE_NAME, 0, 0},
	{NFT_MSG_NEWCHAIN, "add chain %s", NFTA_CHAIN_NAME, 0, 0},
	{NFT_MSG_DELCHAIN, "delete chain %s", NFTA_CHAIN_NAME, 0, 0},
	{NFT_MSG_NEWRULE, "add rule to chain %s", NFTA_RULE_CHAIN, 0, NFTA_RULE_USERDATA},
	{NFT_MSG_DELRULE, "flush chain %s", NFTA_RULE_CHAIN, 0, 0},
	{NFT_MSG_NEWSET, "add set %s", NFTA_SET_NAME, 0, 0},
	{NFT_MSG_DELSET, "delete set %s", NFTA_SET_NAME, 0, 0},
	{NFT_MSG_NEWSETELEM, "to set %s", NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS, 0},
	{NFT_MSG_DELSETELEM, "from set %s", NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS, 0},
	{NFT_MSG_NEWOBJ, "add counter %s", NFTA_OBJ_NAME, 0, 0},
	{NFT_MSG_DELOBJ, "delete counter %s", NFTA_OBJ_NAME, 0, 0},
};

static const struct nlattr *find_attr(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr = type ? attr_first(message, sizeof(struct nfgenmsg)) : NULL;

	while (attr && mnl_attr_get_type(attr) != type)
		attr = attr_next(message, attr);
	return attr;
}

static const struct nlattr *find_nested(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr = nest ? attr_first_in(nest) : NULL;

	while (attr && mnl_attr_get_type(attr) != type)
		attr = attr_next_in(nest, attr);
	return attr;
}

/* The element at fault: the one that the offset points into, or the only one. */
static const struct nlattr *blamed_elem(
	const struct nlmsghdr *message, const struct nlattr *list, uint32_t offset)
{
	const char *at = (const char *)message + offset;
	const struct nlattr *only = NULL;
	const struct nlattr *attr;
	size_t count = 0;

	for (attr = attr_first_in(list); attr; attr = attr_next_in(list, attr)) {
		const char *begin = (const char *)attr;

		if (offset && at >= begin && at < begin + mnl_attr_get_len(attr))
			return attr;
		only = attr;
		count++;
	}
	return count == 1 ? only : NULL;
}

/* Of a range the message says where it begins. */
static enum set_type begin_of_range(enum set_type type)
{
	return type == SET_CIDR4 ? SET_IPV4 : type == SET_CIDR6 ? SET_IPV6 : type;
}

static void add_elem(struct strbuf *out, const struct nlmsghdr *message, const struct nlattr *list,
	const enum set_type *keys, uint32_t offset)
{
	bool add = (message->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM;
	const struct nlattr *elem = list ? blamed_elem(message, list, offset) : NULL;
	const struct nlattr *key = find_nested(elem, NFTA_SET_ELEM_KEY);
	const struct nlattr *value = find_nested(key, NFTA_DATA_VALUE);
	cleanup_free char *text = NULL;
	struct elem_key first;

	if (!list) {
		strbuf_add(out, "delete all elements ");
		return;
	}
	strbuf_add(out, add ? "add element" : "delete element");
	if (!value || !keys ||
		!kernel_key_read(*keys, mnl_attr_get_payload(value),
			mnl_attr_get_payload_len(value), &first)) {
		strbuf_add(out, "s ");
		return;
	}
	text = elem_key_text(begin_of_range(*keys), &first);
	strbuf_addf(out, " %s ", text);
}

/* User data is a list of type, length and value, a byte each for the first two; ours has the comment first. */
static void add_notes(struct strbuf *out, const struct nlattr *notes)
{
	const uint8_t *data = notes ? mnl_attr_get_payload(notes) : NULL;
	size_t len = notes ? mnl_attr_get_payload_len(notes) : 0;

	if (len < 3 || data[0] != NFTNL_UDATA_RULE_COMMENT || data[1] < 1 || data[1] > len - 2 ||
		data[1 + data[1]])
		return;
	strbuf_addf(out, " (%s)", (const char *)data + 2);
}

char *batch_describe(const struct nlmsghdr *message, const enum set_type *keys, uint32_t offset)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	cleanup_strbuf struct strbuf out = {0};

	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		const struct nlattr *name;

		if (operations[i].type != (message->nlmsg_type & 0xff))
			continue;
		name = find_attr(message, operations[i].name_attr);
		if (operations[i].elems_attr)
			add_elem(&out, message, find_attr(message, operations[i].elems_attr), keys,
				offset);
		strbuf_addf(&out, operations[i].words, name ? mnl_attr_get_str(name) : "(all)");
		if (header->nfgen_family == NFPROTO_BRIDGE)
			strbuf_add(&out, " of family bridge");
		add_notes(&out, find_attr(message, operations[i].notes_attr));
		return strbuf_take(&out);
	}
	strbuf_addf(&out, "nf_tables message %u", message->nlmsg_type & 0xffU);
	return strbuf_take(&out);
}

static char *describe_at(const struct batch *batch, size_t index, uint32_t offset)
{
	const struct position *position = &batch->messages[index];
	enum set_type type = (enum set_type)position->keys;

	return batch_describe((const void *)(batch->data + position->offset),
		position->keys == NO_KEYS ? NULL : &type, offset);
}

char *batch_text(const struct batch *batch)
{
	cleanup_strbuf struct strbuf out = {0};

	for (size_t i = 1; i <= batch_count(batch); i++) {
		cleanup_free char *line = describe_at(batch, i, 0);

		strbuf_addf(&out, "%s\n", line);
	}
	return strbuf_take(&out);
}

/* --- sending ----------------------------------------------------------------------------------- */

/* Answers that were read: the first refusal in the batch's own order, and whether the last message was acknowledged. */
struct answers {
	const struct batch *batch;
	uint32_t first_seq;
	bool acknowledged, stale;
	unsigned refused;
	size_t worst;    /* index into messages */
	struct err *err; /* of messages[worst] */
};

static void set_refusal(
	struct answers *answers, size_t index, const struct netlink_refusal *refusal)
{
	cleanup_free char *what = NULL;

	if (index == 0 || index == answers->batch->count - 1) {
		err_set(answers->err, refusal->code, "begin transaction");
		return;
	}
	what = describe_at(answers->batch, index, refusal->offset);
	if (*refusal->text)
		err_set(answers->err, refusal->code, "%s: %.*s", what, MESSAGE_TEXT_MAX,
			refusal->text);
	else
		err_set(answers->err, refusal->code, "%s", what);
}

static void take_refusal(struct answers *answers, const struct netlink_refusal *refusal)
{
	size_t index = refusal->seq - answers->first_seq;

	if (index >= answers->batch->count)
		return; /* an answer to an earlier request */
	if (!refusal->code) {
		answers->acknowledged |= index == answers->batch->count - 2;
		return;
	}
	answers->stale |= index == 0 && refusal->code == ERESTART;
	if (answers->refused++ && index >= answers->worst)
		return;
	answers->worst = index;
	set_refusal(answers, index, refusal);
}

static void take_datagram(struct answers *answers, const void *data, int len)
{
	const struct nlmsghdr *message = data;
	struct netlink_refusal refusal;

	for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
		if (netlink_refusal(message, &refusal))
			take_refusal(answers, &refusal);
}

/*
 * The kernel queues every answer before sendmsg() returns, so the first wait is the only one; what is behind a refusal is
 * drained, so that the first in the batch's order is the one that is told. ENOBUFS: more refusals than the queue holds.
 */
static int take_answers(struct answers *answers, struct netlink *netlink, struct err *err)
{
	for (bool overflow = false; !answers->acknowledged;) {
		const void *data = NULL;
		struct err why = {0};
		ssize_t len = netlink_receive(netlink, !answers->refused && !overflow, &data, &why);

		if (len < 0 && why.code == ENOBUFS && !overflow) {
			overflow = true;
			continue;
		}
		if (len < 0 && !answers->refused) {
			if (err)
				*err = why;
			return -1;
		}
		if (len <= 0)
			break;
		take_datagram(answers, data, (int)len);
	}
	if (answers->refused || answers->acknowledged)
		return 0;
	return err_set(err, ENOBUFS, "receive the kernel's answer");
}

static uint32_t number_messages(struct batch *batch, struct netlink *netlink)
{
	uint32_t first = netlink_take_seq(netlink, (uint32_t)batch->count);

	for (size_t i = 0; i < batch->count; i++) {
		struct nlmsghdr *message = (void *)(batch->data + batch->messages[i].offset);

		message->nlmsg_seq = first + (uint32_t)i;
		/* the last operation's acknowledgement comes only when all of it was applied */
		if (i == batch->count - 2)
			message->nlmsg_flags |= NLM_F_ACK;
	}
	return first;
}

int batch_send(struct batch *batch, struct netlink *netlink, uint32_t generation,
	struct batch_result *result, struct err *err)
{
	struct err why = {0};
	struct answers answers = {.batch = batch, .err = &why};

	*result = (struct batch_result){.outcome = BATCH_REFUSED};
	end_batch(batch);
	set_generation(batch, generation);
	answers.first_seq = number_messages(batch, netlink);
	if (netlink_send(netlink, batch->data, batch->size, err) < 0)
		return -1;
	result->outcome = BATCH_UNKNOWN;
	if (take_answers(&answers, netlink, err) < 0)
		return err_wrap(err, "commit of %zu messages", batch->count - 2);
	result->refused = answers.refused;
	if (answers.refused) {
		const struct position *worst = &batch->messages[answers.worst];
		const struct nlmsghdr *message = (const void *)(batch->data + worst->offset);

		result->outcome = answers.stale ? BATCH_STALE : BATCH_REFUSED;
		result->type = message->nlmsg_type & 0xff;
		result->family =
			((const struct nfgenmsg *)mnl_nlmsg_get_payload(message))->nfgen_family;
		result->index = answers.worst ? (unsigned)answers.worst - 1 : 0;
		if (err)
			*err = why;
		return -1;
	}
	result->outcome = BATCH_APPLIED;
	return 0;
}
