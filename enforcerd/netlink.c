/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/netlink.h"

#include "common/xalloc.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* a datagram of a dump is at most 32 KiB in every kernel so far */
	RECEIVE_SIZE = 1 << 17,
	/* of the kernel's queue to us: a refused batch of 100,000 messages is 100,000 answers */
	QUEUE_SIZE = 1 << 24,
	/* netlink_sendmsg() wants this much more than the data */
	SEND_SLACK = 4096
};

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
	size_t send_size; /* what the send buffer is known to take */
	bool listening;
	alignas(struct nlmsghdr) char buffer[RECEIVE_SIZE];
};

/* The forced form needs CAP_NET_ADMIN, which the daemon has; without it the plain one does what it may. */
static void set_buffer(int fd, int forced, int plain, int size)
{
	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

struct netlink *netlink_open(int bus, struct err *err)
{
	CLEANUP(netlink) struct netlink *netlink = xcalloc(1, sizeof(*netlink));
	const struct timeval limit = {.tv_sec = NETLINK_SECONDS};
	int on = 1;
	int fd;

	netlink->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!netlink->socket || mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		err_set(err, errno, "open netlink socket");
		return NULL;
	}
	fd = netlink_fd(netlink);
	/* older kernels lack these two: then refusals are told without the kernel's words */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, QUEUE_SIZE);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0) {
		err_set(err, errno, "set time limit of netlink socket");
		return NULL;
	}
	return steal_ptr(netlink);
}

void netlink_close(struct netlink *netlink)
{
	if (!netlink)
		return;
	if (netlink->socket)
		mnl_socket_close(netlink->socket);
	free(netlink);
}

int netlink_fd(const struct netlink *netlink)
{
	return mnl_socket_get_fd(netlink->socket);
}

uint32_t netlink_portid(const struct netlink *netlink)
{
	return mnl_socket_get_portid(netlink->socket);
}

uint32_t netlink_take_seq(struct netlink *netlink, uint32_t count)
{
	uint32_t first;

	if (netlink->seq > UINT32_MAX - count)
		netlink->seq = 0;
	first = netlink->seq + 1;
	netlink->seq += count;
	return first;
}

int netlink_listen(struct netlink *netlink, unsigned group, struct err *err)
{
	if (setsockopt(netlink_fd(netlink), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		    sizeof(group)) < 0)
		return err_set(err, errno, "join netlink group %u", group);
	netlink->listening = true;
	return 0;
}

int netlink_ignore(struct netlink *netlink, unsigned group, struct err *err)
{
	if (setsockopt(netlink_fd(netlink), SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group,
		    sizeof(group)) < 0)
		return err_set(err, errno, "leave netlink group %u", group);
	return 0;
}

int netlink_send(struct netlink *netlink, const void *data, size_t len, struct err *err)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int fd = netlink_fd(netlink);
	ssize_t sent;

	if (len > INT32_MAX / 2 - SEND_SLACK)
		return err_set(err, EMSGSIZE, "send %zu bytes to the kernel", len);
	if (len > netlink->send_size) {
		set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, (int)len + SEND_SLACK);
		netlink->send_size = len;
	}
	do
		sent = sendto(fd, data, len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)len)
		return 0;
	return err_set(err, sent < 0 ? errno : EIO, "send %zu bytes to the kernel in one message%s",
		len, sent < 0 && errno == EMSGSIZE ? " (larger than the socket's buffer)" : "");
}

/* Port 0 is the kernel's; an event may carry the port of whoever caused it. Only root can send either. */
static bool from_kernel(const struct netlink *netlink, const struct sockaddr_nl *from)
{
	return from->nl_pid == 0 || (netlink->listening && from->nl_groups != 0);
}

