/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/xalloc.h"
#include "enforcerd/ruleset.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct elem_key address(const char *text)
{
	struct elem_key key = {0};

	ck_assert_int_eq(ip_parse(text, &key.ip, NULL), 0);
	return key;
}

static struct elem_key block(const char *text)
{
	struct elem_key key = {0};
	struct cidr cidr;

	ck_assert_int_eq(cidr_parse(text, &cidr, NULL), 0);
	cidr_range(&cidr, &key.ip, &key.last);
	return key;
}

static struct elem_key interface(const char *name)
{
	struct elem_key key = {0};

	snprintf(key.ifname, sizeof(key.ifname), "%s", name);
	return key;
}

static void put(
	struct ruleset *rs, const char *set, const char *ip, const char *chain, const char *comment)
{
	const struct elem_key key = address(ip);

	ruleset_put(rs, set, &key, chain, comment);
}

static void del(struct ruleset *rs, const char *set, const char *ip)
{
	const struct elem_key key = address(ip);

	ruleset_del(rs, set, &key);
}

static void chain(struct ruleset *rs, const char *name, enum verdict_kind verdict)
{
	struct rule_list rules = {0};

	rule_append(&rules)->verdict = verdict;
	ruleset_chain(rs, name, "why", &rules);
	ck_assert_ptr_null(rules.items);
	ck_assert_uint_eq(rules.count, 0);
}

/* --- what a visitor sees, a line each ---------------------------------------------------------- */

static const char *const signs[] = {
	[DIFF_NONE] = "=", [DIFF_ADD] = "+", [DIFF_REMOVE] = "-", [DIFF_REPLACE] = "~"};

/* In table inet alone nothing is said of it. */
static const char *const where[] = {
	[IN_INET] = "", [IN_BRIDGE] = " in bridge", [IN_BOTH] = " in both"};

static void see_counter(enum ruleset_tables tables, const char *name, enum diff diff, void *arg)
{
	strbuf_addf(arg, "%scounter %s%s\n", signs[diff], name, where[tables]);
}

static void see_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	strbuf_addf(arg, "%sset %s %d %s%s\n", signs[diff], name, (int)type, comment ? comment : "",
		where[tables]);
}

static void see_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *to, const char *comment, enum diff diff, void *arg)
{
	char text[IP_TEXT_MAX];

	(void)type;
	strbuf_addf(
		arg, "%selem %s %s%s", signs[diff], set, ip_format(&key->ip, text), where[tables]);
	if (diff != DIFF_REMOVE && to)
		strbuf_addf(arg, " %s", to);
	if (diff != DIFF_REMOVE && comment)
		strbuf_addf(arg, " (%s)", comment);
	strbuf_add(arg, "\n");
}

static void see_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	strbuf_addf(arg, "%schain %s%s", signs[diff], name, where[tables]);
	if (diff == DIFF_REMOVE)
		ck_assert_uint_eq(rules->count, 0);
	else
		strbuf_addf(arg, " %zu %d %s", rules->count, (int)rules->items[0].verdict, comment);
	strbuf_add(arg, "\n");
}

static const struct ruleset_visitor seeing = {see_counter, see_set, see_elem, see_chain};

/* Fails unless the pending difference reads like text; then it is committed. */
#define expect_commit(rs, wanted)                                       \
	do {                                                            \
		cleanup_strbuf struct strbuf seen_ = {0};               \
		ruleset_visit((rs), &seeing, &seen_);                   \
		ck_assert_str_eq(seen_.text ? seen_.text : "", wanted); \
		ck_assert(ruleset_dirty(rs) == !!*(wanted));            \
		ruleset_committed(rs);                                  \
		ck_assert(!ruleset_dirty(rs));                          \
	} while (0)

static struct ruleset *committed(void)
{
	struct ruleset *rs = ruleset_new();

	ruleset_counter(rs, "drop");
	ruleset_set(rs, "web", SET_IPV4, "role == \"web\"");
	ruleset_set(rs, "egress", MAP_IPV4, NULL);
	put(rs, "web", "10.0.0.1", NULL, NULL);
	put(rs, "egress", "10.0.0.1", "eg_a", "one");
	chain(rs, "eg_a", VERDICT_DROP);
	ruleset_committed(rs);
	return rs;
}

