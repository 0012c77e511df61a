/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generations with real flows between two hosts, and narrow masks, so that the generations are used up after a few changes: what was
 * judged by rules that are gone is never let through by its mark.
 */
#include "conntrack_fixture.h"

#include "enforcerd/kernel.h"
#include "enforcerd/revocation.h"
#include "tests/unit/enforcerd/group_fixture.h"

enum {
	SERVER_PORT = 3306,
	OLD_PORT = 5000,  /* + generation: a flow that was judged in that one, and then no more */
	LIVE_PORT = 6000, /* a flow that is allowed all the time */
	INTERVAL_MS = 20,
	PATIENCE = 10,
	FLOWS_MAX = 16
};

static const uint32_t masks[] = {0x00000070, 0xf0000000};

static struct event_base *base;
static struct kernel *kernel;
static struct ruleset *rs;
static struct revocation *revocation;
static struct skeleton_config skeleton;
static pid_t host_a, host_b;
static int server, live, old[FLOWS_MAX];
static bool ready;

/* --- a small world: A may send to B while its address is in the set ---------------------------- */

static void put(const char *set, const char *ip, const char *chain)
{
	const struct elem_key key = {.ip = ct_address(ip)};

	ruleset_put(rs, set, &key, chain, NULL);
}

static void del(const char *set, const char *ip)
{
	const struct elem_key key = {.ip = ct_address(ip)};

	ruleset_del(rs, set, &key);
}

static void allow_from(struct rule_list *rules, const char *set)
{
	struct rule *rule = rule_append(rules);
	struct match *match = rule_match(rule, MATCH_CT_ADDR_SET);

	match->family = 4;
	snprintf(match->set, sizeof(match->set), "%s", set);
	rule->verdict = VERDICT_RETURN;
}

/* second: NULL or another set whose members may send. */
static void put_ingress(const char *second)
{
	struct rule_list rules = {0};
	struct rule *begin = rule_append(&rules), *end;

	begin->mark = mark_pending(&skeleton.marks);
	begin->mark_mask = skeleton.marks.mask;
	begin->verdict = VERDICT_CONTINUE;
	allow_from(&rules, "sel_4");
	allow_from(&rules, "sel_live_4");
	if (second)
		allow_from(&rules, second);
	end = rule_append(&rules);
	end->verdict = VERDICT_GOTO;
	snprintf(end->target, sizeof(end->target), CHAIN_DENIED);
	ruleset_chain(rs, "in_b", NULL, &rules);
}

static void build_rules(void)
{
	const struct ip server_ip = {.family = 4, .bytes = {10, 77, 2, 2}};

	rs = ruleset_new();
	skeleton_build(rs, &skeleton);
	ruleset_set(rs, "sel_4", SET_IPV4, NULL);
	ruleset_set(rs, "sel_live_4", SET_IPV4, NULL);
	put("sel_4", "10.77.1.2", NULL);
	put("sel_live_4", "10.77.1.3", NULL);
	put_ingress(NULL);
	put_groups(rs, &server_ip, NULL, "in_b");
	put(SET_ISOLATED4, "10.77.2.2", NULL);
}

/* --- hosts ------------------------------------------------------------------------------------- */

static void connect_host(pid_t peer, const char *name, int net)
{
	sh("ip link add %s0 type veth peer name eth0 netns %d; ip addr add 10.77.%d.1/24 dev %s0; ip "
	   "link set %s0 up",
		name, (int)peer, net, name, name);
	sh("nsenter -t %d -n sh -c 'ip link set lo up; ip addr add 10.77.%d.2/24 dev eth0; ip addr "
	   "add 10.77.%d.3/24 dev eth0; ip link set eth0 up; ip route add default via 10.77.%d.1'",
		(int)peer, net, net, net);
}

static int client(const char *from, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(&address, from, port);
	int fd = socket_in(host_a, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, len), 0);
	len = make_address(&address, "10.77.2.2", SERVER_PORT);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static void say(int fd)
{
	ck_assert_int_eq(send(fd, "x", 1, 0), 1);
}

