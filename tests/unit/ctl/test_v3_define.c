/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tiers and network sets of v3 files: what is stored for them, what is refused where, and what an edit may not leave behind. */
#include "ctl/v3_define.h"

#include "common/netset.h"
#include "common/tier.h"
#include "ctl/tiers_check.h"
#include "input_fixture.h"

#define V3   "apiVersion: projectcalico.org/v3\n"
#define TIER V3 "kind: Tier\nmetadata: {name: ops}\n"                  /* 3 lines */
#define SET  V3 "kind: GlobalNetworkSet\nmetadata: {name: partners}\n" /* 3 lines */

static const struct {
	const char *text, *record;
} documents[] = {
	{TIER "spec: {}\n", "{'v':1,'name':'ops','spec':{'defaultAction':'deny'}}"},
	{TIER "spec: {order: -1.5, defaultAction: Pass}\n",
		"{'v':1,'name':'ops','spec':{'order':-1.5,'defaultAction':'pass'}}"},
	{V3 "kind: Tier\nmetadata: {name: ops, labels: {a: 5}, annotations: {b: c}, uid: u}\nspec: {order: 10}\n",
		"{'v':1,'name':'ops','labels':{'a':'5'},'annotations':{'b':'c'},"
		"'spec':{'order':10,'defaultAction':'deny'}}"},
	{V3 "kind: Tier\nmetadata: {name: default}\nspec: {order: 1000000, defaultAction: Deny}\n",
		"{'v':1,'name':'default','spec':{'order':1000000,'defaultAction':'deny'}}"},
	{SET "spec: {}\n", "{'v':1,'name':'partners','spec':{'nets':[]}}"},
	{V3 "kind: GlobalNetworkSet\nmetadata: {name: p.a, labels: {role: partner}}\n"
	    "spec: {nets: [192.0.2.0/24, 198.51.100.7, '2001:db8::/32']}\n",
		"{'v':1,'name':'p.a','labels':{'role':'partner'},"
		"'spec':{'nets':['192.0.2.0/24','198.51.100.7/32','2001:db8::/32']}}"},
};

START_TEST(test_stored_and_shown_again)
{
	bool tier;
	cleanup_json json_t *shown = NULL, *written = NULL;
	cleanup_free char *dumped = NULL;
	struct input again = {0};

	read_accepted(documents[_i].text);
	ck_assert_uint_eq(input.count, 1);
	expect_quoted(input.items[0].record, documents[_i].record, documents[_i].text);
	tier = input.items[0].kind == KIND_TIER;
	shown = tier ? v3_tier_object(input.items[0].record)
		     : v3_netset_object(input.items[0].record);
	dumped = json_dumps(shown, 0);
	input_add_text(&again, dumped, strlen(dumped), "again", POLICY_WHOLE, &diag);
	ck_assert_msg(!diag.count, "%s", dumped);
	ck_assert(json_equal(again.items[0].record, input.items[0].record));
	input_clear(&again);
	/* what enforcers read is what they would write */
	if (tier) {
		CLEANUP(tier) struct tier *read = tier_from_json(input.items[0].record, NULL);

		written = tier_to_json(read);
	} else {
		CLEANUP(netset) struct netset *read = netset_from_json(input.items[0].record, NULL);

		written = netset_to_json(read);
	}
	ck_assert(json_equal(written, input.items[0].record));
}
END_TEST

static const struct {
	const char *text, *error;
} refused[] = {
	{V3 "kind: Tier\nspec: {}\n", "1:1: metadata is missing"},
	{V3 "kind: Tier\nmetadata: {name: a.b}\nspec: {}\n",
		"1:1: metadata.name: a tier's has no \".\""},
	{V3 "kind: Tier\nmetadata: {name: A}\nspec: {}\n", "3:18: metadata.name: "},
	{V3 "kind: Tier\nmetadata: {name: a, namespace: b}\nspec: {}\n",
		"3:32: a Tier has no namespace"},
	{V3 "kind: Tier\nmetadata: {name: default}\nspec: {order: 5}\n",
		"1:1: spec.order: that of the tier default is 1000000"},
	{TIER "spec: {order: x}\n", "4:15: "},
	{TIER "spec: {defaultAction: pass}\n", "4:23: defaultAction pass is not Deny or Pass"},
	{TIER "spec: {defaultAction: Allow}\n", "4:23: defaultAction Allow is not"},
	{TIER "spec: {selector: all()}\n", "4:8: unknown field \"selector\" in spec"},
	{TIER, "1:1: spec is missing"},
	{SET "spec: {nets: [10.0.0.0/33]}\n", "4:15: "},
	{SET "spec: {nets: [10.1.2.3/8]}\n", "4:15: 10.1.2.3/8 has bits beyond its length"},
	{SET "spec: {nets: 10.0.0.0/8}\n", "4:14: "},
	{SET "spec: {cidrs: []}\n", "4:8: unknown field \"cidrs\" in spec"},
	{V3 "kind: GlobalNetworkSet\nmetadata: {name: a, labels: {docker/host: x}}\nspec: {}\n",
		"1:1: labels: docker/host: begins with docker/"},
	{V3 "kind: GlobalNetworkSet\nmetadata: {name: a, labels: {'a b': x}}\nspec: {}\n",
		"1:1: labels: "},
	{TIER "spec: {}\n---\n" TIER "spec: {}\n", "6:1: tier \"ops\" is already at f:1"},
};

