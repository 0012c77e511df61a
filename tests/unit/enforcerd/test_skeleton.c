/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/skeleton.h"

#include "skeleton_golden.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct skeleton_config plain = {
	.anti_spoof = true, .marks = {.mask = 0xffff0000, .shift = 16, .last = 0xfffd}};

static char *render(const struct skeleton_config *config, uint32_t generation)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	struct strbuf out = {0};

	skeleton_build(rs, config);
	skeleton_generation(rs, config, generation);
	ruleset_render(rs, &out);
	return strbuf_take(&out);
}

/* All of it, as it is read and judged by people; skeleton_golden.h says how it is made anew. */
START_TEST(test_the_whole)
{
	cleanup_free char *got = render(&plain, 0);

	if (getenv("BULKHEAD_GOLDEN"))
		fputs(got, stdout);
	ck_assert_str_eq(got, skeleton_golden);
}
END_TEST

static const struct {
	bool tracked, anti_spoof;
	enum host_action host_action;
	uint32_t generation;
	const char *text;
	bool there;
} parts[] = {
	/* flows of a generation, and their mark */
	{false, true, HOST_RETURN, 0, "ct state established accept", false},
	{false, true, HOST_RETURN, 5,
		"ct mark & 0xffff0000 != 0x00050000 return comment \"generation 5\"", true},
	{false, true, HOST_RETURN, 5, "ct state established accept", true},
	{false, true, HOST_RETURN, 5, "ct state related meta l4proto 1 accept", true},
	{false, true, HOST_RETURN, 5, "ct mark set ct mark & 0x0000ffff | 0x00050000", true},
	/* the host closed */
	{false, true, HOST_RETURN, 0, "host action drop", false},
	{false, true, HOST_DROP, 0,
		"ct direction original ct original ip saddr @isolated4 log \"bulkhead host\" counter host jump denied",
		true},
	/* without anti-spoofing the addresses stay bound, the MAC, ARP and ND do not */
	{false, false, HOST_RETURN, 0, "ether saddr", false},
	{false, false, HOST_RETURN, 0, "arp saddr", false},
	{false, false, HOST_RETURN, 0, "@th,64,128", false},
	{false, false, HOST_RETURN, 0, "iifname . ip saddr != @at4", true},
	/* bridged flows judged in the bridge table */
	{false, true, HOST_RETURN, 0, "\tchain bridged {", false},
	{true, true, HOST_RETURN, 0, "\tchain bridged {", true},
};

START_TEST(test_parts)
{
	const struct skeleton_config config = {.host_action = parts[_i].host_action,
		.anti_spoof = parts[_i].anti_spoof,
		.bridge_tracked = parts[_i].tracked,
		.marks = plain.marks};
	cleanup_free char *got = render(&config, parts[_i].generation);

	ck_assert_msg((strstr(got, parts[_i].text) != NULL) == parts[_i].there, "%s in\n%s",
		parts[_i].text, got);
}
END_TEST

START_TEST(test_audit_empties_what_denials_end_in)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf out = {0};

	skeleton_build(rs, &plain);
	ruleset_committed(rs);
	skeleton_audit(rs, true);
	ck_assert(ruleset_dirty(rs));
	ruleset_render(rs, &out);
	ck_assert_ptr_null(strstr(out.text, "\tdrop\n"));
	ck_assert_ptr_nonnull(strstr(out.text, "jump denied"));
	skeleton_audit(rs, false);
	strbuf_add(&out, "");
	ruleset_render(rs, &out);
	ck_assert_ptr_nonnull(strstr(out.text, "\tdrop\n"));
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

static void collect_chain(enum ruleset_tables tables, const char *name, const char *comment,
	const struct rule_list *rules, enum diff diff, void *arg)
{
	(void)tables;
	(void)comment;
	(void)rules;
	ck_assert_int_eq(diff, DIFF_ADD);
	strbuf_addf(arg, "%s chain\n", name);
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
			ck_assert(!rule->matches[m].set[0] || rule->matches[m].kind == MATCH_IIF ||
				  rule->matches[m].kind == MATCH_IIF_KIND ||
				  strstr(declared->text, set.text));
		}
	}
}

START_TEST(test_everything_that_rules_name_is_declared)
{
	static const struct ruleset_visitor names = {
		.counter = collect_counter, .set = collect, .chain = collect_chain};
	static const struct ruleset_visitor rules = {.chain = check_names};
	static const char wanted[] =
		"counter condemned counter contested counter host counter invalid counter midstream counter port "
		"counter published counter spoofed counter strict counter untracked";
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf declared = {0};
	cleanup_free char *each = strdup(wanted);
	char *save = NULL;

	skeleton_build(
		rs, &(struct skeleton_config){
			    .host_action = HOST_DROP, .anti_spoof = true, .marks = plain.marks});
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

	skeleton_build(rs, &plain);
	ruleset_committed(rs);
	skeleton_build(rs, &plain);
	ck_assert(!ruleset_dirty(rs));
	skeleton_build(
		rs, &(struct skeleton_config){
			    .host_action = HOST_DROP, .anti_spoof = true, .marks = plain.marks});
	ck_assert(ruleset_dirty(rs));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("skeleton");
	TCase *tcase = tcase_create("skeleton");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tcase, test_the_whole);
	tcase_add_loop_test(tcase, test_parts, 0, (int)(sizeof(parts) / sizeof(*parts)));
	tcase_add_test(tcase, test_audit_empties_what_denials_end_in);
	tcase_add_test(tcase, test_everything_that_rules_name_is_declared);
	tcase_add_test(tcase, test_building_it_again_changes_nothing);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
