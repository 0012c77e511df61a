/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/record.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "syncd/docker_json.h"
#include "syncd/labels_map.h"
#include "tests/unit/syncd/prefixes.h"

#include <check.h>
#include <string.h>

#define P "p."

static struct label_prefixes *prefixes;
static struct labels *docker, *image, *labels, *rejected;

static void setup(void)
{
	prefixes = prefixes_of(P);
	docker = labels_new();
	image = labels_new();
	labels = labels_new();
	rejected = labels_new();
}

static void teardown(void)
{
	label_prefixes_free(prefixes);
	labels_free(docker);
	labels_free(image);
	labels_free(labels);
	labels_free(rejected);
}

static void map(enum image_trust trust)
{
	const struct labels_source source = {.prefixes = prefixes,
		.docker = docker,
		.trust = trust,
		.image_labels = image,
		.container = "web-1",
		.image = "nginx:1",
		.network = "net1"};

	labels_map(&source, labels, rejected);
}

static void expect_reason(const char *key, const char *part)
{
	const char *reason = labels_get(rejected, key);

	ck_assert_msg(reason != NULL, "%s is not rejected", key);
	ck_assert_msg(strstr(reason, part) != NULL, "%s: %s", key, reason);
	ck_assert_ptr_null(labels_get(labels, key));
}

START_TEST(test_prefix_goes_and_derived_come)
{
	labels_set(docker, P "role", "db");
	labels_set(docker, "other", "x");
	map(IMAGE_CHECKED);
	ck_assert_str_eq(labels_get(labels, "role"), "db");
	ck_assert_str_eq(labels_get(labels, "docker/container"), "web-1");
	ck_assert_str_eq(labels_get(labels, "docker/image"), "nginx:1");
	ck_assert_str_eq(labels_get(labels, "docker/network"), "net1");
	ck_assert_uint_eq(labels_count(labels), 4);
	ck_assert_uint_eq(labels_count(rejected), 0);
}
END_TEST

START_TEST(test_bad_ones_are_named_and_others_count)
{
	labels_set(docker, P "good", "");
	labels_set(docker, P, "empty key");
	labels_set(docker, P "sp ace", "x");
	labels_set(docker, P "value", "a b");
	labels_set(docker, P "end", "x-");
	labels_set(docker, P "docker/container", "other");
	labels_set(docker, P "a\nb", "x");
	map(IMAGE_CHECKED);
	expect_reason("", "label key of 0 characters");
	expect_reason("sp ace", "only letters, digits");
	expect_reason("value", "only letters, digits");
	expect_reason("end", "must end with");
	expect_reason("a?b", "only letters, digits");
	ck_assert_str_eq(labels_get(labels, "good"), "");
	ck_assert_str_eq(labels_get(labels, "docker/container"), "web-1");
	ck_assert_ptr_nonnull(strstr(labels_get(rejected, "docker/container"), "reserved"));
}
END_TEST

START_TEST(test_image_does_not_choose_its_role)
{
	labels_set(docker, P "role", "admin");
	labels_set(docker, P "tier", "mine");
	labels_set(image, P "role", "admin");
	labels_set(image, P "tier", "images");
	map(IMAGE_CHECKED);
	expect_reason("role", "the image's own");
	ck_assert_str_eq(labels_get(labels, "tier"), "mine");
}
END_TEST

START_TEST(test_image_labels_on)
{
	labels_set(docker, P "role", "admin");
	labels_set(image, P "role", "admin");
	map(IMAGE_COUNTS);
	ck_assert_str_eq(labels_get(labels, "role"), "admin");
}
END_TEST

START_TEST(test_image_unreadable_counts_nothing)
{
	labels_set(docker, P "role", "admin");
	labels_set(docker, COMPOSE_PROJECT, "shop");
	map(IMAGE_UNREADABLE);
	expect_reason("role", "the image cannot be read");
	ck_assert_ptr_null(labels_get(labels, "docker/compose.project"));
	ck_assert_str_eq(labels_get(labels, "docker/container"), "web-1");
	ck_assert(!labels_has_user_label(labels));
}
END_TEST

