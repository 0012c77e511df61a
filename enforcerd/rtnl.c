/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/rtnl.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

enum { REQUEST_SIZE = 256 };

struct netlink *rtnl_open(struct err *err)
{
	CLEANUP(netlink) struct netlink *netlink = netlink_open(NETLINK_ROUTE, err);
	int on = 1;

	if (!netlink)
		return NULL;
	/* without it the kernel ignores whose addresses are asked for, and lists our own */
	if (setsockopt(netlink_fd(netlink), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) <
		0) {
		err_set(err, errno, "ask for strict checking of rtnetlink requests");
		return NULL;
	}
	return steal_ptr(netlink);
}

/* --- reading ----------------------------------------------------------------------------------- */

static void read_kind(const struct nlattr *nest, struct rtnl_link *link)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr))
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0) {
			link->is_bridge = !strcmp(mnl_attr_get_str(attr), "bridge");
			link->is_veth = !strcmp(mnl_attr_get_str(attr), "veth");
		}
}

static void read_u32(const struct nlattr *attr, unsigned *value)
{
	if (mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		*value = mnl_attr_get_u32(attr);
}

static void read_link_attr(const struct nlattr *attr, struct rtnl_link *link)
{
	switch (mnl_attr_get_type(attr) & NLA_TYPE_MASK) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
		break;
	case IFLA_MASTER:
		read_u32(attr, &link->master);
		break;
	case IFLA_LINK:
		read_u32(attr, &link->other_end);
		break;
	case IFLA_LINK_NETNSID:
		link->foreign = mnl_attr_validate(attr, MNL_TYPE_U32) == 0;
		if (link->foreign)
			link->nsid = (int)mnl_attr_get_u32(attr);
		break;
	case IFLA_CARRIER:
		link->carrier = mnl_attr_validate(attr, MNL_TYPE_U8) == 0 && mnl_attr_get_u8(attr);
		break;
	case IFLA_ADDRESS:
		link->has_mac = mnl_attr_get_payload_len(attr) == sizeof(link->mac);
		if (link->has_mac)
			memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
		break;
	case IFLA_LINKINFO:
		read_kind(attr, link);
		break;
	default:
		break;
	}
}

bool rtnl_read_link(const struct nlmsghdr *message, struct rtnl_link *link)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return false;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		header->ifi_family != AF_UNSPEC || header->ifi_index <= 0)
		return false;
	/* older kernels leave the other end out where both have the same number */
	*link = (struct rtnl_link){
		.index = (unsigned)header->ifi_index, .other_end = (unsigned)header->ifi_index};
	for (attr = attr_first(message, sizeof(*header)); attr; attr = attr_next(message, attr))
		read_link_attr(attr, link);
	return true;
}

static void read_ip(const struct nlattr *attr, uint8_t family, struct ip *ip)
{
	const struct ip empty = {.family = family};

	if (mnl_attr_get_payload_len(attr) != ip_len(&empty))
		return;
	*ip = empty;
	memcpy(ip->bytes, mnl_attr_get_payload(attr), ip_len(&empty));
}

/* IFA_ADDRESS is the other end's on a point-to-point link, IFA_LOCAL always the link's own; IPv6 has the latter only there. */
static void read_address_attr(
	const struct nlattr *attr, uint8_t family, struct rtnl_address *address, struct ip *local)
{
	switch (mnl_attr_get_type(attr)) {
	case IFA_ADDRESS:
		read_ip(attr, family, &address->cidr.ip);
		break;
	case IFA_LOCAL:
		read_ip(attr, family, local);
		break;
	case IFA_TARGET_NETNSID:
		address->has_nsid = mnl_attr_validate(attr, MNL_TYPE_U32) == 0;
		if (address->has_nsid)
			address->nsid = (int)mnl_attr_get_u32(attr);
		break;
	default:
		break;
	}
}

