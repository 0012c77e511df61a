/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/conntrack_message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <string.h>

enum { V4_SIZE = 4, V6_SIZE = 16, PROTO_GRE = 47, PROTO_DCCP = 33, PROTO_UDPLITE = 136 };

/* --- attributes -------------------------------------------------------------------------------- */

/* The attribute of that type in nest, or NULL. A hostile list is no longer than its message. */
static const struct nlattr *find_in(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

static const struct nlattr *find(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr;

	for (attr = attr_first(message, sizeof(struct nfgenmsg)); attr;
		attr = attr_next(message, attr))
		if (mnl_attr_get_type(attr) == type)
			return attr;
	return NULL;
}

/* Copies a payload of exactly that size. */
static bool take(const struct nlattr *attr, void *out, size_t size)
{
	if (!attr || mnl_attr_get_payload_len(attr) != size)
		return false;
	memcpy(out, mnl_attr_get_payload(attr), size);
	return true;
}

static bool take_u16(const struct nlattr *attr, uint16_t *out)
{
	if (!take(attr, out, sizeof(*out)))
		return false;
	*out = ntohs(*out);
	return true;
}

static bool take_u32(const struct nlattr *attr, uint32_t *out)
{
	if (!take(attr, out, sizeof(*out)))
		return false;
	*out = ntohl(*out);
	return true;
}

/* For what an entry need not have: absent is fine, malformed is not. */
static bool maybe_u8(const struct nlattr *attr, uint8_t *out)
{
	return !attr || take(attr, out, sizeof(*out));
}

static bool maybe_u32(const struct nlattr *attr, uint32_t *out)
{
	return !attr || take_u32(attr, out);
}

/* --- tuples ------------------------------------------------------------------------------------ */

/* How a protocol's tuple is written: two ports, or identifier, type and code. */
static const struct layout {
	uint8_t protocol;
	uint16_t first, second, third; /* third: 0 for ports */
} layouts[] = {
	{IPPROTO_TCP, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{IPPROTO_UDP, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{IPPROTO_SCTP, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{PROTO_GRE, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{PROTO_DCCP, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{PROTO_UDPLITE, CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT, 0},
	{IPPROTO_ICMP, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMP_TYPE, CTA_PROTO_ICMP_CODE},
	{IPPROTO_ICMPV6, CTA_PROTO_ICMPV6_ID, CTA_PROTO_ICMPV6_TYPE, CTA_PROTO_ICMPV6_CODE},
};

static const struct layout *layout_of(uint8_t protocol)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(*layouts); i++)
		if (layouts[i].protocol == protocol)
			return &layouts[i];
	return NULL;
}

static bool read_ports(const struct nlattr *proto, uint8_t protocol, struct flow_tuple *tuple)
{
	const struct layout *layout = layout_of(protocol);
	uint8_t type = 0, code = 0;

	if (!layout)
		return true;
	if (!take_u16(find_in(proto, layout->first), &tuple->src_port))
		return false;
	if (!layout->third)
		return take_u16(find_in(proto, layout->second), &tuple->dst_port);
	if (!take(find_in(proto, layout->second), &type, sizeof(type)) ||
		!take(find_in(proto, layout->third), &code, sizeof(code)))
		return false;
	tuple->dst_port = (uint16_t)(type << 8 | code);
	return true;
}

static bool read_addresses(const struct nlattr *nest, uint8_t family, struct flow_tuple *tuple)
{
	bool v6 = family == AF_INET6;
	size_t size = v6 ? V6_SIZE : V4_SIZE;

	tuple->src.family = tuple->dst.family = v6 ? 6 : 4;
	return take(find_in(nest, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), tuple->src.bytes, size) &&
	       take(find_in(nest, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST), tuple->dst.bytes, size);
}

static bool read_tuple(
	const struct nlattr *nest, uint8_t family, struct flow_tuple *tuple, uint8_t *protocol)
{
	const struct nlattr *addresses = nest ? find_in(nest, CTA_TUPLE_IP) : NULL;
	const struct nlattr *proto = nest ? find_in(nest, CTA_TUPLE_PROTO) : NULL;

	return addresses && proto && read_addresses(addresses, family, tuple) &&
	       take(find_in(proto, CTA_PROTO_NUM), protocol, sizeof(*protocol)) &&
	       read_ports(proto, *protocol, tuple);
}

/* A zone of one direction only is told within that direction's tuple. */
static bool read_zone(const struct nlmsghdr *message, struct flow *flow)
{
	const struct nlattr *zone = find(message, CTA_ZONE);
	const struct nlattr *original = find(message, CTA_TUPLE_ORIG);

	if (!zone && original)
		zone = find_in(original, CTA_TUPLE_ZONE);
	return !zone || take_u16(zone, &flow->zone);
}

/* --- entries ----------------------------------------------------------------------------------- */

/*
 * Of a TCP flow that it picks up midway conntrack takes the windows of both sides as they come, and says so; of one that it has
 * seen opened it does not.
 */
static bool read_tcp(const struct nlmsghdr *message, struct flow *flow)
{
	const struct nlattr *info = find(message, CTA_PROTOINFO);
	const struct nlattr *tcp = info ? find_in(info, CTA_PROTOINFO_TCP) : NULL;
	const struct nlattr *sides[2];

	if (!tcp)
		return true;
	sides[0] = find_in(tcp, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL);
	sides[1] = find_in(tcp, CTA_PROTOINFO_TCP_FLAGS_REPLY);
	flow->midstream = sides[0] && sides[1];
	for (size_t i = 0; i < 2; i++) {
		struct nf_ct_tcp_flags flags = {0};

		if (sides[i] && !take(sides[i], &flags, sizeof(flags)))
			return false;
		flow->midstream &= (flags.flags & IP_CT_TCP_FLAG_BE_LIBERAL) != 0;
	}
	return maybe_u8(find_in(tcp, CTA_PROTOINFO_TCP_STATE), &flow->tcp_state);
}

static bool read_entry(const struct nlmsghdr *message, uint8_t family, struct flow *flow)
{
	uint8_t protocol = 0;

	return read_tuple(
		       find(message, CTA_TUPLE_ORIG), family, &flow->original, &flow->protocol) &&
	       read_tuple(find(message, CTA_TUPLE_REPLY), family, &flow->reply, &protocol) &&
	       protocol == flow->protocol && maybe_u32(find(message, CTA_MARK), &flow->mark) &&
	       maybe_u32(find(message, CTA_STATUS), &flow->status) &&
	       maybe_u32(find(message, CTA_TIMEOUT), &flow->seconds) && read_zone(message, flow) &&
	       (flow->protocol != IPPROTO_TCP || read_tcp(message, flow));
}

int conntrack_message_read(const struct nlmsghdr *message, struct flow *flow, struct err *err)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);

	*flow = (struct flow){0};
	if (message->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW))
		return err_set(
			err, EBADMSG, "read conntrack entry: message %u", message->nlmsg_type);
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return err_set(err, EBADMSG, "read conntrack entry: cut short");
	if (header->nfgen_family != AF_INET && header->nfgen_family != AF_INET6)
		return err_set(
			err, EBADMSG, "read conntrack entry: family %u", header->nfgen_family);
	if (!read_entry(message, header->nfgen_family, flow))
		return err_set(err, EBADMSG, "read conntrack entry");
	return 0;
}

/* --- requests ---------------------------------------------------------------------------------- */

static struct nlmsghdr *start(char *buffer, uint8_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | type);
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	return message;
}

