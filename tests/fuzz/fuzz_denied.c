/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages of an nflog group, from any bytes: the input is the family and then attributes. What is taken for a packet of ours
 * must become a record that Redis can carry and that reads back the same, and a line.
 */
#include "common/record.h"
#include "common/xalloc.h"
#include "enforcerd/denied.h"
#include "enforcerd/log_prefix.h"

#include <linux/netfilter/nfnetlink_log.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

enum { INPUT_MAX = 16384 };

/* Something is known of some, so that both ways are gone. */
static bool find_endpoint(
	const struct denied_party *party, struct denied_endpoint *found, void *arg)
{
	must(party->port && strlen(party->port) <= FLOW_IFNAME_MAX);
	*found = (struct denied_endpoint){"web", "net1", arg};
	return party->ip.bytes[3] & 1;
}

static bool find_interface(uint32_t index, char name[FLOW_IFNAME_MAX + 1], void *arg)
{
	(void)arg;
	snprintf(name, FLOW_IFNAME_MAX + 1, "veth%u", index % 1000);
	return index & 1;
}

static const char *find_policy(const char *text, void *arg)
{
	(void)arg;
	must(strchr(text, '~'));
	return strlen(text) & 1 ? "a/long-name" : NULL;
}

static void check_prefix(const struct nflog_packet *packet)
{
	struct log_reason reason;
	char text[LOG_PREFIX_SIZE];
	size_t len = packet->prefix_len;

	if (log_prefix_parse(packet->prefix, len, &reason, NULL) < 0)
		return;
	log_prefix_format(&reason, text);
	must(strlen(text) == len || strlen(text) + 1 == len);
	must(!memcmp(text, packet->prefix, strlen(text)));
}

static void check_record(const struct flow_record *record)
{
	cleanup_json json_t *json = flow_record_to_json(record), *decoded = NULL, *again = NULL;
	cleanup_free char *text = json_dumps(json, JSON_COMPACT);
	cleanup_strbuf struct strbuf line = {0};
	CLEANUP(flow_record) struct flow_record *read = NULL;

	must(text);
	decoded = record_decode(text, strlen(text), NULL);
	must(decoded);
	read = flow_record_from_json(decoded, NULL);
	must(read);
	again = flow_record_to_json(read);
	must(json_equal(json, again));
	flow_record_line(record, &line);
	must(line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct denied_lookup plain = {find_endpoint, find_interface, find_policy, NULL};
	struct denied_lookup lookup = plain;
	CLEANUP(labels) struct labels *labels = labels_new();
	CLEANUP(flow_record) struct flow_record *record = NULL;
	cleanup_free struct nlmsghdr *message = NULL;
	struct nflog_packet packet;
	struct nfgenmsg *header;

	if (!size || size > INPUT_MAX)
		return 0;
	/* as long as it says and no longer, for the sanitizer to watch the end */
	message = malloc(NLMSG_HDRLEN + sizeof(*header) + size - 1);
	must(message);
	*message = (struct nlmsghdr){
		.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + sizeof(*header) + size - 1),
		.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET};
	header = mnl_nlmsg_get_payload(message);
	*header = (struct nfgenmsg){.nfgen_family = data[0]};
	memcpy(header + 1, data + 1, size - 1);
	must(nflog_parse(message, &packet));
	check_prefix(&packet);
	labels_set(labels, "role", "frontend");
	lookup.arg = labels;
	record = denied_decode(
		&packet, "n1", data[0] & 1 ? MODE_AUDIT : MODE_ENFORCE, 42, &lookup, NULL);
	if (record)
		check_record(record);
	return 0;
}
