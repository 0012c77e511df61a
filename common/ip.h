/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPv4 and IPv6 addresses and CIDR blocks as plain values, compared and printed without allocation. */
#ifndef BULKHEAD_IP_H
#define BULKHEAD_IP_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { IP_TEXT_MAX = 46, CIDR_TEXT_MAX = 50 };

struct ip {
	uint8_t family;    /* 4, 6, or 0 for "no address" */
	uint8_t bytes[16]; /* network order; only the first 4 count for IPv4, the rest is 0 */
};

struct cidr {
	struct ip ip; /* may have host bits set: see cidr_mask() */
	uint8_t bits;
};

/* Strict forms only (inet_pton): no leading zeros, no zone. IPv4-mapped IPv6 stays IPv6. */
int ip_parse(const char *text, struct ip *ip, struct err *err) must_check;
const char *ip_format(
	const struct ip *ip, char text[IP_TEXT_MAX]); /* returns text; "" for no address */
int ip_cmp(const struct ip *a, const struct ip *b);   /* family first, then bytes */
bool ip_equal(const struct ip *a, const struct ip *b);
size_t ip_len(const struct ip *ip); /* 4 or 16 */

/* A bare address means /32 or /128. Host bits are kept. */
int cidr_parse(const char *text, struct cidr *cidr, struct err *err) must_check;
const char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_MAX]);
struct cidr cidr_mask(const struct cidr *cidr); /* the same block with its host bits cleared */
bool cidr_contains(const struct cidr *cidr, const struct ip *ip); /* false across families */
bool cidr_covers(const struct cidr *outer, const struct cidr *inner);
int cidr_cmp(const struct cidr *a, const struct cidr *b);
/* First and last address of the block. */
void cidr_range(const struct cidr *cidr, struct ip *first, struct ip *last);

#endif
