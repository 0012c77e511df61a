/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/denied.h"

#include "common/xalloc.h"
#include "enforcerd/log_prefix.h"
#include "tests/unit/enforcerd/nflog_fixture.h"

#include <linux/netfilter.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* IPv4 from 172.18.0.3 to 172.18.0.2; the caller gives flags-and-offset and protocol. */
#define IPV4(fragment, protocol) \
	"45 00 00 40 00 01" fragment "40" protocol "00 00 ac 12 00 03 ac 12 00 02"
#define IPV6(next)                                        \
	"60 00 00 00 00 20" next "40"                     \
	"fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 03" \
	"fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02"
#define PORTS "b2 6e 0c ea" /* 45678, 3306 */
#define ARP   "00 01 08 00 06 04 00 01 02 00 00 00 00 03 ac 12 00 03 00 00 00 00 00 00 ac 12 00 02"

/* --- a world of two endpoints ------------------------------------------------------------------------ */

static struct labels *web_labels;

static bool find_endpoint(
	const struct denied_party *party, struct denied_endpoint *found, void *arg)
{
	static const char *const addresses[][2] = {
		{"172.18.0.3", "fd00::3"}, {"172.18.0.2", "fd00::2"}};
	static const char *const ports[] = {"veth3", "veth2"};
	static const char *const names[] = {"web", "db"};
	char text[IP_TEXT_MAX];

	(void)arg;
	ip_format(&party->ip, text);
	for (size_t i = 0; i < COUNT(names); i++) {
		if (strcmp(text, addresses[i][0]) != 0 && strcmp(text, addresses[i][1]) != 0 &&
			(party->ip.family || strcmp(party->port, ports[i]) != 0))
			continue;
		found->container = names[i];
		found->network = "net1";
		found->labels = i == 0 ? web_labels : NULL;
		return true;
	}
	return false;
}

static bool find_interface(uint32_t index, char name[FLOW_IFNAME_MAX + 1], void *arg)
{
	(void)arg;
	snprintf(name, FLOW_IFNAME_MAX + 1, index == 1 ? "br-net1" : "veth%u", index);
	return index != 99;
}

static char long_name[POLICY_NAME_MAX + 1];

static const char *find_policy(const char *text, void *arg)
{
	char cut[POLICY_NAME_MAX + 1];

	(void)arg;
	return strcmp(text, log_policy_text(long_name, cut)) ? NULL : long_name;
}

static const struct denied_lookup lookup = {find_endpoint, find_interface, find_policy, NULL};

static void setup(void)
{
	web_labels = labels_new();
	labels_set(web_labels, "role", "frontend");
	memset(long_name, 'p', POLICY_NAME_MAX);
}

static void teardown(void)
{
	labels_free(web_labels);
}

static struct flow_record *decode_in(enum mode mode)
{
	struct nflog_packet packet;
	struct err err = {0};
	struct flow_record *record;

	ck_assert(nflog_parse(message, &packet));
	record = denied_decode(&packet, "n1", mode, 42, &lookup, &err);
	ck_assert_msg(record != NULL, "%s", err.text);
	return record;
}

static void expect_line(const char *line)
{
	CLEANUP(flow_record) struct flow_record *record = decode_in(MODE_ENFORCE);
	cleanup_strbuf struct strbuf out = {0};

	flow_record_line(record, &out);
	ck_assert_str_eq(out.text, line);
}

/* --- packets ----------------------------------------------------------------------------------------- */

#define END  "bulkhead ingress end database"
#define WHO4 "web (172.18.0.3) -> db (172.18.0.2)"
#define WHY  ": no rule of policy database allows it"

