/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ruleset_fixture.h"

#include <stdlib.h>
#include <time.h>

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

/* What an address of a map of groups leads to is compared as well. */
START_TEST(test_an_address_of_other_groups_is_replaced)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	struct elem_key key = address("10.0.0.1");
	const struct elem_key one = {.group = 1}, two = {.group = 2};

	ruleset_set(rs, MAP_GROUPS4, GROUPS_IPV4, NULL);
	ruleset_set(rs, "by_group", MAP_GROUP, NULL);
	ruleset_put(rs, "by_group", &one, "in_one", NULL);
	ruleset_put(rs, "by_group", &two, "in_two", NULL);
	key.groups[SIDE_DST] = 1;
	ruleset_put(rs, MAP_GROUPS4, &key, NULL, "web");
	ruleset_committed(rs);
	ruleset_put(rs, MAP_GROUPS4, &key, NULL, "web");
	ck_assert(!ruleset_dirty(rs));
	ck_assert_str_eq(ruleset_group_target(rs, "by_group", SIDE_DST, &key.ip), "in_one");
	ck_assert_ptr_null(ruleset_group_target(rs, "by_group", SIDE_SRC, &key.ip));
	key.groups[SIDE_DST] = 2;
	ruleset_put(rs, MAP_GROUPS4, &key, NULL, "web");
	ck_assert(ruleset_dirty(rs));
	ck_assert_str_eq(ruleset_group_target(rs, "by_group", SIDE_DST, &key.ip), "in_two");
	key.ip.bytes[3] = 9;
	ck_assert_ptr_null(ruleset_group_target(rs, "by_group", SIDE_DST, &key.ip));
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
	tcase_add_test(tcase, test_an_address_of_other_groups_is_replaced);
	tcase_add_test(tcase, test_nothing_commits_by_itself);
	tcase_add_test(tcase, test_after_forget_all_that_is_wanted_is_pending);
	tcase_add_test(tcase, test_lookups);
	tcase_add_test(tcase, test_dropping_what_is_not_there_is_nothing);
	tcase_add_test(tcase, test_a_visitor_may_look_at_one_thing_only);
	tcase_add_test(tcase, test_tables);
	tcase_add_test(tcase, test_the_kernel_follows_any_sequence);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
