/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One nftables rule as a value: matches, statements, verdict. Built by the compiler and by the skeleton, printed by
 * the renderer (tests, --check), translated expression by expression by the kernel writer. It knows no netlink.
 *
 * Policy rules use conntrack keys only (original source, reply source), never the packet's own header: so replies and
 * ICMP errors are judged as the flow that they belong to, and DNATed flows by the real client and the container's own
 * address and port.
 */
#ifndef BULKHEAD_RULE_H
#define BULKHEAD_RULE_H

#include "common/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The kernel allows longer names; ours are bounded so that a rule stays small: sets are counted in thousands. It refuses
 * a rule, and with it the whole batch, beyond 128 expressions; a match takes two to five.
 */
enum { RULE_MATCHES_MAX = 28, NFT_NAME_MAX = 40, RULE_COMMENT_MAX = 120, LOG_PREFIX_MAX = 128 };

/* Whose address or port. Of the flow: SRC is the original source; DST is the reply's source, i.e. the target after
 * DNAT. */
enum flow_side { SIDE_SRC, SIDE_DST };

enum match_kind {
	/* of the flow, from conntrack */
	MATCH_CT_STATE,    /* value: bits of enum ct_state, any of */
	MATCH_CT_ORIGINAL, /* the packet goes in the flow's original direction */
	MATCH_CT_PROTOCOL, /* value: IP protocol */
	MATCH_CT_ADDR,     /* side, cidr */
	MATCH_CT_ADDR_SET, /* side, family, set */
	MATCH_CT_PORT,     /* side, first, last */
	MATCH_CT_PORT_SET, /* side, set */
	MATCH_CT_ICMP, /* first: type; last: code or ICMP_ANY_CODE (from the tuple, so replies match too) */
	MATCH_NFPROTO, /* family */
	/* of the packet, for the skeleton */
	MATCH_HDR_ADDR,     /* side (saddr, daddr), cidr */
	MATCH_HDR_ADDR_SET, /* side, family, set */
	MATCH_IIF_SET,      /* set of interface names */
	MATCH_OIF_SET,
	MATCH_OIF,         /* set: the interface's name itself */
	MATCH_ICMPV6_TYPE, /* first..last */
	MATCH_TCP_NOT_SYN, /* TCP whose flags among FIN, SYN, RST, ACK are not exactly SYN */
	MATCH_CT_MARK,     /* value under mask */
	MATCH_IBR_SET,     /* set of names of the bridge that the frame came in by (bridge only) */
	MATCH_IIF,         /* set: the interface's name itself */
	MATCH_IIF_KIND,    /* set: the kind of link, as `ip link add type` names it */
	MATCH_L4PROTO,     /* value: IP protocol, behind IPv6 extension headers */
	MATCH_HDR_PORT,    /* side, first, last: of the packet; after MATCH_L4PROTO */
	MATCH_ETHER_TYPE, /* value, as on the wire: a VLAN tag's own type where there is one (link header, bridge only) */
	MATCH_ETHER_MULTICAST, /* destination MAC is a group address, broadcast included (bridge only) */
	MATCH_FIELD_SET,       /* field, set of its type */
	MATCH_PORT_SET /* interface . field, set; side SRC: the in-interface, DST: the out-interface */
};

/* What MATCH_FIELD_SET and MATCH_PORT_SET look up, besides the interface. */
enum header_field {
	FIELD_IP,          /* address of side and family */
	FIELD_ETHER_SADDR, /* source MAC of the frame */
	FIELD_ARP_SHA,     /* ARP: sender's MAC */
	FIELD_ARP_SPA,     /* ARP: sender's IPv4 address */
	FIELD_ND_TARGET    /* ICMPv6 neighbour solicitation and advertisement: target address */
};

enum { ICMP_ANY_CODE = 0xffff };

enum ct_state { CT_INVALID = 1, CT_ESTABLISHED = 2, CT_RELATED = 4, CT_NEW = 8, CT_UNTRACKED = 64 };

struct match {
	enum match_kind kind;
	bool negate;
	enum flow_side side;
	uint8_t family; /* 4 or 6 */
	enum header_field field;
	uint32_t value, mask;
	uint16_t first, last;
	struct cidr cidr;
	char set[NFT_NAME_MAX];
};

enum verdict_kind {
	VERDICT_CONTINUE, /* a rule of statements only */
	VERDICT_ACCEPT,
	VERDICT_DROP,
	VERDICT_RETURN,
	VERDICT_JUMP,   /* to target */
	VERDICT_GOTO,   /* to target */
	VERDICT_MAP_CT, /* look the flow's address of side/family up in map target */
	VERDICT_MAP_IIF,
	VERDICT_MAP_OIF,
	VERDICT_MAP_IBR, /* by the bridge that the frame came in by, and goes out by (bridge only) */
	VERDICT_MAP_OBR
};

struct rule {
	struct match *matches; /* owned */
	size_t match_count, match_cap;
	bool log;          /* rate limited nflog before counter and verdict */
	bool log_original; /* only packets of the flow's original direction are logged */
	uint32_t mark,
		mark_mask; /* ct mark = (ct mark & ~mark_mask) | mark; nothing where the mask is 0 */
	char counter[NFT_NAME_MAX]; /* named counter object, or "" */
	enum verdict_kind verdict;
	enum flow_side map_side;
	uint8_t map_family;
	char target[NFT_NAME_MAX]; /* chain or map */
	char log_prefix[LOG_PREFIX_MAX];
	char comment
		[RULE_COMMENT_MAX]; /* what a reader of `nft list` needs: "policy database ingress[0]" */
};

struct rule_list {
	struct rule *items;
	size_t count, cap;
};

/* A zeroed rule at the end of the list; valid until the next append. */
struct rule *rule_append(struct rule_list *list);
/* A zeroed match at the end of the rule's matches; valid until the next one. */
struct match *rule_match(struct rule *rule, enum match_kind kind);
/* A copy of a rule at the end of the list. */
struct rule *rule_append_copy(struct rule_list *list, const struct rule *rule);
void rule_list_free(struct rule_list *list);
/* Whether they let the same packets through: same matches, verdict, target and mark; comment, log and counter do not count. */
bool rule_same_meaning(const struct rule *a, const struct rule *b);
bool rule_list_equal(const struct rule_list *a, const struct rule_list *b);

#endif
