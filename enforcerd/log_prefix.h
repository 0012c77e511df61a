/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a packet was logged, as the text that the kernel puts before it (the prefix of an nft log statement): written by whoever
 * makes rules, read back from nflog. It is made to be read by a person as well, in any nflog tool:
 *
 *   bulkhead egress deny frontend[2]     rule 2 (from 0) of policy frontend said deny
 *   bulkhead ingress end database        no rule of the policies allowed it; database is one of them
 *   bulkhead ingress end                 no policy governs this direction
 *   bulkhead condemned                   a guard, with no direction of its own
 */
#ifndef BULKHEAD_LOG_PREFIX_H
#define BULKHEAD_LOG_PREFIX_H

#include "common/policy.h"

/* With its NUL; the kernel takes 127 characters (NF_LOG_PREFIXLEN). */
enum { LOG_PREFIX_SIZE = 128 };

enum log_what {
	LOG_DENY, /* a rule's action deny */
	LOG_END,  /* no rule allowed it */
	LOG_PASS, /* a rule's action pass, and nothing comes after policies */
	LOG_RULE, /* a rule's action log: not a verdict */
	LOG_STAGED, /* what a staged policy would have denied: by a rule, or by its end when there is no rule */
	/* guards: no policy's doing */
	LOG_INVALID,   /* no valid conntrack state */
	LOG_UNTRACKED, /* no conntrack state at all */
	LOG_MIDSTREAM, /* TCP that is new without SYN */
	LOG_STRICT,    /* not a known endpoint, in a strict network */
	LOG_SPOOFED,   /* another's address, or at the wrong port */
	LOG_PORT,      /* a frame that an isolated port may not send or receive */
	LOG_HOST,      /* host action drop */
	LOG_PUBLISHED, /* docker-proxy would have served it */
	LOG_CONTESTED, /* the other end's address is claimed by two other nodes */
	LOG_CONDEMNED, /* of a flow that was denied after it had begun */
	LOG_WHAT_COUNT
};

enum { LOG_NO_RULE = -1 };

struct log_reason {
	enum log_what what;
	enum policy_direction direction; /* DIR_COUNT: none; a policy's reason always has one */
	/* Whose rule, or "" (LOG_END, LOG_STAGED and guards). A parsed one may be log_policy_text()'s short form. */
	char policy[POLICY_NAME_MAX + 1];
	int rule; /* place in the policy's list for the direction, from 0; or LOG_NO_RULE */
};

/* Returns text. Members that have no place in such a reason are left out. */
const char *log_prefix_format(const struct log_reason *reason, char text[LOG_PREFIX_SIZE]);

/*
 * The exact inverse: takes what log_prefix_format() makes and nothing else (other programs may log to the same group). text
 * need not be terminated; one NUL at its end is passed over.
 */
int log_prefix_parse(
	const char *text, size_t len, struct log_reason *reason, struct err *err) must_check;

/*
 * What stands in a prefix for a policy of this name: the name, or where that is too long its beginning, "~" and a hash. For
 * comparing with log_reason.policy. Returns text.
 */
const char *log_policy_text(const char *name, char text[POLICY_NAME_MAX + 1]);

/* "deny", "end", ...: as in the prefix. */
const char *log_what_name(enum log_what what);
bool log_what_parse(const char *word, enum log_what *what);
/* Whether the packet was dropped where nothing is staged or in audit mode: false for LOG_RULE and LOG_STAGED. */
bool log_what_denies(enum log_what what);

#endif
