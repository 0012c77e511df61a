/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a logged packet to a flow record (pure): the prefix says why, the packet or its conntrack entry what, the caller's
 * lookups who. Everything in a packet is a container's to choose: nothing is taken on trust, nothing is read beyond its end.
 */
#ifndef BULKHEAD_DENIED_H
#define BULKHEAD_DENIED_H

#include "common/flow_record.h"
#include "enforcerd/nflog.h"

/* What is known of one end of a packet. */
struct denied_party {
	struct ip ip;       /* family 0: none, or not to be believed */
	const uint8_t *mac; /* NULL: none */
	const char *port;   /* bridge port of this end, or "" */
};

/* Whose it is; all borrowed until the next call. */
struct denied_endpoint {
	const char *container, *network;
	const struct labels *labels; /* the effective ones */
};

struct denied_lookup {
	/* False where no endpoint is known by this. By address first, else by port, else by MAC. */
	bool (*endpoint)(
		const struct denied_party *party, struct denied_endpoint *found, void *arg);
	/* False where the interface is gone. */
	bool (*interface)(uint32_t index, char name[FLOW_IFNAME_MAX + 1], void *arg);
	/* The whole name of a policy whose log_policy_text() this is, borrowed; NULL: not known. Only asked for names that were cut. */
	const char *(*policy)(const char *text, void *arg);
	void *arg;
};

/*
 * NULL with *err where the prefix is not one of ours: another program logs to the same group. The caller frees the record.
 * mode is the node's; what a staged policy says is always audit. now_us is used where the kernel gave no time.
 */
struct flow_record *denied_decode(const struct nflog_packet *packet, const char *node,
	enum mode mode, long long now_us, const struct denied_lookup *lookup,
	struct err *err) must_check;

#endif
