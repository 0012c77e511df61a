/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store as a verb sees it: opened with the options, read whole into a world. What cannot be decoded is warned about on stderr. */
#ifndef BULKHEAD_CTL_CLIENT_H
#define BULKHEAD_CTL_CLIENT_H

#include "common/store_edit.h"
#include "ctl/options.h"
#include "ctl/policies.h"
#include "ctl/world.h"

/* A wall-clock bound on everything from here on is the caller's --timeout. */
struct redis_sync *client_open(const struct options *options, struct err *err) must_check;

/* Calls fn for each field of a hash, in the order of the field names. An absent hash has no fields. */
typedef void client_field_fn(const char *field, const char *value, size_t len, void *arg);
int client_each(struct redis_sync *redis, const char *key, client_field_fn *fn, void *arg,
	struct err *err) must_check;
/* A client_field_fn that puts the value as text into the JSON object arg. */
void client_take_field(const char *name, const char *value, size_t len, void *arg);

/* Names of all nodes that have ever written, sorted; a JSON array of strings. */
json_t *client_nodes(struct redis_sync *redis, struct err *err) must_check;

/* Reads every node's endpoints and networks, isolation, operator labels, and what the enforcers report. */
struct world *client_world(struct redis_sync *redis, struct err *err) must_check;

/* Reads all policies, tiers and network sets. */
int client_policies(
	struct redis_sync *redis, struct policies *policies, struct err *err) must_check;

/* The last two alone. */
int client_definitions(
	struct redis_sync *redis, struct policies *policies, struct err *err) must_check;

/* "bulkheadctl: cause" on stderr. Returns 1, the exit status of what failed. */
int client_fail(const struct err *err);
/* "bulkheadctl: warning: ..." on stderr, made printable. */
void client_warn(const char *fmt, ...) printf_like(1, 2);
/* Says so if the edit has begun a new store: elsewhere that would mean a wrong address or lost data. */
void client_warn_created(const struct store_edit_result *result);
/* Flushes stdout and tells whether all that was printed has gone out: the exit status. */
int client_finish(void);

/* A stream's head, "" where it is absent. Caller frees; NULL on failure. */
char *client_head(struct redis_sync *redis, const char *stream, struct err *err) must_check;
/* Stream -> head, of the policies and of every node that has registered. New reference; NULL on failure. */
json_t *client_heads(struct redis_sync *redis, struct err *err) must_check;

#endif