START_TEST(test_compose)
{
	labels_set(docker, COMPOSE_PROJECT, "shop");
	labels_set(docker, COMPOSE_SERVICE, "web");
	labels_set(docker, COMPOSE_CONFIG_HASH, "c0ffee");
	/* an image that Compose built carries these as well */
	labels_set(image, COMPOSE_PROJECT, "shop");
	labels_set(image, COMPOSE_SERVICE, "web");
	map(IMAGE_CHECKED);
	ck_assert_str_eq(labels_get(labels, "docker/compose.project"), "shop");
	ck_assert_str_eq(labels_get(labels, "docker/compose.service"), "web");
}
END_TEST

START_TEST(test_compose_claimed_by_an_image)
{
	labels_set(docker, COMPOSE_PROJECT, "shop");
	labels_set(docker, COMPOSE_SERVICE, "web");
	labels_set(docker, COMPOSE_CONFIG_HASH, "c0ffee");
	labels_set(image, COMPOSE_PROJECT, "shop");
	labels_set(image, COMPOSE_CONFIG_HASH, "c0ffee");
	map(IMAGE_CHECKED);
	ck_assert_ptr_null(labels_get(labels, "docker/compose.project"));
	ck_assert_str_eq(labels_get(labels, "docker/compose.service"), "web");
}
END_TEST

START_TEST(test_derived_value_refused)
{
	cleanup_free char *longer = xcalloc(1, LABEL_DERIVED_VALUE_MAX + 2);

	memset(longer, 'x', LABEL_DERIVED_VALUE_MAX + 1);
	labels_set(docker, COMPOSE_PROJECT, longer);
	labels_set(docker, COMPOSE_SERVICE, "a\nb");
	map(IMAGE_CHECKED);
	expect_reason("docker/compose.project", "at most");
	expect_reason("docker/compose.service", "control character");
}
END_TEST

/* --- several prefixes --- */

static void use_prefixes(const char *list)
{
	label_prefixes_free(prefixes);
	prefixes = prefixes_of(list);
}

/* What a container and its image carry, and what comes of it: "key=value" lists; reasons by a part of them. */
static const struct {
	const char *prefixes, *docker, *image;
	const char *counts; /* user labels, in key order */
	const char *rejected, *reason;
} mapped[] = {
	{"p.,q.", "p.a=1,q.b=2", "", "a=1,b=2", NULL, NULL},
	{"p.,q.=x/", "p.a=1,q.a=2", "", "a=1,x/a=2", NULL, NULL},
	{"p.=", "p.a=1", "", "a=1", NULL, NULL},
	/* the longest prefix does it, whatever the order */
	{"p.,p.q.=x/", "p.q.a=1", "", "x/a=1", NULL, NULL},
	{"p.q.=x/,p.", "p.q.a=1", "", "x/a=1", NULL, NULL},
	/* a clash: the prefix that was named first */
	{"p.,q.", "p.role=web,q.role=admin", "", "role=web", "q.role",
		"p.role goes before and says \"web\""},
	{"q.,p.", "p.role=web,q.role=admin", "", "role=admin", "p.role", "q.role goes before"},
	{"p.,q.", "p.role=web,q.role=web", "", "role=web", NULL, NULL},
	{"p.=x/,q.x/=x/", "p.a=1,q.x/a=2", "", "x/a=1", "q.x/a", "p.a goes before"},
	/* what does not count does not stand in the way of what does */
	{"p.,q.", "p.role=admin,q.role=web", "p.role=admin", "role=web", "p.role",
		"the image's own"},
	{"p.,q.", "p.role=a b,q.role=web", "", "role=web", "p.role", "only letters"},
	{"p.,q.", "p.role=web,q.role=admin", "q.role=admin", "role=web", "q.role",
		"the image's own"},
	{"p.,q.", "p.role=web,q.role=web", "p.role=web,q.role=web", "", "role", "the image's own"},
	/* the reserved key space cannot be put together */
	{"p.=dock,q.", "p.er/container=x", "", "", "docker/container", "reserved"},
	{"p.", "p.docker/host=x", "", "", "docker/host", "reserved"},
	{"p.=x/", "p.=1", "", "x/=1", NULL, NULL},
};

static void set_all(struct labels *target, const char *list)
{
	cleanup_free char *copy = xstrdup(list);
	char *rest = NULL;

	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(word, '=');

		*value++ = '\0';
		labels_set(target, word, value);
	}
}

