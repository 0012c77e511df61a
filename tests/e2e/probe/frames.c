/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends the frames that must not arrive, each with a token at its end, from one interface until stdin is closed.
 *
 *   frames DEV SENDER PER_SECOND NEXT-HOP-MAC BROADCAST SELF TARGET VICTIM GATEWAY ITEM=ID...
 *   frames list                                              the names of all items
 *
 * A party (SELF...GATEWAY) is MAC,IPV4,IPV6,LINK-LOCAL. PER_SECOND is for each item. At the end it prints a JSON object:
 * how many frames of each ID were handed to the interface.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forbidden.h"

enum { EXIT_WRONG_USE = 64, ORDERS_MAX = 256, PAUSE = 1000000 /* ns */ };

struct order {
	const struct item *item;
	uint8_t id;
	uint16_t serial;
	uint64_t sent;
};

static struct order orders[ORDERS_MAX];
static size_t norders;
static struct cast cast;

static void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

/* --- sending --------------------------------------------------------------------------------------- */

static void send_one(int fd, const struct sockaddr_ll *to, uint8_t sender, struct order *order)
{
	struct token token = token_now(order->id, sender, order->serial++);
	struct frame f;

	for (int part = 0; part < forbidden_parts(order->item); part++) {
		forbidden_build(&f, order->item, &cast, token, part);
		if (sendto(fd, f.data, f.len, 0, (const struct sockaddr *)to, sizeof(*to)) >= 0)
			order->sent++;
		else if (errno != ENOBUFS && errno != EINTR)
			die(forbidden_name(order->item));
	}
}

static bool stdin_closed(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char byte;

	return poll(&in, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* One frame after the other, evenly spread, so that whatever gap opens is hit by all items alike. */
static void send_all(unsigned ifindex, uint8_t sender, long per_second)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	double rate = (double)per_second * (double)norders / 1e9;
	uint64_t begun = monotonic(), done = 0, due;

	if (fd < 0)
		die("socket");
	while (!stdin_closed()) {
		due = (uint64_t)((double)(monotonic() - begun) * rate);
		/* after a stall of this process: go on, without a burst that makes up for it */
		if (due - done > norders) {
			begun = monotonic();
			done = due = 0;
		}
		for (; done < due; done++)
			send_one(fd, &to, sender, &orders[done % norders]);
		nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
	}
	close(fd);
}

/* --- arguments ------------------------------------------------------------------------------------- */

static void wrong(const char *what, const char *text)
{
	fprintf(stderr, "frames: %s: %s\n", text, what);
	exit(EXIT_WRONG_USE);
}

static long number(const char *text, long min, long max)
{
	char *rest;
	long value = strtol(text, &rest, 10);

	if (rest == text || *rest || value < min || value > max)
		wrong("not a number in range", text);
	return value;
}

static void parse_mac(const char *text, uint8_t *mac)
{
	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
		    &mac[4], &mac[5]) != ETH_ALEN)
		wrong("not a MAC", text);
}

static void parse_party(const char *text, struct party *party)
{
	char mac[64], four[64], six[64], local[64];

	if (sscanf(text, "%63[^,],%63[^,],%63[^,],%63[^,]", mac, four, six, local) != 4)
		wrong("not MAC,IPV4,IPV6,LINK-LOCAL", text);
	parse_mac(mac, party->mac);
	if (inet_pton(AF_INET, four, &party->ip) != 1 ||
		inet_pton(AF_INET6, six, &party->ip6) != 1 ||
		inet_pton(AF_INET6, local, &party->local) != 1)
		wrong("not an address", text);
}

static void add_order(const char *text)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	const struct item *item;

	for (size_t i = 0; (item = forbidden_item(i)); i++) {
		const char *name = forbidden_name(item);

		if (strlen(name) != length || strncmp(name, text, length) != 0)
			continue;
		if (norders == ORDERS_MAX)
			wrong("one too many", text);
		orders[norders++] = (struct order){
			.item = item, .id = (uint8_t)number(equals + 1, 0, UINT8_MAX)};
		return;
	}
	wrong("no such item", text);
}

static int list(void)
{
	const struct item *item;

	for (size_t i = 0; (item = forbidden_item(i)); i++)
		puts(forbidden_name(item));
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	unsigned ifindex;

	if (argc == 2 && !strcmp(argv[1], "list"))
		return list();
	if (argc < 11)
		wrong("DEV SENDER PER_SECOND NEXT-HOP-MAC BROADCAST SELF TARGET VICTIM GATEWAY ITEM=ID...",
			"wanted");
	ifindex = if_nametoindex(argv[1]);
	if (!ifindex)
		die(argv[1]);
	parse_mac(argv[4], cast.next);
	if (inet_pton(AF_INET, argv[5], &cast.broadcast) != 1)
		wrong("not an address", argv[5]);
	parse_party(argv[6], &cast.self);
	parse_party(argv[7], &cast.target);
	parse_party(argv[8], &cast.victim);
	parse_party(argv[9], &cast.gateway);
	for (int i = 10; i < argc; i++)
		add_order(argv[i]);
	send_all(ifindex, (uint8_t)number(argv[2], 0, UINT8_MAX), number(argv[3], 1, 100000));
	for (size_t i = 0; i < norders; i++)
		printf("%s\"%d\": %" PRIu64, i ? ", " : "{", orders[i].id, orders[i].sent);
	puts("}");
	return EXIT_SUCCESS;
}
