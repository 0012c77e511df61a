/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/bridge.h"

#include "common/xalloc.h"
#include "enforcerd/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <string.h>

#define SYSCTL_DIR "/proc/sys/net/bridge"
#define SYSCTL_V4  SYSCTL_DIR "/bridge-nf-call-iptables"
#define SYSCTL_V6  SYSCTL_DIR "/bridge-nf-call-ip6tables"

enum {
	REQUEST_SIZE = 1024,
	EVENTS_PER_TURN = 1000 /* the rest wakes the loop again */
};

struct bridge_watch {
	struct netlink *requests, *news;
	struct event *event;
	void (*fn)(void *arg);
	void *arg;
};

/* --- what the kernel says of a link ------------------------------------------------------------ */

struct link {
	int index;
	bool is_bridge;
	uint8_t call4, call6; /* the bridge's own switches */
	bool has_switches;    /* the kernel was built with them */
};

static void read_switch(const struct nlattr *attr, struct link *link)
{
	uint8_t *target = mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IPTABLES    ? &link->call4
			  : mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IP6TABLES ? &link->call6
										 : NULL;

	if (target && mnl_attr_validate(attr, MNL_TYPE_U8) == 0) {
		*target = mnl_attr_get_u8(attr);
		link->has_switches = true;
	}
}

static void read_info(const struct nlattr *nest, struct link *link)
{
	const struct nlattr *data = NULL;
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr)) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
			link->is_bridge = !strcmp(mnl_attr_get_str(attr), "bridge");
		if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (link->is_bridge && data)
		for (attr = attr_first_in(data); attr; attr = attr_next_in(data, attr))
			read_switch(attr, link);
}

/* False for anything but a well-formed link message. */
static bool read_link(const struct nlmsghdr *message, struct link *link)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attr;

	if (message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK)
		return false;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	*link = (struct link){.index = header->ifi_index};
	for (attr = attr_first(message, sizeof(*header)); attr; attr = attr_next(message, attr))
		if ((mnl_attr_get_type(attr) & NLA_TYPE_MASK) == IFLA_LINKINFO)
			read_info(attr, link);
	return true;
}

static int take_link(const struct nlmsghdr *message, void *arg, struct err *err)
{
	return read_link(message, arg) ? 0 : err_set(err, EBADMSG, "read link");
}

static struct nlmsghdr *link_request(char *buffer, uint16_t type, int index)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = index;
	return message;
}

static int get_link(
	struct bridge_watch *watch, const char *ifname, struct link *link, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = link_request(buffer, RTM_GETLINK, 0);

	mnl_attr_put_strz(message, IFLA_IFNAME, ifname);
	*link = (struct link){0};
	if (netlink_ask(watch->requests, message, take_link, NULL, link, err) < 0)
		return err_wrap(err, "look at bridge %s", ifname);
	return 0;
}

static int set_switches(struct bridge_watch *watch, const char *ifname, int index, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[REQUEST_SIZE];
	struct nlmsghdr *message = link_request(buffer, RTM_NEWLINK, index);
	struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	struct nlattr *data;

	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u8(message, IFLA_BR_NF_CALL_IPTABLES, 1);
	mnl_attr_put_u8(message, IFLA_BR_NF_CALL_IP6TABLES, 1);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	if (netlink_ask(watch->requests, message, NULL, NULL, NULL, err) < 0)
		return err_wrap(err, "switch on nf_call_iptables of bridge %s", ifname);
	return 0;
}

/* --- visibility -------------------------------------------------------------------------------- */

bool bridge_netfilter_present(void)
{
	return access(SYSCTL_DIR, F_OK) == 0;
}

/* The namespace's switch. One that cannot be read counts as off: then the bridge's own is set, which does no harm. */
static bool sysctl_on(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	char digit = '0';

	return fd >= 0 && read(fd, &digit, 1) == 1 && digit != '0';
}

static bool visible(const struct link *link)
{
	return (link->call4 || sysctl_on(SYSCTL_V4)) && (link->call6 || sysctl_on(SYSCTL_V6));
}

