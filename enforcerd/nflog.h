/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets that rules send to an nflog group, as the kernel tells them: a bound group, its messages taken apart, nothing judged.
 * A group has one listener in a network namespace.
 */
#ifndef BULKHEAD_NFLOG_H
#define BULKHEAD_NFLOG_H

#include "common/ip.h"

#include <libmnl/libmnl.h>

enum { NFLOG_COPY = 128 }; /* bytes of a packet, from its network header, that are copied to us */

/* One direction of a flow, from conntrack. */
struct nflog_tuple {
	struct ip source, destination;
	int protocol;                      /* or -1 */
	int source_port, destination_port; /* or -1 */
	int icmp_type, icmp_code;          /* or -1 */
};

/* Everything is borrowed from the message. */
struct nflog_packet {
	uint8_t family;     /* NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE, ... */
	uint16_t ethertype; /* host order; 0: not told */
	const char *prefix; /* not terminated */
	size_t prefix_len;
	const uint8_t *payload; /* from the network header; at most what was asked for */
	size_t payload_len;
	const uint8_t *link_header; /* Ethernet's, or NULL */
	size_t link_header_len;
	const uint8_t *source_mac;           /* 6 bytes, or NULL */
	uint32_t in, out, in_port, out_port; /* interface indices, 0: none */
	int vlan;                            /* tag, or -1 */
	long long time_us;                   /* 0: not told */
	bool has_original, has_reply;        /* only from kernels with the glue for it */
	struct nflog_tuple original, reply;
};

/* False where the message is no packet of a log group. Attributes that are not as they should be count as absent. */
bool nflog_parse(const struct nlmsghdr *message, struct nflog_packet *packet) must_check;

struct nflog;

/*
 * Binds the group. err->code EBUSY: another program has it (err names it where it can be told); EPERM: no CAP_NET_ADMIN.
 */
struct nflog *nflog_open(uint16_t group, struct err *err) must_check;
void nflog_close(struct nflog *nflog);
int nflog_fd(const struct nflog *nflog); /* readable: nflog_read() has packets */

/*
 * Feeds fn the packets that have come, a bounded number of datagrams a call; never waits. -1 only where the socket is of no
 * further use.
 */
typedef void nflog_fn(const struct nflog_packet *packet, void *arg);
int nflog_read(struct nflog *nflog, nflog_fn *fn, void *arg, struct err *err) must_check;

/* How often the kernel had to throw packets away because we did not keep up (ENOBUFS). */
unsigned long long nflog_overruns(const struct nflog *nflog);
/* Whether the kernel tells the flow beside the packet. */
bool nflog_has_conntrack(const struct nflog *nflog);

DEFINE_CLEANUP(nflog, struct nflog *, nflog_close)

#endif
