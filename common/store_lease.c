/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_lease.h"

#include "common/xalloc.h"

#include <string.h>
#include <sys/random.h>

enum { INSTANCE_BYTES = 8, LEASE_SECONDS = STORE_HEARTBEAT_SECONDS * STORE_LEASE_HEARTBEATS };

struct store_lease {
	char *node, *engine, *boot, *version;
	char instance[2 * INSTANCE_BYTES + 1];
	long long started;
	char *seen; /* another's record, as it was at the last look */
	long long seen_since;
	long long looking_since; /* no look since then found it ours or free */
	bool moved;              /* it changed while we looked */
};

struct store_lease *store_lease_new(const struct store_identity *identity, long long wall)
{
	struct store_lease *lease = xcalloc(1, sizeof(*lease));
	unsigned char random[INSTANCE_BYTES] = {0};

	/* the urandom source never fails nor blocks once the system is up (getrandom(2)) */
	(void)!getrandom(random, sizeof(random), 0);
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(lease->instance + 2 * i, 3, "%02x", random[i]);
	lease->node = xstrdup(identity->node);
	lease->engine = xstrdup(identity->engine);
	lease->boot = xstrdup(identity->boot);
	lease->version = xstrdup(identity->version);
	lease->started = wall;
	return lease;
}

void store_lease_free(struct store_lease *lease)
{
	if (!lease)
		return;
	free(lease->node);
	free(lease->engine);
	free(lease->boot);
	free(lease->version);
	free(lease->seen);
	free(lease);
}

char *store_lease_record(const struct store_lease *lease, long long heartbeat)
{
	cleanup_json json_t *record = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "v", 1,
		"node", lease->node, "engine", lease->engine, "boot", lease->boot, "instance",
		lease->instance, "version", lease->version, "started", (json_int_t)lease->started,
		"heartbeat", (json_int_t)heartbeat);
	char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;

	return text ? text : xstrdup("{}");
}

static const char *member(const json_t *record, const char *name)
{
	const char *text = json_string_value(json_object_get(record, name));

	return text ? text : "";
}

static void forget(struct store_lease *lease)
{
	free(steal_ptr(lease->seen));
	lease->moved = false;
}

static void look(struct store_lease *lease, const char *holder, long long monotonic_ms)
{
	if (lease->seen && !strcmp(lease->seen, holder))
		return;
	lease->moved = lease->seen != NULL;
	if (!lease->seen)
		lease->looking_since = monotonic_ms;
	free(lease->seen);
	lease->seen = xstrdup(holder);
	lease->seen_since = monotonic_ms;
}

enum store_lease_verdict store_lease_judge(
	struct store_lease *lease, const char *holder, long long monotonic_ms, long long wall)
{
	cleanup_json json_t *record =
		holder ? json_loads(holder, JSON_REJECT_DUPLICATES, NULL) : NULL;
	json_int_t heartbeat = json_integer_value(json_object_get(record, "heartbeat"));
	bool same_engine = !strcmp(member(record, "engine"), lease->engine);
	bool ours = !strcmp(member(record, "instance"), lease->instance);

	/* what cannot be read holds nothing */
	if (!record || ours || heartbeat <= 0) {
		forget(lease);
		return record && ours ? STORE_LEASE_OURS : STORE_LEASE_FREE;
	}
	look(lease, holder, monotonic_ms);
	if (monotonic_ms - lease->seen_since > LEASE_SECONDS * 1000LL ||
		(same_engine && heartbeat < wall - LEASE_SECONDS))
		return STORE_LEASE_FREE;
	return !same_engine && lease->moved ? STORE_LEASE_FOREIGN : STORE_LEASE_BUSY;
}

/* Ours are hexadecimal; anything else is not fit to be shown. */
static const char *shown_instance(const json_t *record)
{
	const char *text = member(record, "instance");
	size_t len = strlen(text);

	return len && len <= 2 * INSTANCE_BYTES && strspn(text, "0123456789abcdef") == len
		       ? text
		       : "unknown";
}

char *store_lease_rival(const struct store_lease *lease)
{
	cleanup_json json_t *record = NULL;

	if (!lease->moved || lease->seen_since - lease->looking_since <= 2 * LEASE_SECONDS * 1000LL)
		return NULL;
	record = json_loads(lease->seen, JSON_REJECT_DUPLICATES, NULL);
	if (strcmp(member(record, "engine"), lease->engine) != 0)
		return NULL;
	return xasprintf("node %s is held by another syncd of the same Engine ID (instance %s)%s",
		lease->node, shown_instance(record),
		strcmp(member(record, "boot"), lease->boot) ? ": cloned Engine identity?"
							    : " on this host");
}
