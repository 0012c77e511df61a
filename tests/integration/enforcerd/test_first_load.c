/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that are live when a bridge becomes visible, by br_netfilter's switch: picked up from either side, allowed or not. */
#include "conntrack_fixture.h"

#include "enforcerd/denied.h"
#include "enforcerd/first_load.h"
#include "enforcerd/kernel.h"
#include "enforcerd/log_prefix.h"
#include "enforcerd/skeleton.h"
#include "tests/unit/enforcerd/group_fixture.h"

enum { ALLOWED = 80, FORBIDDEN = 81, PATIENCE_MS = 10000, SILENCE_MS = 400 };

static struct kernel *kernel;
static struct ruleset *rs;
static struct conntrack *conntrack;
static struct skeleton_config skeleton;
static pid_t client, server;

/* --- policy: the server takes ALLOWED, and sends what is said ---------------------------------- */

static void put(const char *set, const char *ip, const char *chain)
{
	const struct elem_key key = {.ip = ct_address(ip)};

	ruleset_put(rs, set, &key, chain, NULL);
}

static void put_chain(const char *name, enum policy_direction direction, uint16_t port)
{
	const struct log_reason reason = {
		.what = LOG_END, .direction = direction, .policy = "p", .rule = LOG_NO_RULE};
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	rule->mark = mark_pending(&skeleton.marks);
	rule->mark_mask = skeleton.marks.mask;
	if (port) {
		struct match *match;

		rule = rule_append(&rules);
		match = rule_match(rule, MATCH_CT_PORT);
		match->side = SIDE_DST;
		match->first = match->last = port;
		rule->verdict = VERDICT_RETURN;
	}
	rule = rule_append(&rules);
	rule->log = true;
	log_prefix_format(&reason, rule->log_prefix);
	rule->verdict = VERDICT_GOTO;
	snprintf(rule->target, sizeof(rule->target), CHAIN_DENIED);
	ruleset_chain(rs, name, NULL, &rules);
}

static void commit(void)
{
	struct kernel_commit done;

	ck_assert_msg(kernel_commit(kernel, rs, &done, &err) == 0, "%s", err.text);
}

static void put_policy(bool may_send)
{
	const struct ip server_ip = {.family = 4, .bytes = {10, 78, 0, 3}};
	struct rule_list open = {0};

	put_chain("in_server", DIR_INGRESS, ALLOWED);
	put_chain("eg_server", DIR_EGRESS, 0);
	if (may_send) {
		rule_append(&open)->verdict = VERDICT_RETURN;
		ruleset_chain(rs, "eg_server", NULL, &open);
	}
	put_groups(rs, &server_ip, "eg_server", "in_server");
	put(SET_ISOLATED4, "10.78.0.3", NULL);
	skeleton_generation(rs, &skeleton, 1);
	commit();
}

/* Every flow is judged anew. */
static void bump(uint32_t generation)
{
	skeleton_generation(rs, &skeleton, generation);
	commit();
}

static struct first_load_result judge(void)
{
	struct first_load_result result;

	ck_assert_msg(first_load_judge(conntrack, rs, &skeleton.marks, &result, &err) == 0, "%s",
		err.text);
	ck_assert_uint_eq(result.failed, 0);
	return result;
}

/* --- a bridge ---------------------------------------------------------------------------------- */

static void plug(pid_t peer, const char *name, int host)
{
	sh("ip link add %s type veth peer name eth0 netns %d; ip link set %s master br0 up", name,
		(int)peer, name);
	sh("nsenter -t %d -n sh -c 'ip link set eth0 up; ip addr add 10.78.0.%d/24 dev eth0'",
		(int)peer, host);
}

static void setup(void)
{
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = 64};

	enter_own_netns();
	write_file("/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
	write_file("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
	sh("ip link add br0 type bridge; ip link set br0 up; ip addr add 10.78.0.1/24 dev br0");
	client = new_peer();
	server = new_peer();
	plug(client, "p2", 2);
	plug(server, "p3", 3);
	ck_assert_int_eq(mark_layout_init(&skeleton.marks, 0xffff0000, &err), 0);
	conntrack = conntrack_open(&err);
	kernel = kernel_open(&options, &err);
	ck_assert_msg(conntrack && kernel, "%s", err.text);
	rs = ruleset_new();
	skeleton_build(rs, &skeleton);
	commit();
}

static void teardown(void)
{
	kernel_close(kernel);
	ruleset_free(rs);
	conntrack_close(conntrack);
	end_peer(client);
	end_peer(server);
}

static void make_visible(void)
{
	sh("ip link set br0 type bridge nf_call_iptables 1");
}

/* --- flows ------------------------------------------------------------------------------------- */

struct ends {
	int client, server;
};

static int bound_client(int type, uint16_t port, uint16_t to_port)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(&address, "10.78.0.2", port);
	int fd = socket_in(client, AF_INET, type);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	len = make_address(&address, "10.78.0.3", to_port);
	ck_assert_msg(
		connect(fd, (struct sockaddr *)&address, len) == 0, "connect: %s", strerror(errno));
	return fd;
}