START_TEST(test_everything_is_pending_at_first)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();

	ck_assert(!ruleset_dirty(rs));
	expect_commit(rs, "");
	chain(rs, "eg_b", VERDICT_DROP);
	chain(rs, "eg_a", VERDICT_RETURN);
	ruleset_set(rs, "web", SET_IPV4, "role");
	ruleset_set(rs, "egress", MAP_IPV4, NULL);
	put(rs, "web", "10.0.0.1", NULL, NULL);
	put(rs, "egress", "10.0.0.1", "eg_a", "one");
	ruleset_counter(rs, "drop");
	expect_commit(rs, "+counter drop\n"
			  "+set egress 10 \n+elem egress 10.0.0.1 eg_a (one)\n"
			  "+set web 0 role\n+elem web 10.0.0.1\n"
			  "+chain eg_a 1 3 why\n+chain eg_b 1 2 why\n");
	expect_commit(rs, "");
}
END_TEST

START_TEST(test_only_what_changed_is_pending)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	put(rs, "web", "10.0.0.2", NULL, NULL);
	expect_commit(rs, "=set web 0 role == \"web\"\n+elem web 10.0.0.2\n");
	del(rs, "web", "10.0.0.1");
	expect_commit(rs, "=set web 0 role == \"web\"\n-elem web 10.0.0.1\n");
	put(rs, "egress", "10.0.0.1", "eg_b", "one");
	expect_commit(rs, "=set egress 10 \n~elem egress 10.0.0.1 eg_b (one)\n");
	put(rs, "egress", "10.0.0.1", "eg_b", "renamed");
	expect_commit(rs, "=set egress 10 \n~elem egress 10.0.0.1 eg_b (renamed)\n");
	chain(rs, "eg_a", VERDICT_RETURN);
	expect_commit(rs, "~chain eg_a 1 3 why\n");
	ruleset_chain_drop(rs, "eg_a");
	expect_commit(rs, "-chain eg_a\n");
	ruleset_counter_drop(rs, "drop");
	expect_commit(rs, "-counter drop\n");
}
END_TEST

START_TEST(test_saying_it_again_changes_nothing)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	ruleset_counter(rs, "drop");
	ruleset_set(rs, "web", SET_IPV4, "role == \"web\"");
	put(rs, "web", "10.0.0.1", NULL, NULL);
	put(rs, "egress", "10.0.0.1", "eg_a", "one");
	chain(rs, "eg_a", VERDICT_DROP);
	expect_commit(rs, "");
}
END_TEST

START_TEST(test_what_is_undone_is_no_change)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	put(rs, "web", "10.0.0.2", NULL, NULL);
	del(rs, "web", "10.0.0.2");
	del(rs, "web", "10.0.0.1");
	put(rs, "web", "10.0.0.1", NULL, NULL);
	ruleset_counter_drop(rs, "drop");
	ruleset_counter(rs, "drop");
	ruleset_counter(rs, "other");
	ruleset_counter_drop(rs, "other");
	ruleset_set(rs, "other", SET_IPV4, NULL);
	put(rs, "other", "10.0.0.9", NULL, NULL);
	ruleset_set_drop(rs, "other");
	chain(rs, "other", VERDICT_DROP);
	ruleset_chain_drop(rs, "other");
	expect_commit(rs, "");
	ck_assert(!ruleset_chain_exists(rs, "other"));
}
END_TEST

START_TEST(test_a_dropped_set_takes_its_elements_along)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	ruleset_set_drop(rs, "web");
	ck_assert_uint_eq(ruleset_set_size(rs, "web"), 0);
	expect_commit(rs, "-set web 0 role == \"web\"\n");
	ruleset_set(rs, "web", SET_IPV4, NULL);
	ck_assert_uint_eq(ruleset_set_size(rs, "web"), 0);
	expect_commit(rs, "+set web 0 \n");
}
END_TEST

START_TEST(test_a_set_dropped_and_declared_again_keeps_only_what_is_put_again)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	put(rs, "web", "10.0.0.2", NULL, NULL);
	ruleset_committed(rs);
	ruleset_set_drop(rs, "web");
	ruleset_set(rs, "web", SET_IPV4, "role == \"web\"");
	put(rs, "web", "10.0.0.2", NULL, NULL);
	put(rs, "web", "10.0.0.3", NULL, NULL);
	expect_commit(rs, "=set web 0 role == \"web\"\n-elem web 10.0.0.1\n+elem web 10.0.0.3\n");
	ck_assert_uint_eq(ruleset_set_size(rs, "web"), 2);
}
END_TEST

START_TEST(test_an_element_deleted_and_put_elsewhere_is_replaced)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	del(rs, "egress", "10.0.0.1");
	put(rs, "egress", "10.0.0.1", "eg_b", NULL);
	expect_commit(rs, "=set egress 10 \n~elem egress 10.0.0.1 eg_b\n");
	put(rs, "egress", "10.0.0.1", "eg_c", NULL);
	del(rs, "egress", "10.0.0.1");
	expect_commit(rs, "=set egress 10 \n-elem egress 10.0.0.1\n");
}
END_TEST

