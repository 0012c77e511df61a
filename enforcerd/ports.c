/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/ports.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/rtnl.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>
#include <uthash.h>

enum {
	EVENTS_PER_TURN = 1000,     /* of the loop; the rest wakes it again */
	EVENTS_PER_DRAIN = 1000000, /* a bound: nothing makes links that fast for that long */
	TICK_SECONDS = 1,
	ADDRESSES_MAX =
		64 /* of a container's interface: Docker sets two, NET_ADMIN as many as it likes */
};

struct link {
	unsigned index;
	struct rtnl_link now;
	struct port port;   /* as last told, or as it will be */
	bool told;          /* it is or was a port, and that was told */
	bool settled;       /* mac, addresses and settled_ms of port are set, for good */
	bool spent;         /* its other end was given to somebody else, or taken back */
	int nsid;           /* where the other end was when it settled */
	long long since_ms; /* when it became a port, 0: not so far */
	struct cidr *own;   /* the link's own addresses */
	size_t own_count, own_cap;
	unsigned round; /* of the last list that had it */
	UT_hash_handle hh;
};

struct ports {
	struct event_base *base;
	struct ports_ops ops;
	void *arg;
	struct netlink *requests, *news;
	struct event *event, *timer;
	struct link *links;
	unsigned newest, round;
	size_t port_count, pending_count, settled_count;
	unsigned long long events, lists;
	bool bridges_changed; /* and that was not told yet */
	bool lost;            /* events were: everything has to be read again */
};

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct link *find_link(const struct ports *ports, unsigned index)
{
	struct link *link = NULL;

	HASH_FIND(hh, ports->links, &index, sizeof(index), link);
	return link;
}

/* --- what the other end is --------------------------------------------------------------------- */

/* A veth between this namespace and another one, both ends up. */
static bool is_connected(const struct link *link)
{
	return link->now.is_veth && link->now.foreign && link->now.carrier;
}

struct peer {
	const struct rtnl_link *near;
	struct ip addresses[ADDRESSES_MAX];
	size_t count;
};

