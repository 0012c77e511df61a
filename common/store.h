/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store protocol (design 3.2): names of keys, heads, and the events that announce a change.
 *
 * A stream is a set of hashes that change together: one per node (endpoints and networks) and "policies"
 * (policies, tiers, network sets, isolation, labels, mode). Its head "<epoch>:<revision>:<random id>" changes with every write. An epoch
 * is "<unix milliseconds of its creation, 13 digits>-<8 hex>", so that later epochs sort after earlier ones.
 */
#ifndef BULKHEAD_STORE_H
#define BULKHEAD_STORE_H

#include "common/err.h"

#include <stdbool.h>
#include <stddef.h>

#define STORE_PREFIX          "bulkhead:v1:"
#define STORE_NODES           STORE_PREFIX "nodes"
#define STORE_POLICIES_STREAM "policies"
#define STORE_NODE_STREAM     "node:" /* "node:<name>": head:node:<name>, events:node:<name> */

enum { STORE_EPOCH_MAX = 64, STORE_HEAD_MAX = 160 };
/* Redis cuts off a subscriber that is 8 MB behind for a minute: what is larger than this is read, not sent. */
enum { STORE_EVENT_MAX = 512 << 10 };
/* Revisions that are remembered: 200 KB of Redis, and nobody edits policies that often while a node is away. */
enum { STORE_HISTORY_MAX = 4096 };

/* The hashes of a stream. Those of a node stream are keyed endpoints:<node>, networks:<node>. */
enum store_kind {
	KIND_ENDPOINT,
	KIND_NETWORK,
	KIND_POLICY,
	KIND_ISOLATION,
	KIND_LABELS,
	KIND_MODE,   /* see common/mode.h */
	KIND_TIER,   /* see common/tier.h */
	KIND_NETSET, /* see common/netset.h */
	KIND_COUNT
};

const char *store_kind_name(enum store_kind kind); /* "endpoint", ...: the "kind" of a change */
bool store_kind_parse(const char *word, enum store_kind *kind);

struct store_head {
	char epoch[STORE_EPOCH_MAX];
	unsigned long long revision;
	char id[24];
};

/* text need not be terminated. Refused: anything but an epoch as above, a revision of at most 19 digits and a hexadecimal id. */
int store_head_parse(
	const char *text, size_t len, struct store_head *head, struct err *err) must_check;
const char *store_head_format(const struct store_head *head, char text[STORE_HEAD_MAX]);
bool store_head_equal(const struct store_head *a, const struct store_head *b);
/* <0, 0, >0 as a's epoch was created before, is the same as, or was created after b's. */
int store_epoch_cmp(const char *a, const char *b);
/* Made by a clock that was ahead of this host's. */
bool store_epoch_is_ahead(const char *epoch);
void store_epoch_new(char epoch[STORE_EPOCH_MAX]);
/* The same, made later than other even where the clock went back since. */
void store_epoch_after(char epoch[STORE_EPOCH_MAX], const char *other);
/* The head after *head: same epoch, next revision, new random id. */
struct store_head store_head_next(const struct store_head *head);

/* Key names; caller frees. stream is "policies" or "node:<name>". */
char *store_head_key(const char *stream);
char *store_channel(const char *stream);
char *store_hash_key(const char *stream, enum store_kind kind);
char *store_status_key(const char *node);
/* What `bulkheadctl store accept` writes: the head that the operator accepts although a rule refuses it. */
char *store_accept_key(const char *stream);
/*
 * A hash beside the policies stream, written with each head: revision -> its id, for the last STORE_HISTORY_MAX revisions of the epoch.
 * It tells a reader that was away whether the store went on from what it holds, or from something older (a dump, a lagging replica)
 * that has been written to since and now has the higher revision.
 */
char *store_history_key(const char *stream);
/* Which kinds a stream has: true for ENDPOINT and NETWORK in node streams, for the others in policies. */
bool store_stream_has(const char *stream, enum store_kind kind);

/* One changed field. record is the JSON text to store; NULL means delete. */
struct store_change {
	enum store_kind kind;
	char *id;
	char *record;
};

void store_change_clear(struct store_change *change); /* frees the strings */

/* {"v":1,"stream":...,"prev":...,"head":...,"changes":[...]}; caller frees. prev NULL: a whole rewrite, "read the snapshot",
 * which is also what becomes of an event that would be larger than STORE_EVENT_MAX. */
char *store_event_encode(const char *stream, const struct store_head *prev,
	const struct store_head *head, const struct store_change *changes, size_t count);

struct store_event {
	bool has_prev; /* false: everything was rewritten, read the snapshot */
	struct store_head prev, head;
	struct store_change *changes;
	size_t count;
};

/* Refuses what is larger than STORE_EVENT_MAX, of another stream, or not as store_event_encode() makes it. */
int store_event_decode(const char *data, size_t len, const char *stream, struct store_event *event,
	struct err *err) must_check;
void store_event_clear(struct store_event *event);

#endif
