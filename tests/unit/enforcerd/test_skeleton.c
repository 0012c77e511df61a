/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/skeleton.h"

#include <check.h>
#include <string.h>

static const char forward[] =
	"\tchain forward { # between containers, and to and from outside\n"
	"\t\ticmpv6 type 130-136 accept comment \"neighbour discovery and MLD\"\n"
	"\t\ticmpv6 type 143 accept comment \"neighbour discovery and MLD\"\n"
	"\t\tct state invalid ip saddr @isolated4 counter invalid drop\n"
	"\t\tct state invalid ip daddr @isolated4 counter invalid drop\n"
	"\t\tct state invalid ip6 saddr @isolated6 counter invalid drop\n"
	"\t\tct state invalid ip6 daddr @isolated6 counter invalid drop\n"
	"\t\tct state untracked ip saddr @isolated4 counter untracked drop\n"
	"\t\tct state untracked ip daddr @isolated4 counter untracked drop\n"
	"\t\tct state untracked ip6 saddr @isolated6 counter untracked drop\n"
	"\t\tct state untracked ip6 daddr @isolated6 counter untracked drop\n"
#define MIDSTREAM(addr)                                                     \
	"\t\tct state new tcp flags & (fin | syn | rst | ack) != syn " addr \
	" iifname != @midstream oifname != @midstream counter midstream drop\n"
	MIDSTREAM("ct original ip saddr @isolated4") MIDSTREAM("ct reply ip saddr @isolated4")
		MIDSTREAM("ct original ip6 saddr @isolated6") MIDSTREAM(
			"ct reply ip6 saddr @isolated6") "\t\tct original ip saddr vmap @egress4\n"
							 "\t\tct original ip6 saddr vmap @egress6\n"
							 "\t\tct reply ip saddr vmap @ingress4\n"
							 "\t\tct reply ip6 saddr vmap @ingress6\n"
							 "\t\tiifname vmap @strict_in\n"
							 "\t\toifname vmap @strict_out\n"
							 "\t}\n";

static const char input[] =
	"\tchain input { # from containers to this host\n"
	"\t\ticmpv6 type 130-136 accept comment \"neighbour discovery and MLD\"\n"
	"\t\ticmpv6 type 143 accept comment \"neighbour discovery and MLD\"\n"
	"\t\tct state invalid ip saddr @isolated4 counter invalid drop\n"
	"\t\tct state invalid ip6 saddr @isolated6 counter invalid drop\n"
	"\t\tct state untracked ip saddr @isolated4 counter untracked drop\n"
	"\t\tct state untracked ip6 saddr @isolated6 counter untracked drop\n"
	"\t\tct direction original ct original ip saddr vmap @egress4\n"
	"\t\tct direction original ct original ip6 saddr vmap @egress6\n"
	"\t\tct direction original iifname vmap @strict_in\n";

static const char host_drop[] =
	"\t\tct direction original ct original ip saddr @isolated4 counter host drop comment \"host action drop\"\n"
	"\t\tct direction original ct original ip6 saddr @isolated6 counter host drop comment \"host action drop\"\n";

static char *chains(enum host_action host_action)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	struct strbuf out = {0};
	char *text, *first;

	skeleton_build(rs, &(struct skeleton_config){.host_action = host_action});
	ruleset_render(rs, &out);
	text = strbuf_take(&out);
	first = strstr(text, "\tchain ");
	ck_assert_ptr_nonnull(first);
	memmove(text, first, strlen(first) + 1);
	return text;
}

START_TEST(test_chains_where_the_host_decides)
{
	cleanup_free char *got = chains(HOST_RETURN);
	cleanup_strbuf struct strbuf wanted = {0};

	strbuf_addf(&wanted, "%s%s\t}\n", forward, input);
	ck_assert_str_eq(got, wanted.text);
}
END_TEST

START_TEST(test_chains_where_the_host_is_closed)
{
	cleanup_free char *got = chains(HOST_DROP);
	cleanup_strbuf struct strbuf wanted = {0};

	strbuf_addf(&wanted, "%s%s%s\t}\n", forward, input, host_drop);
	ck_assert_str_eq(got, wanted.text);
}
END_TEST

static void collect(enum ruleset_tables tables, const char *name, enum set_type type,
	const char *comment, enum diff diff, void *arg)
{
	(void)tables;
	(void)comment;
	ck_assert_int_eq(diff, DIFF_ADD);
	strbuf_addf(arg, "%s %d\n", name, (int)type);
}

static void collect_counter(enum ruleset_tables tables, const char *name, enum diff diff, void *arg)
{
	(void)tables;
	ck_assert_int_eq(diff, DIFF_ADD);
	strbuf_addf(arg, "counter %s\n", name);
}

/* Whatever a rule names must be there, or the kernel refuses the batch. */
static void check_names(enum ruleset_tables tables, const char *chain, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	const struct strbuf *declared = arg;

	(void)tables;
	(void)chain;
	(void)comment;
	(void)diff;
	for (size_t r = 0; r < rules->count; r++) {
		const struct rule *rule = &rules->items[r];
		cleanup_strbuf struct strbuf counter = {0}, target = {0};

		strbuf_addf(&counter, "counter %s\n", rule->counter);
		strbuf_addf(&target, "%s ", rule->target);
		ck_assert(!rule->counter[0] || strstr(declared->text, counter.text));
		ck_assert(!rule->target[0] || strstr(declared->text, target.text));
		for (size_t m = 0; m < rule->match_count; m++) {
			cleanup_strbuf struct strbuf set = {0};

			strbuf_addf(&set, "%s ", rule->matches[m].set);
			ck_assert(!rule->matches[m].set[0] || strstr(declared->text, set.text));
		}
	}
}

START_TEST(test_everything_that_rules_name_is_declared)
{
	static const struct ruleset_visitor names = {.counter = collect_counter, .set = collect};
	static const struct ruleset_visitor rules = {.chain = check_names};
	static const char wanted[] =
		"counter drop_egress counter drop_ingress counter host "
		"counter invalid counter midstream counter strict counter untracked";
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf declared = {0};
	cleanup_free char *each = strdup(wanted);
	char *save = NULL;

	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_DROP});
	ruleset_visit(rs, &names, &declared);
	ruleset_visit(rs, &rules, &declared);
	for (char *word = strtok_r(each, " ", &save); word; word = strtok_r(NULL, " ", &save))
		ck_assert_ptr_nonnull(strstr(declared.text, word));
	ck_assert(ruleset_chain_exists(rs, CHAIN_FORWARD));
	ck_assert(ruleset_chain_exists(rs, CHAIN_INPUT));
}
END_TEST

START_TEST(test_building_it_again_changes_nothing)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();

	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_RETURN});
	ruleset_committed(rs);
	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_RETURN});
	ck_assert(!ruleset_dirty(rs));
	skeleton_build(rs, &(struct skeleton_config){.host_action = HOST_DROP});
	ck_assert(ruleset_dirty(rs));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("skeleton");
	TCase *tcase = tcase_create("skeleton");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_chains_where_the_host_decides);
	tcase_add_test(tcase, test_chains_where_the_host_is_closed);
	tcase_add_test(tcase, test_everything_that_rules_name_is_declared);
	tcase_add_test(tcase, test_building_it_again_changes_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
