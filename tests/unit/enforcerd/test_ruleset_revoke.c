/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/skeleton.h"
#include "tests/unit/enforcerd/group_fixture.h"

#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct ruleset *rs;
static struct err err;

/* --- chains from words ------------------------------------------------------------------------- */

/*
 * A rule is a letter, what it does, and what it matches: a port, @ or ! and a set in which the source is or is not, or nothing:
 * then everything. The letters: a return, A accept, d to "denied", D drop, l only tells, m marks, j and s jump, i by a map.
 */
static void one_rule(struct rule_list *rules, const char *word)
{
	static const struct {
		char letter;
		enum verdict_kind verdict;
		const char *target;
	} verdicts[] = {{'a', VERDICT_RETURN, ""}, {'A', VERDICT_ACCEPT, ""},
		{'d', VERDICT_GOTO, CHAIN_DENIED}, {'j', VERDICT_JUMP, "other"},
		{'s', VERDICT_JUMP, "staged"}, {'D', VERDICT_DROP, ""}, {'l', VERDICT_CONTINUE, ""},
		{'m', VERDICT_CONTINUE, ""}, {'i', VERDICT_MAP_IIF, MAP_STRICT_IN}};
	struct rule *rule = rule_append(rules);
	struct match *match;
	size_t i = 0;

	while (i < COUNT(verdicts) && verdicts[i].letter != *word)
		i++;
	ck_assert_uint_lt(i, COUNT(verdicts));
	rule->verdict = verdicts[i].verdict;
	strcpy(rule->target, verdicts[i].target);
	rule->log = *word == 'l' || *word == 'd';
	rule->mark = rule->mark_mask = *word == 'm' ? 0x80000000 : 0;
	if (!word[1])
		return;
	if (word[1] == '@' || word[1] == '!') {
		match = rule_match(rule, MATCH_CT_ADDR_SET);
		match->family = 4;
		match->negate = word[1] == '!';
		snprintf(match->set, sizeof(match->set), "%s", word + 2);
		return;
	}
	match = rule_match(rule, MATCH_CT_PORT);
	match->first = match->last = (uint16_t)strtoul(word + 1, NULL, 10);
}

static void put_chain(const char *name, const char *words)
{
	struct rule_list rules = {0};
	char text[256], *save = NULL;

	snprintf(text, sizeof(text), "%s", words);
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		one_rule(&rules, word);
	ruleset_chain(rs, name, NULL, &rules);
}

static struct elem_key key(const char *ip)
{
	struct elem_key made = {0};

	ck_assert_int_eq(ip_parse(ip, &made.ip, &err), 0);
	return made;
}

static void put(const char *set, const char *ip, const char *chain)
{
	const struct elem_key made = key(ip);

	ruleset_put(rs, set, &made, chain, NULL);
}

static void govern(const char *ip, const char *chain)
{
	const struct elem_key made = key(ip);

	put_groups(rs, &made.ip, chain, NULL);
}

static void del(const char *set, const char *ip)
{
	const struct elem_key made = key(ip);

	ruleset_del(rs, set, &made);
}

static void setup(void)
{
	rs = ruleset_new();
	declare_groups(rs);
	ruleset_set(rs, "x", SET_IPV4, NULL);
	ruleset_set(rs, SET_AT4, SET_PORT_IPV4, NULL);
	put_chain(CHAIN_LIVE, "");
	put_chain(CHAIN_JUDGED, "");
	put_chain(CHAIN_DENIED, "D");
	put_chain("staged", "l1 a2 l");
	put_chain("other", "d1");
	put_chain("eg", "a80 a443 d");
	put("x", "10.0.0.1", NULL);
	govern("10.0.0.1", "eg");
}

static void teardown(void)
{
	ruleset_free(rs);
}

/* --- chains ------------------------------------------------------------------------------------ */

