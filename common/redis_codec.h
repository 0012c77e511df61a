/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes from Redis to reply trees: hiredis' reader with bounds. The server is not trusted to be one: what it claims ("an array
 * of 2^31 elements follows") costs nothing before it is checked.
 */
#ifndef BULKHEAD_REDIS_CODEC_H
#define BULKHEAD_REDIS_CODEC_H

#include "common/redis.h"

enum {
	/* a snapshot of 10,000 endpoints is about 10 MB; the largest world that makes sense is far below this */
	REDIS_REPLY_MAX = 256 << 20,
	/* no record, event or status of ours comes near; one that does not fit is somebody else's key */
	REDIS_BULK_MAX = 16 << 20,
	/* half a million fields of one hash; 8 MB of pointers at most are allocated on the word of the server */
	REDIS_ARRAY_MAX = 1 << 20
};

struct redis_codec;

struct redis_codec *redis_codec_new(void);
void redis_codec_free(struct redis_codec *codec);
/* Copies the bytes. -1 when the reply under way is larger than REDIS_REPLY_MAX; the codec is of no further use then. */
int redis_codec_feed(
	struct redis_codec *codec, const void *data, size_t len, struct err *err) must_check;
/* 1: *reply is complete, the caller frees it with freeReplyObject(). 0: more bytes are needed. -1: these are no replies, or
 * one is beyond the bounds; the codec is of no further use then. */
int redis_codec_next(struct redis_codec *codec, redis_reply **reply, struct err *err) must_check;

DEFINE_CLEANUP(redis_codec, struct redis_codec *, redis_codec_free)

#endif