START_TEST(test_nothing_commits_by_itself)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();
	cleanup_strbuf struct strbuf first = {0}, second = {0};

	put(rs, "web", "10.0.0.2", NULL, NULL);
	chain(rs, "eg_b", VERDICT_DROP);
	ruleset_visit(rs, &seeing, &first);
	/* the kernel refused: it is all still to be done, and more may come */
	ruleset_visit(rs, &seeing, &second);
	ck_assert_str_eq(first.text, second.text);
	del(rs, "web", "10.0.0.1");
	expect_commit(rs, "=set web 0 role == \"web\"\n+elem web 10.0.0.2\n-elem web 10.0.0.1\n"
			  "+chain eg_b 1 2 why\n");
}
END_TEST

START_TEST(test_after_forget_all_that_is_wanted_is_pending)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	put(rs, "web", "10.0.0.2", NULL, NULL);
	del(rs, "web", "10.0.0.1");
	put(rs, "egress", "10.0.0.1", "eg_b", NULL);
	ruleset_chain_drop(rs, "eg_a");
	chain(rs, "eg_b", VERDICT_DROP);
	ruleset_set(rs, "gone", SET_IPV4, NULL);
	ruleset_committed(rs);
	ruleset_set_drop(rs, "gone");
	ruleset_counter(rs, "gone");
	ruleset_committed(rs);
	ruleset_counter_drop(rs, "gone");
	ruleset_forget(rs);
	expect_commit(rs, "+counter drop\n+set egress 10 \n+elem egress 10.0.0.1 eg_b\n"
			  "+set web 0 role == \"web\"\n+elem web 10.0.0.2\n+chain eg_b 1 2 why\n");
	put(rs, "web", "10.0.0.2", NULL, NULL);
	expect_commit(rs, "");
}
END_TEST

START_TEST(test_lookups)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();
	const struct elem_key here = address("10.0.0.1"), missing = address("10.0.0.9");

	ck_assert(ruleset_has(rs, "web", &here));
	ck_assert(!ruleset_has(rs, "web", &missing));
	ck_assert(!ruleset_has(rs, "nothing", &here));
	ck_assert_uint_eq(ruleset_set_size(rs, "web"), 1);
	ck_assert_uint_eq(ruleset_set_size(rs, "nothing"), 0);
	ck_assert(ruleset_chain_exists(rs, "eg_a"));
	ck_assert(!ruleset_chain_exists(rs, "nothing"));
	ruleset_del(rs, "web", &here);
	ruleset_del(rs, "web", &here);
	ck_assert(!ruleset_has(rs, "web", &here));
	ck_assert_uint_eq(ruleset_set_size(rs, "web"), 0);
	ruleset_chain_drop(rs, "eg_a");
	ck_assert(!ruleset_chain_exists(rs, "eg_a"));
}
END_TEST

START_TEST(test_dropping_what_is_not_there_is_nothing)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();

	ruleset_set_drop(rs, "nothing");
	ruleset_counter_drop(rs, "nothing");
	ruleset_chain_drop(rs, "nothing");
	del(rs, "nothing", "10.0.0.1");
	del(rs, "web", "10.0.0.9");
	expect_commit(rs, "");
}
END_TEST

START_TEST(test_a_visitor_may_look_at_one_thing_only)
{
	static const struct ruleset_visitor only[] = {{.counter = see_counter}, {.set = see_set},
		{.elem = see_elem}, {.chain = see_chain}};
	static const char *const seen[] = {"+counter drop\n", "+set web 0 \n",
		"+elem web 10.0.0.1\n", "+chain eg_a 1 2 why\n"};
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();

	ruleset_counter(rs, "drop");
	ruleset_set(rs, "web", SET_IPV4, NULL);
	put(rs, "web", "10.0.0.1", NULL, NULL);
	chain(rs, "eg_a", VERDICT_DROP);
	for (size_t i = 0; i < COUNT(only); i++) {
		cleanup_strbuf struct strbuf out = {0};

		ruleset_visit(rs, &only[i], &out);
		ck_assert_str_eq(out.text, seen[i]);
	}
}
END_TEST