static const struct {
	uint16_t ethertype;
	const char *payload, *line;
	bool fragment, truncated;
} packets[] = {
	{0x0800, IPV4("40 00", "06") PORTS "00",
		"denied ingress tcp web (172.18.0.3:45678) -> db (172.18.0.2:3306)" WHY},
	{0, IPV4("40 00", "11") PORTS,
		"denied ingress udp web (172.18.0.3:45678) -> db (172.18.0.2:3306)" WHY},
	{0x0800, IPV4("00 00", "84") PORTS,
		"denied ingress sctp web (172.18.0.3:45678) -> db (172.18.0.2:3306)" WHY},
	{0x0800, IPV4("00 00", "01") "08 00", "denied ingress icmp type 8 code 0 " WHO4 WHY},
	{0x0800, IPV4("00 00", "2f"), "denied ingress protocol 47 " WHO4 WHY},
	/* the first fragment has ports, later ones have not */
	{0x0800, IPV4("20 00", "11") PORTS,
		"denied ingress udp fragment web (172.18.0.3:45678) -> db (172.18.0.2:3306)" WHY,
		true, false},
	{0x0800, IPV4("00 b9", "11") PORTS, "denied ingress udp fragment " WHO4 WHY, true, false},
	/* options before the ports */
	{0x0800, "46 00 00 44 00 01 00 00 40 06 00 00 ac 12 00 03 ac 12 00 02 01 01 01 01" PORTS,
		"denied ingress tcp web (172.18.0.3:45678) -> db (172.18.0.2:3306)" WHY},
	/* cut off, or lying about their length */
	{0x0800, IPV4("00 00", "06") "b2 6e 0c", "denied ingress tcp " WHO4 WHY, false, true},
	{0x0800, IPV4("00 00", "01") "08", "denied ingress icmp " WHO4 WHY, false, true},
	{0x0800, "4f 00 00 44 00 01 00 00 40 06 00 00 ac 12 00 03 ac 12 00 02" PORTS,
		"denied ingress tcp " WHO4 WHY, false, true},
	{0x0800, "44 00 00 44 00 01 00 00 40 06 00 00 ac 12 00 03 ac 12 00 02" PORTS,
		"denied ingress ethertype 0x0800 ? -> ?" WHY, false, true},
	{0x0800, "65 00 00 44 00 01 00 00 40 06 00 00 ac 12 00 03 ac 12 00 02" PORTS,
		"denied ingress ethertype 0x0800 ? -> ?" WHY, false, true},
	{0x0800, "45", "denied ingress ethertype 0x0800 ? -> ?" WHY, false, true},
	{0x0800, "", "denied ingress ethertype 0x0800 ? -> ?" WHY, false, true},
	/* IPv6, with what may stand between */
	{0x86dd, IPV6("06") PORTS,
		"denied ingress tcp web ([fd00::3]:45678) -> db ([fd00::2]:3306)" WHY},
	{0x86dd, IPV6("3a") "80 00",
		"denied ingress icmpv6 type 128 code 0 web (fd00::3) -> db (fd00::2)" WHY},
	{0x86dd, IPV6("3b"), "denied ingress protocol 59 web (fd00::3) -> db (fd00::2)" WHY},
	{0x86dd,
		IPV6("00") "2b 00 00 00 00 00 00 00"
			   "3c 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
			   "33 00 00 00 00 00 00 00"
			   "11 04 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
			   "00 00 00 00 00 00 00 00" PORTS,
		"denied ingress udp web ([fd00::3]:45678) -> db ([fd00::2]:3306)" WHY},
	{0x86dd, IPV6("2c") "11 00 00 01 00 00 00 01" PORTS,
		"denied ingress udp fragment web ([fd00::3]:45678) -> db ([fd00::2]:3306)" WHY,
		true, false},
	{0x86dd, IPV6("2c") "11 00 00 b8 00 00 00 01" PORTS,
		"denied ingress udp fragment web (fd00::3) -> db (fd00::2)" WHY, true, false},
	{0x86dd, IPV6("00") "06 ff 00 00",
		"denied ingress protocol 0 web (fd00::3) -> db (fd00::2)" WHY, false, true},
	{0x86dd, IPV6("00") "06", "denied ingress protocol 0 web (fd00::3) -> db (fd00::2)" WHY,
		false, true},
	{0x86dd, IPV6("2c") "11 00 00",
		"denied ingress protocol 44 web (fd00::3) -> db (fd00::2)" WHY, false, true},
	{0x86dd, "60 00 00 00 00 20 06 40 fd 00", "denied ingress ethertype 0x86dd ? -> ?" WHY,
		false, true},
	{0x0806, ARP, "denied ingress arp " WHO4 WHY},
	{0x0806, "00 01 08 00 06 04 00 01", "denied ingress arp ? -> ?" WHY, false, true},
	{0x0806, "00 06" ARP, "denied ingress arp ? -> ?" WHY},
	{0x88b5, "45 00 00 40", "denied ingress ethertype 0x88b5 ? -> ?" WHY},
};