/* The port that the next datagram at the server comes from; 0 when none comes within the time. */
static uint16_t heard(int ms)
{
	struct pollfd wait = {.fd = server, .events = POLLIN};
	struct sockaddr_in from = {0};
	socklen_t len = sizeof(from);
	char byte;

	if (poll(&wait, 1, ms) != 1)
		return 0;
	ck_assert_int_eq(
		recvfrom(server, &byte, 1, MSG_DONTWAIT, (struct sockaddr *)&from, &len), 1);
	return ntohs(from.sin_port);
}

/* The other way: from the server to a client. */
static void answer(const char *to, uint16_t port)
{
	struct sockaddr_storage address;
	socklen_t len = make_address(&address, to, port);

	ck_assert_int_eq(sendto(server, "y", 1, 0, (struct sockaddr *)&address, len), 1);
}

static bool answered(int fd, int ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&wait, 1, ms) == 1 && recv(fd, &byte, 1, MSG_DONTWAIT) == 1;
}

/* What is allowed arrives, and nothing before it that is not: both go the same way, one after the other. */
static void expect_only_live(void)
{
	uint16_t port;

	say(live);
	port = heard(PATIENCE * 1000);
	ck_assert_msg(port == LIVE_PORT, "from port %u", port);
}

/* A flow that goes both ways: then conntrack calls it established, and it has the mark of its generation. */
static void open_flow(int fd, const char *from, uint16_t port)
{
	double end = seconds_now() + PATIENCE;
	uint16_t came;

	/* the first datagram may be lost while the hosts look for each other */
	do {
		say(fd);
		came = heard(200);
		ck_assert_msg(seconds_now() < end, "nothing from port %u", port);
	} while (!came);
	ck_assert_uint_eq(came, port);
	answer(from, port);
	ck_assert(answered(fd, PATIENCE * 1000));
	while (heard(0))
		;
}

/* --- commits ----------------------------------------------------------------------------------- */

static void commit(void)
{
	struct kernel_commit done;

	revocation_prepare(revocation);
	ck_assert_msg(kernel_commit(kernel, rs, &done, &err) == 0, "%s", err.text);
	revocation_committed(revocation);
}

static void on_ready(void *arg)
{
	(void)arg;
	ready = true;
}

/* Runs the loop until the marks are swept, and commits what follows. */
static void finish_sweep(void)
{
	double end = seconds_now() + PATIENCE;

	while (!ready) {
		event_base_loop(base, EVLOOP_ONCE);
		ck_assert_msg(seconds_now() < end, "the sweep does not end");
	}
	ready = false;
	ck_assert_uint_eq(revocation_generation(revocation), 0);
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 1);
}

/* Another revocation, of somebody else. */
static void revoke_other(void)
{
	const struct ip other = {.family = 4, .bytes = {10, 99, 0, 1}};
	static bool there;

	if (there)
		del(MAP_GROUPS4, "10.99.0.1");
	else
		put_groups(rs, &other, NULL, "in_b");
	there = !there;
	commit();
}

static void setup(uint32_t mask)
{
	const struct kernel_options options = {.table = "bulkhead", .nflog_group = 64};
	struct revocation_options how = {.interval_ms = INTERVAL_MS, .ready = on_ready};

	ck_assert_int_eq(mark_layout_init(&skeleton.marks, mask, &err), 0);
	enter_own_netns();
	write_file("/proc/sys/net/ipv4/ip_forward", "1");
	host_a = new_peer();
	host_b = new_peer();
	connect_host(host_a, "a", 1);
	connect_host(host_b, "b", 2);
	server = serve(host_b, SOCK_DGRAM, "10.77.2.2", SERVER_PORT);
	live = client("10.77.1.3", LIVE_PORT);
	base = event_base_new();
	kernel = kernel_open(&options, &err);
	ck_assert_msg(kernel != NULL, "%s", err.text);
	build_rules();
	how.skeleton = skeleton;
	revocation = revocation_new(base, rs, &how, &err);
	ck_assert_msg(revocation != NULL, "%s", err.text);
	revocation_adopt(revocation, 0);
	commit();
	finish_sweep();
	open_flow(live, "10.77.1.3", LIVE_PORT);
}

