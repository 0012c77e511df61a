/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From packets that rules of nft log, in a namespace of this test, to lines, records and messages in a redis-server of its own. */
#include "enforcerd/flow_log.h"

#include "common/record.h"
#include "common/xalloc.h"
#include "netns.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"

#include <hiredis/hiredis.h>
#include <sys/socket.h>

enum { GROUP = 64, SOON_MS = 10000, NO_SUCH_PORT = 9 };

/* Sends to the discard port of addr, which the rules of the test log and drop. */
static void send_udp(const char *address, unsigned count)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, address, NO_SUCH_PORT);
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	while (count--) {
		/* EPERM is the rule's answer */
		if (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len) < 0)
			ck_assert_int_eq(errno, EPERM);
	}
	close(fd);
}

static void log_rule(const char *prefix)
{
	sh("nft add table inet t\n"
	   "nft add chain inet t out '{ type filter hook output priority 0; }'\n"
	   "nft add rule inet t out udp dport %d log group %d snaplen 128 prefix '\"%s\"' drop",
		NO_SUCH_PORT, GROUP, prefix);
}

static void setup(void)
{
	enter_own_netns();
}

/* --- the group --------------------------------------------------------------------------------------- */

struct seen {
	unsigned count;
	uint8_t family;
	uint16_t ethertype;
	char prefix[128];
	uint8_t payload[NFLOG_COPY];
	size_t payload_len;
	uint32_t in_port, out_port, in;
	bool has_link_header;
};

static void on_packet(const struct nflog_packet *packet, void *arg)
{
	struct seen *seen = arg;

	*seen = (struct seen){.count = seen->count + 1,
		.family = packet->family,
		.ethertype = packet->ethertype,
		.payload_len = packet->payload_len,
		.in_port = packet->in_port,
		.out_port = packet->out_port,
		.in = packet->in,
		.has_link_header = packet->link_header != NULL};
	ck_assert_uint_le(packet->payload_len, NFLOG_COPY);
	memcpy(seen->payload, packet->payload, packet->payload_len);
	snprintf(seen->prefix, sizeof(seen->prefix), "%.*s", (int)packet->prefix_len,
		packet->prefix);
}

static struct nflog *open_group(void)
{
	struct err err = {0};
	struct nflog *nflog = nflog_open(GROUP, &err);

	ck_assert_msg(nflog != NULL, "%s", err.text);
	return nflog;
}

static void read_some(struct nflog *nflog, struct seen *seen, unsigned count)
{
	struct pollfd wait = {.fd = nflog_fd(nflog), .events = POLLIN};
	double end = seconds_now() + SOON_MS / 1000.0;

	while (seen->count < count) {
		ck_assert_msg(seconds_now() < end, "%u packets of %u", seen->count, count);
		poll(&wait, 1, 100);
		ck_assert_int_eq(nflog_read(nflog, on_packet, seen, NULL), 0);
	}
}

START_TEST(test_packets_of_both_families)
{
	CLEANUP(nflog) struct nflog *nflog = open_group();
	struct seen seen = {0};

	log_rule("bulkhead egress end");
	send_udp("127.0.0.1", 1);
	read_some(nflog, &seen, 1);
	ck_assert_uint_eq(seen.family, 2);
	ck_assert_uint_eq(seen.ethertype, 0x0800);
	ck_assert_str_eq(seen.prefix, "bulkhead egress end");
	ck_assert_uint_eq(seen.payload_len, 20 + 8 + 1);
	ck_assert_uint_eq(seen.payload[0], 0x45);
	send_udp("::1", 1);
	read_some(nflog, &seen, 2);
	ck_assert_uint_eq(seen.family, 10);
	ck_assert_uint_eq(seen.ethertype, 0x86dd);
	/* nothing waits: no packet, no blocking */
	ck_assert_int_eq(nflog_read(nflog, on_packet, &seen, NULL), 0);
	ck_assert_uint_eq(seen.count, 2);
}
END_TEST

