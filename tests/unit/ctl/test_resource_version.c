/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/resource_version.h"

#include "tests/unit/quoted.h"

#include <check.h>
#include <string.h>

static void expect(const char *quoted, const char *version)
{
	cleanup_json json_t *record = parse(quoted);
	char got[RESOURCE_VERSION_SIZE];

	resource_version_of(record, got);
	ck_assert_str_eq(got, version);
	ck_assert(resource_version_is_ours(got));
}

/* Files that people keep have them: they must not change from one release to the next. */
START_TEST(it_is_of_the_content_alone)
{
	expect("{'v':1,'name':'a'}", "bulkhead-80e0cf91291a7854");
	expect("{'name' : 'a', 'v':1}", "bulkhead-80e0cf91291a7854");
	expect("{'v':1,'name':'b'}", "bulkhead-845fc4ec2d490281");
	expect("{'v':1,'name':'a','x':{}}", "bulkhead-c4e3f01c8aa5e56e");
}
END_TEST

START_TEST(other_servers_have_others)
{
	static const char *const others[] = {
		"", "1", "1234", "bulkhead", "Bulkhead-0011223344556677"};

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ck_assert_msg(!resource_version_is_ours(others[i]), "%s", others[i]);
	/* what was ours and is damaged must not be taken for another's, which is not looked at */
	ck_assert(resource_version_is_ours("bulkhead-"));
	ck_assert(resource_version_is_ours("bulkhead-xyz"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resource_version");
	TCase *t = tcase_create("all");
	SRunner *runner = srunner_create(s);
	int failed;

	tcase_add_test(t, it_is_of_the_content_alone);
	tcase_add_test(t, other_servers_have_others);
	suite_add_tcase(s, t);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
