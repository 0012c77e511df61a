/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conntrack entries of a real kernel: listed, marked, swept. */
#include "conntrack_fixture.h"

enum { MARK_BITS = 0xffff0000, OTHER_BITS = 0x0000ffff };

static struct conntrack *conntrack;
static struct mark_layout marks;

static void setup(void)
{
	enter_own_netns();
	conntrack = conntrack_open(&err);
	ck_assert_msg(conntrack != NULL, "%s", err.text);
	ck_assert_int_eq(mark_layout_init(&marks, MARK_BITS, &err), 0);
}

static void teardown(void)
{
	conntrack_close(conntrack);
}

static void expect_same(const struct flow *got, const struct flow *wanted)
{
	ck_assert(ip_equal(&got->original.src, &wanted->original.src));
	ck_assert(ip_equal(&got->original.dst, &wanted->original.dst));
	ck_assert(ip_equal(&got->reply.src, &wanted->reply.src));
	ck_assert(ip_equal(&got->reply.dst, &wanted->reply.dst));
	ck_assert_uint_eq(got->original.src_port, wanted->original.src_port);
	ck_assert_uint_eq(got->original.dst_port, wanted->original.dst_port);
	ck_assert_uint_eq(got->reply.src_port, wanted->reply.src_port);
	ck_assert_uint_eq(got->reply.dst_port, wanted->reply.dst_port);
	ck_assert_uint_eq(got->protocol, wanted->protocol);
	ck_assert_uint_eq(got->zone, wanted->zone);
	ck_assert_uint_eq(got->mark, wanted->mark);
}

static struct flow icmp_flow(uint32_t mark)
{
	struct flow flow = plain_flow(IPPROTO_ICMP, "10.0.0.3", 77, "10.0.0.4", 8 << 8, mark);

	flow.reply.src_port = 77;
	flow.reply.dst_port = 0;
	return flow;
}

/* TCP needs its state to be made by hand; real ones come below. */
static void add_mixed(struct flow flows[4])
{
	flows[0] = plain_flow(IPPROTO_UDP, "10.0.0.1", 4001, "10.0.0.2", 53, 0x00010007);
	flows[1] = icmp_flow(0x00020007);
	flows[2] = plain_flow(IPPROTO_UDP, "fd00::1", 4002, "fd00::2", 53, 0x00010000);
	flows[3] = plain_flow(IPPROTO_UDP, "10.0.0.1", 4001, "10.0.0.2", 53, 0x00030000);
	flows[3].zone = 12;
	for (size_t i = 0; i < 4; i++) {
		flows[i].status = IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_ASSURED;
		flows[i].seconds = ENTRY_SECONDS;
	}
	add_entries(flows, 4);
}

START_TEST(test_all_kinds_are_listed)
{
	struct flow flows[4];
	struct flow_list list;

	add_mixed(flows);
	list_entries(conntrack, 0, 0, &list);
	ck_assert_uint_eq(list.count, 4);
	expect_same(find_flow(&list, "10.0.0.3", 8 << 8), &flows[1]);
	expect_same(find_flow(&list, "fd00::1", 53), &flows[2]);
	list_entries(conntrack, flows[0].mark, UINT32_MAX, &list);
	ck_assert_uint_eq(list.count, 1);
	expect_same(&list.items[0], &flows[0]);
	list_entries(conntrack, flows[3].mark, UINT32_MAX, &list);
	ck_assert_uint_eq(list.count, 1);
	expect_same(&list.items[0], &flows[3]);
}
END_TEST

START_TEST(test_listed_by_mark)
{
	struct flow flows[4];

	add_mixed(flows);
	ck_assert_uint_eq(count_entries(conntrack, 0x00010000, MARK_BITS), 2);
	ck_assert_uint_eq(count_entries(conntrack, 0x00020000, MARK_BITS), 1);
	ck_assert_uint_eq(count_entries(conntrack, 0x00040000, MARK_BITS), 0);
	/* what the mask leaves out does not count */
	ck_assert_uint_eq(count_entries(conntrack, 0x00010abc, MARK_BITS), 2);
	ck_assert_uint_eq(count_entries(conntrack, 0x00000007, OTHER_BITS), 2);
}
END_TEST

static void set_mark(const struct flow *flow, uint32_t mark)
{
	ck_assert_msg(conntrack_mark(conntrack, flow, mark, MARK_BITS, &err) == 0, "%s", err.text);
}