ssize_t netlink_receive(struct netlink *netlink, bool wait, const void **data, struct err *err)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {netlink->buffer, sizeof(netlink->buffer)};
	struct msghdr header = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	int flags = wait && !netlink->listening ? 0 : MSG_DONTWAIT;
	ssize_t len;

	do
		len = recvmsg(netlink_fd(netlink), &header, flags);
	while ((len < 0 && errno == EINTR) || (len >= 0 && !from_kernel(netlink, &from)));
	if (len < 0 && errno == EAGAIN)
		return flags ? 0 : err_set(err, ETIMEDOUT, "receive from the kernel");
	if (len < 0)
		return err_set(err, errno, "receive from the kernel");
	if (header.msg_flags & MSG_TRUNC)
		return err_set(err, ENOBUFS, "receive from the kernel: message cut off");
	*data = netlink->buffer;
	return len;
}

static void read_refusal_attr(const struct nlattr *attr, struct netlink_refusal *refusal)
{
	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		refusal->text = mnl_attr_get_str(attr);
	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
		mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		refusal->offset = mnl_attr_get_u32(attr);
}

bool netlink_refusal(const struct nlmsghdr *message, struct netlink_refusal *refusal)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
	size_t offset = sizeof(*body);
	const struct nlattr *attr;

	if (message->nlmsg_type != NLMSG_ERROR || mnl_nlmsg_get_payload_len(message) < offset)
		return false;
	*refusal = (struct netlink_refusal){
		.seq = message->nlmsg_seq, .code = -body->error, .text = ""};
	if (!(message->nlmsg_flags & NLM_F_ACK_TLVS))
		return true;
	/* the refused message is repeated in full unless NETLINK_CAP_ACK was understood */
	if (!(message->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(body->msg.nlmsg_len) - MNL_NLMSG_HDRLEN;
	if (offset > mnl_nlmsg_get_payload_len(message))
		return true;
	for (attr = attr_first(message, offset); attr; attr = attr_next(message, attr))
		read_refusal_attr(attr, refusal);
	return true;
}

enum progress { MORE, DONE, AGAIN, FAILED };

struct answer {
	uint32_t seq;
	bool interrupted;
	netlink_fn *fn;
	void *arg;
	struct err *err;
};

static enum progress take_message(struct answer *answer, const struct nlmsghdr *message)
{
	struct netlink_refusal refusal;

	/* answers to an earlier request that was given up */
	if (message->nlmsg_seq != answer->seq)
		return MORE;
	answer->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (message->nlmsg_type == NLMSG_DONE)
		return answer->interrupted ? AGAIN : DONE;
	if (message->nlmsg_type != NLMSG_ERROR)
		return answer->fn && answer->fn(message, answer->arg, answer->err) < 0 ? FAILED
										       : MORE;
	if (!netlink_refusal(message, &refusal)) {
		err_set(answer->err, EBADMSG, "read the kernel's answer");
		return FAILED;
	}
	if (!refusal.code)
		return DONE;
	if (refusal.code == EINTR)
		return AGAIN;
	err_set(answer->err, refusal.code, "%s", *refusal.text ? refusal.text : "refused");
	return FAILED;
}

static enum progress take_answer(struct netlink *netlink, struct answer *answer)
{
	enum progress progress = MORE;

	while (progress == MORE) {
		const void *data = NULL;
		ssize_t got = netlink_receive(netlink, true, &data, answer->err);
		const struct nlmsghdr *message = data;
		int len = (int)got;

		if (got < 0)
			return FAILED;
		for (; progress == MORE && mnl_nlmsg_ok(message, len);
			message = mnl_nlmsg_next(message, &len))
			progress = take_message(answer, message);
	}
	return progress;
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request, netlink_fn *fn,
	void (*restart)(void *arg), void *arg, struct err *err)
{
	for (int tries = 0; tries < NETLINK_DUMP_TRIES; tries++) {
		struct answer answer = {
			.seq = netlink_take_seq(netlink, 1), .fn = fn, .arg = arg, .err = err};
		enum progress progress;

		if (tries && restart)
			restart(arg);
		request->nlmsg_seq = answer.seq;
		if (netlink_send(netlink, request, request->nlmsg_len, err) < 0)
			return -1;
		progress = take_answer(netlink, &answer);
		if (progress != AGAIN)
			return progress == DONE ? 0 : -1;
	}
	return err_set(err, EINTR, "list what the kernel has: it kept changing");
}
