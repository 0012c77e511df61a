/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/first_load.h"

#include "common/log.h"
#include "common/xalloc.h"
#include "enforcerd/flow_judge.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { CLIENT_PORTS = 32768 /* and above: Linux's net.ipv4.ip_local_port_range */ };

/* --- who opened it ----------------------------------------------------------------------------- */

enum opener { OPENED_AS_RECORDED, OPENED_BY_THE_OTHER, OPENER_UNKNOWN };

static enum opener opener_of(const struct flow *flow)
{
	bool from_client = flow->original.src_port >= CLIENT_PORTS;
	bool to_client = flow->reply.src_port >= CLIENT_PORTS;

	if (flow->protocol == IPPROTO_ICMP || flow->protocol == IPPROTO_ICMPV6)
		return OPENED_AS_RECORDED;
	if (flow->protocol == IPPROTO_TCP && !flow->midstream)
		return OPENED_AS_RECORDED;
	if (from_client == to_client)
		return OPENER_UNKNOWN;
	return from_client ? OPENED_AS_RECORDED : OPENED_BY_THE_OTHER;
}

static bool is_translated(const struct flow *flow)
{
	return !ip_equal(&flow->original.src, &flow->reply.dst) ||
	       !ip_equal(&flow->original.dst, &flow->reply.src);
}

/* Of nobody's concern as yet: if an end of it is isolated one day, nobody will look again. */
static enum first_load_action decide_unjudged(
	const struct flow *flow, enum opener opener, bool to_host)
{
	return flow->protocol == IPPROTO_TCP && opener == OPENED_BY_THE_OTHER && !to_host
		       ? FIRST_LOAD_TURN
		       : FIRST_LOAD_LEAVE;
}

static enum first_load_action decide_tcp(
	enum opener opener, enum flow_verdict as_recorded, enum flow_verdict reversed)
{
	if (as_recorded == FLOW_DENIED && reversed == FLOW_DENIED)
		return FIRST_LOAD_CONDEMN;
	if (opener == OPENED_BY_THE_OTHER || as_recorded == FLOW_DENIED)
		return FIRST_LOAD_TURN;
	return FIRST_LOAD_LEAVE;
}

enum first_load_action first_load_decide(
	const struct ruleset *rs, const struct flow *flow, bool to_host)
{
	enum opener opener = opener_of(flow);
	enum flow_verdict as_recorded, reversed;

	if (opener == OPENED_AS_RECORDED || is_translated(flow))
		return FIRST_LOAD_LEAVE;
	as_recorded = flow_judge(rs, flow, false);
	reversed = to_host ? FLOW_ALLOWED : flow_judge(rs, flow, true);
	if (as_recorded == FLOW_UNJUDGED)
		return decide_unjudged(flow, opener, to_host);
	if (flow->protocol == IPPROTO_TCP)
		return decide_tcp(opener, as_recorded, reversed);
	return as_recorded == FLOW_DENIED && reversed != FLOW_DENIED ? FIRST_LOAD_REMOVE
								     : FIRST_LOAD_LEAVE;
}

/* --- all of them ------------------------------------------------------------------------------- */

struct pass {
	struct conntrack *conntrack;
	const struct ruleset *rs;
	const struct mark_layout *marks;
	struct ip *hosts; /* this host's addresses, sorted */
	size_t host_count, host_cap;
	struct flow *turns; /* changed after the listing: a new entry could be listed again */
	size_t turn_count, turn_cap;
	struct first_load_result *result;
};

static void pass_clear(struct pass *pass)
{
	free(pass->hosts);
	free(pass->turns);
}

static int compare_ips(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool read_address(const struct sockaddr *address, struct ip *ip)
{
	*ip = (struct ip){0};
	if (address && address->sa_family == AF_INET) {
		ip->family = 4;
		memcpy(ip->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
	}
	if (address && address->sa_family == AF_INET6) {
		ip->family = 6;
		memcpy(ip->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	}
	return ip->family != 0;
}

static int read_hosts(struct pass *pass, struct err *err)
{
	struct ifaddrs *list = NULL;
	struct ip ip;

	if (getifaddrs(&list) < 0)
		return err_set(err, errno, "list this host's addresses");
	for (const struct ifaddrs *at = list; at; at = at->ifa_next)
		if (read_address(at->ifa_addr, &ip)) {
			xgrow(pass->hosts, pass->host_count, pass->host_cap);
			pass->hosts[pass->host_count++] = ip;
		}
	freeifaddrs(list);
	if (pass->host_count)
		qsort(pass->hosts, pass->host_count, sizeof(*pass->hosts), compare_ips);
	return 0;
}

static bool is_host(const struct pass *pass, const struct ip *ip)
{
	return pass->host_count && bsearch(ip, pass->hosts, pass->host_count, sizeof(*pass->hosts),
					   compare_ips) != NULL;
}

static int condemn(struct pass *pass, const struct flow *flow, struct err *err)
{
	return conntrack_mark(
		pass->conntrack, flow, mark_condemned(pass->marks), pass->marks->mask, err);
}

static int look_at(const struct flow *flow, void *arg, struct err *err)
{
	struct pass *pass = arg;
	struct first_load_result *result = pass->result;

	if ((flow->mark & pass->marks->mask) == mark_condemned(pass->marks))
		return 0;
	if (is_host(pass, &flow->original.src))
		return 0;
	switch (first_load_decide(pass->rs, flow, is_host(pass, &flow->reply.src))) {
	case FIRST_LOAD_CONDEMN:
		result->condemned++;
		return condemn(pass, flow, err);
	case FIRST_LOAD_REMOVE:
		result->removed++;
		return conntrack_remove(pass->conntrack, flow, err);
	case FIRST_LOAD_TURN:
		xgrow(pass->turns, pass->turn_count, pass->turn_cap);
		pass->turns[pass->turn_count++] = *flow;
		return 0;
	case FIRST_LOAD_LEAVE:
		break;
	}
	return 0;
}

/* One that cannot be turned is condemned: left as it stands it might pass as what it is not. */
static int turn_all(struct pass *pass, struct err *err)
{
	for (size_t i = 0; i < pass->turn_count; i++) {
		struct err why = {0};

		if (conntrack_turn(pass->conntrack, &pass->turns[i], pass->marks->mask, &why) ==
			0) {
			pass->result->turned++;
			continue;
		}
		log_warn("first_load", "a live flow is cut off: %s", why.text);
		pass->result->failed++;
		if (condemn(pass, &pass->turns[i], err) < 0)
			return -1;
	}
	return conntrack_flush(pass->conntrack, err);
}

static int look_at_all(struct pass *pass, struct err *err)
{
	int more = 1;

	if (read_hosts(pass, err) < 0 || conntrack_list(pass->conntrack, 0, 0, err) < 0)
		return -1;
	while (more > 0)
		more = conntrack_next(pass->conntrack, look_at, pass, err);
	/* what was found is done in any case */
	if (turn_all(pass, more < 0 ? NULL : err) < 0)
		return -1;
	return more;
}

int first_load_judge(struct conntrack *conntrack, const struct ruleset *rs,
	const struct mark_layout *marks, struct first_load_result *result, struct err *err)
{
	struct pass pass = {.conntrack = conntrack, .rs = rs, .marks = marks, .result = result};
	int rc;

	*result = (struct first_load_result){0};
	rc = look_at_all(&pass, err);
	pass_clear(&pass);
	if (rc < 0)
		return err_wrap(err, "judge flows that were live before");
	return 0;
}