static int listening[FORBIDDEN + 1];

static struct ends open_tcp(uint16_t port, uint16_t to_port)
{
	struct pollfd wait = {.events = POLLIN};
	struct ends ends;

	if (!listening[to_port])
		listening[to_port] = serve(server, SOCK_STREAM, "10.78.0.3", to_port);
	must_connect(client, "10.78.0.3", to_port);
	wait.fd = listening[to_port];
	while (poll(&wait, 1, 0) == 1)
		close(accept(wait.fd, NULL, NULL));
	ends.client = bound_client(SOCK_STREAM, port, to_port);
	ck_assert_int_eq(poll(&wait, 1, PATIENCE_MS), 1);
	ends.server = accept(wait.fd, NULL, NULL);
	ck_assert_int_ge(ends.server, 0);
	return ends;
}

/* The server's socket is connected as well: it speaks by itself. */
static struct ends open_udp(uint16_t port, uint16_t to_port)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(&address, "10.78.0.2", port);
	struct ends ends = {.server = serve(server, SOCK_DGRAM, "10.78.0.3", to_port)};

	ck_assert_int_eq(connect(ends.server, (struct sockaddr *)&address, len), 0);
	ends.client = bound_client(SOCK_DGRAM, port, to_port);
	return ends;
}

static bool arrives(int from, int to, int ms)
{
	struct pollfd wait = {.fd = to, .events = POLLIN};
	char byte;

	ck_assert_int_eq(send(from, "x", 1, MSG_NOSIGNAL), 1);
	return poll(&wait, 1, ms) == 1 && recv(to, &byte, 1, MSG_DONTWAIT) == 1;
}

static void must_flow(const struct ends *ends)
{
	ck_assert(arrives(ends->client, ends->server, PATIENCE_MS));
	ck_assert(arrives(ends->server, ends->client, PATIENCE_MS));
	ck_assert(arrives(ends->client, ends->server, PATIENCE_MS));
}

static void must_be_cut(const struct ends *ends)
{
	ck_assert(!arrives(ends->server, ends->client, SILENCE_MS));
	ck_assert(!arrives(ends->client, ends->server, SILENCE_MS));
}

/* Whether conntrack has the flow from the client's port as opened by the server. */
static bool picked_up_reversed(uint16_t port)
{
	struct flow_list list;

	list_entries(conntrack, 0, 0, &list);
	for (size_t i = 0; i < list.count; i++) {
		if (list.items[i].original.dst_port == port)
			return true;
		if (list.items[i].original.src_port == port)
			return false;
	}
	ck_abort_msg("no flow of port %u", port);
}

/* --- tests ------------------------------------------------------------------------------------- */

static const bool may_send[] = {false, true};

/*
 * Four flows by who speaks first and whether they are allowed. Where the server may send by itself, a forbidden flow that it is taken
 * for the opener of goes on under the rules: that is what has to end.
 */
START_TEST(test_tcp)
{
	struct ends allowed, pushed, forbidden, leaking;
	struct first_load_result result;

	allowed = open_tcp(50001, ALLOWED);
	pushed = open_tcp(50002, ALLOWED);
	forbidden = open_tcp(50003, FORBIDDEN);
	leaking = open_tcp(50004, FORBIDDEN);
	make_visible();
	ck_assert(arrives(allowed.client, allowed.server, PATIENCE_MS));
	ck_assert(arrives(forbidden.client, forbidden.server, PATIENCE_MS));
	ck_assert(arrives(pushed.server, pushed.client, PATIENCE_MS));
	ck_assert(arrives(leaking.server, leaking.client, PATIENCE_MS));
	ck_assert(!picked_up_reversed(50001) && picked_up_reversed(50002));
	ck_assert(!picked_up_reversed(50003) && picked_up_reversed(50004));
	put_policy(may_send[_i]);
	ck_assert(arrives(leaking.server, leaking.client, SILENCE_MS) == may_send[_i]);
	result = judge();
	must_flow(&allowed);
	must_flow(&pushed);
	must_be_cut(&forbidden);
	must_be_cut(&leaking);
	ck_assert_uint_eq(result.turned, may_send[_i] ? 2 : 1);
	ck_assert_uint_eq(result.condemned, may_send[_i] ? 0 : 1);
	/* as what it is: also when all is judged again, by the rules or by the daemon */
	ck_assert(!picked_up_reversed(50002));
	bump(2);
	must_flow(&pushed);
	result = judge();
	ck_assert_uint_eq(result.turned + result.condemned + result.removed, 0);
	must_flow(&allowed);
	must_flow(&pushed);
	must_be_cut(&leaking);
	/* the next ones begin as ever */
	must_connect(client, "10.78.0.3", ALLOWED);
	ck_assert(!can_connect(client, "10.78.0.3", FORBIDDEN));
}
END_TEST

