/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet that a rule denied, would have denied, or logged: what enforcerd publishes on channel and stream
 * bulkhead:v1:flows, as a value. See bulkhead-flows(5) for its JSON.
 *
 * Addresses and ports are the flow's: its first packet's sender and, behind a published port, the container's own address and
 * port. Where the kernel does not tell the flow, they are the packet's.
 */
#ifndef BULKHEAD_FLOW_RECORD_H
#define BULKHEAD_FLOW_RECORD_H

#include "common/ip.h"
#include "common/label.h"
#include "common/mode.h"
#include "common/policy.h"
#include "common/strbuf.h"

#define FLOWS_KEY   "bulkhead:v1:flows" /* of the channel and of the stream */
#define FLOWS_FIELD "record"            /* of an entry of the stream */

enum { FLOW_WORD_MAX = 16, FLOW_IFNAME_MAX = 15, FLOW_NONE = -1 };

struct flow_end {
	struct ip ip;   /* family 0: none */
	int port;       /* or FLOW_NONE */
	uint8_t mac[6]; /* of the frame, in the link where it was seen */
	bool has_mac;
	char *container;       /* NULL: not a known endpoint; owned */
	char *network;         /* likewise */
	struct labels *labels; /* the effective ones, or NULL; owned */
};

struct flow_record {
	long long time_us; /* microseconds since 1970 */
	char *node;        /* owned */
	enum mode mode;    /* audit: this dropped nothing */
	bool denied;       /* by policy or guard, in force or not; false: a rule of action log */
	char what[FLOW_WORD_MAX + 1];    /* deny, end, ...: see flow_record_reason() */
	enum policy_direction direction; /* DIR_COUNT: none */
	char *policy;                    /* NULL: none; owned */
	int rule;                        /* from 0, or FLOW_NONE */
	int ethertype;                   /* or FLOW_NONE */
	int protocol;                    /* IP's, or FLOW_NONE */
	int icmp_type, icmp_code;        /* or FLOW_NONE */
	int tcp_flags;                   /* of this packet, or FLOW_NONE; not published */
	int vlan;                        /* 802.1Q tag, or FLOW_NONE */
	struct flow_end source, destination;
	struct ip
		published_ip; /* what the client addressed, where that was translated; family 0: it was not */
	int published_port; /* or FLOW_NONE */
	/* interfaces, "" where there is none: in and out are what IP sees, *_port the bridge's port */
	char in[FLOW_IFNAME_MAX + 1], out[FLOW_IFNAME_MAX + 1];
	char in_port[FLOW_IFNAME_MAX + 1], out_port[FLOW_IFNAME_MAX + 1];
	bool fragment;        /* a later fragment has no ports */
	bool truncated;       /* too short for what its headers say */
	long long suppressed; /* of the same reason, untold since the last one told */
};

struct flow_record *flow_record_new(void); /* nothing known: FLOW_NONE, DIR_COUNT, family 0 */
void flow_record_free(struct flow_record *record);

/* New reference. Text that is not UTF-8 becomes "?". */
json_t *flow_record_to_json(const struct flow_record *record);
/* Refuses, with the path, what flow_record_to_json() does not make; members that it does not know are ignored. */
struct flow_record *flow_record_from_json(const json_t *json, struct err *err) must_check;

/*
 * "denied ingress tcp web (172.18.0.3:45678) -> db (172.18.0.2:3306): no rule of policy database allows it". Names are as they
 * came: for a terminal they still have to be made printable. Without time and node.
 */
void flow_record_line(const struct flow_record *record, struct strbuf *out);
/* "no rule of policy database allows it". */
void flow_record_reason(const struct flow_record *record, struct strbuf *out);
/* "2026-11-23T15:49:39.123456Z" */
enum { FLOW_TIME_SIZE = 32 };
const char *flow_time_format(long long time_us, char text[FLOW_TIME_SIZE]);

DEFINE_CLEANUP(flow_record, struct flow_record *, flow_record_free)

#endif