START_TEST(test_packets)
{
	begin_message(packets[_i].ethertype == 0x86dd ? NFPROTO_IPV6 : NFPROTO_IPV4);
	if (packets[_i].ethertype)
		add_ethertype(packets[_i].ethertype);
	add_text(NFULA_PREFIX, END);
	add_payload(packets[_i].payload);
	expect_line(packets[_i].line);
	{
		CLEANUP(flow_record) struct flow_record *record = decode_in(MODE_ENFORCE);

		ck_assert_int_eq(record->fragment, packets[_i].fragment);
		ck_assert_int_eq(record->truncated, packets[_i].truncated);
	}
}
END_TEST

/* A chain of headers that never ends, as long as a message may be. */
START_TEST(test_headers_without_end)
{
	uint8_t bytes[4096];
	size_t len = from_hex(IPV6("3c"), bytes);
	struct nflog_packet packet = {.family = NFPROTO_IPV6,
		.prefix = END,
		.prefix_len = sizeof(END),
		.payload = bytes,
		.payload_len = sizeof(bytes),
		.vlan = -1};
	CLEANUP(flow_record) struct flow_record *record = NULL;

	memset(bytes + len, 0, sizeof(bytes) - len);
	for (size_t at = len; at < sizeof(bytes); at += 8)
		bytes[at] = 0x3c;
	record = denied_decode(&packet, "n1", MODE_ENFORCE, 42, &lookup, NULL);
	ck_assert_ptr_nonnull(record);
	ck_assert(record->truncated);
	ck_assert_int_eq(record->protocol, 0x3c);
}
END_TEST

/* --- where and who ----------------------------------------------------------------------------------- */

/* As far as the packet has them. */
START_TEST(test_tcp_flags)
{
	static const struct {
		const char *payload;
		int flags;
	} cases[] = {
		{IPV4("40 00", "06") PORTS "00 00 00 01 00 00 00 02 80 18", 0x18},
		{IPV6("06") PORTS "00 00 00 01 00 00 00 02 80 12", 0x12},
		{IPV4("40 00", "06") PORTS "00 00 00 01 00 00 00 02 80", FLOW_NONE},
		{IPV4("00 b9", "06") PORTS "00 00 00 01 00 00 00 02 80 18", FLOW_NONE},
		{IPV4("40 00", "11") PORTS "00 00 00 01 00 00 00 02 80 18", FLOW_NONE},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(flow_record) struct flow_record *record = NULL;

		begin_message(*cases[i].payload == '6' ? NFPROTO_IPV6 : NFPROTO_IPV4);
		add_text(NFULA_PREFIX, END);
		add_payload(cases[i].payload);
		record = decode_in(MODE_ENFORCE);
		ck_assert_int_eq(record->tcp_flags, cases[i].flags);
	}
}
END_TEST

START_TEST(test_record_of_a_bridged_frame)
{
	CLEANUP(flow_record) struct flow_record *r = NULL;

	begin_message(NFPROTO_BRIDGE);
	add_ethertype(0x0800);
	add_text(NFULA_PREFIX, "bulkhead egress deny frontend[2]");
	add_index(NFULA_IFINDEX_INDEV, 1);
	add_index(NFULA_IFINDEX_PHYSINDEV, 3);
	add_index(NFULA_IFINDEX_PHYSOUTDEV, 99); /* gone */
	add_ethernet("\x02\0\0\0\0\x02", "\x02\0\0\0\0\x03", 0x0800);
	add_payload(IPV4("40 00", "06") PORTS);
	r = decode_in(MODE_ENFORCE);
	ck_assert_str_eq(r->node, "n1");
	ck_assert_int_eq(r->time_us, 42);
	ck_assert(r->denied);
	ck_assert_str_eq(r->what, "deny");
	ck_assert_int_eq(r->direction, DIR_EGRESS);
	ck_assert_str_eq(r->policy, "frontend");
	ck_assert_int_eq(r->rule, 2);
	ck_assert_str_eq(r->in, "br-net1");
	ck_assert_str_eq(r->out, "");
	ck_assert_str_eq(r->in_port, "veth3");
	ck_assert_str_eq(r->out_port, "");
	ck_assert_uint_eq(r->source.mac[5], 3);
	ck_assert_uint_eq(r->destination.mac[5], 2);
	ck_assert_str_eq(r->source.container, "web");
	ck_assert_str_eq(r->source.network, "net1");
	ck_assert_str_eq(labels_get(r->source.labels, "role"), "frontend");
	ck_assert_str_eq(r->destination.container, "db");
	ck_assert_ptr_null(r->destination.labels);
}
END_TEST

