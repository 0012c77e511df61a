/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow as conntrack has it: who opened it, who answers (after DNAT), and its mark. */
#ifndef BULKHEAD_FLOW_H
#define BULKHEAD_FLOW_H

#include "common/ip.h"

/* Ports in host order. ICMP has its identifier in src_port and type << 8 | code in dst_port; what has neither has 0. */
struct flow_tuple {
	struct ip src, dst;
	uint16_t src_port, dst_port;
};

struct flow {
	uint8_t protocol;
	/* original: of the first packet that conntrack saw; reply: of its answer, so that reply.src is the target after DNAT */
	struct flow_tuple original, reply;
	uint16_t zone;     /* of the original direction */
	uint32_t mark;     /* whole, not only our bits */
	uint32_t status;   /* bits IPS_* of the kernel */
	uint32_t seconds;  /* that the entry lives on without a packet */
	uint8_t tcp_state; /* the kernel's */
	bool midstream; /* TCP whose opening conntrack has not seen: original may be the answering side */
};

#endif
