/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/kernel_key.h"

#include "enforcerd/ruleset_elem.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>
#include <string.h>

/* nft's datatype numbers (its src/datatype.c): kept by the kernel unread, so that listings are legible. */
enum {
	NFT_TYPE_IPV4_ADDR = 7,
	NFT_TYPE_IPV6_ADDR = 8,
	NFT_TYPE_ETHER_ADDR = 9,
	NFT_TYPE_INET_SERVICE = 13,
	NFT_TYPE_MARK = 19,
	NFT_TYPE_IFNAME = 41,
	NFT_TYPE_BITS = 6,
	NFT_PORT_OF = NFT_TYPE_IFNAME << NFT_TYPE_BITS,
	NFT_GROUPS =
		NFT_TYPE_MARK << 2 * NFT_TYPE_BITS | NFT_TYPE_MARK << NFT_TYPE_BITS | NFT_TYPE_MARK
};

/* See kernel_groups(). */
enum { IS_ISOLATED = 1 };

/* In a key of several parts each begins at a multiple of four bytes. */
enum { KEY_MAC = 6, KEY_MAC_PADDED = 8 };

const struct set_form *set_form(enum set_type type)
{
	static const struct set_form forms[] = {
		[SET_IPV4] = {NFT_TYPE_IPV4_ADDR, 4, 0, false},
		[SET_IPV6] = {NFT_TYPE_IPV6_ADDR, 16, 0, false},
		[SET_CIDR4] = {NFT_TYPE_IPV4_ADDR, 4, NFT_SET_INTERVAL, false},
		[SET_CIDR6] = {NFT_TYPE_IPV6_ADDR, 16, NFT_SET_INTERVAL, false},
		[SET_PORT] = {NFT_TYPE_INET_SERVICE, 2, 0, false},
		[SET_IFNAME] = {NFT_TYPE_IFNAME, IFNAMSIZ, 0, true},
		[SET_MAC] = {NFT_TYPE_ETHER_ADDR, KEY_MAC, 0, false},
		[SET_PORT_IPV4] = {NFT_PORT_OF | NFT_TYPE_IPV4_ADDR, IFNAMSIZ + 4, 0, false},
		[SET_PORT_IPV6] = {NFT_PORT_OF | NFT_TYPE_IPV6_ADDR, IFNAMSIZ + 16, 0, false},
		[SET_PORT_MAC] = {NFT_PORT_OF | NFT_TYPE_ETHER_ADDR, IFNAMSIZ + KEY_MAC_PADDED, 0,
			false},
		[MAP_IPV4] = {NFT_TYPE_IPV4_ADDR, 4, NFT_SET_MAP, false, NFT_DATA_VERDICT, 0},
		[MAP_IPV6] = {NFT_TYPE_IPV6_ADDR, 16, NFT_SET_MAP, false, NFT_DATA_VERDICT, 0},
		[MAP_IFNAME] = {NFT_TYPE_IFNAME, IFNAMSIZ, NFT_SET_MAP, true, NFT_DATA_VERDICT, 0},
		[MAP_GROUP] = {NFT_TYPE_MARK, 4, NFT_SET_MAP, true, NFT_DATA_VERDICT, 0},
		[GROUPS_IPV4] = {NFT_TYPE_IPV4_ADDR, 4, NFT_SET_MAP, false, NFT_GROUPS,
			KERNEL_GROUPS_LEN},
		[GROUPS_IPV6] = {NFT_TYPE_IPV6_ADDR, 16, NFT_SET_MAP, false, NFT_GROUPS,
			KERNEL_GROUPS_LEN},
	};

	return &forms[type];
}

void kernel_key(enum set_type type, const struct elem_key *key, uint8_t bytes[KERNEL_KEY_MAX])
{
	const struct key_layout *parts = key_layout(type);
	const uint16_t port = htons(key->port);

	memset(bytes, 0, KERNEL_KEY_MAX);
	if (parts->ifname) {
		memcpy(bytes, key->ifname, strnlen(key->ifname, IFNAMSIZ - 1));
		bytes += IFNAMSIZ;
	}
	if (parts->family)
		memcpy(bytes, key->ip.bytes, parts->family == 4 ? 4 : 16);
	if (parts->port)
		memcpy(bytes, &port, sizeof(port));
	if (parts->mac)
		memcpy(bytes, key->mac, sizeof(key->mac));
	if (parts->group)
		memcpy(bytes, &key->group, sizeof(key->group));
}

bool kernel_key_behind(
	enum set_type type, const struct elem_key *key, uint8_t bytes[KERNEL_KEY_MAX])
{
	size_t len = set_form(type)->key_len;

	memcpy(bytes, key->last.bytes, len);
	for (size_t i = len; i-- > 0;)
		if (++bytes[i])
			return true;
	return false;
}

bool kernel_key_read(enum set_type type, const void *bytes, size_t len, struct elem_key *key)
{
	const struct key_layout *parts = key_layout(type);
	const uint8_t *at = bytes;
	uint16_t port;

	memset(key, 0, sizeof(*key));
	if (len != set_form(type)->key_len)
		return false;
	if (parts->ifname) {
		memcpy(key->ifname, at, IFNAMSIZ - 1);
		at += IFNAMSIZ;
	}
	if (parts->family) {
		key->ip.family = parts->family;
		memcpy(key->ip.bytes, at, parts->family == 4 ? 4 : 16);
	}
	if (parts->port) {
		memcpy(&port, at, sizeof(port));
		key->port = ntohs(port);
	}
	if (parts->mac)
		memcpy(key->mac, at, sizeof(key->mac));
	if (parts->group)
		memcpy(&key->group, at, sizeof(key->group));
	return true;
}

void kernel_groups(const uint32_t groups[2], uint8_t bytes[KERNEL_GROUPS_LEN])
{
	const uint32_t words[KERNEL_GROUPS_LEN / sizeof(uint32_t)] = {
		IS_ISOLATED, groups[SIDE_SRC], groups[SIDE_DST]};

	memcpy(bytes, words, sizeof(words));
}

bool kernel_groups_read(const void *bytes, size_t len, uint32_t groups[2])
{
	uint32_t words[KERNEL_GROUPS_LEN / sizeof(uint32_t)];

	if (len != sizeof(words))
		return false;
	memcpy(words, bytes, sizeof(words));
	groups[SIDE_SRC] = words[1];
	groups[SIDE_DST] = words[2];
	return words[0] == IS_ISOLATED;
}