/* The address is the victim's: named is who sent it. */
START_TEST(test_a_spoofer_is_known_by_its_port)
{
	CLEANUP(flow_record) struct flow_record *r = NULL;

	begin_message(NFPROTO_BRIDGE);
	add_ethertype(0x0806);
	add_text(NFULA_PREFIX, "bulkhead egress spoofed");
	add_index(NFULA_IFINDEX_PHYSINDEV, 2);
	add_payload(ARP);
	r = decode_in(MODE_ENFORCE);
	ck_assert_str_eq(r->source.container, "db");
}
END_TEST

/* A client of a published port, in either direction of its flow. */
static void add_published_flow(const char *payload)
{
	struct nlattr *nest;

	begin_message(NFPROTO_IPV4);
	add_ethertype(0x0800);
	add_text(NFULA_PREFIX, END);
	nest = mnl_attr_nest_start(message, NFULA_CT);
	add_tuple(CTA_TUPLE_ORIG, "198.51.100.1", "192.0.2.1", 6, 5000, 13306);
	add_tuple(CTA_TUPLE_REPLY, "172.18.0.2", "198.51.100.1", 6, 3306, 5000);
	mnl_attr_nest_end(message, nest);
	add_ethernet("\x02\0\0\0\0\x02", "\x02\0\0\0\0\x03", 0x0800);
	add_payload(payload);
}

START_TEST(test_a_flow_behind_a_published_port)
{
	static const char line[] = "denied ingress tcp 198.51.100.1:5000 -> db (172.18.0.2:3306), "
				   "published as 192.0.2.1:13306" WHY;

	add_published_flow(
		"45 00 00 40 00 01 00 00 40 06 00 00 c6 33 64 01 ac 12 00 02 13 88 0c ea");
	expect_line(line);
	{
		CLEANUP(flow_record) struct flow_record *r = decode_in(MODE_ENFORCE);

		ck_assert(r->source.has_mac);
	}
	/* a reply: the same flow, but the frame's MACs are the other way round */
	add_published_flow(
		"45 00 00 40 00 01 00 00 40 06 00 00 ac 12 00 02 c6 33 64 01 0c ea 13 88");
	expect_line(line);
	{
		CLEANUP(flow_record) struct flow_record *r = decode_in(MODE_ENFORCE);

		ck_assert(!r->source.has_mac && !r->destination.has_mac);
	}
}
END_TEST

/* Guards judge the packet, whatever flow it claims to be of. */
START_TEST(test_a_guard_tells_the_packet)
{
	CLEANUP(flow_record) struct flow_record *r = NULL;
	struct nlattr *nest;

	begin_message(NFPROTO_IPV4);
	add_text(NFULA_PREFIX, "bulkhead egress invalid");
	nest = mnl_attr_nest_start(message, NFULA_CT);
	add_tuple(CTA_TUPLE_ORIG, "198.51.100.1", "192.0.2.1", 6, 5000, 13306);
	add_tuple(CTA_TUPLE_REPLY, "172.18.0.2", "198.51.100.1", 6, 3306, 5000);
	mnl_attr_nest_end(message, nest);
	add_payload(IPV4("40 00", "06") PORTS);
	r = decode_in(MODE_ENFORCE);
	ck_assert_int_eq(r->source.port, 45678);
	ck_assert_int_eq(r->published_ip.family, 0);
	ck_assert_str_eq(r->source.container, "web");
}
END_TEST