bool rtnl_read_address(const struct nlmsghdr *message, struct rtnl_address *address)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct ip local = {0};
	const struct nlattr *attr;
	uint8_t family;

	if (message->nlmsg_type != RTM_NEWADDR && message->nlmsg_type != RTM_DELADDR)
		return false;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
		(header->ifa_family != AF_INET && header->ifa_family != AF_INET6))
		return false;
	family = header->ifa_family == AF_INET ? 4 : 6;
	*address = (struct rtnl_address){.link = header->ifa_index};
	for (attr = attr_first(message, sizeof(*header)); attr; attr = attr_next(message, attr))
		read_address_attr(attr, family, address, &local);
	if (local.family)
		address->cidr.ip = local;
	address->cidr.bits = header->ifa_prefixlen;
	return address->cidr.ip.family && address->cidr.bits <= 8 * ip_len(&address->cidr.ip);
}

/* --- asking ------------------------------------------------------------------------------------ */

static struct nlmsghdr *put_link_request(void *buffer, uint16_t flags, unsigned index)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = (int)index;
	mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return message;
}

static struct nlmsghdr *put_address_request(void *buffer, unsigned index)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;

	message->nlmsg_type = RTM_GETADDR;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifa_family = AF_UNSPEC;
	header->ifa_index = index;
	return message;
}

static int take_link(const struct nlmsghdr *message, void *arg, struct err *err)
{
	return rtnl_read_link(message, arg) ? 0 : err_set(err, EBADMSG, "read link");
}

int rtnl_get_link(struct netlink *netlink, unsigned index, struct rtnl_link *link, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_link_request(buffer, NLM_F_ACK, index);

	*link = (struct rtnl_link){0};
	if (netlink_ask(netlink, message, take_link, NULL, link, err) < 0)
		return err_wrap(err, "look at link %u", index);
	return link->index == index ? 0 : err_set(err, EBADMSG, "look at link %u", index);
}

int rtnl_get_foreign_link(
	struct netlink *netlink, int nsid, unsigned index, struct rtnl_link *link, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_link_request(buffer, NLM_F_ACK, index);

	mnl_attr_put_u32(message, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	*link = (struct rtnl_link){0};
	if (netlink_ask(netlink, message, take_link, NULL, link, err) < 0)
		return err_wrap(err, "look at link %u of namespace %d", index, nsid);
	return link->index == index
		       ? 0
		       : err_set(err, EBADMSG, "look at link %u of namespace %d", index, nsid);
}

struct list {
	rtnl_link_fn *link;
	rtnl_address_fn *address;
	void (*restart)(void *arg);
	void *arg;
};

/* What is no link or no address that counts here is passed over: other families list theirs as well. */
static int take_item(const struct nlmsghdr *message, void *arg, struct err *err)
{
	const struct list *list = arg;
	struct rtnl_address address;
	struct rtnl_link link;

	(void)err;
	if (list->link && rtnl_read_link(message, &link))
		return list->link(&link, list->arg);
	if (list->address && rtnl_read_address(message, &address))
		return list->address(&address, list->arg);
	return 0;
}

static void restart_list(void *arg)
{
	const struct list *list = arg;

	list->restart(list->arg);
}

int rtnl_list_links(struct netlink *netlink, rtnl_link_fn *fn, void (*restart)(void *arg),
	void *arg, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct list list = {.link = fn, .restart = restart, .arg = arg};

	if (netlink_ask(netlink, put_link_request(buffer, NLM_F_DUMP, 0), take_item, restart_list,
		    &list, err) < 0)
		return err_wrap(err, "list links");
	return 0;
}

int rtnl_list_addresses(struct netlink *netlink, rtnl_address_fn *fn, void (*restart)(void *arg),
	void *arg, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct list list = {.address = fn, .restart = restart, .arg = arg};

	if (netlink_ask(netlink, put_address_request(buffer, 0), take_item, restart_list, &list,
		    err) < 0)
		return err_wrap(err, "list addresses");
	return 0;
}

int rtnl_list_foreign_addresses(struct netlink *netlink, int nsid, unsigned index,
	rtnl_address_fn *fn, void (*restart)(void *arg), void *arg, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = put_address_request(buffer, index);
	struct list list = {.address = fn, .restart = restart, .arg = arg};

	mnl_attr_put_u32(message, IFA_TARGET_NETNSID, (uint32_t)nsid);
	if (netlink_ask(netlink, message, take_item, restart_list, &list, err) < 0)
		return err_wrap(err, "list addresses of link %u of namespace %d", index, nsid);
	return 0;
}