START_TEST(test_only_our_bits_change)
{
	struct flow flows[4];
	struct flow_list list;

	add_mixed(flows);
	for (size_t i = 0; i < 4; i++)
		set_mark(&flows[i], 0xabcd1234);
	ck_assert_msg(conntrack_flush(conntrack, &err) == 0, "%s", err.text);
	list_entries(conntrack, 0, 0, &list);
	ck_assert_uint_eq(list.count, 4);
	for (size_t i = 0; i < 4; i++)
		ck_assert_uint_eq(list.items[i].mark & MARK_BITS, 0xabcd0000);
	ck_assert_uint_eq(find_flow(&list, "10.0.0.3", 8 << 8)->mark, 0xabcd0007);
	ck_assert_uint_eq(find_flow(&list, "fd00::1", 53)->mark, 0xabcd0000);
}
END_TEST

START_TEST(test_the_zone_tells_which)
{
	struct flow flows[4];
	struct flow_list list;

	add_mixed(flows);
	set_mark(&flows[3], 0);
	ck_assert_int_eq(conntrack_flush(conntrack, &err), 0);
	list_entries(conntrack, 0, MARK_BITS, &list);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_uint_eq(list.items[0].zone, 12);
}
END_TEST

START_TEST(test_gone_is_success)
{
	struct flow flows[4];
	struct flow absent = numbered_flow(9, 0);

	add_mixed(flows);
	/* first, between, and last, whose answer ends the batch */
	set_mark(&absent, 0);
	set_mark(&flows[0], 0x00090000);
	set_mark(&absent, 0);
	set_mark(&flows[1], 0x00090000);
	set_mark(&absent, 0);
	ck_assert_msg(conntrack_flush(conntrack, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(count_entries(conntrack, 0x00090000, MARK_BITS), 2);
	ck_assert_uint_eq(count_entries(conntrack, 0, 0), 4);
}
END_TEST

START_TEST(test_a_refusal_is_told_and_the_next_batch_works)
{
	struct flow flows[4];
	struct flow odd;

	add_mixed(flows);
	odd = flows[0];
	odd.original.src.family = 6; /* and its target's is still 4 */
	set_mark(&odd, 0);
	set_mark(&flows[1], 0x00090000);
	ck_assert_int_eq(conntrack_flush(conntrack, &err), -1);
	ck_assert_msg(strstr(err.text, "change conntrack entry") != NULL, "%s", err.text);
	ck_assert_uint_eq(count_entries(conntrack, 0x00090000, MARK_BITS), 1);
	set_mark(&flows[0], 0x00090000);
	ck_assert_int_eq(conntrack_flush(conntrack, &err), 0);
	ck_assert_uint_eq(count_entries(conntrack, 0x00090000, MARK_BITS), 2);
}
END_TEST

START_TEST(test_turned)
{
	struct flow flows[4];
	struct flow_list list;
	const struct flow *turned_flow;

	add_mixed(flows);
	ck_assert_msg(conntrack_turn(conntrack, &flows[2], MARK_BITS, &err) == 0, "%s", err.text);
	ck_assert_msg(conntrack_turn(conntrack, &flows[3], MARK_BITS, &err) == 0, "%s", err.text);
	list_entries(conntrack, 0, 0, &list);
	ck_assert_uint_eq(list.count, 4);
	turned_flow = find_flow(&list, "fd00::2", 4002);
	ck_assert_uint_eq(turned_flow->mark & MARK_BITS, 0);
	ck_assert_uint_eq(turned_flow->status & (IPS_SEEN_REPLY | IPS_ASSURED),
		flows[2].status & (IPS_SEEN_REPLY | IPS_ASSURED));
	ck_assert_uint_eq(find_flow(&list, "10.0.0.2", 4001)->zone, 12);
	/* not the one of the same addresses in another zone */
	ck_assert_uint_eq(find_flow(&list, "10.0.0.1", 53)->mark, flows[0].mark);
}
END_TEST

START_TEST(test_removed)
{
	struct flow flows[4];
	struct flow absent = numbered_flow(9, 0);

	add_mixed(flows);
	ck_assert_int_eq(conntrack_remove(conntrack, &flows[0], &err), 0);
	ck_assert_int_eq(conntrack_remove(conntrack, &absent, &err), 0);
	ck_assert_int_eq(conntrack_remove(conntrack, &flows[1], &err), 0);
	ck_assert_msg(conntrack_flush(conntrack, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(count_entries(conntrack, 0, 0), 2);
	ck_assert_uint_eq(count_entries(conntrack, flows[3].mark, UINT32_MAX), 1);
}
END_TEST

static int give_up(const struct flow *flow, void *arg, struct err *why)
{
	(void)flow;
	(void)arg;
	return err_set(why, 0, "enough");
}

static uint32_t mark_one(size_t n)
{
	(void)n;
	return 0x00010000;
}

START_TEST(test_a_listing_can_be_given_up)
{
	add_numbered(2000, mark_one);
	ck_assert_int_eq(conntrack_list(conntrack, 0, 0, &err), 0);
	ck_assert_int_eq(conntrack_next(conntrack, give_up, NULL, &err), -1);
	ck_assert_str_eq(err.text, "enough");
	ck_assert_uint_eq(count_entries(conntrack, 0, 0), 2000);
	ck_assert_int_eq(conntrack_list(conntrack, 0, 0, &err), 0);
	ck_assert_uint_eq(count_entries(conntrack, 0x00010000, MARK_BITS), 2000);
}
END_TEST

/* --- sweep ------------------------------------------------------------------------------------- */

static size_t sweep(uint32_t generation)
{
	struct conntrack_sweep walk;
	int more = 1;

	ck_assert_int_eq(conntrack_sweep_begin(&walk, conntrack, &marks, generation, &err), 0);
	while (more > 0)
		more = conntrack_sweep_step(&walk, &err);
	ck_assert_msg(more == 0, "%s", err.text);
	return walk.found;
}

/* Unjudged, three generations, pending, condemned, in turn, each with foreign bits. */
static uint32_t mark_in_turn(size_t n)
{
	static const uint32_t generations[] = {0, 1, 2, 0xfffd, 0xfffe, 0xffff};

	return generations[n % 6] << 16 | 0x55;
}

START_TEST(test_sweep_of_any_generation)
{
	add_numbered(6000, mark_in_turn);
	ck_assert_uint_eq(sweep(SWEEP_ANY), 3000);
	ck_assert_uint_eq(sweep(SWEEP_ANY), 0);
	ck_assert_uint_eq(count_entries(conntrack, 0, MARK_BITS), 4000);
	ck_assert_uint_eq(count_entries(conntrack, MARK_BITS, MARK_BITS), 1000);
	ck_assert_uint_eq(count_entries(conntrack, 0x55, OTHER_BITS), 6000);
}
END_TEST

START_TEST(test_sweep_of_one_generation)
{
	add_numbered(6000, mark_in_turn);
	ck_assert_uint_eq(sweep(2), 1000);
	ck_assert_uint_eq(sweep(2), 0);
	ck_assert_uint_eq(count_entries(conntrack, 0x00010000, MARK_BITS), 1000);
	ck_assert_uint_eq(count_entries(conntrack, 0, MARK_BITS), 2000);
	ck_assert_uint_eq(sweep(0xfffd), 1000);
}
END_TEST

START_TEST(test_sweep_figures)
{
	const size_t counts[] = {10000, 100000};
	size_t rounds = getenv("BULKHEAD_LONG") ? 2 : 1;

	for (size_t i = 0; i < rounds; i++) {
		double began, longest = 0, first, second;
		struct conntrack_sweep walk;
		int more = 1;

		sh("conntrack -F 2>/dev/null || true");
		add_numbered(counts[i], mark_one);
		began = seconds_now();
		ck_assert_int_eq(
			conntrack_sweep_begin(&walk, conntrack, &marks, SWEEP_ANY, &err), 0);
		while (more > 0) {
			double step = seconds_now();

			more = conntrack_sweep_step(&walk, &err);
			if (seconds_now() - step > longest)
				longest = seconds_now() - step;
		}
		first = seconds_now() - began;
		ck_assert_uint_eq(walk.found, counts[i]);
		began = seconds_now();
		ck_assert_uint_eq(sweep(SWEEP_ANY), 0);
		second = seconds_now() - began;
		began = seconds_now();
		ck_assert_uint_eq(sweep(1), 0);
		printf("figure: conntrack sweep of %zu entries, all marked: %.1f ms (longest step "
		       "%.2f ms); of none marked: %.1f ms; of none with one value: %.1f ms\n",
			counts[i], first * 1e3, longest * 1e3, second * 1e3,
			(seconds_now() - began) * 1e3);
		fflush(stdout);
	}
}
END_TEST

/* --- real flows -------------------------------------------------------------------------------- */

static pid_t peer;

static void setup_peer(void)
{
	setup();
	peer = new_peer();
	sh("ip link add v0 type veth peer name eth0 netns %d; ip addr add 10.79.0.1/24 dev v0; ip "
	   "link set v0 up",
		(int)peer);
	sh("nsenter -t %d -n sh -c 'ip addr add 10.79.0.2/24 dev eth0; ip link set eth0 up'",
		(int)peer);
}

static void teardown_peer(void)
{
	end_peer(peer);
	teardown();
}

static int connected(uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len = make_address(&to, "10.79.0.2", port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_msg(connect(fd, (struct sockaddr *)&to, len) == 0, "connect to port %u: %s", port,
		strerror(errno));
	return fd;
}

static void track(void)
{
	sh("nft 'add table ip t; add chain ip t o { type nat hook output priority -100; }; "
	   "add rule ip t o tcp dport 8080 dnat to 10.79.0.2:80'");
}

/* A flow that was there before conntrack looked is told from one that it has seen opened. */
START_TEST(test_midstream)
{
	int listening = serve(peer, SOCK_STREAM, "10.79.0.2", 80);
	struct flow_list list;
	int before, after;

	before = connected(80);
	track();
	ck_assert_int_eq(send(before, "x", 1, 0), 1);
	list_entries(conntrack, 0, 0, &list);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.items[0].midstream);
	close(before);
	sh("conntrack -F 2>/dev/null");
	after = connected(80);
	list_entries(conntrack, 0, 0, &list);
	/* the end of the first may have made an entry again */
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i].status & IPS_ASSURED)
			ck_assert(!list.items[i].midstream);
	ck_assert_uint_ge(list.count, 1);
	close(after);
	close(listening);
}
END_TEST

START_TEST(test_translated_target)
{
	int listening = serve(peer, SOCK_STREAM, "10.79.0.2", 80);
	const struct ip target = ct_address("10.79.0.2");
	struct flow_list list;
	int fd;

	track();
	fd = connected(8080);
	list_entries(conntrack, 0, 0, &list);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_uint_eq(list.items[0].original.dst_port, 8080);
	ck_assert_uint_eq(list.items[0].reply.src_port, 80);
	ck_assert(ip_equal(&list.items[0].reply.src, &target));
	set_mark(&list.items[0], MARK_BITS);
	ck_assert_int_eq(conntrack_flush(conntrack, &err), 0);
	ck_assert_uint_eq(count_entries(conntrack, MARK_BITS, MARK_BITS), 1);
	close(fd);
	close(listening);
}
END_TEST

static Suite *conntrack_suite(void)
{
	Suite *suite = suite_create("conntrack");
	TCase *entries = tcase_create("entries"), *flows = tcase_create("flows");

	tcase_add_checked_fixture(entries, setup, teardown);
	tcase_set_timeout(entries, 60);
	tcase_add_test(entries, test_all_kinds_are_listed);
	tcase_add_test(entries, test_listed_by_mark);
	tcase_add_test(entries, test_only_our_bits_change);
	tcase_add_test(entries, test_the_zone_tells_which);
	tcase_add_test(entries, test_gone_is_success);
	tcase_add_test(entries, test_a_refusal_is_told_and_the_next_batch_works);
	tcase_add_test(entries, test_turned);
	tcase_add_test(entries, test_removed);
	tcase_add_test(entries, test_a_listing_can_be_given_up);
	tcase_add_test(entries, test_sweep_of_any_generation);
	tcase_add_test(entries, test_sweep_of_one_generation);
	tcase_add_test(entries, test_sweep_figures);
	tcase_add_checked_fixture(flows, setup_peer, teardown_peer);
	tcase_set_timeout(flows, 60);
	tcase_add_test(flows, test_midstream);
	tcase_add_test(flows, test_translated_target);
	suite_add_tcase(suite, entries);
	suite_add_tcase(suite, flows);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(conntrack_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
