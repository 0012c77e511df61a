/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/syncd/prefixes.h"

#include "common/strbuf.h"

/* A Docker label under a list of prefixes: the key that it gets, or NULL. */
static const struct {
	const char *list, *docker_key, *key;
} keys[] = {
	{"org.projectcalico.label.", "org.projectcalico.label.role", "role"},
	{"org.projectcalico.label.", "org.projectcalico.label", NULL},
	{"org.projectcalico.label.", "role", NULL},
	{"a.", "a.", ""},
	{"a.,b.=x/", "b.role", "x/role"},
	{"a.,b.=x/", "a.role", "role"},
	{"a.,b.=x/", "ab.role", NULL},
	{"a.,a.b.=x/", "a.b.role", "x/role"},
	{"a.b.=x/,a.", "a.b.role", "x/role"},
	{"a.,a.b.", "a.b", "b"},
	{"a.=", "a.role", "role"},
	{"traefik.http=", "traefik.http.port", ".port"},
};

START_TEST(test_keys)
{
	CLEANUP(label_prefixes) struct label_prefixes *prefixes = prefixes_of(keys[_i].list);
	int place = label_prefixes_find(prefixes, keys[_i].docker_key);
	cleanup_free char *key = NULL;

	ck_assert_int_eq(place == LABEL_PREFIX_NONE, !keys[_i].key);
	if (place == LABEL_PREFIX_NONE)
		return;
	key = label_prefixes_key(prefixes, place, keys[_i].docker_key);
	ck_assert_str_eq(key, keys[_i].key);
}
END_TEST

static const struct {
	const char *list, *part;
} refused[] = {
	{"", "1 to 512"},
	{"=x", "1 to 512"},
	{"a.=docker/", "reserved"},
	{"a.=docker/host", "reserved"},
	{"a.=x y", "only letters"},
	{"a.=x=y", "only letters"},
	{"a.\n", "printable"},
	{"a.,b.,a.=x", "named before"},
	{"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "at most 16"},
};

START_TEST(test_refused)
{
	struct err err = {0};

	ck_assert_ptr_null(parse_prefixes(refused[_i].list, &err));
	ck_assert_msg(strstr(err.text, refused[_i].part) != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_too_long)
{
	cleanup_free char *longest = xasprintf("%0512d=%0512d", 1, 2);
	cleanup_free char *prefix = xasprintf("%0513d", 1);
	cleanup_free char *key = xasprintf("a.=%0513d", 1);
	struct err err = {0};

	label_prefixes_free(prefixes_of(longest));
	ck_assert_ptr_null(parse_prefixes(prefix, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "1 to 512"));
	ck_assert_ptr_null(parse_prefixes(key, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "1 to 512"));
}
END_TEST

START_TEST(test_text_and_count)
{
	CLEANUP(label_prefixes) struct label_prefixes *prefixes = prefixes_of("a.,b.=x/");
	cleanup_free char *text = label_prefixes_text(prefixes);

	ck_assert_str_eq(text, "a.X as X, b.X as x/X");
	ck_assert_uint_eq(label_prefixes_count(prefixes), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/label_prefix");
	TCase *tcase = tcase_create("label_prefix");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_keys, 0, sizeof(keys) / sizeof(*keys));
	tcase_add_loop_test(tcase, test_refused, 0, sizeof(refused) / sizeof(*refused));
	tcase_add_test(tcase, test_too_long);
	tcase_add_test(tcase, test_text_and_count);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