START_TEST(test_tables)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	struct rule_list none = {0}, again = {0};

	ruleset_policy_tables(rs, IN_BOTH);
	ruleset_counter(rs, "drop");
	ruleset_counter_in(rs, IN_BRIDGE, "guard");
	ruleset_set(rs, "web", SET_IPV4, NULL);
	ruleset_set_in(rs, IN_BRIDGE, "at4", SET_IPV4, NULL);
	ruleset_set_in(rs, IN_INET, "home", SET_IPV4, NULL);
	put(rs, "web", "10.0.0.1", NULL, NULL);
	put(rs, "at4", "10.0.0.1", NULL, NULL);
	chain(rs, "eg_a", VERDICT_DROP);
	rule_append(&none)->verdict = VERDICT_ACCEPT;
	ruleset_chain_in(rs, IN_BRIDGE, "bridge:forward", "why", &none);
	expect_commit(rs, "+counter drop in both\n+counter guard in bridge\n"
			  "+set at4 0  in bridge\n+elem at4 10.0.0.1 in bridge\n"
			  "+set home 0 \n"
			  "+set web 0  in both\n+elem web 10.0.0.1 in both\n"
			  "+chain bridge:forward in bridge 1 1 why\n"
			  "+chain eg_a in both 1 2 why\n");
	/* where it was declared first it stays */
	ruleset_set_in(rs, IN_INET, "web", SET_IPV4, NULL);
	rule_append(&again)->verdict = VERDICT_DROP;
	ruleset_chain_in(rs, IN_INET, "bridge:forward", "why", &again);
	del(rs, "web", "10.0.0.1");
	ruleset_set_drop(rs, "at4");
	ruleset_counter_drop(rs, "guard");
	expect_commit(rs, "-counter guard in bridge\n-set at4 0  in bridge\n"
			  "=set web 0  in both\n-elem web 10.0.0.1 in both\n"
			  "~chain bridge:forward in bridge 1 2 why\n");
}
END_TEST

/* --- random sequences against a model ---------------------------------------------------------- */

enum { SETS = 3, KEYS = 6, CHAINS = 4, VALUES = 3, STEPS = 4000 };

/* 0: not there; else there, with that value */
struct model {
	int set[SETS], elem[SETS][KEYS], chain[CHAINS];
};

static unsigned draw(unsigned *seed, unsigned n)
{
	return (unsigned)rand_r(seed) % n;
}

static const char *indexed(const char *prefix, int i, char name[16])
{
	snprintf(name, 16, "%s%d", prefix, i);
	return name;
}

static void apply(int *at, enum diff diff, int value)
{
	ck_assert(diff == DIFF_ADD ? !*at : !!*at);
	*at = diff == DIFF_REMOVE ? 0 : value;
}

static void model_set(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	struct model *kernel = arg;
	int s = name[1] - '0';

	(void)tables;
	(void)comment;
	ck_assert_int_eq(type, MAP_IPV4);
	ck_assert_int_ne(diff, DIFF_REPLACE);
	if (diff == DIFF_NONE)
		ck_assert(kernel->set[s]);
	else
		apply(&kernel->set[s], diff, 1);
	if (diff == DIFF_REMOVE)
		memset(kernel->elem[s], 0, sizeof(kernel->elem[s]));
}

static void model_elem(enum ruleset_tables tables, const char *set, enum set_type type,
	const struct elem_key *key, const char *to, const char *comment, enum diff diff, void *arg)
{
	struct model *kernel = arg;

	(void)tables;
	(void)type;
	(void)comment;
	ck_assert(kernel->set[set[1] - '0']);
	apply(&kernel->elem[set[1] - '0'][key->ip.bytes[3]], diff, to ? to[1] - '0' : 0);
}

static void model_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	struct model *kernel = arg;

	(void)tables;
	(void)comment;
	apply(&kernel->chain[name[1] - '0'], diff, rules->count ? (int)rules->items[0].verdict : 0);
}

static void random_step(struct ruleset *rs, struct model *want, unsigned *seed)
{
	int s = (int)draw(seed, SETS), k = (int)draw(seed, KEYS), c = (int)draw(seed, CHAINS);
	int value = 1 + (int)draw(seed, VALUES);
	struct elem_key key = {.ip = {.family = 4, .bytes = {10, 0, 0, (uint8_t)k}}};
	char set[16], name[16], to[16];

	indexed("s", s, set);
	indexed("c", c, name);
	switch (draw(seed, 12)) {
	case 0:
		ruleset_set_drop(rs, set);
		want->set[s] = 0;
		memset(want->elem[s], 0, sizeof(want->elem[s]));
		break;
	case 1:
	case 2:
		ruleset_set(rs, set, MAP_IPV4, NULL);
		want->set[s] = 1;
		break;
	case 3:
		ruleset_chain_drop(rs, name);
		want->chain[c] = 0;
		break;
	case 4:
	case 5:
		chain(rs, name, (enum verdict_kind)value);
		want->chain[c] = value;
		break;
	case 6:
	case 7:
	case 8:
		ruleset_del(rs, set, &key);
		want->elem[s][k] = 0;
		break;
	default:
		if (!want->set[s])
			break;
		ruleset_put(rs, set, &key, indexed("v", value, to), NULL);
		want->elem[s][k] = value;
	}
}

