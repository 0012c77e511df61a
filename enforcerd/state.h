/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What enforcerd keeps on disk, so that it can close what must be closed before Redis or Docker can be asked: the policies stream
 * as it was last accepted, the networks, and the mode. No endpoint: whose an address is, is true for one boot at most.
 *
 * One file, replaced as a whole: what is there is the last complete one or the one before. It is believed only if nobody else
 * may write it, and its checksum, version and every field are right; otherwise it is refused with the reason, never taken in part.
 */
#ifndef BULKHEAD_STATE_H
#define BULKHEAD_STATE_H

#include "common/store.h"

#include <stdbool.h>

#define STATE_FILE        "state"
#define STATE_FILE_RECENT "state.recent"

enum {
	STATE_VERSION = 1,
	STATE_BYTES_MAX = 64 << 20,
	STATE_RECORDS_MAX = 200000, /* of each list */
	STATE_BOOT_SIZE = 37,
	STATE_MODE_SIZE = 16
};

/* Change lists as they come from a snapshot: record is never NULL. */
struct state_content {
	char boot[STATE_BOOT_SIZE]; /* the kernel's id of the boot in which it was written */
	char mode[STATE_MODE_SIZE];
	char *node;                    /* whose: the networks are of this node */
	bool has_head;                 /* false: the policies stream was absent, and accepted so */
	struct store_head head;        /* of the policies stream */
	struct store_change *policies; /* policies, isolation, labels */
	size_t policy_count;
	struct store_change *networks;
	size_t network_count;
};

/* Frees what it holds. */
void state_clear(struct state_content *content);

/* Makes the directory if it is not there (mode 0700; its parent must exist), and replaces the file. Blocks until it is on disk:
 * milliseconds as a rule. After a failure the file is as it was before. */
int state_save(const char *dir, const struct state_content *content, struct err *err) must_check;

/*
 * The same beside it, without waiting for the disk: it outlives this process, but perhaps not the machine. The next state_save()
 * removes it.
 */
int state_save_recent(
	const char *dir, const struct state_content *content, struct err *err) must_check;

/* *content is the caller's to clear. On failure it is empty; err->code ENOENT: there is no file. */
int state_load(const char *dir, struct state_content *content, struct err *err) must_check;
/* What is newer than that, if there is any. It is of use only in the boot in which it was written. */
int state_load_recent(const char *dir, struct state_content *content, struct err *err) must_check;

/* The kernel's id of this boot. */
int state_boot(char boot[STATE_BOOT_SIZE], struct err *err) must_check;

#endif
