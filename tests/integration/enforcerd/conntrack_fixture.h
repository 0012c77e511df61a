/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack entries made by hand, as many as a test wants, and what the kernel holds of them. */
#ifndef BULKHEAD_TESTS_CONNTRACK_FIXTURE_H
#define BULKHEAD_TESTS_CONNTRACK_FIXTURE_H

#include "enforcerd/conntrack.h"
#include "enforcerd/netlink.h"
#include "netns.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <stdalign.h>

enum { ENTRY_SIZE = 512, ENTRIES_PER_SEND = 256, ENTRY_SECONDS = 600 };

static struct err err;

static inline struct ip ct_address(const char *text)
{
	struct ip ip;
	struct err why = {0};

	ck_assert_msg(ip_parse(text, &ip, &why) == 0, "%s", why.text);
	return ip;
}

static inline void put_tuple(struct nlmsghdr *message, uint16_t type, const struct flow *flow,
	const struct flow_tuple *tuple)
{
	bool v6 = tuple->src.family == 6, icmp = flow->protocol == IPPROTO_ICMP;
	struct nlattr *nest = mnl_attr_nest_start(message, type);
	struct nlattr *inner = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put(
		message, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, ip_len(&tuple->src), tuple->src.bytes);
	mnl_attr_put(
		message, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, ip_len(&tuple->dst), tuple->dst.bytes);
	mnl_attr_nest_end(message, inner);
	inner = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(message, CTA_PROTO_NUM, flow->protocol);
	mnl_attr_put_u16(
		message, icmp ? CTA_PROTO_ICMP_ID : CTA_PROTO_SRC_PORT, htons(tuple->src_port));
	if (icmp) {
		mnl_attr_put_u8(message, CTA_PROTO_ICMP_TYPE, (uint8_t)(tuple->dst_port >> 8));
		mnl_attr_put_u8(message, CTA_PROTO_ICMP_CODE, (uint8_t)tuple->dst_port);
	} else {
		mnl_attr_put_u16(message, CTA_PROTO_DST_PORT, htons(tuple->dst_port));
	}
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, nest);
}

static inline struct nlmsghdr *new_entry(char *buffer, const struct flow *flow, uint32_t seq)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
	message->nlmsg_seq = seq;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = flow->original.src.family == 6 ? AF_INET6 : AF_INET;
	put_tuple(message, CTA_TUPLE_ORIG, flow, &flow->original);
	put_tuple(message, CTA_TUPLE_REPLY, flow, &flow->reply);
	mnl_attr_put_u32(message, CTA_STATUS, htonl(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED));
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(ENTRY_SECONDS));
	mnl_attr_put_u32(message, CTA_MARK, htonl(flow->mark));
	if (flow->zone)
		mnl_attr_put_u16(message, CTA_ZONE, htons(flow->zone));
	return message;
}

static inline struct flow_tuple turned(const struct flow_tuple *tuple)
{
	return (struct flow_tuple){.src = tuple->dst,
		.dst = tuple->src,
		.src_port = tuple->dst_port,
		.dst_port = tuple->src_port};
}

/* A flow without NAT. */
static inline struct flow plain_flow(uint8_t protocol, const char *from, uint16_t from_port,
	const char *to, uint16_t to_port, uint32_t mark)
{
	struct flow flow = {.protocol = protocol,
		.mark = mark,
		.original = {ct_address(from), ct_address(to), from_port, to_port}};

	flow.reply = turned(&flow.original);
	return flow;
}

/* The kernel must take all of them. */
static inline void add_entries(const struct flow *flows, size_t count)
{
	static alignas(struct nlmsghdr) char batch[ENTRIES_PER_SEND * ENTRY_SIZE];
	struct netlink *netlink = netlink_open(NETLINK_NETFILTER, &err);
	size_t used = 0;

	ck_assert_msg(netlink != NULL, "%s", err.text);
	for (size_t i = 0; i < count; i++) {
		bool last = i + 1 == count || (i + 1) % ENTRIES_PER_SEND == 0;
		struct nlmsghdr *message = new_entry(batch + used, &flows[i], (uint32_t)i + 1);
		struct netlink_refusal refusal = {0};
		const void *data = NULL;

		used += MNL_ALIGN(message->nlmsg_len);
		if (!last)
			continue;
		message->nlmsg_flags |= NLM_F_ACK;
		ck_assert_int_eq(netlink_send(netlink, batch, used, &err), 0);
		ck_assert_int_gt(netlink_receive(netlink, true, &data, &err), 0);
		ck_assert(netlink_refusal(data, &refusal));
		ck_assert_msg(
			refusal.code == 0, "entry %u: %s", refusal.seq, strerror(refusal.code));
		used = 0;
	}
	netlink_close(netlink);
}

/* 10.0.0.0/8 and 10.1.0.1:80, numbered; below 2^24. */
static inline struct flow numbered_flow(unsigned number, uint32_t mark)
{
	struct flow flow = plain_flow(IPPROTO_UDP, "10.0.0.0", 4000, "192.0.2.1", 53, mark);

	flow.original.src.bytes[1] = (uint8_t)(number >> 16);
	flow.original.src.bytes[2] = (uint8_t)(number >> 8);
	flow.original.src.bytes[3] = (uint8_t)number;
	flow.reply = turned(&flow.original);
	return flow;
}

/* count of them, the nth with mark_of(n). */
static inline void add_numbered(size_t count, uint32_t (*mark_of)(size_t n))
{
	struct flow *flows = calloc(count, sizeof(*flows));

	for (size_t i = 0; i < count; i++)
		flows[i] = numbered_flow((unsigned)i, mark_of(i));
	add_entries(flows, count);
	free(flows);
}

/* --- looking ----------------------------------------------------------------------------------- */

struct flow_list {
	struct flow items[64];
	size_t count, beyond;
};

static inline int keep_flow(const struct flow *flow, void *arg, struct err *why)
{
	struct flow_list *list = arg;

	(void)why;
	if (list->count < sizeof(list->items) / sizeof(*list->items))
		list->items[list->count++] = *flow;
	else
		list->beyond++;
	return 0;
}

static inline void list_entries(
	struct conntrack *conntrack, uint32_t mark, uint32_t mask, struct flow_list *list)
{
	int more = 1;

	*list = (struct flow_list){0};
	ck_assert_msg(conntrack_list(conntrack, mark, mask, &err) == 0, "%s", err.text);
	while (more > 0)
		more = conntrack_next(conntrack, keep_flow, list, &err);
	ck_assert_msg(more == 0, "%s", err.text);
}

/* How many entries have mark under mask (mask 0: all). */
static inline size_t count_entries(struct conntrack *conntrack, uint32_t mark, uint32_t mask)
{
	struct flow_list list;

	list_entries(conntrack, mark, mask, &list);
	return list.count + list.beyond;
}

/* The entry that goes from there to that port, which must be there. */
static inline const struct flow *find_flow(
	const struct flow_list *list, const char *from, uint16_t to_port)
{
	const struct ip source = ct_address(from);

	for (size_t i = 0; i < list->count; i++)
		if (ip_equal(&list->items[i].original.src, &source) &&
			list->items[i].original.dst_port == to_port)
			return &list->items[i];
	ck_abort_msg("no flow from %s to port %u", from, to_port);
}

#endif