static void teardown(void)
{
	revocation_free(revocation);
	kernel_close(kernel);
	ruleset_free(rs);
	event_base_free(base);
	end_peer(host_a);
	end_peer(host_b);
}

/* --- tests ------------------------------------------------------------------------------------- */

START_TEST(test_only_revocations_bump)
{
	struct revocation_stats stats;
	int flow;

	setup(masks[1]);
	flow = client("10.77.1.2", OLD_PORT);
	open_flow(flow, "10.77.1.2", OLD_PORT);
	/* more is allowed */
	put("sel_4", "10.77.1.9", NULL);
	commit();
	ruleset_set(rs, "sel_new_4", SET_IPV4, NULL);
	put("sel_new_4", "10.77.1.8", NULL);
	put_ingress("sel_new_4");
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 1);
	revocation_stats(revocation, &stats);
	ck_assert_uint_eq(stats.revocations, 0);
	/* less is: cut, both ways, and no other flow with it */
	del("sel_4", "10.77.1.2");
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 2);
	say(flow);
	expect_only_live();
	answer("10.77.1.2", OLD_PORT);
	answer("10.77.1.3", LIVE_PORT);
	ck_assert(answered(live, PATIENCE * 1000));
	ck_assert(!answered(flow, 0));
	revocation_stats(revocation, &stats);
	ck_assert_uint_eq(stats.revocations, 1);
	/* and allowed again */
	put("sel_4", "10.77.1.2", NULL);
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 2);
	say(flow);
	ck_assert_uint_eq(heard(PATIENCE * 1000), OLD_PORT);
	teardown();
}
END_TEST

/* One flow for each generation, all of them judged in that one and idle since. Returns how many. */
static uint32_t leave_old_flows(void)
{
	uint32_t last = skeleton.marks.last;

	for (uint32_t generation = 1; generation <= last; generation++) {
		ck_assert_uint_eq(revocation_generation(revocation), generation);
		old[generation] = client("10.77.1.2", (uint16_t)(OLD_PORT + generation));
		open_flow(old[generation], "10.77.1.2", (uint16_t)(OLD_PORT + generation));
		if (generation < last)
			revoke_other();
	}
	return last;
}

static void expect_marks(struct conntrack *conntrack, uint32_t last, size_t each)
{
	for (uint32_t generation = 1; generation <= last; generation++)
		ck_assert_uint_ge(
			count_entries(conntrack, mark_of_generation(&skeleton.marks, generation),
				skeleton.marks.mask),
			each);
}

/*
 * A flow that was judged in a generation speaks again when its number is used again, and not before: then it still has the mark,
 * unless it was swept.
 */
START_TEST(test_no_old_mark_is_accepted)
{
	CLEANUP(conntrack) struct conntrack *conntrack = NULL;
	struct revocation_stats stats;
	uint32_t last;

	setup(masks[_i]);
	conntrack = conntrack_open(&err);
	ck_assert_ptr_nonnull(conntrack);
	last = leave_old_flows();
	expect_marks(conntrack, last, 1);
	del("sel_4", "10.77.1.2");
	commit();
	expect_marks(conntrack, last, 1);
	for (int wraps = 0; wraps < 3; wraps++) {
		ck_assert_uint_eq(revocation_generation(revocation), 0);
		expect_only_live();
		/* a revocation while every packet is judged anyway */
		revoke_other();
		ck_assert_uint_eq(revocation_generation(revocation), 0);
		finish_sweep();
		for (uint32_t generation = 1; generation <= last; generation++) {
			ck_assert_uint_eq(revocation_generation(revocation), generation);
			say(old[generation]);
			expect_only_live();
			revoke_other();
		}
	}
	for (uint32_t generation = 1; generation <= last; generation++)
		say(old[generation]);
	expect_only_live();
	ck_assert_uint_eq(heard(100), 0);
	revocation_stats(revocation, &stats);
	ck_assert_uint_eq(stats.sweeps, 3 + 1);
	ck_assert_uint_ge(stats.swept, last);
	teardown();
}
END_TEST