/* --- why --------------------------------------------------------------------------------------------- */

START_TEST(test_mode_and_denial)
{
	static const struct {
		const char *prefix;
		enum mode node, mode;
		bool denied;
	} cases[] = {
		{"bulkhead ingress end", MODE_ENFORCE, MODE_ENFORCE, true},
		{"bulkhead ingress end", MODE_AUDIT, MODE_AUDIT, true},
		{"bulkhead ingress deny p[0]", MODE_AUDIT, MODE_AUDIT, true},
		{"bulkhead ingress log p[0]", MODE_ENFORCE, MODE_ENFORCE, false},
		{"bulkhead ingress log p[0]", MODE_AUDIT, MODE_AUDIT, false},
		/* never in force, so never a drop */
		{"bulkhead ingress staged p[0]", MODE_ENFORCE, MODE_AUDIT, true},
		{"bulkhead ingress staged", MODE_AUDIT, MODE_AUDIT, true},
		{"bulkhead egress spoofed", MODE_ENFORCE, MODE_ENFORCE, true},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		CLEANUP(flow_record) struct flow_record *r = NULL;

		begin_message(NFPROTO_IPV4);
		add_text(NFULA_PREFIX, cases[i].prefix);
		r = decode_in(cases[i].node);
		ck_assert_msg(r->mode == cases[i].mode, "%s", cases[i].prefix);
		ck_assert_msg(r->denied == cases[i].denied, "%s", cases[i].prefix);
	}
}
END_TEST

START_TEST(test_long_policy_names_are_found_again)
{
	struct log_reason reason = {.what = LOG_END, .direction = DIR_INGRESS, .rule = LOG_NO_RULE};
	CLEANUP(flow_record) struct flow_record *known = NULL, *unknown = NULL;
	char prefix[LOG_PREFIX_SIZE];

	strcpy(reason.policy, long_name);
	begin_message(NFPROTO_IPV4);
	add_text(NFULA_PREFIX, log_prefix_format(&reason, prefix));
	known = decode_in(MODE_ENFORCE);
	ck_assert_str_eq(known->policy, long_name);
	reason.policy[POLICY_NAME_MAX - 1] = 'q';
	begin_message(NFPROTO_IPV4);
	add_text(NFULA_PREFIX, log_prefix_format(&reason, prefix));
	unknown = decode_in(MODE_ENFORCE);
	ck_assert_int_eq(strncmp(unknown->policy, "pppppppp", 8), 0);
	ck_assert_ptr_nonnull(strchr(unknown->policy, '~'));
}
END_TEST

START_TEST(test_other_programs_packets_are_refused)
{
	struct nflog_packet packet;
	struct err err = {0};

	begin_message(NFPROTO_IPV4);
	add_text(NFULA_PREFIX, "ufw block");
	add_payload(IPV4("40 00", "06") PORTS);
	ck_assert(nflog_parse(message, &packet));
	ck_assert_ptr_null(denied_decode(&packet, "n1", MODE_ENFORCE, 42, &lookup, &err));
	ck_assert_str_ne(err.text, "");
	begin_message(NFPROTO_IPV4);
	ck_assert(nflog_parse(message, &packet));
	ck_assert_ptr_null(denied_decode(&packet, "n1", MODE_ENFORCE, 42, &lookup, NULL));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("denied");
	TCase *tcase = tcase_create("denied");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_packets, 0, (int)COUNT(packets));
	tcase_add_test(tcase, test_headers_without_end);
	tcase_add_test(tcase, test_tcp_flags);
	tcase_add_test(tcase, test_record_of_a_bridged_frame);
	tcase_add_test(tcase, test_a_spoofer_is_known_by_its_port);
	tcase_add_test(tcase, test_a_flow_behind_a_published_port);
	tcase_add_test(tcase, test_a_guard_tells_the_packet);
	tcase_add_test(tcase, test_mode_and_denial);
	tcase_add_test(tcase, test_long_policy_names_are_found_again);
	tcase_add_test(tcase, test_other_programs_packets_are_refused);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