START_TEST(test_the_kernel_follows_any_sequence)
{
	static const struct ruleset_visitor following = {NULL, model_set, model_elem, model_chain};
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	struct model want = {0}, kernel = {0};
	struct timespec now;
	unsigned seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = getenv("BULKHEAD_SEED") ? (unsigned)atoi(getenv("BULKHEAD_SEED"))
				       : (unsigned)now.tv_nsec;
	printf("ruleset: BULKHEAD_SEED=%u\n", seed);
	for (int i = 0; i < STEPS; i++) {
		bool same;

		random_step(rs, &want, &seed);
		same = !memcmp(&want, &kernel, sizeof(want));
		/* dirty may be said of what amounts to no change, clean never of one */
		ck_assert(same || ruleset_dirty(rs));
		if (draw(&seed, 50) == 0) {
			memset(&kernel, 0, sizeof(kernel));
			ruleset_forget(rs);
		}
		if (draw(&seed, 6))
			continue;
		ruleset_visit(rs, &following, &kernel);
		ruleset_committed(rs);
		ck_assert_msg(!memcmp(&want, &kernel, sizeof(want)), "step %d", i);
		ck_assert(!ruleset_dirty(rs));
	}
}
END_TEST

/* --- rendering --------------------------------------------------------------------------------- */

struct rendered_match {
	struct match match;
	const char *text;
};