START_TEST(test_refused)
{
	expect_error(refused[_i].text, refused[_i].error);
}
END_TEST

START_TEST(test_names_of_kinds_are_apart)
{
	read_accepted(V3 "kind: Tier\nmetadata: {name: a}\nspec: {}\n---\n" V3
			 "kind: GlobalNetworkSet\nmetadata: {name: a}\nspec: {}\n---\n" V3
			 "kind: GlobalNetworkPolicy\nmetadata: {name: a}\nspec: {tier: a}\n---\n" V3
			 "kind: TierList\nitems: [{metadata: {name: b}, spec: {}}]\n");
	ck_assert_uint_eq(input.count, 4);
	ck_assert_int_eq(input.items[0].kind, KIND_TIER);
	ck_assert_int_eq(input.items[1].kind, KIND_NETSET);
	ck_assert_int_eq(input.items[2].kind, KIND_POLICY);
	ck_assert_int_eq(input.items[3].kind, KIND_TIER);
}
END_TEST

START_TEST(test_only_policies_are_staged)
{
	read_accepted(SET "spec: {}\n");
	input_stage(&input, &diag);
	ck_assert_uint_eq(diag.count, 1);
	ck_assert_str_eq(diag.entries[0],
		"f:1:1: globalnetworkset \"partners\": only policies can be staged");
}
END_TEST

/* --- edits ----------------------------------------------------------------------------------------- */

#define IN(tier) "{'v':1,'name':'p','form':'v3','spec':{'tier':'" tier "'}}"

static const struct edit {
	const char *stored[2][2]; /* kind and name, record */
	const char *name;         /* of what is edited */
	enum store_kind kind;
	const char *record; /* NULL: deleted */
	const char *error;  /* or NULL */
} edits[] = {
	{{{NULL}}, "p", KIND_POLICY, "{'v':1,'name':'p','spec':{}}", NULL},
	{{{NULL}}, "p", KIND_POLICY, IN("ops"), "policy \"p\": there is no tier \"ops\""},
	{{{"tier", "ops"}}, "p", KIND_POLICY, IN("ops"), NULL},
	{{{"tier", "ops"}}, "ops", KIND_TIER, NULL, NULL},
	{{{"tier", "ops"}, {"policy", IN("ops")}}, "ops", KIND_TIER, NULL,
		"tier \"ops\" cannot be deleted: policy \"p\" is in it"},
	{{{"tier", "ops"}, {"policy", IN("other")}}, "ops", KIND_TIER, NULL, NULL},
	{{{"tier", "ops"}, {"policy", "nonsense"}}, "ops", KIND_TIER, NULL, NULL},
	{{{NULL}}, "default", KIND_TIER, NULL,
		"tier \"default\" cannot be deleted: it is always there"},
	{{{"policy", IN("gone")}}, "p", KIND_POLICY, NULL, NULL},
};

static void add_stored(struct store_changes *all, const char *kind, const char *what)
{
	cleanup_free char *record = NULL;

	if (!kind)
		return;
	if (!strcmp(kind, "tier")) {
		store_changes_add(all, KIND_TIER, what, "{}");
		return;
	}
	record = unquote(what);
	store_changes_add(all, KIND_POLICY, "p", record);
}

START_TEST(test_what_an_edit_may_not_leave)
{
	const struct edit *edit = &edits[_i];
	struct store_changes stored = {0}, changes = {0};
	struct store_view view = {0};
	cleanup_free char *record = edit->record ? unquote(edit->record) : NULL;

	for (size_t i = 0; i < 2; i++)
		add_stored(&stored, edit->stored[i][0], edit->stored[i][1]);
	view = (struct store_view){stored.items, stored.count, NULL};
	store_changes_add(&changes, edit->kind, edit->name, record);
	input_add_name(&input, edit->kind, edit->name);
	tiers_check(&view, &changes, &input, &diag);
	ck_assert_uint_eq(diag.count, edit->error != NULL);
	if (edit->error)
		ck_assert_msg(strstr(diag.entries[0], edit->error) != NULL, "%s", diag.entries[0]);
	store_changes_clear(&stored);
	store_changes_clear(&changes);
}
END_TEST

START_TEST(test_there_are_so_many_tiers_and_no_more)
{
	struct store_changes changes = {0};
	const struct store_view view = {0};

	for (int i = 1; i <= TIERS_MAX; i++) {
		cleanup_free char *name = xasprintf("t%d", i);

		store_changes_add(&changes, KIND_TIER, name, "{}");
		input_add_name(&input, KIND_TIER, name);
		if (i == TIERS_MAX - 1) {
			tiers_check(&view, &changes, &input, &diag);
			ck_assert_uint_eq(diag.count, 0);
		}
	}
	tiers_check(&view, &changes, &input, &diag);
	ck_assert_uint_gt(diag.count, 0);
	ck_assert_ptr_nonnull(
		strstr(diag.entries[0], "there would be 9 tiers, default among them"));
	store_changes_clear(&changes);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("v3_define");
	TCase *tcase = tcase_create("v3_define");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_stored_and_shown_again, 0, COUNT(documents));
	tcase_add_loop_test(tcase, test_refused, 0, COUNT(refused));
	tcase_add_test(tcase, test_names_of_kinds_are_apart);
	tcase_add_test(tcase, test_only_policies_are_staged);
	tcase_add_loop_test(tcase, test_what_an_edit_may_not_leave, 0, COUNT(edits));
	tcase_add_test(tcase, test_there_are_so_many_tiers_and_no_more);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
