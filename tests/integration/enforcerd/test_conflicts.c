/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What nft, iptables and ip leave in a namespace, and whether --check would tell. */
#include "enforcerd/conflicts.h"

#include "common/strbuf.h"
#include "netns.h"

static const struct conflict_options options = {.table = "bulkhead", .mark_mask = 0xffff0000};
static struct conflicts found;

static void setup(void)
{
	enter_own_netns();
}

static void teardown(void)
{
	conflicts_clear(&found);
}

static void look(const struct conflict_options *what)
{
	struct err err = {0};

	conflicts_clear(&found);
	ck_assert_msg(conflicts_find(what, &found, &err) == 0, "%s", err.text);
}

/* True when exactly one line begins so, and it is fatal or not. */
static int has(bool fatal, const char *start)
{
	int count = 0;

	for (size_t i = 0; i < found.count; i++)
		count += !strncmp(found.items[i].text, start, strlen(start)) &&
			 found.items[i].fatal == fatal;
	return count == 1;
}

static void expect(bool fatal, const char *start)
{
	cleanup_strbuf struct strbuf all = {0};

	for (size_t i = 0; i < found.count; i++)
		strbuf_addf(&all, "%d %s\n", found.items[i].fatal, found.items[i].text);
	ck_assert_msg(has(fatal, start), "no %d %s in:\n%s", fatal, start, all.len ? all.text : "");
}

START_TEST(test_an_empty_host)
{
	look(&options);
	ck_assert_uint_eq(found.count, 0);
}
END_TEST

START_TEST(test_our_own_tables)
{
	sh("nft -f - <<'X'\n"
	   "add table inet bulkhead\n"
	   "add chain inet bulkhead f { type filter hook forward priority -1; }\n"
	   "add rule inet bulkhead f ct mark set ct mark and 0x0000ffff or 0x10000\n"
	   "add table bridge bulkhead\n"
	   "add chain bridge bulkhead f { type filter hook forward priority 0; }\n"
	   "X");
	look(&options);
	ck_assert_uint_eq(found.count, 0);
	/* by another name they would be somebody's */
	look(&(struct conflict_options){.table = "other", .mark_mask = 0xffff0000});
	expect(true, "table inet bulkhead, chain f: may write conntrack mark bits 0xffff0000");
	expect(false, "table bridge bulkhead, chain f: sees bridged frames too");
}
END_TEST

START_TEST(test_marks)
{
	sh("nft -f - <<'X'\n"
	   "add table ip a\n"
	   "add chain ip a p { type filter hook prerouting priority -150; }\n"
	   "add rule ip a p ct mark set ct mark and 0xffff0000 or 0x1\n"
	   "add rule ip a p meta mark set ct mark and 0xff\n"
	   "add table ip6 b\n"
	   "add chain ip6 b p { type filter hook prerouting priority -150; }\n"
	   "add rule ip6 b p ct mark set 1\n"
	   "add rule ip6 b p tcp dport 1 ct mark set mark\n"
	   "add table inet c\n"
	   "add chain inet c p { type filter hook prerouting priority -150; }\n"
	   "add rule inet c p meta mark set ct mark\n"
	   "add table ip wg-quick-wg0\n"
	   "add chain ip wg-quick-wg0 post { type filter hook postrouting priority -150; }\n"
	   "add rule ip wg-quick-wg0 post meta l4proto udp mark 51820 ct mark set mark\n"
	   "X");
	look(&options);
	ck_assert_uint_eq(found.count, 3);
	expect(true,
		"table ip6 b, chain p and 1 more: may write conntrack mark bits 0xffffffff, of "
		"which 0xffff0000 are ours: ");
	expect(false, "table inet c, chain p: copies conntrack mark bits to packets 0xffffffff");
	expect(false, "table ip wg-quick-wg0, chain post: may write conntrack mark bits");
	/* with other bits it is another table that is in the way */
	look(&(struct conflict_options){.table = "bulkhead", .mark_mask = 0x000000f0});
	expect(false,
		"table ip a, chain p: copies conntrack mark bits to packets 0x000000ff, of which "
		"0x000000f0 are ours");
	expect(true,
		"table ip a, chain p: may write conntrack mark bits 0x0000ffff, of which 0x000000f0 are "
		"ours");
}
END_TEST

START_TEST(test_iptables)
{
	sh("iptables-nft -t mangle -A PREROUTING -j CONNMARK --set-xmark 0x1/0xff\n"
	   "ip6tables-nft -t mangle -A POSTROUTING -j CONNMARK --save-mark\n"
	   "ip6tables-nft -t mangle -A PREROUTING -j CONNMARK --restore-mark\n"
	   "iptables-nft -t raw -A PREROUTING -p tcp -j CT --notrack");
	look(&options);
	ck_assert_uint_eq(found.count, 3);
	expect(true, "table ip6 mangle, chain POSTROUTING: may write conntrack mark bits");
	expect(false, "table ip6 mangle, chain PREROUTING: copies conntrack mark bits");
	expect(false, "table ip raw, chain PREROUTING: keeps packets from connection tracking");
}
END_TEST