static const struct rendered_match matches[] = {
	{{.kind = MATCH_CT_STATE, .value = CT_INVALID}, "ct state invalid"},
	{{.kind = MATCH_CT_STATE, .value = CT_NEW | CT_RELATED | CT_ESTABLISHED | CT_UNTRACKED},
		"ct state established,related,new,untracked"},
	{{.kind = MATCH_CT_STATE, .value = CT_INVALID, .negate = true}, "ct state != invalid"},
	{{.kind = MATCH_CT_ORIGINAL}, "ct direction original"},
	{{.kind = MATCH_CT_PROTOCOL, .value = 6}, "ct original protocol 6"},
	{{.kind = MATCH_CT_PROTOCOL, .value = 17, .negate = true}, "ct original protocol != 17"},
	{{.kind = MATCH_CT_ADDR, .cidr = {{4, {10}}, 8}}, "ct original ip saddr 10.0.0.0/8"},
	{{.kind = MATCH_CT_ADDR, .side = SIDE_DST, .negate = true, .cidr = {{6, {0xfd}}, 8}},
		"ct reply ip6 saddr != fd00::/8"},
	{{.kind = MATCH_CT_ADDR_SET, .family = 4, .set = "sel_4"}, "ct original ip saddr @sel_4"},
	{{.kind = MATCH_CT_ADDR_SET, .family = 6, .side = SIDE_DST, .negate = true, .set = "s"},
		"ct reply ip6 saddr != @s"},
	{{.kind = MATCH_CT_PORT, .first = 80, .last = 80}, "ct original proto-src 80"},
	{{.kind = MATCH_CT_PORT, .side = SIDE_DST, .negate = true, .first = 1, .last = 65535},
		"ct reply proto-src != 1-65535"},
	{{.kind = MATCH_CT_PORT_SET, .side = SIDE_DST, .set = "p"}, "ct reply proto-src @p"},
	{{.kind = MATCH_CT_PORT_SET, .negate = true, .set = "p"}, "ct original proto-src != @p"},
	{{.kind = MATCH_CT_ICMP, .first = 8, .last = ICMP_ANY_CODE}, "icmp type 8"},
	{{.kind = MATCH_CT_ICMP, .first = 3, .last = 4, .negate = true}, "icmp != type 3 code 4"},
	{{.kind = MATCH_NFPROTO, .family = 6}, "meta nfproto ipv6"},
	{{.kind = MATCH_HDR_ADDR, .cidr = {{4, {10}}, 8}}, "ip saddr 10.0.0.0/8"},
	{{.kind = MATCH_HDR_ADDR, .side = SIDE_DST, .cidr = {{6, {0xfd}}, 8}},
		"ip6 daddr fd00::/8"},
	{{.kind = MATCH_HDR_ADDR_SET, .family = 4, .negate = true, .set = "k"}, "ip saddr != @k"},
	{{.kind = MATCH_HDR_ADDR_SET, .family = 6, .side = SIDE_DST, .set = "k"}, "ip6 daddr @k"},
	{{.kind = MATCH_IIF_SET, .set = "m"}, "iifname @m"},
	{{.kind = MATCH_OIF_SET, .set = "m", .negate = true}, "oifname != @m"},
	{{.kind = MATCH_OIF, .set = "br0"}, "oifname \"br0\""},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 130, .last = 136}, "icmpv6 type 130-136"},
	{{.kind = MATCH_ICMPV6_TYPE, .first = 143, .last = 143}, "icmpv6 type 143"},
	{{.kind = MATCH_TCP_NOT_SYN}, "tcp flags & (fin | syn | rst | ack) != syn"},
	{{.kind = MATCH_CT_ORIGINAL, .negate = true}, "ct direction != original"},
	{{.kind = MATCH_CT_MARK, .value = 0x10000, .mask = 0xffff0000},
		"ct mark & 0xffff0000 == 0x00010000"},
	{{.kind = MATCH_CT_MARK, .mask = 0xffff0000, .negate = true},
		"ct mark & 0xffff0000 != 0x00000000"},
	{{.kind = MATCH_IIF, .set = "br0"}, "iifname \"br0\""},
	{{.kind = MATCH_IIF, .set = "br0", .negate = true}, "iifname != \"br0\""},
	{{.kind = MATCH_IBR_SET, .set = "m"}, "meta ibrname @m"},
	{{.kind = MATCH_IIF_KIND, .set = "bridge"}, "meta iifkind \"bridge\""},
	{{.kind = MATCH_L4PROTO, .value = 17}, "meta l4proto 17"},
	{{.kind = MATCH_L4PROTO, .value = 17, .negate = true}, "meta l4proto != 17"},
	{{.kind = MATCH_HDR_PORT, .first = 67, .last = 67}, "th sport 67"},
	{{.kind = MATCH_HDR_PORT, .side = SIDE_DST, .first = 67, .last = 68, .negate = true},
		"th dport != 67-68"},
	{{.kind = MATCH_ETHER_TYPE, .value = 0x86dd}, "ether type 0x86dd"},
	{{.kind = MATCH_ETHER_TYPE, .value = 0x806, .negate = true}, "ether type != 0x0806"},
	{{.kind = MATCH_ETHER_MULTICAST}, "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00"},
	{{.kind = MATCH_ETHER_MULTICAST, .negate = true},
		"ether daddr & 01:00:00:00:00:00 != 01:00:00:00:00:00"},
	{{.kind = MATCH_FIELD_SET, .family = 4, .set = "k"}, "ip saddr @k"},
	{{.kind = MATCH_FIELD_SET, .family = 6, .side = SIDE_DST, .set = "k"}, "ip6 daddr @k"},
	{{.kind = MATCH_FIELD_SET, .field = FIELD_ETHER_SADDR, .set = "k", .negate = true},
		"ether saddr != @k"},
	{{.kind = MATCH_FIELD_SET, .field = FIELD_ND_TARGET, .set = "k"}, "icmpv6 taddr @k"},
	{{.kind = MATCH_PORT_SET, .family = 4, .set = "k", .negate = true},
		"iifname . ip saddr != @k"},
	{{.kind = MATCH_PORT_SET, .family = 6, .side = SIDE_DST, .set = "k"},
		"oifname . ip6 daddr @k"},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SHA, .set = "k"},
		"iifname . arp saddr ether @k"},
	{{.kind = MATCH_PORT_SET, .field = FIELD_ARP_SPA, .set = "k"}, "iifname . arp saddr ip @k"},
};