static enum bridge_state look(
	struct bridge_watch *watch, const char *ifname, struct link *link, struct err *err)
{
	struct err why = {0};

	if (get_link(watch, ifname, link, &why) < 0) {
		if (why.code == ENODEV)
			return BRIDGE_MISSING;
		if (err)
			*err = why;
		return BRIDGE_BLIND;
	}
	if (!link->is_bridge) {
		err_set(err, 0, "%s is not a bridge", ifname);
		return BRIDGE_BLIND;
	}
	if (!bridge_netfilter_present()) {
		err_set(err, 0,
			"traffic within bridge %s is not seen by nftables: br_netfilter is not "
			"loaded (on the host: modprobe br_netfilter)",
			ifname);
		return BRIDGE_BLIND;
	}
	return BRIDGE_VISIBLE;
}

enum bridge_state bridge_ensure(struct bridge_watch *watch, const char *ifname, struct err *err)
{
	struct link link;
	enum bridge_state state;

	if (strlen(ifname) >= IFNAMSIZ || !*ifname) {
		err_set(err, EINVAL, "look at bridge \"%s\"", ifname);
		return BRIDGE_BLIND;
	}
	state = look(watch, ifname, &link, err);
	if (state != BRIDGE_VISIBLE || visible(&link))
		return state;
	if (set_switches(watch, ifname, link.index, err) < 0)
		return BRIDGE_BLIND;
	state = look(watch, ifname, &link, err);
	if (state != BRIDGE_VISIBLE || visible(&link))
		return state == BRIDGE_VISIBLE ? BRIDGE_SWITCHED : state;
	err_set(err, 0, "nf_call_iptables of bridge %s stays off although it was switched on",
		ifname);
	return BRIDGE_BLIND;
}

/* --- watching ---------------------------------------------------------------------------------- */

/* Containers come and go by the thousand as veth links: only bridges are news. */
static bool concerns_bridge(const void *data, int len)
{
	const struct nlmsghdr *message = data;
	struct link link;

	for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
		if (read_link(message, &link) && link.is_bridge)
			return true;
	return false;
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
	struct bridge_watch *watch = arg;
	bool changed = false;

	(void)fd;
	(void)what;
	for (int i = 0; i < EVENTS_PER_TURN; i++) {
		struct err err = {0};
		const void *data = NULL;
		ssize_t len = netlink_receive(watch->news, false, &data, &err);

		if (len == 0)
			break;
		/* what was lost may have been about a bridge */
		changed |= len < 0 || concerns_bridge(data, (int)len);
	}
	if (changed)
		watch->fn(watch->arg);
}

static int listen_for_news(struct bridge_watch *watch, struct event_base *base, struct err *err)
{
	watch->news = netlink_open(NETLINK_ROUTE, err);
	if (!watch->news || netlink_listen(watch->news, RTNLGRP_LINK, err) < 0)
		return err_wrap(err, "watch links");
	watch->event =
		event_new(base, netlink_fd(watch->news), EV_READ | EV_PERSIST, on_news, watch);
	if (!watch->event || event_add(watch->event, NULL) < 0)
		return err_set(err, 0, "watch links: no event");
	return 0;
}

struct bridge_watch *bridge_watch_new(
	struct event_base *base, void (*fn)(void *arg), void *arg, struct err *err)
{
	CLEANUP(bridge_watch) struct bridge_watch *watch = xcalloc(1, sizeof(*watch));

	watch->fn = fn;
	watch->arg = arg;
	watch->requests = netlink_open(NETLINK_ROUTE, err);
	if (!watch->requests || (fn && listen_for_news(watch, base, err) < 0))
		return NULL;
	return steal_ptr(watch);
}
void bridge_watch_free(struct bridge_watch *watch)
{
	if (!watch)
		return;
	if (watch->event)
		event_free(watch->event);
	netlink_close(watch->requests);
	netlink_close(watch->news);
	free(watch);
}
