/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking nf_tables, and reading the attributes of what it answers: shared by those that dump. Everything is checked. */
#ifndef BULKHEAD_KERNEL_PARSE_H
#define BULKHEAD_KERNEL_PARSE_H

#include "enforcerd/netlink.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

enum { REQUEST_SIZE = 512 };

static inline struct nlmsghdr *request(char *buffer, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct nfgenmsg *header;

	message->nlmsg_type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->nfgen_family = family;
	header->version = NFNETLINK_V0;
	return message;
}

/* The attributes of a message by type; those of types that we do not know are left out. */
static inline void index_message(
	const struct nlmsghdr *message, const struct nlattr **table, size_t size)
{
	const struct nlattr *attr;

	for (attr = attr_first(message, sizeof(struct nfgenmsg)); attr;
		attr = attr_next(message, attr))
		if (mnl_attr_get_type(attr) < size)
			table[mnl_attr_get_type(attr)] = attr;
}

static inline void index_nest(const struct nlattr *nest, const struct nlattr **table, size_t size)
{
	const struct nlattr *attr;

	for (attr = attr_first_in(nest); attr; attr = attr_next_in(nest, attr))
		if (mnl_attr_get_type(attr) < size)
			table[mnl_attr_get_type(attr)] = attr;
}

static inline const char *text_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(attr)
									 : "";
}

static inline uint32_t number_of(const struct nlattr *attr)
{
	return attr && mnl_attr_validate(attr, MNL_TYPE_U32) == 0 ? ntohl(mnl_attr_get_u32(attr))
								  : 0;
}

static inline const char *family_word(uint8_t family)
{
	return family == NFPROTO_BRIDGE ? "bridge" : "inet";
}

#endif
