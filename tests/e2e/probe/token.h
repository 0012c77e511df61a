/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes a frame of the leak hunt recognisable wherever it arrives: the last 16 bytes of the frame. It says which
 * item of the list it is, who sent it, and when, by the clock that all namespaces of one host share.
 */
#ifndef BULKHEAD_PROBE_TOKEN_H
#define BULKHEAD_PROBE_TOKEN_H

#include <endian.h>
#include <stdint.h>
#include <time.h>

enum { TOKEN_MAGIC = 0x42684c6b };

struct token {
	uint32_t magic; /* TOKEN_MAGIC, big endian like all of it */
	uint8_t item;
	uint8_t sender;
	uint16_t serial;
	uint64_t sent; /* CLOCK_MONOTONIC, nanoseconds */
} __attribute__((packed));

static inline uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static inline struct token token_now(uint8_t item, uint8_t sender, uint16_t serial)
{
	return (struct token){.magic = htobe32(TOKEN_MAGIC),
		.item = item,
		.sender = sender,
		.serial = htobe16(serial),
		.sent = htobe64(monotonic())};
}

#endif