START_TEST(test_the_bridge_family)
{
	sh("nft -f - <<'X'\n"
	   "add table bridge filter\n"
	   "add chain bridge filter FORWARD { type filter hook forward priority -200; }\n"
	   "add chain bridge filter IN { type filter hook input priority -200; }\n"
	   "X");
	look(&options);
	ck_assert_uint_eq(found.count, 1);
	expect(false, "table bridge filter, chain FORWARD: sees bridged frames too");
}
END_TEST

START_TEST(test_flowtables)
{
	int status = 0;
	char *text = output_of(&status,
		"nft -f - 2>&1 <<'X'\n"
		"add table inet f\n"
		"add flowtable inet f ft { hook ingress priority 0; devices = { lo }; }\n"
		"add chain inet f c { type filter hook forward priority 0; }\n"
		"add rule inet f c ip protocol tcp flow add @ft\n"
		"X");

	free(text);
	look(&options);
	if (status) {
		/* a kernel without flowtables refuses the batch, and then there must be nothing to tell of; how the messages of one
		 * that has them are read is test_foreign_rule's */
		ck_assert_uint_eq(found.count, 0);
		return;
	}
	ck_assert_uint_eq(found.count, 2);
	expect(false, "table inet f, flowtable ft: is a flowtable");
	expect(true, "table inet f, chain c: puts flows into a flowtable");
}
END_TEST

START_TEST(test_policy_routing)
{
	sh("ip rule add fwmark 0x1/0xff table 100\n"
	   "ip rule add iif lo table 101");
	look(&options);
	ck_assert_uint_eq(found.count, 0);
	sh("ip rule add not fwmark 51820 table 51820\n"
	   "ip -6 rule add fwmark 0x80000/0xff0000 table 52");
	look(&options);
	ck_assert_uint_eq(found.count, 1);
	expect(false,
		"ip rule: 2 rules look at packet mark bits 0xffffffff, of which 0xffff0000 are ours");
}
END_TEST

START_TEST(test_a_swarm)
{
	sh("ip link add docker_gwbridge type bridge");
	look(&options);
	ck_assert_uint_eq(found.count, 1);
	expect(false, "a swarm was made here (docker_gwbridge)");
}
END_TEST

/* Files as a kernel would have them. */
START_TEST(test_proc)
{
	char dir[] = "/tmp/bulkhead-conflicts-XXXXXX";
	const struct conflict_options there = {
		.table = "bulkhead", .mark_mask = 0xffff0000, .proc = dir};

	ck_assert_ptr_nonnull(mkdtemp(dir));
	sh("mkdir -p %s/net %s/sys/net/netfilter; cd %s\n"
	   "printf 'filter\\nnat\\n' >net/ip_tables_names; : >net/ip6_tables_names\n"
	   "cd sys/net/netfilter\n"
	   "echo 799 >nf_conntrack_count; echo 1000 >nf_conntrack_max; echo 1 >nf_conntrack_tcp_loose",
		dir, dir, dir);
	look(&there);
	ck_assert_uint_eq(found.count, 1);
	expect(false, "legacy iptables has tables here (filter nat)");
	sh("cd %s; : >net/ip_tables_names; echo mangle >net/ip6_tables_names\n"
	   "cd sys/net/netfilter\n"
	   "echo 800 >nf_conntrack_count; echo 0 >nf_conntrack_tcp_loose",
		dir);
	look(&there);
	ck_assert_uint_eq(found.count, 3);
	expect(false, "legacy iptables has tables here (mangle)");
	expect(false, "conntrack holds 800 of at most 1000 flows");
	expect(false, "net.netfilter.nf_conntrack_tcp_loose is 0");
	sh("cd %s; : >net/ip6_tables_names; cd sys/net/netfilter; echo 1000 >nf_conntrack_count; "
	   "echo x >nf_conntrack_tcp_loose",
		dir);
	look(&there);
	ck_assert_uint_eq(found.count, 1);
	expect(true, "conntrack holds 1000 of at most 1000 flows");
	sh("rm -r %s", dir);
}
END_TEST

/* A host with many tables gets a bounded answer. */
START_TEST(test_many_tables)
{
	sh("for i in $(seq 150); do echo \"add table ip t$i; add chain ip t$i c; add rule ip t$i c notrack\"; "
	   "done | nft -f -");
	look(&options);
	ck_assert_uint_eq(found.count, 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conflicts");
	TCase *tcase = tcase_create("conflicts");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_an_empty_host);
	tcase_add_test(tcase, test_our_own_tables);
	tcase_add_test(tcase, test_marks);
	tcase_add_test(tcase, test_iptables);
	tcase_add_test(tcase, test_the_bridge_family);
	tcase_add_test(tcase, test_flowtables);
	tcase_add_test(tcase, test_policy_routing);
	tcase_add_test(tcase, test_a_swarm);
	tcase_add_test(tcase, test_proc);
	tcase_add_test(tcase, test_many_tables);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
