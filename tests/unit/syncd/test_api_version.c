/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/api_version.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *min, *max, *spoken; /* NULL: refused */
} cases[] = {
	{"1.12", "1.41", "1.41"}, /* Engine 20.10 */
	{"1.24", "1.45", "1.45"}, /* 26.1 */
	{"1.44", "1.52", "1.51"}, /* 29.0 */
	{"1.40", "1.55", "1.51"}, /* 29.7 */
	{"", "1.40", "1.40"},
	{"1.12", "1.39", NULL},
	{"1.52", "1.60", NULL},
	{"2.0", "2.1", NULL},
	{"", "", NULL},
	{"x", "1.41", NULL},
	{"1.12", "1.41; rm", NULL},
	{"1.12", "1.", NULL},
	{"1.12", "99999999999999999999.1", NULL},
};

START_TEST(test_negotiate)
{
	char version[API_VERSION_SIZE] = "";
	struct err err = {0};
	int rc = api_version_negotiate(cases[_i].min, cases[_i].max, version, &err);

	ck_assert_int_eq(rc, cases[_i].spoken ? 0 : -1);
	if (cases[_i].spoken)
		ck_assert_str_eq(version, cases[_i].spoken);
	else
		ck_assert_str_ne(err.text, "");
}
END_TEST

START_TEST(test_check)
{
	ck_assert_int_eq(api_version_check("1.43", NULL), 0);
	ck_assert_int_eq(api_version_check("1", NULL), -1);
	ck_assert_int_eq(api_version_check("v1.43", NULL), -1);
	ck_assert_int_eq(api_version_check("1.43/../..", NULL), -1);
	ck_assert_int_eq(api_version_check("", NULL), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/api_version");
	TCase *tcase = tcase_create("api_version");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_negotiate, 0, sizeof(cases) / sizeof(*cases));
	tcase_add_test(tcase, test_check);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