static bool is_link_local6(const struct ip *ip)
{
	return ip->family == 6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

static int take_peer_address(const struct rtnl_address *address, void *arg)
{
	struct peer *peer = arg;

	if (!address->has_nsid || address->nsid != peer->near->nsid ||
		address->link != peer->near->other_end || peer->count == ADDRESSES_MAX ||
		is_link_local6(&address->cidr.ip))
		return 0;
	peer->addresses[peer->count++] = address->cidr.ip;
	return 0;
}

static void restart_peer(void *arg)
{
	struct peer *peer = arg;

	peer->count = 0;
}

/*
 * An event may be older than the namespace that has its id now. Whether the link there is the other end of this one, it says
 * itself: it names this link, whose number nobody else gets.
 */
static int ask_peer(
	struct ports *ports, const struct rtnl_link *near, struct rtnl_link *far, struct err *err)
{
	if (rtnl_get_foreign_link(ports->requests, near->nsid, near->other_end, far, err) < 0)
		return -1;
	if (!far->is_veth || !far->has_mac || far->other_end != near->index)
		return err_set(err, 0, "other end of %s: not found in namespace %d", near->name,
			near->nsid);
	return 0;
}

static void keep_peer(struct link *link, const struct rtnl_link *far, const struct peer *peer)
{
	struct port *port = &link->port;

	memcpy(port->mac, far->mac, sizeof(port->mac));
	port->address_count = peer->count;
	if (peer->count)
		port->addresses = xcalloc(peer->count, sizeof(*port->addresses));
	for (size_t i = 0; i < peer->count; i++)
		port->addresses[i] = peer->addresses[i];
	port->settled_ms = now_ms();
	link->nsid = link->now.nsid;
	link->settled = true;
}

/* Asks who is at the other end; where it cannot be known now, the timer asks again. */
static void settle(struct ports *ports, struct link *link)
{
	struct peer peer = {.near = &link->now};
	struct rtnl_link far;
	struct err err = {0};

	if (ask_peer(ports, &link->now, &far, &err) < 0 ||
		rtnl_list_foreign_addresses(ports->requests, link->now.nsid, link->now.other_end,
			take_peer_address, restart_peer, &peer, &err) < 0) {
		log_debug("ports", "%s: %s", link->now.name, err.text);
		return;
	}
	keep_peer(link, &far, &peer);
}

static bool is_elsewhere(const struct link *link, const struct rtnl_link *now)
{
	return !now->foreign || now->nsid != link->nsid;
}

/* Its other end is not where it was when it settled. Events may be old, so the kernel is asked how it is. */
static bool changed_hands(struct ports *ports, const struct link *link)
{
	struct rtnl_link now;
	struct err err = {0};

	if (!is_elsewhere(link, &link->now))
		return false;
	/* where there is no answer it is gone, and that event will come */
	return rtnl_get_link(ports->requests, link->index, &now, &err) == 0 &&
	       is_elsewhere(link, &now);
}

/* --- what a link is ---------------------------------------------------------------------------- */

static const char *bridge_of(const struct ports *ports, const struct link *link)
{
	const struct link *master = link->now.master ? find_link(ports, link->now.master) : NULL;

	return master && master->now.is_bridge ? master->now.name : "";
}

static bool is_waiting(const struct ports *ports, const struct link *link)
{
	return link->now.is_veth && (link->now.foreign || !link->now.carrier) &&
	       now_ms() - link->since_ms < (long long)ports->ops.pending_ms;
}

static enum port_state state_of(const struct ports *ports, const struct link *link)
{
	if (link->spent)
		return PORT_OTHER;
	if (link->settled)
		return PORT_SETTLED;
	return link->port.bridge[0] && is_waiting(ports, link) ? PORT_PENDING : PORT_OTHER;
}

static void count(struct ports *ports, const struct port *port, int by)
{
	if (!port->bridge[0])
		return;
	ports->port_count += (size_t)by;
	ports->pending_count += port->state == PORT_PENDING ? (size_t)by : 0;
	ports->settled_count += port->state == PORT_SETTLED ? (size_t)by : 0;
}

static void wait_for_pending(struct ports *ports)
{
	const struct timeval tick = {.tv_sec = TICK_SECONDS};

	if ((ports->pending_count || ports->lost) && !evtimer_pending(ports->timer, NULL))
		evtimer_add(ports->timer, &tick);
}

/* Tells what the link is as a port, if that is news. */
static void review(struct ports *ports, struct link *link)
{
	const struct port before = link->port;
	struct port *port = &link->port;

	snprintf(port->bridge, sizeof(port->bridge), "%s", bridge_of(ports, link));
	snprintf(port->name, sizeof(port->name), "%s", link->now.name);
	if (!port->bridge[0] && !link->told)
		return;
	if (port->bridge[0] && !link->since_ms)
		link->since_ms = now_ms();
	if (port->bridge[0] && !link->settled && !link->spent && is_connected(link))
		settle(ports, link);
	if (link->settled && !link->spent)
		link->spent = changed_hands(ports, link);
	port->state = state_of(ports, link);
	count(ports, &before, -1);
	count(ports, port, 1);
	wait_for_pending(ports);
	if (link->told && port->state == before.state && !strcmp(port->name, before.name) &&
		!strcmp(port->bridge, before.bridge))
		return;
	link->told = true;
	log_debug("ports", "%s: port of %s, %s", port->name, *port->bridge ? port->bridge : "none",
		port->state == PORT_SETTLED   ? "settled"
		: port->state == PORT_PENDING ? "pending"
					      : "no container's");
	ports->ops.port(port, ports->arg);
}

static void review_ports_of(struct ports *ports, unsigned bridge)
{
	struct link *link, *next;

	HASH_ITER (hh, ports->links, link, next)
		if (link->now.master == bridge)
			review(ports, link);
}

static void tell_gateways(struct ports *ports, const struct link *link)
{
	if (!link->now.is_bridge)
		return;
	ports->ops.gateways(link->now.name, link->own, link->own_count, ports->arg);
}

/* 127.0.0.0/8, ::1, 169.254.0.0/16 and fe80::/10: of this link or of nobody but the host itself. */
static bool is_local(const struct ip *ip)
{
	static const struct ip loopback6 = {.family = 6, .bytes = {[15] = 1}};

	if (ip->family == 4)
		return ip->bytes[0] == 127 || (ip->bytes[0] == 169 && ip->bytes[1] == 254);
	return is_link_local6(ip) || ip_equal(ip, &loopback6);
}

static void tell_address(struct ports *ports, const struct ip *ip, bool there)
{
	if (ports->ops.address && !is_local(ip))
		ports->ops.address(ip, there, ports->arg);
}

/* --- what comes -------------------------------------------------------------------------------- */

static struct link *link_new(struct ports *ports, unsigned index)
{
	struct link *link = xcalloc(1, sizeof(*link));

	link->index = index;
	link->port.ifindex = index;
	HASH_ADD(hh, ports->links, index, sizeof(index), link);
	if (index > ports->newest)
		ports->newest = index;
	return link;
}

static void bridge_changed(
	struct ports *ports, const struct link *link, const struct rtnl_link *was)
{
	ports->bridges_changed = true;
	if (was->is_bridge && !strcmp(was->name, link->now.name))
		return;
	if (link->own_count && link->now.is_bridge) {
		ports->ops.gateways(was->name, NULL, 0, ports->arg);
		tell_gateways(ports, link);
	}
	review_ports_of(ports, link->index);
}

static void take_link(struct ports *ports, const struct rtnl_link *now)
{
	struct link *link = find_link(ports, now->index);
	struct rtnl_link was = {0};

	if (!link)
		link = link_new(ports, now->index);
	was = link->now;
	link->now = *now;
	link->round = ports->round;
	if (was.is_bridge || now->is_bridge)
		bridge_changed(ports, link, &was);
	review(ports, link);
}

static void drop_link(struct ports *ports, struct link *link)
{
	bool told = link->told;
	bool bridge = link->now.is_bridge;
	unsigned index = link->index;

	count(ports, &link->port, -1);
	if (link->own_count && bridge)
		ports->ops.gateways(link->now.name, NULL, 0, ports->arg);
	for (size_t i = 0; i < link->own_count; i++)
		tell_address(ports, &link->own[i].ip, false);
	HASH_DEL(ports->links, link);
	free(link->port.addresses);
	free(link->own);
	free(link);
	if (told)
		ports->ops.gone(index, ports->arg);
	if (bridge) {
		ports->bridges_changed = true;
		review_ports_of(ports, index);
	}
}

static size_t find_own(const struct link *link, const struct cidr *cidr)
{
	size_t i = 0;

	while (i < link->own_count && cidr_cmp(&link->own[i], cidr) != 0)
		i++;
	return i;
}

static void add_own(struct link *link, const struct cidr *cidr)
{
	xgrow(link->own, link->own_count, link->own_cap);
	link->own[link->own_count++] = *cidr;
}

static void take_address(struct ports *ports, const struct rtnl_address *address, bool gone)
{
	struct link *link = find_link(ports, address->link);
	size_t at;

	/* every veth has a link-local one, and nobody asks for these */
	if (!link || (!link->now.is_bridge && is_local(&address->cidr.ip)))
		return;
	at = find_own(link, &address->cidr);
	if (gone == (at == link->own_count))
		return;
	if (gone)
		link->own[at] = link->own[--link->own_count];
	else
		add_own(link, &address->cidr);
	tell_address(ports, &address->cidr.ip, !gone);
	tell_gateways(ports, link);
}

static void take_message(struct ports *ports, const struct nlmsghdr *message)
{
	struct rtnl_address address;
	struct rtnl_link link;
	struct link *known;

	ports->events++;
	if (rtnl_read_address(message, &address)) {
		take_address(ports, &address, message->nlmsg_type == RTM_DELADDR);
	} else if (rtnl_read_link(message, &link)) {
		known = message->nlmsg_type == RTM_DELLINK ? find_link(ports, link.index) : NULL;
		if (message->nlmsg_type == RTM_NEWLINK)
			take_link(ports, &link);
		else if (known)
			drop_link(ports, known);
	}
}

/* --- everything -------------------------------------------------------------------------------- */

/* Collected first: the socket that lists cannot ask about one of them meanwhile. */
struct everything {
	struct rtnl_link *links;
	struct rtnl_address *addresses;
	size_t link_count, link_cap, address_count, address_cap;
};

static int take_listed_link(const struct rtnl_link *link, void *arg)
{
	struct everything *all = arg;

	xgrow(all->links, all->link_count, all->link_cap);
	all->links[all->link_count++] = *link;
	return 0;
}

static void restart_links(void *arg)
{
	struct everything *all = arg;

	all->link_count = 0;
}

static int take_listed_address(const struct rtnl_address *address, void *arg)
{
	struct everything *all = arg;

	xgrow(all->addresses, all->address_count, all->address_cap);
	all->addresses[all->address_count++] = *address;
	return 0;
}

static void restart_addresses(void *arg)
{
	struct everything *all = arg;

	all->address_count = 0;
}

/* Bridges first, so that ports are told with theirs at once. */
static void replace_links(struct ports *ports, const struct everything *all)
{
	struct link *link, *next;

	ports->round++;
	for (int bridges = 1; bridges >= 0; bridges--)
		for (size_t i = 0; i < all->link_count; i++)
			if (all->links[i].is_bridge == bridges)
				take_link(ports, &all->links[i]);
	HASH_ITER (hh, ports->links, link, next)
		if (link->round != ports->round)
			drop_link(ports, link);
}

static bool is_listed(const struct everything *all, unsigned link, const struct cidr *cidr)
{
	for (size_t i = 0; i < all->address_count; i++)
		if (all->addresses[i].link == link && cidr_cmp(&all->addresses[i].cidr, cidr) == 0)
			return true;
	return false;
}

/* Those that a link has no more go, then those that it has come: each is told as the change that it is. */
static void replace_addresses(struct ports *ports, const struct everything *all)
{
	struct link *link, *next;

	HASH_ITER (hh, ports->links, link, next)
		for (size_t i = link->own_count; i-- > 0;) {
			const struct rtnl_address old = {link->index, .cidr = link->own[i]};

			if (!is_listed(all, link->index, &old.cidr))
				take_address(ports, &old, true);
		}
	for (size_t i = 0; i < all->address_count; i++)
		take_address(ports, &all->addresses[i], false);
}

static int read_all(struct ports *ports, struct err *err)
{
	struct everything all = {0};
	int result = 0;

	ports->lists++;
	if (rtnl_list_links(ports->requests, take_listed_link, restart_links, &all, err) < 0 ||
		rtnl_list_addresses(
			ports->requests, take_listed_address, restart_addresses, &all, err) < 0)
		result = -1;
	if (result == 0) {
		replace_links(ports, &all);
		replace_addresses(ports, &all);
	}
	free(all.links);
	free(all.addresses);
	return result;
}

static void recover(struct ports *ports)
{
	struct err err = {0};

	ports->lost = read_all(ports, &err) < 0;
	ports->bridges_changed = true;
	if (ports->lost)
		log_warn("ports", "%s; will try again", err.text);
	wait_for_pending(ports);
}

/* --- taking ------------------------------------------------------------------------------------ */

/*
 * Once some were lost, what is still queued is thrown away before everything is read again: it is older than that, and what would
 * put it right may be among the lost.
 */
static void take_events(struct ports *ports, int bound)
{
	while (bound-- > 0 || ports->lost) {
		struct err err = {0};
		const void *data = NULL;
		ssize_t got = netlink_receive(ports->news, false, &data, &err);
		const struct nlmsghdr *message = data;
		int len = (int)got;

		if (got == 0 || (got < 0 && err.code != ENOBUFS))
			break;
		if (got < 0 && !ports->lost)
			log_info("ports", "link events were lost: reading all links");
		ports->lost |= got < 0;
		for (; !ports->lost && mnl_nlmsg_ok(message, len);
			message = mnl_nlmsg_next(message, &len))
			take_message(ports, message);
	}
	if (ports->lost)
		recover(ports);
	if (ports->bridges_changed) {
		ports->bridges_changed = false;
		ports->ops.bridges(ports->arg);
	}
}

static void on_news(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_events(arg, EVENTS_PER_TURN);
}

/* Ends the wait of those that have waited long enough, and asks again where the answer was none. */
static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct ports *ports = arg;
	struct link *link, *next;

	(void)fd;
	(void)what;
	take_events(ports, EVENTS_PER_DRAIN);
	HASH_ITER (hh, ports->links, link, next)
		if (link->told && link->port.state == PORT_PENDING)
			review(ports, link);
	wait_for_pending(ports);
}