static const struct {
	const char *before, *after;
	bool revokes;
} changes[] = {
	/* allowed rules that come, wherever */
	{"a80 d", "a80 a81 d", false},
	{"a80 d", "a81 a80 d", false},
	{"d", "a80 a81 d", false},
	{"a1 d2 a3 d", "a9 a1 a8 d2 a7 a3 a6 d", false},
	/* denials that go */
	{"d1 a d", "a d", false},
	{"a1 d2 a3 d4 d", "a1 a3 d", false},
	{"a80 d", "a80", false},
	/* both, and what only tells */
	{"a1 d2 a3 d", "l a1 a3 a4 d", false},
	{"l a80 l d", "a80 d", false},
	/* allowed rules that go */
	{"a80 a81 d", "a80 d", true},
	{"a80 d", "d", true},
	{"a80 d", "", true},
	/* narrower, or another */
	{"a80 d", "a81 d", true},
	{"a d", "a80 d", true},
	/* wider: not seen as such */
	{"a80 d", "a d", true},
	/* denials that come */
	{"a80 d", "d80 a80 d", true},
	{"a80 a d", "a80 d81 a d", true},
	{"", "D", true},
	/* another order: a denial moves forward, or back */
	{"a1 d2 a3 d", "d2 a1 a3 d", true},
	{"d1 a2 d", "a2 d1 d", true},
	{"a1 a2 d", "a2 a1 d", true},
	/* the same packets, told in another way */
	{"a80 d", "a80 D", true},
	/* marks are no statement like others */
	{"a80 d", "m a80 d", true},
	{"m a80 d", "a80 d", true},
	{"m a80 d", "m a80 a81 d", false},
	{"m a80 d81 d", "m a80 d", false},
	{"m a80 d", "m d", true},
	/* jumps: only to what only tells */
	{"a80 d", "s a80 d", false},
	{"s a80 d", "a80 d", false},
	{"s a80 d", "s a80 a81 d", false},
	{"a80 d", "j a80 d", true},
	{"j a80 d", "a80 d", true},
	{"j a80 d", "j a80 a81 d", true},
	{"i a80 d", "i a80 d80 d", true},
	/* returning takes away from what accepts for good */
	{"A80 d", "a80 A80 d", true},
	{"A80 d", "A81 A80 d", false},
	{"A80 a81 d", "a80 A80 a81 d", true},
};

START_TEST(test_chain_changes)
{
	put_chain("eg", changes[_i].before);
	ruleset_committed(rs);
	ck_assert(!ruleset_revokes(rs));
	put_chain("eg", changes[_i].after);
	ck_assert_msg(ruleset_revokes(rs) == changes[_i].revokes, "\"%s\" to \"%s\"",
		changes[_i].before, changes[_i].after);
	/* what the kernel does not have yet is no before */
	put_chain("eg", "a9 d");
	put_chain("eg", changes[_i].after);
	ck_assert(ruleset_revokes(rs) == changes[_i].revokes);
	/* undone */
	put_chain("eg", changes[_i].before);
	ck_assert(!ruleset_revokes(rs));
	put_chain("eg", changes[_i].after);
	ruleset_committed(rs);
	ck_assert(!ruleset_revokes(rs));
	put_chain("eg", changes[_i].after);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_shortcut_itself)
{
	ruleset_committed(rs);
	put_chain(CHAIN_LIVE, "A1");
	put_chain(CHAIN_JUDGED, "m");
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_audit_to_enforced)
{
	put_chain(CHAIN_DENIED, "");
	ruleset_committed(rs);
	put_chain(CHAIN_DENIED, "D");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	put_chain(CHAIN_DENIED, "");
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_chains_that_nothing_leads_to)
{
	ruleset_committed(rs);
	put_chain("eg_new", "d");
	ck_assert(!ruleset_revokes(rs));
	ruleset_committed(rs);
	ruleset_chain_drop(rs, "eg_new");
	ck_assert(!ruleset_revokes(rs));
	ruleset_committed(rs);
	put_chain("eg_new", "d");
	govern("10.0.0.1", "eg_new");
	ck_assert(ruleset_revokes(rs));
}
END_TEST

/* A staged chain that begins to deny is judged by itself. */
START_TEST(test_staged_chain)
{
	put_chain("eg", "s a80 d");
	ruleset_committed(rs);
	put_chain("staged", "l a1 a3");
	ck_assert(ruleset_revokes(
		rs)); /* an allowance went: that it means nothing there is not known */
	put_chain("staged", "l1 l a2 l");
	ck_assert(!ruleset_revokes(rs));
	put_chain("staged", "l1 d7 l");
	ck_assert(ruleset_revokes(rs));
}
END_TEST

/* --- sets -------------------------------------------------------------------------------------- */