START_TEST(test_frames_of_a_bridge)
{
	CLEANUP(nflog) struct nflog *nflog = open_group();
	pid_t a = new_peer(), b = new_peer();
	struct seen seen = {0};
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, "10.9.0.2", NO_SUCH_PORT);
	int fd;

	sh("ip link add br0 type bridge; ip link set br0 up\n"
	   "ip link add va type veth peer name eth0 netns %d; ip link set va master br0 up\n"
	   "ip link add vb type veth peer name eth0 netns %d; ip link set vb master br0 up\n"
	   "nsenter -t %d -n sh -c 'ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; "
	   "ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0'\n"
	   "nsenter -t %d -n sh -c 'ip link set eth0 address 02:00:00:00:00:02; ip addr add "
	   "10.9.0.2/24 dev eth0; ip link set eth0 up'\n"
	   "nft add table bridge t\n"
	   "nft add chain bridge t f '{ type filter hook forward priority 0; }'\n"
	   "nft add rule bridge t f udp dport %d log group %d snaplen 128 prefix "
	   "'\"bulkhead egress port\"' drop",
		(int)a, (int)b, (int)a, (int)b, NO_SUCH_PORT, GROUP);
	fd = socket_in(a, AF_INET, SOCK_DGRAM);
	for (double end = seconds_now() + SOON_MS / 1000.0; !seen.count;) {
		/* the links may need a moment to come up */
		ck_assert(seconds_now() < end);
		(void)!sendto(fd, "x", 1, 0, (struct sockaddr *)&to, len);
		poll(&(struct pollfd){.fd = nflog_fd(nflog), .events = POLLIN}, 1, 100);
		ck_assert_int_eq(nflog_read(nflog, on_packet, &seen, NULL), 0);
	}
	close(fd);
	ck_assert_uint_eq(seen.family, 7);
	ck_assert_uint_eq(seen.ethertype, 0x0800);
	ck_assert_uint_eq(seen.payload[0], 0x45);
	ck_assert_uint_ne(seen.in_port, 0);
	ck_assert_uint_ne(seen.out_port, 0);
	ck_assert_uint_ne(seen.in, 0);
	ck_assert_uint_ne(seen.in, seen.in_port);
	ck_assert(seen.has_link_header);
	end_peer(a);
	end_peer(b);
}
END_TEST

