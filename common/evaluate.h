/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may talk to whom on one node, and why (pure): the verdict of the policies about a flow's first packet, as the sender's egress
 * and the receiver's ingress. It answers for what policy decides: not for multicast, nor for what Docker's own rules or
 * anti-spoofing drop beside it.
 */
#ifndef BULKHEAD_EVALUATE_H
#define BULKHEAD_EVALUATE_H

#include "common/isolation.h"
#include "common/rule_match.h"
#include "common/shared.h"
#include "common/tier.h"

struct evaluator;

struct evaluator *evaluator_new(void);
void evaluator_free(struct evaluator *e);

/* Everything that is added is borrowed, and but for evaluator_remote() of one node. labels: the record's with the operator's laid over them. */
void evaluator_network(struct evaluator *e, const struct network *record, enum isolation isolation);
void evaluator_endpoint(
	struct evaluator *e, const struct endpoint *record, const struct labels *labels);
void evaluator_policy(struct evaluator *e, const struct policy *policy);
/* One that is not built in, or says of that one what it is. */
void evaluator_tier(struct evaluator *e, const struct tier *tier);
void evaluator_netset(struct evaluator *e, const struct netset *set);
/* The node's name, by which rules that name LABEL_HOST know its own addresses. Not said: no rule does. */
void evaluator_host(struct evaluator *e, const char *node);
/* Once, after the last of them. */
void evaluator_finish(struct evaluator *e);
/*
 * After that: one of another node, and its network as that node has it (NULL: its record is not there). It is matched where it counts.
 */
void evaluator_remote(struct evaluator *e, const struct endpoint *record,
	const struct labels *labels, const struct network *network);

/* What an end of the flow is to this node. */
enum end_standing {
	END_STRANGER,  /* no known endpoint: nothing is asked of it */
	END_BYSTANDER, /* an endpoint that is not isolated */
	END_ISOLATED,
	END_CONTESTED, /* claimed by two endpoints: closed, and in no selector's set */
	END_HOST,      /* this host itself: never policed */
	END_REMOTE,    /* an endpoint of another node: matched, and governed there */
	END_DISPUTED /* claimed by two of other nodes: in no selector's set, and closed to who is isolated */
};

enum { STEP_NO_RULE = -1 };

/* One policy that governs the end, and what it had to say. */
struct walk_step {
	/* borrowed from the evaluator: a policy whose tier is not there is closed */
	const struct policy *policy;
	const struct tier *tier; /* NULL: not there */
	int rule;                /* the first that matched and is not "log", or STEP_NO_RULE */
	bool reached; /* false: an earlier policy had decided, or passed. A staged one is always asked */
};

struct end_walk {
	enum policy_direction direction;
	enum end_standing standing;
	const struct endpoint *endpoint; /* of BYSTANDER, ISOLATED and REMOTE */
	const struct network *network;   /* of REMOTE: its own node's */
	const struct labels *labels;
	struct walk_step *steps; /* in evaluation order, staged ones among them */
	size_t step_count;
	/* Borrowed from steps; NULL: no rule matched, or nothing was to be asked. "pass" decides only where no tier comes after its own. */
	const struct walk_step *decided;
	/* Where no rule decided: a step of the tier at whose end the flow was denied, or NULL. */
	const struct walk_step *ended;
	const struct netset_list *netsets; /* of an address that is somebody's: walk_netsets() */
	struct netset_list netset_space;
	bool closed; /* no policy was asked: the other end is disputed */
	bool allowed;
	bool staged_denies; /* would be denied if the staged policies were in force */
};

/* The network sets that have the end's address; borrowed. */
static inline const struct netset_list *walk_netsets(const struct end_walk *walk)
{
	return walk->netsets ? walk->netsets : &walk->netset_space;
}

struct verdict {
	struct end_walk walks[DIR_COUNT]; /* the sender's DIR_EGRESS, the receiver's DIR_INGRESS */
	/* A strict network in whose subnets an end lies that is no endpoint of it; NULL: there is none. */
	const struct network *strict;
	enum policy_direction strict_end; /* DIR_EGRESS: the sender is the unknown one */
	bool allowed;
};

/* The host at either end is said by the caller: its addresses are in no record. */
struct question {
	struct policy_flow flow; /* labels are looked up */
	bool from_host, to_host;
	/* What if the end had these labels; NULL: those that it has. Only for ends that are endpoints. */
	const struct labels *labels[DIR_COUNT];
	/* Who would: where the node has somebody else at the address, that one keeps its own. NULL: whoever it is. */
	const struct endpoint *labelled[DIR_COUNT];
};

void evaluate(const struct evaluator *e, const struct question *question, struct verdict *verdict);
void verdict_clear(struct verdict *verdict);

DEFINE_CLEANUP(evaluator, struct evaluator *, evaluator_free)
#define cleanup_verdict __attribute__((cleanup(verdict_clear)))

#endif
