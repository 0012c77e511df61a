/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/ip.h"

#include <arpa/inet.h>
#include <string.h>

static unsigned max_bits(const struct ip *ip)
{
	return ip->family == 4 ? 32 : 128;
}

int ip_parse(const char *text, struct ip *ip, struct err *err)
{
	struct ip parsed = {.family = 4};

	if (inet_pton(AF_INET, text, parsed.bytes) != 1) {
		parsed = (struct ip){.family = 6};
		if (inet_pton(AF_INET6, text, parsed.bytes) != 1)
			return err_set(err, 0, "\"%.64s\" is not an IP address", text);
	}
	*ip = parsed;
	return 0;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_MAX])
{
	text[0] = '\0';
	if (ip->family)
		inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, text, IP_TEXT_MAX);
	return text;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

size_t ip_len(const struct ip *ip)
{
	return ip->family == 4 ? 4 : 16;
}

/* Digits only, no sign, no leading zero but "0" itself. */
static bool parse_bits(const char *text, unsigned max, uint8_t *bits)
{
	unsigned value = 0;
	size_t len = strspn(text, "0123456789");

	if (!len || len > 3 || text[len] || (len > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*bits = (uint8_t)value;
	return value <= max;
}

int cidr_parse(const char *text, struct cidr *cidr, struct err *err)
{
	const char *slash = strchr(text, '/');
	char address[IP_TEXT_MAX];
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct cidr parsed = {0};

	if (len >= sizeof(address))
		return err_set(err, 0, "\"%.64s\" is not a CIDR block", text);
	memcpy(address, text, len);
	address[len] = '\0';
	if (ip_parse(address, &parsed.ip, NULL) < 0)
		return err_set(err, 0, "\"%.64s\" is not a CIDR block: bad address", text);
	parsed.bits = (uint8_t)max_bits(&parsed.ip);
	if (slash && !parse_bits(slash + 1, max_bits(&parsed.ip), &parsed.bits))
		return err_set(err, 0,
			"\"%.64s\" is not a CIDR block: prefix length is not in 0..%u", text,
			max_bits(&parsed.ip));
	*cidr = parsed;
	return 0;
}

const char *cidr_format(const struct cidr *cidr, char text[CIDR_TEXT_MAX])
{
	char address[IP_TEXT_MAX];

	snprintf(text, CIDR_TEXT_MAX, "%s/%u", ip_format(&cidr->ip, address), cidr->bits);
	return text;
}

/* The block's bytes with every host bit set to fill's bits. */
static struct ip fill_host_bits(const struct cidr *cidr, uint8_t fill)
{
	struct ip ip = cidr->ip;

	for (size_t i = 0; i < ip_len(&ip); i++) {
		unsigned bits = cidr->bits > i * 8 ? cidr->bits - (unsigned)i * 8 : 0;
		uint8_t mask = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);

		ip.bytes[i] = (uint8_t)((ip.bytes[i] & mask) | (fill & ~mask));
	}
	return ip;
}

struct cidr cidr_mask(const struct cidr *cidr)
{
	return (struct cidr){.ip = fill_host_bits(cidr, 0), .bits = cidr->bits};
}

void cidr_range(const struct cidr *cidr, struct ip *first, struct ip *last)
{
	*first = fill_host_bits(cidr, 0);
	*last = fill_host_bits(cidr, 0xff);
}

bool cidr_contains(const struct cidr *cidr, const struct ip *ip)
{
	struct cidr other = {.ip = *ip, .bits = cidr->bits};
	struct ip a = fill_host_bits(cidr, 0), b = fill_host_bits(&other, 0);

	return ip_equal(&a, &b);
}

bool cidr_covers(const struct cidr *outer, const struct cidr *inner)
{
	return outer->bits <= inner->bits && cidr_contains(outer, &inner->ip);
}

int cidr_cmp(const struct cidr *a, const struct cidr *b)
{
	int order = ip_cmp(&a->ip, &b->ip);

	return order ? order : (int)a->bits - (int)b->bits;
}
