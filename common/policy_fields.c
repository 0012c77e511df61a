/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words, numbers and names that may stand in a policy: tables and checks of single values. */
#include "common/policy.h"

#include <ctype.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum { SHOWN_MAX = 64 }; /* of a refused value, in an error */

static const char *const actions[] = {
	[ACTION_ALLOW] = "allow",
	[ACTION_DENY] = "deny",
	[ACTION_LOG] = "log",
	[ACTION_PASS] = "pass",
};

static const char *const directions[DIR_COUNT] = {
	[DIR_INGRESS] = "ingress",
	[DIR_EGRESS] = "egress",
};

static const struct protocol {
	const char *name;
	int number;
	int ip_version; /* that the name implies, or 0 */
} protocols[] = {
	{"tcp", 6, 0},
	{"udp", 17, 0},
	{"icmp", 1, 4},
	{"icmpv6", 58, 6},
	{"sctp", 132, 0},
	{"udplite", 136, 0},
};

/* Index of word in table, or -1. */
static int find_word(const char *const *table, size_t count, const char *word)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(table[i], word))
			return (int)i;
	return -1;
}

bool policy_action_parse(const char *word, enum policy_action *action)
{
	int i = find_word(actions, COUNT(actions), word);

	if (i < 0)
		return false;
	*action = (enum policy_action)i;
	return true;
}

const char *policy_action_name(enum policy_action action)
{
	return actions[action];
}

bool policy_direction_parse(const char *word, enum policy_direction *dir)
{
	int i = find_word(directions, COUNT(directions), word);

	if (i < 0)
		return false;
	*dir = (enum policy_direction)i;
	return true;
}

const char *policy_direction_name(enum policy_direction dir)
{
	return directions[dir];
}

int policy_name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (!len)
		return err_set(err, 0, "bad name: must not be empty");
	if (len > POLICY_NAME_MAX)
		return err_set(err, 0,
			"bad name \"%.*s...\": %zu characters, at most %d are allowed", SHOWN_MAX,
			name, len, POLICY_NAME_MAX);
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_./-", *p))
			return err_set(err, 0,
				"bad name at character %zu: only letters, digits and _ . / - are allowed",
				(size_t)(p - name) + 1);
	return 0;
}

/* Decimal digits only, without sign, blanks or leading zeros (which some read as octal); -1 if it is not that. */
static int parse_number(const char *text, size_t len, int max)
{
	int n = 0;

	if (!len || (len > 1 && *text == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		n = n * 10 + (text[i] - '0');
		if (n > max)
			return -1;
	}
	return n;
}

int protocol_parse(const char *text, int *protocol, int *ip_version, struct err *err)
{
	int n = parse_number(text, strlen(text), 255);

	for (size_t i = 0; i < COUNT(protocols); i++) {
		if (strcmp(protocols[i].name, text) != 0)
			continue;
		*protocol = protocols[i].number;
		if (protocols[i].ip_version)
			*ip_version = protocols[i].ip_version;
		return 0;
	}
	if (n < 1)
		return err_set(err, 0,
			"bad protocol \"%.*s\": must be tcp, udp, icmp, icmpv6, sctp, udplite or 1..255",
			SHOWN_MAX, text);
	*protocol = n;
	return 0;
}

bool protocol_has_ports(int protocol)
{
	static const int with_ports[] = {6, 17, 132}; /* tcp, udp, sctp */

	for (size_t i = 0; i < COUNT(with_ports); i++)
		if (with_ports[i] == protocol)
			return true;
	return false;
}

const char *protocol_name(int protocol)
{
	for (size_t i = 0; i < COUNT(protocols); i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

int port_range_parse(const char *text, struct port_range *range, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t len = strlen(text);
	int first = parse_number(text, colon ? (size_t)(colon - text) : len, UINT16_MAX);
	int last = colon ? parse_number(colon + 1, strlen(colon + 1), UINT16_MAX) : first;

	if (first < 1 || last < 1)
		return err_set(err, 0,
			"bad port \"%.*s\": must be 1..65535 or a range FIRST:LAST of them",
			SHOWN_MAX, text);
	if (first > last)
		return err_set(err, 0, "bad port range \"%s\": %d is above %d", text, first, last);
	*range = (struct port_range){(uint16_t)first, (uint16_t)last};
	return 0;
}
