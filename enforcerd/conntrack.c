/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/conntrack.h"

#include "common/xalloc.h"
#include "enforcerd/conntrack_message.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdalign.h>

enum {
	/* far below what the kernel's answers, should each be a refusal, need of our queue */
	CHANGES_PER_BATCH = 256,
	TURN_TRIES = 5
};

struct conntrack {
	struct netlink *entries, *changes; /* a listing may be under way while marks are changed */
	uint32_t list_seq;
	bool listing;
	size_t used, count; /* of the batch being gathered */
	alignas(struct nlmsghdr) char batch[CHANGES_PER_BATCH * CONNTRACK_MESSAGE_MAX];
};

struct conntrack *conntrack_open(struct err *err)
{
	CLEANUP(conntrack) struct conntrack *conntrack = xcalloc(1, sizeof(*conntrack));

	conntrack->entries = netlink_open(NETLINK_NETFILTER, err);
	if (!conntrack->entries)
		return NULL;
	conntrack->changes = netlink_open(NETLINK_NETFILTER, err);
	if (!conntrack->changes)
		return NULL;
	return steal_ptr(conntrack);
}

void conntrack_close(struct conntrack *conntrack)
{
	if (!conntrack)
		return;
	netlink_close(conntrack->entries);
	netlink_close(conntrack->changes);
	free(conntrack);
}

/* --- listing ----------------------------------------------------------------------------------- */

/* The kernel has one listing per socket: one that was given up ends with its socket. */
static int reopen(struct conntrack *conntrack, struct err *err)
{
	struct netlink *fresh = netlink_open(NETLINK_NETFILTER, err);

	if (!fresh)
		return -1;
	netlink_close(conntrack->entries);
	conntrack->entries = fresh;
	conntrack->listing = false;
	return 0;
}

int conntrack_list(struct conntrack *conntrack, uint32_t mark, uint32_t mask, struct err *err)
{
	alignas(struct nlmsghdr) char buffer[CONNTRACK_MESSAGE_MAX];
	struct nlmsghdr *request = conntrack_message_list(buffer, mark, mask);

	if (conntrack->listing && reopen(conntrack, err) < 0)
		return -1;
	conntrack->list_seq = netlink_take_seq(conntrack->entries, 1);
	request->nlmsg_seq = conntrack->list_seq;
	if (netlink_send(conntrack->entries, request, request->nlmsg_len, err) < 0)
		return err_wrap(err, "list conntrack entries");
	conntrack->listing = true;
	return 0;
}

static int end_of_list(struct conntrack *conntrack, const struct nlmsghdr *message, struct err *err)
{
	struct netlink_refusal refusal;

	conntrack->listing = false;
	if (message->nlmsg_type == NLMSG_DONE)
		return 0;
	if (!netlink_refusal(message, &refusal))
		return err_set(err, EBADMSG, "list conntrack entries");
	return err_set(err, refusal.code, "list conntrack entries%s%s", *refusal.text ? ": " : "",
		refusal.text);
}

/* 1: go on; 0: the end; -1. */
static int take_entry(struct conntrack *conntrack, const struct nlmsghdr *message, conntrack_fn *fn,
	void *arg, struct err *err)
{
	struct flow flow;

	if (message->nlmsg_seq != conntrack->list_seq)
		return 1;
	if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR)
		return end_of_list(conntrack, message, err);
	if (conntrack_message_read(message, &flow, err) < 0 || fn(&flow, arg, err) < 0)
		return -1;
	return 1;
}

