/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel writer: the only module that sends netlink writes to nf_tables. One socket, held open. It decides nothing: it
 * translates a ruleset's pending difference into one batch with the generation id and reports which object was refused.
 */
#ifndef BULKHEAD_KERNEL_H
#define BULKHEAD_KERNEL_H

#include "common/err.h"
#include "enforcerd/ruleset.h"

struct kernel;

struct kernel_options {
	const char *table; /* "bulkhead" */
	uint16_t nflog_group;
};

struct kernel *kernel_open(const struct kernel_options *options, struct err *err) must_check;
void kernel_close(struct kernel *kernel); /* rules stay */

/*
 * Whether the kernel judges flows from port to port in the bridge table: conntrack's keys and the bridge's name, which need
 * nf_conntrack_bridge and nft_meta_bridge. Tried once, by kernel_open(), in a table that never comes to be; that makes the
 * kernel load both.
 */
bool kernel_bridge_tracked(const struct kernel *kernel);

struct kernel_commit {
	unsigned messages;   /* netlink messages sent */
	double seconds;      /* from first byte built to the kernel's answer */
	uint32_t generation; /* nf_tables generation id after it */
};

/*
 * Where it is not known what the kernel holds (at the start, after kernel_lost() or somebody else's change): reads it back,
 * after which only the difference is pending in the ruleset. kernel_commit() does so by itself; this is for those who want to
 * know the difference before (ruleset_dirty(), ruleset_revokes()).
 */
int kernel_compare(struct kernel *kernel, struct ruleset *rs, struct err *err) must_check;

/*
 * Sends what is pending and marks it committed, for both tables in one batch. What the kernel holds is read back where it is not
 * known (see kernel_compare()) and only the difference written: an unchanged world after a restart sends no more than it
 * takes to own the tables. Tables, base chains and maps are kept: no packet sees anything but the old or the new content. Nothing
 * pending: nothing is sent. ERESTART (somebody changed a table meanwhile) is retried here, bounded. On failure nothing has
 * changed and *err names the object and the kernel's reason.
 */
int kernel_commit(struct kernel *kernel, struct ruleset *rs, struct kernel_commit *commit,
	struct err *err) must_check;
/*
 * Readable when another process has changed nf_tables. kernel_commit() then says whether that concerned our table and, if
 * so, writes it anew, also when nothing is pending; it does the same whenever it is called.
 */
int kernel_events_fd(const struct kernel *kernel);
struct kernel_adopter {
	const char *const *sets; /* names of those that are told, ends with NULL */
	/* Borrowed for the call. comment: "" for none. */
	void (*element)(const char *set, enum set_type type, const struct elem_key *key,
		const char *comment, void *arg);
};

/*
 * Tells what the kernel holds before the first commit, to go on from there: the elements of some sets, as they are, and the
 * generation that flows are marked with, from the comment GENERATION_COMMENT "7" of a rule of chain "live"; 0 when it says
 * none, or each table another. Writes nothing. On failure some elements may have been told.
 */
#define GENERATION_COMMENT "generation "
int kernel_adopt(struct kernel *kernel, const struct kernel_adopter *ops, void *arg,
	uint32_t *generation, struct err *err) must_check;

/* How often what somebody else had changed was put right, and who it was last ("nft (pid 123)", borrowed, or NULL). who may be
 * NULL. */
unsigned long long kernel_repairs(const struct kernel *kernel, const char **who);
/* What the kernel holds is no longer known. */
void kernel_lost(struct kernel *kernel, struct ruleset *rs);

/* Removes every object of ours. Missing is success. */
int kernel_clear(struct kernel *kernel, struct err *err) must_check;

/* Tries, in a table of a name of its own that is never committed hooks-live, whether the kernel takes what we need (ct keys
 * in inet, counters, limit, log, maps). For --check. */
int kernel_check(struct kernel *kernel, struct err *err) must_check;
/* Other tables' base chains in hook forward that have a drop policy, as text lines, for --check; caller frees. Docker's own
 * are left out: it lets its containers' traffic through by itself. */
char *kernel_conflicts(struct kernel *kernel, struct err *err) must_check;

DEFINE_CLEANUP(kernel, struct kernel *, kernel_close)

#endif
