/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/nflog.h"

#include "common/xalloc.h"
#include "enforcerd/netlink.h"
#include "enforcerd/netlink_holder.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>

enum {
	/* the kernel gathers packets into one message until there are so many, or so long: people watch this live */
	GATHER_PACKETS = 32,
	GATHER_CENTISECONDS = 10,
	GATHER_BYTES = 32768,
	READS_MAX = 64, /* datagrams of one call: the loop has other things to do */
	CONFIG_SIZE = 256,
	MAC_LEN = 6,
	ETHERNET_HEADER = 14,
	VLAN_ID_MASK = 0x0fff
};

#define HOLDERS "/proc/net/netfilter/nfnetlink_log"

struct nflog {
	struct netlink *netlink;
	uint16_t group;
	bool has_conntrack;
	unsigned long long overruns;
};

/* --- taking messages apart ------------------------------------------------------------------------- */

static bool has_size(const struct nlattr *attr, size_t size)
{
	return mnl_attr_get_payload_len(attr) >= size;
}

static uint32_t number_of(const struct nlattr *attr)
{
	return has_size(attr, sizeof(uint32_t)) ? ntohl(mnl_attr_get_u32(attr)) : 0;
}

static int number16_of(const struct nlattr *attr)
{
	return has_size(attr, sizeof(uint16_t)) ? ntohs(mnl_attr_get_u16(attr)) : -1;
}

static int number8_of(const struct nlattr *attr)
{
	return has_size(attr, sizeof(uint8_t)) ? mnl_attr_get_u8(attr) : -1;
}

static void read_ip(const struct nlattr *attr, uint8_t family, struct ip *ip)
{
	size_t len = family == 4 ? 4 : 16;

	if (!has_size(attr, len))
		return;
	*ip = (struct ip){.family = family};
	memcpy(ip->bytes, mnl_attr_get_payload(attr), len);
}

static void read_tuple_ip(const struct nlattr *nest, struct nflog_tuple *tuple)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr)) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_IP_V4_SRC:
			read_ip(attr, 4, &tuple->source);
			break;
		case CTA_IP_V4_DST:
			read_ip(attr, 4, &tuple->destination);
			break;
		case CTA_IP_V6_SRC:
			read_ip(attr, 6, &tuple->source);
			break;
		case CTA_IP_V6_DST:
			read_ip(attr, 6, &tuple->destination);
			break;
		default:
			break;
		}
	}
}

static void read_tuple_protocol(const struct nlattr *nest, struct nflog_tuple *tuple)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr)) {
		switch (mnl_attr_get_type(attr)) {
		case CTA_PROTO_NUM:
			tuple->protocol = number8_of(attr);
			break;
		case CTA_PROTO_SRC_PORT:
			tuple->source_port = number16_of(attr);
			break;
		case CTA_PROTO_DST_PORT:
			tuple->destination_port = number16_of(attr);
			break;
		case CTA_PROTO_ICMP_TYPE:
		case CTA_PROTO_ICMPV6_TYPE:
			tuple->icmp_type = number8_of(attr);
			break;
		case CTA_PROTO_ICMP_CODE:
		case CTA_PROTO_ICMPV6_CODE:
			tuple->icmp_code = number8_of(attr);
			break;
		default:
			break;
		}
	}
}

/* True when both addresses are there. */
static bool read_tuple(const struct nlattr *nest, struct nflog_tuple *tuple)
{
	const struct nlattr *attr;

	*tuple = (struct nflog_tuple){.protocol = -1,
		.source_port = -1,
		.destination_port = -1,
		.icmp_type = -1,
		.icmp_code = -1};
	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr)) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_tuple_ip(attr, tuple);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			read_tuple_protocol(attr, tuple);
	}
	return tuple->source.family && tuple->source.family == tuple->destination.family;
}

static void read_conntrack(const struct nlattr *nest, struct nflog_packet *packet)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr)) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG)
			packet->has_original = read_tuple(attr, &packet->original);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_REPLY)
			packet->has_reply = read_tuple(attr, &packet->reply);
	}
}

