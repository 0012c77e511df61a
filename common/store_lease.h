/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may write a node's stream, as a pure function of what the nodes hash says and of the time.
 *
 * An instance (one run of syncd) holds the lease while its record stands in the hash and its heartbeat goes on. Whoever finds
 * another's record there waits until it has not changed for STORE_LEASE_HEARTBEATS, by its own monotonic clock: hosts' clocks
 * differ. Only within one Engine, thus one host, the heartbeat's own time counts as well, so that a restart after a pause need not
 * wait. A heartbeat of 0 gives the lease back.
 */
#ifndef BULKHEAD_STORE_LEASE_H
#define BULKHEAD_STORE_LEASE_H

#include "common/store_writer.h"

struct store_lease;

enum store_lease_verdict {
	STORE_LEASE_OURS,
	STORE_LEASE_FREE,   /* nobody's, given back, or its holder is dead */
	STORE_LEASE_BUSY,   /* another's, who is alive or may be: look again soon */
	STORE_LEASE_FOREIGN /* another Engine's, whose heartbeat was seen to go on */
};

/* wall: seconds since 1970, as the record's "started". Copies the identity and makes up an instance. */
struct store_lease *store_lease_new(const struct store_identity *identity, long long wall);
void store_lease_free(struct store_lease *lease);

/* The record to write with this heartbeat (wall seconds; 0 gives back); caller frees. */
char *store_lease_record(const struct store_lease *lease, long long heartbeat);
/* holder is the record found, or NULL; monotonic_ms never goes back. Remembers what it saw. */
enum store_lease_verdict store_lease_judge(
	struct store_lease *lease, const char *holder, long long monotonic_ms, long long wall);
/*
 * A sentence about another of the same Engine's id that has renewed the lease for longer than a successor has to wait twice, or NULL;
 * caller frees. Such a one is not about to end: a host whose Engine's identity was copied, or a syncd too many on this one.
 */
char *store_lease_rival(const struct store_lease *lease);

DEFINE_CLEANUP(store_lease, struct store_lease *, store_lease_free)

#endif
