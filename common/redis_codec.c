/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_codec.h"

#include "common/xalloc.h"

#include <hiredis/hiredis.h>

struct redis_codec {
	redisReader *reader;
	redisReplyObjectFunctions make; /* hiredis' own, with our checks before two of them */
	redisReplyObjectFunctions make_unchecked;
	size_t fed; /* bytes since the last complete reply */
	const char *refused;
};

static void *make_string(const redisReadTask *task, char *text, size_t len)
{
	struct redis_codec *codec = task->privdata;

	if (len > REDIS_BULK_MAX) {
		codec->refused = "a string is too large";
		return NULL;
	}
	return codec->make_unchecked.createString(task, text, len);
}

static void *make_array(const redisReadTask *task, int elements)
{
	struct redis_codec *codec = task->privdata;

	if (elements > REDIS_ARRAY_MAX) {
		codec->refused = "an array is too large";
		return NULL;
	}
	return codec->make_unchecked.createArray(task, elements);
}

struct redis_codec *redis_codec_new(void)
{
	struct redis_codec *codec = xcalloc(1, sizeof(*codec));

	codec->reader = redisReaderCreate();
	if (!codec->reader)
		abort(); /* out of memory, as in xalloc */
	codec->make = codec->make_unchecked = *codec->reader->fn;
	codec->make.createString = make_string;
	codec->make.createArray = make_array;
	codec->reader->fn = &codec->make;
	codec->reader->privdata = codec;
	return codec;
}

void redis_codec_free(struct redis_codec *codec)
{
	if (!codec)
		return;
	redisReaderFree(codec->reader);
	free(codec);
}

int redis_codec_feed(struct redis_codec *codec, const void *data, size_t len, struct err *err)
{
	codec->fed += len;
	if (codec->fed > REDIS_REPLY_MAX)
		return err_set(err, 0, "read reply: larger than %d bytes", REDIS_REPLY_MAX);
	if (redisReaderFeed(codec->reader, data, len) != REDIS_OK)
		return err_set(err, 0, "read reply: %s", codec->reader->errstr);
	return 0;
}

int redis_codec_next(struct redis_codec *codec, redis_reply **reply, struct err *err)
{
	void *got = NULL;

	if (redisReaderGetReply(codec->reader, &got) != REDIS_OK)
		return err_set(err, 0, "read reply: %s",
			codec->refused ? codec->refused : codec->reader->errstr);
	*reply = got;
	if (!got)
		return 0;
	codec->fed = 0;
	return 1;
}

/* --- looking at replies ------------------------------------------------------------------------ */

const char *redis_reply_text(const redis_reply *reply, size_t *len)
{
	if (!reply || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
			      reply->type != REDIS_REPLY_ERROR))
		return NULL;
	if (len)
		*len = (size_t)reply->len;
	return reply->str;
}

bool redis_reply_failed(const redis_reply *reply, struct err *err)
{
	if (!reply) {
		err_set(err, 0, "connection lost");
		return true;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		err_set(err, 0, "%s", reply->str);
		return true;
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR) {
			err_set(err, 0, "%s", reply->element[i]->str);
			return true;
		}
	return false;
}