static void read_vlan(const struct nlattr *nest, struct nflog_packet *packet)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr))
		if (mnl_attr_get_type(attr) == NFULA_VLAN_TCI && has_size(attr, sizeof(uint16_t)))
			packet->vlan = number16_of(attr) & VLAN_ID_MASK;
}

static void read_header(const struct nlattr *attr, struct nflog_packet *packet)
{
	const struct nfulnl_msg_packet_hdr *header = mnl_attr_get_payload(attr);

	if (has_size(attr, sizeof(*header)))
		packet->ethertype = ntohs(header->hw_protocol);
}

static void read_hardware(const struct nlattr *attr, struct nflog_packet *packet)
{
	const struct nfulnl_msg_packet_hw *hardware = mnl_attr_get_payload(attr);

	if (has_size(attr, sizeof(*hardware)) && ntohs(hardware->hw_addrlen) == MAC_LEN)
		packet->source_mac = hardware->hw_addr;
}

static void read_time(const struct nlattr *attr, struct nflog_packet *packet)
{
	struct nfulnl_msg_packet_timestamp stamp;
	uint64_t seconds, us;

	if (!has_size(attr, sizeof(stamp)))
		return;
	memcpy(&stamp, mnl_attr_get_payload(attr), sizeof(stamp)); /* aligned to 4 bytes only */
	seconds = be64toh(stamp.sec);
	us = be64toh(stamp.usec);
	if (seconds <= UINT32_MAX && us < 1000000)
		packet->time_us = (long long)seconds * 1000000 + (long long)us;
}

struct reading {
	struct nflog_packet *packet;
	const struct nlattr *link_header;
	int hardware_type;
};

static void read_attribute(const struct nlattr *attr, struct reading *reading)
{
	struct nflog_packet *packet = reading->packet;
	uint32_t *const indices[NFULA_MAX + 1] = {
		[NFULA_IFINDEX_INDEV] = &packet->in,
		[NFULA_IFINDEX_OUTDEV] = &packet->out,
		[NFULA_IFINDEX_PHYSINDEV] = &packet->in_port,
		[NFULA_IFINDEX_PHYSOUTDEV] = &packet->out_port,
	};
	static void (*const readers[NFULA_MAX + 1])(
		const struct nlattr *, struct nflog_packet *) = {
		[NFULA_PACKET_HDR] = read_header,
		[NFULA_HWADDR] = read_hardware,
		[NFULA_TIMESTAMP] = read_time,
		[NFULA_VLAN] = read_vlan,
		[NFULA_CT] = read_conntrack,
	};
	uint16_t type = mnl_attr_get_type(attr);

	if (type > NFULA_MAX)
		return;
	if (indices[type]) {
		*indices[type] = number_of(attr);
	} else if (readers[type]) {
		readers[type](attr, packet);
	} else if (type == NFULA_PREFIX) {
		packet->prefix = mnl_attr_get_payload(attr);
		packet->prefix_len = mnl_attr_get_payload_len(attr);
	} else if (type == NFULA_PAYLOAD) {
		packet->payload = mnl_attr_get_payload(attr);
		packet->payload_len = mnl_attr_get_payload_len(attr);
	} else if (type == NFULA_HWTYPE) {
		reading->hardware_type = number16_of(attr);
	} else if (type == NFULA_HWHEADER) {
		reading->link_header = attr;
	}
}

bool nflog_parse(const struct nlmsghdr *message, struct nflog_packet *packet)
{
	const struct nfgenmsg *header = mnl_nlmsg_get_payload(message);
	struct reading reading = {.packet = packet, .hardware_type = -1};
	const struct nlattr *attr;

	*packet = (struct nflog_packet){.prefix = "", .vlan = -1};
	if (message->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
		mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	packet->family = header->nfgen_family;
	for (attr = attr_first(message, sizeof(*header)); attr; attr = attr_next(message, attr))
		read_attribute(attr, &reading);
	if (reading.link_header && reading.hardware_type == ARPHRD_ETHER &&
		has_size(reading.link_header, ETHERNET_HEADER)) {
		packet->link_header = mnl_attr_get_payload(reading.link_header);
		packet->link_header_len = mnl_attr_get_payload_len(reading.link_header);
	}
	return true;
}

/* --- binding --------------------------------------------------------------------------------------- */

static struct nlmsghdr *config_message(void *buffer, uint16_t group)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = AF_UNSPEC;
	header->version = NFNETLINK_V0;
	header->res_id = htons(group);
	return message;
}