static const struct {
	struct rule rule;
	const char *text;
} verdicts[] = {
	{{.verdict = VERDICT_CONTINUE}, "continue"},
	{{.verdict = VERDICT_ACCEPT, .comment = "why"}, "accept comment \"why\""},
	{{.verdict = VERDICT_DROP, .counter = "host", .log = true, .log_prefix = "p"},
		"log \"p\" counter host drop"},
	{{.verdict = VERDICT_RETURN}, "return"},
	{{.verdict = VERDICT_JUMP, .target = "t"}, "jump t"},
	{{.verdict = VERDICT_GOTO, .target = "t"}, "goto t"},
	{{.verdict = VERDICT_MAP_CT, .map_family = 4, .target = "m"},
		"ct original ip saddr vmap @m"},
	{{.verdict = VERDICT_MAP_CT, .map_family = 6, .map_side = SIDE_DST, .target = "m"},
		"ct reply ip6 saddr vmap @m"},
	{{.verdict = VERDICT_MAP_IIF, .target = "m"}, "iifname vmap @m"},
	{{.verdict = VERDICT_MAP_OIF, .target = "m"}, "oifname vmap @m"},
	{{.verdict = VERDICT_MAP_IBR, .target = "m"}, "meta ibrname vmap @m"},
	{{.verdict = VERDICT_MAP_OBR, .target = "m"}, "meta obrname vmap @m"},
	{{.verdict = VERDICT_DROP, .log = true, .log_original = true, .log_prefix = "p"},
		"log original \"p\" drop"},
	{{.mark = 0x20000, .mark_mask = 0xffff0000, .counter = "n"},
		"counter n ct mark set ct mark & 0x0000ffff | 0x00020000 continue"},
};

static void expect_rule(struct rule_list *rules, const char *text)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};
	cleanup_free char *wanted = xasprintf("\tchain c {\n\t\t%s\n\t}\n", text);

	ruleset_chain(rs, "c", NULL, rules);
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text, wanted);
}

START_TEST(test_each_match_is_rendered)
{
	cleanup_free char *text = xasprintf("%s return", matches[_i].text);
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	*rule_match(rule, matches[_i].match.kind) = matches[_i].match;
	rule->verdict = VERDICT_RETURN;
	expect_rule(&rules, text);
}
END_TEST

START_TEST(test_each_verdict_is_rendered)
{
	struct rule_list rules = {0};

	*rule_append(&rules) = verdicts[_i].rule;
	expect_rule(&rules, verdicts[_i].text);
}
END_TEST

START_TEST(test_each_set_type_is_rendered)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};
	const struct elem_key port = {.port = 443}, ip4 = address("10.0.0.1"),
			      ip6 = address("fd00::1"), net4 = block("10.1.0.0/16"),
			      net6 = block("fd00::/64"), br = interface("br0");
	struct elem_key at4 = ip4, at6 = ip6,
			at_mac = {.ifname = "veth1", .mac = {2, 0x42, 0xac, 0x11, 0, 2}};

	memcpy(at4.ifname, "veth1", sizeof("veth1"));
	memcpy(at6.ifname, "veth1", sizeof("veth1"));
	ruleset_set(rs, "a", SET_IPV4, NULL);
	ruleset_set(rs, "b", SET_IPV6, "why");
	ruleset_set(rs, "c", SET_CIDR4, NULL);
	ruleset_set(rs, "d", SET_CIDR6, NULL);
	ruleset_set(rs, "e", SET_PORT, NULL);
	ruleset_set(rs, "f", SET_IFNAME, NULL);
	ruleset_set(rs, "g", MAP_IPV4, NULL);
	ruleset_set(rs, "h", MAP_IPV6, NULL);
	ruleset_set(rs, "i", MAP_IFNAME, NULL);
	ruleset_set(rs, "j", SET_MAC, NULL);
	ruleset_set(rs, "k", SET_PORT_IPV4, NULL);
	ruleset_set(rs, "l", SET_PORT_IPV6, NULL);
	ruleset_set(rs, "m", SET_PORT_MAC, NULL);
	ruleset_put(rs, "a", &ip4, NULL, NULL);
	ruleset_put(rs, "b", &ip6, NULL, "six");
	ruleset_put(rs, "c", &net4, NULL, NULL);
	ruleset_put(rs, "d", &net6, NULL, NULL);
	ruleset_put(rs, "e", &port, NULL, NULL);
	ruleset_put(rs, "f", &br, NULL, NULL);
	ruleset_put(rs, "g", &ip4, "eg_a", "web-1");
	ruleset_put(rs, "h", &ip6, "eg_a", NULL);
	ruleset_put(rs, "i", &br, "st_in", NULL);
	ruleset_put(rs, "j", &at_mac, NULL, NULL);
	ruleset_put(rs, "k", &at4, NULL, "web-1");
	ruleset_put(rs, "l", &at6, NULL, NULL);
	ruleset_put(rs, "m", &at_mac, NULL, NULL);
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text,
		"\tset a { type ipv4_addr\n\t\t10.0.0.1\n\t}\n"
		"\tset b { type ipv6_addr comment \"why\"\n\t\tfd00::1 comment \"six\"\n\t}\n"
		"\tset c { type ipv4_addr; flags interval\n\t\t10.1.0.0-10.1.255.255\n\t}\n"
		"\tset d { type ipv6_addr; flags interval\n\t\tfd00::-fd00::ffff:ffff:ffff:ffff\n\t}\n"
		"\tset e { type inet_service\n\t\t443\n\t}\n"
		"\tset f { type ifname\n\t\t\"br0\"\n\t}\n"
		"\tmap g { type ipv4_addr : verdict\n\t\t10.0.0.1 comment \"web-1\" : jump eg_a\n\t}\n"
		"\tmap h { type ipv6_addr : verdict\n\t\tfd00::1 : jump eg_a\n\t}\n"
		"\tmap i { type ifname : verdict\n\t\t\"br0\" : jump st_in\n\t}\n"
		"\tset j { type ether_addr\n\t\t02:42:ac:11:00:02\n\t}\n"
		"\tset k { type ifname . ipv4_addr\n\t\t\"veth1\" . 10.0.0.1 comment \"web-1\"\n\t}\n"
		"\tset l { type ifname . ipv6_addr\n\t\t\"veth1\" . fd00::1\n\t}\n"
		"\tset m { type ifname . ether_addr\n\t\t\"veth1\" . 02:42:ac:11:00:02\n\t}\n");
}
END_TEST