/* The same without a sweep: the old mark does let the flow through, so the test above can see it. */
START_TEST(test_an_old_mark_would_be_accepted)
{
	struct kernel_commit done;
	uint32_t last;

	setup(masks[_i]);
	last = leave_old_flows();
	del("sel_4", "10.77.1.2");
	for (uint32_t generation = 1; generation <= last; generation++) {
		skeleton_generation(rs, &skeleton, generation);
		ck_assert_int_eq(kernel_commit(kernel, rs, &done, &err), 0);
		say(old[generation]);
		ck_assert_uint_eq(heard(PATIENCE * 1000), OLD_PORT + generation);
		expect_only_live();
	}
	teardown();
}
END_TEST

/* After a restart that could not read the generation back, or a foreign change. */
START_TEST(test_unknown_generation)
{
	uint32_t last;

	setup(masks[_i]);
	last = leave_old_flows();
	del("sel_4", "10.77.1.2");
	kernel_lost(kernel, rs);
	revocation_adopt(revocation, 0);
	ck_assert_uint_eq(revocation_generation(revocation), 0);
	commit();
	expect_only_live();
	/* once more in the middle of it */
	for (int i = 0; i < 3; i++)
		event_base_loop(base, EVLOOP_ONCE);
	revocation_adopt(revocation, 0);
	commit();
	finish_sweep();
	for (uint32_t generation = 1; generation <= last; generation++) {
		say(old[generation]);
		expect_only_live();
		revoke_other();
	}
	ck_assert_uint_eq(heard(100), 0);
	teardown();
}
END_TEST

/* A restart that read it back goes on with it: live flows keep their marks, the next change is a revocation or not. */
START_TEST(test_known_generation)
{
	struct revocation_options how = {.interval_ms = INTERVAL_MS, .ready = on_ready};
	int flow;

	setup(masks[_i]);
	flow = client("10.77.1.2", OLD_PORT);
	open_flow(flow, "10.77.1.2", OLD_PORT);
	revoke_other();
	revocation_free(revocation);
	how.skeleton = skeleton;
	revocation = revocation_new(base, rs, &how, &err);
	revocation_adopt(revocation, 2);
	ck_assert_uint_eq(revocation_generation(revocation), 2);
	ck_assert(!ruleset_dirty(rs));
	put("sel_4", "10.77.1.9", NULL);
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 2);
	del("sel_4", "10.77.1.2");
	commit();
	ck_assert_uint_eq(revocation_generation(revocation), 3);
	say(flow);
	expect_only_live();
	/* a number that no generation has */
	revocation_adopt(revocation, skeleton.marks.last + 1);
	ck_assert_uint_eq(revocation_generation(revocation), 0);
	teardown();
}
END_TEST

START_TEST(test_condemned_flows_stay_so)
{
	CLEANUP(conntrack) struct conntrack *conntrack = NULL;
	struct flow_list list;
	int flow;

	setup(masks[_i]);
	conntrack = conntrack_open(&err);
	ck_assert_ptr_nonnull(conntrack);
	flow = client("10.77.1.2", OLD_PORT);
	open_flow(flow, "10.77.1.2", OLD_PORT);
	list_entries(conntrack, 0, 0, &list);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].original.src_port == OLD_PORT)
			ck_assert_int_eq(
				conntrack_mark(conntrack, &list.items[i],
					mark_condemned(&skeleton.marks), skeleton.marks.mask, &err),
				0);
	ck_assert_int_eq(conntrack_flush(conntrack, &err), 0);
	while (revocation_generation(revocation)) {
		say(flow);
		expect_only_live();
		revoke_other();
	}
	finish_sweep();
	say(flow);
	expect_only_live();
	ck_assert_uint_eq(heard(100), 0);
	teardown();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("revocation");
	TCase *tests = tcase_create("generations");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 60);
	tcase_add_test(tests, test_only_revocations_bump);
	tcase_add_loop_test(tests, test_no_old_mark_is_accepted, 0, 2);
	tcase_add_loop_test(tests, test_an_old_mark_would_be_accepted, 0, 2);
	tcase_add_loop_test(tests, test_unknown_generation, 0, 2);
	tcase_add_loop_test(tests, test_known_generation, 0, 2);
	tcase_add_loop_test(tests, test_condemned_flows_stay_so, 0, 2);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
