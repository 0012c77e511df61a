/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How types of sets and the keys of their elements look to the kernel and to nft (pure). */
#ifndef BULKHEAD_KERNEL_KEY_H
#define BULKHEAD_KERNEL_KEY_H

#include "enforcerd/ruleset.h"

struct set_form {
	uint32_t key_type; /* nft's number of the datatype: only for showing it */
	uint32_t key_len;
	uint32_t flags; /* NFT_SET_* */
	bool host_order;
	uint32_t data_type, data_len; /* of maps; of verdicts no length is said */
};

const struct set_form *set_form(enum set_type type);
static inline bool set_is_map(enum set_type type)
{
	return type >= MAP_IPV4;
}
/* Whether its elements jump. */
static inline bool set_jumps(enum set_type type)
{
	return set_is_map(type) && type != GROUPS_IPV4 && type != GROUPS_IPV6;
}

enum { KERNEL_KEY_MAX = 32 };

/* The key's bytes, as many as the form says; of a range, those of its first address. */
void kernel_key(enum set_type type, const struct elem_key *key, uint8_t bytes[KERNEL_KEY_MAX]);
/* The first key behind a range; false when the range ends where all addresses end. */
bool kernel_key_behind(
	enum set_type type, const struct elem_key *key, uint8_t bytes[KERNEL_KEY_MAX]);
/* The other way. False when len is not the form's. Of a range only the first address is read. */
bool kernel_key_read(
	enum set_type type, const void *bytes, size_t len, struct elem_key *key) must_check;

/*
 * What an address of a map of groups leads to: a 1, then a number for each side. The 1 has the first register to itself, from which
 * nft 1.0.6 could not print a further lookup (see jump_by_group()).
 */
enum { KERNEL_GROUPS_LEN = 12 };
void kernel_groups(const uint32_t groups[2], uint8_t bytes[KERNEL_GROUPS_LEN]);
bool kernel_groups_read(const void *bytes, size_t len, uint32_t groups[2]) must_check;

#endif