static const struct {
	const char *chain;
	bool addition, removal;
} uses[] = {
	{"a@x d", false, true},
	{"a!x d", true, false},
	{"d@x a d", true, false},
	{"d!x a d", false, true},
	{"D@x a d", true, false},
	{"a@x a!x d", true, true},
	{"a@x d@x d", true, true},
	{"l@x a80 d", false, false},
	{"j@x a80 d", true, true},
	{"m@x a80 d", true, true},
	{"a@y d", false, false},
	{"a80 d", false, false},
};

START_TEST(test_elements)
{
	put_chain("eg", uses[_i].chain);
	ruleset_committed(rs);
	put("x", "10.0.0.2", NULL);
	ck_assert_msg(ruleset_revokes(rs) == uses[_i].addition, "%s: added", uses[_i].chain);
	del("x", "10.0.0.2");
	ck_assert(!ruleset_revokes(rs));
	del("x", "10.0.0.1");
	ck_assert_msg(ruleset_revokes(rs) == uses[_i].removal, "%s: removed", uses[_i].chain);
	put("x", "10.0.0.1", NULL);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

/* What counts is the use that the wanted rules make: the others come or go by themselves. */
START_TEST(test_use_changes_with_the_chain)
{
	put_chain("eg", "a@x d");
	ruleset_committed(rs);
	put_chain("eg", "a@x a!x d"); /* more is allowed */
	ck_assert(!ruleset_revokes(rs));
	put("x", "10.0.0.2", NULL);
	ck_assert(ruleset_revokes(rs));
	put_chain("eg", "a@x d");
	ck_assert(!ruleset_revokes(rs));
	put_chain("eg2", "d@x a");
	ck_assert(ruleset_revokes(rs));
	ruleset_chain_drop(rs, "eg2");
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_new_sets_come_with_their_rules)
{
	put_chain("eg", "a80 d");
	ruleset_committed(rs);
	ruleset_set(rs, "y", SET_IPV4, NULL);
	put("y", "10.0.0.2", NULL);
	put_chain("eg", "a!y a80 d");
	ck_assert(!ruleset_revokes(rs));
	ruleset_committed(rs);
	put("y", "10.0.0.3", NULL);
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	ruleset_set_drop(rs, "y");
	put_chain("eg", "a80 d");
	ck_assert(ruleset_revokes(rs)); /* by the rule that went */
}
END_TEST

START_TEST(test_owners)
{
	ruleset_committed(rs);
	govern("10.0.0.2", "eg");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	govern("10.0.0.2", "other");
	ck_assert(ruleset_revokes(rs));
	govern("10.0.0.2", "eg");
	ruleset_committed(rs);
	del(MAP_GROUPS4, "10.0.0.2");
	ck_assert(ruleset_revokes(rs));
}
END_TEST

START_TEST(test_guard_sets_are_stateless)
{
	struct elem_key bound = key("10.0.0.1");
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);
	struct match *match = rule_match(rule, MATCH_PORT_SET);

	match->negate = true;
	strcpy(match->set, SET_AT4);
	rule->verdict = VERDICT_DROP;
	strcpy(bound.ifname, "veth1");
	ruleset_chain(rs, "guard", NULL, &rules);
	ruleset_put(rs, SET_AT4, &bound, NULL, NULL);
	ruleset_committed(rs);
	ruleset_del(rs, SET_AT4, &bound);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_an_interface_is_no_set)
{
	struct rule_list rules = {0};
	struct rule *rule = rule_append(&rules);

	strcpy(rule_match(rule, MATCH_IIF)->set, "x");
	rule->verdict = VERDICT_DROP;
	ruleset_chain(rs, "eg", NULL, &rules);
	ruleset_committed(rs);
	put("x", "10.0.0.2", NULL);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_counters)
{
	ruleset_committed(rs);
	ruleset_counter(rs, "c");
	ck_assert(ruleset_dirty(rs));
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

START_TEST(test_unknown_kernel)
{
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	ck_assert(!ruleset_revokes(rs));
	put_chain("eg", "a9 a80 a443 d");
	ck_assert(!ruleset_revokes(rs));
	ruleset_forget(rs);
	ck_assert(ruleset_revokes(rs));
	put_chain("eg", "a80 a443 d");
	ck_assert(ruleset_revokes(rs));
	ruleset_committed(rs);
	ck_assert(!ruleset_revokes(rs));
}
END_TEST

/* --- against an obvious oracle ----------------------------------------------------------------- */

enum { PORTS = 4, RULES_MAX = 6, ROUNDS = 20000 };

/* Which of the ports a chain of these words lets through. */
static unsigned allowed_ports(const char *words)
{
	unsigned allowed = 0;

	for (unsigned port = 1; port <= PORTS; port++) {
		const char *word = words;
		char end = 'a';

		for (; word && *word; word = strchr(word, ' ') ? strchr(word, ' ') + 1 : NULL) {
			bool every = word[1] == ' ' || !word[1];

			if (*word == 'l' || (!every && word[1] != (char)('0' + port)))
				continue;
			end = *word;
			break;
		}
		allowed |= (end == 'a') << port;
	}
	return allowed;
}

static void random_words(char *words, const char *like)
{
	static const char letters[] = "addla";
	size_t n = 0;

	for (int count = rand() % RULES_MAX; count > 0; count--) {
		/* half of the rules are taken over from the other chain, in order, so that there is something in common */
		if (like && *like && rand() % 4) {
			size_t len = strcspn(like, " ");

			memcpy(words + n, like, len);
			n += len;
			like += len + (like[len] == ' ');
		} else {
			words[n++] = letters[rand() % (int)(sizeof(letters) - 1)];
			if (rand() % 4)
				words[n++] = (char)('1' + rand() % PORTS);
		}
		words[n++] = ' ';
	}
	words[n ? n - 1 : 0] = '\0';
}

/* Never says that nothing is revoked where a port was open and is not any more; and is not simply always afraid. */
START_TEST(test_random_changes)
{
	unsigned harmless = 0, seen = 0;
	unsigned seed = getenv("BULKHEAD_SEED")
				? (unsigned)strtoul(getenv("BULKHEAD_SEED"), NULL, 10)
				: (unsigned)getpid();

	srand(seed);
	for (int i = 0; i < ROUNDS; i++) {
		char before[64], after[64];
		unsigned lost;

		random_words(before, NULL);
		random_words(after, before);
		put_chain("eg", before);
		ruleset_committed(rs);
		put_chain("eg", after);
		lost = allowed_ports(before) & ~allowed_ports(after);
		ck_assert_msg(!lost || ruleset_revokes(rs), "seed %u: \"%s\" to \"%s\"", seed,
			before, after);
		harmless += !lost && ruleset_dirty(rs);
		seen += !lost && ruleset_dirty(rs) && !ruleset_revokes(rs);
	}
	ck_assert_msg(seen * 3 > harmless, "seed %u: %u of %u", seed, seen, harmless);
}
END_TEST

/* Beyond what is compared rule by rule. */
START_TEST(test_large_chains)
{
	struct rule_list old = {0}, new = {0};

	for (unsigned i = 0; i < 2000; i++) {
		char word[8];

		snprintf(word, sizeof(word), "a%u", i);
		one_rule(&old, word);
		one_rule(&new, word);
		/* one in the middle */
		if (i == 1000)
			one_rule(&new, "a60000");
	}
	ruleset_chain(rs, "eg", NULL, &old);
	ruleset_committed(rs);
	ruleset_chain(rs, "eg", NULL, &new);
	ck_assert(!ruleset_revokes(rs));
	for (unsigned i = 0; i < 2000; i++) {
		char word[8];

		snprintf(word, sizeof(word), "a%u", i + 1);
		one_rule(&new, word);
	}
	ruleset_chain(rs, "eg", NULL, &new);
	ck_assert(ruleset_revokes(rs));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ruleset_revoke");
	TCase *tests = tcase_create("changes");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 30);
	tcase_add_loop_test(tests, test_chain_changes, 0, COUNT(changes));
	tcase_add_test(tests, test_shortcut_itself);
	tcase_add_test(tests, test_audit_to_enforced);
	tcase_add_test(tests, test_chains_that_nothing_leads_to);
	tcase_add_test(tests, test_staged_chain);
	tcase_add_loop_test(tests, test_elements, 0, COUNT(uses));
	tcase_add_test(tests, test_use_changes_with_the_chain);
	tcase_add_test(tests, test_new_sets_come_with_their_rules);
	tcase_add_test(tests, test_owners);
	tcase_add_test(tests, test_guard_sets_are_stateless);
	tcase_add_test(tests, test_an_interface_is_no_set);
	tcase_add_test(tests, test_counters);
	tcase_add_test(tests, test_unknown_kernel);
	tcase_add_test(tests, test_random_changes);
	tcase_add_test(tests, test_large_chains);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
