/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lifecycle, and the words for people. */
#include "common/flow_record.h"

#include "common/xalloc.h"

#include <string.h>
#include <time.h>

enum { US_PER_SECOND = 1000000 };

struct flow_record *flow_record_new(void)
{
	struct flow_record *record = xcalloc(1, sizeof(*record));

	record->direction = DIR_COUNT;
	record->rule = record->ethertype = record->protocol = FLOW_NONE;
	record->icmp_type = record->icmp_code = record->vlan = record->tcp_flags = FLOW_NONE;
	record->source.port = record->destination.port = record->published_port = FLOW_NONE;
	return record;
}

static void end_clear(struct flow_end *end)
{
	free(end->container);
	free(end->network);
	labels_free(end->labels);
}

void flow_record_free(struct flow_record *record)
{
	if (!record)
		return;
	end_clear(&record->source);
	end_clear(&record->destination);
	free(record->policy);
	free(record->node);
	free(record);
}

/* --- words ----------------------------------------------------------------------------------------- */

/* %s: " of policy x", with its rule where there is one, or nothing. */
static const struct {
	const char *what, *reason;
} reasons[] = {
	{"deny", "denied by rule%s"},
	{"end", "no rule%s allows it"},
	{"pass", "passed by rule%s, and nothing after it allows it"},
	{"log", "logged by rule%s"},
	{"staged", "staged: denied by rule%s, were it in force"},
	{"invalid", "belongs to no connection%s"},
	{"untracked", "not seen by connection tracking%s"},
	{"midstream", "TCP without a beginning%s"},
	{"strict", "not a known endpoint of a strict network%s"},
	{"spoofed", "this port does not own the address%s"},
	{"port", "not a frame that this port may carry%s"},
	{"host", "this host is closed to containers%s"},
	{"published", "published port not open to this client%s"},
	{"contested", "two other nodes claim the address%s"},
	{"condemned", "its connection was denied%s"},
};

static void add_policy(const struct flow_record *record, struct strbuf *out)
{
	if (record->rule != FLOW_NONE)
		strbuf_addf(out, " %d", record->rule);
	if (record->policy)
		strbuf_addf(out, " of policy %s", record->policy);
}

void flow_record_reason(const struct flow_record *record, struct strbuf *out)
{
	cleanup_strbuf struct strbuf policy = {0};
	const char *format = NULL;

	add_policy(record, &policy);
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons) && !format; i++)
		if (!strcmp(reasons[i].what, record->what))
			format = reasons[i].reason;
	/* a newer enforcerd's word */
	if (!format)
		strbuf_addf(out, "%s%s", record->what, policy.len ? policy.text : "");
	else
		strbuf_addf(out, format, policy.len ? policy.text : "");
}

static void add_address(const struct ip *ip, int port, struct strbuf *out)
{
	char text[IP_TEXT_MAX];

	ip_format(ip, text);
	if (port == FLOW_NONE)
		strbuf_add(out, text);
	else
		strbuf_addf(out, ip->family == 6 ? "[%s]:%d" : "%s:%d", text, port);
}

static void add_end(const struct flow_end *end, struct strbuf *out)
{
	cleanup_strbuf struct strbuf address = {0};
	const uint8_t *m = end->mac;

	if (end->ip.family)
		add_address(&end->ip, end->port, &address);
	else if (end->has_mac)
		strbuf_addf(&address, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
			m[5]);
	else
		strbuf_add(&address, "?");
	if (end->container)
		strbuf_addf(out, "%s (%s)", end->container, address.text);
	else
		strbuf_add(out, address.text);
}

static void add_protocol(const struct flow_record *record, struct strbuf *out)
{
	const char *name = record->protocol > 0 ? protocol_name(record->protocol) : NULL;

	if (record->ethertype == 0x0806)
		strbuf_add(out, "arp");
	else if (name)
		strbuf_add(out, name);
	else if (record->protocol != FLOW_NONE)
		strbuf_addf(out, "protocol %d", record->protocol);
	else if (record->ethertype != FLOW_NONE)
		strbuf_addf(out, "ethertype 0x%04x", (unsigned)record->ethertype);
	else
		strbuf_add(out, "unknown");
	if (record->icmp_type != FLOW_NONE)
		strbuf_addf(out, " type %d code %d", record->icmp_type, record->icmp_code);
	if (record->vlan != FLOW_NONE)
		strbuf_addf(out, " vlan %d", record->vlan);
	if (record->fragment)
		strbuf_add(out, " fragment");
}

static const char *verdict(const struct flow_record *record)
{
	if (!record->denied)
		return "logged";
	return record->mode == MODE_AUDIT ? "would deny" : "denied";
}

void flow_record_line(const struct flow_record *record, struct strbuf *out)
{
	strbuf_addf(out, "%s ", verdict(record));
	if (record->direction < DIR_COUNT)
		strbuf_addf(out, "%s ", policy_direction_name(record->direction));
	add_protocol(record, out);
	strbuf_add(out, " ");
	add_end(&record->source, out);
	strbuf_add(out, " -> ");
	add_end(&record->destination, out);
	if (record->published_ip.family) {
		strbuf_add(out, ", published as ");
		add_address(&record->published_ip, record->published_port, out);
	}
	strbuf_add(out, ": ");
	flow_record_reason(record, out);
	if (record->suppressed)
		strbuf_addf(out, " (%lld like it untold)", record->suppressed);
}

const char *flow_time_format(long long time_us, char text[FLOW_TIME_SIZE])
{
	time_t seconds = (time_t)(time_us / US_PER_SECOND);
	char date[FLOW_TIME_SIZE] = "";
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(date, sizeof(date), "1970-01-01T00:00:00");
	snprintf(text, FLOW_TIME_SIZE, "%.22s.%06dZ", date, (int)(time_us % US_PER_SECOND));
	return text;
}