START_TEST(test_a_group_that_another_has)
{
	struct nflog *first = open_group();
	struct err err = {0};
	CLEANUP(nflog) struct nflog *second = nflog_open(GROUP, &err);
	CLEANUP(nflog) struct nflog *other = NULL, *third = NULL;
	char self[128];

	ck_assert_ptr_null(second);
	ck_assert_int_eq(err.code, EBUSY);
	snprintf(self, sizeof(self),
		"nflog group 64: another program listens there (test_flow_log, pid %d)",
		(int)getpid());
	ck_assert_str_eq(err.text, self);
	other = nflog_open(GROUP + 1, &err);
	ck_assert_msg(other != NULL, "%s", err.text);
	nflog_close(first);
	third = nflog_open(GROUP, &err);
	ck_assert_msg(third != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_lost_packets_are_counted_and_the_group_lives_on)
{
	CLEANUP(nflog) struct nflog *nflog = open_group();
	struct seen seen = {0};
	int small = 4096;

	log_rule("bulkhead egress end");
	ck_assert_int_eq(
		setsockopt(nflog_fd(nflog), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	send_udp("127.0.0.1", 5000);
	read_some(nflog, &seen, 1);
	ck_assert_int_eq(nflog_read(nflog, on_packet, &seen, NULL), 0);
	ck_assert_uint_gt(nflog_overruns(nflog), 0);
	seen.count = 0;
	send_udp("127.0.0.1", 1);
	read_some(nflog, &seen, 1);
}
END_TEST

/* --- from packets to Redis --------------------------------------------------------------------------- */

struct rig {
	struct event_base *base;
	struct redis_server *server;
	struct redis *commands, *listener;
	struct flow_log *log;
	struct labels *labels;
	unsigned heard, wanted;
	long long suppressed; /* that records have told */
	bool listening;
	char message[4096];
};

static bool find_endpoint(
	const struct denied_party *party, struct denied_endpoint *found, void *arg)
{
	struct rig *rig = arg;
	char text[IP_TEXT_MAX];

	if (strcmp(ip_format(&party->ip, text), "127.0.0.1") != 0)
		return false;
	*found = (struct denied_endpoint){"web", "net1", rig->labels};
	return true;
}

static const char *find_policy(const char *text, void *arg)
{
	(void)text;
	(void)arg;
	return NULL;
}

static struct flow_record *last_record(const struct rig *rig)
{
	struct err err = {0};
	cleanup_json json_t *json = record_decode(rig->message, strlen(rig->message), &err);
	struct flow_record *record = json ? flow_record_from_json(json, &err) : NULL;

	ck_assert_msg(record != NULL, "%s: %s", rig->message, err.text);
	return record;
}

static void on_message(const char *channel, const char *data, size_t len, void *arg)
{
	struct rig *rig = arg;
	CLEANUP(flow_record) struct flow_record *record = NULL;

	ck_assert_str_eq(channel, "bulkhead:v1:flows");
	ck_assert_uint_lt(len, sizeof(rig->message));
	snprintf(rig->message, sizeof(rig->message), "%.*s", (int)len, data);
	rig->heard++;
	record = last_record(rig);
	rig->suppressed += record->suppressed;
}

static void on_subscribed(redis_reply *reply, void *arg)
{
	struct rig *rig = arg;

	(void)reply;
	rig->listening = true;
}

static void on_commands(enum redis_event event, const char *cause, void *arg)
{
	struct rig *rig = arg;

	(void)cause;
	if (rig->log)
		flow_log_redis_event(rig->log, event);
}

static void on_listener(enum redis_event event, const char *cause, void *arg)
{
	struct rig *rig = arg;

	(void)cause;
	rig->listening = false;
	if (event == REDIS_READY)
		ck_assert_int_eq(
			redis_subscribe(rig->listener, FLOWS_KEY, on_message, on_subscribed, rig),
			0);
}

static bool is_ready(void *arg)
{
	struct rig *rig = arg;

	return redis_is_ready(rig->commands) && rig->listening;
}

static bool has_heard(void *arg)
{
	struct rig *rig = arg;

	return rig->heard >= rig->wanted;
}

static void rig_open(struct rig *rig)
{
	struct redis_options options = {0};
	const struct flow_log_options log = {.node = "n1",
		.group = GROUP,
		.retry_seconds = 1,
		.lookup = {find_endpoint, NULL, find_policy, rig}};

	*rig = (struct rig){.base = event_base_new(), .server = redis_server_start(NULL)};
	rig->labels = labels_new();
	labels_set(rig->labels, "role", "frontend");
	options.url = redis_server_url(rig->server);
	rig->commands = redis_new(rig->base, &options, on_commands, rig, NULL);
	rig->listener = redis_new(rig->base, &options, on_listener, rig, NULL);
	rig->log = flow_log_new(rig->base, &log, rig->commands);
	ck_assert(wait_until(rig->base, is_ready, rig, SOON_MS));
}

static void rig_close(struct rig *rig)
{
	redis_free(rig->commands);
	redis_free(rig->listener);
	flow_log_free(rig->log);
	labels_free(rig->labels);
	event_base_free(rig->base);
	redis_server_stop(rig->server);
}

static void hear(struct rig *rig, unsigned count)
{
	rig->wanted = count;
	ck_assert_msg(wait_until(rig->base, has_heard, rig, SOON_MS), "heard %u of %u", rig->heard,
		count);
}

static double metric(const struct rig *rig, const char *name)
{
	cleanup_strbuf struct strbuf out = {0};
	cleanup_free char *start = xasprintf("\n%s ", name);
	const char *found;

	flow_log_metrics(rig->log, &out);
	found = strstr(out.text, start);
	ck_assert_msg(found != NULL, "%s in %s", name, out.text);
	return strtod(found + strlen(start), NULL);
}

/* Counters move when the reply has come, which may be after what it tells of. */
static void await_metric(const struct rig *rig, const char *name, double value)
{
	for (double end = seconds_now() + SOON_MS / 1000.0; metric(rig, name) < value;) {
		ck_assert_msg(seconds_now() < end, "%s is %g", name, metric(rig, name));
		wait_out(rig->base, 20);
	}
	ck_assert_double_eq(metric(rig, name), value);
}

START_TEST(test_a_denied_packet_is_told)
{
	struct rig rig;
	CLEANUP(flow_record) struct flow_record *record = NULL;
	CLEANUP(redis_sync) struct redis_sync *redis = NULL;
	CLEANUP(redis_reply) redis_reply *reply = NULL;

	log_rule("bulkhead egress deny frontend[2]");
	rig_open(&rig);
	ck_assert_str_eq(flow_log_trouble(rig.log), "");
	send_udp("127.0.0.1", 1);
	hear(&rig, 1);
	record = last_record(&rig);
	ck_assert_str_eq(record->node, "n1");
	ck_assert_str_eq(record->policy, "frontend");
	ck_assert_int_eq(record->rule, 2);
	ck_assert_int_eq(record->mode, MODE_ENFORCE);
	ck_assert_int_eq(record->protocol, 17);
	ck_assert_int_eq(record->destination.port, NO_SUCH_PORT);
	ck_assert_str_eq(record->destination.container, "web");
	ck_assert_str_eq(labels_get(record->destination.labels, "role"), "frontend");
	ck_assert_str_eq(record->out, "lo");
	ck_assert_int_gt(record->time_us, 1700000000000000LL);
	/* the stream has the same */
	redis = redis_server_connect(rig.server);
	reply = redis_server_do(redis, "XRANGE", FLOWS_KEY, "-", "+", NULL);
	ck_assert_uint_eq(reply->elements, 1);
	ck_assert_str_eq(reply->element[0]->element[1]->element[0]->str, FLOWS_FIELD);
	ck_assert_str_eq(reply->element[0]->element[1]->element[1]->str, rig.message);
	rig_close(&rig);
}
END_TEST

START_TEST(test_the_mode_of_the_moment)
{
	struct rig rig;
	CLEANUP(flow_record) struct flow_record *record = NULL;

	log_rule("bulkhead ingress end");
	rig_open(&rig);
	flow_log_mode(rig.log, MODE_AUDIT);
	send_udp("127.0.0.1", 1);
	hear(&rig, 1);
	record = last_record(&rig);
	ck_assert_int_eq(record->mode, MODE_AUDIT);
	rig_close(&rig);
}
END_TEST

/* One reason, a thousand packets: a burst is told, the rest counted; then time gives the next its turn. */
START_TEST(test_a_flood_is_told_of_in_part)
{
	struct rig rig;
	unsigned told;

	log_rule("bulkhead egress end");
	rig_open(&rig);
	send_udp("127.0.0.1", 1000);
	wait_out(rig.base, 500);
	told = rig.heard;
	ck_assert_uint_ge(told, 20);
	ck_assert_uint_le(told, 30);
	ck_assert_double_eq(metric(&rig, "bulkhead_enforcerd_flows_suppressed_total"), 1000 - told);
	wait_out(rig.base, 300);
	send_udp("127.0.0.1", 1);
	hear(&rig, told + 1);
	/* every packet was told of, or told to be untold */
	ck_assert_int_eq(rig.heard + rig.suppressed, 1001);
	await_metric(&rig, "bulkhead_enforcerd_flows_published_total", told + 1);
	rig_close(&rig);
}
END_TEST

START_TEST(test_other_programs_packets_are_counted)
{
	struct rig rig;

	log_rule("ufw block");
	rig_open(&rig);
	send_udp("127.0.0.1", 3);
	await_metric(&rig, "bulkhead_enforcerd_flows_foreign_total", 3);
	ck_assert_double_eq(metric(&rig, "bulkhead_enforcerd_flows_total"), 0);
	rig_close(&rig);
}
END_TEST

START_TEST(test_redis_goes_and_comes_back)
{
	struct rig rig;

	log_rule("bulkhead egress end");
	rig_open(&rig);
	redis_server_kill(rig.server);
	while (redis_is_ready(rig.commands))
		wait_out(rig.base, 10);
	send_udp("127.0.0.1", 2);
	await_metric(&rig, "bulkhead_enforcerd_flows_dropped_total", 2);
	redis_server_restart(rig.server, true);
	ck_assert(wait_until(rig.base, is_ready, &rig, SOON_MS));
	send_udp("127.0.0.1", 1);
	hear(&rig, 1);
	rig_close(&rig);
}
END_TEST

/* Another program's key of this name: nothing is told, and nothing else breaks. */
START_TEST(test_a_stream_that_is_none)
{
	struct rig rig;
	CLEANUP(redis_sync) struct redis_sync *redis = NULL;

	log_rule("bulkhead egress end");
	rig_open(&rig);
	redis = redis_server_connect(rig.server);
	redis_server_run(redis, "SET", FLOWS_KEY, "x", NULL);
	send_udp("127.0.0.1", 1);
	/* the transaction runs to its end, so the channel has it; the record counts as dropped all the same */
	hear(&rig, 1);
	await_metric(&rig, "bulkhead_enforcerd_flows_dropped_total", 1);
	ck_assert(redis_is_ready(rig.commands));
	redis_server_run(redis, "DEL", FLOWS_KEY, NULL);
	send_udp("127.0.0.1", 1);
	hear(&rig, 2);
	await_metric(&rig, "bulkhead_enforcerd_flows_published_total", 1);
	rig_close(&rig);
}
END_TEST

START_TEST(test_the_group_is_taken_when_it_becomes_free)
{
	struct nflog *other = open_group();
	struct rig rig;

	log_rule("bulkhead egress end");
	rig_open(&rig);
	ck_assert_ptr_nonnull(strstr(flow_log_trouble(rig.log), "another program listens there"));
	ck_assert_double_eq(metric(&rig, "bulkhead_enforcerd_nflog_bound"), 0);
	nflog_close(other);
	for (double end = seconds_now() + 10; *flow_log_trouble(rig.log);) {
		ck_assert(seconds_now() < end);
		wait_out(rig.base, 20);
	}
	send_udp("127.0.0.1", 1);
	hear(&rig, 1);
	rig_close(&rig);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("flow_log");
	TCase *tcase = tcase_create("flow_log");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, test_packets_of_both_families);
	tcase_add_test(tcase, test_frames_of_a_bridge);
	tcase_add_test(tcase, test_a_group_that_another_has);
	tcase_add_test(tcase, test_lost_packets_are_counted_and_the_group_lives_on);
	tcase_add_test(tcase, test_a_denied_packet_is_told);
	tcase_add_test(tcase, test_the_mode_of_the_moment);
	tcase_add_test(tcase, test_a_flood_is_told_of_in_part);
	tcase_add_test(tcase, test_other_programs_packets_are_counted);
	tcase_add_test(tcase, test_redis_goes_and_comes_back);
	tcase_add_test(tcase, test_a_stream_that_is_none);
	tcase_add_test(tcase, test_the_group_is_taken_when_it_becomes_free);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