START_TEST(test_mapped)
{
	struct strbuf counts cleanup_strbuf = {0};

	use_prefixes(mapped[_i].prefixes);
	set_all(docker, mapped[_i].docker);
	set_all(image, mapped[_i].image);
	map(IMAGE_CHECKED);
	for (size_t i = 0; i < labels_count(labels); i++)
		if (!label_key_reserved(labels_key(labels, i)))
			strbuf_addf(&counts, "%s%s=%s", counts.len ? "," : "",
				labels_key(labels, i), labels_value(labels, i));
	ck_assert_str_eq(counts.text ? counts.text : "", mapped[_i].counts);
	if (!mapped[_i].rejected) {
		ck_assert_uint_eq(labels_count(rejected), 0);
		return;
	}
	ck_assert_ptr_nonnull(labels_get(rejected, mapped[_i].rejected));
	ck_assert_msg(strstr(labels_get(rejected, mapped[_i].rejected), mapped[_i].reason) != NULL,
		"%s", labels_get(rejected, mapped[_i].rejected));
}
END_TEST

/* Nobody's reason is lost: each has a name of its own. */
START_TEST(test_several_rejected_for_one_key)
{
	use_prefixes("p.,q.,r.,s.");
	set_all(docker, "p.role=a b,q.role=web,r.role=admin,s.role=root");
	map(IMAGE_CHECKED);
	ck_assert_str_eq(labels_get(labels, "role"), "web");
	expect_reason("p.role", "only letters");
	expect_reason("r.role", "q.role goes before");
	expect_reason("s.role", "q.role goes before");
	ck_assert_uint_eq(labels_count(rejected), 3);
}
END_TEST

/* Hostile numbers must not make a record that readers refuse: the endpoint would be open. */
START_TEST(test_many_labels_stay_bounded)
{
	size_t bytes = 0;

	for (int i = 0; i < DOCKER_LABELS_MAX; i++) {
		cleanup_free char *key = xasprintf(P "%0500d", i);
		cleanup_free char *bad = xasprintf(P "%d-%0490d ", i, i);

		labels_set(docker, key,
			"012345678901234567890123456789012345678901234567890123456789012");
		labels_set(docker, bad, "x");
	}
	map(IMAGE_CHECKED);
	ck_assert_uint_le(labels_count(labels), LABELS_COUNTED_MAX + 5);
	ck_assert_uint_le(labels_count(rejected), LABELS_REJECTED_MAX + 1);
	ck_assert_ptr_nonnull(strstr(labels_get(rejected, "..."), "more"));
	for (size_t i = 0; i < labels_count(labels); i++)
		bytes += strlen(labels_key(labels, i)) + strlen(labels_value(labels, i)) + 8;
	for (size_t i = 0; i < labels_count(rejected); i++)
		bytes += 2 * (strlen(labels_key(rejected, i)) + strlen(labels_value(rejected, i))) +
			 8;
	ck_assert_uint_lt(bytes, RECORD_BYTES_MAX / 2);
}
END_TEST

START_TEST(test_needs_image)
{
	ck_assert(!labels_map_needs_image(prefixes, docker));
	labels_set(docker, "other", "x");
	labels_set(docker, COMPOSE_CONFIG_HASH, "x");
	ck_assert(!labels_map_needs_image(prefixes, docker));
	ck_assert(!labels_map_any(prefixes, docker));
	labels_set(docker, COMPOSE_SERVICE, "web");
	ck_assert(labels_map_needs_image(prefixes, docker));
	ck_assert(!labels_map_any(prefixes, docker));
	labels_set(docker, P "x", "y");
	ck_assert(labels_map_any(prefixes, docker));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/labels_map");
	TCase *tcase = tcase_create("labels_map");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_prefix_goes_and_derived_come);
	tcase_add_test(tcase, test_bad_ones_are_named_and_others_count);
	tcase_add_test(tcase, test_image_does_not_choose_its_role);
	tcase_add_test(tcase, test_image_labels_on);
	tcase_add_test(tcase, test_image_unreadable_counts_nothing);
	tcase_add_test(tcase, test_compose);
	tcase_add_test(tcase, test_compose_claimed_by_an_image);
	tcase_add_test(tcase, test_derived_value_refused);
	tcase_add_loop_test(tcase, test_mapped, 0, sizeof(mapped) / sizeof(*mapped));
	tcase_add_test(tcase, test_several_rejected_for_one_key);
	tcase_add_test(tcase, test_many_labels_stay_bounded);
	tcase_add_test(tcase, test_needs_image);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