static void put_mark(struct nlmsghdr *message, uint32_t mark, uint32_t mask)
{
	mnl_attr_put_u32(message, CTA_MARK, htonl(mark));
	mnl_attr_put_u32(message, CTA_MARK_MASK, htonl(mask));
}

struct nlmsghdr *conntrack_message_list(char *buffer, uint32_t mark, uint32_t mask)
{
	struct nlmsghdr *message = start(buffer, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);

	if (mask)
		put_mark(message, mark & mask, mask);
	return message;
}

static void put_addresses(struct nlmsghdr *message, const struct flow_tuple *tuple)
{
	bool v6 = tuple->src.family == 6;
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_IP);

	mnl_attr_put(
		message, v6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, ip_len(&tuple->src), tuple->src.bytes);
	mnl_attr_put(
		message, v6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, ip_len(&tuple->dst), tuple->dst.bytes);
	mnl_attr_nest_end(message, nest);
}

static void put_protocol(struct nlmsghdr *message, uint8_t protocol, const struct flow_tuple *tuple)
{
	const struct layout *layout = layout_of(protocol);
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_TUPLE_PROTO);

	mnl_attr_put_u8(message, CTA_PROTO_NUM, protocol);
	if (layout)
		mnl_attr_put_u16(message, layout->first, htons(tuple->src_port));
	if (layout && !layout->third)
		mnl_attr_put_u16(message, layout->second, htons(tuple->dst_port));
	if (layout && layout->third) {
		mnl_attr_put_u8(message, layout->second, (uint8_t)(tuple->dst_port >> 8));
		mnl_attr_put_u8(message, layout->third, (uint8_t)tuple->dst_port);
	}
	mnl_attr_nest_end(message, nest);
}