START_TEST(test_the_rendering_is_of_what_is_wanted_and_sorted)
{
	CLEANUP(ruleset) struct ruleset *rs = committed();
	cleanup_strbuf struct strbuf out = {0};

	put(rs, "web", "10.0.0.3", NULL, NULL);
	put(rs, "web", "10.0.0.2", NULL, NULL);
	del(rs, "web", "10.0.0.1");
	ruleset_set_drop(rs, "egress");
	chain(rs, "aa", VERDICT_ACCEPT);
	ruleset_chain_drop(rs, "eg_a");
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text,
		"\tset web { type ipv4_addr comment \"role == \"web\"\"\n\t\t10.0.0.2\n\t\t10.0.0.3\n\t}\n"
		"\tchain aa { # why\n\t\taccept\n\t}\n");
}
END_TEST

START_TEST(test_tables_are_rendered_apart)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};

	ruleset_set_in(rs, IN_BRIDGE, "at4", SET_IPV4, NULL);
	ruleset_set_in(rs, IN_BOTH, "web", SET_IPV4, NULL);
	chain(rs, "zz", VERDICT_ACCEPT);
	ruleset_policy_tables(rs, IN_BOTH);
	chain(rs, "eg_a", VERDICT_DROP);
	ruleset_policy_tables(rs, IN_BRIDGE);
	chain(rs, "bridge:forward", VERDICT_ACCEPT);
	ruleset_render(rs, &out);
	ck_assert_str_eq(out.text, "\tchain zz { # why\n\t\taccept\n\t}\n"
				   "both tables:\n"
				   "\tset web { type ipv4_addr\n\t}\n"
				   "\tchain eg_a { # why\n\t\tdrop\n\t}\n"
				   "table bridge:\n"
				   "\tset at4 { type ipv4_addr\n\t}\n"
				   "\tchain bridge:forward { # why\n\t\taccept\n\t}\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset");
	TCase *tcase = tcase_create("ruleset");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_everything_is_pending_at_first);
	tcase_add_test(tcase, test_only_what_changed_is_pending);
	tcase_add_test(tcase, test_saying_it_again_changes_nothing);
	tcase_add_test(tcase, test_what_is_undone_is_no_change);
	tcase_add_test(tcase, test_a_dropped_set_takes_its_elements_along);
	tcase_add_test(tcase, test_a_set_dropped_and_declared_again_keeps_only_what_is_put_again);
	tcase_add_test(tcase, test_an_element_deleted_and_put_elsewhere_is_replaced);
	tcase_add_test(tcase, test_nothing_commits_by_itself);
	tcase_add_test(tcase, test_after_forget_all_that_is_wanted_is_pending);
	tcase_add_test(tcase, test_lookups);
	tcase_add_test(tcase, test_dropping_what_is_not_there_is_nothing);
	tcase_add_test(tcase, test_a_visitor_may_look_at_one_thing_only);
	tcase_add_test(tcase, test_tables);
	tcase_add_test(tcase, test_tables_are_rendered_apart);
	tcase_add_test(tcase, test_the_kernel_follows_any_sequence);
	tcase_add_loop_test(tcase, test_each_match_is_rendered, 0, (int)COUNT(matches));
	tcase_add_loop_test(tcase, test_each_verdict_is_rendered, 0, (int)COUNT(verdicts));
	tcase_add_test(tcase, test_each_set_type_is_rendered);
	tcase_add_test(tcase, test_the_rendering_is_of_what_is_wanted_and_sorted);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