int conntrack_next(struct conntrack *conntrack, conntrack_fn *fn, void *arg, struct err *err)
{
	const void *data = NULL;
	ssize_t got = netlink_receive(conntrack->entries, true, &data, err);
	const struct nlmsghdr *message = data;
	int len = (int)got, more = 1;

	if (got < 0) {
		conntrack->listing = false;
		return err_wrap(err, "list conntrack entries");
	}
	for (; more > 0 && mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
		more = take_entry(conntrack, message, fn, arg, err);
	return more;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* Where the next message goes, or NULL. */
static char *next_message(struct conntrack *conntrack, struct err *err)
{
	if (conntrack->count == CHANGES_PER_BATCH && conntrack_flush(conntrack, err) < 0)
		return NULL;
	return conntrack->batch + conntrack->used;
}

static void added(struct conntrack *conntrack, const struct nlmsghdr *message)
{
	conntrack->used += MNL_ALIGN(message->nlmsg_len);
	conntrack->count++;
}

int conntrack_mark(struct conntrack *conntrack, const struct flow *flow, uint32_t mark,
	uint32_t mask, struct err *err)
{
	char *place = next_message(conntrack, err);

	if (!place)
		return -1;
	added(conntrack, conntrack_message_mark(place, flow, mark, mask));
	return 0;
}

int conntrack_remove(struct conntrack *conntrack, const struct flow *flow, struct err *err)
{
	char *place = next_message(conntrack, err);

	if (!place)
		return -1;
	added(conntrack, conntrack_message_remove(place, flow));
	return 0;
}

/* Both in one datagram: between the two messages hardly a packet comes; one that does makes an entry of its own. */
int conntrack_turn(
	struct conntrack *conntrack, const struct flow *flow, uint32_t mask, struct err *err)
{
	struct flow other = *flow;
	struct err why = {0};

	other.original = flow->reply;
	other.reply = flow->original;
	other.mark &= ~mask;
	if (conntrack_flush(conntrack, err) < 0)
		return -1;
	for (int tries = 0; tries < TURN_TRIES; tries++) {
		added(conntrack, conntrack_message_remove(conntrack->batch, flow));
		added(conntrack,
			conntrack_message_create(conntrack->batch + conntrack->used, &other));
		if (conntrack_flush(conntrack, &why) == 0)
			return 0;
		if (why.code != EEXIST)
			break;
	}
	if (err)
		*err = why;
	return -1;
}

int conntrack_add(struct conntrack *conntrack, const struct flow *flow, struct err *err)
{
	if (conntrack_flush(conntrack, err) < 0)
		return -1;
	added(conntrack, conntrack_message_create(conntrack->batch, flow));
	return conntrack_flush(conntrack, err);
}

/* Numbers the gathered messages; the last is to be acknowledged, the others speak only when refused. */
static uint32_t number_batch(struct conntrack *conntrack)
{
	uint32_t seq = netlink_take_seq(conntrack->changes, (uint32_t)conntrack->count);
	struct nlmsghdr *message = (struct nlmsghdr *)conntrack->batch;

	for (size_t i = 1; i < conntrack->count; i++) {
		message->nlmsg_seq = seq++;
		message = (struct nlmsghdr *)((char *)message + MNL_ALIGN(message->nlmsg_len));
	}
	message->nlmsg_seq = seq;
	message->nlmsg_flags |= NLM_F_ACK;
	return seq;
}

struct answers {
	uint32_t first, last;
	bool done, failed;
	struct err *err;
};

static void take_answer(struct answers *answers, const struct nlmsghdr *message)
{
	struct netlink_refusal refusal;

	/* answers to a batch that was given up */
	if (message->nlmsg_seq < answers->first || message->nlmsg_seq > answers->last)
		return;
	answers->done |= message->nlmsg_seq == answers->last;
	if (!netlink_refusal(message, &refusal))
		refusal = (struct netlink_refusal){.code = EBADMSG, .text = ""};
	if (!refusal.code || refusal.code == ENOENT || answers->failed)
		return;
	answers->failed = true;
	err_set(answers->err, refusal.code, "change conntrack entry%s%s", *refusal.text ? ": " : "",
		refusal.text);
}

static int take_answers(struct conntrack *conntrack, struct answers *answers)
{
	while (!answers->done) {
		const void *data = NULL;
		ssize_t got = netlink_receive(conntrack->changes, true, &data, answers->err);
		const struct nlmsghdr *message = data;
		int len = (int)got;

		if (got < 0)
			return err_wrap(answers->err, "change conntrack entries");
		for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len))
			take_answer(answers, message);
	}
	return answers->failed ? -1 : 0;
}

int conntrack_flush(struct conntrack *conntrack, struct err *err)
{
	struct answers answers = {.err = err};
	size_t used = conntrack->used;

	if (!conntrack->count)
		return 0;
	answers.last = number_batch(conntrack);
	answers.first = answers.last - (uint32_t)conntrack->count + 1;
	/* whatever comes of it, it is not sent twice */
	conntrack->used = conntrack->count = 0;
	if (netlink_send(conntrack->changes, conntrack->batch, used, err) < 0)
		return err_wrap(err, "change conntrack entries");
	return take_answers(conntrack, &answers);
}

/* --- sweep ------------------------------------------------------------------------------------- */

int conntrack_sweep_begin(struct conntrack_sweep *sweep, struct conntrack *conntrack,
	const struct mark_layout *marks, uint32_t generation, struct err *err)
{
	*sweep = (struct conntrack_sweep){
		.conntrack = conntrack, .marks = *marks, .generation = generation};
	/* the kernel can look for one value, but not for any that is not 0 */
	return conntrack_list(conntrack, mark_of_generation(marks, generation),
		generation == SWEEP_ANY ? 0 : marks->mask, err);
}

static int clear_mark(const struct flow *flow, void *arg, struct err *err)
{
	struct conntrack_sweep *sweep = arg;
	uint32_t generation = mark_generation(&sweep->marks, flow->mark);

	if (!generation || generation > sweep->marks.last)
		return 0;
	if (sweep->generation != SWEEP_ANY && generation != sweep->generation)
		return 0;
	sweep->found++;
	return conntrack_mark(sweep->conntrack, flow, 0, sweep->marks.mask, err);
}

int conntrack_sweep_step(struct conntrack_sweep *sweep, struct err *err)
{
	int more = conntrack_next(sweep->conntrack, clear_mark, sweep, err);

	if (more < 0 || conntrack_flush(sweep->conntrack, err) < 0)
		return -1;
	return more;
}