static void put_tuple(
	struct nlmsghdr *message, uint16_t type, uint8_t protocol, const struct flow_tuple *tuple)
{
	struct nlattr *nest = mnl_attr_nest_start(message, type);

	put_addresses(message, tuple);
	put_protocol(message, protocol, tuple);
	mnl_attr_nest_end(message, nest);
}

/* A request about the entry that has this flow's original tuple and zone. */
static struct nlmsghdr *start_entry(
	char *buffer, uint8_t type, uint16_t flags, const struct flow *flow)
{
	uint8_t family = flow->original.src.family == 6 ? AF_INET6 : AF_INET;
	struct nlmsghdr *message = start(buffer, type, flags, family);

	put_tuple(message, CTA_TUPLE_ORIG, flow->protocol, &flow->original);
	if (flow->zone)
		mnl_attr_put_u16(message, CTA_ZONE, htons(flow->zone));
	return message;
}

struct nlmsghdr *conntrack_message_mark(
	char *buffer, const struct flow *flow, uint32_t mark, uint32_t mask)
{
	struct nlmsghdr *message = start_entry(buffer, IPCTNL_MSG_CT_NEW, 0, flow);

	/* the kernel keeps the bits outside of the mask and flips those of the mark: within the mask that is setting them */
	put_mark(message, mark & mask, mask);
	return message;
}

struct nlmsghdr *conntrack_message_remove(char *buffer, const struct flow *flow)
{
	return start_entry(buffer, IPCTNL_MSG_CT_DELETE, 0, flow);
}

static void put_tcp(struct nlmsghdr *message, uint8_t state)
{
	const struct nf_ct_tcp_flags liberal = {
		.flags = IP_CT_TCP_FLAG_BE_LIBERAL, .mask = IP_CT_TCP_FLAG_BE_LIBERAL};
	struct nlattr *nest = mnl_attr_nest_start(message, CTA_PROTOINFO);
	struct nlattr *tcp = mnl_attr_nest_start(message, CTA_PROTOINFO_TCP);

	mnl_attr_put_u8(message, CTA_PROTOINFO_TCP_STATE, state);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, sizeof(liberal), &liberal);
	mnl_attr_put(message, CTA_PROTOINFO_TCP_FLAGS_REPLY, sizeof(liberal), &liberal);
	mnl_attr_nest_end(message, tcp);
	mnl_attr_nest_end(message, nest);
}

struct nlmsghdr *conntrack_message_create(char *buffer, const struct flow *flow)
{
	struct nlmsghdr *message =
		start_entry(buffer, IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, flow);

	put_tuple(message, CTA_TUPLE_REPLY, flow->protocol, &flow->reply);
	mnl_attr_put_u32(message, CTA_STATUS,
		htonl(flow->status & (IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED)));
	mnl_attr_put_u32(message, CTA_TIMEOUT, htonl(flow->seconds));
	mnl_attr_put_u32(message, CTA_MARK, htonl(flow->mark));
	if (flow->protocol == IPPROTO_TCP)
		put_tcp(message, flow->tcp_state);
	return message;
}