void ports_drain(struct ports *ports)
{
	take_events(ports, EVENTS_PER_DRAIN);
}

/* --- life -------------------------------------------------------------------------------------- */

static int listen_to(struct ports *ports, struct err *err)
{
	static const unsigned groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};

	ports->requests = rtnl_open(err);
	ports->news = ports->requests ? netlink_open(NETLINK_ROUTE, err) : NULL;
	if (!ports->news)
		return -1;
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (netlink_listen(ports->news, groups[i], err) < 0)
			return -1;
	return 0;
}

struct ports *ports_new(
	struct event_base *base, const struct ports_ops *ops, void *arg, struct err *err)
{
	CLEANUP(ports) struct ports *ports = xcalloc(1, sizeof(*ports));

	ports->base = base;
	ports->ops = *ops;
	if (!ports->ops.pending_ms)
		ports->ops.pending_ms = PORTS_PENDING_SECONDS * 1000;
	ports->arg = arg;
	if (listen_to(ports, err) < 0) {
		err_wrap(err, "watch links");
		return NULL;
	}
	ports->event =
		event_new(base, netlink_fd(ports->news), EV_READ | EV_PERSIST, on_news, ports);
	ports->timer = evtimer_new(base, on_tick, ports);
	if (!ports->event || !ports->timer) {
		err_set(err, 0, "watch links: no event");
		return NULL;
	}
	return steal_ptr(ports);
}

int ports_start(struct ports *ports, struct err *err)
{
	if (read_all(ports, err) < 0 || event_add(ports->event, NULL) < 0)
		return err_wrap(err, "watch links");
	ports_drain(ports);
	return 0;
}

struct moment ports_moment(const struct ports *ports)
{
	return (struct moment){.newest = ports->newest, .ms = now_ms()};
}

void ports_stats(const struct ports *ports, struct ports_stats *stats)
{
	*stats = (struct ports_stats){.links = HASH_COUNT(ports->links),
		.ports = ports->port_count,
		.pending = ports->pending_count,
		.settled = ports->settled_count,
		.events = ports->events,
		.lists = ports->lists};
}

void ports_free(struct ports *ports)
{
	struct link *link, *next;

	if (!ports)
		return;
	if (ports->event)
		event_free(ports->event);
	if (ports->timer)
		event_free(ports->timer);
	netlink_close(ports->requests);
	netlink_close(ports->news);
	HASH_ITER (hh, ports->links, link, next) {
		HASH_DEL(ports->links, link);
		free(link->port.addresses);
		free(link->own);
		free(link);
	}
	free(ports);
}