START_TEST(test_udp)
{
	struct ends allowed, pushed, forbidden;

	allowed = open_udp(50001, ALLOWED);
	must_flow(&allowed);
	close(allowed.server);
	close(allowed.client);
	pushed = open_udp(50002, ALLOWED);
	forbidden = open_udp(50003, FORBIDDEN);
	must_flow(&forbidden);
	make_visible();
	ck_assert(arrives(pushed.server, pushed.client, PATIENCE_MS));
	ck_assert(arrives(forbidden.client, forbidden.server, PATIENCE_MS));
	ck_assert(picked_up_reversed(50002) && !picked_up_reversed(50003));
	put_policy(false);
	ck_assert_uint_eq(judge().removed, 1);
	/* who may begin begins */
	must_flow(&pushed);
	ck_assert(!picked_up_reversed(50002));
	must_be_cut(&forbidden);
	bump(2);
	must_flow(&pushed);
}
END_TEST

/* --- what has no entry ------------------------------------------------------------------------- */

static bool no_endpoint(const struct denied_party *party, struct denied_endpoint *found, void *arg)
{
	(void)party;
	(void)found;
	(void)arg;
	return false;
}

static bool no_interface(uint32_t index, char name[FLOW_IFNAME_MAX + 1], void *arg)
{
	(void)index;
	(void)name;
	(void)arg;
	return false;
}

static const char *no_policy(const char *text, void *arg)
{
	(void)text;
	(void)arg;
	return NULL;
}

struct missed {
	size_t told, found, there;
};

/* As first_look.c has it. */
static void on_denied(const struct nflog_packet *packet, void *arg)
{
	const struct denied_lookup lookup = {no_endpoint, no_interface, no_policy, NULL};
	struct missed *missed = arg;
	CLEANUP(flow_record)
	struct flow_record *record = denied_decode(packet, "n", MODE_ENFORCE, 0, &lookup, &err);
	struct flow flow;

	ck_assert_msg(record != NULL, "%s", err.text);
	missed->told++;
	if (!first_load_missed(rs, record, &flow))
		return;
	missed->found++;
	if (conntrack_add(conntrack, &flow, &err) < 0) {
		ck_assert_int_eq(err.code, EEXIST);
		missed->there++;
	}
}

/* Until the kernel has told of a denial. */
static struct missed read_denials(struct nflog *nflog)
{
	struct pollfd wait = {.fd = nflog_fd(nflog), .events = POLLIN};
	struct missed missed = {0};

	while (!missed.told) {
		ck_assert_int_eq(poll(&wait, 1, PATIENCE_MS), 1);
		ck_assert_int_eq(nflog_read(nflog, on_denied, &missed, &err), 0);
	}
	return missed;
}

static bool comes(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&wait, 1, PATIENCE_MS) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

/* Silent until the policy is there, and then the server speaks: the rules drop that, and the kernel forgets the flow. */
START_TEST(test_silent)
{
	struct ends allowed = open_tcp(50001, ALLOWED), forbidden = open_tcp(50002, FORBIDDEN);
	CLEANUP(nflog) struct nflog *nflog = nflog_open(64, &err);
	struct first_load_result result;
	struct missed missed;

	ck_assert_msg(nflog != NULL, "%s", err.text);
	skeleton_midstream(rs, true);
	put_policy(false);
	make_visible();
	ck_assert(!arrives(forbidden.server, forbidden.client, SILENCE_MS));
	missed = read_denials(nflog);
	ck_assert_uint_eq(missed.found, 0);
	close(forbidden.server);
	close(forbidden.client);
	ck_assert(!arrives(allowed.server, allowed.client, SILENCE_MS));
	/* there is nothing for the look at entries to find */
	result = judge();
	ck_assert_uint_eq(result.turned + result.condemned + result.removed, 0);
	do {
		missed = read_denials(nflog);
	} while (!missed.found);
	/* what TCP sends again */
	ck_assert(comes(allowed.client));
	ck_assert(!picked_up_reversed(50001));
	must_flow(&allowed);
	bump(2);
	must_flow(&allowed);
	ck_assert(!can_connect(client, "10.78.0.3", FORBIDDEN));
}
END_TEST

/* The host's own flows are never policed: where conntrack takes the container for the opener, it is put right. */
START_TEST(test_host)
{
	int from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct ends ends = {.client = from};
	struct sockaddr_storage address;
	socklen_t len = make_address(&address, "10.78.0.3", FORBIDDEN);
	struct first_load_result result;

	listening[FORBIDDEN] = serve(server, SOCK_STREAM, "10.78.0.3", FORBIDDEN);
	ck_assert_int_eq(connect(from, (struct sockaddr *)&address, len), 0);
	ends.server = accept(listening[FORBIDDEN], NULL, NULL);
	/* as if conntrack had not been there before */
	sh("conntrack -F 2>/dev/null");
	ck_assert(arrives(ends.server, ends.client, PATIENCE_MS));
	put_policy(false);
	ck_assert(!arrives(ends.server, ends.client, SILENCE_MS));
	result = judge();
	ck_assert_uint_eq(result.turned, 1);
	ck_assert_uint_eq(result.condemned, 0);
	must_flow(&ends);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("first_load");
	TCase *tests = tcase_create("bridge");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, test_tcp, 0, 2);
	tcase_add_test(tests, test_udp);
	tcase_add_test(tests, test_silent);
	tcase_add_test(tests, test_host);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