static int bind_group(struct nflog *nflog, struct err *err)
{
	const struct nfulnl_msg_config_cmd command = {NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {
		.copy_range = htonl(NFLOG_COPY), .copy_mode = NFULNL_COPY_PACKET};
	char buffer[CONFIG_SIZE];
	struct nlmsghdr *message = config_message(buffer, nflog->group);

	mnl_attr_put(message, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(message, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(message, NFULA_CFG_NLBUFSIZ, htonl(GATHER_BYTES));
	mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(GATHER_CENTISECONDS));
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(GATHER_PACKETS));
	return netlink_ask(nflog->netlink, message, NULL, NULL, NULL, err);
}

/* In a message of its own: a kernel that cannot do it refuses whatever else is in the same one. */
static bool ask_for_conntrack(struct nflog *nflog)
{
	char buffer[CONFIG_SIZE];
	struct nlmsghdr *message = config_message(buffer, nflog->group);

	mnl_attr_put_u16(message, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_CONNTRACK));
	return netlink_ask(nflog->netlink, message, NULL, NULL, NULL, NULL) == 0;
}

/* The port id of the group's listener; 0 where there is none. */
static unsigned holder_of(uint16_t group)
{
	cleanup_file FILE *file = fopen(HOLDERS, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned found = 0, portid = 0;

		if (sscanf(line, "%u %u", &found, &portid) == 2 && found == group)
			return portid;
	}
	return 0;
}

/* Where somebody else has the group the kernel says EPERM, as it does to those who may not bind at all. */
static void explain(uint16_t group, struct err *err)
{
	unsigned portid = holder_of(group);
	char holder[HOLDER_SIZE];

	if (portid && (err->code == EPERM || err->code == EBUSY)) {
		err_set(err, 0, "nflog group %u: another program listens there (%s)", group,
			netlink_holder(portid, holder));
		err->code = EBUSY;
	}
}

struct nflog *nflog_open(uint16_t group, struct err *err)
{
	CLEANUP(nflog) struct nflog *nflog = xcalloc(1, sizeof(*nflog));
	struct err cause = {0};

	nflog->group = group;
	nflog->netlink = netlink_open(NETLINK_NETFILTER, err);
	if (!nflog->netlink)
		return NULL;
	if (bind_group(nflog, &cause) < 0) {
		err_wrap(&cause, "bind nflog group %u", group);
		explain(group, &cause);
		if (err)
			*err = cause;
		return NULL;
	}
	nflog->has_conntrack = ask_for_conntrack(nflog);
	return steal_ptr(nflog);
}

void nflog_close(struct nflog *nflog)
{
	if (!nflog)
		return;
	netlink_close(nflog->netlink); /* the kernel unbinds */
	free(nflog);
}

/* --- reading --------------------------------------------------------------------------------------- */

int nflog_fd(const struct nflog *nflog)
{
	return netlink_fd(nflog->netlink);
}

int nflog_read(struct nflog *nflog, nflog_fn *fn, void *arg, struct err *err)
{
	for (int reads = 0; reads < READS_MAX; reads++) {
		struct nflog_packet packet;
		struct err cause = {0};
		const void *data = NULL;
		ssize_t got = netlink_receive(nflog->netlink, false, &data, &cause);
		const struct nlmsghdr *message = data;
		int len = (int)got;

		if (got == 0)
			return 0;
		if (got < 0 && cause.code == ENOBUFS) {
			nflog->overruns++;
			continue;
		}
		if (got < 0)
			return err_set(err, 0, "nflog group %u: %s", nflog->group, cause.text);
		for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
			if (nflog_parse(message, &packet))
				fn(&packet, arg);
	}
	return 0;
}

unsigned long long nflog_overruns(const struct nflog *nflog)
{
	return nflog->overruns;
}

bool nflog_has_conntrack(const struct nflog *nflog)
{
	return nflog->has_conntrack;
}
